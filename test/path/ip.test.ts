// What IP does with a packet before a protocol sees it: checks, routing, options, protocols nobody has, TTL
// (net/ipv4/ip_input.c, route.c, ip_options.c, ip_forward.c).

import {
  BROADCAST_MAC,
  type Bytes,
  HOST,
  HOST_MAC,
  PEER,
  PEER_MAC,
  type Seen,
  eth,
  ip,
  ipPacket,
  tcp,
  udp,
  udpDatagram,
} from './packets.ts'
import { type Setup, stories } from './story.ts'

const { path, run } = stories('ip')

interface Row {
  name: string
  frame: Bytes
  setup?: Setup
  /** Drop reason and function. */
  dropped?: readonly [reason: string, fn: string]
  counters?: Record<string, number>
  walk?: readonly string[]
  never?: readonly string[]
  /** What is answered. */
  tx?: readonly Partial<Seen>[]
}

const FORWARD = { 'net.ipv4.ip_forward': 1 }
/** A datagram for a port that is bound: what does not drop it reaches the socket. */
const good = { data: 'hello' } as const

const rows: readonly Row[] = [
  {
    name: "another host's frame",
    frame: udp({ ...good, dmac: '02:00:00:00:00:99' }),
    dropped: ['OTHERHOST', 'ip_rcv_core'],
    counters: { IpInReceives: 0 },
    walk: ['ip_rcv_core'],
    never: ['ip_rcv_finish_core'],
  },
  {
    name: 'a wrong header checksum',
    frame: udp({ ...good, ipChecksumOff: 1 }),
    dropped: ['IP_CSUM', 'ip_rcv_core'],
    counters: { IpInReceives: 1, IpExtInCsumErrors: 1, IpInHdrErrors: 1, IpInDelivers: 0 },
    never: ['ip_rcv_finish_core'],
  },
  {
    name: 'version 5',
    frame: udp({ ...good, version: 5 }),
    dropped: ['IP_INHDR', 'ip_rcv_core'],
    counters: { IpInHdrErrors: 1, IpExtInCsumErrors: 0 },
  },
  {
    name: 'a header of 16 bytes',
    frame: udp({ ...good, ihl: 4 }),
    dropped: ['IP_INHDR', 'ip_rcv_core'],
    counters: { IpInHdrErrors: 1 },
  },
  {
    name: 'a header longer than the packet',
    frame: udp({ ihl: 15 }),
    dropped: ['IP_INHDR', 'ip_rcv_core'],
    counters: { IpInHdrErrors: 1 },
  },
  {
    name: 'half a header',
    frame: udp(good).subarray(0, 14 + 12) as Bytes,
    dropped: ['IP_INHDR', 'ip_rcv_core'],
    counters: { IpInReceives: 1, IpInHdrErrors: 1 },
  },
  {
    name: 'a total length beyond the frame',
    frame: udp({ ...good, totalLength: 200 }),
    dropped: ['PKT_TOO_SMALL', 'ip_rcv_core'],
    counters: { IpExtInTruncatedPkts: 1, IpInHdrErrors: 0 },
  },
  {
    name: 'a total length shorter than the header',
    frame: udp({ ...good, totalLength: 19 }),
    dropped: ['IP_INHDR', 'ip_rcv_core'],
    counters: { IpInHdrErrors: 1 },
  },
  {
    name: 'a loopback source',
    frame: udp({ ...good, from: '127.0.0.1:4000' }),
    dropped: ['IP_LOCALNET', 'ip_rcv_finish_core'],
    walk: ['ip_rcv_finish_core', 'ip_route_input_slow'],
    never: ['ip_local_deliver'],
  },
  {
    name: 'a multicast source',
    frame: udp({ ...good, from: '224.0.0.5:4000' }),
    dropped: ['IP_INVALID_SOURCE', 'ip_rcv_finish_core'],
  },
  {
    name: "the host's own source",
    frame: udp({ ...good, from: `${HOST}:4000` }),
    dropped: ['IP_LOCAL_SOURCE', 'ip_rcv_finish_core'],
  },
  {
    name: 'a source that is not reached by this device, with strict rp_filter',
    setup: { sysctl: { 'net.ipv4.conf.all.rp_filter': 1 } },
    frame: udp({ ...good, from: '172.16.0.1:4000' }),
    dropped: ['IP_RPFILTER', 'ip_rcv_finish_core'],
    counters: { TcpExtIPReversePathFilter: 1 },
  },
  {
    name: 'a destination of 127/8',
    frame: udp({ ...good, to: '127.0.0.1:7' }),
    dropped: ['IP_LOCALNET', 'ip_rcv_finish_core'],
  },
  {
    name: 'a destination of 0/8',
    frame: udp({ ...good, to: '0.0.0.0:7' }),
    dropped: ['IP_INVALID_DEST', 'ip_rcv_finish_core'],
  },
  {
    name: "another host's address, without forwarding",
    frame: udp({ ...good, to: '10.0.0.9:7' }),
    dropped: ['IP_INADDRERRORS', 'ip_error'],
    counters: { IpInAddrErrors: 1, IcmpOutMsgs: 0 },
  },
  {
    name: 'a multicast group nobody joined',
    frame: udp({ ...good, dmac: '01:00:5e:01:01:01', to: '239.1.1.1:7' }),
    dropped: ['NOT_SPECIFIED', 'ip_rcv_finish_core'],
    counters: { IpExtInMcastPkts: 0, IpInDelivers: 0 },
  },
  {
    name: 'a protocol nobody has',
    frame: ip({ protocol: 200 }, 'data'),
    dropped: ['IP_NOPROTO', 'ip_local_deliver_finish'],
    counters: { IpInUnknownProtos: 1, IcmpOutDestUnreachs: 1 },
    tx: [{ from: HOST, to: PEER, type: 3, code: 2 }],
  },
  {
    name: 'TTL 1 is enough for this host',
    frame: udp({ to: `${HOST}:9`, ttl: 1 }),
    dropped: ['NO_SOCKET', '__udp4_lib_rcv'],
    tx: [{ type: 3, code: 3 }],
  },
  {
    name: 'TTL 1 is not enough to go on',
    setup: { sysctl: FORWARD },
    frame: udp({ ...good, to: '10.0.0.9:7', ttl: 1 }),
    dropped: ['IP_INHDR', 'ip_forward'],
    counters: { IpInHdrErrors: 1, IpForwDatagrams: 0, IcmpOutTimeExcds: 1 },
    tx: [{ from: HOST, to: PEER, type: 11, code: 0 }],
  },
  {
    name: 'an option that ends beyond the header',
    frame: udp({ ...good, options: Uint8Array.of(7, 40, 4, 0) }),
    dropped: ['IP_INHDR', 'ip_rcv_finish_core'],
    counters: { IpInHdrErrors: 1, IcmpOutParmProbs: 1 },
    tx: [{ from: HOST, to: PEER, type: 12, code: 0, rest: 20 << 24 }],
  },
  {
    name: 'a source route, which is not accepted',
    setup: { sysctl: { 'net.ipv4.conf.all.accept_source_route': 0, 'net.ipv4.conf.eth0.accept_source_route': 0 } },
    frame: udp({ ...good, options: Uint8Array.of(131, 7, 4, 10, 0, 0, 9, 0) }),
    dropped: ['NOT_SPECIFIED', 'ip_rcv_finish_core'],
    never: ['ip_local_deliver'],
  },
  {
    name: 'an EtherType nobody has',
    frame: eth({ ethertype: 0x88b5 }, new Uint8Array(50)),
    dropped: ['UNHANDLED_PROTO', '__netif_receive_skb_core'],
    never: ['ip_rcv_core'],
  },
  {
    name: 'a VLAN that is not there',
    frame: udp({ ...good, vlan: [5] }),
    dropped: ['OTHERHOST', 'ip_rcv_core'],
    counters: { IpInReceives: 0 },
  },
  {
    name: 'a SYN for a port without a listener is answered with RST',
    frame: tcp({ seq: 1000 }),
    dropped: ['NO_SOCKET', 'tcp_v4_rcv'],
    counters: { TcpInSegs: 1, TcpOutRsts: 1, TcpInErrs: 0 },
    walk: ['tcp_v4_rcv', '__inet_lookup_established', '__inet_lookup_listener', 'tcp_v4_send_reset'],
    tx: [{ from: `${HOST}:80`, to: `${PEER}:4000`, flags: 'RA', seq: 0, ack: 1001 }],
  },
  {
    name: 'an ACK for no connection is answered with RST',
    frame: tcp({ flags: 'A', seq: 5, ack: 77 }),
    dropped: ['NO_SOCKET', 'tcp_v4_rcv'],
    tx: [{ flags: 'R', seq: 77, ack: 0 }],
  },
  {
    name: 'a RST is not answered',
    frame: tcp({ flags: 'R' }),
    dropped: ['NO_SOCKET', 'tcp_v4_rcv'],
    counters: { TcpOutRsts: 0 },
  },
  {
    name: 'a wrong TCP checksum',
    frame: tcp({ checksumOff: 1 }),
    dropped: ['TCP_CSUM', 'tcp_v4_rcv'],
    counters: { TcpInCsumErrors: 1, TcpInErrs: 1, TcpOutRsts: 0 },
  },
  {
    name: 'a TCP header of 16 bytes',
    frame: tcp({ doff: 4 }),
    dropped: ['PKT_TOO_SMALL', 'tcp_v4_rcv'],
    counters: { TcpInErrs: 1 },
  },
]

