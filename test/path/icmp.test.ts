// Echoes and other messages, whole and in fragments (net/ipv4/icmp.c, ip_fragment.c).

import * as assert from 'uvu/assert'
import {
  BROADCAST_MAC,
  HOST,
  HOST_MAC,
  PEER,
  PEER_MAC,
  bytesOf,
  eth,
  fragments,
  icmp,
  icmpMessage,
  ip,
  udp,
  udpDatagram,
} from './packets.ts'
import { stories } from './story.ts'

const { path, run } = stories('icmp')

path('an echo request is answered with what it brought', (h) => {
  h.rx('eth0', icmp({ rest: 0x12340007, data: 'ping pong', tos: 0x48, ttl: 3 }))
  h.walk(
    'ip_local_deliver',
    'icmp_rcv',
    'icmp_echo',
    'icmp_reply',
    'ip_route_output_flow',
    'icmp_push_reply',
    'ip_push_pending_frames',
    '__ip_local_out',
    'ip_output',
    'ip_finish_output2',
    '__dev_queue_xmit',
    'tun_net_xmit',
  )
  h.kept()
  h.counters({ IcmpInMsgs: 1, IcmpInEchos: 1, IcmpOutMsgs: 1, IcmpOutEchoReps: 1, IpOutRequests: 1 })
  h.tx('eth0', {
    smac: HOST_MAC,
    dmac: PEER_MAC,
    from: HOST,
    to: PEER,
    type: 0,
    code: 0,
    rest: 0x12340007,
    data: 'ping pong',
    ttl: 64,
    tos: 0x48,
  })
})

path('a long echo request in three fragments is answered in three', (h) => {
  const message = icmpMessage({ data: 4000 })
  const parts = fragments({ protocol: 1 }, message, 1480)
  assert.is(parts.length, 3)
  h.rx('eth0', ...parts)
  h.walk('ip_local_deliver', 'ip_defrag', 'ip_defrag', 'ip_defrag', 'icmp_rcv', 'icmp_echo', 'ip_do_fragment')
  h.kept()
  h.counters({ IpReasmReqds: 3, IpReasmOKs: 1, IcmpInEchos: 1, IpFragCreates: 3, IpFragOKs: 1 })
  const frames = (h.host.device('eth0') as unknown as { tx(): Uint8Array[] }).tx()
  const reply = icmpMessage({ type: 0, data: 4000 })
  const got = new Uint8Array(reply.length)
  for (const frame of frames) got.set(frame.subarray(34), (((frame[20]! & 31) << 8) | frame[21]!) * 8)
  assert.equal(got, reply)
  assert.is(frames.length, 3)
})

path('fragments in any order, and twice, make one datagram', (h) => {
  const socket = h.udp()
  const data = bytesOf(3000)
  const parts = fragments({ id: 9 }, udpDatagram({ data }), 1000)
  const [a, b, c, d] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  h.rx('eth0', d, b, b, c, a)
  assert.equal(socket.recv()?.data, data)
  h.counters({ IpReasmReqds: 5, IpReasmOKs: 1 })
  h.dropped('DUP_FRAG')
})

path('fragments of other datagrams are kept apart: id, sender, protocol', (h) => {
  const socket = h.udp()
  const parts = fragments({ id: 9 }, udpDatagram({ data: 2000 }), 1000) as [Uint8Array, Uint8Array, Uint8Array]
  const last = { offset: 2000, protocol: 17, id: 9 } as const
  const end = parts[2].slice(34)
  h.rx(
    'eth0',
    parts[0],
    parts[1],
    ip({ ...last, id: 10 }, end),
    ip({ ...last, from: '10.0.0.3' }, end),
    ip({ ...last, protocol: 6 }, end),
  )
  h.reads(socket)
  h.rx('eth0', parts[2])
  assert.is(socket.recv()?.length, 2000)
  h.net.advance('31s')
  assert.is(h.host.counters()['IpReasmTimeout'], 3)
})

path('an overlap loses the datagram', (h) => {
  const socket = h.udp()
  const parts = fragments({ id: 9 }, udpDatagram({ data: 2000 }), 1000)
  h.rx('eth0', parts[0]!, ip({ id: 9, protocol: 17, offset: 992, mf: true }, 1000), parts[1]!, parts[2]!)
  h.reads(socket)
  h.counters({ IpReasmOKs: 0, IpExtReasmOverlaps: 1 })
})

