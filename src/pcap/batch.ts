// Packets as columns over the bytes they lie in: no object per packet.

import type { Input } from './input.ts'

/** LINKTYPE_ETHERNET, the only link type that is read. */
export const LINKTYPE_ETHERNET = 1

// Keeps a batch, and the time until the first packet, small for sources that are one big chunk.
const MAX_PACKETS = 4096

/** An interface that packets were captured on. A classic pcap file has one. */
export interface CaptureInterface {
  /** Index in `Capture.interfaces`: unique in the file, although pcapng numbers anew in each section. */
  id: number
  /** Which pcapng section it belongs to, from 0. */
  section: number
  linkType: number
  /** Longest captured packet in bytes; 0: no limit. */
  snapLen: number
  /** Time unit as if_tsresol spells it: n is 10^-n s, 0x80 | n is 2^-n s. */
  tsresol: number
  /** Seconds that are added to each time (if_tsoffset). */
  tsoffset: bigint
  name?: string
  description?: string
  /** Bytes of Ethernet FCS at each packet's end, where the file says so. */
  fcsLength?: number
}

/** Up to 4096 packets. Row i is packet `firstIndex + i`. The arrays belong to the reader of the batch. */
export interface PacketBatch {
  count: number
  firstIndex: number
  /** Nanoseconds since 1970. */
  timesNs: BigInt64Array
  /** Where each packet starts in `data`. */
  offsets: Uint32Array
  /** Captured bytes. */
  lengths: Uint32Array
  /** Bytes on the wire; more than captured when the packet was cut to the snap length. */
  origLengths: Uint32Array
  /** Index in `Capture.interfaces`. */
  interfaceIds: Uint32Array
  /** pcapng epb_flags, 0 when absent. Bits 0 and 1: 1 inbound, 2 outbound. */
  flags: Uint32Array
  /** Byte offset of each record or block in the (decompressed) file. */
  fileOffsets: Float64Array
  /** opt_comment strings by row; packets without comments are not in it. */
  comments: ReadonlyMap<number, readonly string[]>
  data: Uint8Array
}

/** Reads records from an input into a batch. */
export interface CaptureParser {
  /** What a record is called in messages. */
  readonly unit: string
  /**
   * Reads until the batch is full (answers 0) or more input is needed (answers how many bytes must be unread).
   * Throws CaptureError; the batch then holds all packets before.
   */
  parse(input: Input, batch: BatchBuilder): number
}

function grow<T extends Uint32Array | Float64Array | BigInt64Array>(column: T, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity)
  ;(larger as { set(from: T): void }).set(column)
  return larger
}

export class BatchBuilder {
  count = 0
  private readonly firstIndex: number
  private capacity: number
  private timesNs: BigInt64Array
  private offsets: Uint32Array
  private lengths: Uint32Array
  private origLengths: Uint32Array
  private interfaceIds: Uint32Array
  private flags: Uint32Array
  private fileOffsets: Float64Array
  private readonly comments = new Map<number, readonly string[]>()

  constructor(firstIndex: number, expected: number) {
    const capacity = Math.min(MAX_PACKETS, Math.max(16, expected))
    this.firstIndex = firstIndex
    this.capacity = capacity
    this.timesNs = new BigInt64Array(capacity)
    this.offsets = new Uint32Array(capacity)
    this.lengths = new Uint32Array(capacity)
    this.origLengths = new Uint32Array(capacity)
    this.interfaceIds = new Uint32Array(capacity)
    this.flags = new Uint32Array(capacity)
    this.fileOffsets = new Float64Array(capacity)
  }

  get full(): boolean {
    return this.count === MAX_PACKETS
  }

  private enlarge(): void {
    const capacity = Math.min(MAX_PACKETS, this.capacity * 2)
    this.capacity = capacity
    this.timesNs = grow(this.timesNs, capacity)
    this.offsets = grow(this.offsets, capacity)
    this.lengths = grow(this.lengths, capacity)
    this.origLengths = grow(this.origLengths, capacity)
    this.interfaceIds = grow(this.interfaceIds, capacity)
    this.flags = grow(this.flags, capacity)
    this.fileOffsets = grow(this.fileOffsets, capacity)
  }

  /** Adds a packet whose bytes start at `at` in the input's window. */
  add(
    fileOffset: number,
    interfaceId: number,
    timeNs: bigint,
    at: number,
    length: number,
    origLength: number,
    flags = 0,
    comments?: readonly string[],
  ): void {
    if (this.count === this.capacity) this.enlarge()
    const row = this.count++
    this.fileOffsets[row] = fileOffset
    this.interfaceIds[row] = interfaceId
    this.timesNs[row] = timeNs
    this.offsets[row] = at
    this.lengths[row] = length
    this.origLengths[row] = origLength
    this.flags[row] = flags
    if (comments !== undefined) this.comments.set(row, comments)
  }

  finish(data: Uint8Array): PacketBatch {
    const count = this.count
    return {
      count,
      firstIndex: this.firstIndex,
      timesNs: this.timesNs.subarray(0, count),
      offsets: this.offsets.subarray(0, count),
      lengths: this.lengths.subarray(0, count),
      origLengths: this.origLengths.subarray(0, count),
      interfaceIds: this.interfaceIds.subarray(0, count),
      flags: this.flags.subarray(0, count),
      fileOffsets: this.fileOffsets.subarray(0, count),
      comments: this.comments,
      data,
    }
  }
}
