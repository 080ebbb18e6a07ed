// Groups that a device is a member of: joining, leaving, up and down. Mirrors the device part of net/ipv4/igmp.c.
// What sockets join: igmp_sock.ts. Read first: RFC 1112 7, RFC 3376 5.1.

import {
  IP_MC_LIST_SIZE,
  in_dev_net,
  in_device,
  ip_mc_list,
  ip_mc_timer,
  net_device,
} from '../../../include/netdevice.ts'
import { sysctl } from '../../../include/net_namespace.ts'
import { timer_delete } from '../../../kernel/timer.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOBUFS } from '../../../uapi/errno.ts'
import {
  FN___igmp_group_dropped,
  FN___ip_mc_dec_group,
  FN_____ip_mc_inc_group,
  FN_igmp_group_added,
  FN_ip_mc_down,
  FN_ip_mc_up,
} from '../../../uapi/functions.ts'
import { IGMP_HOST_LEAVE_MESSAGE } from '../../../uapi/igmp.ts'
import { MCAST_EXCLUDE } from '../../../uapi/in.ts'
import { SYSCTL_IGMP_QRV } from '../../../uapi/sysctl.ts'
import { dev_mc_add, dev_mc_del } from '../../core/dev_addr_lists.ts'
import { arp_mc_map } from '../arp/table.ts'
import { igmpv3_add_delrec, igmpv3_clear_delrec, igmpv3_del_delrec } from './delrec.ts'
import { find_group, ip_mc_hash_add, ip_mc_hash_free, ip_mc_hash_remove, sources_of, tomb_of } from './lookup.ts'
import { igmp_send_report } from './report.ts'
import { ip_mc_add_src, ip_rt_multicast_event, sfcount_add } from './source.ts'
import {
  ALL_HOSTS,
  IGMP_V1_SEEN,
  IGMP_V2_SEEN,
  igmp_gq_stop,
  igmp_ifc_stop,
  ip_mc_reset,
  ip_sf_list_clear_all,
  is_reported,
  robustness,
  speaks_v3,
} from './state.ts'
import {
  igmp_device_timers_setup,
  igmp_group_timer_setup,
  igmp_ifc_event,
  igmp_start_timer,
  igmp_stop_timer,
} from './timer.ts'

const HW_ADDR: usize = memory.data(16, 8)
/** A first report of version 1 or 2 goes within this, in jiffies. */
const IGMP_INITIAL_REPORT_DELAY: u32 = 1

/** The device lets the group's hardware address in, and its routers hear of it. */
function igmp_group_added(im: ip_mc_list): void {
  walk(FN_igmp_group_added, 0)
  const in_dev = changetype<in_device>(im.interface)
  const dev = changetype<net_device>(in_dev.dev)
  if (!im.loaded) {
    im.loaded = 1
    if (arp_mc_map(im.multiaddr, HW_ADDR, dev, false) == 0) dev_mc_add(dev, HW_ADDR)
  }
  if (!is_reported(in_dev, im.multiaddr) || in_dev.dead) return
  im.unsolicit_count = <u32>sysctl(in_dev_net(in_dev), SYSCTL_IGMP_QRV)
  if (!speaks_v3(in_dev)) {
    igmp_start_timer(im, IGMP_INITIAL_REPORT_DELAY)
    return
  }
  // From nothing to INCLUDE is no change of mode: the sources that come are told (RFC 3376 5.1).
  if (im.sfmode == MCAST_EXCLUDE) im.crcount = robustness(in_dev)
  igmp_ifc_event(in_dev)
}

/** The device need not let the group's hardware address in for it any more, and its routers hear of it. */
function igmp_group_dropped(im: ip_mc_list): void {
  walk(FN___igmp_group_dropped, 0)
  const in_dev = changetype<in_device>(im.interface)
  if (im.loaded) {
    im.loaded = 0
    const dev = changetype<net_device>(in_dev.dev)
    if (arp_mc_map(im.multiaddr, HW_ADDR, dev, false) == 0) dev_mc_del(dev, HW_ADDR)
  }
  if (!is_reported(in_dev, im.multiaddr)) return
  const reporter = im.reporter
  igmp_stop_timer(im)
  if (in_dev.dead || IGMP_V1_SEEN(in_dev)) return
  if (IGMP_V2_SEEN(in_dev)) {
    // Who did not report last need not say that it leaves (RFC 2236 3).
    if (reporter) igmp_send_report(in_dev, im, IGMP_HOST_LEAVE_MESSAGE)
    return
  }
  igmpv3_add_delrec(in_dev, im)
  igmp_ifc_event(in_dev)
}

