// fq's flows: one for each socket, or for each hash of packets without; how they are found, wait and are forgotten.
// Mirrors struct fq_flow, fq_classify and fq_gc of net/sched/sch_fq.c. Delayed flows are a list by time in place of a tree.

import { boot } from '../../../lib/boot.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { Qdisc, qdisc_cb_private, qdisc_priv } from '../../../include/sch_generic.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { TCP_CLOSE, sock } from '../../../include/sock.ts'
import { time_after } from '../../../kernel/timer.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fq_classify } from '../../../uapi/functions.ts'
import { skb_get_hash } from '../../core/flow_dissector.ts'
import { skb_orphan } from '../../core/skbuff.ts'
import { QDISC_WATCHDOG_SIZE, qdisc_watchdog } from '../sch_api/watchdog.ts'
import { time_to_send } from '../time_list.ts'

export const FQ_BANDS: u32 = 3
export const NO_RATE: u64 = u64.MAX_VALUE
export const NEVER: u64 = u64.MAX_VALUE
export const NO_FLOW: fq_flow = changetype<fq_flow>(0)
const TC_PRIO_CONTROL: u32 = 7
const TC_PRIO_MAX: u32 = 15
/** Flows looked at when old ones are forgotten, and how many go at most; seconds that they are kept. */
const FQ_GC_MAX: u32 = 8
const FQ_GC_SECONDS: u32 = 3
/** Packets that may go past all flows while others wait for their time. */
const FASTPATH_MOST: u32 = 8

/** Where a flow is: in no list, in one of its band's, or waiting for its time. */
export const FLOW_DETACHED: u32 = 0
export const FLOW_LISTED: u32 = 1
export const FLOW_THROTTLED: u32 = 2

@unmanaged
@final
export class fq_flow {
  time_next_packet: u64
  /** Its packets (time_list). */
  head: usize
  tail: usize
  qlen: u32
  credit: i32
  /** The socket, or its hash with the lowest bit set. */
  sk: usize
  socket_hash: u32
  where: u32
  band: u32
  /** When it was detached, in jiffies. */
  age: u32
  /** Next in a band's list; next and previous of those that wait; next in its bucket. */
  next: usize
  later: usize
  sooner: usize
  bucket_next: usize
}

export const FLOW_SIZE: usize = offsetof<fq_flow>()

/** Flows of a band in turn: new ones and old ones, first and last of each. */
@unmanaged
@final
export class fq_perband_flows {
  new_first: usize
  new_last: usize
  old_first: usize
  old_last: usize
  credit: i32
  quantum: i32
  count: u32
}

const BAND_SIZE: usize = offsetof<fq_perband_flows>()

@unmanaged
@final
export class fq_sched_data {
  time_next_delayed_flow: u64
  flow_max_rate: u64
  ce_threshold: u64
  horizon: u64
  prio2band: u64
  timer_slack: u64
  low_rate_threshold: u32
  quantum: u32
  initial_quantum: u32
  flow_refill_delay: u32
  flow_plimit: u32
  orphan_mask: u32
  rate_enable: u32
  horizon_drop: u32
  band_nr: u32
  flows: u32
  inactive_flows: u32
  throttled_flows: u32
  /** Flows that wait for their time, the first to go first. */
  delayed: usize
  delayed_last: usize
  fq_root: usize
  fq_trees_log: u32
  stat_gc_flows: u32
  stat_internal_packets: u32
  stat_throttled: u32
  stat_ce_mark: u32
  stat_horizon_drops: u32
  stat_horizon_caps: u32
  stat_flows_plimit: u32
  stat_pkts_too_long: u32
  stat_allocation_errors: u32
  stat_fastpath_packets: u32
  stat_band_drops0: u32
  stat_band_drops1: u32
  stat_band_drops2: u32
}

const BANDS: usize = (offsetof<fq_sched_data>() + 7) & ~7
const INTERNAL: usize = (BANDS + 3 * BAND_SIZE + 7) & ~7
const WATCHDOG: usize = INTERNAL + FLOW_SIZE
export const FQ_SIZE: usize = WATCHDOG + QDISC_WATCHDOG_SIZE

export function fq_priv(sch: Qdisc): fq_sched_data {
  return changetype<fq_sched_data>(qdisc_priv(sch))
}

export function fq_band(sch: Qdisc, band: u32): fq_perband_flows {
  return changetype<fq_perband_flows>(qdisc_priv(sch) + BANDS + <usize>band * BAND_SIZE)
}

