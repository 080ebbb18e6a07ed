// Capture files built byte by byte, as other programs write them, and what reading them comes to.

import { readCapture } from '../../src/pcap/reader.ts'
import type { CapturePacket, CaptureSource } from '../../src/pcap/reader.ts'
import { PcapWriter, PcapngWriter } from '../../src/pcap/writer.ts'

/** Small builders for files as other programs write them. */
export class Bytes {
  private readonly little: boolean
  private readonly list: number[] = []
  constructor(little: boolean) {
    this.little = little
  }
  u16(...values: number[]): this {
    for (const v of values) this.list.push(...(this.little ? [v & 255, v >>> 8] : [v >>> 8, v & 255]))
    return this
  }
  u32(...values: number[]): this {
    for (const v of values) {
      if (this.little) this.u16(v & 0xffff, v >>> 16)
      else this.u16(v >>> 16, v & 0xffff)
    }
    return this
  }
  raw(...values: number[]): this {
    this.list.push(...values)
    return this
  }
  pad(): this {
    while (this.list.length % 4 !== 0) this.list.push(0)
    return this
  }
  get length(): number {
    return this.list.length
  }
  get bytes(): Uint8Array {
    return Uint8Array.from(this.list)
  }
}

export function frame(length: number, fill = 0x5a): Uint8Array {
  return new Uint8Array(length).fill(fill)
}

export function cat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

export function pcapHeader(little: boolean, magic = 0xa1b2c3d4, network = 1, snapLen = 65535): Uint8Array {
  return new Bytes(little).u32(magic).u16(2, 4).u32(0, 0, snapLen, network).bytes
}

export function record(
  little: boolean,
  sec: number,
  fraction: number,
  data: Uint8Array,
  orig = data.length,
): Uint8Array {
  return cat(new Bytes(little).u32(sec, fraction, data.length, orig).bytes, data)
}

export function block(little: boolean, type: number, body: Uint8Array): Uint8Array {
  const total = 12 + body.length
  return cat(new Bytes(little).u32(type, total).bytes, body, new Bytes(little).u32(total).bytes)
}

export function shb(little: boolean): Uint8Array {
  const body = new Bytes(little).u32(0x1a2b3c4d).u16(1, 0).u32(0xffffffff, 0xffffffff)
  return block(little, 0x0a0d0d0a, body.bytes)
}

export function idb(little: boolean, options: Uint8Array = new Uint8Array(0), linkType = 1, snapLen = 0): Uint8Array {
  return block(little, 1, cat(new Bytes(little).u16(linkType, 0).u32(snapLen).bytes, options))
}

export function option(little: boolean, code: number, ...value: number[]): Uint8Array {
  return new Bytes(little)
    .u16(code, value.length)
    .raw(...value)
    .pad().bytes
}

export function epb(
  little: boolean,
  id: number,
  ticks: bigint,
  data: Uint8Array,
  options = new Uint8Array(0),
): Uint8Array {
  const body = new Bytes(little).u32(id, Number(ticks >> 32n), Number(ticks & 0xffffffffn), data.length, data.length)
  return block(little, 6, cat(body.raw(...data).pad().bytes, options))
}

export interface Outcome {
  packets: CapturePacket[]
  error: unknown
}

export async function outcome(source: CaptureSource): Promise<Outcome> {
  const packets: CapturePacket[] = []
  try {
    for await (const packet of readCapture(source)) packets.push(packet)
  } catch (error) {
    return { packets, error }
  }
  return { packets, error: undefined }
}

export async function read(source: CaptureSource): Promise<CapturePacket[]> {
  const { packets, error } = await outcome(source)
  if (error !== undefined) throw error
  return packets
}

/** The same bytes in chunks of `size`. */
export async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export function written(write: (sink: (chunk: Uint8Array) => void) => void): Uint8Array {
  const chunks: Uint8Array[] = []
  write((chunk) => chunks.push(chunk))
  return cat(...chunks)
}

export function threePcapPackets(): Uint8Array {
  return written((sink) => {
    const writer = new PcapWriter(sink)
    for (let i = 0; i < 3; i++) writer.packet({ timeNs: BigInt(i), data: frame(60, i) })
  })
}

export function threePcapngPackets(): Uint8Array {
  return written((sink) => {
    const writer = new PcapngWriter(sink)
    const interfaceId = writer.addInterface({ name: 'eth0' })
    for (let i = 0; i < 3; i++)
      writer.packet({ interfaceId, timeNs: BigInt(i), data: frame(61, i), direction: 'inbound', comments: ['c'] })
  })
}

/** A generator with a seed (xorshift32), so that a failure repeats. */
export function seeded(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

export function setU32(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice()
  new DataView(copy.buffer).setUint32(at, value, true)
  return copy
}
