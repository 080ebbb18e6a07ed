// A packet becomes one that its device can send. Mirrors validate_xmit_skb and skb_checksum_help of net/core/dev.c.

import { NETIF_F_HW_CSUM, NETIF_F_IP_CSUM, NETIF_F_SG, net_device } from '../../include/netdevice.ts'
import { CHECKSUM_PARTIAL, sk_buff } from '../../include/skbuff.ts'
import { csum_fold } from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOMEM } from '../../uapi/dropreason.ts'
import { FN_validate_xmit_skb, FN_validate_xmit_skb_list } from '../../uapi/functions.ts'
import { kfree_skb_reason, skb_shinfo } from './skbuff.ts'
import { skb_checksum, skb_linearize } from './skbuff_data.ts'

/** Fills in a checksum that the device can't (skb_checksum_help). False: the data cannot be written. */
export function skb_checksum_help(skb: sk_buff): bool {
  const start = skb.csum & 0xffff
  const field = skb.head + start + (skb.csum >> 16)
  const offset = <u32>(skb.head + start - skb.data)
  const sum = skb_checksum(skb, offset, skb.len - offset, 0)
  const folded = csum_fold(sum)
  store<u16>(field, <u16>(folded == 0 ? 0xffff : folded))
  skb.ip_summed = 0
  return true
}

/** Makes a packet one that the device can send (validate_xmit_skb). False: it could not, the skb is gone. */
export function validate_xmit_skb(skb: sk_buff, dev: net_device): bool {
  walk(FN_validate_xmit_skb, changetype<usize>(skb))
  const shinfo = skb_shinfo(skb)
  if ((shinfo.frag_list || (shinfo.nr_frags && !(dev.features & NETIF_F_SG))) && !skb_linearize(skb)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM, FN_validate_xmit_skb)
    return false
  }
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL && !(dev.features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)))
    skb_checksum_help(skb)
  return true
}

/** The same for packets linked by next: those that can be sent, NO_SKB: none. */
export function validate_xmit_skb_list(first: sk_buff, dev: net_device): sk_buff {
  walk(FN_validate_xmit_skb_list, changetype<usize>(first))
  let head: usize = 0
  let tail: usize = 0
  for (let p = changetype<usize>(first); p;) {
    const skb = changetype<sk_buff>(p)
    const next = skb.next
    skb.next = 0
    if (validate_xmit_skb(skb, dev)) {
      if (tail) changetype<sk_buff>(tail).next = p
      else head = p
      tail = p
    }
    p = next
  }
  return changetype<sk_buff>(head)
}
