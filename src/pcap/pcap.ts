// Classic pcap (draft-ietf-opsawg-pcap): a 24-byte header, then records of a 16-byte header and the packet.

import { LINKTYPE_ETHERNET } from './batch.ts'
import type { BatchBuilder, CaptureInterface, CaptureParser } from './batch.ts'
import { CaptureError } from './error.ts'
import type { Input } from './input.ts'

export const PCAP_HEADER = 24
const RECORD_HEADER = 16

export const MAGIC_NANO = 0xa1b23c4d

// What libpcap takes at most for Ethernet. Files with a larger snap length may go up to it.
const MAX_PACKET = 256 * 1024
const MAX_RECORD = 256 * 1024 * 1024

export interface PcapMagic {
  little: boolean
  nano: boolean
}

/** Byte order and time unit by the first four bytes (read big-endian); undefined: not a pcap file. */
export function pcapMagic(first: number): PcapMagic | undefined {
  switch (first) {
    case 0xa1b2c3d4:
      return { little: false, nano: false }
    case MAGIC_NANO:
      return { little: false, nano: true }
    case 0xd4c3b2a1:
      return { little: true, nano: false }
    case 0x4d3cb2a1:
      return { little: true, nano: true }
    default:
      return undefined
  }
}

export class PcapParser implements CaptureParser {
  readonly unit = 'packet record'
  private readonly little: boolean
  private readonly tickNs: number
  private readonly maxLength: number
  private second = 0
  private secondNs = 0n

  /** Reads the file header, of which PCAP_HEADER bytes must be unread. Adds the interface. Throws CaptureError. */
  constructor(input: Input, magic: PcapMagic, interfaces: CaptureInterface[]) {
    const { view, pos } = input
    const little = magic.little
    const major = view.getUint16(pos + 4, little)
    const minor = view.getUint16(pos + 6, little)
    if (major !== 2 || minor < 4)
      throw new CaptureError('ERR_CAPTURE_FORMAT', input.offset, `pcap version ${major}.${minor}: expected 2.4`)
    const snapLen = view.getUint32(pos + 16, little)
    const network = view.getUint32(pos + 20, little)
    // The low 16 bits; the FCS length, in 16-bit words, lies in the top bits, valid with bit 26.
    const linkType = network & 0xffff
    if (linkType !== LINKTYPE_ETHERNET)
      throw new CaptureError(
        'ERR_CAPTURE_LINKTYPE',
        input.offset,
        `link type ${linkType}: expected ${LINKTYPE_ETHERNET} (Ethernet)`,
      )
    const only: CaptureInterface = {
      id: 0,
      section: 0,
      linkType,
      snapLen,
      tsresol: magic.nano ? 9 : 6,
      tsoffset: 0n,
    }
    if ((network & 0x04000000) !== 0) only.fcsLength = (network >>> 28) * 2
    interfaces.push(only)
    this.little = little
    this.tickNs = magic.nano ? 1 : 1000
    this.maxLength = Math.min(MAX_RECORD, Math.max(MAX_PACKET, snapLen))
    input.pos = pos + PCAP_HEADER
  }

  private timeNs(seconds: number, fraction: number): bigint {
    if (seconds !== this.second) {
      this.second = seconds
      this.secondNs = BigInt(seconds) * 1_000_000_000n
    }
    return this.secondNs + BigInt(fraction * this.tickNs)
  }

  parse(input: Input, batch: BatchBuilder): number {
    const view = input.view
    const little = this.little
    while (!batch.full) {
      if (input.left < RECORD_HEADER) return RECORD_HEADER
      const at = input.pos
      const length = view.getUint32(at + 8, little)
      if (length > this.maxLength)
        throw new CaptureError(
          'ERR_CAPTURE_FORMAT',
          input.offset,
          `a packet record of ${length} captured bytes: expected at most ${this.maxLength}`,
        )
      if (input.left < RECORD_HEADER + length) return RECORD_HEADER + length
      const time = this.timeNs(view.getUint32(at, little), view.getUint32(at + 4, little))
      batch.add(input.offset, 0, time, at + RECORD_HEADER, length, view.getUint32(at + 12, little))
      input.pos = at + RECORD_HEADER + length
    }
    return 0
  }
}
