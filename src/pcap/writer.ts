// Capture files, written: pcapng with several sections and interfaces, and classic pcap. Times are nanoseconds.
// Both write little-endian and nothing that depends on the machine or the wall clock: same packets, same bytes.

import { LINKTYPE_ETHERNET } from './batch.ts'
import { MAGIC_NANO, PCAP_HEADER } from './pcap.ts'
import {
  BLOCK_EPB,
  BLOCK_IDB,
  BLOCK_SHB,
  BYTE_ORDER_MAGIC,
  EPB_FLAGS,
  IF_DESCRIPTION,
  IF_NAME,
  IF_TSRESOL,
  OPT_COMMENT,
} from './pcapng.ts'

/** Takes the file piece by piece. Each piece is a fresh array that the sink may keep. */
export type CaptureSink = (chunk: Uint8Array) => void

export interface SectionOptions {
  /** shb_userappl: which program wrote it. */
  application?: string
  comments?: readonly string[]
}

export interface InterfaceOptions {
  name?: string
  description?: string
  /** Packets are cut to so many bytes; 0 (the default): no limit. */
  snapLen?: number
}

export interface WrittenPacket {
  /** Nanoseconds since 1970 (or since the start of a virtual clock). */
  timeNs: bigint
  /** From the Ethernet header on, without FCS. */
  data: Uint8Array
  /** Bytes on the wire, when `data` is only the first of them. */
  origLen?: number
}

export interface WrittenPcapngPacket extends WrittenPacket {
  /** As `addInterface` answered. */
  interfaceId: number
  direction?: 'inbound' | 'outbound' | undefined
  comments?: readonly string[]
}

/** An option's code and value. */
type Option = readonly [code: number, value: Uint8Array]

const SHB_USERAPPL = 4
const IDB_SNAPLEN_MAX = 0xffffffff
const NO_SECTION_LENGTH = 0xffffffff
/** libpcap's own limit for Ethernet. */
const PCAP_SNAPLEN = 256 * 1024

function outOfRange(what: string, value: unknown, expected: string): Error {
  return Object.assign(new RangeError(`${what} ${String(value)}: expected ${expected}`), { code: 'ERR_OUT_OF_RANGE' })
}

function checkPacket(packet: WrittenPacket, limitNs: bigint): void {
  if (!(packet.data instanceof Uint8Array))
    throw Object.assign(new TypeError('data: expected a Uint8Array'), { code: 'ERR_INVALID_ARG_TYPE' })
  if (typeof packet.timeNs !== 'bigint')
    throw Object.assign(new TypeError('timeNs: expected a bigint'), { code: 'ERR_INVALID_ARG_TYPE' })
  if (packet.timeNs < 0n || packet.timeNs >= limitNs) throw outOfRange('timeNs', packet.timeNs, `0 to ${limitNs - 1n}`)
  const { origLen, data } = packet
  if (origLen !== undefined && (!Number.isInteger(origLen) || origLen < data.length || origLen > 0xffffffff))
    throw outOfRange('origLen', origLen, `${data.length} (the length of data) to 4294967295`)
}

function padded(length: number): number {
  return (length + 3) & ~3
}

function textOption(code: number, text: string): Option {
  const value = new TextEncoder().encode(text)
  if (value.length > 0xffff) throw outOfRange('a text of bytes', value.length, 'at most 65535')
  return [code, value]
}

function commentOptions(comments: readonly string[] | undefined): Option[] {
  return (comments ?? []).map((comment) => textOption(OPT_COMMENT, comment))
}

/** A block with `fixed` bytes of body before `data` and the options; the caller fills the fixed part. */
function newBlock(type: number, fixed: number, data: Uint8Array | undefined, options: readonly Option[]): DataView {
  const dataLength = data === undefined ? 0 : data.length
  let total = 12 + fixed + padded(dataLength)
  for (const [, value] of options) total += 4 + padded(value.length)
  if (options.length > 0) total += 4
  const bytes = new Uint8Array(total)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, total, true)
  view.setUint32(total - 4, total, true)
  if (data !== undefined) bytes.set(data, 8 + fixed)
  let at = 8 + fixed + padded(dataLength)
  for (const [code, value] of options) {
    view.setUint16(at, code, true)
    view.setUint16(at + 2, value.length, true)
    bytes.set(value, at + 4)
    at += 4 + padded(value.length)
  }
  return view
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/**
 * Writes pcapng. The first section begins at once. Bad arguments: RangeError or TypeError (ERR_OUT_OF_RANGE,
 * ERR_INVALID_ARG_TYPE), and nothing is written.
 *
 *     const writer = new PcapngWriter((chunk) => chunks.push(chunk))
 *     const eth0 = writer.addInterface({ name: 'eth0' })
 *     writer.packet({ interfaceId: eth0, timeNs: 0n, data, direction: 'inbound', comments: ['NO_SOCKET'] })
 */
