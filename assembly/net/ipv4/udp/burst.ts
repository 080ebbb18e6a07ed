// Datagrams of a batch that go the same plain way: what udp_sendmsg and ip_output would work out anew for each of them is
// worked out once, and each is built in one piece, from its link header to its payload. What leaves, what is counted and
// what the socket is charged is the same; whatever is not plain goes the long way, through udp_sendmsg.

import { boot } from '../../../lib/boot.ts'
import { htons } from '../../../lib/byteorder.ts'
import {
  copy_bytes,
  csum_add,
  csum_fold,
  csum_partial_copy,
  csum_sub,
  csum_tcpudp_nofold,
} from '../../../lib/checksum.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { DST_OUT_IP_OUTPUT, flowi4, rtable } from '../../../include/dst.ts'
import { UDP_HLEN, udphdr } from '../../../include/headers.ts'
import { IP_DF, IP_HEADER_MIN } from '../../../include/ip.ts'
import { fib_info, fib_result } from '../../../include/ip_fib.ts'
import { NEIGH_HH, neighbour } from '../../../include/neighbour.ts'
import { mib_add, net } from '../../../include/net_namespace.ts'
import {
  DEV_KIND_IGB,
  DEV_KIND_VETH,
  NETIF_F_HW_CSUM,
  NETIF_F_IP_CSUM,
  net_device,
} from '../../../include/netdevice.ts'
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, SKB_BORN_SENT, SKB_IGNORE_DF, sk_buff } from '../../../include/skbuff.ts'
import {
  SEND_SHUTDOWN,
  SOCK_LOCALROUTE,
  SOCK_NO_CHECK_TX,
  SOCK_TXTIME,
  UDP_FLAGS_CORK,
  sock,
} from '../../../include/sock.ts'
import { ETH_HLEN, ETH_P_IP } from '../../../uapi/if_ether.ts'
import { IP_PMTUDISC_DO, IP_PMTUDISC_PROBE } from '../../../uapi/in.ts'
import { NUD_CONNECTED } from '../../../uapi/neighbour.ts'
import { NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING } from '../../../uapi/netfilter.ts'
import { RTN_UNICAST, RT_SCOPE_UNIVERSE } from '../../../uapi/rtnetlink.ts'
import {
  IPSTATS_MIB_OUTOCTETS,
  IPSTATS_MIB_OUTPKTS,
  IPSTATS_MIB_OUTREQUESTS,
  UDP_MIB_OUTDATAGRAMS,
} from '../../../uapi/snmp.ts'
import { IPPROTO_UDP } from '../../../uapi/socket.ts'
import { dst_check, dst_hold, dst_release } from '../../core/dst.ts'
import { dev_queue_xmit_plain } from '../../core/dev_xmit.ts'
import { ip_neigh_gw4 } from '../../core/neighbour/create.ts'
import { neigh_hold, neigh_release } from '../../core/neighbour/table.ts'
import { alloc_skb } from '../../core/skbuff.ts'
import { skb_set_owner_w } from '../../core/sock_wmem.ts'
import { flowi4_init_sock } from '../flow_output.ts'
import { LL_RESERVED_SPACE } from '../ip_output/finish2.ts'
import { pmtudisc_dont_fragment, pmtudisc_ignore_df, pmtudisc_use_pmtu } from '../ip_output/mtu.ts'
import { ip_xmit_answer } from '../ip_output/make.ts'
import { ip_idents_reserve, ip_ident_hash } from '../route/ident.ts'
import { ip4_dst_hoplimit, ipv4_mtu } from '../route/metrics.ts'
import { ip_route_output_key_hash_rcu } from '../route/output.ts'
import { udp_send_answer } from './xmit.ts'

/** What is known of the way of a burst, once udp_burst_begin said that it is plain. */
@unmanaged
@final
class udp_burst {
  /** The link header as the neighbour keeps it: right-aligned in 16 bytes. */
  hh0: u64
  hh1: u64
  /** The IP header without its length, id and checksum: 16 bytes, then the destination. */
  ip0: u64
  ip1: u64
  daddr: u32
  /** Sum of what of the IP header, and of the pseudo header, is the same for all. */
  ip_sum: u32
  udp_sum: u32
  /** The address that the way was found for, as the batch has it; WAY_* */
  asked: u32
  way: u32
  /** Longest payload. */
  most: u32
  /** The route and its path MTU, and the neighbour: both held while the way is plain. */
  rt: usize
  pmtu: u32
  neigh: usize
  /** Softirqs that had run when the way was looked at last. */
  softirqs: u32
  dev: usize
  csummode: u32
  skb_flags: u32
  /** IDENT_*, and which counter. */
  ident: u32
  ident_hash: u32
  /** Datagrams and their bytes that are not counted yet. */
  packets: u32
  octets: u32
  delivered: u32
}

