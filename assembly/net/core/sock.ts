// Sockets as objects: birth, handles, references, what waits for their readers, wake-ups. Mirrors net/core/sock.c.
// What they send: sock_wmem.ts; options: sock_options.ts. A socket lives until its handle is closed and the last packet that it sent is freed.

import { CACHE_SOCK, boot } from '../../lib/boot.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import {
  DROPCOUNT_CB,
  EXTERR_CB,
  PROT_TCP,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SOCK_DEAD,
  SOCK_READY_ALL,
  SOCK_READY_ERR,
  SOCK_READY_IN,
  SOCK_READY_QUEUED,
  SOCK_RXQ_OVFL,
  SOCK_SIZE,
  TCP_CLOSE,
  sock,
  sock_exterr_skb,
} from '../../include/sock.ts'
import { SKB_CB, sk_buff, sk_buff_head } from '../../include/skbuff.ts'
import { EV_SOCK, event_push } from '../../kernel/event.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { get_random_u32 } from '../../lib/random.ts'
import { kmem_cache_create, kmem_cache_free, kmem_cache_zalloc } from '../../lib/slab.ts'
import { walk, walk_all } from '../../trace/trace.ts'
import { SKB_DROP_REASON_QUEUE_PURGE, SKB_DROP_REASON_SOCKET_RCVBUFF } from '../../uapi/dropreason.ts'
import { ENOMEM } from '../../uapi/errno.ts'
import {
  FN___sk_free,
  FN___sk_mem_schedule,
  FN___sock_queue_rcv_skb,
  FN_skb_queue_purge_reason,
  FN_sk_alloc,
  FN_sk_destruct,
  FN_sk_dst_check,
  FN_sk_error_report,
  FN_sk_filter_trim_cap,
  FN_sock_def_error_report,
  FN_sock_def_readable,
  FN_sock_init_data,
  FN_sock_queue_err_skb,
  FN_sock_queue_rcv_skb_reason,
  FN_sock_rfree,
} from '../../uapi/functions.ts'
import { PACKET_OUTGOING, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 } from '../../uapi/in.ts'
import { SYSCTL_CORE_OPTMEM_MAX, SYSCTL_CORE_RMEM_DEFAULT, SYSCTL_CORE_WMEM_DEFAULT } from '../../uapi/sysctl.ts'
import { dst_check, dst_release } from './dst.ts'
import { sk_filter_release, sk_filter_trim_cap } from './filter.ts'
import { reuseport_detach_sock } from './sock_reuseport.ts'
import {
  __skb_dequeue,
  __skb_queue_purge_reason,
  __skb_queue_tail,
  skb_dst_drop,
  skb_dst_force,
  skb_orphan,
} from './skbuff.ts'
import { MAX_SCHEDULE_TIMEOUT, sock_stamps_end } from './sock_times.ts'

export const NO_SOCK: sock = changetype<sock>(0)

/** Chains of the table of handles, at first. */
const HANDLE_CHAINS: u32 = 64
/** Bytes in which Linux reserves a protocol's memory for a socket. */
const SK_MEM_QUANTUM: i32 = 4096

/** Once at boot: room for sockets and their handles. False: out of memory. */
export function sk_init(): bool {
  kmem_cache_create(CACHE_SOCK, <u32>SOCK_SIZE)
  boot.sock_handles = kzalloc((<usize>HANDLE_CHAINS) << 2)
  boot.sock_handles_mask = HANDLE_CHAINS - 1
  boot.sock_next_handle = 1
  return boot.sock_handles != 0
}

/** The queues lie in the socket as sk_buff_heads. */
export function sk_receive_queue(sk: sock): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(sk) + offsetof<sock>('rq_head'))
}

export function sk_error_queue(sk: sock): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(sk) + offsetof<sock>('eq_head'))
}

export function sk_write_queue(sk: sock): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(sk) + offsetof<sock>('wq_head'))
}

export function sock_flag(sk: sock, flag: u32): bool {
  return (sk.sk_flags & flag) != 0
}

export function sock_valbool_flag(sk: sock, flag: u32, on: bool): void {
  if (on) sk.sk_flags |= flag
  else sk.sk_flags &= ~flag
}

function chain_of(handle: u32): usize {
  return boot.sock_handles + ((<usize>(handle & boot.sock_handles_mask)) << 2)
}

