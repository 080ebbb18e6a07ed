// Programs made ready to run: one dense number for each operation, jumps as distances.

import {
  FILTER_STEP_SIZE,
  OP_ANCILLARY,
  OP_JA,
  OP_LD_B,
  OP_LD_W,
  SK_FILTER_STEPS,
  SOCK_FILTER_SIZE,
  filter_step,
  sk_filter,
} from '../../../include/filter.ts'
import { kfree, kmalloc } from '../../../lib/arena.ts'
import { SKF_AD_OFF } from '../../../uapi/filter.ts'
import { insn_at, is_ancillary, op_of } from './check.ts'

function block_size(len: u32): usize {
  return SK_FILTER_STEPS + <usize>len * (FILTER_STEP_SIZE + SOCK_FILTER_SIZE)
}

export function first_step(filter: sk_filter): usize {
  return changetype<usize>(filter) + SK_FILTER_STEPS
}

/** The program as the user gave it. */
export function original(filter: sk_filter): usize {
  return first_step(filter) + <usize>filter.len * FILTER_STEP_SIZE
}

/** A block, counted once, for the len instructions at program, which passed the checks. 0: out of memory. */
export function filter_make(program: usize, len: u32): usize {
  const p = kmalloc(block_size(len))
  if (p == 0) return 0
  const filter = changetype<sk_filter>(p)
  filter.refcnt = 1
  filter.len = len
  memory.copy(original(filter), program, <usize>len * SOCK_FILTER_SIZE)
  for (let i: u32 = 0; i < len; i++) {
    const insn = insn_at(program, i)
    const step = changetype<filter_step>(first_step(filter) + <usize>i * FILTER_STEP_SIZE)
    const op = op_of(insn)
    const from_metadata = op >= OP_LD_W && op <= OP_LD_B && is_ancillary(insn.k)
    step.op = from_metadata ? OP_ANCILLARY : op
    step.k = from_metadata ? insn.k - <u32>SKF_AD_OFF : insn.k
    step.jt = (op == OP_JA ? insn.k : <u32>insn.jt) * FILTER_STEP_SIZE
    step.jf = <u32>insn.jf * FILTER_STEP_SIZE
  }
  return p
}

/** Gives up one reference; 0 is none. */
export function filter_put(p: usize): void {
  if (p == 0) return
  const filter = changetype<sk_filter>(p)
  if (--filter.refcnt == 0) kfree(p, block_size(filter.len))
}
