// IGMP messages that arrive: queries of routers, reports of other members. Mirrors igmp_rcv and igmp_heard_* of
// net/ipv4/igmp.c. Read first: RFC 3376 4.1, 5.2, 6.4 and 7, RFC 2236 3.

import { rtable } from '../../../include/dst.ts'
import { IGMPV3_QUERY_HLEN, IGMP_HLEN, igmphdr, igmpv3_query, ip_sf_list } from '../../../include/igmp.ts'
import { sysctl } from '../../../include/net_namespace.ts'
import { __in_dev_get_rcu, in_dev_net, in_device, ip_mc_list, net_device } from '../../../include/netdevice.ts'
import { SKB_ENDED_ABSORBED, sk_buff } from '../../../include/skbuff.ts'
import { boot } from '../../../lib/boot.ts'
import { ntohs } from '../../../lib/byteorder.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { FN_igmp_heard_query, FN_igmp_heard_report, FN_igmp_rcv } from '../../../uapi/functions.ts'
import { PACKET_BROADCAST, PACKET_MULTICAST } from '../../../uapi/in.ts'
import {
  IGMPV2_HOST_MEMBERSHIP_REPORT,
  IGMP_HOST_MEMBERSHIP_QUERY,
  IGMP_HOST_MEMBERSHIP_REPORT,
  IGMP_TIMER_SCALE,
} from '../../../uapi/igmp.ts'
import { MCAST_EXCLUDE } from '../../../uapi/in.ts'
import { SYSCTL_IGMP_QRV } from '../../../uapi/sysctl.ts'
import { consume_skb, kfree_skb_reason } from '../../core/skbuff.ts'
import { pskb_may_pull, skb_checksum_simple_validate } from '../../core/skbuff_data.ts'
import { igmpv3_clear_delrec } from './delrec.ts'
import { find_group } from './lookup.ts'
import {
  IGMP_QUERY_INTERVAL,
  IGMP_QUERY_RESPONSE_INTERVAL,
  IGMP_V1_SEEN,
  IGMP_V2_SEEN,
  igmp_ifc_stop,
  is_reported,
} from './state.ts'
import { igmp_gq_start_timer, igmp_mod_timer, igmp_stop_timer } from './timer.ts'

/** A byte that is a number below 128, else a floating one: exponent of 3 bits, mantissa of 4 (RFC 3376 4.1.1). */
function floating(code: u32): u32 {
  return code < 0x80 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3)
}

/** Tenths of a second in jiffies. */
function tenths(n: u32): u32 {
  return n * (boot.hz / IGMP_TIMER_SCALE)
}

/** Some source that is asked for is not excluded: an answer is due, of the whole group. */
function igmp_xmarksources(im: ip_mc_list, count: u32, sources: usize): bool {
  let excluded: u32 = 0
  for (let p = im.sources; p && excluded < count; p = changetype<ip_sf_list>(p).sf_next) {
    const psf = changetype<ip_sf_list>(p)
    if (psf.sf_count_include || im.sfcount_exclude != psf.sf_count_exclude) continue
    for (let i: u32 = 0; i < count; i++) {
      if (load<u32>(sources + ((<usize>i) << 2)) == psf.sf_inaddr) {
        excluded++
        break
      }
    }
  }
  im.gsquery = 0
  return excluded != count
}

/** Marks the sources that are asked for, for the answer. False: there is nothing to say. */
function igmp_marksources(im: ip_mc_list, count: u32, sources: usize): bool {
  if (im.sfmode == MCAST_EXCLUDE) return igmp_xmarksources(im, count, sources)
  let found: u32 = 0
  for (let p = im.sources; p && found < count; p = changetype<ip_sf_list>(p).sf_next) {
    const psf = changetype<ip_sf_list>(p)
    for (let i: u32 = 0; i < count; i++) {
      if (load<u32>(sources + ((<usize>i) << 2)) == psf.sf_inaddr) {
        psf.sf_gsresp = 1
        found++
        break
      }
    }
  }
  im.gsquery = found ? 1 : 0
  return found != 0
}

/** A group is asked for, of these sources or (count 0) of all: it is reported within max_delay jiffies. */
function asked(im: ip_mc_list, max_delay: u32, count: u32, sources: usize): void {
  const of_sources = count != 0 && (!im.tm_running || im.gsquery != 0)
  im.gsquery = of_sources ? 1 : 0
  if (!of_sources || igmp_marksources(im, count, sources)) igmp_mod_timer(im, max_delay)
}

/** The groups that a query is about (0: all) are to be reported. */
function schedule(in_dev: in_device, group: u32, max_delay: u32, count: u32, sources: usize): void {
  for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) {
    const im = changetype<ip_mc_list>(p)
    if (group != 0 && group != im.multiaddr) continue
    if (is_reported(in_dev, im.multiaddr)) asked(im, max_delay, count, sources)
  }
}

