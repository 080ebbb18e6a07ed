// Socket filters on UDP sockets: what they drop and cut off, how they are attached, locked and read back, and programs that
// choose the member of an SO_REUSEPORT group. Asked of Linux 6.18 (errors, counters) and FACTS 7 (R1 to R5).

import * as assert from 'uvu/assert'
import { type FilterInstruction, type OptionValue, type UdpSocket } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { arp, eth, fragments, icmp, ip, tcp, udp, udpDatagram } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('socket filters')

const ret = (k: number): FilterInstruction => [0x06, 0, 0, k]
const ALL = [ret(0xffff)]
const NONE = [ret(0)]
const PORT = 8000

/** The code of the error that setting an option throws, 'ok': none. */
function set({ socket }: UdpSocket, option: string, value: OptionValue): string {
  try {
    socket.setsockopt(option, value)
    return 'ok'
  } catch (error) {
    if (isSystemError(error)) return error.code
    throw error
  }
}

const dropsOf = ({ socket }: UdpSocket): number => (socket.getsockopt('SO_MEMINFO') as number[])[8]!
const optionMemory = ({ socket }: UdpSocket): number => (socket.getsockopt('SO_MEMINFO') as number[])[6]!

path('a datagram that the program does not want is dropped and counted', (h) => {
  const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER: NONE } })
  h.rx('eth0', udp({ data: 'no' }))
  h.walk('udp_queue_rcv_skb', 'udp_queue_rcv_one_skb', 'sk_filter_trim_cap')
  h.never('__udp_enqueue_schedule_skb')
  h.dropped('SOCKET_FILTER', 1, 'udp_queue_rcv_one_skb')
  h.counters({ UdpInErrors: 1, UdpInCsumErrors: 0, UdpRcvbufErrors: 0, UdpNoPorts: 0 })
  h.reads(server)
  assert.is(dropsOf(server), 1)
})

path('a datagram that it wants is queued as without a program', (h) => {
  const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER: ALL } })
  h.rx('eth0', udp({ data: 'yes' }))
  h.walk('udp_queue_rcv_one_skb', 'sk_filter_trim_cap', 'skb_pull_rcsum', '__udp_enqueue_schedule_skb')
  h.kept()
  h.reads(server, { data: 'yes', length: 3, flags: [] })
})

for (const [wanted, length] of [
  [1, 0],
  [8, 0],
  [9, 1],
  [108, 100],
  [0xffffffff, 200],
] as const) {
  path(`of 200 bytes ${length} remain when the program wants ${wanted}: the header always stays`, (h) => {
    const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER: [ret(wanted)] } })
    h.rx('eth0', udp({ data: 200 }))
    const got = server.recv()
    assert.equal([got?.length, got?.data], [length, Uint8Array.from({ length }, (_, i) => i)])
    h.kept()
  })
}

for (const [name, program] of [
  ['wants it', ALL],
  ['does not', NONE],
] as const) {
  path(`a long datagram with a wrong checksum is dropped on arrival, whether the program ${name} or`, (h) => {
    const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER: program } })
    h.rx('eth0', udp({ data: 200, checksumOff: 5 }))
    h.dropped('UDP_CSUM', 1, 'udp_queue_rcv_one_skb')
    h.never('sk_filter_trim_cap')
    h.counters({ UdpInErrors: 1, UdpInCsumErrors: 1 })
    assert.is(dropsOf(server), 1)
    h.reads(server)
  })
}

path('programs see a datagram of three fragments in one piece, and cut it', (h) => {
  const datagram = udpDatagram({ data: Uint8Array.from({ length: 4000 }, (_, i) => (i >> 4) & 255) })
  const at = 8 + 3000
  const word = 0xbb // of bytes 2992 to 3007
  const server = h.udp({
    port: 7,
    options: { SO_ATTACH_FILTER: [[0x28, 0, 0, at], [0x15, 0, 1, (word << 8) | word], ret(2008), ret(0)] },
  })
  const frames = fragments({ id: 7 }, datagram, 1480)
  h.rx('eth0', ...frames)
  h.kept()
  assert.equal(server.recv()?.data, datagram.slice(8, 2008))
  server.socket.setsockopt('SO_ATTACH_FILTER', [[0x30, 0, 0, 4008], ret(0xffff)])
  h.rx('eth0', ...fragments({ id: 8 }, datagram, 1480))
  h.dropped('SOCKET_FILTER')
})

