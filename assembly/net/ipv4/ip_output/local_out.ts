// Out by a route: the stations LOCAL_OUT and POST_ROUTING and what lies between. Mirrors net/ipv4/ip_output.c.
// The last station is in finish2.ts, cutting in fragment.ts. Left out: xfrm, cgroup programs, multicast routing.

import { DST_OUT_BUG, DST_OUT_IP_MC_OUTPUT, DST_OUT_IP_OUTPUT, rtable } from '../../../include/dst.ts'
import { IPSKB_FORWARDED, IPSKB_REROUTED, inet_skb_parm, iphdr } from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { INET_MC_LOOP, sock } from '../../../include/sock.ts'
import { htons } from '../../../lib/byteorder.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import {
  FN___ip_finish_output,
  FN___ip_local_out,
  FN_dst_discard_out,
  FN_ip_finish_output,
  FN_ip_mc_finish_output,
  FN_ip_mc_output,
  FN_ip_output,
  FN_ip_rt_bug,
} from '../../../uapi/functions.ts'
import { ETH_P_IP } from '../../../uapi/if_ether.ts'
import { NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING } from '../../../uapi/netfilter.ts'
import { RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { IPSTATS_MIB_OUTREQUESTS } from '../../../uapi/snmp.ts'
import { AF_INET } from '../../../uapi/socket.ts'
import { dev_loopback_xmit } from '../../core/dev_backlog.ts'
import { skb_is_gso } from '../../core/gso.ts'
import { kfree_skb_reason, skb_clone, skb_dst_drop, skb_dst_set, skb_network_header } from '../../core/skbuff.ts'
import { nf_hook } from '../../netfilter/core.ts'
import { ip_send_check } from './check.ts'
import { rt_dst_clone } from './dst_clone.ts'
import { ip_finish_output2 } from './finish2.ts'
import { ip_fragment } from './fragment.ts'
import { ip_finish_output_gso } from './gso.ts'
import { ip_skb_dst_mtu } from './mtu.ts'

function cb(skb: sk_buff): inet_skb_parm {
  return changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
}

/** To the last station, in pieces if it is too long. The skb is gone in any case. */
function __ip_finish_output(net: net, sk: usize, skb: sk_buff): i32 {
  walk(FN___ip_finish_output, changetype<usize>(skb))
  const mtu = ip_skb_dst_mtu(sk, skb)
  if (skb_is_gso(skb)) return ip_finish_output_gso(net, sk, skb, mtu)
  if (skb.len > mtu || cb(skb).frag_max_size) return ip_fragment(net, sk, skb, mtu)
  return ip_finish_output2(net, skb)
}

/** Behind POST_ROUTING. */
function ip_finish_output(net: net, sk: usize, skb: sk_buff): i32 {
  walk(FN_ip_finish_output, changetype<usize>(skb))
  return __ip_finish_output(net, sk, skb)
}

/** POST_ROUTING, unless the packet was there before. */
function post_routing(net: net, sk: usize, skb: sk_buff, dev_in: usize): i32 {
  if (!(cb(skb).flags & IPSKB_REROUTED)) {
    const verdict = nf_hook(net, NF_INET_POST_ROUTING, skb, dev_in, skb.dev)
    if (verdict != 1) return verdict
  }
  return ip_finish_output(net, sk, skb)
}

/**
 * A packet to one host leaves.
 *
 * Uses: dst, data at the IP header. Sets: dev, protocol. Next: POST_ROUTING, ip_finish_output.
 * 0, NET_XMIT_* or -errno; the skb is gone in any case.
 */
export function ip_output(net: net, sk: usize, skb: sk_buff): i32 {
  walk(FN_ip_output, changetype<usize>(skb))
  const dev_in = skb.dev
  skb.dev = changetype<rtable>(skb.dst).dev
  skb.protocol = htons(ETH_P_IP)
  return post_routing(net, sk, skb, dev_in)
}

/** A copy comes back to this host: with a route that names no device, so that it counts as received by skb.dev. */
function ip_mc_finish_output(skb: sk_buff): void {
  walk(FN_ip_mc_finish_output, changetype<usize>(skb))
  const rt = changetype<rtable>(skb.dst)
  const copy = rt_dst_clone(rt.dev, rt)
  if (copy) {
    changetype<rtable>(copy).rt_iif = 0
    skb_dst_drop(skb)
    skb_dst_set(skb, copy)
  }
  dev_loopback_xmit(skb)
}

function loop_back(net: net, skb: sk_buff): void {
  const copy = skb_clone(skb)
  if (changetype<usize>(copy) == 0) return
  if (nf_hook(net, NF_INET_POST_ROUTING, copy, 0, copy.dev) == 1) ip_mc_finish_output(copy)
}

/** Does the sender want its multicasts back? */
function sk_mc_loop(sk: usize): bool {
  if (sk == 0) return true
  const s = changetype<sock>(sk)
  return s.sk_family != <u16>AF_INET || (s.inet_flags & INET_MC_LOOP) != 0
}

/**
 * A packet to many leaves, and a copy of it comes back if there are listeners here (RFC 1112 6.1).
 *
 * Uses: dst, data at the IP header. Sets: dev, protocol. Next: POST_ROUTING, ip_finish_output.
 * 0, NET_XMIT_* or -errno; the skb is gone in any case.
 */
export function ip_mc_output(net: net, sk: usize, skb: sk_buff): i32 {
  walk(FN_ip_mc_output, changetype<usize>(skb))
  const rt = changetype<rtable>(skb.dst)
  skb.dev = rt.dev
  skb.protocol = htons(ETH_P_IP)
  if (rt.rt_flags & RTCF_MULTICAST) {
    if (sk_mc_loop(sk) && (rt.rt_flags & RTCF_LOCAL || !(cb(skb).flags & IPSKB_FORWARDED))) loop_back(net, skb)
    if (changetype<iphdr>(skb_network_header(skb)).ttl == 0) {
      // TTL 0 stays on this host (RFC 1112 6.1).
      kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_mc_output)
      return 0
    }
  }
  if (rt.rt_flags & RTCF_BROADCAST) loop_back(net, skb)
  return post_routing(net, sk, skb, 0)
}

