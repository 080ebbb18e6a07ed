// Fair queueing by flow, each paced: packets leave at the time they carry, flows at their rate; three bands by weight.
// Mirrors net/sched/sch_fq.c. Flows are in sch_fq/flow.ts, options in sch_fq/config.ts.

import { boot } from '../../lib/boot.ts'
import { INET_ECN_set_ce } from '../../include/inet_ecn.ts'
import { NET_XMIT_SUCCESS } from '../../include/netdevice.ts'
import { Qdisc, qdisc_pkt_len } from '../../include/sch_generic.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { sock } from '../../include/sock.ts'
import { time_after } from '../../kernel/timer.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_FQ_BAND_LIMIT,
  SKB_DROP_REASON_FQ_FLOW_LIMIT,
  SKB_DROP_REASON_FQ_HORIZON_LIMIT,
  SKB_DROP_REASON_QUEUE_PURGE,
} from '../../uapi/dropreason.ts'
import { FN_fq_dequeue, FN_fq_enqueue, FN_qdisc_reset } from '../../uapi/functions.ts'
import { QDISC_FQ } from '../../uapi/pkt_sched.ts'
import { kfree_skb_reason } from '../core/skbuff.ts'
import { fq_change, fq_destroy, fq_dump, fq_init } from './sch_fq/config.ts'
import {
  FLOW_DETACHED,
  FQ_BANDS,
  FQ_SIZE,
  NEVER,
  NO_FLOW,
  NO_RATE,
  fq_band,
  fq_classify,
  fq_flow,
  fq_flow_add_tail,
  fq_flow_set_throttled,
  fq_flow_unset_throttled,
  fq_forget_flows,
  fq_internal,
  fq_perband_flows,
  fq_prio2band,
  fq_priv,
  fq_sched_data,
  fq_watchdog,
  set_skb_band,
  skb_band,
} from './sch_fq/flow.ts'
import { qdisc_watchdog_cancel, qdisc_watchdog_schedule_range_ns } from './sch_api/watchdog.ts'
import { qdisc_bstats_update, qdisc_drop_reason, qdisc_peek_dequeued, register_qdisc } from './sch_generic.ts'
import { set_time_to_send, time_list, time_list_add, time_list_take, time_to_send } from './time_list.ts'

const NO_PACKET: usize = 0
const NSEC_PER_SEC: u64 = 1000000000

function packets_of(f: fq_flow): time_list {
  return changetype<time_list>(changetype<usize>(f) + offsetof<fq_flow>('head'))
}

function count_band_drop(q: fq_sched_data, band: u32): void {
  const at = changetype<usize>(q) + offsetof<fq_sched_data>('stat_band_drops0') + ((<usize>band) << 2)
  store<u32>(at, load<u32>(at) + 1)
}

function fq_enqueue(p: usize, s: usize): i32 {
  walk(FN_fq_enqueue, p)
  const skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(s)
  const q = fq_priv(sch)
  const band = fq_prio2band(q, skb.priority)
  if (fq_band(sch, band).count >= sch.limit) {
    count_band_drop(q, band)
    return qdisc_drop_reason(skb, sch, SKB_DROP_REASON_FQ_BAND_LIMIT)
  }
  const now = boot.now
  if (skb.tstamp > now + q.horizon) {
    if (q.horizon_drop) {
      q.stat_horizon_drops += 1
      return qdisc_drop_reason(skb, sch, SKB_DROP_REASON_FQ_HORIZON_LIMIT)
    }
    q.stat_horizon_caps += 1
    skb.tstamp = now + q.horizon
  }
  set_time_to_send(skb, skb.tstamp ? skb.tstamp : now)
  set_skb_band(skb, band)
  const f = fq_classify(sch, skb, now)
  if (changetype<usize>(f) != changetype<usize>(fq_internal(sch))) {
    if (f.qlen >= q.flow_plimit) {
      q.stat_flows_plimit += 1
      return qdisc_drop_reason(skb, sch, SKB_DROP_REASON_FQ_FLOW_LIMIT)
    }
    if (f.where == FLOW_DETACHED) {
      f.band = band
      fq_flow_add_tail(sch, f, false)
      if (time_after(boot.jiffies, f.age + q.flow_refill_delay)) f.credit = max<i32>(f.credit, <i32>q.quantum)
    }
    fq_band(sch, band).count += 1
    if (f.qlen == 0) q.inactive_flows -= 1
  }
  time_list_add(packets_of(f), skb)
  sch.backlog += qdisc_pkt_len(skb)
  sch.qlen += 1
  return NET_XMIT_SUCCESS
}

/** Flows whose time has come take their turn again. */
function fq_check_throttled(sch: Qdisc, now: u64): void {
  const q = fq_priv(sch)
  if (q.time_next_delayed_flow > now) return
  q.time_next_delayed_flow = NEVER
  while (q.delayed) {
    const f = changetype<fq_flow>(q.delayed)
    if (f.time_next_packet > now) {
      q.time_next_delayed_flow = f.time_next_packet
      return
    }
    fq_flow_unset_throttled(sch, f)
  }
}

/** The next band that may send and has something to; false: none. */
function next_band(sch: Qdisc): bool {
  const q = fq_priv(sch)
  for (let tries: u32 = 0; tries <= FQ_BANDS; tries++) {
    const band = fq_band(sch, q.band_nr)
    if (band.new_first | band.old_first) return true
    q.band_nr = q.band_nr + 1 == FQ_BANDS ? 0 : q.band_nr + 1
  }
  return false
}

