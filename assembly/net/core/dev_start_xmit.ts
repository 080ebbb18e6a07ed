// The last step of the way out: taps, then the driver. Mirrors dev_hard_start_xmit of net/core/dev.c.

import { SLOT_NDO_START_XMIT, boot, slot_get } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import { netdev_queue, netif_xmit_stopped, txq_trans_update } from '../../include/netdev_queue.ts'
import { NETDEV_TX_BUSY, NETDEV_TX_OK, dev_xmit_complete, net_device } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { COST_TX, charge } from '../../kernel/cost.ts'
import { walk } from '../../trace/trace.ts'
import { FN_dev_hard_start_xmit } from '../../uapi/functions.ts'
import { dev_queue_xmit_nit } from './dev_taps.ts'

/** Hands a packet to the driver; answers NETDEV_TX_* or NET_XMIT_*. Unless dev_xmit_complete the skb is still the caller's. */
export function netdev_start_xmit(skb: sk_buff, dev: net_device, txq: netdev_queue): i32 {
  charge(COST_TX, skb.len)
  const fn = slot_get(SLOT_NDO_START_XMIT + dev.kind)
  const rc = call_indirect<i32>(fn, changetype<usize>(skb), changetype<usize>(dev))
  if (rc == NETDEV_TX_OK) txq_trans_update(txq)
  return rc
}

/**
 * Packets linked by next: taps, then the driver, one by one. Answers what it answered last. Unless dev_xmit_complete, what
 * was not taken is boot.tx_rest.
 */
export function dev_hard_start_xmit(first: sk_buff, dev: net_device, txq: netdev_queue): i32 {
  let skb = first
  let rc = NETDEV_TX_OK
  do {
    walk(FN_dev_hard_start_xmit, changetype<usize>(skb))
    const next = skb.next
    skb.next = 0
    if (changetype<net>(dev.nd_net).ptype_all | dev.ptype_all) dev_queue_xmit_nit(skb, dev)
    rc = netdev_start_xmit(skb, dev, txq)
    if (!dev_xmit_complete(rc)) {
      skb.next = next
      boot.tx_rest = changetype<usize>(skb)
      return rc
    }
    skb = changetype<sk_buff>(next)
    if (next && netif_xmit_stopped(txq)) {
      boot.tx_rest = next
      return NETDEV_TX_BUSY
    }
  } while (changetype<usize>(skb))
  return rc
}
