// Classic BPF as the core holds it: what the user gives, what runs, and the block that both lie in.
// Operations: net/core/filter.ts. Numbers: uapi/filter.ts.

/** One instruction as users write it. */
@unmanaged
@final
export class sock_filter {
  code: u16
  jt: u8
  jf: u8
  k: u32
}

export const SOCK_FILTER_SIZE: u32 = 8

/** The same made ready to run: a dense number for the operation, and what a jump adds to the address of the step. */
@unmanaged
@final
export class filter_step {
  op: u32
  k: u32
  jt: u32
  jf: u32
}

export const FILTER_STEP_SIZE: u32 = 16

/**
 * A program that passed the checks; shared by whoever counts in refcnt.
 *
 *  0        4     8       16             16 + 16 len
 *  | refcnt | len | (8)   | steps[len]   | as the user gave it[len] |
 */
@unmanaged
@final
export class sk_filter {
  refcnt: u32
  /** Instructions. */
  len: u32
}

export const SK_FILTER_STEPS: usize = 16

// Numbers of operations. Loads come with the size and place that they read from.
export const OP_LD_W: u32 = 1
export const OP_LD_H: u32 = 2
export const OP_LD_B: u32 = 3
export const OP_LD_W_IND: u32 = 4
export const OP_LD_H_IND: u32 = 5
export const OP_LD_B_IND: u32 = 6
export const OP_LD_IMM: u32 = 7
export const OP_LD_MEM: u32 = 8
export const OP_LD_LEN: u32 = 9
export const OP_LDX_MSH: u32 = 10
export const OP_LDX_IMM: u32 = 11
export const OP_LDX_MEM: u32 = 12
export const OP_LDX_LEN: u32 = 13
export const OP_ST: u32 = 14
export const OP_STX: u32 = 15
export const OP_ADD_K: u32 = 16
export const OP_ADD_X: u32 = 17
export const OP_SUB_K: u32 = 18
export const OP_SUB_X: u32 = 19
export const OP_MUL_K: u32 = 20
export const OP_MUL_X: u32 = 21
export const OP_DIV_K: u32 = 22
export const OP_DIV_X: u32 = 23
export const OP_MOD_K: u32 = 24
export const OP_MOD_X: u32 = 25
export const OP_OR_K: u32 = 26
export const OP_OR_X: u32 = 27
export const OP_AND_K: u32 = 28
export const OP_AND_X: u32 = 29
export const OP_XOR_K: u32 = 30
export const OP_XOR_X: u32 = 31
export const OP_LSH_K: u32 = 32
export const OP_LSH_X: u32 = 33
export const OP_RSH_K: u32 = 34
export const OP_RSH_X: u32 = 35
export const OP_NEG: u32 = 36
export const OP_JA: u32 = 37
export const OP_JEQ_K: u32 = 38
export const OP_JEQ_X: u32 = 39
export const OP_JGT_K: u32 = 40
export const OP_JGT_X: u32 = 41
export const OP_JGE_K: u32 = 42
export const OP_JGE_X: u32 = 43
export const OP_JSET_K: u32 = 44
export const OP_JSET_X: u32 = 45
export const OP_TAX: u32 = 46
export const OP_TXA: u32 = 47
export const OP_RET_K: u32 = 48
export const OP_RET_A: u32 = 49
/** A load from SKF_AD_OFF on: it only exists as a step; k is SKF_AD_*. */
export const OP_ANCILLARY: u32 = 50
