// MSG_ZEROCOPY: a sender's pages go out as they are, and its error queue says when they are its own again. Mirrors the
// msg_zerocopy_* functions and skb_copy_ubufs of net/core/skbuff.c. A notification (uarg) is an empty packet from the begin on;
// while sends are under way its cb holds a ubuf_info_msgzc. Pages that a program may hand in: user_pages.ts.

import { SLOT_ZCOPY_COMPLETE, slot_set } from '../../lib/boot.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import {
  SKB_BORN_SENT,
  SKB_ENDED_ABSORBED,
  SKB_ENDED_MERGED,
  SKB_ZEROCOPY,
  sk_buff,
  ubuf_of,
} from '../../include/skbuff.ts'
import { SOCK_DEAD, sock } from '../../include/sock.ts'
import { copy_bytes } from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import { FN_skb_copy_ubufs } from '../../uapi/functions.ts'
import { PACKET_OUTGOING, SO_EE_CODE_ZEROCOPY_COPIED, SO_EE_ORIGIN_ZEROCOPY } from '../../uapi/in.ts'
import { SYSCTL_CORE_OPTMEM_MAX } from '../../uapi/sysctl.ts'
import { PAGE_HEADER, page_alloc, page_put } from './page.ts'
import {
  SKB_TRUESIZE,
  __skb_queue_tail,
  alloc_skb,
  consume_skb,
  pskb_expand_head,
  skb_clear_cb,
  skb_cloned,
  skb_shinfo,
  skb_shinfo_frag,
} from './skbuff.ts'
import { SKB_EXT_ERR, sk_error_queue, sk_error_report, sock_hold, sock_put } from './sock.ts'

/** Most bytes that sends of one notification bring, and most such sends. */
const BYTE_LIMIT: u32 = 1 << 19
const SENDS_MAX: u32 = 0xfffe

/** Destructor of a notification: its memory was the socket's option memory. */
function sock_ofree(p: usize): void {
  const skb = changetype<sk_buff>(p)
  changetype<sock>(skb.sk).sk_omem_alloc -= skb.truesize
}

/** A notification for a send of size bytes, with the next number and one reference; 0: no option memory is left. */
function msg_zerocopy_alloc(sk: sock, size: u32): usize {
  const most = <u32>sysctl(changetype<net>(sk.net), SYSCTL_CORE_OPTMEM_MAX)
  if (sk.sk_omem_alloc + SKB_TRUESIZE(0) > most) return 0
  const skb = alloc_skb(0, 0, sk.net, SKB_BORN_SENT)
  if (changetype<usize>(skb) == 0) return 0
  skb.sk = changetype<usize>(sk)
  skb.destructor = sock_ofree.index
  sk.sk_omem_alloc += skb.truesize
  const uarg = ubuf_of(changetype<usize>(skb))
  uarg.refcnt = 1
  uarg.id = sk.sk_zckey++
  uarg.len = 1
  uarg.zerocopy = 1
  uarg.bytelen = size
  sock_hold(sk)
  return changetype<usize>(skb)
}

/**
 * The notification of a send of size bytes: had, that of the datagram under construction, goes on if no other send came
 * between; else a new one. 0: there is none to have.
 */
export function msg_zerocopy_realloc(sk: sock, size: u32, had: usize): usize {
  if (had == 0) return msg_zerocopy_alloc(sk, size)
  const uarg = ubuf_of(had)
  if (uarg.len == SENDS_MAX || uarg.bytelen + size > BYTE_LIMIT) return 0
  if (uarg.id + uarg.len != sk.sk_zckey) return msg_zerocopy_alloc(sk, size)
  uarg.len += 1
  uarg.bytelen += size
  sk.sk_zckey += 1
  return had
}

/** Is the last entry of the error queue a notification that these sends follow? */
function extends_last(sk: sock, id: u32, len: u32): bool {
  if (sk.eq_tail == 0) return false
  const serr = SKB_EXT_ERR(changetype<sk_buff>(sk.eq_tail))
  if (serr.ee_origin != <u8>SO_EE_ORIGIN_ZEROCOPY || id != serr.ee_data + 1) return false
  if (<u64>(serr.ee_data - serr.ee_info) + 1 + len >= (<u64>1) << 32) return false
  serr.ee_data += len
  return true
}

