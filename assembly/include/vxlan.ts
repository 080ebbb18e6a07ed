// VXLAN's devices, their sockets and forwarding entries (net/vxlan.h, drivers/net/vxlan/vxlan_private.h). Layout only;
// addresses and ports in network order.

import { timer_list } from './timer.ts'
import { net_device } from './netdevice.ts'

/** flags of vxlan_config */
export const VXLAN_F_LEARN: u32 = 1
export const VXLAN_F_UDP_ZERO_CSUM_TX: u32 = 2

/** How a device is made: what `ip link add type vxlan` names. */
@unmanaged
@final
export class vxlan_config {
  saddr: u32
  /** Where what has no entry goes: a host, a group, 0: nowhere. */
  remote_ip: u32
  /** Index of the device below, 0: any. */
  remote_ifindex: u32
  vni: u32
  dst_port: u32
  /** Source ports of the outer packets, host order; both 0: the local ports. */
  port_min: u32
  port_max: u32
  /** 0: the host's default, of groups 1. 1: that of the packet within. */
  ttl: u32
  /** 1: that of the packet within. */
  tos: u32
  /** IP_DF on outer packets. */
  df: u32
  /** Seconds until a learned entry that nobody uses goes, 0: never. */
  age_interval: u32
  /** Most learned entries, 0: no limit. */
  addrmax: u32
  flags: u32
}

export const VXLAN_CONFIG_SIZE: usize = offsetof<vxlan_config>()

/** The header behind UDP's (RFC 7348 5). */
@unmanaged
@final
export class vxlanhdr {
  /** Flags, the first byte in front. */
  vx_flags: u32
  /** The VNI in the first three bytes. */
  vx_vni: u32
}

/** UDP's header and this one. */
export const VXLAN_HLEN: u32 = 16
/** The flag that says that there is a VNI, as it lies. */
export const VXLAN_HF_VNI: u32 = 0x00000008

/** A port on which devices listen together: one UDP socket. */
@unmanaged
@final
export class vxlan_sock {
  next: usize
  handle: u32
  net: usize
  port: u32
  refcnt: u32
  /** Devices, by vxlan_dev.hlist. */
  devs: usize
}

export const FDB_HASH_SIZE: u32 = 256

/** Lies in the driver's private part; behind it config, timer and gro_cell. */
@unmanaged
@final
export class vxlan_dev {
  /** Next of its socket's. */
  hlist: usize
  /** Next of all devices of the instance. */
  next: usize
  dev: usize
  /** The namespace of the outer packets: that in which it was made. */
  net: usize
  /** While it is up. */
  vn_sock: usize
  /** usize[FDB_HASH_SIZE] */
  fdb: usize
  /** Learned entries. */
  addrcnt: u32
}

const CONFIG: usize = offsetof<vxlan_dev>()
const TIMER: usize = (CONFIG + VXLAN_CONFIG_SIZE + 7) & ~7
export const VXLAN_DEV_SIZE: usize = (TIMER + offsetof<timer_list>() + 7) & ~7

export function vxlan_of(dev: net_device): vxlan_dev {
  return changetype<vxlan_dev>(dev.priv)
}

export function vxlan_cfg(vxlan: vxlan_dev): vxlan_config {
  return changetype<vxlan_config>(changetype<usize>(vxlan) + CONFIG)
}

export function vxlan_age_timer(vxlan: vxlan_dev): timer_list {
  return changetype<timer_list>(changetype<usize>(vxlan) + TIMER)
}

export function vxlan_age_timer_dev(timer: usize): vxlan_dev {
  return changetype<vxlan_dev>(timer - TIMER)
}

/** Where a hardware address is: one or more remotes. */
@unmanaged
@final
export class vxlan_fdb {
  /** Next of its chain. */
  next: usize
  /** vxlan_rdst, the one to be used first in front. */
  remotes: usize
  /** Six bytes. */
  eth_addr: u64
  /** When it was last learned, and last used, in jiffies. */
  updated: u32
  used: u32
  /** NUD_* */
  state: u32
}

export const VXLAN_FDB_SIZE: usize = offsetof<vxlan_fdb>()

@unmanaged
@final
export class vxlan_rdst {
  next: usize
  remote_ip: u32
  /** 0: the device's. */
  remote_port: u32
  remote_vni: u32
  remote_ifindex: u32
}

export const VXLAN_RDST_SIZE: usize = offsetof<vxlan_rdst>()
