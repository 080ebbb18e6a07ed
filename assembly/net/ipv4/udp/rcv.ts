// UDP input: from the network layer into a socket's queue. Mirrors the receive side of net/ipv4/udp.c.
// Left out: UDP-Lite, tunnels. Read first: RFC 768, RFC 1122 4.1.

import { SLOT_ENCAP_RCV, SLOT_ICMP_SEND, slot_get } from '../../../lib/boot.ts'
import { ntohs } from '../../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_partial, csum_sub, csum_tcpudp_nofold } from '../../../lib/checksum.ts'
import { rtable } from '../../../include/dst.ts'
import { UDP_HLEN, udphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  SKB_CB,
  SKB_CSUM_COMPLETE_SW,
  SKB_CSUM_VALID,
  SKB_SHINFO,
  sk_buff,
} from '../../../include/skbuff.ts'
import { DROPCOUNT_CB, SOCK_DEAD, SOCK_RXQ_OVFL, sock } from '../../../include/sock.ts'
import { boot } from '../../../lib/boot.ts'
import { walk, walk_all } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_SOCKET_RCVBUFF,
  SKB_DROP_REASON_UDP_CSUM,
} from '../../../uapi/dropreason.ts'
import {
  FN___skb_checksum,
  FN___skb_checksum_complete,
  FN___udp4_lib_rcv,
  FN___udp_enqueue_schedule_skb,
  FN_ipv4_pktinfo_prepare,
  FN_sk_filter_trim_cap,
  FN_skb_pull_rcsum,
  FN_udp_queue_rcv_one_skb,
  FN_udp_queue_rcv_skb,
  FN_udp_unicast_rcv_skb,
} from '../../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH } from '../../../uapi/icmp.ts'
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../../uapi/rtnetlink.ts'
import {
  UDP_MIB_CSUMERRORS,
  UDP_MIB_IGNOREDMULTI,
  UDP_MIB_INDATAGRAMS,
  UDP_MIB_INERRORS,
  UDP_MIB_NOPORTS,
  UDP_MIB_RCVBUFERRORS,
} from '../../../uapi/snmp.ts'
import { IPPROTO_UDP } from '../../../uapi/socket.ts'
import { dst_hold, dst_release } from '../../core/dst.ts'
import { sk_filter_trim_cap } from '../../core/filter.ts'
import {
  __skb_queue_tail,
  kfree_skb_reason,
  skb_clone,
  skb_network_header,
  skb_pull,
  skb_shared,
} from '../../core/skbuff.ts'
import {
  __skb_checksum_complete,
  pskb_may_pull,
  pskb_trim_rcsum,
  skb_csum_unnecessary,
} from '../../core/skbuff_data.ts'
import { NO_SOCK, sk_mem_charge, sk_receive_queue, sock_def_readable } from '../../core/sock.ts'
import { ipv4_pktinfo_prepare } from '../ip_sockglue/pktinfo.ts'
import { inet_iif } from '../route/iif.ts'
import { xfrm4_udp_encap_rcv } from '../xfrm4_input.ts'
import { udp_hashslot } from './hash.ts'
import { udp_post_segment_fix_csum, udp_rcv_segment, udp_unexpected_gso } from './gso.ts'
import { __udp4_lib_lookup, __udp_is_mcast_sock } from './lookup.ts'

/** Packets up to this many bytes are verified on arrival (CHECKSUM_BREAK), longer ones when they are read. */
const CHECKSUM_BREAK: u32 = 76

/** Ends a datagram that is refused before it has a socket. */
function refuse(skb: sk_buff, net: net, reason: u32): void {
  if (reason == SKB_DROP_REASON_UDP_CSUM) mib_inc(net, UDP_MIB_CSUMERRORS)
  mib_inc(net, UDP_MIB_INERRORS)
  kfree_skb_reason(skb, reason, FN___udp4_lib_rcv)
}

/** Sums a whole packet onto skb.csum; 0: it is right. What was found stays with the packet. */
function checksum_now(skb: sk_buff): u32 {
  if (skb.data_len || skb_shared(skb)) return __skb_checksum_complete(skb)
  walk(FN___skb_checksum_complete, changetype<usize>(skb))
  walk(FN___skb_checksum, changetype<usize>(skb))
  const sum = csum_partial(skb.data, skb.len, 0)
  const bad = csum_fold(csum_add(skb.csum, sum))
  skb.csum = sum
  skb.ip_summed = <u8>CHECKSUM_COMPLETE
  skb.skb_flags |= bad ? SKB_CSUM_COMPLETE_SW : SKB_CSUM_COMPLETE_SW | SKB_CSUM_VALID
  return bad
}

