// Memberships of sockets: joining, leaving, source filters. Mirrors the socket part of net/ipv4/igmp.c.
// The devices' groups are in igmp.ts. Read first: RFC 3376 2, RFC 3678 4.1.

import { flowi4, FLOWI4_SIZE, rtable } from '../../include/dst.ts'
import {
  IP_MC_SOCKLIST_SIZE,
  IP_SF_ADDRS,
  ip_mc_socklist,
  ip_mreqn,
  ip_sf_addr,
  ip_sf_addr_set,
  ip_sf_socklist,
  ip_sf_socklist_size,
} from '../../include/igmp.ts'
import { ipv4_is_multicast } from '../../include/ip.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import { in_device, net_device } from '../../include/netdevice.ts'
import { sock } from '../../include/sock.ts'
import { ntohl } from '../../lib/byteorder.ts'
import { IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV, ENOMEM } from '../../uapi/errno.ts'
import {
  FN___ip_mc_join_group,
  FN_ip_mc_drop_socket,
  FN_ip_mc_find_dev,
  FN_ip_mc_join_group,
  FN_ip_mc_leave_group,
  FN_ip_mc_leave_src,
  FN_ip_mc_msfilter,
  FN_ip_mc_source,
} from '../../uapi/functions.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../uapi/in.ts'
import { SYSCTL_IGMP_MAX_MEMBERSHIPS, SYSCTL_IGMP_MAX_MSF } from '../../uapi/sysctl.ts'
import { NO_DEVICE, __dev_get_by_index } from '../core/dev.ts'
import { dst_release } from '../core/dst.ts'
import { sock_kfree_s, sock_kmalloc } from '../core/sock.ts'
import { __ip_dev_find } from './devinet.ts'
import { ____ip_mc_inc_group, ip_mc_add_src, ip_mc_dec_group, ip_mc_del_src } from './igmp.ts'
import { ip_route_output_key } from './route/output.ts'

const FL4: usize = memory.data(64, 16)
/** The one source that ip_mc_source hands on. */
const SOURCE: usize = memory.data(4, 4)
/** A list of sources grows by so many. */
const IP_SFBLOCK: u32 = 10
/** What Linux charges for a membership, and for a list of so many sources. */
const SOCKLIST_CHARGE: u32 = 48

function list_charge(max: u32): u32 {
  return 24 + (max << 2)
}

const NO_IN_DEVICE: in_device = changetype<in_device>(0)

function in_device_of(dev: net_device): in_device {
  return changetype<usize>(dev) ? changetype<in_device>(dev.ip_ptr) : NO_IN_DEVICE
}

/** The device by which a group goes when nothing else is said: that of the route. */
function route_dev(owner: net, group: u32): net_device {
  memory.fill(FL4, 0, FLOWI4_SIZE)
  const fl4 = changetype<flowi4>(FL4)
  fl4.daddr = group
  const rt = ip_route_output_key(owner, fl4)
  if (IS_ERR(rt)) return NO_DEVICE
  const dev = changetype<net_device>(changetype<rtable>(rt).dev)
  dst_release(rt)
  return dev
}

/** The device that a request means, its index entered there. 0: there is none, or it has no IPv4. */
export function ip_mc_find_dev(owner: net, imr: ip_mreqn): in_device {
  walk(FN_ip_mc_find_dev, 0)
  if (imr.imr_ifindex) return in_device_of(__dev_get_by_index(owner, imr.imr_ifindex))
  let dev = NO_DEVICE
  if (imr.imr_address) {
    dev = __ip_dev_find(owner, imr.imr_address)
    if (changetype<usize>(dev) == 0) return NO_IN_DEVICE
  } else {
    dev = route_dev(owner, imr.imr_multiaddr)
  }
  if (changetype<usize>(dev) == 0) return NO_IN_DEVICE
  imr.imr_ifindex = dev.ifindex
  return in_device_of(dev)
}

/** The socket's membership of this group on this device, 0: none. */
function find_membership(sk: sock, group: u32, ifindex: u32): ip_mc_socklist {
  let p = sk.mc_list
  while (p) {
    const iml = changetype<ip_mc_socklist>(p)
    if (iml.imr_multiaddr == group && iml.imr_ifindex == ifindex) break
    p = iml.next_rcu
  }
  return changetype<ip_mc_socklist>(p)
}

