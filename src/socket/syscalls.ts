// The system calls of sockets: arguments into the call buffer, results out of it. No blocking: what would wait is EAGAIN.
// Mirrors net/socket.c. msghdr: {name, namelen, iov_base, iov_len, control, controllen, flags}, 32 bits each.

import { AF_PACKET, AF_UNSPEC, MSG_DONTWAIT } from '../../assembly/uapi/socket.ts'
import * as so from '../../assembly/uapi/socket.ts'
import type { Machine } from '../kernel/machine.ts'
import { inProcess } from '../kernel/softirq.ts'
import type { NamespaceState } from '../kernel/state.ts'
import { deviceByIndex, requireDevice } from '../net/dev.ts'
import type { Core } from '../wasm/core.ts'
import {
  type Endpoint,
  type LinkAddress,
  type LinkName,
  SOCKADDR_IN_SIZE,
  integer,
  readSockaddrIn,
  readSockaddrLl,
  writeSockaddrIn,
  writeSockaddrLl,
} from '../wasm/encode.ts'
import { checked, invalid } from '../wasm/errors.ts'
import { type DecodedCmsg, type SendCmsg, decodeCmsg, encodeCmsg } from './cmsg.ts'
import {
  type OptionName,
  type OptionValue,
  OPTION_LEAST,
  OPTION_ROOM,
  decodeOption,
  encodeOption,
  optionLength,
  optionOf,
} from './options.ts'

/** Places in the call buffer. */
const MSGHDR = 0
const NAME = 32
const LENGTH = 192
const CONTROL = 256
export const CONTROL_ROOM = 8192
const DATA = 16384
const NAME_ROOM = 128

/** MSG_* that may be given by name. */
const FLAGS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(so).filter(([name]) => name.startsWith('MSG_')),
)
export type MsgFlag = `MSG_${string}`

/** A socket by its handle, in its namespace. */
export interface SocketAt {
  machine: Machine
  namespace: NamespaceState
  handle: number
  family: number
}

/** Where a datagram goes or comes from: an endpoint, a link address of a packet socket, or a sockaddr as it lies. */
export type Address = Endpoint | LinkAddress | Uint8Array

/** What a read brought. */
export interface Received extends DecodedCmsg {
  data: Uint8Array<ArrayBuffer>
  from?: Endpoint
  /** Of a packet socket. */
  link?: LinkName
  /** MSG_TRUNC: the datagram was longer; MSG_ERRQUEUE: it comes from the error queue; MSG_CTRUNC. */
  flags: MsgFlag[]
  /** Bytes of the datagram; with MSG_TRUNC asked for, more than data may hold. */
  length: number
}

function flagBits(flags: readonly string[], syscall: string): number {
  return flags.reduce((sum, name) => {
    const bit = FLAGS[name]
    if (bit === undefined) throw invalid(syscall, `'${name}' is no flag; there are ${Object.keys(FLAGS).join(', ')}`)
    return sum | bit
  }, 0)
}

const REPORTED = ['MSG_OOB', 'MSG_CTRUNC', 'MSG_TRUNC', 'MSG_EOR', 'MSG_ERRQUEUE'] as const

function flagNames(bits: number): MsgFlag[] {
  return bits === 0 ? [] : REPORTED.filter((name) => (bits & FLAGS[name]!) !== 0)
}

function indexOf({ namespace }: SocketAt, syscall: string): (name: string) => number {
  return (name) => requireDevice(namespace, name, syscall).ifindex
}

/** Writes an address to the call buffer; answers its length. Too long a one is refused by its length. */
function writeAddress(core: Core, at: number, address: Address, syscall: string): number {
  const { data } = core.memory.views
  if (address instanceof Uint8Array) {
    core.memory.fill(at, NAME_ROOM)
    core.memory.write(at, address.subarray(0, NAME_ROOM))
    return address.length
  }
  return 'ifindex' in address ? writeSockaddrLl(data, at, address) : writeSockaddrIn(data, at, address, syscall)
}

/** For messages. */
function nameOfEnd(address: Address): string {
  return 'port' in address ? `${address.address}:${address.port}` : ''
}

/** Opens a socket; answers its handle. EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EACCES, ENOMEM. */
export function socket(
  machine: Machine,
  namespace: NamespaceState,
  family: number,
  type: number,
  protocol: number,
): number {
  return inProcess(machine, () =>
    checked(machine.core.exports.sys_socket(namespace.net, family, type, protocol), 'socket'),
  )
}

export function close({ machine, handle }: SocketAt): void {
  inProcess(machine, () => checked(machine.core.exports.sys_close(handle), 'close'))
}

