// Dynamic queue limits: how many bytes a device may have in flight so that it neither starves nor hoards.
// Mirrors lib/dynamic_queue_limits.c and linux/dynamic_queue_limits.h (byte queue limits of a transmit queue).

import { boot } from './boot.ts'

/** Largest limit: half the numbers, less what may be queued at once. */
export const DQL_MAX_LIMIT: u32 = 0x70000000

/** struct dql; all counts wrap. */
@unmanaged
@final
export class dql {
  /** Bytes ever queued; the limit plus bytes ever completed; bytes of the last queueing. */
  num_queued: u32
  adj_limit: u32
  last_obj_cnt: u32
  limit: u32
  /** Bytes ever completed. */
  num_completed: u32
  /** As they were at the completion before. */
  prev_ovlimit: u32
  prev_num_queued: u32
  prev_last_obj_cnt: u32
  lowest_slack: u32
  /** When lowest_slack was begun, in jiffies. */
  slack_start_time: u32
  max_limit: u32
  min_limit: u32
  /** Time that slack must last before the limit shrinks, in jiffies. */
  slack_hold_time: u32
}

/** Bytes that may still be queued; below 0 the limit is passed. */
export function dql_avail(q: dql): i32 {
  return <i32>(q.adj_limit - q.num_queued)
}

export function dql_queued(q: dql, count: u32): void {
  q.last_obj_cnt = count
  q.num_queued += count
}

function positive(a: u32, b: u32): u32 {
  return <i32>(a - b) > 0 ? a - b : 0
}

/** Count bytes are done: the limit grows when the queue starved, and shrinks by slack that lasted. */
export function dql_completed(q: dql, count: u32): void {
  const num_queued = q.num_queued
  const completed = q.num_completed + count
  let limit = q.limit
  const ovlimit = positive(num_queued - q.num_completed, limit)
  const inprogress = num_queued - completed
  const prev_inprogress = q.prev_num_queued - q.num_completed
  const all_prev_completed = <i32>(completed - q.prev_num_queued) >= 0
  if ((ovlimit && !inprogress) || (q.prev_ovlimit && all_prev_completed)) {
    // Starved: what was left out is added.
    limit += positive(completed, q.prev_num_queued) + q.prev_ovlimit
    q.slack_start_time = boot.jiffies
    q.lowest_slack = u32.MAX_VALUE
  } else if (inprogress && prev_inprogress && !all_prev_completed) {
    // Busy for the whole interval: what the limit is above need is slack.
    const above = positive(limit + q.prev_ovlimit, 2 * (completed - q.num_completed))
    const unneeded = q.prev_ovlimit ? positive(q.prev_last_obj_cnt, q.prev_ovlimit) : 0
    const slack = max(above, unneeded)
    if (slack < q.lowest_slack) q.lowest_slack = slack
    if (<i32>(boot.jiffies - q.slack_start_time - q.slack_hold_time) > 0) {
      limit = positive(limit, q.lowest_slack)
      q.slack_start_time = boot.jiffies
      q.lowest_slack = u32.MAX_VALUE
    }
  }
  limit = min(max(limit, q.min_limit), q.max_limit)
  if (limit != q.limit) {
    q.limit = limit
    q.prev_ovlimit = 0
  } else q.prev_ovlimit = ovlimit
  q.adj_limit = limit + completed
  q.num_completed = completed
  q.prev_last_obj_cnt = q.last_obj_cnt
  q.prev_num_queued = num_queued
}

/** Forgets what is in flight (the ring was emptied by force). */
export function dql_reset(q: dql): void {
  q.limit = q.min_limit
  q.num_queued = 0
  q.num_completed = 0
  q.last_obj_cnt = 0
  q.prev_num_queued = 0
  q.prev_last_obj_cnt = 0
  q.prev_ovlimit = 0
  q.adj_limit = q.limit
  q.lowest_slack = u32.MAX_VALUE
  q.slack_start_time = boot.jiffies
}

/** Begins with no limits but its own; slack must last hold jiffies. */
export function dql_init(q: dql, hold: u32): void {
  q.max_limit = DQL_MAX_LIMIT
  q.min_limit = 0
  q.slack_hold_time = hold
  dql_reset(q)
}
