// Raw and ping sockets: what recorded scenarios cannot say (net/ipv4/raw.c, ping.c). The answers are those of Linux 6.18.

import * as assert from 'uvu/assert'
import { EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRBAND, EPOLLWRNORM } from '../../assembly/uapi/socket.ts'
import { type Endpoint, type OptionValue, type Socket, type SocketType, type Tap } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { type Bytes, HOST, HOST_MAC, PEER, PEER_MAC, bytesOf, icmp, icmpMessage, ip, ipPacket, udp } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('raw and ping sockets')
const PINGS = { sysctl: { 'net.ipv4.ping_group_range': '0 0' } }
const ROUTER = {
  sysctl: { 'net.ipv4.ip_forward': 1, 'net.ipv4.conf.all.send_redirects': 0, 'net.ipv4.conf.eth0.send_redirects': 0 },
}
const ALERT = Uint8Array.of(0x94, 4, 0, 0)

/** The code of the error that a call throws, or what it answers. */
function outcome<T>(call: () => T): T | string {
  try {
    return call()
  } catch (error) {
    if (isSystemError(error)) return error.code
    throw error
  }
}

/** A raw socket's protocol, a ping socket's identifier. */
function portOf(socket: Socket): number {
  return (socket.getsockname() as Endpoint).port
}

/** All that waits on a socket, from behind the IP header on. */
function payloads(socket: Socket): string[] {
  const read: string[] = []
  for (let got = socket.recv(); got; got = socket.recv()) {
    read.push(new TextDecoder().decode(got.data.subarray((got.data[0]! & 15) * 4)))
  }
  return read
}

/** What left is of no interest. */
function drain(h: Story): void {
  ;(h.host.device('eth0') as Tap).tx()
}

const reply = (id: number, data = 'pong'): Bytes => icmp({ type: 0, rest: id * 65536 + 1, data })
const echo = (data: string): Bytes => icmpMessage({ rest: 1, data })

/** Kind, protocol, and what socket() answers: its name, or an error. */
const kinds: readonly (readonly [SocketType, number, unknown])[] = [
  ['raw', 0, 'EPROTONOSUPPORT'],
  ['raw', 1, 1],
  ['raw', 99, 99],
  ['raw', 255, 255],
  ['raw', 256, 256],
  ['raw', 262, 262],
  ['raw', 263, 'EINVAL'],
  ['ping', 1, 'EACCES'],
  ['udp', 2, 'EPROTONOSUPPORT'],
]
for (const [type, protocol, expected] of kinds) {
  path(`socket ${type} of protocol ${protocol}: ${expected}`, (h) => {
    assert.equal(
      outcome(() => portOf(h.socket(type, protocol))),
      expected,
    )
  })
}

/** Option, value to set (undefined: none), and what setting and reading it answer for raw (99), ping and UDP sockets. */
const options: readonly (readonly [string, OptionValue | undefined, ...(readonly [unknown, unknown])[]])[] = [
  ['SO_PEEK_OFF', 5, ['EOPNOTSUPP', 'EOPNOTSUPP'], ['EOPNOTSUPP', 'EOPNOTSUPP'], ['ok', 5]],
  ['SO_REUSEADDR', undefined, ['ok', 1], ['ok', 1], ['ok', 0]],
  ['IP_HDRINCL', 1, ['ok', 1], ['ENOPROTOOPT', 0], ['ENOPROTOOPT', 0]],
  ['IP_ROUTER_ALERT', 1, ['ok', 1], ['EINVAL', 0], ['EINVAL', 0]],
  ['IP_ROUTER_ALERT', 0, ['ENOBUFS', 0], ['EINVAL', 0], ['EINVAL', 0]],
  ['ICMP_FILTER', 1, ['EOPNOTSUPP', 'EOPNOTSUPP'], ['ENOPROTOOPT', 'EOPNOTSUPP'], ['ENOPROTOOPT', 'EOPNOTSUPP']],
  ['UDP_CORK', 1, ['ENOPROTOOPT', 'EOPNOTSUPP'], ['ENOPROTOOPT', 'EOPNOTSUPP'], ['ok', 1]],
]
for (const [name, value, ...answers] of options) {
  path(`${name} ${value ?? 'by default'}`, PINGS, (h) => {
    const sockets = [h.socket('raw', 99), h.socket('ping'), h.udp({ port: 9 }).socket]
    const got = sockets.map((socket) => [
      outcome(() => (value === undefined ? 'ok' : socket.setsockopt(name, value) && 'ok')),
      outcome(() => socket.getsockopt(name)),
    ])
    assert.equal(got, answers)
  })
}

