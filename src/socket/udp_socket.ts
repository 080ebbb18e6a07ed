// A UDP socket for people: bound when it is made, read in batches (columns over Wasm memory), one by one, or by for await.

import { formatIPv4, type Endpoint, type EndpointLike } from '../wasm/encode.ts'
import type { Core } from '../wasm/core.ts'
import { checked, isSystemError, systemError } from '../wasm/errors.ts'
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
  const { machine, handle } = socket.at
  const { core } = machine
  const rows = Math.min(Math.max(1, Math.floor(max)), BATCH_MAX)
  const out = core.resultBuffer
  const count = inProcess(machine, () => core.exports.sys_recv_batch(handle, out, rows, core.halfBuffer))
  if (count === 0) return undefined
  checked(count, 'recvmmsg')
  const all = columnsOf(core, rows)
  if (count === rows) return { count, ...all }
  return {
    count,
    lengths: all.lengths.subarray(0, count),
    addresses: all.addresses.subarray(0, count),
    ports: all.ports.subarray(0, count),
    offsets: all.offsets.subarray(0, count),
    ifindexes: all.ifindexes.subarray(0, count),
    data: all.data,
  }
}

type Columns = Omit<UdpBatch, 'count'>

/** Views of the columns by core and rows: making them for each batch would cost more than a few datagrams. */
const columnViews = new WeakMap<Core, Map<number, Columns>>()

function columnsOf(core: Core, rows: number): Columns {
  const known = columnViews.get(core) ?? new Map<number, Columns>()
  const found = known.get(rows)
  if (found) return found
  const out = core.resultBuffer
  const { u32, u8 } = core.memory.views
  const column = (i: number): Uint32Array => u32.subarray((out >>> 2) + i * rows, (out >>> 2) + (i + 1) * rows)
  const columns: Columns = {
    lengths: column(0),
    addresses: column(1),
    ports: column(2),
    offsets: column(3),
    ifindexes: column(4),
    data: u8.subarray(out, out + core.halfBuffer),
  }
  columnViews.set(core, known.set(rows, columns))
  return columns
}

/** A datagram that was read. */
export interface Datagram extends Received {
  from: Endpoint
}

export class UdpSocket implements AsyncIterable<Datagram> {
  /** The socket below, with all options and calls. */
  readonly socket: Socket

  constructor(socket: Socket, options: UdpOptions = {}) {
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

  /** The next datagram; waits for it. Rejects with the signal's reason, or EBADF when the socket is closed meanwhile. */
  async next(options: ReadOptions & WaitOptions = {}): Promise<Datagram> {
    for (;;) {
      await this.socket.readable(options)
      if (this.socket.closed) throw systemError('EBADF', 'recvmsg')
      const datagram = this.recv(options)
      if (datagram) return datagram
    }
  }

  /** Datagrams until the socket is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Datagram, void, undefined> {
    try {
      for (;;) yield await this.next()
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
