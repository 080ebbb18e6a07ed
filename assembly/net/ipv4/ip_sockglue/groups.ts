// Options about multicast groups: membership and its sources. Mirrors the multicast part of do_ip_setsockopt in
// net/ipv4/ip_sockglue.c. Read first: RFC 3678 4.1.

import { IP_MREQN_SIZE, ip_mreqn } from '../../../include/igmp.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { INET_IS_ICSK, sock } from '../../../include/sock.ts'
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, EPROTO } from '../../../uapi/errno.ts'
import {
  IP_ADD_MEMBERSHIP,
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_BLOCK_SOURCE,
  IP_DROP_MEMBERSHIP,
  IP_MSFILTER,
  IP_UNBLOCK_SOURCE,
  MCAST_BLOCK_SOURCE,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
  MCAST_JOIN_GROUP,
  MCAST_JOIN_SOURCE_GROUP,
  MCAST_LEAVE_GROUP,
  MCAST_MSFILTER,
  MCAST_UNBLOCK_SOURCE,
} from '../../../uapi/in.ts'
import { AF_INET } from '../../../uapi/socket.ts'
import { SYSCTL_CORE_OPTMEM_MAX, SYSCTL_IGMP_MAX_MSF } from '../../../uapi/sysctl.ts'
import {
  ip_mc_join_group,
  ip_mc_join_group_ssm,
  ip_mc_leave_group,
  ip_mc_msfget,
  ip_mc_msfilter,
  ip_mc_source,
} from '../igmp_sock.ts'

const REQUEST: usize = memory.data(16, 16)
/** struct ip_mreq_source: group, interface's address, source. */
const MREQ_SOURCE: u32 = 12
/** struct ip_msfilter without its sources: group, interface's address, mode, number. */
const MSFILTER: u32 = 16
/** struct group_req, group_source_req, group_filter without its sources: an index, then addresses of 128 bytes each. */
const SOCKADDR_STORAGE: u32 = 128
const GROUP_ADDRESS: usize = 8
const GROUP_REQ: u32 = 136
const GROUP_SOURCE_REQ: u32 = 264
const GROUP_FMODE: usize = 136
const GROUP_FILTER: u32 = 144
/** The room that options lie in: no filter is longer. */
const OPTION_MAX: u32 = 131072

/** A request for a group on the device of an address or an index. */
function request(group: u32, address: u32, ifindex: u32): ip_mreqn {
  const imr = changetype<ip_mreqn>(REQUEST)
  imr.imr_multiaddr = group
  imr.imr_address = address
  imr.imr_ifindex = ifindex
  return imr
}

/** ip_mreq (8 bytes) or ip_mreqn (12). */
function membership(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (sk.inet_flags & INET_IS_ICSK) return -EPROTO
  if (len < 8) return -EINVAL
  const ifindex = len >= <u32>IP_MREQN_SIZE ? load<u32>(ptr, 8) : 0
  const imr = request(load<u32>(ptr), load<u32>(ptr, 4), ifindex)
  return name == IP_ADD_MEMBERSHIP ? ip_mc_join_group(sk, imr) : ip_mc_leave_group(sk, imr)
}

function source(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len != MREQ_SOURCE) return -EINVAL
  const group = load<u32>(ptr)
  const address = load<u32>(ptr, 4)
  const from = load<u32>(ptr, 8)
  if (name == IP_BLOCK_SOURCE) return ip_mc_source(true, MCAST_EXCLUDE, sk, request(group, address, 0), from)
  if (name == IP_UNBLOCK_SOURCE) return ip_mc_source(false, MCAST_EXCLUDE, sk, request(group, address, 0), from)
  const join = name == IP_ADD_SOURCE_MEMBERSHIP
  if (join) {
    const err = ip_mc_join_group_ssm(sk, request(group, address, 0), MCAST_INCLUDE)
    if (err && err != -EADDRINUSE) return err
  }
  return ip_mc_source(join, MCAST_INCLUDE, sk, request(group, address, 0), from)
}

/** How many sources a filter of len bytes may have. -errno: more than net.core.optmem_max or igmp_max_msf allow. */
function filter_room(sk: sock, len: u32, count: u32): i32 {
  const owner = changetype<net>(sk.net)
  if (len > min<u32>(<u32>sysctl(owner, SYSCTL_CORE_OPTMEM_MAX), OPTION_MAX)) return -ENOBUFS
  return count > <u32>sysctl(owner, SYSCTL_IGMP_MAX_MSF) || count >= 0x1ffffff ? -ENOBUFS : 0
}

function filter(sk: sock, ptr: usize, len: u32): i32 {
  if (len < MSFILTER) return -EINVAL
  const count = load<u32>(ptr, 12)
  const err = filter_room(sk, len, count)
  if (err) return err
  if (MSFILTER + (count << 2) > len) return -EINVAL
  const imr = request(load<u32>(ptr), load<u32>(ptr, 4), 0)
  return ip_mc_msfilter(sk, imr, load<u32>(ptr, 8), count, ptr + MSFILTER)
}

function is_inet(address: usize): bool {
  return load<u16>(address) == <u16>AF_INET
}

/** MCAST_JOIN_GROUP and MCAST_LEAVE_GROUP: struct group_req. */
function group_request(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len < GROUP_REQ || !is_inet(ptr + GROUP_ADDRESS)) return -EINVAL
  const imr = request(load<u32>(ptr + GROUP_ADDRESS, 4), 0, load<u32>(ptr))
  return name == MCAST_JOIN_GROUP ? ip_mc_join_group(sk, imr) : ip_mc_leave_group(sk, imr)
}

