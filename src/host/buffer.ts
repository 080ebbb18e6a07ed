// Memory of a program on a host's pages, as a user process would have it: what it sends with MSG_ZEROCOPY goes out as it lies.

import type { Machine } from '../kernel/machine.ts'
import { integer } from '../wasm/encode.ts'
import { systemError } from '../wasm/errors.ts'

/** Most bytes of a block. */
const MOST = 1 << 26

/**
 * Bytes on the host's own pages, zero at first. Sent with MSG_ZEROCOPY or MSG_SPLICE_PAGES they are not copied: packets hold the
 * pages, and what is written to them meanwhile may be what leaves. Parts (data.subarray) are sent as well as the whole.
 */
export class HostBuffer {
  readonly #machine: Machine
  readonly #at: number
  readonly #data: Uint8Array<ArrayBuffer>
  /** The core's number of it: what it knows outlives neither free() nor a restored lab. */
  readonly #number: number

  /** ENOMEM. */
  constructor(machine: Machine, length: number) {
    const { core } = machine
    this.#machine = machine
    this.#at = core.exports.pages_alloc(integer(length, 1, MOST, 'length', 'alloc'))
    if (this.#at === 0) throw systemError('ENOMEM', 'alloc', `${length} bytes`)
    this.#number = core.exports.pages_number(this.#at)
    this.#data = new Uint8Array(core.memory.views.u8.buffer as ArrayBuffer, this.#at, length)
  }

  #there(): boolean {
    return this.#machine.core.exports.pages_number(this.#at) === this.#number
  }

  get length(): number {
    return this.#data.length
  }

  /** The bytes. EFAULT when they were given back, or the lab was restored to a time before they were there. */
  get data(): Uint8Array<ArrayBuffer> {
    if (!this.#there()) throw systemError('EFAULT', 'alloc', 'the memory was given back')
    return this.#data
  }

  /** Gives the memory back; packets that hold it keep it until they end. A second time does nothing. */
  free(): void {
    if (this.#there()) this.#machine.core.exports.pages_free(this.#at)
  }

  [Symbol.dispose](): void {
    this.free()
  }
}