path('ICMP_FILTER takes as many bytes as there are', (h) => {
  const socket = h.socket('raw', 'icmp')
  for (const [length, expected] of [
    [0, 0],
    [1, 0x01],
    [2, 0x0202],
    [3, 0x030303],
    [4, 0x04040404],
    [8, 0x08080808],
  ] as const) {
    socket.setsockopt('ICMP_FILTER', new Uint8Array(length).fill(length))
    assert.is(socket.getsockopt('ICMP_FILTER'), expected)
  }
})

path('IP_ROUTER_ALERT: once on, once off; not for protocol 255', (h) => {
  const socket = h.socket('raw', 99)
  const set = (value: number): unknown => outcome(() => socket.setsockopt('IP_ROUTER_ALERT', value) && 'ok')
  assert.equal([1, 1, 0, 0].map(set), ['ok', 'EADDRINUSE', 'ok', 'ENOBUFS'])
  assert.is(
    outcome(() => h.socket('raw', 255).setsockopt('IP_ROUTER_ALERT', 1)),
    'EINVAL',
  )
})

const transit = { from: '10.0.0.7', to: PEER, protocol: 99, options: ALERT }

path('sockets with IP_ROUTER_ALERT take what would be forwarded, whole', ROUTER, (h) => {
  const [a, b, other, elsewhere] = [99, 99, 98, 99].map((protocol) => h.socket('raw', protocol)) as [
    Socket,
    Socket,
    Socket,
    Socket,
  ]
  elsewhere.setsockopt('SO_BINDTODEVICE', 'lo')
  for (const socket of [a, b, other, elsewhere]) socket.setsockopt('IP_ROUTER_ALERT', 1)
  h.rx('eth0', ip(transit, 'transit'))
  h.walk('ip_forward', 'ip_call_ra_chain', 'raw_rcv', 'raw_rcv')
  h.counters({ IpInReceives: 1, IpForwDatagrams: 0, IpInDelivers: 0 })
  assert.equal([a, b, other, elsewhere].map(payloads), [['transit'], ['transit'], [], []])

  h.rx(
    'eth0',
    ip({ ...transit, id: 3, mf: true }, 'A'.repeat(16)),
    ip({ ...transit, id: 3, offset: 16 }, 'B'.repeat(16)),
  )
  h.counters({ IpReasmReqds: 2, IpReasmOKs: 1, IpForwDatagrams: 0 })
  assert.equal([a, b].map(payloads), [['A'.repeat(16) + 'B'.repeat(16)], ['A'.repeat(16) + 'B'.repeat(16)]])

  h.rx('eth0', ip({ ...transit, ttl: 1 }, 'ttl'))
  assert.equal([a, b].map(payloads), [['ttl'], ['ttl']])
  h.tx('eth0')
  a.setsockopt('IP_ROUTER_ALERT', 0)
  b.close()
  h.rx('eth0', ip(transit, 'goes on'))
  h.counters({ IpForwDatagrams: 1 })
  h.tx('eth0', { protocol: 99, ttl: 63 })
})

path('groups: a member, a socket that wants only its own, one that takes all that the host takes', (h) => {
  const [member, strict, all] = [99, 99, 99].map((protocol) => h.socket('raw', protocol)) as [Socket, Socket, Socket]
  member.setsockopt('IP_ADD_MEMBERSHIP', { group: '224.1.1.1', dev: 'eth0' })
  strict.setsockopt('IP_MULTICAST_ALL', 0)
  for (const to of ['224.1.1.1', '224.1.1.2']) h.rx('eth0', ip({ to, protocol: 99, dmac: '01:00:5e:01:01:01' }, 'g'))
  assert.equal([member, strict, all].map(payloads), [['g'], [], ['g']])
})

