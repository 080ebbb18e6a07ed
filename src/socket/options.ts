// Socket options by their C names: level, number and what their values look like (asm-generic/socket.h, linux/in.h, udp.h,
// tcp.h, if_packet.h). An option that the core does not have is refused by it with ENOPROTOOPT.

import * as inNumbers from '../../assembly/uapi/in.ts'
import * as socketNumbers from '../../assembly/uapi/socket.ts'
import { byteSwap32, formatIPv4, integer, parseIPv4, parseMac } from '../wasm/encode.ts'
import { invalid, systemError } from '../wasm/errors.ts'
import { type FilterInstruction, type FilterProgram, encodeFilter } from './filter.ts'

/** A multicast membership, or an interface by its name or address. */
export interface Membership {
  group?: string
  /** Of the group, for memberships of one source. */
  source?: string
  dev?: string
  address?: string
}

/** What a packet socket asks a device to let in (PACKET_ADD_MEMBERSHIP). */
export interface PacketMembership {
  dev: string
  type: 'multicast' | 'promisc' | 'allmulti' | 'unicast'
  /** Of multicast and unicast. */
  mac?: string
}

/**
 * What setsockopt takes and getsockopt gives: numbers (booleans are 1 and 0), 'DO' and the like for IP_MTU_DISCOVER, a
 * device's name, bytes, [on, seconds] for SO_LINGER, seconds for SO_RCVTIMEO and SO_SNDTIMEO, a membership, numbers of
 * SO_MEMINFO and PACKET_STATISTICS, a program for SO_ATTACH_FILTER and SO_ATTACH_REUSEPORT_CBPF (bytes of SO_GET_FILTER).
 */
export type OptionValue =
  | number
  | boolean
  | string
  | Uint8Array
  | readonly number[]
  | readonly FilterInstruction[]
  | Membership
  | PacketMembership

/** Finds a device's index by its name. */
export type IndexOf = (name: string) => number

type Kind =
  | 'int'
  | 'flag'
  | 'pmtu'
  | 'device'
  | 'linger'
  | 'time'
  | 'bytes'
  | 'mreqn'
  | 'packetMreq'
  | 'interface'
  | 'unicastIf'
  | 'source'
  | 'groupReq'
  | 'groupSourceReq'
  | 'counters'
  | 'cookie'
  | 'filter'

interface Option {
  level: number
  name: number
  kind: Kind
}

const LEVELS: readonly (readonly [level: number, kinds: Readonly<Partial<Record<Kind, string>>>])[] = [
  [
    socketNumbers.SOL_SOCKET,
    {
      int: `SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_SNDBUFFORCE
        SO_RCVBUFFORCE SO_KEEPALIVE SO_OOBINLINE SO_NO_CHECK SO_PRIORITY SO_REUSEPORT SO_RCVLOWAT SO_SNDLOWAT
        SO_TIMESTAMP SO_ACCEPTCONN SO_TIMESTAMPNS SO_MARK SO_TIMESTAMPING SO_PROTOCOL SO_DOMAIN SO_RXQ_OVFL SO_PEEK_OFF
        SO_LOCK_FILTER SO_SELECT_ERR_QUEUE SO_BUSY_POLL SO_MAX_PACING_RATE SO_INCOMING_CPU SO_INCOMING_NAPI_ID
        SO_ZEROCOPY SO_BINDTOIFINDEX SO_PREFER_BUSY_POLL SO_BUSY_POLL_BUDGET SO_BUF_LOCK SO_TXREHASH SO_RCVMARK
        SO_RCVPRIORITY SO_DETACH_FILTER SO_BPF_EXTENSIONS SO_DETACH_REUSEPORT_BPF`,
      device: 'SO_BINDTODEVICE',
      linger: 'SO_LINGER',
      time: 'SO_RCVTIMEO SO_SNDTIMEO',
      counters: 'SO_MEMINFO',
      cookie: 'SO_COOKIE',
      filter: 'SO_ATTACH_FILTER SO_GET_FILTER SO_ATTACH_REUSEPORT_CBPF',
      bytes: 'SO_TXTIME',
    },
  ],
  [
    socketNumbers.SOL_IP,
    {
      int: `IP_TOS IP_TTL IP_HDRINCL IP_ROUTER_ALERT IP_RECVOPTS IP_RETOPTS IP_PKTINFO IP_RECVERR IP_RECVTTL IP_RECVTOS
        IP_MTU IP_FREEBIND IP_PASSSEC IP_TRANSPARENT IP_RECVORIGDSTADDR IP_MINTTL IP_NODEFRAG IP_CHECKSUM
        IP_BIND_ADDRESS_NO_PORT IP_RECVFRAGSIZE IP_RECVERR_RFC4884 IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_MULTICAST_ALL
        IP_LOCAL_PORT_RANGE IP_PROTOCOL`,
      pmtu: 'IP_MTU_DISCOVER',
      bytes: 'IP_OPTIONS IP_PKTOPTIONS IP_MSFILTER MCAST_MSFILTER',
      mreqn: 'IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP',
      interface: 'IP_MULTICAST_IF',
      unicastIf: 'IP_UNICAST_IF',
      source: 'IP_ADD_SOURCE_MEMBERSHIP IP_DROP_SOURCE_MEMBERSHIP IP_BLOCK_SOURCE IP_UNBLOCK_SOURCE',
      groupReq: 'MCAST_JOIN_GROUP MCAST_LEAVE_GROUP',
      groupSourceReq: 'MCAST_JOIN_SOURCE_GROUP MCAST_LEAVE_SOURCE_GROUP MCAST_BLOCK_SOURCE MCAST_UNBLOCK_SOURCE',
    },
  ],
  [socketNumbers.SOL_UDP, { int: 'UDP_CORK UDP_ENCAP UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX UDP_SEGMENT UDP_GRO' }],
  [
    socketNumbers.SOL_TCP,
    {
      int: `TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2
        TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_QUICKACK TCP_USER_TIMEOUT TCP_FASTOPEN TCP_NOTSENT_LOWAT`,
      bytes: 'TCP_INFO TCP_CONGESTION',
    },
  ],
  [
    socketNumbers.SOL_PACKET,
    {
      int: `PACKET_AUXDATA PACKET_ORIGDEV PACKET_VNET_HDR PACKET_VNET_HDR_SZ PACKET_QDISC_BYPASS PACKET_IGNORE_OUTGOING
        PACKET_COPY_THRESH PACKET_VERSION PACKET_HDRLEN PACKET_RESERVE PACKET_LOSS PACKET_TIMESTAMP PACKET_TX_HAS_OFF
        PACKET_FANOUT`,
      bytes: 'PACKET_RX_RING PACKET_TX_RING PACKET_FANOUT_DATA',
      packetMreq: 'PACKET_ADD_MEMBERSHIP PACKET_DROP_MEMBERSHIP',
      counters: 'PACKET_STATISTICS PACKET_ROLLOVER_STATS',
    },
  ],
  [socketNumbers.SOL_RAW, { int: 'ICMP_FILTER' }],
]

