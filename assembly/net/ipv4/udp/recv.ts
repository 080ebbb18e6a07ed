// A reader takes a datagram. Mirrors udp_recvmsg of net/ipv4/udp.c.
// In Linux a reader works on a queue of its own (reader_queue), which it refills from the receive queue; here both are one
// list, and reader_len says how many of its first are in the former: it decides when memory is given back.

import { udphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { SKB_ENDED_DELIVERED, sk_buff } from '../../../include/skbuff.ts'
import { SOCK_READY_QUEUED, UDP_FLAGS_GRO_ENABLED, msghdr, sock } from '../../../include/sock.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { COST_COPY, charge } from '../../../kernel/cost.ts'
import { copy_bytes } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED, SKB_DROP_REASON_UDP_CSUM } from '../../../uapi/dropreason.ts'
import { EAGAIN } from '../../../uapi/errno.ts'
import {
  FN___consume_stateless_skb,
  FN___skb_recv_udp,
  FN___skb_try_recv_from_queue,
  FN_skb_consume_udp,
  FN_udp_destruct_common,
  FN_udp_recvmsg,
  FN_udp_rmem_release,
} from '../../../uapi/functions.ts'
import { UDP_MIB_CSUMERRORS, UDP_MIB_INDATAGRAMS, UDP_MIB_INERRORS } from '../../../uapi/snmp.ts'
import { MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC } from '../../../uapi/socket.ts'
import {
  __sk_queue_drop_skb,
  __skb_try_recv_from_queue,
  sk_peek_offset,
  sk_peek_offset_bwd,
  skb_copy_and_csum_datagram_msg,
  skb_copy_datagram_iter,
} from '../../core/datagram.ts'
import {
  __skb_dequeue,
  consume_skb,
  kfree_skb_reason,
  skb_network_header,
  skb_transport_header,
} from '../../core/skbuff.ts'
import { skb_checksum_complete, skb_csum_unnecessary } from '../../core/skbuff_data.ts'
import { sk_receive_queue, sock_error } from '../../core/sock.ts'
import { SOCK_CMSG_FLAGS, sock_recv_cmsgs } from '../../core/sock_cmsg.ts'
import { INET_CMSG_FLAGS, ip_cmsg_recv } from '../ip_sockglue/cmsg_recv.ts'
import { udp_cmsg_recv } from './gso.ts'
import { ip_recv_error, move_addr_to_user } from '../ip_sockglue/recv_error.ts'

const OFF: usize = memory.data(16, 16)

/** Bytes in which Linux reserves memory for a socket. */
const SK_MEM_QUANTUM: i32 = 4096

/** Gives back the memory of read packets that is still charged; a page of it stays reserved while the socket is open. */
function release_now(sk: sock, size: i32): void {
  sk.forward_deficit = 0
  sk.sk_forward_alloc = ((sk.sk_forward_alloc + size - 1) & (SK_MEM_QUANTUM - 1)) + 1
  sk.sk_rmem_alloc -= size
}

/**
 * A packet of size bytes (truesize) was taken off the queue. Its memory is given back at once if that was the last, else
 * when a quarter of the buffer has come together; until then it counts as used.
 */
export function udp_rmem_release(sk: sock, size: i32): void {
  walk(FN_udp_rmem_release, 0)
  rmem_release(sk, size)
}

/** The same without its walk point. */
export function rmem_release(sk: sock, size: i32): void {
  const deficit = sk.forward_deficit + size
  if (deficit < sk.sk_rcvbuf >> 2 && sk.reader_len != 0) {
    sk.forward_deficit = deficit
    return
  }
  release_now(sk, deficit)
  sk.reader_len = sk.rq_len
}

/** The first packet, or with MSG_PEEK a reference to it; ERR_PTR: the pending error, or -EAGAIN. */
function __skb_recv_udp(sk: sock, flags: u32): usize {
  walk(FN___skb_recv_udp, 0)
  if (sk.sk_err) return <usize>sock_error(sk)
  if (sk.reader_len == 0) {
    walk(FN___skb_try_recv_from_queue, 0)
    sk.reader_len = sk.rq_len
    if (sk.rq_len == 0) {
      sk.ready &= ~SOCK_READY_QUEUED
      return ERR_PTR(EAGAIN)
    }
  }
  store<i32>(OFF, sk_peek_offset(sk, flags))
  const skb = __skb_try_recv_from_queue(sk, flags, OFF)
  if (changetype<usize>(skb) == 0) return ERR_PTR(EAGAIN)
  if (!(flags & MSG_PEEK)) {
    sk.reader_len -= 1
    udp_rmem_release(sk, <i32>skb.truesize)
  }
  return changetype<usize>(skb)
}

