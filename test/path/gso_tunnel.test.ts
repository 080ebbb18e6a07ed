// Trains through tunnels: the packet within is cut, and each segment has its outer headers, whatever the device below can do.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type NewLink, type Nic, lab } from '../../src/index.ts'
import { HOST, HOST_MAC, PEER, PEER_MAC, type Seen, read } from './packets.ts'

const test = suite('gso: tunnels')

const TUNNELS: Readonly<Record<string, NewLink>> = {
  ipip: { kind: 'ipip', name: 'tt', local: HOST, remote: PEER, ttl: 33 },
  vxlan: { kind: 'vxlan', name: 'tt', id: 5, local: HOST, remote: PEER, dev: 'eth0', ttl: 33 },
  'vxlan without outer checksums': {
    kind: 'vxlan',
    name: 'tt',
    id: 5,
    local: HOST,
    remote: PEER,
    dev: 'eth0',
    ttl: 33,
    udpcsum: false,
  },
}

const NICS: readonly Readonly<Record<string, boolean>>[] = [
  {},
  { 'tx-udp-segmentation': false },
  { tx: false },
  { sg: false },
  { tx: false, sg: false },
]

/** Bytes, segment size, and the payloads that leave. */
const TRAINS: readonly (readonly [total: number, size: number, sizes: number[]])[] = [
  [2500, 1000, [1000, 1000, 500]],
  [100, 50, [50, 50]],
  [300, 400, [300]],
  [60_000, 1300, [...Array.from({ length: 46 }, () => 1300), 200]],
]

const payload = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8))

function insideOf(kind: string, frame: Uint8Array): Uint8Array {
  // IPIP has no link header of its own: the outer one's stands for it.
  return kind === 'ipip' ? new Uint8Array([...frame.subarray(0, 14), ...frame.subarray(34)]) : frame.subarray(50)
}

async function frames(link: NewLink, features: Readonly<Record<string, boolean>>, total: number, size: number) {
  const net = await lab({ seed: 1 })
  try {
    const host = net.host('h')
    const nic: Nic = host.nic('eth0', { mac: HOST_MAC })
    host.addr.add('eth0', `${HOST}/24`)
    host.link('eth0', { up: true, features })
    host.neigh.add({ dev: 'eth0', ip: PEER, mac: PEER_MAC })
    host.link.add(link)
    host.link('tt', { up: true })
    host.addr.add('tt', '10.5.0.1/24')
    if (link.kind !== 'ipip') host.neigh.add({ dev: 'tt', ip: '10.5.0.2', mac: '02:00:00:00:05:02' })
    net.run()
    nic.tx()
    const socket = host.socket('udp').bind({ address: '10.5.0.1', port: 7 })
    socket.send(payload(total), { to: { address: '10.5.0.2', port: 9 }, cmsg: { UDP_SEGMENT: size } })
    net.run()
    const out = nic.tx()
    socket.close()
    net.run()
    const { balanced, live } = net.account()
    assert.equal([balanced, live], [true, 0])
    return out
  } finally {
    await net.close()
  }
}

const idsRise = (seen: readonly Seen[]): void => {
  assert.equal(
    seen.map(({ id }) => id),
    seen.map((_, i) => (seen[0]!.id! + i) & 0xffff),
  )
}

for (const [name, link] of Object.entries(TUNNELS)) {
  for (const [total, size, sizes] of TRAINS) {
    test(`${name}: ${total} bytes by ${size}`, async () => {
      let first: Uint8Array[] | undefined
      for (const features of NICS) {
        const out = await frames(link, features, total, size)
        const inner = out.map((frame) => insideOf(link.kind, frame))
        const [outside, inside] = [out.map(read), inner.map(read)]
        assert.equal([...new Set([...outside, ...inside].flatMap(({ wrong }) => wrong))], [])
        assert.equal(
          inner.map((frame) => ((frame[38]! << 8) | frame[39]!) - 8),
          sizes,
        )
        assert.equal(new Uint8Array(inner.flatMap((frame, i) => [...frame.slice(42, 42 + sizes[i]!)])), payload(total))
        idsRise(outside)
        idsRise(inside)
        assert.ok(outside.every(({ ttl, to }) => ttl === 33 && to!.startsWith(PEER)))
        assert.equal(out, (first ??= out), JSON.stringify(features))
      }
    })
  }
}

test.run()