/** EADDRINUSE, EADDRNOTAVAIL, EINVAL (bound already). */
export function bind({ machine, handle }: SocketAt, address: Address): void {
  inProcess(machine, () => {
    const { core } = machine
    const length = writeAddress(core, core.callBuffer + NAME, address, 'bind')
    const detail = nameOfEnd(address)
    checked(core.exports.sys_bind(handle, core.callBuffer + NAME, length), 'bind', detail)
  })
}

/** Connects; null dissolves the connection. ENETUNREACH, EACCES (broadcast), EINVAL. */
export function connect({ machine, handle }: SocketAt, address: Address | null): void {
  inProcess(machine, () => {
    const { core } = machine
    const at = core.callBuffer + NAME
    if (address === null) core.memory.fill(at, SOCKADDR_IN_SIZE, AF_UNSPEC)
    const length = address === null ? SOCKADDR_IN_SIZE : writeAddress(core, at, address, 'connect')
    const detail = address === null ? '' : nameOfEnd(address)
    checked(core.exports.sys_connect(handle, at, length), 'connect', detail)
  })
}

/** Where a payload lies: on the host's own pages, or copied to the call buffer. */
function payloadAt({ memory, callBuffer, constants }: Core, data: Uint8Array): number {
  if (data.buffer === memory.views.u8.buffer) return data.byteOffset
  // What is longer than any datagram is refused by its length before a byte is looked at.
  const room = constants.CALL_BUFFER_SIZE - DATA
  memory.write(callBuffer + DATA, data.length > room ? data.subarray(0, room) : data)
  return callBuffer + DATA
}

/** Sends; answers how many bytes were taken. ERESTART when waits says so and there is no room. EMSGSIZE, EDESTADDRREQ, ENETUNREACH, EACCES, ENOBUFS, EAGAIN, EPIPE. */
export function sendmsg(
  at: SocketAt,
  data: Uint8Array,
  to: Address | undefined,
  flags: readonly string[],
  cmsg: SendCmsg | Uint8Array | undefined,
  waits = false,
): number {
  const { machine, handle } = at
  const bits = flagBits(flags, 'sendmsg') | (waits ? 0 : MSG_DONTWAIT)
  const control = cmsg instanceof Uint8Array ? cmsg : cmsg && encodeCmsg(cmsg, indexOf(at, 'sendmsg'))
  if (control && control.length > CONTROL_ROOM) throw invalid('sendmsg', 'the control messages are too long')
  return inProcess(machine, () => {
    const { core } = machine
    const { memory, callBuffer: buffer } = core
    const nameLength = to ? writeAddress(core, buffer + NAME, to, 'sendmsg') : 0
    if (control) memory.write(buffer + CONTROL, control)
    const header = [nameLength ? buffer + NAME : 0, nameLength, payloadAt(core, data), data.length]
    header.push(control ? buffer + CONTROL : 0, control?.length ?? 0, 0)
    header.forEach((word, i) => memory.writeU32(buffer + MSGHDR + 4 * i, word))
    const detail = to ? nameOfEnd(to) : ''
    return checked(core.exports.sys_sendmsg(handle, buffer + MSGHDR, bits), 'sendmsg', detail)
  })
}

/** Reads at most max bytes. EAGAIN: nothing is there; else errors that wait on the socket (ECONNREFUSED ...). */
export function recvmsg(at: SocketAt, max: number, flags: readonly string[], controlRoom = CONTROL_ROOM): Received {
  const { machine, handle, namespace, family } = at
  const bits = flagBits(flags, 'recvmsg') | MSG_DONTWAIT
  return inProcess(machine, () => {
    const { core } = machine
    const { memory, callBuffer: buffer, resultBuffer } = core
    const room = Math.min(max, core.halfBuffer)
    const header = [buffer + NAME, NAME_ROOM, resultBuffer, room, buffer + CONTROL, controlRoom, 0]
    header.forEach((word, i) => memory.writeU32(buffer + MSGHDR + 4 * i, word))
    const length = checked(core.exports.sys_recvmsg(handle, buffer + MSGHDR, bits), 'recvmsg')
    const word = (i: number): number => memory.readU32(buffer + MSGHDR + 4 * i)
    const view = memory.views.data
    const named = word(1) >= 8
    const nameOf = (index: number): string | number => deviceByIndex(namespace, index)?.name ?? index
    return {
      data: memory.slice(resultBuffer, Math.min(length, room)),
      length,
      ...(named && family !== AF_PACKET && { from: readSockaddrIn(view, buffer + NAME) }),
      ...(named && family === AF_PACKET && { link: readSockaddrLl(view, buffer + NAME) }),
      flags: flagNames(word(6)),
      ...decodeCmsg(memory.slice(buffer + CONTROL, word(5)), nameOf),
    }
  })
}

