// Timers of the wheel at HZ, in virtual time: kept in a heap by the tick in which the wheel would fire them.
// Mirrors what linux kernel/time/timer.c makes of an expiry: coarser the farther away, never early.

import { BOOT, boot, boot_block } from '../lib/boot.ts'
import { timer_list } from '../include/timer.ts'
import { heap, heap_add, heap_at, heap_remove, heap_room } from '../lib/heap.ts'
import { softirq_enter, softirq_exit } from './softirq.ts'
import { trace_context, walk } from '../trace/trace.ts'
import { FN_call_timer_fn, FN_handle_softirqs, FN_irq_exit_rcu } from '../uapi/functions.ts'

/** Jiffies at time 0: large enough that "long ago" never lies before it. */
export const INITIAL_JIFFIES: u32 = 1 << 20

/** Levels of the wheel: 64 slots each, eight times coarser from one to the next. */
const LVL_CLK_SHIFT: u32 = 3
const LVL_DEPTH: u32 = 9

/** The level into which the wheel puts a timer that is set now for expires. */
function wheel_level(expires: u32, now: u32): u32 {
  const delta = expires - now
  if (<i32>delta < 0) return 0
  let level: u32 = 0
  while (level < LVL_DEPTH - 1 && delta >= 63 << (level * LVL_CLK_SHIFT)) level++
  return level
}

/** The tick at which that level fires it. */
function wheel_fires(expires: u32, now: u32, level: u32): u32 {
  if (<i32>(expires - now) < 0) return now
  const shift = level * LVL_CLK_SHIFT
  return ((expires >> shift) + 1) << shift
}

function timers(): heap {
  return changetype<heap>(BOOT + offsetof<boot_block>('timer_heap'))
}

/** Prepares a timer: func is the table index of (timer: usize) => void. */
export function timer_setup(timer: timer_list, func: u32): void {
  timer.func = func
  timer.slot = 0
}

export function timer_pending(timer: timer_list): bool {
  return timer.slot != 0
}

/** Stops a timer; true if it was pending. */
export function timer_delete(timer: timer_list): bool {
  if (timer.slot == 0) return false
  boot.timer_moved = 1
  heap_remove<timer_list>(timers(), timer)
  return true
}

/** Sets a timer to fire at expires (jiffies) or soon after; true if it was pending. Without memory it is not set. */
export function mod_timer(timer: timer_list, expires: u32): bool {
  const was = timer_delete(timer)
  if (!heap_room(timers())) return was
  boot.timer_moved = 1
  timer.expires = expires
  timer.level = wheel_level(expires, boot.jiffies)
  timer.fires = wheel_fires(expires, boot.jiffies, timer.level)
  timer.seq = boot.timer_seq++
  heap_add<timer_list>(timers(), timer)
  return was
}

/** Virtual time in ns at which a tick begins. */
function tick_time(tick: u32): u64 {
  return <u64>(tick - INITIAL_JIFFIES) * <u64>boot.tick_ns
}

/** When the next timer fires, in ns; all ones: none is set. It stays so until timer_moved. */
export function timer_next(): u64 {
  boot.timer_moved = 0
  return timers().count == 0 ? u64.MAX_VALUE : tick_time(heap_at<timer_list>(timers(), 0).fires)
}

/** Fires what is due at the time of the boot block. Returns how many fired. */
export function run_timers(): u32 {
  boot.timer_moved = 1
  let fired: u32 = 0
  while (timers().count != 0) {
    const timer = heap_at<timer_list>(timers(), 0)
    if (<i32>(timer.fires - boot.jiffies) > 0) break
    timer_delete(timer)
    if (fired == 0) {
      walk(FN_irq_exit_rcu, 0)
      walk(FN_handle_softirqs, 0)
    }
    trace_context()
    walk(FN_call_timer_fn, 0)
    boot.timer_runs = 1
    softirq_enter()
    call_indirect<void>(timer.func, changetype<usize>(timer))
    softirq_exit()
    boot.timer_runs = 0
    fired++
  }
  return fired
}

/** Sets the clock: ns of virtual time. */
export function clock_set(now: u64): void {
  boot.now = now
  boot.jiffies = INITIAL_JIFFIES + <u32>(now / boot.tick_ns)
}

/** Ticks of a time in ms, rounded up (msecs_to_jiffies). */
export function msecs_to_jiffies(ms: u32): u32 {
  return <u32>((<u64>ms * 1000000 + boot.tick_ns - 1) / boot.tick_ns)
}

/** Is tick a later than b, on a clock that wraps? */
export function time_after(a: u32, b: u32): bool {
  return <i32>(b - a) < 0
}

export function time_after_eq(a: u32, b: u32): bool {
  return <i32>(a - b) >= 0
}