path('a full buffer: SO_RXQ_OVFL tells of what was lost, SO_MEMINFO of what is held', (h) => {
  const socket = h.socket('raw', 99)
  socket.setsockopt('SO_RXQ_OVFL', 1).setsockopt('SO_RCVBUF', 1)
  const packet = ip({ protocol: 99 }, 100)
  h.rx('eth0', ...Array.from({ length: 6 }, () => packet))
  h.counters({ IpInDelivers: 3, IpInUnknownProtos: 3 })
  assert.is((socket.getsockopt('SO_MEMINFO') as number[])[8], 3)
  const before = [socket.recv({ max: 10 }), socket.recv({ max: 10 }), socket.recv({ max: 10 })]
  assert.equal(
    before.map((got) => [got!.cmsg, got!.flags, got!.data.length]),
    before.map(() => [undefined, ['MSG_TRUNC'], 10]),
  )
  h.rx('eth0', packet)
  assert.equal(socket.recv()!.cmsg, { SO_RXQ_OVFL: 3 })
  drain(h)
})

path('a ping socket tells neither of drops nor of a longer message', PINGS, (h) => {
  const socket = h.socket('ping')
  socket.bind([HOST, 5]).setsockopt('SO_RXQ_OVFL', 1).setsockopt('SO_RCVBUF', 1)
  h.rx('eth0', ...Array.from({ length: 6 }, () => reply(5, 'x'.repeat(100))))
  h.walk('icmp_rcv', 'ping_rcv', 'ping_lookup', 'skb_clone', '__ping_queue_rcv_skb', 'sock_queue_rcv_skb_reason')
  h.counters({ IcmpInEchoReps: 6, IcmpInErrors: 0 })
  const peeked = socket.recv({ max: 3, flags: ['MSG_PEEK', 'MSG_TRUNC'] })!
  assert.equal([peeked.length, peeked.flags, peeked.from], [3, ['MSG_TRUNC'], { address: PEER, port: 0 }])
  for (let i = 0; i < 3; i++) assert.is(socket.recv()!.data.length, 108)
  h.rx('eth0', reply(5))
  assert.equal(socket.recv()!.cmsg, undefined)
})

path('a ping socket has no address to answer from in IP_PKTINFO', PINGS, (h) => {
  const [ping, raw] = [h.socket('ping').bind(['0.0.0.0', 9]), h.socket('raw', 'icmp')]
  for (const socket of [ping, raw]) socket.setsockopt('IP_PKTINFO', 1).setsockopt('IP_RECVTTL', 1)
  h.rx('eth0', reply(9))
  assert.equal(ping.recv()!.cmsg, { IP_PKTINFO: { dev: 'eth0', spec_dst: '0.0.0.0', addr: HOST }, IP_TTL: 64 })
  assert.equal(raw.recv()!.cmsg, { IP_PKTINFO: { dev: 'eth0', spec_dst: HOST, addr: HOST }, IP_TTL: 64 })
})

path('a full send buffer: raw says ENOBUFS, with IP_HDRINCL and ping EAGAIN', { ...PINGS, stranger: true }, (h) => {
  const [raw, own, ping] = [h.socket('raw', 99), h.socket('raw'), h.socket('ping')]
  for (const socket of [raw, own, ping]) socket.setsockopt('SO_SNDBUF', 1)
  const four = (socket: Socket, data: Uint8Array): unknown[] =>
    Array.from({ length: 5 }, () => outcome(() => socket.send(data, { to: [PEER, 0] })))
  assert.equal(four(raw, bytesOf(1000)), [1000, 1000, 1000, 1000, 'ENOBUFS'])
  const packet = ipPacket({ protocol: 99, from: HOST, to: PEER }, bytesOf(1000))
  h.moment()
  assert.equal(four(own, packet), [1020, 1020, 'EAGAIN', 'EAGAIN', 'EAGAIN'])
  h.counters({ IpOutRequests: 0, IpOutTransmits: 2, IpOutDiscards: 3 })
  h.moment()
  assert.equal(four(ping, echo('x'.repeat(1000))), [1008, 1008, 'EAGAIN', 'EAGAIN', 'EAGAIN'])
  h.counters({ IcmpOutEchos: 2, IpOutDiscards: 3 })
})

