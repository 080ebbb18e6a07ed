// One datagram of several sends: UDP_CORK and MSG_MORE. Mirrors the corking half of udp_sendmsg in net/ipv4/udp.c.

import { flowi4, rtable } from '../../../include/dst.ts'
import { UDP_HLEN } from '../../../include/headers.ts'
import { INET_CORK_SIZE, cork_fl4, inet_cork } from '../../../include/inet_cork.ts'
import { ipcm_cookie } from '../../../include/ipcm.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { UDP_FLAGS_CORK, msghdr, sock } from '../../../include/sock.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOBUFS } from '../../../uapi/errno.ts'
import { FN_udp_flush_pending_frames, FN_udp_push_pending_frames } from '../../../uapi/functions.ts'
import { AF_INET, MSG_MORE } from '../../../uapi/socket.ts'
import { APPEND_FROM_USER } from '../ip_output/append.ts'
import { ip_append_data, ip_finish_skb, ip_flush_pending_frames } from '../ip_output/make.ts'
import { udp_send_skb } from './xmit.ts'

/** More is to follow: the call, or the socket's option, says so. */
export function udp_corked(sk: sock, flags: u32): bool {
  return (flags & MSG_MORE) != 0 || (sk.udp_flags & (<u16>UDP_FLAGS_CORK)) != 0
}

function cork_of(sk: sock): inet_cork {
  return changetype<inet_cork>(sk.cork)
}

/** The flow of the datagram under construction: as it began, or as a connect since then left it. */
function flow_of(sk: sock): flowi4 {
  const fl4 = cork_fl4(cork_of(sk))
  fl4.saddr = sk.cork_saddr
  fl4.daddr = sk.cork_daddr
  fl4.fl4_dport = <u16>sk.cork_dport
  return fl4
}

/** Throws away what was collected. */
export function udp_flush_pending_frames(sk: sock): void {
  if (sk.pending == 0) return
  walk(FN_udp_flush_pending_frames, 0)
  sk.pending = 0
  ip_flush_pending_frames(cork_of(sk))
}

/** Sends what was collected. 0 or -errno. */
export function udp_push_pending_frames(sk: sock): i32 {
  if (sk.pending == 0) return 0
  walk(FN_udp_push_pending_frames, 0)
  const cork = cork_of(sk)
  const fl4 = flow_of(sk)
  sk.pending = 0
  const skb = ip_finish_skb(changetype<usize>(sk), cork, fl4)
  if (skb == 0) return 0
  return udp_send_skb(sk, changetype<sk_buff>(skb), fl4, cork)
}

/** Appends bytes of a message; a failure throws all away. 0 or -errno. */
function append(sk: sock, msg: msghdr, bytes: u32, ipc: ipcm_cookie, rt: usize, flags: u32, more: bool): i32 {
  const cork = cork_of(sk)
  const p = changetype<usize>(sk)
  const how = more ? flags | MSG_MORE : flags
  const from = msg.iov_base
  const route = changetype<rtable>(rt)
  const err = ip_append_data(p, cork, flow_of(sk), APPEND_FROM_USER, from, 0, bytes, UDP_HLEN, ipc, route, how)
  if (err) {
    udp_flush_pending_frames(sk)
    return err
  }
  if (!more) return udp_push_pending_frames(sk)
  if (cork.queue_head == 0) sk.pending = 0
  return 0
}

/** The first piece of a datagram from saddr to daddr and dport (network order). 0 or -errno. */
export function udp_cork_begin(
  sk: sock,
  msg: msghdr,
  ipc: ipcm_cookie,
  saddr: u32,
  daddr: u32,
  dport: u32,
  rt: usize,
  flags: u32,
): i32 {
  if (sk.cork == 0) {
    sk.cork = kzalloc(INET_CORK_SIZE)
    if (sk.cork == 0) return -ENOBUFS
  }
  sk.cork_saddr = saddr
  sk.cork_daddr = daddr
  sk.cork_dport = dport
  sk.pending = AF_INET
  return append(sk, msg, msg.iov_len + UDP_HLEN, ipc, rt, flags, true)
}

/** Another piece; the last one (more: false) sends the datagram. 0 or -errno. */
export function udp_append(sk: sock, msg: msghdr, flags: u32, more: bool): i32 {
  return append(sk, msg, msg.iov_len, changetype<ipcm_cookie>(0), 0, flags, more)
}

/** The socket is closed. */
export function udp_cork_free(sk: sock): void {
  udp_flush_pending_frames(sk)
  if (sk.cork) kfree(sk.cork, INET_CORK_SIZE)
  sk.cork = 0
}
