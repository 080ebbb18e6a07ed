// pcapng (draft-ietf-opsawg-pcapng): sections of blocks, each section with its own byte order and interfaces.
// Read: Section Header, Interface Description, Enhanced, Simple and (obsolete) Packet blocks. Others are skipped.

import { LINKTYPE_ETHERNET } from './batch.ts'
import type { BatchBuilder, CaptureInterface, CaptureParser } from './batch.ts'
import { CaptureError } from './error.ts'
import type { Input } from './input.ts'

export const BLOCK_SHB = 0x0a0d0d0a
export const BLOCK_IDB = 1
const BLOCK_PB = 2
const BLOCK_SPB = 3
export const BLOCK_EPB = 6
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d

export const OPT_COMMENT = 1
export const IF_NAME = 2
export const IF_DESCRIPTION = 3
export const IF_TSRESOL = 9
const IF_FCSLEN = 13
const IF_TSOFFSET = 14
/** epb_flags and pack_flags have the same code and layout. */
export const EPB_FLAGS = 2

const MAX_BLOCK = 256 * 1024 * 1024
const MAX_TIME = (1n << 63n) - 1n

/** Shortest total length of each block that is read: 12 bytes of frame, and the fixed fields. */
const MIN_LENGTH: ReadonlyMap<number, number> = new Map([
  [BLOCK_SHB, 28],
  [BLOCK_IDB, 20],
  [BLOCK_PB, 32],
  [BLOCK_SPB, 16],
  [BLOCK_EPB, 32],
])

/** An interface and how its time stamps become nanoseconds: ts * mul / div + offsetNs. */
interface Clocked {
  info: CaptureInterface
  mul: bigint
  div: bigint
  offsetNs: bigint
}

function clocked(info: CaptureInterface): Clocked {
  const exponent = info.tsresol & 0x7f
  const offsetNs = info.tsoffset * 1_000_000_000n
  if ((info.tsresol & 0x80) !== 0) return { info, mul: 1_000_000_000n, div: 1n << BigInt(exponent), offsetNs }
  if (exponent <= 9) return { info, mul: 10n ** BigInt(9 - exponent), div: 1n, offsetNs }
  return { info, mul: 1n, div: 10n ** BigInt(exponent - 9), offsetNs }
}

export class PcapngParser implements CaptureParser {
  readonly unit = 'block'
  private little = false
  private section = -1
  private local: Clocked[] = []
  private lastNs = 0n
  private readonly interfaces: CaptureInterface[]
  private readonly text = new TextDecoder()

  constructor(interfaces: CaptureInterface[]) {
    this.interfaces = interfaces
  }

  parse(input: Input, batch: BatchBuilder): number {
    while (!batch.full) {
      if (input.left < 12) return 12
      const { view, pos } = input
      const type = view.getUint32(pos, this.little)
      if (type === BLOCK_SHB) this.setByteOrder(input)
      const total = view.getUint32(pos + 4, this.little)
      this.checkLength(input, type, total)
      if (input.left < total) return total
      const trailer = view.getUint32(pos + total - 4, this.little)
      if (trailer !== total)
        throw this.bad(input, `a block of ${total} bytes ends with length ${trailer}: expected both to be equal`)
      this.block(input, batch, type, total)
      input.pos = pos + total
    }
    return 0
  }

  private bad(input: Input, message: string): CaptureError {
    return new CaptureError('ERR_CAPTURE_FORMAT', input.offset, message)
  }

  /** A section header's type reads the same both ways; the magic after its length tells the order. */
  private setByteOrder(input: Input): void {
    const at = input.pos + 8
    if (input.view.getUint32(at, true) === BYTE_ORDER_MAGIC) this.little = true
    else if (input.view.getUint32(at, false) === BYTE_ORDER_MAGIC) this.little = false
    else throw this.bad(input, 'a section header without byte-order magic: expected 1a2b3c4d in either order')
  }

  private checkLength(input: Input, type: number, total: number): void {
    const least = MIN_LENGTH.get(type) ?? 12
    if (total < least || total > MAX_BLOCK || total % 4 !== 0)
      throw this.bad(
        input,
        `a block of type ${type} and ${total} bytes: expected a multiple of 4 from ${least} to ${MAX_BLOCK}`,
      )
  }

  private block(input: Input, batch: BatchBuilder, type: number, total: number): void {
    const end = input.pos + total - 4
    switch (type) {
      case BLOCK_SHB:
        return this.sectionHeader(input, end)
      case BLOCK_IDB:
        return this.interfaceDescription(input, end)
      case BLOCK_EPB:
        return this.packet(input, batch, end, input.view.getUint32(input.pos + 8, this.little))
      case BLOCK_PB:
        return this.packet(input, batch, end, input.view.getUint16(input.pos + 8, this.little))
      case BLOCK_SPB:
        return this.simplePacket(input, batch, end)
    }
  }

  private sectionHeader(input: Input, end: number): void {
    const major = input.view.getUint16(input.pos + 12, this.little)
    const minor = input.view.getUint16(input.pos + 14, this.little)
    if (major !== 1) throw this.bad(input, `pcapng version ${major}.${minor}: expected 1.0`)
    this.options(input, input.pos + 24, end, () => undefined)
    this.section++
    this.local = []
  }