/** Its band's first flow leaves its list. */
function drop_first(band: fq_perband_flows, fresh: bool): fq_flow {
  const f = changetype<fq_flow>(fresh ? band.new_first : band.old_first)
  if (fresh) band.new_first = f.next
  else band.old_first = f.next
  return f
}

/** The flow that may send now, first in its band's list; NO_FLOW: none may. */
function next_flow(sch: Qdisc, now: u64): fq_flow {
  const q = fq_priv(sch)
  while (next_band(sch)) {
    const band = fq_band(sch, q.band_nr)
    if (band.credit <= 0) {
      band.credit = min<i32>(band.credit + band.quantum, band.quantum)
      q.band_nr = q.band_nr + 1 == FQ_BANDS ? 0 : q.band_nr + 1
      continue
    }
    const fresh = band.new_first != 0
    const f = changetype<fq_flow>(fresh ? band.new_first : band.old_first)
    if (f.credit <= 0) {
      f.credit += <i32>q.quantum
      drop_first(band, fresh)
      fq_flow_add_tail(sch, f, true)
      continue
    }
    if (f.head == 0) {
      drop_first(band, fresh)
      // A new flow that is empty passes through the old ones first, or it would starve them.
      if (fresh && band.old_first) fq_flow_add_tail(sch, f, true)
      else {
        f.where = FLOW_DETACHED
        f.age = boot.jiffies
      }
      continue
    }
    const due = max(time_to_send(changetype<sk_buff>(f.head)), f.time_next_packet)
    if (due <= now) return f
    drop_first(band, fresh)
    f.time_next_packet = due
    fq_flow_set_throttled(sch, f)
  }
  return NO_FLOW
}

/** When the flow may send again, after a packet that carries no time. */
function pace(sch: Qdisc, f: fq_flow, skb: sk_buff, now: u64): void {
  const q = fq_priv(sch)
  let len = qdisc_pkt_len(skb)
  let rate = q.flow_max_rate
  if (skb.tstamp == 0) {
    if (skb.sk) rate = min(changetype<sock>(skb.sk).sk_pacing_rate, rate)
    if (rate <= <u64>q.low_rate_threshold) f.credit = 0
    else {
      len = max(len, q.quantum)
      if (f.credit > 0) return
    }
  }
  if (rate == NO_RATE) return
  let wait = <u64>len * NSEC_PER_SEC
  if (rate) wait /= rate
  if (wait > NSEC_PER_SEC) {
    wait = NSEC_PER_SEC
    q.stat_pkts_too_long += 1
  }
  // What it was late by is made good, up to a half.
  if (f.time_next_packet) wait -= min(wait >> 1, now - f.time_next_packet)
  f.time_next_packet = now + wait
}

function sent(sch: Qdisc, skb: sk_buff): usize {
  sch.qlen -= 1
  sch.backlog -= qdisc_pkt_len(skb)
  qdisc_bstats_update(sch, skb)
  return changetype<usize>(skb)
}

function fq_dequeue(s: usize): usize {
  walk(FN_fq_dequeue, 0)
  const sch = changetype<Qdisc>(s)
  const q = fq_priv(sch)
  if (sch.qlen == 0) return NO_PACKET
  const internal = fq_internal(sch)
  if (internal.head) return sent(sch, time_list_take(packets_of(internal)))
  const now = boot.now
  fq_check_throttled(sch, now)
  const f = next_flow(sch, now)
  if (changetype<usize>(f) == 0) {
    if (q.time_next_delayed_flow != NEVER)
      qdisc_watchdog_schedule_range_ns(fq_watchdog(sch), q.time_next_delayed_flow, q.timer_slack)
    return NO_PACKET
  }
  const band = fq_band(sch, q.band_nr)
  const skb = time_list_take(packets_of(f))
  const due = max(time_to_send(skb), f.time_next_packet)
  if (<i64>(now - due - q.ce_threshold) > 0 && INET_ECN_set_ce(skb)) q.stat_ce_mark += 1
  if (f.qlen == 0) q.inactive_flows += 1
  fq_band(sch, skb_band(skb)).count -= 1
  f.credit -= <i32>qdisc_pkt_len(skb)
  band.credit -= <i32>qdisc_pkt_len(skb)
  if (q.rate_enable) pace(sch, f, skb, now)
  return sent(sch, skb)
}

/** Drops all that a flow holds. */
function flow_purge(f: fq_flow): void {
  while (f.head) kfree_skb_reason(time_list_take(packets_of(f)), SKB_DROP_REASON_QUEUE_PURGE, FN_qdisc_reset)
}

function fq_reset(s: usize): void {
  const sch = changetype<Qdisc>(s)
  const q = fq_priv(sch)
  flow_purge(fq_internal(sch))
  for (let i: u32 = 0; q.fq_root && i < (<u32>1) << q.fq_trees_log; i++) {
    let p = load<usize>(q.fq_root + ((<usize>i) << 2))
    for (; p; p = changetype<fq_flow>(p).bucket_next) flow_purge(changetype<fq_flow>(p))
  }
  fq_forget_flows(sch)
  qdisc_watchdog_cancel(fq_watchdog(sch))
}

export function sch_fq_register(): void {
  const ops = register_qdisc(QDISC_FQ, FQ_SIZE, fq_enqueue.index, fq_dequeue.index, qdisc_peek_dequeued.index)
  ops.init = fq_init.index
  ops.change = fq_change.index
  ops.reset = fq_reset.index
  ops.destroy = fq_destroy.index
  ops.dump = fq_dump.index
}
