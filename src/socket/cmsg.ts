// Control messages as they lie in memory on x86-64 (struct cmsghdr: length of 8 bytes, level, type; data aligned to 8), and
// as objects whose members are their C names. The error queue's sock_extended_err is one of them.

import * as in_ from '../../assembly/uapi/in.ts'
import * as so from '../../assembly/uapi/socket.ts'
import { formatIPv4, integer, parseIPv4, readSockaddrIn, type Endpoint } from '../wasm/encode.ts'
import { errnoName, invalid } from '../wasm/errors.ts'
import type { IndexOf } from './options.ts'

/** What may go along with a datagram that is sent. */
export interface SendCmsg {
  IP_TTL?: number
  IP_TOS?: number
  /** From which device and address. */
  IP_PKTINFO?: { dev?: string; spec_dst?: string }
  /** IP options to send with it. */
  IP_RETOPTS?: Uint8Array
  /** Cut into datagrams of this many bytes. */
  UDP_SEGMENT?: number
  SO_MARK?: number
  SO_PRIORITY?: number
  /** When it shall leave, in ns of the clock that SO_TXTIME named. */
  SCM_TXTIME?: number | bigint
  /** Which stages shall be stamped: SOF_TIMESTAMPING_TX_*. */
  SO_TIMESTAMPING?: number
  /** The number of its stamps. */
  SCM_TS_OPT_ID?: number
}

/** What a read may bring, by the options that ask for it. */
export interface ReceivedCmsg {
  IP_TTL?: number
  IP_TOS?: number
  IP_PKTINFO?: { dev: string | number; spec_dst: string; addr: string }
  IP_RECVOPTS?: Uint8Array
  IP_RETOPTS?: Uint8Array
  IP_ORIGDSTADDR?: Endpoint
  IP_RECVFRAGSIZE?: number
  IP_CHECKSUM?: number
  UDP_GRO?: number
  SO_RXQ_OVFL?: number
  SO_MARK?: number
  SO_PRIORITY?: number
  /** Seconds of virtual time. */
  SO_TIMESTAMP?: number
  SO_TIMESTAMPNS?: number
  /** Stamps of software, none, and of hardware, in seconds (struct scm_timestamping). */
  SO_TIMESTAMPING?: readonly [software: number, legacy: number, hardware: number]
  PACKET_AUXDATA?: PacketAuxdata
  /** Others: bytes by 'level.type'. */
  [other: `${number}.${number}`]: Uint8Array
}

/** struct tpacket_auxdata: what the bytes of a packet do not show. */
export interface PacketAuxdata {
  /** TP_STATUS_* */
  status: number
  /** Bytes of the packet, and those that the filter left of it. */
  len: number
  snaplen: number
  /** Offsets of its headers in the data. */
  mac: number
  net: number
  /** VLAN tag and its kind, when status says so (TP_STATUS_VLAN_VALID). */
  vlan_tci: number
  vlan_tpid: number
}

/** Where an entry of the error queue comes from (SO_EE_ORIGIN_*). */
const ORIGINS = ['NONE', 'LOCAL', 'ICMP', 'ICMP6', 'TIMESTAMPING', 'ZEROCOPY', 'TXTIME'] as const

/** From the error queue (struct sock_extended_err). */
export interface QueuedError {
  /** Its name: 'ECONNREFUSED'; '0' for a completion of MSG_ZEROCOPY. */
  errno: string
  origin: (typeof ORIGINS)[number] | number
  type: number
  code: number
  info: number
  data: number
  /** Who said so. */
  offender?: string
}

/** Finds a device's name by its index. */
export type NameOf = (ifindex: number) => string | number

const HEADER = 16
const align = (length: number): number => (length + 7) & ~7

function message(level: number, type: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(align(HEADER + data.length))
  const view = new DataView(out.buffer)
  view.setBigUint64(0, BigInt(HEADER + data.length), true)
  view.setInt32(8, level, true)
  view.setInt32(12, type, true)
  out.set(data, HEADER)
  return out
}

const int32 = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)
const uint16 = (value: number): Uint8Array => new Uint8Array(Uint16Array.of(value).buffer)

function pktinfo(value: { dev?: string; spec_dst?: string }, indexOf: IndexOf): Uint8Array {
  const index = value.dev === undefined ? 0 : indexOf(value.dev)
  const source = value.spec_dst === undefined ? 0 : parseIPv4(value.spec_dst, 'sendmsg')
  return new Uint8Array(Uint32Array.of(index, source, 0).buffer)
}

