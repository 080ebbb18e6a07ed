// The arena: all memory that packets and tables use, carved lazily, never grown while packets run.
// Blocks are powers of two with a free list each; nobody keeps a header, so the caller knows the size.

import { ARENA_FREE, boot } from './boot.ts'

const MIN_SHIFT: u32 = 5
const MAX_SHIFT: u32 = 30

/**
 * One size that is no power of two: a NIC's receive buffers. Blocks 33 cache lines apart do not compete for the same few sets
 * of the cache, and their free list lies where the packet does, in a line that is warm.
 */
export const RX_BUFFER_SIZE: usize = 2112
const RX_BUFFER_LINK: usize = 64
/** Its free list: a place that no power of two uses. */
const RX_BUFFER_LIST: usize = ARENA_FREE

function size_shift(size: usize): u32 {
  return size <= 32 ? MIN_SHIFT : 32 - <u32>clz<u32>(<u32>size - 1)
}

/** Takes fresh memory from the end of the arena. 0: there is none. */
function carve(bytes: usize): usize {
  const p = boot.arena_brk
  if (bytes > boot.arena_end - p) {
    boot.arena_failed += 1
    return 0
  }
  boot.arena_brk = p + bytes
  return p
}

function rx_buffer_alloc(): usize {
  const p = load<usize>(RX_BUFFER_LIST)
  if (p == 0) return carve(RX_BUFFER_SIZE)
  store<usize>(RX_BUFFER_LIST, load<usize>(p, RX_BUFFER_LINK))
  return p
}

/**
 * Receive buffers for a ring, one after the other: begin with rx_buffers_begin, hand what each call answers to the next by
 * rx_buffer_after, and end with rx_buffers_end. The head of the list stays in a register meanwhile.
 */
export function rx_buffers_begin(): usize {
  return load<usize>(RX_BUFFER_LIST)
}

/** The buffer behind p on the list, 0: p is the last. */
export function rx_buffer_after(p: usize): usize {
  return load<usize>(p, RX_BUFFER_LINK)
}

/** The list begins at p now: all before it are taken. */
export function rx_buffers_end(p: usize): void {
  store<usize>(RX_BUFFER_LIST, p)
}

/** A buffer that was never used. 0: out of memory. */
export function rx_buffer_carve(): usize {
  return carve(RX_BUFFER_SIZE)
}

function rx_buffer_free(p: usize): void {
  store<usize>(p, load<usize>(RX_BUFFER_LIST), RX_BUFFER_LINK)
  store<usize>(RX_BUFFER_LIST, p)
}

/** A block of at least size bytes, aligned to 32, contents undefined. 0: out of memory. */
export function kmalloc(size: usize): usize {
  if (size == RX_BUFFER_SIZE) return rx_buffer_alloc()
  const shift = size_shift(size)
  if (shift > MAX_SHIFT) return 0
  const list = ARENA_FREE + ((<usize>shift) << 2)
  const p = load<usize>(list)
  if (p != 0) {
    store<usize>(list, load<usize>(p))
    return p
  }
  return carve((<usize>1) << shift)
}

/** The same, filled with zeros. */
export function kzalloc(size: usize): usize {
  const p = kmalloc(size)
  if (p != 0) memory.fill(p, 0, size)
  return p
}

/** Gives a block back; size as it was asked for. */
export function kfree(p: usize, size: usize): void {
  if (p == 0) return
  if (size == RX_BUFFER_SIZE) {
    rx_buffer_free(p)
    return
  }
  const list = ARENA_FREE + ((<usize>size_shift(size)) << 2)
  store<usize>(p, load<usize>(list))
  store<usize>(list, p)
}

/** Bytes that kmalloc(size) really takes. */
export function ksize(size: usize): usize {
  if (size == RX_BUFFER_SIZE) return size
  return (<usize>1) << size_shift(size)
}

/** Memory for a slab: never given back. 0: out of memory. */
export function arena_carve(bytes: usize): usize {
  return carve((bytes + 63) & ~(<usize>63))
}

/** Bytes that nobody has carved yet. */
export function arena_left(): usize {
  return boot.arena_end - boot.arena_brk
}
