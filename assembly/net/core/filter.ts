// Socket filters: a classic BPF program says which packets a socket wants, and how much of them. Mirrors net/core/filter.c.
// The program is checked (filter/check.ts), made ready (filter/decode.ts) and run (filter/run.ts). Left out: eBPF, seccomp.
// Read first: Documentation/networking/filter.rst.

import { SOCK_FILTER_SIZE, sk_filter } from '../../include/filter.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { SOCK_FILTER_LOCKED, sock } from '../../include/sock.ts'
import { ERR_PTR, IS_ERR, PTR_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_SOCKET_FILTER } from '../../uapi/dropreason.ts'
import { EINVAL, ENOENT, ENOMEM, EPERM } from '../../uapi/errno.ts'
import { BPF_MAXINSNS } from '../../uapi/filter.ts'
import { FN_sk_attach_filter, FN_sk_filter_trim_cap } from '../../uapi/functions.ts'
import { filter_size, sk_filter_charge } from './filter/charge.ts'
import { bpf_check_classic } from './filter/check.ts'
import { filter_make, filter_put, first_step, original } from './filter/decode.ts'
import { bpf_prog_run } from './filter/run.ts'
import { pskb_trim } from './skbuff_data.ts'

/**
 * What the socket's program says of a packet, data where the socket's protocol begins: bytes that it wants, 0: none of it.
 * Without a program all of them. Changes nothing.
 */
export function run_filter(sk: sock, skb: sk_buff): u32 {
  if (sk.sk_filter == 0) return u32.MAX_VALUE
  return bpf_prog_run(first_step(changetype<sk_filter>(sk.sk_filter)), skb)
}

/**
 * Does the socket want the packet? What it does not want of it is cut off, but for the first cap bytes.
 * 0, or the reason to drop it (it is still the caller's).
 */
export function sk_filter_trim_cap(sk: sock, skb: sk_buff, cap: u32): u32 {
  walk(FN_sk_filter_trim_cap, changetype<usize>(skb))
  const wanted = run_filter(sk, skb)
  return wanted && pskb_trim(skb, max(cap, wanted)) ? 0 : SKB_DROP_REASON_SOCKET_FILTER
}

/** A program of bytes at ptr, checked and ready to run, counted once: its address, or ERR_PTR. */
export function filter_from_user(sk: sock, ptr: usize, bytes: u32): usize {
  if (sk.sk_flags & SOCK_FILTER_LOCKED) return ERR_PTR(EPERM)
  const len = bytes / SOCK_FILTER_SIZE
  if (bytes % SOCK_FILTER_SIZE || len == 0 || len > BPF_MAXINSNS) return ERR_PTR(EINVAL)
  const err = bpf_check_classic(ptr, len)
  if (err) return ERR_PTR(-err)
  const filter = filter_make(ptr, len)
  return filter ? filter : ERR_PTR(ENOMEM)
}

/** SO_ATTACH_FILTER: bytes at ptr are an array of sock_filter; it takes the place of the one before. 0 or -errno. */
export function sk_attach_filter(sk: sock, ptr: usize, bytes: u32): i32 {
  walk(FN_sk_attach_filter, 0)
  const filter = filter_from_user(sk, ptr, bytes)
  if (IS_ERR(filter)) return PTR_ERR(filter)
  if (!sk_filter_charge(sk, changetype<sk_filter>(filter))) {
    filter_put(filter)
    return -ENOMEM
  }
  sk_filter_release(sk)
  sk.sk_filter = filter
  return 0
}

/** SO_DETACH_FILTER. 0, -EPERM or -ENOENT. */
export function sk_detach_filter(sk: sock): i32 {
  if (sk.sk_flags & SOCK_FILTER_LOCKED) return -EPERM
  if (sk.sk_filter == 0) return -ENOENT
  sk_filter_release(sk)
  return 0
}

/** The socket has no program any more. */
export function sk_filter_release(sk: sock): void {
  if (sk.sk_filter == 0) return
  sk.sk_omem_alloc -= filter_size(changetype<sk_filter>(sk.sk_filter))
  filter_put(sk.sk_filter)
  sk.sk_filter = 0
}

/**
 * SO_GET_FILTER: the program as it was attached, to ptr. lenp counts instructions: the room, then how many there are
 * (with a room of 0 nothing is written). 0, or -EINVAL: it has more.
 */
export function sk_get_filter(sk: sock, ptr: usize, lenp: usize): i32 {
  const filter = changetype<sk_filter>(sk.sk_filter)
  const len: u32 = sk.sk_filter ? filter.len : 0
  const room = load<u32>(lenp)
  if (room && room < len) return -EINVAL
  if (room && len) memory.copy(ptr, original(filter), <usize>len * SOCK_FILTER_SIZE)
  store<u32>(lenp, len)
  return 0
}
