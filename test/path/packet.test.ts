// Packet sockets on the way in: what they see, of whom, how much of it, and what is told besides (net/packet/af_packet.c).
// Tables marked 'asked' were asked of Linux 6.18.

import * as assert from 'uvu/assert'
import type { Received, Socket, Tap } from '../../src/index.ts'
import { BROADCAST_MAC, HOST, HOST_MAC, PEER, PEER_MAC, arp, bytesOf, eth, icmp, ip, udp } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('packet sockets')

const TYPES = ['HOST', 'BROADCAST', 'MULTICAST', 'OTHERHOST', 'OUTGOING']
const ETH_P_IP = 0x800
const ETH_P_8021Q = 0x8100
const ETH_P_8021AD = 0x88a8

const tapOf = (h: Story, type: 'packet' | 'packet-dgram' = 'packet', protocol: number | string = 'ALL', dev = 'eth0') =>
  h.socket(type, protocol).bind(dev)

function all(socket: Socket): Received[] {
  const found: Received[] = []
  for (let read = socket.recv(); read; read = socket.recv()) found.push(read)
  return found
}

/** What waits, as 'HOST 60'. */
const kinds = (socket: Socket): string[] =>
  all(socket).map(({ link, data }) => `${TYPES[link!.pkttype]} ${data.length}`)

path('SOCK_RAW sees whole frames, SOCK_DGRAM packets without their link header, both with the sender', (h) => {
  const raw = tapOf(h)
  const dgram = tapOf(h, 'packet-dgram')
  const frame = udp({ data: 'hello', pad: 60 })
  h.rx('eth0', frame)
  const link = { ifindex: 2, protocol: ETH_P_IP, pkttype: 0, hatype: 1, mac: PEER_MAC }
  const [a, b] = [raw.recv()!, dgram.recv()!]
  assert.equal(a.data, frame)
  assert.equal(b.data, frame.slice(14))
  assert.equal([a.link, b.link], [link, link])
  h.tx('eth0', { type: 3, code: 3 })
})

path('each kind of destination, and what the host sends', (h) => {
  const socket = tapOf(h)
  const groups = ['01:00:5e:00:00:01', '02:00:00:00:00:99']
  h.rx('eth0', ...[HOST_MAC, BROADCAST_MAC, ...groups].map((dmac) => eth({ dmac, ethertype: 0x1234 }, bytesOf(46))))
  h.host.udp().send('x', `${PEER}:9`)
  assert.equal(kinds(socket), ['HOST 60', 'BROADCAST 60', 'MULTICAST 60', 'OTHERHOST 60', 'OUTGOING 43'])
  ;(h.host.device('eth0') as Tap).tx()
})

path('a socket does not see what it sends itself; others do, unless they ignore it', (h) => {
  const [sender, other, deaf] = [tapOf(h), tapOf(h), tapOf(h)]
  deaf.setsockopt('PACKET_IGNORE_OUTGOING', 1)
  sender.send(eth({ ethertype: 0x1234 }, bytesOf(46)))
  assert.equal([kinds(sender), kinds(other), kinds(deaf)], [[], ['OUTGOING 60'], []])
  h.rx('eth0', eth({ ethertype: 0x1234 }, bytesOf(46)))
  assert.equal([kinds(sender), kinds(deaf)], [['HOST 60'], ['HOST 60']])
  ;(h.host.device('eth0') as Tap).tx()
})

path('a protocol of its own: only packets that come in, after IP has seen them', (h) => {
  const socket = tapOf(h, 'packet', 'IP')
  const reader = h.udp()
  h.rx('eth0', udp({ data: 'hello' }), arp())
  assert.equal(kinds(socket), ['HOST 47'])
  h.walk('__netif_receive_skb_core', 'ip_rcv', 'udp_rcv', 'packet_rcv')
  h.reads(reader, { data: 'hello' })
  h.tx('eth0', { op: 2 })
})

