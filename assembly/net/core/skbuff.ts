// Packets: birth, end, and room for headers. Mirrors net/core/skbuff.c; copying and checksums are in skbuff_data.ts.
// Every reference ends by exactly one of: hand it on, consume_skb, kfree_skb_reason (DESIGN 4).

import { CACHE_SKBUFF, SLOT_ZCOPY_COMPLETE, boot, slot_get } from '../../lib/boot.ts'
import { net, skb_account_born, skb_account_ended } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { sock } from '../../include/sock.ts'
import {
  CHECKSUM_PARTIAL,
  NET_SKB_PAD,
  SKB_BORN_CLONED,
  SKB_CB,
  SKB_CLONED,
  SKB_DST_NOREF,
  SKB_ENDED_ABSORBED,
  SKB_ENDED_DROPPED,
  SKB_FRAGS_OFFSET,
  SKB_HEAD_TRUESIZE,
  SKB_SHINFO,
  SKB_SHINFO_SIZE,
  SKB_SHINFO_TRUESIZE,
  SKB_ZEROED,
  sk_buff,
  sk_buff_head,
  skb_frag,
  skb_shared_info,
  ubuf_of,
} from '../../include/skbuff.ts'
import { kfree, kmalloc, ksize } from '../../lib/arena.ts'
import { copy_bytes } from '../../lib/checksum.ts'
import { kmem_cache_alloc, kmem_cache_free } from '../../lib/slab.ts'
import { drops_count } from '../../trace/drops.ts'
import { TRACE_KIND_BORN, TRACE_KIND_DROP, TRACE_KIND_ENDED, trace_packet } from '../../trace/trace.ts'
import { dst_hold, dst_release } from './dst.ts'
import { page_get, page_put } from './page.ts'

export const NO_SKB: sk_buff = changetype<sk_buff>(0)

function shinfo_init(skb: sk_buff): void {
  const zero = i64x2.splat(0)
  v128.store(skb.end, zero)
  v128.store(skb.end, zero, 16)
  store<u32>(skb.end, 1)
  skb.skb_flags |= SKB_SHINFO
}

/** What lies behind the data, initialised now if nobody looked before. */
export function skb_shinfo(skb: sk_buff): skb_shared_info {
  if (!(skb.skb_flags & SKB_SHINFO)) shinfo_init(skb)
  return changetype<skb_shared_info>(skb.end)
}

export function skb_shinfo_frag(skb: sk_buff, i: u32): skb_frag {
  return changetype<skb_frag>(skb.end + SKB_FRAGS_OFFSET + <usize>i * 12)
}

/** Linux's truesize for a linear buffer of size bytes before the shared info. */
export function SKB_TRUESIZE(size: u32): u32 {
  return size + SKB_HEAD_TRUESIZE + SKB_SHINFO_TRUESIZE
}

function zero_head(p: usize): void {
  const zero = i64x2.splat(0)
  v128.store(p, zero)
  v128.store(p, zero, 16)
  v128.store(p, zero, 32)
  v128.store(p, zero, 48)
  v128.store(p, zero, 64)
  v128.store(p, zero, 80)
  v128.store(p, zero, 96)
  v128.store(p, zero, 112)
  v128.store(p, zero, 128)
  store<u64>(p, 0, 144)
}

/** Clears cb: what the layer that had the packet kept there is nobody's business any more. */
export function skb_clear_cb(skb: sk_buff): void {
  const cb = changetype<usize>(skb) + SKB_CB
  const zero = i64x2.splat(0)
  v128.store(cb, zero)
  v128.store(cb, zero, 16)
  v128.store(cb, zero, 32)
}

/**
 * A packet around a buffer of size bytes (shared info included) that kmalloc gave; data begins headroom into it.
 * Counts as born by kind in net. NO_SKB: out of memory, the buffer is still the caller's.
 */
