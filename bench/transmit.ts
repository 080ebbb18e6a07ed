// Benches of the way out: datagrams from a program's batch to a NIC's ring, alone or as the answers to what came in.

import { type Host, type UdpSocket, lab as makeLab } from '../src/index.ts'
import { BAD_FRAME, FIRST_SOURCE, FLOWS, FRAMES, HOST_MAC, PORT } from './frames.ts'
import type { Path, PathBench } from './path.ts'
import { dropsFor, receiver } from './receive.ts'

interface TransmitBench extends PathBench {
  ring: number
  burst: number
}

export const PEER = '10.0.0.2'
/** Nobody has this address: with no probes to send, what goes there is dropped at once. */
export const NOBODY = '10.0.0.99'

/** Ethernet, IPv4 and UDP headers. */
const HEADERS = 42

/** Bursts of datagrams to the flows of PEER, one of a round to nobody. */
function batches(socket: UdpSocket, payload: number, burst: number): ReturnType<UdpSocket['batch']>[] {
  const all = Array.from({ length: Math.ceil(FRAMES / burst) }, () => socket.batch(burst, burst * payload))
  for (let i = 0; i < FRAMES; i++) {
    const bytes = Uint8Array.from({ length: payload }, (_, k) => i * 31 + k * 7)
    const to = { address: i === BAD_FRAME ? NOBODY : PEER, port: FIRST_SOURCE + (i % FLOWS) }
    all[Math.floor(i / burst)]!.push(bytes, to)
  }
  return all
}

/** The stack computes checksums, not the device. */
export function computesChecksums(host: Host, dev: string): void {
  host.link(dev, { features: { 'tx-checksum-ip-generic': false } })
}

/** A host that does not ask for neighbours: who is not known is not there. */
export function knowsOnly(host: Host, dev: string): void {
  for (const probes of ['mcast_solicit', 'app_solicit']) host.sysctl(`net.ipv4.neigh.${dev}.${probes}`, 0)
}

async function setUpSend({ payload, ring, burst }: TransmitBench): Promise<Path> {
  const lab = await makeLab({ seed: 1, memoryMb: 64 })
  const host = lab.host('host')
  const nic = host.nic('eth0', { mac: HOST_MAC, ring }).attach({ keep: false })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  host.neigh.add({ dev: 'eth0', ip: PEER, mac: '02:00:00:00:00:02' })
  knowsOnly(host, 'eth0')
  computesChecksums(host, 'eth0')
  const socket = host.udp({ port: PORT, options: { SO_SNDBUF: 1 << 21 } })
  const bursts = batches(socket, payload, burst)
  lab.run()
  const play = (packets: number): number => {
    const before = nic.info().stats.tx_packets
    for (let sent = 0; sent < packets; sent += FRAMES) {
      for (const batch of bursts) {
        if (socket.sendBatch(batch) !== batch.count) throw new Error('a batch was cut short')
        lab.run()
      }
    }
    return nic.info().stats.tx_packets - before
  }
  return { lab, play, bytes: FRAMES * Math.max(60, HEADERS + payload), lost: () => dropsFor(host, 'NEIGH_FAILED') }
}

async function setUpEcho({ payload, ring, burst }: TransmitBench): Promise<Path> {
  const { lab, host, nic, bursts, bytes } = await receiver(payload, ring, burst)
  nic.attach({ keep: false })
  computesChecksums(host, 'eth0')
  const socket = host.udp({ port: PORT, options: { SO_RCVBUF: 1 << 21, SO_SNDBUF: 1 << 21 } })
  lab.run()
  const rows = burst + 1
  const play = (packets: number): number => {
    const before = nic.info().stats.tx_packets
    for (let sent = 0; sent < packets; sent += FRAMES) {
      for (const frames of bursts) {
        nic.rx(frames)
        lab.run()
        const batch = socket.recvBatch(rows)
        if (!batch || socket.sendBatch(batch) !== batch.count) throw new Error('a batch was cut short')
        lab.run()
      }
    }
    return nic.info().stats.tx_packets - before
  }
  return { lab, play, bytes, lost: () => dropsFor(host, 'UDP_CSUM') }
}

type Given = Omit<TransmitBench, 'setUp'>

const send = (given: Given): PathBench => ({ ...given, setUp: () => setUpSend(send(given) as TransmitBench) })
const echo = (given: Given): PathBench => ({ ...given, setUp: () => setUpEcho(echo(given) as TransmitBench) })

export const transmitBenches: PathBench[] = [
  send({ name: 'udp-tx-64', payload: 18, ring: 256, burst: 205, packets: FRAMES * 512 }),
  send({ name: 'udp-tx-1472', payload: 1472, ring: 64, burst: 48, packets: FRAMES * 192 }),
  echo({ name: 'udp-echo-64', payload: 18, ring: 256, burst: 205, packets: FRAMES * 512 }),
  echo({ name: 'udp-echo-1472', payload: 1472, ring: 64, burst: 48, packets: FRAMES * 192 }),
]
