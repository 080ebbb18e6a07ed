// What a program costs its socket's option memory. Linux charges for the eBPF that it makes of classic BPF
// (bpf_convert_filter of net/core/filter.c, on x86-64): so many instructions of 8 bytes, measured there.

import { net, sysctl } from '../../../include/net_namespace.ts'
import {
  FILTER_STEP_SIZE,
  OP_ANCILLARY,
  OP_DIV_X,
  OP_JEQ_K,
  OP_JSET_K,
  OP_JSET_X,
  OP_LD_B,
  OP_LD_B_IND,
  OP_LD_W,
  OP_LD_W_IND,
  OP_LDX_MSH,
  OP_MOD_X,
  OP_RET_K,
  filter_step,
  sk_filter,
} from '../../../include/filter.ts'
import { sock } from '../../../include/sock.ts'
import { SYSCTL_CORE_OPTMEM_MAX } from '../../../uapi/sysctl.ts'
import { first_step } from './decode.ts'

/** Of struct bpf_prog before its instructions. */
const PROG_HEADER: u32 = 96
/** What every program begins with, and what one with loads from the packet has besides. */
const PROLOGUE: u32 = 3
const LOADS_PROLOGUE: u32 = 4

/** Of an SKF_AD_* load, by its number through 4. */
const ANCILLARY: usize = memory.data<u8>([2, 2, 4, 4, 4, 1, 1, 4, 1, 4, 1, 1, 3, 4, 4, 2])

/** A load from k on: a negative offset is a call, a large one does not fit into an instruction. */
function cost_of_load(k: u32, byte: bool): u32 {
  if (<i32>k < 0) return 8
  const cost: u32 = k == 0 ? 13 : k < 0x8000 ? 14 : 16
  return cost - u32(byte)
}

function cost_of_jump(step: filter_step): u32 {
  const by_k = ((step.op - OP_JEQ_K) & 1) == 0
  const jset = step.op == OP_JSET_K || step.op == OP_JSET_X
  const one_way = step.jf == 0 || (step.jt == 0 && !jset)
  return (one_way ? 1 : 2) + u32(by_k && <i32>step.k < 0)
}

function cost_of(step: filter_step): u32 {
  const op = step.op
  if (op >= OP_LD_W && op <= OP_LD_B) return cost_of_load(step.k, op == OP_LD_B)
  if (op >= OP_LD_W_IND && op <= OP_LD_B_IND) return step.k ? 9 : 8
  if (op == OP_LDX_MSH) return 6 + cost_of_load(step.k, true)
  if (op == OP_ANCILLARY) return load<u8>(ANCILLARY + (step.k >> 2))
  if (op == OP_DIV_X || op == OP_MOD_X) return 5
  if (op == OP_RET_K) return 2
  return op >= OP_JEQ_K && op <= OP_JSET_X ? cost_of_jump(step) : 1
}

function loads(op: u32): bool {
  return (op >= OP_LD_W && op <= OP_LD_B_IND) || op == OP_LDX_MSH
}

/** Bytes that the program counts as. */
export function filter_size(filter: sk_filter): u32 {
  let count = PROLOGUE
  let prologue: u32 = 0
  for (let i: u32 = 0; i < filter.len; i++) {
    const step = changetype<filter_step>(first_step(filter) + <usize>i * FILTER_STEP_SIZE)
    count += cost_of(step)
    if (loads(step.op)) prologue = LOADS_PROLOGUE
  }
  return PROG_HEADER + 8 * (count + prologue)
}

export function optmem_max(sk: sock): u32 {
  return <u32>sysctl(changetype<net>(sk.net), SYSCTL_CORE_OPTMEM_MAX)
}

/** Charges the socket. False: its option memory would be too much. */
export function sk_filter_charge(sk: sock, filter: sk_filter): bool {
  const size = filter_size(filter)
  const most = optmem_max(sk)
  if (size > most || sk.sk_omem_alloc + size >= most) return false
  sk.sk_omem_alloc += size
  return true
}
