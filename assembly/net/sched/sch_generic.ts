// Queueing disciplines: how they are born, hold packets, drop them and end; those without a queue, noop and noqueue.
// Mirrors net/sched/sch_generic.c and the inlines of net/sch_generic.h. What sends is net/core/dev_xmit.ts; the kinds have
// files of their own, and are called through Qdisc_ops.

import { boot } from '../../lib/boot.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { QUEUE_STATE_ANY_XOFF, QUEUE_STATE_DRV_XOFF, netdev_queue } from '../../include/netdev_queue.ts'
import {
  NET_XMIT_CN,
  NET_XMIT_DROP,
  NET_XMIT_SUCCESS,
  __NET_XMIT_STOLEN,
  dev_stats,
  net_device,
} from '../../include/netdevice.ts'
import {
  QDISC_OPS_SIZE,
  QDISC_PRIV,
  Qdisc,
  Qdisc_ops,
  TCQ_F_BUILTIN,
  TCQ_F_INVISIBLE,
  TCQ_F_NOPARENT,
  TCQ_F_NOQUEUE,
  TC_H_MAJ,
  TC_H_ROOT,
  __QDISC_STATE_SCHED,
  qdisc_cb,
  qdisc_dev,
  qdisc_gso_skb,
  qdisc_ops,
  qdisc_pkt_len,
  qdisc_skb_bad_txq,
  qdisc_skb_head,
} from '../../include/sch_generic.ts'
import { SKB_SHINFO, sk_buff, sk_buff_head } from '../../include/skbuff.ts'
import { NET_TX_SOFTIRQ, SOFTNET_SIZE, softnet_data } from '../../include/softnet.ts'
import { EV_SOFTIRQ, event_push } from '../../kernel/event.ts'
import { softirq_waits } from '../../kernel/softirq.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_QUEUE_PURGE } from '../../uapi/dropreason.ts'
import {
  FN___netif_reschedule,
  FN___netif_schedule,
  FN_netif_schedule_queue,
  FN_noop_dequeue,
  FN_noop_enqueue,
  FN_qdisc_reset,
} from '../../uapi/functions.ts'
import { QDISC_NOOP, QDISC_NOQUEUE } from '../../uapi/pkt_sched.ts'
import { NO_SKB, __skb_dequeue, __skb_queue_purge_reason, __skb_queue_tail, skb_shinfo } from '../core/skbuff.ts'

export const NO_QDISC: Qdisc = changetype<Qdisc>(0)

/** The qdisc of who has none: it drops everything (noop_qdisc). */
export function noop_qdisc(): Qdisc {
  return changetype<Qdisc>(boot.noop_qdisc)
}

/** Enters a kind into the table (register_qdisc); answers its row, all zero. */
export function register_qdisc(kind: u32, priv_size: usize, enqueue: u32, dequeue: u32, peek: u32): Qdisc_ops {
  const ops = qdisc_ops(kind)
  memory.fill(changetype<usize>(ops), 0, QDISC_OPS_SIZE)
  ops.priv_size = <u32>priv_size
  ops.enqueue = enqueue
  ops.dequeue = dequeue
  ops.peek = peek
  return ops
}

/** A qdisc of a kind, not yet begun; NO_QDISC: out of memory. */
export function qdisc_alloc(txq: netdev_queue, kind: u32): Qdisc {
  const ops = qdisc_ops(kind)
  const p = kzalloc(QDISC_PRIV + <usize>ops.priv_size)
  if (p == 0) return NO_QDISC
  const sch = changetype<Qdisc>(p)
  sch.kind = kind
  sch.enqueue = ops.enqueue
  sch.dequeue = ops.dequeue
  sch.flags = ops.static_flags
  sch.dev_queue = changetype<usize>(txq)
  sch.refcnt = 1
  return sch
}

/** Frees its memory; it holds nothing any more. */
export function qdisc_free(sch: Qdisc): void {
  kfree(changetype<usize>(sch), QDISC_PRIV + <usize>qdisc_ops(sch.kind).priv_size)
}

/** A qdisc with the defaults of its kind, not listed; NO_QDISC: it could not be made (qdisc_create_dflt). */
export function qdisc_create_dflt(txq: netdev_queue, kind: u32, parent: u32): Qdisc {
  const sch = qdisc_alloc(txq, kind)
  if (changetype<usize>(sch) == 0) return sch
  sch.parent = parent
  const init = qdisc_ops(kind).init
  if (init == 0 || call_indirect<i32>(init, changetype<usize>(sch), <usize>0) == 0) return sch
  qdisc_unmake(sch)
  return NO_QDISC
}