path('each socket of a multicast has its own program', (h) => {
  const options = { SO_REUSEADDR: 1, IP_ADD_MEMBERSHIP: { group: '224.1.1.1', dev: 'eth0' } }
  const sockets = [NONE, [ret(10)], ALL].map((SO_ATTACH_FILTER) =>
    h.udp({ port: 7, options: { ...options, SO_ATTACH_FILTER } }),
  )
  h.rx('eth0', udp({ to: '224.1.1.1:7', dmac: '01:00:5e:01:01:01', data: 'hello' }))
  h.dropped('SOCKET_FILTER')
  assert.equal(
    sockets.map((socket) => socket.recv()?.data.length),
    [undefined, 2, 5],
  )
})

/** Loads of one value, shown as how many bytes of 300 remain: 9 more than it. */
const LOADS: readonly (readonly [name: string, code: number, k: number, value: number])[] = [
  ['the TTL, from the network header', 0x30, -0x100000 + 8, 64],
  ['the last byte of the source, from the link header', 0x30, -0x200000 + 29, 2],
  ['the EtherType, from the link header', 0x28, -0x200000 + 12, 0x0800 >> 4],
  ['SKF_AD_PROTOCOL', 0x20, -0x1000, 0x0800 >> 4],
  ['SKF_AD_PKTTYPE', 0x20, -0x1000 + 4, 0],
  ['SKF_AD_IFINDEX', 0x20, -0x1000 + 8, 2],
  ['SKF_AD_MARK', 0x20, -0x1000 + 20, 0],
  ['SKF_AD_QUEUE', 0x20, -0x1000 + 24, 0],
  ['SKF_AD_HATYPE', 0x20, -0x1000 + 28, 1],
  ['SKF_AD_CPU', 0x20, -0x1000 + 36, 0],
  ['SKF_AD_VLAN_TAG_PRESENT', 0x20, -0x1000 + 48, 0],
  ['SKF_AD_PAY_OFFSET', 0x20, -0x1000 + 52, 8],
  ['the length', 0x80, 0, 308 >> 4],
]
for (const [name, code, k, value] of LOADS) {
  path(`a program reads ${name}`, (h) => {
    const shift: FilterInstruction[] = value === 0x0800 >> 4 || value === 308 >> 4 ? [[0x74, 0, 0, 4]] : []
    const SO_ATTACH_FILTER: FilterInstruction[] = [[code, 0, 0, k], ...shift, [0x04, 0, 0, 9], [0x16, 0, 0, 0]]
    const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER } })
    h.rx('eth0', udp({ data: 300 }))
    assert.is(server.recv()?.data.length, value + 1)
  })
}

path('what tcpdump -ddd prints is a program, as are tuples and bytes', (h) => {
  const text = '4\n40 0 0 2\n21 0 1 7\n6 0 0 10\n6 0 0 0\n'
  const tuples: FilterInstruction[] = [[0x28, 0, 0, 2], [0x15, 0, 1, 7], ret(10), ret(0)]
  const bytes = Uint8Array.of(
    0x28,
    0,
    0,
    0,
    2,
    0,
    0,
    0,
    0x15,
    0,
    0,
    1,
    7,
    0,
    0,
    0,
    6,
    0,
    0,
    0,
    10,
    0,
    0,
    0,
    6,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  )
  for (const program of [text, text.replaceAll('\n', ','), tuples, bytes]) {
    const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER: program } })
    assert.equal(server.socket.getsockopt('SO_GET_FILTER'), bytes)
    h.rx('eth0', udp({ data: 'hello' }))
    h.reads(server, { data: 'he' })
    server.close()
  }
})

