// The sockets of a scenario: opening, reading and calling them as the recorder does (oraclelib/kernel.py).

import type { Namespace } from '../host/namespace.ts'
import type { PacketAuxdata } from '../socket/cmsg.ts'
import type { OptionValue as SocketOption } from '../socket/options.ts'
import type { PacketAddress, Socket, SocketAddress } from '../socket/socket.ts'
import type { MsgFlag, Received } from '../socket/syscalls.ts'
import { expand, toHex } from './bytestr.ts'
import { VNET_SIZE, unpackVnet } from './vnet.ts'
import type { Endpoint, OptionValue, ReadCmsg, ReadEntry, Result, SendTo, SocketSpec } from './scenario.ts'

/** A socket of the scenario, and what the recorder remembers of it. */
export interface OpenSocket {
  socket: Socket
  spec: SocketSpec
  /** Options as they were set last. */
  options: Record<string, OptionValue>
}

/** Most reads of one socket in one go. */
const READS_MAX = 4096
/** Buffer of one read. */
const READ_MAX = 131072

/** An errno's name as the recorder gives it (Python's errno.errorcode). */
export const nameOfErrno = (code: string): string => (code === 'EOPNOTSUPP' ? 'ENOTSUP' : code)

/** Runs a call; an error of a system call becomes its name. */
export function outcome<T>(call: () => T): { value: T } | { err: string } {
  try {
    return { value: call() }
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code !== undefined && syscall !== undefined) return { err: nameOfErrno(code) }
    throw error
  }
}

const PMTU = ['DONT', 'WANT', 'DO', 'PROBE', 'INTERFACE', 'OMIT']

/** A scenario's value of an option as the socket takes it. */
function optionValue(name: string, value: OptionValue): SocketOption {
  if (name === 'IP_OPTIONS' || name === 'IP_MSFILTER') return expand(value as string)
  if (name === 'IP_MTU_DISCOVER' && typeof value === 'string') return PMTU.indexOf(value)
  return value as SocketOption
}

/** A scenario's address of a socket. */
export function addressOf(to: SendTo | string): SocketAddress {
  if (typeof to === 'string' || !Array.isArray(to)) return to as PacketAddress
  return { address: to[0], port: to[1] ?? 0 }
}

function openKind(namespace: Namespace, spec: SocketSpec): Socket {
  const { type, protocol } = spec
  if (type === 'packet') return namespace.socket(spec.dgram ? 'packet-dgram' : 'packet', protocol ?? 'ALL')
  return type === 'raw' ? namespace.socket('raw', protocol ?? 255) : namespace.socket(type)
}

/** Opens a socket: options, bind, listen, connect, in this order; says at which it failed. */
export function openSocket(namespace: Namespace, spec: SocketSpec): { open?: OpenSocket; result: Result } {
  const made = outcome(() => openKind(namespace, spec))
  if ('err' in made) return { result: { err: made.err, at: 'socket' } }
  const socket = made.value
  const open: OpenSocket = { socket, spec, options: { ...spec.options } }
  let at = ''
  const tried = outcome(() => {
    for (const [name, value] of Object.entries(spec.options ?? {})) {
      at = name
      socket.setsockopt(name, optionValue(name, value))
    }
    const bound = spec.type === 'packet' ? (spec.bind ?? spec.dev) : spec.bind
    at = 'bind'
    if (bound !== undefined) socket.bind(addressOf(bound))
    at = 'connect'
    if (spec.connect !== undefined) socket.connect(addressOf(spec.connect))
  })
  if (!('err' in tried)) return { open, result: {} }
  if (spec.keep) return { open, result: { err: tried.err, at } }
  socket.close()
  return { result: { err: tried.err, at } }
}

/** Origins of errors that recordings have no name for. */
const ORIGINS: Record<string, number> = { ICMP6: 3, TIMESTAMPING: 4, ZEROCOPY: 5, TXTIME: 6 }

