// Links that an administrator makes and takes away: what `ip link add`, `del` and `set ... netns` end in.

import { dev_announce } from '../admin.ts'
import { dev_change_name, dev_change_net_namespace, free_netdevice, unregister_netdevice } from '../admin/unregister.ts'
import { dummy_newlink } from '../drivers/net/dummy.ts'
import { vxlan_newlink } from '../drivers/net/vxlan/dev.ts'
import { vxlan_fdb_delete, vxlan_fdb_dump, vxlan_fdb_update } from '../drivers/net/vxlan/fdb.ts'
import { veth_newlink, veth_peer } from '../drivers/net/veth.ts'
import { net } from '../include/net_namespace.ts'
import { net_device } from '../include/netdevice.ts'
import { ip_tunnel_parm } from '../include/ip_tunnel.ts'
import { ipip_newlink } from '../net/ipv4/ipip.ts'
import { vxlan_cfg, vxlan_config, vxlan_of } from '../include/vxlan.ts'
import { dev_set_rps } from '../net/core/dev_rps.ts'
import { IS_ERR } from '../lib/err.ts'

/** Two joined devices, down: names at name and peer_name, MACs 16 bytes behind each. The first, or -errno. */
export function veth_create(owner: net, name: usize, peer_owner: net, peer_name: usize): usize {
  const p = veth_newlink(owner, name, name + 16, peer_owner, peer_name, peer_name + 16)
  if (IS_ERR(p)) return p
  dev_announce(veth_peer(changetype<net_device>(p)))
  dev_announce(changetype<net_device>(p))
  return p
}

/** The other end of a veth, 0: it is gone. */
export function veth_other(dev: net_device): usize {
  return changetype<usize>(veth_peer(dev))
}

/** A device that drops what it sends, down: name at name, MAC 16 bytes behind. */
export function dummy_create(owner: net, name: usize): usize {
  const p = dummy_newlink(owner, name, name + 16)
  if (!IS_ERR(p)) dev_announce(changetype<net_device>(p))
  return p
}

/** A tunnel, down: name at name, its struct ip_tunnel_parm 32 bytes behind. */
export function ipip_create(owner: net, name: usize): usize {
  const p = ipip_newlink(owner, name, changetype<ip_tunnel_parm>(name + 32))
  if (!IS_ERR(p)) dev_announce(changetype<net_device>(p))
  return p
}

/** A VXLAN device, down: name at name, MAC 16 bytes behind, its struct vxlan_config 32 bytes behind. */
export function vxlan_create(owner: net, name: usize): usize {
  const p = vxlan_newlink(owner, name, name + 16, changetype<vxlan_config>(name + 32))
  if (!IS_ERR(p)) dev_announce(changetype<net_device>(p))
  return p
}

/** Writes an entry, its address (8 bytes) at mac: see vxlan_fdb_update. */
export function fdb_add(
  dev: net_device,
  mac: usize,
  state: u32,
  flags: u32,
  ip: u32,
  port: u32,
  vni: u32,
  ifindex: u32,
): i32 {
  const cfg = vxlan_cfg(vxlan_of(dev))
  const to = port ? port : cfg.dst_port
  return vxlan_fdb_update(vxlan_of(dev), load<u64>(mac), state, flags, ip, to, vni ? vni : cfg.vni, ifindex)
}

/** Takes an entry out, or (ip not 0) one of its remotes. */
export function fdb_del(dev: net_device, mac: usize, ip: u32, port: u32, vni: u32, ifindex: u32): i32 {
  const cfg = vxlan_cfg(vxlan_of(dev))
  return vxlan_fdb_delete(vxlan_of(dev), load<u64>(mac), ip, port ? port : cfg.dst_port, vni ? vni : cfg.vni, ifindex)
}

export function fdb_dump(dev: net_device, out: usize, max: u32): u32 {
  return vxlan_fdb_dump(vxlan_of(dev), out, max)
}

export { dev_change_name, dev_set_rps, dev_change_net_namespace, free_netdevice, unregister_netdevice }