/** ENOPROTOOPT, EINVAL, ENODEV, EADDRNOTAVAIL. */
export function setsockopt(at: SocketAt, option: OptionName, value: OptionValue): void {
  const { machine, handle } = at
  const { level, name, kind } = optionOf(option, 'setsockopt')
  const bytes = encodeOption(String(option), kind, value, indexOf(at, 'setsockopt'))
  inProcess(machine, () => {
    const { core } = machine
    const { memory, callBuffer: buffer } = core
    // No option reads more than it may; what a short value leaves of an old one is cleared all the same.
    memory.fill(buffer, OPTION_LEAST)
    memory.write(buffer, bytes.subarray(0, core.halfBuffer))
    checked(core.exports.sys_setsockopt(handle, level, name, buffer, bytes.length), 'setsockopt', String(option))
  })
}

/** What getsockopt wrote: up to room bytes. What a buffer holds before the call is an argument of some options. */
function readOption(at: SocketAt, option: OptionName, given: Uint8Array | number): Uint8Array<ArrayBuffer> {
  const { machine, handle } = at
  const { level, name, kind } = optionOf(option, 'getsockopt')
  const room = typeof given === 'number' ? integer(given, -2147483648, 2147483647, 'room', 'getsockopt') : given.length
  return inProcess(machine, () => {
    const { core } = machine
    const { memory, callBuffer: buffer } = core
    const lengthAt = buffer + OPTION_ROOM
    memory.fill(buffer, room > OPTION_LEAST ? OPTION_ROOM : OPTION_LEAST)
    if (typeof given !== 'number') memory.write(buffer, given.subarray(0, OPTION_ROOM))
    memory.writeU32(lengthAt, Math.min(room, OPTION_ROOM))
    checked(core.exports.sys_getsockopt(handle, level, name, buffer, lengthAt), 'getsockopt', String(option))
    const length = memory.readU32(lengthAt)
    return memory.slice(buffer, kind === 'filter' ? 8 * length : length)
  })
}

/** The value; with room (bytes at most, or a buffer that says more), its bytes as they lie. */
export function getsockopt(
  at: SocketAt,
  option: OptionName,
  room?: Uint8Array | number,
): number | string | number[] | Uint8Array {
  if (room !== undefined) return readOption(at, option, room)
  const { kind } = optionOf(option, 'getsockopt')
  return decodeOption(kind, readOption(at, option, optionLength(kind)))
}

/** What a socket is called: an endpoint, of a packet socket a link address. */
export type SocketName = Endpoint | LinkName

function name(at: SocketAt, which: 'getsockname' | 'getpeername'): SocketName {
  const { machine, handle, family } = at
  return inProcess(machine, () => {
    const { core } = machine
    const { memory, callBuffer: buffer } = core
    memory.fill(buffer + NAME, NAME_ROOM)
    memory.writeU32(buffer + LENGTH, NAME_ROOM)
    checked(core.exports[`sys_${which}`](handle, buffer + NAME, buffer + LENGTH), which)
    const { data } = memory.views
    return family === AF_PACKET ? readSockaddrLl(data, buffer + NAME) : readSockaddrIn(data, buffer + NAME)
  })
}

export const getsockname = (at: SocketAt): SocketName => name(at, 'getsockname')
/** ENOTCONN; EOPNOTSUPP of a packet socket. */
export const getpeername = (at: SocketAt): SocketName => name(at, 'getpeername')

const HOW: Readonly<Record<'RD' | 'WR' | 'RDWR', number>> = { RD: so.SHUT_RD, WR: so.SHUT_WR, RDWR: so.SHUT_RDWR }

/** ENOTCONN for a socket that is not connected; it is shut down all the same, as in Linux. */
export function shutdown({ machine, handle }: SocketAt, how: 'RD' | 'WR' | 'RDWR'): void {
  if (!Object.hasOwn(HOW, how)) throw invalid('shutdown', `how is RD, WR or RDWR, not ${how}`)
  inProcess(machine, () => checked(machine.core.exports.sys_shutdown(handle, HOW[how]), 'shutdown'))
}

/** EPOLL* bits: what the socket is ready for. */
export function poll({ machine, handle }: SocketAt): number {
  return inProcess(machine, () => machine.core.exports.sys_poll(handle) >>> 0)
}

/** SO_RCVTIMEO in ns, -1: for ever. */
export function receiveTimeout({ machine, handle }: SocketAt): number {
  return machine.core.exports.sys_rcvtimeo(handle)
}

/** SO_SNDTIMEO in ns, -1: for ever. */
export function sendTimeout({ machine, handle }: SocketAt): number {
  return machine.core.exports.sys_sndtimeo(handle)
}