/** What remains of the checksum when nobody will read the packet. True: it is wrong. */
function udp_lib_checksum_complete(skb: sk_buff): bool {
  return !skb_csum_unnecessary(skb) && checksum_now(skb) != 0
}

/**
 * Prepares the checksum: nothing to do when there is none or the hardware verified it, else the pseudo header's sum goes
 * into skb.csum, and a short packet is verified at once. True: it is wrong.
 */
function udp4_csum_init(skb: sk_buff, check: u32, saddr: u32, daddr: u32): bool {
  const was = skb.skb_flags
  skb.skb_flags = was & ~SKB_CSUM_VALID
  if (skb_csum_unnecessary(skb) || check == 0) {
    skb.skb_flags |= SKB_CSUM_VALID
    return false
  }
  const pseudo = csum_tcpudp_nofold(saddr, daddr, skb.len, IPPROTO_UDP, 0)
  if (skb.ip_summed == <u8>CHECKSUM_COMPLETE) {
    if (csum_fold(csum_add(pseudo, skb.csum)) == 0) {
      skb.skb_flags |= SKB_CSUM_VALID
      return false
    }
    if (was & SKB_CSUM_COMPLETE_SW) return true
    skb.ip_summed = <u8>CHECKSUM_NONE // the device's sum is wrong: ours decides
  }
  skb.csum = pseudo
  return skb.len <= CHECKSUM_BREAK && checksum_now(skb) != 0
}

/** The header goes off the front; what is left to verify stays right. */
function udp_csum_pull_header(skb: sk_buff): void {
  if (!(skb.skb_flags & SKB_CSUM_VALID)) {
    const header = csum_partial(skb.data, UDP_HLEN, 0)
    if (skb.ip_summed == <u8>CHECKSUM_NONE) skb.csum = csum_add(skb.csum, header)
    else if (skb.ip_summed == <u8>CHECKSUM_COMPLETE) skb.csum = csum_sub(skb.csum, header)
  }
  skb_pull(skb, UDP_HLEN)
}

/**
 * Puts a packet into the socket's queue and wakes its reader. False: the buffer is full; the skb is still the caller's.
 * The buffer counts truesize; it takes one packet even if that is larger (udp-rx-rcvbuf).
 */
function __udp_enqueue_schedule_skb(sk: sock, skb: sk_buff): bool {
  const size = <i32>skb.truesize
  const rmem = sk.sk_rmem_alloc
  if (<i64>rmem + <i64>size > <i64>sk.sk_rcvbuf && rmem != 0) {
    sk.sk_drops += 1
    return false
  }
  sk.sk_rmem_alloc = rmem + size
  sk_mem_charge(sk, size)
  skb.dev = 0
  if (sk.sk_flags & SOCK_RXQ_OVFL) store<u32>(changetype<usize>(skb) + SKB_CB + DROPCOUNT_CB, sk.sk_drops)
  __skb_queue_tail(sk_receive_queue(sk), skb)
  if (!(sk.sk_flags & SOCK_DEAD)) sock_def_readable(sk)
  return true
}

/** What a datagram passes on its way into a queue; behind QUEUED what follows the socket's filter. */
const QUEUE_WALK: usize = memory.data<u32>([
  FN_udp_queue_rcv_skb,
  FN_udp_queue_rcv_one_skb,
  FN_sk_filter_trim_cap,
  FN_skb_pull_rcsum,
  FN_ipv4_pktinfo_prepare,
  FN___udp_enqueue_schedule_skb,
  0,
])
const FILTERED: usize = 8
const QUEUED: usize = 12

/**
 * Does the socket's program want the datagram? It may shorten it, so that the checksum is verified before
 * (udp_lib_checksum_complete); the header stays. False: the skb is gone.
 */
