// Frames for tests: builders with right lengths and checksums (any field can be set wrong), and a reader that checks them.
// Ends are '10.0.0.2:4000', or '10.0.0.2' where there is no port. Unless said otherwise a frame goes from PEER_MAC to HOST_MAC.

import { parseIPv4, parseMac } from '../../src/index.ts'

export const HOST_MAC = '02:00:00:00:00:01'
export const PEER_MAC = '02:00:00:00:00:02'
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff'

export type Bytes = Uint8Array<ArrayBuffer>
type Data = Uint8Array | string | number

/** Bytes of a text, of another array, or so many bytes that count up. */
export function bytesOf(data: Data): Bytes {
  if (typeof data === 'number') return Uint8Array.from({ length: data }, (_, i) => i & 255)
  return typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data)
}

export function join(...parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  parts.reduce((at, part) => {
    out.set(part, at)
    return at + part.length
  }, 0)
  return out
}

const address = (text: string): Bytes => new Uint8Array(Uint32Array.of(parseIPv4(text)).buffer)
const u16 = (...values: number[]): Bytes =>
  Uint8Array.from(values.flatMap((value) => [(value >> 8) & 255, value & 255]))
const u32 = (value: number): Bytes => u16(value >>> 16, value & 65535)

/** The Internet checksum (RFC 1071), word by word. */
export function checksum(...parts: readonly Uint8Array[]): number {
  const data = join(...parts)
  const sum = data.reduce((total, byte, i) => total + (i & 1 ? byte : byte << 8), 0)
  const once = (sum & 65535) + Math.floor(sum / 65536)
  return ~((once & 65535) + (once >>> 16)) & 65535
}

function endOf(text: string): { ip: string; port: number } {
  const [ip, port = '0'] = text.split(':') as [string, string?]
  return { ip, port: Number(port) }
}

/** The link header; a frame is padded to 60 bytes only when asked. */
export interface Link {
  smac?: string
  dmac?: string
  ethertype?: number
  /** VLAN tags, outermost first: VLAN id, or [id, TPID]. */
  vlan?: readonly (number | readonly [id: number, tpid: number])[]
  pad?: number
}

export function eth(link: Link, payload: Uint8Array): Bytes {
  const { smac = PEER_MAC, dmac = HOST_MAC, ethertype = 0x0800, vlan = [], pad = 0 } = link
  const tags = vlan.map((tag) => (typeof tag === 'number' ? u16(0x8100, tag) : u16(tag[1], tag[0])))
  const frame = join(parseMac(dmac), parseMac(smac), ...tags, u16(ethertype), payload)
  return frame.length < pad ? join(frame, new Uint8Array(pad - frame.length)) : frame
}

/** The IPv4 header; what is given is not made right. */
export interface Ip extends Link {
  from?: string
  to?: string
  version?: number
  /** Words of the header. */
  ihl?: number
  tos?: number
  ttl?: number
  id?: number
  df?: boolean
  mf?: boolean
  /** In bytes. */
  offset?: number
  totalLength?: number
  options?: Uint8Array
  protocol?: number
  /** Added to the right header checksum. */
  ipChecksumOff?: number
}

export const PEER = '10.0.0.2'
export const HOST = '10.0.0.1'

/** An IPv4 packet with any payload. */
export function ipPacket(ip: Ip, payload: Uint8Array): Bytes {
  const { tos = 0, ttl = 64, id = 0, df = false, mf = false, offset = 0, protocol = 17, version = 4 } = ip
  const options = ip.options ?? new Uint8Array(0)
  const padded = join(options, new Uint8Array(-options.length & 3))
  const length = ip.totalLength ?? 20 + padded.length + payload.length
  const head = join(
    Uint8Array.of((version << 4) | (ip.ihl ?? 5 + padded.length / 4), tos),
    u16(length, id, (df ? 0x4000 : 0) | (mf ? 0x2000 : 0) | (offset >> 3)),
    Uint8Array.of(ttl, protocol, 0, 0),
    address(endOf(ip.from ?? PEER).ip),
    address(endOf(ip.to ?? HOST).ip),
    padded,
  )
  head.set(u16(checksum(head) + (ip.ipChecksumOff ?? 0)), 10)
  return join(head, payload)
}

