// What netem keeps, is told and tells. Mirrors netem_change, netem_init and netem_dump of net/sched/sch_netem.c.

import { kfree, kmalloc } from '../../../lib/arena.ts'
import { get_random_u32 } from '../../../lib/random.ts'
import { Qdisc, qdisc_dev, qdisc_priv } from '../../../include/sch_generic.ts'
import { EINVAL, ENOMEM } from '../../../uapi/errno.ts'
import * as uapi from '../../../uapi/pkt_sched.ts'
import { opt_given, opt_u32, opt_u32_or, opt_u64_or, put_word } from '../options.ts'
import { qdisc_put } from '../sch_generic.ts'
import { QDISC_WATCHDOG_SIZE, qdisc_watchdog, qdisc_watchdog_cancel, qdisc_watchdog_init } from '../sch_api/watchdog.ts'
import { clgstate, crndstate, prandom_seed_state, rnd_state } from './random.ts'

/** Largest table of a distribution. */
const NETEM_DIST_MAX: u32 = 16384

@unmanaged
@final
export class netem_sched_data {
  latency: i64
  rate: u64
  seed: u64
  slot_next: u64
  slot_min: i64
  slot_max: i64
  slot_delay: i64
  /** When the next packet is due. */
  wait_until: u64
  /** Delayed packets (time_list). */
  t_head: usize
  t_tail: usize
  t_len: u32
  /** A child, 0: none. */
  qdisc: usize
  jitter: i32
  loss: u32
  ecn: u32
  gap: u32
  duplicate: u32
  reorder: u32
  corrupt: u32
  /** Packets since the last that was put first. */
  counter: u32
  packet_overhead: i32
  cell_size: u32
  cell_overhead: i32
  /** Tables of 16-bit numbers, 0: none. */
  delay_dist: usize
  delay_dist_size: u32
  slot_dist: usize
  slot_dist_size: u32
  slot_jitter: i32
  slot_packets: u32
  slot_bytes: u32
  packets_left: i32
  bytes_left: i32
}

const WATCHDOG: usize = (offsetof<netem_sched_data>() + 7) & ~7
const PRNG: usize = WATCHDOG + QDISC_WATCHDOG_SIZE
const CLG: usize = PRNG + offsetof<rnd_state>()
const COR: usize = CLG + offsetof<clgstate>()
const COR_SIZE: usize = offsetof<crndstate>()
export const NETEM_SIZE: usize = COR + 5 * COR_SIZE

export function netem_priv(sch: Qdisc): netem_sched_data {
  return changetype<netem_sched_data>(qdisc_priv(sch))
}

export function watchdog(sch: Qdisc): qdisc_watchdog {
  return changetype<qdisc_watchdog>(qdisc_priv(sch) + WATCHDOG)
}

export function prng(sch: Qdisc): rnd_state {
  return changetype<rnd_state>(qdisc_priv(sch) + PRNG)
}

export function loss_model(sch: Qdisc): clgstate {
  return changetype<clgstate>(qdisc_priv(sch) + CLG)
}

function cor(sch: Qdisc, i: usize): crndstate {
  return changetype<crndstate>(qdisc_priv(sch) + COR + i * COR_SIZE)
}

export function delay_cor(sch: Qdisc): crndstate {
  return cor(sch, 0)
}
export function loss_cor(sch: Qdisc): crndstate {
  return cor(sch, 1)
}
export function dup_cor(sch: Qdisc): crndstate {
  return cor(sch, 2)
}
export function reorder_cor(sch: Qdisc): crndstate {
  return cor(sch, 3)
}
export function corrupt_cor(sch: Qdisc): crndstate {
  return cor(sch, 4)
}

function init_crandom(state: crndstate, sch: Qdisc, rho: u32): void {
  state.rho = rho
  state.last = get_random_u32()
}

