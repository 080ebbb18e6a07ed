// A UDP socket for people: bound when it is made, read in batches (columns over Wasm memory), one by one, or by for await.

import { formatIPv4, type Endpoint, type EndpointLike } from '../wasm/encode.ts'
import { isSystemError } from '../wasm/errors.ts'
import type { OptionValue } from './options.ts'
import type { ReadOptions, SendOptions, Socket, WaitOptions } from './socket.ts'
import type { Received } from './syscalls.ts'
import { type DatagramColumns, SendBatch, type UdpBatch, receiveBatch, sendBatch } from './udp_batch.ts'

/** What a UDP socket is made with. */
export interface UdpOptions {
  /** 0: the kernel chooses one. */
  port?: number
  /** '0.0.0.0' unless given. */
  address?: string
  /** Where to: send() then needs no destination, and only its datagrams are read. */
  connect?: EndpointLike
  /** Socket options by C name, set before bind. */
  options?: Readonly<Record<string, OptionValue>>
}

/** A datagram that was read. */
export interface Datagram extends Received {
  from: Endpoint
}

export class UdpSocket implements AsyncIterable<Datagram> {
  /** The socket below, with all options and calls. */
  readonly socket: Socket<Endpoint>

  constructor(socket: Socket<Endpoint>, options: UdpOptions = {}) {
    this.socket = socket
    try {
      for (const [name, value] of Object.entries(options.options ?? {})) socket.setsockopt(name, value)
      socket.bind({ address: options.address ?? '0.0.0.0', port: options.port ?? 0 })
      if (options.connect !== undefined) socket.connect(options.connect)
    } catch (error) {
      socket.close()
      throw error
    }
  }

  /** Where it is bound. */
  get address(): Endpoint {
    return this.socket.getsockname()
  }

  send(data: Uint8Array | string, to?: EndpointLike, options: Omit<SendOptions, 'to'> = {}): number {
    return this.socket.send(data, to === undefined ? options : { ...options, to })
  }

  /** Sends, and waits for room in the send buffer if there is none: Socket.sendWhenRoom. */
  sendWhenRoom(
    data: Uint8Array | string,
    to?: EndpointLike,
    options: Omit<SendOptions, 'to'> & WaitOptions = {},
  ): Promise<number> {
    return this.socket.sendWhenRoom(data, to === undefined ? options : { ...options, to })
  }

  /** The next datagram, undefined: none waits. */
  recv(options?: ReadOptions): Datagram | undefined {
    return this.socket.recv(options) as Datagram | undefined
  }

  /** Up to max datagrams (1024 at most) as columns, undefined: none waits. What they point at is gone at the next call. */
  recvBatch(max = 64): UdpBatch | undefined {
    return receiveBatch(this.socket, max)
  }

  /**
   * Sends datagrams in order, in one call: a batch of this socket's batch(), one that was just read (each goes back to its
   * sender), or any columns, which are copied. Answers how many went before the first that did not, as sendmmsg does; the
   * error when that is the first one: EAGAIN, EMSGSIZE and others of send(). EINVAL: a row that lies beyond its data.
   */
  sendBatch(batch: DatagramColumns): number {
    return sendBatch(this.socket, batch)
  }

  /** Columns in the host's memory for up to `rows` datagrams with `bytes` of payload in all. ENOMEM, EINVAL. */
  batch(rows: number, bytes: number): SendBatch {
    return new SendBatch(this.socket, rows, bytes)
  }

  /**
   * The next datagram; waits for it, at most SO_RCVTIMEO or the timeout. After shutdown('RD') an empty one without sender.
   * EAGAIN: the time is over; EBADF: the socket was closed meanwhile; the signal's reason.
   */
  async next(options: ReadOptions & WaitOptions = {}): Promise<Datagram> {
    return (await this.socket.next(options)) as Datagram
  }

  /** Datagrams until the socket is closed or shut down for reading. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Datagram, void, undefined> {
    try {
      for (;;) {
        const datagram = await this.next()
        if (datagram.from === undefined) return
        yield datagram
      }
    } catch (error) {
      if (!this.socket.closed || !isSystemError(error)) throw error
    }
  }

  close(): void {
    this.socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The text of an address of a batch's column. */
export const formatAddress = formatIPv4
