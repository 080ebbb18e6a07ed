// What lies in a packet: bytes of the linear part, of page fragments and of the fragment list, as one.
// Pulling, cutting, copying, checksums. Mirrors those parts of net/core/skbuff.c; birth and end are in skbuff.ts.

import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  SKB_BORN_CLONED,
  SKB_CLONED,
  SKB_CSUM_COMPLETE_SW,
  SKB_CSUM_VALID,
  SKB_ENDED_ABSORBED,
  SKB_ZEROCOPY,
  sk_buff,
  skb_shared_info,
} from '../../include/skbuff.ts'
import {
  copy_bytes,
  csum_add,
  csum_block_add,
  csum_block_sub,
  csum_fold,
  csum_partial,
  csum_partial_copy,
  csum_sub,
} from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOMEM, SKB_DROP_REASON_PKT_TOO_SMALL } from '../../uapi/dropreason.ts'
import { FN_pskb_trim_rcsum_slow } from '../../uapi/functions.ts'
import { page_put } from './page.ts'
import {
  NO_MAC_HEADER,
  NO_SKB,
  alloc_skb,
  consume_skb,
  pskb_expand_head,
  skb_clone,
  skb_cloned,
  skb_copy_header,
  skb_headlen,
  skb_headroom,
  skb_put,
  skb_shared,
  skb_shinfo,
  skb_shinfo_frag,
  skb_tailroom,
} from './skbuff.ts'

/** What span does with the bytes of a range. */
const COPY_OUT: u32 = 0
const COPY_IN: u32 = 1
const SUM: u32 = 2
const COPY_SUM: u32 = 3

/** One stretch of n bytes at p, which begins done bytes into the range. Answers the sum so far. */
function span(p: usize, n: u32, op: u32, buffer: usize, done: u32, sum: u32): u32 {
  if (op == SUM) return csum_block_add(sum, csum_partial(p, n, 0), done)
  if (op == COPY_SUM) return csum_block_add(sum, csum_partial_copy(p, buffer + done, n, 0), done)
  if (op == COPY_OUT) copy_bytes(buffer + done, p, n)
  else copy_bytes(p, buffer + done, n)
  return sum
}

/** Applies op to len bytes from offset on, wherever they lie. The caller has checked that they exist. */
function range(skb: sk_buff, offset: u32, len: u32, op: u32, buffer: usize, done: u32, sum: u32): u32 {
  let start = skb_headlen(skb)
  if (offset < start) {
    const n = min(start - offset, len)
    sum = span(skb.data + offset, n, op, buffer, done, sum)
    if (n == len) return sum
    offset += n
    len -= n
    done += n
  }
  const shinfo = skb_shinfo(skb)
  const frags = <u32>shinfo.nr_frags
  for (let i: u32 = 0; i < frags && len; i++) {
    const frag = skb_shinfo_frag(skb, i)
    if (offset - start < frag.size) {
      const n = min(start + frag.size - offset, len)
      sum = span(frag.page + frag.offset + (offset - start), n, op, buffer, done, sum)
      offset += n
      len -= n
      done += n
    }
    start += frag.size
  }
  for (let p = shinfo.frag_list; p && len; p = changetype<sk_buff>(p).next) {
    const part = changetype<sk_buff>(p)
    if (offset - start < part.len) {
      const n = min(start + part.len - offset, len)
      sum = range(part, offset - start, n, op, buffer, done, sum)
      offset += n
      len -= n
      done += n
    }
    start += part.len
  }
  return sum
}

function within(skb: sk_buff, offset: u32, len: u32): bool {
  return offset <= skb.len && len <= skb.len - offset
}

/** Copies len bytes from offset on to a buffer. False: the packet is shorter. */
export function skb_copy_bits(skb: sk_buff, offset: u32, to: usize, len: u32): bool {
  if (!within(skb, offset, len)) return false
  if (offset + len <= skb_headlen(skb)) copy_bytes(to, skb.data + offset, len)
  else range(skb, offset, len, COPY_OUT, to, 0, 0)
  return true
}

