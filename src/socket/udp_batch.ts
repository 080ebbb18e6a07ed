// Many datagrams in one call: columns over the host's Wasm memory, no object and no copy for each.
// How they lie there is in assembly/net/ipv4/udp/batch.ts.

import { inProcess } from '../kernel/softirq.ts'
import { type EndpointLike, integer, parseEndpoint, parseIPv4 } from '../wasm/encode.ts'
import type { Core } from '../wasm/core.ts'
import { checked, invalid, systemError } from '../wasm/errors.ts'
import type { Socket } from './socket.ts'

/** Datagrams to send, or that were read, as columns. Row i's payload is `data.subarray(offsets[i], offsets[i] + lengths[i])`. */
export interface DatagramColumns {
  readonly count: number
  readonly lengths: ArrayLike<number>
  /**
   * Senders, or where to, as they lie in memory (network order, little-endian): formatIPv4 makes text of them, parseIPv4
   * numbers. 0: where the socket is connected to.
   */
  readonly addresses: ArrayLike<number>
  readonly ports: ArrayLike<number>
  readonly offsets: ArrayLike<number>
  readonly data: Uint8Array
}

/** Datagrams that were read: columns over the host's Wasm memory, valid until the next call of this host. */
export interface UdpBatch extends DatagramColumns {
  readonly lengths: Uint32Array
  readonly addresses: Uint32Array
  readonly ports: Uint32Array
  readonly offsets: Uint32Array
  /** Index of the device that each came in by. */
  readonly ifindexes: Uint32Array
}

/** Rows of one call. */
const BATCH_MAX = 1024
const COLUMNS = 5
const ROW_BYTES = COLUMNS * 4
/** Longest payload of a datagram; longer ones are the kernel's to refuse. */
const PAYLOAD_MAX = 65535

/** Where the columns of a batch lie in a host's memory. */
interface Place {
  readonly core: Core
  readonly at: number
  readonly rows: number
  readonly bytes: number
}

const places = new WeakMap<DatagramColumns, Place>()

function columnsAt(core: Core, at: number, rows: number, count: number): Omit<UdpBatch, 'count' | 'data'> {
  const { u32 } = core.memory.views
  const column = (i: number): Uint32Array => u32.subarray((at >>> 2) + i * rows, (at >>> 2) + i * rows + count)
  return { lengths: column(0), addresses: column(1), ports: column(2), offsets: column(3), ifindexes: column(4) }
}

/** Batches by core, rows and count: making views for each would cost more than a few datagrams. */
const batchViews = new WeakMap<Core, Map<number, UdpBatch>>()

function batchOf(core: Core, rows: number, count: number): UdpBatch {
  const known = batchViews.get(core) ?? new Map<number, UdpBatch>()
  const key = rows * 2 * BATCH_MAX + count
  const found = known.get(key)
  if (found) return found
  const at = core.resultBuffer
  const bytes = core.halfBuffer
  const data = core.memory.views.u8.subarray(at, at + bytes)
  const batch: UdpBatch = { count, ...columnsAt(core, at, rows, count), data }
  places.set(batch, { core, at, rows, bytes })
  batchViews.set(core, known.set(key, batch))
  return batch
}

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

function sendAt(socket: Socket, { at, rows, bytes }: Omit<Place, 'core'>, count: number): number {
  const { machine, handle } = socket
  return inProcess(machine, () => machine.core.exports.sys_send_batch(handle, at, rows, count, bytes))
}

/** Copies rows from first on, as many as the call buffer takes. Answers how many. */
function encodeRows(core: Core, batch: DatagramColumns, first: number): { rows: number; bytes: number } {
  const { count, lengths, addresses, ports, offsets, data } = batch
  let rows = 0
  let bytes = 0
  while (first + rows < count && rows < BATCH_MAX) {
    const i = first + rows
    const length = integer(lengths[i]!, 0, PAYLOAD_MAX, `lengths[${i}]`, 'sendmmsg')
    if (!(offsets[i]! >= 0 && offsets[i]! + length <= data.length))
      throw invalid('sendmmsg', `datagram ${i} lies beyond its data`)
    if ((rows + 1) * ROW_BYTES + bytes + length > core.halfBuffer) break
    rows++
    bytes += length
  }
  const { u8, u32 } = core.memory.views
  const base = core.callBuffer
  let at = rows * ROW_BYTES
  for (let i = 0; i < rows; i++) {
    const length = lengths[first + i]!
    const offset = offsets[first + i]!
    const word = (base >>> 2) + i
    u32[word] = length
    u32[word + rows] = addresses[first + i]!
    u32[word + 2 * rows] = ports[first + i]!
    u32[word + 3 * rows] = at
    u8.set(data.subarray(offset, offset + length), base + at)
    at += length
  }
  return { rows, bytes: at }
}

