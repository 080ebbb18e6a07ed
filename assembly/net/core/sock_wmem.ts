// What a socket has sent and what is not freed yet: its send buffer, who waits for room in it, packets to send. Mirrors the
// sending half of net/core/sock.c.

import { SKB_BORN_SENT, sk_buff } from '../../include/skbuff.ts'
import {
  SEND_SHUTDOWN,
  SOCKWQ_ASYNC_NOSPACE,
  SOCK_NOSPACE,
  SOCK_READY_OUT,
  SOCK_WATCHED,
  sock,
} from '../../include/sock.ts'
import { boot } from '../../lib/boot.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { EAGAIN, ENOBUFS, EPIPE } from '../../uapi/errno.ts'
import { FN_sock_alloc_send_pskb, FN_sock_def_write_space, FN_sock_wfree } from '../../uapi/functions.ts'
import { MSG_DONTWAIT } from '../../uapi/socket.ts'
import { alloc_skb, alloc_truesize, skb_orphan } from './skbuff.ts'
import { __sk_free, sock_error, sock_wake } from './sock.ts'

const PAGE_SIZE: u32 = 4096

/** Less than half of the send buffer is in use, by Linux's count, which begins at 1. */
export function sock_writeable(sk: sock): bool {
  return sk.sk_wmem_alloc + 1 < sk.sk_sndbuf >> 1
}

/** Who wants to know of room. */
const ROOM_WANTED: u32 = SOCKWQ_ASYNC_NOSPACE | SOCK_WATCHED

/** There is room to send again, if someone waits for it. */
export function sock_def_write_space(sk: sock): void {
  walk(FN_sock_def_write_space, 0)
  if (!(sk.sk_socket_flags & ROOM_WANTED) || !sock_writeable(sk)) return
  sk.sk_socket_flags &= ~SOCKWQ_ASYNC_NOSPACE
  sock_wake(sk, SOCK_READY_OUT)
}

/** Destructor of a packet that was sent: its socket may send more. */
export function sock_wfree(p: usize): void {
  const skb = changetype<sk_buff>(p)
  walk(FN_sock_wfree, p)
  const sk = changetype<sock>(skb.sk)
  sk.sk_wmem_alloc -= <i32>skb.truesize
  if (sk.sk_refcnt == 0) __sk_free(sk)
  else if (sk.sk_socket_flags & ROOM_WANTED) sock_def_write_space(sk)
}

/** Once at boot. */
export function sock_wmem_init(): void {
  boot.sock_wfree = sock_wfree.index
}

/** The socket is charged for a packet that it sends, until it is freed. */
export function skb_set_owner_w(skb: sk_buff, sk: sock): void {
  if (skb.destructor) skb_orphan(skb)
  skb.sk = changetype<usize>(sk)
  skb.destructor = boot.sock_wfree
  sk.sk_wmem_alloc += <i32>skb.truesize
}

/**
 * A packet of up to size bytes behind headroom that the socket is charged for, for a system call: a pending error comes first,
 * then a socket that is shut down for sending.
 * An sk_buff or ERR_PTR: -EAGAIN says that the send buffer is full (an event follows when there is room).
 */
export function sock_alloc_send_skb(sk: sock, size: u32, headroom: u32): usize {
  return sock_alloc_send_pskb(sk, size, headroom, 0)
}

/**
 * The same with data_len bytes more, which Linux lays on pages: they are charged as such, and lie in one piece here.
 */
export function sock_alloc_send_pskb(sk: sock, size: u32, headroom: u32, data_len: u32): usize {
  walk(FN_sock_alloc_send_pskb, 0)
  if (sk.sk_err) return <usize>sock_error(sk)
  if (sk.sk_shutdown & SEND_SHUTDOWN) return ERR_PTR(EPIPE)
  if (sk.sk_wmem_alloc >= sk.sk_sndbuf) {
    sk.sk_socket_flags |= SOCK_NOSPACE | SOCKWQ_ASYNC_NOSPACE
    return ERR_PTR(EAGAIN)
  }
  const skb = alloc_skb(size + data_len, headroom, sk.net, SKB_BORN_SENT)
  if (changetype<usize>(skb) == 0) return ERR_PTR(ENOBUFS)
  if (data_len) skb.truesize = alloc_truesize(size + headroom) + ((data_len + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
  skb_set_owner_w(skb, sk)
  return changetype<usize>(skb)
}

/** Will the call be made again when there is room? It did not fail then, and nothing counts it. flags: those of the call. */
export function send_waits(err: i32, flags: u32): bool {
  return err == -EAGAIN && !(flags & MSG_DONTWAIT)
}