export function build_skb(head: usize, size: u32, headroom: u32, net: usize, kind: u32): sk_buff {
  const skb = __build_skb(head, size, headroom, net, kind)
  if (changetype<usize>(skb)) trace_packet(TRACE_KIND_BORN, 0, skb.id, kind, 0)
  return skb
}

/** The same; the caller traces its birth (trace_frame). */
export function __build_skb(head: usize, size: u32, headroom: u32, net: usize, kind: u32): sk_buff {
  const p = kmem_cache_alloc(CACHE_SKBUFF)
  if (p == 0) return NO_SKB
  zero_head(p)
  const skb = changetype<sk_buff>(p)
  const data = head + headroom
  skb.head = head
  skb.data = data
  skb.tail = data
  skb.end = head + size - SKB_SHINFO_SIZE
  skb.users = 1
  skb.owner = net
  skb.id = ++boot.next_skb_id
  skb_account_born(net, kind)
  return skb
}

/** Bytes of a buffer that holds size bytes and the shared info. */
export function skb_buffer_size(size: u32): u32 {
  return <u32>ksize(size + SKB_SHINFO_SIZE)
}

/** Heads up to this size, shared info included, come from a cache of their own (SKB_SMALL_HEAD_CACHE_SIZE). */
const SKB_SMALL_HEAD: u32 = 576

/** Linux's truesize of a fresh head: the small-head cache, or a power of two (__alloc_skb, kmalloc_size_roundup). */
export function alloc_truesize(size: u32): u32 {
  const bytes = ((size + 63) & ~63) + SKB_SHINFO_TRUESIZE
  if (bytes <= SKB_SMALL_HEAD) return SKB_SMALL_HEAD + SKB_HEAD_TRUESIZE
  return <u32>ksize(bytes) + SKB_HEAD_TRUESIZE
}

/** An empty packet with room for size bytes behind headroom. NO_SKB: out of memory. */
export function alloc_skb(size: u32, headroom: u32, net: usize, kind: u32): sk_buff {
  const bytes = skb_buffer_size(size + headroom)
  const head = kmalloc(bytes)
  if (head == 0) return NO_SKB
  const skb = build_skb(head, bytes, headroom, net, kind)
  if (changetype<usize>(skb) == 0) {
    kfree(head, bytes)
    return NO_SKB
  }
  skb.truesize = alloc_truesize(size + headroom)
  return skb
}

/** Gives back what lies on pages and in the fragment list, then the buffer, when its last user goes. */
export function skb_release_data(skb: sk_buff): void {
  if (skb.skb_flags & SKB_SHINFO && !release_shinfo(skb)) return
  kfree(skb.head, skb.end + SKB_SHINFO_SIZE - skb.head)
}

/** False: others still use the data. */
function release_shinfo(skb: sk_buff): bool {
  const shinfo = skb_shinfo(skb)
  if (--shinfo.dataref) return false
  if (shinfo.destructor_arg) call_indirect<void>(slot_get(SLOT_ZCOPY_COMPLETE), shinfo.destructor_arg, <u32>1)
  for (let i: u32 = 0; i < <u32>shinfo.nr_frags; i++) page_put(skb_shinfo_frag(skb, i).page)
  let frag = shinfo.frag_list
  while (frag) {
    const next = changetype<sk_buff>(frag).next
    consume_skb(changetype<sk_buff>(frag), SKB_ENDED_ABSORBED)
    frag = next
  }
  return true
}

/** What a socket sent is freed, and nobody waits for that: its account. False: its destructor is to do it. */
function wfree_quiet(skb: sk_buff): bool {
  if (skb.destructor != boot.sock_wfree || boot.trace_flags) return false
  const sk = changetype<sock>(skb.sk)
  if (sk.sk_refcnt == 0 || sk.sk_socket_flags) return false
  sk.sk_wmem_alloc -= <i32>skb.truesize
  return true
}