/** The rows of a batch that lies elsewhere: in as many calls as the call buffer needs. */
function sendCopied(socket: Socket, batch: DatagramColumns): number {
  const { core } = socket.machine
  let sent = 0
  while (sent < batch.count) {
    const { rows, bytes } = encodeRows(core, batch, sent)
    const went = sendAt(socket, { at: core.callBuffer, rows, bytes }, rows)
    if (went < 0 && sent === 0) checked(went, 'sendmmsg')
    sent += Math.max(went, 0)
    if (went < rows) break
  }
  return sent
}

/** Sends the datagrams of a batch in order; see UdpSocket.sendBatch. */
export function sendBatch(socket: Socket, batch: DatagramColumns): number {
  const place = places.get(batch)
  if (place?.core !== socket.machine.core) return sendCopied(socket, batch)
  const { rows } = place
  const count = integer(batch.count, 0, rows, 'count', 'sendmmsg')
  return count === 0 ? 0 : checked(sendAt(socket, place, count), 'sendmmsg')
}

/**
 * Datagrams to be sent from where they lie: columns in the host's memory, which the program fills and sends as often as it
 * likes. Made by UdpSocket.batch; free() gives the memory back.
 */
export class SendBatch implements DatagramColumns {
  readonly lengths: Uint32Array
  readonly addresses: Uint32Array
  readonly ports: Uint32Array
  readonly offsets: Uint32Array
  readonly data: Uint8Array
  /** Rows that are filled. */
  count = 0
  readonly #place: Place
  /** Where the next payload goes. */
  #end: number

  constructor(socket: Socket, rows: number, payloadBytes: number) {
    const { core } = socket.machine
    integer(rows, 1, 65536, 'rows', 'batch')
    integer(payloadBytes, 0, 1 << 30, 'bytes', 'batch')
    const bytes = rows * ROW_BYTES + payloadBytes
    const at = core.exports.memory_alloc(bytes) >>> 0
    if (at === 0) throw systemError('ENOMEM', 'batch', `${bytes} bytes`)
    const { lengths, addresses, ports, offsets } = columnsAt(core, at, rows, rows)
    this.lengths = lengths
    this.addresses = addresses
    this.ports = ports
    this.offsets = offsets
    this.data = core.memory.views.u8.subarray(at, at + bytes)
    this.#end = rows * ROW_BYTES
    this.#place = { core, at, rows, bytes }
    places.set(this, this.#place)
  }

  /** Appends a datagram; without `to` it goes where the socket is connected to. False: there is no room. */
  push(payload: Uint8Array, to?: EndpointLike): boolean {
    const { rows, bytes } = this.#place
    if (this.count === rows || this.#end + payload.length > bytes) return false
    const { address, port } = to === undefined ? { address: '0.0.0.0', port: 0 } : parseEndpoint(to, 'batch')
    const row = this.count
    this.lengths[row] = payload.length
    this.addresses[row] = parseIPv4(address, 'batch')
    this.ports[row] = port
    this.offsets[row] = this.#end
    this.data.set(payload, this.#end)
    this.#end += payload.length
    this.count = row + 1
    return true
  }

  /** Empties it. */
  clear(): void {
    this.count = 0
    this.#end = this.#place.rows * ROW_BYTES
  }

  /** Gives its memory back: it is not to be used any more. A second time does nothing. */
  free(): void {
    const { core, at, bytes } = this.#place
    if (places.delete(this) && !core.dead) core.exports.memory_free(at, bytes)
  }

  [Symbol.dispose](): void {
    this.free()
  }
}
