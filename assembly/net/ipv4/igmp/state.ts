// What a device speaks and how patiently: IGMP version, robustness, intervals; and which groups are spoken of.
// Mirrors IGMP_V1_SEEN and its kin, unsolicited_report_interval and ip_mc_reset of net/ipv4/igmp.c. Read first: RFC 3376 7, 8.

import { ipv4_is_local_multicast } from '../../../include/ip.ts'
import { sysctl } from '../../../include/net_namespace.ts'
import {
  in_dev_conf_get,
  in_dev_net,
  in_device,
  ipv4_devconf_all,
  mr_gq_timer,
  mr_ifc_timer,
} from '../../../include/netdevice.ts'
import { ip_sf_list, IP_SF_LIST_SIZE } from '../../../include/igmp.ts'
import { msecs_to_jiffies, time_after, timer_delete } from '../../../kernel/timer.ts'
import { boot } from '../../../lib/boot.ts'
import { kfree } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_unsolicited_report_interval } from '../../../uapi/functions.ts'
import {
  IPV4_DEVCONF_FORCE_IGMP_VERSION,
  IPV4_DEVCONF_IGMPV2_UNSOLICITED_REPORT_INTERVAL,
  IPV4_DEVCONF_IGMPV3_UNSOLICITED_REPORT_INTERVAL,
  SYSCTL_IGMP_LINK_LOCAL_MCAST_REPORTS,
  SYSCTL_IGMP_QRV,
} from '../../../uapi/sysctl.ts'

/** 224.0.0.1, all systems: joined by every device that is up (RFC 1112 4), never reported. */
export const ALL_HOSTS: u32 = 0x010000e0

/** Seconds between a querier's queries, and for answers to one, unless it says otherwise (RFC 3376 8.2, 8.3). */
export const IGMP_QUERY_INTERVAL: u32 = 125
export const IGMP_QUERY_RESPONSE_INTERVAL: u32 = 10

/** Has a router of that version asked a while ago, or is the device told to behave so? */
function version_seen(in_dev: in_device, version: i32, until: u32): bool {
  if (ipv4_devconf_all(in_dev_net(in_dev), IPV4_DEVCONF_FORCE_IGMP_VERSION) == version) return true
  if (in_dev_conf_get(in_dev, IPV4_DEVCONF_FORCE_IGMP_VERSION) == version) return true
  return until != 0 && time_after(until, boot.jiffies)
}

export function IGMP_V1_SEEN(in_dev: in_device): bool {
  return version_seen(in_dev, 1, in_dev.mr_v1_seen)
}

export function IGMP_V2_SEEN(in_dev: in_device): bool {
  return version_seen(in_dev, 2, in_dev.mr_v2_seen)
}

/** No version below 3 is to be spoken. */
export function speaks_v3(in_dev: in_device): bool {
  return !IGMP_V1_SEEN(in_dev) && !IGMP_V2_SEEN(in_dev)
}

/** Longest time between reports that nobody asked for, in jiffies; never 0. */
export function unsolicited_report_interval(in_dev: in_device): u32 {
  walk(FN_unsolicited_report_interval, 0)
  const id = speaks_v3(in_dev)
    ? IPV4_DEVCONF_IGMPV3_UNSOLICITED_REPORT_INTERVAL
    : IPV4_DEVCONF_IGMPV2_UNSOLICITED_REPORT_INTERVAL
  return max<u32>(msecs_to_jiffies(<u32>in_dev_conf_get(in_dev, id)), 1)
}

/** How often a change is reported (RFC 3376 8.1): as the querier says, else as the namespace does. */
export function robustness(in_dev: in_device): u32 {
  return in_dev.mr_qrv ? in_dev.mr_qrv : <u32>sysctl(in_dev_net(in_dev), SYSCTL_IGMP_QRV)
}

/** Is a group told to routers at all? Not all hosts, nor the link's own without igmp_link_local_mcast_reports. */
export function is_reported(in_dev: in_device, group: u32): bool {
  if (group == ALL_HOSTS) return false
  return !ipv4_is_local_multicast(group) || sysctl(in_dev_net(in_dev), SYSCTL_IGMP_LINK_LOCAL_MCAST_REPORTS) != 0
}

/** What no querier has said yet. */
export function ip_mc_reset(in_dev: in_device): void {
  in_dev.mr_qi = IGMP_QUERY_INTERVAL * boot.hz
  in_dev.mr_qri = IGMP_QUERY_RESPONSE_INTERVAL * boot.hz
  in_dev.mr_qrv = <u32>sysctl(in_dev_net(in_dev), SYSCTL_IGMP_QRV)
}

/** Nothing more is to be told of changes. */
export function igmp_ifc_stop(in_dev: in_device): void {
  in_dev.mr_ifc_count = 0
  timer_delete(mr_ifc_timer(in_dev))
}

/** No general query is to be answered any more. */
export function igmp_gq_stop(in_dev: in_device): void {
  in_dev.mr_gq_running = 0
  timer_delete(mr_gq_timer(in_dev))
}

/** Frees a list of sources. */
export function ip_sf_list_clear_all(link: usize): void {
  let p = load<usize>(link)
  store<usize>(link, 0)
  while (p) {
    const next = changetype<ip_sf_list>(p).sf_next
    kfree(p, IP_SF_LIST_SIZE)
    p = next
  }
}
