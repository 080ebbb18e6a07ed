// UDP output: from a system call to the network layer. Mirrors udp_sendmsg of net/ipv4/udp.c.
// Corked datagrams: cork.ts. Left out: UDP-Lite, eBPF. Read first: RFC 768, RFC 1122 4.1.

import { flowi4, rtable } from '../../../include/dst.ts'
import { UDP_HLEN } from '../../../include/headers.ts'
import { ip_options, ipcm_cookie, ipcm_init_sk } from '../../../include/ipcm.ts'
import { ipv4_is_multicast } from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import {
  SOCKADDR_IN_SIZE,
  SOCK_BROADCAST,
  SOCK_NOSPACE,
  TCP_ESTABLISHED,
  msghdr,
  sock,
  sockaddr_in,
} from '../../../include/sock.ts'
import { COST_COPY, charge } from '../../../kernel/cost.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import {
  EACCES,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  EOPNOTSUPP,
} from '../../../uapi/errno.ts'
import { FN_udp_cmsg_send, FN_udp_sendmsg } from '../../../uapi/functions.ts'
import { UDP_SEGMENT } from '../../../uapi/in.ts'
import { RTCF_BROADCAST, RT_SCOPE_LINK } from '../../../uapi/rtnetlink.ts'
import { IPSTATS_MIB_OUTNOROUTES, UDP_MIB_SNDBUFERRORS } from '../../../uapi/snmp.ts'
import { AF_INET, AF_UNSPEC, MSG_CONFIRM, MSG_OOB, MSG_PROBE, SOL_UDP } from '../../../uapi/socket.ts'
import { dst_hold, dst_release } from '../../core/dst.ts'
import { CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, CMSG_NXTHDR, CMSG_OK, cmsghdr } from '../../core/scm.ts'
import { ipv4_confirm_neigh } from '../../core/neighbour/route_neigh.ts'
import { sk_dst_check, sk_dst_set } from '../../core/sock.ts'
import { send_waits } from '../../core/sock_wmem.ts'
import { APPEND_FROM_USER } from '../ip_output/append.ts'
import { flowi4_init_sock } from '../flow_output.ts'
import { ip_make_skb, last_cork } from '../ip_output/make.ts'
import { ip_cmsg_send } from '../ip_sockglue/cmsg_send.ts'
import { ip_sendmsg_scope } from '../ip_sockglue/message.ts'
import { ip_route_output_flow } from '../route/output.ts'
import { udp_append, udp_cork_begin, udp_corked } from './cork.ts'
import { udp_send_skb } from './xmit.ts'

const FL4: usize = memory.data(64, 16)
const IPC: usize = memory.data(64, 16)
const OPTIONS: usize = memory.data(64, 16)

/** Where a datagram goes, as the call or the connection says. */
@unmanaged
@final
export class udp_dest {
  daddr: u32
  dport: u32
  /** The socket's own destination with nothing else asked for: its cached route will do. */
  connected: u32
}

const DEST: usize = memory.data(16, 16)

/** Destination of a message: given, or the connection's. 0 or -errno. */
function destination(sk: sock, msg: msghdr, dest: udp_dest): i32 {
  if (msg.msg_name == 0 || msg.msg_namelen == 0) {
    if (sk.sk_state != <u8>TCP_ESTABLISHED) return -EDESTADDRREQ
    dest.daddr = sk.inet_daddr
    dest.dport = sk.inet_dport
    dest.connected = 1
    return 0
  }
  if (msg.msg_namelen < SOCKADDR_IN_SIZE) return -EINVAL
  const sin = changetype<sockaddr_in>(msg.msg_name)
  if (sin.sin_family != <u16>AF_INET && sin.sin_family != <u16>AF_UNSPEC) return -EAFNOSUPPORT
  if (sin.sin_port == 0) return -EINVAL
  dest.daddr = sin.sin_addr
  dest.dport = sin.sin_port
  dest.connected = 0
  return 0
}

/**
 * Reads UDP's own control messages into ipc: UDP_SEGMENT. 1: there are others, for the IP layer; 0; or -EINVAL: malformed, or
 * unknown.
 */
function udp_cmsg_send(msg: msghdr, ipc: ipcm_cookie): i32 {
  walk(FN_udp_cmsg_send, 0)
  let need_ip = 0
  for (let p = CMSG_FIRSTHDR(msg); p; p = CMSG_NXTHDR(msg, changetype<cmsghdr>(p))) {
    const cmsg = changetype<cmsghdr>(p)
    if (!CMSG_OK(msg, cmsg)) return -EINVAL
    if (cmsg.cmsg_level != SOL_UDP) {
      need_ip = 1
      continue
    }
    if (cmsg.cmsg_type != UDP_SEGMENT || cmsg.cmsg_len != CMSG_LEN(2)) return -EINVAL
    ipc.gso_size = load<u16>(CMSG_DATA(cmsg))
  }
  return need_ip
}

/** What the message and the socket ask for. 0 or -errno. */
function prepare(sk: sock, msg: msghdr, ipc: ipcm_cookie, dest: udp_dest): i32 {
  ipcm_init_sk(ipc, sk)
  ipc.gso_size = sk.gso_size
  if (ipc.tos == -1) ipc.tos = sk.tos
  if (msg.msg_controllen) {
    let err = udp_cmsg_send(msg, ipc)
    if (err > 0) {
      err = ip_cmsg_send(sk, msg, ipc, OPTIONS)
      dest.connected = 0
    }
    if (err < 0) return err
  }
  if (ipc.opt == 0) ipc.opt = sk.inet_opt
  return 0
}