/** A copy of a table that lies at the options' word; 0: out of memory. */
function get_dist_table(opt: usize, at: u32, size: u32): usize {
  const bytes = (<usize>opt_u32(opt, size)) << 1
  const table = kmalloc(bytes)
  if (table) memory.copy(table, opt_u32(opt, at), bytes)
  return table
}

function dist_ok(opt: usize, at: u32, size: u32): bool {
  if (!opt_given(opt, at)) return true
  const n = opt_u32(opt, size)
  return n > 0 && n <= NETEM_DIST_MAX
}

/** Two netems in one tree must not duplicate: what one makes, the other would make more of. */
function duplicates_meet(sch: Qdisc, duplicating: bool): bool {
  const dev = qdisc_dev(sch)
  const root = changetype<Qdisc>(dev.qdisc)
  if (other_netem(root, sch, duplicating)) return true
  for (let q = changetype<Qdisc>(dev.qdisc_hash); changetype<usize>(q); q = changetype<Qdisc>(q.hash_next)) {
    if (other_netem(q, sch, duplicating)) return true
  }
  return false
}

function other_netem(q: Qdisc, sch: Qdisc, duplicating: bool): bool {
  if (changetype<usize>(q) == changetype<usize>(sch) || q.kind != uapi.QDISC_NETEM || q.parent == sch.parent)
    return false
  return duplicating || netem_priv(q).duplicate != 0
}

/** New tables first: without memory nothing changes. */
function take_tables(q: netem_sched_data, opt: usize): bool {
  let delay: usize = 0
  let slot: usize = 0
  if (opt_given(opt, uapi.OPT_NETEM_DIST)) {
    delay = get_dist_table(opt, uapi.OPT_NETEM_DIST, uapi.OPT_NETEM_DIST_SIZE)
    if (delay == 0) return false
  }
  if (opt_given(opt, uapi.OPT_NETEM_SLOT_DIST)) {
    slot = get_dist_table(opt, uapi.OPT_NETEM_SLOT_DIST, uapi.OPT_NETEM_SLOT_DIST_SIZE)
    if (slot == 0) {
      kfree(delay, (<usize>opt_u32(opt, uapi.OPT_NETEM_DIST_SIZE)) << 1)
      return false
    }
  }
  if (delay) {
    kfree(q.delay_dist, (<usize>q.delay_dist_size) << 1)
    q.delay_dist = delay
    q.delay_dist_size = opt_u32(opt, uapi.OPT_NETEM_DIST_SIZE)
  }
  if (slot) {
    kfree(q.slot_dist, (<usize>q.slot_dist_size) << 1)
    q.slot_dist = slot
    q.slot_dist_size = opt_u32(opt, uapi.OPT_NETEM_SLOT_DIST_SIZE)
  }
  return true
}

function change_slot(q: netem_sched_data, opt: usize): void {
  const given = opt_given(opt, uapi.OPT_NETEM_SLOT_MIN) || opt_given(opt, uapi.OPT_NETEM_SLOT_DELAY)
  if (!given) {
    q.slot_next = 0
    q.slot_packets = 0
    return
  }
  q.slot_min = <i64>opt_u64_or(opt, uapi.OPT_NETEM_SLOT_MIN, 0)
  q.slot_max = max<i64>(q.slot_min, <i64>opt_u64_or(opt, uapi.OPT_NETEM_SLOT_MAX, 0))
  const packets = opt_u32_or(opt, uapi.OPT_NETEM_SLOT_PACKETS, 0)
  const bytes = opt_u32_or(opt, uapi.OPT_NETEM_SLOT_BYTES, 0)
  q.slot_packets = packets ? packets : 0x7fffffff
  q.slot_bytes = bytes ? bytes : 0x7fffffff
  q.slot_delay = <i64>opt_u64_or(opt, uapi.OPT_NETEM_SLOT_DELAY, 0)
  q.slot_jitter = <i32>opt_u32_or(opt, uapi.OPT_NETEM_SLOT_JITTER, 0)
  q.packets_left = <i32>q.slot_packets
  q.bytes_left = <i32>q.slot_bytes
  q.slot_next = q.slot_min | q.slot_max | q.slot_delay ? 1 : 0
}