path('protocol 0 sees nothing until it is bound; all devices when it is bound to none', (h) => {
  const socket = h.socket('packet', 0)
  h.rx('eth0', udp())
  assert.is(socket.recv(), undefined)
  socket.bind({ protocol: 'IP' })
  h.rx('eth0', icmp())
  assert.equal(kinds(socket), ['HOST 46'])
  h.host.link('lo', { up: true })
  h.host.udp().send('x', '127.0.0.1:9')
  assert.equal(kinds(socket), ['HOST 43', 'HOST 71'])
  ;(h.host.device('eth0') as Tap).tx()
})

path(
  'a packet that is forwarded is seen as it came, and as it leaves',
  { sysctl: { 'net.ipv4.ip_forward': 1 } },
  (h) => {
    h.host.route.add({ to: '10.9.0.0/16', via: PEER })
    h.host.sysctl('net.ipv4.conf.all.send_redirects', 0)
    h.host.sysctl('net.ipv4.conf.eth0.send_redirects', 0)
    const socket = tapOf(h)
    h.rx('eth0', ip({ to: '10.9.9.9', ttl: 64 }, 'x'))
    assert.equal(
      all(socket).map(({ link, data }) => [TYPES[link!.pkttype], data[22]]),
      [
        ['HOST', 64],
        ['OUTGOING', 63],
      ],
    )
    ;(h.host.device('eth0') as Tap).tx()
  },
)

path('a frame that only a tap takes is neither dropped nor counted as such; without one it is', (h) => {
  const frame = eth({ ethertype: 0x1234 }, bytesOf(46))
  h.rx('eth0', frame)
  h.dropped('UNHANDLED_PROTO')
  h.stats({ rx_dropped: 1 })
  tapOf(h)
  h.rx('eth0', frame)
  h.kept()
  h.stats({ rx_dropped: 0 })
})

path('with NAPI taps see eight frames before the protocol answers the first', { tap: { napi: true } }, (h) => {
  const socket = tapOf(h)
  h.rx('eth0', ...Array.from({ length: 9 }, () => icmp()))
  assert.equal(
    all(socket).map(({ link }) => TYPES[link!.pkttype]![0]),
    [...'HHHHHHHHOOOOOOOOHO'],
  )
  ;(h.host.device('eth0') as Tap).tx()
})

path('an IP frame that comes alone is answered before the next one is seen', (h) => {
  const socket = tapOf(h)
  h.rx('eth0', icmp(), icmp())
  assert.equal(
    all(socket).map(({ link }) => TYPES[link!.pkttype]![0]),
    [...'HOHO'],
  )
  ;(h.host.device('eth0') as Tap).tx()
})

/** Asked: frame, then protocol, length and tag as SOCK_RAW and SOCK_DGRAM are told; '' for a packet that is not seen. */
const TAGGED: readonly (readonly [name: string, frame: Uint8Array, raw: string, dgram: string])[] = [
  ['one tag', eth({ vlan: [0xe005] }, bytesOf(46)), '800 60 51 e005/8100 net 14', '800 46 51 e005/8100 net 0'],
  ['priority only', eth({ vlan: [0x1000] }, bytesOf(46)), '800 60 51 1000/8100 net 14', '800 46 51 1000/8100 net 0'],
  [
    'two tags',
    eth({ vlan: [[1, ETH_P_8021AD], 2] }, bytesOf(46)),
    '8100 64 51 1/88a8 net 14',
    '800 50 51 1/88a8 net 0',
  ],
  ['tag 0, tag 7', eth({ vlan: [0, 7] }, bytesOf(46)), '8100 64 51 0/8100 net 14', '800 50 51 0/8100 net 0'],
  [
    'a length behind the tag',
    eth({ vlan: [5], ethertype: 46 }, bytesOf(46)),
    '4 60 51 5/8100 net 14',
    '4 46 51 5/8100 net 0',
  ],
  ['a tag that is cut off', eth({ ethertype: ETH_P_8021Q }, bytesOf(5)), '', ''],
  ['no tag', eth({ ethertype: 0x1234 }, bytesOf(46)), '1234 60 1 0/0 net 14', '1234 46 1 0/0 net 0'],
  ['only a header', eth({ ethertype: 0x1234 }, bytesOf('')), '1234 14 1 0/0 net 14', ''],
]
function described(socket: Socket): string {
  const read = socket.recv()
  if (!read) return ''
  const { status, net, vlan_tci, vlan_tpid } = read.cmsg!.PACKET_AUXDATA!
  const hex = (value: number): string => value.toString(16)
  return `${hex(read.link!.protocol)} ${read.data.length} ${hex(status)} ${hex(vlan_tci)}/${hex(vlan_tpid)} net ${net}`
}
for (const [name, frame, raw, dgram] of TAGGED) {
  path(`PACKET_AUXDATA: ${name}`, (h) => {
    const sockets = [tapOf(h), tapOf(h, 'packet-dgram')].map((socket) => socket.setsockopt('PACKET_AUXDATA', 1))
    h.rx('eth0', frame)
    assert.equal(sockets.map(described), [raw, dgram])
  })
}

