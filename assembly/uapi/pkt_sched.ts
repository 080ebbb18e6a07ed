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

// Options by kind: numbers of words (net/sched/options.ts); what a dump tells stands at the same numbers.

export const OPT_FIFO_LIMIT: u32 = 0

export const OPT_PRIO_BANDS: u32 = 0
/** 4 bits for each priority, from 0 up. */
export const OPT_PRIO_PRIOMAP: u32 = 1

/** Bytes. */
export const OPT_TBF_LIMIT: u32 = 0
/** Bytes per second. */
export const OPT_TBF_RATE: u32 = 1
export const OPT_TBF_PEAKRATE: u32 = 2
/** Bytes. */
export const OPT_TBF_BURST: u32 = 3
export const OPT_TBF_MTU: u32 = 4
export const OPT_TBF_OVERHEAD: u32 = 5
/** TC_LINKLAYER_* */
export const OPT_TBF_LINKLAYER: u32 = 6

/** Flags of a request that changes a qdisc (linux/netlink.h). */
export const NLM_F_REPLACE: u32 = 0x100
export const NLM_F_EXCL: u32 = 0x200
export const NLM_F_CREATE: u32 = 0x400

/** What a dump tells of a qdisc: u32 words, then 64-bit words of statistics, then the words of its kind. */
export const DUMP_HANDLE: u32 = 0
export const DUMP_PARENT: u32 = 1
export const DUMP_KIND: u32 = 2
export const DUMP_REFCNT: u32 = 3
export const DUMP_DROPS: u32 = 4
export const DUMP_OVERLIMITS: u32 = 5
export const DUMP_REQUEUES: u32 = 6
export const DUMP_BACKLOG: u32 = 7
export const DUMP_QLEN: u32 = 8
/** Handle of a class's child. */
export const DUMP_LEAF: u32 = 9
/** Byte offsets of bytes and packets (u64), and of the kind's words. */
export const DUMP_BYTES: u32 = 48
export const DUMP_PACKETS: u32 = 56
export const DUMP_OPTIONS: u32 = 64
/** 64-bit words that a kind may tell; bytes of a record. */
export const DUMP_WORDS: u32 = 64
export const DUMP_SIZE: u32 = 576
