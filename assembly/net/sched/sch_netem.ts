// Emulates a network: delay, loss, duplicates, corruption, reordering, rate. Mirrors net/sched/sch_netem.c.
// Its dice are in sch_netem/random.ts, what it is told and tells in sch_netem/config.ts.

import { boot } from '../../lib/boot.ts'
import { INET_ECN_set_ce } from '../../include/inet_ecn.ts'
import { NETIF_F_GSO_MASK, NET_XMIT_SUCCESS, __NET_XMIT_BYPASS } from '../../include/netdevice.ts'
import { Qdisc, qdisc_cb, qdisc_dev, qdisc_pkt_len, qdisc_skb_head } from '../../include/sch_generic.ts'
import { CHECKSUM_PARTIAL, SKB_ENDED_ABSORBED, sk_buff } from '../../include/skbuff.ts'
import { IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_QDISC_DROP, SKB_DROP_REASON_QUEUE_PURGE } from '../../uapi/dropreason.ts'
import { FN_netem_dequeue, FN_netem_enqueue, FN_netem_segment, FN_tfifo_enqueue } from '../../uapi/functions.ts'
import { QDISC_NETEM } from '../../uapi/pkt_sched.ts'
import {
  __skb_dequeue,
  NO_SKB,
  consume_skb,
  kfree_skb_list_reason,
  kfree_skb_reason,
  skb_clone,
  skb_headlen,
  skb_orphan,
  skb_try_make_writable,
} from '../core/skbuff.ts'
import { netif_skb_features, skb_gso_segment, skb_is_gso } from '../core/gso.ts'
import { skb_checksum_help } from '../core/skb_checksum_help.ts'
import {
  NETEM_SIZE,
  corrupt_cor,
  delay_cor,
  dup_cor,
  loss_cor,
  loss_model,
  netem_change,
  netem_destroy,
  netem_dump,
  netem_init,
  netem_priv,
  netem_sched_data,
  prng,
  reorder_cor,
  watchdog,
} from './sch_netem/config.ts'
import { get_crandom, loss_event, prandom_u32_state, tabledist } from './sch_netem/random.ts'
import { qdisc_watchdog_cancel, qdisc_watchdog_schedule_ns } from './sch_api/watchdog.ts'
import {
  __qdisc_drop,
  qdisc_bstats_update,
  qdisc_dequeue,
  qdisc_drop,
  qdisc_enqueue,
  qdisc_peek_dequeued,
  qdisc_replace,
  qdisc_reset,
  qdisc_root,
  qdisc_tree_reduce_backlog,
  register_qdisc,
  xmit_dropped,
} from './sch_generic.ts'
import { qdisc_enqueue_segs } from './segments.ts'
import { set_time_to_send, time_list, time_list_add, time_list_take, time_to_send } from './time_list.ts'

const NO_PACKET: usize = 0
const NSEC_PER_SEC: u64 = 1000000000

/** The delayed packets. */
function delayed(q: netem_sched_data): time_list {
  return changetype<time_list>(changetype<usize>(q) + offsetof<netem_sched_data>('t_head'))
}

function tfifo_enqueue(skb: sk_buff, sch: Qdisc): void {
  walk(FN_tfifo_enqueue, changetype<usize>(skb))
  time_list_add(delayed(netem_priv(sch)), skb)
  sch.qlen += 1
}

/** Time that len bytes take at the rate. */
function packet_time_ns(len: u32, q: netem_sched_data): u64 {
  let bytes = <u64>len + <i64>q.packet_overhead
  if (q.cell_size) {
    const cells = (bytes + q.cell_size - 1) / q.cell_size
    bytes = cells * <u64>(<i64>q.cell_size + <i64>q.cell_overhead)
  }
  return (bytes * NSEC_PER_SEC) / q.rate
}