path('PACKET_AUXDATA: a checksum that the hardware verified, one that is wrong', { nic: {} }, (h) => {
  const socket = tapOf(h).setsockopt('PACKET_AUXDATA', 1)
  h.udp()
  h.rx('eth0', udp({ data: 'right', pad: 60 }), udp({ data: 'wrong', checksumOff: 1, pad: 60 }))
  const [CSUM_VALID, USER] = [128, 1]
  assert.equal(
    all(socket).map(({ cmsg }) => cmsg!.PACKET_AUXDATA!.status),
    [CSUM_VALID | USER, USER],
  )
})

path('lo: a packet is seen twice, its checksum not yet filled in', (h) => {
  h.host.link('lo', { up: true })
  const socket = tapOf(h, 'packet', 'ALL', 'lo').setsockopt('PACKET_AUXDATA', 1)
  h.host.udp().send('x'.repeat(30), '127.0.0.1:9')
  const reads = all(socket).slice(0, 2)
  assert.equal(
    reads.map(({ link, data, cmsg }) => [
      TYPES[link!.pkttype],
      link!.hatype,
      data.length,
      cmsg!.PACKET_AUXDATA!.status,
    ]),
    [
      ['OUTGOING', 772, 72, 9],
      ['HOST', 772, 72, 9],
    ],
  )
})

path('a full buffer: drops by truesize, in the statistics, the socket and SO_RXQ_OVFL', (h) => {
  const socket = tapOf(h).setsockopt('SO_RCVBUF', 2304).setsockopt('SO_RXQ_OVFL', 1)
  const frame = (size: number): Uint8Array => eth({ ethertype: 0x1234 }, bytesOf(size))
  h.rx('eth0', ...[50, 100, 50, 1400, 50].map(frame))
  assert.equal(socket.getsockopt('SO_MEMINFO'), [4992, 4608, 0, 212992, 0, 0, 0, 0, 0])
  h.rx('eth0', frame(50))
  h.dropped('PACKET_SOCK_ERROR', 1, 'packet_rcv')
  assert.equal((socket.getsockopt('SO_MEMINFO') as number[])[8], 1)
  assert.equal(socket.getsockopt('PACKET_STATISTICS'), [6, 1])
  assert.equal(socket.getsockopt('PACKET_STATISTICS'), [0, 0])
  assert.equal(all(socket).length, 5)
  h.rx('eth0', frame(50))
  assert.equal(socket.recv()!.cmsg, { SO_RXQ_OVFL: 1 })
})

path('a drop by a tap is none for the packet', (h) => {
  const reader = h.udp()
  const [full, other] = [tapOf(h).setsockopt('SO_RCVBUF', 1), tapOf(h)]
  h.rx('eth0', udp({ data: 5000 }), udp({ data: 'second' }), udp({ data: 'third' }))
  h.kept()
  assert.equal(full.getsockopt('PACKET_STATISTICS'), [3, 2])
  assert.equal(kinds(other).length, 3)
  h.reads(reader, { length: 5000 }, { data: 'second' }, { data: 'third' })
})

