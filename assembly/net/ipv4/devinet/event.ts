// A device gets and loses its IPv4 part, and what follows when it goes up or down. Mirrors inetdev_init, inetdev_destroy and
// inetdev_event of net/ipv4/devinet.c. Gratuitous ARP (arp_notify) is sent by net/ipv4/arp, which lies above.

import { net } from '../../../include/net_namespace.ts'
import {
  DEV_NAME,
  IFA_F_PERMANENT,
  IFA_LABEL,
  IN_DEVICE_SIZE,
  IN_DEV_CNF,
  IN_DEV_CNF_SIZE,
  NETDEV_CHANGEMTU,
  NETDEV_CHANGENAME,
  NETDEV_DOWN,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  in_device,
  in_ifaddr,
  net_device,
} from '../../../include/netdevice.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOMEM } from '../../../uapi/errno.ts'
import { FN_inetdev_destroy, FN_inetdev_event, FN_inetdev_init } from '../../../uapi/functions.ts'
import { IFF_LOOPBACK, IFF_UP } from '../../../uapi/if.ts'
import { RT_SCOPE_HOST } from '../../../uapi/rtnetlink.ts'
import { IPV4_DEVCONF_NOPOLICY, IPV4_DEVCONF_NOXFRM } from '../../../uapi/sysctl.ts'
import { IFNAMSIZ } from '../../core/dev.ts'
import { arp_ifdown } from '../arp/table.ts'
import { neigh_parms_alloc, neigh_parms_release } from '../../core/neighbour.ts'
import { NO_IN_DEV } from '../devinet.ts'
import { ip_mc_destroy_dev, ip_mc_down, ip_mc_init_dev, ip_mc_up } from '../igmp.ts'
import { inet_alloc_ifa, inet_del_ifa, inet_insert_ifa, inet_make_mask } from './ifa.ts'

/** Least MTU for IPv4 (RFC 791 3.2): below it a device has none. */
const IPV4_MIN_MTU: u32 = 68
/** A label while it is changed; a number of 32 bits fits besides. */
const OLD_LABEL: usize = memory.data(32, 4)
/** 127.0.0.1 */
const INADDR_LOOPBACK: u32 = 0x0100007f

/** Switches on for this device. */
function conf_set(in_dev: in_device, id: u32): void {
  store<i32>(changetype<usize>(in_dev) + IN_DEV_CNF + ((<usize>id) << 2), 1)
}

/** Gives a device its IPv4 part, with the namespace's default switches. NO_IN_DEV: out of memory. */
export function inetdev_init(dev: net_device): in_device {
  walk(FN_inetdev_init, 0)
  const owner = changetype<net>(dev.nd_net)
  const p = kzalloc(IN_DEVICE_SIZE)
  if (p == 0) return NO_IN_DEV
  const in_dev = changetype<in_device>(p)
  in_dev.dev = changetype<usize>(dev)
  in_dev.arp_parms = neigh_parms_alloc(owner, dev)
  if (in_dev.arp_parms == 0) {
    kfree(p, IN_DEVICE_SIZE)
    return NO_IN_DEV
  }
  memory.copy(p + IN_DEV_CNF, owner.devconf_dflt, IN_DEV_CNF_SIZE)
  ip_mc_init_dev(in_dev)
  if (dev.flags & IFF_UP) ip_mc_up(in_dev)
  dev.ip_ptr = p
  return in_dev
}

/** Takes it away: groups, addresses with their routes, neighbours. */
export function inetdev_destroy(in_dev: in_device): void {
  walk(FN_inetdev_destroy, 0)
  const dev = changetype<net_device>(in_dev.dev)
  in_dev.dead = 1
  ip_mc_destroy_dev(in_dev)
  while (in_dev.ifa_list) inet_del_ifa(in_dev, changetype<in_ifaddr>(in_dev.ifa_list))
  dev.ip_ptr = 0
  neigh_parms_release(in_dev.arp_parms)
  arp_ifdown(dev)
  kfree(changetype<usize>(in_dev), IN_DEVICE_SIZE)
}

