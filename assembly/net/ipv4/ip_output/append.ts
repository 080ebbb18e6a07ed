// Data becomes frames of one datagram, each as long as the path allows: ip_append_data and what belongs to it.
// Mirrors the append half of net/ipv4/ip_output.c; the other half is make.ts. Left out: zero copy, paged heads.
//
// length counts the transport header (transhdrlen), for which room is left only: the caller writes it when the frames
// are one packet (ip_make_skb), or before ip_push_pending_frames.

import { rtable } from '../../../include/dst.ts'
import { IPCORK_OPT, IPCORK_TS_OPT_ID, cork_opt, cork_queue, inet_cork } from '../../../include/inet_cork.ts'
import { IP_HEADER_MIN } from '../../../include/ip.ts'
import { IP_OPTIONS_DATA, ip_options, ipcm_cookie } from '../../../include/ipcm.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { NETIF_F_HW_CSUM, NETIF_F_IP_CSUM, NETIF_F_SG, net_device } from '../../../include/netdevice.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  MAX_SKB_FRAGS,
  SKB_BORN_SENT,
  sk_buff,
  sk_buff_head,
  skb_frag,
  ubuf_of,
} from '../../../include/skbuff.ts'
import { SOCK_ZEROCOPY, sock } from '../../../include/sock.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { copy_bytes, csum_block_add, csum_partial, csum_partial_copy, csum_sub } from '../../../lib/checksum.ts'
import { walk, walk_all } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { EMSGSIZE, ENETUNREACH, ENOBUFS, ENOMEM } from '../../../uapi/errno.ts'
import {
  FN___ip_append_data,
  FN___ip_flush_pending_frames,
  FN_icmp_glue_bits,
  FN_ip_generic_getfrag,
  FN_ip_reply_glue_bits,
  FN_ip_setup_cork,
  FN_ping_getfrag,
  FN_raw_getfrag,
} from '../../../uapi/functions.ts'
import { IPSTATS_MIB_OUTDISCARDS } from '../../../uapi/snmp.ts'
import {
  MSG_MORE,
  MSG_SPLICE_PAGES,
  MSG_ZEROCOPY,
  SOCKCM_FLAG_TS_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID,
} from '../../../uapi/socket.ts'
import { dst_hold, dst_release } from '../../core/dst.ts'
import { msg_zerocopy_put_abort, msg_zerocopy_realloc, skb_zcopy, skb_zcopy_set } from '../../core/msg_zerocopy.ts'
import { PAGE_HEADER, page, page_alloc, page_get } from '../../core/page.ts'
import { skb_set_tx_stamps, sock_tx_timestamp } from '../../core/skb_tstamp.ts'
import {
  __skb_queue_purge_reason,
  __skb_queue_tail,
  alloc_skb,
  skb_put,
  skb_reset_network_header,
  skb_shinfo,
  skb_shinfo_frag,
  skb_tailroom,
} from '../../core/skbuff.ts'
import { pskb_trim, skb_copy_and_csum_bits } from '../../core/skbuff_data.ts'
import { send_waits, skb_set_owner_w, sock_alloc_send_skb } from '../../core/sock_wmem.ts'
import { train_page_alloc, train_page_data, train_page_fill } from '../../core/train_pages.ts'
import { user_pages_find } from '../../core/user_pages.ts'
import { ip_local_error } from '../ip_sockglue/errors.ts'
import { ipv4_mtu } from '../route/metrics.ts'
import { LL_RESERVED_SPACE } from './finish2.ts'
import { IPV4_MIN_MTU, IP_MAX_MTU, pmtudisc_ignore_df, pmtudisc_use_pmtu } from './mtu.ts'

/** Where the data comes from (kind), in place of Linux's getfrag functions: memory of a program (from: its address), */
export const APPEND_FROM_USER: u32 = 0
/** memory of the kernel (from: its address; always summed), */
export const APPEND_FROM_REPLY: u32 = 1
/** another packet (from: the sk_buff; offset: of the first byte in it; always summed), */
export const APPEND_FROM_SKB: u32 = 2
/** or memory of a program that sends by a raw or a ping socket. */
export const APPEND_FROM_RAW: u32 = 3
export const APPEND_FROM_PING: u32 = 4

/** Bytes that frames have to spare, for alignment. */
const ALIGN_ROOM: u32 = 15
/** Heads of this size and more have their data on pages where the device takes those. */
const SKB_MAX_ALLOC: u32 = 16064
const PAGE_SIZE: u32 = 4096

