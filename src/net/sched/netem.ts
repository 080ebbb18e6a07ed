// netem's options in tc's words: each a string of what stands behind its name ({delay: '100ms 10ms 25%', loss: '1%'}).
// Mirrors iproute2's tc/q_netem.c.

import * as uapi from '../../../assembly/uapi/pkt_sched.ts'
import { invalid } from '../../wasm/errors.ts'
import { distributionTable } from './distribution.ts'
import { type Kind, type Options, type ReadWord, type Words, refuseUnknown } from './kind.ts'
import { type Word, parseByteRate, parseNs, parseShare, parseSize, parseU32 } from './units.ts'

const KIND = 'netem'
const ALL = 0xffffffff
const OPTIONS = [
  'limit',
  'delay',
  'latency',
  'distribution',
  'loss',
  'drop',
  'duplicate',
  'corrupt',
  'reorder',
  'gap',
  'rate',
  'slot',
  'ecn',
  'seed',
]

const refuse = (what: string): Error => invalid('RTM_NEWQDISC', `netem: ${what}`)
const asked = (option: string) => ({ kind: KIND, option })
const share = (word: Word, option: string): bigint => BigInt(parseShare(word, asked(option)))
const time = (word: Word, option: string): bigint => BigInt(parseNs(word, asked(option)))

/** The words behind an option, at most count of them. */
function wordsOf(options: Options, option: string, count: number): string[] {
  const text = options[option]
  if (text === undefined) return []
  const words = String(text).trim().split(/\s+/)
  if (words.length > count) throw refuse(`What is "${words[count]}"?`)
  return words
}

function parseDelay(options: Options, words: Words): void {
  const option = options['delay'] === undefined ? 'latency' : 'delay'
  const [latency, jitter, correlation] = wordsOf(options, option, 3)
  if (latency !== undefined) words.set(uapi.OPT_NETEM_LATENCY, time(latency, option))
  if (jitter !== undefined) words.set(uapi.OPT_NETEM_JITTER, time(jitter, option))
  if (correlation !== undefined) words.set(uapi.OPT_NETEM_DELAY_CORR, share(correlation, option))
}

/** A probability and its correlation. */
function parsePair(options: Options, option: string, ids: readonly [number, number], words: Words): void {
  const given = wordsOf(options, option, 2)
  given.forEach((word, i) => words.set(ids[i]!, share(word, option)))
}

/** p13 [p31 [p32 [p23 [p14]]]] */
function parseStates(given: readonly string[], words: Words): void {
  if (given.length === 0 || given.length > 5) throw refuse('loss state P13 [P31 [P32 [P23 [P14]]]]')
  const [p13, p31, p32, p23, p14] = given.map((word) => share(word, 'loss state')) as (bigint | undefined)[]
  const model = [p13!, p31 ?? BigInt(ALL) - p13!, p32 ?? 0n, p14 ?? 0n, p23 ?? BigInt(ALL)]
  words.set(uapi.OPT_NETEM_LOSS_MODEL, BigInt(uapi.NETEM_LOSS_GI))
  model.forEach((value, i) => words.set(uapi.OPT_NETEM_LOSS_A1 + i, value))
}

/** p [r [1-h [1-k]]] */
function parseGilbertElliot(given: readonly string[], words: Words): void {
  if (given.length === 0 || given.length > 4) throw refuse('loss gemodel P [R [1-H [1-K]]]')
  const [p, r, h, k] = given.map((word) => share(word, 'loss gemodel')) as (bigint | undefined)[]
  const model = [p!, r ?? BigInt(ALL) - p!, h === undefined ? 0n : BigInt(ALL) - h, k ?? 0n]
  words.set(uapi.OPT_NETEM_LOSS_MODEL, BigInt(uapi.NETEM_LOSS_GE))
  model.forEach((value, i) => words.set(uapi.OPT_NETEM_LOSS_A1 + i, value))
}

function parseLoss(options: Options, words: Words): void {
  const given = wordsOf(options, options['loss'] === undefined ? 'drop' : 'loss', 6)
  const [first, ...rest] = given
  if (first === undefined) return
  if (first === 'state') return parseStates(rest, words)
  if (first === 'gemodel') return parseGilbertElliot(rest, words)
  const pair = first === 'random' ? rest : given
  if (pair.length === 0 || pair.length > 2) throw refuse('loss [random] PERCENT [CORRELATION]')
  words.set(uapi.OPT_NETEM_LOSS, share(pair[0]!, 'loss'))
  if (pair[1] !== undefined) words.set(uapi.OPT_NETEM_LOSS_CORR, share(pair[1], 'loss'))
}

