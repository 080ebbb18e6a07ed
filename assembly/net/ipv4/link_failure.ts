// The link below a route failed: whoever sent the packet is told. Mirrors ipv4_link_failure of net/ipv4/route.c
// (dst_link_failure).

import { SLOT_ICMP_SEND, boot, slot_get } from '../../lib/boot.ts'
import { rtable } from '../../include/dst.ts'
import { inet_skb_parm, iphdr } from '../../include/ip.ts'
import { net } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { SKB_CB, sk_buff } from '../../include/skbuff.ts'
import { time_after } from '../../kernel/timer.ts'
import { walk } from '../../trace/trace.ts'
import { FN_ipv4_link_failure } from '../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH } from '../../uapi/icmp.ts'
import { skb_network_header, skb_network_offset } from '../core/skbuff.ts'
import { pskb_may_pull } from '../core/skbuff_data.ts'
import { ip_options_compile } from './ip_options.ts'

/** The IP header is there and its options are known again: a packet that left has other things in its cb. */
function recompile_options(skb: sk_buff): bool {
  const at = <u32>skb_network_offset(skb)
  if (!pskb_may_pull(skb, at + 20)) return false
  const header = changetype<iphdr>(skb_network_header(skb)).ihl << 2
  if (changetype<iphdr>(skb_network_header(skb)).version != 4 || header < 20) return false
  const opt = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  memory.fill(changetype<usize>(opt), 0, offsetof<inet_skb_parm>())
  if (header == 20) return true
  if (!pskb_may_pull(skb, at + header)) return false
  opt.optlen = <u8>(header - 20)
  return ip_options_compile(changetype<net>(changetype<net_device>(skb.dev).nd_net), opt, skb, 0) == 0
}

/** The route's path MTU and redirects are worth nothing from now on (dst_set_expires with 0). */
function expire(rt: rtable): void {
  const now: u32 = boot.jiffies == 0 ? 1 : boot.jiffies
  if (rt.expires == 0 || time_after(rt.expires, now)) rt.expires = now
}

/** Host unreachable to the sender of a packet, which stays the caller's. */
export function ipv4_link_failure(skb: sk_buff): void {
  walk(FN_ipv4_link_failure, changetype<usize>(skb))
  if (recompile_options(skb)) {
    const icmp_send = slot_get(SLOT_ICMP_SEND)
    call_indirect<void>(icmp_send, changetype<usize>(skb), ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, <u32>0)
  }
  if (skb.dst) expire(changetype<rtable>(skb.dst))
}