/** The flow of what goes first: control packets, and all while nobody waits. */
export function fq_internal(sch: Qdisc): fq_flow {
  return changetype<fq_flow>(qdisc_priv(sch) + INTERNAL)
}

export function fq_watchdog(sch: Qdisc): qdisc_watchdog {
  return changetype<qdisc_watchdog>(qdisc_priv(sch) + WATCHDOG)
}

/** A packet's band, in its cb behind the time at which it may go. */
export function set_skb_band(skb: sk_buff, band: u32): void {
  store<u32>(qdisc_cb_private(skb), band, 8)
}

export function skb_band(skb: sk_buff): u32 {
  return load<u32>(qdisc_cb_private(skb), 8)
}

/** The band of a priority. */
export function fq_prio2band(q: fq_sched_data, priority: u32): u32 {
  return (<u32>(q.prio2band >> ((priority & TC_PRIO_MAX) << 2))) & 3
}

/** To the end of its band's new or old flows. */
export function fq_flow_add_tail(sch: Qdisc, f: fq_flow, old: bool): void {
  const band = fq_band(sch, f.band)
  const p = changetype<usize>(f)
  f.where = FLOW_LISTED
  f.next = 0
  if (old) {
    if (band.old_first) changetype<fq_flow>(band.old_last).next = p
    else band.old_first = p
    band.old_last = p
  } else {
    if (band.new_first) changetype<fq_flow>(band.new_last).next = p
    else band.new_first = p
    band.new_last = p
  }
}

/** It waits for its time. */
export function fq_flow_set_throttled(sch: Qdisc, f: fq_flow): void {
  const q = fq_priv(sch)
  const p = changetype<usize>(f)
  let before = q.delayed_last
  while (before && changetype<fq_flow>(before).time_next_packet > f.time_next_packet)
    before = changetype<fq_flow>(before).sooner
  const after = before ? changetype<fq_flow>(before).later : q.delayed
  f.sooner = before
  f.later = after
  if (before) changetype<fq_flow>(before).later = p
  else q.delayed = p
  if (after) changetype<fq_flow>(after).sooner = p
  else q.delayed_last = p
  f.where = FLOW_THROTTLED
  q.throttled_flows += 1
  q.stat_throttled += 1
  q.time_next_delayed_flow = min(q.time_next_delayed_flow, f.time_next_packet)
}

export function fq_flow_unset_throttled(sch: Qdisc, f: fq_flow): void {
  const q = fq_priv(sch)
  if (f.sooner) changetype<fq_flow>(f.sooner).later = f.later
  else q.delayed = f.later
  if (f.later) changetype<fq_flow>(f.later).sooner = f.sooner
  else q.delayed_last = f.sooner
  q.throttled_flows -= 1
  fq_flow_add_tail(sch, f, true)
}

function bucket(q: fq_sched_data, key: usize): usize {
  const hash = (<u32>key * 0x61c88647) >> (32 - q.fq_trees_log)
  return q.fq_root + ((<usize>hash) << 2)
}

/** Forgets flows of a bucket that have had nothing for long. */
function fq_gc(q: fq_sched_data, at: usize, key: usize): void {
  let slot = at
  for (let n: u32 = 0; n < FQ_GC_MAX && load<usize>(slot);) {
    const f = changetype<fq_flow>(load<usize>(slot))
    const old = f.where == FLOW_DETACHED && time_after(boot.jiffies, f.age + FQ_GC_SECONDS * boot.hz)
    if (f.sk != key && old) {
      store<usize>(slot, f.bucket_next)
      kfree(changetype<usize>(f), FLOW_SIZE)
      q.flows -= 1
      q.inactive_flows -= 1
      q.stat_gc_flows += 1
      n++
    } else slot = changetype<usize>(f) + offsetof<fq_flow>('bucket_next')
  }
}

/** May a packet go past all flows? Not while any of them could send, nor when its rate has to be kept. */
function fq_fastpath_check(sch: Qdisc, skb: sk_buff, now: u64): bool {
  const q = fq_priv(sch)
  if (time_to_send(skb) > now) return false
  if (sch.qlen != 0) {
    if (q.flows != q.inactive_flows + q.throttled_flows) return false
    if (fq_internal(sch).qlen >= FASTPATH_MOST || q.time_next_delayed_flow <= now) return false
  }
  if (skb.sk && changetype<sock>(skb.sk).sk_pacing_rate != NO_RATE) return false
  return q.flow_max_rate == NO_RATE
}

