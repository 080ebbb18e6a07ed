// What fq is told and tells. Mirrors fq_change, fq_init, fq_dump and fq_dump_stats of net/sched/sch_fq.c.

import { boot } from '../../../lib/boot.ts'
import { kfree } from '../../../lib/arena.ts'
import { Qdisc, qdisc_dev } from '../../../include/sch_generic.ts'
import { EINVAL, ENOMEM } from '../../../uapi/errno.ts'
import * as uapi from '../../../uapi/pkt_sched.ts'
import { opt_given, opt_u32, opt_u32_or, opt_u64, opt_u64_or, put_word } from '../options.ts'
import { psched_mtu } from '../sch_fifo.ts'
import { qdisc_watchdog_cancel, qdisc_watchdog_init } from '../sch_api/watchdog.ts'
import {
  FQ_BANDS,
  NEVER,
  NO_RATE,
  fq_band,
  fq_forget_flows,
  fq_priv,
  fq_resize,
  fq_sched_data,
  fq_watchdog,
} from './flow.ts'

const NSEC_PER_USEC: u64 = 1000
const MIN_WEIGHT: i32 = 1500
const MAX_BUCKETS_LOG: u32 = 18
/** Bands of priorities 0 to 15, 4 bits each from the lowest up. */
const DEFAULT_PRIOMAP: u64 = 0x1111111100212221

/** Numbers that make no sense are refused before anything changes. */
function check(opt: usize): bool {
  if (opt_given(opt, uapi.OPT_FQ_BUCKETS_LOG)) {
    const log = opt_u32(opt, uapi.OPT_FQ_BUCKETS_LOG)
    if (log == 0 || log > MAX_BUCKETS_LOG) return false
  }
  if (opt_given(opt, uapi.OPT_FQ_QUANTUM)) {
    const quantum = opt_u32(opt, uapi.OPT_FQ_QUANTUM)
    if (quantum == 0 || quantum > 1 << 20) return false
  }
  if (opt_given(opt, uapi.OPT_FQ_PRIOMAP)) {
    const map = opt_u64(opt, uapi.OPT_FQ_PRIOMAP)
    for (let i: u64 = 0; i < 64; i += 4) if (((<u32>(map >> i)) & 15) >= FQ_BANDS) return false
  }
  for (let i: u32 = 0; i < FQ_BANDS; i++) {
    const id = uapi.OPT_FQ_WEIGHT0 + i
    if (opt_given(opt, id) && <i32>opt_u32(opt, id) < MIN_WEIGHT) return false
  }
  return !opt_given(opt, uapi.OPT_FQ_HORIZON_DROP) || opt_u32(opt, uapi.OPT_FQ_HORIZON_DROP) <= 1
}

export function fq_change(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = fq_priv(sch)
  if (!check(opt)) return -EINVAL
  if (!fq_resize(sch, opt_u32_or(opt, uapi.OPT_FQ_BUCKETS_LOG, q.fq_trees_log))) return -ENOMEM
  sch.limit = opt_u32_or(opt, uapi.OPT_FQ_PLIMIT, sch.limit)
  q.flow_plimit = opt_u32_or(opt, uapi.OPT_FQ_FLOW_PLIMIT, q.flow_plimit)
  q.quantum = opt_u32_or(opt, uapi.OPT_FQ_QUANTUM, q.quantum)
  q.initial_quantum = opt_u32_or(opt, uapi.OPT_FQ_INITIAL_QUANTUM, q.initial_quantum)
  q.flow_max_rate = opt_u64_or(opt, uapi.OPT_FQ_FLOW_MAX_RATE, q.flow_max_rate)
  q.low_rate_threshold = opt_u32_or(opt, uapi.OPT_FQ_LOW_RATE_THRESHOLD, q.low_rate_threshold)
  q.rate_enable = opt_u32_or(opt, uapi.OPT_FQ_RATE_ENABLE, q.rate_enable)
  if (opt_given(opt, uapi.OPT_FQ_REFILL_DELAY)) {
    const ns = <u64>opt_u32(opt, uapi.OPT_FQ_REFILL_DELAY) * NSEC_PER_USEC
    q.flow_refill_delay = <u32>((ns + boot.tick_ns - 1) / boot.tick_ns)
  }
  q.orphan_mask = opt_u32_or(opt, uapi.OPT_FQ_ORPHAN_MASK, q.orphan_mask)
  if (opt_given(opt, uapi.OPT_FQ_CE_THRESHOLD))
    q.ce_threshold = <u64>opt_u32(opt, uapi.OPT_FQ_CE_THRESHOLD) * NSEC_PER_USEC
  q.timer_slack = <u64>opt_u32_or(opt, uapi.OPT_FQ_TIMER_SLACK, <u32>q.timer_slack)
  if (opt_given(opt, uapi.OPT_FQ_HORIZON)) q.horizon = <u64>opt_u32(opt, uapi.OPT_FQ_HORIZON) * NSEC_PER_USEC
  q.horizon_drop = opt_u32_or(opt, uapi.OPT_FQ_HORIZON_DROP, q.horizon_drop)
  q.prio2band = opt_u64_or(opt, uapi.OPT_FQ_PRIOMAP, q.prio2band)
  for (let i: u32 = 0; i < FQ_BANDS; i++) {
    const band = fq_band(sch, i)
    band.quantum = <i32>opt_u32_or(opt, uapi.OPT_FQ_WEIGHT0 + i, <u32>band.quantum)
  }
  return 0
}

