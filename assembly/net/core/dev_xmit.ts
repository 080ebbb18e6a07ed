// A packet leaves: queue or not, taps, driver. Mirrors the transmit side of net/core/dev.c and sch_direct_xmit.
// How it is made fit for the device is in dev_validate.ts, what taps see in dev_taps.ts.

import { SLOT_NDO_START_XMIT, boot, slot_get } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import {
  DEV_KIND_LOOPBACK,
  DEV_STATE_ACTIVE,
  NETDEV_TX_BUSY,
  NET_XMIT_CN,
  NET_XMIT_DROP,
  NET_XMIT_SUCCESS,
  dev_stats,
  dev_xmit_complete,
  net_device,
  netif_carrier_ok,
  netif_running,
} from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { NET_TX_SOFTIRQ } from '../../include/softnet.ts'
import { EV_SOFTIRQ, event_push } from '../../kernel/event.ts'
import { COST_TX, charge } from '../../kernel/cost.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_QDISC_DROP,
} from '../../uapi/dropreason.ts'
import { ENETDOWN, ENOBUFS } from '../../uapi/errno.ts'
import {
  FN___dev_direct_xmit,
  FN___dev_queue_xmit,
  FN___qdisc_run,
  FN_dev_direct_xmit,
  FN_dev_hard_start_xmit,
  FN_net_tx_action,
  FN_netdev_core_pick_tx,
  FN_sch_direct_xmit,
  FN_validate_xmit_skb_list,
} from '../../uapi/functions.ts'
import {
  QDISC_NOQUEUE,
  Qdisc,
  __QDISC_STATE_SCHED,
  dev_requeue_skb,
  qdisc_dequeue,
  qdisc_enqueue,
  qdisc_may_bypass,
} from '../sched/sch_generic.ts'
import { kfree_skb_reason, skb_dst_drop, skb_dst_force, skb_reset_mac_header } from './skbuff.ts'
import { dev_queue_xmit_nit } from './dev_taps.ts'
import { validate_xmit_skb } from './dev_validate.ts'

/** Bytes of queue that one run of a qdisc sends (dev_tx_weight). */
const QDISC_WEIGHT: u32 = 64

/** Hands a packet to the driver; answers NETDEV_TX_* or NET_XMIT_*. Unless dev_xmit_complete the skb is still the caller's. */
function netdev_start_xmit(skb: sk_buff, dev: net_device): i32 {
  charge(COST_TX, skb.len)
  return call_indirect<i32>(slot_get(SLOT_NDO_START_XMIT + dev.kind), changetype<usize>(skb), changetype<usize>(dev))
}

/** Taps, then the driver; answers as netdev_start_xmit. */
export function dev_hard_start_xmit(skb: sk_buff, dev: net_device): i32 {
  walk(FN_dev_hard_start_xmit, changetype<usize>(skb))
  if (changetype<net>(dev.nd_net).ptype_all | dev.ptype_all) dev_queue_xmit_nit(skb, dev)
  return netdev_start_xmit(skb, dev)
}

/** Hands a packet to the driver, back into the queue if it would not take it. True: the queue may go on. */
function sch_direct_xmit(skb: sk_buff, q: Qdisc, dev: net_device, validate: bool): bool {
  walk(FN_sch_direct_xmit, changetype<usize>(skb))
  if (validate) {
    walk(FN_validate_xmit_skb_list, changetype<usize>(skb))
    if (!validate_xmit_skb(skb, dev)) return true
  }
  if (dev.queue_stopped) {
    dev_requeue_skb(q, skb)
    return false
  }
  const len = skb.len
  if (!dev_xmit_complete(dev_hard_start_xmit(skb, dev))) {
    dev_requeue_skb(q, skb)
    return false
  }
  q.bytes += len
  q.packets += 1
  return true
}

/** Sends what waits, up to the weight; the rest goes on in NET_TX (__qdisc_run). */
export function __qdisc_run(q: Qdisc, dev: net_device): void {
  walk(FN___qdisc_run, 0)
  let quota = QDISC_WEIGHT
  while (!dev.queue_stopped) {
    const skb = qdisc_dequeue(q)
    if (changetype<usize>(skb) == 0) return
    if (!sch_direct_xmit(skb, q, dev, true)) return
    if (--quota == 0) {
      __netif_schedule(dev)
      return
    }
  }
}

