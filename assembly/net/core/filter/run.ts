// The machine that programs run on: A, X, 16 words, and jumps that only go forward. Mirrors what bpf_convert_filter makes
// of classic BPF: a load beyond the packet and a division by 0 end the program, which then answers 0.

import {
  FILTER_STEP_SIZE,
  OP_ADD_K,
  OP_ADD_X,
  OP_ANCILLARY,
  OP_AND_K,
  OP_AND_X,
  OP_DIV_K,
  OP_DIV_X,
  OP_JA,
  OP_JEQ_K,
  OP_JEQ_X,
  OP_JGE_K,
  OP_JGE_X,
  OP_JGT_K,
  OP_JGT_X,
  OP_JSET_K,
  OP_JSET_X,
  OP_LDX_IMM,
  OP_LDX_LEN,
  OP_LDX_MEM,
  OP_LDX_MSH,
  OP_LD_B,
  OP_LD_B_IND,
  OP_LD_H,
  OP_LD_H_IND,
  OP_LD_IMM,
  OP_LD_LEN,
  OP_LD_MEM,
  OP_LD_W,
  OP_LD_W_IND,
  OP_LSH_K,
  OP_LSH_X,
  OP_MOD_K,
  OP_MOD_X,
  OP_MUL_K,
  OP_MUL_X,
  OP_NEG,
  OP_OR_K,
  OP_OR_X,
  OP_RET_A,
  OP_RSH_K,
  OP_RSH_X,
  OP_ST,
  OP_STX,
  OP_SUB_K,
  OP_SUB_X,
  OP_TAX,
  OP_TXA,
  OP_XOR_K,
  OP_XOR_X,
} from '../../../include/filter.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { ntohl, ntohs } from '../../../lib/byteorder.ts'
import { ancillary, ancillary_ends } from './ancillary.ts'
import { LOAD_FAILED, load_far } from './load.ts'

/** M[] */
const WORDS: usize = memory.data(64, 16)

function word(k: u32): usize {
  return WORDS + ((<usize>k) << 2)
}

/** Which way a conditional jump goes. */
function branch(pc: usize, taken: bool): usize {
  return pc + (taken ? load<u32>(pc, 8) : load<u32>(pc, 12))
}

/**
 * Runs the steps from pc on over a packet. 0: not wanted; else how many bytes of it are.
 * A load looks first whether all its bytes are linear, as they nearly always are; negative offsets look huge to it.
 */