for (const { name, setup = {}, frame, dropped, counters = {}, walk = [], never = [], tx = [] } of rows) {
  path(name, setup, (h) => {
    const socket = h.udp()
    h.rx('eth0', frame)
    h.reads(socket)
    if (dropped) h.dropped(dropped[0], 1, dropped[1])
    h.walk(...walk)
    h.never(...never)
    h.tx('eth0', ...tx)
    h.counters(counters)
  })
}

/** Packets that do reach the socket. */
const taken: readonly { name: string; frame: Bytes; setup?: Setup; counters?: Record<string, number> }[] = [
  { name: 'a frame for everybody with a packet for this host', frame: udp({ ...good, dmac: BROADCAST_MAC }) },
  { name: 'a packet for all systems in a unicast frame', frame: udp({ ...good, to: '224.0.0.1:7' }) },
  { name: 'TTL 0', frame: udp({ ...good, ttl: 0 }) },
  { name: 'the reserved flag', frame: withReserved(udp(good)) },
  { name: 'options that say nothing', frame: udp({ ...good, options: Uint8Array.of(1, 1, 1, 0) }) },
  { name: 'record route', frame: udp({ ...good, options: Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0) }) },
  { name: 'VLAN 0, which is only a priority', frame: udp({ ...good, vlan: [0xe000] }) },
  { name: 'padding behind the packet', frame: udp({ ...good, pad: 60 }) },
  { name: 'a packet from far away', frame: udp({ ...good, from: '198.51.100.1:4000' }), counters: { IpInReceives: 1 } },
  { name: 'ECN capable', frame: udp({ ...good, tos: 2 }), counters: { IpExtInECT0Pkts: 1, IpExtInNoECTPkts: 0 } },
  { name: 'congestion experienced', frame: udp({ ...good, tos: 3 }), counters: { IpExtInCEPkts: 1 } },
  {
    name: '127/8 with route_localnet',
    frame: udp({ ...good, to: '127.0.0.1:7' }),
    setup: { sysctl: { 'net.ipv4.conf.all.route_localnet': 1 } },
  },
  {
    name: "the host's own source with accept_local",
    frame: udp({ ...good, from: `${HOST}:4000` }),
    setup: { sysctl: { 'net.ipv4.conf.all.accept_local': 1 } },
  },
]

