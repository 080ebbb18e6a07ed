// A packet that was sent is to be received by another device: what belonged to its way so far comes off.
// Mirrors __dev_forward_skb of net/core/dev.c and skb_scrub_packet of net/core/skbuff.c.

import { skb_account_born, skb_account_ended } from '../../include/net_namespace.ts'
import { dev_stats, net_device } from '../../include/netdevice.ts'
import { SKB_BORN_MOVED, SKB_ENDED_MOVED, SKB_IGNORE_DF, sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { FN___dev_forward_skb, FN___dev_forward_skb2, FN_skb_scrub_packet } from '../../uapi/functions.ts'
import { IFF_UP } from '../../uapi/if.ts'
import { PACKET_HOST } from '../../uapi/in.ts'
import { skb_is_gso } from './gso.ts'
import { kfree_skb_reason, skb_dst_drop } from './skbuff.ts'

const VLAN_HLEN: u32 = 4

/** The packet is another namespace's from now on: the accounts of both say so. */
function move(skb: sk_buff, to: usize): void {
  skb_account_ended(skb.owner, SKB_ENDED_MOVED)
  skb.owner = to
  skb_account_born(to, SKB_BORN_MOVED)
}

/** Makes a packet one that nobody has routed or marked yet. to: the namespace it goes to (struct net). */
export function skb_scrub_packet(skb: sk_buff, to: usize): void {
  walk(FN_skb_scrub_packet, changetype<usize>(skb))
  skb.pkt_type = <u8>PACKET_HOST
  skb.skb_iif = 0
  skb.skb_flags &= ~SKB_IGNORE_DF
  if (skb.dst) skb_dst_drop(skb)
  if (skb.owner == to) return
  skb.mark = 0
  skb.tstamp = 0
  move(skb, to)
}

/** Would this device receive it? It is up, and the frame, tag included, fits (is_skb_forwardable). */
function is_skb_forwardable(dev: net_device, skb: sk_buff): bool {
  if (!(dev.flags & IFF_UP)) return false
  return skb.len <= dev.mtu + dev.hard_header_len + VLAN_HLEN || skb_is_gso(skb)
}

/** Makes a frame that was sent one that dev receives, up to eth_type_trans. False: dev does not take it, the skb is gone. */
export function __dev_forward_skb(dev: net_device, skb: sk_buff): bool {
  walk(FN___dev_forward_skb, changetype<usize>(skb))
  walk(FN___dev_forward_skb2, changetype<usize>(skb))
  if (!is_skb_forwardable(dev, skb)) {
    dev_stats(dev).rx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN___dev_forward_skb2)
    return false
  }
  skb_scrub_packet(skb, dev.nd_net)
  skb.priority = 0
  return true
}
