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
/** Dumps only: ns that the bucket holds, and that of the peak rate. */
export const OPT_TBF_BUFFER: u32 = 7
export const OPT_TBF_PBUFFER: u32 = 8

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

export const OPT_FQ_PLIMIT: u32 = 0
export const OPT_FQ_FLOW_PLIMIT: u32 = 1
export const OPT_FQ_QUANTUM: u32 = 2
export const OPT_FQ_INITIAL_QUANTUM: u32 = 3
/** Bytes per second; all ones: no limit. */
export const OPT_FQ_FLOW_MAX_RATE: u32 = 4
export const OPT_FQ_LOW_RATE_THRESHOLD: u32 = 5
export const OPT_FQ_BUCKETS_LOG: u32 = 6
/** us */
export const OPT_FQ_REFILL_DELAY: u32 = 7
export const OPT_FQ_ORPHAN_MASK: u32 = 8
/** us */
export const OPT_FQ_CE_THRESHOLD: u32 = 9
/** ns */
export const OPT_FQ_TIMER_SLACK: u32 = 10
/** us */
export const OPT_FQ_HORIZON: u32 = 11
export const OPT_FQ_HORIZON_DROP: u32 = 12
export const OPT_FQ_RATE_ENABLE: u32 = 13
/** 4 bits for each priority. */
export const OPT_FQ_PRIOMAP: u32 = 14
export const OPT_FQ_WEIGHT0: u32 = 15
export const OPT_FQ_WEIGHT1: u32 = 16
export const OPT_FQ_WEIGHT2: u32 = 17
/** What fq counts, in the order of STATS_FQ (src/net/sched/fq.ts). */
export const STAT_FQ: u32 = 24

export const OPT_FQ_CODEL_TARGET: u32 = 0
export const OPT_FQ_CODEL_LIMIT: u32 = 1
export const OPT_FQ_CODEL_INTERVAL: u32 = 2
export const OPT_FQ_CODEL_ECN: u32 = 3
export const OPT_FQ_CODEL_FLOWS: u32 = 4
export const OPT_FQ_CODEL_QUANTUM: u32 = 5
export const OPT_FQ_CODEL_CE_THRESHOLD: u32 = 6
export const OPT_FQ_CODEL_DROP_BATCH_SIZE: u32 = 7
export const OPT_FQ_CODEL_MEMORY_LIMIT: u32 = 8
/** What fq_codel counts, in the order of STATS_FQ_CODEL (src/net/sched/fq_codel.ts). */
export const STAT_FQ_CODEL: u32 = 16

export const OPT_NETEM_LIMIT: u32 = 0
/** ns */
export const OPT_NETEM_LATENCY: u32 = 1
export const OPT_NETEM_JITTER: u32 = 2
/** Shares of 2^32 - 1. */
export const OPT_NETEM_DELAY_CORR: u32 = 3
export const OPT_NETEM_LOSS: u32 = 4
export const OPT_NETEM_LOSS_CORR: u32 = 5
export const OPT_NETEM_DUPLICATE: u32 = 6
export const OPT_NETEM_DUP_CORR: u32 = 7
export const OPT_NETEM_CORRUPT: u32 = 8
export const OPT_NETEM_CORRUPT_CORR: u32 = 9
export const OPT_NETEM_REORDER: u32 = 10
export const OPT_NETEM_REORDER_CORR: u32 = 11
export const OPT_NETEM_GAP: u32 = 12
/** NETEM_LOSS_*, and its parameters a1 to a5. */
export const OPT_NETEM_LOSS_MODEL: u32 = 13
export const OPT_NETEM_LOSS_A1: u32 = 14
/** Bytes per second, and what a packet is counted for besides its bytes. */
export const OPT_NETEM_RATE: u32 = 20
export const OPT_NETEM_PACKET_OVERHEAD: u32 = 21
export const OPT_NETEM_CELL_SIZE: u32 = 22
export const OPT_NETEM_CELL_OVERHEAD: u32 = 23
export const OPT_NETEM_ECN: u32 = 24
/** ns, ns, packets, bytes, ns, ns. */
export const OPT_NETEM_SLOT_MIN: u32 = 25
export const OPT_NETEM_SLOT_MAX: u32 = 26
export const OPT_NETEM_SLOT_PACKETS: u32 = 27
export const OPT_NETEM_SLOT_BYTES: u32 = 28
export const OPT_NETEM_SLOT_DELAY: u32 = 29
export const OPT_NETEM_SLOT_JITTER: u32 = 30
export const OPT_NETEM_SEED: u32 = 31
/** Address and entries of a table of 16-bit numbers: how delays, and slots, are distributed. */
export const OPT_NETEM_DIST: u32 = 32
export const OPT_NETEM_DIST_SIZE: u32 = 33
export const OPT_NETEM_SLOT_DIST: u32 = 34
export const OPT_NETEM_SLOT_DIST_SIZE: u32 = 35
/** Loss models. */
export const NETEM_LOSS_RANDOM: u32 = 0
export const NETEM_LOSS_GI: u32 = 1
export const NETEM_LOSS_GE: u32 = 2