/** The route of a datagram, counted; fl4 gets its addresses. ERR_PTR: there is none. */
function route(sk: sock, ipc: ipcm_cookie, dest: udp_dest, fl4: flowi4, flags: u32): usize {
  let saddr = ipc.addr
  let faddr = dest.daddr
  ipc.addr = faddr
  if (ipc.opt && changetype<ip_options>(ipc.opt).srr) {
    if (faddr == 0) return <usize>-EINVAL
    faddr = changetype<ip_options>(ipc.opt).faddr
    dest.connected = 0
  }
  const scope = ip_sendmsg_scope(sk, ipc, flags)
  if (scope == RT_SCOPE_LINK) dest.connected = 0
  if (ipv4_is_multicast(dest.daddr)) {
    if (ipc.oif == 0) ipc.oif = sk.mc_index
    if (saddr == 0) saddr = sk.mc_addr
    dest.connected = 0
  } else if (ipc.oif == 0) {
    ipc.oif = sk.uc_index
  }
  if (dest.connected) {
    const cached = sk_dst_check(sk)
    if (cached) {
      dst_hold(cached)
      fl4.saddr = sk.cork_saddr
      fl4.daddr = sk.cork_daddr
      fl4.fl4_dport = <u16>sk.cork_dport
      return cached
    }
  }
  flowi4_init_sock(fl4, sk, ipc.oif, ipc.mark, <u32>ipc.tos, scope, faddr, saddr, dest.dport)
  const rt = ip_route_output_flow(changetype<net>(sk.net), fl4)
  if (IS_ERR(rt)) {
    if (<i32>rt == -ENETUNREACH) mib_inc(changetype<net>(sk.net), IPSTATS_MIB_OUTNOROUTES)
    return rt
  }
  if (changetype<rtable>(rt).rt_flags & RTCF_BROADCAST && !(sk.sk_flags & SOCK_BROADCAST)) {
    dst_release(rt)
    return <usize>-EACCES
  }
  if (dest.connected) {
    dst_hold(rt)
    sk_dst_set(sk, rt)
  }
  return rt
}

/** The call's answer: its length, or what went wrong, counted if it was for want of buffer. */
function finish(sk: sock, len: u32, err: i32, flags: u32): i32 {
  if (err == 0) return <i32>len
  const counts = err == -ENOBUFS || (sk.sk_socket_flags & SOCK_NOSPACE) != 0
  if (counts && !send_waits(err, flags)) mib_inc(changetype<net>(sk.net), UDP_MIB_SNDBUFERRORS)
  return err
}

/** One whole datagram by this route. 0 or -errno. */
function send_one(sk: sock, msg: msghdr, ipc: ipcm_cookie, fl4: flowi4, rt: usize, flags: u32): i32 {
  const p = changetype<usize>(sk)
  const bytes = msg.iov_len + UDP_HLEN
  const skb = ip_make_skb(p, fl4, APPEND_FROM_USER, msg.iov_base, bytes, UDP_HLEN, ipc, changetype<rtable>(rt), flags)
  if (skb == 0 || IS_ERR(skb)) return <i32>skb
  charge(COST_COPY, msg.iov_len)
  return udp_send_skb(sk, changetype<sk_buff>(skb), fl4, last_cork())
}

/**
 * Sends a datagram: msg_name is its destination (0: the connection's), iov its payload, msg_control what it asks for.
 * Answers the length or -errno: -EMSGSIZE, -EDESTADDRREQ, -EINVAL, -EACCES (broadcast), -ENETUNREACH and others of the
 * route, -EAGAIN or -ENOBUFS (send buffer), -EPERM (a hook), the pending error.
 */
export function udp_sendmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  walk(FN_udp_sendmsg, 0)
  if (msg.iov_len > 0xffff) return -EMSGSIZE
  if (flags & MSG_OOB) return -EOPNOTSUPP
  const corked = udp_corked(sk, flags)
  if (sk.pending) return finish(sk, msg.iov_len, udp_append(sk, msg, flags, corked), flags)

  const dest = changetype<udp_dest>(DEST)
  const ipc = changetype<ipcm_cookie>(IPC)
  let err = destination(sk, msg, dest)
  if (err == 0) err = prepare(sk, msg, ipc, dest)
  if (err) return err
  const fl4 = changetype<flowi4>(FL4)
  const rt = route(sk, ipc, dest, fl4, flags)
  if (IS_ERR(rt)) return finish(sk, msg.iov_len, <i32>rt, flags)
  if (flags & MSG_CONFIRM) ipv4_confirm_neigh(changetype<rtable>(rt), fl4.daddr)
  if (ipc.addr == 0) ipc.addr = fl4.daddr

  if (flags & MSG_PROBE && flags & MSG_CONFIRM && msg.iov_len == 0) err = 0
  else if (!corked) err = send_one(sk, msg, ipc, fl4, rt, flags)
  else err = udp_cork_begin(sk, msg, ipc, fl4.saddr, ipc.addr, dest.dport, rt, flags)
  dst_release(rt)
  return finish(sk, msg.iov_len, err, flags)
}
