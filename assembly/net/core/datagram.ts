// Reading datagrams: off a queue, into a reader's memory, with the checksum on the way. Mirrors net/core/datagram.c.

import { SKB_ENDED_DELIVERED, SKB_PEEKED, sk_buff } from '../../include/skbuff.ts'
import {
  RCV_SHUTDOWN,
  SHUTDOWN_MASK,
  SOCKWQ_ASYNC_NOSPACE,
  SOCK_READY_QUEUED,
  SOCK_SELECT_ERRQUEUE,
  sock,
} from '../../include/sock.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { copy_bytes, csum_add, csum_fold, csum_partial_copy } from '../../lib/checksum.ts'
import { walk, walk_all } from '../../trace/trace.ts'
import { EAGAIN, EINVAL } from '../../uapi/errno.ts'
import {
  FN___sk_queue_drop_skb,
  FN___skb_recv_datagram,
  FN___skb_try_recv_datagram,
  FN___skb_try_recv_from_queue,
  FN_datagram_poll,
  FN_skb_copy_and_csum_datagram_msg,
  FN_skb_copy_datagram_iter,
  FN_skb_free_datagram,
  FN_skb_recv_datagram,
} from '../../uapi/functions.ts'
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
  MSG_PEEK,
} from '../../uapi/socket.ts'
import { NO_SKB, __skb_unlink, consume_skb, skb_get } from './skbuff.ts'
import { __skb_checksum_complete, skb_copy_and_csum_bits, skb_copy_bits } from './skbuff_data.ts'
import { sk_receive_queue, sock_error } from './sock.ts'
import { sock_writeable } from './sock_wmem.ts'

/** Where a reader stands who looks without taking (SO_PEEK_OFF). */
export function sk_peek_offset(sk: sock, flags: u32): i32 {
  return flags & MSG_PEEK && sk.sk_peek_off > 0 ? sk.sk_peek_off : 0
}

/** A reader took n bytes, or looked at -n. */
export function sk_peek_offset_bwd(sk: sock, n: i32): void {
  if (sk.sk_peek_off >= 0) sk.sk_peek_off = max(sk.sk_peek_off - n, 0)
}

/**
 * The first packet of the receive queue: taken off, or with MSG_PEEK another reference to it. off (an i32 in memory) is
 * moved back by the packets that a peek skips. NO_SKB: there is none. Its memory is still charged.
 */
export function __skb_try_recv_from_queue(sk: sock, flags: u32, off: usize): sk_buff {
  walk(FN___skb_try_recv_from_queue, 0)
  let p = sk.rq_head
  if (!(flags & MSG_PEEK)) {
    if (p) __skb_unlink(changetype<sk_buff>(p), sk_receive_queue(sk))
    return changetype<sk_buff>(p)
  }
  let skip = load<i32>(off)
  while (p) {
    const skb = changetype<sk_buff>(p)
    const seen = skip != 0 || (skb.skb_flags & SKB_PEEKED) != 0
    if (sk.sk_peek_off >= 0 && skip >= <i32>skb.len && seen) {
      skip -= <i32>skb.len
      p = skb.next
      continue
    }
    if (skb.len == 0) skb.skb_flags |= SKB_PEEKED
    store<i32>(off, skip)
    return skb_get(skb)
  }
  return NO_SKB
}

const OFF: usize = memory.data(16, 16)
const RECV_WALK: usize = memory.data<u32>([FN_skb_recv_datagram, FN___skb_recv_datagram, FN___skb_try_recv_datagram, 0])

/**
 * A datagram for the reader (with MSG_PEEK a reference to it), or ERR_PTR: the pending error, -EAGAIN when the queue is
 * empty. A peek begins at the first: only UDP knows SO_PEEK_OFF.
 */
export function skb_recv_datagram(sk: sock, flags: u32): usize {
  walk_all(RECV_WALK, 0)
  if (sk.sk_err) return <usize>sock_error(sk)
  store<i32>(OFF, 0)
  const skb = __skb_try_recv_from_queue(sk, flags, OFF)
  if (changetype<usize>(skb)) return changetype<usize>(skb)
  sk.ready &= ~SOCK_READY_QUEUED
  return ERR_PTR(EAGAIN)
}

/** The reader has what it wants of a datagram. */
export function skb_free_datagram(skb: sk_buff): void {
  walk(FN_skb_free_datagram, changetype<usize>(skb))
  consume_skb(skb, SKB_ENDED_DELIVERED)
}

/** A datagram turned out bad: off the queue if it was only peeked at, and counted. True: it was still ours to end. */
export function __sk_queue_drop_skb(sk: sock, skb: sk_buff, flags: u32): bool {
  walk(FN___sk_queue_drop_skb, changetype<usize>(skb))
  sk.sk_drops += 1
  if (!(flags & MSG_PEEK)) return true
  for (let p = sk.rq_head; p; p = changetype<sk_buff>(p).next) {
    if (p != changetype<usize>(skb)) continue
    __skb_unlink(skb, sk_receive_queue(sk))
    skb.users -= 1
    return true
  }
  return false
}

/** Copies len bytes from offset into the data. */
export function skb_copy_datagram_iter(skb: sk_buff, offset: u32, to: usize, len: u32): void {
  walk(FN_skb_copy_datagram_iter, changetype<usize>(skb))
  if (skb.data_len == 0) copy_bytes(to, skb.data + offset, len)
  else skb_copy_bits(skb, offset, to, len)
}

/** Copies all from offset to a reader with room for len bytes and verifies the checksum on the way. 0 or -EINVAL: it is wrong. */
export function skb_copy_and_csum_datagram_msg(skb: sk_buff, offset: u32, to: usize, len: u32): i32 {
  walk(FN_skb_copy_and_csum_datagram_msg, changetype<usize>(skb))
  const bytes = skb.len - offset
  if (len < bytes) {
    if (__skb_checksum_complete(skb)) return -EINVAL
    skb_copy_datagram_iter(skb, offset, to, len)
    return 0
  }
  let sum: u32
  if (skb.data_len == 0) sum = csum_partial_copy(skb.data + offset, to, bytes, skb.csum)
  else sum = csum_add(skb.csum, skb_copy_and_csum_bits(skb, offset, to, bytes))
  return csum_fold(sum) ? -EINVAL : 0
}

/** What a call on a socket of datagrams would find: EPOLL* bits. */
export function datagram_poll(sk: sock): u32 {
  walk(FN_datagram_poll, 0)
  let mask: u32 = 0
  if (sk.sk_err || sk.eq_len) {
    mask |= EPOLLERR
    if (sk.sk_flags & SOCK_SELECT_ERRQUEUE) mask |= EPOLLPRI
  }
  if (sk.sk_shutdown & (<u8>RCV_SHUTDOWN)) mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM
  if (sk.sk_shutdown == <u8>SHUTDOWN_MASK) mask |= EPOLLHUP
  if (sk.rq_len) mask |= EPOLLIN | EPOLLRDNORM
  if (sock_writeable(sk)) mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND
  else sk.sk_socket_flags |= SOCKWQ_ASYNC_NOSPACE
  return mask
}