/** One bit of the packet is turned over. False: without memory it is lost. */
function corrupted(skb: sk_buff, sch: Qdisc): bool {
  if (!skb_try_make_writable(skb)) return false
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL && !skb_checksum_help(skb)) return false
  const length = skb_headlen(skb)
  if (length == 0) return true
  const at = skb.data + <usize>(prandom_u32_state(prng(sch)) % length)
  const bit: u32 = 1 << (prandom_u32_state(prng(sch)) & 7)
  store<u8>(at, <u8>((<u32>load<u8>(at)) ^ bit))
  return true
}

/** A duplicate goes through the whole tree: parents expect one packet for one. */
function enqueue_duplicate(copy: sk_buff, sch: Qdisc): void {
  const q = netem_priv(sch)
  const saved = q.duplicate
  q.duplicate = 0
  qdisc_enqueue(copy, qdisc_root(sch))
  q.duplicate = saved
}

/** A train that is to be corrupted goes on in its segments, the first of which is; NO_SKB: it could not be cut. */
function netem_segment(skb: sk_buff): sk_buff {
  walk(FN_netem_segment, changetype<usize>(skb))
  const segs = skb_gso_segment(skb, netif_skb_features(skb) & ~NETIF_F_GSO_MASK)
  if (IS_ERR(segs) || segs == 0) return NO_SKB
  consume_skb(skb, SKB_ENDED_ABSORBED)
  qdisc_cb(changetype<sk_buff>(segs)).pkt_len = changetype<sk_buff>(segs).len
  return changetype<sk_buff>(segs)
}

/** The other segments of a train: parents have counted one packet of whole bytes, sent of which went on already. */
function enqueue_segments(rest: usize, sch: Qdisc, whole: u32, sent: u32): void {
  const taken = qdisc_enqueue_segs(rest, sch, sch)
  qdisc_tree_reduce_backlog(sch, -(<i32>taken.count), <i32>(whole - sent - taken.bytes))
}

/** Is the packet duplicated (2), let go (1) or lost (0)? */
function copies(skb: sk_buff, sch: Qdisc): i32 {
  const q = netem_priv(sch)
  let count = 1
  if (q.duplicate && q.duplicate >= get_crandom(dup_cor(sch), prng(sch))) count++
  if (!loss_event(loss_model(sch), q.loss, loss_cor(sch), prng(sch))) return count
  if (q.ecn && INET_ECN_set_ce(skb)) sch.drops += 1
  else count--
  return count
}

/** Both are lost. */
function drop_both(skb: sk_buff, copy: sk_buff, sch: Qdisc): i32 {
  if (changetype<usize>(copy)) __qdisc_drop(copy)
  return qdisc_drop(skb, sch)
}

function netem_enqueue(p: usize, s: usize): i32 {
  walk(FN_netem_enqueue, p)
  let skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(s)
  const q = netem_priv(sch)
  const count = copies(skb, sch)
  if (count == 0) {
    sch.drops += 1
    __qdisc_drop(skb)
    return NET_XMIT_SUCCESS | __NET_XMIT_BYPASS
  }
  // A packet that will wait here no longer holds back who sent it.
  if (q.latency || q.jitter || q.rate) skb_orphan(skb)
  const copy = count > 1 ? skb_clone(skb) : NO_SKB
  const whole = qdisc_pkt_len(skb)
  let rest: usize = 0
  if (q.corrupt && q.corrupt >= get_crandom(corrupt_cor(sch), prng(sch))) {
    if (skb_is_gso(skb)) {
      const first = netem_segment(skb)
      if (changetype<usize>(first) == 0) return drop_both(skb, copy, sch)
      skb = first
      rest = skb.next
      skb.next = 0
    }
    if (!corrupted(skb, sch)) {
      skb.next = rest
      return drop_list(skb, copy, sch)
    }
  }
  if (q.t_len >= sch.limit) {
    skb.next = rest
    return drop_list(skb, copy, sch)
  }
  if (changetype<usize>(copy)) enqueue_duplicate(copy, sch)
  const len = qdisc_pkt_len(skb)
  sch.backlog += len
  netem_place(skb, sch)
  if (rest) enqueue_segments(rest, sch, whole, len)
  return NET_XMIT_SUCCESS
}

