// Where a packet's payload begins, for SKF_AD_PAY_OFFSET. Mirrors skb_get_poff of net/core/flow_dissector.c.
// Left out: looking into GRE, PPPoE, and the headers of rings and bridges.

import { IP_HEADER_MIN, IP_OFFSET_BE, ip_is_fragment, iphdr } from '../../../include/ip.ts'
import { sk_buff, skb_vlan_all } from '../../../include/skbuff.ts'
import { ntohs } from '../../../lib/byteorder.ts'
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_RARP,
} from '../../../uapi/if_ether.ts'
import {
  IPPROTO_DCCP,
  IPPROTO_ICMP,
  IPPROTO_IGMP,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
} from '../../../uapi/socket.ts'
import { skb_headlen, skb_network_offset } from '../skbuff.ts'
import { skb_copy_bits } from '../skbuff_data.ts'

/** Headers in headers that are looked into; a packet with more counts as bad. */
const MAX_HEADERS: u32 = 15

const IPV6_HLEN: u32 = 40
/** Extension headers of IPv6 (RFC 8200 4.1). */
const NEXTHDR_HOP: u32 = 0
const NEXTHDR_ROUTING: u32 = 43
const NEXTHDR_FRAGMENT: u32 = 44
const NEXTHDR_ICMP: u32 = 58
const NEXTHDR_DEST: u32 = 60

/** How far the headers were read: the offset of what comes next, and its protocol. */
@unmanaged
@final
class headers {
  at: i32
  /** ETH_P_*, host order. */
  proto: u32
  ip_proto: u32
  /** No first fragment: what follows is the middle of something. */
  later: u32
}

const HEADERS: usize = memory.data(16, 16)
const SCRATCH: usize = memory.data(40, 8)

/** What to do after a header: go on with the next protocol of the link or network layer, or stop. */
const NEXT_LINK: u32 = 0
const NEXT_NETWORK: u32 = 1
const FOUND: u32 = 2
const BAD: u32 = 3

/** size bytes at an offset that may lie before data (headers that were pulled). 0: they do not exist. */
function header_at(skb: sk_buff, at: i32, size: u32): usize {
  if (<i32>skb_headlen(skb) - at >= <i32>size) return skb.data + at
  return at >= 0 && skb_copy_bits(skb, at, SCRATCH, size) ? SCRATCH : 0
}

function dissect_ipv4(skb: sk_buff, h: headers): u32 {
  const p = header_at(skb, h.at, IP_HEADER_MIN)
  if (p == 0) return BAD
  const ip = changetype<iphdr>(p)
  if (ip.ihl < 5) return BAD
  h.at += <i32>(ip.ihl << 2)
  h.ip_proto = ip.protocol
  if (!ip_is_fragment(ip)) return NEXT_NETWORK
  h.later = u32((ip.frag_off & IP_OFFSET_BE) != 0)
  return FOUND
}

function dissect_ipv6(skb: sk_buff, h: headers): u32 {
  const p = header_at(skb, h.at, IPV6_HLEN)
  if (p == 0) return BAD
  h.at += IPV6_HLEN
  h.ip_proto = load<u8>(p, 6)
  return NEXT_NETWORK
}

function dissect_vlan(skb: sk_buff, h: headers, tagged: bool): u32 {
  if (tagged) {
    h.proto = ntohs(skb.protocol)
    return NEXT_LINK
  }
  const p = header_at(skb, h.at, 4)
  if (p == 0) return BAD
  h.at += 4
  h.proto = ntohs(load<u16>(p, 2))
  return NEXT_LINK
}

function dissect_link(skb: sk_buff, h: headers, tagged: bool): u32 {
  switch (h.proto) {
    case ETH_P_IP:
      return dissect_ipv4(skb, h)
    case ETH_P_IPV6:
      return dissect_ipv6(skb, h)
    case ETH_P_8021Q:
    case ETH_P_8021AD:
      return dissect_vlan(skb, h, tagged)
    case ETH_P_ARP:
    case ETH_P_RARP:
    case ETH_P_MPLS_UC:
    case ETH_P_MPLS_MC:
      return FOUND
    default:
      return BAD
  }
}

function dissect_extension(skb: sk_buff, h: headers): u32 {
  if (h.proto != ETH_P_IPV6) return FOUND
  const fragment = h.ip_proto == NEXTHDR_FRAGMENT
  const p = header_at(skb, h.at, fragment ? 8 : 2)
  if (p == 0) return BAD
  h.ip_proto = load<u8>(p)
  if (fragment) {
    h.at += 8
    h.later = u32((ntohs(load<u16>(p, 2)) & 0xfff8) != 0)
    return FOUND
  }
  h.at += (<i32>load<u8>(p, 1) + 1) << 3
  return NEXT_NETWORK
}

function dissect_network(skb: sk_buff, h: headers): u32 {
  switch (h.ip_proto) {
    case IPPROTO_IPIP: {
      h.proto = ETH_P_IP
      return NEXT_LINK
    }
    case IPPROTO_IPV6: {
      h.proto = ETH_P_IPV6
      return NEXT_LINK
    }
    case NEXTHDR_HOP:
    case NEXTHDR_ROUTING:
    case NEXTHDR_FRAGMENT:
    case NEXTHDR_DEST:
      return dissect_extension(skb, h)
    default:
      return FOUND
  }
}

/** Reads headers up to that of the transport protocol. False: they make no sense. */
function dissect(skb: sk_buff, h: headers): bool {
  const tagged = skb_vlan_all(skb) != 0
  h.at = skb_network_offset(skb)
  h.proto = ntohs(tagged ? skb.vlan_proto : skb.protocol)
  h.ip_proto = 0
  h.later = 0
  let todo = NEXT_LINK
  for (let n: u32 = 0; todo < FOUND && n < MAX_HEADERS; n++) {
    todo = todo == NEXT_LINK ? dissect_link(skb, h, tagged && n == 0) : dissect_network(skb, h)
  }
  return todo == FOUND
}

function transport_size(skb: sk_buff, ip_proto: u32, at: u32): u32 {
  switch (ip_proto) {
    case IPPROTO_TCP: {
      const doff = header_at(skb, at + 12, 1)
      return doff ? max<u32>(20, ((<u32>load<u8>(doff)) & 0xf0) >> 2) : 0
    }
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_ICMP:
    case IPPROTO_IGMP:
    case NEXTHDR_ICMP:
      return 8
    case IPPROTO_DCCP:
    case IPPROTO_SCTP:
      return 12
    default:
      return 0
  }
}

/** The offset of the payload from data; 0: the headers are not known. */
export function skb_get_poff(skb: sk_buff): u32 {
  const h = changetype<headers>(HEADERS)
  if (!dissect(skb, h)) return 0
  const at = min((<u32>h.at) & 0xffff, skb.len & 0xffff)
  return h.later ? at : at + transport_size(skb, h.ip_proto, at)
}