/** Its kind refused to begin: what it has so far is given back. */
export function qdisc_unmake(sch: Qdisc): void {
  const destroy = qdisc_ops(sch.kind).destroy
  if (destroy) call_indirect<void>(destroy, changetype<usize>(sch))
  qdisc_free(sch)
}

/** Drops all that waits, its children's packets too. */
export function qdisc_reset(sch: Qdisc): void {
  walk(FN_qdisc_reset, 0)
  const reset = qdisc_ops(sch.kind).reset
  if (reset) call_indirect<void>(reset, changetype<usize>(sch))
  __skb_queue_purge_reason(qdisc_gso_skb(sch), SKB_DROP_REASON_QUEUE_PURGE, FN_qdisc_reset)
  __skb_queue_purge_reason(qdisc_skb_bad_txq(sch), SKB_DROP_REASON_QUEUE_PURGE, FN_qdisc_reset)
  sch.qlen = 0
  sch.backlog = 0
}

/** Takes it off the list by which it is found (qdisc_hash_del). */
export function qdisc_hash_del(sch: Qdisc): void {
  if (!sch.hashed) return
  sch.hashed = 0
  const dev = qdisc_dev(sch)
  const p = changetype<usize>(sch)
  if (dev.qdisc_hash == p) {
    dev.qdisc_hash = sch.hash_next
    return
  }
  for (let q = changetype<Qdisc>(dev.qdisc_hash); changetype<usize>(q); q = changetype<Qdisc>(q.hash_next)) {
    if (q.hash_next != p) continue
    q.hash_next = sch.hash_next
    return
  }
}

/** Lists it, so that it is found by its handle, unless it is a root without one of its own (qdisc_hash_add). */
export function qdisc_hash_add(sch: Qdisc): void {
  if (sch.hashed || sch.parent == TC_H_ROOT || sch.flags & TCQ_F_BUILTIN) return
  const dev = qdisc_dev(sch)
  sch.hashed = 1
  sch.hash_next = dev.qdisc_hash
  dev.qdisc_hash = changetype<usize>(sch)
}

/** A child that its parent makes by itself: found by its handle, not shown. NO_QDISC: out of memory. */
export function qdisc_child_create(txq: netdev_queue, kind: u32, parent: u32): Qdisc {
  const sch = qdisc_create_dflt(txq, kind, parent)
  if (changetype<usize>(sch) == 0) return sch
  sch.flags |= TCQ_F_INVISIBLE
  qdisc_hash_add(sch)
  return sch
}

/** The child did not take a packet, which its parent counts as lost (net_xmit_drop_count). */
export function xmit_dropped(rc: i32): bool {
  return (rc & __NET_XMIT_STOLEN) == 0
}

/** Gives up a reference; the last one ends the qdisc, its children and what waits in it. */
export function qdisc_put(sch: Qdisc): void {
  if (changetype<usize>(sch) == 0 || sch.flags & TCQ_F_BUILTIN || --sch.refcnt) return
  qdisc_hash_del(sch)
  qdisc_unschedule(sch)
  qdisc_reset(sch)
  const destroy = qdisc_ops(sch.kind).destroy
  if (destroy) call_indirect<void>(destroy, changetype<usize>(sch))
  qdisc_free(sch)
}

/** A CPU's output_queue forgets it. */
function qdisc_unschedule(sch: Qdisc): void {
  if (!(sch.state & __QDISC_STATE_SCHED)) return
  const p = changetype<usize>(sch)
  for (let cpu: u32 = 0; cpu < boot.nr_cpus; cpu++) {
    const sd = changetype<softnet_data>(boot.softnet + <usize>cpu * SOFTNET_SIZE)
    let before: usize = 0
    for (let q = sd.output_queue; q; q = changetype<Qdisc>(q).next_sched) {
      if (q == p) {
        if (before) changetype<Qdisc>(before).next_sched = sch.next_sched
        else sd.output_queue = sch.next_sched
        if (sd.output_queue_tail == p) sd.output_queue_tail = before
        return
      }
      before = q
    }
  }
}

/** Asks for another run of a root qdisc in NET_TX. */
export function __netif_schedule(sch: Qdisc): void {
  if (sch.state & __QDISC_STATE_SCHED || sch.flags & TCQ_F_BUILTIN) return
  walk(FN___netif_schedule, 0)
  walk(FN___netif_reschedule, 0)
  sch.state |= __QDISC_STATE_SCHED
  const sd = changetype<softnet_data>(boot.softnet + <usize>boot.cpu * SOFTNET_SIZE)
  sch.next_sched = 0
  if (sd.output_queue) changetype<Qdisc>(sd.output_queue_tail).next_sched = changetype<usize>(sch)
  else sd.output_queue = changetype<usize>(sch)
  sd.output_queue_tail = changetype<usize>(sch)
  if (softirq_waits()) sd.softirq_pending |= (<u32>1) << NET_TX_SOFTIRQ
  else event_push(EV_SOFTIRQ, NET_TX_SOFTIRQ, boot.cpu, 0)
}

