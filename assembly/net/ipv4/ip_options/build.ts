// Options go into headers that leave: what was open is filled in, here or while a packet is forwarded, and what must not
// be copied becomes padding in fragments. Mirrors the output side of net/ipv4/ip_options.c, and ip_rt_get_source of route.c.
// Read first: RFC 791 3.1, RFC 1812 5.2.4.1.

import { FLOWI4_SIZE, INET_DSCP_MASK, flowi4, rtable } from '../../../include/dst.ts'
import { IPCB_OPT, IP_HEADER_MIN, inet_skb_parm, iphdr } from '../../../include/ip.ts'
import { FIB_RESULT_SIZE, fib_result } from '../../../include/ip_fib.ts'
import { IP_OPTIONS_DATA, ip_options } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { copy_bytes, ip_fast_csum } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN_ip_forward_options,
  FN_ip_options_build,
  FN_ip_options_fragment,
  FN_ip_rt_get_source,
} from '../../../uapi/functions.ts'
import { IPOPT_COPY, IPOPT_END, IPOPT_NOOP } from '../../../uapi/ip.ts'
import { RT_SCOPE_UNIVERSE } from '../../../uapi/rtnetlink.ts'
import { skb_network_header } from '../../core/skbuff.ts'
import { inet_select_addr } from '../devinet.ts'
import { fib_result_prefsrc } from '../fib_semantics.ts'
import { fib_lookup } from '../fib_rules.ts'
import { rt_nexthop } from '../route/metrics.ts'
import { inet_current_timestamp } from './time.ts'

const FL4: usize = memory.data(<i32>FLOWI4_SIZE, 16)
const RESULT: usize = memory.data(<i32>FIB_RESULT_SIZE, 16)

function cb(skb: sk_buff): inet_skb_parm {
  return changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
}

/** Our address on the way of a packet that came in: the source that its route would give us. */
function forward_source(skb: sk_buff, rt: rtable): u32 {
  const ip = changetype<iphdr>(skb_network_header(skb))
  const dev = changetype<net_device>(rt.dev)
  const owner = changetype<net>(dev.nd_net)
  memory.fill(FL4, 0, FLOWI4_SIZE)
  memory.fill(RESULT, 0, FIB_RESULT_SIZE)
  const fl4 = changetype<flowi4>(FL4)
  fl4.daddr = ip.daddr
  fl4.saddr = ip.saddr
  fl4.flowi4_tos = <u8>((<u32>ip.tos) & INET_DSCP_MASK)
  fl4.flowi4_oif = dev.ifindex
  fl4.flowi4_iif = changetype<net_device>(skb.dev).ifindex
  fl4.flowi4_mark = skb.mark
  const res = changetype<fib_result>(RESULT)
  if (fib_lookup(owner, fl4, res, 0) == 0) return fib_result_prefsrc(owner, res)
  return inet_select_addr(dev, rt_nexthop(rt, ip.daddr), RT_SCOPE_UNIVERSE)
}

/** Writes our address as the packet's way shows it to addr, four bytes of its options. */
function ip_rt_get_source(addr: usize, skb: sk_buff, rt: rtable): void {
  walk(FN_ip_rt_get_source, changetype<usize>(skb))
  const from_here = rt.rt_is_input == 0
  store<u32>(addr, from_here ? changetype<iphdr>(skb_network_header(skb)).saddr : forward_source(skb, rt))
}

/**
 * Writes options behind the IP header of a packet of this host; the header has their length already.
 *
 * Uses: opt with its bytes, saddr of the header. Sets: cb, our address and the time where they were open; daddr, the final
 * destination, as last hop of a source route.
 */
export function ip_options_build(skb: sk_buff, opt: ip_options, daddr: u32, rt: rtable): void {
  walk(FN_ip_options_build, changetype<usize>(skb))
  const iph = skb_network_header(skb)
  copy_bytes(changetype<usize>(cb(skb)) + IPCB_OPT, changetype<usize>(opt), <u32>IP_OPTIONS_DATA)
  copy_bytes(iph + IP_HEADER_MIN, changetype<usize>(opt) + IP_OPTIONS_DATA, opt.optlen)
  if (opt.srr) {
    const p = iph + opt.srr
    store<u32>(p + load<u8>(p, 1) - 4, daddr)
  }
  if (opt.rr_needaddr) {
    const p = iph + opt.rr
    ip_rt_get_source(p + load<u8>(p, 2) - 5, skb, rt)
  }
  if (opt.ts_needaddr) {
    const p = iph + opt.ts
    ip_rt_get_source(p + load<u8>(p, 2) - 9, skb, rt)
  }
  if (opt.ts_needtime) {
    const p = iph + opt.ts
    store<u32>(p + load<u8>(p, 2) - 5, inet_current_timestamp())
  }
}

/** Options of all fragments but the first: those without the copy bit become padding, so the header keeps its length. */
export function ip_options_fragment(skb: sk_buff): void {
  walk(FN_ip_options_fragment, changetype<usize>(skb))
  const opt = cb(skb)
  let p = skb_network_header(skb) + IP_HEADER_MIN
  let left = <u32>opt.optlen
  while (left) {
    const kind = <u32>load<u8>(p)
    if (kind == IPOPT_END) return
    if (kind == IPOPT_NOOP) {
      left--
      p++
      continue
    }
    const len = <u32>load<u8>(p, 1)
    if (len < 2 || len > left) return
    if (!(kind & IPOPT_COPY)) memory.fill(p, <u8>IPOPT_NOOP, len)
    left -= len
    p += len
  }
  opt.ts = 0
  opt.rr = 0
  opt.rr_needaddr = 0
  opt.ts_needaddr = 0
  opt.ts_needtime = 0
}

/** The next hop of a source route becomes the destination, and our address takes its place in the route. */
function next_hop(skb: sk_buff, opt: inet_skb_parm, iph: usize, rt: rtable): void {
  const p = iph + opt.srr
  const len = <u32>load<u8>(p, 1)
  let ptr = <u32>load<u8>(p, 2)
  while (ptr + 3 <= len && load<u32>(p + ptr - 1) != opt.nexthop) ptr += 4
  if (ptr + 3 > len) return
  opt.is_changed = 1
  changetype<iphdr>(iph).daddr = opt.nexthop
  ip_rt_get_source(p + ptr - 1, skb, rt)
  store<u8>(p, <u8>(ptr + 4), 2)
}

/**
 * Fills in what the options of a forwarded packet ask of its last station here.
 *
 * Uses: options in cb, dst. Sets: destination of a source route, addresses recorded, the header's checksum.
 */
export function ip_forward_options(skb: sk_buff): void {
  walk(FN_ip_forward_options, changetype<usize>(skb))
  const opt = cb(skb)
  const iph = skb_network_header(skb)
  const rt = changetype<rtable>(skb.dst)
  if (opt.rr_needaddr) {
    const p = iph + opt.rr
    ip_rt_get_source(p + load<u8>(p, 2) - 5, skb, rt)
    opt.is_changed = 1
  }
  if (opt.srr_is_hit) {
    next_hop(skb, opt, iph, rt)
    // Only a source route makes the address of the way out go into a timestamp: else that of the way in stays.
    if (opt.ts_needaddr) {
      const p = iph + opt.ts
      ip_rt_get_source(p + load<u8>(p, 2) - 9, skb, rt)
      opt.is_changed = 1
    }
  }
  if (opt.is_changed) {
    opt.is_changed = 0
    const ip = changetype<iphdr>(iph)
    ip.check = 0
    ip.check = <u16>ip_fast_csum(iph, ip.ihl)
  }
}
