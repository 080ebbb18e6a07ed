// An IGMP message's IP packet: to the link only, with the router alert option. Mirrors the part that igmpv3_newpack and
// igmp_send_report of net/ipv4/igmp.c have in common. Read first: RFC 3376 4, RFC 2113.

import { FLOWI4_SIZE, flowi4 } from '../../../include/dst.ts'
import { IP_DF, iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { in_device, in_ifaddr, net_device } from '../../../include/netdevice.ts'
import { SKB_BORN_SENT, sk_buff } from '../../../include/skbuff.ts'
import { csum_fold, csum_partial } from '../../../lib/checksum.ts'
import { IPOPT_RA } from '../../../uapi/ip.ts'
import { RT_SCOPE_UNIVERSE } from '../../../uapi/rtnetlink.ts'
import { IPPROTO_IGMP } from '../../../uapi/socket.ts'
import { alloc_skb, skb_dst_set, skb_put, skb_reset_network_header, skb_transport_header } from '../../core/skbuff.ts'
import { LL_RESERVED_SPACE } from '../ip_output/finish2.ts'
import { ip_local_out } from '../ip_output/local_out.ts'
import { ip_select_ident } from '../route/ident.ts'
import { flowi4_init_output } from '../flow_output.ts'
import { ip_route_output_flow } from '../route/output.ts'

/** IP header with router alert. */
export const IGMP_IP_HLEN: u32 = 24
/** Internetwork control (RFC 791 3.1). */
const TOS: u32 = 0xc0
/** Router alert, 4 bytes long, value 0 (RFC 2113 2.1), as it lies. */
const ROUTER_ALERT: u32 = IPOPT_RA | (4 << 8)
/** Before all other packets of the device (TC_PRIO_CONTROL). */
const TC_PRIO_CONTROL: u32 = 7

const FL4: usize = memory.data(<i32>FLOWI4_SIZE, 16)

/** The route's source, if it is an address of this device; else none. */
function igmpv3_get_srcaddr(in_dev: in_device, fl4: flowi4): u32 {
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    if (changetype<in_ifaddr>(p).ifa_local == fl4.saddr) return fl4.saddr
  }
  return 0
}

/** The route of a message to daddr (network order), counted; an address of IS_ERR: none, the device is down. */
export function igmp_route(dev: net_device, daddr: u32): usize {
  const fl4 = changetype<flowi4>(FL4)
  flowi4_init_output(fl4, dev.ifindex, 0, 0, RT_SCOPE_UNIVERSE, IPPROTO_IGMP, 0, daddr, 0, 0, 0, 0)
  return ip_route_output_flow(changetype<net>(dev.nd_net), fl4)
}

/** An empty packet for size bytes, the IP header among them. NO_SKB: out of memory. */
export function igmp_skb(dev: net_device, size: u32): sk_buff {
  return alloc_skb(size, LL_RESERVED_SPACE(dev), dev.nd_net, SKB_BORN_SENT)
}

/**
 * Writes the IP header. own: its source must be an address of the device, else there is none.
 *
 * Uses: the route that igmp_route has just found. Sets: dst, dev, network and transport header; data at the IP header.
 */
export function igmp_ip_header(skb: sk_buff, rt: usize, in_dev: in_device, own: bool): void {
  const dev = changetype<net_device>(in_dev.dev)
  const fl4 = changetype<flowi4>(FL4)
  skb_dst_set(skb, rt)
  skb.dev = changetype<usize>(dev)
  skb.priority = TC_PRIO_CONTROL
  skb_reset_network_header(skb)
  const ip = changetype<iphdr>(skb_put(skb, IGMP_IP_HLEN))
  ip.version_ihl = <u8>(0x40 | (IGMP_IP_HLEN >> 2))
  ip.tos = <u8>TOS
  ip.frag_off = <u16>IP_DF
  ip.ttl = 1
  ip.protocol = <u8>IPPROTO_IGMP
  ip.saddr = own ? igmpv3_get_srcaddr(in_dev, fl4) : fl4.saddr
  ip.daddr = fl4.daddr
  ip_select_ident(changetype<net>(dev.nd_net), skb, 0)
  store<u32>(changetype<usize>(ip), ROUTER_ALERT, 20)
  skb.transport_header = skb.network_header + <u16>IGMP_IP_HLEN
}

/** Sends it, with the checksum over the message. */
export function igmp_send(skb: sk_buff): void {
  const message = skb_transport_header(skb)
  store<u16>(message, 0, 2)
  store<u16>(message, <u16>csum_fold(csum_partial(message, <u32>(skb.tail - message), 0)), 2)
  ip_local_out(changetype<net>(changetype<net_device>(skb.dev).nd_net), 0, skb)
}