function udp_filter(sk: sock, skb: sk_buff): bool {
  const p = changetype<usize>(skb)
  const owner = changetype<net>(sk.net)
  const bad = udp_lib_checksum_complete(skb)
  const reason = bad ? SKB_DROP_REASON_UDP_CSUM : sk_filter_trim_cap(sk, skb, UDP_HLEN)
  if (reason == 0) {
    walk_all(QUEUE_WALK + QUEUED, p)
    return true
  }
  if (bad) mib_inc(owner, UDP_MIB_CSUMERRORS)
  mib_inc(owner, UDP_MIB_INERRORS)
  sk.sk_drops += 1
  kfree_skb_reason(skb, reason, FN_udp_queue_rcv_one_skb)
  return false
}

/** encap_rcv of a socket that looks for ESP; that of a tunnel is what the tunnel's driver wants to hear of it. */
const ENCAP_ESP: u32 = 1

/** Does the datagram go on to a socket that takes ESP, or a tunnel's packets? What is that, or has a wrong checksum, is gone. */
function udp_encap(sk: sock, skb: sk_buff): bool {
  const owner = changetype<net>(sk.net)
  if (udp_lib_checksum_complete(skb)) {
    sk.sk_drops += 1
    mib_inc(owner, UDP_MIB_CSUMERRORS)
    mib_inc(owner, UDP_MIB_INERRORS)
    kfree_skb_reason(skb, SKB_DROP_REASON_UDP_CSUM, FN_udp_queue_rcv_one_skb)
    return false
  }
  if (sk.encap_rcv != ENCAP_ESP) {
    mib_inc(owner, UDP_MIB_INDATAGRAMS)
    call_indirect<void>(slot_get(SLOT_ENCAP_RCV), changetype<usize>(skb), <usize>sk.encap_rcv)
    return false
  }
  if (xfrm4_udp_encap_rcv(skb)) return true
  mib_inc(owner, UDP_MIB_INDATAGRAMS)
  return false
}

/** Cuts a train for a socket that does not want it whole. */
function udp_queue_segments(sk: sock, skb: sk_buff): void {
  let p = udp_rcv_segment(sk, skb)
  while (p) {
    const seg = changetype<sk_buff>(p)
    p = seg.next
    seg.next = 0
    udp_post_segment_fix_csum(seg)
    udp_queue_rcv_skb(sk, seg, true)
  }
}

/** What is not plain. Do encapsulation and the socket's program leave it to be queued? False: it is gone, or its segments are queued. */
function udp_admits(sk: sock, skb: sk_buff, segment: bool): bool {
  const p = changetype<usize>(skb)
  if (!segment) {
    walk(FN_udp_queue_rcv_skb, p)
    if (udp_unexpected_gso(sk, skb)) {
      udp_queue_segments(sk, skb)
      return false
    }
  }
  walk(FN_udp_queue_rcv_one_skb, p)
  if (sk.encap_type && sk.encap_rcv && !udp_encap(sk, skb)) return false
  if (sk.sk_filter) return udp_filter(sk, skb)
  walk_all(QUEUE_WALK + FILTERED, p)
  return true
}

/**
 * One packet for one socket; segment: it was cut out of a train here (udp_queue_rcv_one_skb).
 *
 * Uses: data at the UDP header, dst. Sets: data behind it. Next: the socket's queue, or it is dropped.
 */
function udp_queue_rcv_skb(sk: sock, skb: sk_buff, segment: bool): void {
  if (((<u32>sk.sk_filter) | sk.encap_type | (skb.skb_flags & SKB_SHINFO)) == 0)
    walk_all(QUEUE_WALK, changetype<usize>(skb))
  else if (!udp_admits(sk, skb, segment)) return
  udp_csum_pull_header(skb)
  ipv4_pktinfo_prepare(sk, skb)
  if (sk.inet_daddr) sk.sk_incoming_cpu = <i32>boot.cpu
  if (__udp_enqueue_schedule_skb(sk, skb)) return
  const owner = changetype<net>(sk.net)
  mib_inc(owner, UDP_MIB_RCVBUFERRORS)
  mib_inc(owner, UDP_MIB_INERRORS)
  kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF, FN_udp_queue_rcv_one_skb)
}

/**
 * A broadcast or multicast goes to every socket that wants it: clones for all but the first found, which comes last.
 * Nobody: UdpIgnoredMulti, and no ICMP (RFC 1122 3.2.2; udp-rx-no-port-broadcast).
 */
