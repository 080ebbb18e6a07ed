// From a route to its neighbour. Mirrors ip_neigh_for_gw of include/net/route.h and the confirmations of
// include/net/arp.h and net/ipv4/route.c.

import { rtable } from '../../../include/dst.ts'
import { iphdr } from '../../../include/ip.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { skb_network_header } from '../skbuff.ts'
import { ip_neigh_gw4 } from './create.ts'
import { neigh_confirm } from './state.ts'
import { __ipv4_neigh_lookup_noref } from './table.ts'

/** The neighbour that a packet of this route goes to, not counted: its gateway, or its destination. Or an ERR_PTR. */
export function ip_neigh_for_gw(rt: rtable, skb: sk_buff): usize {
  return ip_neigh_gw4(rt.dev, rt.rt_gw4 ? rt.rt_gw4 : changetype<iphdr>(skb_network_header(skb)).daddr)
}

/** The neighbour of this address is known to hear us, if there is one. */
export function __ipv4_confirm_neigh(dev: usize, key: u32): void {
  const n = __ipv4_neigh_lookup_noref(dev, key)
  if (changetype<usize>(n)) neigh_confirm(n)
}

/** The next hop of a route is known to hear us; daddr (0: not known) counts when there is no gateway. */
export function ipv4_confirm_neigh(rt: rtable, daddr: u32): void {
  if (rt.rt_gw4) __ipv4_confirm_neigh(rt.dev, rt.rt_gw4)
  else if (daddr && !(rt.rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST | RTCF_LOCAL))) __ipv4_confirm_neigh(rt.dev, daddr)
}