function cmsgOf(read: Received): ReadCmsg | undefined {
  const cmsg: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(read.cmsg ?? {})) {
    if (name === 'IP_ORIGDSTADDR') {
      const { address, port } = value as { address: string; port: number }
      cmsg[name] = [address, port]
    } else if (name === 'PACKET_AUXDATA') {
      const { status, len, snaplen, net } = value as PacketAuxdata
      cmsg[name] = { status, len, snaplen, net }
    } else cmsg[name] = value instanceof Uint8Array ? toHex(value) : value
  }
  return Object.keys(cmsg).length > 0 ? (cmsg as ReadCmsg) : undefined
}

function errorOf(read: Received): ReadEntry['error'] {
  const { error } = read
  if (!error) return undefined
  const { errno, origin, type, code, info, data, offender } = error
  return {
    errno: nameOfErrno(errno),
    origin: ORIGINS[String(origin)] ?? origin,
    type,
    code,
    ...(info !== 0 && { info }),
    ...(data !== 0 && { data }),
    ...(offender !== undefined && { offender }),
  } as ReadEntry['error']
}

const PACKET_TYPES = ['HOST', 'BROADCAST', 'MULTICAST', 'OTHERHOST', 'OUTGOING', 'LOOPBACK', 'USER', 'KERNEL']

/** Does the socket have a virtio header before its frames? */
export const hasVnet = (open: OpenSocket): boolean =>
  open.spec.type === 'packet' && Boolean(open.spec.options?.['PACKET_VNET_HDR'])

function packetEntry(open: OpenSocket, read: Received, nameOf: (ifindex: number) => string): ReadEntry {
  const { ifindex, protocol, mac, pkttype } = read.link as {
    ifindex: number
    protocol: number
    mac: string
    pkttype: number
  }
  const vnet = hasVnet(open)
  const data = vnet ? read.data.subarray(VNET_SIZE) : read.data
  return {
    ...(vnet && { vnet: unpackVnet(read.data) }),
    dev: nameOf(ifindex),
    proto: protocol,
    pkttype: PACKET_TYPES[pkttype] ?? String(pkttype),
    ...(open.spec.dgram ? { from: mac, data } : { frame: data }),
  }
}

/** One read as the recorder writes it; undefined: nothing was there. */
export function readOne(
  open: OpenSocket,
  flags: readonly string[],
  max: number,
  nameOf: (ifindex: number) => string,
): ReadEntry | undefined {
  const tried = outcome(() => open.socket.recv({ max, flags: flags as MsgFlag[] }))
  if ('err' in tried) return { err: tried.err }
  const read = tried.value
  if (!read) return undefined
  const fromErrors = flags.includes('MSG_ERRQUEUE')
  const cmsg = cmsgOf(read)
  const error = errorOf(read)
  const entry: ReadEntry = { ...(fromErrors && { queue: 'error' as const }) }
  if (open.spec.type === 'packet') Object.assign(entry, packetEntry(open, read, nameOf))
  else {
    if (read.from) entry.from = [read.from.address, read.from.port] as Endpoint
    if (open.spec.type === 'raw' && !fromErrors) entry.packet = read.data
    else entry.data = read.data
  }
  if (read.flags.includes('MSG_TRUNC')) entry.flags = ['MSG_TRUNC']
  return { ...entry, ...(cmsg && { cmsg }), ...(error && { error }) }
}

/** Everything an application reads that reads all at once; errors first where IP_RECVERR is on. */
export function readAll(open: OpenSocket, nameOf: (ifindex: number) => string): ReadEntry[] {
  const entries: ReadEntry[] = []
  if (open.spec.read === 'manual') return entries
  for (let i = 0; i < READS_MAX; i++) {
    if (open.options['IP_RECVERR']) {
      const queued = readOne(open, ['MSG_ERRQUEUE'], READ_MAX, nameOf)
      if (queued && queued.err === undefined) {
        entries.push(queued)
        continue
      }
    }
    const entry = readOne(open, [], READ_MAX, nameOf)
    if (!entry) break
    entries.push(entry)
    if (entry.err === 'ENETDOWN' || entry.err === 'EBADF') break
  }
  return entries
}

/** Sets an option, as a step does. */
export function setOption(open: OpenSocket, option: string, value: OptionValue): Result {
  const tried = outcome(() => open.socket.setsockopt(option, optionValue(option, value)))
  if ('err' in tried) return tried
  open.options[option] = value
  return {}
}
