// What the kinds of qdiscs have in common on this side: tc's words in, the core's words out, and back.

import { invalid } from '../../wasm/errors.ts'
import { type Word, parseNs, parseU32 } from './units.ts'

/** Options in tc's words; a word that stands alone is true. */
export type Options = Readonly<Record<string, Word | undefined>>

/** Values by the numbers of assembly/uapi/pkt_sched.ts. */
export type Words = Map<number, bigint>

/** Reads a word of a dump. */
export type ReadWord = (id: number) => bigint

export interface Kind {
  /** QDISC_* */
  id: number
  /** undefined: no options at all, so the kernel's defaults. EINVAL as tc refuses. */
  parse(options: Options): Words | undefined
  /** Tables of 16-bit numbers that the options ask for, by the word that takes their address; the next takes their length. */
  tables?(options: Options): ReadonlyMap<number, readonly number[]>
  /** The member "options" of `tc -j qdisc show`. */
  show(words: ReadWord): Record<string, unknown>
  /** What `tc -s` adds. */
  stats?(words: ReadWord): Record<string, unknown>
}

/** EINVAL for a word that the kind does not have. */
export function refuseUnknown(kind: string, options: Options, known: readonly string[]): void {
  const other = Object.keys(options).find((name) => options[name] !== undefined && !known.includes(name))
  if (other !== undefined) throw invalid('RTM_NEWQDISC', `${kind}: unknown parameter "${other}"`)
}

/** Reads an option's word as a number. */
export type Reader = (word: Word, option: string) => number

/** Options that are one number each: where it goes, and how it is read. */
export type Readers = Readonly<Record<string, readonly [id: number, read: Reader]>>

export const readNumber =
  (kind: string): Reader =>
  (word, option) =>
    parseU32(word, { kind, option })

/** A time in whole microseconds. */
export const readUs =
  (kind: string): Reader =>
  (word, option) =>
    Math.floor(parseNs(word, { kind, option }) / 1000)

/** The words of those options that are given. */
export function readOptions(readers: Readers, options: Options): Words {
  const words: Words = new Map()
  for (const [option, [id, read]] of Object.entries(readers)) {
    const word = options[option]
    if (word !== undefined) words.set(id, BigInt(read(word, option)))
  }
  return words
}

/** Counters by their names, the first of which is at a number of its own. */
export function showStats(names: readonly string[], first: number, words: ReadWord): Record<string, number> {
  return Object.fromEntries(names.map((name, i) => [name, Number(words(first + i))]))
}