path('a packet that takes half of the send buffer but a byte leaves no room', { stranger: true }, (h) => {
  const writable = [2304, 2305, 2306].map((half) => {
    const socket = h.socket('raw', 99).setsockopt('SO_SNDBUF', half)
    socket.send(bytesOf(1000), { to: [PEER, 0] })
    assert.is((socket.getsockopt('SO_MEMINFO') as number[])[2], 2304)
    return socket.poll() & EPOLLOUT
  })
  assert.equal(writable, [0, 0, EPOLLOUT])
})

path('readiness, and closing with packets that nobody read', PINGS, (h) => {
  const [raw, ping] = [h.socket('raw', 'icmp'), h.socket('ping').bind([HOST, 5])]
  const writable = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND
  assert.equal(
    [raw, ping].map((socket) => socket.poll()),
    [writable, writable],
  )
  h.rx('eth0', reply(5))
  assert.equal(
    [raw, ping].map((socket) => socket.poll()),
    [raw, ping].map(() => writable | EPOLLIN | EPOLLRDNORM),
  )
  raw.close()
  ping.close()
  h.rx('eth0', reply(5))
  h.dropped('NO_SOCKET', 1, 'ping_rcv')
})

path('a raw socket hears a datagram before UDP has it', (h) => {
  const [raw, socket] = [h.socket('raw', 'udp'), h.udp()]
  h.rx('eth0', udp({ data: 'both', checksumOff: 1 }), udp({ data: 'both' }))
  h.walk('ip_protocol_deliver_rcu', 'raw_local_deliver', 'skb_clone', 'raw_rcv', 'udp_rcv')
  h.reads(socket, { data: 'both' })
  assert.is(payloads(raw).length, 2)
})

path('an echo request goes the way of Linux', PINGS, (h) => {
  const ways = [
    ['raw', 'raw_sendmsg', 'ip_route_output_flow', 'ip_append_data', 'raw_getfrag', 'ip_push_pending_frames'],
    ['ping', 'inet_autobind', 'ping_get_port', 'ping_v4_sendmsg', 'ping_common_sendmsg', 'ping_getfrag'],
  ] as const
  for (const [type, ...functions] of ways) {
    const socket = type === 'raw' ? h.socket('raw', 'icmp') : h.socket('ping')
    h.moment()
    socket.send(echo('ping'), { to: [PEER, 0] })
    h.walk('inet_sendmsg', ...functions, '__ip_make_skb', 'icmp_out_count', '__ip_local_out', '__dev_queue_xmit')
    h.tx('eth0', { smac: HOST_MAC, dmac: PEER_MAC, from: HOST, to: PEER, type: 8, data: 'ping', df: true })
  }
})

path('identifiers are given in turn', PINGS, (h) => {
  const names = [0, 1, 2].map(() => portOf(h.socket('ping').bind(['0.0.0.0', 0])))
  assert.equal(
    names.map((port) => port - names[0]!),
    [0, 1, 2],
  )
})

path('an ICMP message without type and code is not sent', (h) => {
  const [icmpSocket, other] = [h.socket('raw', 'icmp'), h.socket('raw', 99)]
  const send = (socket: Socket, length: number): unknown =>
    outcome(() => socket.send(bytesOf(length), { to: [PEER, 0] }))
  assert.equal(
    [0, 1, 2].map((length) => send(icmpSocket, length)),
    ['EFAULT', 'EFAULT', 2],
  )
  assert.is(send(other, 0), 0)
  drain(h)
})

run()