/** Asks for another run of the device's queue in NET_TX. */
export function __netif_schedule(dev: net_device): void {
  const q = changetype<Qdisc>(dev.qdisc)
  if (dev.qdisc == 0 || q.state & __QDISC_STATE_SCHED) return
  q.state |= __QDISC_STATE_SCHED
  event_push(EV_SOFTIRQ, NET_TX_SOFTIRQ, boot.cpu, changetype<u32>(dev))
}

/** NET_TX for one device that was scheduled. */
export function net_tx_action(dev: net_device): void {
  walk(FN_net_tx_action, 0)
  if (dev.qdisc == 0) return
  const q = changetype<Qdisc>(dev.qdisc)
  q.state &= ~__QDISC_STATE_SCHED
  __qdisc_run(q, dev)
}

/** The driver has room again. */
export function netif_wake_queue(dev: net_device): void {
  if (!dev.queue_stopped) return
  dev.queue_stopped = 0
  __netif_schedule(dev)
}

/**
 * Sends a packet whose link header is in place, through the device's queue.
 *
 * Uses: dev, data at the link header. Next: the driver, or the queue. The skb is gone in any case.
 * Answers 0, NET_XMIT_* or -errno.
 */
export function dev_queue_xmit(skb: sk_buff): i32 {
  walk(FN___dev_queue_xmit, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  skb_reset_mac_header(skb)
  if (dev.kind == DEV_KIND_LOOPBACK)
    skb_dst_force(skb) // loopback keeps the route: it is that of the way in, too
  else skb_dst_drop(skb)
  walk(FN_netdev_core_pick_tx, changetype<usize>(skb))
  if (!(dev.state & DEV_STATE_ACTIVE)) return noop_enqueue(skb, dev)

  const q = changetype<Qdisc>(dev.qdisc)
  if (q.kind == QDISC_NOQUEUE) return xmit_noqueue(skb, dev)
  if (qdisc_may_bypass(q) && !dev.queue_stopped) {
    sch_direct_xmit(skb, q, dev, true)
    if (q.qlen) __qdisc_run(q, dev)
    return NET_XMIT_SUCCESS
  }
  if (!qdisc_enqueue(q, skb)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP, FN___dev_queue_xmit)
    return NET_XMIT_DROP
  }
  __qdisc_run(q, dev)
  return NET_XMIT_SUCCESS
}

/** A device that is down or has no carrier has the noop qdisc: it takes packets and drops them. */
function noop_enqueue(skb: sk_buff, dev: net_device): i32 {
  dev_stats(dev).tx_dropped += 1
  kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP, FN___dev_queue_xmit)
  return NET_XMIT_CN // which senders do not count as an error
}

/** A device without a queue, such as loopback: straight to the driver. */
function xmit_noqueue(skb: sk_buff, dev: net_device): i32 {
  if (!netif_running(dev)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY, FN___dev_queue_xmit)
    return -ENETDOWN
  }
  if (!validate_xmit_skb(skb, dev)) return -ENETDOWN
  const rc = dev_hard_start_xmit(skb, dev)
  if (dev_xmit_complete(rc)) return rc
  dev_stats(dev).tx_dropped += 1
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN___dev_queue_xmit)
  return -ENETDOWN
}

/**
 * Sends a packet past queue and taps (PACKET_QDISC_BYPASS). The skb is gone in any case: what the driver has no room for
 * is lost. Answers 0, NET_XMIT_* or NETDEV_TX_BUSY.
 */
export function dev_direct_xmit(skb: sk_buff): i32 {
  walk(FN_dev_direct_xmit, changetype<usize>(skb))
  walk(FN___dev_direct_xmit, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  skb_reset_mac_header(skb)
  if (!netif_running(dev) || !netif_carrier_ok(dev)) {
    dev_stats(dev).tx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN___dev_direct_xmit)
    return NET_XMIT_DROP
  }
  if (!validate_xmit_skb(skb, dev)) {
    dev_stats(dev).tx_dropped += 1
    return NET_XMIT_DROP
  }
  const rc = dev.queue_stopped ? NETDEV_TX_BUSY : netdev_start_xmit(skb, dev)
  if (!dev_xmit_complete(rc)) kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_dev_direct_xmit)
  return rc
}

/** An answer of a transmit for the sender: net_xmit_errno. */
export function net_xmit_errno(rc: i32): i32 {
  return rc == NET_XMIT_CN ? 0 : -ENOBUFS
}