export function bpf_prog_run(pc: usize, skb: sk_buff): u32 {
  const data = skb.data
  const linear = skb.len - skb.data_len
  let a: u32 = 0
  let x: u32 = 0
  while (pc) {
    const k = load<u32>(pc, 4)
    switch (load<u32>(pc)) {
      case OP_LD_W: {
        if (k + 4 <= linear) {
          a = ntohl(load<u32>(data + k))
        } else {
          const got = load_far(skb, k, 4)
          if (got == LOAD_FAILED) return 0
          a = <u32>got
        }
        break
      }
      case OP_LD_H: {
        if (k + 2 <= linear) {
          a = ntohs(load<u16>(data + k))
        } else {
          const got = load_far(skb, k, 2)
          if (got == LOAD_FAILED) return 0
          a = <u32>got
        }
        break
      }
      case OP_LD_B: {
        if (k < linear) {
          a = load<u8>(data + k)
        } else {
          const got = load_far(skb, k, 1)
          if (got == LOAD_FAILED) return 0
          a = <u32>got
        }
        break
      }
      case OP_LD_W_IND: {
        const at = x + k
        if (<u64>at + 4 <= <u64>linear) {
          a = ntohl(load<u32>(data + at))
        } else {
          const got = load_far(skb, at, 4)
          if (got == LOAD_FAILED) return 0
          a = <u32>got
        }
        break
      }
      case OP_LD_H_IND: {
        const at = x + k
        if (<u64>at + 2 <= <u64>linear) {
          a = ntohs(load<u16>(data + at))
        } else {
          const got = load_far(skb, at, 2)
          if (got == LOAD_FAILED) return 0
          a = <u32>got
        }
        break
      }
      case OP_LD_B_IND: {
        const at = x + k
        if (at < linear) {
          a = load<u8>(data + at)
        } else {
          const got = load_far(skb, at, 1)
          if (got == LOAD_FAILED) return 0
          a = <u32>got
        }
        break
      }
      case OP_LDX_MSH: {
        const got = k < linear ? <i64>load<u8>(data + k) : load_far(skb, k, 1)
        if (got == LOAD_FAILED) return 0
        x = ((<u32>got) & 15) << 2
        break
      }
      case OP_LD_IMM: {
        a = k
        break
      }
      case OP_LD_MEM: {
        a = load<u32>(word(k))
        break
      }
      case OP_LD_LEN: {
        a = skb.len
        break
      }
      case OP_LDX_IMM: {
        x = k
        break
      }
      case OP_LDX_MEM: {
        x = load<u32>(word(k))
        break
      }
      case OP_LDX_LEN: {
        x = skb.len
        break
      }
      case OP_ST: {
        store<u32>(word(k), a)
        break
      }
      case OP_STX: {
        store<u32>(word(k), x)
        break
      }
      case OP_ADD_K: {
        a += k
        break
      }
      case OP_ADD_X: {
        a += x
        break
      }
      case OP_SUB_K: {
        a -= k
        break
      }
      case OP_SUB_X: {
        a -= x
        break
      }
      case OP_MUL_K: {
        a *= k
        break
      }
      case OP_MUL_X: {
        a *= x
        break
      }
      case OP_DIV_K: {
        a /= k
        break
      }
      case OP_DIV_X: {
        if (x == 0) return 0
        a /= x
        break
      }
      case OP_MOD_K: {
        a %= k
        break
      }
      case OP_MOD_X: {
        if (x == 0) return 0
        a %= x
        break
      }
      case OP_OR_K: {
        a |= k
        break
      }
      case OP_OR_X: {
        a |= x
        break
      }
      case OP_AND_K: {
        a &= k
        break
      }
      case OP_AND_X: {
        a &= x
        break
      }
      case OP_XOR_K: {
        a ^= k
        break
      }
      case OP_XOR_X: {
        a ^= x
        break
      }
      case OP_LSH_K: {
        a <<= k
        break
      }
      case OP_LSH_X: {
        a <<= x
        break
      }
      case OP_RSH_K: {
        a >>= k
        break
      }
      case OP_RSH_X: {
        a >>= x
        break
      }
      case OP_NEG: {
        a = 0 - a
        break
      }
      case OP_JA: {
        pc += load<u32>(pc, 8)
        break
      }
      case OP_JEQ_K: {
        pc = branch(pc, a == k)
        break
      }
      case OP_JEQ_X: {
        pc = branch(pc, a == x)
        break
      }
      case OP_JGT_K: {
        pc = branch(pc, a > k)
        break
      }
      case OP_JGT_X: {
        pc = branch(pc, a > x)
        break
      }
      case OP_JGE_K: {
        pc = branch(pc, a >= k)
        break
      }
      case OP_JGE_X: {
        pc = branch(pc, a >= x)
        break
      }
      case OP_JSET_K: {
        pc = branch(pc, (a & k) != 0)
        break
      }
      case OP_JSET_X: {
        pc = branch(pc, (a & x) != 0)
        break
      }
      case OP_TAX: {
        x = a
        break
      }
      case OP_TXA: {
        a = x
        break
      }
      case OP_ANCILLARY: {
        if (ancillary_ends(skb, k)) return a
        a = ancillary(skb, k, a, x)
        break
      }
      case OP_RET_A:
        return a
      default:
        return k // OP_RET_K
    }
    pc += FILTER_STEP_SIZE
  }
  return 0 // never: jumps go forward, and the last step returns
}