/** All packets of its sends are gone: the sender is told. */
function __msg_zerocopy_callback(p: usize): void {
  const skb = changetype<sk_buff>(p)
  const sk = changetype<sock>(skb.sk)
  const uarg = ubuf_of(p)
  const len = uarg.len
  const lo = uarg.id
  const copied = uarg.zerocopy == 0
  // Without a send left nothing happened: it was refused.
  if (len && !(sk.sk_flags & SOCK_DEAD)) {
    const told = extends_last(sk, lo, len)
    if (told) consume_skb(skb, SKB_ENDED_MERGED)
    else {
      skb_clear_cb(skb)
      const serr = SKB_EXT_ERR(skb)
      serr.ee_origin = <u8>SO_EE_ORIGIN_ZEROCOPY
      serr.ee_code = <u8>(copied ? SO_EE_CODE_ZEROCOPY_COPIED : 0)
      serr.ee_info = lo
      serr.ee_data = lo + len - 1
      skb.pkt_type = <u8>PACKET_OUTGOING
      __skb_queue_tail(sk_error_queue(sk), skb)
    }
    sk_error_report(sk)
  } else consume_skb(skb, SKB_ENDED_ABSORBED)
  sock_put(sk)
}

/** One user of a notification is done; success 0: it had to copy. */
export function msg_zerocopy_complete(p: usize, success: u32): void {
  const uarg = ubuf_of(p)
  uarg.zerocopy &= success
  uarg.refcnt -= 1
  if (uarg.refcnt == 0) __msg_zerocopy_callback(p)
}

/** A send failed: its number is the next one's. owned: it has a reference that no packet took. */
export function msg_zerocopy_put_abort(p: usize, owned: bool): void {
  const sk = changetype<sock>(changetype<sk_buff>(p).sk)
  sk.sk_zckey -= 1
  ubuf_of(p).len -= 1
  if (owned) msg_zerocopy_complete(p, 1)
}

/** The notification of a packet, 0: none. */
export function skb_zcopy(skb: sk_buff): usize {
  return skb.skb_flags & SKB_ZEROCOPY ? skb_shinfo(skb).destructor_arg : 0
}

/** Gives a packet a notification, unless it has one; it takes the caller's reference over (owned) or one of its own. True: taken. */
export function skb_zcopy_set(skb: sk_buff, uarg: usize, owned: bool): bool {
  if (skb_zcopy(skb)) return false
  skb_shinfo(skb).destructor_arg = uarg
  skb.skb_flags |= SKB_ZEROCOPY
  if (owned) return true
  ubuf_of(uarg).refcnt += 1
  return false
}

/** Each fragment on a page of ours. False: out of memory, nothing changed but that pages may be ours already. */
function copy_frags(skb: sk_buff): bool {
  const frags = <u32>skb_shinfo(skb).nr_frags
  for (let i: u32 = 0; i < frags; i++) {
    const frag = skb_shinfo_frag(skb, i)
    const page = page_alloc(frag.size)
    if (page == 0) return false
    copy_bytes(page + PAGE_HEADER, frag.page + frag.offset, frag.size)
    page_put(frag.page)
    frag.page = page
    frag.offset = <u32>PAGE_HEADER
  }
  return true
}

/** The packet gets pages of its own, and its sender hears that they were copied. False: out of memory. */
function skb_copy_ubufs(skb: sk_buff): bool {
  walk(FN_skb_copy_ubufs, changetype<usize>(skb))
  if (skb_cloned(skb) && !pskb_expand_head(skb, 0, 0)) return false
  if (!copy_frags(skb)) return false
  const uarg = skb_shinfo(skb).destructor_arg
  skb_shinfo(skb).destructor_arg = 0
  skb.skb_flags &= ~SKB_ZEROCOPY
  if (uarg) msg_zerocopy_complete(uarg, 0)
  return true
}

/** A packet with SKB_ZEROCOPY comes to somebody here who may keep it. False: out of memory, it is still the caller's. */
export function skb_orphan_frags_rx(skb: sk_buff): bool {
  return !(skb.skb_flags & SKB_ZEROCOPY) || skb_copy_ubufs(skb)
}

/** Once at boot: the end of a packet completes its notification. */
export function msg_zerocopy_init(): void {
  slot_set(SLOT_ZCOPY_COMPLETE, msg_zerocopy_complete.index)
}
