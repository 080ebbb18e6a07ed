// A packet leaves: through its qdisc, or past it. Mirrors the transmit side of net/core/dev.c.
// How it is made fit for the device is in dev_validate.ts, what taps see in dev_taps.ts, how a qdisc sends in qdisc_run.ts.

import { boot } from '../../lib/boot.ts'
import {
  QUEUE_STATE_ANY_XOFF_OR_FROZEN,
  netdev_get_tx_queue,
  netdev_queue,
  netif_xmit_frozen_or_stopped,
  netif_xmit_stopped,
} from '../../include/netdev_queue.ts'
import { net } from '../../include/net_namespace.ts'
import {
  IFF_XMIT_DST_RELEASE,
  NETDEV_TX_BUSY,
  NET_XMIT_CN,
  NET_XMIT_MASK,
  NET_XMIT_DROP,
  NET_XMIT_SUCCESS,
  dev_stats,
  dev_xmit_complete,
  net_device,
  netif_carrier_ok,
  netif_running,
} from '../../include/netdevice.ts'
import { Qdisc, TCQ_F_CAN_BYPASS, TCQ_F_NOQUEUE, __QDISC_STATE_RUNNING, qdisc_cb } from '../../include/sch_generic.ts'
import { SKB_SHINFO, SKB_TX_STAMP, sk_buff } from '../../include/skbuff.ts'
import { SOFTNET_SIZE, softnet_data } from '../../include/softnet.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_QDISC_DROP,
  SKB_DROP_REASON_RECURSION_LIMIT,
} from '../../uapi/dropreason.ts'
import { ENETDOWN, ENOBUFS, ENOMEM } from '../../uapi/errno.ts'
import {
  FN___dev_direct_xmit,
  FN___dev_queue_xmit,
  FN_dev_direct_xmit,
  FN_dev_qdisc_enqueue,
} from '../../uapi/functions.ts'
import { local_bh_disable, local_bh_enable } from '../../kernel/softirq.ts'
import { IPPROTO_TCP } from '../../uapi/socket.ts'
import { qdisc_bstats_update, qdisc_enqueue } from '../sched/sch_generic.ts'
import { netdev_core_pick_tx } from './dev_pick_tx.ts'
import { dev_hard_start_xmit, netdev_start_xmit } from './dev_start_xmit.ts'
import { validate_xmit_skb_list } from './dev_validate.ts'
import { __qdisc_run, dev_requeue_skb, qdisc_run, sch_direct_xmit } from './qdisc_run.ts'
import { skb_tstamp_sched } from './skb_tstamp.ts'
import {
  kfree_skb_list_reason,
  kfree_skb_reason,
  skb_dst_drop,
  skb_dst_force,
  skb_reset_mac_header,
  skb_shinfo,
  skb_transport_header,
} from './skbuff.ts'

/** Devices one above the other through which a packet may go (XMIT_RECURSION_LIMIT). */
const XMIT_RECURSION_LIMIT: u32 = 8
const UDP_HEADER: u32 = 8

/** Bytes of a packet that the device will cut into segments: each has headers of its own (qdisc_pkt_len_init). */
function gso_pkt_len(skb: sk_buff): u32 {
  const shinfo = skb_shinfo(skb)
  if (shinfo.gso_size == 0 || shinfo.gso_segs < 2) return skb.len
  const transport = skb_transport_header(skb)
  const tcp = load<u8>(skb.head + skb.network_header, 9) == <u8>IPPROTO_TCP
  const header = tcp ? ((<u32>load<u8>(transport, 12)) >> 4) << 2 : UDP_HEADER
  return skb.len + (<u32>(transport - skb.data) + header) * (<u32>shinfo.gso_segs - 1)
}

/** Through the qdisc; one with nothing in it is passed by where its kind allows. */
function __dev_xmit_skb(skb: sk_buff, q: Qdisc, dev: net_device, txq: netdev_queue): i32 {
  const cb = qdisc_cb(skb)
  cb.pkt_len = skb.skb_flags & SKB_SHINFO ? gso_pkt_len(skb) : skb.len
  if (q.flags & TCQ_F_CAN_BYPASS && !(q.qlen | (q.state & __QDISC_STATE_RUNNING))) {
    q.state |= __QDISC_STATE_RUNNING
    qdisc_bstats_update(q, skb)
    if (sch_direct_xmit(skb, q, dev, txq, true) && q.qlen) __qdisc_run(q)
    q.state &= ~__QDISC_STATE_RUNNING
    return NET_XMIT_SUCCESS
  }
  walk(FN_dev_qdisc_enqueue, changetype<usize>(skb))
  cb.drop_reason = SKB_DROP_REASON_QDISC_DROP
  const rc = qdisc_enqueue(skb, q) & NET_XMIT_MASK
  const lost = boot.to_free
  boot.to_free = 0
  qdisc_run(q)
  if (lost) kfree_skb_list_reason(lost, qdisc_cb(changetype<sk_buff>(lost)).drop_reason, FN___dev_queue_xmit)
  return rc
}

/**
 * Sends a packet whose link header is in place, through the device's queue.
 *
 * Uses: dev, data at the link header. Next: the driver, or the queue. The skb is gone in any case.
 * Answers 0, NET_XMIT_* or -errno.
 */
export function dev_queue_xmit(skb: sk_buff): i32 {
  local_bh_disable()
  const rc = __dev_queue_xmit(skb)
  local_bh_enable()
  return rc
}

