// fq's options in tc's words. Mirrors iproute2's tc/q_fq.c (bands and weights as in 6.8 and later).

import * as uapi from '../../../assembly/uapi/pkt_sched.ts'
import { invalid } from '../../wasm/errors.ts'
import {
  type Kind,
  type Options,
  type ReadWord,
  type Reader,
  type Readers,
  type Words,
  readNumber,
  readOptions,
  readUs,
  refuseUnknown,
  showStats,
} from './kind.ts'
import { type Word, parseByteRate, parseNs } from './units.ts'

const KIND = 'fq'
const NO_RATE = 0xffffffffffffffffn
const NO_THRESHOLD = 0xffffffff

/** What it counts, in the order of the core's words (STAT_FQ). */
const STATS = [
  'flows',
  'inactive',
  'throttled',
  'band0_pkts',
  'band1_pkts',
  'band2_pkts',
  'band0_drops',
  'band1_drops',
  'band2_drops',
  'next_packet_delay',
  'gc',
  'highprio',
  'fastpath',
  'throttled_flows',
  'ce_mark',
  'horizon_drops',
  'horizon_caps',
  'flows_plimit',
  'pkts_too_long',
  'alloc_errors',
] as const

const number = readNumber(KIND)
const us = readUs(KIND)
const rate: Reader = (word, option) => parseByteRate(word, { kind: KIND, option })

/** The number of buckets as a power of two. */
const buckets: Reader = (word, option) => {
  const log = Math.log2(number(word, option))
  if (!Number.isInteger(log)) throw invalid('RTM_NEWQDISC', `fq: "buckets" must be a power of two, not ${word}`)
  return log
}

const READERS: Readers = {
  limit: [uapi.OPT_FQ_PLIMIT, number],
  flow_limit: [uapi.OPT_FQ_FLOW_PLIMIT, number],
  buckets: [uapi.OPT_FQ_BUCKETS_LOG, buckets],
  orphan_mask: [uapi.OPT_FQ_ORPHAN_MASK, number],
  quantum: [uapi.OPT_FQ_QUANTUM, number],
  initial_quantum: [uapi.OPT_FQ_INITIAL_QUANTUM, number],
  maxrate: [uapi.OPT_FQ_FLOW_MAX_RATE, rate],
  low_rate_threshold: [uapi.OPT_FQ_LOW_RATE_THRESHOLD, rate],
  refill_delay: [uapi.OPT_FQ_REFILL_DELAY, us],
  ce_threshold: [uapi.OPT_FQ_CE_THRESHOLD, us],
  timer_slack: [uapi.OPT_FQ_TIMER_SLACK, (word, option) => parseNs(word, { kind: KIND, option })],
  horizon: [uapi.OPT_FQ_HORIZON, us],
}

/** Words that stand alone: {pacing: true}. */
const FLAGS: Readonly<Record<string, readonly [id: number, value: bigint]>> = {
  pacing: [uapi.OPT_FQ_RATE_ENABLE, 1n],
  nopacing: [uapi.OPT_FQ_RATE_ENABLE, 0n],
  horizon_drop: [uapi.OPT_FQ_HORIZON_DROP, 1n],
  horizon_cap: [uapi.OPT_FQ_HORIZON_DROP, 0n],
}

const list = (word: Word, option: string, count: number): number[] => {
  const values = String(word).trim().split(/\s+/)
  if (values.length !== count) throw invalid('RTM_NEWQDISC', `fq: "${option}" takes ${count} numbers`)
  return values.map((value) => number(value, option))
}

function parse(options: Options): Words | undefined {
  refuseUnknown(KIND, options, [...Object.keys(READERS), ...Object.keys(FLAGS), 'priomap', 'weights'])
  const words = readOptions(READERS, options)
  for (const [option, [id, value]] of Object.entries(FLAGS)) if (options[option]) words.set(id, value)
  if (options['priomap'] !== undefined) {
    const map = list(options['priomap'], 'priomap', 16)
    words.set(
      uapi.OPT_FQ_PRIOMAP,
      map.reduce((sum, band, i) => sum | (BigInt(Math.min(band, 15)) << BigInt(4 * i)), 0n),
    )
  }
  if (options['weights'] !== undefined) {
    list(options['weights'], 'weights', 3).forEach((weight, i) => words.set(uapi.OPT_FQ_WEIGHT0 + i, BigInt(weight)))
  }
  return words.size ? words : undefined
}

function show(words: ReadWord): Record<string, unknown> {
  const of = (id: number): number => Number(words(id))
  const map = words(uapi.OPT_FQ_PRIOMAP)
  const threshold = of(uapi.OPT_FQ_CE_THRESHOLD)
  return {
    limit: of(uapi.OPT_FQ_PLIMIT),
    flow_limit: of(uapi.OPT_FQ_FLOW_PLIMIT),
    buckets: 2 ** of(uapi.OPT_FQ_BUCKETS_LOG),
    orphan_mask: of(uapi.OPT_FQ_ORPHAN_MASK),
    ...(of(uapi.OPT_FQ_RATE_ENABLE) === 0 && { pacing: false }),
    bands: 3,
    priomap: Array.from({ length: 16 }, (_, i) => Number((map >> BigInt(4 * i)) & 15n)),
    weights: [0, 1, 2].map((i) => of(uapi.OPT_FQ_WEIGHT0 + i)),
    quantum: of(uapi.OPT_FQ_QUANTUM),
    initial_quantum: of(uapi.OPT_FQ_INITIAL_QUANTUM),
    ...(words(uapi.OPT_FQ_FLOW_MAX_RATE) !== NO_RATE && { maxrate: of(uapi.OPT_FQ_FLOW_MAX_RATE) }),
    low_rate_threshold: of(uapi.OPT_FQ_LOW_RATE_THRESHOLD),
    refill_delay: of(uapi.OPT_FQ_REFILL_DELAY),
    ...(threshold !== NO_THRESHOLD && { ce_threshold: threshold }),
    timer_slack: of(uapi.OPT_FQ_TIMER_SLACK),
    horizon: of(uapi.OPT_FQ_HORIZON),
    ...(of(uapi.OPT_FQ_HORIZON_DROP) ? { horizon_drop: null } : { horizon_cap: null }),
  }
}

export const fqKind: Kind = {
  id: uapi.QDISC_FQ,
  parse,
  show,
  stats: (words) => showStats(STATS, uapi.STAT_FQ, words),
}
