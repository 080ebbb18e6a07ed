// The system calls on sockets, as TypeScript makes them: handles for descriptors, pointers into Wasm memory, never a wait.
// Mirrors net/socket.c. A call that would block answers -EAGAIN; an EV_SOCK event follows when it is worth another try.

import { SLOT_ERR_PING, SLOT_ERR_RAW, SLOT_ERR_UDP, SLOT_PING_RCV, SLOT_RA_CHAIN, boot, slot_set } from '../lib/boot.ts'
import { net } from '../include/net_namespace.ts'
import { SOCKADDR_LL_SIZE } from '../include/packet.ts'
import {
  PROT_PACKET,
  PROT_UDP,
  SOCKADDR_IN_SIZE,
  SOCK_READY_ALL,
  SOCK_READY_ERR,
  SOCK_READY_IN,
  SOCK_READY_OUT,
  SOCK_READY_QUEUED,
  SOCK_WATCHED,
  msghdr,
  sock,
} from '../include/sock.ts'
import { COST_SYSCALL, charge } from '../kernel/cost.ts'
import { walk } from '../trace/trace.ts'
import { EAFNOSUPPORT, EBADF, EINVAL, ENOTCONN, EOPNOTSUPP, ERESTART } from '../uapi/errno.ts'
import {
  FN___sock_release,
  FN___sys_bind,
  FN___sys_connect,
  FN___sys_connect_file,
  FN___sys_getsockname,
  FN___sys_getsockopt,
  FN___sys_recvfrom,
  FN___sys_sendto,
  FN___sys_setsockopt,
  FN___sys_shutdown,
  FN___sys_socket,
  FN___x64_sys_bind,
  FN___x64_sys_connect,
  FN___x64_sys_getpeername,
  FN___x64_sys_getsockname,
  FN___x64_sys_getsockopt,
  FN___x64_sys_recvfrom,
  FN___x64_sys_sendto,
  FN___x64_sys_setsockopt,
  FN___x64_sys_shutdown,
  FN___x64_sys_socket,
  FN_do_sock_getsockopt,
  FN_do_sock_setsockopt,
  FN_move_addr_to_kernel,
  FN_move_addr_to_user,
  FN_packet_poll,
  FN_sock_close,
  FN_sock_common_getsockopt,
  FN_sock_common_setsockopt,
  FN_sock_poll,
  FN_sock_recvmsg,
} from '../uapi/functions.ts'
import {
  AF_INET,
  AF_PACKET,
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDBAND,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_PEERNAME,
} from '../uapi/socket.ts'
import { datagram_poll } from './core/datagram.ts'
import { msg_zerocopy_init } from './core/msg_zerocopy.ts'
import { sk_init, sockfd_lookup } from './core/sock.ts'
import { sock_wmem_init } from './core/sock_wmem.ts'
import { send_waits } from './core/sock_wmem.ts'
import { sock_getsockopt } from './core/sock_getsockopt.ts'
import { sock_setsockopt } from './core/sock_options.ts'
import { MAX_SCHEDULE_TIMEOUT } from './core/sock_times.ts'
import {
  inet_bind,
  inet_create,
  inet_dgram_connect,
  inet_getname,
  inet_getsockopt,
  inet_poll,
  inet_recvmsg,
  inet_release,
  inet_send_prepare,
  inet_sendmsg,
  inet_setsockopt,
  inet_shutdown,
} from './ipv4/af_inet.ts'
import { ip_call_ra_chain } from './ipv4/ip_sockglue/router_alert.ts'
import { ping_err } from './ipv4/ping/err.ts'
import { ping_rcv } from './ipv4/ping/rcv.ts'
import { raw_icmp_error } from './ipv4/raw/err.ts'
import { packet_bind, packet_create, packet_getname, packet_release } from './packet/af_packet.ts'
import { packet_getsockopt, packet_setsockopt } from './packet/options.ts'
import { packet_recvmsg } from './packet/recv.ts'
import { packet_sendmsg } from './packet/snd.ts'
import { udp_recv_batch, udp_send_batch } from './ipv4/udp/batch.ts'
import { udp_err } from './ipv4/udp/err.ts'
import { udp_table_init } from './ipv4/udp/hash.ts'

