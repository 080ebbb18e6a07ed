// Timers in nanoseconds, in virtual time: a heap by expiry. Mirrors what linux kernel/time/hrtimer.c does for its users;
// a timer fires at its time exactly, whatever slack it was given.

import { BOOT, boot, boot_block } from '../lib/boot.ts'
import { hrtimer } from '../include/hrtimer.ts'
import { heap, heap_add, heap_at, heap_remove, heap_room } from '../lib/heap.ts'
import { trace_context, walk } from '../trace/trace.ts'
import { FN_hrtimer_start_range_ns, FN_irq_exit_rcu } from '../uapi/functions.ts'

function timers(): heap {
  return changetype<heap>(BOOT + offsetof<boot_block>('hrtimer_heap'))
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
  if (timer.slot == 0) return false
  boot.timer_moved = 1
  heap_remove<hrtimer>(timers(), timer)
  return true
}

/** Sets a timer to fire at a time in ns. Without memory it is not set. */
export function hrtimer_start(timer: hrtimer, expires: u64): void {
  walk(FN_hrtimer_start_range_ns, 0)
  hrtimer_cancel(timer)
  if (!heap_room(timers())) return
  boot.timer_moved = 1
  timer.expires = expires
  timer.seq = boot.timer_seq++
  heap_add<hrtimer>(timers(), timer)
}

/** When the next one fires, in ns; all ones: none is set. */
export function hrtimer_next(): u64 {
  return timers().count == 0 ? u64.MAX_VALUE : heap_at<hrtimer>(timers(), 0).expires
}

/** Fires what is due at the time of the boot block. Returns how many fired. */
export function hrtimer_interrupt(): u32 {
  let fired: u32 = 0
  while (timers().count != 0) {
    const timer = heap_at<hrtimer>(timers(), 0)
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
