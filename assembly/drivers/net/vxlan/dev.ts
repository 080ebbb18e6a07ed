// VXLAN's device: how it is made, and what an administrator does with its entries. Mirrors vxlan_dev_configure, vxlan_setup and
// vxlan_fdb_add of drivers/net/vxlan/vxlan_core.c. Read first: RFC 7348.

import { ipv4_is_multicast } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import {
  DEV_KIND_VXLAN,
  IFF_NO_QUEUE,
  IFF_XMIT_DST_RELEASE,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  net_device,
} from '../../../include/netdevice.ts'
import {
  FDB_HASH_SIZE,
  VXLAN_CONFIG_SIZE,
  VXLAN_DEV_SIZE,
  vxlan_age_timer,
  vxlan_cfg,
  vxlan_config,
  vxlan_dev,
  vxlan_of,
} from '../../../include/vxlan.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../../../include/ip_fib.ts'
import { timer_delete, timer_setup } from '../../../kernel/timer.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { ERR_PTR } from '../../../lib/err.ts'
import { EEXIST, EINVAL, ENODEV, ENOMEM } from '../../../uapi/errno.ts'
import { ETH_MAX_MTU, ETH_MIN_MTU } from '../../../uapi/if_ether.ts'
import { NUD_PERMANENT, NUD_REACHABLE } from '../../../uapi/neighbour.ts'
import {
  NO_DEVICE,
  __dev_get_by_index,
  alloc_netdev,
  free_netdev,
  register_netdevice,
  unlist_netdevice,
} from '../../../net/core/dev.ts'
import { GRO_CELL_SIZE, gro_cells_init } from '../../../net/core/gro_cells.ts'
import { ether_setup } from '../ether.ts'
import { vxlan_cleanup, vxlan_fdb_update, vxlan_flush } from './fdb.ts'
import { VXLAN_HEADROOM } from './xmit.ts'

const FDB_BYTES: usize = (<usize>FDB_HASH_SIZE) << 2

/** A device of the same VNI and port, whose outer packets are of the same namespace. */
function find(owner: net, cfg: vxlan_config): bool {
  for (let p = owner.vxlan_list; p; p = changetype<vxlan_dev>(p).next) {
    const other = vxlan_cfg(changetype<vxlan_dev>(p))
    if (other.vni == cfg.vni && other.dst_port == cfg.dst_port) return true
  }
  return false
}

function vxlan_setup(dev: net_device, mac: usize, lower: net_device): void {
  ether_setup(dev, mac, ETH_MIN_MTU, ETH_MAX_MTU)
  dev.priv_flags |= IFF_NO_QUEUE
  // Its route learns how much fits.
  dev.priv_flags &= ~IFF_XMIT_DST_RELEASE
  dev.features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_FRAGLIST | NETIF_F_RXCSUM | NETIF_F_GSO_SOFTWARE
  dev.hw_features = dev.features
  if (lower == NO_DEVICE) return
  dev.mtu = lower.mtu - VXLAN_HEADROOM
  dev.max_mtu = dev.mtu
  dev.needed_headroom = <u16>(VXLAN_HEADROOM + <u32>lower.hard_header_len)
}

function give_up(dev: net_device, err: i32): usize {
  kfree(vxlan_of(dev).fdb, FDB_BYTES)
  free_netdev(dev)
  return <usize>err
}

/**
 * A device, down. A negative pointer: -EEXIST: its name, or VNI and port; -EINVAL: a group without a device below, no unicast
 * source, or a device below whose MTU is too small; -ENODEV: no such device below; -ENOMEM.
 */
export function vxlan_newlink(owner: net, name: usize, mac: usize, wanted: vxlan_config): usize {
  const group = ipv4_is_multicast(wanted.remote_ip)
  if ((group && wanted.remote_ifindex == 0) || ipv4_is_multicast(wanted.saddr)) return ERR_PTR(EINVAL)
  const lower = wanted.remote_ifindex ? __dev_get_by_index(owner, wanted.remote_ifindex) : NO_DEVICE
  if (wanted.remote_ifindex && lower == NO_DEVICE) return ERR_PTR(ENODEV)
  if (lower != NO_DEVICE && lower.mtu < VXLAN_HEADROOM + ETH_MIN_MTU) return ERR_PTR(EINVAL)
  if (find(owner, wanted)) return ERR_PTR(EEXIST)
  const p = alloc_netdev(DEV_KIND_VXLAN, VXLAN_DEV_SIZE + GRO_CELL_SIZE, name)
  if (p == 0) return ERR_PTR(ENOMEM)
  const dev = changetype<net_device>(p)
  const vxlan = vxlan_of(dev)
  vxlan.dev = p
  vxlan.net = changetype<usize>(owner)
  vxlan.fdb = kzalloc(FDB_BYTES)
  if (vxlan.fdb == 0) return give_up(dev, -ENOMEM)
  memory.copy(changetype<usize>(vxlan_cfg(vxlan)), changetype<usize>(wanted), VXLAN_CONFIG_SIZE)
  vxlan_setup(dev, mac, lower)
  gro_cells_init(dev, dev.priv + VXLAN_DEV_SIZE)
  timer_setup(vxlan_age_timer(vxlan), vxlan_cleanup.index)
  const err = register_netdevice(owner, dev)
  if (err) return give_up(dev, err)
  if (wanted.remote_ip) {
    // What has no entry of its own goes by this one, the address of zeros.
    const state = NUD_REACHABLE | NUD_PERMANENT
    const flags = NLM_F_EXCL | NLM_F_CREATE
    const to = wanted.remote_ip
    if (vxlan_fdb_update(vxlan, 0, state, flags, to, wanted.dst_port, wanted.vni, wanted.remote_ifindex)) {
      unlist_netdevice(owner, dev)
      return give_up(dev, -ENOMEM)
    }
  }
  vxlan.next = owner.vxlan_list
  owner.vxlan_list = changetype<usize>(vxlan)
  return p
}

/** The device goes, and with it all that it knows. */
export function vxlan_uninit(dev: net_device): void {
  const vxlan = vxlan_of(dev)
  let link = vxlan.net + offsetof<net>('vxlan_list')
  while (load<usize>(link) && load<usize>(link) != changetype<usize>(vxlan)) {
    link = load<usize>(link) + offsetof<vxlan_dev>('next')
  }
  if (load<usize>(link)) store<usize>(link, vxlan.next)
  timer_delete(vxlan_age_timer(vxlan))
  vxlan_flush(vxlan, true)
  kfree(vxlan.fdb, FDB_BYTES)
  vxlan.fdb = 0
}