/** Twice the chains; without memory they grow longer instead. */
function handles_grow(): void {
  const chains = (boot.sock_handles_mask + 1) * 2
  const table = kzalloc((<usize>chains) << 2)
  if (table == 0) return
  kfree(boot.sock_handles, (<usize>boot.sock_handles_mask + 1) << 2)
  boot.sock_handles = table
  boot.sock_handles_mask = chains - 1
  for (let p = boot.sock_list; p; p = changetype<sock>(p).all_next) {
    const chain = chain_of(changetype<sock>(p).handle)
    changetype<sock>(p).handle_next = load<usize>(chain)
    store<usize>(chain, p)
  }
}

/** The open socket of a handle, NO_SOCK: there is none. Handles count up and are never used twice. */
export function sockfd_lookup(handle: u32): sock {
  let p = load<usize>(chain_of(handle))
  while (p) {
    const sk = changetype<sock>(p)
    if (sk.handle == handle) return sk
    p = sk.handle_next
  }
  return NO_SOCK
}

function handle_install(sk: sock): void {
  if (boot.sock_count > boot.sock_handles_mask) handles_grow()
  const p = changetype<usize>(sk)
  sk.handle = boot.sock_next_handle++
  const chain = chain_of(sk.handle)
  sk.handle_next = load<usize>(chain)
  store<usize>(chain, p)
  sk.all_next = boot.sock_list
  if (boot.sock_list) changetype<sock>(boot.sock_list).all_prev = p
  boot.sock_list = p
  boot.sock_count += 1
}

/** The handle is closed: the socket is known to the kernel only. */
export function sock_orphan(sk: sock): void {
  const p = changetype<usize>(sk)
  let link = chain_of(sk.handle)
  while (load<usize>(link) != p) link = load<usize>(link) + offsetof<sock>('handle_next')
  store<usize>(link, sk.handle_next)
  if (sk.all_prev) changetype<sock>(sk.all_prev).all_next = sk.all_next
  else boot.sock_list = sk.all_next
  if (sk.all_next) changetype<sock>(sk.all_next).all_prev = sk.all_prev
  boot.sock_count -= 1
  sk.sk_flags |= SOCK_DEAD
}

/** What every socket begins with. */
function sock_init_data(sk: sock, net: net): void {
  walk(FN_sock_init_data, 0)
  sk.sk_state = <u8>TCP_CLOSE
  sk.sk_rcvbuf = sysctl(net, SYSCTL_CORE_RMEM_DEFAULT)
  sk.sk_sndbuf = sysctl(net, SYSCTL_CORE_WMEM_DEFAULT)
  sk.sk_rcvlowat = 1
  sk.sk_peek_off = -1
  sk.sk_incoming_cpu = -1
  sk.sk_rcvtimeo = MAX_SCHEDULE_TIMEOUT
  sk.sk_sndtimeo = MAX_SCHEDULE_TIMEOUT
  sk.sk_pacing_rate = u64.MAX_VALUE
  sk.sk_refcnt = 1
}

/** A new socket with a handle and one reference. NO_SOCK: out of memory. */
export function sk_alloc(net: net, family: u32, type: u32, protocol: u32): sock {
  walk(FN_sk_alloc, 0)
  const p = kmem_cache_zalloc(CACHE_SOCK)
  if (p == 0) return NO_SOCK
  const sk = changetype<sock>(p)
  sk.net = changetype<usize>(net)
  sk.sk_family = <u16>family
  sk.sk_type = <u16>type
  sk.sk_protocol = <u16>protocol
  sock_init_data(sk, net)
  handle_install(sk)
  sk.sk_cookie = <u64>sk.handle
  return sk
}

/** Frees the socket once nobody refers to it and nothing that it sent is under way. */
export function __sk_free(sk: sock): void {
  if (sk.sk_refcnt || sk.sk_wmem_alloc) return
  walk(FN___sk_free, 0)
  walk(FN_sk_destruct, 0)
  __skb_queue_purge_reason(sk_receive_queue(sk), SKB_DROP_REASON_QUEUE_PURGE, FN_skb_queue_purge_reason)
  __skb_queue_purge_reason(sk_error_queue(sk), SKB_DROP_REASON_QUEUE_PURGE, FN_skb_queue_purge_reason)
  sk_dst_reset(sk)
  dst_release(sk.sk_rx_dst)
  sk_filter_release(sk)
  if (sk.sk_reuseport_cb) reuseport_detach_sock(sk)
  sock_stamps_end(sk)
  kfree(sk.inet_opt, sk.inet_opt_size)
  kmem_cache_free(CACHE_SOCK, changetype<usize>(sk))
}

export function sock_hold(sk: sock): void {
  sk.sk_refcnt += 1
}

/** Gives up a reference. */
export function sock_put(sk: sock): void {
  sk.sk_refcnt -= 1
  if (sk.sk_refcnt == 0) __sk_free(sk)
}

