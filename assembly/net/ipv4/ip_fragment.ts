// Fragments of IPv4 datagrams become datagrams again. Mirrors net/ipv4/ip_fragment.c; queues are in inet_fragment.ts.
// Read first: RFC 791 3.2 (reassembly), RFC 3168 5.3 (ECN of fragments), RFC 1122 3.3.2 (time-out).

import { inet_peer } from '../../include/inetpeer.ts'
import { IPSKB_FRAG_COMPLETE, IPSKB_FRAG_PMTU, IP_DF, IP_MF, inet_skb_parm, iphdr } from '../../include/ip.ts'
import { rtable } from '../../include/dst.ts'
import { mib_inc, net, sysctl } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, SKB_CB, SKB_DST_NOREF, sk_buff } from '../../include/skbuff.ts'
import { mod_timer } from '../../kernel/timer.ts'
import { SLOT_ICMP_SEND, slot_get } from '../../lib/boot.ts'
import { htons, ntohs } from '../../lib/byteorder.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_DUP_FRAG,
  SKB_DROP_REASON_FRAG_REASM_TIMEOUT,
  SKB_DROP_REASON_FRAG_TOO_FAR,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from '../../uapi/dropreason.ts'
import {
  FN_inet_frag_find,
  FN_ip4_frag_init,
  FN_ip_defrag,
  FN_ip_expire,
  FN_l3mdev_master_ifindex_rcu,
} from '../../uapi/functions.ts'
import { ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED } from '../../uapi/icmp.ts'
import { RTN_LOCAL } from '../../uapi/rtnetlink.ts'
import {
  IPSTATS_MIB_REASMFAILS,
  IPSTATS_MIB_REASMOKS,
  IPSTATS_MIB_REASMREQDS,
  IPSTATS_MIB_REASMTIMEOUT,
  IPSTATS_MIB_REASM_OVERLAPS,
} from '../../uapi/snmp.ts'
import { SYSCTL_IPFRAG_MAX_DIST } from '../../uapi/sysctl.ts'
import { __dev_get_by_index } from '../core/dev.ts'
import {
  NO_SKB,
  kfree_skb_reason,
  skb_dst_drop,
  skb_network_header,
  skb_network_offset,
  skb_orphan,
} from '../core/skbuff.ts'
import { pskb_pull, pskb_trim_rcsum } from '../core/skbuff_data.ts'
import {
  INET_FRAG_COMPLETE,
  INET_FRAG_DROP,
  INET_FRAG_FIRST_IN,
  INET_FRAG_LAST_IN,
  IPFRAG_DUP,
  IPFRAG_OK,
  NO_QUEUE,
  frag_expiry,
  frag_timer,
  frag_timer_queue,
  inet_frag_create,
  inet_frag_destroy,
  inet_frag_kill,
  inet_frag_lookup,
  inet_frag_may_grow,
  inet_frag_pull_head,
  inet_frag_queue,
  inet_frag_queue_insert,
  inet_frag_rbtree_purge,
  inet_frag_reasm_finish,
  inet_frag_reasm_prepare,
} from './inet_fragment.ts'
import { inet_getpeer_v4 } from './inetpeer.ts'
import { ip_send_check } from './ip_output/check.ts'
import { ip_route_input_noref } from './route/input.ts'

/** Who has fragments put together: datagrams are kept apart by it (enum ip_defrag_users). */
export const IP_DEFRAG_LOCAL_DELIVER: u32 = 0
export const IP_DEFRAG_CALL_RA_CHAIN: u32 = 1
export const IP_DEFRAG_CONNTRACK_IN: u32 = 2
export const IP_DEFRAG_CONNTRACK_OUT: u32 = 65538
export const IP_DEFRAG_CONNTRACK_BRIDGE_IN: u32 = 131074
export const IP_DEFRAG_AF_PACKET: u32 = 196613
/** Conntrack takes a range of users, one for each zone. */
const ZONES: u32 = 65535