/** A packet, its segments and its duplicate are lost. */
function drop_list(first: sk_buff, copy: sk_buff, sch: Qdisc): i32 {
  let p = first.next
  while (p) {
    const seg = changetype<sk_buff>(p)
    p = seg.next
    qdisc_cb(seg).drop_reason = SKB_DROP_REASON_QDISC_DROP
    __qdisc_drop(seg)
  }
  return drop_both(first, copy, sch)
}

/** Into the list of those that wait, or before all. */
function netem_place(skb: sk_buff, sch: Qdisc): void {
  const q = netem_priv(sch)
  if (q.gap == 0 || q.counter < q.gap - 1 || q.reorder < get_crandom(reorder_cor(sch), prng(sch))) {
    set_time_to_send(skb, departure(skb, sch))
    q.counter += 1
    tfifo_enqueue(skb, sch)
    return
  }
  set_time_to_send(skb, boot.now)
  q.counter = 0
  queue_first(skb, sch)
  sch.requeues += 1
}

/** Before all others. */
function queue_first(skb: sk_buff, sch: Qdisc): void {
  const list = qdisc_skb_head(sch)
  skb.prev = 0
  skb.next = list.head
  if (list.head) changetype<sk_buff>(list.head).prev = changetype<usize>(skb)
  else list.tail = changetype<usize>(skb)
  list.head = changetype<usize>(skb)
  list.qlen += 1
  sch.qlen += 1
}

/** When a packet may go: after its delay, and after those before it at the rate. */
function departure(skb: sk_buff, sch: Qdisc): u64 {
  const q = netem_priv(sch)
  const rnd = q.jitter ? get_crandom(delay_cor(sch), prng(sch)) : 0
  let delay = tabledist(q.latency, q.jitter, rnd, q.delay_dist, q.delay_dist_size)
  let now = boot.now
  if (q.rate) {
    const last = max(last_time(sch.q_tail), last_time(q.t_tail))
    if (last) {
      delay = max<i64>(0, delay - <i64>(last - now))
      now = last
    }
    delay += <i64>packet_time_ns(qdisc_pkt_len(skb), q)
  }
  return now + <u64>delay
}

function last_time(skb: usize): u64 {
  return skb ? time_to_send(changetype<sk_buff>(skb)) : 0
}

/** The next slot, in which what is due may go. */
function get_slot_next(sch: Qdisc, now: u64): void {
  const q = netem_priv(sch)
  let next: i64 = 0
  if (q.slot_dist == 0) {
    next = q.slot_min + <i64>((<u64>prandom_u32_state(prng(sch)) * <u64>(q.slot_max - q.slot_min)) >> 32)
  } else {
    const rnd = q.slot_jitter ? prandom_u32_state(prng(sch)) : 0
    next = tabledist(q.slot_delay, q.slot_jitter, rnd, q.slot_dist, q.slot_dist_size)
  }
  q.slot_next = now + <u64>next
  q.packets_left = <i32>q.slot_packets
  q.bytes_left = <i32>q.slot_bytes
}

/** A packet goes into the child; one that it refuses is gone. */
function to_child(skb: sk_buff, sch: Qdisc): void {
  const len = qdisc_pkt_len(skb)
  qdisc_cb(skb).drop_reason = SKB_DROP_REASON_QDISC_DROP
  const outer = boot.to_free
  boot.to_free = 0
  const rc = qdisc_enqueue(skb, changetype<Qdisc>(netem_priv(sch).qdisc))
  kfree_skb_list_reason(boot.to_free, SKB_DROP_REASON_QDISC_DROP, FN_netem_dequeue)
  boot.to_free = outer
  if (rc == NET_XMIT_SUCCESS) return
  if (xmit_dropped(rc)) sch.drops += 1
  sch.backlog -= len
  sch.qlen -= 1
  qdisc_tree_reduce_backlog(sch, 1, <i32>len)
}