/** Bytes of a page for what is appended behind the linear part: at least, and at most. */
const APPEND_PAGE: u32 = 4096
const APPEND_PAGE_MAX: u32 = 32768 - <u32>PAGE_HEADER

/** What one call works with. It calls nothing that appends, so it is never in use twice. */
@unmanaged
@final
class append_run {
  sk: usize
  rt: usize
  queue: usize
  kind: u32
  from: usize
  /** Next byte to copy, and bytes still to go (those of the transport header counted). */
  offset: u32
  length: u32
  transhdrlen: u32
  flags: u32
  mtu: u32
  /** IP header with options. */
  header: u32
  /** Longest frame that others may follow. */
  maxfraglen: u32
  csummode: u32
  /** The device takes fragments on pages. */
  sg: u32
  /** A train of segments may come of it: all data lie on pages, and are not summed before it is known. */
  gso: u32
  /** It will be summed in software: what comes from a program is, as it is copied. */
  sums: u32
  cork: usize
  /** The block of a program whose bytes lie on its frames as they are, 0: they are copied; and whether it is told (MSG_ZEROCOPY). */
  page: usize
  uarg: usize
  /** The call's own reference to uarg, that no frame took yet. */
  owned: u32
}

const RUN: usize = memory.data(offsetof<append_run>(), 16)
const RAW_WALK: usize = memory.data<u32>([FN_raw_getfrag, FN_ip_generic_getfrag, 0])

/** The IP_PMTUDISC_* of a datagram: its socket's, or what was said for it. */
export function cork_pmtudisc(sk: usize, cork: inet_cork): u32 {
  return sk ? <u32>changetype<sock>(sk).pmtudisc : cork.pmtudisc
}

/** The kernel's function that data of this kind is copied by. */
function getfrag_fn(kind: u32): u32 {
  if (kind == APPEND_FROM_USER) return FN_ip_generic_getfrag
  return kind == APPEND_FROM_PING ? FN_ping_getfrag : FN_ip_reply_glue_bits
}

/** Copies n bytes to a frame, at bytes behind its IP header's begin, and sums them unless the device will. */
function getfrag(run: append_run, skb: sk_buff, to: usize, n: u32, at: u32): void {
  const from = run.from + run.offset
  if (run.kind == APPEND_FROM_SKB) {
    walk(FN_icmp_glue_bits, changetype<usize>(skb))
    const sum = skb_copy_and_csum_bits(changetype<sk_buff>(run.from), run.offset, to, n)
    skb.csum = csum_block_add(skb.csum, sum, at)
    return
  }
  if (run.kind == APPEND_FROM_RAW) walk_all(RAW_WALK, changetype<usize>(skb))
  else walk(getfrag_fn(run.kind), changetype<usize>(skb))
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL || run.gso) copy_bytes(to, from, n)
  else skb.csum = csum_block_add(skb.csum, csum_partial_copy(from, to, n, 0), at)
}

/** An empty frame that its sender is charged for, or ERR_PTR. Only the first may have to wait for room. */
function frame_alloc(run: append_run, size: u32, headroom: u32): usize {
  if (run.sk == 0) {
    const skb = alloc_skb(size, headroom, changetype<rtable>(run.rt).net, SKB_BORN_SENT)
    return changetype<usize>(skb) ? changetype<usize>(skb) : ERR_PTR(ENOBUFS)
  }
  const sk = changetype<sock>(run.sk)
  if (run.transhdrlen) return sock_alloc_send_skb(sk, size, headroom)
  // Linux counts from 1: twice the buffer is too much already.
  if (sk.sk_wmem_alloc >= sk.sk_sndbuf * 2) return ERR_PTR(ENOBUFS)
  const skb = alloc_skb(size, headroom, sk.net, SKB_BORN_SENT)
  if (changetype<usize>(skb) == 0) return ERR_PTR(ENOBUFS)
  skb_set_owner_w(skb, sk)
  return changetype<usize>(skb)
}

/** Moves what the last frame has too much, now that it is not the last, behind to in the new one. */
function take_gap(skb: sk_buff, prev: sk_buff, to: usize, gap: u32, maxfraglen: u32): void {
  skb.csum = skb_copy_and_csum_bits(prev, maxfraglen, to, gap)
  prev.csum = csum_sub(prev.csum, skb.csum)
  pskb_trim(prev, maxfraglen)
}

/** The first frame alone is stamped on its way. */
function stamp_first(cork: inet_cork, skb: sk_buff, sk: sock): void {
  const said: u32 = cork.flags & IPCORK_TS_OPT_ID ? SOCKCM_FLAG_TS_OPT_ID : 0
  skb_set_tx_stamps(skb, sk, cork.tx_flags, said, cork.ts_opt_id)
  cork.tx_flags = 0
}

