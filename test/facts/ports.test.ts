// Ports of UDP sockets: conflicts, ranges, reservations (section 8). Rows that the selftests have for TCP were asked of Linux 6.18
// again with UDP sockets.

import * as assert from 'uvu/assert'
import type { OptionValue, Socket } from '../../src/index.ts'
import { type Story, stories } from '../path/story.ts'

const { path, run } = stories('facts: ports')

const RANGE = 'net.ipv4.ip_local_port_range'
const RESERVED = 'net.ipv4.ip_local_reserved_ports'
const LO = '127.0.0.1'

type Options = Readonly<Record<string, OptionValue>>

function made(h: Story, options: Options = {}): Socket {
  const socket = h.socket('udp')
  for (const [name, value] of Object.entries(options)) socket.setsockopt(name, value)
  return socket
}

const code = (error: unknown): string => (error as NodeJS.ErrnoException).code!

/** The port that bind gives, or what it answers. */
function bound(socket: Socket, address: string, port: number): number | string {
  try {
    socket.bind({ address, port })
    return (socket.getsockname() as { port: number }).port
  } catch (error) {
    return code(error)
  }
}

const inUse = 'EADDRINUSE'

const wildcards: readonly (readonly [name: string, options: Options, second: number | string])[] = [
  ['plain', {}, inUse],
  ['SO_REUSEADDR', { SO_REUSEADDR: 1 }, 5000],
  ['SO_REUSEPORT', { SO_REUSEPORT: 1 }, 5000],
]
for (const [name, options, second] of wildcards) {
  for (const order of [
    ['0.0.0.0', LO],
    [LO, '0.0.0.0'],
  ] as const) {
    path(`bind_wildcard: ${name}, ${order.join(' then ')}: ${second}`, (h) => {
      const got = order.map((address) => bound(made(h, options), address, 5000))
      assert.equal(got, [5000, second])
      assert.equal(
        ['0.0.0.0', LO].map((address) => bound(made(h), address, 5000)),
        [inUse, inUse],
      )
    })
  }
}

/** Both sockets are bound to port 0 of one address; the only port of the range is free for the second one if both have an option. */
for (let row = 0; row < 32; row++) {
  const bit = (i: number): number => (row >> i) & 1
  const [a1, a2, p1, p2, autobind] = [bit(0), bit(1), bit(2), bit(3), bit(4)] as const
  const second = (a1 && a2) || (p1 && p2) ? 41000 : inUse
  path(`one port: reuseaddr ${a1},${a2} reuseport ${p1},${p2}, ip_autobind_reuse ${autobind}: ${second}`, (h) => {
    h.host.sysctl('net.ipv4.ip_autobind_reuse', autobind)
    h.host.sysctl(RANGE, '41000 41000')
    assert.is(bound(made(h, { SO_REUSEADDR: a1, SO_REUSEPORT: p1 }), LO, 0), 41000)
    assert.is(bound(made(h, { SO_REUSEADDR: a2, SO_REUSEPORT: p2 }), LO, 0), second)
  })
}

const word = (low: number, high: number): number => ((high << 16) | low) >>> 0

/** Low and high of IP_LOCAL_PORT_RANGE in a namespace with 40000 to 49999: where ports lie, and how many sockets get one. */
const ranges: readonly (readonly [low: number, high: number, first: number, last: number])[] = [
  [30000, 39999, 40000, 49999],
  [50000, 59999, 40000, 49999],
  [45000, 45000, 45000, 45000],
  [0, 40000, 40000, 40000],
  [49999, 0, 49999, 49999],
  [40000, 40007, 40000, 40007],
  [39000, 41000, 40000, 41000],
  [49000, 55000, 49000, 49999],
]
for (const [low, high, first, last] of ranges) {
  path(`IP_LOCAL_PORT_RANGE ${low}..${high}: ports ${first} to ${last}`, (h) => {
    h.host.sysctl(RANGE, '40000 49999')
    const options = { IP_LOCAL_PORT_RANGE: word(low, high) }
    const got = Array.from({ length: 9 }, () => bound(made(h, options), LO, 0))
    const ports = got.filter((port) => typeof port === 'number')
    assert.is(ports.length, Math.min(9, last - first + 1))
    assert.is(new Set(ports).size, ports.length)
    assert.ok(ports.every((port) => port >= first && port <= last))
    assert.ok(got.slice(ports.length).every((port) => port === inUse))
  })
}

path('IP_LOCAL_PORT_RANGE: what is taken and what is read', (h) => {
  const socket = made(h)
  const read = (): number => socket.getsockopt('IP_LOCAL_PORT_RANGE') as number
  assert.is(read(), 0)
  for (const length of [0, 2, 3, 8]) {
    assert.throws(() => socket.setsockopt('IP_LOCAL_PORT_RANGE', new Uint8Array(length)), /EINVAL/)
  }
  assert.throws(() => socket.setsockopt('IP_LOCAL_PORT_RANGE', word(40222, 40111)), /EINVAL/)
  socket.setsockopt('IP_LOCAL_PORT_RANGE', word(12345, 54321))
  assert.is(read() >>> 0, word(12345, 54321))
  socket.setsockopt('IP_LOCAL_PORT_RANGE', 0)
  assert.is(read(), 0)
})

