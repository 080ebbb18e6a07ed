// AF_INET sockets: creation, names, and the way of each call to its protocol. Mirrors net/ipv4/af_inet.c.
// A protocol is served where a function switches on sk_prot; one that is not there does not exist for socket().

import { htons, ntohs } from '../../lib/byteorder.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import {
  INET_BIND_ADDRESS_NO_PORT,
  INET_HDRINCL,
  INET_MC_ALL,
  INET_MC_LOOP,
  PROT_PING,
  PROT_RAW,
  PROT_UDP,
  SK_CAN_REUSE,
  SOCKADDR_IN_SIZE,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  TCP_CLOSE,
  msghdr,
  sock,
  sockaddr_in,
} from '../../include/sock.ts'
import { get_random_u32 } from '../../lib/random.ts'
import { walk } from '../../trace/trace.ts'
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EINVAL,
  ENOBUFS,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from '../../uapi/errno.ts'
import {
  FN___inet_bind,
  FN___udp_disconnect,
  FN_inet_autobind,
  FN_inet_bind,
  FN_inet_create,
  FN_inet_dgram_connect,
  FN_inet_getname,
  FN_inet_recvmsg,
  FN_inet_release,
  FN_inet_send_prepare,
  FN_inet_sendmsg,
  FN_inet_shutdown,
  FN_ip4_datagram_connect,
  FN_udp_getsockopt,
  FN_udp_poll,
  FN_udp_setsockopt,
} from '../../uapi/functions.ts'
import { IP_PMTUDISC_DONT, IP_PMTUDISC_WANT } from '../../uapi/in.ts'
import { RTN_BROADCAST, RTN_MULTICAST } from '../../uapi/rtnetlink.ts'
import {
  AF_INET,
  AF_UNSPEC,
  IPPROTO_ICMP,
  IPPROTO_IP,
  IPPROTO_RAW,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_IP,
  SOL_RAW,
  SOL_UDP,
  SOL_UDPLITE,
} from '../../uapi/socket.ts'
import { SYSCTL_IP_NO_PMTU_DISC } from '../../uapi/sysctl.ts'
import { datagram_poll } from '../core/datagram.ts'
import { sk_alloc, sk_dst_reset, sk_shutdown_add, sock_orphan, sock_put } from '../core/sock.ts'
import { __datagram_disconnect, __ip4_datagram_connect } from './datagram.ts'
import { inet_addr_type } from './fib_frontend.ts'
import { ip_mc_drop_socket } from './igmp_sock.ts'
import { ip_getsockopt } from './ip_sockglue/getsockopt.ts'
import { inet_addr_valid_or_nonlocal } from './ip_sockglue/local_address.ts'
import { ip_setsockopt } from './ip_sockglue/setsockopt.ts'
import { ping_bind, ping_close, ping_init_sock } from './ping/bind.ts'
import { ping_get_port, ping_unhash } from './ping/hash.ts'
import { ping_recvmsg } from './ping/recv.ts'
import { ping_v4_sendmsg } from './ping/send.ts'
import { raw_bind, raw_close } from './raw/bind.ts'
import { raw_hash_sk, raw_unhash_sk } from './raw/hash.ts'
import { raw_getsockopt, raw_setsockopt } from './raw/options.ts'
import { raw_recvmsg } from './raw/recv.ts'
import { raw_sendmsg } from './raw/send.ts'
import { udp_connect, udp_disconnect, udp_lib_close } from './udp/connect.ts'
import { udp_v4_get_port } from './udp/hash.ts'
import { udp_getsockopt, udp_setsockopt } from './udp/options.ts'
import { udp_recvmsg } from './udp/recv.ts'
import { udp_sendmsg } from './udp/send.ts'

/** First number that is no protocol. */
const IPPROTO_MAX: u32 = 263

/** Who serves a type and protocol (0: the type's own): PROT_*, or -errno. */
function inetsw(type: u32, protocol: u32): i32 {
  if (type == SOCK_DGRAM) {
    if (protocol == IPPROTO_IP || protocol == IPPROTO_UDP) return PROT_UDP
    return protocol == IPPROTO_ICMP ? <i32>PROT_PING : -EPROTONOSUPPORT
  }
  if (type == SOCK_RAW) return protocol == IPPROTO_IP ? -EPROTONOSUPPORT : <i32>PROT_RAW
  return type == SOCK_STREAM ? -EPROTONOSUPPORT : -ESOCKTNOSUPPORT
}

/** What a protocol adds to a new socket. 0 or -errno. */
function init_protocol(sk: sock, protocol: u32): i32 {
  if (sk.sk_prot == PROT_UDP) return 0
  sk.sk_reuse = <u8>SK_CAN_REUSE
  if (sk.sk_prot == PROT_PING) return ping_init_sock(changetype<net>(sk.net))
  sk.inet_num = protocol
  sk.inet_sport = htons(protocol)
  if (protocol == IPPROTO_RAW) sk.inet_flags |= INET_HDRINCL
  return raw_hash_sk(sk)
}