/** The checksum of a datagram turned out wrong as it was read: it was never there (udp-rx-checksum-at-read). */
function csum_copy_err(sk: sock, skb: sk_buff, flags: u32): void {
  const owner = changetype<net>(sk.net)
  const before = sk.rq_len
  if (__sk_queue_drop_skb(sk, skb, flags)) {
    mib_inc(owner, UDP_MIB_CSUMERRORS)
    mib_inc(owner, UDP_MIB_INERRORS)
  }
  if (before != sk.rq_len) {
    if (sk.reader_len) sk.reader_len -= 1
    udp_rmem_release(sk, <i32>skb.truesize)
  }
  kfree_skb_reason(skb, SKB_DROP_REASON_UDP_CSUM, FN_udp_recvmsg)
}

/** Copies copied bytes from offset; verifies the checksum if nobody has. False: it is wrong. */
function copy_out(skb: sk_buff, msg: msghdr, offset: u32, copied: u32, peeking: bool): bool {
  if (!skb_csum_unnecessary(skb)) {
    const whole = offset == 0 && copied == skb.len
    if (whole && !peeking) return skb_copy_and_csum_datagram_msg(skb, 0, msg.iov_base, copied) == 0
    if (skb_checksum_complete(skb)) return false
  }
  if (skb.data_len == 0) copy_bytes(msg.iov_base, skb.data + offset, copied)
  else skb_copy_datagram_iter(skb, offset, msg.iov_base, copied)
  return true
}

/** What the reader is told besides the data. */
function tell(sk: sock, skb: sk_buff, msg: msghdr): void {
  if (sk.sk_flags & SOCK_CMSG_FLAGS) sock_recv_cmsgs(msg, sk, skb)
  const source = changetype<udphdr>(skb_transport_header(skb)).source
  move_addr_to_user(msg, changetype<iphdr>(skb_network_header(skb)).saddr, source)
  if (sk.udp_flags & (<u16>UDP_FLAGS_GRO_ENABLED)) udp_cmsg_recv(msg, skb)
  if (sk.inet_flags & INET_CMSG_FLAGS) ip_cmsg_recv(msg, sk, skb)
}

/** The reader is done with a packet: n bytes of it taken, or -n looked at. */
function skb_consume_udp(sk: sock, skb: sk_buff, n: i32): void {
  walk(FN_skb_consume_udp, changetype<usize>(skb))
  sk_peek_offset_bwd(sk, n)
  walk(FN___consume_stateless_skb, changetype<usize>(skb))
  consume_skb(skb, SKB_ENDED_DELIVERED)
}

/**
 * Reads a datagram, or with MSG_ERRQUEUE an error. Answers the bytes that were copied (with MSG_TRUNC those that the
 * datagram has), or -errno: the pending error, -EAGAIN. UdpInDatagrams counts here, not on arrival.
 */
export function udp_recvmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  walk(FN_udp_recvmsg, 0)
  if (flags & MSG_ERRQUEUE) return ip_recv_error(sk, msg)
  const peeking = (flags & MSG_PEEK) != 0
  for (;;) {
    const p = __skb_recv_udp(sk, flags)
    if (IS_ERR(p)) {
      msg.msg_namelen = 0
      return <i32>p
    }
    const skb = changetype<sk_buff>(p)
    const offset = peeking ? <u32>load<i32>(OFF) : 0
    const length = skb.len
    const left = length - offset
    const copied = min(msg.iov_len, left)
    if (!copy_out(skb, msg, offset, copied, peeking)) {
      csum_copy_err(sk, skb, flags)
      continue
    }
    // As Linux does: what exactly fits behind a peek's offset counts as cut short too.
    if (msg.iov_len <= left && copied < length) msg.msg_flags |= MSG_TRUNC
    charge(COST_COPY, copied)
    if (!peeking) mib_inc(changetype<net>(sk.net), UDP_MIB_INDATAGRAMS)
    tell(sk, skb, msg)
    const answer = flags & MSG_TRUNC ? <i32>length : <i32>copied
    skb_consume_udp(sk, skb, peeking ? -answer : answer)
    return answer
  }
}

/** The socket is closed: nobody will read what is left. */
export function udp_destruct_common(sk: sock): void {
  let total = sk.forward_deficit
  for (;;) {
    const skb = __skb_dequeue(sk_receive_queue(sk))
    if (changetype<usize>(skb) == 0) break
    total += <i32>skb.truesize
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_udp_destruct_common)
  }
  release_now(sk, total)
  sk.reader_len = 0
}