const BURST: usize = memory.data(128, 16)
const FL4: usize = memory.data(64, 16)
const RES: usize = memory.data(64, 16)
const NO_SKB: sk_buff = changetype<sk_buff>(0)

/** way: nothing is known; datagrams are built here; they go through udp_sendmsg. */
const WAY_UNKNOWN: u32 = 0
const WAY_PLAIN: u32 = 1
const WAY_LONG: u32 = 2

/** ident: 0, the socket's own, or a counter of the address. */
const IDENT_NONE: u32 = 0
const IDENT_SOCKET: u32 = 1
const IDENT_COUNTER: u32 = 2

/** csummode besides CHECKSUM_*: the datagram says that it has none. */
const NO_CHECKSUM: u32 = 4

/** Bytes that Linux's frames may have behind them. */
const ALIGN_ROOM: u32 = 15
/** Room for an Ethernet header as the neighbour keeps it: IP headers begin behind it. */
const LINK_ROOM: u32 = 16

/** The socket, the namespace and what watches them ask for nothing that only the long way has. */
function is_plain(sk: sock): bool {
  const owner = changetype<net>(sk.net)
  const watched = boot.trace_flags | (<u32>boot.costs)
  const hooks = owner.nf_hooks & ((1 << NF_INET_LOCAL_OUT) | (1 << NF_INET_POST_ROUTING))
  const asks = sk.pending | (sk.udp_flags & UDP_FLAGS_CORK) | (<u32>sk.inet_opt) | (<u32>sk.gso_size) | sk.sk_tsflags
  const state = (<u32>sk.sk_err) | (sk.sk_shutdown & SEND_SHUTDOWN) | (sk.sk_flags & (SOCK_LOCALROUTE | SOCK_TXTIME))
  return (watched | hooks | asks | state | owner.fib_has_custom_rules) == 0 && sk.sk_protocol == <u16>IPPROTO_UDP
}

/** The route to an address (0: the connection's), counted; 0: the long way is to find it. fl4 gets the addresses. */
function find_route(sk: sock, address: u32, fl4: flowi4): usize {
  if (address == 0) {
    const cached = sk.sk_dst_cache
    if (cached == 0 || !dst_check(cached)) return 0
    dst_hold(cached)
    fl4.saddr = sk.cork_saddr
    fl4.daddr = sk.cork_daddr
    return cached
  }
  const oif = sk.sk_bound_dev_if ? sk.sk_bound_dev_if : sk.uc_index
  flowi4_init_sock(fl4, sk, oif, sk.sk_mark, sk.tos, RT_SCOPE_UNIVERSE, address, sk.inet_saddr, 0)
  const res = changetype<fib_result>(RES)
  const rt = ip_route_output_key_hash_rcu(changetype<net>(sk.net), fl4, res, NO_SKB)
  if (IS_ERR(rt)) return 0
  // Over several next hops the ports may choose.
  if (res.fi && changetype<fib_info>(res.fi).fib_nhs == 1) return rt
  dst_release(rt)
  return 0
}

/** A known neighbour behind a device that needs nothing but an Ethernet header; 0: it is not so. */
function find_neighbour(rt: rtable, daddr: u32): usize {
  const dev = changetype<net_device>(rt.dev)
  const known = dev.kind == DEV_KIND_IGB || dev.kind == DEV_KIND_VETH
  const unicast = rt.output == DST_OUT_IP_OUTPUT && rt.rt_type == <u16>RTN_UNICAST
  if (!known || !unicast || LL_RESERVED_SPACE(dev) != LINK_ROOM) return 0
  const n = ip_neigh_gw4(rt.dev, rt.rt_gw4 ? rt.rt_gw4 : daddr)
  if (IS_ERR(n)) return 0
  const neigh = changetype<neighbour>(n)
  return neigh.nud_state & NUD_CONNECTED && neigh.hh_len == ETH_HLEN ? n : 0
}

