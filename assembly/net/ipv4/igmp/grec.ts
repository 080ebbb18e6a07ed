// Records of a version 3 report: which sources belong into which, and packets as they fill up. Mirrors is_in, igmpv3_newpack,
// igmpv3_sendpack, add_grhead and add_grec of net/ipv4/igmp.c. Read first: RFC 3376 4.2, 5.1 and 5.2.

import {
  IGMPV3_GREC_HLEN,
  IGMPV3_REPORT_HLEN,
  IP_SF_LIST_SIZE,
  igmpv3_grec,
  igmpv3_report,
  ip_sf_list,
} from '../../../include/igmp.ts'
import { in_device, ip_mc_list, net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { kfree } from '../../../lib/arena.ts'
import { htons, ntohs } from '../../../lib/byteorder.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { FN_add_grec, FN_add_grhead, FN_igmpv3_newpack, FN_igmpv3_sendpack } from '../../../uapi/functions.ts'
import {
  IGMPV3_ALLOW_NEW_SOURCES,
  IGMPV3_BLOCK_OLD_SOURCES,
  IGMPV3_CHANGE_TO_EXCLUDE,
  IGMPV3_CHANGE_TO_INCLUDE,
  IGMPV3_HOST_MEMBERSHIP_REPORT,
  IGMPV3_MODE_IS_EXCLUDE,
  IGMPV3_MODE_IS_INCLUDE,
} from '../../../uapi/igmp.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../../uapi/in.ts'
import { NO_SKB, kfree_skb_reason, skb_put, skb_tailroom, skb_transport_header } from '../../core/skbuff.ts'
import { sources_of, tomb_of } from './lookup.ts'
import { igmp_ip_header, igmp_route, igmp_send, igmp_skb } from './packet.ts'
import { is_reported } from './state.ts'

/** 224.0.0.22, all routers that speak version 3. */
const ALL_MCR: u32 = 0x160000e0
/** Least MTU for IPv4 (RFC 791 3.2). */
const IPV4_MIN_MTU: u32 = 68
/** Smallest buffer that is tried for a report when there is no memory for one of the MTU. */
const LEAST_PACK: u32 = 256

/** The record that is being written. */
@unmanaged
@final
class grec_writer {
  /** The packet it stands in, 0: none yet; the record, 0: not begun. */
  skb: usize
  pgr: usize
  /** Sources in it. */
  scount: u32
}

const WRITER: usize = memory.data(16, 4)

/** An empty report of the MTU's size. NO_SKB: no memory, or no route. */
export function igmpv3_newpack(in_dev: in_device, mtu: u32): sk_buff {
  walk(FN_igmpv3_newpack, 0)
  const dev = changetype<net_device>(in_dev.dev)
  let skb = igmp_skb(dev, mtu)
  for (let size = mtu >> 1; changetype<usize>(skb) == 0 && size >= LEAST_PACK; size >>= 1) skb = igmp_skb(dev, size)
  if (changetype<usize>(skb) == 0) return NO_SKB
  const rt = igmp_route(dev, ALL_MCR)
  if (IS_ERR(rt)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_igmpv3_newpack)
    return NO_SKB
  }
  igmp_ip_header(skb, rt, in_dev, true)
  const head = skb_put(skb, IGMPV3_REPORT_HLEN)
  store<u64>(head, <u64>IGMPV3_HOST_MEMBERSHIP_REPORT)
  return skb
}

export function igmpv3_sendpack(skb: sk_buff): void {
  walk(FN_igmpv3_sendpack, changetype<usize>(skb))
  igmp_send(skb)
}

/** Bytes that still fit. */
function available(skb: sk_buff, mtu: u32): u32 {
  if (changetype<usize>(skb) == 0 || mtu <= skb.len) return 0
  return min(mtu - skb.len, skb_tailroom(skb))
}