export function fq_init(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = fq_priv(sch)
  const mtu = psched_mtu(qdisc_dev(sch))
  sch.limit = 10000
  q.flow_plimit = 100
  q.quantum = 2 * mtu
  q.initial_quantum = 10 * mtu
  q.flow_refill_delay = (40 * boot.hz + 999) / 1000
  q.flow_max_rate = NO_RATE
  q.time_next_delayed_flow = NEVER
  q.rate_enable = 1
  q.fq_trees_log = 10
  q.orphan_mask = 1023
  q.low_rate_threshold = 550000 / 8
  q.timer_slack = 10 * NSEC_PER_USEC
  q.horizon = 10 * 1000000 * NSEC_PER_USEC
  q.horizon_drop = 1
  q.ce_threshold = <u64>u32.MAX_VALUE * NSEC_PER_USEC
  q.prio2band = DEFAULT_PRIOMAP
  fq_band(sch, 0).quantum = 9 << 16
  fq_band(sch, 1).quantum = 3 << 16
  fq_band(sch, 2).quantum = 1 << 16
  qdisc_watchdog_init(fq_watchdog(sch), sch)
  if (opt) return fq_change(s, opt)
  return fq_resize(sch, q.fq_trees_log) ? 0 : -ENOMEM
}

export function fq_destroy(s: usize): void {
  const sch = changetype<Qdisc>(s)
  const q = fq_priv(sch)
  qdisc_watchdog_cancel(fq_watchdog(sch))
  fq_forget_flows(sch)
  kfree(q.fq_root, q.fq_root ? (<usize>4) << q.fq_trees_log : 0)
  q.fq_root = 0
}

function dump_stats(sch: Qdisc, q: fq_sched_data, out: usize): void {
  put_word(out, uapi.STAT_FQ, q.flows)
  put_word(out, uapi.STAT_FQ + 1, q.inactive_flows)
  put_word(out, uapi.STAT_FQ + 2, q.throttled_flows)
  for (let i: u32 = 0; i < FQ_BANDS; i++) {
    put_word(out, uapi.STAT_FQ + 3 + i, fq_band(sch, i).count)
    const drops = changetype<usize>(q) + offsetof<fq_sched_data>('stat_band_drops0') + ((<usize>i) << 2)
    put_word(out, uapi.STAT_FQ + 6 + i, load<u32>(drops))
  }
  const next = q.time_next_delayed_flow
  put_word(out, uapi.STAT_FQ + 9, next == NEVER ? 0 : next - boot.now)
  put_word(out, uapi.STAT_FQ + 10, q.stat_gc_flows)
  put_word(out, uapi.STAT_FQ + 11, q.stat_internal_packets)
  put_word(out, uapi.STAT_FQ + 12, q.stat_fastpath_packets)
  put_word(out, uapi.STAT_FQ + 13, q.stat_throttled)
  put_word(out, uapi.STAT_FQ + 14, q.stat_ce_mark)
  put_word(out, uapi.STAT_FQ + 15, q.stat_horizon_drops)
  put_word(out, uapi.STAT_FQ + 16, q.stat_horizon_caps)
  put_word(out, uapi.STAT_FQ + 17, q.stat_flows_plimit)
  put_word(out, uapi.STAT_FQ + 18, q.stat_pkts_too_long)
  put_word(out, uapi.STAT_FQ + 19, q.stat_allocation_errors)
}

export function fq_dump(s: usize, out: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = fq_priv(sch)
  put_word(out, uapi.OPT_FQ_PLIMIT, sch.limit)
  put_word(out, uapi.OPT_FQ_FLOW_PLIMIT, q.flow_plimit)
  put_word(out, uapi.OPT_FQ_QUANTUM, q.quantum)
  put_word(out, uapi.OPT_FQ_INITIAL_QUANTUM, q.initial_quantum)
  put_word(out, uapi.OPT_FQ_FLOW_MAX_RATE, q.flow_max_rate)
  put_word(out, uapi.OPT_FQ_LOW_RATE_THRESHOLD, q.low_rate_threshold)
  put_word(out, uapi.OPT_FQ_BUCKETS_LOG, q.fq_trees_log)
  put_word(out, uapi.OPT_FQ_REFILL_DELAY, (<u64>q.flow_refill_delay * boot.tick_ns) / NSEC_PER_USEC)
  put_word(out, uapi.OPT_FQ_ORPHAN_MASK, q.orphan_mask)
  put_word(out, uapi.OPT_FQ_CE_THRESHOLD, q.ce_threshold / NSEC_PER_USEC)
  put_word(out, uapi.OPT_FQ_TIMER_SLACK, q.timer_slack)
  put_word(out, uapi.OPT_FQ_HORIZON, q.horizon / NSEC_PER_USEC)
  put_word(out, uapi.OPT_FQ_HORIZON_DROP, q.horizon_drop)
  put_word(out, uapi.OPT_FQ_RATE_ENABLE, q.rate_enable)
  put_word(out, uapi.OPT_FQ_PRIOMAP, q.prio2band)
  for (let i: u32 = 0; i < FQ_BANDS; i++) put_word(out, uapi.OPT_FQ_WEIGHT0 + i, fq_band(sch, i).quantum)
  dump_stats(sch, q, out)
  return 0
}