/** Overwrites len bytes from offset on. The data must be the packet's own (skb_cow). False: the packet is shorter. */
export function skb_store_bits(skb: sk_buff, offset: u32, from: usize, len: u32): bool {
  if (!within(skb, offset, len)) return false
  if (offset + len <= skb_headlen(skb)) copy_bytes(skb.data + offset, from, len)
  else range(skb, offset, len, COPY_IN, from, 0, 0)
  return true
}

/** The sum of len bytes from offset on, added to sum. They must exist. */
export function skb_checksum(skb: sk_buff, offset: u32, len: u32, sum: u32): u32 {
  if (offset + len <= skb_headlen(skb)) return csum_partial(skb.data + offset, len, sum)
  return range(skb, offset, len, SUM, 0, 0, sum)
}

/** Copies len bytes from offset on and answers their sum. They must exist. */
export function skb_copy_and_csum_bits(skb: sk_buff, offset: u32, to: usize, len: u32): u32 {
  if (offset + len <= skb_headlen(skb)) return csum_partial_copy(skb.data + offset, to, len, 0)
  return range(skb, offset, len, COPY_SUM, to, 0, 0)
}

/** len bytes from offset on in one piece: in place, or copied to buffer. 0: the packet is shorter. */
export function skb_header_pointer(skb: sk_buff, offset: u32, len: u32, buffer: usize): usize {
  if (offset + len <= skb_headlen(skb)) return skb.data + offset
  return skb_copy_bits(skb, offset, buffer, len) ? buffer : 0
}

/** Gives up all that a fragment list holds, from first on. */
function drop_list(first: usize): void {
  while (first) {
    const next = changetype<sk_buff>(first).next
    consume_skb(changetype<sk_buff>(first), SKB_ENDED_ABSORBED)
    first = next
  }
}

/** A member of a fragment list that may be changed: itself, or a clone in its place at link. NO_SKB: out of memory. */
function own_member(link: usize): sk_buff {
  const part = changetype<sk_buff>(load<usize>(link))
  if (!skb_shared(part)) return part
  const clone = skb_clone(part)
  if (changetype<usize>(clone) == 0) return NO_SKB
  clone.next = part.next
  store<usize>(link, changetype<usize>(clone))
  consume_skb(part, SKB_ENDED_ABSORBED)
  return clone
}

/** Takes eat bytes off the front of the fragment list. False: out of memory, nothing changed. */
function eat_list(skb: sk_buff, eat: u32): bool {
  const first = skb_shinfo(skb).frag_list
  let p = first
  while (p && changetype<sk_buff>(p).len <= eat) {
    eat -= changetype<sk_buff>(p).len
    p = changetype<sk_buff>(p).next
  }
  const stop = p
  let rest = p
  if (eat) {
    // The one that is eaten in part must be ours before its data pointer moves.
    const part = changetype<sk_buff>(p)
    const own = skb_shared(part) ? skb_clone(part) : part
    if (changetype<usize>(own) == 0) return false
    const mine = own == part
    if (!pskb_pull(own, eat)) {
      if (!mine) consume_skb(own, SKB_ENDED_ABSORBED)
      return false
    }
    if (!mine) {
      own.next = part.next
      rest = changetype<usize>(own)
    }
  }
  skb_shinfo(skb).frag_list = rest
  p = first
  while (p != stop) {
    const next = changetype<sk_buff>(p).next
    consume_skb(changetype<sk_buff>(p), SKB_ENDED_ABSORBED)
    p = next
  }
  if (rest != stop) consume_skb(changetype<sk_buff>(stop), SKB_ENDED_ABSORBED)
  return true
}

/** Takes eat bytes off the front of the page fragments; answers how many the fragment list must give. */
function eat_frags(skb: sk_buff, eat: u32): u32 {
  const shinfo = skb_shinfo(skb)
  const frags = <u32>shinfo.nr_frags
  let kept: u32 = 0
  for (let i: u32 = 0; i < frags; i++) {
    const frag = skb_shinfo_frag(skb, i)
    if (frag.size <= eat) {
      eat -= frag.size
      page_put(frag.page)
      continue
    }
    const to = skb_shinfo_frag(skb, kept++)
    to.page = frag.page
    to.offset = frag.offset + eat
    to.size = frag.size - eat
    eat = 0
  }
  shinfo.nr_frags = <u8>kept
  return eat
}