/** A new socket's handle, or -errno. */
export function inet_create(net: net, type: u32, protocol: u32): i32 {
  walk(FN_inet_create, 0)
  if (protocol >= IPPROTO_MAX) return -EINVAL
  const prot = inetsw(type, protocol)
  if (prot < 0) return prot
  const sk = sk_alloc(net, AF_INET, type, prot == PROT_UDP ? IPPROTO_UDP : protocol)
  if (changetype<usize>(sk) == 0) return -ENOBUFS
  sk.sk_prot = <u32>prot
  sk.uc_ttl = -1
  sk.mc_ttl = 1
  sk.inet_flags = INET_MC_LOOP | INET_MC_ALL
  sk.pmtudisc = <u8>(sysctl(net, SYSCTL_IP_NO_PMTU_DISC) ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT)
  sk.inet_id = get_random_u32() & 0xffff
  const err = init_protocol(sk, protocol)
  if (err == 0) return <i32>sk.handle
  sock_orphan(sk)
  sock_put(sk)
  return err
}

/** A port for the socket, num or (0) any. 0 or -errno. */
function get_port(sk: sock, num: u32): i32 {
  return sk.sk_prot == PROT_UDP ? udp_v4_get_port(sk, num) : ping_get_port(sk, num)
}

/** Gives a socket that has none a port before it sends or connects. 0 or -EAGAIN. */
function inet_autobind(sk: sock): i32 {
  walk(FN_inet_autobind, 0)
  if (get_port(sk, 0)) return -EAGAIN
  sk.inet_sport = htons(sk.inet_num)
  return 0
}

/** Names a socket. 0 or -errno: -EADDRNOTAVAIL, -EADDRINUSE, -EAFNOSUPPORT, -EINVAL (short, or it has a name). */
export function inet_bind(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN_inet_bind, 0)
  if (sk.sk_prot == PROT_RAW) return raw_bind(sk, addr, addrlen)
  if (sk.sk_prot == PROT_PING) return ping_bind(sk, addr, addrlen)
  if (addrlen < SOCKADDR_IN_SIZE) return -EINVAL
  walk(FN___inet_bind, 0)
  const sin = changetype<sockaddr_in>(addr)
  const local = sin.sin_addr
  if (sin.sin_family != <u16>AF_INET && (sin.sin_family != <u16>AF_UNSPEC || local != 0)) return -EAFNOSUPPORT
  const type = inet_addr_type(changetype<net>(sk.net), local)
  if (!inet_addr_valid_or_nonlocal(sk, local, type)) return -EADDRNOTAVAIL
  if (sk.sk_state != <u8>TCP_CLOSE || sk.inet_num) return -EINVAL

  const num = ntohs(sin.sin_port)
  sk.inet_rcv_saddr = local
  // Who listens to a group or a broadcast address still sends from one of the device.
  sk.inet_saddr = type == RTN_BROADCAST || type == RTN_MULTICAST ? 0 : local
  if (num || !(sk.inet_flags & INET_BIND_ADDRESS_NO_PORT)) {
    const err = get_port(sk, num)
    if (err) {
      sk.inet_rcv_saddr = 0
      sk.inet_saddr = 0
      return err
    }
  }
  if (local) sk.sk_userlocks |= <u8>SOCK_BINDADDR_LOCK
  if (num) sk.sk_userlocks |= <u8>SOCK_BINDPORT_LOCK
  sk.inet_sport = htons(sk.inet_num)
  sk.inet_daddr = 0
  sk.inet_dport = 0
  sk_dst_reset(sk)
  return 0
}

/** Forgets the peer. A name that bind did not give goes with it: a raw socket then hears nothing any more (raw-disconnect). */
function disconnect(sk: sock): i32 {
  if (sk.sk_prot == PROT_UDP) return udp_disconnect(sk)
  walk(FN___udp_disconnect, 0)
  __datagram_disconnect(sk)
  if (sk.sk_userlocks & (<u8>SOCK_BINDPORT_LOCK)) return 0
  if (sk.sk_prot == PROT_RAW) raw_unhash_sk(sk)
  else ping_unhash(sk)
  sk.inet_sport = 0
  return 0
}