/** It was not sent: the next datagram has its number. */
function stamp_back(sk: sock, cork: inet_cork): void {
  if (sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID && !(cork.flags & IPCORK_TS_OPT_ID)) sk.sk_tskey -= 1
}

/** Appends a frame behind prev (0: the first). 0 or -errno. */
function new_frame(run: append_run, prev: usize): i32 {
  const gap = prev ? changetype<sk_buff>(prev).len - run.maxfraglen : 0
  let datalen = run.length + gap
  if (datalen > run.mtu - run.header) datalen = run.maxfraglen - run.header
  const more = run.flags & MSG_MORE && !run.sg
  const hh_len = LL_RESERVED_SPACE(changetype<net_device>(changetype<rtable>(run.rt).dev))
  const large = run.sg != 0 && datalen + run.header + hh_len + ALIGN_ROOM >= SKB_MAX_ALLOC
  if (run.gso | (<u32>run.page) | u32(large) && !more) datalen = run.transhdrlen + gap
  const fraglen = datalen + run.header
  const p = frame_alloc(run, (more ? run.mtu : fraglen) + ALIGN_ROOM, hh_len)
  if (IS_ERR(p)) return <i32>p

  const skb = changetype<sk_buff>(p)
  skb.ip_summed = <u8>run.csummode
  skb_reset_network_header(skb)
  skb.transport_header = skb.network_header + <u16>run.header
  const to = skb_put(skb, fraglen) + run.header + run.transhdrlen
  if (gap) take_gap(skb, changetype<sk_buff>(prev), to, gap, run.maxfraglen)
  const copy = datalen - run.transhdrlen - gap
  if (copy) getfrag(run, skb, to + gap, copy, gap)
  run.offset += copy
  run.length -= copy + run.transhdrlen
  run.transhdrlen = 0
  run.csummode = CHECKSUM_NONE
  const cork = changetype<inet_cork>(run.cork)
  if (cork.tx_flags) stamp_first(cork, skb, changetype<sock>(run.sk))
  if (run.uarg && skb_zcopy_set(skb, run.uarg, run.owned != 0)) run.owned = 0
  __skb_queue_tail(changetype<sk_buff_head>(run.queue), skb)
  return 0
}

/** An empty page for n bytes or more, as many as it takes: frag tells where they go. Bytes that it takes, 0: out of memory. */
function new_page(run: append_run, frag: skb_frag, n: u32): u32 {
  frag.size = 0
  if (run.sums) {
    const summed = train_page_alloc(run.gso, n)
    if (summed) {
      frag.page = summed
      frag.offset = train_page_data(summed)
      return <u32>PAGE_HEADER + changetype<page>(summed).size - frag.offset
    }
  }
  const room = min(max(n, APPEND_PAGE), APPEND_PAGE_MAX)
  frag.page = page_alloc(room)
  frag.offset = <u32>PAGE_HEADER
  return frag.page ? room : 0
}

/** Appends at most n bytes on a page of the frame. 0 or -errno. */
function extend_on_page(run: append_run, skb: sk_buff, n: u32): i32 {
  const shinfo = skb_shinfo(skb)
  const count = <u32>shinfo.nr_frags
  let frag = skb_shinfo_frag(skb, count ? count - 1 : 0)
  let room: u32 = count ? <u32>PAGE_HEADER + changetype<page>(frag.page).size - frag.offset - frag.size : 0
  if (room == 0) {
    if (count == MAX_SKB_FRAGS) return -EMSGSIZE
    frag = skb_shinfo_frag(skb, count)
    room = new_page(run, frag, n)
    if (room == 0) return -ENOMEM
    shinfo.nr_frags = <u8>(count + 1)
  }
  const copy = min(n, room)
  const filled = frag.offset + frag.size
  if (run.sums && changetype<page>(frag.page).sum_size) {
    walk(FN_ip_generic_getfrag, changetype<usize>(skb))
    train_page_fill(frag.page, filled - train_page_data(frag.page), run.from + run.offset, copy)
  } else {
    getfrag(run, skb, frag.page + filled, copy, skb.len)
  }
  frag.size += copy
  skb.len += copy
  skb.data_len += copy
  skb.truesize += copy
  if (skb.destructor) changetype<sock>(skb.sk).sk_wmem_alloc += <i32>copy
  run.offset += copy
  run.length -= copy
  return 0
}