  private interfaceDescription(input: Input, end: number): void {
    const { view, pos, bytes } = input
    const little = this.little
    const info: CaptureInterface = {
      id: this.interfaces.length,
      section: this.section,
      linkType: view.getUint16(pos + 8, little),
      snapLen: view.getUint32(pos + 12, little),
      tsresol: 6,
      tsoffset: 0n,
    }
    this.options(input, pos + 16, end, (code, at, length) => {
      if (code === IF_NAME) info.name = this.text.decode(bytes.subarray(at, at + length))
      else if (code === IF_DESCRIPTION) info.description = this.text.decode(bytes.subarray(at, at + length))
      else if (code === IF_TSRESOL) {
        this.optionLength(input, 'if_tsresol', length, 1)
        info.tsresol = view.getUint8(at)
      } else if (code === IF_FCSLEN) {
        this.optionLength(input, 'if_fcslen', length, 1)
        info.fcsLength = view.getUint8(at) >>> 3
      } else if (code === IF_TSOFFSET) {
        this.optionLength(input, 'if_tsoffset', length, 8)
        info.tsoffset = view.getBigInt64(at, little)
      }
    })
    this.interfaces.push(info)
    this.local.push(clocked(info))
  }

  /** The interface a packet names. Only here must it be Ethernet: an unused interface may be anything. */
  private ethernet(input: Input, id: number): Clocked {
    const found = this.local[id]
    if (found === undefined)
      throw this.bad(input, `a packet of interface ${id}: expected one of the section's ${this.local.length}`)
    const { linkType, name } = found.info
    if (linkType !== LINKTYPE_ETHERNET)
      throw new CaptureError(
        'ERR_CAPTURE_LINKTYPE',
        input.offset,
        `a packet of interface ${id}${name === undefined ? '' : ` (${name})`} with link type ${linkType}: expected ` +
          `${LINKTYPE_ETHERNET} (Ethernet)`,
      )
    return found
  }

  /** An Enhanced Packet Block, or the obsolete Packet Block: they differ in the interface number's width. */
  private packet(input: Input, batch: BatchBuilder, end: number, id: number): void {
    const { view, pos, bytes } = input
    const little = this.little
    const from = this.ethernet(input, id)
    const length = view.getUint32(pos + 20, little)
    const at = pos + 28
    if (length > end - at)
      throw this.bad(input, `a packet of ${length} captured bytes: expected at most ${end - at}, its block's room`)

    const ticks = (BigInt(view.getUint32(pos + 12, little)) << 32n) | BigInt(view.getUint32(pos + 16, little))
    const timeNs = (from.mul === 1n && from.div === 1n ? ticks : (ticks * from.mul) / from.div) + from.offsetNs
    if (timeNs > MAX_TIME || timeNs < -MAX_TIME)
      throw this.bad(input, `a time of ${timeNs} ns: expected one that fits 64 bits`)

    let flags = 0
    let comments: string[] | undefined
    const options = at + ((length + 3) & ~3)
    if (options < end)
      this.options(input, options, end, (code, start, size) => {
        if (code === OPT_COMMENT) (comments ??= []).push(this.text.decode(bytes.subarray(start, start + size)))
        else if (code === EPB_FLAGS) {
          this.optionLength(input, 'epb_flags', size, 4)
          flags = view.getUint32(start, little)
        }
      })
    this.lastNs = timeNs
    batch.add(input.offset, from.info.id, timeNs, at, length, view.getUint32(pos + 24, little), flags, comments)
  }

  /** Of the section's first interface, cut to its snap length, and without a time: it gets the one before it. */
  private simplePacket(input: Input, batch: BatchBuilder, end: number): void {
    const from = this.ethernet(input, 0)
    const origLength = input.view.getUint32(input.pos + 8, this.little)
    const snapLen = from.info.snapLen
    const length = snapLen === 0 ? origLength : Math.min(snapLen, origLength)
    const at = input.pos + 12
    if (length > end - at)
      throw this.bad(input, `a packet of ${length} captured bytes: expected at most ${end - at}, its block's room`)
    batch.add(input.offset, from.info.id, this.lastNs, at, length, origLength)
  }

  /** Calls `visit` for each option from `at` to the block's trailer at `end`. */
  private options(
    input: Input,
    at: number,
    end: number,
    visit: (code: number, at: number, length: number) => void,
  ): void {
    while (end - at >= 4) {
      const code = input.view.getUint16(at, this.little)
      const length = input.view.getUint16(at + 2, this.little)
      if (code === 0) return
      at += 4
      if (length > end - at)
        throw this.bad(input, `option ${code} of ${length} bytes: expected at most ${end - at}, its block's room`)
      visit(code, at, length)
      at += (length + 3) & ~3
    }
  }

  private optionLength(input: Input, name: string, length: number, expected: number): void {
    if (length !== expected) throw this.bad(input, `${name} of ${length} bytes: expected ${expected}`)
  }
}