/** Takes the pending error: -errno or 0. */
export function sock_error(sk: sock): i32 {
  const err = sk.sk_err
  if (err) sk.sk_err = 0
  return -err
}

/** Wakes who waits for any of what (SOCK_READY_*): an event for TypeScript, one until it is asked (sys_poll, sys_woken). */
export function sock_wake(sk: sock, what: u32): void {
  const queued = sk.ready & SOCK_READY_QUEUED
  sk.ready |= what | SOCK_READY_QUEUED
  if (queued == 0) event_push(EV_SOCK, sk.handle, 0, 0)
}

const IN_QUEUED: u32 = SOCK_READY_IN | SOCK_READY_QUEUED

/** Something can be read. */
export function sock_def_readable(sk: sock): void {
  walk(FN_sock_def_readable, 0)
  if ((sk.ready & IN_QUEUED) != IN_QUEUED) sock_wake(sk, SOCK_READY_IN)
}

/** sk_err or the error queue has something. */
export function sk_error_report(sk: sock): void {
  walk(FN_sk_error_report, 0)
  walk(FN_sock_def_error_report, 0)
  sock_wake(sk, SOCK_READY_ERR)
}

/** Destructor of a packet in a receive queue. */
export function sock_rfree(p: usize): void {
  const skb = changetype<sk_buff>(p)
  walk(FN_sock_rfree, p)
  const sk = changetype<sock>(skb.sk)
  sk.sk_rmem_alloc -= <i32>skb.truesize
  if (sk_has_account(sk)) sk_mem_uncharge(sk, <i32>skb.truesize)
}

/** Destructor of a packet in an error queue. */
function sock_rmem_free(p: usize): void {
  const skb = changetype<sk_buff>(p)
  changetype<sock>(skb.sk).sk_rmem_alloc -= <i32>skb.truesize
}

/** The socket is charged for a packet that waits for its reader. */
export function skb_set_owner_r(skb: sk_buff, sk: sock): void {
  if (skb.destructor) skb_orphan(skb)
  skb.sk = changetype<usize>(sk)
  skb.destructor = sock_rfree.index
  sk.sk_rmem_alloc += <i32>skb.truesize
  if (sk_has_account(sk)) sk_mem_charge(sk, <i32>skb.truesize)
}

/** Has the socket's protocol an account of memory that it reserves from? */
function sk_has_account(sk: sock): bool {
  return sk.sk_prot <= PROT_TCP
}

/** Reserves memory in pages, as SO_MEMINFO shows it. */
export function sk_mem_charge(sk: sock, size: i32): void {
  let left = sk.sk_forward_alloc - size
  if (left < 0) {
    walk(FN___sk_mem_schedule, 0)
    left += (-left + SK_MEM_QUANTUM - 1) & -SK_MEM_QUANTUM
  }
  sk.sk_forward_alloc = left
}

/** Gives back whole pages. */
export function sk_mem_uncharge(sk: sock, size: i32): void {
  sk.sk_forward_alloc = (sk.sk_forward_alloc + size) & (SK_MEM_QUANTUM - 1)
}

/**
 * Memory for an option, zeroed: size bytes here, charge bytes in Linux, which net.core.optmem_max bounds. 0: there is none.
 */
export function sock_kmalloc(sk: sock, size: usize, charge: u32): usize {
  const most = <u32>sysctl(changetype<net>(sk.net), SYSCTL_CORE_OPTMEM_MAX)
  if (charge > most || sk.sk_omem_alloc + charge >= most) return 0
  const p = kzalloc(size)
  if (p) sk.sk_omem_alloc += charge
  return p
}

export function sock_kfree_s(sk: sock, p: usize, size: usize, charge: u32): void {
  if (p == 0) return
  kfree(p, size)
  sk.sk_omem_alloc -= charge
}

/** What a packet passes on its way into the queue of a raw, ping or packet socket. */
const QUEUE_WALK: usize = memory.data<u32>([
  FN_sock_queue_rcv_skb_reason,
  FN_sk_filter_trim_cap,
  FN___sock_queue_rcv_skb,
  0,
])

/** Does the socket's program want the packet? What remains of it is at least one byte. 0, or why not. */
function sk_filter(sk: sock, skb: sk_buff): u32 {
  const p = changetype<usize>(skb)
  if (sk.sk_filter == 0) {
    walk_all(QUEUE_WALK, p)
    return 0
  }
  walk(FN_sock_queue_rcv_skb_reason, p)
  const reason = sk_filter_trim_cap(sk, skb, 1)
  if (reason == 0) walk(FN___sock_queue_rcv_skb, p)
  return reason
}

