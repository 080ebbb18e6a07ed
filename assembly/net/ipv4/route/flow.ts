// The key of a flow that an ICMP error or a socket names. Mirrors the *_build_flow_key helpers of net/ipv4/route.c.

import { INET_DSCP_MASK, flowi4 } from '../../../include/dst.ts'
import { iphdr } from '../../../include/ip.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { INET_HDRINCL, SOCK_LOCALROUTE, sock } from '../../../include/sock.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../../uapi/rtnetlink.ts'
import { flowi4_init_output, inet_sk_flowi_flags } from '../flow_output.ts'
import { IPPROTO_RAW } from '../../../uapi/socket.ts'
import { SYSCTL_FWMARK_REFLECT } from '../../../uapi/sysctl.ts'

/** How far a socket's packets may go: only to the link with SO_DONTROUTE (ip_sock_rt_scope). */
export function ip_sock_rt_scope(sk: sock): u32 {
  return sk.sk_flags & SOCK_LOCALROUTE ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
}

/** The DSCP by which a socket's packets are routed (ip_sock_rt_tos). */
export function ip_sock_rt_tos(sk: sock): u32 {
  return (<u32>sk.tos) & INET_DSCP_MASK
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
