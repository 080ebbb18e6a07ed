// Namespaces are born here: their block, switches and lo. Mirrors net/core/net_namespace.c.
// Defaults of sysctls are one table, in TypeScript; it writes them between net_create and net_start.

import { CACHES, boot } from '../../lib/boot.ts'
import { NET_SIZE, net } from '../../include/net_namespace.ts'
import { IPV4_DEVCONF_MAX } from '../../uapi/sysctl.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'

const DEVCONF_SIZE: usize = (<usize>IPV4_DEVCONF_MAX + 1) * 4

/** A namespace without devices, all switches 0. 0: out of memory. */
export function setup_net(): usize {
  const p = kzalloc(NET_SIZE)
  const all = kzalloc(DEVCONF_SIZE)
  const dflt = kzalloc(DEVCONF_SIZE)
  if (p == 0 || all == 0 || dflt == 0) {
    kfree(p, NET_SIZE)
    kfree(all, DEVCONF_SIZE)
    kfree(dflt, DEVCONF_SIZE)
    return 0
  }
  const owner = changetype<net>(p)
  owner.id = boot.next_net_id++
  owner.devconf_all = all
  owner.devconf_dflt = dflt
  owner.rt_genid = 1
  owner.next = boot.net_list
  boot.net_list = p
  if (boot.init_net == 0) boot.init_net = p
  return p
}

/** Address of the slab caches, for who counts live objects. */
export function caches_address(): usize {
  return CACHES
}
