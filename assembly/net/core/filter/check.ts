// Which programs are accepted. Mirrors chk_code_allowed, check_load_and_stores and bpf_check_classic of net/core/filter.c.
// Read first: McCanne and Jacobson, "The BSD Packet Filter"; Documentation/networking/filter.rst.

import {
  OP_DIV_K,
  OP_JA,
  OP_LD_B,
  OP_LD_MEM,
  OP_LD_W,
  OP_LDX_MEM,
  OP_LSH_K,
  OP_MOD_K,
} from '../../../include/filter.ts'
import { OP_RET_A, OP_RET_K, OP_RSH_K, OP_ST, OP_STX, SOCK_FILTER_SIZE, sock_filter } from '../../../include/filter.ts'
import { EINVAL, ENOMEM } from '../../../uapi/errno.ts'
import { BPF_JMP, BPF_MEMWORDS, SKF_AD_MAX, SKF_AD_OFF } from '../../../uapi/filter.ts'
import { kfree, kmalloc } from '../../../lib/arena.ts'

const CODES: u32 = 0xb8

/** OP_* of each code, 0: there is no such instruction. Eight in a row, one for each class. */
// prettier-ignore
const OPS: usize = memory.data<u8>([
  7, 11, 14, 15, 16, 37, 48, 46, // 0x00
  0, 0, 0, 0, 17, 0, 0, 0, // 0x08
  0, 0, 0, 0, 18, 38, 49, 0, // 0x10
  0, 0, 0, 0, 19, 39, 0, 0, // 0x18
  1, 0, 0, 0, 20, 40, 0, 0, // 0x20
  2, 0, 0, 0, 21, 41, 0, 0, // 0x28
  3, 0, 0, 0, 22, 42, 0, 0, // 0x30
  0, 0, 0, 0, 23, 43, 0, 0, // 0x38
  4, 0, 0, 0, 26, 44, 0, 0, // 0x40
  5, 0, 0, 0, 27, 45, 0, 0, // 0x48
  6, 0, 0, 0, 28, 0, 0, 0, // 0x50
  0, 0, 0, 0, 29, 0, 0, 0, // 0x58
  8, 12, 0, 0, 32, 0, 0, 0, // 0x60
  0, 0, 0, 0, 33, 0, 0, 0, // 0x68
  0, 0, 0, 0, 34, 0, 0, 0, // 0x70
  0, 0, 0, 0, 35, 0, 0, 0, // 0x78
  9, 13, 0, 0, 36, 0, 0, 47, // 0x80
  0, 0, 0, 0, 0, 0, 0, 0, // 0x88
  0, 0, 0, 0, 24, 0, 0, 0, // 0x90
  0, 0, 0, 0, 25, 0, 0, 0, // 0x98
  0, 0, 0, 0, 30, 0, 0, 0, // 0xa0
  0, 0, 0, 0, 31, 0, 0, 0, // 0xa8
  0, 10, 0, 0, 0, 0, 0, 0, // 0xb0
])

/** The operation of an instruction, 0: its code is none. */
export function op_of(insn: sock_filter): u32 {
  const code = <u32>insn.code
  return code < CODES ? <u32>load<u8>(OPS + code) : 0
}

export function insn_at(program: usize, i: u32): sock_filter {
  return changetype<sock_filter>(program + <usize>i * SOCK_FILTER_SIZE)
}

/** Does a load from k on read metadata (SKF_AD_*)? */
export function is_ancillary(k: u32): bool {
  const at = k - <u32>SKF_AD_OFF
  return at < SKF_AD_MAX && (at & 3) == 0
}

export function is_jump(insn: sock_filter): bool {
  return (insn.code & 7) == <u16>BPF_JMP
}

/** What one instruction may not say, whatever stands around it. */
function is_sound(insn: sock_filter, op: u32, left: u32): bool {
  const k = insn.k
  if (op == 0) return false
  if (op == OP_DIV_K || op == OP_MOD_K) return k != 0
  if (op == OP_LSH_K || op == OP_RSH_K) return k < 32
  if (op == OP_LD_MEM || op == OP_LDX_MEM || op == OP_ST || op == OP_STX) return k < BPF_MEMWORDS
  if (op >= OP_LD_W && op <= OP_LD_B) return k < <u32>SKF_AD_OFF || is_ancillary(k)
  if (op == OP_JA) return k < left
  if (is_jump(insn)) return <u32>insn.jt < left && <u32>insn.jf < left
  return true
}

function narrow(masks: usize, target: u32, valid: u32): void {
  const p = masks + ((<usize>target) << 1)
  store<u16>(p, load<u16>(p) & (<u16>valid))
}

/** A word of memory is read only where every way there has written it. 0, -EINVAL or -ENOMEM. */
function check_load_and_stores(program: usize, len: u32): i32 {
  const bytes = (<usize>len) << 1
  const masks = kmalloc(bytes)
  if (masks == 0) return -ENOMEM
  memory.fill(masks, 0xff, bytes)
  let valid: u32 = 0
  let err = 0
  for (let i: u32 = 0; i < len && err == 0; i++) {
    const insn = insn_at(program, i)
    const op = op_of(insn)
    valid &= <u32>load<u16>(masks + ((<usize>i) << 1))
    if (op == OP_ST || op == OP_STX) {
      valid |= 1 << insn.k
    } else if (op == OP_LD_MEM || op == OP_LDX_MEM) {
      if (!(valid & (1 << insn.k))) err = -EINVAL
    } else if (op == OP_JA) {
      narrow(masks, i + 1 + insn.k, valid)
      valid = 0xffff
    } else if (is_jump(insn)) {
      narrow(masks, i + 1 + <u32>insn.jt, valid)
      narrow(masks, i + 1 + <u32>insn.jf, valid)
      valid = 0xffff
    }
  }
  kfree(masks, bytes)
  return err
}

/** May the len instructions at program run? 0, -EINVAL, or -ENOMEM. */
export function bpf_check_classic(program: usize, len: u32): i32 {
  for (let i: u32 = 0; i < len; i++) {
    const insn = insn_at(program, i)
    if (!is_sound(insn, op_of(insn), len - i - 1)) return -EINVAL
  }
  const last = op_of(insn_at(program, len - 1))
  return last == OP_RET_K || last == OP_RET_A ? check_load_and_stores(program, len) : -EINVAL
}
