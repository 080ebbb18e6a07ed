// From -errno to an Error of Node's shape, and from a trap to one error that says where.

import * as errnos from '../../assembly/uapi/errno.ts'

/** Aliases that are not the names people know an error by. */
const ALIASES = new Set(['EWOULDBLOCK', 'EDEADLOCK'])

const entries = Object.entries(errnos).filter(([name]) => !ALIASES.has(name))
const nameOf = new Map(entries.map(([name, errno]) => [errno, name] as const))
const errnoOf = new Map(Object.entries(errnos).map(([name, errno]) => [name, errno] as const))

/** What each error usually means here, and what to do. */
const MEANINGS: Readonly<Record<string, string>> = {
  EACCES:
    'not permitted (a broadcast destination needs SO_BROADCAST, a ping socket group 0 in net.ipv4.ping_group_range; a prohibit route refuses)',
  EADDRINUSE: 'the address and port are in use',
  EADDRNOTAVAIL: 'the address is none of this host (or no port is free)',
  EAFNOSUPPORT: 'the address family is not supported',
  EAGAIN: 'nothing to read, or no room to send: try again later',
  EBADF: 'the socket is closed',
  ECONNREFUSED: 'the port at the other end is closed',
  EDESTADDRREQ: 'no destination: connect the socket or say where to',
  EEXIST: 'it exists already',
  EHOSTUNREACH: 'the host cannot be reached',
  EINVAL: 'an invalid argument',
  EIO: 'the device is down',
  EISCONN: 'the socket is connected already',
  EMSGSIZE: 'the message is too long',
  ENETDOWN: 'the device is down',
  ENETUNREACH: 'no route to the destination',
  ENOBUFS: 'no buffer space: the queue of the device is full, or memory is (memoryMb)',
  ENODEV: 'there is no such device',
  ENOENT: 'there is no such entry',
  ENOMEM: 'out of memory: give the lab more (memoryMb)',
  ENOPROTOOPT: 'the protocol has no such option',
  ENOTCONN: 'the socket is not connected',
  EOPNOTSUPP: 'the operation is not supported',
  EPERM: 'a filter refused it',
  EPIPE: 'the socket is shut down for sending',
  EPROTONOSUPPORT: 'the protocol is not supported',
  ESRCH: 'there is no such route',
}

/** An error of Node's shape: code 'EHOSTUNREACH', errno -113, syscall 'sendto'. */
export interface SystemError extends Error {
  readonly code: string
  /** Negative, as in Node. */
  readonly errno: number
  readonly syscall: string
}

class KernelError extends Error implements SystemError {
  readonly code: string
  readonly errno: number
  readonly syscall: string

  constructor(code: string, errno: number, syscall: string, message: string) {
    super(`${syscall} ${code}: ${message}`)
    this.name = 'Error'
    this.code = code
    this.errno = errno
    this.syscall = syscall
  }
}

/** The name of an errno (positive or negative): 'EINVAL'; 'E1234' for a number that has none. */
export function errnoName(errno: number): string {
  const positive = Math.abs(errno)
  return nameOf.get(positive) ?? `E${positive}`
}

/** The positive number of an errno's name; undefined when there is none of that name. */
export function errnoNumber(name: string): number | undefined {
  return errnoOf.get(name)
}

/**
 * The error for a refused call. `failure` is -errno from the core or an errno's name; `detail` says what was asked,
 * and what to do instead.
 */
export function systemError(failure: number | string, syscall: string, detail = ''): SystemError {
  const code = typeof failure === 'string' ? failure : errnoName(failure)
  const errno = -(errnoOf.get(code) ?? Math.abs(Number(failure)))
  const meaning = MEANINGS[code] ?? 'the call was refused'
  return new KernelError(code, errno, syscall, detail ? `${meaning} (${detail})` : meaning)
}

/** EINVAL with a message that says what is wrong with an argument. */
export function invalid(syscall: string, message: string): SystemError {
  return new KernelError('EINVAL', -errnos.EINVAL, syscall, message)
}

/** A result of the core: throws when it is -errno, else answers it. */
export function checked(result: number, syscall: string, detail = ''): number {
  if (result < 0) throw systemError(result, syscall, detail)
  return result
}

/** Is this one of ours, with code and syscall? */
export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && 'syscall' in error
}

/** A bug in netpath: the core trapped. The host is dead; the message names the functions. */
export class CoreError extends Error {
  readonly code = 'ERR_NETPATH_CORE'
  /** The core's functions on the stack, innermost first. */
  readonly functions: readonly string[]

  constructor(message: string, functions: readonly string[], cause: unknown) {
    super(message, { cause })
    this.name = 'CoreError'
    this.functions = functions
  }
}

/** Wasm functions named in a stack trace: V8's `wasm://`, Firefox's `wasm-function[12]` with or without names. */
export function stackFunctions(stack: string): string[] {
  const names: string[] = []
  for (const line of stack.split('\n')) {
    if (!/wasm/.test(line)) continue
    const name = /at (?:\S+\.)?(\S+) \(?wasm/.exec(line)?.[1] ?? /^(\S+?)@/.exec(line)?.[1]
    if (name) names.push(name.slice(name.lastIndexOf('/') + 1))
  }
  return names
}

/** The one error that a user gets for a trap. */
export function coreError(cause: unknown): CoreError {
  const what = cause instanceof Error ? cause.message : String(cause)
  const functions = stackFunctions(cause instanceof Error ? (cause.stack ?? '') : '')
  const where = functions.length ? ` in ${functions.slice(0, 8).join(' < ')}` : ''
  return new CoreError(
    `the emulated kernel crashed${where}: ${what}. This is a bug in netpath; the host is dead, close the lab.`,
    functions,
    cause,
  )
}