const NUMBERS: Readonly<Record<string, number>> = { ...socketNumbers, ...inNumbers }

const OPTIONS: ReadonlyMap<string, Option> = new Map(
  LEVELS.flatMap(([level, kinds]) =>
    Object.entries(kinds).flatMap(([kind, names]) =>
      names.split(/\s+/).map((name) => [name, { level, name: NUMBERS[name]!, kind: kind as Kind }] as const),
    ),
  ),
)

const PMTU_WORDS = ['DONT', 'WANT', 'DO', 'PROBE', 'INTERFACE', 'OMIT']

/** All options by name. */
export const OPTION_NAMES: readonly string[] = [...OPTIONS.keys()]

/** An option by its C name, or by level and number: then its values are bytes. */
export type OptionName = string | readonly [level: number, name: number]

/** Level, number and kind of an option. ENOPROTOOPT for a name that Linux does not have. */
export function optionOf(name: OptionName, syscall: string): Option {
  if (typeof name !== 'string') {
    const [level, number] = [...name].map((part) => integer(part, -2147483648, 4294967295, 'level and number', syscall))
    const filter = level === socketNumbers.SOL_SOCKET && number === socketNumbers.SO_GET_FILTER
    return { level: level!, name: number!, kind: filter ? 'filter' : 'bytes' }
  }
  const found = OPTIONS.get(name)
  if (!found)
    throw systemError('ENOPROTOOPT', syscall, `'${name}' is no option by its C name, such as SO_RCVBUF or IP_TTL`)
  return found
}

/** Most bytes that are read of an option: a filter of one instruction more than there may be. */
export const OPTION_ROOM = 8 * 4097
/** Most that an option without a length of its own has. */
export const OPTION_LEAST = 64

function words(...values: number[]): Uint8Array<ArrayBuffer> {
  const out = new DataView(new ArrayBuffer(4 * values.length))
  values.forEach((value, i) => out.setUint32(4 * i, value >>> 0, true))
  return new Uint8Array(out.buffer)
}

function membership(name: string, value: OptionValue): Membership {
  if (typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array)) return value as Membership
  throw invalid('setsockopt', `${name} takes an object: {group, dev, address}`)
}

const addressOf = (text: string | undefined): number => (text === undefined ? 0 : parseIPv4(text, 'setsockopt'))

/** struct group_req, or group_source_req: an index, then one or two addresses of 128 bytes each. */
function groupRequest(value: Membership, indexOf: IndexOf, withSource: boolean): Uint8Array<ArrayBuffer> {
  const out = new DataView(new ArrayBuffer(withSource ? 264 : 136))
  out.setUint32(0, value.dev === undefined ? 0 : indexOf(value.dev), true)
  const texts = withSource ? [value.group, value.source] : [value.group]
  texts.forEach((text, i) => {
    out.setUint16(8 + 128 * i, socketNumbers.AF_INET, true)
    out.setUint32(12 + 128 * i, addressOf(text), true)
  })
  return new Uint8Array(out.buffer)
}