/**
 * The socket joins a group in a mode, without sources. 0; -EINVAL: no group; -ENODEV: no such device;
 * -EADDRINUSE: it is a member already; -ENOBUFS: more than igmp_max_memberships; -ENOMEM.
 */
export function __ip_mc_join_group(sk: sock, imr: ip_mreqn, mode: u32): i32 {
  walk(FN___ip_mc_join_group, 0)
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL
  const owner = changetype<net>(sk.net)
  const in_dev = ip_mc_find_dev(owner, imr)
  if (changetype<usize>(in_dev) == 0) return -ENODEV
  if (changetype<usize>(find_membership(sk, imr.imr_multiaddr, imr.imr_ifindex))) return -EADDRINUSE
  let count = 0
  for (let p = sk.mc_list; p; p = changetype<ip_mc_socklist>(p).next_rcu) count++
  if (count >= sysctl(owner, SYSCTL_IGMP_MAX_MEMBERSHIPS)) return -ENOBUFS
  const p = sock_kmalloc(sk, IP_MC_SOCKLIST_SIZE, SOCKLIST_CHARGE)
  if (p == 0) return -ENOBUFS
  if (____ip_mc_inc_group(in_dev, imr.imr_multiaddr, mode) < 0) {
    sock_kfree_s(sk, p, IP_MC_SOCKLIST_SIZE, SOCKLIST_CHARGE)
    return -ENOMEM
  }
  const iml = changetype<ip_mc_socklist>(p)
  iml.imr_multiaddr = imr.imr_multiaddr
  iml.imr_address = imr.imr_address
  iml.imr_ifindex = imr.imr_ifindex
  iml.sfmode = mode
  iml.next_rcu = sk.mc_list
  sk.mc_list = p
  return 0
}

/** Joins a group, from any source (IP_ADD_MEMBERSHIP). */
export function ip_mc_join_group(sk: sock, imr: ip_mreqn): i32 {
  walk(FN_ip_mc_join_group, 0)
  return __ip_mc_join_group(sk, imr, MCAST_EXCLUDE)
}

/** Joins a group in a mode, as the first of its sources is about to be named (IP_ADD_SOURCE_MEMBERSHIP). */
export function ip_mc_join_group_ssm(sk: sock, imr: ip_mreqn, mode: u32): i32 {
  return __ip_mc_join_group(sk, imr, mode)
}

/** A list with room for max sources, and those of another (0: none). 0: out of memory. */
function new_list(sk: sock, max: u32, from: usize): usize {
  const list = sock_kmalloc(sk, ip_sf_socklist_size(max), list_charge(max))
  if (list == 0) return 0
  const count: u32 = from ? changetype<ip_sf_socklist>(from).sl_count : 0
  changetype<ip_sf_socklist>(list).sl_max = max
  changetype<ip_sf_socklist>(list).sl_count = count
  if (count) memory.copy(list + IP_SF_ADDRS, from + IP_SF_ADDRS, (<usize>count) << 2)
  return list
}

function free_list(sk: sock, list: usize): void {
  if (list == 0) return
  const max = changetype<ip_sf_socklist>(list).sl_max
  sock_kfree_s(sk, list, ip_sf_socklist_size(max), list_charge(max))
}

/** A membership's sources leave the device's filter. */
function ip_mc_leave_src(sk: sock, iml: ip_mc_socklist, in_dev: in_device): void {
  walk(FN_ip_mc_leave_src, 0)
  const list = iml.sflist
  if (list == 0) {
    ip_mc_del_src(in_dev, iml.imr_multiaddr, iml.sfmode, 0, 0, false)
    return
  }
  const count = changetype<ip_sf_socklist>(list).sl_count
  ip_mc_del_src(in_dev, iml.imr_multiaddr, iml.sfmode, count, list + IP_SF_ADDRS, false)
  iml.sflist = 0
  free_list(sk, list)
}

/** Is this the membership that a request to leave means? */
function meant(iml: ip_mc_socklist, imr: ip_mreqn): bool {
  if (iml.imr_multiaddr != imr.imr_multiaddr) return false
  if (imr.imr_ifindex) return iml.imr_ifindex == imr.imr_ifindex
  return imr.imr_address == 0 || imr.imr_address == iml.imr_address
}