/** A frame with an IPv4 packet. */
export function ip(fields: Ip, payload: Data = ''): Bytes {
  return eth(fields, ipPacket(fields, bytesOf(payload)))
}

function pseudo(fields: Ip, protocol: number, length: number): Bytes {
  return join(address(endOf(fields.from ?? PEER).ip), address(endOf(fields.to ?? HOST).ip), u16(protocol, length))
}

export interface Udp extends Ip {
  data?: Data
  /** Of the UDP header. */
  length?: number
  /** 'none': 0 is sent; else added to the right checksum. */
  checksumOff?: number | 'none'
}

/** A UDP datagram. Ports stand behind the addresses: {from: '10.0.0.2:4000', to: '10.0.0.1:9'}. */
export function udpDatagram(fields: Udp): Bytes {
  const data = bytesOf(fields.data ?? '')
  const { from = `${PEER}:4000`, to = `${HOST}:7` } = fields
  const length = fields.length ?? 8 + data.length
  const head = join(u16(endOf(from).port, endOf(to).port, length, 0))
  const sum = checksum(pseudo({ from, to }, 17, length), head, data) || 65535
  if (fields.checksumOff !== 'none') head.set(u16((sum + (fields.checksumOff ?? 0)) & 65535), 6)
  return join(head, data)
}

export const udp = (fields: Udp = {}): Bytes =>
  ip({ from: `${PEER}:4000`, to: `${HOST}:7`, ...fields, protocol: 17 }, udpDatagram(fields))

export interface Icmp extends Ip {
  type?: number
  code?: number
  /** The four bytes behind the checksum: id and sequence number of an echo, MTU of 'fragmentation needed'. */
  rest?: number
  data?: Data
  checksumOff?: number
}

export function icmpMessage(fields: Icmp): Bytes {
  const { type = 8, code = 0, rest = 0x00010001, data = 'ping', checksumOff = 0 } = fields
  const message = join(Uint8Array.of(type, code, 0, 0), u32(rest), bytesOf(data))
  message.set(u16(checksum(message) + checksumOff), 2)
  return message
}

export const icmp = (fields: Icmp = {}): Bytes => ip({ ...fields, protocol: 1 }, icmpMessage(fields))

export interface Tcp extends Ip {
  /** Letters of FSRPAUEC. */
  flags?: string
  seq?: number
  ack?: number
  window?: number
  /** Words of the header. */
  doff?: number
  data?: Data
  checksumOff?: number
}

export function tcpSegment(fields: Tcp): Bytes {
  const { from = `${PEER}:4000`, to = `${HOST}:80`, flags = 'S', seq = 1000, ack = 0, window = 65535 } = fields
  const bits = [...flags].reduce((sum, letter) => sum | (1 << 'FSRPAUEC'.indexOf(letter)), 0)
  const head = join(u16(endOf(from).port, endOf(to).port), u32(seq), u32(ack), u16(((fields.doff ?? 5) << 12) | bits))
  const segment = join(head, u16(window, 0, 0), bytesOf(fields.data ?? ''))
  segment.set(u16(checksum(pseudo({ from, to }, 6, segment.length), segment) + (fields.checksumOff ?? 0)), 16)
  return segment
}

export const tcp = (fields: Tcp = {}): Bytes =>
  ip({ from: `${PEER}:4000`, to: `${HOST}:80`, ...fields, protocol: 6 }, tcpSegment(fields))

export interface Arp extends Link {
  op?: number
  sha?: string
  sip?: string
  tha?: string
  tip?: string
}

/** An ARP message; a request is broadcast. */
export function arp(fields: Arp = {}): Bytes {
  const { op = 1, sha = PEER_MAC, sip = PEER, tha = '00:00:00:00:00:00', tip = HOST } = fields
  const head = join(u16(1, 0x0800, 0x0604, op), parseMac(sha), address(sip), parseMac(tha), address(tip))
  return eth({ dmac: op === 1 ? BROADCAST_MAC : HOST_MAC, ethertype: 0x0806, ...fields }, head)
}

