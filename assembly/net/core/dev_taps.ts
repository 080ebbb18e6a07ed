// What is sent, as taps see it: dev_queue_xmit_nit of net/core/dev.c.

import { boot } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import { net_device, packet_type } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { FN_dev_queue_xmit_nit } from '../../uapi/functions.ts'
import { PACKET_OUTGOING } from '../../uapi/in.ts'
import { skb_orphan_frags_rx } from './msg_zerocopy.ts'
import {
  NO_SKB,
  kfree_skb_reason,
  skb_clone,
  skb_network_header,
  skb_reset_mac_header,
  skb_reset_network_header,
} from './skbuff.ts'

/** The next tap from p on that wants to see what is sent: not the sender itself, nor who ignores it. */
function next_tap(p: usize, sk: usize): usize {
  while (p) {
    const pt = changetype<packet_type>(p)
    const own = pt.af_packet_priv != 0 && pt.af_packet_priv == sk
    if (!own && !pt.ignore_outgoing) return p
    p = pt.next
  }
  return 0
}

/** A copy of the packet as taps see it. NO_SKB: out of memory. */
function clone_for_taps(skb: sk_buff): sk_buff {
  const copy = skb_clone(skb)
  if (changetype<usize>(copy) == 0) return copy
  copy.tstamp = boot.netstamp_needed ? boot.now : 0
  skb_reset_mac_header(copy)
  const network = skb_network_header(copy)
  if (network < copy.data || network > copy.tail) skb_reset_network_header(copy)
  copy.transport_header = copy.network_header
  copy.pkt_type = <u8>PACKET_OUTGOING
  if (skb_orphan_frags_rx(copy)) return copy
  kfree_skb_reason(copy, SKB_DROP_REASON_NOT_SPECIFIED, FN_dev_queue_xmit_nit)
  return NO_SKB
}

/** One clone of the packet for all taps that want what is sent (dev_queue_xmit_nit). */
export function dev_queue_xmit_nit(skb: sk_buff, dev: net_device): void {
  walk(FN_dev_queue_xmit_nit, changetype<usize>(skb))
  let copy = NO_SKB
  let last: usize = 0
  for (let pass = 0; pass < 2; pass++) {
    const list = pass == 0 ? changetype<net>(dev.nd_net).ptype_all : dev.ptype_all
    for (let p = next_tap(list, skb.sk); p; p = next_tap(changetype<packet_type>(p).next, skb.sk)) {
      if (last) {
        copy.users += 1
        call_indirect<void>(changetype<packet_type>(last).func, changetype<usize>(copy), last, changetype<usize>(dev))
      } else {
        copy = clone_for_taps(skb)
        if (changetype<usize>(copy) == 0) return
      }
      last = p
    }
  }
  // The last tap has the clone itself.
  if (last)
    call_indirect<void>(changetype<packet_type>(last).func, changetype<usize>(copy), last, changetype<usize>(dev))
}
