// The instance's first breath: arena, slabs, rings, CPUs. Everything else is carved when it is first used.

import { CACHE_SKBUFF, boot } from '../lib/boot.ts'
import { sk_buff } from '../include/skbuff.ts'
import { NAPI_KIND_BACKLOG, napi_struct } from '../include/netdevice.ts'
import { SOFTNET_SIZE, softnet_data } from '../include/softnet.ts'
import { kzalloc } from '../lib/arena.ts'
import { kmem_cache_create } from '../lib/slab.ts'
import { get_random_u32, random_seed } from '../lib/random.ts'
import { EINVAL, ENOMEM } from '../uapi/errno.ts'
import { clock_set } from './timer.ts'

/** Events that fit until TypeScript drains them. */
const EVENTS: u32 = 4096
/** Bytes for arguments, and as many for results: a datagram of 64 KB and its control messages fit in each. */
export const CALL_BUFFER_SIZE: u32 = 1 << 18

/** Makes the memory from __heap_base on the arena, of bytes bytes in all. */
function arena_start(bytes: usize): bool {
  const pages = <i32>((bytes + 0xffff) >> 16)
  const have = memory.size()
  if (have < pages && memory.grow(pages - have) < 0) return false
  boot.arena_base = (__heap_base + 63) & ~(<usize>63)
  boot.arena_brk = boot.arena_base
  boot.arena_end = (<usize>pages) << 16
  return boot.arena_end > boot.arena_base
}

/**
 * Starts an instance: memory_bytes of Wasm memory in all, a clock of hz ticks a second, a seed, and cpus CPUs (1 to 64).
 * 0 or -errno. Memory must be as it was after instantiation.
 */
export function start(memory_bytes: u32, hz: u32, seed: u64, cpus: u32): i32 {
  if (hz == 0 || hz > 1000 || 1000000000 % hz != 0 || cpus == 0 || cpus > 64) return -EINVAL
  if (!arena_start(memory_bytes)) return -ENOMEM
  boot.hz = hz
  boot.tick_ns = 1000000000 / hz
  boot.nr_cpus = cpus
  clock_set(0)
  random_seed(seed)
  boot.hash_seed = get_random_u32()
  kmem_cache_create(CACHE_SKBUFF, offsetof<sk_buff>())
  boot.event_ring = kzalloc((<usize>EVENTS) << 4)
  boot.event_mask = EVENTS - 1
  boot.call_buffer = kzalloc(CALL_BUFFER_SIZE)
  boot.softnet = kzalloc(<usize>cpus * SOFTNET_SIZE)
  if (boot.event_ring == 0 || boot.call_buffer == 0 || boot.softnet == 0) return -ENOMEM
  for (let i: u32 = 0; i < cpus; i++) {
    const sd = changetype<softnet_data>(boot.softnet + <usize>i * SOFTNET_SIZE)
    sd.cpu = i
    sd.backlog = kzalloc(offsetof<napi_struct>())
    if (sd.backlog == 0) return -ENOMEM
    const napi = changetype<napi_struct>(sd.backlog)
    napi.kind = NAPI_KIND_BACKLOG
    napi.weight = 64
    napi.priv = changetype<usize>(sd)
  }
  return 0
}

/** A trace ring of records records (a power of two), emptied; 0 frees nothing and stops tracing. 0 or -errno. */
export function trace_start(records: u32, bytes: u32, flags: u32): i32 {
  if (records == 0) {
    boot.trace_flags = 0
    return 0
  }
  if (records & (records - 1)) return -EINVAL
  if (boot.trace_ring == 0 || boot.trace_mask + 1 < records) {
    const ring = kzalloc(<usize>records * bytes)
    if (ring == 0) return -ENOMEM
    boot.trace_ring = ring
    boot.trace_mask = records - 1
  }
  boot.trace_head = 0
  boot.trace_flags = flags
  return 0
}
