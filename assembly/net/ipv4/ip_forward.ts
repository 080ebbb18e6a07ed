// Packets for others pass through: TTL, MTU, redirects, the FORWARD hook. Mirrors net/ipv4/ip_forward.c.
// Left out: IPsec. Read first: RFC 1812 5.2, 5.3.1.

import { rtable } from '../../include/dst.ts'
import { IPSKB_DOREDIRECT, IPSKB_FORWARDED, IP_DF, inet_skb_parm, iphdr } from '../../include/ip.ts'
import { mib_inc, net, sysctl } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, SKB_CB, SKB_IGNORE_DF, sk_buff } from '../../include/skbuff.ts'
import { SLOT_ICMP_SEND, SLOT_RA_CHAIN, slot_get } from '../../lib/boot.ts'
import { htonl } from '../../lib/byteorder.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_IP_INHDR,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_BIG,
} from '../../uapi/dropreason.ts'
import { FN_ip_forward, FN_ip_forward_finish } from '../../uapi/functions.ts'
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_TTL,
  ICMP_FRAG_NEEDED,
  ICMP_SR_FAILED,
  ICMP_TIME_EXCEEDED,
} from '../../uapi/icmp.ts'
import { PACKET_HOST } from '../../uapi/in.ts'
import { NF_INET_FORWARD } from '../../uapi/netfilter.ts'
import { IPSTATS_MIB_FRAGFAILS, IPSTATS_MIB_INHDRERRORS, IPSTATS_MIB_OUTFORWDATAGRAMS } from '../../uapi/snmp.ts'
import { SYSCTL_IP_FORWARD_UPDATE_PRIORITY } from '../../uapi/sysctl.ts'
import { skb_gso_validate_network_len, skb_is_gso } from '../core/gso.ts'
import { kfree_skb_reason, skb_cow, skb_network_header } from '../core/skbuff.ts'
import { nf_hook } from '../netfilter/core.ts'
import { ip_forward_options } from './ip_options/build.ts'
import { LL_RESERVED_SPACE } from './ip_output/finish2.ts'
import { dst_output } from './ip_output/local_out.ts'
import { rt_tos2priority } from './ip_sockglue/tos.ts'
import { ip_dst_mtu_maybe_forward } from './route/metrics.ts'
import { ip_rt_send_redirect } from './route/redirect.ts'

/** Ends a packet that cannot pass. */
function refuse(skb: sk_buff, reason: u32): void {
  kfree_skb_reason(skb, reason, FN_ip_forward)
}

/** Tells the sender why, and ends the packet. */
function refuse_with(skb: sk_buff, type: u32, code: u32, info: u32, reason: u32): void {
  call_indirect<void>(slot_get(SLOT_ICMP_SEND), changetype<usize>(skb), type, code, info)
  refuse(skb, reason)
}

/** One of the sockets with IP_ROUTER_ALERT took the packet. */
function ip_call_ra_chain(skb: sk_buff): bool {
  const fn = slot_get(SLOT_RA_CHAIN)
  return fn != 0 && call_indirect<bool>(fn, changetype<usize>(skb))
}

/** Too long for the way out, and not to be cut. One that GRO put together is cut where it was joined. */
function ip_exceeds_mtu(skb: sk_buff, cb: inet_skb_parm, mtu: u32): bool {
  if (skb.len <= mtu) return false
  if (!((<u32>changetype<iphdr>(skb_network_header(skb)).frag_off) & IP_DF)) return false
  if (<u32>cb.frag_max_size > mtu) return true
  if (skb.skb_flags & SKB_IGNORE_DF) return false
  return !skb_is_gso(skb) || !skb_gso_validate_network_len(skb, mtu)
}

/** RFC 1624: the checksum goes up by what the TTL goes down. */
function ip_decrease_ttl(ip: iphdr): void {
  const check = <u32>ip.check + 0x0001
  ip.check = <u16>(check + u32(check >= 0xffff))
  ip.ttl -= 1
}

/** Behind FORWARD: options are filled in for the way out. */
function ip_forward_finish(owner: net, skb: sk_buff): void {
  walk(FN_ip_forward_finish, changetype<usize>(skb))
  if (changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB).optlen) ip_forward_options(skb)
  skb.tstamp = 0
  dst_output(owner, 0, skb)
}

/** The packet may pass and is made to: its header is ours to change, the sender hears of a shorter way. */
function forward(skb: sk_buff, owner: net, cb: inet_skb_parm, rt: rtable): void {
  const out = changetype<net_device>(rt.dev)
  if (!skb_cow(skb, LL_RESERVED_SPACE(out))) return refuse(skb, SKB_DROP_REASON_NOT_SPECIFIED)
  const ip = changetype<iphdr>(skb_network_header(skb))
  ip_decrease_ttl(ip)
  if ((<u32>cb.flags) & IPSKB_DOREDIRECT && !cb.srr) ip_rt_send_redirect(skb)
  if (sysctl(owner, SYSCTL_IP_FORWARD_UPDATE_PRIORITY)) skb.priority = rt_tos2priority(ip.tos)
  if (nf_hook(owner, NF_INET_FORWARD, skb, skb.dev, rt.dev) <= 0) return
  ip_forward_finish(owner, skb)
}

/**
 * A packet that is not for us is sent on.
 *
 * Uses: data at the IP header, dst, options in cb. Sets: TTL, priority. Next: FORWARD, ip_output. The skb is gone.
 */
export function ip_forward(skb: sk_buff): void {
  walk(FN_ip_forward, changetype<usize>(skb))
  // What came in a broadcast frame, or belongs to a socket, is not for others (forward-l2-broadcast).
  if (skb.pkt_type != <u8>PACKET_HOST || skb.sk) return refuse(skb, SKB_DROP_REASON_NOT_SPECIFIED)
  const cb = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  if (cb.router_alert && ip_call_ra_chain(skb)) return
  if (skb.ip_summed == <u8>CHECKSUM_COMPLETE) skb.ip_summed = <u8>CHECKSUM_NONE // the TTL changes

  const owner = changetype<net>(changetype<net_device>(skb.dev).nd_net)
  if (changetype<iphdr>(skb_network_header(skb)).ttl <= 1) {
    mib_inc(owner, IPSTATS_MIB_INHDRERRORS)
    return refuse_with(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0, SKB_DROP_REASON_IP_INHDR)
  }
  const rt = changetype<rtable>(skb.dst)
  if (cb.is_strictroute && rt.rt_uses_gateway) {
    return refuse_with(skb, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0, SKB_DROP_REASON_NOT_SPECIFIED)
  }
  mib_inc(owner, IPSTATS_MIB_OUTFORWDATAGRAMS)
  cb.flags |= <u16>IPSKB_FORWARDED
  const mtu = ip_dst_mtu_maybe_forward(rt, true)
  if (ip_exceeds_mtu(skb, cb, mtu)) {
    mib_inc(owner, IPSTATS_MIB_FRAGFAILS)
    return refuse_with(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu), SKB_DROP_REASON_PKT_TOO_BIG)
  }
  forward(skb, owner, cb, rt)
}