/** Ends the last reference, without accounts. */
function __kfree_skb(skb: sk_buff): void {
  if (skb.dst) skb_dst_drop(skb)
  // A call through the table costs as much as all else here.
  if (skb.destructor && !wfree_quiet(skb)) skb_orphan(skb)
  skb_release_data(skb)
  kmem_cache_free(CACHE_SKBUFF, changetype<usize>(skb))
}

/** The packet has done its work: how is SKB_ENDED_*. */
export function consume_skb(skb: sk_buff, how: u32): void {
  if (--skb.users) return
  skb_account_ended(skb.owner, how)
  trace_packet(TRACE_KIND_ENDED, 0, skb.id, how, 0)
  __kfree_skb(skb)
}

/** The packet is lost: counted by reason (SKB_DROP_REASON_*) and function (FN_*). */
export function kfree_skb_reason(skb: sk_buff, reason: u32, fn: u32): void {
  if (--skb.users) return
  const owner = changetype<net>(skb.owner)
  skb_account_ended(skb.owner, SKB_ENDED_DROPPED)
  const ifindex = skb.dev ? changetype<net_device>(skb.dev).ifindex : skb.skb_iif
  drops_count(owner, reason, fn, ifindex, skb.protocol)
  trace_packet(TRACE_KIND_DROP, fn, skb.id, reason, 0)
  __kfree_skb(skb)
}

/** Drops a list linked by next. */
export function kfree_skb_list_reason(first: usize, reason: u32, fn: u32): void {
  while (first) {
    const next = changetype<sk_buff>(first).next
    changetype<sk_buff>(first).next = 0
    kfree_skb_reason(changetype<sk_buff>(first), reason, fn)
    first = next
  }
}

/** Ends the accounting of its owner: it is nobody's now. */
export function skb_orphan(skb: sk_buff): void {
  const destructor = skb.destructor
  if (destructor == 0) return
  skb.destructor = 0
  call_indirect<void>(destructor, changetype<usize>(skb))
  skb.sk = 0
}

export function skb_dst_drop(skb: sk_buff): void {
  if (skb.dst && !(skb.skb_flags & SKB_DST_NOREF)) dst_release(skb.dst)
  skb.dst = 0
  skb.skb_flags &= ~SKB_DST_NOREF
}

/** Gives the packet a route; the packet takes over the caller's reference. */
export function skb_dst_set(skb: sk_buff, dst: usize): void {
  skb.dst = dst
  skb.skb_flags &= ~SKB_DST_NOREF
}

/** The same with a borrowed route: it must not outlive this run unless skb_dst_force is called. */
export function skb_dst_set_noref(skb: sk_buff, dst: usize): void {
  skb.dst = dst
  skb.skb_flags |= SKB_DST_NOREF
}

/** Makes a borrowed route its own, so that the packet may wait with it (skb_dst_force). */
export function skb_dst_force(skb: sk_buff): void {
  if (skb.dst && skb.skb_flags & SKB_DST_NOREF) {
    dst_hold(skb.dst)
    skb.skb_flags &= ~SKB_DST_NOREF
  }
}

export function skb_headroom(skb: sk_buff): u32 {
  return <u32>(skb.data - skb.head)
}

export function skb_tailroom(skb: sk_buff): u32 {
  return <u32>(skb.end - skb.tail)
}

/** Bytes from data to tail. */
export function skb_headlen(skb: sk_buff): u32 {
  return skb.len - skb.data_len
}

export function skb_reserve(skb: sk_buff, n: u32): void {
  skb.data += n
  skb.tail += n
}

/** Lengthens at the end by n bytes of tailroom; answers where they begin. */
export function skb_put(skb: sk_buff, n: u32): usize {
  const at = skb.tail
  skb.tail = at + n
  skb.len += n
  return at
}

/** Takes n bytes of headroom; answers the new data. */
export function skb_push(skb: sk_buff, n: u32): usize {
  skb.data -= n
  skb.len += n
  return skb.data
}