/**
 * Queues a packet for the reader, with a route of its own if it has one. 0, or why not (SKB_DROP_REASON_*), counted: the
 * skb is still the caller's. The buffer counts truesize, and takes what comes until it is full.
 */
export function sock_queue_rcv_skb_reason(sk: sock, skb: sk_buff): u32 {
  const refused = sk_filter(sk, skb)
  if (refused) return refused
  if (sk.sk_rmem_alloc >= sk.sk_rcvbuf) {
    sk.sk_drops += 1
    return SKB_DROP_REASON_SOCKET_RCVBUFF
  }
  skb.dev = 0
  skb_set_owner_r(skb, sk)
  skb_dst_force(skb)
  if (sk.sk_flags & SOCK_RXQ_OVFL) store<u32>(changetype<usize>(skb) + SKB_CB + DROPCOUNT_CB, sk.sk_drops)
  __skb_queue_tail(sk_receive_queue(sk), skb)
  if (!(sk.sk_flags & SOCK_DEAD)) sock_def_readable(sk)
  return 0
}

export function SKB_EXT_ERR(skb: sk_buff): sock_exterr_skb {
  return changetype<sock_exterr_skb>(changetype<usize>(skb) + SKB_CB + EXTERR_CB)
}

/** Queues an error with the packet it is about. 0, or -ENOMEM: the skb is still the caller's. */
export function sock_queue_err_skb(sk: sock, skb: sk_buff): i32 {
  walk(FN_sock_queue_err_skb, changetype<usize>(skb))
  if (sk.sk_rmem_alloc + <i32>skb.truesize >= sk.sk_rcvbuf) return -ENOMEM
  if (skb.destructor) skb_orphan(skb)
  skb.sk = changetype<usize>(sk)
  skb.destructor = sock_rmem_free.index
  skb.pkt_type = <u8>PACKET_OUTGOING // the mark of an error queue
  skb.dev = 0
  skb_dst_drop(skb)
  sk.sk_rmem_alloc += <i32>skb.truesize
  __skb_queue_tail(sk_error_queue(sk), skb)
  if (!(sk.sk_flags & SOCK_DEAD)) sk_error_report(sk)
  return 0
}

function is_icmp_err_skb(skb: sk_buff): bool {
  const origin = <u32>SKB_EXT_ERR(skb).ee_origin
  return origin == SO_EE_ORIGIN_ICMP || origin == SO_EE_ORIGIN_ICMP6
}

/** Takes the first error; sk_err is then that of the next one. NO_SKB: there is none. */
export function sock_dequeue_err_skb(sk: sock): sk_buff {
  const skb = __skb_dequeue(sk_error_queue(sk))
  if (changetype<usize>(skb) == 0) return skb
  const next = sk.eq_head
  if (next && is_icmp_err_skb(changetype<sk_buff>(next)))
    sk.sk_err = <i32>SKB_EXT_ERR(changetype<sk_buff>(next)).ee_errno
  else if (is_icmp_err_skb(skb)) sk.sk_err = 0
  if (next) sk_error_report(sk)
  return skb
}

/** The next packet needs a new route. */
export function sk_dst_reset(sk: sock): void {
  dst_release(sk.sk_dst_cache)
  sk.sk_tx_queue_mapping = 0
  sk.sk_dst_cache = 0
}

/** Keeps a route for the next packets; takes over the caller's reference. */
export function sk_dst_set(sk: sock, dst: usize): void {
  dst_release(sk.sk_dst_cache)
  sk.sk_tx_queue_mapping = 0
  sk.sk_dst_cache = dst
}

/** The route that was kept, if it is still good; else 0. The socket keeps the reference. */
export function sk_dst_check(sk: sock): usize {
  walk(FN_sk_dst_check, 0)
  const dst = sk.sk_dst_cache
  if (dst == 0 || dst_check(dst)) return dst
  sk_dst_reset(sk)
  return 0
}

/** Empties the error queue. */
export function skb_errqueue_purge(sk: sock): void {
  __skb_queue_purge_reason(sk_error_queue(sk), SKB_DROP_REASON_QUEUE_PURGE, FN_skb_queue_purge_reason)
}

/** shutdown: what remains is for the protocol. */
export function sk_shutdown_add(sk: sock, how: u32): void {
  sk.sk_shutdown |= <u8>(how & (RCV_SHUTDOWN | SEND_SHUTDOWN))
  sock_wake(sk, SOCK_READY_ALL)
}

/** A number for the flow of a connected socket. */
export function sk_set_txhash(sk: sock): void {
  const hash = get_random_u32()
  sk.sk_txhash = hash ? hash : 1
}
