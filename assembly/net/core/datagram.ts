// Reading datagrams: off a queue, into a reader's memory, with the checksum on the way. Mirrors net/core/datagram.c.

import { MSG_PEEK } from '../../uapi/socket.ts'
import { SKB_PEEKED, sk_buff } from '../../include/skbuff.ts'
import { sock } from '../../include/sock.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { copy_bytes, csum_add, csum_fold, csum_partial_copy } from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import { EAGAIN, EINVAL } from '../../uapi/errno.ts'
import {
  FN___sk_queue_drop_skb,
  FN___skb_recv_datagram,
  FN___skb_try_recv_from_queue,
  FN_skb_copy_and_csum_datagram_msg,
  FN_skb_copy_datagram_iter,
} from '../../uapi/functions.ts'
import { NO_SKB, __skb_unlink, skb_get } from './skbuff.ts'
import { __skb_checksum_complete, skb_copy_and_csum_bits, skb_copy_bits } from './skbuff_data.ts'
import { sk_receive_queue, sock_error } from './sock.ts'

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

/** A datagram for the reader, or ERR_PTR: the pending error, -EAGAIN when the queue is empty. */
export function __skb_recv_datagram(sk: sock, flags: u32): usize {
  walk(FN___skb_recv_datagram, 0)
  if (sk.sk_err) return <usize>sock_error(sk)
  store<i32>(OFF, sk_peek_offset(sk, flags))
  const skb = __skb_try_recv_from_queue(sk, flags, OFF)
  return changetype<usize>(skb) ? changetype<usize>(skb) : ERR_PTR(EAGAIN)
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
