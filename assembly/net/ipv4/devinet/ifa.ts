// Addresses come and go: the order of a device's list, primary and secondary addresses, promotion; and their routes.
// Mirrors inet_insert_ifa, inet_del_ifa, inet_rtm_newaddr and inet_rtm_deladdr of net/ipv4/devinet.c.
// Left out: lifetimes, notifications to user space.

import { CACHE_IN_IFADDR } from '../../../lib/boot.ts'
import { NLM_F_EXCL, NLM_F_REPLACE } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import {
  DEV_NAME,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_LABEL,
  NETDEV_DOWN,
  NETDEV_UP,
  in_dev_orconf,
  in_device,
  in_ifaddr,
  net_device,
} from '../../../include/netdevice.ts'
import { kmem_cache_free, kmem_cache_zalloc } from '../../../lib/slab.ts'
import { walk } from '../../../trace/trace.ts'
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENOBUFS, ENODEV } from '../../../uapi/errno.ts'
import {
  FN_inet_del_ifa,
  FN_inet_insert_ifa,
  FN_inet_rtm_deladdr,
  FN_inet_rtm_newaddr,
} from '../../../uapi/functions.ts'
import { IPV4_DEVCONF_PROMOTE_SECONDARIES } from '../../../uapi/sysctl.ts'
import { IFNAMSIZ } from '../../core/dev.ts'
import { NO_IFADDR, inet_addr_bucket, inet_ifa_match } from '../devinet.ts'
import { fib_inetaddr_event } from '../fib_frontend/event.ts'
import { fib_add_ifaddr, fib_del_ifaddr, fib_modify_prefix_metric } from '../fib_frontend/ifaddr.ts'

const NEXT: usize = offsetof<in_ifaddr>('ifa_next')
const FLAGS_GIVEN: u32 = IFA_F_NOPREFIXROUTE

/** Netmask of a prefix length, in network order. */
export function inet_make_mask(len: u32): u32 {
  return len == 0 ? 0 : bswap<u32>(u32.MAX_VALUE << (32 - len))
}

/** A new address of a device, on no list; NO_IFADDR: out of memory. */
export function inet_alloc_ifa(in_dev: in_device): in_ifaddr {
  const p = kmem_cache_zalloc(CACHE_IN_IFADDR)
  if (p) changetype<in_ifaddr>(p).ifa_dev = changetype<usize>(in_dev)
  return changetype<in_ifaddr>(p)
}

export function inet_free_ifa(ifa: in_ifaddr): void {
  kmem_cache_free(CACHE_IN_IFADDR, changetype<usize>(ifa))
}

function net_of(ifa: in_ifaddr): usize {
  return changetype<net_device>(changetype<in_device>(ifa.ifa_dev).dev).nd_net
}

function inet_hash_insert(ifa: in_ifaddr): void {
  const head = inet_addr_bucket(net_of(ifa), ifa.ifa_local)
  ifa.hash_next = load<usize>(head)
  store<usize>(head, changetype<usize>(ifa))
}

function inet_hash_remove(ifa: in_ifaddr): void {
  let link = inet_addr_bucket(net_of(ifa), ifa.ifa_local)
  while (load<usize>(link) != changetype<usize>(ifa)) link = load<usize>(link) + offsetof<in_ifaddr>('hash_next')
  store<usize>(link, ifa.hash_next)
}

/** The same subnet: mask and prefix. */
function same_subnet(a: in_ifaddr, b: in_ifaddr): bool {
  return a.ifa_mask == b.ifa_mask && inet_ifa_match(a.ifa_address, b)
}

/**
 * Puts an address on its device's list: a primary one behind primaries of the same or a wider scope, a secondary one (its
 * subnet has a primary) last. 0, -EEXIST, -EINVAL (another scope than its subnet's); then the address is freed.
 */