function __udp4_lib_mcast_deliver(net: net, skb: sk_buff, uh: udphdr, saddr: u32, daddr: u32): void {
  const hnum = ntohs(uh.dest)
  const sport = <u32>uh.source
  const dif = skb.skb_iif
  let first = NO_SOCK
  let p = load<usize>(udp_hashslot(net, hnum))
  while (p) {
    const sk = changetype<sock>(p)
    p = sk.sk_next
    if (!__udp_is_mcast_sock(net, sk, daddr, hnum, saddr, sport, dif)) continue
    if (changetype<usize>(first) == 0) {
      first = sk
      continue
    }
    const clone = skb_clone(skb)
    if (changetype<usize>(clone)) {
      udp_queue_rcv_skb(sk, clone, false)
      continue
    }
    sk.sk_drops += 1
    mib_inc(net, UDP_MIB_RCVBUFERRORS)
    mib_inc(net, UDP_MIB_INERRORS)
  }
  if (changetype<usize>(first)) {
    udp_queue_rcv_skb(first, skb, false)
    return
  }
  mib_inc(net, UDP_MIB_IGNOREDMULTI)
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN___udp4_lib_rcv)
}

/** Keeps the route of a connected socket's packets for the next one. */
function udp_sk_rx_dst_set(sk: sock, dst: usize): void {
  if (sk.sk_rx_dst == dst || dst == 0) return
  dst_hold(dst)
  dst_release(sk.sk_rx_dst)
  sk.sk_rx_dst = dst
}

/** Nobody listens: silence if the checksum is wrong, else port unreachable (RFC 1122 4.1.3.1). */
function no_socket(skb: sk_buff, net: net): void {
  if (udp_lib_checksum_complete(skb)) {
    refuse(skb, net, SKB_DROP_REASON_UDP_CSUM)
    return
  }
  mib_inc(net, UDP_MIB_NOPORTS)
  call_indirect<void>(slot_get(SLOT_ICMP_SEND), skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, <u32>0)
  kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET, FN___udp4_lib_rcv)
}

/** The socket that early demux found, NO_SOCK: it did not. */
function skb_steal_sock(skb: sk_buff): sock {
  const sk = changetype<sock>(skb.sk)
  skb.sk = 0
  return sk
}

/**
 * A datagram for this host. The skb is gone afterwards: queued, or dropped and counted.
 *
 * Uses: data and transport_header at the UDP header, network_header, dst, skb_iif. Next: the queues of sockets.
 */
export function udp_rcv(skb: sk_buff): void {
  const p = changetype<usize>(skb)
  const owner = changetype<net>(changetype<net_device>(skb.dev).nd_net)
  if (!pskb_may_pull(skb, UDP_HLEN)) return refuse(skb, owner, SKB_DROP_REASON_NOT_SPECIFIED)

  const bytes = ntohs(changetype<udphdr>(skb.data).len)
  const have = skb.len
  if (u32(bytes > have) | u32(bytes < UDP_HLEN)) return refuse(skb, owner, SKB_DROP_REASON_PKT_TOO_SMALL)
  if (bytes < have) {
    if (!pskb_trim_rcsum(skb, bytes)) return refuse(skb, owner, SKB_DROP_REASON_PKT_TOO_SMALL)
  }

  const uh = changetype<udphdr>(skb.data)
  const ip = changetype<iphdr>(skb_network_header(skb))
  const saddr = ip.saddr
  const daddr = ip.daddr
  if (udp4_csum_init(skb, uh.check, saddr, daddr)) return refuse(skb, owner, SKB_DROP_REASON_UDP_CSUM)

  if (skb.sk) {
    const known = skb_steal_sock(skb)
    if (known.inet_daddr) udp_sk_rx_dst_set(known, skb.dst)
    walk(FN_udp_unicast_rcv_skb, p)
    return udp_queue_rcv_skb(known, skb, false)
  }
  if (changetype<rtable>(skb.dst).rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
    return __udp4_lib_mcast_deliver(owner, skb, uh, saddr, daddr)
  }
  const port = ntohs(uh.dest)
  const sk = __udp4_lib_lookup(owner, saddr, uh.source, daddr, port, inet_iif(skb), p)
  if (changetype<usize>(sk) == 0) return no_socket(skb, owner)
  walk(FN_udp_unicast_rcv_skb, p)
  udp_queue_rcv_skb(sk, skb, false)
}
