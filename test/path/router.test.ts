// A capture taken at a router's first interface is played at a router with its addresses: a traceroute through it, pings,
// a ping longer than the way on (its MTU was lowered before packet 27), and one to where no route leads.

import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Nic, lab } from '../../src/index.ts'
import { openCapture } from '../../src/pcap/file.ts'
import { rootFolder } from '../root.ts'
import { type Bytes, checksum, join, read } from './packets.ts'

const CAPTURE = fileURLToPath(new URL('examples/captures/router.pcap', rootFolder))

const INSIDE = { dev: 'eth0', address: '10.0.1.1', mac: '02:00:0a:00:01:01', peer: '10.0.1.2' }
const INSIDE_PEER_MAC = '02:00:0a:00:01:02'
const OUTSIDE = { dev: 'eth1', address: '10.0.2.1', mac: '02:00:0a:00:02:01', peer: '10.0.2.2' }
const OUTSIDE_PEER_MAC = '02:00:0a:00:02:02'
/** Packets of the capture (from 1) that the router itself sent. */
const OWN = [2, 4, 28, 34]
const MTU_LOWERED = { before: 27, to: 1400 }

const macBytes = (text: string): Bytes => Uint8Array.from(text.split(':'), (part) => parseInt(part, 16))

/** The frame one hop away: other link addresses, another TTL, the header's checksum to it. */
function hop(frame: Uint8Array, dmac: string, smac: string, ttl: number): Bytes {
  const packet = Uint8Array.from(frame.subarray(14))
  packet[8] = ttl
  packet.fill(0, 10, 12)
  const sum = checksum(packet.subarray(0, 20))
  packet.set([sum >> 8, sum & 255], 10)
  return join(macBytes(dmac), macBytes(smac), frame.subarray(12, 14), packet)
}

/** Without the IP id that the router chose, and the checksum over it. */
function withoutId(frame: Uint8Array): Bytes {
  const copy = Uint8Array.from(frame)
  copy.fill(0, 18, 20)
  copy.fill(0, 24, 26)
  return copy
}

const hex = (frame: Uint8Array | undefined): string => Buffer.from(frame ?? []).toString('hex')

function makeRouter(net: Lab): Host {
  const host = net.host('router')
  host.sysctl('net.ipv4.ip_forward', 1)
  for (const { dev, address, mac, peer } of [INSIDE, OUTSIDE]) {
    host.nic(dev, { mac })
    host.addr.add(dev, `${address}/24`)
    host.link(dev, { up: true })
    host.neigh.add({ dev, ip: peer, mac: dev === 'eth0' ? INSIDE_PEER_MAC : OUTSIDE_PEER_MAC })
  }
  net.advance('2s')
  for (const { dev } of [INSIDE, OUTSIDE]) (host.device(dev) as Nic).tx()
  return host
}

const test = suite('router')

test('router.pcap: its own answers are those of the capture, all else is forwarded', async () => {
  const net = await lab()
  const host = makeRouter(net)
  const nic = (dev: string): Nic => host.device(dev) as Nic
  /** Plays a frame in at one side; what left by each. */
  const play = (dev: string, frame: Uint8Array): { inside: Uint8Array[]; outside: Uint8Array[] } => {
    nic(dev).rx([frame])
    net.run()
    return { inside: nic('eth0').tx(), outside: nic('eth1').tx() }
  }
  const captured: Uint8Array[] = []
  const timesNs: bigint[] = []
  for await (const { data, timeNs } of openCapture(CAPTURE)) {
    captured.push(Uint8Array.from(data))
    timesNs.push(timeNs)
  }
  const startNs = net.now
  const answers = new Map<number, Uint8Array>()
  for (const [i, frame] of captured.entries()) {
    const number = i + 1
    if (number === MTU_LOWERED.before) host.link('eth1', { mtu: MTU_LOWERED.to })
    const at = startNs + Number(timesNs[i]! - timesNs[0]!)
    if (at > net.now) net.advance(at - net.now)
    const { smac, ttl } = read(frame)
    if (smac === INSIDE_PEER_MAC) {
      const { inside, outside } = play('eth0', frame)
      if (OWN.includes(number + 1)) {
        assert.equal([inside.length, outside.length], [1, 0], `packet ${number} is answered`)
        answers.set(number + 1, inside[0]!)
      } else {
        assert.equal(outside.map(hex), [hex(hop(frame, OUTSIDE_PEER_MAC, OUTSIDE.mac, ttl! - 1))], `packet ${number}`)
        assert.is(inside.length, 0)
      }
    } else if (!OWN.includes(number)) {
      // The capture shows it after the router; it came in a hop before.
      const { inside, outside } = play('eth1', hop(frame, OUTSIDE.mac, OUTSIDE_PEER_MAC, ttl! + 1))
      assert.equal([inside.map(hex), outside.length], [[hex(frame)], 0], `packet ${number}`)
    }
  }
  assert.equal(
    OWN.map((number) => [number, hex(withoutId(answers.get(number)!))]),
    OWN.map((number) => [number, hex(withoutId(captured[number - 1]!))]),
  )
  const { balanced, live } = net.account()
  assert.equal([balanced, live], [true, 0])
  await net.close()
})

test.run()
