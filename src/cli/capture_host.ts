// The host that a capture was taken at, made in a lab: its NIC, its addresses, its peers as permanent neighbours, and a
// socket for each UDP port that got traffic.

import { type Host, type Lab, type Nic, type UdpSocket, lab as makeLab } from '../index.ts'
import { type CaptureHost, type Survey, findHost, macOf } from './survey.ts'

/** What can be said on the command line about the host. */
export interface HostOptions {
  /** An address, or with a prefix length. */
  host?: string
  sockets: boolean
}

/** A host ready to be played to. */
export interface PlayedHost {
  lab: Lab
  host: Host
  nic: Nic
  identity: CaptureHost
  sockets: UdpSocket[]
}

const MEMORY_MB = 128
/** Largest MTU of the NIC; frames beyond it are lost as on a real one. */
const MTU_MAX = 9216

function parseHost(survey: Survey, text: string): CaptureHost {
  const [address, length = '24'] = text.split('/') as [string, string?]
  const mac = macOf(survey, address)
  if (!mac)
    throw Object.assign(new Error(`--host ${address}: no packet of the capture comes from there`), { code: 'EINVAL' })
  const prefixLength = Number(length)
  if (!Number.isInteger(prefixLength) || prefixLength < 1 || prefixLength > 32) {
    throw Object.assign(new Error(`--host ${text}: the prefix length is 1 to 32`), { code: 'EINVAL' })
  }
  return { mac, addresses: [address], prefixLength, because: 'it was named' }
}

/** Who the host is: as it was named, or found. EINVAL: nobody in the capture can be. */
export function identify(survey: Survey, options: HostOptions): CaptureHost {
  if (options.host !== undefined) return parseHost(survey, options.host)
  const found = findHost(survey)
  if (found) return found
  const why = 'no host found: no IPv4 packet leaves with a fresh TTL; name it with --host IP/len'
  throw Object.assign(new Error(why), { code: 'EINVAL' })
}

function colons(mac: string): string {
  return mac.match(/../g)!.join(':')
}

/** Each other sender is a permanent neighbour on the link, so that answers find their way back. */
function addNeighbours(host: Host, survey: Survey, identity: CaptureHost): void {
  const own = new Set(identity.addresses)
  const known = new Set<string>()
  for (const sender of survey.senders.values()) {
    if (sender.mac === identity.mac || parseInt(sender.mac.slice(0, 2), 16) & 1) continue
    for (const ip of sender.addresses.keys()) {
      const first = Number(ip.split('.')[0])
      if (own.has(ip) || known.has(ip) || first === 0 || first === 127 || first >= 224) continue
      known.add(ip)
      host.neigh.add({ dev: 'eth0', ip, mac: colons(sender.mac) })
    }
  }
}

/** UDP ports on which somebody asked the host, or everybody. */
function portsOf(survey: Survey, identity: CaptureHost): number[] {
  const ports = new Set<number>()
  for (const [address, asked] of survey.udpPorts) {
    const first = Number(address.split('.')[0])
    const ours = identity.addresses.includes(address) || first >= 224 || address.endsWith('.255')
    if (ours) for (const port of asked) if (port !== 0) ports.add(port)
  }
  return [...ports].sort((a, b) => a - b)
}

/** Makes the host, up, with its sockets. longest: bytes of the longest frame. */
export async function makeCaptureHost(survey: Survey, longest: number, options: HostOptions): Promise<PlayedHost> {
  const identity = identify(survey, options)
  const lab = await makeLab({ seed: 1, memoryMb: MEMORY_MB })
  try {
    const host = lab.host('host')
    const mtu = Math.min(Math.max(1500, longest - 14), MTU_MAX)
    const nic = host.nic('eth0', { mac: colons(identity.mac), mtu })
    for (const [i, address] of identity.addresses.entries()) {
      host.addr.add('eth0', {
        address: `${address}/${i === 0 ? identity.prefixLength : 32}`,
        ...(i === 0 && { broadcast: '+' }),
      })
    }
    host.link('eth0', { up: true })
    host.route.add({ to: 'default', dev: 'eth0' })
    addNeighbours(host, survey, identity)
    lab.advance('1ms')
    nic.tx()
    const ports = options.sockets ? portsOf(survey, identity) : []
    const sockets = ports.map((port) => host.udp({ port, options: { SO_REUSEADDR: 1, SO_RCVBUF: 1 << 20 } }))
    return { lab, host, nic, identity, sockets }
  } catch (error) {
    await lab.close()
    throw error
  }
}
