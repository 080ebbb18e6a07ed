/**
 * Is what a run gave what the real kernel gave? Compares all of `expect` but `norm`, `is`, `drops` and what is
 * `unstable`, and names the first difference in the order in which a developer wants to see them: step by step the
 * result, frames, reads, counters; then the totals.
 */
import { compress, expand, toHex } from './bytestr.ts'
import { dissect, dissectIp } from './dissect.ts'
import { fragmentLabel, ipId, ipOffset, normalize, wrongChecksum } from './normalize.ts'
import type { Bytes, Counters, Expect, IptablesCounters, ReadEntry, Scenario, StepExpect, TxFrame } from './scenario.ts'

/** The first thing that is not as recorded; values are short texts for people. */
export interface Difference {
  /** Like `steps[2].tx.eth0[0].bytes`. */
  path: string
  expected: string
  got: string
  /** Bytes: the first one that differs. */
  offset?: number
}

type Entry = TxFrame & ReadEntry
type Found = Difference | null
type Json = Record<string, unknown>

interface Context {
  unstable: ReadonlySet<string>
  /** What id each label of fragments has, and where that was seen first. */
  labels: Map<string, { id: number; path: string }>
}

const NOTHING = '(nothing)'
const LONGEST_TEXT = 220
/** Members of an entry that are bytes; the value is how they are described. */
const FRAMES = { bytes: dissect, frame: dissect, packet: dissectIp, data: null } as const
const FRAME_KEYS = Object.keys(FRAMES) as (keyof typeof FRAMES)[]
/** Which of these an entry has tells what it is; where that differs the whole entry is shown. */
const KINDS = [...FRAME_KEYS, 'err', 'eof', 'queue'] as const
const IGNORED = ['norm', 'is']
/** Members of cmsg that are bytes: IP options, and what the recorder does not know. */
const CMSG_BYTES = /\.(IP_RECVOPTS|IP_RETOPTS|\d+\.\d+)$/

// ---- texts ----

const bytesOf = (value: Bytes): Uint8Array => (typeof value === 'string' ? expand(value) : value)