export function inet_insert_ifa(ifa: in_ifaddr): i32 {
  walk(FN_inet_insert_ifa, 0)
  const in_dev = changetype<in_device>(ifa.ifa_dev)
  if (ifa.ifa_local == 0) {
    inet_free_ifa(ifa)
    return 0
  }
  ifa.ifa_flags &= ~IFA_F_SECONDARY
  let link = changetype<usize>(in_dev) + offsetof<in_device>('ifa_list')
  let last_primary = link
  let err: i32 = 0
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const other = changetype<in_ifaddr>(p)
    link = p + NEXT
    if (!(other.ifa_flags & IFA_F_SECONDARY) && ifa.ifa_scope <= other.ifa_scope) last_primary = link
    if (!same_subnet(ifa, other)) continue
    if (other.ifa_local == ifa.ifa_local) err = -EEXIST
    else if (other.ifa_scope != ifa.ifa_scope) err = -EINVAL
    if (err) break
    ifa.ifa_flags |= IFA_F_SECONDARY
  }
  if (err) {
    inet_free_ifa(ifa)
    return err
  }
  if (!(ifa.ifa_flags & IFA_F_SECONDARY)) link = last_primary
  ifa.ifa_next = load<usize>(link)
  store<usize>(link, changetype<usize>(ifa))
  inet_hash_insert(ifa)
  fib_inetaddr_event(ifa, NETDEV_UP)
  return 0
}

/** Off the hash and the list that `link` points from; its routes go. */
function unlink_ifa(link: usize, ifa: in_ifaddr): void {
  store<usize>(link, ifa.ifa_next)
  inet_hash_remove(ifa)
  fib_inetaddr_event(ifa, NETDEV_DOWN)
}

/** Deletes the secondaries of a primary address, all of which come behind it. */
function delete_secondaries(prim: in_ifaddr): void {
  let link = changetype<usize>(prim) + NEXT
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const ifa = changetype<in_ifaddr>(p)
    if (!(ifa.ifa_flags & IFA_F_SECONDARY) || !same_subnet(prim, ifa)) {
      link = p + NEXT
      continue
    }
    unlink_ifa(link, ifa)
    inet_free_ifa(ifa)
  }
}

/** The first secondary of a primary address, NO_IFADDR: none. */
function first_secondary(prim: in_ifaddr): in_ifaddr {
  for (let p = prim.ifa_next; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (ifa.ifa_flags & IFA_F_SECONDARY && same_subnet(prim, ifa)) return ifa
  }
  return NO_IFADDR
}

/** Where the address before this one on the list points. */
function link_of(in_dev: in_device, ifa: in_ifaddr): usize {
  let link = changetype<usize>(in_dev) + offsetof<in_device>('ifa_list')
  while (load<usize>(link) != changetype<usize>(ifa)) link = load<usize>(link) + NEXT
  return link
}

/** Behind the last primary address whose scope is not narrower than that of gone, which is off the list. */
function place_of_primary(in_dev: in_device, gone: in_ifaddr): usize {
  let place = changetype<usize>(in_dev) + offsetof<in_device>('ifa_list')
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (!(ifa.ifa_flags & IFA_F_SECONDARY) && gone.ifa_scope <= ifa.ifa_scope) place = p + NEXT
  }
  return place
}

/** A secondary takes the place of its primary, which is off the list: a primary now, with routes and secondaries of its own. */
function promote(in_dev: in_device, ifa: in_ifaddr, gone: in_ifaddr): void {
  let rest = ifa.ifa_next
  store<usize>(link_of(in_dev, ifa), rest)
  const place = place_of_primary(in_dev, gone)
  ifa.ifa_next = load<usize>(place)
  store<usize>(place, changetype<usize>(ifa))
  ifa.ifa_flags &= ~IFA_F_SECONDARY
  fib_inetaddr_event(ifa, NETDEV_UP)
  for (; rest; rest = changetype<in_ifaddr>(rest).ifa_next) {
    if (same_subnet(gone, changetype<in_ifaddr>(rest))) fib_add_ifaddr(changetype<in_ifaddr>(rest))
  }
}

/**
 * Deletes an address. With a primary go its secondaries, or (promote_secondaries) the first of them becomes primary and the
 * routes of the others are made anew, with another source.
 */
export function inet_del_ifa(in_dev: in_device, ifa: in_ifaddr): void {
  walk(FN_inet_del_ifa, 0)
  let heir = NO_IFADDR
  if (!in_dev.dead && !(ifa.ifa_flags & IFA_F_SECONDARY)) {
    if (in_dev_orconf(in_dev, IPV4_DEVCONF_PROMOTE_SECONDARIES)) heir = first_secondary(ifa)
    else delete_secondaries(ifa)
  }
  for (let p = changetype<usize>(heir); p; p = changetype<in_ifaddr>(p).ifa_next) {
    if (same_subnet(ifa, changetype<in_ifaddr>(p))) fib_del_ifaddr(changetype<in_ifaddr>(p), ifa)
  }
  unlink_ifa(link_of(in_dev, ifa), ifa)
  if (changetype<usize>(heir)) promote(in_dev, heir, ifa)
  inet_free_ifa(ifa)
}