function withReserved(frame: Bytes): Bytes {
  frame[20] = 0x80
  // One more in the flags, so 0x8000 less in the checksum: ones' complement.
  const sum = ((frame[24]! << 8) | frame[25]!) - 0x8000
  const folded = sum < 0 ? sum + 65535 : sum
  frame.set([folded >> 8, folded & 255], 24)
  return frame
}

for (const { name, setup = {}, frame, counters = {} } of taken) {
  path(`taken: ${name}`, setup, (h) => {
    if (name.includes('far away')) h.host.route.add({ to: 'default', via: PEER })
    const socket = h.udp()
    h.rx('eth0', frame)
    h.reads(socket, { data: 'hello' })
    h.kept()
    h.counters(counters)
  })
}

path('a joined group is heard, and not after it was left', (h) => {
  const socket = h.udp({ port: 7, options: { IP_ADD_MEMBERSHIP: { group: '239.1.1.1', dev: 'eth0' } } })
  const frame = udp({ dmac: '01:00:5e:01:01:01', to: '239.1.1.1:7', data: 'group' })
  h.rx('eth0', frame)
  h.counters({ IpExtInMcastPkts: 1 })
  h.reads(socket, { data: 'group' })
  socket.socket.setsockopt('IP_DROP_MEMBERSHIP', { group: '239.1.1.1', dev: 'eth0' })
  h.rx('eth0', frame)
  h.reads(socket)
})

