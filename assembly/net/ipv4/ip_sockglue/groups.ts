// Options about multicast groups: membership and its sources. Mirrors the multicast part of do_ip_setsockopt in
// net/ipv4/ip_sockglue.c. Read first: RFC 3678 4.1.

import { IP_MREQN_SIZE, ip_mreqn } from '../../../include/igmp.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { INET_IS_ICSK, sock } from '../../../include/sock.ts'
import { EADDRINUSE, EINVAL, ENOBUFS, EPROTO } from '../../../uapi/errno.ts'
import {
  IP_ADD_MEMBERSHIP,
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_BLOCK_SOURCE,
  IP_DROP_MEMBERSHIP,
  IP_MSFILTER,
  IP_UNBLOCK_SOURCE,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
} from '../../../uapi/in.ts'
import { SYSCTL_IGMP_MAX_MSF } from '../../../uapi/sysctl.ts'
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

function filter(sk: sock, ptr: usize, len: u32): i32 {
  if (len < MSFILTER) return -EINVAL
  const count = load<u32>(ptr, 12)
  if (count > <u32>sysctl(changetype<net>(sk.net), SYSCTL_IGMP_MAX_MSF)) return -ENOBUFS
  if (MSFILTER + (count << 2) > len) return -EINVAL
  const imr = request(load<u32>(ptr), load<u32>(ptr, 4), 0)
  return ip_mc_msfilter(sk, imr, load<u32>(ptr, 8), count, ptr + MSFILTER)
}

/** Sets an option about a group. 0 or -errno. */
export function ip_setsockopt_group(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP) return membership(sk, name, ptr, len)
  return name == IP_MSFILTER ? filter(sk, ptr, len) : source(sk, name, ptr, len)
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
