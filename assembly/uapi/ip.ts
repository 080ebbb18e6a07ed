// The IPv4 header's numbers (RFC 791, RFC 3168; linux/ip.h).
// Fragment fields are in host order.

// options and type of service
export const IPTOS_TOS_MASK: u32 = 30
export const IPTOS_LOWDELAY: u32 = 16
export const IPTOS_THROUGHPUT: u32 = 8
export const IPTOS_RELIABILITY: u32 = 4
export const IPTOS_MINCOST: u32 = 2
export const IPTOS_PREC_MASK: u32 = 224
export const IPTOS_PREC_NETCONTROL: u32 = 224
export const IPTOS_PREC_INTERNETCONTROL: u32 = 192
export const IPTOS_PREC_CRITIC_ECP: u32 = 160
export const IPTOS_PREC_FLASHOVERRIDE: u32 = 128
export const IPTOS_PREC_FLASH: u32 = 96
export const IPTOS_PREC_IMMEDIATE: u32 = 64
export const IPTOS_PREC_PRIORITY: u32 = 32
export const IPTOS_PREC_ROUTINE: u32 = 0
export const IPOPT_COPY: u32 = 128
export const IPOPT_CLASS_MASK: u32 = 96
export const IPOPT_NUMBER_MASK: u32 = 31
export const IPOPT_CONTROL: u32 = 0
export const IPOPT_RESERVED1: u32 = 32
export const IPOPT_MEASUREMENT: u32 = 64
export const IPOPT_RESERVED2: u32 = 96
export const IPOPT_END: u32 = 0
export const IPOPT_NOOP: u32 = 1
export const IPOPT_SEC: u32 = 130
export const IPOPT_LSRR: u32 = 131
export const IPOPT_TIMESTAMP: u32 = 68
export const IPOPT_CIPSO: u32 = 134
export const IPOPT_RR: u32 = 7
export const IPOPT_SID: u32 = 136
export const IPOPT_SSRR: u32 = 137
export const IPOPT_RA: u32 = 148
export const IPVERSION: u32 = 4
export const MAXTTL: u32 = 255
export const IPDEFTTL: u32 = 64
export const IPOPT_OPTVAL: u32 = 0
export const IPOPT_OLEN: u32 = 1
export const IPOPT_OFFSET: u32 = 2
export const IPOPT_MINOFF: u32 = 4
export const MAX_IPOPTLEN: u32 = 40
export const IPOPT_NOP: u32 = 1
export const IPOPT_EOL: u32 = 0
export const IPOPT_TS: u32 = 68
export const IPOPT_TS_TSONLY: u32 = 0
export const IPOPT_TS_TSANDADDR: u32 = 1
export const IPOPT_TS_PRESPEC: u32 = 3
export const IPV4_BEET_PHMAXLEN: u32 = 8

// frag_off
export const IP_CE: u32 = 0x8000
export const IP_DF: u32 = 0x4000
export const IP_MF: u32 = 0x2000
export const IP_OFFSET: u32 = 8191

// ECN
export const INET_ECN_NOT_ECT: u32 = 0
export const INET_ECN_ECT_1: u32 = 1
export const INET_ECN_ECT_0: u32 = 2
export const INET_ECN_CE: u32 = 3
export const INET_ECN_MASK: u32 = 3
