// Addresses of devices as packets and sockets ask for them: who has one, and which one to send from.
// Mirrors the look-ups of net/ipv4/devinet.c; devinet/ has what an administrator does to addresses.
// Read first: RFC 1122 3.3.4.3 (choice of a source address).

import { CACHE_IN_IFADDR, boot } from '../../lib/boot.ts'
import { FLOWI4_SIZE, flowi4 } from '../../include/dst.ts'
import { FIB_LOOKUP_NOREF, FIB_RESULT_SIZE, fib_nh, fib_result } from '../../include/ip_fib.ts'
import { net } from '../../include/net_namespace.ts'
import {
  IFA_F_SECONDARY,
  IN_IFADDR_SIZE,
  in_dev_orconf,
  in_device,
  in_ifaddr,
  net_device,
} from '../../include/netdevice.ts'
import { kzalloc } from '../../lib/arena.ts'
import { kmem_cache_create } from '../../lib/slab.ts'
import { walk } from '../../trace/trace.ts'
import { ENOMEM } from '../../uapi/errno.ts'
import {
  FN___ip_dev_find,
  FN_inet_lookup_ifaddr_rcu,
  FN_inet_select_addr,
  FN_inetdev_by_index,
} from '../../uapi/functions.ts'
import { RTN_LOCAL, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_LOCAL } from '../../uapi/rtnetlink.ts'
import { IPV4_DEVCONF_ROUTE_LOCALNET } from '../../uapi/sysctl.ts'
import { NO_DEVICE, __dev_get_by_index } from '../core/dev.ts'
import { fib_table_lookup } from './fib_trie/lookup.ts'
import { fib_get_table } from './fib_trie/tables.ts'

/** Chains of the hash of local addresses, of all namespaces. */
export const IN4_ADDR_HSIZE_SHIFT: u32 = 8

const DEV_FIND_FLOW: usize = memory.data(64, 16)
const DEV_FIND_RESULT: usize = memory.data(64, 16)

export const NO_IFADDR: in_ifaddr = changetype<in_ifaddr>(0)
export const NO_IN_DEV: in_device = changetype<in_device>(0)

/** Address of the chain of an address. */
export function inet_addr_bucket(net: usize, addr: u32): usize {
  const hash = ((addr ^ (<u32>net)) * 0x61c88647) >> (32 - IN4_ADDR_HSIZE_SHIFT)
  return boot.inet_addr_table + ((<usize>hash) << 2)
}

/** Is addr in the subnet of ifa? */
export function inet_ifa_match(addr: u32, ifa: in_ifaddr): bool {
  return ((addr ^ ifa.ifa_address) & ifa.ifa_mask) == 0
}

/** Our address addr, on whatever device; NO_IFADDR: it is not ours. */
export function inet_lookup_ifaddr(net: net, addr: u32): in_ifaddr {
  walk(FN_inet_lookup_ifaddr_rcu, 0)
  let p = load<usize>(inet_addr_bucket(changetype<usize>(net), addr))
  while (p) {
    const ifa = changetype<in_ifaddr>(p)
    if (ifa.ifa_local == addr) {
      const dev = changetype<net_device>(changetype<in_device>(ifa.ifa_dev).dev)
      if (dev.nd_net == changetype<usize>(net)) return ifa
    }
    p = ifa.hash_next
  }
  return NO_IFADDR
}

/** The device that has addr, or whose local route covers it (127.0.0.0/8); NO_DEVICE: none. */
export function __ip_dev_find(net: net, addr: u32): net_device {
  walk(FN___ip_dev_find, 0)
  const ifa = inet_lookup_ifaddr(net, addr)
  if (changetype<usize>(ifa)) return changetype<net_device>(changetype<in_device>(ifa.ifa_dev).dev)
  const local = fib_get_table(net, RT_TABLE_LOCAL)
  if (changetype<usize>(local) == 0) return NO_DEVICE
  memory.fill(DEV_FIND_FLOW, 0, FLOWI4_SIZE)
  memory.fill(DEV_FIND_RESULT, 0, FIB_RESULT_SIZE)
  const fl4 = changetype<flowi4>(DEV_FIND_FLOW)
  const res = changetype<fib_result>(DEV_FIND_RESULT)
  fl4.daddr = addr
  if (fib_table_lookup(local, fl4, res, FIB_LOOKUP_NOREF) != 0 || <u32>res.type != RTN_LOCAL) return NO_DEVICE
  return changetype<net_device>(changetype<fib_nh>(res.nhc).nhc_dev)
}

/** The IPv4 part of the device with this index, NO_IN_DEV: none. */
export function inetdev_by_index(net: net, ifindex: u32): in_device {
  walk(FN_inetdev_by_index, 0)
  const dev = __dev_get_by_index(net, ifindex)
  return changetype<usize>(dev) ? changetype<in_device>(dev.ip_ptr) : NO_IN_DEV
}