/** Leaves a group. 0; -ENODEV: no such device; -EADDRNOTAVAIL: not a member. */
export function ip_mc_leave_group(sk: sock, imr: ip_mreqn): i32 {
  walk(FN_ip_mc_leave_group, 0)
  const in_dev = ip_mc_find_dev(changetype<net>(sk.net), imr)
  if (imr.imr_ifindex == 0 && imr.imr_address == 0 && changetype<usize>(in_dev) == 0) return -ENODEV
  let link = changetype<usize>(sk) + offsetof<sock>('mc_list')
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const iml = changetype<ip_mc_socklist>(p)
    if (meant(iml, imr)) {
      store<usize>(link, iml.next_rcu)
      ip_mc_leave_src(sk, iml, in_dev)
      if (changetype<usize>(in_dev)) ip_mc_dec_group(in_dev, iml.imr_multiaddr)
      sock_kfree_s(sk, p, IP_MC_SOCKLIST_SIZE, SOCKLIST_CHARGE)
      return 0
    }
    link = p + offsetof<ip_mc_socklist>('next_rcu')
  }
  return -EADDRNOTAVAIL
}

/** The socket is closed: it leaves all groups. */
export function ip_mc_drop_socket(sk: sock): void {
  if (sk.mc_list == 0) return
  walk(FN_ip_mc_drop_socket, 0)
  const owner = changetype<net>(sk.net)
  while (sk.mc_list) {
    const p = sk.mc_list
    const iml = changetype<ip_mc_socklist>(p)
    sk.mc_list = iml.next_rcu
    const in_dev = in_device_of(__dev_get_by_index(owner, iml.imr_ifindex))
    ip_mc_leave_src(sk, iml, in_dev)
    if (changetype<usize>(in_dev)) ip_mc_dec_group(in_dev, iml.imr_multiaddr)
    sock_kfree_s(sk, p, IP_MC_SOCKLIST_SIZE, SOCKLIST_CHARGE)
  }
}

/** Where a source stands in the list, or would: the first that is not smaller. */
function place(list: usize, source: u32): u32 {
  const count = changetype<ip_sf_socklist>(list).sl_count
  let i: u32 = 0
  while (i < count && ntohl(ip_sf_addr(list, i)) < ntohl(source)) i++
  return i
}

function holds(list: usize, i: u32, source: u32): bool {
  return i < changetype<ip_sf_socklist>(list).sl_count && ip_sf_addr(list, i) == source
}

/** The membership's list with room for one more. False: out of memory. */
function grow(sk: sock, iml: ip_mc_socklist): bool {
  const old = iml.sflist
  const count: u32 = old ? changetype<ip_sf_socklist>(old).sl_count : 0
  const max: u32 = old ? changetype<ip_sf_socklist>(old).sl_max : 0
  if (count < max) return true
  const list = new_list(sk, max + IP_SFBLOCK, old)
  if (list == 0) return false
  free_list(sk, old)
  iml.sflist = list
  return true
}

function add_source(sk: sock, iml: ip_mc_socklist, in_dev: in_device, mode: u32, source: u32): i32 {
  const owner = changetype<net>(sk.net)
  if (iml.sflist) {
    const count = <i32>changetype<ip_sf_socklist>(iml.sflist).sl_count
    if (count >= sysctl(owner, SYSCTL_IGMP_MAX_MSF)) return -ENOBUFS
  }
  if (!grow(sk, iml)) return -ENOBUFS
  const list = iml.sflist
  const i = place(list, source)
  if (holds(list, i, source)) return -EADDRNOTAVAIL
  for (let j = changetype<ip_sf_socklist>(list).sl_count; j > i; j--) ip_sf_addr_set(list, j, ip_sf_addr(list, j - 1))
  ip_sf_addr_set(list, i, source)
  changetype<ip_sf_socklist>(list).sl_count += 1
  store<u32>(SOURCE, source)
  ip_mc_add_src(in_dev, iml.imr_multiaddr, mode, 1, SOURCE, true)
  return 0
}

/** LEAVE: the last source of an INCLUDE filter goes, which is to leave the group. */
const LEAVE: i32 = 1

function remove_source(iml: ip_mc_socklist, in_dev: in_device, mode: u32, source: u32): i32 {
  const list = iml.sflist
  if (list == 0) return -EADDRNOTAVAIL
  const count = changetype<ip_sf_socklist>(list).sl_count
  let i: u32 = 0
  while (i < count && ip_sf_addr(list, i) != source) i++
  if (i == count) return -EADDRNOTAVAIL
  if (count == 1 && mode == MCAST_INCLUDE) return LEAVE
  store<u32>(SOURCE, source)
  ip_mc_del_src(in_dev, iml.imr_multiaddr, mode, 1, SOURCE, true)
  for (let j = i; j < count - 1; j++) ip_sf_addr_set(list, j, ip_sf_addr(list, j + 1))
  changetype<ip_sf_socklist>(list).sl_count = count - 1
  return 0
}

