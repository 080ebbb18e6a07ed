// The route of the packet before as a hint for the next one, as ip_list_rcv_finish has it. Mirrors ip_extract_route_hint and
// ip_can_use_hint of net/ipv4/ip_input.c, and goes further: a packet like the one before takes the very same way.

import { rtable } from '../include/dst.ts'
import { IPSKB_MULTIPATH, inet_skb_parm, iphdr } from '../include/ip.ts'
import { net } from '../include/net_namespace.ts'
import { net_device } from '../include/netdevice.ts'
import { SKB_CB, sk_buff } from '../include/skbuff.ts'
import { boot } from '../lib/boot.ts'
import { dst_hold, dst_release } from '../net/core/dst.ts'
import { skb_dst_set_noref } from '../net/core/skbuff.ts'
import { RTN_BROADCAST, RTN_LOCAL } from '../uapi/rtnetlink.ts'

/**
 * The route of the packet before, for the next one to the same destination (ip_list_rcv_finish): a stand-in packet with
 * that dst, and what it was for. Without a dst the key names no device, so that nothing is like it.
 */
const HINT: usize = memory.data(offsetof<sk_buff>(), 16)
const HINT_KEY: usize = memory.data(32, 16)

@unmanaged
@final
class hint_key {
  daddr: u32
  saddr: u32
  tos: u32
  genid: u32
  dev: usize
  /** The route is not for delivery here. */
  not_local: u32
  /** The batch (boot.burst) that it is of. */
  burst: u32
}

/** The next packet finds its own way. */
export function hint_forget(): void {
  const hint = changetype<sk_buff>(HINT)
  if (hint.dst) dst_release(hint.dst)
  hint.dst = 0
  changetype<hint_key>(HINT_KEY).dev = 0
}

/** The backlog is polled for a process: between the packets of one batch nothing changes either, else nothing is known. */
export function hint_for_burst(): void {
  const key = changetype<hint_key>(HINT_KEY)
  if (boot.burst & 1 && key.burst == boot.burst) return
  hint_forget()
  key.burst = boot.burst
}

/** The packet's destination is that of the packet before: its stand-in, else 0. */
export function hint_for(ip: iphdr, dev: net_device, owner: net): sk_buff {
  const key = changetype<hint_key>(HINT_KEY)
  const differs =
    (key.daddr ^ ip.daddr) |
    (key.tos ^ ip.tos) |
    ((<u32>key.dev) ^ (<u32>changetype<usize>(dev))) |
    (key.genid ^ owner.rt_genid)
  return differs ? changetype<sk_buff>(0) : changetype<sk_buff>(HINT)
}

/** First byte of a header without options. */
const IPV4_PLAIN: u32 = 0x45

/**
 * A packet of the same source as the one before takes the very same way: within one poll neither addresses nor switches
 * change, so its source is as valid as that one's. While tracing, the functions that would find this out are passed.
 */
export function hint_repeats(skb: sk_buff, ip: iphdr, hint: sk_buff): bool {
  if (changetype<usize>(hint) == 0) return false
  const key = changetype<hint_key>(HINT_KEY)
  const first = <u32>load<u8>(changetype<usize>(ip))
  const special = boot.trace_flags | (first ^ IPV4_PLAIN) | skb.pkt_type | (<u32>skb.dst)
  if ((key.saddr ^ ip.saddr) | key.not_local | special) return false
  skb_dst_set_noref(skb, hint.dst)
  return true
}

/** Remembers the way of a packet for the next one. Broadcasts and namespaces with own rules have none. */
export function hint_keep(skb: sk_buff, ip: iphdr, dev: net_device): void {
  const hint = changetype<sk_buff>(HINT)
  const key = changetype<hint_key>(HINT_KEY)
  key.saddr = ip.saddr
  if (hint.dst == skb.dst && key.daddr == ip.daddr && key.tos == <u32>ip.tos) return
  hint_forget()
  if (changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB).flags & (<u16>IPSKB_MULTIPATH)) return
  hint_route(skb.dst, ip.daddr, ip.tos, dev)
}

/** The packet before went by this route; what was remembered is forgotten. */
export function hint_route(dst: usize, daddr: u32, tos: u32, dev: net_device): void {
  const hint = changetype<sk_buff>(HINT)
  const key = changetype<hint_key>(HINT_KEY)
  const owner = changetype<net>(dev.nd_net)
  const type = <u32>changetype<rtable>(dst).rt_type
  if (owner.fib_has_custom_rules || type == RTN_BROADCAST) return
  dst_hold(dst)
  hint.dst = dst
  key.daddr = daddr
  key.tos = tos
  key.genid = owner.rt_genid
  key.dev = changetype<usize>(dev)
  key.not_local = type ^ RTN_LOCAL
}
