// The instance as TypeScript drives it: start, time, timers, costs, trace; and where things lie in memory.

import { COST_MAX } from '../kernel/cost.ts'
import { CALL_BUFFER_SIZE, function_counts_start, start, trace_start } from '../kernel/start.ts'
import { hrtimer_interrupt, hrtimer_next } from '../kernel/hrtimer.ts'
import { clock_set, run_timers as run_wheel, timer_next as next_timer } from '../kernel/timer.ts'
import { NET_BORN, NET_ENDED, NET_MIB, NET_SYSCTL } from '../include/net_namespace.ts'
import { DEV_ADDR, DEV_STATS, IN_DEV_CNF } from '../include/netdevice.ts'
import { NEIGH_PARMS_DATA } from '../include/neighbour.ts'
import { SOFTNET_SIZE } from '../include/softnet.ts'
import { kfree, kmalloc, kzalloc } from '../lib/arena.ts'
import { BOOT, CACHES, KMEM_CACHE_SIZE, boot as block } from '../lib/boot.ts'
import { PAGE_HEADER, page } from '../net/core/page.ts'
import { user_pages_alloc, user_pages_find, user_pages_free } from '../net/core/user_pages.ts'
import { drop_entry } from '../trace/drops.ts'
import { walk } from '../trace/trace.ts'
import { EINVAL, ENOMEM } from '../uapi/errno.ts'
import { protocols_init } from './protocols.ts'

/** Where the arena may begin. */
export const HEAP_BASE: usize = __heap_base
export const DROP_ENTRY_SIZE: usize = offsetof<drop_entry>()

/** Starts the instance and its protocols: see kernel/start.ts. 0 or -errno. */
export function boot(bytes: u32, hz: u32, seed_low: u32, seed_high: u32, cpus: u32): i32 {
  const err = start(bytes, hz, ((<u64>seed_high) << 32) | seed_low, cpus)
  return err ? err : protocols_init()
}

/** Virtual time in ns. */
export function set_time(ns: f64): void {
  clock_set(<u64>ns)
}

/** When the next timer fires in ns, -1: none is set. */
export function timer_next(): f64 {
  const at = min<u64>(next_timer(), hrtimer_next())
  return at == u64.MAX_VALUE ? -1 : <f64>at
}

/** Fires what is due: timers in ns, then those of the wheel. Answers how many. */
export function run_timers(): u32 {
  return hrtimer_interrupt() + run_wheel()
}

/** A block for a program's own use, aligned to 32 bytes; 0: out of memory. */
export function memory_alloc(bytes: u32): usize {
  return kmalloc(bytes)
}

/** Gives it back; bytes as it was asked for. */
export function memory_free(p: usize, bytes: u32): void {
  kfree(p, bytes)
}

/** A program's block of bytes that packets may take as it is (MSG_ZEROCOPY): its first byte, 0: out of memory. */
export function pages_alloc(bytes: u32): usize {
  return user_pages_alloc(bytes)
}

/** Number of the program's block that begins here, 0: none does. */
export function pages_number(p: usize): u32 {
  const block = user_pages_find(p, 0)
  return block + PAGE_HEADER == p ? changetype<page>(block).number : 0
}

/** Gives a block back; packets that hold it keep it until they end. 1, or 0: there is none. */
export function pages_free(p: usize): u32 {
  return u32(user_pages_free(p))
}

export function call_buffer(): usize {
  return block.call_buffer
}

/** A row of the cost table: ns for each, and ns in 1/256 for each byte. 0, -EINVAL or -ENOMEM. */
export function cost_set(row: u32, ns: u32, per_byte: u32): i32 {
  if (row >= COST_MAX) return -EINVAL
  if (block.costs == 0) block.costs = kzalloc((<usize>COST_MAX) << 3)
  if (block.costs == 0) return -ENOMEM
  store<u32>(block.costs + ((<usize>row) << 3), ns)
  store<u32>(block.costs + ((<usize>row) << 3), per_byte, 4)
  return 0
}

/** A function of the kernel that TypeScript plays (interrupts, softirqs) begins. */
export function trace_function(fn: u32): void {
  walk(fn, 0)
}

export {
  BOOT,
  CACHES,
  CALL_BUFFER_SIZE,
  DEV_ADDR,
  DEV_STATS,
  IN_DEV_CNF,
  KMEM_CACHE_SIZE,
  NEIGH_PARMS_DATA,
  NET_BORN,
  NET_ENDED,
  NET_MIB,
  NET_SYSCTL,
  SOFTNET_SIZE,
  function_counts_start,
  trace_start,
}