function copy_label(ifa: in_ifaddr, label: usize): void {
  const to = changetype<usize>(ifa) + IFA_LABEL
  for (let i: usize = 0; i < <usize>IFNAMSIZ - 1; i++) {
    const c = load<u8>(label + i)
    if (c == 0) break
    store<u8>(to + i, c)
  }
}

function same_label(ifa: in_ifaddr, label: usize): bool {
  const own = changetype<usize>(ifa) + IFA_LABEL
  for (let i: usize = 0; i < <usize>IFNAMSIZ; i++) {
    const c = load<u8>(own + i)
    if (c != load<u8>(label + i)) return false
    if (c == 0) return true
  }
  return true
}

/** The device's address that says the same, NO_IFADDR: none. */
function find_matching_ifa(in_dev: in_device, ifa: in_ifaddr): in_ifaddr {
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const other = changetype<in_ifaddr>(p)
    if (other.ifa_local == ifa.ifa_local && same_subnet(ifa, other)) return other
  }
  return NO_IFADDR
}

/** An address that is there already: with NLM_F_REPLACE its metric is changed. */
function modify(ifa: in_ifaddr, metric: u32, nlflags: u32): i32 {
  if (nlflags & NLM_F_EXCL || !(nlflags & NLM_F_REPLACE)) return -EEXIST
  if (ifa.ifa_rt_priority != metric) {
    fib_modify_prefix_metric(ifa, metric)
    ifa.ifa_rt_priority = metric
  }
  return 0
}

/**
 * Adds an address to a device. local, address (the peer's, or local again) and broadcast (0: none) in network order;
 * flags: IFA_F_NOPREFIXROUTE; metric: of the subnet's route; label: up to 15 bytes ended by 0, or 0: the device's name.
 * 0, -EINVAL, -EEXIST, -ENODEV, -ENOBUFS.
 */
export function inet_rtm_newaddr(
  net: net,
  dev: net_device,
  local: u32,
  address: u32,
  prefixlen: u32,
  broadcast: u32,
  scope: u32,
  flags: u32,
  metric: u32,
  label: usize,
  nlflags: u32,
): i32 {
  walk(FN_inet_rtm_newaddr, 0)
  if (prefixlen > 32) return -EINVAL
  if (changetype<usize>(dev) == 0 || dev.nd_net != changetype<usize>(net)) return -ENODEV
  const in_dev = changetype<in_device>(dev.ip_ptr)
  if (changetype<usize>(in_dev) == 0) return -ENOBUFS
  const ifa = inet_alloc_ifa(in_dev)
  if (changetype<usize>(ifa) == 0) return -ENOBUFS
  ifa.ifa_local = local
  ifa.ifa_address = address ? address : local
  ifa.ifa_prefixlen = <u8>prefixlen
  ifa.ifa_mask = inet_make_mask(prefixlen)
  ifa.ifa_broadcast = broadcast
  ifa.ifa_scope = <u8>scope
  ifa.ifa_flags = (flags & FLAGS_GIVEN) | IFA_F_PERMANENT
  ifa.ifa_rt_priority = metric
  copy_label(ifa, label ? label : changetype<usize>(dev) + DEV_NAME)
  const there = find_matching_ifa(in_dev, ifa)
  if (changetype<usize>(there) == 0) return inet_insert_ifa(ifa)
  inet_free_ifa(ifa)
  return modify(there, metric, nlflags)
}

/** Deletes the first address that has what is named: local, address with its prefix length (0: any), label (0: any). */
export function inet_rtm_deladdr(
  net: net,
  dev: net_device,
  local: u32,
  address: u32,
  prefixlen: u32,
  label: usize,
): i32 {
  walk(FN_inet_rtm_deladdr, 0)
  if (changetype<usize>(dev) == 0 || dev.nd_net != changetype<usize>(net) || dev.ip_ptr == 0) return -ENODEV
  const in_dev = changetype<in_device>(dev.ip_ptr)
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (local && ifa.ifa_local != local) continue
    if (label && !same_label(ifa, label)) continue
    if (address && (<u32>ifa.ifa_prefixlen != prefixlen || !inet_ifa_match(address, ifa))) continue
    inet_del_ifa(in_dev, ifa)
    return 0
  }
  return -EADDRNOTAVAIL
}
