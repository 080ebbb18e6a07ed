// Echo requests of ping sockets: the identifier is the socket's, the checksum is made here. Mirrors ping_v4_sendmsg of
// net/ipv4/ping.c.

import { FLOWI4_SIZE, flowi4, rtable } from '../../../include/dst.ts'
import { ICMP_HLEN, icmphdr } from '../../../include/headers.ts'
import { inet_cork } from '../../../include/inet_cork.ts'
import { IPCM_COOKIE_SIZE, ipcm_cookie } from '../../../include/ipcm.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { CHECKSUM_NONE, sk_buff } from '../../../include/skbuff.ts'
import { SOCKADDR_IN_SIZE, TCP_ESTABLISHED, msghdr, sock, sockaddr_in } from '../../../include/sock.ts'
import { COST_COPY, charge } from '../../../kernel/cost.ts'
import { csum_fold, csum_partial } from '../../../lib/checksum.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EAFNOSUPPORT, EDESTADDRREQ, EINVAL, EMSGSIZE, ENETUNREACH, EOPNOTSUPP } from '../../../uapi/errno.ts'
import { FN_ping_common_sendmsg, FN_ping_v4_sendmsg } from '../../../uapi/functions.ts'
import { IPSTATS_MIB_OUTNOROUTES } from '../../../uapi/snmp.ts'
import { AF_INET, IPPROTO_ICMP, MSG_CONFIRM, MSG_OOB } from '../../../uapi/socket.ts'
import { dst_release } from '../../core/dst.ts'
import { ipv4_confirm_neigh } from '../../core/neighbour/route_neigh.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { APPEND_FROM_PING } from '../ip_output/append.ts'
import { ip_append_data, ip_flush_pending_frames, ip_push_pending_frames } from '../ip_output/make.ts'
import { message_route, message_wishes } from '../ip_sockglue/message.ts'
import { ping_supported } from './err.ts'

const FL4: usize = memory.data(<i32>FLOWI4_SIZE, 16)
const IPC: usize = memory.data(<i32>IPCM_COOKIE_SIZE, 16)
const CORK: usize = memory.data(256, 16)
const DADDR: usize = memory.data(16, 16)

/** Is it a message that may be sent? 0 or -errno. */
function ping_common_sendmsg(msg: msghdr, flags: u32): i32 {
  walk(FN_ping_common_sendmsg, 0)
  if (msg.iov_len > 0xffff) return -EMSGSIZE
  if (msg.iov_len < ICMP_HLEN) return -EINVAL
  if (flags & MSG_OOB) return -EOPNOTSUPP
  const header = changetype<icmphdr>(msg.iov_base)
  return ping_supported(header.type, header.code) ? 0 : -EINVAL
}

/** Where the message goes: stored at to. 0 or -errno. */
function destination(sk: sock, msg: msghdr, to: usize): i32 {
  if (msg.msg_name == 0) {
    if (sk.sk_state != <u8>TCP_ESTABLISHED) return -EDESTADDRREQ
    store<u32>(to, sk.inet_daddr)
    return 0
  }
  if (msg.msg_namelen < SOCKADDR_IN_SIZE) return -EINVAL
  const sin = changetype<sockaddr_in>(msg.msg_name)
  if (sin.sin_family != <u16>AF_INET) return -EAFNOSUPPORT
  store<u32>(to, sin.sin_addr)
  return 0
}

/** Writes the header that the program gave, with our identifier and the checksum over all, and sends. 0 or -errno. */
function ping_v4_push_pending_frames(sk: sock, msg: msghdr, cork: inet_cork, fl4: flowi4): i32 {
  if (cork.queue_head == 0) return 0
  const skb = changetype<sk_buff>(cork.queue_head)
  const given = changetype<icmphdr>(msg.iov_base)
  const header = changetype<icmphdr>(skb_transport_header(skb))
  header.type = given.type
  header.code = given.code
  header.checksum = 0
  header.un = (given.un & 0xffff0000) | (<u32>sk.inet_sport)
  const data = csum_partial(msg.iov_base + ICMP_HLEN, msg.iov_len - ICMP_HLEN, 0)
  header.checksum = <u16>csum_fold(csum_partial(changetype<usize>(header), ICMP_HLEN, data))
  skb.ip_summed = <u8>CHECKSUM_NONE
  return ip_push_pending_frames(changetype<usize>(sk), cork, fl4)
}

/** Makes the message and sends it by rt, which stays the caller's. 0 or -errno. */
function send(sk: sock, msg: msghdr, fl4: flowi4, ipc: ipcm_cookie, rt: rtable, flags: u32): i32 {
  const cork = changetype<inet_cork>(CORK)
  const p = changetype<usize>(sk)
  const data = msg.iov_base + ICMP_HLEN
  const err = ip_append_data(p, cork, fl4, APPEND_FROM_PING, data, 0, msg.iov_len, ICMP_HLEN, ipc, rt, flags)
  if (err) {
    ip_flush_pending_frames(cork)
    return err
  }
  charge(COST_COPY, msg.iov_len)
  return ping_v4_push_pending_frames(sk, msg, cork, fl4)
}

/**
 * Sends an echo request: msg_name is its destination (0: the peer), iov the ICMP message. Answers its length or -errno:
 * -EINVAL (no echo request, or shorter than its header), -EMSGSIZE, -EDESTADDRREQ, -EACCES (broadcast), -ENETUNREACH and
 * others of the route, -EAGAIN or -ENOBUFS (send buffer, device queue), -EPIPE, -EPERM (a hook), the pending error.
 */
export function ping_v4_sendmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  walk(FN_ping_v4_sendmsg, 0)
  let err = ping_common_sendmsg(msg, flags)
  if (err == 0) err = destination(sk, msg, DADDR)
  const ipc = changetype<ipcm_cookie>(IPC)
  if (err == 0) err = message_wishes(sk, msg, ipc)
  if (err) return err
  const fl4 = changetype<flowi4>(FL4)
  const header = changetype<icmphdr>(msg.iov_base)
  const p = message_route(sk, ipc, fl4, load<u32>(DADDR), IPPROTO_ICMP, 0, header.type, header.code, flags)
  if (IS_ERR(p)) {
    if (<i32>p == -ENETUNREACH) mib_inc(changetype<net>(sk.net), IPSTATS_MIB_OUTNOROUTES)
    return <i32>p
  }
  const rt = changetype<rtable>(p)
  if (flags & MSG_CONFIRM) ipv4_confirm_neigh(rt, fl4.daddr)
  err = send(sk, msg, fl4, ipc, rt, flags)
  dst_release(p)
  return err ? err : <i32>msg.iov_len
}
