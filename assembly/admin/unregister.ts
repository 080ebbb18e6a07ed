// A device goes away, or to another namespace, or gets another name. Mirrors unregister_netdevice_many_notify,
// dev_change_net_namespace, dev_change_name and flush_backlog of net/core/dev.c, rt_flush_dev of net/ipv4/route.c.
// Linux waits until nobody holds the device; here what still points at it, routes that sockets keep and packets, is turned
// to the blackhole device, which no namespace lists.

import { igb_free } from '../drivers/net/igb.ts'
import { tun_free } from '../drivers/net/tun.ts'
import { vxlan_uninit } from '../drivers/net/vxlan/dev.ts'
import { veth_part } from '../drivers/net/veth.ts'
import { rtable } from '../include/dst.ts'
import { net } from '../include/net_namespace.ts'
import {
  DEV_KIND_BLACKHOLE,
  DEV_KIND_IGB,
  DEV_KIND_IPIP,
  DEV_KIND_TUN,
  DEV_KIND_VETH,
  DEV_KIND_VXLAN,
  DEV_NAME,
  NETDEV_CHANGENAME,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  __LINK_STATE_PRESENT,
  net_device,
  rtnl_link_stats64,
} from '../include/netdevice.ts'
import { sk_buff } from '../include/skbuff.ts'
import { SOFTNET_SIZE, softnet_data } from '../include/softnet.ts'
import { CACHE_RTABLE, CACHE_SKBUFF, boot } from '../lib/boot.ts'
import { slab_first, slab_next, slab_objects, slab_size } from '../lib/slab.ts'
import { walk } from '../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../uapi/dropreason.ts'
import { EEXIST, EINVAL } from '../uapi/errno.ts'
import { FN_flush_backlog, FN_unregister_netdevice_queue } from '../uapi/functions.ts'
import { IFF_UP } from '../uapi/if.ts'
import {
  NO_DEVICE,
  __dev_get_by_index,
  __dev_get_by_name,
  dev_new_index,
  dev_set_name,
  free_netdev,
  list_netdevice,
  unlist_netdevice,
} from '../net/core/dev.ts'
import { ipip_uninit } from '../net/ipv4/ipip.ts'
import { dev_shutdown } from '../net/sched/dev_activate.ts'
import { gro_cells_destroy } from '../net/core/gro_cells.ts'
import { dev_set_rps } from '../net/core/dev_rps.ts'
import { dev_addr_flush } from '../net/core/dev_addr_lists.ts'
import { kfree_skb_reason } from '../net/core/skbuff.ts'
import { dev_down } from './open.ts'
import { notify } from './notify.ts'

/** blackhole_netdev: down, in no list. */
const BLACKHOLE: usize = memory.data(offsetof<net_device>() + offsetof<rtnl_link_stats64>() + 8, 16)

function blackhole_netdev(): usize {
  const dev = changetype<net_device>(BLACKHOLE)
  dev.kind = DEV_KIND_BLACKHOLE
  dev.nd_net = boot.init_net
  dev.mtu = 68
  return BLACKHOLE
}

/** Takes what came in by the device out of every CPU's backlog. */
function flush_backlog(dev: net_device): void {
  walk(FN_flush_backlog, 0)
  for (let cpu: usize = 0; cpu < <usize>boot.nr_cpus; cpu++) {
    flush_cpu(changetype<softnet_data>(boot.softnet + cpu * SOFTNET_SIZE), changetype<usize>(dev))
  }
}

function flush_cpu(sd: softnet_data, dev: usize): void {
  let link = changetype<usize>(sd) + offsetof<softnet_data>('input_head')
  let last: usize = 0
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const skb = changetype<sk_buff>(p)
    if (skb.dev != dev) {
      last = p
      link = p + offsetof<sk_buff>('next')
      continue
    }
    store<usize>(link, skb.next)
    skb.next = 0
    sd.input_qlen -= 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_flush_backlog)
  }
  sd.input_tail = last
}

/** Turns what points at the device, at this offset of each object of a cache, to the blackhole device. Free ones do no harm. */
function redirect(cache: u32, at: usize, dev: usize): void {
  const to = blackhole_netdev()
  const size = slab_size(cache)
  for (let slab = slab_first(cache); slab; slab = slab_next(slab)) {
    let p = slab - <usize>slab_objects(slab) * size
    for (; p < slab; p += size) if (load<usize>(p + at) == dev) store<usize>(p + at, to)
  }
}

/** Routes that somebody still holds lead nowhere, and packets that wait somewhere came from nowhere (rt_flush_dev). */
function let_go(dev: net_device): void {
  redirect(CACHE_RTABLE, offsetof<rtable>('dev'), changetype<usize>(dev))
  redirect(CACHE_SKBUFF, offsetof<sk_buff>('dev'), changetype<usize>(dev))
}

/** Out of its namespace: closed, unlisted, everybody told. */
function leave(dev: net_device): void {
  if (dev.flags & IFF_UP) dev_down(dev)
  unlist_netdevice(changetype<net>(dev.nd_net), dev)
  flush_backlog(dev)
  dev_shutdown(dev)
  if (dev.kind == DEV_KIND_IPIP || dev.kind == DEV_KIND_VXLAN) gro_cells_destroy(dev)
  notify(dev, NETDEV_UNREGISTER, 0)
  dev_set_rps(dev, 0, 0)
  dev_addr_flush(dev)
  let_go(dev)
}

/** Takes a device out for good; free_netdevice gives its memory back. */
export function unregister_netdevice(dev: net_device): void {
  walk(FN_unregister_netdevice_queue, 0)
  leave(dev)
  dev.state &= ~__LINK_STATE_PRESENT
  if (dev.kind == DEV_KIND_VETH) veth_part(dev)
  else if (dev.kind == DEV_KIND_IGB) igb_free(dev)
  else if (dev.kind == DEV_KIND_TUN) tun_free(dev)
  else if (dev.kind == DEV_KIND_IPIP) ipip_uninit(dev)
  else if (dev.kind == DEV_KIND_VXLAN) vxlan_uninit(dev)
}

/** The memory of a device that was taken out: nothing names it any more. */
export function free_netdevice(dev: net_device): void {
  free_netdev(dev)
}

/** To another namespace, down, with its index unless that is taken there. 0; -EEXIST: the name is. */
export function dev_change_net_namespace(dev: net_device, to: net): i32 {
  if (dev.nd_net == changetype<usize>(to)) return 0
  const name = changetype<usize>(dev) + DEV_NAME
  if (changetype<usize>(__dev_get_by_name(to, name))) return -EEXIST
  leave(dev)
  if (__dev_get_by_index(to, dev.ifindex) != NO_DEVICE) dev.ifindex = dev_new_index(to)
  list_netdevice(to, dev)
  notify(dev, NETDEV_REGISTER, 0)
  return 0
}

/** Another name (bytes, ended by 0). 0; -EEXIST: it is taken; -EINVAL: it is none. */
export function dev_change_name(dev: net_device, name: usize): i32 {
  if (load<u8>(name) == 0) return -EINVAL
  const other = __dev_get_by_name(changetype<net>(dev.nd_net), name)
  if (other == dev) return 0
  if (changetype<usize>(other)) return -EEXIST
  dev_set_name(dev, name)
  notify(dev, NETDEV_CHANGENAME, 0)
  return 0
}