/** Fills in what all datagrams by this route have in common. */
function fill(b: udp_burst, sk: sock, fl4: flowi4, rt: rtable, neigh: usize): void {
  const dev = changetype<net_device>(rt.dev)
  const pmtudisc = <u32>sk.pmtudisc
  const mtu = pmtudisc_use_pmtu(pmtudisc) ? ipv4_mtu(rt) : dev.mtu
  const df = pmtudisc >= IP_PMTUDISC_DO && pmtudisc <= IP_PMTUDISC_PROBE
  const frag_off: u32 = df || pmtudisc_dont_fragment(pmtudisc, rt) ? IP_DF : 0
  const ttl = sk.uc_ttl >= 0 ? <u32>sk.uc_ttl : ip4_dst_hoplimit(rt)
  const word0 = 0x45 | ((<u32>sk.tos) << 8)
  const word2 = (ttl & 0xff) | (IPPROTO_UDP << 8)
  v128.store(changetype<usize>(b), v128.load(neigh + NEIGH_HH))
  b.ip0 = (<u64>word0) | ((<u64>frag_off) << 48)
  b.ip1 = (<u64>word2) | ((<u64>fl4.saddr) << 32)
  b.daddr = fl4.daddr
  b.ip_sum = csum_tcpudp_nofold(fl4.saddr, fl4.daddr, 0, 0, word0 + frag_off + word2)
  b.udp_sum = csum_tcpudp_nofold(fl4.saddr, fl4.daddr, 0, IPPROTO_UDP, sk.inet_sport)
  b.most = mtu - IP_HEADER_MIN - UDP_HLEN
  b.rt = changetype<usize>(rt)
  b.pmtu = rt.rt_pmtu
  b.neigh = neigh
  b.dev = rt.dev
  b.skb_flags = pmtudisc_ignore_df(pmtudisc) ? SKB_IGNORE_DF : 0
  b.csummode = dev.features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM) ? CHECKSUM_PARTIAL : CHECKSUM_NONE
  if (sk.sk_flags & SOCK_NO_CHECK_TX) b.csummode = NO_CHECKSUM
  b.ident = IDENT_COUNTER
  if (sk.inet_daddr) b.ident = IDENT_SOCKET
  else if (frag_off && b.skb_flags == 0) b.ident = IDENT_NONE
  else b.ident_hash = ip_ident_hash(changetype<net>(sk.net), fl4.daddr, fl4.saddr, IPPROTO_UDP)
}

/** Begins a batch of a socket: nothing is known of its ways. */
export function udp_burst_begin(): void {
  const b = changetype<udp_burst>(BURST)
  b.way = WAY_UNKNOWN
  b.packets = 0
  b.octets = 0
  b.delivered = 0
}

/** Nothing is known of the way any more. */
function forget(b: udp_burst): void {
  if (b.way == WAY_PLAIN) {
    dst_release(b.rt)
    neigh_release(changetype<neighbour>(b.neigh))
  }
  b.way = WAY_UNKNOWN
}

/** A batch is over: what it sent is counted before anybody looks. */
export function udp_burst_end(sk: sock): void {
  const b = changetype<udp_burst>(BURST)
  forget(b)
  if (b.packets == 0) return
  const owner = changetype<net>(sk.net)
  mib_add(owner, IPSTATS_MIB_OUTREQUESTS, b.packets)
  mib_add(owner, IPSTATS_MIB_OUTPKTS, b.packets)
  mib_add(owner, IPSTATS_MIB_OUTOCTETS, b.octets)
  mib_add(owner, UDP_MIB_OUTDATAGRAMS, b.delivered)
  b.packets = 0
  b.octets = 0
  b.delivered = 0
}

/** Finds the way to an address, which is not that of the datagram before. */
function way_to(b: udp_burst, sk: sock, address: u32): void {
  forget(b)
  b.asked = address
  b.way = WAY_LONG
  b.softirqs = boot.softirq_runs
  if (!is_plain(sk)) return
  const fl4 = changetype<flowi4>(FL4)
  const rt = find_route(sk, address, fl4)
  if (rt == 0) return
  const neigh = find_neighbour(changetype<rtable>(rt), fl4.daddr)
  if (neigh == 0) {
    dst_release(rt)
    return
  }
  neigh_hold(changetype<neighbour>(neigh))
  fill(b, sk, fl4, changetype<rtable>(rt), neigh)
  b.way = WAY_PLAIN
}

/** A softirq ran, or udp_sendmsg: is the way still what it was? An answer, or an error, may have changed it. */
function look_again(b: udp_burst, sk: sock): void {
  b.softirqs = boot.softirq_runs
  const n = changetype<neighbour>(b.neigh)
  const same = changetype<rtable>(b.rt).rt_pmtu == b.pmtu && n.hh0 == b.hh0 && n.hh1 == b.hh1
  if (!same || !(n.nud_state & NUD_CONNECTED) || !dst_check(b.rt) || !is_plain(sk)) forget(b)
}

/** The same after a datagram that took the long way. */
export function udp_burst_again(sk: sock): void {
  const b = changetype<udp_burst>(BURST)
  if (b.way == WAY_PLAIN) look_again(b, sk)
}

