// Classic BPF: instruction codes, and the offsets beyond any packet that stand for its metadata
// (linux/bpf_common.h, linux/filter.h; described in Documentation/networking/filter.rst).

// classes: code & 0x07
export const BPF_LD: u32 = 0x00
export const BPF_LDX: u32 = 0x01
export const BPF_ST: u32 = 0x02
export const BPF_STX: u32 = 0x03
export const BPF_ALU: u32 = 0x04
export const BPF_JMP: u32 = 0x05
export const BPF_RET: u32 = 0x06
export const BPF_MISC: u32 = 0x07

// sizes and modes of loads: code & 0x18, code & 0xe0
export const BPF_W: u32 = 0x00
export const BPF_H: u32 = 0x08
export const BPF_B: u32 = 0x10
export const BPF_IMM: u32 = 0x00
export const BPF_ABS: u32 = 0x20
export const BPF_IND: u32 = 0x40
export const BPF_MEM: u32 = 0x60
export const BPF_LEN: u32 = 0x80
export const BPF_MSH: u32 = 0xa0

// operations of BPF_ALU and BPF_JMP: code & 0xf0
export const BPF_ADD: u32 = 0x00
export const BPF_SUB: u32 = 0x10
export const BPF_MUL: u32 = 0x20
export const BPF_DIV: u32 = 0x30
export const BPF_OR: u32 = 0x40
export const BPF_AND: u32 = 0x50
export const BPF_LSH: u32 = 0x60
export const BPF_RSH: u32 = 0x70
export const BPF_NEG: u32 = 0x80
export const BPF_MOD: u32 = 0x90
export const BPF_XOR: u32 = 0xa0
export const BPF_JA: u32 = 0x00
export const BPF_JEQ: u32 = 0x10
export const BPF_JGT: u32 = 0x20
export const BPF_JGE: u32 = 0x30
export const BPF_JSET: u32 = 0x40

// the second operand: code & 0x08; of BPF_RET: code & 0x18
export const BPF_K: u32 = 0x00
export const BPF_X: u32 = 0x08
export const BPF_A: u32 = 0x10

// operations of BPF_MISC: code & 0xf8
export const BPF_TAX: u32 = 0x00
export const BPF_TXA: u32 = 0x80

export const BPF_MAXINSNS: u32 = 4096
/** Words of scratch memory (M[]). */
export const BPF_MEMWORDS: u32 = 16

// what BPF_ABS loads from SKF_AD_OFF on, and where the network and link headers begin
export const SKF_AD_OFF: i32 = -0x1000
export const SKF_AD_PROTOCOL: u32 = 0
export const SKF_AD_PKTTYPE: u32 = 4
export const SKF_AD_IFINDEX: u32 = 8
export const SKF_AD_NLATTR: u32 = 12
export const SKF_AD_NLATTR_NEST: u32 = 16
export const SKF_AD_MARK: u32 = 20
export const SKF_AD_QUEUE: u32 = 24
export const SKF_AD_HATYPE: u32 = 28
export const SKF_AD_RXHASH: u32 = 32
export const SKF_AD_CPU: u32 = 36
export const SKF_AD_ALU_XOR_X: u32 = 40
export const SKF_AD_VLAN_TAG: u32 = 44
export const SKF_AD_VLAN_TAG_PRESENT: u32 = 48
export const SKF_AD_PAY_OFFSET: u32 = 52
export const SKF_AD_RANDOM: u32 = 56
export const SKF_AD_VLAN_TPID: u32 = 60
export const SKF_AD_MAX: u32 = 64
export const SKF_NET_OFF: i32 = -0x100000
export const SKF_LL_OFF: i32 = -0x200000