/** What the interface wants to hear of a source, when it answers. */
function is_current(im: ip_mc_list, psf: ip_sf_list, type: u32): bool {
  if (im.gsquery && !psf.sf_gsresp) return false
  if (im.sfmode == MCAST_INCLUDE) return true
  if (psf.sf_count_include) return type == IGMPV3_MODE_IS_INCLUDE
  return im.sfcount_exclude == psf.sf_count_exclude
}

/** Does a source belong into the group's record of this type? gdeleted: the group was left; sdeleted: the source went. */
function is_in(im: ip_mc_list, psf: ip_sf_list, type: u32, gdeleted: bool, sdeleted: bool): bool {
  if (type == IGMPV3_ALLOW_NEW_SOURCES) {
    return !gdeleted && psf.sf_crcount != 0 && (im.sfmode == MCAST_INCLUDE) != sdeleted
  }
  if (type == IGMPV3_BLOCK_OLD_SOURCES) {
    if (im.sfmode == MCAST_INCLUDE) return gdeleted || (psf.sf_crcount != 0 && sdeleted)
    return psf.sf_crcount != 0 && !gdeleted && !sdeleted
  }
  if (gdeleted || sdeleted) return false
  if (type == IGMPV3_CHANGE_TO_INCLUDE) return psf.sf_count_include != 0
  if (type == IGMPV3_CHANGE_TO_EXCLUDE) {
    return im.sfcount_exclude != 0 && psf.sf_count_include == 0 && im.sfcount_exclude == psf.sf_count_exclude
  }
  return is_current(im, psf, type)
}

/** Length of the whole record. */
function grec_size(im: ip_mc_list, type: u32, gdeleted: bool, sdeleted: bool): u32 {
  let size = IGMPV3_GREC_HLEN
  for (let p = im.sources; p; p = changetype<ip_sf_list>(p).sf_next) {
    if (is_in(im, changetype<ip_sf_list>(p), type, gdeleted, sdeleted)) size += 4
  }
  return size
}

/** Begins the record, in a new packet if there is none. False: no packet. */
function add_grhead(w: grec_writer, im: ip_mc_list, type: u32, mtu: u32): bool {
  walk(FN_add_grhead, 0)
  if (w.skb == 0) w.skb = changetype<usize>(igmpv3_newpack(changetype<in_device>(im.interface), mtu))
  if (w.skb == 0) return false
  const skb = changetype<sk_buff>(w.skb)
  const pgr = changetype<igmpv3_grec>(skb_put(skb, IGMPV3_GREC_HLEN))
  pgr.grec_type = <u8>type
  pgr.grec_auxwords = 0
  pgr.grec_nsrcs = 0
  pgr.grec_mca = im.multiaddr
  const report = changetype<igmpv3_report>(skb_transport_header(skb))
  report.ngrec = htons(ntohs(report.ngrec) + 1)
  w.pgr = changetype<usize>(pgr)
  return true
}

/** What is written goes out. */
function flush(w: grec_writer): void {
  if (w.pgr) changetype<igmpv3_grec>(w.pgr).grec_nsrcs = htons(w.scount)
  if (w.skb) igmpv3_sendpack(changetype<sk_buff>(w.skb))
  w.skb = 0
  w.pgr = 0
  w.scount = 0
}

/** Makes room for one more source. False: none is left in a record that may not go on in another packet, or no packet. */
function make_room(w: grec_writer, im: ip_mc_list, type: u32, mtu: u32, truncate: bool): bool {
  const need: u32 = w.pgr ? 4 : 4 + IGMPV3_GREC_HLEN
  if (w.skb && available(changetype<sk_buff>(w.skb), mtu) < need) {
    if (truncate && w.pgr) return false
    flush(w)
  }
  return w.pgr != 0 || add_grhead(w, im, type, mtu)
}

