// The border's look-up of a route: what a packet would get, or the route itself. Mirrors inet_rtm_getroute of
// net/ipv4/route.c.

import { FLOWI4_SIZE, flowi4, rtable } from '../../../include/dst.ts'
import { inet_skb_parm, IPSKB_DOREDIRECT, iphdr } from '../../../include/ip.ts'
import { FIB_RESULT_SIZE, fib_result, fib_table } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { htons } from '../../../lib/byteorder.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EHOSTUNREACH, EINVAL, ENODEV } from '../../../uapi/errno.ts'
import { FN_inet_rtm_getroute } from '../../../uapi/functions.ts'
import { RTCF_DOREDIRECT, RTM_F_FIB_MATCH, RTM_F_LOOKUP_TABLE, RT_TABLE_MAIN } from '../../../uapi/rtnetlink.ts'
import { __dev_get_by_index } from '../../core/dev.ts'
import { skb_dst_drop, skb_dst_set } from '../../core/skbuff.ts'
import { fib_dump_info, route_record } from '../fib_semantics/dump.ts'
import { fib_props_error } from '../fib_trie/lookup.ts'
import { rt_fill_info } from './fill.ts'
import { ip_route_input_rcu } from './input.ts'
import { ip_route_output_key_hash_rcu } from './output.ts'

/** The packet that is looked up lives here: a head, and the headers of an empty UDP datagram. */
const SKB: usize = memory.data(offsetof<sk_buff>(), 16)
const PACKET: usize = memory.data(32, 16)
const PACKET_LEN: u32 = 28
const ETH_P_IP_BE: u16 = 0x0008
const FL4: usize = memory.data(64, 16)
const RES: usize = memory.data(64, 16)

/** What is asked: words at the call buffer. */
@unmanaged
@final
class route_query {
  daddr: u32
  saddr: u32
  iif: u32
  oif: u32
  mark: u32
  tos: u32
  /** RTM_F_* */
  flags: u32
  uid: u32
  /** IPPROTO_*; ports in host order, 0: none. */
  proto: u32
  sport: u32
  dport: u32
}

function query_packet(q: route_query): sk_buff {
  memory.fill(SKB, 0, offsetof<sk_buff>())
  memory.fill(PACKET, 0, PACKET_LEN)
  const ip = changetype<iphdr>(PACKET)
  ip.version_ihl = 0x45
  ip.protocol = <u8>q.proto
  ip.saddr = q.saddr
  ip.daddr = q.daddr
  store<u16>(PACKET, <u16>htons(q.sport), 20)
  store<u16>(PACKET, <u16>htons(q.dport), 22)
  const skb = changetype<sk_buff>(SKB)
  skb.head = PACKET
  skb.data = PACKET
  skb.tail = PACKET + PACKET_LEN
  skb.end = PACKET + PACKET_LEN
  skb.len = PACKET_LEN
  skb.transport_header = 20
  skb.protocol = ETH_P_IP_BE
  skb.mark = q.mark
  skb.users = 1
  return skb
}

/** The route of the packet if it came in by a device: 0, or -errno. */
function look_up_input(owner: net, q: route_query, skb: sk_buff, res: fib_result): i32 {
  const dev = __dev_get_by_index(owner, q.iif)
  if (changetype<usize>(dev) == 0) return -(<i32>ENODEV)
  skb.dev = changetype<usize>(dev)
  if (ip_route_input_rcu(skb, q.daddr, q.saddr, q.tos, dev, res)) return -(<i32>EINVAL)
  return -(<i32>changetype<rtable>(skb.dst).error)
}

/** The route of the packet if we sent it: 0, or -errno. */
function look_up_output(owner: net, fl4: flowi4, skb: sk_buff, res: fib_result): i32 {
  skb.dev = owner.loopback_dev
  const rt = ip_route_output_key_hash_rcu(owner, fl4, res, skb)
  if (IS_ERR(rt)) return <i32>rt
  skb_dst_set(skb, rt)
  return 0
}

function answer(out: usize, q: route_query, fl4: flowi4, skb: sk_buff, res: fib_result): i32 {
  let table: u32 = RT_TABLE_MAIN
  if (q.flags & RTM_F_LOOKUP_TABLE) table = res.table == 0 ? 0 : changetype<fib_table>(res.table).tb_id
  if (!(q.flags & RTM_F_FIB_MATCH)) {
    const rt = changetype<rtable>(skb.dst)
    const src = !rt.rt_is_input && fl4.saddr != q.saddr ? fl4.saddr : 0
    rt_fill_info(out, rt, q.daddr, src, table, res.tos)
    const parm = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
    if ((<u32>parm.flags) & IPSKB_DOREDIRECT) changetype<route_record>(out).flags |= RTCF_DOREDIRECT
    return 0
  }
  if (res.fi == 0) {
    const err = fib_props_error(res.type)
    return err ? err : -(<i32>EHOSTUNREACH)
  }
  fib_dump_info(out, res, table, changetype<rtable>(skb.dst).rt_type)
  return 0
}

/**
 * Looks up a route (RTM_GETROUTE): words {daddr, saddr, iif, oif, mark, tos, RTM_F_*, uid, protocol, ports} at query, addresses in network
 * order; the answer is a route record at out. 0, or -errno as a packet's sender would get it; ENODEV, EINVAL.
 */
export function inet_rtm_getroute(owner: net, query: usize, out: usize): i32 {
  walk(FN_inet_rtm_getroute, 0)
  const q = changetype<route_query>(query)
  const res = changetype<fib_result>(RES)
  const fl4 = changetype<flowi4>(FL4)
  memory.fill(RES, 0, FIB_RESULT_SIZE)
  memory.fill(FL4, 0, FLOWI4_SIZE)
  fl4.daddr = q.daddr
  fl4.saddr = q.saddr
  fl4.flowi4_oif = q.oif
  fl4.flowi4_mark = q.mark
  fl4.flowi4_tos = <u8>q.tos
  fl4.flowi4_proto = <u8>q.proto
  fl4.fl4_sport = <u16>htons(q.sport)
  fl4.fl4_dport = <u16>htons(q.dport)
  fl4.flowi4_uid = q.uid
  const skb = query_packet(q)
  let err = q.iif ? look_up_input(owner, q, skb, res) : look_up_output(owner, fl4, skb, res)
  if (err == 0) err = answer(out, q, fl4, skb, res)
  skb_dst_drop(skb)
  return err
}