/** The largest datagram (RFC 791 3.1). */
const IP_MAX: u32 = 65535
/** The fragment offset in frag_off, in host order. */
const OFFSET_MASK: u32 = 0x1fff

/** A bit for each codepoint of the ECN field. */
const ECN_NOT_ECT: u32 = 1
const ECN_CE: u32 = 8
const INET_ECN_MASK: u32 = 3
const INET_ECN_CE: u32 = 3
/** The fragments' codepoints contradict each other. */
const ECN_INVALID: u32 = 0xff

const KEY: usize = memory.data(offsetof<inet_frag_queue>(), 16)

function IPCB(skb: sk_buff): inet_skb_parm {
  return changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
}

/** The ECN bits that a datagram gets from its fragments' (RFC 3168 5.3): CE if one had it, invalid if only some were ECT. */
function ecn_of(seen: u32): u32 {
  if (seen & ECN_NOT_ECT) return seen == ECN_NOT_ECT ? 0 : ECN_INVALID
  return seen & ECN_CE ? INET_ECN_CE : 0
}

/** Users that see packets of others as well: only a host that a datagram is for answers for it. */
function frag_expire_skip_icmp(user: u32): bool {
  if (user == IP_DEFRAG_AF_PACKET || user - IP_DEFRAG_CONNTRACK_IN <= ZONES) return true
  return user - IP_DEFRAG_CONNTRACK_BRIDGE_IN <= ZONES
}

/** Tells the sender that its datagram did not become whole; answers the reason for which the first fragment is dropped. */
function report_timeout(q: inet_frag_queue, head: sk_buff): u32 {
  const owner = changetype<net>(q.net)
  const dev = __dev_get_by_index(owner, q.iif)
  if (changetype<usize>(dev) == 0) return SKB_DROP_REASON_FRAG_REASM_TIMEOUT
  head.dev = changetype<usize>(dev)
  const ip = changetype<iphdr>(skb_network_header(head))
  const reason = ip_route_input_noref(head, ip.daddr, ip.saddr, ip.tos, dev)
  if (reason) return reason
  if (!frag_expire_skip_icmp(q.user) || changetype<rtable>(head.dst).rt_type == <u16>RTN_LOCAL) {
    call_indirect<void>(slot_get(SLOT_ICMP_SEND), head, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, <u32>0)
  }
  return SKB_DROP_REASON_FRAG_REASM_TIMEOUT
}

/** ipfrag_time is over: the queue is given up, with an ICMP error if its first fragment came (RFC 792). */
function ip_expire(timer: usize): void {
  walk(FN_ip_expire, 0)
  const q = frag_timer_queue(timer)
  const owner = changetype<net>(q.net)
  const first_in = (q.flags & INET_FRAG_FIRST_IN) != 0
  inet_frag_kill(q)
  q.flags |= INET_FRAG_DROP
  mib_inc(owner, IPSTATS_MIB_REASMFAILS)
  mib_inc(owner, IPSTATS_MIB_REASMTIMEOUT)
  if (first_in) {
    const head = inet_frag_pull_head(q, SKB_DROP_REASON_FRAG_REASM_TIMEOUT)
    if (changetype<usize>(head)) kfree_skb_reason(head, report_timeout(q, head), FN_ip_expire)
  }
  inet_frag_destroy(q)
}

/** The queue of a fragment, new if there is none. NO_QUEUE: too much memory is in use, or there is none. */
function ip_find(owner: net, skb: sk_buff, user: u32, vif: u32): inet_frag_queue {
  walk(FN_inet_frag_find, changetype<usize>(skb))
  if (!inet_frag_may_grow(owner)) return NO_QUEUE
  const ip = changetype<iphdr>(skb_network_header(skb))
  const key = changetype<inet_frag_queue>(KEY)
  key.saddr = ip.saddr
  key.daddr = ip.daddr
  key.user = user
  key.vif = vif
  key.id = ip.id
  key.protocol = ip.protocol
  const q = inet_frag_lookup(owner, key, skb)
  if (changetype<usize>(q)) return q
  walk(FN_ip4_frag_init, changetype<usize>(skb))
  const watched = sysctl(owner, SYSCTL_IPFRAG_MAX_DIST) != 0
  const peer = watched ? inet_getpeer_v4(owner, key.saddr) : changetype<inet_peer>(0)
  return inet_frag_create(owner, key, skb, peer, ip_expire.index)
}