path('a packet for another network goes on: TTL less one, new MACs, checksum right', { sysctl: FORWARD }, (h) => {
  const eth1 = h.host.tap('eth1', { mac: '02:00:00:00:00:11' })
  h.host.addr.add('eth1', '10.0.1.1/24')
  h.host.link('eth1', { up: true })
  h.host.neigh.add({ dev: 'eth1', ip: '10.0.1.7', mac: '02:00:00:00:00:17' })
  h.net.advance('1ms')
  eth1.tx()
  h.rx('eth0', udp({ to: '10.0.1.7:9', ttl: 9, id: 5, data: 'on' }))
  h.walk('ip_rcv_core', 'ip_route_input_slow', 'ip_forward', 'ip_forward_finish', 'ip_output', 'tun_net_xmit')
  h.never('ip_local_deliver')
  h.counters({ IpForwDatagrams: 1, IpInDelivers: 0 })
  h.tx('eth1', {
    smac: '02:00:00:00:00:11',
    dmac: '02:00:00:00:00:17',
    from: `${PEER}:4000`,
    to: '10.0.1.7:9',
    ttl: 8,
    id: 5,
    data: 'on',
  })
})

path('without a route a packet that goes on is answered with net unreachable', { sysctl: FORWARD }, (h) => {
  h.rx('eth0', udp({ to: '192.0.2.1:7' }))
  h.dropped('IP_INNOROUTES', 1, 'ip_error')
  h.counters({ IpExtInNoRoutes: 1, IcmpOutDestUnreachs: 1 })
  h.tx('eth0', { from: HOST, to: PEER, type: 3, code: 0, dmac: PEER_MAC, smac: HOST_MAC })
})

/** Routes that refuse, and what their packets are answered with. */
const refusing = [
  { type: 'prohibit', code: 13 },
  { type: 'unreachable', code: 1 },
] as const
for (const { type, code } of refusing) {
  path(`a route of type ${type} answers with code ${code}`, { sysctl: FORWARD }, (h) => {
    h.host.route.add({ to: '192.0.2.0/24', type })
    h.rx('eth0', udp({ to: '192.0.2.1:7' }))
    h.tx('eth0', { type: 3, code })
  })
}

path('a blackhole swallows without a word', { sysctl: FORWARD }, (h) => {
  h.host.route.add({ to: '192.0.2.0/24', type: 'blackhole' })
  h.rx('eth0', udp({ to: '192.0.2.1:7' }))
  h.tx('eth0')
  h.counters({ IcmpOutMsgs: 0, IpForwDatagrams: 0 })
})

path('beyond the MTU and DF: fragmentation needed, with the MTU', { sysctl: FORWARD }, (h) => {
  const eth1 = h.host.tap('eth1', { mac: '02:00:00:00:00:11', mtu: 600 })
  h.host.addr.add('eth1', '10.0.1.1/24')
  h.host.link('eth1', { up: true })
  h.host.neigh.add({ dev: 'eth1', ip: '10.0.1.7', mac: '02:00:00:00:00:17' })
  h.net.advance('1ms')
  eth1.tx()
  h.rx('eth0', udp({ to: '10.0.1.7:9', df: true, data: 1000 }))
  h.dropped('PKT_TOO_BIG', 1, 'ip_forward')
  h.counters({ IpFragFails: 1, IcmpOutDestUnreachs: 1 })
  h.tx('eth0', { type: 3, code: 4, rest: 600 })
  h.tx('eth1')
  h.rx('eth0', udp({ to: '10.0.1.7:9', id: 3, data: 1000 }))
  h.tx('eth1', { offset: 0, mf: true, id: 3 }, { offset: 576, mf: false, id: 3 })
  h.counters({ IpFragOKs: 1, IpFragCreates: 2, IpForwDatagrams: 1 })
})

path('a packet for a neighbour nobody knows waits for ARP, then is given up', { sysctl: FORWARD }, (h) => {
  const packet = ipPacket({ from: PEER, to: '10.0.0.99', protocol: 17 }, udpDatagram({ from: PEER, to: '10.0.0.99' }))
  h.rx('eth0', eth({}, packet))
  h.tx('eth0', { type: 5, code: 1 }, { ethertype: 0x0806, op: 1, tip: '10.0.0.99', dmac: BROADCAST_MAC })
  h.net.advance('10s')
  h.dropped('NEIGH_FAILED')
  h.tx('eth0', { ethertype: 0x0806, op: 1 }, { ethertype: 0x0806, op: 1 }, { from: HOST, to: PEER, type: 3, code: 1 })
})

run()
