// Links that an administrator makes and takes away: what `ip link add`, `del` and `set ... netns` end in.

import { dev_announce } from '../admin.ts'
import { dev_change_name, dev_change_net_namespace, free_netdevice, unregister_netdevice } from '../admin/unregister.ts'
import { dummy_newlink } from '../drivers/net/dummy.ts'
import { veth_newlink, veth_peer } from '../drivers/net/veth.ts'
import { net } from '../include/net_namespace.ts'
import { net_device } from '../include/netdevice.ts'
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

export { dev_change_name, dev_change_net_namespace, free_netdevice, unregister_netdevice }