path('IP_BIND_ADDRESS_NO_PORT: the port comes with connect, or with the first datagram', (h) => {
  h.host.sysctl(RANGE, '40000 49999')
  h.udp({ port: 6000 })
  const options = { IP_LOCAL_PORT_RANGE: word(40100, 40199), IP_BIND_ADDRESS_NO_PORT: 1 }
  for (const use of ['connect', 'send'] as const) {
    const socket = made(h, options)
    assert.is(bound(socket, LO, 0), 0)
    if (use === 'connect') socket.connect(`${LO}:6000`)
    else assert.is(socket.send('x', { to: `${LO}:6000` }), 1)
    const { address, port } = socket.getsockname() as { address: string; port: number }
    assert.is(address, LO)
    assert.ok(port >= 40100 && port <= 40199, String(port))
  }
  h.net.run()
})

path('a range that is used up: EAGAIN for who has no port yet, other addresses are free', (h) => {
  h.host.sysctl(RANGE, '41000 41000')
  h.udp({ port: 6000 })
  const first = made(h, { IP_BIND_ADDRESS_NO_PORT: 1 }).bind(`${LO}:0`)
  first.connect(`${LO}:6000`)
  assert.is((first.getsockname() as { port: number }).port, 41000)
  assert.is(bound(made(h, { SO_REUSEADDR: 1 }), '0.0.0.0', 41000), inUse)
  const other = made(h, { IP_BIND_ADDRESS_NO_PORT: 1 }).bind('127.0.0.2:0')
  other.connect(`${LO}:6000`)
  assert.is((other.getsockname() as { port: number }).port, 41000)
  for (const socket of [made(h, { IP_BIND_ADDRESS_NO_PORT: 1 }).bind(`${LO}:0`), made(h)]) {
    assert.throws(() => socket.send('x', { to: `${LO}:6000` }), /EAGAIN/)
    assert.throws(() => socket.connect(`${LO}:6000`), /EAGAIN/)
  }
})

path('reserved ports are not chosen, but given to who asks', (h) => {
  h.host.sysctl(RANGE, '40000 40003')
  h.host.sysctl(RESERVED, '40000,40002-40003')
  assert.equal(
    [0, 0, 40002].map((port) => bound(made(h), LO, port)),
    [40001, inUse, 40002],
  )
})

/** What is written, and what is read then; undefined: EINVAL, and what was there stays. */
const lists: readonly (readonly [text: string, read?: string])[] = [
  ['1', '1'],
  ['1,2,3', '1-3'],
  ['3-1'],
  ['5,1-4,4-9', '1-9'],
  ['65535', '65535'],
  ['65536'],
  ['0', '0'],
  ['a'],
  ['1-'],
  ['-1'],
  ['1,,2'],
  ['1 2'],
  [' 7 ,8'],
  ['\n', ''],
  ['10-20,30', '10-20,30'],
  ['30,10-20,15-31', '10-31'],
  ['1-2-3'],
  ['1,a'],
  ['0x10', '16'],
  ['1, 2'],
  ['1\n2', '1-2'],
  [',5'],
  ['5,', '5'],
  ['0-65535', '0-65535'],
  ['00007', '7'],
  ['8 - 9'],
]
path('ip_local_reserved_ports: lists that are taken', (h) => {
  let before = h.host.sysctl(RESERVED)
  assert.is(before, '')
  for (const [text, read] of lists) {
    if (read === undefined) assert.throws(() => h.host.sysctl(RESERVED, text), /EINVAL/, text)
    else h.host.sysctl(RESERVED, text)
    before = read ?? before
    assert.is(h.host.sysctl(RESERVED), before, text)
  }
})

path('connect to 0.0.0.0 reaches a reader on loopback', (h) => {
  const reader = h.udp({ port: 7777 })
  const socket = made(h).connect('0.0.0.0:7777')
  assert.is((socket.getsockname() as { address: string }).address, LO)
  assert.equal(socket.getpeername(), { address: LO, port: 7777 })
  socket.send('x')
  h.net.run()
  h.reads(reader, { data: 'x' })
})

path('socket(): families and protocols', (h) => {
  assert.throws(() => h.host.socket('tcp', 'udp'), /EPROTONOSUPPORT/)
  assert.throws(() => h.host.socket('udp', 'tcp'), /EPROTONOSUPPORT/)
})

path('SO_PEEK_OFF', (h) => {
  const reader = h.udp()
  assert.is(reader.socket.getsockopt('SO_PEEK_OFF'), -1)
  reader.socket.setsockopt('SO_PEEK_OFF', 0)
  made(h).send('ab', { to: `${LO}:7` })
  h.net.run()
  const text = (max: number): string => new TextDecoder().decode(reader.recv({ max, flags: ['MSG_PEEK'] })!.data)
  assert.equal([text(1), reader.socket.getsockopt('SO_PEEK_OFF')], ['a', 1])
  assert.equal([text(2), reader.socket.getsockopt('SO_PEEK_OFF')], ['b', 2])
  assert.is(reader.recv({ max: 2, flags: ['MSG_TRUNC'] })!.length, 2)
  assert.is(reader.socket.getsockopt('SO_PEEK_OFF'), 0)
})

run()
