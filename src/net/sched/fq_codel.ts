// fq_codel's options in tc's words. Mirrors iproute2's tc/q_fq_codel.c.

import * as uapi from '../../../assembly/uapi/pkt_sched.ts'
import {
  type Kind,
  type Options,
  type ReadWord,
  type Readers,
  type Words,
  readNumber,
  readOptions,
  readUs,
  refuseUnknown,
  showStats,
} from './kind.ts'
import { parseSize } from './units.ts'

const KIND = 'fq_codel'

/** What it counts, in the order of the core's words (STAT_FQ_CODEL). */
const STATS = [
  'maxpacket',
  'drop_overlimit',
  'new_flow_count',
  'ecn_mark',
  'ce_mark',
  'memory_used',
  'drop_overmemory',
  'new_flows_len',
  'old_flows_len',
] as const

const number = readNumber(KIND)
const us = readUs(KIND)

const READERS: Readers = {
  limit: [uapi.OPT_FQ_CODEL_LIMIT, number],
  flows: [uapi.OPT_FQ_CODEL_FLOWS, number],
  quantum: [uapi.OPT_FQ_CODEL_QUANTUM, number],
  target: [uapi.OPT_FQ_CODEL_TARGET, us],
  interval: [uapi.OPT_FQ_CODEL_INTERVAL, us],
  ce_threshold: [uapi.OPT_FQ_CODEL_CE_THRESHOLD, us],
  memory_limit: [uapi.OPT_FQ_CODEL_MEMORY_LIMIT, (word, option) => parseSize(word, { kind: KIND, option })],
  drop_batch: [uapi.OPT_FQ_CODEL_DROP_BATCH_SIZE, number],
}

function parse(options: Options): Words | undefined {
  refuseUnknown(KIND, options, [...Object.keys(READERS), 'ecn', 'noecn'])
  const words = readOptions(READERS, options)
  // A word that stands alone: {ecn: true}, {noecn: true}.
  if (options['ecn'] !== undefined) words.set(uapi.OPT_FQ_CODEL_ECN, options['ecn'] ? 1n : 0n)
  if (options['noecn']) words.set(uapi.OPT_FQ_CODEL_ECN, 0n)
  return words.size ? words : undefined
}

function show(words: ReadWord): Record<string, unknown> {
  const of = (id: number): number => Number(words(id))
  const threshold = words(uapi.OPT_FQ_CODEL_CE_THRESHOLD)
  return {
    limit: of(uapi.OPT_FQ_CODEL_LIMIT),
    flows: of(uapi.OPT_FQ_CODEL_FLOWS),
    quantum: of(uapi.OPT_FQ_CODEL_QUANTUM),
    target: of(uapi.OPT_FQ_CODEL_TARGET),
    ...(threshold <= 0xffffffffn && { ce_threshold: Number(threshold) }),
    interval: of(uapi.OPT_FQ_CODEL_INTERVAL),
    memory_limit: of(uapi.OPT_FQ_CODEL_MEMORY_LIMIT),
    ...(of(uapi.OPT_FQ_CODEL_ECN) !== 0 && { ecn: true }),
    drop_batch: of(uapi.OPT_FQ_CODEL_DROP_BATCH_SIZE),
  }
}

export const fqCodelKind: Kind = {
  id: uapi.QDISC_FQ_CODEL,
  parse,
  show,
  stats: (words) => showStats(STATS, uapi.STAT_FQ_CODEL, words),
}
