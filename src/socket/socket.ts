// A socket as system calls make it: options, control messages and flags by their C names, errors of Node's shape.
// Calls do not block: what would wait answers undefined (reading) or throws EAGAIN (sending). readable and next wait.

import * as so from '../../assembly/uapi/socket.ts'
import type { Machine } from '../kernel/machine.ts'
import { sleep } from '../kernel/wait.ts'
import { requireDevice } from '../net/dev.ts'
import {
  byteSwap16,
  type Endpoint,
  type EndpointLike,
  type LinkName,
  integer,
  parseEndpoint,
  parseTime,
} from '../wasm/encode.ts'
import { invalid, isSystemError, systemError } from '../wasm/errors.ts'
import type { SendCmsg } from './cmsg.ts'
import type { OptionName, OptionValue } from './options.ts'
import * as calls from './syscalls.ts'
import type { MsgFlag, Received, SocketAt } from './syscalls.ts'

/** What kinds of socket there are. 'packet' sees frames, 'packet-dgram' packets without link headers. */
export type SocketType = 'udp' | 'tcp' | 'raw' | 'ping' | 'packet' | 'packet-dgram'

const TYPES: Readonly<Record<SocketType, readonly [family: number, type: number, protocol: number]>> = {
  udp: [so.AF_INET, so.SOCK_DGRAM, 0],
  tcp: [so.AF_INET, so.SOCK_STREAM, 0],
  raw: [so.AF_INET, so.SOCK_RAW, so.IPPROTO_RAW],
  ping: [so.AF_INET, so.SOCK_DGRAM, so.IPPROTO_ICMP],
  packet: [so.AF_PACKET, so.SOCK_RAW, 0],
  'packet-dgram': [so.AF_PACKET, so.SOCK_DGRAM, 0],
}
const IP_PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: so.IPPROTO_ICMP,
  igmp: so.IPPROTO_IGMP,
  tcp: so.IPPROTO_TCP,
  udp: so.IPPROTO_UDP,
  raw: so.IPPROTO_RAW,
}
const ETHERTYPES: Readonly<Record<string, number>> = { ALL: 3, IP: 0x800, ARP: 0x806 }

/** Where a packet socket is bound (without dev: to all devices) or sends to: a device, or with a MAC and an EtherType. */
export type PacketAddress = string | { dev?: string; mac?: string; protocol?: number | string }

/**
 * An end for bind, connect and send: '10.0.0.1:53', {address, port}, [address, port?]; a packet socket's device; or the bytes
 * of a sockaddr, passed as they are.
 */
export type SocketAddress = EndpointLike | PacketAddress | Uint8Array

export interface SendOptions {
  to?: SocketAddress
  flags?: readonly MsgFlag[]
  /** Control messages, or their bytes as msg_control has them. */
  cmsg?: SendCmsg | Uint8Array
}

export interface ReadOptions {
  /** Bytes at most; 131072 unless given. */
  max?: number
  flags?: readonly MsgFlag[]
  /** Bytes of control messages at most (MSG_CTRUNC: there were more); 8192 unless given. */
  control?: number
}

/** How long a call waits. */
export interface WaitOptions {
  signal?: AbortSignal | undefined
  /** Virtual time: ns, or '2s'; for ever unless given. */
  timeout?: number | string | undefined
}

function protocolOf(type: SocketType, protocol: number | string | undefined): number {
  if (protocol === undefined) return TYPES[type][2]
  const words = type.startsWith('packet') ? ETHERTYPES : IP_PROTOCOLS
  const number = typeof protocol === 'string' ? words[protocol] : protocol
  if (number === undefined)
    throw invalid('socket', `'${protocol}' is none of ${Object.keys(words).join(', ')}, and no number`)
  return integer(number, 0, 65535, 'protocol', 'socket')
}

const bytesOf = (data: Uint8Array | string): Uint8Array =>
  typeof data === 'string' ? new TextEncoder().encode(data) : data

/** What a type of socket is called: packet sockets by a link address. */
export type NameOf<Type extends SocketType> = Type extends 'packet' | 'packet-dgram' ? LinkName : Endpoint

