// SOL_IP options of a socket: setting. Mirrors do_ip_setsockopt of net/ipv4/ip_sockglue.c; layouts are those of C.
// Every caller has all capabilities. Left out: multicast routing; there are no XFRM policies to set.

import { ntohl } from '../../../lib/byteorder.ts'
import { kfree, kmalloc } from '../../../lib/arena.ts'
import { IP_OPTIONS_SIZE } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import {
  INET_BIND_ADDRESS_NO_PORT,
  INET_FREEBIND,
  INET_HDRINCL,
  INET_MC_ALL,
  INET_MC_LOOP,
  INET_NODEFRAG,
  INET_PASSSEC,
  INET_PKTINFO,
  INET_RECVCHECKSUM,
  INET_RECVERR,
  INET_RECVERR_RFC4884,
  INET_RECVFRAGSIZE,
  INET_RECVOPTS,
  INET_RECVORIGDSTADDR,
  INET_RECVTOS,
  INET_RECVTTL,
  INET_RETOPTS,
  INET_RTALERT,
  INET_TRANSPARENT,
  sock,
} from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EADDRNOTAVAIL, EINVAL, EMSGSIZE, ENOMEM, ENOPROTOOPT, EOPNOTSUPP } from '../../../uapi/errno.ts'
import { FN_do_ip_setsockopt, FN_ip_setsockopt } from '../../../uapi/functions.ts'
import {
  IP_ADD_MEMBERSHIP,
  IP_BIND_ADDRESS_NO_PORT,
  IP_CHECKSUM,
  IP_FREEBIND,
  IP_HDRINCL,
  IP_IPSEC_POLICY,
  IP_LOCAL_PORT_RANGE,
  IP_MINTTL,
  IP_MTU_DISCOVER,
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_NODEFRAG,
  IP_OPTIONS,
  IP_PASSSEC,
  IP_PKTINFO,
  IP_PMTUDISC_OMIT,
  IP_RECVERR,
  IP_RECVERR_RFC4884,
  IP_RECVFRAGSIZE,
  IP_RECVOPTS,
  IP_RECVORIGDSTADDR,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_RETOPTS,
  IP_ROUTER_ALERT,
  IP_TOS,
  IP_TRANSPARENT,
  IP_TTL,
  IP_UNICAST_IF,
  IP_XFRM_POLICY,
  MCAST_MSFILTER,
} from '../../../uapi/in.ts'
import { SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../../../uapi/socket.ts'
import { __dev_get_by_index } from '../../core/dev.ts'
import { sk_dst_reset, skb_errqueue_purge } from '../../core/sock.ts'
import { __ip_dev_find } from '../devinet.ts'
import { ip_options_get } from '../ip_options/user.ts'
import { ip_setsockopt_group } from './groups.ts'
import { ip_ra_control } from './router_alert.ts'
import { rt_tos2priority } from './tos.ts'

/** The flag of an option that is on or off, 0: it is none. */
export function inet_flag_of(name: u32): u32 {
  switch (name) {
    case IP_PKTINFO:
      return INET_PKTINFO
    case IP_RECVTTL:
      return INET_RECVTTL
    case IP_RECVTOS:
      return INET_RECVTOS
    case IP_RECVOPTS:
      return INET_RECVOPTS
    case IP_RETOPTS:
      return INET_RETOPTS
    case IP_PASSSEC:
      return INET_PASSSEC
    case IP_RECVORIGDSTADDR:
      return INET_RECVORIGDSTADDR
    case IP_RECVFRAGSIZE:
      return INET_RECVFRAGSIZE
    case IP_CHECKSUM:
      return INET_RECVCHECKSUM
    case IP_RECVERR:
      return INET_RECVERR
    case IP_RECVERR_RFC4884:
      return INET_RECVERR_RFC4884
    case IP_FREEBIND:
      return INET_FREEBIND
    case IP_TRANSPARENT:
      return INET_TRANSPARENT
    case IP_NODEFRAG:
      return INET_NODEFRAG
    case IP_BIND_ADDRESS_NO_PORT:
      return INET_BIND_ADDRESS_NO_PORT
    case IP_HDRINCL:
      return INET_HDRINCL
    case IP_MULTICAST_LOOP:
      return INET_MC_LOOP
    case IP_MULTICAST_ALL:
      return INET_MC_ALL
    default:
      return 0
  }
}

/** Who may set such an option, and to what. 0 or -errno. */
function flag_refused(sk: sock, name: u32, value: i32, len: u32): i32 {
  const type = <u32>sk.sk_type
  switch (name) {
    case IP_NODEFRAG:
    case IP_HDRINCL:
      return type == SOCK_RAW ? 0 : -ENOPROTOOPT
    case IP_RECVFRAGSIZE:
      return type == SOCK_RAW || type == SOCK_DGRAM ? 0 : -EINVAL
    case IP_RECVERR_RFC4884:
      return value == 0 || value == 1 ? 0 : -EINVAL
    case IP_MULTICAST_ALL:
      return len && (value == 0 || value == 1) ? 0 : -EINVAL
    case IP_FREEBIND:
    case IP_TRANSPARENT:
    case IP_MULTICAST_LOOP:
      return len ? 0 : -EINVAL
    default:
      return 0
  }
}

function set_flag(sk: sock, name: u32, flag: u32, value: i32, len: u32): i32 {
  const err = flag_refused(sk, name, value, len)
  if (err) return err
  if (value) sk.inet_flags |= flag
  else sk.inet_flags &= ~flag
  if (name == IP_RECVERR && value == 0) skb_errqueue_purge(sk)
  return 0
}

/** TOS; a stream keeps its ECN bits to itself. A value beyond a byte is another one, even if its byte is the same. */
function ip_sock_set_tos(sk: sock, value: i32): void {
  const tos = sk.sk_type == <u16>SOCK_STREAM ? (value & ~3) | ((<i32>sk.tos) & 3) : value
  if (<i32>sk.tos == tos) return
  sk.tos = <u8>tos
  sk.sk_priority = rt_tos2priority(<u32>sk.tos)
  sk_dst_reset(sk)
}

function set_ttl(sk: sock, value: i32, len: u32): i32 {
  if (len == 0 || (value != -1 && (value < 1 || value > 255))) return -EINVAL
  sk.uc_ttl = <i16>value
  return 0
}

function set_multicast_ttl(sk: sock, value: i32, len: u32): i32 {
  if (sk.sk_type == <u16>SOCK_STREAM || len == 0) return -EINVAL
  const ttl = value == -1 ? 1 : value
  if (ttl < 0 || ttl > 255) return -EINVAL
  sk.mc_ttl = <u8>ttl
  return 0
}

/** Low and high bound in the halves of a word, 0: none. */
function set_local_port_range(sk: sock, value: u32, len: u32): i32 {
  if (len != 4) return -EINVAL
  const low = value & 0xffff
  const high = value >> 16
  if (low && high && low > high) return -EINVAL
  sk.local_port_range = value
  return 0
}

/** Is the device one that a socket bound to another may not name? */
function other_device(sk: sock, ifindex: u32): bool {
  return sk.sk_bound_dev_if != 0 && ifindex != sk.sk_bound_dev_if
}

/** An index in network order. */
function set_unicast_if(sk: sock, value: u32, len: u32): i32 {
  if (len != 4) return -EINVAL
  const ifindex = ntohl(value)
  if (ifindex) {
    if (changetype<usize>(__dev_get_by_index(changetype<net>(sk.net), ifindex)) == 0) return -EADDRNOTAVAIL
    if (other_device(sk, ifindex)) return -EINVAL
  }
  sk.uc_index = ifindex
  return 0
}

/** in_addr, ip_mreq or ip_mreqn, by their length: address, and index of a device. */
function set_multicast_if(sk: sock, ptr: usize, len: u32): i32 {
  if (sk.sk_type == <u16>SOCK_STREAM || len < 4) return -EINVAL
  const address = len >= 8 ? load<u32>(ptr, 4) : load<u32>(ptr)
  let ifindex = len >= 12 ? load<u32>(ptr, 8) : 0
  const owner = changetype<net>(sk.net)
  if (ifindex == 0 && address == 0) {
    sk.mc_index = 0
    sk.mc_addr = 0
    return 0
  }
  const dev: net_device = ifindex ? __dev_get_by_index(owner, ifindex) : __ip_dev_find(owner, address)
  if (changetype<usize>(dev) == 0) return -EADDRNOTAVAIL
  ifindex = dev.ifindex
  if (other_device(sk, ifindex)) return -EINVAL
  sk.mc_index = ifindex
  sk.mc_addr = address
  return 0
}

const OPTIONS: usize = memory.data(64, 16)

/** Options for every datagram; with a length of 0 an empty block, which raw sockets tell from none (raw-hdrincl-options). */
function set_options(sk: sock, ptr: usize, len: u32): i32 {
  if (len > 40) return -EINVAL
  const err = ip_options_get(changetype<net>(sk.net), OPTIONS, ptr, len)
  if (err) return err
  const block = kmalloc(IP_OPTIONS_SIZE)
  if (block == 0) return -ENOMEM
  memory.copy(block, OPTIONS, IP_OPTIONS_SIZE)
  kfree(sk.inet_opt, sk.inet_opt_size)
  sk.inet_opt = block
  sk.inet_opt_size = <u32>IP_OPTIONS_SIZE
  return 0
}

/** Packets that are forwarded and ask routers to look at them. */
function set_router_alert(sk: sock, on: bool): i32 {
  const err = ip_ra_control(sk, on)
  if (err) return err
  if (on) sk.inet_flags |= INET_RTALERT
  else sk.inet_flags &= ~INET_RTALERT
  return 0
}

/** An option's value as Linux reads it: an int, or one byte when there are fewer than four. */
function int_value(ptr: usize, len: u32): i32 {
  return len >= 4 ? load<i32>(ptr) : len ? <i32>load<u8>(ptr) : 0
}

/** Sets an option: its value is len bytes at ptr. 0 or -errno; -ENOPROTOOPT: no such option. */
export function ip_setsockopt(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  walk(FN_ip_setsockopt, 0)
  walk(FN_do_ip_setsockopt, 0)
  const value = int_value(ptr, len)
  const flag = inet_flag_of(name)
  if (flag) return set_flag(sk, name, flag, value, len)
  switch (name) {
    case IP_TOS: {
      ip_sock_set_tos(sk, value)
      return 0
    }
    case IP_TTL:
      return set_ttl(sk, value, len)
    case IP_MINTTL: {
      if (len == 0 || value < 0 || value > 255) return -EINVAL
      sk.min_ttl = <u8>value
      return 0
    }
    case IP_MULTICAST_TTL:
      return set_multicast_ttl(sk, value, len)
    case IP_MTU_DISCOVER: {
      if (value < 0 || value > <i32>IP_PMTUDISC_OMIT) return -EINVAL
      sk.pmtudisc = <u8>value
      return 0
    }
    case IP_LOCAL_PORT_RANGE:
      return set_local_port_range(sk, value, len)
    case IP_UNICAST_IF:
      return set_unicast_if(sk, value, len)
    case IP_MULTICAST_IF:
      return set_multicast_if(sk, ptr, len)
    case IP_OPTIONS:
      return set_options(sk, ptr, len)
    case IP_ROUTER_ALERT:
      return set_router_alert(sk, value != 0)
    case IP_IPSEC_POLICY:
      return len ? -EOPNOTSUPP : -EMSGSIZE
    case IP_XFRM_POLICY:
      return len ? -EINVAL : -EMSGSIZE
    default: {
      const of_group = name >= IP_ADD_MEMBERSHIP && name <= MCAST_MSFILTER
      return of_group ? ip_setsockopt_group(sk, name, ptr, len) : -ENOPROTOOPT
    }
  }
}
