// Bytes on pages behind the linear part of a packet, as drivers and senders of large packets lay them (alloc_skb_with_frags).

import { MAX_SKB_FRAGS, sk_buff } from '../../include/skbuff.ts'
import { copy_bytes } from '../../lib/checksum.ts'
import { PAGE_HEADER, page_alloc } from './page.ts'
import { skb_shinfo, skb_shinfo_frag } from './skbuff.ts'

/** Bytes of a page: eight of Linux's at once (PAGE_ALLOC_COSTLY_ORDER). */
const PAGE_BYTES: u32 = 32768 - <u32>PAGE_HEADER

/** Appends a copy of n bytes on pages. False: out of memory, or too many pages; those that were appended stay. */
export function append_pages(skb: sk_buff, from: usize, n: u32): bool {
  const shinfo = skb_shinfo(skb)
  while (n) {
    if (shinfo.nr_frags >= <u8>MAX_SKB_FRAGS) return false
    const part = min(n, PAGE_BYTES)
    const page = page_alloc(part)
    if (page == 0) return false
    const frag = skb_shinfo_frag(skb, shinfo.nr_frags)
    frag.page = page
    frag.offset = <u32>PAGE_HEADER
    frag.size = part
    copy_bytes(page + PAGE_HEADER, from, part)
    shinfo.nr_frags += 1
    skb.len += part
    skb.data_len += part
    from += part
    n -= part
  }
  return true
}
