// People's spellings of addresses, names and units, and how they lie in memory. Pure functions.
// An IPv4 address is a u32 as it lies in memory (network order, read as little-endian): 10.0.0.1 is 0x0100000a.

import { ARPHRD_NONE, ARPHRD_TUNNEL } from '../../assembly/uapi/if_arp.ts'
import { AF_INET, AF_PACKET } from '../../assembly/uapi/socket.ts'
import { invalid } from './errors.ts'

export const SOCKADDR_IN_SIZE = 16
export const SOCKADDR_LL_SIZE = 20
/** Longest name of a device, without the 0 behind it. */
export const IFNAME_MAX = 15

/** Address and port of an end of a conversation. */
export interface Endpoint {
  address: string
  port: number
}

/** An argument in a message: its name, if it has one, and what was given. */
const named = (what: string, value: unknown): string => `${what && `${what} `}'${String(value)}'`

/** An IPv4 address as it lies in memory. EINVAL for anything but four decimal numbers; what: the argument's name. */
export function parseIPv4(text: string, syscall = 'address', what = ''): number {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  const parts = match?.slice(1).map(Number)
  if (!parts || parts.some((part) => part > 255)) {
    throw invalid(syscall, `${named(what, text)} is no IPv4 address (a.b.c.d)`)
  }
  const [a, b, c, d] = parts as [number, number, number, number]
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
}

export function formatIPv4(address: number): string {
  return `${address & 255}.${(address >>> 8) & 255}.${(address >>> 16) & 255}.${address >>> 24}`
}

/** '10.0.0.0/8', '10.0.0.1' (length 32) or 'default', 'any', 'all' (0.0.0.0/0). Host bits stay as given. */
export function parsePrefix(text: string, syscall = 'prefix', what = ''): { address: number; length: number } {
  if (text === 'default' || text === 'any' || text === 'all') return { address: 0, length: 0 }
  const slash = typeof text === 'string' ? text.indexOf('/') : -1
  if (slash < 0) return { address: parseIPv4(text, syscall, what), length: 32 }
  const digits = text.slice(slash + 1)
  const length = Number(digits)
  if (!/^\d{1,2}$/.test(digits) || length > 32) {
    throw invalid(syscall, `${named(what, text)}: the prefix length is 0 to 32`)
  }
  return { address: parseIPv4(text.slice(0, slash), syscall, what), length }
}

export function formatPrefix(address: number, length: number): string {
  return `${formatIPv4(address)}/${length}`
}

/** The mask of a prefix length, as it lies in memory. */
export function maskOf(length: number): number {
  return length === 0 ? 0 : byteSwap32((0xffffffff << (32 - length)) >>> 0)
}

export function byteSwap32(value: number): number {
  return ((value << 24) | ((value << 8) & 0xff0000) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}

/** A 16-bit number in network order as it reads in memory, and back. */
export function byteSwap16(value: number): number {
  return ((value << 8) & 0xff00) | ((value >>> 8) & 0xff)
}

/** Six bytes of '02:00:00:00:00:01'. */
export function parseMac(text: string, syscall = 'mac', what = ''): Uint8Array<ArrayBuffer> {
  if (!/^[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}$/.test(text)) {
    throw invalid(syscall, `${named(what, text)} is no MAC address (six bytes in hex with colons)`)
  }
  return Uint8Array.from(text.split(':'), (part) => parseInt(part, 16))
}

export function formatMac(bytes: ArrayLike<number>): string {
  return Array.from({ length: 6 }, (_, i) => bytes[i]!.toString(16).padStart(2, '0')).join(':')
}

/** A device's name with the 0 behind it. EINVAL where Linux refuses it (dev_valid_name). */
export function encodeIfname(name: string, syscall = 'ifname', what = ''): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(name)
  if (!name || name === '.' || name === '..' || bytes.length > IFNAME_MAX || /[\s/:]/.test(name)) {
    throw invalid(
      syscall,
      `${named(what, name)} is no device name (1 to ${IFNAME_MAX} bytes without space, '/' and ':')`,
    )
  }
  const padded = new Uint8Array(IFNAME_MAX + 1)
  padded.set(bytes)
  return padded
}

/** A number within bounds, or EINVAL that names the argument. */
export function integer(value: unknown, min: number, max: number, what: string, syscall: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalid(syscall, `${what} is a whole number from ${min} to ${max}, not ${String(value)}`)
}

/** '10.0.0.2:9000', {address, port} or [address, port?]; port 0 where it is left out. */
export type EndpointLike = string | Readonly<Endpoint> | readonly [address: string, port?: number]

export function parseEndpoint(from: EndpointLike, syscall: string): Endpoint {
  if (typeof from === 'string') {
    const colon = from.lastIndexOf(':')
    const address = colon < 0 ? from : from.slice(0, colon)
    const digits = colon < 0 ? '0' : from.slice(colon + 1)
    if (!/^\d{1,5}$/.test(digits)) throw invalid(syscall, `'${from}' is no endpoint (address:port)`)
    return { address, port: integer(Number(digits), 0, 65535, 'the port', syscall) }
  }
  const { address, port } = 'address' in from ? from : { address: from[0], port: from[1] ?? 0 }
  return { address, port: integer(port, 0, 65535, 'the port', syscall) }
}

