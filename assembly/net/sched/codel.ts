// CoDel: packets that waited longer than a target for a whole interval are dropped or marked, ever faster while they do.
// Mirrors net/codel.h and net/codel_impl.h (RFC 8289). Times are in units of 1024 ns.

import { boot } from '../../lib/boot.ts'
import { INET_ECN_set_ce } from '../../include/inet_ecn.ts'
import { qdisc_cb_private, qdisc_pkt_len } from '../../include/sch_generic.ts'
import { sk_buff } from '../../include/skbuff.ts'

export const CODEL_DISABLED_THRESHOLD: u32 = 0x7fffffff
const CODEL_SHIFT: u64 = 10
/** Fraction bits of rec_inv_sqrt, a number below 1. */
const REC_INV_SQRT_SHIFT: u32 = 16
const REC_INV_SQRT_ONE: u32 = 0xffff
const NO_SKB: sk_buff = changetype<sk_buff>(0)

@unmanaged
@final
export class codel_params {
  target: u32
  interval: u32
  mtu: u32
  ecn: u32
  ce_threshold: u32
}

/** State of a flow. */
@unmanaged
@final
export class codel_vars {
  count: u32
  lastcount: u32
  dropping: u32
  rec_inv_sqrt: u32
  first_above_time: u32
  drop_next: u32
  ldelay: u32
}

/** What was dropped and marked; drop_len and drop_count until the parents know. */
@unmanaged
@final
export class codel_stats {
  maxpacket: u32
  drop_count: u32
  drop_len: u32
  ecn_mark: u32
  ce_mark: u32
}

export function codel_get_time(): u32 {
  return <u32>(boot.now >> CODEL_SHIFT)
}

/** ns as CoDel counts. */
export function codel_time(ns: u64): u32 {
  return <u32>(ns >> CODEL_SHIFT)
}

/** When a packet came, and the memory it takes, in its cb. */
export function codel_set_enqueue_time(skb: sk_buff): void {
  store<u32>(qdisc_cb_private(skb), codel_get_time())
}

export function codel_mem_usage(skb: sk_buff): u32 {
  return load<u32>(qdisc_cb_private(skb), 4)
}

export function codel_set_mem_usage(skb: sk_buff): void {
  store<u32>(qdisc_cb_private(skb), skb.truesize, 4)
}

function time_after(a: u32, b: u32): bool {
  return <i32>(a - b) > 0
}

/** One step towards 1 / sqrt(count). */
function codel_Newton_step(vars: codel_vars): void {
  const invsqrt = vars.rec_inv_sqrt << REC_INV_SQRT_SHIFT
  const squared = <u32>((<u64>invsqrt * invsqrt) >> 32)
  const step = ((<u64>3) << 32) - <u64>vars.count * squared
  vars.rec_inv_sqrt = (<u32>(((step >> 2) * invsqrt) >> 31)) >> REC_INV_SQRT_SHIFT
}

/** When the next drop is due: interval / sqrt(count) after the one at t. */
function codel_control_law(t: u32, params: codel_params, vars: codel_vars): u32 {
  const inv = vars.rec_inv_sqrt << REC_INV_SQRT_SHIFT
  return t + <u32>((<u64>params.interval * inv) >> 32)
}

function codel_should_drop(skb: sk_buff, backlog: u32, p: codel_params, vars: codel_vars, stats: codel_stats): bool {
  if (changetype<usize>(skb) == 0) {
    vars.first_above_time = 0
    return false
  }
  const now = codel_get_time()
  vars.ldelay = now - load<u32>(qdisc_cb_private(skb))
  stats.maxpacket = max(stats.maxpacket, qdisc_pkt_len(skb))
  if (<i32>(vars.ldelay - p.target) < 0 || backlog <= p.mtu) {
    vars.first_above_time = 0
    return false
  }
  if (vars.first_above_time == 0) {
    vars.first_above_time = now + p.interval
    return false
  }
  return time_after(now, vars.first_above_time)
}

/** Marks it instead of dropping it, if that is wanted and can be. */
function marked(skb: sk_buff, p: codel_params, stats: codel_stats): bool {
  if (!p.ecn || !INET_ECN_set_ce(skb)) return false
  stats.ecn_mark += 1
  return true
}

/** Where CoDel's packets are: table indices of (ctx) => skb and (ctx, skb) => void, their argument, and the qdisc's backlog. */
@unmanaged
@final
export class codel_source {
  dequeue: u32
  drop: u32
  ctx: usize
  backlog_at: usize
}

function next(from: codel_source): sk_buff {
  return changetype<sk_buff>(call_indirect<usize>(from.dequeue, from.ctx))
}

/** Drops a packet and takes the next. */
function drop(skb: sk_buff, from: codel_source, stats: codel_stats): sk_buff {
  stats.drop_len += qdisc_pkt_len(skb)
  call_indirect<void>(from.drop, from.ctx, changetype<usize>(skb))
  stats.drop_count += 1
  return next(from)
}

/** While it drops: as many as are due. */
function dropping(first: sk_buff, from: codel_source, p: codel_params, vars: codel_vars, stats: codel_stats): sk_buff {
  let skb = first
  while (vars.dropping && !time_after(vars.drop_next, codel_get_time())) {
    vars.count += 1
    codel_Newton_step(vars)
    if (marked(skb, p, stats)) {
      vars.drop_next = codel_control_law(vars.drop_next, p, vars)
      return skb
    }
    skb = drop(skb, from, stats)
    if (codel_should_drop(skb, load<u32>(from.backlog_at), p, vars, stats))
      vars.drop_next = codel_control_law(vars.drop_next, p, vars)
    else vars.dropping = 0
  }
  return skb
}

/** It begins to drop: at the rate at which it stopped, if that was not long ago. */
function begin(first: sk_buff, from: codel_source, p: codel_params, vars: codel_vars, stats: codel_stats): sk_buff {
  let skb = first
  if (!marked(skb, p, stats)) {
    skb = drop(skb, from, stats)
    codel_should_drop(skb, load<u32>(from.backlog_at), p, vars, stats)
  }
  vars.dropping = 1
  const delta = vars.count - vars.lastcount
  if (delta > 1 && <i32>(codel_get_time() - vars.drop_next - 16 * p.interval) < 0) {
    vars.count = delta
    codel_Newton_step(vars)
  } else {
    vars.count = 1
    vars.rec_inv_sqrt = REC_INV_SQRT_ONE
  }
  vars.lastcount = vars.count
  vars.drop_next = codel_control_law(codel_get_time(), p, vars)
  return skb
}

/** The next packet that may go, NO_SKB: none. */
export function codel_dequeue(from: codel_source, p: codel_params, vars: codel_vars, stats: codel_stats): sk_buff {
  let skb = next(from)
  if (changetype<usize>(skb) == 0) {
    vars.dropping = 0
    return NO_SKB
  }
  const due = codel_should_drop(skb, load<u32>(from.backlog_at), p, vars, stats)
  if (vars.dropping) {
    if (!due) vars.dropping = 0
    else skb = dropping(skb, from, p, vars, stats)
  } else if (due) skb = begin(skb, from, p, vars, stats)
  if (changetype<usize>(skb) && time_after(vars.ldelay, p.ce_threshold) && INET_ECN_set_ce(skb)) stats.ce_mark += 1
  return skb
}

export function codel_vars_init(vars: codel_vars): void {
  memory.fill(changetype<usize>(vars), 0, offsetof<codel_vars>())
}