function change_loss(sch: Qdisc, opt: usize): void {
  const c = loss_model(sch)
  c.model = opt_u32_or(opt, uapi.OPT_NETEM_LOSS_MODEL, uapi.NETEM_LOSS_RANDOM)
  if (c.model == uapi.NETEM_LOSS_RANDOM) return
  c.state = 1
  c.a1 = opt_u32(opt, uapi.OPT_NETEM_LOSS_A1)
  c.a2 = opt_u32(opt, uapi.OPT_NETEM_LOSS_A1 + 1)
  c.a3 = opt_u32(opt, uapi.OPT_NETEM_LOSS_A1 + 2)
  c.a4 = opt_u32(opt, uapi.OPT_NETEM_LOSS_A1 + 3)
  c.a5 = opt_u32(opt, uapi.OPT_NETEM_LOSS_A1 + 4)
}

/** All is told anew: what is left out is off. 0, -EINVAL or -ENOMEM. */
export function netem_change(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = netem_priv(sch)
  if (opt == 0) return -EINVAL
  const duplicate = opt_u32_or(opt, uapi.OPT_NETEM_DUPLICATE, 0)
  if (!dist_ok(opt, uapi.OPT_NETEM_DIST, uapi.OPT_NETEM_DIST_SIZE)) return -EINVAL
  if (!dist_ok(opt, uapi.OPT_NETEM_SLOT_DIST, uapi.OPT_NETEM_SLOT_DIST_SIZE)) return -EINVAL
  if (duplicates_meet(sch, duplicate != 0)) return -EINVAL
  if (!take_tables(q, opt)) return -ENOMEM
  q.latency = <i64>opt_u64_or(opt, uapi.OPT_NETEM_LATENCY, 0)
  q.jitter = <i32>min<u64>(opt_u64_or(opt, uapi.OPT_NETEM_JITTER, 0), 0x7fffffff)
  sch.limit = opt_u32_or(opt, uapi.OPT_NETEM_LIMIT, 1000)
  q.gap = opt_u32_or(opt, uapi.OPT_NETEM_GAP, 0)
  q.counter = 0
  q.loss = opt_u32_or(opt, uapi.OPT_NETEM_LOSS, 0)
  q.duplicate = duplicate
  // A gap alone reorders always.
  q.reorder = opt_u32_or(opt, uapi.OPT_NETEM_REORDER, q.gap ? u32.MAX_VALUE : 0)
  q.corrupt = opt_u32_or(opt, uapi.OPT_NETEM_CORRUPT, 0)
  q.ecn = opt_u32_or(opt, uapi.OPT_NETEM_ECN, 0)
  q.rate = opt_u64_or(opt, uapi.OPT_NETEM_RATE, 0)
  q.packet_overhead = <i32>opt_u32_or(opt, uapi.OPT_NETEM_PACKET_OVERHEAD, 0)
  q.cell_size = opt_u32_or(opt, uapi.OPT_NETEM_CELL_SIZE, 0)
  q.cell_overhead = <i32>opt_u32_or(opt, uapi.OPT_NETEM_CELL_OVERHEAD, 0)
  change_loss(sch, opt)
  change_slot(q, opt)
  init_crandom(delay_cor(sch), sch, opt_u32_or(opt, uapi.OPT_NETEM_DELAY_CORR, 0))
  init_crandom(loss_cor(sch), sch, opt_u32_or(opt, uapi.OPT_NETEM_LOSS_CORR, 0))
  init_crandom(dup_cor(sch), sch, opt_u32_or(opt, uapi.OPT_NETEM_DUP_CORR, 0))
  init_crandom(reorder_cor(sch), sch, opt_u32_or(opt, uapi.OPT_NETEM_REORDER_CORR, 0))
  init_crandom(corrupt_cor(sch), sch, opt_u32_or(opt, uapi.OPT_NETEM_CORRUPT_CORR, 0))
  const drawn = ((<u64>get_random_u32()) << 32) | get_random_u32()
  q.seed = opt_u64_or(opt, uapi.OPT_NETEM_SEED, drawn)
  prandom_seed_state(prng(sch), q.seed)
  return 0
}

