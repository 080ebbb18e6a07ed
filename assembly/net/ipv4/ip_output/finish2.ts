// The last station of IPv4 output: counted, with room for a link header, to the neighbour.
// Mirrors ip_finish_output2 of net/ipv4/ip_output.c. Left out: light-weight tunnels, gateways of IPv6.

import { rtable } from '../../../include/dst.ts'
import { mib_add, mib_inc, net } from '../../../include/net_namespace.ts'
import { neighbour } from '../../../include/neighbour.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NEIGH_CREATEFAIL, SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { ENOMEM } from '../../../uapi/errno.ts'
import { FN_ip_finish_output2, FN_skb_expand_head } from '../../../uapi/functions.ts'
import { RTN_BROADCAST, RTN_MULTICAST } from '../../../uapi/rtnetlink.ts'
import {
  IPSTATS_MIB_OUTBCASTOCTETS,
  IPSTATS_MIB_OUTBCASTPKTS,
  IPSTATS_MIB_OUTMCASTOCTETS,
  IPSTATS_MIB_OUTMCASTPKTS,
  IPSTATS_MIB_OUTOCTETS,
  IPSTATS_MIB_OUTPKTS,
} from '../../../uapi/snmp.ts'
import { neigh_output } from '../../core/neighbour/output.ts'
import { ip_neigh_for_gw } from '../../core/neighbour/route_neigh.ts'
import { kfree_skb_reason, skb_cow, skb_headroom } from '../../core/skbuff.ts'

/** Room that a device's link header takes, in steps of 16 bytes (LL_RESERVED_SPACE). */
export function LL_RESERVED_SPACE(dev: net_device): u32 {
  return ((<u32>dev.hard_header_len + <u32>dev.needed_headroom) & ~15) + 16
}

/** Counts what goes to the neighbour: each fragment for itself. */
function count(net: net, type: u32, len: u32): void {
  if (type == RTN_MULTICAST) {
    mib_inc(net, IPSTATS_MIB_OUTMCASTPKTS)
    mib_add(net, IPSTATS_MIB_OUTMCASTOCTETS, len)
  } else if (type == RTN_BROADCAST) {
    mib_inc(net, IPSTATS_MIB_OUTBCASTPKTS)
    mib_add(net, IPSTATS_MIB_OUTBCASTOCTETS, len)
  }
  mib_inc(net, IPSTATS_MIB_OUTPKTS)
  mib_add(net, IPSTATS_MIB_OUTOCTETS, len)
}

/**
 * Sends a packet that fits its link to the next hop.
 *
 * Uses: dst, dev, data at the IP header. Next: neigh_output. The skb is gone in any case.
 * Answers 0, NET_XMIT_* or -errno.
 */
export function ip_finish_output2(net: net, skb: sk_buff): i32 {
  walk(FN_ip_finish_output2, changetype<usize>(skb))
  const rt = changetype<rtable>(skb.dst)
  const dev = changetype<net_device>(rt.dev)
  count(net, rt.rt_type, skb.len)
  const room = LL_RESERVED_SPACE(dev)
  if (skb_headroom(skb) < room && dev.hard_header_len && !skb_cow(skb, room)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_skb_expand_head)
    return -ENOMEM
  }
  const neigh = ip_neigh_for_gw(rt, skb)
  if (IS_ERR(neigh)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_CREATEFAIL, FN_ip_finish_output2)
    return <i32>neigh
  }
  return neigh_output(changetype<neighbour>(neigh), skb)
}