/** First number that is no socket type (SOCK_MAX). */
const SOCK_TYPES: u32 = 11
/** Longest address that a call may give (struct sockaddr_storage). */
const SOCKADDR_STORAGE: u32 = 128

/** Once at boot: sockets, UDP's tables, where ICMP messages for sockets go. False: out of memory. */
export function sockets_init(): bool {
  slot_set(SLOT_ERR_UDP, udp_err.index)
  slot_set(SLOT_ERR_RAW, raw_icmp_error.index)
  slot_set(SLOT_ERR_PING, ping_err.index)
  slot_set(SLOT_PING_RCV, ping_rcv.index)
  slot_set(SLOT_RA_CHAIN, ip_call_ra_chain.index)
  sock_wmem_init()
  msg_zerocopy_init()
  return sk_init() && udp_table_init()
}

function begin(handle: u32, fn: u32, inner: u32): sock {
  charge(COST_SYSCALL, 0)
  walk(fn, 0)
  if (inner) walk(inner, 0)
  return sockfd_lookup(handle)
}

/** AF_PACKET; all others are AF_INET. */
function is_packet(sk: sock): bool {
  return sk.sk_prot == PROT_PACKET
}

function bad(sk: sock): bool {
  return changetype<usize>(sk) == 0
}

/** A new socket's handle (above 0), or -errno. */
export function sys_socket(net: net, family: u32, type: u32, protocol: u32): i32 {
  charge(COST_SYSCALL, 0)
  walk(FN___x64_sys_socket, 0)
  walk(FN___sys_socket, 0)
  if (type >= SOCK_TYPES || type < SOCK_STREAM) return -EINVAL
  if (family == AF_PACKET) return packet_create(net, type, protocol)
  return family == AF_INET ? inet_create(net, type, protocol) : -EAFNOSUPPORT
}

/** Closes a handle; it is never given again. 0 or -EBADF. */
export function sys_close(handle: u32): i32 {
  const sk = begin(handle, FN_sock_close, 0)
  if (bad(sk)) return -EBADF
  walk(FN___sock_release, 0)
  if (is_packet(sk)) packet_release(sk)
  else inet_release(sk)
  return 0
}

/** addr: a sockaddr_in or sockaddr_ll of addrlen bytes. 0 or -errno. */
export function sys_bind(handle: u32, addr: usize, addrlen: u32): i32 {
  const sk = begin(handle, FN___x64_sys_bind, FN___sys_bind)
  if (bad(sk)) return -EBADF
  if (addrlen > SOCKADDR_STORAGE) return -EINVAL
  return is_packet(sk) ? packet_bind(sk, addr, addrlen) : inet_bind(sk, addr, addrlen)
}

/** addr: the peer's sockaddr_in; with AF_UNSPEC the socket forgets its peer. 0 or -errno. */
export function sys_connect(handle: u32, addr: usize, addrlen: u32): i32 {
  const sk = begin(handle, FN___x64_sys_connect, FN___sys_connect)
  if (bad(sk)) return -EBADF
  if (addrlen > SOCKADDR_STORAGE) return -EINVAL
  walk(FN___sys_connect_file, 0)
  return is_packet(sk) ? -EOPNOTSUPP : inet_dgram_connect(sk, addr, addrlen)
}

/**
 * Sends the message at msg (a msghdr). The length, or -errno; without MSG_DONTWAIT -ERESTART when it should wait for room in
 * the send buffer: nothing was counted, and an event follows.
 */
export function sys_sendmsg(handle: u32, msg: usize, flags: u32): i32 {
  const sk = begin(handle, FN___x64_sys_sendto, FN___sys_sendto)
  if (bad(sk)) return -EBADF
  const m = changetype<msghdr>(msg)
  if (m.msg_namelen > SOCKADDR_STORAGE) return -EINVAL
  if (m.msg_name) walk(FN_move_addr_to_kernel, 0)
  const answer = is_packet(sk) ? packet_sendmsg(sk, m) : inet_sendmsg(sk, m, flags)
  return send_waits(answer, flags) && sk.sk_wmem_alloc >= sk.sk_sndbuf ? -ERESTART : answer
}