/** A time in ns. */
function time64(value: unknown): Uint8Array {
  const ns =
    typeof value === 'bigint' ? value : BigInt(integer(value, 0, Number.MAX_SAFE_INTEGER, 'SCM_TXTIME', 'sendmsg'))
  return new Uint8Array(BigUint64Array.of(ns).buffer)
}

function encodeOne(name: string, value: unknown, indexOf: IndexOf): Uint8Array {
  const small = (what: unknown, max: number): number => integer(what, -1, max, name, 'sendmsg')
  switch (name) {
    case 'IP_TTL':
      return message(so.SOL_IP, in_.IP_TTL, int32(small(value, 2147483647)))
    case 'IP_TOS':
      return message(so.SOL_IP, in_.IP_TOS, int32(small(value, 2147483647)))
    case 'IP_PKTINFO':
      return message(so.SOL_IP, in_.IP_PKTINFO, pktinfo(value as { dev?: string; spec_dst?: string }, indexOf))
    case 'IP_RETOPTS':
      return message(so.SOL_IP, in_.IP_RETOPTS, value as Uint8Array)
    case 'UDP_SEGMENT':
      return message(so.SOL_UDP, in_.UDP_SEGMENT, uint16(small(value, 65535)))
    case 'SO_MARK':
      return message(so.SOL_SOCKET, so.SO_MARK, int32(integer(value, 0, 4294967295, name, 'sendmsg') | 0))
    case 'SO_PRIORITY':
      return message(so.SOL_SOCKET, so.SO_PRIORITY, int32(small(value, 2147483647)))
    case 'SCM_TXTIME':
      return message(so.SOL_SOCKET, so.SCM_TXTIME, time64(value))
    case 'SO_TIMESTAMPING':
      return message(so.SOL_SOCKET, so.SO_TIMESTAMPING, int32(integer(value, 0, 4294967295, name, 'sendmsg') | 0))
    case 'SCM_TS_OPT_ID':
      return message(so.SOL_SOCKET, so.SCM_TS_OPT_ID, int32(integer(value, 0, 4294967295, name, 'sendmsg') | 0))
    default:
      throw invalid('sendmsg', `there is no control message '${name}' to send`)
  }
}

/** The bytes of msg_control. */
export function encodeCmsg(cmsg: SendCmsg, indexOf: IndexOf): Uint8Array<ArrayBuffer> {
  const parts = Object.entries(cmsg).map(([name, value]) => encodeOne(name, value, indexOf))
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  parts.reduce((at, part) => {
    out.set(part, at)
    return at + part.length
  }, 0)
  return out
}

function extendedError(view: DataView, at: number, length: number): QueuedError {
  const number = view.getUint32(at, true)
  const origin = view.getUint8(at + 4)
  const offender = length >= 24 && view.getUint16(at + 16, true) === so.AF_INET
  return {
    errno: number === 0 ? '0' : errnoName(number),
    origin: ORIGINS[origin] ?? origin,
    type: view.getUint8(at + 5),
    code: view.getUint8(at + 6),
    info: view.getUint32(at + 8, true),
    data: view.getUint32(at + 12, true),
    ...(offender && { offender: formatIPv4(view.getUint32(at + 20, true)) }),
  }
}

/** What control messages a read brought. */
export interface DecodedCmsg {
  cmsg?: ReceivedCmsg
  error?: QueuedError
}

function decodeIp(to: ReceivedCmsg, type: number, view: DataView, at: number, bytes: Uint8Array, nameOf: NameOf): void {
  if (type === in_.IP_TTL) to.IP_TTL = view.getInt32(at, true)
  else if (type === in_.IP_TOS) to.IP_TOS = view.getUint8(at)
  else if (type === in_.IP_RECVOPTS) to.IP_RECVOPTS = bytes
  else if (type === in_.IP_RETOPTS) to.IP_RETOPTS = bytes
  else if (type === in_.IP_ORIGDSTADDR) to.IP_ORIGDSTADDR = readSockaddrIn(view, at)
  else if (type === in_.IP_RECVFRAGSIZE) to.IP_RECVFRAGSIZE = view.getInt32(at, true)
  else if (type === in_.IP_CHECKSUM) to.IP_CHECKSUM = view.getUint32(at, true)
  else {
    to.IP_PKTINFO = {
      dev: nameOf(view.getInt32(at, true)),
      spec_dst: formatIPv4(view.getUint32(at + 4, true)),
      addr: formatIPv4(view.getUint32(at + 8, true)),
    }
  }
}

