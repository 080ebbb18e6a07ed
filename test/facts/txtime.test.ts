// SO_TXTIME (section 12, so_txtime with fq and the monotonic clock): when what is sent with SCM_TXTIME leaves, by every kind of
// socket, and what is refused.

import * as assert from 'uvu/assert'
import type { SendOptions, Socket, Tap } from '../../src/index.ts'
import { PEER } from '../path/packets.ts'
import { type Setup, type Story, stories } from '../path/story.ts'

const { path, run } = stories('facts: txtime')

const PINGS: Setup = { sysctl: { 'net.ipv4.ping_group_range': '0 2147483647' } }
const CLOCK_MONOTONIC = 1
const TO = { to: `${PEER}:9` }
const MS = 1_000_000

/** struct sock_txtime */
const txtime = (clock: number, flags = 0): Uint8Array => new Uint8Array(Int32Array.of(clock, flags).buffer)
const timed = (socket: Socket): Socket => socket.setsockopt('SO_TXTIME', txtime(CLOCK_MONOTONIC))
const fq = (h: Story): void => h.host.qdisc.replace({ dev: 'eth0', parent: 'root', kind: 'fq' })

/** What leaves in the next 30 ms: when, to a tenth of a ms, and the byte at an offset of the frame. */
function leaving(h: Story, offset: number): [ms: number, byte: number][] {
  const begin = h.net.now
  const found: [number, number][] = []
  for (let step = 0; step <= 300; step++) {
    for (const frame of (h.host.device('eth0') as Tap).tx())
      found.push([Math.round((h.net.now - begin) / (MS / 10)) / 10, frame[offset]!])
    h.net.advance(MS / 10)
  }
  return found
}

const letter = (text: string): number => text.charCodeAt(0)

const rows: readonly (readonly [
  delays: Readonly<Record<string, number>>,
  arrivals: Readonly<Record<string, number>>,
])[] = [
  [{ a: -1 }, { a: 0 }],
  [{ a: 0 }, { a: 0 }],
  [{ a: 10 }, { a: 10 }],
  [
    { a: 10, b: 20 },
    { a: 10, b: 20 },
  ],
  // The flow sleeps until 20 when b comes: b is first then, as the selftest has it for fq (b,20,a,20).
  [
    { a: 20, b: 10 },
    { b: 20, a: 20 },
  ],
]
const text = (row: Readonly<Record<string, number>>): string => Object.entries(row).flat().join(',')
for (const [delays, arrivals] of rows) {
  path(`${text(delays)} arrives as ${text(arrivals)}`, (h) => {
    fq(h)
    h.net.advance('1s')
    const socket = timed(h.socket('udp'))
    for (const [data, ms] of Object.entries(delays)) {
      socket.send(data, { ...TO, cmsg: { SCM_TXTIME: h.net.now + ms * MS } })
    }
    const got = leaving(h, 42)
    assert.equal(
      got.map(([, byte]) => String.fromCharCode(byte)),
      Object.keys(arrivals),
    )
    for (const [i, wanted] of Object.values(arrivals).entries()) {
      assert.ok(Math.abs(got[i]![0] - wanted) <= 0.2, `${got[i]![0]} ms, not ${wanted}`)
    }
  })
}

const FRAME = Uint8Array.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, ...Array<number>(40).fill(0x45)])
const IP = Uint8Array.from('4500001c0000000040630000000000000a00000278787878787878ab'.match(/../g)!, (hex) =>
  parseInt(hex, 16),
)
const kinds: Readonly<Record<string, readonly [make: (h: Story) => Socket, data: Uint8Array, options: SendOptions]>> = {
  raw: [(h) => h.socket('raw', 99), Uint8Array.of(1), TO],
  'raw with its own header': [(h) => h.socket('raw', 255), IP, TO],
  ping: [(h) => h.socket('ping'), Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 1), TO],
  packet: [(h) => h.socket('packet'), FRAME, { to: { dev: 'eth0', protocol: 'IP' } }],
}
for (const [name, [make, data, options]] of Object.entries(kinds)) {
  path(`${name} socket`, PINGS, (h) => {
    fq(h)
    timed(make(h)).send(data, { ...options, cmsg: { SCM_TXTIME: BigInt(h.net.now + 10 * MS) } })
    const [[when]] = leaving(h, 0) as [[number, number]]
    assert.ok(Math.abs(when - 10) <= 0.2, String(when))
  })
}

path('a corked datagram leaves when its first piece said', (h) => {
  fq(h)
  const socket = timed(h.socket('udp'))
  socket.send('a', { ...TO, flags: ['MSG_MORE'], cmsg: { SCM_TXTIME: h.net.now + 5 * MS } })
  socket.send('b', TO)
  const [[when, byte]] = leaving(h, 43) as [[number, number]]
  assert.is(byte, letter('b'))
  assert.ok(Math.abs(when - 5) <= 0.2, String(when))
})

path('other queues do not look at the time; lo forgets it', (h) => {
  const later = { SCM_TXTIME: h.net.now + 20 * MS }
  const reader = h.udp()
  const socket = timed(h.socket('udp'))
  socket.send('a', { ...TO, cmsg: later })
  assert.is(leaving(h, 42)[0]![0], 0)
  reader.socket.setsockopt('SO_TIMESTAMPNS', 1)
  h.net.advance('1s')
  socket.send('a', { to: '127.0.0.1:7', cmsg: later })
  h.net.run()
  assert.is(Math.round(reader.recv()!.cmsg!.SO_TIMESTAMPNS! * 1e9), h.net.now)
})

path('refused: a time without SO_TXTIME, times of other lengths, other clocks and flags', (h) => {
  const socket = h.socket('udp')
  const send = (cmsg: SendOptions['cmsg'] | Uint8Array): void => {
    socket.send('a', { ...TO, cmsg })
  }
  assert.throws(() => send({ SCM_TXTIME: h.net.now }), /EINVAL/)
  for (const bytes of [txtime(2), txtime(7), txtime(1, 4), new Uint8Array(4), new Uint8Array(12)]) {
    assert.throws(() => socket.setsockopt('SO_TXTIME', bytes), /EINVAL/)
  }
  timed(socket)
  assert.equal(socket.getsockopt('SO_TXTIME'), txtime(1))
  for (const length of [4, 12]) {
    const cmsg = new Uint8Array(32)
    const view = new DataView(cmsg.buffer)
    view.setUint32(0, 16 + length, true)
    view.setUint32(8, 1, true)
    view.setUint32(12, 61, true)
    assert.throws(() => send(cmsg), /EINVAL/)
  }
  for (const SCM_TXTIME of [-1, 1.5, 'soon']) assert.throws(() => send({ SCM_TXTIME } as SendOptions['cmsg']), /EINVAL/)
})

run()