/** The primary address of exactly this prefix, NO_IFADDR: none. */
export function inet_ifa_byprefix(in_dev: in_device, prefix: u32, mask: u32): in_ifaddr {
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (ifa.ifa_mask == mask && inet_ifa_match(prefix, ifa)) return ifa
  }
  return NO_IFADDR
}

/** Is a, and b if it is not 0, in one of the subnets of the device? */
export function inet_addr_onlink(in_dev: in_device, a: u32, b: u32): bool {
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (inet_ifa_match(a, ifa) && (b == 0 || inet_ifa_match(b, ifa))) return true
  }
  return false
}

/** With route_localnet addresses of scope host may be seen on the link. */
function localnet_scope(in_dev: in_device): u32 {
  return in_dev_orconf(in_dev, IPV4_DEVCONF_ROUTE_LOCALNET) ? RT_SCOPE_LINK : RT_SCOPE_HOST
}

/** An address of a device for use elsewhere, 0: none. */
function in_dev_select_addr(in_dev: in_device, scope: u32): u32 {
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (ifa.ifa_flags & IFA_F_SECONDARY) continue
    if (<u32>ifa.ifa_scope != RT_SCOPE_LINK && <u32>ifa.ifa_scope <= scope) return ifa.ifa_local
  }
  return 0
}

/** The first primary address of a device whose scope allows it, one in the subnet of dst before others; 0: none. */
function select_on_device(in_dev: in_device, dst: u32, scope: u32): u32 {
  const most = localnet_scope(in_dev)
  let addr: u32 = 0
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (ifa.ifa_flags & IFA_F_SECONDARY || min<u32>(ifa.ifa_scope, most) > scope) continue
    if (dst == 0 || inet_ifa_match(dst, ifa)) return ifa.ifa_local
    if (addr == 0) addr = ifa.ifa_local
  }
  return addr
}

/**
 * A source address for packets by dev to dst (0: anywhere), of at most this scope: of the device, else of any other.
 * 0: there is none.
 */
export function inet_select_addr(dev: net_device, dst: u32, scope: u32): u32 {
  walk(FN_inet_select_addr, 0)
  if (dev.ip_ptr) {
    const addr = select_on_device(changetype<in_device>(dev.ip_ptr), dst, scope)
    if (addr) return addr
  }
  for (let p = changetype<net>(dev.nd_net).dev_base_head; p; p = changetype<net_device>(p).next) {
    const in_dev = changetype<net_device>(p).ip_ptr
    if (in_dev == 0) continue
    const addr = in_dev_select_addr(changetype<in_device>(in_dev), scope)
    if (addr) return addr
  }
  return 0
}

/**
 * An address of the device of at most this scope: local itself (0: any) if the device has it; and one subnet of the
 * device covers local and dst (0: any). 0: there is none.
 */
export function confirm_addr_indev(in_dev: in_device, dst: u32, local: u32, scope: u32): u32 {
  const most = localnet_scope(in_dev)
  let addr: u32 = 0
  let same: bool = false
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    const allowed = min<u32>(ifa.ifa_scope, most) <= scope
    if (addr == 0 && allowed && (local == 0 || local == ifa.ifa_local)) {
      addr = ifa.ifa_local
      if (same) break
    }
    if (same) continue
    same = (local == 0 || inet_ifa_match(local, ifa)) && (dst == 0 || inet_ifa_match(dst, ifa))
    if (!same || addr == 0) continue
    // The subnet fits; without a wish the address must lie in it, or its own is taken.
    if (local != 0 || dst == 0 || inet_ifa_match(addr, ifa)) break
    if (allowed) {
      addr = ifa.ifa_local
      break
    }
    same = false
  }
  return same ? addr : 0
}

/** The same on one device, or (NO_IN_DEV) on the first of all that has one. */
export function inet_confirm_addr(net: net, in_dev: in_device, dst: u32, local: u32, scope: u32): u32 {
  if (changetype<usize>(in_dev)) return confirm_addr_indev(in_dev, dst, local, scope)
  for (let p = net.dev_base_head; p; p = changetype<net_device>(p).next) {
    const other = changetype<net_device>(p).ip_ptr
    if (other == 0) continue
    const addr = confirm_addr_indev(changetype<in_device>(other), dst, local, scope)
    if (addr) return addr
  }
  return 0
}

/** Once at boot. 0 or -ENOMEM. */
export function devinet_init(): i32 {
  kmem_cache_create(CACHE_IN_IFADDR, IN_IFADDR_SIZE)
  boot.inet_addr_table = kzalloc((<usize>4) << IN4_ADDR_HSIZE_SHIFT)
  return boot.inet_addr_table ? 0 : -ENOMEM
}
