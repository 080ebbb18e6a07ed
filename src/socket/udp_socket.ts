// A UDP socket for people: bound when it is made, read in batches (columns over Wasm memory), one by one, or by for await.

import { formatIPv4, type Endpoint, type EndpointLike } from '../wasm/encode.ts'
import type { Core } from '../wasm/core.ts'
import { checked, isSystemError } from '../wasm/errors.ts'
import { inProcess } from '../kernel/softirq.ts'
import type { OptionValue } from './options.ts'
import type { ReadOptions, SendOptions, Socket, WaitOptions } from './socket.ts'
import type { Received } from './syscalls.ts'

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

/**
 * Datagrams as columns over the host's Wasm memory: valid until the next call of this host. Row i's payload is
 * `data.subarray(offsets[i], offsets[i] + lengths[i])`.
 */
export interface UdpBatch {
  readonly count: number
  readonly lengths: Uint32Array
  /** Senders as they lie in memory (network order, little-endian): formatIPv4 makes text of them. */
  readonly addresses: Uint32Array
  readonly ports: Uint32Array
  readonly offsets: Uint32Array
  /** Index of the device that each came in by. */
  readonly ifindexes: Uint32Array
  readonly data: Uint8Array
}

const BATCH_MAX = 1024

/** Reads up to max datagrams; undefined: none waits. */
export function receiveBatch(socket: Socket, max: number): UdpBatch | undefined {
  const { machine, handle } = socket
  const { core } = machine
  const rows = Math.min(Math.max(1, Math.floor(max)), BATCH_MAX)
  const out = core.resultBuffer
  const count = inProcess(machine, () => core.exports.sys_recv_batch(handle, out, rows, core.halfBuffer))
  if (count === 0) return undefined
  checked(count, 'recvmmsg')
  return batchOf(core, rows, count)
}

/** Batches by core, rows and count: making views for each would cost more than a few datagrams. */
const batchViews = new WeakMap<Core, Map<number, UdpBatch>>()

function batchOf(core: Core, rows: number, count: number): UdpBatch {
  const known = batchViews.get(core) ?? new Map<number, UdpBatch>()
  const key = rows * 2 * BATCH_MAX + count
  const found = known.get(key)
  if (found) return found
  const out = core.resultBuffer
  const { u32, u8 } = core.memory.views
  const column = (i: number): Uint32Array => u32.subarray((out >>> 2) + i * rows, (out >>> 2) + i * rows + count)
  const batch: UdpBatch = {
    count,
    lengths: column(0),
    addresses: column(1),
    ports: column(2),
    offsets: column(3),
    ifindexes: column(4),
    data: u8.subarray(out, out + core.halfBuffer),
  }
  batchViews.set(core, known.set(key, batch))
  return batch
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

  /** The next datagram, undefined: none waits. */
  recv(options?: ReadOptions): Datagram | undefined {
    return this.socket.recv(options) as Datagram | undefined
  }

  /** Up to max datagrams (1024 at most) as columns, undefined: none waits. What they point at is gone at the next call. */
  recvBatch(max = 64): UdpBatch | undefined {
    return receiveBatch(this.socket, max)
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
