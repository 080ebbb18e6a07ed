// A packet becomes what its device can send: cut into segments, in one piece, with its checksum.
// Mirrors validate_xmit_skb, skb_csum_hwoffload_help of net/core/dev.c.

import {
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_IPV6_CSUM,
  NETIF_F_IP_CSUM,
  NETIF_F_SG,
  dev_stats,
  net_device,
} from '../../include/netdevice.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  SKB_ENCAPSULATION,
  SKB_ENDED_ABSORBED,
  SKB_SHINFO,
  sk_buff,
} from '../../include/skbuff.ts'
import { tcphdr, udphdr } from '../../include/headers.ts'
import { IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import {
  FN___skb_linearize,
  FN_netif_skb_features,
  FN_skb_csum_hwoffload_help,
  FN_validate_xmit_skb,
  FN_validate_xmit_skb_list,
} from '../../uapi/functions.ts'
import { netif_needs_gso, netif_skb_features, skb_gso_segment, skb_is_gso } from './gso.ts'
import { NO_SKB, consume_skb, kfree_skb_reason, skb_shinfo } from './skbuff.ts'
import { skb_checksum_help } from './skb_checksum_help.ts'
import { skb_linearize } from './skbuff_data.ts'

/** Leaves the checksum to a device that can fill it in, or does it. False: it could not be done. */
export function skb_csum_hwoffload_help(skb: sk_buff, features: u32): bool {
  walk(FN_skb_csum_hwoffload_help, changetype<usize>(skb))
  if (features & NETIF_F_HW_CSUM) return true
  if (features & (NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM)) {
    // Such a device knows TCP and UDP, by where their checksums lie.
    const offset = skb.csum >> 16
    if (offset == offsetof<tcphdr>('check') || offset == offsetof<udphdr>('check')) return true
  }
  return skb_checksum_help(skb)
}

/** Is it in more pieces than the device can gather? */
function skb_needs_linearize(skb: sk_buff, features: u32): bool {
  const shinfo = skb_shinfo(skb)
  if (shinfo.frag_list && !(features & NETIF_F_FRAGLIST)) return true
  return shinfo.nr_frags != 0 && !(features & NETIF_F_SG)
}

/** It cannot be sent. */
function lost(skb: sk_buff, dev: net_device): sk_buff {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_validate_xmit_skb)
  dev_stats(dev).tx_dropped += 1
  return NO_SKB
}

/** One packet that needs no cutting: in one piece, with its checksum. */
function validate_one(skb: sk_buff, dev: net_device, features: u32): sk_buff {
  if (skb.data_len && skb_needs_linearize(skb, features)) {
    walk(FN___skb_linearize, changetype<usize>(skb))
    if (!skb_linearize(skb)) return lost(skb, dev)
  }
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) {
    if (skb.skb_flags & SKB_ENCAPSULATION) skb.inner_transport_header = <u16>skb.csum
    else skb.transport_header = <u16>skb.csum
    if (!skb_csum_hwoffload_help(skb, features)) return lost(skb, dev)
  }
  return skb
}

/**
 * Makes a packet what its device can send. Answers it, or the segments it was cut into: a list by next. NO_SKB: it could not be
 * done, and the skb is gone.
 *
 * Uses: data at the link header, dev. Sets: transport_header where a checksum is left to the device.
 */
export function validate_xmit_skb(skb: sk_buff, dev: net_device): sk_buff {
  walk(FN_validate_xmit_skb, changetype<usize>(skb))
  walk(FN_netif_skb_features, changetype<usize>(skb))
  // A packet without pages, parts and segments whose checksum is there needs nothing.
  if (skb.ip_summed == <u8>CHECKSUM_NONE && !(skb.skb_flags & SKB_SHINFO)) return skb
  const features = netif_skb_features(skb)
  if (!skb_is_gso(skb) || !netif_needs_gso(skb, features)) return validate_one(skb, dev, features)
  const segs = skb_gso_segment(skb, features)
  if (IS_ERR(segs)) return lost(skb, dev)
  if (segs == 0) return validate_one(skb, dev, features)
  consume_skb(skb, SKB_ENDED_ABSORBED)
  return changetype<sk_buff>(segs)
}

/** The same for each of a list by next; what could not be made fit is missing in the list that is answered. */
export function validate_xmit_skb_list(first: sk_buff, dev: net_device): sk_buff {
  walk(FN_validate_xmit_skb_list, changetype<usize>(first))
  if (first.next == 0) return validate_xmit_skb(first, dev)
  let head = NO_SKB
  let tail = NO_SKB
  let p = changetype<usize>(first)
  while (p) {
    const next = changetype<sk_buff>(p).next
    changetype<sk_buff>(p).next = 0
    let made = validate_xmit_skb(changetype<sk_buff>(p), dev)
    if (changetype<usize>(made)) {
      if (changetype<usize>(head)) tail.next = changetype<usize>(made)
      else head = made
      while (made.next) made = changetype<sk_buff>(made.next)
      tail = made
    }
    p = next
  }
  return head
}