function __dev_queue_xmit(skb: sk_buff): i32 {
  walk(FN___dev_queue_xmit, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  skb_reset_mac_header(skb)
  if (skb.skb_flags & SKB_TX_STAMP) skb_tstamp_sched(skb)
  if (dev.priv_flags & IFF_XMIT_DST_RELEASE) skb_dst_drop(skb)
  else skb_dst_force(skb)
  const txq = netdev_core_pick_tx(dev, skb)
  const q = changetype<Qdisc>(txq.qdisc)
  return q.flags & TCQ_F_NOQUEUE ? xmit_noqueue(skb, dev, txq) : __dev_xmit_skb(skb, q, dev, txq)
}

/**
 * The same for a packet that its device can send as it is, without a route. With one queue that is empty, and nobody who looks,
 * it goes to the driver at once.
 */
export function dev_queue_xmit_plain(skb: sk_buff, dev: net_device): i32 {
  const txq = netdev_get_tx_queue(dev, 0)
  const q = changetype<Qdisc>(txq.qdisc)
  const may_bypass = (q.flags & (TCQ_F_CAN_BYPASS | TCQ_F_NOQUEUE)) == TCQ_F_CAN_BYPASS
  const taps = <u32>(changetype<net>(dev.nd_net).ptype_all | dev.ptype_all)
  const others = (dev.num_tx_queues ^ 1) | taps | boot.trace_flags
  const waits = q.qlen | (q.state & __QDISC_STATE_RUNNING) | (txq.state & QUEUE_STATE_ANY_XOFF_OR_FROZEN)
  if (!may_bypass || others | waits) return dev_queue_xmit(skb)
  skb.queue_mapping = 0
  skb_reset_mac_header(skb)
  qdisc_cb(skb).pkt_len = skb.len
  q.state |= __QDISC_STATE_RUNNING
  qdisc_bstats_update(q, skb)
  if (!dev_xmit_complete(netdev_start_xmit(skb, dev, txq))) dev_requeue_skb(changetype<usize>(skb), q)
  q.state &= ~__QDISC_STATE_RUNNING
  return NET_XMIT_SUCCESS
}

/** A device without a queue, such as loopback: straight to the driver, which may send by another device. */
function xmit_noqueue(skb: sk_buff, dev: net_device, txq: netdev_queue): i32 {
  let reason = SKB_DROP_REASON_DEV_READY
  let lost = changetype<usize>(skb)
  if (netif_running(dev)) {
    const sd = changetype<softnet_data>(boot.softnet + <usize>boot.cpu * SOFTNET_SIZE)
    reason = SKB_DROP_REASON_RECURSION_LIMIT
    if (sd.recursion <= XMIT_RECURSION_LIMIT) {
      const list = validate_xmit_skb_list(skb, dev)
      if (changetype<usize>(list) == 0) return -ENOMEM
      reason = SKB_DROP_REASON_NOT_SPECIFIED
      lost = changetype<usize>(list)
      if (!netif_xmit_stopped(txq)) {
        sd.recursion += 1
        const rc = dev_hard_start_xmit(list, dev, txq)
        sd.recursion -= 1
        if (dev_xmit_complete(rc)) return rc
        lost = boot.tx_rest
      }
    }
  }
  dev_stats(dev).tx_dropped += 1
  kfree_skb_list_reason(lost, reason, FN___dev_queue_xmit)
  return -ENETDOWN
}

/**
 * Sends a packet past queue and taps (PACKET_QDISC_BYPASS). The skb is gone in any case: what the driver has no room for
 * is lost. Answers 0, NET_XMIT_* or NETDEV_TX_BUSY.
 */
export function dev_direct_xmit(skb: sk_buff): i32 {
  local_bh_disable()
  const rc = __dev_direct_xmit(skb)
  local_bh_enable()
  return rc
}

function __dev_direct_xmit(first: sk_buff): i32 {
  walk(FN_dev_direct_xmit, changetype<usize>(first))
  walk(FN___dev_direct_xmit, changetype<usize>(first))
  const dev = changetype<net_device>(first.dev)
  skb_reset_mac_header(first)
  if (!netif_running(dev) || !netif_carrier_ok(dev)) {
    dev_stats(dev).tx_dropped += 1
    kfree_skb_reason(first, SKB_DROP_REASON_NOT_SPECIFIED, FN___dev_direct_xmit)
    return NET_XMIT_DROP
  }
  const skb = validate_xmit_skb_list(first, dev)
  // A packet in segments does not fit in here (dev_direct_xmit takes one).
  if (changetype<usize>(skb) == 0 || skb.next) {
    dev_stats(dev).tx_dropped += 1
    kfree_skb_list_reason(changetype<usize>(skb), SKB_DROP_REASON_NOT_SPECIFIED, FN___dev_direct_xmit)
    return NET_XMIT_DROP
  }
  const txq = netdev_get_tx_queue(dev, dev.num_tx_queues > skb.queue_mapping ? skb.queue_mapping : 0)
  const rc = netif_xmit_frozen_or_stopped(txq) ? NETDEV_TX_BUSY : netdev_start_xmit(skb, dev, txq)
  if (!dev_xmit_complete(rc)) kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_dev_direct_xmit)
  return rc
}

/** An answer of a transmit for the sender: net_xmit_errno. */
export function net_xmit_errno(rc: i32): i32 {
  return rc == NET_XMIT_CN ? 0 : -ENOBUFS
}