/** RATE [PACKETOVERHEAD [CELLSIZE [CELLOVERHEAD]]] */
function parseRate(options: Options, words: Words): void {
  const [rate, ...rest] = wordsOf(options, 'rate', 4)
  if (rate === undefined) return
  words.set(uapi.OPT_NETEM_RATE, BigInt(parseByteRate(rate, asked('rate'))))
  rest.forEach((word, i) => {
    if (!/^-?\d+$/.test(word)) throw refuse(`Illegal "rate" ${word}`)
    words.set(uapi.OPT_NETEM_PACKET_OVERHEAD + i, BigInt.asUintN(32, BigInt(word)))
  })
}

/** MIN [MAX] | distribution NAME DELAY JITTER, [packets N] [bytes N] */
function parseSlot(options: Options, words: Words): number[] | undefined {
  const given = wordsOf(options, 'slot', 9)
  if (!given.length) return undefined
  let table: number[] | undefined
  if (given[0] === 'distribution') {
    const [, name, delay, jitter] = given.splice(0, 4)
    table = tableOf(name ?? '')
    words.set(uapi.OPT_NETEM_SLOT_DELAY, time(delay ?? '', 'slot'))
    words.set(uapi.OPT_NETEM_SLOT_JITTER, time(jitter ?? '', 'slot'))
  } else {
    const min = time(given.shift()!, 'slot')
    const max = given[0] !== undefined && /^[\d.]/.test(given[0]) ? time(given.shift()!, 'slot') : min
    if (max < min) throw refuse('slot: the largest delay is below the smallest')
    words.set(uapi.OPT_NETEM_SLOT_MIN, min)
    words.set(uapi.OPT_NETEM_SLOT_MAX, max)
  }
  while (given.length) {
    const [name, value] = given.splice(0, 2)
    if (name === 'packets') words.set(uapi.OPT_NETEM_SLOT_PACKETS, BigInt(parseU32(value ?? '', asked('slot packets'))))
    else if (name === 'bytes') words.set(uapi.OPT_NETEM_SLOT_BYTES, BigInt(parseSize(value ?? '', asked('slot bytes'))))
    else throw refuse(`What is "${name}"?`)
  }
  return table
}

/** A distribution by its name; uniform is none. ENOENT as tc finds no file. */
function tableOf(name: string): number[] | undefined {
  if (name === 'uniform') return undefined
  const table = distributionTable(name)
  if (!table) throw refuse(`Cannot load distribution "${name}": there are normal, pareto, paretonormal, uniform`)
  return table
}

function parse(options: Options): Words {
  refuseUnknown(KIND, options, OPTIONS)
  const words: Words = new Map()
  if (options['limit'] !== undefined)
    words.set(uapi.OPT_NETEM_LIMIT, BigInt(parseSize(options['limit'], asked('limit'))))
  parseDelay(options, words)
  parseLoss(options, words)
  parsePair(options, 'duplicate', [uapi.OPT_NETEM_DUPLICATE, uapi.OPT_NETEM_DUP_CORR], words)
  parsePair(options, 'corrupt', [uapi.OPT_NETEM_CORRUPT, uapi.OPT_NETEM_CORRUPT_CORR], words)
  parsePair(options, 'reorder', [uapi.OPT_NETEM_REORDER, uapi.OPT_NETEM_REORDER_CORR], words)
  parseRate(options, words)
  if (options['ecn']) words.set(uapi.OPT_NETEM_ECN, 1n)
  if (options['seed'] !== undefined) words.set(uapi.OPT_NETEM_SEED, BigInt(options['seed']))
  const gap = options['gap'] === undefined ? undefined : parseU32(options['gap'], asked('gap'))
  const reorders = words.has(uapi.OPT_NETEM_REORDER)
  if (reorders && !words.get(uapi.OPT_NETEM_LATENCY))
    throw refuse('reordering not possible without specifying some delay')
  if (gap && !reorders) throw refuse('gap specified without reorder probability')
  if (gap ?? reorders) words.set(uapi.OPT_NETEM_GAP, BigInt(gap || 1))
  if (words.has(uapi.OPT_NETEM_LOSS_CORR) && !words.get(uapi.OPT_NETEM_LOSS))
    throw refuse('loss correlation without loss')
  return words
}