const BAD_PROGRAMS: readonly (readonly [name: string, program: unknown])[] = [
  ['a number', 5],
  ['text without a count', '6 0 0 0\n'],
  ['text with a wrong count', '2\n6 0 0 0\n'],
  ['text that is none', 'tcpdump: syntax error'],
  ['an empty text', ''],
  ['a tuple of three', [[6, 0, 0]]],
  ['a code beyond 16 bits', [[65536, 0, 0, 0]]],
  ['a jump beyond 8 bits', [[0x15, 256, 0, 0]]],
  ['a fraction', [[6, 0, 0, 0.5]]],
  ['a tuple of words', [['6', '0', '0', '0']]],
  ['no instruction', []],
  ['no bytes', new Uint8Array(0)],
  ['half an instruction', new Uint8Array(12)],
  ['4097 instructions', Array.from({ length: 4097 }, () => ret(0))],
  ['40000 bytes', new Uint8Array(40000)],
]
for (const [name, program] of BAD_PROGRAMS) {
  path(`${name} is no program: EINVAL, and the one before stays`, (h) => {
    const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER: [ret(10)] } })
    assert.is(set(server, 'SO_ATTACH_FILTER', program as OptionValue), 'EINVAL')
    h.rx('eth0', udp({ data: 'hello' }))
    h.reads(server, { data: 'he' })
  })
}

path('replaced, detached, and detached again: ENOENT', (h) => {
  const server = h.udp({ port: 7 })
  assert.equal(server.socket.getsockopt('SO_GET_FILTER'), new Uint8Array(0))
  assert.is(set(server, 'SO_DETACH_FILTER', 0), 'ENOENT')
  assert.is(set(server, 'SO_ATTACH_FILTER', NONE), 'ok')
  assert.is(set(server, 'SO_ATTACH_FILTER', [ret(9)]), 'ok')
  h.rx('eth0', udp({ data: 'one' }))
  h.reads(server, { data: 'o' })
  assert.is(set(server, 'SO_DETACH_FILTER', 0), 'ok')
  assert.is(set(server, 'SO_DETACH_FILTER', 0), 'ENOENT')
  h.rx('eth0', udp({ data: 'two' }))
  h.reads(server, { data: 'two' })
})

path('a lock keeps the program, and itself: EPERM', (h) => {
  const server = h.udp({ port: 7, options: { SO_ATTACH_FILTER: ALL, SO_REUSEPORT: 1 } })
  assert.is(server.socket.getsockopt('SO_LOCK_FILTER'), 0)
  assert.is(set(server, 'SO_LOCK_FILTER', 0), 'ok')
  assert.is(set(server, 'SO_LOCK_FILTER', 2), 'ok')
  assert.is(server.socket.getsockopt('SO_LOCK_FILTER'), 1)
  assert.equal(
    [
      set(server, 'SO_LOCK_FILTER', 0),
      set(server, 'SO_LOCK_FILTER', 1),
      set(server, 'SO_ATTACH_FILTER', NONE),
      set(server, 'SO_ATTACH_FILTER', [[255, 0, 0, 0]]),
      set(server, 'SO_DETACH_FILTER', 0),
      set(server, 'SO_ATTACH_REUSEPORT_CBPF', ALL),
      set(server, 'SO_DETACH_REUSEPORT_BPF', 0),
    ],
    ['EPERM', 'ok', 'EPERM', 'EPERM', 'EPERM', 'EPERM', 'ENOENT'],
  )
  h.rx('eth0', udp({ data: 'still' }))
  h.reads(server, { data: 'still' })
})

/** So many equal instructions, and what their program counts as in option memory; undefined: too much. */
const CHARGES: readonly (readonly [count: number, insn: FilterInstruction, charge: number | undefined])[] = [
  [0, ret(0), 136],
  [4095, [0, 0, 0, 1], 32896],
  [1, [0x20, 0, 0, 0], 272],
  [1, [0x15, 0, 0, 0x80000000], 152],
  [1, [0xb1, 0, 0, 14], 320],
  [1258, [0x20, 0, 0, 0], 131000],
  [1259, [0x20, 0, 0, 0], undefined],
]
for (const [count, insn, charge] of CHARGES) {
  path(`${count} of ${JSON.stringify(insn)} are charged ${charge ?? 'nothing: ENOMEM'}`, (h) => {
    const server = h.udp({ port: 7, options: { SO_REUSEPORT: 1 } })
    const program = [...Array.from({ length: count }, () => insn), ...ALL]
    const answer = charge === undefined ? 'ENOMEM' : 'ok'
    assert.is(set(server, 'SO_ATTACH_REUSEPORT_CBPF', program), answer)
    assert.is(optionMemory(server), 0)
    assert.is(set(server, 'SO_ATTACH_FILTER', program), answer)
    assert.is(optionMemory(server), charge ?? 0)
    if (charge === undefined) return
    server.socket.setsockopt('SO_DETACH_FILTER', 0)
    assert.is(optionMemory(server), 0)
  })
}

