// Tunnels in UDP: the outer datagram's source port, checksum, route and way out. Mirrors net/ipv4/udp_tunnel_core.c,
// udp_flow_src_port of include/net/udp.h and udp_set_csum of net/ipv4/udp.c.

import { INET_DSCP_MASK, flowi4, rtable } from '../../include/dst.ts'
import { UDP_HLEN, udphdr } from '../../include/headers.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import { CHECKSUM_PARTIAL, sk_buff } from '../../include/skbuff.ts'
import { htons } from '../../lib/byteorder.ts'
import { csum_fold, csum_partial, csum_tcpudp_magic, csum_tcpudp_nofold } from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import { FN_udp_tunnel_dst_lookup, FN_udp_tunnel_xmit_skb } from '../../uapi/functions.ts'
import { IPPROTO_UDP } from '../../uapi/socket.ts'
import { SYSCTL_IP_LOCAL_PORT_RANGE_HIGH, SYSCTL_IP_LOCAL_PORT_RANGE_LOW } from '../../uapi/sysctl.ts'
import { skb_get_hash } from '../core/flow_dissector.ts'
import { skb_is_gso } from '../core/gso.ts'
import { skb_push, skb_reset_transport_header } from '../core/skbuff.ts'
import { iptunnel_xmit } from './ip_tunnel_core.ts'
import { flowi4_init_output } from './flow_output.ts'
import { ip_route_output_key } from './route/output.ts'

const FL4: usize = memory.data(64, 16)
/** A sum of 0 is sent as all ones: 0 means that there is none. */
const CSUM_MANGLED_0: u32 = 0xffff

/** A source port (host order) by the flow within, so that flows take different ways; low and high 0: of the local ports. */
export function udp_flow_src_port(owner: net, skb: sk_buff, low: u32, high: u32): u32 {
  if (low >= high) {
    low = <u32>sysctl(owner, SYSCTL_IP_LOCAL_PORT_RANGE_LOW)
    high = <u32>sysctl(owner, SYSCTL_IP_LOCAL_PORT_RANGE_HIGH)
  }
  let hash = skb_get_hash(skb)
  // The upper bits decide: the lower ones are no worse.
  hash ^= hash << 16
  return <u32>((<u64>hash * <u64>(high - low)) >> 32) + low
}

/**
 * The route of an outer datagram; ports in network order. A counted route, or ERR_PTR. The source that was chosen:
 * udp_tunnel_saddr.
 */
export function udp_tunnel_dst_lookup(
  owner: net,
  oif: u32,
  daddr: u32,
  saddr: u32,
  sport: u32,
  dport: u32,
  tos: u32,
): usize {
  walk(FN_udp_tunnel_dst_lookup, 0)
  const fl4 = changetype<flowi4>(FL4)
  flowi4_init_output(fl4, oif, 0, tos & INET_DSCP_MASK, 0, IPPROTO_UDP, 0, daddr, saddr, dport, sport, 0)
  return ip_route_output_key(owner, fl4)
}

/** The source address of the route that was looked up last. */
export function udp_tunnel_saddr(): u32 {
  return changetype<flowi4>(FL4).saddr
}

/** The sum of the packet from the outer UDP header on, if the inner checksum is right once it is filled in (lco_csum). */
function lco_csum(skb: sk_buff): u32 {
  const start = skb.head + (skb.csum & 0xffff)
  const field = start + (skb.csum >> 16)
  const outer = skb.head + skb.transport_header
  return csum_partial(outer, <u32>(start - outer), ~(<u32>load<u16>(field)) & 0xffff)
}

/** The outer checksum: now, by the device, or (nocheck) not at all. */
function udp_set_csum(skb: sk_buff, uh: udphdr, saddr: u32, daddr: u32, nocheck: bool): void {
  uh.check = 0
  if (nocheck) return
  const len = skb.len
  const pseudo = ~csum_fold(csum_tcpudp_nofold(saddr, daddr, len, IPPROTO_UDP, 0)) & 0xffff
  if (skb_is_gso(skb)) {
    uh.check = <u16>pseudo
  } else if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) {
    const check = csum_tcpudp_magic(saddr, daddr, len, IPPROTO_UDP, lco_csum(skb))
    uh.check = <u16>(check ? check : CSUM_MANGLED_0)
  } else {
    skb.ip_summed = <u8>CHECKSUM_PARTIAL
    skb.csum = (<u32>skb.transport_header) | ((<u32>offsetof<udphdr>('check')) << 16)
    uh.check = <u16>pseudo
  }
}

/**
 * Puts the UDP header before a packet and sends it through its tunnel; ports in network order.
 *
 * Uses: as iptunnel_xmit. The skb is gone in any case.
 */
export function udp_tunnel_xmit_skb(
  rt: rtable,
  sk: usize,
  skb: sk_buff,
  src: u32,
  dst: u32,
  tos: u32,
  ttl: u32,
  df: u32,
  sport: u32,
  dport: u32,
  nocheck: bool,
  owner: net,
): void {
  walk(FN_udp_tunnel_xmit_skb, changetype<usize>(skb))
  const uh = changetype<udphdr>(skb_push(skb, UDP_HLEN))
  skb_reset_transport_header(skb)
  uh.source = <u16>sport
  uh.dest = <u16>dport
  uh.len = htons(skb.len)
  udp_set_csum(skb, uh, src, dst, nocheck)
  iptunnel_xmit(sk, rt, skb, src, dst, IPPROTO_UDP, tos, ttl, df, owner)
}