/** A record without sources says something too: that the group is wanted, or not, from everybody. */
function add_empty(w: grec_writer, im: ip_mc_list, type: u32, mtu: u32): void {
  if (w.skb && available(changetype<sk_buff>(w.skb), mtu) < IGMPV3_GREC_HLEN) flush(w)
  add_grhead(w, im, type, mtu)
}

/** Writes the sources of a list that belong into the record. Returns how many; -1: no packet. */
function add_sources(w: grec_writer, im: ip_mc_list, type: u32, mtu: u32, gdeleted: bool, sdeleted: bool): i32 {
  const change = type == IGMPV3_ALLOW_NEW_SOURCES || type == IGMPV3_BLOCK_OLD_SOURCES
  const truncate = type == IGMPV3_MODE_IS_EXCLUDE || type == IGMPV3_CHANGE_TO_EXCLUDE
  // A change of mode says it all (RFC 3376 5.1).
  const covered = change && (gdeleted ? im.sfmode == MCAST_EXCLUDE : im.crcount != 0)
  let total = 0
  let link = sdeleted ? tomb_of(im) : sources_of(im)
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const psf = changetype<ip_sf_list>(p)
    if (!is_in(im, psf, type, gdeleted, sdeleted)) {
      link = p + offsetof<ip_sf_list>('sf_next')
      continue
    }
    if (!covered || psf.sf_crcount == 0) {
      if (!change) psf.sf_gsresp = 0
      if (!make_room(w, im, type, mtu, truncate)) {
        if (w.skb) break
        return -1
      }
      store<u32>(skb_put(changetype<sk_buff>(w.skb), 4), psf.sf_inaddr)
      w.scount += 1
      total++
    }
    if (change) {
      psf.sf_crcount -= 1
      if ((sdeleted || gdeleted) && psf.sf_crcount == 0) {
        store<usize>(link, psf.sf_next)
        kfree(p, IP_SF_LIST_SIZE)
        continue
      }
    }
    link = p + offsetof<ip_sf_list>('sf_next')
  }
  return total
}

/**
 * Adds a group's record of a type to a report (NO_SKB: none is begun), which goes out when it is full and is followed by
 * another. gdeleted: the group was left; sdeleted: of sources that went. Returns the report that is not full yet.
 */
export function add_grec(skb: sk_buff, im: ip_mc_list, type: u32, gdeleted: bool, sdeleted: bool): sk_buff {
  walk(FN_add_grec, 0)
  const in_dev = changetype<in_device>(im.interface)
  const mtu = changetype<net_device>(in_dev.dev).mtu
  if (!is_reported(in_dev, im.multiaddr) || mtu < IPV4_MIN_MTU) return skb
  const query = type == IGMPV3_MODE_IS_INCLUDE || type == IGMPV3_MODE_IS_EXCLUDE
  const w = changetype<grec_writer>(WRITER)
  w.skb = changetype<usize>(skb)
  w.pgr = 0
  w.scount = 0
  let total = 0
  if (load<usize>(sdeleted ? tomb_of(im) : sources_of(im))) {
    // A record that may not go on in another packet begins in a fresh one.
    const truncate = type == IGMPV3_MODE_IS_EXCLUDE || type == IGMPV3_CHANGE_TO_EXCLUDE
    if (truncate && w.skb && available(skb, mtu) < grec_size(im, type, gdeleted, sdeleted)) flush(w)
    total = add_sources(w, im, type, mtu, gdeleted, sdeleted)
    if (total < 0) return NO_SKB
  }
  if (total == 0) {
    if (type == IGMPV3_ALLOW_NEW_SOURCES || type == IGMPV3_BLOCK_OLD_SOURCES) return changetype<sk_buff>(w.skb)
    if (query || im.crcount) add_empty(w, im, type, mtu)
  }
  if (w.pgr) changetype<igmpv3_grec>(w.pgr).grec_nsrcs = htons(w.scount)
  if (query) im.gsquery = 0
  return changetype<sk_buff>(w.skb)
}
