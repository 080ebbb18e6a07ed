// The frames of a datagram become one packet with an IP header, and leave. Mirrors ip_append_data, __ip_make_skb and
// ip_push_pending_frames of net/ipv4/ip_output.c; how data gets into frames is in append.ts.
//
// Two ways to use it: ip_make_skb, the transport header, ip_send_skb for one datagram at once; or, with a cork of one's
// own, ip_append_data as often as one likes, the transport header into the first frame, ip_push_pending_frames.
// A sender without a socket (sk 0) says in ipc what the kernel's control socket would: pmtudisc, tos, ttl, priority.

import { FLOWI_FLAG_KNOWN_NH, fl4_icmp_type, flowi4, rtable } from '../../../include/dst.ts'
import { icmphdr } from '../../../include/headers.ts'
import { IPCORK_OPT, cork_opt, cork_queue, inet_cork } from '../../../include/inet_cork.ts'
import { IP_DF, iphdr } from '../../../include/ip.ts'
import { ip_options, ipcm_cookie } from '../../../include/ipcm.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { NET_XMIT_CN } from '../../../include/netdevice.ts'
import { SKB_IGNORE_DF, sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { ERR_PTR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOBUFS } from '../../../uapi/errno.ts'
import {
  FN___ip_make_skb,
  FN_ip_append_data,
  FN_ip_flush_pending_frames,
  FN_ip_make_skb,
  FN_ip_push_pending_frames,
  FN_ip_send_skb,
} from '../../../uapi/functions.ts'
import { IP_PMTUDISC_DO, IP_PMTUDISC_PROBE } from '../../../uapi/in.ts'
import { RTN_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { IPSTATS_MIB_OUTDISCARDS } from '../../../uapi/snmp.ts'
import { IPPROTO_ICMP, MSG_PROBE, SOCK_RAW } from '../../../uapi/socket.ts'
import {
  __skb_dequeue,
  skb_dst_set,
  skb_network_header,
  skb_pull,
  skb_shinfo,
  skb_transport_header,
} from '../../core/skbuff.ts'
import { icmp_out_count } from '../icmp/count.ts'
import { ip_options_build } from '../ip_options/build.ts'
import { ip_select_ident } from '../route/ident.ts'
import { ip4_dst_hoplimit, ipv4_mtu } from '../route/metrics.ts'
import { __ip_append_data, __ip_flush_pending_frames, cork_pmtudisc, ip_cork_release, ip_setup_cork } from './append.ts'
import { ip_local_out } from './local_out.ts'
import { pmtudisc_dont_fragment, pmtudisc_ignore_df } from './mtu.ts'

/** A datagram that is made in one call: its cork is empty again when ip_make_skb returns. */
const ONCE: usize = memory.data(256, 16)

/**
 * Appends length bytes (transhdrlen of them only given room) to a datagram; the first call begins it with ipc and rt,
 * which stays the caller's reference too. Later calls take the route, the options and the rest from the cork.
 *
 * kind, from, offset: APPEND_FROM_*. 0 or -errno: what was appended before stays, ip_flush_pending_frames drops it.
 */
export function ip_append_data(
  sk: usize,
  cork: inet_cork,
  fl4: flowi4,
  kind: u32,
  from: usize,
  offset: u32,
  length: u32,
  transhdrlen: u32,
  ipc: ipcm_cookie,
  rt: rtable,
  flags: u32,
): i32 {
  if (flags & MSG_PROBE) return 0
  walk(FN_ip_append_data, 0)
  if (cork.queue_head) transhdrlen = 0
  else {
    const err = ip_setup_cork(sk, cork, ipc, rt)
    if (err) return err
  }
  return __ip_append_data(sk, cork, fl4.daddr, kind, from, offset, length, transhdrlen, flags)
}

/** Hangs the other frames on the first; they are charged to the sender together. */
function join(skb: sk_buff, cork: inet_cork): void {
  const header = <u32>skb.transport_header - <u32>skb.network_header
  let last: usize = 0
  for (;;) {
    const next = __skb_dequeue(cork_queue(cork))
    const p = changetype<usize>(next)
    if (p == 0) return
    skb_pull(next, header)
    if (last) changetype<sk_buff>(last).next = p
    else skb_shinfo(skb).frag_list = p
    last = p
    skb.len += next.len
    skb.data_len += next.len
    skb.truesize += next.truesize
    next.destructor = 0
    next.sk = 0
  }
}

/** TTL that the message, the socket or the route asks for. */
function select_ttl(sk: usize, cork: inet_cork, rt: rtable): u32 {
  if (cork.ttl) return cork.ttl
  if (rt.rt_type == <u16>RTN_MULTICAST) return sk ? <u32>changetype<sock>(sk).mc_ttl : 1
  if (sk && changetype<sock>(sk).uc_ttl >= 0) return <u32>changetype<sock>(sk).uc_ttl
  return ip4_dst_hoplimit(rt)
}

/** DF when the sender wants to hear of smaller MTUs, and the packet need not be cut here (RFC 1191). */
function select_df(pmtudisc: u32, skb: sk_buff, rt: rtable): u32 {
  if (pmtudisc == IP_PMTUDISC_DO || pmtudisc == IP_PMTUDISC_PROBE) return IP_DF
  return skb.len <= ipv4_mtu(rt) && pmtudisc_dont_fragment(pmtudisc, rt) ? IP_DF : 0
}

/** Counts an ICMP message. What a raw socket sends has the type of its flow: 0 if nobody named it (icmp-timestamp). */
function count_icmp(net: net, sk: usize, fl4: flowi4, skb: sk_buff): void {
  const raw = sk == 0 || changetype<sock>(sk).sk_type == <u16>SOCK_RAW
  const named = raw && !(fl4.flowi4_flags & (<u8>FLOWI_FLAG_KNOWN_NH))
  icmp_out_count(net, named ? fl4_icmp_type(fl4) : <u32>changetype<icmphdr>(skb_transport_header(skb)).type)
}

/**
 * Makes one packet of the frames in cork, with an IP header but for total length and checksum. The cork is empty then.
 * 0: there were no frames.
 */
function __ip_make_skb(sk: usize, fl4: flowi4, cork: inet_cork): usize {
  walk(FN___ip_make_skb, 0)
  const skb = __skb_dequeue(cork_queue(cork))
  if (changetype<usize>(skb) == 0) {
    ip_cork_release(cork)
    return 0
  }
  join(skb, cork)
  const rt = changetype<rtable>(cork.dst)
  const owner = changetype<net>(rt.net)
  const pmtudisc = cork_pmtudisc(sk, cork)
  if (pmtudisc_ignore_df(pmtudisc)) skb.skb_flags |= SKB_IGNORE_DF

  const ip = changetype<iphdr>(skb_network_header(skb))
  ip.version_ihl = 0x45
  ip.tos = <u8>(cork.tos != -1 ? <u32>cork.tos : sk ? <u32>changetype<sock>(sk).tos : 0)
  ip.frag_off = <u16>select_df(pmtudisc, skb, rt)
  ip.ttl = <u8>select_ttl(sk, cork, rt)
  ip.protocol = <u8>(sk ? <u32>changetype<sock>(sk).sk_protocol : <u32>fl4.flowi4_proto)
  ip.saddr = fl4.saddr
  ip.daddr = fl4.daddr
  ip_select_ident(owner, skb, sk)
  if (cork.flags & IPCORK_OPT) {
    const opt = changetype<ip_options>(cork_opt(cork))
    ip.version_ihl += <u8>(opt.optlen >> 2)
    ip_options_build(skb, opt, cork.addr, rt)
  }
  skb.priority = cork.priority
  skb.mark = cork.mark
  skb.tstamp = cork.transmit_time
  skb_dst_set(skb, cork.dst) // the packet takes the cork's reference over
  cork.dst = 0
  if (ip.protocol == <u8>IPPROTO_ICMP) count_icmp(owner, sk, fl4, skb)
  ip_cork_release(cork)
  return changetype<usize>(skb)
}

/** The cork of the last ip_make_skb: what its sender asked for, and the size that frames were cut to. */
export function last_cork(): inet_cork {
  return changetype<inet_cork>(ONCE)
}

/**
 * Makes a packet of length bytes (transhdrlen of them room for the transport header, at transport_header).
 * An sk_buff, 0 for MSG_PROBE, or ERR_PTR. kind, from: APPEND_FROM_*; rt stays the caller's reference too.
 */
export function ip_make_skb(
  sk: usize,
  fl4: flowi4,
  kind: u32,
  from: usize,
  length: u32,
  transhdrlen: u32,
  ipc: ipcm_cookie,
  rt: rtable,
  flags: u32,
): usize {
  if (flags & MSG_PROBE) return 0
  walk(FN_ip_make_skb, 0)
  const cork = changetype<inet_cork>(ONCE)
  let err = ip_setup_cork(sk, cork, ipc, rt)
  if (err) return ERR_PTR(-err)
  err = __ip_append_data(sk, cork, fl4.daddr, kind, from, 0, length, transhdrlen, flags)
  if (err == 0) return __ip_make_skb(sk, fl4, cork)
  __ip_flush_pending_frames(cork)
  return ERR_PTR(-err)
}

/** The same of what ip_append_data collected (ip_finish_skb). 0: nothing. */
export function ip_finish_skb(sk: usize, cork: inet_cork, fl4: flowi4): usize {
  return __ip_make_skb(sk, fl4, cork)
}

/** A queue that drops is an error to the sender, and counted; one that is congested is not (net_xmit_errno). */
export function ip_xmit_answer(net: net, rc: i32): i32 {
  if (rc == 0 || rc == NET_XMIT_CN) return 0
  mib_inc(net, IPSTATS_MIB_OUTDISCARDS)
  return rc > 0 ? -ENOBUFS : rc
}

function send(net: net, skb: sk_buff): i32 {
  return ip_xmit_answer(net, ip_local_out(net, skb.sk, skb))
}

/** Sends a packet that ip_make_skb made. 0 or -errno; the skb is gone in any case. */
export function ip_send_skb(net: net, skb: sk_buff): i32 {
  walk(FN_ip_send_skb, changetype<usize>(skb))
  return send(net, skb)
}

/** Sends what ip_append_data collected; the cork is empty then. 0 or -errno. */
export function ip_push_pending_frames(sk: usize, cork: inet_cork, fl4: flowi4): i32 {
  walk(FN_ip_push_pending_frames, 0)
  const p = __ip_make_skb(sk, fl4, cork)
  if (p == 0) return 0
  const skb = changetype<sk_buff>(p)
  return send(changetype<net>(changetype<rtable>(skb.dst).net), skb)
}

/** Throws away what ip_append_data collected. */
export function ip_flush_pending_frames(cork: inet_cork): void {
  walk(FN_ip_flush_pending_frames, 0)
  __ip_flush_pending_frames(cork)
}
