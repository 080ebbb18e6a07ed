// A train at the last station: whole if its segments fit the path, else cut, and each segment in fragments.
// Mirrors ip_finish_output_gso of net/ipv4/ip_output.c.

import { NETIF_F_GSO_MASK } from '../../../include/netdevice.ts'
import { SKB_ENDED_ABSORBED, sk_buff } from '../../../include/skbuff.ts'
import { net } from '../../../include/net_namespace.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { ENOMEM } from '../../../uapi/errno.ts'
import { FN_ip_finish_output_gso } from '../../../uapi/functions.ts'
import { netif_skb_features, skb_gso_segment, skb_gso_validate_network_len } from '../../core/gso.ts'
import { consume_skb, kfree_skb_reason } from '../../core/skbuff.ts'
import { ip_finish_output2 } from './finish2.ts'
import { ip_fragment } from './fragment.ts'

/** Each of the segments, in pieces where it is too long. The first error, 0: none. */
function fragment_all(net: net, sk: usize, first: usize, mtu: u32): i32 {
  let ret = 0
  let p = first
  while (p) {
    const seg = changetype<sk_buff>(p)
    p = seg.next
    seg.next = 0
    const err = ip_fragment(net, sk, seg, mtu)
    if (err && ret == 0) ret = err
  }
  return ret
}

/** Sends a train over a path of this MTU. 0, NET_XMIT_* or -errno; the skb is gone in any case. */
export function ip_finish_output_gso(net: net, sk: usize, skb: sk_buff, mtu: u32): i32 {
  if (skb_gso_validate_network_len(skb, mtu)) return ip_finish_output2(net, skb)
  walk(FN_ip_finish_output_gso, changetype<usize>(skb))
  const segs = skb_gso_segment(skb, netif_skb_features(skb) & ~NETIF_F_GSO_MASK)
  if (segs == 0 || IS_ERR(segs)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_finish_output_gso)
    return -ENOMEM
  }
  consume_skb(skb, SKB_ENDED_ABSORBED)
  return fragment_all(net, sk, segs, mtu)
}