/** Tables that the options ask for, by the word that takes their address. */
export function netemTables(options: Options): Map<number, number[]> {
  const tables = new Map<number, number[]>()
  if (options['distribution'] !== undefined) {
    const [latency, jitter] = wordsOf(options, options['delay'] === undefined ? 'latency' : 'delay', 3)
    if (latency === undefined || jitter === undefined)
      throw refuse('distribution specified but no latency and jitter values')
    const table = tableOf(String(options['distribution']))
    if (table) tables.set(uapi.OPT_NETEM_DIST, table)
  }
  const slot = parseSlot(options, new Map())
  if (slot) tables.set(uapi.OPT_NETEM_SLOT_DIST, slot)
  return tables
}

const fraction = (value: bigint): number => Number(value) / ALL
const seconds = (ns: bigint): number => Number(ns) / 1e9

function showLoss(words: ReadWord): Record<string, unknown> {
  const of = (i: number): number => fraction(words(uapi.OPT_NETEM_LOSS_A1 + i))
  const model = Number(words(uapi.OPT_NETEM_LOSS_MODEL))
  if (model === uapi.NETEM_LOSS_GI)
    return { 'loss-state': { p13: of(0), p31: of(1), p32: of(2), p23: of(4), p14: of(3) } }
  if (model === uapi.NETEM_LOSS_GE) return { 'loss-gemodel': { p: of(0), r: of(1), '1-h': 1 - of(2), '1-k': of(3) } }
  const loss = words(uapi.OPT_NETEM_LOSS)
  return loss ? { 'loss-random': { loss: fraction(loss), correlation: fraction(words(uapi.OPT_NETEM_LOSS_CORR)) } } : {}
}

function showPair(words: ReadWord, name: string, id: number, correlation: number): Record<string, unknown> {
  const value = words(id)
  return value ? { [name]: { [name]: fraction(value), correlation: fraction(words(correlation)) } } : {}
}

function show(words: ReadWord): Record<string, unknown> {
  const of = (id: number): number => Number(words(id))
  const latency = words(uapi.OPT_NETEM_LATENCY)
  const jitter = words(uapi.OPT_NETEM_JITTER)
  const signed = (id: number): number => of(id) | 0
  return {
    limit: of(uapi.OPT_NETEM_LIMIT),
    ...(latency && {
      delay: {
        delay: seconds(latency),
        jitter: seconds(jitter),
        correlation: fraction(words(uapi.OPT_NETEM_DELAY_CORR)),
      },
    }),
    ...showLoss(words),
    ...showPair(words, 'duplicate', uapi.OPT_NETEM_DUPLICATE, uapi.OPT_NETEM_DUP_CORR),
    ...showPair(words, 'reorder', uapi.OPT_NETEM_REORDER, uapi.OPT_NETEM_REORDER_CORR),
    ...showPair(words, 'corrupt', uapi.OPT_NETEM_CORRUPT, uapi.OPT_NETEM_CORRUPT_CORR),
    ...(of(uapi.OPT_NETEM_RATE) && {
      rate: {
        rate: of(uapi.OPT_NETEM_RATE),
        packetoverhead: signed(uapi.OPT_NETEM_PACKET_OVERHEAD),
        cellsize: of(uapi.OPT_NETEM_CELL_SIZE),
        celloverhead: signed(uapi.OPT_NETEM_CELL_OVERHEAD),
      },
    }),
    ...(of(uapi.OPT_NETEM_SLOT_MIN) && {
      slot: { 'min-delay': of(uapi.OPT_NETEM_SLOT_MIN), 'max-delay': of(uapi.OPT_NETEM_SLOT_MAX) },
    }),
    ecn: of(uapi.OPT_NETEM_ECN) !== 0,
    gap: of(uapi.OPT_NETEM_GAP),
    seed: words(uapi.OPT_NETEM_SEED).toString(),
  }
}

export const netemKind: Kind = {
  id: uapi.QDISC_NETEM,
  parse: (options) => {
    const words = parse(options)
    parseSlot(options, words)
    return words
  },
  tables: netemTables,
  show,
}