/** One more user joins a group in a mode. 0 or -ENOBUFS: out of memory. */
export function ____ip_mc_inc_group(in_dev: in_device, group: u32, mode: u32): i32 {
  walk(FN_____ip_mc_inc_group, 0)
  const known = find_group(in_dev, group)
  if (changetype<usize>(known)) {
    known.users += 1
    ip_mc_add_src(in_dev, group, mode, 0, 0, false)
    return 0
  }
  const p = kzalloc(IP_MC_LIST_SIZE)
  if (p == 0) return -ENOBUFS
  const im = changetype<ip_mc_list>(p)
  im.users = 1
  im.interface = changetype<usize>(in_dev)
  im.multiaddr = group
  im.sfmode = mode
  sfcount_add(im, mode, 1)
  igmp_group_timer_setup(im)
  im.next = in_dev.mc_list
  in_dev.mc_list = p
  in_dev.mc_count += 1
  ip_mc_hash_add(in_dev, im)
  igmpv3_del_delrec(in_dev, im)
  igmp_group_added(im)
  if (!in_dev.dead) ip_rt_multicast_event(in_dev)
  return 0
}

/** The kernel itself joins a group, from any source. */
export function ip_mc_inc_group(in_dev: in_device, group: u32): i32 {
  return ____ip_mc_inc_group(in_dev, group, MCAST_EXCLUDE)
}

function free_group(im: ip_mc_list): void {
  timer_delete(ip_mc_timer(im))
  ip_sf_list_clear_all(sources_of(im))
  ip_sf_list_clear_all(tomb_of(im))
  kfree(changetype<usize>(im), IP_MC_LIST_SIZE)
}

/** A user leaves; with the last one the device does. Its filter was taken back before (ip_mc_del_src). */
export function ip_mc_dec_group(in_dev: in_device, group: u32): void {
  walk(FN___ip_mc_dec_group, 0)
  let link = changetype<usize>(in_dev) + offsetof<in_device>('mc_list')
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const im = changetype<ip_mc_list>(p)
    if (im.multiaddr != group) {
      link = p + offsetof<ip_mc_list>('next')
      continue
    }
    if (--im.users) return
    ip_mc_hash_remove(in_dev, im)
    store<usize>(link, im.next)
    in_dev.mc_count -= 1
    igmp_group_dropped(im)
    if (!in_dev.dead) ip_rt_multicast_event(in_dev)
    free_group(im)
    return
  }
}

/** A device gets its IPv4 part. */
export function ip_mc_init_dev(in_dev: in_device): void {
  igmp_device_timers_setup(in_dev)
  ip_mc_reset(in_dev)
}

/** The device goes up: it is one of all hosts, and groups joined before take effect. */
export function ip_mc_up(in_dev: in_device): void {
  walk(FN_ip_mc_up, 0)
  ip_mc_reset(in_dev)
  ip_mc_inc_group(in_dev, ALL_HOSTS)
  for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) {
    const im = changetype<ip_mc_list>(p)
    igmpv3_del_delrec(in_dev, im)
    igmp_group_added(im)
  }
}

/** The device goes down: memberships stay, their addresses are not let in, and nothing is reported any more. */
export function ip_mc_down(in_dev: in_device): void {
  walk(FN_ip_mc_down, 0)
  for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) igmp_group_dropped(changetype<ip_mc_list>(p))
  igmp_ifc_stop(in_dev)
  igmp_gq_stop(in_dev)
  ip_mc_dec_group(in_dev, ALL_HOSTS)
}

/** The IPv4 part of a device goes: so do its groups. */
export function ip_mc_destroy_dev(in_dev: in_device): void {
  ip_mc_down(in_dev)
  igmpv3_clear_delrec(in_dev)
  let p = in_dev.mc_list
  in_dev.mc_list = 0
  in_dev.mc_count = 0
  while (p) {
    const im = changetype<ip_mc_list>(p)
    p = im.next
    free_group(im)
  }
  ip_mc_hash_free(in_dev)
}
