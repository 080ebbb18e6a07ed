// Devices of a namespace: registration, look-up, flags. Mirrors net/core/dev.c (the administrator's side).
// Packets come in by path.ts and dev_receive.ts, and leave by dev_xmit.ts.

import { boot } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import {
  DEV_NAME,
  IFF_NO_QUEUE,
  IFF_XMIT_DST_RELEASE,
  NAPI_STATE_SCHED,
  NET_DEVICE_SIZE,
  __LINK_STATE_NOCARRIER,
  __LINK_STATE_PRESENT,
  __LINK_STATE_START,
  napi_struct,
  net_device,
} from '../../include/netdevice.ts'
import { EV_LINKWATCH, EV_NAPI, event_push } from '../../kernel/event.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { EEXIST, EINVAL } from '../../uapi/errno.ts'
import { IFF_ALLMULTI, IFF_PROMISC, IFF_RUNNING, IFF_UP } from '../../uapi/if.ts'
import { dev_activate, dev_deactivate, netif_alloc_netdev_queues, netif_free_tx_queues } from '../sched/dev_activate.ts'
import { features_at_birth } from './dev_features.ts'

export const NO_DEVICE: net_device = changetype<net_device>(0)
/** Room for a device's name, its 0 included. */
export const IFNAMSIZ: u32 = 16

/** The device with this index, NO_DEVICE: none. */
export function __dev_get_by_index(net: net, ifindex: u32): net_device {
  let p = net.dev_base_head
  while (p) {
    const dev = changetype<net_device>(p)
    if (dev.ifindex == ifindex) return dev
    p = dev.next
  }
  return NO_DEVICE
}

function same_name(dev: net_device, name: usize): bool {
  const own = changetype<usize>(dev) + DEV_NAME
  for (let i: usize = 0; i < IFNAMSIZ; i++) {
    const c = load<u8>(name + i)
    if (load<u8>(own + i) != c) return false
    if (c == 0) return true
  }
  return true
}

/** The device of this name (bytes, ended by 0), NO_DEVICE: none. */
export function __dev_get_by_name(net: net, name: usize): net_device {
  let p = net.dev_base_head
  while (p) {
    if (same_name(changetype<net_device>(p), name)) return changetype<net_device>(p)
    p = changetype<net_device>(p).next
  }
  return NO_DEVICE
}

/** A device of a kind with room for its driver's private part and one transmit queue, not registered; 0: out of memory. */
export function alloc_netdev(kind: u32, priv_size: usize, name: usize): usize {
  return alloc_netdev_mqs(kind, priv_size, name, 1)
}

/** The same with several transmit queues. */
export function alloc_netdev_mqs(kind: u32, priv_size: usize, name: usize, txqs: u32): usize {
  const p = kzalloc(NET_DEVICE_SIZE + priv_size)
  if (p == 0) return 0
  const dev = changetype<net_device>(p)
  if (!netif_alloc_netdev_queues(dev, txqs)) {
    kfree(p, NET_DEVICE_SIZE + priv_size)
    return 0
  }
  dev.priv_flags = IFF_XMIT_DST_RELEASE
  dev.kind = kind
  dev.priv = priv_size ? p + NET_DEVICE_SIZE : 0
  dev.priv_size = <u32>priv_size
  dev_set_name(dev, name)
  return p
}

/** Length of a queue where the driver's setup says none. */
const DEFAULT_TX_QUEUE_LEN: u32 = 1000

/** Enters a device into its namespace with the next index; one whose setup left no queue has none. 0 or -EEXIST, -ENOMEM. */
export function register_netdevice(net: net, dev: net_device): i32 {
  const p = changetype<usize>(dev)
  if (changetype<usize>(__dev_get_by_name(net, p + DEV_NAME))) return -EEXIST
  if (dev.tx_queue_len == 0) {
    dev.priv_flags |= IFF_NO_QUEUE
    dev.tx_queue_len = DEFAULT_TX_QUEUE_LEN
  }
  dev.ifindex = dev_new_index(net)
  dev.state |= __LINK_STATE_PRESENT
  features_at_birth(dev)
  list_netdevice(net, dev)
  return 0
}

/** Room for this device's memory again. Nothing may point at it any more. */
export function free_netdev(dev: net_device): void {
  netif_free_tx_queues(dev)
  kfree(changetype<usize>(dev), NET_DEVICE_SIZE + <usize>dev.priv_size)
}

/** The next index of a namespace that no device has; one may have come with its own from another namespace. */
export function dev_new_index(net: net): u32 {
  do net.ifindex += 1
  while (changetype<usize>(__dev_get_by_index(net, net.ifindex)))
  return net.ifindex
}

