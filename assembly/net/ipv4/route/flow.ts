// Keys of route look-ups: flowi4_init_output, and the key of a flow that an ICMP error or a socket names.
// Mirrors include/net/flow.h and the *_build_flow_key helpers of net/ipv4/route.c.

import { FLOWI4_SIZE, FLOWI_FLAG_ANYSRC, INET_DSCP_MASK, flowi4 } from '../../../include/dst.ts'
import { iphdr } from '../../../include/ip.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { INET_HDRINCL, INET_TRANSPARENT, SOCK_LOCALROUTE, sock } from '../../../include/sock.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../../uapi/rtnetlink.ts'
import { IPPROTO_RAW } from '../../../uapi/socket.ts'
import { SYSCTL_FWMARK_REFLECT } from '../../../uapi/sysctl.ts'

/** A key for a packet that is to be sent; addresses and ports in network order. */
export function flowi4_init_output(
  fl4: flowi4,
  oif: u32,
  mark: u32,
  dscp: u32,
  scope: u32,
  proto: u32,
  flags: u32,
  daddr: u32,
  saddr: u32,
  dport: u32,
  sport: u32,
  uid: u32,
): void {
  memory.fill(changetype<usize>(fl4), 0, FLOWI4_SIZE)
  fl4.flowi4_oif = oif
  fl4.flowi4_mark = mark
  fl4.flowi4_tos = <u8>(dscp & INET_DSCP_MASK)
  fl4.flowi4_scope = <u8>scope
  fl4.flowi4_proto = <u8>proto
  fl4.flowi4_flags = <u8>flags
  fl4.daddr = daddr
  fl4.saddr = saddr
  fl4.fl4_dport = <u16>dport
  fl4.fl4_sport = <u16>sport
  fl4.flowi4_uid = uid
}

/** How far a socket's packets may go: only to the link with SO_DONTROUTE (ip_sock_rt_scope). */
export function ip_sock_rt_scope(sk: sock): u32 {
  return sk.sk_flags & SOCK_LOCALROUTE ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
}

/** The DSCP by which a socket's packets are routed (ip_sock_rt_tos). */
export function ip_sock_rt_tos(sk: sock): u32 {
  return (<u32>sk.tos) & INET_DSCP_MASK
}

/** A transparent socket's source needs not be ours (inet_sk_flowi_flags). */
export function inet_sk_flowi_flags(sk: sock): u32 {
  return sk.inet_flags & (INET_TRANSPARENT | INET_HDRINCL) ? FLOWI_FLAG_ANYSRC : 0
}

function protocol_of(sk: sock): u32 {
  return sk.inet_flags & INET_HDRINCL ? IPPROTO_RAW : <u32>sk.sk_protocol
}

/** The mark of what answers a packet (IP4_REPLY_MARK). */
export function IP4_REPLY_MARK(owner: net, mark: u32): u32 {
  return sysctl(owner, SYSCTL_FWMARK_REFLECT) ? mark : 0
}

/** The key of the flow that an IP header (quoted in an ICMP error, say) belongs to; a socket's (0: none) wishes go first. */
export function __build_flow_key(fl4: flowi4, sk: usize, ip: iphdr, oif: u32, dscp: u32, proto: u32, mark: u32): void {
  if (sk == 0) {
    flowi4_init_output(fl4, oif, mark, dscp, RT_SCOPE_UNIVERSE, proto, 0, ip.daddr, ip.saddr, 0, 0, 0)
    return
  }
  const from = changetype<sock>(sk)
  const bound = from.sk_bound_dev_if
  const scope = ip_sock_rt_scope(from)
  const tos = ip_sock_rt_tos(from)
  const protocol = protocol_of(from)
  flowi4_init_output(fl4, bound, from.sk_mark, tos, scope, protocol, 0, ip.daddr, ip.saddr, 0, 0, from.sk_uid)
}

/** The key of a packet at its IP header (data), by its device. */
export function build_skb_flow_key(fl4: flowi4, skb: sk_buff, sk: usize): void {
  const ip = changetype<iphdr>(skb.data)
  __build_flow_key(fl4, sk, ip, changetype<net_device>(skb.dev).ifindex, ip.tos, ip.protocol, skb.mark)
}

/** The key of what a socket sends to its peer, by way of faddr if it has a source route (0: none). */
export function build_sk_flow_key(fl4: flowi4, sk: sock, faddr: u32): void {
  const daddr = faddr != 0 ? faddr : sk.inet_daddr
  const flags = inet_sk_flowi_flags(sk)
  const scope = ip_sock_rt_scope(sk)
  const oif = sk.sk_bound_dev_if
  const proto = protocol_of(sk)
  flowi4_init_output(fl4, oif, sk.sk_mark, sk.tos, scope, proto, flags, daddr, sk.inet_saddr, 0, 0, sk.sk_uid)
}
