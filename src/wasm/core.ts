// One running Wasm instance: its exports, memory and layout, and whether it is still alive.

import type { Constants, CoreExports, Layout, Ptr } from './abi.ts'
import { CoreError, coreError, systemError } from './errors.ts'
import { CoreMemory } from './views.ts'

/** An instance of the core, booted. Made by src/wasm/instantiate.ts. */
export class Core {
  readonly exports: CoreExports
  readonly memory: CoreMemory
  readonly constants: Constants
  readonly offsets: Layout
  /** Bytes of the arena. */
  readonly arenaBytes: number
  /** The first half of the call buffer is for arguments, the second for what comes back. */
  readonly callBuffer: Ptr
  readonly halfBuffer: number
  /** Places that every call looks at: the boot block's cpu, trace_flags and timer_moved, and the event ring. */
  readonly cpuAt: Ptr
  readonly traceAt: Ptr
  readonly timerMovedAt: Ptr
  readonly hrtimerCountAt: Ptr
  /** Of the clock: the boot block's now, as an index of 32-bit words. */
  readonly #nowWord: number
  readonly headAt: Ptr
  readonly tailAt: Ptr
  readonly lostAt: Ptr
  readonly eventRing: Ptr
  readonly eventMask: number
  /** What the clock was set to last; NaN: not known. */
  #timeSet = NaN
  /** The error that killed it, undefined while it lives. */
  dead: CoreError | undefined

  constructor(exports: CoreExports, memory: CoreMemory, constants: Constants, offsets: Layout, arenaBytes: number) {
    this.exports = exports
    this.memory = memory
    this.constants = constants
    this.offsets = offsets
    this.arenaBytes = arenaBytes
    this.callBuffer = exports.call_buffer() >>> 0
    this.halfBuffer = constants.CALL_BUFFER_SIZE >>> 1
    this.cpuAt = this.boot('cpu')
    this.traceAt = this.boot('trace_flags')
    this.timerMovedAt = this.boot('timer_moved')
    this.hrtimerCountAt = this.boot('hrtimer_count')
    this.#nowWord = this.boot('now') >>> 2
    this.headAt = this.boot('event_head')
    this.tailAt = this.boot('event_tail')
    this.lostAt = this.boot('event_lost')
    this.eventRing = memory.readU32(this.boot('event_ring'))
    this.eventMask = memory.readU32(this.boot('event_mask'))
  }

  /** Where results of the core go: behind the arguments. */
  get resultBuffer(): Ptr {
    return this.callBuffer + this.halfBuffer
  }

  /** Sets the clock. With costs it may stand later than it was set to: then it is set in any case, and jiffies with it. */
  setTime(ns: number, charged: boolean): void {
    // A crossing costs more than a look.
    if (ns === this.#timeSet && !charged) return
    this.#timeSet = ns
    this.exports.set_time(ns)
  }

  /** The memory is another one. */
  replaced(): void {
    this.#timeSet = NaN
  }

  /** Virtual time of the boot block in ns: with costs, later than the time that was set. */
  get now(): number {
    const { u32 } = this.memory.views
    return u32[this.#nowWord]! + u32[this.#nowWord + 1]! * 4294967296
  }

  /** Address of a field of the boot block. */
  boot(field: keyof Layout['boot_block']): Ptr {
    return this.constants.BOOT + this.offsets.boot_block[field]
  }

  /** Throws when a trap has killed the instance. */
  assertAlive(): void {
    if (this.dead) throw this.dead
  }

  /** What to throw for what a call threw: a trap kills the instance and is told as one error. */
  failure(error: unknown): unknown {
    const trapped = error instanceof WebAssembly.RuntimeError || error instanceof RangeError
    if (!trapped || error instanceof CoreError) return error
    this.dead ??= coreError(error)
    return this.dead
  }

  /** Throws ENOMEM when bytes are more than a half of the call buffer holds. */
  assertFits(bytes: number, syscall: string): void {
    if (bytes > this.halfBuffer) throw systemError('ENOMEM', syscall, `${bytes} bytes in one call`)
  }
}
