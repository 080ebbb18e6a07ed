// Timers of the wheel at HZ, in virtual time: kept in a heap by the tick in which the wheel would fire them.
// Mirrors what linux kernel/time/timer.c makes of an expiry: coarser the farther away, never early.

import { boot } from '../lib/boot.ts'
import { timer_list } from '../include/timer.ts'
import { kfree, kmalloc } from '../lib/arena.ts'
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

function at(i: u32): timer_list {
  return changetype<timer_list>(load<usize>(boot.timer_heap + ((<usize>i) << 2)))
}

function put(i: u32, timer: timer_list): void {
  store<usize>(boot.timer_heap + ((<usize>i) << 2), changetype<usize>(timer))
  timer.slot = i + 1
}

/** Of one tick the coarser levels come first; in a slot of the wheel, who was put there last. */
function before(a: timer_list, b: timer_list): bool {
  if (a.fires != b.fires) return <i32>(a.fires - b.fires) < 0
  return a.level == b.level ? <i32>(a.seq - b.seq) > 0 : a.level > b.level
}

function sift_up(i: u32, timer: timer_list): void {
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!before(timer, at(parent))) break
    put(i, at(parent))
    i = parent
  }
  put(i, timer)
}

function sift_down(i: u32, timer: timer_list): void {
  const count = boot.timer_count
  for (;;) {
    let child: u32 = 2 * i + 1
    if (child >= count) break
    if (child + 1 < count && before(at(child + 1), at(child))) child++
    if (!before(at(child), timer)) break
    put(i, at(child))
    i = child
  }
  put(i, timer)
}

/** Room for one more. */
function heap_room(): bool {
  if (boot.timer_count < boot.timer_space) return true
  const space = boot.timer_space == 0 ? 64 : boot.timer_space * 2
  const heap = kmalloc((<usize>space) << 2)
  if (heap == 0) return false
  memory.copy(heap, boot.timer_heap, (<usize>boot.timer_count) << 2)
  kfree(boot.timer_heap, (<usize>boot.timer_space) << 2)
  boot.timer_heap = heap
  boot.timer_space = space
  return true
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
  const slot = timer.slot
  if (slot == 0) return false
  boot.timer_moved = 1
  timer.slot = 0
  const last = --boot.timer_count
  if (slot - 1 == last) return true
  const moved = at(last)
  sift_down(slot - 1, moved)
  sift_up(moved.slot - 1, moved)
  return true
}

/** Sets a timer to fire at expires (jiffies) or soon after; true if it was pending. Without memory it is not set. */
export function mod_timer(timer: timer_list, expires: u32): bool {
  const was = timer_delete(timer)
  if (!heap_room()) return was
  boot.timer_moved = 1
  timer.expires = expires
  timer.level = wheel_level(expires, boot.jiffies)
  timer.fires = wheel_fires(expires, boot.jiffies, timer.level)
  timer.seq = boot.timer_seq++
  const i = boot.timer_count++
  sift_up(i, timer)
  return was
}

/** Virtual time in ns at which a tick begins. */
function tick_time(tick: u32): u64 {
  return <u64>(tick - INITIAL_JIFFIES) * <u64>boot.tick_ns
}

/** When the next timer fires, in ns; all ones: none is set. It stays so until timer_moved. */
export function timer_next(): u64 {
  boot.timer_moved = 0
  return boot.timer_count == 0 ? u64.MAX_VALUE : tick_time(at(0).fires)
}

/** Fires what is due at the time of the boot block. Returns how many fired. */
export function run_timers(): u32 {
  boot.timer_moved = 1
  let fired: u32 = 0
  while (boot.timer_count != 0) {
    const timer = at(0)
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
