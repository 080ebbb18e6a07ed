// The arena: all memory that packets and tables use, carved lazily, never grown while packets run.
// Blocks are powers of two with a free list each; nobody keeps a header, so the caller knows the size.

import { ARENA_FREE, boot } from './boot.ts'

const MIN_SHIFT: u32 = 5
const MAX_SHIFT: u32 = 30

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

/** A block of at least size bytes, aligned to 32, contents undefined. 0: out of memory. */
export function kmalloc(size: usize): usize {
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
  const list = ARENA_FREE + ((<usize>size_shift(size)) << 2)
  store<usize>(p, load<usize>(list))
  store<usize>(list, p)
}

/** Bytes that kmalloc(size) really takes. */
export function ksize(size: usize): usize {
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