/** Enters a device that has its index into a namespace's list, behind those with lower ones. */
export function list_netdevice(net: net, dev: net_device): void {
  dev.nd_net = changetype<usize>(net)
  let link = changetype<usize>(net) + offsetof<net>('dev_base_head')
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    if (changetype<net_device>(p).ifindex > dev.ifindex) break
    link = p + offsetof<net_device>('next')
  }
  dev.next = load<usize>(link)
  store<usize>(link, changetype<usize>(dev))
}

/** Writes a name (bytes, ended by 0 or IFNAMSIZ - 1 of them). */
export function dev_set_name(dev: net_device, name: usize): void {
  const own = changetype<usize>(dev) + DEV_NAME
  memory.fill(own, 0, IFNAMSIZ)
  for (let i: usize = 0; i < <usize>IFNAMSIZ - 1; i++) {
    const c = load<u8>(name + i)
    if (c == 0) break
    store<u8>(own + i, c)
  }
}

/** Takes a device out of its namespace's list; its parts are freed by who made them. */
export function unlist_netdevice(net: net, dev: net_device): void {
  const p = changetype<usize>(dev)
  if (net.dev_base_head == p) {
    net.dev_base_head = dev.next
    return
  }
  for (let q = net.dev_base_head; q; q = changetype<net_device>(q).next) {
    if (changetype<net_device>(q).next == p) {
      changetype<net_device>(q).next = dev.next
      return
    }
  }
}

/** IFF_* as the world sees them: with IFF_RUNNING while there is carrier (dev_get_flags). */
export function dev_get_flags(dev: net_device): u32 {
  const flags = (dev.flags & ~(IFF_PROMISC | IFF_ALLMULTI)) | dev.gflags
  const up = (dev.state & __LINK_STATE_START) != 0
  return up && !(dev.state & __LINK_STATE_NOCARRIER) ? flags | IFF_RUNNING : flags
}

/** Up: the driver may be given packets. The notifiers (addresses, routes, groups) are the caller's. */
export function __dev_open(dev: net_device): void {
  dev.state |= __LINK_STATE_START
  dev.flags |= IFF_UP
  dev_activate(dev)
}

export function __dev_close(dev: net_device): void {
  dev.state &= ~__LINK_STATE_START
  dev.flags &= ~IFF_UP
  dev_deactivate(dev)
}

/** Counts users of promiscuous mode; the flag follows (dev_set_promiscuity). */
export function dev_set_promiscuity(dev: net_device, inc: i32): void {
  dev.promiscuity = <u32>max<i32>(0, <i32>dev.promiscuity + inc)
  dev.flags = dev.promiscuity ? dev.flags | IFF_PROMISC : dev.flags & ~IFF_PROMISC
}

export function dev_set_allmulti(dev: net_device, inc: i32): void {
  dev.allmulti = <u32>max<i32>(0, <i32>dev.allmulti + inc)
  dev.flags = dev.allmulti ? dev.flags | IFF_ALLMULTI : dev.flags & ~IFF_ALLMULTI
}

/** 0, or -EINVAL outside of what the device can. */
export function __dev_set_mtu(dev: net_device, mtu: u32): i32 {
  if (mtu < dev.min_mtu || (dev.max_mtu && mtu > dev.max_mtu)) return -EINVAL
  dev.mtu = mtu
  return 0
}

/** Carrier on or off at once; link_watch (TypeScript) makes the rest of the stack see it. */
export function netif_carrier_set(dev: net_device, on: bool): void {
  const had = !(dev.state & __LINK_STATE_NOCARRIER)
  if (had == on) return
  dev.state = on ? dev.state & ~__LINK_STATE_NOCARRIER : dev.state | __LINK_STATE_NOCARRIER
  event_push(EV_LINKWATCH, changetype<u32>(dev), 0, 0)
}

/** Is it to be put on a poll list? False: it is on one. */
export function napi_schedule_prep(napi: napi_struct): bool {
  if (napi.state & NAPI_STATE_SCHED) return false
  napi.state |= NAPI_STATE_SCHED
  return true
}

/** Puts a NAPI context on this CPU's poll list, if it is not on one (napi_schedule_prep, __napi_schedule). */
export function napi_schedule(napi: napi_struct): bool {
  if (!napi_schedule_prep(napi)) return false
  napi_again(napi)
  return true
}

/** It stays on the list for more: the next poll is TypeScript's to run. */
export function napi_again(napi: napi_struct): void {
  event_push(EV_NAPI, changetype<u32>(napi), boot.cpu, 0)
}

/** Off the poll list: its interrupt may come again. */
export function napi_complete(napi: napi_struct): void {
  napi.state &= ~NAPI_STATE_SCHED
}