path("tcpdump's program for 'ip and udp dst port 7' on a packet socket", (h) => {
  const text = `11\n40 0 0 12\n21 0 8 2048\n48 0 0 23\n21 0 6 17\n40 0 0 20\n69 4 0 8191
    177 0 0 14\n72 0 0 16\n21 0 1 7\n6 0 0 262144\n6 0 0 0\n`
  const socket = h.host.socket('packet', 'ALL').bind('eth0').setsockopt('SO_ATTACH_FILTER', text)
  const wanted = udp({ data: 'wanted', options: Uint8Array.of(1, 1, 1, 0) })
  h.rx('eth0', udp({ to: '10.0.0.1:8' }), arp(), icmp(), wanted, ip({ protocol: 17, offset: 8 }, 'a later fragment'))
  assert.equal(socket.recv()?.data, wanted)
  assert.is(socket.recv(), undefined)
  socket.close()
})

/** Frames, and where their payload begins for SKF_AD_PAY_OFFSET, from the link header on. */
const PAYLOADS: readonly (readonly [name: string, frame: Uint8Array, offset: number])[] = [
  ['a datagram', udp({ data: 'x' }), 42],
  ['a datagram with IP options', udp({ data: 'x', options: new Uint8Array(8) }), 50],
  ['a datagram with a VLAN tag', udp({ data: 'x', vlan: [5] }), 42],
  ['a datagram with a tag that names no VLAN', udp({ data: 'x', vlan: [0] }), 42],
  ['a segment with options', tcp({ data: 'x', options: new Uint8Array(12) }), 66],
  ['an echo request', icmp(), 42],
  ['a first fragment', fragments({ id: 1 }, udpDatagram({ data: 100 }), 64)[0]!, 42],
  ['a later fragment', fragments({ id: 1 }, udpDatagram({ data: 100 }), 64)[1]!, 34],
  ['ARP', arp(), 14],
  ['an EtherType that nobody knows', eth({ ethertype: 0x1234 }, new Uint8Array(50)), 0],
]
for (const [name, frame, offset] of PAYLOADS) {
  path(`the payload of ${name} begins at ${offset}`, (h) => {
    const program: FilterInstruction[] = [
      [0x20, 0, 0, -0x1000 + 52],
      [0x04, 0, 0, 1],
      [0x16, 0, 0, 0],
    ]
    const socket = h.host.socket('packet', 'ALL').bind('eth0').setsockopt('SO_ATTACH_FILTER', program)
    h.rx('eth0', frame)
    assert.is(socket.recv()?.data.length, offset + 1)
    socket.close()
  })
}

path('how far programs may look: SO_BPF_EXTENSIONS', (h) => {
  const server = h.udp({ port: 7 })
  assert.is(server.socket.getsockopt('SO_BPF_EXTENSIONS'), 64)
  assert.is(set(server, 'SO_BPF_EXTENSIONS', 1), 'ENOPROTOOPT')
})

path('two programs must fit beside each other while one takes the place of the other', (h) => {
  const loads = (count: number): FilterInstruction[] => [
    ...Array.from({ length: count }, (): FilterInstruction => [0x20, 0, 0, 0]),
    ...ALL,
  ]
  const server = h.udp({ port: 7 })
  assert.equal([set(server, 'SO_ATTACH_FILTER', loads(700)), optionMemory(server)], ['ok', 72968])
  assert.equal([set(server, 'SO_ATTACH_FILTER', loads(600)), optionMemory(server)], ['ENOMEM', 72968])
  assert.equal([set(server, 'SO_ATTACH_FILTER', loads(500)), optionMemory(server)], ['ok', 52168])
})

/** The first word of the payload, modulo n. */
const modulo = (n: number): FilterInstruction[] => [
  [0x20, 0, 0, 0],
  [0x94, 0, 0, n],
  [0x16, 0, 0, 0],
]

/** Sends the values 0 to n - 1; answers the numbers of the sockets that got them. */
function deliver(h: Story, sockets: readonly UdpSocket[], n: number): number[] {
  return Array.from({ length: n }, (_, value) => {
    h.rx('eth0', udp({ to: `10.0.0.1:${PORT}`, data: Uint8Array.of(0, 0, value >> 8, value) }))
    const got = sockets.flatMap((socket, i) => (socket.recv() ? [i] : []))
    assert.is(got.length, 1)
    return got[0]!
  })
}

