// A device goes up or down: its driver, its queue, then the notifiers. Mirrors dev_open and dev_close of net/core/dev.c.

import { igb_down, igb_up } from '../drivers/net/igb.ts'
import { tun_purge_rx } from '../drivers/net/tun.ts'
import { veth_close, veth_open } from '../drivers/net/veth.ts'
import { vxlan_open, vxlan_stop } from '../drivers/net/vxlan/sock.ts'
import {
  DEV_KIND_IGB,
  DEV_KIND_TUN,
  DEV_KIND_VETH,
  DEV_KIND_VXLAN,
  NETDEV_DOWN,
  NETDEV_UP,
  net_device,
} from '../include/netdevice.ts'
import { FN_tun_net_close } from '../uapi/functions.ts'
import { IFF_UP } from '../uapi/if.ts'
import { __dev_close, __dev_open } from '../net/core/dev.ts'
import { notify } from './notify.ts'

/** 0, or -errno of a driver that cannot go up: the device stays down. */
export function dev_up(dev: net_device): i32 {
  if (dev.kind == DEV_KIND_IGB) igb_up(dev)
  if (dev.kind == DEV_KIND_VETH) veth_open(dev)
  if (dev.kind == DEV_KIND_VXLAN) {
    const err = vxlan_open(dev)
    if (err) return err
  }
  __dev_open(dev)
  notify(dev, NETDEV_UP, IFF_UP)
  return 0
}

export function dev_down(dev: net_device): void {
  __dev_close(dev)
  if (dev.kind == DEV_KIND_IGB) igb_down(dev)
  if (dev.kind == DEV_KIND_TUN) tun_purge_rx(dev, FN_tun_net_close)
  if (dev.kind == DEV_KIND_VETH) veth_close(dev)
  if (dev.kind == DEV_KIND_VXLAN) vxlan_stop(dev)
  notify(dev, NETDEV_DOWN, IFF_UP)
}
