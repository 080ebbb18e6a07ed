// When reports go: after a change, and as an answer within the time that the querier gives. Mirrors the timers of
// net/ipv4/igmp.c. Read first: RFC 3376 5.1 and 5.2, RFC 2236 3.

import {
  in_device,
  ip_mc_list,
  ip_mc_timer,
  ip_mc_timer_group,
  mr_gq_timer,
  mr_gq_timer_in_dev,
  mr_ifc_timer,
  mr_ifc_timer_in_dev,
} from '../../../include/netdevice.ts'
import { mod_timer, time_after_eq, timer_delete, timer_setup } from '../../../kernel/timer.ts'
import { boot } from '../../../lib/boot.ts'
import { get_random_u32_below } from '../../../lib/random.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN_igmp_gq_start_timer,
  FN_igmp_gq_timer_expire,
  FN_igmp_ifc_event,
  FN_igmp_ifc_start_timer,
  FN_igmp_ifc_timer_expire,
  FN_igmp_mod_timer,
  FN_igmp_start_timer,
  FN_igmp_stop_timer,
  FN_igmp_timer_expire,
} from '../../../uapi/functions.ts'
import {
  IGMPV2_HOST_MEMBERSHIP_REPORT,
  IGMPV3_HOST_MEMBERSHIP_REPORT,
  IGMP_HOST_MEMBERSHIP_REPORT,
} from '../../../uapi/igmp.ts'
import { NO_GROUP } from './lookup.ts'
import { igmp_send_report, igmpv3_send_cr, igmpv3_send_report } from './report.ts'
import { IGMP_V1_SEEN, IGMP_V2_SEEN, robustness, speaks_v3, unsolicited_report_interval } from './state.ts'

/** Some moment within delay jiffies, and two more. */
function within(delay: u32): u32 {
  return boot.jiffies + get_random_u32_below(delay) + 2
}

/** The group is reported within max_delay jiffies. */
export function igmp_start_timer(im: ip_mc_list, max_delay: u32): void {
  walk(FN_igmp_start_timer, 0)
  im.tm_running = 1
  mod_timer(ip_mc_timer(im), within(max_delay))
}

/** The group need not be reported: another member did. */
export function igmp_stop_timer(im: ip_mc_list): void {
  walk(FN_igmp_stop_timer, 0)
  timer_delete(ip_mc_timer(im))
  im.tm_running = 0
  im.reporter = 0
  im.unsolicit_count = 0
}

/** A querier wants to hear of the group within max_delay jiffies; an earlier time that was set already stays. */
export function igmp_mod_timer(im: ip_mc_list, max_delay: u32): void {
  walk(FN_igmp_mod_timer, 0)
  im.unsolicit_count = 0
  const timer = ip_mc_timer(im)
  if (timer_delete(timer) && <i32>(timer.expires - boot.jiffies) < <i32>max_delay) {
    mod_timer(timer, timer.expires)
    im.tm_running = 1
    return
  }
  igmp_start_timer(im, max_delay)
}

/** All groups are reported within the time that the querier gave, or as was promised to one before. */
export function igmp_gq_start_timer(in_dev: in_device): void {
  walk(FN_igmp_gq_start_timer, 0)
  const timer = mr_gq_timer(in_dev)
  const expires = within(in_dev.mr_maxdelay)
  if (in_dev.mr_gq_running && time_after_eq(expires, timer.expires)) return
  in_dev.mr_gq_running = 1
  mod_timer(timer, expires)
}

function igmp_ifc_start_timer(in_dev: in_device, delay: u32): void {
  walk(FN_igmp_ifc_start_timer, 0)
  mod_timer(mr_ifc_timer(in_dev), within(delay))
}

/** Something changed: it is reported at once, and again some times. Versions 1 and 2 have other ways. */
export function igmp_ifc_event(in_dev: in_device): void {
  walk(FN_igmp_ifc_event, 0)
  if (!speaks_v3(in_dev)) return
  in_dev.mr_ifc_count = robustness(in_dev)
  igmp_ifc_start_timer(in_dev, 1)
}

function igmp_gq_timer_expire(timer: usize): void {
  walk(FN_igmp_gq_timer_expire, 0)
  const in_dev = mr_gq_timer_in_dev(timer)
  in_dev.mr_gq_running = 0
  igmpv3_send_report(in_dev, NO_GROUP)
}

function igmp_ifc_timer_expire(timer: usize): void {
  walk(FN_igmp_ifc_timer_expire, 0)
  const in_dev = mr_ifc_timer_in_dev(timer)
  igmpv3_send_cr(in_dev)
  if (in_dev.mr_ifc_count == 0) return
  in_dev.mr_ifc_count -= 1
  igmp_ifc_start_timer(in_dev, unsolicited_report_interval(in_dev))
}

function igmp_timer_expire(timer: usize): void {
  walk(FN_igmp_timer_expire, 0)
  const im = ip_mc_timer_group(timer)
  const in_dev = changetype<in_device>(im.interface)
  im.tm_running = 0
  if (im.unsolicit_count && --im.unsolicit_count) igmp_start_timer(im, unsolicited_report_interval(in_dev))
  im.reporter = 1
  if (IGMP_V1_SEEN(in_dev)) igmp_send_report(in_dev, im, IGMP_HOST_MEMBERSHIP_REPORT)
  else if (IGMP_V2_SEEN(in_dev)) igmp_send_report(in_dev, im, IGMPV2_HOST_MEMBERSHIP_REPORT)
  else igmp_send_report(in_dev, im, IGMPV3_HOST_MEMBERSHIP_REPORT)
}

/** Prepares a group's timer, and those of a device. */
export function igmp_group_timer_setup(im: ip_mc_list): void {
  timer_setup(ip_mc_timer(im), igmp_timer_expire.index)
}

export function igmp_device_timers_setup(in_dev: in_device): void {
  timer_setup(mr_gq_timer(in_dev), igmp_gq_timer_expire.index)
  timer_setup(mr_ifc_timer(in_dev), igmp_ifc_timer_expire.index)
}