function group(h: Story, count: number): UdpSocket[] {
  return Array.from({ length: count }, (_, i) =>
    h.udp({
      port: PORT,
      options: { SO_REUSEPORT: 1, ...(i === 0 && { SO_ATTACH_REUSEPORT_CBPF: modulo(count) }) },
    }),
  )
}

for (const count of [10, 20]) {
  path(`R1, R2: a program chooses among ${count} members, until another does`, (h) => {
    const sockets = group(h, count)
    const values = Array.from({ length: 2 * count }, (_, value) => value)
    assert.equal(
      deliver(h, sockets, 2 * count),
      values.map((value) => value % count),
    )
    h.walk('reuseport_select_sock', 'run_bpf_filter')
    sockets[count - 1]!.socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', modulo(count / 2))
    assert.equal(
      deliver(h, sockets, 2 * count),
      values.map((value) => value % (count / 2)),
    )
  })
}

path('R3: two that each have a program cannot share a port, even when one gives its up', (h) => {
  const sockets = [0, 1].map(() => h.host.socket('udp'))
  for (const socket of sockets) socket.setsockopt('SO_REUSEPORT', 1).setsockopt('SO_ATTACH_REUSEPORT_CBPF', ALL)
  const [first, second] = sockets as [(typeof sockets)[0], (typeof sockets)[0]]
  first.bind(`0.0.0.0:${PORT}`)
  const inUse = (error: unknown): boolean => isSystemError(error) && error.code === 'EADDRINUSE'
  assert.throws(() => second.bind(`0.0.0.0:${PORT}`), inUse)
  second.setsockopt('SO_DETACH_REUSEPORT_BPF', 0)
  assert.throws(() => second.bind(`0.0.0.0:${PORT}`), inUse)
  for (const socket of sockets) socket.close()
})

path('R4: a socket that was bound without SO_REUSEPORT has no group to choose in', (h) => {
  const server = h.udp({ port: PORT })
  assert.is(set(server, 'SO_ATTACH_REUSEPORT_CBPF', ALL), 'EINVAL')
  assert.is(set(server, 'SO_DETACH_REUSEPORT_BPF', 0), 'EINVAL')
  server.socket.setsockopt('SO_REUSEPORT', 1)
  assert.is(set(server, 'SO_ATTACH_REUSEPORT_CBPF', ALL), 'EINVAL')
  assert.is(set(server, 'SO_DETACH_REUSEPORT_BPF', 0), 'ENOENT')
})

path('R5: before bind a socket with SO_REUSEPORT takes a program, one without does not', (h) => {
  const socket = h.host.socket('udp')
  const refused = (code: string) => (error: unknown) => isSystemError(error) && error.code === code
  assert.throws(() => socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', ALL), refused('EINVAL'))
  socket.setsockopt('SO_REUSEPORT', 1)
  assert.throws(() => socket.setsockopt('SO_DETACH_REUSEPORT_BPF', 0), refused('ENOENT'))
  socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', ALL)
  assert.throws(() => socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', [[255, 0, 0, 0]]), refused('EINVAL'))
  socket.setsockopt('SO_DETACH_REUSEPORT_BPF', 0)
  assert.throws(() => socket.setsockopt('SO_DETACH_REUSEPORT_BPF', 0), refused('ENOENT'))
  socket.close()
})

path('an answer beyond the group, or of a packet too short for the program: the hash chooses', (h) => {
  const sockets = group(h, 4)
  const chosen = (): number[] => deliver(h, sockets, 4)
  sockets[0]!.socket.setsockopt('SO_DETACH_REUSEPORT_BPF', 0)
  const byHash = chosen()
  sockets[0]!.socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', [ret(4)])
  assert.equal(chosen(), byHash)
  sockets[0]!.socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', [[0x20, 0, 0, 4], ret(3)])
  assert.equal(chosen(), [0, 0, 0, 0], 'a load that fails answers 0')
  sockets[3]!.close()
  sockets[0]!.socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', [ret(2)])
  assert.equal(deliver(h, sockets.slice(0, 3), 4), [2, 2, 2, 2])
})

run()