/** Bytes on page fragments. */
function frags_size(skb: sk_buff): u32 {
  const frags = <u32>skb_shinfo(skb).nr_frags
  let size: u32 = 0
  for (let i: u32 = 0; i < frags; i++) size += skb_shinfo_frag(skb, i).size
  return size
}

/** Room that pulling makes beyond what it needs, so that the next pull finds it. */
const PULL_SPARE: u32 = 128

/**
 * Moves delta bytes that follow the linear part into it. They must exist.
 * False: out of memory, the packet is as it was. Pointers into the data are no longer right.
 */
export function __pskb_pull_tail(skb: sk_buff, delta: u32): bool {
  const room = skb_tailroom(skb)
  if (room < delta || skb_cloned(skb)) {
    const more: u32 = room < delta ? delta - room + PULL_SPARE : 0
    if (!pskb_expand_head(skb, 0, more)) return false
  }
  range(skb, skb_headlen(skb), delta, COPY_OUT, skb.tail, 0, 0)
  const paged = frags_size(skb)
  if (delta > paged && !eat_list(skb, delta - paged)) return false
  eat_frags(skb, min(delta, paged))
  skb.tail += delta
  skb.data_len -= delta
  return true
}

/** Are n bytes in the linear part, or can they be brought there? */
export function pskb_may_pull(skb: sk_buff, n: u32): bool {
  const headlen = skb.len - skb.data_len
  if (n <= headlen) return true
  if (n > skb.len) return false
  return __pskb_pull_tail(skb, n - headlen)
}

/** The same: 0, or the reason to drop the packet. */
export function pskb_may_pull_reason(skb: sk_buff, n: u32): u32 {
  const headlen = skb.len - skb.data_len
  if (n <= headlen) return 0
  if (n > skb.len) return SKB_DROP_REASON_PKT_TOO_SMALL
  return __pskb_pull_tail(skb, n - headlen) ? 0 : SKB_DROP_REASON_NOMEM
}

/** Drops n bytes in front, wherever they lie. False: too short or out of memory. */
export function pskb_pull(skb: sk_buff, n: u32): bool {
  if (!pskb_may_pull(skb, n)) return false
  skb.data += n
  skb.len -= n
  return true
}

/** All bytes into the linear part. False: out of memory. */
export function skb_linearize(skb: sk_buff): bool {
  return skb.data_len == 0 || __pskb_pull_tail(skb, skb.data_len)
}

/** Cuts the fragment list so that keep bytes of it are left. */
function trim_list(skb: sk_buff, keep: u32): bool {
  let link = changetype<usize>(skb_shinfo(skb)) + offsetof<skb_shared_info>('frag_list')
  while (load<usize>(link) && keep) {
    const part = own_member(link)
    if (changetype<usize>(part) == 0) return false
    if (part.len > keep && !__pskb_trim(part, keep)) return false
    keep -= part.len
    link = changetype<usize>(part) + offsetof<sk_buff>('next')
  }
  const rest = load<usize>(link)
  store<usize>(link, 0)
  drop_list(rest)
  return true
}

/** __pskb_trim for a packet with fragments. */
function ___pskb_trim(skb: sk_buff, len: u32): bool {
  if (skb_cloned(skb) && !pskb_expand_head(skb, 0, 0)) return false
  const headlen = skb_headlen(skb)
  const shinfo = skb_shinfo(skb)
  const paged = frags_size(skb)
  const keep: u32 = len > headlen ? len - headlen : 0
  if (!trim_list(skb, keep > paged ? keep - paged : 0)) return false
  let left = keep
  let kept: u32 = 0
  const frags = <u32>shinfo.nr_frags
  for (let i: u32 = 0; i < frags; i++) {
    const frag = skb_shinfo_frag(skb, i)
    if (left == 0) {
      page_put(frag.page)
      continue
    }
    frag.size = min(frag.size, left)
    left -= frag.size
    kept++
  }
  shinfo.nr_frags = <u8>kept
  if (len < headlen) skb.tail = skb.data + len
  skb.len = len
  skb.data_len = keep
  return true
}

