// netem's dice: a generator of its own for each qdisc, correlated numbers, and delays from a table.
// Mirrors linux/prandom.h, and get_crandom, tabledist and the loss models of net/sched/sch_netem.c: with a seed the same
// packets are lost as in Linux. Integers only.

import { NETEM_LOSS_GE, NETEM_LOSS_GI } from '../../../uapi/pkt_sched.ts'

/** Entries of a table are in this fraction of a standard deviation. */
const NETEM_DIST_SCALE: i64 = 8192

/** State of the generator (taus88). */
@unmanaged
@final
export class rnd_state {
  s1: u32
  s2: u32
  s3: u32
  s4: u32
}

/** How much a number is like the one before it: rho of 2^32 - 1. */
@unmanaged
@final
export class crndstate {
  last: u32
  rho: u32
}

function at_least(x: u32, m: u32): u32 {
  return x < m ? x + m : x
}

export function prandom_seed_state(state: rnd_state, seed: u64): void {
  const i = <u32>((seed >> 32) ^ (seed << 10) ^ seed)
  state.s1 = at_least(i, 2)
  state.s2 = at_least(i, 8)
  state.s3 = at_least(i, 16)
  state.s4 = at_least(i, 128)
}

export function prandom_u32_state(r: rnd_state): u32 {
  r.s1 = ((r.s1 & ~1) << 18) ^ (((r.s1 << 6) ^ r.s1) >> 13)
  r.s2 = ((r.s2 & ~7) << 2) ^ (((r.s2 << 2) ^ r.s2) >> 27)
  r.s3 = ((r.s3 & ~15) << 7) ^ (((r.s3 << 13) ^ r.s3) >> 21)
  r.s4 = ((r.s4 & ~127) << 13) ^ (((r.s4 << 3) ^ r.s4) >> 12)
  return r.s1 ^ r.s2 ^ r.s3 ^ r.s4
}

/** A number from 0 to 2^32 - 1, like the last one as far as wanted. */
export function get_crandom(state: crndstate, rng: rnd_state): u32 {
  const value = prandom_u32_state(rng)
  if (state.rho == 0) return value
  const rho = <u64>state.rho + 1
  const answer = <u32>((<u64>value * (((<u64>1) << 32) - rho) + <u64>state.last * rho) >> 32)
  state.last = answer
  return answer
}

/** mu, more or less: by a table of entries numbers of 16 bits, or evenly within sigma when there is none. */
export function tabledist(mu: i64, sigma: i32, rnd: u32, table: usize, entries: u32): i64 {
  if (sigma == 0) return mu
  if (table == 0) return <i64>(rnd % (2 * <u32>sigma)) + mu - <i64>sigma
  const t = <i64>load<i16>(table + ((<usize>(rnd % entries)) << 1))
  const wide = <i64>sigma
  let x = (wide % NETEM_DIST_SCALE) * t
  x += x >= 0 ? NETEM_DIST_SCALE / 2 : -NETEM_DIST_SCALE / 2
  return x / NETEM_DIST_SCALE + (wide / NETEM_DIST_SCALE) * t + mu
}

/** A Markov chain of losses: its state and probabilities. */
@unmanaged
@final
export class clgstate {
  model: u32
  state: u32
  a1: u32
  a2: u32
  a3: u32
  a4: u32
  a5: u32
}

/** States of the 4-state model, and of the Gilbert-Elliot model. */
const TX_IN_GAP_PERIOD: u32 = 1
const TX_IN_BURST_PERIOD: u32 = 2
const LOST_IN_GAP_PERIOD: u32 = 3
const LOST_IN_BURST_PERIOD: u32 = 4
const GOOD_STATE: u32 = 1
const BAD_STATE: u32 = 2

function loss_4state(c: clgstate, rng: rnd_state): bool {
  const rnd = prandom_u32_state(rng)
  if (c.state == TX_IN_GAP_PERIOD) {
    if (rnd < c.a4) c.state = LOST_IN_GAP_PERIOD
    else if (c.a4 < rnd && rnd < c.a1 + c.a4) c.state = LOST_IN_BURST_PERIOD
    return c.state != TX_IN_GAP_PERIOD
  }
  if (c.state == TX_IN_BURST_PERIOD) {
    if (rnd >= c.a5) return false
    c.state = LOST_IN_BURST_PERIOD
    return true
  }
  if (c.state == LOST_IN_BURST_PERIOD) {
    if (rnd < c.a3) c.state = TX_IN_BURST_PERIOD
    else if (c.a3 < rnd && rnd < c.a2 + c.a3) c.state = TX_IN_GAP_PERIOD
    else if (c.a2 + c.a3 < rnd) return true
    return false
  }
  c.state = TX_IN_GAP_PERIOD
  return false
}

function loss_gilb_ell(c: clgstate, rng: rnd_state): bool {
  if (c.state == GOOD_STATE) {
    if (prandom_u32_state(rng) < c.a1) c.state = BAD_STATE
    return prandom_u32_state(rng) < c.a4
  }
  if (prandom_u32_state(rng) < c.a2) c.state = GOOD_STATE
  return prandom_u32_state(rng) > c.a3
}

/** Is this packet lost? */
export function loss_event(c: clgstate, loss: u32, cor: crndstate, rng: rnd_state): bool {
  if (c.model == NETEM_LOSS_GI) return loss_4state(c, rng)
  if (c.model == NETEM_LOSS_GE) return loss_gilb_ell(c, rng)
  return loss != 0 && loss >= get_crandom(cor, rng)
}