path('what is cut short, and what a peek leaves behind', (h) => {
  const socket = tapOf(h).setsockopt('PACKET_AUXDATA', 1)
  const read = (max: number, ...flags: ('MSG_PEEK' | 'MSG_TRUNC')[]): unknown[] => {
    const { length, data, flags: told, cmsg } = socket.recv({ max, flags })!
    return [length, data.length, told.join(), cmsg!.PACKET_AUXDATA!.len]
  }
  h.rx('eth0', eth({ ethertype: ETH_P_IP }, bytesOf(50)))
  // As in Linux: family and protocol of the first reader's address lie where the length was.
  const overwritten = 17 + (0x0008 << 16)
  assert.equal(read(20, 'MSG_PEEK'), [20, 20, 'MSG_TRUNC', 64])
  assert.equal(read(20, 'MSG_PEEK', 'MSG_TRUNC'), [64, 20, 'MSG_TRUNC', overwritten])
  assert.equal(read(64), [64, 64, '', overwritten])
  assert.is(socket.recv(), undefined)
  h.rx('eth0', eth({ ethertype: ETH_P_IP }, bytesOf(50)))
  assert.equal(read(0), [0, 0, 'MSG_TRUNC', 64])
  assert.throws(
    () => socket.recv({ flags: ['MSG_OOB'] }),
    ({ code }: { code: string }) => code === 'EINVAL',
  )
  assert.is(socket.recv({ flags: ['MSG_ERRQUEUE'] }), undefined)
})

path('a filter says how much of a packet is kept; what it does not want is no drop', (h) => {
  const socket = tapOf(h).setsockopt('PACKET_AUXDATA', 1)
  const dgram = tapOf(h, 'packet-dgram')
  // ldh [12]; jeq #0x1234; ret 20; ret 0: of the frame for SOCK_RAW, of the packet for SOCK_DGRAM.
  const wants = (value: number): number[][] => [
    [0x28, 0, 0, 12],
    [0x15, 0, 1, value],
    [6, 0, 0, 20],
    [6, 0, 0, 0],
  ]
  socket.setsockopt('SO_ATTACH_FILTER', wants(0x1234) as never)
  dgram.setsockopt('SO_ATTACH_FILTER', wants(0x0c0d) as never)
  h.rx('eth0', eth({ ethertype: 0x1234 }, bytesOf(50)), eth({ ethertype: 0x1235 }, bytesOf(5)))
  const { data, cmsg } = socket.recv()!
  const { len, snaplen } = cmsg!.PACKET_AUXDATA!
  assert.equal([data.length, len, snaplen], [20, 64, 20])
  assert.is(socket.recv(), undefined)
  assert.equal(kinds(dgram), ['HOST 20'])
  assert.equal(socket.getsockopt('PACKET_STATISTICS'), [1, 0])
  h.kept()
})

path('time of arrival', (h) => {
  const socket = tapOf(h).setsockopt('SO_TIMESTAMPNS', 1)
  const before = h.net.now
  h.rx('eth0', icmp())
  h.net.advance('1s')
  for (const { cmsg } of all(socket)) assert.ok(Math.abs(cmsg!.SO_TIMESTAMPNS! - before / 1e9) < 0.5)
  ;(h.host.device('eth0') as Tap).tx()
})

path('a socket wakes who waits for it', async (h) => {
  const socket = tapOf(h)
  const [EPOLLIN, EPOLLOUT] = [1, 4]
  assert.is(socket.poll() & (EPOLLIN | EPOLLOUT), EPOLLOUT)
  const woken = socket.readable()
  h.rx('eth0', udp({ to: `${HOST}:7` }))
  await woken
  assert.is(socket.poll() & EPOLLIN, EPOLLIN)
  ;(h.host.device('eth0') as Tap).tx()
})

path('what nobody has read when a socket is closed is accounted for', (h) => {
  const sockets = [tapOf(h), tapOf(h), tapOf(h, 'packet', 'IP')]
  h.rx('eth0', icmp(), icmp())
  h.moment()
  for (const socket of sockets) socket.close()
  h.dropped('QUEUE_PURGE', 10)
  h.rx('eth0', icmp())
  h.never('packet_rcv')
  ;(h.host.device('eth0') as Tap).tx()
})

run()