function decodeSocket(to: ReceivedCmsg, type: number, view: DataView, at: number): void {
  const stamp = (unit: number, from = 0): number =>
    Number(view.getBigInt64(at + from, true)) + Number(view.getBigInt64(at + from + 8, true)) / unit
  if (type === so.SO_RXQ_OVFL) to.SO_RXQ_OVFL = view.getUint32(at, true)
  else if (type === so.SO_MARK) to.SO_MARK = view.getUint32(at, true)
  else if (type === so.SO_PRIORITY) to.SO_PRIORITY = view.getInt32(at, true)
  else if (type === so.SO_TIMESTAMP) to.SO_TIMESTAMP = stamp(1e6)
  else if (type === so.SO_TIMESTAMPING || type === so.SO_TIMESTAMPING_NEW)
    to.SO_TIMESTAMPING = [stamp(1e9), stamp(1e9, 16), stamp(1e9, 32)]
  else to.SO_TIMESTAMPNS = stamp(1e9)
}

function auxdata(view: DataView, at: number): PacketAuxdata {
  const word = (offset: number): number => view.getUint32(at + offset, true)
  const half = (offset: number): number => view.getUint16(at + offset, true)
  return {
    status: word(0),
    len: word(4),
    snaplen: word(8),
    mac: half(12),
    net: half(14),
    vlan_tci: half(16),
    vlan_tpid: half(18),
  }
}

/** Bytes of those that are read as more than bytes; others, and those that were cut short (MSG_CTRUNC), are handed on. */
const SIZES: ReadonlyMap<string, number> = new Map(
  (
    [
      [so.SOL_IP, in_.IP_TTL, 4],
      [so.SOL_IP, in_.IP_TOS, 1],
      [so.SOL_IP, in_.IP_PKTINFO, 12],
      [so.SOL_IP, in_.IP_RECVOPTS, 0],
      [so.SOL_IP, in_.IP_RETOPTS, 0],
      [so.SOL_IP, in_.IP_ORIGDSTADDR, 16],
      [so.SOL_IP, in_.IP_RECVFRAGSIZE, 4],
      [so.SOL_IP, in_.IP_CHECKSUM, 4],
      [so.SOL_IP, in_.IP_RECVERR, 16],
      [so.SOL_UDP, in_.UDP_GRO, 4],
      [so.SOL_SOCKET, so.SO_RXQ_OVFL, 4],
      [so.SOL_SOCKET, so.SO_MARK, 4],
      [so.SOL_SOCKET, so.SO_PRIORITY, 4],
      [so.SOL_SOCKET, so.SO_TIMESTAMP, 16],
      [so.SOL_SOCKET, so.SO_TIMESTAMPNS, 16],
      [so.SOL_SOCKET, so.SO_TIMESTAMPING, 48],
      [so.SOL_SOCKET, so.SO_TIMESTAMPING_NEW, 48],
      [so.SOL_PACKET, in_.PACKET_AUXDATA, 20],
      [so.SOL_PACKET, in_.PACKET_TX_TIMESTAMP, 16],
    ] as const
  ).map(([level, type, size]) => [`${level}.${type}`, size]),
)

const isError = (level: number, type: number): boolean =>
  level === so.SOL_IP ? type === in_.IP_RECVERR : level === so.SOL_PACKET && type === in_.PACKET_TX_TIMESTAMP

/** Reads msg_control. */
export function decodeCmsg(control: Uint8Array<ArrayBuffer>, nameOf: NameOf): DecodedCmsg {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength)
  const cmsg: ReceivedCmsg = {}
  const found: DecodedCmsg = {}
  for (let at = 0; at + HEADER <= control.length;) {
    const length = view.getUint32(at, true)
    if (length < HEADER || at + length > control.length) break
    const level = view.getInt32(at + 8, true)
    const type = view.getInt32(at + 12, true)
    const data = at + HEADER
    const bytes = control.slice(data, at + length)
    const size = SIZES.get(`${level}.${type}`)
    if (size === undefined || bytes.length < size) cmsg[`${level}.${type}`] = bytes
    else if (isError(level, type)) found.error = extendedError(view, data, bytes.length)
    else if (level === so.SOL_UDP && type === in_.UDP_GRO) cmsg.UDP_GRO = view.getInt32(data, true)
    else if (level === so.SOL_PACKET && type === in_.PACKET_AUXDATA) {
      cmsg.PACKET_AUXDATA = auxdata(view, data)
    } else if (level === so.SOL_IP) decodeIp(cmsg, type, view, data, bytes, nameOf)
    else decodeSocket(cmsg, type, view, data)
    at += align(length)
  }
  if (Object.keys(cmsg).length) found.cmsg = cmsg
  return found
}
