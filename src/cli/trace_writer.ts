// replay --write: what came in and what went out as pcapng, with the reasons of drops as comments of the packets.

import type { SentFrames, Trace } from '../index.ts'
import { dropReasons } from '../host/counters.ts'
import type { TraceRecord } from '../trace/ring.ts'
import { PcapngWriter } from '../pcap/writer.ts'

/** Frames that were put in together. */
interface ChunkColumns {
  count: number
  data: Uint8Array
  offsets: ArrayLike<number>
  lengths: ArrayLike<number>
  times: ArrayLike<number>
}

/** One frame that is not written yet. */
interface Entry {
  time: number
  data: Uint8Array
  direction: 'inbound' | 'outbound'
  comments: string[]
}

/** Frames that wait to learn of their end (fragments): at most this many. */
const KEEP = 4096

export class TraceWriter {
  readonly #trace: Trace
  readonly #firstNs: bigint
  readonly #writer: PcapngWriter
  readonly #interfaceId: number
  /** Frames by their number at the NIC, and packets' ids to that number. */
  readonly #frames = new Map<number, Entry>()
  readonly #packets = new Map<number, number>()
  #next = 0
  #out: Entry[] = []

  constructor(trace: Trace, firstNs: bigint, sink: (bytes: Uint8Array) => void) {
    this.#trace = trace
    this.#firstNs = firstNs
    this.#writer = new PcapngWriter(sink, { application: 'netpath' })
    this.#interfaceId = this.#writer.addInterface({ name: 'eth0' })
  }

  #comment(record: TraceRecord): void {
    const frame = this.#frames.get(this.#packets.get(record.id) ?? -1)
    frame?.comments.push(`dropped: SKB_DROP_REASON_${dropReasons[record.value] ?? record.value} in ${record.fn}`)
  }

  #follow(records: readonly TraceRecord[], arrived: Set<number>): void {
    for (const record of records) {
      const { kind, id, value, parent } = record
      if (kind === 'frame') {
        arrived.add(value)
        this.#packets.set(id, value)
      } else if (kind === 'born' && parent !== 0) {
        const origin = this.#packets.get(parent)
        if (origin !== undefined) this.#packets.set(id, origin)
      } else if (kind === 'drop') this.#comment(record)
    }
  }

  /** A chunk was played: chunk is what went in, sent what came out. */
  chunk(chunk: ChunkColumns | undefined, sent: SentFrames): void {
    const first = this.#next
    for (let i = 0; i < (chunk?.count ?? 0); i++) {
      const { data, offsets, lengths, times } = chunk!
      const bytes = data.slice(offsets[i]!, offsets[i]! + lengths[i]!)
      this.#frames.set(this.#next++, { time: times[i]!, data: bytes, direction: 'inbound', comments: [] })
    }
    const arrived = new Set<number>()
    this.#follow(this.#trace.read().records, arrived)
    for (let number = first; number < this.#next; number++) {
      if (!arrived.has(number)) this.#frames.get(number)!.comments.push('not received: the NIC did not take it')
    }
    for (let i = 0; i < sent.count; i++) {
      const bytes = sent.data.slice(sent.offsets[i], sent.offsets[i]! + sent.lengths[i]!)
      this.#out.push({ time: sent.times[i]!, data: bytes, direction: 'outbound', comments: [] })
    }
    this.#flush(chunk === undefined ? Infinity : this.#next - KEEP)
  }

  /** Writes what is older than a frame number, in order of time. */
  #flush(before: number): void {
    const ready: Entry[] = []
    for (const [number, entry] of this.#frames) {
      if (number >= before) break
      ready.push(entry)
      this.#frames.delete(number)
    }
    const last = before === Infinity ? Infinity : (ready.at(-1)?.time ?? -1)
    ready.push(...this.#out.filter(({ time }) => time <= last))
    this.#out = this.#out.filter(({ time }) => time > last)
    ready.sort((a, b) => a.time - b.time)
    for (const { time, data, direction, comments } of ready) {
      const timeNs = this.#firstNs + BigInt(Math.round(time))
      this.#writer.packet({ interfaceId: this.#interfaceId, timeNs, data, direction, comments })
    }
  }
}
