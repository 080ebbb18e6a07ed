// Queueing disciplines as numbers: their kinds, and the options of each (linux/pkt_sched.h), which TypeScript writes and reads.

/** Kinds, in the order of tc's names in QDISC_KINDS (src/net/sched). */
export const QDISC_NOOP: u32 = 0
export const QDISC_NOQUEUE: u32 = 1
export const QDISC_PFIFO_FAST: u32 = 2
export const QDISC_MQ: u32 = 3
export const QDISC_PFIFO: u32 = 4
export const QDISC_BFIFO: u32 = 5
export const QDISC_PRIO: u32 = 6
export const QDISC_TBF: u32 = 7
export const QDISC_FQ: u32 = 8
export const QDISC_FQ_CODEL: u32 = 9
export const QDISC_NETEM: u32 = 10
export const QDISC_MAX: u32 = 11