/** It leaves netem for good. */
function deliver(skb: sk_buff, sch: Qdisc): usize {
  sch.qlen -= 1
  sch.backlog -= qdisc_pkt_len(skb)
  qdisc_bstats_update(sch, skb)
  return changetype<usize>(skb)
}

/** The first delayed packet, if it is due; NO_PACKET: q.wait_until says when one is. */
function take_due(sch: Qdisc): usize {
  const q = netem_priv(sch)
  const now = boot.now
  const when = time_to_send(changetype<sk_buff>(q.t_head))
  if (q.slot_next && q.slot_next < when) get_slot_next(sch, now)
  q.wait_until = max(when, q.slot_next)
  if (q.wait_until > now) return NO_PACKET
  const skb = time_list_take(delayed(q))
  skb.dev = changetype<usize>(qdisc_dev(sch))
  if (q.slot_next) {
    q.packets_left -= 1
    q.bytes_left -= <i32>qdisc_pkt_len(skb)
    if (q.packets_left <= 0 || q.bytes_left <= 0) get_slot_next(sch, now)
  }
  return changetype<usize>(skb)
}

function netem_dequeue(s: usize): usize {
  walk(FN_netem_dequeue, 0)
  const sch = changetype<Qdisc>(s)
  const q = netem_priv(sch)
  const child = changetype<Qdisc>(q.qdisc)
  let waits = false
  for (;;) {
    const first = __skb_dequeue(qdisc_skb_head(sch))
    if (changetype<usize>(first)) return deliver(first, sch)
    waits = q.t_head != 0
    if (!waits) break
    const due = take_due(sch)
    if (due == 0) break
    if (q.qdisc == 0) return deliver(changetype<sk_buff>(due), sch)
    to_child(changetype<sk_buff>(due), sch)
  }
  if (q.qdisc) {
    const skb = qdisc_dequeue(child)
    if (changetype<usize>(skb)) return deliver(skb, sch)
  }
  if (waits) qdisc_watchdog_schedule_ns(watchdog(sch), q.wait_until)
  return NO_PACKET
}

function netem_reset(s: usize): void {
  const sch = changetype<Qdisc>(s)
  const q = netem_priv(sch)
  for (;;) {
    const skb = __skb_dequeue(qdisc_skb_head(sch))
    if (changetype<usize>(skb) == 0) break
    kfree_skb_reason(skb, SKB_DROP_REASON_QUEUE_PURGE, FN_netem_dequeue)
  }
  while (q.t_head) kfree_skb_reason(time_list_take(delayed(q)), SKB_DROP_REASON_QUEUE_PURGE, FN_netem_dequeue)
  if (q.qdisc) qdisc_reset(changetype<Qdisc>(q.qdisc))
  qdisc_watchdog_cancel(watchdog(sch))
}

function netem_graft(s: usize, _class: u32, fresh: usize): usize {
  const q = netem_priv(changetype<Qdisc>(s))
  return changetype<usize>(
    qdisc_replace(changetype<Qdisc>(fresh), changetype<usize>(q) + offsetof<netem_sched_data>('qdisc')),
  )
}

function netem_leaf(s: usize, _class: u32): usize {
  return netem_priv(changetype<Qdisc>(s)).qdisc
}

function netem_find(_s: usize, _classid: u32): u32 {
  return 1
}

export function sch_netem_register(): void {
  const ops = register_qdisc(
    QDISC_NETEM,
    NETEM_SIZE,
    netem_enqueue.index,
    netem_dequeue.index,
    qdisc_peek_dequeued.index,
  )
  ops.init = netem_init.index
  ops.change = netem_change.index
  ops.reset = netem_reset.index
  ops.destroy = netem_destroy.index
  ops.dump = netem_dump.index
  ops.graft = netem_graft.index
  ops.leaf = netem_leaf.index
  ops.find = netem_find.index
}