/** Where the packet's route sends it. 0, NET_XMIT_* or -errno; the skb is gone in any case. */
export function dst_output(net: net, sk: usize, skb: sk_buff): i32 {
  const way = changetype<rtable>(skb.dst).output
  if (way == DST_OUT_IP_OUTPUT) return ip_output(net, sk, skb)
  if (way == DST_OUT_IP_MC_OUTPUT) return ip_mc_output(net, sk, skb)
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, way == DST_OUT_BUG ? FN_ip_rt_bug : FN_dst_discard_out)
  return 0
}

/**
 * A packet of this host passes LOCAL_OUT.
 *
 * Uses: dst, an IP header at data. Sets: total length and checksum, protocol. 1: goes on; else the skb is gone: 0 taken
 * by a hook, -EPERM dropped by one.
 */
export function __ip_local_out(net: net, sk: usize, skb: sk_buff): i32 {
  walk(FN___ip_local_out, changetype<usize>(skb))
  mib_inc(net, IPSTATS_MIB_OUTREQUESTS)
  const ip = changetype<iphdr>(skb_network_header(skb))
  // Only segments still to be cut out of it are longer than the field can say.
  ip.tot_len = skb.len > 0xffff ? 0 : htons(skb.len)
  ip_send_check(ip)
  skb.protocol = htons(ETH_P_IP)
  return nf_hook(net, NF_INET_LOCAL_OUT, skb, 0, changetype<rtable>(skb.dst).dev)
}

/** A packet of this host leaves. 0, NET_XMIT_* or -errno; the skb is gone in any case. */
export function ip_local_out(net: net, sk: usize, skb: sk_buff): i32 {
  const verdict = __ip_local_out(net, sk, skb)
  return verdict == 1 ? dst_output(net, sk, skb) : verdict
}