/** The queue's qdisc may go on, if somebody sees to it (netif_schedule_queue). */
export function netif_schedule_queue(txq: netdev_queue): void {
  if (txq.state & QUEUE_STATE_ANY_XOFF) return
  walk(FN_netif_schedule_queue, 0)
  __netif_schedule(changetype<Qdisc>(txq.qdisc))
}

/** The driver has room again. */
export function netif_tx_wake_queue(txq: netdev_queue): void {
  if (!(txq.state & QUEUE_STATE_DRV_XOFF)) return
  txq.state &= ~QUEUE_STATE_DRV_XOFF
  __netif_schedule(changetype<Qdisc>(txq.qdisc))
}

/** The root of the tree in which a qdisc stands (qdisc_root_sleeping). */
export function qdisc_root(sch: Qdisc): Qdisc {
  return changetype<Qdisc>(changetype<netdev_queue>(sch.dev_queue).qdisc_sleeping)
}

/** How many packets count for a packet: its segments. */
export function skb_segs(skb: sk_buff): u32 {
  if (!(skb.skb_flags & SKB_SHINFO)) return 1
  const shinfo = skb_shinfo(skb)
  return shinfo.gso_size ? max<u32>(1, shinfo.gso_segs) : 1
}

/** A packet leaves the qdisc for good: statistics of what it sent (qdisc_bstats_update). */
export function qdisc_bstats_update(sch: Qdisc, skb: sk_buff): void {
  sch.bytes += qdisc_pkt_len(skb)
  sch.packets += skb_segs(skb)
}

/** The packet is lost with the reason in its cb; who called the qdisc frees it (__qdisc_drop). */
export function __qdisc_drop(skb: sk_buff): void {
  skb.next = boot.to_free
  boot.to_free = changetype<usize>(skb)
}

/** Drops a packet that came, and counts it. */
export function qdisc_drop(skb: sk_buff, sch: Qdisc): i32 {
  __qdisc_drop(skb)
  sch.drops += 1
  return NET_XMIT_DROP
}

/** The same for a reason of its own. */
export function qdisc_drop_reason(skb: sk_buff, sch: Qdisc, reason: u32): i32 {
  qdisc_cb(skb).drop_reason = reason
  return qdisc_drop(skb, sch)
}

/** Appends to its own list. */
export function qdisc_enqueue_tail(skb: sk_buff, sch: Qdisc): i32 {
  __skb_queue_tail(qdisc_skb_head(sch), skb)
  sch.qlen += 1
  sch.backlog += qdisc_pkt_len(skb)
  return NET_XMIT_SUCCESS
}

/** Takes the first of its own list and counts it as sent. */
export function qdisc_dequeue_head(sch: Qdisc): sk_buff {
  const skb = __skb_dequeue(qdisc_skb_head(sch))
  if (changetype<usize>(skb) == 0) return skb
  sch.qlen -= 1
  sch.backlog -= qdisc_pkt_len(skb)
  qdisc_bstats_update(sch, skb)
  return skb
}

export function qdisc_peek_head(p: usize): usize {
  return changetype<Qdisc>(p).q_head
}

/** Drops its own list. */
export function qdisc_reset_queue(p: usize): void {
  const sch = changetype<Qdisc>(p)
  __skb_queue_purge_reason(qdisc_skb_head(sch), SKB_DROP_REASON_QUEUE_PURGE, FN_qdisc_reset)
  sch.qlen = 0
  sch.backlog = 0
}

/** Hands a packet to a child. */
export function qdisc_enqueue(skb: sk_buff, child: Qdisc): i32 {
  return call_indirect<i32>(child.enqueue, changetype<usize>(skb), changetype<usize>(child))
}

export function qdisc_dequeue(child: Qdisc): sk_buff {
  return changetype<sk_buff>(call_indirect<usize>(child.dequeue, changetype<usize>(child)))
}

export function qdisc_peek(child: Qdisc): sk_buff {
  return changetype<sk_buff>(call_indirect<usize>(qdisc_ops(child.kind).peek, changetype<usize>(child)))
}