/** A query of version 1 or 2: that version is spoken for a while, and what was to be told of changes is not. */
function heard_older(in_dev: in_device, group: u32, code: u32): void {
  const until = boot.jiffies + in_dev.mr_qrv * in_dev.mr_qi + in_dev.mr_qri
  if (code == 0) in_dev.mr_v1_seen = until
  else in_dev.mr_v2_seen = until
  igmp_ifc_stop(in_dev)
  igmpv3_clear_delrec(in_dev)
  if (code == 0) schedule(in_dev, 0, IGMP_QUERY_RESPONSE_INTERVAL * boot.hz, 0, 0)
  else schedule(in_dev, group, tenths(code), 0, 0)
}

/** What the querier says of itself (RFC 3376 4.1.6, 4.1.7, 8.3). */
function heard_querier(in_dev: in_device, query: igmpv3_query): void {
  const qrv = (<u32>query.suppress_qrv) & 7
  const qqi = floating(query.qqic)
  in_dev.mr_qrv = qrv ? qrv : <u32>sysctl(in_dev_net(in_dev), SYSCTL_IGMP_QRV)
  in_dev.mr_qi = (qqi ? qqi : IGMP_QUERY_INTERVAL) * boot.hz
  if (in_dev.mr_qri >= in_dev.mr_qi) in_dev.mr_qri = in_dev.mr_qi - boot.hz
}

/**
 * A router asks. True: malformed. A version 3 query counts as one of the version that is spoken (RFC 3376 7.2.1).
 *
 * Uses: 8 bytes at data. Sets: versions and intervals of the device, timers.
 */
function igmp_heard_query(in_dev: in_device, skb: sk_buff, len: u32): bool {
  walk(FN_igmp_heard_query, changetype<usize>(skb))
  const ih = changetype<igmphdr>(skb.data)
  if (len == IGMP_HLEN) {
    heard_older(in_dev, ih.group, ih.code)
    return false
  }
  if (len < IGMPV3_QUERY_HLEN) return true
  if (IGMP_V1_SEEN(in_dev)) {
    schedule(in_dev, 0, IGMP_QUERY_RESPONSE_INTERVAL * boot.hz, 0, 0)
    return false
  }
  const max_delay = max<u32>(tenths(floating(ih.code)), 1)
  if (IGMP_V2_SEEN(in_dev)) {
    schedule(in_dev, ih.group, max_delay, 0, 0)
    return false
  }
  if (!pskb_may_pull(skb, IGMPV3_QUERY_HLEN)) return true
  const sources = <u32>ntohs(changetype<igmpv3_query>(skb.data).nsrcs)
  if (sources && !pskb_may_pull(skb, IGMPV3_QUERY_HLEN + (sources << 2))) return true
  const query = changetype<igmpv3_query>(skb.data)
  in_dev.mr_maxdelay = max_delay
  heard_querier(in_dev, query)
  if (query.group == 0) {
    if (sources) return true
    igmp_gq_start_timer(in_dev)
    return false
  }
  schedule(in_dev, query.group, max_delay, sources, skb.data + IGMPV3_QUERY_HLEN)
  return false
}

/** Another member reports a group: we need not (versions 1 and 2). */
function igmp_heard_report(in_dev: in_device, group: u32): void {
  walk(FN_igmp_heard_report, 0)
  if (!is_reported(in_dev, group)) return
  const im = find_group(in_dev, group)
  if (changetype<usize>(im)) igmp_stop_timer(im)
}

/** Somebody else's report, to many. Our own came back, or somebody sent it to us alone: it says nothing. */
function is_foreign_report(skb: sk_buff, type: u32): bool {
  if (type != IGMP_HOST_MEMBERSHIP_REPORT && type != IGMPV2_HOST_MEMBERSHIP_REPORT) return false
  if (!changetype<rtable>(skb.dst).rt_is_input) return false
  return skb.pkt_type == <u8>PACKET_MULTICAST || skb.pkt_type == <u8>PACKET_BROADCAST
}

/**
 * An IGMP message for us.
 *
 * Uses: data at the IGMP header, dst. Next: nobody, the skb is gone: absorbed if it is a query or a report, else dropped.
 */
export function igmp_rcv(skb: sk_buff): void {
  walk(FN_igmp_rcv, changetype<usize>(skb))
  const len = skb.len
  const in_dev = __in_dev_get_rcu(changetype<net_device>(skb.dev))
  let dropped: bool = true
  if (changetype<usize>(in_dev) && pskb_may_pull(skb, IGMP_HLEN) && skb_checksum_simple_validate(skb)) {
    const ih = changetype<igmphdr>(skb.data)
    if (<u32>ih.type == IGMP_HOST_MEMBERSHIP_QUERY) {
      dropped = igmp_heard_query(in_dev, skb, len)
    } else if (is_foreign_report(skb, ih.type)) {
      igmp_heard_report(in_dev, ih.group)
      dropped = false
    }
  }
  if (dropped) kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_igmp_rcv)
  else consume_skb(skb, SKB_ENDED_ABSORBED)
}