/**
 * Reads into the message at msg (a msghdr): namelen, controllen and flags are answered. The length, or -errno; after an
 * error only the pointers are as they were.
 */
export function sys_recvmsg(handle: u32, msg: usize, flags: u32): i32 {
  const sk = begin(handle, FN___x64_sys_recvfrom, FN___sys_recvfrom)
  if (bad(sk)) return -EBADF
  walk(FN_sock_recvmsg, 0)
  const m = changetype<msghdr>(msg)
  const control = m.msg_control
  m.msg_flags = 0
  const answer = is_packet(sk) ? packet_recvmsg(sk, m, flags) : inet_recvmsg(sk, m, flags)
  m.msg_controllen = <u32>(m.msg_control - control)
  m.msg_control = control
  if (answer >= 0 && m.msg_name) walk(FN_move_addr_to_user, 0)
  return answer
}

/** Reads many datagrams at once; the layout is in udp/batch.ts. How many, or -errno. */
export function sys_recv_batch(handle: u32, out: usize, max: u32, bytes: u32): i32 {
  const sk = begin(handle, FN___x64_sys_recvfrom, FN___sys_recvfrom)
  if (bad(sk)) return -EBADF
  return sk.sk_prot == PROT_UDP ? udp_recv_batch(sk, out, max, bytes) : -EOPNOTSUPP
}

/** Sends many datagrams at once; the layout is in udp/batch.ts. How many went, or -errno if the first did not. */
export function sys_send_batch(handle: u32, from: usize, rows: u32, count: u32, bytes: u32): i32 {
  const sk = begin(handle, FN___x64_sys_sendto, FN___sys_sendto)
  if (bad(sk)) return -EBADF
  if (sk.sk_prot != PROT_UDP) return -EOPNOTSUPP
  const err = inet_send_prepare(sk)
  return err ? err : udp_send_batch(sk, from, rows, count, bytes)
}

/** An option's value is len bytes at ptr. 0 or -errno. */
export function sys_setsockopt(handle: u32, level: u32, name: u32, ptr: usize, len: i32): i32 {
  const sk = begin(handle, FN___x64_sys_setsockopt, FN___sys_setsockopt)
  if (bad(sk)) return -EBADF
  if (len < 0) return -EINVAL
  walk(FN_do_sock_setsockopt, 0)
  if (level == SOL_SOCKET) return sock_setsockopt(sk, name, ptr, len)
  walk(FN_sock_common_setsockopt, 0)
  return is_packet(sk) ? packet_setsockopt(sk, level, name, ptr, len) : inet_setsockopt(sk, level, name, ptr, len)
}

const NAME: usize = memory.data(SOCKADDR_LL_SIZE, 16)

/** The name at NAME. Its length, or -errno. */
function name_of(sk: sock, peer: bool): i32 {
  if (is_packet(sk)) return packet_getname(sk, NAME, peer)
  const err = inet_getname(sk, NAME, peer)
  return err ? err : SOCKADDR_IN_SIZE
}

/** SO_PEERNAME: as much of the peer's name as there is room for, which may not be more than it has. */
function peername(sk: sock, ptr: usize, lenp: usize): i32 {
  const room = load<i32>(lenp)
  if (room < 0) return -EINVAL
  const len = name_of(sk, true)
  if (len < 0) return -ENOTCONN
  if (room > len) return -EINVAL
  memory.copy(ptr, NAME, room)
  return 0
}

/** Answers an option's value to ptr; lenp: the room there, then its length. 0 or -errno. */
export function sys_getsockopt(handle: u32, level: u32, name: u32, ptr: usize, lenp: usize): i32 {
  const sk = begin(handle, FN___x64_sys_getsockopt, FN___sys_getsockopt)
  if (bad(sk)) return -EBADF
  walk(FN_do_sock_getsockopt, 0)
  if (level == SOL_SOCKET) return name == SO_PEERNAME ? peername(sk, ptr, lenp) : sock_getsockopt(sk, name, ptr, lenp)
  walk(FN_sock_common_getsockopt, 0)
  return is_packet(sk) ? packet_getsockopt(sk, level, name, ptr, lenp) : inet_getsockopt(sk, level, name, ptr, lenp)
}

