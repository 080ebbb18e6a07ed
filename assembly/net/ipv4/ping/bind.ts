// A ping socket's life: who may have one, its name, its end. Mirrors ping_init_sock, ping_bind and ping_close of
// net/ipv4/ping.c. Every process is root's: group 0, and no other.

import { htons, ntohs } from '../../../lib/byteorder.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { SOCKADDR_IN_SIZE, SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK, sock, sockaddr_in } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL } from '../../../uapi/errno.ts'
import {
  FN_ping_bind,
  FN_ping_check_bind_addr,
  FN_ping_close,
  FN_ping_init_sock,
  FN_sk_common_release,
} from '../../../uapi/functions.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { AF_INET, AF_UNSPEC } from '../../../uapi/socket.ts'
import { SYSCTL_PING_GROUP_RANGE_HIGH, SYSCTL_PING_GROUP_RANGE_LOW } from '../../../uapi/sysctl.ts'
import { sk_dst_reset, sock_put } from '../../core/sock.ts'
import { inet_addr_type } from '../fib_frontend.ts'
import { inet_can_nonlocal_bind } from '../ip_sockglue/local_address.ts'
import { ping_get_port, ping_unhash } from './hash.ts'

const GROUP: u32 = 0

/** May this process have ping sockets (net.ipv4.ping_group_range)? 0 or -EACCES. */
export function ping_init_sock(owner: net): i32 {
  walk(FN_ping_init_sock, 0)
  const low = <u32>sysctl(owner, SYSCTL_PING_GROUP_RANGE_LOW)
  const high = <u32>sysctl(owner, SYSCTL_PING_GROUP_RANGE_HIGH)
  return low <= GROUP && GROUP <= high ? 0 : -EACCES
}

/** May it have this address? 0 or -errno. */
function ping_check_bind_addr(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN_ping_check_bind_addr, 0)
  if (addrlen < SOCKADDR_IN_SIZE) return -EINVAL
  const sin = changetype<sockaddr_in>(addr)
  const local = sin.sin_addr
  if (sin.sin_family != <u16>AF_INET && (sin.sin_family != <u16>AF_UNSPEC || local != 0)) return -EAFNOSUPPORT
  if (local == 0) return 0
  const type = inet_addr_type(changetype<net>(sk.net), local)
  if (type == RTN_LOCAL) return 0
  if (type == RTN_MULTICAST || type == RTN_BROADCAST) return -EADDRNOTAVAIL
  return inet_can_nonlocal_bind(sk) ? 0 : -EADDRNOTAVAIL
}

/** Names a socket: its port is the identifier. 0 or -errno: -EADDRNOTAVAIL, -EADDRINUSE, -EAFNOSUPPORT, -EINVAL (short, or it has one). */
export function ping_bind(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN_ping_bind, 0)
  const refused = ping_check_bind_addr(sk, addr, addrlen)
  if (refused) return refused
  if (sk.inet_num) return -EINVAL
  const local = changetype<sockaddr_in>(addr).sin_addr
  const num = ntohs(changetype<sockaddr_in>(addr).sin_port)
  const err = ping_get_port(sk, num)
  if (err) return err
  sk.inet_rcv_saddr = local
  sk.inet_saddr = local
  if (local) sk.sk_userlocks |= <u8>SOCK_BINDADDR_LOCK
  if (num) sk.sk_userlocks |= <u8>SOCK_BINDPORT_LOCK
  sk.inet_sport = htons(sk.inet_num)
  sk.inet_daddr = 0
  sk.inet_dport = 0
  sk_dst_reset(sk)
  return 0
}

/** The last handle is closed. */
export function ping_close(sk: sock): void {
  walk(FN_ping_close, 0)
  walk(FN_sk_common_release, 0)
  ping_unhash(sk)
  sock_put(sk)
}
