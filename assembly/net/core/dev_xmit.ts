// A packet leaves: queue or not, taps, driver; or back into the stack of this CPU. Mirrors the transmit side and
// netif_rx of net/core/dev.c. Left out here: GSO, several hardware queues.

import { SLOT_NDO_START_XMIT, boot, slot_get } from '../../lib/boot.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import {
  DEV_KIND_LOOPBACK,
  DEV_STATE_ACTIVE,
  NETDEV_TX_BUSY,
  NETIF_F_HW_CSUM,
  NETIF_F_IP_CSUM,
  NETIF_F_SG,
  NET_XMIT_CN,
  NET_XMIT_DROP,
  NET_XMIT_SUCCESS,
  dev_stats,
  dev_xmit_complete,
  napi_struct,
  net_device,
  netif_carrier_ok,
  netif_running,
  packet_type,
} from '../../include/netdevice.ts'
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, sk_buff } from '../../include/skbuff.ts'
import { NET_TX_SOFTIRQ, softnet_data } from '../../include/softnet.ts'
import { EV_SOFTIRQ, event_push } from '../../kernel/event.ts'
import { COST_TX, charge } from '../../kernel/cost.ts'
import { csum_fold } from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_CPU_BACKLOG,
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_QDISC_DROP,
  SKB_DROP_REASON_NOMEM,
} from '../../uapi/dropreason.ts'
import { ENETDOWN, ENOBUFS } from '../../uapi/errno.ts'
import {
  FN___dev_direct_xmit,
  FN___dev_queue_xmit,
  FN___netif_rx,
  FN___qdisc_run,
  FN_dev_direct_xmit,
  FN_dev_hard_start_xmit,
  FN_dev_loopback_xmit,
  FN_dev_queue_xmit_nit,
  FN_enqueue_to_backlog,
  FN_net_tx_action,
  FN_netdev_core_pick_tx,
  FN_netif_rx_internal,
  FN_sch_direct_xmit,
  FN_validate_xmit_skb,
  FN_validate_xmit_skb_list,
} from '../../uapi/functions.ts'
import { PACKET_LOOPBACK, PACKET_OUTGOING } from '../../uapi/in.ts'
import { SYSCTL_CORE_NETDEV_MAX_BACKLOG } from '../../uapi/sysctl.ts'
import {
  QDISC_NOQUEUE,
  Qdisc,
  __QDISC_STATE_SCHED,
  dev_requeue_skb,
  qdisc_dequeue,
  qdisc_enqueue,
  qdisc_may_bypass,
} from '../sched/sch_generic.ts'
import { napi_schedule, this_softnet } from './dev.ts'
import {
  NO_SKB,
  kfree_skb_reason,
  skb_clone,
  skb_dst_drop,
  skb_clear_cb,
  skb_dst_force,
  skb_network_header,
  skb_network_offset,
  skb_pull,
  skb_reset_mac_header,
  skb_reset_network_header,
  skb_shinfo,
} from './skbuff.ts'
import { skb_checksum, skb_linearize } from './skbuff_data.ts'

/** Bytes of queue that one run of a qdisc sends (dev_tx_weight). */
const QDISC_WEIGHT: u32 = 64

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
  return copy
}

/** One clone of the packet for all taps that want what is sent (dev_queue_xmit_nit). */
function dev_queue_xmit_nit(skb: sk_buff, dev: net_device): void {
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
function validate_xmit_skb(skb: sk_buff, dev: net_device): bool {
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

/** Appends to this CPU's input queue and schedules its NAPI. False: full, the skb is gone. */
function enqueue_to_backlog(skb: sk_buff, sd: softnet_data): bool {
  walk(FN_enqueue_to_backlog, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const limit = <u32>sysctl(changetype<net>(dev.nd_net), SYSCTL_CORE_NETDEV_MAX_BACKLOG)
  if (!netif_running(dev) || sd.input_qlen > limit) {
    const reason = netif_running(dev) ? SKB_DROP_REASON_CPU_BACKLOG : SKB_DROP_REASON_DEV_READY
    sd.dropped += 1
    dev_stats(dev).rx_dropped += 1
    kfree_skb_reason(skb, reason, FN_enqueue_to_backlog)
    return false
  }
  skb.next = 0
  if (sd.input_tail) changetype<sk_buff>(sd.input_tail).next = changetype<usize>(skb)
  else sd.input_head = changetype<usize>(skb)
  sd.input_tail = changetype<usize>(skb)
  sd.input_qlen += 1
  napi_schedule(changetype<napi_struct>(sd.backlog))
  return true
}

/**
 * A packet for this CPU's stack, by way of its backlog: what a driver without NAPI calls. 0 or NET_RX_DROP (1).
 * It may have been sent: what its senders kept in cb is cleared here, and not again for each packet in ip_rcv_core.
 */
export function netif_rx(skb: sk_buff): i32 {
  walk(FN___netif_rx, changetype<usize>(skb))
  walk(FN_netif_rx_internal, changetype<usize>(skb))
  skb_clear_cb(skb)
  return enqueue_to_backlog(skb, this_softnet()) ? 0 : 1
}

/** A copy of what we multicast or broadcast comes back to us (dev_loopback_xmit). Takes over the skb. */
export function dev_loopback_xmit(skb: sk_buff): i32 {
  walk(FN_dev_loopback_xmit, changetype<usize>(skb))
  skb_reset_mac_header(skb)
  skb_pull(skb, <u32>skb_network_offset(skb))
  skb_reset_network_header(skb)
  skb.pkt_type = <u8>PACKET_LOOPBACK
  if (skb.ip_summed == 0) skb.ip_summed = <u8>CHECKSUM_UNNECESSARY
  skb_dst_force(skb)
  netif_rx(skb)
  return 0
}
