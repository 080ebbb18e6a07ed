// Routes follow addresses and devices: what the notifiers of net/ipv4/fib_frontend.c do. Mirrors fib_inetaddr_event,
// fib_netdev_event and fib_disable_ip.

import { net } from '../../../include/net_namespace.ts'
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  in_device,
  in_ifaddr,
  net_device,
} from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fib_inetaddr_event, FN_fib_netdev_event } from '../../../uapi/functions.ts'
import { IFF_LOWER_UP, IFF_RUNNING } from '../../../uapi/if.ts'
import { RTNH_F_DEAD, RTNH_F_LINKDOWN } from '../../../uapi/rtnetlink.ts'
import { dev_get_flags } from '../../core/dev.ts'
import { arp_ifdown } from '../arp/table.ts'
import { NO_IFADDR } from '../devinet.ts'
import { fib_sync_down_dev, fib_sync_mtu, fib_sync_up } from '../fib_semantics/sync.ts'
import { rt_cache_flush } from '../route/cache.ts'
import { fib_add_ifaddr, fib_del_ifaddr, fib_flush } from './ifaddr.ts'

function net_of(dev: net_device): net {
  return changetype<net>(dev.nd_net)
}

/** Nothing goes by this device any more; with force not even routes of local addresses stay. */
function fib_disable_ip(dev: net_device, event: u32, force: bool): void {
  if (fib_sync_down_dev(dev, event, force)) fib_flush(net_of(dev))
  else rt_cache_flush(net_of(dev))
  arp_ifdown(dev)
}

/** Addresses changed: sources that next hops remembered, and cached routes, are stale. */
function addresses_changed(net: net): void {
  net.dev_addr_genid += 1
  rt_cache_flush(net)
}

/** An address came (NETDEV_UP; it is on its device's list) or went (NETDEV_DOWN; it is off the list). */
export function fib_inetaddr_event(ifa: in_ifaddr, event: u32): void {
  walk(FN_fib_inetaddr_event, 0)
  const in_dev = changetype<in_device>(ifa.ifa_dev)
  const dev = changetype<net_device>(in_dev.dev)
  if (event == NETDEV_UP) {
    fib_add_ifaddr(ifa)
    fib_sync_up(dev, RTNH_F_DEAD)
    addresses_changed(net_of(dev))
    return
  }
  fib_del_ifaddr(ifa, NO_IFADDR)
  net_of(dev).dev_addr_genid += 1
  if (in_dev.ifa_list == 0) fib_disable_ip(dev, event, true)
  else rt_cache_flush(net_of(dev))
}

function device_up(dev: net_device): void {
  for (let p = changetype<in_device>(dev.ip_ptr).ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    fib_add_ifaddr(changetype<in_ifaddr>(p))
  }
  fib_sync_up(dev, RTNH_F_DEAD)
  addresses_changed(net_of(dev))
}

/** A device changed (NETDEV_*), and inetdev_event was told. was_mtu: its MTU before NETDEV_CHANGEMTU. */
export function fib_netdev_event(dev: net_device, event: u32, was_mtu: u32): void {
  walk(FN_fib_netdev_event, 0)
  if (event == NETDEV_UNREGISTER) {
    fib_disable_ip(dev, event, true)
    return
  }
  if (dev.ip_ptr == 0) return
  if (event == NETDEV_UP) {
    device_up(dev)
  } else if (event == NETDEV_DOWN) {
    fib_disable_ip(dev, event, false)
  } else if (event == NETDEV_CHANGE) {
    if (dev_get_flags(dev) & (IFF_RUNNING | IFF_LOWER_UP)) fib_sync_up(dev, RTNH_F_LINKDOWN)
    else fib_sync_down_dev(dev, event, false)
    rt_cache_flush(net_of(dev))
  } else if (event == NETDEV_CHANGEMTU) {
    fib_sync_mtu(dev, was_mtu)
    rt_cache_flush(net_of(dev))
  }
}
