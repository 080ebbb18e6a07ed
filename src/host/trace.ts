// Tracing of a host: what its stations write into the ring, from start to stop. Snapshots hold the ring.

import type { Machine } from '../kernel/machine.ts'
import {
  type TraceRecord,
  decodeTrace,
  functionCounts,
  readRing,
  startTrace,
  stopTrace,
  traceHead,
} from '../trace/ring.ts'

/** What is traced. */
export interface TraceOptions {
  /** Functions that packets pass. On unless false. */
  functions?: boolean
  /** Births and ends of packets, frames and drops. On unless false. */
  packets?: boolean
  /** How often each function is called. Off unless true. */
  counts?: boolean
  /** Records that the ring keeps, a power of two; 65536 unless given. */
  records?: number
}

/** The trace of one host. */
export class Trace {
  readonly #machine: Machine
  #from = 0

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Begins to trace; what was traced before and not read is left out. EINVAL, ENOMEM. */
  start(options: TraceOptions = {}): void {
    const { functions = true, packets = true, counts = false, records = 65536 } = options
    startTrace(this.#machine.core, { functions, packets, counts, records })
    this.#from = traceHead(this.#machine.core)
  }

  /** Calls of each function since start({counts: true}), in the order of their first calls. */
  counts(): { fn: string; count: number }[] {
    return functionCounts(this.#machine.core)
  }

  stop(): void {
    stopTrace(this.#machine.core)
  }

  /** Records since the last reading, oldest first. The ring keeps the newest: `lost` says how many were overwritten. */
  read(): { records: TraceRecord[]; lost: number } {
    const { bytes, lost } = this.readRaw()
    return { records: decodeTrace(bytes), lost }
  }

  /** The same undecoded, 32 bytes each: two runs of one seed give the same bytes. */
  readRaw(): { bytes: Uint8Array<ArrayBuffer>; lost: number } {
    const { bytes, lost, next } = readRing(this.#machine.core, this.#from)
    this.#from = next
    return { bytes, lost }
  }
}
