// Rates, sizes, times and shares as tc spells them, and handles. Mirrors get_rate64, get_size, get_time64, get_percent and
// get_tc_classid of iproute2. A plain number stands for its text.

import { invalid } from '../../wasm/errors.ts'

/** How tc words an option. */
export type Word = string | number

const KIBI = 1024

/** Bits per second of each suffix. */
const RATES: Readonly<Record<string, number>> = {
  '': 1,
  bit: 1,
  kibit: KIBI,
  kbit: 1e3,
  mibit: KIBI ** 2,
  mbit: 1e6,
  gibit: KIBI ** 3,
  gbit: 1e9,
  tibit: KIBI ** 4,
  tbit: 1e12,
  bps: 8,
  kibps: 8 * KIBI,
  kbps: 8e3,
  mibps: 8 * KIBI ** 2,
  mbps: 8e6,
  gibps: 8 * KIBI ** 3,
  gbps: 8e9,
  tibps: 8 * KIBI ** 4,
  tbps: 8e12,
}

const SIZES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: KIBI,
  kb: KIBI,
  m: KIBI ** 2,
  mb: KIBI ** 2,
  g: KIBI ** 3,
  gb: KIBI ** 3,
  kbit: KIBI / 8,
  mbit: KIBI ** 2 / 8,
  gbit: KIBI ** 3 / 8,
}

/** Nanoseconds of each suffix; a bare number is microseconds. */
const TIMES: Readonly<Record<string, number>> = {
  '': 1e3,
  s: 1e9,
  sec: 1e9,
  secs: 1e9,
  ms: 1e6,
  msec: 1e6,
  msecs: 1e6,
  us: 1e3,
  usec: 1e3,
  usecs: 1e3,
  ns: 1,
  nsec: 1,
  nsecs: 1,
}

const NUMBER = /^(\d+(?:\.\d*)?|\.\d+)([a-z]*)$/i
const U32 = 4294967295

/** What is asked of a word, and whose it is, for errors. */
export interface Asked {
  kind: string
  option: string
}

function illegal({ kind, option }: Asked, word: unknown): Error {
  return invalid('RTM_NEWQDISC', `${kind}: illegal value for "${option}": "${String(word)}"`)
}

function scaled(word: Word, units: Readonly<Record<string, number>>, asked: Asked): number {
  const match = NUMBER.exec(String(word).trim())
  const unit = match ? units[match[2]!.toLowerCase()] : undefined
  if (!match || unit === undefined) throw illegal(asked, word)
  return Number(match[1]) * unit
}

/** Bytes per second, whole. */
export function parseByteRate(word: Word, asked: Asked): number {
  const bytes = Math.floor(scaled(word, RATES, asked) / 8)
  if (bytes > Number.MAX_SAFE_INTEGER) throw illegal(asked, word)
  return bytes
}

/** Bytes, up to 32 bits. */
export function parseSize(word: Word, asked: Asked): number {
  const size = Math.floor(scaled(word, SIZES, asked))
  if (size > U32) throw illegal(asked, word)
  return size
}

/** Nanoseconds. */
export function parseNs(word: Word, asked: Asked): number {
  const ns = Math.floor(scaled(word, TIMES, asked))
  if (ns > Number.MAX_SAFE_INTEGER) throw illegal(asked, word)
  return ns
}

/** A whole number of 32 bits; decimal, hex or octal. */
export function parseU32(word: Word, asked: Asked, max = U32): number {
  const text = String(word).trim()
  const value = /^0[0-7]+$/.test(text) ? parseInt(text, 8) : /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : NaN
  if (!(value <= max)) throw illegal(asked, word)
  return value
}

/** A share of 2^32 - 1: '10%', '0.1', or 10 for 10 % as netem takes it. */
export function parseShare(word: Word, asked: Asked): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+)(%?)$/.exec(String(word).trim())
  const percent = match ? Number(match[1]) : NaN
  if (!(percent <= 100)) throw illegal(asked, word)
  return Math.round((percent / 100) * U32)
}

/** '1:' as a qdisc's handle; EINVAL. */
export function parseHandle(text: string): number {
  const match = /^([0-9a-f]{1,4}):?0?$/i.exec(text)
  if (!match) throw invalid('RTM_NEWQDISC', `"${text}" is invalid qdisc ID`)
  return (parseInt(match[1]!, 16) << 16) >>> 0
}

/** '1:2' as a class, 'root' as none; EINVAL. */
export function parseClassid(text: string): number {
  if (text === 'root') return 0xffffffff
  const match = /^([0-9a-f]{0,4}):([0-9a-f]{0,4})$/i.exec(text)
  if (!match) throw invalid('RTM_NEWQDISC', `"${text}" is invalid class ID`)
  return ((parseInt(match[1] || '0', 16) << 16) | parseInt(match[2] || '0', 16)) >>> 0
}

/** As tc writes it: '1:' for a qdisc, '1:2' for a class. */
export function formatClassid(id: number): string {
  const minor = id & 0xffff
  const major = id >>> 16
  return `${major === 0 && minor !== 0 ? '' : major.toString(16)}:${minor === 0 ? '' : minor.toString(16)}`
}

/** What tc makes of a bucket's time: the kernel tells it in ticks of 64 ns, tc knows whole microseconds. */
export function bucketUs(ns: bigint): number {
  return Math.floor(Number(ns >> 6n) / 15.625)
}