/** Opens a socket in a namespace. EAFNOSUPPORT, EPROTONOSUPPORT, EACCES, ENOMEM. */
export function openSocket<Type extends SocketType>(
  machine: Machine,
  namespace: number,
  type: Type,
  protocol?: number | string,
): Socket<NameOf<Type>> {
  if (!Object.hasOwn(TYPES, type))
    throw invalid('socket', `type is one of ${Object.keys(TYPES).join(', ')}, not ${type}`)
  const [family, kind] = TYPES[type]
  const number = protocolOf(type, protocol)
  const wanted = family === so.AF_PACKET ? byteSwap16(number) : number
  const handle = calls.socket(machine, machine.namespace(namespace), family, kind, wanted)
  return new Socket(machine, namespace, handle, family, number)
}

/** One socket. The object is a handle: state is in the core. */
export class Socket<Name extends calls.SocketName = calls.SocketName> {
  readonly #machine: Machine
  readonly #namespace: number
  readonly #family: number
  readonly #protocol: number
  /** The core's number of it. */
  readonly handle: number
  #closed = false

  constructor(machine: Machine, namespace: number, handle: number, family: number, protocol: number) {
    this.#machine = machine
    this.#namespace = namespace
    this.handle = handle
    this.#family = family
    this.#protocol = protocol
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The host that it is a socket of. */
  get machine(): Machine {
    return this.#machine
  }

  /** For calls of src/socket/syscalls.ts. */
  get at(): SocketAt {
    const namespace = this.#machine.namespace(this.#namespace)
    return { machine: this.#machine, namespace, handle: this.handle, family: this.#family }
  }

  #address(given: SocketAddress, syscall: string): calls.Address {
    if (given instanceof Uint8Array) return given
    if (this.#family !== so.AF_PACKET) return parseEndpoint(given as EndpointLike, syscall)
    const { dev, mac, protocol } = (typeof given === 'string' ? { dev: given } : given) as Exclude<
      PacketAddress,
      string
    >
    const wanted = protocol === undefined ? this.#protocol : protocolOf('packet', protocol)
    const namespace = this.#machine.namespace(this.#namespace)
    const ifindex = dev === undefined ? 0 : requireDevice(namespace, dev, syscall).ifindex
    return { ifindex, protocol: wanted, ...(mac !== undefined && { mac }) }
  }

  /** EADDRINUSE, EADDRNOTAVAIL, EINVAL. */
  bind(to: SocketAddress): this {
    calls.bind(this.at, this.#address(to, 'bind'))
    return this
  }

  /** Connects; null dissolves the connection. ENETUNREACH, EACCES. */
  connect(to: SocketAddress | null): this {
    calls.connect(this.at, to === null ? null : this.#address(to, 'connect'))
    return this
  }

  /** Sends a datagram; answers how many bytes were taken. EAGAIN, EMSGSIZE, EDESTADDRREQ, ENETUNREACH ... */
  send(data: Uint8Array | string, options: SendOptions = {}): number {
    return this.#send(bytesOf(data), options, false)
  }

  #send(bytes: Uint8Array, { to, flags = [], cmsg }: SendOptions, waits: boolean): number {
    const address = to === undefined ? undefined : this.#address(to, 'sendmsg')
    return calls.sendmsg(this.at, bytes, address, flags, cmsg, waits)
  }

  /**
   * Sends as a call that blocks would: while the send buffer is full it waits, at most SO_SNDTIMEO of virtual time. EAGAIN: the
   * time is over; EBADF: the socket was closed meanwhile; what send throws; the signal's reason.
   */
  async sendWhenRoom(data: Uint8Array | string, options: SendOptions & WaitOptions = {}): Promise<number> {
    const { signal, timeout, flags = [] } = options
    const bytes = bytesOf(data)
    const limit = timeout === undefined ? calls.sendTimeout(this.at) : parseTime(timeout, 'sendmsg')
    const until = limit < 0 ? Infinity : this.#machine.now + limit
    for (;;) {
      signal?.throwIfAborted()
      if (this.#closed) throw systemError('EBADF', 'sendmsg')
      const waits = this.#machine.now < until && !flags.includes('MSG_DONTWAIT')
      try {
        return this.#send(bytes, options, waits)
      } catch (error) {
        if (!isSystemError(error) || error.code !== 'ERESTART') throw error
      }
      // Asked, it tells of the next change.
      this.poll()
      await sleep(this.#machine, until, signal, (wake) => this.#hang(wake))
    }
  }

  /** The next datagram, undefined: none waits. Throws the error that waits on the socket (ECONNREFUSED ...). */
  recv(options: ReadOptions = {}): Received | undefined {
    const { max = 131072, flags = [], control = calls.CONTROL_ROOM } = options
    integer(max, 0, 2147483647, 'max', 'recvmsg')
    integer(control, 0, calls.CONTROL_ROOM, 'control', 'recvmsg')
    try {
      return calls.recvmsg(this.at, max, flags, control)
    } catch (error) {
      if (isSystemError(error) && error.code === 'EAGAIN') return undefined
      throw error
    }
  }

  /** By C name, or [level, number]; bytes are passed as they are. ENOPROTOOPT, EINVAL, ENODEV. */
  setsockopt(option: OptionName, value: OptionValue): this {
    calls.setsockopt(this.at, option, value)
    return this
  }

  /** The value of an option. ENOPROTOOPT, EINVAL. */
  getsockopt(option: OptionName): number | string | number[] | Uint8Array
  /** Its bytes as the kernel answers them into that much room, or into a copy of a buffer. */
  getsockopt(option: OptionName, room: number | Uint8Array): Uint8Array
  getsockopt(option: OptionName, room?: number | Uint8Array): number | string | number[] | Uint8Array {
    return calls.getsockopt(this.at, option, room)
  }

  getsockname(): Name {
    return calls.getsockname(this.at) as Name
  }

  /** ENOTCONN; EOPNOTSUPP of a packet socket. */
  getpeername(): Name {
    return calls.getpeername(this.at) as Name
  }

  shutdown(how: 'RD' | 'WR' | 'RDWR'): void {
    calls.shutdown(this.at, how)
  }

  /** EPOLL* bits: what the socket is ready for. */
  poll(): number {
    return calls.poll(this.at)
  }

  /**
   * Waits until there is something to read, an error or the end. Virtual time moves only by the lab (advance, run, blast).
   * False: the timeout came first.
   */
  async readable({ signal, timeout }: WaitOptions = {}): Promise<boolean> {
    const until = timeout === undefined ? Infinity : this.#machine.now + parseTime(timeout, 'poll')
    return this.#readable(signal, until)
  }

  async #readable(signal: AbortSignal | undefined, until: number): Promise<boolean> {
    const wanted = so.EPOLLIN | so.EPOLLERR | so.EPOLLHUP
    while (!this.#closed) {
      signal?.throwIfAborted()
      if (this.poll() & wanted) return true
      if (this.#machine.now >= until) return false
      await sleep(this.#machine, until, signal, (wake) => this.#hang(wake))
    }
    return true
  }

  #hang(wake: () => void): () => void {
    const { wakers } = this.#machine
    const waiting = wakers.get(this.handle) ?? new Set()
    wakers.set(this.handle, waiting)
    waiting.add(wake)
    return () => {
      waiting.delete(wake)
      if (waiting.size === 0 && wakers.get(this.handle) === waiting) wakers.delete(this.handle)
    }
  }

  /**
   * The next datagram, as a call that blocks would read it: it waits, at most SO_RCVTIMEO of virtual time. After
   * shutdown('RD') an empty one without sender. EAGAIN: the time is over; EBADF: the socket was closed meanwhile; errors that
   * wait on the socket; the signal's reason.
   */
  async next(options: ReadOptions & WaitOptions = {}): Promise<Received> {
    const { signal, timeout, flags = [] } = options
    const limit = timeout === undefined ? calls.receiveTimeout(this.at) : parseTime(timeout, 'recvmsg')
    const waits = !flags.includes('MSG_DONTWAIT') && !flags.includes('MSG_ERRQUEUE')
    const until = limit < 0 ? Infinity : this.#machine.now + limit
    for (;;) {
      signal?.throwIfAborted()
      if (this.#closed) throw systemError('EBADF', 'recvmsg')
      const received = this.recv(options)
      if (received) return received
      // Asked, it tells of the next change.
      const ready = this.poll()
      if (waits && ready & so.EPOLLRDHUP) return { data: new Uint8Array(), length: 0, flags: [] }
      if (!waits || this.#machine.now >= until) throw systemError('EAGAIN', 'recvmsg', 'nothing came in time')
      await sleep(this.#machine, until, signal, (wake) => this.#hang(wake))
    }
  }

  /** Closes it; a second time does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    calls.close(this.at)
    this.#machine.forget(this.handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