export class PcapngWriter {
  private readonly sink: CaptureSink
  private snapLens: number[] = []

  constructor(sink: CaptureSink, options: SectionOptions = {}) {
    this.sink = sink
    this.section(options)
  }

  /** Begins a new section; interfaces are numbered from 0 again. */
  section(options: SectionOptions = {}): void {
    const list = commentOptions(options.comments)
    if (options.application !== undefined) list.push(textOption(SHB_USERAPPL, options.application))
    const view = newBlock(BLOCK_SHB, 16, undefined, list)
    view.setUint32(8, BYTE_ORDER_MAGIC, true)
    view.setUint16(12, 1, true)
    view.setUint32(16, NO_SECTION_LENGTH, true)
    view.setUint32(20, NO_SECTION_LENGTH, true)
    this.snapLens = []
    this.sink(bytesOf(view))
  }

  /** Adds an Ethernet interface with nanosecond times to the section and answers its number. */
  addInterface(options: InterfaceOptions = {}): number {
    const snapLen = options.snapLen ?? 0
    if (!Number.isInteger(snapLen) || snapLen < 0 || snapLen > IDB_SNAPLEN_MAX)
      throw outOfRange('snapLen', snapLen, '0 to 4294967295')
    const list: Option[] = []
    if (options.name !== undefined) list.push(textOption(IF_NAME, options.name))
    if (options.description !== undefined) list.push(textOption(IF_DESCRIPTION, options.description))
    list.push([IF_TSRESOL, Uint8Array.of(9)])
    const view = newBlock(BLOCK_IDB, 8, undefined, list)
    view.setUint16(8, LINKTYPE_ETHERNET, true)
    view.setUint32(12, snapLen, true)
    this.snapLens.push(snapLen)
    this.sink(bytesOf(view))
    return this.snapLens.length - 1
  }

  /** Writes an Enhanced Packet Block. */
  packet(packet: WrittenPcapngPacket): void {
    checkPacket(packet, 1n << 64n)
    const { interfaceId, timeNs, direction } = packet
    const snapLen = this.snapLens[interfaceId]
    if (snapLen === undefined) throw outOfRange('interfaceId', interfaceId, `one of ${this.snapLens.length} interfaces`)
    const data = snapLen === 0 ? packet.data : packet.data.subarray(0, snapLen)
    const list = commentOptions(packet.comments)
    if (direction !== undefined) list.push([EPB_FLAGS, Uint8Array.of(direction === 'inbound' ? 1 : 2, 0, 0, 0)])
    const view = newBlock(BLOCK_EPB, 20, data, list)
    view.setUint32(8, interfaceId, true)
    view.setUint32(12, Number(timeNs >> 32n), true)
    view.setUint32(16, Number(timeNs & 0xffffffffn), true)
    view.setUint32(20, data.length, true)
    view.setUint32(24, packet.origLen ?? packet.data.length, true)
    this.sink(bytesOf(view))
  }
}

/** Writes classic pcap with nanosecond times, packets cut to 256 KiB as libpcap does. Errors as PcapngWriter. */
export class PcapWriter {
  private readonly sink: CaptureSink

  constructor(sink: CaptureSink) {
    this.sink = sink
    const view = new DataView(new ArrayBuffer(PCAP_HEADER))
    view.setUint32(0, MAGIC_NANO, true)
    view.setUint16(4, 2, true)
    view.setUint16(6, 4, true)
    view.setUint32(16, PCAP_SNAPLEN, true)
    view.setUint32(20, LINKTYPE_ETHERNET, true)
    sink(bytesOf(view))
  }

  packet(packet: WrittenPacket): void {
    checkPacket(packet, (1n << 32n) * 1_000_000_000n)
    const data = packet.data.subarray(0, PCAP_SNAPLEN)
    const bytes = new Uint8Array(16 + data.length)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, Number(packet.timeNs / 1_000_000_000n), true)
    view.setUint32(4, Number(packet.timeNs % 1_000_000_000n), true)
    view.setUint32(8, data.length, true)
    view.setUint32(12, packet.origLen ?? packet.data.length, true)
    bytes.set(data, 16)
    this.sink(bytes)
  }
}