const MR_TYPES = ['multicast', 'promisc', 'allmulti', 'unicast']

/** struct packet_mreq. */
function packetMreq(name: string, value: OptionValue, indexOf: IndexOf): Uint8Array<ArrayBuffer> {
  const { dev, type, mac } = value as PacketMembership
  const number = MR_TYPES.indexOf(type)
  if (typeof dev !== 'string' || number < 0)
    throw invalid('setsockopt', `${name} takes an object: {dev, type, mac}, type is one of ${MR_TYPES.join(', ')}`)
  const out = new DataView(new ArrayBuffer(16))
  out.setInt32(0, indexOf(dev), true)
  out.setUint16(4, number, true)
  out.setUint16(6, 6, true)
  const bytes = new Uint8Array(out.buffer)
  if (mac !== undefined) bytes.set(parseMac(mac, 'setsockopt'), 8)
  return bytes
}

function time(seconds: OptionValue, name: string): Uint8Array<ArrayBuffer> {
  if (typeof seconds !== 'number' || !(seconds >= 0)) throw invalid('setsockopt', `${name} takes seconds`)
  const out = new DataView(new ArrayBuffer(16))
  const whole = Math.floor(seconds)
  out.setBigInt64(0, BigInt(whole), true)
  out.setBigInt64(8, BigInt(Math.round((seconds - whole) * 1e6)), true)
  return new Uint8Array(out.buffer)
}

function number(value: OptionValue, name: string): Uint8Array<ArrayBuffer> {
  const plain = typeof value === 'boolean' ? Number(value) : value
  return words(integer(plain, -2147483648, 4294967295, name, 'setsockopt'))
}

/** The bytes of a value. EINVAL for one of another kind. */
export function encodeOption(name: string, kind: Kind, value: OptionValue, indexOf: IndexOf): Uint8Array<ArrayBuffer> {
  const index = (given: Membership): number => (given.dev === undefined ? 0 : indexOf(given.dev))
  if (value instanceof Uint8Array) return value.slice()
  if (kind === 'filter') return encodeFilter(value as FilterProgram)
  if (kind === 'pmtu' && typeof value === 'string') {
    const mode = PMTU_WORDS.indexOf(value)
    if (mode < 0) throw invalid('setsockopt', `${name} is one of ${PMTU_WORDS.join(', ')}`)
    return words(mode)
  }
  if (kind === 'device' && typeof value === 'string') return new TextEncoder().encode(value).slice(0, 16)
  if (kind === 'linger' && Array.isArray(value)) return words(...(value as number[]).slice(0, 2))
  if (kind === 'time') return time(value, name)
  if (kind === 'unicastIf') return words(typeof value === 'string' ? byteSwap32(indexOf(value)) : Number(value))
  if (kind === 'mreqn') {
    const given = membership(name, value)
    return words(addressOf(given.group), addressOf(given.address), index(given))
  }
  if (kind === 'packetMreq') return packetMreq(name, value, indexOf)
  if (kind === 'interface') {
    const given = membership(name, value)
    return words(0, addressOf(given.address), index(given))
  }
  if (kind === 'source') {
    const given = membership(name, value)
    return words(addressOf(given.group), addressOf(given.address), addressOf(given.source))
  }
  if (kind === 'groupReq') return groupRequest(membership(name, value), indexOf, false)
  if (kind === 'groupSourceReq') return groupRequest(membership(name, value), indexOf, true)
  if (kind === 'bytes') throw invalid('setsockopt', `${name} takes bytes (a Uint8Array)`)
  return number(value, name)
}

/** Room that getsockopt asks for: bytes, or instructions of a filter. */
export function optionLength(kind: Kind): number {
  if (kind === 'filter') return 4096
  if (kind === 'device') return 16
  if (kind === 'linger' || kind === 'cookie') return 8
  if (kind === 'time') return 16
  if (kind === 'counters') return 36
  return kind === 'bytes' ? 256 : 4
}

/** The value of what getsockopt wrote. */
export function decodeOption(kind: Kind, bytes: Uint8Array<ArrayBuffer>): number | string | number[] | Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (kind === 'bytes' || kind === 'filter') return bytes
  if (kind === 'device') return new TextDecoder().decode(bytes).replace(/\0.*$/s, '')
  if (kind === 'linger') return [view.getInt32(0, true), view.getInt32(4, true)]
  if (kind === 'time') return Number(view.getBigInt64(0, true)) + Number(view.getBigInt64(8, true)) / 1e6
  if (kind === 'counters') return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(4 * i, true))
  if (kind === 'cookie') return Number(view.getBigUint64(0, true))
  if (kind === 'interface') return formatIPv4(view.getUint32(0, true))
  if (kind === 'unicastIf') return byteSwap32(view.getUint32(0, true))
  if (bytes.length === 1) return bytes[0]!
  return view.getInt32(0, true)
}