path('what stays incomplete is given up after 30 s, and told when the first fragment is there', (h) => {
  const parts = fragments({ id: 9 }, udpDatagram({ data: 2000 }), 1000)
  h.rx('eth0', parts[0]!)
  h.net.advance('29s')
  h.counters({ IpReasmTimeout: 0 })
  h.tx('eth0')
  h.net.advance('2s')
  h.counters({ IpReasmTimeout: 1, IpReasmFails: 1 })
  h.dropped('FRAG_REASM_TIMEOUT')
  h.tx('eth0', { from: HOST, to: PEER, type: 11, code: 1 })
})

path('of each drop is told what the packet was, and whether a timer dropped it', (h) => {
  const [first] = fragments({ id: 9 }, udpDatagram({ data: 2000 }), 1000) as [Uint8Array]
  h.rx('eth0', eth({ ethertype: 0x88b5 }, new Uint8Array(46)), udp({ to: `${HOST}:9` }), first)
  h.net.advance('31s')
  const told = h.host.drops().map(({ reason, device, protocol, timer }) => ({ reason, device, protocol, timer }))
  assert.equal(told, [
    { reason: 'UNHANDLED_PROTO', device: 'eth0', protocol: '', timer: false },
    { reason: 'NO_SOCKET', device: 'eth0', protocol: 'ip', timer: false },
    { reason: 'FRAG_REASM_TIMEOUT', device: 'eth0', protocol: 'ip', timer: true },
  ])
  h.tx('eth0', { code: 3 }, { code: 1 })
})

/** Messages that are not answered. */
const silent: readonly { name: string; frame: Uint8Array; counters: Record<string, number>; reason?: string }[] = [
  {
    name: 'a wrong checksum',
    frame: icmp({ checksumOff: 1 }),
    counters: { IcmpInErrors: 1, IcmpInCsumErrors: 1 },
    reason: 'ICMP_CSUM',
  },
  { name: 'seven bytes', frame: ip({ protocol: 1 }, new Uint8Array(7)), counters: { IcmpInMsgs: 1, IcmpInErrors: 1 } },
  {
    name: 'an unknown type',
    frame: icmp({ type: 40 }),
    counters: { IcmpInMsgs: 1, IcmpMsgInType40: 1 },
    reason: 'UNHANDLED_PROTO',
  },
  { name: 'an echo reply nobody waits for', frame: icmp({ type: 0 }), counters: { IcmpInEchoReps: 1 } },
  {
    name: 'an echo request to everybody',
    frame: icmp({ dmac: BROADCAST_MAC, to: '10.0.0.255' }),
    counters: { IcmpInEchos: 1, IcmpInErrors: 1 },
    reason: 'INVALID_PROTO',
  },
  {
    name: 'an error that quotes too little',
    frame: icmp({ type: 3, code: 1, data: 20 }),
    counters: { IcmpInErrors: 1 },
  },
]
for (const { name, frame, counters, reason } of silent) {
  path(`not answered: ${name}`, (h) => {
    h.rx('eth0', frame)
    h.counters({ IcmpOutMsgs: 0, ...counters })
    if (reason) h.dropped(reason)
    h.tx('eth0')
  })
}

path(
  'echo requests to everybody are answered when that is asked for',
  { sysctl: { 'net.ipv4.icmp_echo_ignore_broadcasts': 0 } },
  (h) => {
    h.rx('eth0', icmp({ dmac: BROADCAST_MAC, to: '10.0.0.255' }))
    h.tx('eth0', { from: HOST, to: PEER, type: 0 })
  },
)

path('no echo with icmp_echo_ignore_all', { sysctl: { 'net.ipv4.icmp_echo_ignore_all': 1 } }, (h) => {
  h.rx('eth0', icmp())
  h.counters({ IcmpInEchos: 1, IcmpOutMsgs: 0 })
  h.tx('eth0')
})

// Linux counts the answer as an echo reply: golden/icmp/icmp-timestamp.
path('a timestamp request is answered', (h) => {
  h.rx('eth0', icmp({ type: 13, data: new Uint8Array(12) }))
  h.counters({ IcmpInTimestamps: 1, IcmpOutEchoReps: 1 })
  h.tx('eth0', { type: 14, code: 0 })
})

path('errors to one host are limited, and counted', (h) => {
  h.rx('eth0', ...Array.from({ length: 20 }, () => udp({ to: `${HOST}:9` })))
  const sent = (h.host.device('eth0') as unknown as { tx(): Uint8Array[] }).tx().length
  assert.ok(sent >= 1 && sent < 20, `${sent} of 20`)
  h.counters({ IcmpOutDestUnreachs: sent, UdpNoPorts: 20, IcmpOutRateLimitHost: 20 - sent })
  h.net.advance('10s')
  h.rx('eth0', udp({ to: `${HOST}:9` }))
  h.tx('eth0', { type: 3, code: 3 })
})

run()