function answer_name(sk: sock, ptr: usize, lenp: usize, peer: bool): i32 {
  if (bad(sk)) return -EBADF
  if (load<i32>(lenp) < 0) return -EINVAL
  const len = name_of(sk, peer)
  if (len < 0) return len
  memory.copy(ptr, NAME, min<u32>(load<u32>(lenp), len))
  store<u32>(lenp, len)
  return 0
}

/** The socket's name as a sockaddr_in or sockaddr_ll, cut to the room that lenp says; lenp is then its real length. 0 or -errno. */
export function sys_getsockname(handle: u32, ptr: usize, lenp: usize): i32 {
  return answer_name(begin(handle, FN___x64_sys_getsockname, FN___sys_getsockname), ptr, lenp, false)
}

export function sys_getpeername(handle: u32, ptr: usize, lenp: usize): i32 {
  return answer_name(begin(handle, FN___x64_sys_getpeername, 0), ptr, lenp, true)
}

/** how: SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. 0 or -errno. */
export function sys_shutdown(handle: u32, how: u32): i32 {
  const sk = begin(handle, FN___x64_sys_shutdown, FN___sys_shutdown)
  if (bad(sk)) return -EBADF
  return is_packet(sk) ? -EOPNOTSUPP : inet_shutdown(sk, how)
}

/** EPOLL* bits that a wake-up is for, as the kernel's callers of __wake_up_common_lock give them. */
const WAKE_IN: u32 = EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND
const WAKE_OUT: u32 = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND

/** EPOLL* bits of what waiters were woken for since the last time it was asked; changes bring an event again. */
export function sys_woken(handle: u32): u32 {
  const sk = sockfd_lookup(handle)
  if (bad(sk)) return 0
  const what = sk.ready & SOCK_READY_ALL
  sk.ready = 0
  if (what == SOCK_READY_ALL) return u32.MAX_VALUE
  return (
    (what & SOCK_READY_IN ? WAKE_IN : 0) |
    (what & SOCK_READY_OUT ? WAKE_OUT : 0) |
    (what & SOCK_READY_ERR ? EPOLLERR : 0)
  )
}

/** From now on every edge of the socket is told, or (on: 0) no more. 0 or -EBADF. */
export function sys_watch(handle: u32, on: u32): i32 {
  const sk = sockfd_lookup(handle)
  if (bad(sk)) return -EBADF
  if (on) sk.sk_socket_flags |= SOCK_WATCHED
  else sk.sk_socket_flags &= ~SOCK_WATCHED
  return 0
}

/** Ticks as ns, -1: for ever. */
function wait_ns(ticks: u64): f64 {
  return ticks == MAX_SCHEDULE_TIMEOUT ? -1 : <f64>ticks * <f64>boot.tick_ns
}

/** How long a reader waits (SO_RCVTIMEO), in ns; -1: for ever. */
export function sys_rcvtimeo(handle: u32): f64 {
  const sk = sockfd_lookup(handle)
  return bad(sk) ? -1 : wait_ns(sk.sk_rcvtimeo)
}

/** The same of a sender (SO_SNDTIMEO). */
export function sys_sndtimeo(handle: u32): f64 {
  const sk = sockfd_lookup(handle)
  return bad(sk) ? -1 : wait_ns(sk.sk_sndtimeo)
}

/** EPOLL* bits of what can be done without waiting, 0 for a closed handle. From now on changes bring an event again. */
export function sys_poll(handle: u32): u32 {
  const sk = sockfd_lookup(handle)
  if (bad(sk)) return 0
  walk(FN_sock_poll, 0)
  sk.ready &= ~SOCK_READY_QUEUED
  if (!is_packet(sk)) return inet_poll(sk)
  walk(FN_packet_poll, 0)
  return datagram_poll(sk)
}