/** Peek of a kind that can't look without taking: what was taken waits in gso_skb, and still counts as queued. */
export function qdisc_peek_dequeued(p: usize): usize {
  const sch = changetype<Qdisc>(p)
  if (sch.gso_head) return sch.gso_head
  const skb = qdisc_dequeue(sch)
  if (changetype<usize>(skb)) {
    __skb_queue_tail(qdisc_gso_skb(sch), skb)
    sch.backlog += qdisc_pkt_len(skb)
    sch.qlen += 1
  }
  return changetype<usize>(skb)
}

/** Takes what peek looked at, or the next (qdisc_dequeue_peeked). */
export function qdisc_dequeue_peeked(sch: Qdisc): sk_buff {
  const skb = __skb_dequeue(qdisc_gso_skb(sch))
  if (changetype<usize>(skb) == 0) return qdisc_dequeue(sch)
  sch.backlog -= qdisc_pkt_len(skb)
  sch.qlen -= 1
  return skb
}

/** The qdisc of a device with this handle, NO_QDISC: none (qdisc_lookup). */
export function qdisc_lookup(dev: net_device, handle: u32): Qdisc {
  if (handle == 0) return NO_QDISC
  const root = changetype<Qdisc>(dev.qdisc)
  if (!(root.flags & TCQ_F_BUILTIN) && root.handle == handle) return root
  for (let q = changetype<Qdisc>(dev.qdisc_hash); changetype<usize>(q); q = changetype<Qdisc>(q.hash_next)) {
    if (q.handle == handle) return q
  }
  return NO_QDISC
}

/** n packets of len bytes are gone from below sch without its parents: they count them out (qdisc_tree_reduce_backlog). */
export function qdisc_tree_reduce_backlog(sch: Qdisc, n: i32, len: i32): void {
  if (n == 0 && len == 0) return
  const drops = max<i32>(n, 0)
  let at = sch
  for (;;) {
    const parent = at.parent
    if (parent == 0 || parent == TC_H_ROOT || at.flags & TCQ_F_NOPARENT) return
    const above = qdisc_lookup(qdisc_dev(at), TC_H_MAJ(parent))
    if (changetype<usize>(above) == 0) return
    // A class whose child has nothing left is to know: its parent may have it in a list of active ones.
    const ops = qdisc_ops(above.kind)
    if (at.qlen == 0 && ops.qlen_notify) {
      const cl = call_indirect<u32>(ops.find, changetype<usize>(above), parent)
      call_indirect<void>(ops.qlen_notify, changetype<usize>(above), cl)
    }
    above.qlen -= <u32>n
    above.backlog -= <u32>len
    above.drops += <u32>drops
    at = above
  }
}

/** Puts new in a class's place; what the old one held is gone (qdisc_replace). Answers the old. */
export function qdisc_replace(fresh: Qdisc, slot: usize): Qdisc {
  const old = changetype<Qdisc>(load<usize>(slot))
  store<usize>(slot, changetype<usize>(fresh))
  if (changetype<usize>(old)) qdisc_purge_queue(old)
  return old
}

/** Empties a qdisc that its parents still count. */
export function qdisc_purge_queue(sch: Qdisc): void {
  const qlen = sch.qlen
  const backlog = sch.backlog
  qdisc_reset(sch)
  qdisc_tree_reduce_backlog(sch, <i32>qlen, <i32>backlog)
}

/** Drops what comes, counted at the device. */
function noop_enqueue(p: usize, _sch: usize): i32 {
  walk(FN_noop_enqueue, p)
  const skb = changetype<sk_buff>(p)
  if (skb.dev) dev_stats(changetype<net_device>(skb.dev)).tx_dropped += 1
  __qdisc_drop(skb)
  return NET_XMIT_CN // which senders do not count as an error
}

function noop_dequeue(_sch: usize): usize {
  walk(FN_noop_dequeue, 0)
  return changetype<usize>(NO_SKB)
}

/** The kinds without a queue, and the one noop_qdisc. False: out of memory. */
export function sch_generic_init(): bool {
  register_qdisc(QDISC_NOOP, 0, noop_enqueue.index, noop_dequeue.index, noop_dequeue.index)
  const noqueue = register_qdisc(QDISC_NOQUEUE, 0, noop_enqueue.index, noop_dequeue.index, noop_dequeue.index)
  noqueue.static_flags = TCQ_F_NOQUEUE
  const noop = qdisc_alloc(changetype<netdev_queue>(0), QDISC_NOOP)
  if (changetype<usize>(noop) == 0) return false
  noop.flags = TCQ_F_BUILTIN
  boot.noop_qdisc = changetype<usize>(noop)
  return true
}

/** A list of a kind with several, at p. */
export function qdisc_list(p: usize): sk_buff_head {
  return changetype<sk_buff_head>(p)
}
