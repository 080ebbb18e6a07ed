// Namespaces and their switches. Defaults are one table, in TypeScript, written between net_create and net_start.

import { net, sysctl_set } from '../include/net_namespace.ts'
import { IN_DEV_CNF, net_device } from '../include/netdevice.ts'
import { setup_net } from '../net/core/net_namespace.ts'
import { neigh_parms_alloc } from '../net/core/neighbour.ts'
import { fib_net_init } from '../net/ipv4/fib_frontend.ts'
import { reserved_ports_add, reserved_ports_clear } from '../net/ipv4/reserved_ports.ts'
import { net_start as start_loopback } from '../admin.ts'

/** A namespace with empty tables and all switches 0; 0: out of memory. */
export function net_create(): usize {
  const p = setup_net()
  if (p == 0) return 0
  const owner = changetype<net>(p)
  owner.arp_parms = neigh_parms_alloc(owner, changetype<net_device>(0))
  if (owner.arp_parms == 0 || fib_net_init(owner) < 0) return 0
  return p
}

/** Its switches are set: lo comes into being, down. Its net_device, 0: out of memory. */
export function net_start(owner: net): usize {
  return start_loopback(owner)
}

/** A sysctl by its number in uapi/sysctl.ts. */
export function sysctl_write(owner: net, id: u32, value: i32): void {
  sysctl_set(owner, id, value)
}

/** A per-device switch (IPV4_DEVCONF_*): dev 0 is conf.all, 1 conf.default, else a net_device. */
export function devconf_write(owner: net, dev: usize, id: u32, value: i32): void {
  let table = dev == 0 ? owner.devconf_all : owner.devconf_dflt
  if (dev > 1) {
    const in_dev = changetype<net_device>(dev).ip_ptr
    if (in_dev == 0) return
    table = in_dev + IN_DEV_CNF
  }
  store<i32>(table + ((<usize>id) << 2), value)
}

export { reserved_ports_add, reserved_ports_clear }
