// Capture files: pcap and pcapng, either byte order, plain or gzip, from any source of bytes.

import { BatchBuilder } from './batch.ts'
import type { CaptureInterface, CaptureParser, PacketBatch } from './batch.ts'
import { CaptureError } from './error.ts'
import { GZIP_MAGIC, gunzip } from './gzip.ts'
import { Input, chunksOf } from './input.ts'
import type { CaptureSource } from './input.ts'
import { PCAP_HEADER, PcapParser, pcapMagic } from './pcap.ts'
import { BLOCK_SHB, PcapngParser } from './pcapng.ts'

export { CaptureError } from './error.ts'
export type { CaptureErrorCode } from './error.ts'
export type { CaptureInterface, PacketBatch } from './batch.ts'
export type { ByteStream, CaptureSource } from './input.ts'

export interface CapturePacket {
  /** Number of the packet in the file, from 0. */
  index: number
  /** Nanoseconds since 1970. */
  timeNs: bigint
  /** The captured bytes, from the Ethernet header on: a view, not a copy. */
  data: Uint8Array
  /** Bytes on the wire. */
  origLen: number
  /** Fewer bytes were captured than were on the wire. */
  truncated: boolean
  /** Index in `Capture.interfaces`. */
  interfaceId: number
  /** Where its record or block starts in the (decompressed) file. */
  fileOffset: number
  /** As pcapng's epb_flags tells, when it does. */
  direction: 'inbound' | 'outbound' | undefined
  comments: readonly string[]
}

const NO_COMMENTS: readonly string[] = []

function directionOf(flags: number): CapturePacket['direction'] {
  if ((flags & 3) === 1) return 'inbound'
  return (flags & 3) === 2 ? 'outbound' : undefined
}

/** Row `row` of a batch as an object. */
export function packetAt(batch: PacketBatch, row: number): CapturePacket {
  if (!Number.isInteger(row) || row < 0 || row >= batch.count)
    throw Object.assign(new RangeError(`row ${row}: expected 0 to ${batch.count - 1}`), { code: 'ERR_OUT_OF_RANGE' })
  const at = batch.offsets[row] as number
  const length = batch.lengths[row] as number
  const origLen = batch.origLengths[row] as number
  return {
    index: batch.firstIndex + row,
    timeNs: batch.timesNs[row] as bigint,
    data: batch.data.subarray(at, at + length),
    origLen,
    truncated: origLen > length,
    interfaceId: batch.interfaceIds[row] as number,
    fileOffset: batch.fileOffsets[row] as number,
    direction: directionOf(batch.flags[row] as number),
    comments: batch.comments.get(row) ?? NO_COMMENTS,
  }
}

function tooShort(input: Input, unit: string, need: number): CaptureError {
  return new CaptureError(
    'ERR_CAPTURE_TRUNCATED',
    input.offset,
    `the capture ends inside a ${unit}: expected ${need} bytes, found ${input.left}`,
  )
}

/** A capture file that is being read. It can be read once. */
export class Capture implements AsyncIterable<CapturePacket> {
  /** Known after the first batch (or the end). */
  format: 'pcap' | 'pcapng' | undefined
  gzip = false
  /** The interfaces seen so far; those of a batch's packets are always there. */
  readonly interfaces: CaptureInterface[] = []
  private readonly source: AsyncGenerator<Uint8Array>
  private started = false

  constructor(source: CaptureSource) {
    this.source = chunksOf(source)
  }

  /** Looks through gzip, and tells the format by its first bytes. */
  private async open(): Promise<Input> {
    const plain = new Input(this.source)
    await plain.fill(2)
    if (plain.left < 2 || plain.view.getUint16(0) !== GZIP_MAGIC) return plain
    this.gzip = true
    return new Input(gunzip(plain.rest()))
  }

  private async parser(input: Input): Promise<CaptureParser> {
    if (!(await input.fill(4))) {
      if (input.left > 0) throw tooShort(input, 'file header', 4)
      throw new CaptureError('ERR_CAPTURE_EMPTY', 0, 'the capture is empty: expected a pcap or pcapng header')
    }
    const first = input.view.getUint32(input.pos)
    if (first === BLOCK_SHB) {
      this.format = 'pcapng'
      return new PcapngParser(this.interfaces)
    }
    const magic = pcapMagic(first)
    if (magic === undefined)
      throw new CaptureError(
        'ERR_CAPTURE_FORMAT',
        0,
        `not a capture file: expected the magic of pcap or pcapng, found ${first.toString(16).padStart(8, '0')}`,
      )
    this.format = 'pcap'
    if (!(await input.fill(PCAP_HEADER))) throw tooShort(input, 'file header', PCAP_HEADER)
    return new PcapParser(input, magic, this.interfaces)
  }

  /**
   * The packets, in columns. A batch comes as soon as its bytes are there. Throws CaptureError after the last packet
   * before the fault; errors of the source pass unchanged.
   */
  async *batches(): AsyncGenerator<PacketBatch> {
    if (this.started) throw Object.assign(new Error('a capture is read once'), { code: 'ERR_INVALID_STATE' })
    this.started = true
    let input: Input | undefined
    try {
      input = await this.open()
      const parser = await this.parser(input)
      let index = 0
      let expected = 0
      for (;;) {
        const batch = new BatchBuilder(index, expected)
        let need = 0
        let fault: unknown
        try {
          need = parser.parse(input, batch)
        } catch (error) {
          fault = error
        }
        if (batch.count > 0) {
          index += batch.count
          expected = batch.count
          yield batch.finish(input.bytes)
        }
        if (fault !== undefined) throw fault
        if (need === 0 || (await input.fill(need))) continue
        if (input.left > 0) throw tooShort(input, parser.unit, need)
        return
      }
    } finally {
      await input?.close()
      await this.source.return(undefined)
    }
  }

  /** The packets one by one; as `batches`, with an object for each. */
  async *[Symbol.asyncIterator](): AsyncGenerator<CapturePacket> {
    for await (const batch of this.batches()) {
      for (let row = 0; row < batch.count; row++) yield packetAt(batch, row)
    }
  }
}

/**
 * Opens a pcap or pcapng file, plain or gzip, of Ethernet packets. Nothing is read before the first iteration.
 * TypeError (ERR_INVALID_ARG_TYPE) when the source is none; everything else is told by the iteration.
 *
 *     for await (const packet of readCapture(bytes)) console.log(packet.timeNs, packet.data.length)
 */
export function readCapture(source: CaptureSource): Capture {
  return new Capture(source)
}
