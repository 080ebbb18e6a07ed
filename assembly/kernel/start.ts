// The instance's first breath: arena, slabs, rings, CPUs. Everything else is carved when it is first used.

import { CACHE_SKBUFF, boot } from '../lib/boot.ts'
import { sk_buff } from '../include/skbuff.ts'
import { NAPI_KIND_BACKLOG, napi_struct } from '../include/netdevice.ts'
import { SOFTNET_SIZE, softnet_data } from '../include/softnet.ts'
import { kfree, kzalloc } from '../lib/arena.ts'
import { kmem_cache_create } from '../lib/slab.ts'
import { get_random_u32, random_seed } from '../lib/random.ts'
import { EINVAL, ENOMEM } from '../uapi/errno.ts'
import { TRACE_RECORD } from '../trace/trace.ts'
import { FN_MAX } from '../uapi/functions.ts'
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
 * Starts an instance: an arena of bytes bytes, a clock of hz ticks a second, a seed, and cpus CPUs (1 to 64).
 * 0 or -errno. The arena must be zero, and memory below it as it was after instantiation.
 */
export function start(bytes: u32, hz: u32, seed: u64, cpus: u32): i32 {
  if (hz == 0 || hz > 1000 || 1000000000 % hz != 0 || cpus == 0 || cpus > 64) return -EINVAL
  if (!arena_start(bytes)) return -ENOMEM
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

/** Room for records records (a power of two) in the trace ring, emptied; boot.trace_flags says what goes in. 0 or -errno. */
export function trace_start(records: u32): i32 {
  if (records == 0 || records & (records - 1)) return -EINVAL
  if (boot.trace_ring == 0 || boot.trace_mask + 1 < records) {
    const ring = kzalloc(<usize>records * TRACE_RECORD)
    if (ring == 0) return -ENOMEM
    if (boot.trace_ring) kfree(boot.trace_ring, <usize>(boot.trace_mask + 1) * TRACE_RECORD)
    boot.trace_ring = ring
    boot.trace_mask = records - 1
  }
  boot.trace_head = 0
  return 0
}

/** Counters of every function, all 0: {times, order of first call} at FN_* x 8. Counting goes on while TRACE_COUNTS is set. */
export function function_counts_start(): i32 {
  const bytes = (<usize>(FN_MAX + 1)) << 3
  if (boot.function_counts == 0) boot.function_counts = kzalloc(bytes)
  if (boot.function_counts == 0) return -ENOMEM
  memory.fill(boot.function_counts, 0, bytes)
  boot.functions_seen = 0
  return 0
}
