// The checksum of a packet that was left to a device, filled in by software. Mirrors skb_checksum_help of net/core/dev.c.

import { CHECKSUM_COMPLETE, CHECKSUM_NONE, sk_buff } from '../../include/skbuff.ts'
import { csum_fold } from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import { FN_skb_checksum_help } from '../../uapi/functions.ts'
import { pskb_expand_head, skb_cloned, skb_headlen, skb_headroom } from './skbuff.ts'
import { pskb_may_pull, skb_checksum } from './skbuff_data.ts'

/** Fills in a checksum that the device can't. False: its place lies outside of the packet, or there is no memory. */
export function skb_checksum_help(skb: sk_buff): bool {
  walk(FN_skb_checksum_help, changetype<usize>(skb))
  if (skb.ip_summed == <u8>CHECKSUM_COMPLETE) {
    skb.ip_summed = <u8>CHECKSUM_NONE
    return true
  }
  const offset = (skb.csum & 0xffff) - skb_headroom(skb)
  const end = offset + (skb.csum >> 16) + 2
  if (offset >= skb_headlen(skb) || end > skb.len || !pskb_may_pull(skb, end)) return false
  const folded = csum_fold(skb_checksum(skb, offset, skb.len - offset, 0))
  if (skb_cloned(skb) && !pskb_expand_head(skb, 0, 0)) return false
  store<u16>(skb.data + end - 2, <u16>(folded == 0 ? 0xffff : folded))
  skb.ip_summed = <u8>CHECKSUM_NONE
  return true
}