/** Puts n bytes of the program's own page on the frame, which counts whole pages for those that its sender waits for. */
function share_page(run: append_run, skb: sk_buff, n: u32): i32 {
  const shinfo = skb_shinfo(skb)
  const count = <u32>shinfo.nr_frags
  if (count == MAX_SKB_FRAGS) return -EMSGSIZE
  const frag = skb_shinfo_frag(skb, count)
  frag.page = run.page
  frag.offset = <u32>(run.from + run.offset - run.page)
  frag.size = n
  page_get(run.page)
  shinfo.nr_frags = <u8>(count + 1)
  const start = (frag.offset - <u32>PAGE_HEADER) & (PAGE_SIZE - 1)
  const truesize = run.uarg ? (start + n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1) : n
  if (skb.ip_summed != <u8>CHECKSUM_PARTIAL && !run.gso) {
    skb.csum = csum_block_add(skb.csum, csum_partial(run.from + run.offset, n, 0), skb.len)
  }
  skb.len += n
  skb.data_len += n
  skb.truesize += truesize
  changetype<sock>(skb.sk).sk_wmem_alloc += <i32>truesize
  run.offset += n
  run.length -= n
  return 0
}

/** Appends n bytes to the last frame, or as many as a page takes. 0 or -errno. */
function extend_frame(run: append_run, skb: sk_buff, n: u32): i32 {
  if (run.page) return share_page(run, skb, n)
  if (run.sg || skb.data_len || skb_tailroom(skb) < n) return extend_on_page(run, skb, n)
  const at = skb.len
  getfrag(run, skb, skb_put(skb, n), n, at)
  run.offset += n
  run.length -= n
  return 0
}

/** Fills the last frame, then makes new ones, until all is copied. 0 or -errno: then length is what was not copied. */
function append_all(run: append_run): i32 {
  const queue = changetype<sk_buff_head>(run.queue)
  if (queue.tail == 0) {
    const err = new_frame(run, 0)
    if (err) return err
  }
  while (run.length) {
    const skb = changetype<sk_buff>(queue.tail)
    // A frame may be as long as the MTU if it is the last; others end at a multiple of 8.
    let copy = <i32>run.mtu - <i32>skb.len
    if (copy < <i32>run.length) copy = <i32>run.maxfraglen - <i32>skb.len
    const err = copy <= 0 ? new_frame(run, queue.tail) : extend_frame(run, skb, min(<u32>copy, run.length))
    if (err) return err
  }
  return 0
}

/** The payload's pages go out as they are, if they are a program's block and the device can. 0 or -ENOBUFS. */
function share_begin(run: append_run, sk: sock): i32 {
  const block = run.sg && run.kind == APPEND_FROM_USER ? user_pages_find(run.from, run.length - run.transhdrlen) : 0
  if (run.flags & MSG_SPLICE_PAGES) {
    run.page = block
    return 0
  }
  if (!(sk.sk_flags & SOCK_ZEROCOPY)) return 0
  const tail = changetype<sk_buff>(changetype<sk_buff_head>(run.queue).tail)
  const had = changetype<usize>(tail) ? skb_zcopy(tail) : 0
  const uarg = msg_zerocopy_realloc(sk, run.length, had)
  if (uarg == 0) return -ENOBUFS
  run.uarg = uarg
  run.owned = u32(uarg != had)
  // Only what is sent in one piece, and summed by the device, is not looked at.
  if (run.csummode == CHECKSUM_PARTIAL) run.page = block
  if (run.page) return 0
  ubuf_of(uarg).zerocopy = 0
  if (changetype<usize>(tail) && skb_zcopy_set(tail, uarg, run.owned != 0)) run.owned = 0
  return 0
}

/** Too long for a datagram, or for the path of one that must not be cut: said to the error queue too. */
function too_long(sk: usize, daddr: u32, info: u32): i32 {
  if (sk) ip_local_error(changetype<sock>(sk), EMSGSIZE, daddr, changetype<sock>(sk).inet_dport, info)
  return -EMSGSIZE
}

/**
 * Appends length bytes to the frames of a datagram that ip_setup_cork began.
 *
 * Uses: cork. Sets: its frames, each with its data's sum in csum unless the device computes the checksum.
 * 0 or -errno: frames made so far stay in the queue.
 */
