// A packet of segments is cut: skb_segment of net/core/skbuff.c. Every segment has a head of its own with a copy of the
// headers; bytes on pages are shared where the device can gather, all others are copied, and summed on the way where the
// device can't fill in checksums. Left out: partial segmentation, segments of lists (skb_segment_list).

import { CACHE_SKBUFF, boot } from '../../lib/boot.ts'
import { skb_account_born } from '../../include/net_namespace.ts'
import { NETIF_F_SG } from '../../include/netdevice.ts'
import {
  CHECKSUM_NONE,
  SKB_BORN_SEGMENTED,
  SKB_CLONED,
  SKB_DST_NOREF,
  SKB_GSO_CB,
  SKB_SHINFO,
  SKB_SHINFO_SIZE,
  SKB_ZEROCOPY,
  SKB_ZEROED,
  sk_buff,
} from '../../include/skbuff.ts'
import { kfree, kmalloc } from '../../lib/arena.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { copy_bytes, csum_block_add } from '../../lib/checksum.ts'
import { kmem_cache_alloc } from '../../lib/slab.ts'
import { TRACE_KIND_BORN, trace_packet, walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { EINVAL, ENOMEM } from '../../uapi/errno.ts'
import { FN_skb_segment } from '../../uapi/functions.ts'
import { can_checksum_protocol } from './dev_features.ts'
import { dst_hold } from './dst.ts'
import { skb_zcopy, skb_zcopy_set } from './msg_zerocopy.ts'
import { page_get } from './page.ts'
import {
  NO_SKB,
  alloc_truesize,
  kfree_skb_list_reason,
  skb_buffer_size,
  skb_headlen,
  skb_headroom,
  skb_push,
  skb_shinfo,
  skb_shinfo_frag,
} from './skbuff.ts'
import { skb_copy_and_csum_bits, skb_copy_bits } from './skbuff_data.ts'
import { train_page_sum } from './train_pages.ts'
import { sock_wfree } from './sock_wmem.ts'

/** How one packet is cut. Nothing that runs meanwhile cuts another. */
@unmanaged
@final
class segment_run {
  head: usize
  /** Bytes before data in every segment, the outer headers of a tunnel among them. */
  headroom: u32
  outer: u32
  /** Bytes of headers from data on. */
  doffset: u32
  /** The device gathers from pages; it fills in checksums. */
  sg: u32
  csum: u32
  /** The next byte on pages: which fragment, where in it. */
  frag: u32
  frag_offset: u32
}

const RUN: usize = memory.data(offsetof<segment_run>(), 16)

/** A packet described as head is, with room for size bytes behind the headroom, and no data. NO_SKB: out of memory. */
function segment_alloc(head: sk_buff, size: u32, headroom: u32): sk_buff {
  const bytes = skb_buffer_size(size + headroom)
  const buffer = kmalloc(bytes)
  if (buffer == 0) return NO_SKB
  const p = kmem_cache_alloc(CACHE_SKBUFF)
  if (p == 0) {
    kfree(buffer, bytes)
    return NO_SKB
  }
  copy_bytes(p, changetype<usize>(head), <u32>SKB_ZEROED)
  const skb = changetype<sk_buff>(p)
  skb.next = 0
  skb.prev = 0
  skb.sk = 0
  skb.destructor = 0
  skb.skb_flags &= ~(SKB_CLONED | SKB_SHINFO | SKB_ZEROCOPY)
  if (skb.dst && !(skb.skb_flags & SKB_DST_NOREF)) dst_hold(skb.dst)
  skb.head = buffer
  skb.data = buffer + headroom
  skb.end = buffer + bytes - SKB_SHINFO_SIZE
  skb.truesize = alloc_truesize(size + headroom)
  skb.users = 1
  skb.id = ++boot.next_skb_id
  skb_account_born(skb.owner, SKB_BORN_SEGMENTED)
  trace_packet(TRACE_KIND_BORN, 0, skb.id, SKB_BORN_SEGMENTED, head.id)
  return skb
}

/** Gives the segment n bytes of the packet's pages from where the last one ended; answers their sum, unless the device sums. */
function share_pages(run: segment_run, skb: sk_buff, n: u32): u32 {
  const head = changetype<sk_buff>(run.head)
  const shinfo = skb_shinfo(skb)
  let sum: u32 = 0
  let done: u32 = 0
  while (done < n) {
    const from = skb_shinfo_frag(head, run.frag)
    const part = min(from.size - run.frag_offset, n - done)
    const to = skb_shinfo_frag(skb, shinfo.nr_frags)
    to.page = from.page
    to.offset = from.offset + run.frag_offset
    to.size = part
    page_get(from.page)
    shinfo.nr_frags += 1
    if (!run.csum) sum = csum_block_add(sum, train_page_sum(to.page, to.offset, part), done)
    done += part
    run.frag_offset += part
    if (run.frag_offset == from.size) {
      run.frag += 1
      run.frag_offset = 0
    }
  }
  const uarg = skb_zcopy(head)
  if (uarg) skb_zcopy_set(skb, uarg, false)
  skb.len += n
  skb.data_len = n
  skb.truesize += n
  return sum
}

/** The segment of len bytes that begin offset bytes into the packet. NO_SKB: out of memory. */
function segment(run: segment_run, offset: u32, len: u32): sk_buff {
  const head = changetype<sk_buff>(run.head)
  const doffset = run.doffset
  const headlen = skb_headlen(head)
  let copied = len
  if (run.sg) copied = offset < headlen ? min(len, headlen - offset) : 0
  const skb = segment_alloc(head, doffset + copied, run.headroom)
  if (changetype<usize>(skb) == 0) return NO_SKB
  copy_bytes(skb.data - run.outer, head.data - run.outer, doffset + run.outer)
  skb.tail = skb.data + doffset + copied
  skb.len = doffset + copied
  skb.data_len = 0
  let sum: u32 = 0
  if (copied && run.csum) skb_copy_bits(head, offset, skb.data + doffset, copied)
  else if (copied) sum = skb_copy_and_csum_bits(head, offset, skb.data + doffset, copied)
  if (copied < len) sum = csum_block_add(sum, share_pages(run, skb, len - copied), copied)
  if (!run.csum) {
    skb.ip_summed = <u8>CHECKSUM_NONE
    const cb = SKB_GSO_CB(skb)
    cb.csum = sum
    cb.csum_start = run.headroom + doffset
  }
  return skb
}

/** The last segment takes over what the packet's sender is charged for: the sender has room again when that is gone. */
function last_is_charged(head: sk_buff, last: sk_buff): void {
  if (head.destructor != sock_wfree.index) return
  const truesize = head.truesize
  head.truesize = last.truesize
  last.truesize = truesize
  last.destructor = head.destructor
  last.sk = head.sk
  head.destructor = 0
  head.sk = 0
}

/**
 * Cuts a packet into segments of gso_size bytes behind its headers, the last with what remains.
 *
 * Uses: data behind the headers, mac_header at the first of them, SKB_GSO_CB. Sets: data at mac_header; where the device does
 * not sum, each segment's sum of its data in SKB_GSO_CB. Answers the first segment of a list, or ERR_PTR; the packet stays the
 * caller's.
 */
export function skb_segment(head: sk_buff, features: u32): usize {
  walk(FN_skb_segment, changetype<usize>(head))
  const mss = <u32>skb_shinfo(head).gso_size
  const doffset = <u32>(head.data - head.head) - <u32>head.mac_header
  skb_push(head, doffset)
  if (mss == 0 || head.len <= doffset) return ERR_PTR(EINVAL)
  const run = changetype<segment_run>(RUN)
  run.head = changetype<usize>(head)
  run.headroom = skb_headroom(head)
  run.outer = run.headroom - <u32>SKB_GSO_CB(head).mac_offset
  run.doffset = doffset
  run.sg = u32((features & NETIF_F_SG) != 0 && skb_shinfo(head).frag_list == 0)
  run.csum = u32(can_checksum_protocol(features))
  run.frag = 0
  run.frag_offset = 0

  let first: usize = 0
  let last = NO_SKB
  for (let offset = doffset; offset < head.len; offset += mss) {
    const skb = segment(run, offset, min(mss, head.len - offset))
    if (changetype<usize>(skb) == 0) {
      kfree_skb_list_reason(first, SKB_DROP_REASON_NOT_SPECIFIED, FN_skb_segment)
      return ERR_PTR(ENOMEM)
    }
    if (first) last.next = changetype<usize>(skb)
    else first = changetype<usize>(skb)
    last = skb
  }
  last_is_charged(head, last)
  return first
}