function shorten(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}...` : text
}

function show(value: unknown): string {
  if (isEmpty(value)) return NOTHING
  if (value instanceof Uint8Array) return shorten(compress(value))
  return shorten(
    JSON.stringify(value, (key, v) => (key === 'is' ? undefined : v instanceof Uint8Array ? compress(v) : v)),
  )
}

/** All bytes where they are few, else those around `at`. */
function showBytes(bytes: Uint8Array, at: number): string {
  const text = compress(bytes)
  if (text.length <= LONGEST_TEXT) return text || '(no bytes)'
  const from = Math.max(0, at - 16)
  const to = Math.min(bytes.length, from + 64)
  return `bytes ${from} to ${to} of ${bytes.length}: ${toHex(bytes, from, to)}`
}

// ---- values ----

/** Empty members are left out of recordings: missing, {} and [] are the same. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (value instanceof Uint8Array || typeof value !== 'object') return false
  return Object.keys(value).length === 0
}

function firstDifferent(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return i
  return a.length === b.length ? -1 : n
}

function bytesDifference(
  e: Uint8Array,
  g: Uint8Array,
  path: string,
  describe: ((b: Uint8Array) => string) | null,
): Found {
  const offset = firstDifferent(e, g)
  if (offset < 0) return null
  const text = (b: Uint8Array): string => showBytes(b, offset) + (describe ? `  ${describe(b)}` : '')
  return { path, expected: text(e), got: text(g), offset }
}

const isBytes = (value: unknown): value is Bytes => typeof value === 'string' || value instanceof Uint8Array

/** Strings are bytes where their place says so, or where the other side has bytes. */
function meansBytes(e: unknown, g: unknown, path: string): boolean {
  return e instanceof Uint8Array || g instanceof Uint8Array || CMSG_BYTES.test(path)
}

function valueDifference(e: unknown, g: unknown, path: string): Found {
  if (e === g || (isEmpty(e) && isEmpty(g))) return null
  if (isBytes(e) && isBytes(g) && meansBytes(e, g, path)) return bytesDifference(bytesOf(e), bytesOf(g), path, null)
  const differ = isEmpty(e) || isEmpty(g) || typeof e !== typeof g || Array.isArray(e) !== Array.isArray(g)
  if (differ || typeof e !== 'object') return { path, expected: show(e), got: show(g) }
  for (const key of namesOf(e as Json, g as Json)) {
    const at = Array.isArray(e) ? `${path}[${key}]` : `${path}.${key}`
    const found = valueDifference((e as Json)[key], (g as Json)[key], at)
    if (found) return found
  }
  return null
}

/** The names of both, the expected ones first. */
function namesOf(e: object = {}, g: object = {}): string[] {
  return [...new Set([...Object.keys(e), ...Object.keys(g)])]
}

/** All counters that differ, in one difference; a missing one is 0. */
function countersDifference(ctx: Context, e: Counters = {}, g: Counters = {}, path: string): Found {
  const names = namesOf(e, g).filter((name) => !ctx.unstable.has(name) && (e[name] ?? 0) !== (g[name] ?? 0))
  if (!names.length) return null
  const text = (c: Counters): string => shorten(names.map((name) => `${name} ${c[name] ?? 0}`).join(', '))
  return { path, expected: text(e), got: text(g) }
}

// ---- frames and reads ----

const isFrame = (key: string): boolean => key !== 'data'
const offsetOf = (key: string, bytes: Uint8Array): number => (key === 'packet' ? 0 : ipOffset(bytes))

function frameDifference(ctx: Context, key: keyof typeof FRAMES, e: Entry, g: Entry, path: string): Found {
  const at = `${path}.${key}`
  const norm = e.norm ?? []
  const expected = bytesOf(e[key]!)
  const got = bytesOf(g[key]!)
  const [eo, go] = [offsetOf(key, expected), offsetOf(key, got)]
  const describe = FRAMES[key]
  const found = bytesDifference(
    normalize(expected, eo, norm, expected),
    normalize(got, go, norm, expected),
    at,
    describe,
  )
  if (found) return found
  const wrong = key === 'bytes' ? wrongChecksum(got, norm) : null
  if (wrong) return { path: at, expected: `a right ${wrong} checksum`, got: `${showBytes(got, 0)}  ${dissect(got)}` }
  const label = fragmentLabel(norm)
  const first = label === undefined ? undefined : ctx.labels.get(label)
  if (!first || first.id === ipId(got, go)) return null
  return {
    path: at,
    expected: `IP id ${first.id}, as ${first.path} of the same datagram`,
    got: `IP id ${ipId(got, go)}`,
  }
}

/** What is no frame and not to be ignored. */
function remaining(entry: Entry): Json {
  return Object.fromEntries(Object.entries(entry).filter(([key]) => !(key in FRAMES) && !IGNORED.includes(key)))
}

/** An entry of tx or of a socket, or a result. */
function entryDifference(ctx: Context, e: Entry, g: Entry, path: string): Found {
  if (KINDS.some((key) => (e[key] === undefined) !== (g[key] === undefined)))
    return { path, expected: showEntry(e), got: showEntry(g) }
  for (const key of FRAME_KEYS) {
    if (e[key] === undefined) continue
    const found = isFrame(key)
      ? frameDifference(ctx, key, e, g, path)
      : bytesDifference(bytesOf(e[key]!), bytesOf(g[key]!), `${path}.${key}`, null)
    if (found) return found
  }
  return valueDifference(remaining(e), remaining(g), path)
}

/** Remembers the ids of fragments once an entry is known to be the right one. */
function remember(ctx: Context, e: Entry, g: Entry, path: string): void {
  const label = fragmentLabel(e.norm ?? [])
  if (label === undefined || ctx.labels.has(label)) return
  for (const key of FRAME_KEYS) {
    if (!isFrame(key) || g[key] === undefined) continue
    const bytes = bytesOf(g[key]!)
    ctx.labels.set(label, { id: ipId(bytes, offsetOf(key, bytes)), path })
  }
}

function orderedDifference(ctx: Context, e: Entry[], g: Entry[], path: string): Found {
  for (let i = 0; i < Math.max(e.length, g.length); i++) {
    const at = `${path}[${i}]`
    if (i >= e.length || i >= g.length) return { path: at, expected: showEntry(e[i]), got: showEntry(g[i]) }
    const found = entryDifference(ctx, e[i], g[i], at)
    if (found) return found
    remember(ctx, e[i], g[i], at)
  }
  return null
}

function showEntry(entry: Entry | undefined): string {
  const frame = entry?.bytes ?? entry?.frame
  if (!entry || frame === undefined) return show(entry)
  const bytes = bytesOf(frame)
  return `${showBytes(bytes, 0)}  ${dissect(bytes)}`
}

/** As multisets. What is normalised least chooses first, or it could lose its partner to a more tolerant one. */
function unorderedDifference(ctx: Context, e: Entry[], g: Entry[], path: string): Found {
  const left = new Set(g)
  const unmatched: number[] = []
  const strictness = (i: number): number => e[i].norm?.length ?? 0
  for (const i of [...e.keys()].sort((a, b) => strictness(a) - strictness(b))) {
    const at = `${path}[${i}]`
    const partner = [...left].find((x) => !entryDifference(ctx, e[i], x, at))
    if (!partner) {
      unmatched.push(i)
      continue
    }
    left.delete(partner)
    remember(ctx, e[i], partner, at)
  }
  const [rest] = left
  if (!unmatched.length) {
    return rest ? { path: `${path}[${g.indexOf(rest)}]`, expected: NOTHING, got: showEntry(rest) } : null
  }
  const i = Math.min(...unmatched)
  const at = `${path}[${i}]`
  return rest ? entryDifference(ctx, e[i], rest, at) : { path: at, expected: showEntry(e[i]), got: NOTHING }
}

type Lists = Record<string, (TxFrame | ReadEntry)[]>

function listsDifference(ctx: Context, unordered: boolean, e: Lists = {}, g: Lists = {}, path: string): Found {
  const difference = unordered ? unorderedDifference : orderedDifference
  for (const name of namesOf(e, g)) {
    const found = difference(ctx, (e[name] ?? []) as Entry[], (g[name] ?? []) as Entry[], `${path}.${name}`)
    if (found) return found
  }
  return null
}

// ---- steps and totals ----

function stepDifference(ctx: Context, unordered: boolean, e: StepExpect, g: StepExpect, path: string): Found {
  return (
    entryDifference(ctx, (e.result ?? {}) as Entry, (g.result ?? {}) as Entry, `${path}.result`) ??
    listsDifference(ctx, unordered, e.tx, g.tx, `${path}.tx`) ??
    listsDifference(ctx, unordered, e.sockets, g.sockets, `${path}.sockets`) ??
    countersDifference(ctx, e.counters, g.counters, `${path}.counters`)
  )
}

function devicesDifference(ctx: Context, e: Record<string, Counters> = {}, g: Record<string, Counters> = {}): Found {
  for (const name of namesOf(e, g)) {
    const found = countersDifference(ctx, e[name], g[name], `devices.${name}`)
    if (found) return found
  }
  return null
}

function neighboursDifference(e: Expect['neighbours'] = [], g: Expect['neighbours'] = []): Found {
  for (let i = 0; i < Math.max(e.length, g.length); i++) {
    const path = `neighbours[${i}]`
    if (valueDifference(e[i], g[i], path)) return { path, expected: show(e[i]), got: show(g[i]) }
  }
  return null
}

function iptablesDifference(e?: IptablesCounters, g?: IptablesCounters): Found {
  const text = (c?: [number, number]): string => (c ? `${c[0]} packets, ${c[1]} bytes` : NOTHING)
  for (let i = 0; i < Math.max(e?.rules.length ?? 0, g?.rules.length ?? 0); i++) {
    const [a, b] = [text(e?.rules[i]), text(g?.rules[i])]
    if (a !== b) return { path: `iptables.rules[${i}]`, expected: a, got: b }
  }
  for (const name of namesOf(e?.policies, g?.policies)) {
    const [a, b] = [text(e?.policies?.[name] ?? [0, 0]), text(g?.policies?.[name] ?? [0, 0])]
    if (a !== b) return { path: `iptables.policies.${name}`, expected: a, got: b }
  }
  return null
}

/**
 * The first difference between what a scenario expects and what a run gave, or null when there is none.
 * Throws a TypeError for a scenario that was never recorded.
 */
export function compare(scenario: Pick<Scenario, 'steps' | 'expect'>, got: Expect): Difference | null {
  const e = scenario.expect
  if (!e) throw new TypeError('this scenario has no expect: record it first')
  const ctx: Context = { unstable: new Set(e.unstable), labels: new Map() }
  for (const [i, step] of e.steps.entries()) {
    const path = `steps[${i}]`
    if (!got.steps[i]) return { path, expected: show(step), got: NOTHING }
    const found = stepDifference(ctx, scenario.steps[i]?.unordered === true, step, got.steps[i], path)
    if (found) return found
  }
  const extra = got.steps[e.steps.length]
  if (extra) return { path: `steps[${e.steps.length}]`, expected: NOTHING, got: show(extra) }
  return (
    countersDifference(ctx, e.counters, got.counters, 'counters') ??
    devicesDifference(ctx, e.devices, got.devices) ??
    neighboursDifference(e.neighbours, got.neighbours) ??
    iptablesDifference(e.iptables, got.iptables) ??
    countersDifference(ctx, e.socket_drops, got.socket_drops, 'socket_drops')
  )
}

// ---- drop reasons ----

const reasonOf = (drop: string): string => drop.split('@')[0]

/** Drops of the whole run by reason, without the function that freed. */
export function reasonSums(expect: Expect): Counters {
  const sums: Counters = {}
  for (const step of expect.steps) {
    for (const [drop, n] of Object.entries(step.drops ?? {})) sums[reasonOf(drop)] = (sums[reasonOf(drop)] ?? 0) + n
  }
  return sums
}

/**
 * Whether a run dropped for the recorded reasons, as often. Not part of the contract: the recorder does not see drops
 * in timers. A reason of which any drop was unstable is not compared.
 */
export function reasonsEqual(expected: Expect, got: Expect): boolean {
  const unstable = new Set(expected.unstable?.map(reasonOf))
  const [e, g] = [reasonSums(expected), reasonSums(got)]
  return namesOf(e, g).every((reason) => unstable.has(reason) || (e[reason] ?? 0) === (g[reason] ?? 0))
}
