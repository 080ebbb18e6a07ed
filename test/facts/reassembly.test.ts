// Reassembly as the kernel's selftest ip_defrag asserts it (rows D1 to D7): datagrams of 8 to 9999 bytes in fragments of 8 to 1480.

import * as assert from 'uvu/assert'
import type { UdpSocket } from '../../src/index.ts'
import { type Stories, stories, type Story } from '../path/story.ts'
import { HOST, type Ip, PEER, fragments, ip, udpDatagram } from '../path/packets.ts'

const { path, run }: Stories = stories('reassembly')
const SHORT = { sysctl: { 'net.ipv4.ipfrag_time': 1 } }

/** Bytes of payload, and of the data of a fragment: two fragments at least. */
const sizes: readonly (readonly [payload: number, fragment: number])[] = [
  [8, 8],
  [9, 8],
  [100, 8],
  [1000, 8],
  [1000, 504],
  [1473, 1480],
  [4000, 1480],
  [4001, 1000],
  [9999, 1480],
  [9999, 1024],
  [9999, 64],
  [9999, 8],
]

/** Orders of the fragments of a datagram. */
const orders: Readonly<Record<string, (parts: Uint8Array[]) => Uint8Array[]>> = {
  'D1 in order': (parts) => parts,
  'D2 odd ones first': (parts) => [...parts.filter((_, i) => i % 2 === 1), ...parts.filter((_, i) => i % 2 === 0)],
  'D3 three runs': (parts) => [...parts.slice(6), ...parts.slice(3, 6), ...parts.slice(0, 3)],
  'D4 a duplicate': (parts) => {
    const mixed = orders['D2 odd ones first']!(parts)
    return [mixed[0]!, ...mixed]
  },
}

/** The next datagram has these bytes, counting up. */
function takes(socket: UdpSocket, payload: number): void {
  const got = socket.recv()
  assert.is(got?.data.length, payload)
  assert.ok(got!.data.every((byte, i) => byte === (i & 255)))
}

function parts(payload: number, fragment: number, fields: Ip = {}): Uint8Array[] {
  return fragments({ id: payload, ...fields }, udpDatagram({ data: payload }), fragment)
}

for (const [name, order] of Object.entries(orders)) {
  path(`${name}: one datagram, whole`, SHORT, (h) => {
    const socket = h.udp({ port: 7, options: { SO_RCVBUF: 1 << 20 } })
    for (const [payload, fragment] of sizes) {
      h.rx('eth0', ...order(parts(payload, fragment)))
      takes(socket, payload)
      assert.is(socket.recv(), undefined)
    }
    assert.is(h.host.counters()['UdpInErrors'] ?? 0, 0)
  })
}

/** A fragment of 8 + f bytes from byte 8 on overlaps the first two. */
function overlapping(h: Story, payload: number, fragment: number): void {
  const [first, ...rest] = orders['D2 odd ones first']!(parts(payload, fragment)) as [Uint8Array, ...Uint8Array[]]
  const overlap = ip({ id: payload, protocol: 17, offset: 8, mf: true }, fragment + 8)
  h.rx('eth0', first, overlap, ...rest)
}

path('D5 a fragment that overlaps others: nothing of the datagram is delivered', SHORT, (h) => {
  const socket = h.udp()
  for (const [payload, fragment] of sizes) {
    if (payload < 3 * fragment) continue
    overlapping(h, payload, fragment)
    assert.is(socket.recv(), undefined, `${payload} in ${fragment}`)
    h.net.advance('2s')
    assert.is(socket.recv(), undefined)
  }
  assert.ok(h.host.counters()['IpExtReasmOverlaps']! > 0)
})

path('D6 a fragment that never comes: after ipfrag_time it is told, if the first was there', SHORT, (h) => {
  const socket = h.udp()
  for (const missing of [1, 0]) {
    h.rx('eth0', ...parts(4000, 1480, { id: 600 + missing }).filter((_, i) => i !== missing))
    h.tx('eth0')
    h.net.advance('1100ms')
    h.counters({ IpReasmTimeout: 1, IpReasmFails: 1, IcmpOutTimeExcds: missing })
    if (missing) h.tx('eth0', { from: HOST, to: PEER, type: 11, code: 1 })
    else h.tx('eth0')
  }
  assert.is(socket.recv(), undefined)
})

path('D7 a checksum that computes to 0 is 0xffff on the wire, and right', SHORT, (h) => {
  const socket = h.udp()
  const data = new Uint8Array(4000)
  const sum = udpDatagram({ data }).subarray(6, 8)
  data.set(sum)
  const datagram = udpDatagram({ data })
  assert.equal([...datagram.subarray(6, 8)], [255, 255])
  h.rx('eth0', ...fragments({ id: 7 }, datagram, 1480))
  assert.equal([...socket.recv()!.data.subarray(0, 2)], [...sum])
  h.counters({ IpReasmOKs: 1, UdpInCsumErrors: 0 })
})

run()