export function __ip_append_data(
  sk: usize,
  cork: inet_cork,
  daddr: u32,
  kind: u32,
  from: usize,
  offset: u32,
  length: u32,
  transhdrlen: u32,
  flags: u32,
): i32 {
  walk(FN___ip_append_data, 0)
  const rt = changetype<rtable>(cork.dst)
  const features = changetype<net_device>(rt.dev).features
  const mtu = cork.gso_size ? IP_MAX_MTU : cork.fragsize
  const optlen: u32 = cork.flags & IPCORK_OPT ? <u32>changetype<ip_options>(cork_opt(cork)).optlen : 0
  const header = IP_HEADER_MIN + optlen
  const most = (pmtudisc_ignore_df(cork_pmtudisc(sk, cork)) ? IP_MAX_MTU : mtu) - header
  if (length > most || cork.length + length > most) return too_long(sk, daddr, mtu - optlen)

  const run = changetype<append_run>(RUN)
  run.sk = sk
  run.rt = cork.dst
  run.queue = changetype<usize>(cork_queue(cork))
  run.kind = kind
  run.from = from
  run.offset = offset
  run.length = length
  run.transhdrlen = transhdrlen
  run.flags = flags
  run.mtu = mtu
  run.header = header
  run.maxfraglen = ((mtu - header) & ~7) + header
  run.sg = features & NETIF_F_SG
  run.gso = cork.gso_size
  run.sums = u32(kind == APPEND_FROM_USER && run.gso != 0 && !(features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)))
  run.cork = changetype<usize>(cork)
  const whole = transhdrlen && length + header <= mtu && (!(flags & MSG_MORE) || cork.gso_size)
  run.csummode = whole && features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM) ? CHECKSUM_PARTIAL : CHECKSUM_NONE

  run.page = 0
  run.uarg = 0
  if (flags & (MSG_ZEROCOPY | MSG_SPLICE_PAGES) && length) {
    const refused = share_begin(run, changetype<sock>(sk))
    if (refused) return refused
  }

  cork.length += length
  const stamps = cork.tx_flags
  const err = append_all(run)
  if (err) {
    if (run.uarg) msg_zerocopy_put_abort(run.uarg, run.owned != 0)
    cork.length -= run.length
    if (stamps && cork.tx_flags == 0) stamp_back(changetype<sock>(sk), cork)
    if (!send_waits(err, flags)) mib_inc(changetype<net>(rt.net), IPSTATS_MIB_OUTDISCARDS)
  }
  return err
}

/** What stamps the message and its socket ask for. */
function setup_stamps(cork: inet_cork, ipc: ipcm_cookie): void {
  cork.tx_flags = sock_tx_timestamp(ipc.tsflags)
  if (!(ipc.tsflags & SOCKCM_FLAG_TS_OPT_ID)) return
  cork.flags |= IPCORK_TS_OPT_ID
  cork.ts_opt_id = ipc.ts_opt_id
}

/** Begins a datagram: the cork takes a reference to the route, and what the message asks for. 0 or -errno. */
export function ip_setup_cork(sk: usize, cork: inet_cork, ipc: ipcm_cookie, rt: rtable): i32 {
  walk(FN_ip_setup_cork, 0)
  const pmtudisc = sk ? <u32>changetype<sock>(sk).pmtudisc : ipc.pmtudisc
  const fragsize = pmtudisc_use_pmtu(pmtudisc) ? ipv4_mtu(rt) : changetype<net_device>(rt.dev).mtu
  if (fragsize < IPV4_MIN_MTU) return -ENETUNREACH
  cork.fragsize = fragsize
  cork.flags = 0
  if (ipc.opt) {
    const optlen = <u32>changetype<ip_options>(ipc.opt).optlen
    copy_bytes(cork_opt(cork), ipc.opt, <u32>IP_OPTIONS_DATA + optlen)
    cork.flags = IPCORK_OPT
    cork.addr = ipc.addr
  }
  dst_hold(changetype<usize>(rt))
  cork.dst = changetype<usize>(rt)
  cork.length = 0
  cork.gso_size = ipc.gso_size
  cork.ttl = <u32>max(ipc.ttl, 0)
  cork.tos = ipc.tos
  cork.mark = ipc.mark
  cork.priority = ipc.priority
  cork.transmit_time = ipc.transmit_time
  cork.pmtudisc = ipc.pmtudisc
  cork.tx_flags = 0
  if (ipc.tsflags) setup_stamps(cork, ipc)
  return 0
}

/** The cork lets go of its route: nothing is under construction. */
export function ip_cork_release(cork: inet_cork): void {
  cork.flags = 0
  const dst = cork.dst
  cork.dst = 0
  if (dst) dst_release(dst)
}

/** Throws away the frames of a datagram that will not be sent. */
export function __ip_flush_pending_frames(cork: inet_cork): void {
  walk(FN___ip_flush_pending_frames, 0)
  __skb_queue_purge_reason(cork_queue(cork), SKB_DROP_REASON_NOT_SPECIFIED, FN___ip_flush_pending_frames)
  ip_cork_release(cork)
}