/**
 * Names (add) or takes back one source of a membership in a mode: IP_BLOCK_SOURCE and its kin (RFC 3678 4.1.3).
 * 0; -EINVAL: no group, not a member, or its filter is of the other mode; -ENODEV; -EADDRNOTAVAIL: named already, or
 * not; -ENOBUFS: more than igmp_max_msf.
 */
export function ip_mc_source(add: bool, mode: u32, sk: sock, imr: ip_mreqn, source: u32): i32 {
  walk(FN_ip_mc_source, 0)
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL
  const owner = changetype<net>(sk.net)
  const in_dev = ip_mc_find_dev(owner, imr)
  if (changetype<usize>(in_dev) == 0) return -ENODEV
  const iml = find_membership(sk, imr.imr_multiaddr, imr.imr_ifindex)
  if (changetype<usize>(iml) == 0) return -EINVAL
  if (iml.sfmode != mode) {
    // A filter without sources may change its mode.
    if (iml.sflist) return -EINVAL
    ip_mc_add_src(in_dev, iml.imr_multiaddr, mode, 0, 0, false)
    ip_mc_del_src(in_dev, iml.imr_multiaddr, iml.sfmode, 0, 0, false)
    iml.sfmode = mode
  }
  if (add) return add_source(sk, iml, in_dev, mode, source)
  const err = remove_source(iml, in_dev, mode, source)
  return err == LEAVE ? ip_mc_leave_group(sk, imr) : err
}

/**
 * Replaces the filter of a membership by count sources (u32 each at sources): IP_MSFILTER. INCLUDE without sources is to
 * leave. 0; -EINVAL: no group or mode, or not a member; -ENODEV; -ENOBUFS.
 */
export function ip_mc_msfilter(sk: sock, imr: ip_mreqn, mode: u32, count: u32, sources: usize): i32 {
  walk(FN_ip_mc_msfilter, 0)
  if (!ipv4_is_multicast(imr.imr_multiaddr) || mode > MCAST_INCLUDE) return -EINVAL
  const in_dev = ip_mc_find_dev(changetype<net>(sk.net), imr)
  if (changetype<usize>(in_dev) == 0) return -ENODEV
  if (mode == MCAST_INCLUDE && count == 0) return ip_mc_leave_group(sk, imr)
  const iml = find_membership(sk, imr.imr_multiaddr, imr.imr_ifindex)
  if (changetype<usize>(iml) == 0) return -EINVAL
  let list: usize = 0
  if (count) {
    list = new_list(sk, count, 0)
    if (list == 0) return -ENOBUFS
    memory.copy(list + IP_SF_ADDRS, sources, (<usize>count) << 2)
    changetype<ip_sf_socklist>(list).sl_count = count
  }
  const err = ip_mc_add_src(in_dev, iml.imr_multiaddr, mode, count, list + IP_SF_ADDRS, false)
  if (err < 0) {
    free_list(sk, list)
    return err
  }
  ip_mc_leave_src(sk, iml, in_dev)
  iml.sflist = list
  iml.sfmode = mode
  return 0
}

/**
 * Reads a filter: its mode to modeOut, up to max sources to out. The number of sources; -EINVAL: no group; -ENODEV;
 * -EADDRNOTAVAIL: not a member.
 */
export function ip_mc_msfget(sk: sock, imr: ip_mreqn, modeOut: usize, out: usize, max: u32): i32 {
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL
  if (changetype<usize>(ip_mc_find_dev(changetype<net>(sk.net), imr)) == 0) return -ENODEV
  const iml = find_membership(sk, imr.imr_multiaddr, imr.imr_ifindex)
  if (changetype<usize>(iml) == 0) return -EADDRNOTAVAIL
  store<u32>(modeOut, iml.sfmode)
  if (iml.sflist == 0) return 0
  const count = changetype<ip_sf_socklist>(iml.sflist).sl_count
  memory.copy(out, iml.sflist + IP_SF_ADDRS, (<usize>min(count, max)) << 2)
  return <i32>count
}