/** The id of the next datagram, in network order. */
function next_id(b: udp_burst, sk: sock): u32 {
  if (b.ident == IDENT_NONE) return 0
  if (b.ident == IDENT_COUNTER) return htons(ip_idents_reserve(b.ident_hash, 1))
  const id = sk.inet_id
  sk.inet_id = id + 1
  return htons(id)
}

/** UDP header and payload at uh; dport in network order. */
function put_datagram(b: udp_burst, sk: sock, skb: sk_buff, uh: usize, from: usize, len: u32, dport: u32): void {
  const ulen = <u32>htons(UDP_HLEN + len)
  store<u64>(uh, (<u64>sk.inet_sport) | ((<u64>dport) << 16) | ((<u64>ulen) << 32))
  if (b.csummode == CHECKSUM_NONE) {
    const sum = csum_partial_copy(from, uh + UDP_HLEN, len, 0)
    const check = csum_fold(csum_add(csum_add(b.udp_sum, dport + 2 * ulen), sum))
    store<u16>(uh, <u16>(check ? check : 0xffff), offsetof<udphdr>('check'))
    return
  }
  copy_bytes(uh + UDP_HLEN, from, len)
  if (b.csummode == NO_CHECKSUM) return
  skb.ip_summed = <u8>CHECKSUM_PARTIAL
  skb.csum = (<u32>skb.transport_header) | ((<u32>offsetof<udphdr>('check')) << 16)
  const pseudo = csum_sub(csum_add(b.udp_sum, ulen), sk.inet_sport)
  store<u16>(uh, <u16>~csum_fold(pseudo), offsetof<udphdr>('check'))
}

/** The whole frame of a datagram, data at its link header. */
function build(b: udp_burst, sk: sock, skb: sk_buff, from: usize, len: u32, dport: u32): void {
  const p = skb.data
  const total = IP_HEADER_MIN + UDP_HLEN + len
  const tot_len = <u32>htons(total)
  const id = next_id(b, sk)
  const check = csum_fold(csum_add(b.ip_sum, tot_len + id))
  v128.store(p - LINK_ROOM, v128.load(changetype<usize>(b)))
  store<u64>(p, b.ip0 | ((<u64>tot_len) << 16) | ((<u64>id) << 32))
  store<u64>(p, b.ip1 | ((<u64>check) << 16), 8)
  store<u32>(p, b.daddr, 16)
  const network = <u32>(p - skb.head)
  skb.network_header = <u16>network
  skb.transport_header = <u16>(network + IP_HEADER_MIN)
  put_datagram(b, sk, skb, p + IP_HEADER_MIN, from, len, dport)
  skb.data = p - ETH_HLEN
  skb.tail = p + total
  skb.len = total + ETH_HLEN
  skb.protocol = htons(ETH_P_IP)
  skb.dev = b.dev
  skb.priority = sk.sk_priority
  skb.mark = sk.sk_mark
  skb.skb_flags |= b.skb_flags
}

/** Not a plain one: udp_sendmsg is to send it. */
export const UDP_BURST_LONG: i32 = 1

/**
 * Sends len bytes at from to an address (0: the connection's) and port in network order. 0, -errno, or UDP_BURST_LONG:
 * nothing was done.
 */
export function udp_burst_send(sk: sock, address: u32, dport: u32, from: usize, len: u32): i32 {
  const b = changetype<udp_burst>(BURST)
  if (b.way == WAY_UNKNOWN || b.asked != address) way_to(b, sk, address)
  if (b.way == WAY_LONG || len > b.most || sk.sk_wmem_alloc >= sk.sk_sndbuf) return UDP_BURST_LONG
  const to = address ? dport : sk.cork_dport
  if (to == 0) return UDP_BURST_LONG
  const skb = alloc_skb(IP_HEADER_MIN + UDP_HLEN + len + ALIGN_ROOM, LINK_ROOM, sk.net, SKB_BORN_SENT)
  if (changetype<usize>(skb) == 0) return UDP_BURST_LONG
  skb_set_owner_w(skb, sk)
  build(b, sk, skb, from, len, to)
  b.packets += 1
  b.octets += IP_HEADER_MIN + UDP_HLEN + len
  const rc = dev_queue_xmit_plain(skb, changetype<net_device>(b.dev))
  if (boot.softirq_runs != b.softirqs) look_again(b, sk)
  if (rc) return udp_send_answer(sk, ip_xmit_answer(changetype<net>(sk.net), rc))
  b.delivered += 1
  return 0
}