/** Cuts to len bytes, which is not more than there are. False: out of memory. */
export function __pskb_trim(skb: sk_buff, len: u32): bool {
  if (skb.data_len) return ___pskb_trim(skb, len)
  skb.len = len
  skb.tail = skb.data + len
  return true
}

/** Cuts to len bytes if there are more. False: out of memory. */
export function pskb_trim(skb: sk_buff, len: u32): bool {
  return len >= skb.len || __pskb_trim(skb, len)
}

/** The same for a packet that is linear. */
export function skb_trim(skb: sk_buff, len: u32): void {
  if (len >= skb.len) return
  skb.len = len
  skb.tail = skb.data + len
}

/** Where the checksum to fill in begins, from data on; negative: before it. */
export function skb_checksum_start_offset(skb: sk_buff): i32 {
  return <i32>(skb.csum & 0xffff) - <i32>skb_headroom(skb)
}

function pskb_trim_rcsum_slow(skb: sk_buff, len: u32): bool {
  walk(FN_pskb_trim_rcsum_slow, changetype<usize>(skb))
  if (skb.ip_summed == <u8>CHECKSUM_COMPLETE) {
    skb.csum = csum_block_sub(skb.csum, skb_checksum(skb, len, skb.len - len, 0), len)
  } else if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) {
    const field = skb_checksum_start_offset(skb) + <i32>(skb.csum >> 16)
    if (field + 2 > <i32>min(len, skb_headlen(skb))) return false
  }
  return __pskb_trim(skb, len)
}

/** Cuts to len bytes if there are more, and keeps the checksum right. False: out of memory, or its field is cut off. */
export function pskb_trim_rcsum(skb: sk_buff, len: u32): bool {
  return len >= skb.len || pskb_trim_rcsum_slow(skb, len)
}

/** The n bytes at p were pulled off: they leave the sum. */
export function skb_postpull_rcsum(skb: sk_buff, p: usize, n: u32): void {
  if (skb.ip_summed == <u8>CHECKSUM_COMPLETE) {
    skb.csum = csum_sub(skb.csum, csum_partial(p, n, 0))
  } else if (skb.ip_summed == <u8>CHECKSUM_PARTIAL && skb_checksum_start_offset(skb) < 0) {
    skb.ip_summed = <u8>CHECKSUM_NONE
  }
}

/** n bytes at p were put in front: they enter the sum. */
export function skb_postpush_rcsum(skb: sk_buff, p: usize, n: u32): void {
  if (skb.ip_summed != <u8>CHECKSUM_COMPLETE) return
  const sum = n & 1 ? rotl<u32>(skb.csum, 8) : skb.csum
  skb.csum = csum_add(csum_partial(p, n, 0), sum)
}

/** Drops n bytes of the linear part in front and keeps the checksum right; answers the new data. */
export function skb_pull_rcsum(skb: sk_buff, n: u32): usize {
  const p = skb.data
  skb.data = p + n
  skb.len -= n
  if (skb.ip_summed != <u8>CHECKSUM_NONE) skb_postpull_rcsum(skb, p, n)
  return skb.data
}

/**
 * Sums the whole packet; csum holds the sum of its pseudo header. 0: right.
 * Sets: csum to the packet's sum and CHECKSUM_COMPLETE, unless others hold the head.
 */
export function __skb_checksum_complete(skb: sk_buff): u32 {
  const csum = skb_checksum(skb, 0, skb.len, 0)
  const sum = csum_fold(csum_add(skb.csum, csum))
  if (!skb_shared(skb)) {
    skb.csum = csum
    skb.ip_summed = <u8>CHECKSUM_COMPLETE
    const flags = skb.skb_flags | SKB_CSUM_COMPLETE_SW
    skb.skb_flags = sum == 0 ? flags | SKB_CSUM_VALID : flags & ~SKB_CSUM_VALID
  }
  return sum
}

/** Is there nothing left to check? */
export function skb_csum_unnecessary(skb: sk_buff): bool {
  if (skb.ip_summed == <u8>CHECKSUM_UNNECESSARY) return true
  if (skb.skb_flags & SKB_CSUM_VALID) return true
  return skb.ip_summed == <u8>CHECKSUM_PARTIAL && skb_checksum_start_offset(skb) >= 0
}