export function netem_init(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  qdisc_watchdog_init(watchdog(sch), sch)
  return netem_change(s, opt)
}

export function netem_destroy(s: usize): void {
  const sch = changetype<Qdisc>(s)
  const q = netem_priv(sch)
  qdisc_watchdog_cancel(watchdog(sch))
  qdisc_put(changetype<Qdisc>(q.qdisc))
  kfree(q.delay_dist, (<usize>q.delay_dist_size) << 1)
  kfree(q.slot_dist, (<usize>q.slot_dist_size) << 1)
}

export function netem_dump(s: usize, out: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = netem_priv(sch)
  put_word(out, uapi.OPT_NETEM_LIMIT, sch.limit)
  put_word(out, uapi.OPT_NETEM_LATENCY, q.latency)
  put_word(out, uapi.OPT_NETEM_JITTER, q.jitter)
  put_word(out, uapi.OPT_NETEM_DELAY_CORR, delay_cor(sch).rho)
  put_word(out, uapi.OPT_NETEM_LOSS, q.loss)
  put_word(out, uapi.OPT_NETEM_LOSS_CORR, loss_cor(sch).rho)
  put_word(out, uapi.OPT_NETEM_DUPLICATE, q.duplicate)
  put_word(out, uapi.OPT_NETEM_DUP_CORR, dup_cor(sch).rho)
  put_word(out, uapi.OPT_NETEM_CORRUPT, q.corrupt)
  put_word(out, uapi.OPT_NETEM_CORRUPT_CORR, corrupt_cor(sch).rho)
  put_word(out, uapi.OPT_NETEM_REORDER, q.reorder)
  put_word(out, uapi.OPT_NETEM_REORDER_CORR, reorder_cor(sch).rho)
  put_word(out, uapi.OPT_NETEM_GAP, q.gap)
  const c = loss_model(sch)
  put_word(out, uapi.OPT_NETEM_LOSS_MODEL, c.model)
  put_word(out, uapi.OPT_NETEM_LOSS_A1, c.a1)
  put_word(out, uapi.OPT_NETEM_LOSS_A1 + 1, c.a2)
  put_word(out, uapi.OPT_NETEM_LOSS_A1 + 2, c.a3)
  put_word(out, uapi.OPT_NETEM_LOSS_A1 + 3, c.a4)
  put_word(out, uapi.OPT_NETEM_LOSS_A1 + 4, c.a5)
  put_word(out, uapi.OPT_NETEM_RATE, q.rate)
  put_word(out, uapi.OPT_NETEM_PACKET_OVERHEAD, q.packet_overhead)
  put_word(out, uapi.OPT_NETEM_CELL_SIZE, q.cell_size)
  put_word(out, uapi.OPT_NETEM_CELL_OVERHEAD, q.cell_overhead)
  put_word(out, uapi.OPT_NETEM_ECN, q.ecn)
  put_word(out, uapi.OPT_NETEM_SLOT_MIN, q.slot_min)
  put_word(out, uapi.OPT_NETEM_SLOT_MAX, q.slot_max)
  put_word(out, uapi.OPT_NETEM_SLOT_PACKETS, q.slot_packets)
  put_word(out, uapi.OPT_NETEM_SLOT_BYTES, q.slot_bytes)
  put_word(out, uapi.OPT_NETEM_SLOT_DELAY, q.slot_delay)
  put_word(out, uapi.OPT_NETEM_SLOT_JITTER, q.slot_jitter)
  put_word(out, uapi.OPT_NETEM_SEED, q.seed)
  return 0
}
