// UDP_SEGMENT (section 2): what the selftest udpgso asserts, sent by each of its ways over devices that cut trains, and that don't.
// Rows marked so were asked of Linux 6.18 again.

import * as assert from 'uvu/assert'
import type { Nic, Socket, Tap } from '../../src/index.ts'
import { HOST, PEER, read } from '../path/packets.ts'
import { type Setup, type Story, stories } from '../path/story.ts'

const { path, run } = stories('facts: UDP_SEGMENT')

/** Datagrams of a size, and the last one. */
const train = (count: number, size: number, last?: number): number[] => [
  ...Array.from({ length: count }, () => size),
  ...(last === undefined ? [] : [last]),
]

/** Bytes in all, gso_size; what leaves, or the error. */
const rows: readonly (readonly [total: number, size: number, outcome: number[] | string])[] = [
  [1, 0, [1]],
  [1472, 0, [1472]],
  [1473, 0, 'EMSGSIZE'],
  [1472, 1472, [1472]],
  [1472, 1473, [1472]],
  [1473, 1474, 'EMSGSIZE'],
  [1473, 1473, 'EMSGSIZE'],
  [1473, 1472, [1472, 1]],
  [2944, 1472, train(2, 1472)],
  [2945, 1472, train(2, 1472, 1)],
  [64768, 1472, train(44, 1472)],
  [65507, 1472, train(44, 1472, 739)],
  [65508, 1472, 'EMSGSIZE'],
  [1, 1, [1]],
  [2, 1, [1, 1]],
  [5, 2, [2, 2, 1]],
  [128, 1, train(128, 1)],
  [129, 1, 'EINVAL'],
  [0, 1, [0]],
  [0, 1472, [0]],
  [1000, 65535, [1000]],
  [2000, 65535, 'EMSGSIZE'],
]

const to = { address: PEER, port: 8000 }
const payload = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8))

/** A socket that must not be cut up on its way. */
function sender(h: Story, options: Readonly<Record<string, number | string>> = {}): Socket {
  const socket = h.socket('udp').bind({ address: HOST, port: 7000 })
  for (const [name, value] of Object.entries({ IP_MTU_DISCOVER: 'DO', SO_SNDBUF: 1 << 20, ...options })) {
    socket.setsockopt(name, value)
  }
  return socket
}

const ways: Readonly<Record<string, (h: Story, data: Uint8Array, size: number) => void>> = {
  'control message': (h, data, size) => sender(h).send(data, { to, cmsg: { UDP_SEGMENT: size } }),
  'socket option': (h, data, size) => sender(h, { UDP_SEGMENT: size }).send(data, { to }),
  connected: (h, data, size) => sender(h, { UDP_SEGMENT: size }).connect(to).send(data),
  'one byte first, with MSG_MORE': (h, data, size) => {
    const socket = sender(h, { UDP_SEGMENT: size })
    if (data.length > 0) socket.send(data.subarray(0, 1), { to, flags: ['MSG_MORE'] })
    socket.send(data.subarray(Math.min(1, data.length)), { to })
  },
}

const devices: Readonly<Record<string, Setup & { features?: Record<string, boolean> }>> = {
  'a TAP': {},
  'a NIC': { nic: {} },
  'a NIC without tx-udp-segmentation': { nic: {}, features: { 'tx-udp-segmentation': false } },
  'a NIC without checksums': { nic: {}, features: { 'tx-checksum-ip-generic': false } },
  'a NIC that does not gather': { nic: {}, features: { 'tx-scatter-gather': false, 'tx-udp-segmentation': false } },
}

/** What was asked for, as it left, byte for byte. */
function left(h: Story, data: Uint8Array): number[] {
  h.net.run()
  const frames = (h.host.device('eth0') as Tap | Nic).tx()
  const seen = frames.map(read)
  assert.equal([...new Set(seen.flatMap(({ wrong }) => wrong))], [])
  const sizes = frames.map((frame) => ((frame[38]! << 8) | frame[39]!) - 8)
  let at = 0
  frames.forEach((frame, i) => {
    assert.equal(frame.slice(42, 42 + sizes[i]!), data.slice(at, at + sizes[i]!), `datagram ${i}`)
    at += sizes[i]!
  })
  const ids = seen.map(({ id }) => id!)
  assert.equal(
    ids,
    ids.map((_, i) => ids[0]! + i),
    'ids',
  )
  return sizes
}

for (const [device, { features, ...setup }] of Object.entries(devices)) {
  for (const [total, size, outcome] of rows) {
    const said = typeof outcome === 'string' ? outcome : `${outcome.length} datagrams`
    path(`${total} bytes by ${size} over ${device}: ${said}`, setup, (h) => {
      if (features) h.host.link('eth0', { features })
      const data = payload(total)
      for (const [way, send] of Object.entries(ways)) {
        let got: number[] | string
        try {
          send(h, data, size)
          got = left(h, data)
        } catch (error) {
          got = (error as NodeJS.ErrnoException).code ?? String(error)
          h.tx('eth0')
        }
        assert.equal(got, outcome, way)
        h.closeAll()
      }
    })
  }
}

path('UDP_SEGMENT is 0 to 65535', (h) => {
  const socket = h.socket('udp')
  for (const value of [-1, 65536]) assert.throws(() => socket.setsockopt('UDP_SEGMENT', value), /EINVAL/)
  for (const value of [0, 1, 65535]) {
    socket.setsockopt('UDP_SEGMENT', value)
    assert.is(socket.getsockopt('UDP_SEGMENT'), value)
  }
})

for (const [total, size, code] of [
  [3000, 1000, 'EINVAL'],
  [500, 1000, 'EINVAL'],
  [0, 1000, 'EINVAL'],
  [3000, 1473, 'EMSGSIZE'],
] as const) {
  path(`without checksums (SO_NO_CHECK), ${total} bytes by ${size}: ${code}, asked again`, (h) => {
    const socket = sender(h, { SO_NO_CHECK: 1 })
    assert.throws(() => socket.send(payload(total), { to, cmsg: { UDP_SEGMENT: size } }), new RegExp(code))
    h.tx('eth0')
  })
}

for (const discover of ['DONT', 'WANT', 'DO', 'PROBE', 'INTERFACE', 'OMIT']) {
  path(`a segment is never cut into fragments, IP_MTU_DISCOVER ${discover}`, (h) => {
    const send = (size: number): number =>
      sender(h, { IP_MTU_DISCOVER: discover }).send(payload(3000), { to, cmsg: { UDP_SEGMENT: size } })
    assert.throws(() => send(1473), /EMSGSIZE/)
    h.closeAll()
    assert.is(send(1472), 3000)
    assert.equal(left(h, payload(3000)), [1472, 1472, 56])
  })
}

run()