/** Did too many other fragments of the source come since the queue's last one? Then ids may have wrapped. */
function ip_frag_too_far(q: inet_frag_queue): bool {
  const most = sysctl(changetype<net>(q.net), SYSCTL_IPFRAG_MAX_DIST)
  if (q.peer == 0 || most == 0) return false
  const peer = changetype<inet_peer>(q.peer)
  const start = q.rid
  peer.rid += 1
  q.rid = peer.rid
  return q.fragments_tail != 0 && q.rid - start > <u32>most
}

/** Empties a queue that is too old to go on, and begins it anew. */
function ip_frag_reinit(q: inet_frag_queue): void {
  const owner = changetype<net>(q.net)
  mib_inc(owner, IPSTATS_MIB_REASMFAILS)
  mod_timer(frag_timer(q), frag_expiry(owner))
  inet_frag_rbtree_purge(q, SKB_DROP_REASON_FRAG_TOO_FAR)
  q.flags = 0
  q.len = 0
  q.meat = 0
  q.iif = 0
  q.ecn = 0
}

/** What is known of the datagram's end after a fragment that ends at end. False: it contradicts what came before. */
function extend(q: inet_frag_queue, end: u32, more: bool): bool {
  if (!more) {
    if (end < q.len || (q.flags & INET_FRAG_LAST_IN && end != q.len)) return false
    q.flags |= INET_FRAG_LAST_IN
    q.len = end
  } else if (end > q.len) {
    if (q.flags & INET_FRAG_LAST_IN) return false
    q.len = end
  }
  return true
}

/** The fragment cannot go in, and its queue can never become whole: both end. */
function discard_qp(q: inet_frag_queue, skb: sk_buff): sk_buff {
  inet_frag_kill(q)
  mib_inc(changetype<net>(q.net), IPSTATS_MIB_REASMFAILS)
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_defrag)
  return NO_SKB
}

/** Counts a fragment that is in the queue now. */
function account(q: inet_frag_queue, skb: sk_buff, offset: u32, header: u32, df: bool): void {
  q.iif = skb.dev ? changetype<net_device>(skb.dev).ifindex : q.iif
  q.stamp = skb.tstamp
  q.meat += skb.len
  changetype<net>(q.net).frag_mem += skb.truesize
  if (offset == 0) q.flags |= INET_FRAG_FIRST_IN
  const size = skb.len + header
  if (size > q.max_size) q.max_size = size
  if (df && size > q.max_df_size) q.max_df_size = size
}

/** The whole datagram goes on as its first fragment, with the route and device of the last that came. */
function ip_frag_reasm(q: inet_frag_queue, last: sk_buff): sk_buff {
  const owner = changetype<net>(q.net)
  const dev = last.dev
  inet_frag_kill(q)
  const ecn = ecn_of(q.ecn)
  const head = ecn == ECN_INVALID ? NO_SKB : inet_frag_reasm_prepare(q)
  const header = changetype<usize>(head) ? <u32>(head.data - skb_network_header(head)) : 0
  if (changetype<usize>(head) == 0 || header + q.len > IP_MAX) {
    mib_inc(owner, IPSTATS_MIB_REASMFAILS)
    return NO_SKB
  }
  if (head != last) {
    head.dst = last.dst
    head.skb_flags = (head.skb_flags & ~SKB_DST_NOREF) | (last.skb_flags & SKB_DST_NOREF)
    last.dst = 0
  }
  inet_frag_reasm_finish(q, head, q.user == IP_DEFRAG_LOCAL_DELIVER)
  head.dev = dev
  const parm = IPCB(head)
  parm.frag_max_size = <u16>max(q.max_df_size, q.max_size)
  const ip = changetype<iphdr>(head.data)
  ip.tot_len = htons(header + q.len)
  ip.tos |= <u8>ecn
  ip.frag_off = 0
  if (q.max_df_size == q.max_size) {
    // The largest fragment had DF: the sender learns the path's MTU by it.
    parm.flags |= <u16>IPSKB_FRAG_PMTU
    ip.frag_off = <u16>IP_DF
  }
  ip_send_check(ip)
  mib_inc(owner, IPSTATS_MIB_REASMOKS)
  return head
}

