// SO_REUSEPORT as the kernel's selftests reuseport_bpf, reuseport_bpf_cpu and reuseport_addr_any assert it (rows R1 to R7), with
// programs of classic BPF and datagrams.

import * as assert from 'uvu/assert'
import { type FilterInstruction, type OptionValue, type UdpSocket, lab } from '../../src/index.ts'
import { HOST_MAC, PEER, udp } from '../path/packets.ts'
import { type Story, stories } from '../path/story.ts'

const { path, run } = stories('reuseport')
const PORT = 8000

const LD_W_ABS = 0x20
const ALU_MOD_K = 0x94
const RET_A = 0x16
/** SKF_AD_OFF + SKF_AD_CPU */
const CPU = -0x1000 + 36

/** The first word of the payload modulo n. */
const modulo = (n: number): FilterInstruction[] => [
  [LD_W_ABS, 0, 0, 0],
  [ALU_MOD_K, 0, 0, n],
  [RET_A, 0, 0, 0],
]
const cpu: FilterInstruction[] = [
  [LD_W_ABS, 0, 0, CPU],
  [RET_A, 0, 0, 0],
]

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** A group of n sockets, the first of which has the program before the others are bound. */
function group(h: Story, n: number): UdpSocket[] {
  return Array.from({ length: n }, (_, i) => {
    const program: readonly (readonly [string, OptionValue])[] = i ? [] : [['SO_ATTACH_REUSEPORT_CBPF', modulo(n)]]
    return h.udp({ port: PORT, options: Object.fromEntries([['SO_REUSEPORT', 1], ...program]) })
  })
}

/** Datagrams with values from 0 on go to the sockets of these places. */
function chosen(h: Story, sockets: readonly UdpSocket[], values: number, place: (value: number) => number): void {
  for (let value = 0; value < values; value++) {
    h.rx('eth0', udp({ from: `${PEER}:${4000 + value}`, to: `10.0.0.1:${PORT}`, data: word(value) }))
    const got = sockets.map((socket) => socket.recv()).flatMap((datagram, i) => (datagram ? [i] : []))
    assert.equal(got, [place(value)], `value ${value}`)
  }
}

for (const n of [10, 20]) {
  path(`R1, R2 a program chooses among ${n}, until another takes its place`, (h) => {
    const sockets = group(h, n)
    chosen(h, sockets, 2 * n, (value) => value % n)
    sockets[n - 1]!.socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', modulo(n / 2))
    chosen(h, sockets, 2 * n, (value) => value % (n / 2))
  })
}

const refused = (call: () => unknown, code: string): void =>
  assert.throws(call, (error: Error & { code?: string }) => error.code === code)

path('R3 two sockets with a program each: the second is not bound', (h) => {
  const options = { SO_REUSEPORT: 1, SO_ATTACH_REUSEPORT_CBPF: modulo(1) }
  h.udp({ port: PORT, options })
  refused(() => h.udp({ port: PORT, options }), 'EADDRINUSE')
})

path('R4 a bound socket without SO_REUSEPORT takes no program', (h) => {
  refused(() => h.udp({ port: PORT }).socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', modulo(1)), 'EINVAL')
})

path('R5 one with SO_REUSEPORT takes it before it is bound', (h) => {
  const socket = h.host.socket('udp')
  socket.setsockopt('SO_REUSEPORT', 1)
  socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', modulo(1))
  socket.close()
})

path('R6 the socket of the CPU on which a datagram is received', async () => {
  const net = await lab()
  const host = net.host('h', { cpus: 4 })
  const nic = host.nic('eth0', { mac: HOST_MAC, queues: 4 })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  const sockets = [0, 1, 2, 3].map(() => host.udp({ port: PORT, options: { SO_REUSEPORT: 1 } }))
  sockets[0]!.socket.setsockopt('SO_ATTACH_REUSEPORT_CBPF', cpu)
  const seen = new Set<number>()
  for (let flow = 0; flow < 32; flow++) {
    host.trace.start()
    nic.rx([udp({ from: `${PEER}:${4000 + flow}`, to: `10.0.0.1:${PORT}`, data: 'x', pad: 60 })])
    net.run()
    const on = host.trace.read().records.find(({ fn }) => fn === 'udp_rcv')!.cpu
    assert.ok(sockets[on]!.recv())
    assert.ok(sockets.every((socket) => !socket.recv()))
    seen.add(on)
  }
  assert.is(seen.size, 4)
  await net.close()
})

path('R7 of sockets on any address and one on 127.0.0.1, that one always receives', (h) => {
  const open = (address: string): UdpSocket => h.udp({ port: PORT, address, options: { SO_REUSEPORT: 1 } })
  const any = [open('0.0.0.0'), open('0.0.0.0')]
  const bound = open('127.0.0.1')
  any.push(open('0.0.0.0'), open('0.0.0.0'))
  for (let i = 0; i < 40; i++) {
    const sender = h.udp({ port: 0 })
    sender.send('hello', `127.0.0.1:${PORT}`)
    assert.is(new TextDecoder().decode(bound.recv()!.data), 'hello')
    assert.ok(any.every((socket) => !socket.recv()))
  }
})

run()
