// A qdisc that may not send yet: a timer that runs it when it may. Mirrors qdisc_watchdog of net/sched/sch_api.c.

import { hrtimer } from '../../../include/hrtimer.ts'
import { Qdisc, __QDISC_STATE_DEACTIVATED } from '../../../include/sch_generic.ts'
import { hrtimer_cancel, hrtimer_is_queued, hrtimer_setup, hrtimer_start } from '../../../kernel/hrtimer.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_qdisc_watchdog, FN_qdisc_watchdog_schedule_range_ns } from '../../../uapi/functions.ts'
import { __netif_schedule, qdisc_root } from '../sch_generic.ts'

/** Lies in what a kind keeps; begins as an hrtimer. */
@unmanaged
@final
export class qdisc_watchdog {
  expires: u64
  seq: u32
  func: u32
  slot: u32
  qdisc: usize
}

export const QDISC_WATCHDOG_SIZE: usize = (offsetof<qdisc_watchdog>() + 7) & ~7

function timer_of(wd: qdisc_watchdog): hrtimer {
  return changetype<hrtimer>(wd)
}

function watchdog_fires(p: usize): void {
  walk(FN_qdisc_watchdog, 0)
  __netif_schedule(qdisc_root(changetype<Qdisc>(changetype<qdisc_watchdog>(p).qdisc)))
}

export function qdisc_watchdog_init(wd: qdisc_watchdog, sch: Qdisc): void {
  hrtimer_setup(timer_of(wd), watchdog_fires.index)
  wd.qdisc = changetype<usize>(sch)
}

/** The qdisc runs at a time in ns, or up to slack earlier if it is set so already. */
export function qdisc_watchdog_schedule_range_ns(wd: qdisc_watchdog, expires: u64, slack: u64): void {
  walk(FN_qdisc_watchdog_schedule_range_ns, 0)
  const root = qdisc_root(changetype<Qdisc>(wd.qdisc))
  if (root.state & __QDISC_STATE_DEACTIVATED) return
  if (hrtimer_is_queued(timer_of(wd)) && wd.expires - expires <= slack) return
  hrtimer_start(timer_of(wd), expires)
}

export function qdisc_watchdog_schedule_ns(wd: qdisc_watchdog, expires: u64): void {
  qdisc_watchdog_schedule_range_ns(wd, expires, 0)
}

export function qdisc_watchdog_cancel(wd: qdisc_watchdog): void {
  hrtimer_cancel(timer_of(wd))
}