/** Drops n bytes in front, which must be in the linear part. */
export function skb_pull(skb: sk_buff, n: u32): usize {
  skb.data += n
  skb.len -= n
  return skb.data
}

export function skb_reset_mac_header(skb: sk_buff): void {
  skb.mac_header = <u16>(skb.data - skb.head)
}

export function skb_reset_network_header(skb: sk_buff): void {
  skb.network_header = <u16>(skb.data - skb.head)
}

export function skb_reset_transport_header(skb: sk_buff): void {
  skb.transport_header = <u16>(skb.data - skb.head)
}

export function skb_network_header(skb: sk_buff): usize {
  return skb.head + skb.network_header
}

export function skb_transport_header(skb: sk_buff): usize {
  return skb.head + skb.transport_header
}

export function skb_mac_header(skb: sk_buff): usize {
  return skb.head + skb.mac_header
}

export function skb_network_offset(skb: sk_buff): i32 {
  return <i32>(skb_network_header(skb) - skb.data)
}

/** Does another reference share the data? */
export function skb_cloned(skb: sk_buff): bool {
  return (skb.skb_flags & SKB_CLONED) != 0 && skb_shinfo(skb).dataref != 1
}

/** Does another reference share the head? */
export function skb_shared(skb: sk_buff): bool {
  return skb.users != 1
}

export function skb_get(skb: sk_buff): sk_buff {
  skb.users += 1
  return skb
}

/** Copies what describes a packet from one head to another: not where its data lies. */
export function skb_copy_header(to: sk_buff, from: sk_buff): void {
  const p = changetype<usize>(to)
  const q = changetype<usize>(from)
  const own = to.skb_flags & SKB_SHINFO
  memory.copy(p + SKB_CB, q + SKB_CB, SKB_ZEROED - SKB_CB)
  to.skb_flags = (to.skb_flags & ~SKB_SHINFO) | own
  to.dev = from.dev
  to.destructor = 0
  if (to.dst && !(to.skb_flags & SKB_DST_NOREF)) dst_hold(to.dst)
}

/** A second head for the same data (skb_clone). NO_SKB: out of memory. */
export function skb_clone(skb: sk_buff): sk_buff {
  const p = kmem_cache_alloc(CACHE_SKBUFF)
  if (p == 0) return NO_SKB
  zero_head(p)
  const clone = changetype<sk_buff>(p)
  skb_copy_header(clone, skb)
  clone.head = skb.head
  clone.data = skb.data
  clone.tail = skb.tail
  clone.end = skb.end
  clone.truesize = skb.truesize
  clone.users = 1
  clone.id = ++boot.next_skb_id
  skb_shinfo(skb).dataref += 1
  skb.skb_flags |= SKB_CLONED
  clone.skb_flags |= SKB_CLONED | SKB_SHINFO
  skb_account_born(clone.owner, SKB_BORN_CLONED)
  trace_packet(TRACE_KIND_BORN, 0, clone.id, SKB_BORN_CLONED, skb.id)
  return clone
}

/** A head of one's own: if others hold it, a clone for us and the reference is given up. NO_SKB: out of memory. */
export function skb_share_check(skb: sk_buff, reason: u32, fn: u32): sk_buff {
  if (!skb_shared(skb)) return skb
  const clone = skb_clone(skb)
  if (changetype<usize>(clone) == 0) kfree_skb_reason(skb, reason, fn)
  else skb.users -= 1
  return clone
}

/** Data lie by bytes further from head now: so do all headers, and what the device shall sum (skb_headers_offset_update). */
function headers_moved(skb: sk_buff, by: u32): void {
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) skb.csum += by
  if (skb.mac_header != NO_MAC_HEADER) skb.mac_header += <u16>by
  skb.network_header += <u16>by
  skb.transport_header += <u16>by
  skb.inner_mac_header += <u16>by
  skb.inner_network_header += <u16>by
  skb.inner_transport_header += <u16>by
}