/** lo comes up without an address: it gets 127.0.0.1/8. */
function loopback_address(in_dev: in_device): void {
  const ifa = inet_alloc_ifa(in_dev)
  if (changetype<usize>(ifa) == 0) return
  ifa.ifa_local = INADDR_LOOPBACK
  ifa.ifa_address = INADDR_LOOPBACK
  ifa.ifa_prefixlen = 8
  ifa.ifa_mask = inet_make_mask(8)
  ifa.ifa_scope = <u8>RT_SCOPE_HOST
  ifa.ifa_flags = IFA_F_PERMANENT
  memory.copy(changetype<usize>(ifa) + IFA_LABEL, in_dev.dev + DEV_NAME, IFNAMSIZ)
  inet_insert_ifa(ifa)
}

function without_ip(dev: net_device, event: u32): i32 {
  if (event != NETDEV_REGISTER && !(event == NETDEV_CHANGEMTU && dev.mtu >= IPV4_MIN_MTU)) return 0
  const in_dev = inetdev_init(dev)
  if (changetype<usize>(in_dev) == 0) return -ENOMEM
  if (event == NETDEV_REGISTER && dev.flags & IFF_LOOPBACK) {
    conf_set(in_dev, IPV4_DEVCONF_NOXFRM)
    conf_set(in_dev, IPV4_DEVCONF_NOPOLICY)
  }
  return 0
}

/** Bytes of a name before its 0. */
function length(name: usize): usize {
  let n: usize = 0
  while (load<u8>(name + n)) n++
  return n
}

/** Writes ':' and a number, ended by 0. */
function write_number(to: usize, number: u32): void {
  store<u8>(to, 0x3a)
  let digits: usize = 1
  for (let rest = number; rest > 9; rest /= 10) digits++
  store<u8>(to + digits + 1, 0)
  for (let rest = number, i = digits; i > 0; rest /= 10, i--) store<u8>(to + i, <u8>(0x30 + (rest % 10)))
}

/** The device has another name: the labels of its addresses follow. Of those without a part of their own, the first is the name. */
function inetdev_changename(in_dev: in_device): void {
  let named: u32 = 0
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const label = p + IFA_LABEL
    memory.copy(OLD_LABEL, label, IFNAMSIZ)
    memory.copy(label, in_dev.dev + DEV_NAME, IFNAMSIZ)
    if (named++ == 0) continue
    let part = OLD_LABEL
    while (load<u8>(part) != 0 && load<u8>(part) != 0x3a) part++
    if (load<u8>(part) == 0) {
      part = OLD_LABEL
      write_number(part, named)
    }
    const bytes = length(part) + 1
    const name = length(label)
    const at = name + bytes <= <usize>IFNAMSIZ ? name : <usize>IFNAMSIZ - bytes
    memory.copy(label + at, part, bytes)
  }
}

/** A device changed (NETDEV_*): before fib_netdev_event and arp_netdev_event. 0, or -ENOMEM when it gets no IPv4. */
export function inetdev_event(dev: net_device, event: u32): i32 {
  walk(FN_inetdev_event, 0)
  const in_dev = changetype<in_device>(dev.ip_ptr)
  if (changetype<usize>(in_dev) == 0) return without_ip(dev, event)
  if (event == NETDEV_UP && dev.mtu >= IPV4_MIN_MTU) {
    if (dev.flags & IFF_LOOPBACK && in_dev.ifa_list == 0) loopback_address(in_dev)
    ip_mc_up(in_dev)
  } else if (event == NETDEV_DOWN) {
    ip_mc_down(in_dev)
  } else if (event == NETDEV_UNREGISTER || (event == NETDEV_CHANGEMTU && dev.mtu < IPV4_MIN_MTU)) {
    inetdev_destroy(in_dev)
  } else if (event == NETDEV_CHANGENAME) {
    inetdev_changename(in_dev)
  }
  return 0
}
