// Timers in nanoseconds, in virtual time: a heap by expiry. Mirrors what linux kernel/time/hrtimer.c does for its users;
// a timer fires at its time exactly, whatever slack it was given.

import { boot } from '../lib/boot.ts'
import { hrtimer } from '../include/hrtimer.ts'
import { kfree, kmalloc } from '../lib/arena.ts'
import { trace_context, walk } from '../trace/trace.ts'
import { FN_hrtimer_start_range_ns, FN_irq_exit_rcu } from '../uapi/functions.ts'

function at(i: u32): hrtimer {
  return changetype<hrtimer>(load<usize>(boot.hrtimer_heap + ((<usize>i) << 2)))
}

function put(i: u32, timer: hrtimer): void {
  store<usize>(boot.hrtimer_heap + ((<usize>i) << 2), changetype<usize>(timer))
  timer.slot = i + 1
}

function before(a: hrtimer, b: hrtimer): bool {
  return a.expires == b.expires ? <i32>(a.seq - b.seq) < 0 : a.expires < b.expires
}

function sift_up(i: u32, timer: hrtimer): void {
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!before(timer, at(parent))) break
    put(i, at(parent))
    i = parent
  }
  put(i, timer)
}

function sift_down(i: u32, timer: hrtimer): void {
  const count = boot.hrtimer_count
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
  if (boot.hrtimer_count < boot.hrtimer_space) return true
  const space = boot.hrtimer_space == 0 ? 16 : boot.hrtimer_space * 2
  const heap = kmalloc((<usize>space) << 2)
  if (heap == 0) return false
  memory.copy(heap, boot.hrtimer_heap, (<usize>boot.hrtimer_count) << 2)
  kfree(boot.hrtimer_heap, (<usize>boot.hrtimer_space) << 2)
  boot.hrtimer_heap = heap
  boot.hrtimer_space = space
  return true
}

/** Prepares a timer: func is the table index of (timer: usize) => void. */
export function hrtimer_setup(timer: hrtimer, func: u32): void {
  timer.func = func
  timer.slot = 0
}

export function hrtimer_is_queued(timer: hrtimer): bool {
  return timer.slot != 0
}

/** Stops a timer; true if it was queued. */
export function hrtimer_cancel(timer: hrtimer): bool {
  const slot = timer.slot
  if (slot == 0) return false
  boot.timer_moved = 1
  timer.slot = 0
  const last = --boot.hrtimer_count
  if (slot - 1 == last) return true
  const moved = at(last)
  sift_down(slot - 1, moved)
  sift_up(moved.slot - 1, moved)
  return true
}

/** Sets a timer to fire at a time in ns. Without memory it is not set. */
export function hrtimer_start(timer: hrtimer, expires: u64): void {
  walk(FN_hrtimer_start_range_ns, 0)
  hrtimer_cancel(timer)
  if (!heap_room()) return
  boot.timer_moved = 1
  timer.expires = expires
  timer.seq = boot.timer_seq++
  sift_up(boot.hrtimer_count++, timer)
}

/** When the next one fires, in ns; all ones: none is set. */
export function hrtimer_next(): u64 {
  return boot.hrtimer_count == 0 ? u64.MAX_VALUE : at(0).expires
}

/** Fires what is due at the time of the boot block. Returns how many fired. */
export function hrtimer_interrupt(): u32 {
  let fired: u32 = 0
  while (boot.hrtimer_count != 0) {
    const timer = at(0)
    if (timer.expires > boot.now) break
    hrtimer_cancel(timer)
    trace_context()
    boot.timer_runs = 1
    call_indirect<void>(timer.func, changetype<usize>(timer))
    boot.timer_runs = 0
    fired++
  }
  if (fired) walk(FN_irq_exit_rcu, 0)
  return fired
}