/** MCAST_JOIN_SOURCE_GROUP and its kin: struct group_source_req. */
function group_source(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len != GROUP_SOURCE_REQ) return -EINVAL
  const source = ptr + GROUP_ADDRESS + SOCKADDR_STORAGE
  if (!is_inet(ptr + GROUP_ADDRESS) || !is_inet(source)) return -EADDRNOTAVAIL
  const ifindex = load<u32>(ptr)
  const group = load<u32>(ptr + GROUP_ADDRESS, 4)
  const from = load<u32>(source, 4)
  if (name == MCAST_BLOCK_SOURCE) return ip_mc_source(true, MCAST_EXCLUDE, sk, request(group, 0, ifindex), from)
  if (name == MCAST_UNBLOCK_SOURCE) return ip_mc_source(false, MCAST_EXCLUDE, sk, request(group, 0, ifindex), from)
  const join = name == MCAST_JOIN_SOURCE_GROUP
  if (join) {
    const err = ip_mc_join_group_ssm(sk, request(group, 0, ifindex), MCAST_INCLUDE)
    if (err && err != -EADDRINUSE) return err
  }
  return ip_mc_source(join, MCAST_INCLUDE, sk, request(group, 0, ifindex), from)
}

/** MCAST_MSFILTER: struct group_filter. Its addresses are moved together where they lie. */
function group_filter(sk: sock, ptr: usize, len: u32): i32 {
  if (len < GROUP_FILTER) return -EINVAL
  const count = load<u32>(ptr + GROUP_FMODE, 4)
  const err = filter_room(sk, len, count)
  if (err) return err
  if (GROUP_FILTER + count * SOCKADDR_STORAGE > len) return -EINVAL
  if (!is_inet(ptr + GROUP_ADDRESS)) return -EADDRNOTAVAIL
  const list = ptr + GROUP_FILTER
  for (let i: u32 = 0; i < count; i++) {
    const source = list + i * SOCKADDR_STORAGE
    if (!is_inet(source)) return -EADDRNOTAVAIL
    store<u32>(list + (i << 2), load<u32>(source, 4))
  }
  const imr = request(load<u32>(ptr + GROUP_ADDRESS, 4), 0, load<u32>(ptr))
  return ip_mc_msfilter(sk, imr, load<u32>(ptr + GROUP_FMODE), count, list)
}

/** Sets an option about a group (IP_ADD_MEMBERSHIP to MCAST_MSFILTER). 0 or -errno. */
export function ip_setsockopt_group(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  switch (name) {
    case IP_ADD_MEMBERSHIP:
    case IP_DROP_MEMBERSHIP:
      return membership(sk, name, ptr, len)
    case IP_MSFILTER:
      return filter(sk, ptr, len)
    case MCAST_JOIN_GROUP:
    case MCAST_LEAVE_GROUP:
      return group_request(sk, name, ptr, len)
    case MCAST_MSFILTER:
      return group_filter(sk, ptr, len)
    default:
      return name > IP_MSFILTER ? group_source(sk, name, ptr, len) : source(sk, name, ptr, len)
  }
}

/** IP_MSFILTER: ptr names group and interface, and gets mode, number and sources. 0 or -errno. */
export function ip_getsockopt_msfilter(sk: sock, ptr: usize, lenp: usize): i32 {
  const room = load<u32>(lenp)
  if (room < MSFILTER) return -EINVAL
  const max = min<u32>(load<u32>(ptr, 12), (room - MSFILTER) >> 2)
  const imr = request(load<u32>(ptr), load<u32>(ptr, 4), 0)
  const count = ip_mc_msfget(sk, imr, ptr + 8, ptr + MSFILTER, max)
  if (count < 0) return count
  store<i32>(ptr, count, 12)
  store<u32>(lenp, MSFILTER + (min<u32>(<u32>count, max) << 2))
  return 0
}

/** MCAST_MSFILTER: the same in a struct group_filter. */
export function ip_getsockopt_group_filter(sk: sock, ptr: usize, lenp: usize): i32 {
  const room = load<u32>(lenp)
  if (room < GROUP_FILTER) return -EINVAL
  if (!is_inet(ptr + GROUP_ADDRESS)) return -EINVAL
  const max = min<u32>(load<u32>(ptr + GROUP_FMODE, 4), (room - GROUP_FILTER) / SOCKADDR_STORAGE)
  const imr = request(load<u32>(ptr + GROUP_ADDRESS, 4), 0, load<u32>(ptr))
  const list = ptr + GROUP_FILTER
  const count = ip_mc_msfget(sk, imr, ptr + GROUP_FMODE, list, max)
  if (count < 0) return count
  const given = min<u32>(<u32>count, max)
  // From the last to the first: each address moves to where its sockaddr_in lies.
  for (let i = given; i > 0; i--) {
    const address = load<u32>(list + ((i - 1) << 2))
    const at = list + (i - 1) * SOCKADDR_STORAGE
    memory.fill(at, 0, SOCKADDR_STORAGE)
    store<u16>(at, <u16>AF_INET)
    store<u32>(at, address, 4)
  }
  store<i32>(ptr + GROUP_FMODE, count, 4)
  store<u32>(lenp, GROUP_FILTER + given * SOCKADDR_STORAGE)
  return 0
}
