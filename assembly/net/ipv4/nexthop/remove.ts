// Nexthop objects go: on request, or with their devices; with them routes, and groups without members.
// Mirrors remove_nexthop, nexthop_flush_dev and nh_netdev_event of net/ipv4/nexthop.c.

import { net } from '../../../include/net_namespace.ts'
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  net_device,
} from '../../../include/netdevice.ts'
import { nexthop, nexthop_fib_nhc } from '../../../include/nexthop.ts'
import { fib_info, fib_nh } from '../../../include/ip_fib.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_nexthop_flush_dev, FN_nh_netdev_event } from '../../../uapi/functions.ts'
import { IFF_LOWER_UP, IFF_RUNNING } from '../../../uapi/if.ts'
import { RTNH_F_DEAD } from '../../../uapi/rtnetlink.ts'
import { dev_get_flags } from '../../core/dev.ts'
import { fib_flush } from '../fib_frontend/ifaddr.ts'
import { fib_nhc_update_mtu } from '../fib_semantics/sync.ts'
import { rt_cache_flush } from '../route/cache.ts'
import { remove_nexthop_group, remove_nh_grp_entry } from './group.ts'
import { nexthop_at, nexthop_delist, nexthop_put } from './table.ts'

/** Routes by it are dead, and go. */
function __remove_nexthop_fib(net: net, nh: nexthop): void {
  if (nh.fi_list == 0) return
  for (let p = nh.fi_list; p; p = changetype<fib_nh>(p).nh_hash_next) {
    changetype<fib_info>(changetype<fib_nh>(p).nh_parent).fib_flags |= RTNH_F_DEAD
  }
  fib_flush(net)
}

/** It leaves its groups; those that it was alone in go. */
function remove_nexthop_from_groups(net: net, nh: nexthop): void {
  let i: u32 = 0
  while (nh.groups && i < net.nexthops_count) {
    const group = nexthop_at(net, i)
    // A group that goes leaves its place to the next.
    if (group.is_group && remove_nh_grp_entry(group, nh)) remove_nexthop(net, group)
    else i++
  }
}

/** Ends a nexthop: its id is free, routes by it are gone. */
export function remove_nexthop(net: net, nh: nexthop): void {
  nexthop_delist(net, nh)
  __remove_nexthop_fib(net, nh)
  if (nh.is_group) remove_nexthop_group(nh)
  else remove_nexthop_from_groups(net, nh)
  nexthop_put(nh)
}

/** The first nexthop by dev that such an event ends, 0: there is none. A blackhole needs lo, but not up. */
function next_of(net: net, dev: net_device, event: u32): usize {
  for (let i: u32 = 0; i < net.nexthops_count; i++) {
    const nh = nexthop_at(net, i)
    if (nh.is_group || (nh.reject_nh && event != NETDEV_UNREGISTER)) continue
    if (nexthop_fib_nhc(nh, 0).nhc_dev == changetype<usize>(dev)) return changetype<usize>(nh)
  }
  return 0
}

/** A device is down, gone or without carrier: the nexthops by it go. */
function nexthop_flush_dev(dev: net_device, event: u32): void {
  walk(FN_nexthop_flush_dev, 0)
  const owner = changetype<net>(dev.nd_net)
  for (let p = next_of(owner, dev, event); p; p = next_of(owner, dev, event)) {
    remove_nexthop(owner, changetype<nexthop>(p))
  }
}

function nexthop_sync_mtu(dev: net_device, was: u32): void {
  const owner = changetype<net>(dev.nd_net)
  for (let i: u32 = 0; i < owner.nexthops_count; i++) {
    const nh = nexthop_at(owner, i)
    if (nh.is_group) continue
    const nhc = nexthop_fib_nhc(nh, 0)
    if (nhc.nhc_dev == changetype<usize>(dev)) fib_nhc_update_mtu(nhc, dev.mtu, was)
  }
  rt_cache_flush(owner)
}

/** A device changed (NETDEV_*). was_mtu: its MTU before NETDEV_CHANGEMTU. */
export function nh_netdev_event(dev: net_device, event: u32, was_mtu: u32): void {
  walk(FN_nh_netdev_event, 0)
  if (changetype<net>(dev.nd_net).nexthops_count == 0) return
  if (event == NETDEV_DOWN || event == NETDEV_UNREGISTER) nexthop_flush_dev(dev, event)
  else if (event == NETDEV_CHANGEMTU) nexthop_sync_mtu(dev, was_mtu)
  else if (event == NETDEV_CHANGE && !(dev_get_flags(dev) & (IFF_RUNNING | IFF_LOWER_UP))) nexthop_flush_dev(dev, event)
}