/** Takes a fragment into its queue. Answers the datagram when it is whole, else NO_SKB: the fragment is not the caller's. */
function ip_frag_queue(q: inet_frag_queue, skb: sk_buff): sk_buff {
  if (!(IPCB(skb).flags & (<u16>IPSKB_FRAG_COMPLETE)) && ip_frag_too_far(q)) ip_frag_reinit(q)
  const ip = changetype<iphdr>(skb_network_header(skb))
  const field = ntohs(ip.frag_off)
  const df = (ip.frag_off & (<u16>IP_DF)) != 0
  const more = (ip.frag_off & (<u16>IP_MF)) != 0
  const ecn: u32 = 1 << ((<u32>ip.tos) & INET_ECN_MASK)
  const header = ip.ihl << 2
  const front = <u32>skb_network_offset(skb) + header
  const offset = (field & OFFSET_MASK) << 3
  let end = offset + skb.len - front
  if (more && end & 7) {
    // Only the last may have a length that is not a multiple of 8: cut down, and the sum is no longer that of all.
    end &= ~7
    if (skb.ip_summed != <u8>CHECKSUM_UNNECESSARY) skb.ip_summed = <u8>CHECKSUM_NONE
  }
  if (!extend(q, end, more) || end == offset) return discard_qp(q, skb)
  if (!pskb_pull(skb, front) || !pskb_trim_rcsum(skb, end - offset)) return discard_qp(q, skb)

  const err = inet_frag_queue_insert(q, skb, offset, end)
  if (err == IPFRAG_DUP) {
    kfree_skb_reason(skb, SKB_DROP_REASON_DUP_FRAG, FN_ip_defrag)
    return NO_SKB
  }
  if (err != IPFRAG_OK) {
    mib_inc(changetype<net>(q.net), IPSTATS_MIB_REASM_OVERLAPS)
    return discard_qp(q, skb)
  }
  q.ecn |= ecn
  account(q, skb, offset, header, df)
  if (q.flags == (INET_FRAG_FIRST_IN | INET_FRAG_LAST_IN) && q.meat == q.len) return ip_frag_reasm(q, skb)
  skb_dst_drop(skb)
  skb.dev = 0 // it may go while the fragment waits: the queue knows its index
  return NO_SKB
}

/**
 * Puts a datagram together: user (IP_DEFRAG_*) is who asks.
 *
 * Uses: data at the IP header, dst. Next: the whole datagram is answered, data at its IP header, the fragments in its
 * fragment list; NO_SKB: the fragment waits in a queue, or is gone.
 */
export function ip_defrag(owner: net, skb: sk_buff, user: u32): sk_buff {
  walk(FN_ip_defrag, changetype<usize>(skb))
  mib_inc(owner, IPSTATS_MIB_REASMREQDS)
  skb_orphan(skb)
  walk(FN_l3mdev_master_ifindex_rcu, changetype<usize>(skb))
  const q = ip_find(owner, skb, user, 0)
  if (changetype<usize>(q) == 0) {
    mib_inc(owner, IPSTATS_MIB_REASMFAILS)
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_defrag)
    return NO_SKB
  }
  const whole = ip_frag_queue(q, skb)
  if (q.flags & INET_FRAG_COMPLETE) inet_frag_destroy(q)
  return whole
}
