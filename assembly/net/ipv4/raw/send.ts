// Raw output: from a system call to the network layer. Mirrors raw_sendmsg of net/ipv4/raw.c.
// Packets with a header of their own: hdrincl.ts.

import { FLOWI4_SIZE, FLOWI_FLAG_KNOWN_NH, flowi4, rtable } from '../../../include/dst.ts'
import { INET_CORK_SIZE, inet_cork } from '../../../include/inet_cork.ts'
import { IPCM_COOKIE_SIZE, ipcm_cookie } from '../../../include/ipcm.ts'
import {
  INET_HDRINCL,
  INET_RECVERR,
  SOCKADDR_IN_SIZE,
  TCP_ESTABLISHED,
  msghdr,
  sock,
  sockaddr_in,
} from '../../../include/sock.ts'
import { COST_COPY, charge } from '../../../kernel/cost.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EAFNOSUPPORT, EDESTADDRREQ, EFAULT, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP } from '../../../uapi/errno.ts'
import { FN_raw_sendmsg } from '../../../uapi/functions.ts'
import {
  AF_INET,
  AF_UNSPEC,
  IPPROTO_ICMP,
  IPPROTO_RAW,
  MSG_CONFIRM,
  MSG_MORE,
  MSG_OOB,
  MSG_PROBE,
} from '../../../uapi/socket.ts'
import { dst_release } from '../../core/dst.ts'
import { ipv4_confirm_neigh } from '../../core/neighbour/route_neigh.ts'
import { APPEND_FROM_RAW } from '../ip_output/append.ts'
import { ip_append_data, ip_flush_pending_frames, ip_push_pending_frames } from '../ip_output/make.ts'
import { message_route, message_wishes } from '../ip_sockglue/message.ts'
import { raw_send_hdrinc } from './hdrincl.ts'

const FL4: usize = memory.data(<i32>FLOWI4_SIZE, 16)
const IPC: usize = memory.data(<i32>IPCM_COOKIE_SIZE, 16)
/** The cork of a packet that is sent by one call. */
const ONCE: usize = memory.data(256, 16)
/** Bytes of an ICMP message that must be there: type and code, by which it is routed and counted. */
const ICMP_PROBED: u32 = 2

/** Where the message goes: stored at to. 0 or -errno. */
function destination(sk: sock, msg: msghdr, to: usize): i32 {
  if (msg.msg_name == 0 || msg.msg_namelen == 0) {
    if (sk.sk_state != <u8>TCP_ESTABLISHED) return -EDESTADDRREQ
    store<u32>(to, sk.inet_daddr)
    return 0
  }
  if (msg.msg_namelen < SOCKADDR_IN_SIZE) return -EINVAL
  const sin = changetype<sockaddr_in>(msg.msg_name)
  if (sin.sin_family != <u16>AF_INET && sin.sin_family != <u16>AF_UNSPEC) return -EAFNOSUPPORT
  store<u32>(to, sin.sin_addr)
  return 0
}

/** Where a packet of several calls (MSG_MORE) grows; 0: out of memory. */
function cork_of(sk: sock, more: bool): usize {
  if (sk.cork == 0) {
    if (!more) return ONCE
    sk.cork = kzalloc(INET_CORK_SIZE)
  }
  return sk.cork
}

/** Appends a message to the packet under construction, and sends that unless more is to follow. 0 or -errno. */
function append(sk: sock, msg: msghdr, fl4: flowi4, ipc: ipcm_cookie, rt: rtable, flags: u32): i32 {
  const more = (flags & MSG_MORE) != 0
  const at = cork_of(sk, more)
  if (at == 0) return -ENOBUFS
  const cork = changetype<inet_cork>(at)
  const p = changetype<usize>(sk)
  const err = ip_append_data(p, cork, fl4, APPEND_FROM_RAW, msg.iov_base, 0, msg.iov_len, 0, ipc, rt, flags)
  if (err) {
    ip_flush_pending_frames(cork)
    return err
  }
  charge(COST_COPY, msg.iov_len)
  if (more) return 0
  const sent = ip_push_pending_frames(p, cork, fl4)
  return sent == -ENOBUFS && !(sk.inet_flags & INET_RECVERR) ? 0 : sent
}

/** Routes the message, and sends it. 0 or -errno. */
function send(sk: sock, msg: msghdr, daddr: u32, flags: u32): i32 {
  const ipc = changetype<ipcm_cookie>(IPC)
  const own_header = (sk.inet_flags & INET_HDRINCL) != 0
  let err = message_wishes(sk, msg, ipc)
  if (err) return err
  // Options are for headers that are made here.
  if (own_header && ipc.opt) return -EINVAL
  let type: u32 = 0
  let code: u32 = 0
  if (!own_header && sk.sk_protocol == <u16>IPPROTO_ICMP) {
    if (msg.iov_len < ICMP_PROBED) return -EFAULT
    type = load<u8>(msg.iov_base)
    code = load<u8>(msg.iov_base, 1)
  }
  const fl4 = changetype<flowi4>(FL4)
  const proto: u32 = own_header ? IPPROTO_RAW : sk.sk_protocol
  const p = message_route(sk, ipc, fl4, daddr, proto, own_header ? FLOWI_FLAG_KNOWN_NH : 0, type, code, flags)
  if (IS_ERR(p)) return <i32>p
  const rt = changetype<rtable>(p)
  if (flags & MSG_CONFIRM) ipv4_confirm_neigh(rt, fl4.daddr)
  if (flags & MSG_CONFIRM && flags & MSG_PROBE && msg.iov_len == 0) err = 0
  else if (own_header) err = raw_send_hdrinc(sk, fl4, msg, rt, ipc, flags)
  else err = append(sk, msg, fl4, ipc, rt, flags)
  dst_release(p)
  return err
}

const DADDR: usize = memory.data(16, 16)

/**
 * Sends a message: msg_name is its destination (0: the peer), iov what follows the IP header, or with IP_HDRINCL the
 * packet. Answers its length or -errno: -EMSGSIZE, -EDESTADDRREQ, -EINVAL, -EACCES (broadcast), -EFAULT (an ICMP message
 * without type and code), -ENETUNREACH and others of the route, -ENOBUFS or -EAGAIN (send buffer), -EPERM (a hook).
 */
export function raw_sendmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  walk(FN_raw_sendmsg, 0)
  if (msg.iov_len > 0xffff) return -EMSGSIZE
  if (flags & MSG_OOB) return -EOPNOTSUPP
  let err = destination(sk, msg, DADDR)
  if (err == 0) err = send(sk, msg, load<u32>(DADDR), flags)
  return err ? err : <i32>msg.iov_len
}

/** Nothing of a packet under construction will be sent. */
export function raw_flush_pending_frames(sk: sock): void {
  if (sk.cork == 0) return
  ip_flush_pending_frames(changetype<inet_cork>(sk.cork))
  kfree(sk.cork, INET_CORK_SIZE)
  sk.cork = 0
}