/** An IPv4 datagram in fragments whose payloads have `size` bytes (a multiple of 8), as frames. */
export function fragments(fields: Ip, datagram: Uint8Array, size: number): Bytes[] {
  const count = Math.max(1, Math.ceil(datagram.length / size))
  return Array.from({ length: count }, (_, i) => {
    const part = datagram.subarray(i * size, (i + 1) * size)
    return ip({ id: 77, ...fields, offset: i * size, mf: i < count - 1 }, part)
  })
}

/** What a frame holds. Checksums that are wrong are told by name in `wrong`. */
export interface Seen {
  smac: string
  dmac: string
  ethertype: number
  length: number
  wrong: string[]
  from?: string
  to?: string
  ttl?: number
  tos?: number
  id?: number
  df?: boolean
  mf?: boolean
  offset?: number
  protocol?: number
  options?: string
  type?: number
  code?: number
  rest?: number
  flags?: string
  seq?: number
  ack?: number
  op?: number
  sha?: string
  sip?: string
  tha?: string
  tip?: string
  /** Of UDP, ICMP and TCP, as text when it is printable, else in hex. */
  data?: string
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
const macText = (bytes: Uint8Array): string => hex(bytes).match(/../g)!.join(':')
const text = (bytes: Uint8Array): string =>
  bytes.every((byte) => byte >= 32 && byte < 127) ? new TextDecoder().decode(bytes) : hex(bytes)

function readTransport(seen: Seen, packet: Uint8Array, head: number, total: number): void {
  const payload = packet.subarray(head, total)
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const sum = (protocol: number): number => checksum(packet.subarray(12, 20), u16(protocol, payload.length), payload)
  if (seen.protocol === 17) {
    seen.from += `:${view.getUint16(0)}`
    seen.to += `:${view.getUint16(2)}`
    seen.data = text(payload.subarray(8))
    if (view.getUint16(6) !== 0 && sum(17) !== 0) seen.wrong.push('UDP checksum')
    if (view.getUint16(4) !== payload.length) seen.wrong.push('UDP length')
  } else if (seen.protocol === 1) {
    Object.assign(seen, {
      type: payload[0]!,
      code: payload[1]!,
      rest: view.getUint32(4),
      data: text(payload.subarray(8)),
    })
    if (checksum(payload) !== 0) seen.wrong.push('ICMP checksum')
  } else if (seen.protocol === 6) {
    seen.from += `:${view.getUint16(0)}`
    seen.to += `:${view.getUint16(2)}`
    seen.seq = view.getUint32(4)
    seen.ack = view.getUint32(8)
    seen.flags = [...'FSRPAUEC'].filter((_, bit) => payload[13]! & (1 << bit)).join('')
    if (sum(6) !== 0) seen.wrong.push('TCP checksum')
  }
}

function readIp(seen: Seen, packet: Uint8Array): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const head = (packet[0]! & 15) * 4
  const total = view.getUint16(2)
  const frag = view.getUint16(6)
  Object.assign(seen, {
    from: packet.subarray(12, 16).join('.'),
    to: packet.subarray(16, 20).join('.'),
    ttl: packet[8],
    tos: packet[1],
    id: view.getUint16(4),
    df: (frag & 0x4000) !== 0,
    mf: (frag & 0x2000) !== 0,
    offset: (frag & 0x1fff) * 8,
    protocol: packet[9],
    options: hex(packet.subarray(20, head)),
  })
  if (checksum(packet.subarray(0, head)) !== 0) seen.wrong.push('IP checksum')
  if (total > packet.length) seen.wrong.push('total length')
  else if ((frag & 0x3fff) === 0) readTransport(seen, packet, head, total)
}

/** Takes a frame apart. */
export function read(frame: Uint8Array): Seen {
  const ethertype = (frame[12]! << 8) | frame[13]!
  const seen: Seen = {
    smac: macText(frame.subarray(6, 12)),
    dmac: macText(frame.subarray(0, 6)),
    ethertype,
    length: frame.length,
    wrong: [],
  }
  if (ethertype === 0x0800) readIp(seen, frame.subarray(14))
  if (ethertype === 0x0806) {
    Object.assign(seen, {
      op: frame[21],
      sha: macText(frame.subarray(22, 28)),
      sip: frame.subarray(28, 32).join('.'),
      tha: macText(frame.subarray(32, 38)),
      tip: frame.subarray(38, 42).join('.'),
    })
  }
  return seen
}