/** A socket's other connection has a flow's place: it begins anew. */
function known_flow(sch: Qdisc, f: fq_flow, skb: sk_buff): fq_flow {
  if (skb.sk != f.sk || f.socket_hash == changetype<sock>(skb.sk).sk_txhash) return f
  f.credit = <i32>fq_priv(sch).initial_quantum
  f.socket_hash = changetype<sock>(skb.sk).sk_txhash
  if (f.where == FLOW_THROTTLED) fq_flow_unset_throttled(sch, f)
  f.time_next_packet = 0
  return f
}

/** The flow of a packet, made when it is the first; without memory that of control packets. */
export function fq_classify(sch: Qdisc, skb: sk_buff, now: u64): fq_flow {
  walk(FN_fq_classify, changetype<usize>(skb))
  const q = fq_priv(sch)
  const internal = fq_internal(sch)
  if ((skb.priority & TC_PRIO_MAX) == TC_PRIO_CONTROL) {
    q.stat_internal_packets += 1
    return internal
  }
  let key = skb.sk
  if (key == 0) {
    key = (<usize>((skb_get_hash(skb) & q.orphan_mask) << 1)) | 1
    skb_orphan(skb)
  } else if (changetype<sock>(key).sk_state == <u8>TCP_CLOSE) {
    // A socket that is not connected speaks to many.
    key = (<usize>((skb_get_hash(skb) & q.orphan_mask) << 1)) | 1
  }
  if (fq_fastpath_check(sch, skb, now)) {
    q.stat_fastpath_packets += 1
    return internal
  }
  const at = bucket(q, key)
  if (q.flows >= (<u32>2) << q.fq_trees_log && q.inactive_flows > q.flows >> 1) fq_gc(q, at, key)
  for (let p = load<usize>(at); p; p = changetype<fq_flow>(p).bucket_next) {
    if (changetype<fq_flow>(p).sk == key) return known_flow(sch, changetype<fq_flow>(p), skb)
  }
  const made = kzalloc(FLOW_SIZE)
  if (made == 0) {
    q.stat_allocation_errors += 1
    return internal
  }
  const f = changetype<fq_flow>(made)
  f.sk = key
  if (skb.sk == key) f.socket_hash = changetype<sock>(key).sk_txhash
  f.age = boot.jiffies
  f.credit = <i32>q.initial_quantum
  f.bucket_next = load<usize>(at)
  store<usize>(at, made)
  q.flows += 1
  q.inactive_flows += 1
  return f
}

/** All flows are forgotten; they hold nothing. */
export function fq_forget_flows(sch: Qdisc): void {
  const q = fq_priv(sch)
  for (let i: u32 = 0; q.fq_root && i < (<u32>1) << q.fq_trees_log; i++) {
    const at = q.fq_root + ((<usize>i) << 2)
    while (load<usize>(at)) {
      const f = changetype<fq_flow>(load<usize>(at))
      store<usize>(at, f.bucket_next)
      kfree(changetype<usize>(f), FLOW_SIZE)
    }
  }
  for (let i: u32 = 0; i < FQ_BANDS; i++) {
    const band = fq_band(sch, i)
    band.new_first = 0
    band.old_first = 0
    band.count = 0
  }
  q.delayed = 0
  q.delayed_last = 0
  q.flows = 0
  q.inactive_flows = 0
  q.throttled_flows = 0
  q.time_next_delayed_flow = NEVER
}

/** A table of 2^log buckets; flows that there are move into it. False: out of memory. */
export function fq_resize(sch: Qdisc, log: u32): bool {
  const q = fq_priv(sch)
  if (q.fq_root && log == q.fq_trees_log) return true
  const table = kzalloc((<usize>4) << log)
  if (table == 0) return false
  const old = q.fq_root
  const old_log = q.fq_trees_log
  q.fq_root = table
  q.fq_trees_log = log
  for (let i: u32 = 0; old && i < (<u32>1) << old_log; i++) {
    let p = load<usize>(old + ((<usize>i) << 2))
    while (p) {
      const f = changetype<fq_flow>(p)
      p = f.bucket_next
      const at = bucket(q, f.sk)
      f.bucket_next = load<usize>(at)
      store<usize>(at, changetype<usize>(f))
    }
  }
  kfree(old, (<usize>4) << old_log)
  return true
}