/**
 * Gives the packet a linear part of its own with at least nhead more bytes of headroom and ntail more of tailroom
 * (pskb_expand_head). False: out of memory, nothing changed. Offsets stay right; pointers into the data do not.
 */
export function pskb_expand_head(skb: sk_buff, nhead: u32, ntail: u32): bool {
  const used = <u32>(skb.tail - skb.head)
  const bytes = skb_buffer_size(<u32>(skb.end - skb.head) + nhead + ntail)
  const head = kmalloc(bytes)
  if (head == 0) return false
  copy_bytes(head + nhead, skb.head, used)
  const end = head + bytes - SKB_SHINFO_SIZE
  const old = skb_shinfo(skb)
  memory.copy(end, skb.end, SKB_SHINFO_SIZE)
  store<u32>(end, 1)
  if (old.dataref != 1) {
    for (let i: u32 = 0; i < <u32>old.nr_frags; i++) page_get(skb_shinfo_frag(skb, i).page)
    for (let f = old.frag_list; f; f = changetype<sk_buff>(f).next) changetype<sk_buff>(f).users += 1
    if (old.destructor_arg) ubuf_of(old.destructor_arg).refcnt += 1
    old.dataref -= 1
  } else {
    kfree(skb.head, skb.end + SKB_SHINFO_SIZE - skb.head)
  }
  const data = head + nhead + (skb.data - skb.head)
  skb.tail = data + (skb.tail - skb.data)
  skb.data = data
  skb.head = head
  skb.end = end
  headers_moved(skb, nhead)
  skb.skb_flags &= ~SKB_CLONED
  return true
}

/** mac_header of a packet without one. */
export const NO_MAC_HEADER: u16 = 0xffff

/** Makes sure that headroom bytes lie before data and that the linear part may be written (skb_cow). */
export function skb_cow(skb: sk_buff, headroom: u32): bool {
  const have = skb_headroom(skb)
  const more: u32 = headroom > have ? headroom - have : 0
  if (more == 0 && !skb_cloned(skb)) return true
  return pskb_expand_head(skb, more == 0 ? 0 : (more + NET_SKB_PAD - 1) & ~(NET_SKB_PAD - 1), 0)
}

/** A packet with len, truesize and data of its own that is written nowhere else. */
export function skb_try_make_writable(skb: sk_buff): bool {
  return skb_cow(skb, 0)
}

/** Appends to a queue. */
export function __skb_queue_tail(queue: sk_buff_head, skb: sk_buff): void {
  const p = changetype<usize>(skb)
  skb.next = 0
  skb.prev = queue.tail
  if (queue.tail) changetype<sk_buff>(queue.tail).next = p
  else queue.head = p
  queue.tail = p
  queue.qlen += 1
}

/** Takes the first, 0: empty. */
export function __skb_dequeue(queue: sk_buff_head): sk_buff {
  const p = queue.head
  if (p == 0) return NO_SKB
  const skb = changetype<sk_buff>(p)
  queue.head = skb.next
  if (skb.next) changetype<sk_buff>(skb.next).prev = 0
  else queue.tail = 0
  queue.qlen -= 1
  skb.next = 0
  skb.prev = 0
  return skb
}

/** Takes one out of the middle. */
export function __skb_unlink(skb: sk_buff, queue: sk_buff_head): void {
  if (skb.prev) changetype<sk_buff>(skb.prev).next = skb.next
  else queue.head = skb.next
  if (skb.next) changetype<sk_buff>(skb.next).prev = skb.prev
  else queue.tail = skb.prev
  queue.qlen -= 1
  skb.next = 0
  skb.prev = 0
}

/** Drops all of a queue. */
export function __skb_queue_purge_reason(queue: sk_buff_head, reason: u32, fn: u32): void {
  for (;;) {
    const skb = __skb_dequeue(queue)
    if (changetype<usize>(skb) == 0) return
    kfree_skb_reason(skb, reason, fn)
  }
}