/** Sets the peer, or with AF_UNSPEC forgets it. 0 or -errno. */
export function inet_dgram_connect(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN_inet_dgram_connect, 0)
  if (addrlen < 2) return -EINVAL
  if (changetype<sockaddr_in>(addr).sin_family == <u16>AF_UNSPEC) return disconnect(sk)
  if (sk.inet_num == 0) {
    const err = inet_autobind(sk)
    if (err) return err
  }
  if (sk.sk_prot == PROT_UDP) return udp_connect(sk, addr, addrlen)
  walk(FN_ip4_datagram_connect, 0)
  return min(__ip4_datagram_connect(sk, addr, addrlen), 0)
}

/** The socket's own name, or its peer's, as a sockaddr_in at out. 0 or -ENOTCONN. */
export function inet_getname(sk: sock, out: usize, peer: bool): i32 {
  walk(FN_inet_getname, 0)
  const sin = changetype<sockaddr_in>(out)
  if (peer && (sk.inet_dport == 0 || sk.sk_state == <u8>TCP_CLOSE)) return -ENOTCONN
  memory.fill(out, 0, SOCKADDR_IN_SIZE)
  sin.sin_family = <u16>AF_INET
  sin.sin_port = peer ? sk.inet_dport : sk.inet_sport
  sin.sin_addr = peer ? sk.inet_daddr : sk.inet_rcv_saddr ? sk.inet_rcv_saddr : sk.inet_saddr
  return 0
}

/** Who sends has a port. 0 or -EAGAIN: none is free. */
export function inet_send_prepare(sk: sock): i32 {
  walk(FN_inet_sendmsg, 0)
  walk(FN_inet_send_prepare, 0)
  return sk.inet_num ? 0 : inet_autobind(sk)
}

/** Sends a message. The length, or -errno. */
export function inet_sendmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  const err = inet_send_prepare(sk)
  if (err) return err
  if (sk.sk_prot == PROT_UDP) return udp_sendmsg(sk, msg, flags)
  return sk.sk_prot == PROT_RAW ? raw_sendmsg(sk, msg, flags) : ping_v4_sendmsg(sk, msg, flags)
}

/** Reads a message. The length, or -errno. */
export function inet_recvmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  walk(FN_inet_recvmsg, 0)
  if (sk.sk_prot == PROT_UDP) return udp_recvmsg(sk, msg, flags)
  return sk.sk_prot == PROT_RAW ? raw_recvmsg(sk, msg, flags) : ping_recvmsg(sk, msg, flags)
}

/** how: SHUT_RD, SHUT_WR, SHUT_RDWR. 0, -EINVAL, or -ENOTCONN: it has no peer, but is shut down all the same. */
export function inet_shutdown(sk: sock, how: u32): i32 {
  walk(FN_inet_shutdown, 0)
  if (how > 2) return -EINVAL
  sk_shutdown_add(sk, how + 1)
  return sk.sk_state == <u8>TCP_CLOSE ? -ENOTCONN : 0
}

/** The handle is closed. */
export function inet_release(sk: sock): void {
  walk(FN_inet_release, 0)
  ip_mc_drop_socket(sk)
  sock_orphan(sk)
  if (sk.sk_prot == PROT_UDP) udp_lib_close(sk)
  else if (sk.sk_prot == PROT_RAW) raw_close(sk)
  else ping_close(sk)
}

/** What a call would find: EPOLL* bits. */
export function inet_poll(sk: sock): u32 {
  if (sk.sk_prot == PROT_UDP) walk(FN_udp_poll, 0)
  return datagram_poll(sk)
}

/** Sets an option below SOL_SOCKET. 0 or -errno. */
export function inet_setsockopt(sk: sock, level: u32, name: u32, ptr: usize, len: u32): i32 {
  if (sk.sk_prot == PROT_UDP) walk(FN_udp_setsockopt, 0)
  if (level == SOL_IP) return ip_setsockopt(sk, name, ptr, len)
  if ((level == SOL_UDP || level == SOL_UDPLITE) && sk.sk_prot == PROT_UDP) return udp_setsockopt(sk, name, ptr, len)
  if (level == SOL_RAW && sk.sk_prot == PROT_RAW) return raw_setsockopt(sk, name, ptr, len)
  return -ENOPROTOOPT
}

/** Answers an option below SOL_SOCKET. 0 or -errno; a level that the socket does not have is -EOPNOTSUPP. */
export function inet_getsockopt(sk: sock, level: u32, name: u32, ptr: usize, lenp: usize): i32 {
  if (sk.sk_prot == PROT_UDP) walk(FN_udp_getsockopt, 0)
  if (level == SOL_IP) return ip_getsockopt(sk, name, ptr, lenp)
  if ((level == SOL_UDP || level == SOL_UDPLITE) && sk.sk_prot == PROT_UDP) return udp_getsockopt(sk, name, ptr, lenp)
  if (level == SOL_RAW && sk.sk_prot == PROT_RAW) return raw_getsockopt(sk, name, ptr, lenp)
  return -EOPNOTSUPP
}