/** The innermost checksum is still to be checked: 0 if so, else the sum that the packet has (0: right). */
export function skb_checksum_complete(skb: sk_buff): u32 {
  return skb_csum_unnecessary(skb) ? 0 : __skb_checksum_complete(skb)
}

/** The checksum that the device vouched for is used up. */
function __skb_decr_checksum_unnecessary(skb: sk_buff): void {
  if (skb.ip_summed != <u8>CHECKSUM_UNNECESSARY) return
  if (skb.csum_level == 0) skb.ip_summed = <u8>CHECKSUM_NONE
  else skb.csum_level -= 1
}

/** Does the checksum have to be looked at? not_used: the header says that there is none. */
export function __skb_checksum_validate_needed(skb: sk_buff, not_used: bool): bool {
  skb.skb_flags &= ~SKB_CSUM_VALID
  if (!not_used && !skb_csum_unnecessary(skb)) return true
  skb.skb_flags |= SKB_CSUM_VALID
  __skb_decr_checksum_unnecessary(skb)
  return false
}

/** Packets up to this length are checked on arrival, longer ones when they are read. */
const CHECKSUM_BREAK: u32 = 76

/** Checks at once what is short or must be complete; else leaves the pseudo header's sum in csum. 0: not wrong so far. */
export function __skb_checksum_validate_complete(skb: sk_buff, complete: bool, psum: u32): u32 {
  if (skb.ip_summed == <u8>CHECKSUM_COMPLETE && csum_fold(csum_add(psum, skb.csum)) == 0) {
    skb.skb_flags |= SKB_CSUM_VALID
    return 0
  }
  skb.csum = psum
  if (!complete && skb.len > CHECKSUM_BREAK) return 0
  const sum = __skb_checksum_complete(skb)
  if (sum == 0) skb.skb_flags |= SKB_CSUM_VALID
  return sum
}

/** Checks a checksum without pseudo header, as ICMP and IGMP have. */
export function skb_checksum_simple_validate(skb: sk_buff): bool {
  if (!__skb_checksum_validate_needed(skb, false)) return true
  return __skb_checksum_validate_complete(skb, true, 0) == 0
}

/** An offset from head, seen from the head of a copy; what does not fit is lost. */
function moved(offset: u16, by: i32): u16 {
  return <u16>max(<i32>offset + by, 0)
}

/** A linear copy of all bytes with headroom bytes in front of them, headers included. NO_SKB: out of memory. */
export function skb_copy(skb: sk_buff, headroom: u32): sk_buff {
  const copy = alloc_skb(skb.len, headroom, skb.owner, SKB_BORN_CLONED)
  if (changetype<usize>(copy) == 0) return NO_SKB
  const had = skb_headroom(skb)
  const before = min(had, headroom)
  copy_bytes(copy.data - before, skb.data - before, before)
  skb_copy_bits(skb, 0, skb_put(copy, skb.len), skb.len)
  const len = copy.len
  skb_copy_header(copy, skb)
  copy.len = len
  copy.data_len = 0
  copy.skb_flags &= ~(SKB_CLONED | SKB_ZEROCOPY)
  const by = <i32>headroom - <i32>had
  if (skb.mac_header != NO_MAC_HEADER) {
    copy.mac_header = <i32>skb.mac_header + by < 0 ? NO_MAC_HEADER : moved(skb.mac_header, by)
  }
  copy.network_header = moved(skb.network_header, by)
  copy.transport_header = moved(skb.transport_header, by)
  copy.inner_mac_header = moved(skb.inner_mac_header, by)
  copy.inner_network_header = moved(skb.inner_network_header, by)
  copy.inner_transport_header = moved(skb.inner_transport_header, by)
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) {
    copy.csum = (skb.csum & 0xffff0000) | (<u32>moved(<u16>skb.csum, by))
  }
  const from = skb_shinfo(skb)
  const to = skb_shinfo(copy)
  to.tx_flags = from.tx_flags
  to.gso_size = from.gso_size
  to.gso_segs = from.gso_segs
  to.gso_type = from.gso_type
  to.tskey = from.tskey
  return copy
}
