// IP options of packets that come in: compiled, answered with a parameter problem if malformed, source routes followed.
// Mirrors the input side of net/ipv4/ip_options.c; the rest is in the folder of this name.
// Read first: RFC 791 3.1, RFC 1122 3.2.1.8, RFC 1812 5.2.4.1.

import { INET_DSCP_MASK, rtable } from '../../include/dst.ts'
import { inet_skb_parm, iphdr } from '../../include/ip.ts'
import { net } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { SKB_CB, SKB_DST_NOREF, sk_buff } from '../../include/skbuff.ts'
import { SLOT_ICMP_SEND, slot_get } from '../../lib/boot.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL } from '../../uapi/errno.ts'
import { FN_ip_options_compile, FN_ip_options_rcv_srr } from '../../uapi/functions.ts'
import { ICMP_PARAMETERPROB } from '../../uapi/icmp.ts'
import { PACKET_HOST } from '../../uapi/in.ts'
import { RTN_LOCAL, RTN_UNICAST } from '../../uapi/rtnetlink.ts'
import { dst_release } from '../core/dst.ts'
import { skb_dst_drop, skb_dst_force, skb_network_header } from '../core/skbuff.ts'
import { ip_forward_options, ip_options_build, ip_options_fragment } from './ip_options/build.ts'
import { __ip_options_compile } from './ip_options/compile.ts'
import { ip_options_echo } from './ip_options/echo.ts'
import { ip_options_get, ip_options_undo } from './ip_options/user.ts'
import { ip_route_input_noref } from './route/input.ts'

export { ip_forward_options, ip_options_build, ip_options_echo, ip_options_fragment, ip_options_get, ip_options_undo }

/** Where the destination address lies in a header: what a strict route that we are no hop of is refused for. */
const DADDR_AT: u32 = 16

/** Tells the sender which byte of its header is wrong; -EINVAL. */
function parameter_problem(skb: sk_buff, at: u32): i32 {
  call_indirect<void>(slot_get(SLOT_ICMP_SEND), changetype<usize>(skb), ICMP_PARAMETERPROB, <u32>0, at)
  return -EINVAL
}

/**
 * Reads the options of skb (opt.optlen bytes) into opt, which lies in its cb, and writes our address and the time into them.
 *
 * 0, or -EINVAL: then infoOut, if not 0, gets where the fault lies as ICMP says it (network order); if it is 0, the sender
 * is told. The skb stays the caller's.
 */
export function ip_options_compile(net: net, opt: inet_skb_parm, skb: sk_buff, infoOut: usize): i32 {
  walk(FN_ip_options_compile, changetype<usize>(skb))
  const fault = __ip_options_compile(net, opt, skb, skb_network_header(skb))
  if (fault == 0) return 0
  if (infoOut == 0) return parameter_problem(skb, fault)
  store<u32>(infoOut, fault)
  return -EINVAL
}

/** Gives skb the route to hop. False: there is none that leads on, and the packet has its old route again. */
function route_to(skb: sk_buff, hop: u32, dev: net_device): bool {
  const ip = changetype<iphdr>(skb_network_header(skb))
  const old = skb.dst
  const borrowed = skb.skb_flags & SKB_DST_NOREF
  skb.dst = 0
  skb.skb_flags &= ~SKB_DST_NOREF
  const reason = ip_route_input_noref(skb, hop, ip.saddr, (<u32>ip.tos) & INET_DSCP_MASK, dev)
  if (reason == 0 && skb.dst) {
    skb_dst_force(skb)
    const type = <u32>changetype<rtable>(skb.dst).rt_type
    if (type == RTN_UNICAST || type == RTN_LOCAL) {
      if (!borrowed) dst_release(old)
      return true
    }
  }
  skb_dst_drop(skb)
  skb.dst = old
  skb.skb_flags |= borrowed
  return false
}

/**
 * Follows a source route that has reached us: hops that are ours are passed at once, the next one gets the packet.
 *
 * Uses: options in cb, dst, addresses. Sets: dst, nexthop and srr_is_hit in cb. 0, or -EINVAL: the packet must go.
 */
export function ip_options_rcv_srr(skb: sk_buff, dev: net_device): i32 {
  walk(FN_ip_options_rcv_srr, changetype<usize>(skb))
  if (skb.dst == 0) return 0
  if (skb.pkt_type != <u8>PACKET_HOST) return -EINVAL
  const opt = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  const type = <u32>changetype<rtable>(skb.dst).rt_type
  if (type == RTN_UNICAST) return opt.is_strictroute ? parameter_problem(skb, DADDR_AT) : 0
  if (type != RTN_LOCAL) return -EINVAL

  const iph = skb_network_header(skb)
  const p = iph + opt.srr
  const len = <u32>load<u8>(p, 1)
  let ptr = <u32>load<u8>(p, 2)
  for (; ptr <= len; ptr += 4) {
    if (ptr + 3 > len) return parameter_problem(skb, <u32>opt.srr + 2)
    const hop = load<u32>(p + ptr - 1)
    if (!route_to(skb, hop, dev)) return -EINVAL
    opt.is_changed = 1
    if (changetype<rtable>(skb.dst).rt_type != <u16>RTN_LOCAL) {
      opt.nexthop = hop
      opt.srr_is_hit = 1
      return 0
    }
    changetype<iphdr>(iph).daddr = hop
  }
  return 0
}