/** struct sockaddr_in. */
export function writeSockaddrIn(to: DataView, at: number, endpoint: Endpoint, syscall: string): number {
  to.setUint16(at, AF_INET, true)
  to.setUint16(at + 2, endpoint.port, false)
  to.setUint32(at + 4, parseIPv4(endpoint.address, syscall), true)
  to.setUint32(at + 8, 0, true)
  to.setUint32(at + 12, 0, true)
  return SOCKADDR_IN_SIZE
}

export function readSockaddrIn(from: DataView, at: number): Endpoint {
  return { address: formatIPv4(from.getUint32(at + 4, true)), port: from.getUint16(at + 2, false) }
}

/** Where a packet socket is bound, or sends to. */
export interface LinkAddress {
  /** Index of the device, 0: any. */
  ifindex: number
  /** EtherType in host order. */
  protocol: number
  mac?: string
  /** PACKET_HOST and so on, of what was received. */
  pkttype?: number
}

/** A link address as the kernel answers it: whose packet it was, or what a packet socket is bound to. */
export interface LinkName extends Required<LinkAddress> {
  /** '' where links have no hardware addresses. */
  mac: string
  /** ARPHRD_* of the device: 1 is Ethernet, 772 lo, 65534 a TUN. */
  hatype: number
}

/** struct sockaddr_ll. */
export function writeSockaddrLl(to: DataView, at: number, address: LinkAddress): number {
  to.setUint16(at, AF_PACKET, true)
  to.setUint16(at + 2, address.protocol, false)
  to.setInt32(at + 4, address.ifindex, true)
  to.setUint16(at + 8, 1, true)
  to.setUint8(at + 10, address.pkttype ?? 0)
  to.setUint8(at + 11, 6)
  const mac = address.mac === undefined ? new Uint8Array(6) : parseMac(address.mac)
  for (let i = 0; i < 8; i++) to.setUint8(at + 12 + i, mac[i] ?? 0)
  return SOCKADDR_LL_SIZE
}

export function readSockaddrLl(from: DataView, at: number): LinkName {
  const hatype = from.getUint16(at + 8, true)
  const length = hatype === ARPHRD_NONE || hatype === ARPHRD_TUNNEL ? 0 : 6
  return {
    protocol: from.getUint16(at + 2, false),
    ifindex: from.getInt32(at + 4, true),
    hatype,
    pkttype: from.getUint8(at + 10),
    mac: length ? formatMac(Array.from({ length }, (_, i) => from.getUint8(at + 12 + i))) : '',
  }
}

const TIME_UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 }
const RATE_UNITS: Readonly<Record<string, number>> = {
  bit: 1,
  kbit: 1e3,
  mbit: 1e6,
  gbit: 1e9,
  tbit: 1e12,
  bps: 8,
  kbps: 8e3,
  mbps: 8e6,
  gbps: 8e9,
}

function withUnit(text: string, units: Readonly<Record<string, number>>, what: string, syscall: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim())
  const unit = match ? units[match[2]!.toLowerCase()] : undefined
  if (!match || unit === undefined) {
    throw invalid(syscall, `'${text}' is no ${what} (a number and one of ${Object.keys(units).join(', ')})`)
  }
  return Number(match[1]) * unit
}

/** A time in ns: a number is ns, a string has its unit ('20us', '1.5 s'). */
export function parseTime(time: number | string, syscall = 'time'): number {
  const ns = typeof time === 'number' ? time : withUnit(time, TIME_UNITS, 'time', syscall)
  if (!(ns >= 0 && ns <= Number.MAX_SAFE_INTEGER)) throw invalid(syscall, `a time is 0 ns to 104 days, not ${time}`)
  return Math.round(ns)
}

/** Bits per second: a number, or as tc spells it ('10gbit'). 0 is no limit. */
export function parseRate(rate: number | string, syscall = 'rate'): number {
  const bits = typeof rate === 'number' ? rate : withUnit(rate, RATE_UNITS, 'rate', syscall)
  if (!(bits >= 0 && bits <= 1e15)) throw invalid(syscall, `a rate is 0 (no limit) to 10^15 bits/s, not ${rate}`)
  return bits
}

/** A probability: 0 to 1, or '1%'. */
export function parseLoss(loss: number | string, syscall = 'loss'): number {
  const share =
    typeof loss === 'number' ? loss : /^\d+(\.\d+)?%$/.test(loss) ? Number(loss.slice(0, -1)) / 100 : Number.NaN
  if (!(share >= 0 && share <= 1)) throw invalid(syscall, `a loss is 0 to 1 or a percentage ('0.1%'), not ${loss}`)
  return share
}
