// The trace ring of a host: what each station wrote, decoded. A record holds no depth: it is derived from who may call whom.
// Record layout and kinds: assembly/trace/trace.ts.

import { TRACE_COUNTS, TRACE_FUNCTIONS, TRACE_PACKETS } from '../wasm/abi.ts'
import type { Core } from '../wasm/core.ts'
import { checked, invalid } from '../wasm/errors.ts'
import { callerIds, functionNames } from './function_table.ts'

export const TRACE_RECORD = 32

/** What a record tells, by its number. */
export const TRACE_KINDS = ['function', 'born', 'ended', 'drop', 'joined', 'frame', 'context'] as const
export type TraceKind = (typeof TRACE_KINDS)[number]

/** One record. */
export interface TraceRecord {
  /** Virtual ns. */
  time: number
  cpu: number
  kind: TraceKind
  /** Name of the packet (sk_buff) in the trace, 0: none. */
  id: number
  /** The function; '' where there is none. */
  fn: string
  /** How deep the function was called, 0: by nobody (system call, interrupt, timer). */
  depth: number
  /** born, ended: SKB_BORN_*, SKB_ENDED_*; drop: SKB_DROP_REASON_*; frame: its number at the device; else worth seeing. */
  value: number
  /** born: the packet it was made from; joined: the one that goes on; frame: the device's index. */
  parent: number
}

/** What is traced, and how many records are kept. */
export interface TraceWhat {
  functions: boolean
  packets: boolean
  counts: boolean
  records: number
}

/** Turns tracing on; 2 to 2^20 records are kept, the newest. Counts of functions begin at 0. */
export function startTrace(core: Core, what: TraceWhat): void {
  const { records } = what
  if (!(records >= 2 && records <= 1 << 20 && (records & (records - 1)) === 0)) {
    throw invalid('trace', `records is a power of two from 2 to 1048576, not ${records}`)
  }
  checked(core.exports.trace_start(records), 'trace', `${records} records`)
  if (what.counts) checked(core.exports.function_counts_start(), 'trace')
  const flags =
    (what.functions ? TRACE_FUNCTIONS : 0) | (what.packets ? TRACE_PACKETS : 0) | (what.counts ? TRACE_COUNTS : 0)
  core.memory.writeU32(core.boot('trace_flags'), flags)
}

export function stopTrace(core: Core): void {
  core.memory.writeU32(core.boot('trace_flags'), 0)
}

/** How often each function was called since counting began, in the order of their first calls. */
export function functionCounts(core: Core): { fn: string; count: number }[] {
  const table = core.memory.readU32(core.boot('function_counts'))
  if (table === 0) return []
  const rows = functionNames.map((fn, id) => ({
    fn,
    count: core.memory.readU32(table + 8 * id),
    order: core.memory.readU32(table + 8 * id + 4),
  }))
  const called = rows.filter(({ count }) => count > 0).sort((a, b) => a.order - b.order)
  return called.map(({ fn, count }) => ({ fn, count }))
}

/** How many records were ever written, as a number that wraps at 2^32. */
export function traceHead(core: Core): number {
  return core.memory.readU32(core.boot('trace_head'))
}

/** The raw records from number `from` on, oldest first, and how many were overwritten before they were read. */
export function readRing(core: Core, from: number): { bytes: Uint8Array<ArrayBuffer>; lost: number; next: number } {
  const next = traceHead(core)
  const ring = core.memory.readU32(core.boot('trace_ring'))
  const size = ring === 0 ? 0 : core.memory.readU32(core.boot('trace_mask')) + 1
  const written = (next - from) >>> 0
  const count = Math.min(written, size)
  const bytes = new Uint8Array(count * TRACE_RECORD)
  const first = (next - count) >>> 0
  for (let i = 0; i < count; i++) {
    const slot = ((first + i) & (size - 1)) >>> 0
    bytes.set(core.memory.u8.subarray(ring + slot * TRACE_RECORD, ring + (slot + 1) * TRACE_RECORD), i * TRACE_RECORD)
  }
  return { bytes, lost: written - count, next }
}

/**
 * Depths by CPU. The innermost function that may call a new one is its caller; what nobody may call begins a walk. Where no
 * caller is on the stack (it has no walk point of its own), the innermost function stands for it.
 */
class Stacks {
  readonly #stacks = new Map<number, number[]>()

  clear(cpu: number): void {
    this.#stacks.set(cpu, [])
  }

  enter(cpu: number, fn: number): number {
    const stack = this.#stacks.get(cpu) ?? []
    this.#stacks.set(cpu, stack)
    const callers = callerIds[fn]
    if (!callers?.size) stack.length = 0
    let caller = stack.length - 1
    while (caller >= 0 && !callers?.has(stack[caller]!)) caller--
    if (caller >= 0) stack.length = caller + 1
    else if (stack.at(-1) === fn) stack.pop()
    stack.push(fn)
    return stack.length - 1
  }

  /** Of something that the innermost function did. */
  depth(cpu: number): number {
    return Math.max(0, (this.#stacks.get(cpu)?.length ?? 0) - 1)
  }
}

/** Decodes raw records. */
export function decodeTrace(bytes: Uint8Array): TraceRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const stacks = new Stacks()
  const records: TraceRecord[] = []
  for (let at = 0; at + TRACE_RECORD <= bytes.length; at += TRACE_RECORD) {
    const kind = TRACE_KINDS[view.getUint16(at + 12, true)]!
    const cpu = view.getUint16(at + 14, true)
    const fn = view.getUint32(at + 16, true)
    if (kind === 'context') stacks.clear(cpu)
    records.push({
      time: Number(view.getBigUint64(at, true)),
      cpu,
      kind,
      id: view.getUint32(at + 8, true),
      fn: functionNames[fn] ?? '',
      depth: kind === 'function' ? stacks.enter(cpu, fn) : stacks.depth(cpu),
      value: view.getUint32(at + 20, true),
      parent: view.getUint32(at + 24, true),
    })
  }
  return records
}
