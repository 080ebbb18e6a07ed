// What an administrator does to a device, and who hears of it: the notifier chain of net/core/dev.c, in one place.
// Called by TypeScript (rtnetlink); the parts are in net/core/dev.ts, net/ipv4/devinet.ts, arp and the drivers.

import { dev_down, dev_up } from './admin/open.ts'
import { notify } from './admin/notify.ts'
import { loopback_net_init } from './drivers/net/loopback.ts'
import { net } from './include/net_namespace.ts'
import {
  DEV_ADDR,
  DEV_KIND_LOOPBACK,
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_REGISTER,
  net_device,
  netif_carrier_ok,
  netif_running,
} from './include/netdevice.ts'
import { EADDRNOTAVAIL } from './uapi/errno.ts'
import { ETH_ALEN } from './uapi/if_ether.ts'
import { IFF_ALLMULTI, IFF_NOARP, IFF_PROMISC, IFF_UP } from './uapi/if.ts'
import { __dev_set_mtu, dev_set_allmulti, dev_set_promiscuity, netif_carrier_set } from './net/core/dev.ts'
import { dev_activate, dev_deactivate, dev_qdisc_change_tx_queue_len } from './net/sched/dev_activate.ts'
import { switch_features } from './net/core/dev_features.ts'

/** A device was registered: IPv4 gives it its part. */
export function dev_announce(dev: net_device): void {
  notify(dev, NETDEV_REGISTER, 0)
}

/** The namespace's lo, down; IPv4 hears of it. Its net_device, 0: out of memory. */
export function net_start(net: net): usize {
  const p = loopback_net_init(net)
  if (p) dev_announce(changetype<net_device>(p))
  return p
}

/** Sets the flags of mask: IFF_UP, IFF_PROMISC, IFF_ALLMULTI, IFF_NOARP. 0, or -errno of a driver that cannot go up. */
export function dev_change_flags(dev: net_device, flags: u32, mask: u32): i32 {
  const changed = (dev.flags ^ flags) & mask
  // Packet sockets may want the same mode: what the administrator wants counts as one more user.
  const modes = (dev.gflags ^ flags) & mask
  if (modes & IFF_PROMISC) dev_set_promiscuity(dev, flags & IFF_PROMISC ? 1 : -1)
  if (modes & IFF_ALLMULTI) dev_set_allmulti(dev, flags & IFF_ALLMULTI ? 1 : -1)
  dev.gflags ^= modes & (IFF_PROMISC | IFF_ALLMULTI)
  if (changed & IFF_NOARP) {
    dev.flags ^= IFF_NOARP
    notify(dev, NETDEV_CHANGE, IFF_NOARP)
  }
  if (changed & IFF_UP) {
    if (flags & IFF_UP) return dev_up(dev)
    dev_down(dev)
  }
  return 0
}

/** 0, or -EINVAL outside of what the device can. */
export function dev_set_mtu(dev: net_device, mtu: u32): i32 {
  if (mtu == dev.mtu) return 0
  const was = dev.mtu
  const err = __dev_set_mtu(dev, mtu)
  if (err == 0) notify(dev, NETDEV_CHANGEMTU, was)
  return err
}

/** Six bytes at mac become the device's address; -EADDRNOTAVAIL for a group's or none. */
export function dev_set_mac_address(dev: net_device, mac: usize): i32 {
  if (load<u8>(mac) & 1 || (load<u32>(mac) == 0 && load<u16>(mac, 4) == 0)) return -EADDRNOTAVAIL
  memory.copy(changetype<usize>(dev) + DEV_ADDR, mac, ETH_ALEN)
  notify(dev, NETDEV_CHANGEADDR, 0)
  return 0
}

/** The cable: link_watch hears of it by EV_LINKWATCH and calls linkwatch_do_dev. */
export function dev_set_carrier(dev: net_device, on: u32): void {
  netif_carrier_set(dev, on != 0)
}

/** What link_watch does about a change of carrier: the queue, then the notifiers (linkwatch_do_dev). */
export function linkwatch_do_dev(dev: net_device): void {
  if (!netif_running(dev) || dev.kind == DEV_KIND_LOOPBACK) return
  if (netif_carrier_ok(dev)) dev_activate(dev)
  else dev_deactivate(dev)
  notify(dev, NETDEV_CHANGE, 0)
}

/** Switches features (NETIF_F_*) on and off. 0, or -EOPNOTSUPP: none of them could be changed. */
export function dev_set_features(dev: net_device, on: u32, off: u32): i32 {
  return switch_features(dev, on, off)
}

/** Length of the queue: what waits in it is lost (dev_change_tx_queue_len). */
export function dev_set_tx_queue_len(dev: net_device, length: u32): void {
  if (length == dev.tx_queue_len) return
  dev.tx_queue_len = length
  dev_qdisc_change_tx_queue_len(dev)
}
