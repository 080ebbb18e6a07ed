// Slab caches: objects of one size on a free list, 1.1 ns for one (DESIGN 4).
// Mirrors the use of mm/slab_common.c, not its ways.

import { CACHES, KMEM_CACHE_SIZE } from './boot.ts'
import { arena_carve } from './arena.ts'

/** Objects come from the arena in chunks of this many bytes, or one object. */
const CHUNK: usize = 8192

@unmanaged
@final
export class kmem_cache {
  free: usize
  size: u32
  inuse: u32
  total: u32
  /** Most objects ever in use. */
  peak: u32
  /** The slab carved last: where its record lies, behind its objects. */
  slabs: usize
}

/** Behind the objects of a slab: the slab before, and how many objects there are. */
@unmanaged
@final
class slab_record {
  before: usize
  objects: u32
}

const RECORD: usize = offsetof<slab_record>()

export function cache_of(number: u32): kmem_cache {
  return changetype<kmem_cache>(CACHES + <usize>number * KMEM_CACHE_SIZE)
}

/** Gives cache number its object size; objects are aligned to 16 bytes. */
export function kmem_cache_create(number: u32, size: u32): void {
  const cache = cache_of(number)
  cache.free = 0
  cache.size = (size + 15) & ~15
  cache.inuse = 0
  cache.total = 0
  cache.peak = 0
  cache.slabs = 0
}

function refill(cache: kmem_cache): bool {
  const size = <usize>cache.size
  let count = CHUNK / size
  if (count == 0) count = 1
  let p = arena_carve(count * size + RECORD)
  if (p == 0 && count > 1) {
    count = 1
    p = arena_carve(size + RECORD)
  }
  if (p == 0) return false
  for (let i: usize = count; i > 0; i--) {
    const object = p + (i - 1) * size
    store<usize>(object, cache.free)
    cache.free = object
  }
  cache.total += <u32>count
  const record = p + count * size
  changetype<slab_record>(record).before = cache.slabs
  changetype<slab_record>(record).objects = <u32>count
  cache.slabs = record
  return true
}

/** One object, contents undefined. 0: out of memory. */
export function kmem_cache_alloc(number: u32): usize {
  const cache = cache_of(number)
  if (cache.free == 0 && !refill(cache)) return 0
  const p = cache.free
  cache.free = load<usize>(p)
  cache.inuse += 1
  return p
}

/** One object, filled with zeros. 0: out of memory. */
export function kmem_cache_zalloc(number: u32): usize {
  const p = kmem_cache_alloc(number)
  if (p != 0) memory.fill(p, 0, cache_of(number).size)
  return p
}

export function kmem_cache_free(number: u32, p: usize): void {
  const cache = cache_of(number)
  store<usize>(p, cache.free)
  cache.free = p
  cache.inuse -= 1
}

/** Bytes from one object of a cache to the next. */
export function slab_size(number: u32): usize {
  return cache_of(number).size
}

/** All slabs of a cache, for who looks at every object, free ones too: their objects lie right before what is answered. 0: no more. */
export function slab_first(number: u32): usize {
  return cache_of(number).slabs
}

export function slab_next(slab: usize): usize {
  return changetype<slab_record>(slab).before
}

export function slab_objects(slab: usize): u32 {
  return changetype<slab_record>(slab).objects
}
