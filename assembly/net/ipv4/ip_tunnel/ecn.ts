// Congestion marks in tunnels: what goes out with the outer header, and what comes back from it. Mirrors the helpers of
// include/net/inet_ecn.h. Read first: RFC 6040 4.

import { iphdr } from '../../../include/ip.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { htons } from '../../../lib/byteorder.ts'
import { ETH_P_IP } from '../../../uapi/if_ether.ts'
import { skb_cow, skb_network_header } from '../../core/skbuff.ts'
import { ip_send_check } from '../ip_output/check.ts'

const INET_ECN_NOT_ECT: u32 = 0
const INET_ECN_ECT_1: u32 = 1
const INET_ECN_ECT_0: u32 = 2
const INET_ECN_CE: u32 = 3
const INET_ECN_MASK: u32 = 3

/** The TOS of the packet within, 0 unless it is IPv4: data anywhere, network_header at its header. */
export function ip_tunnel_get_dsfield(skb: sk_buff): u32 {
  return skb.protocol == htons(ETH_P_IP) ? changetype<iphdr>(skb_network_header(skb)).tos : 0
}

/** The outer TOS: the inner mark goes along, but congestion that was met before does not. */
export function ip_tunnel_ecn_encap(tos: u32, skb: sk_buff): u32 {
  const inner = ip_tunnel_get_dsfield(skb) & INET_ECN_MASK
  return (tos & ~INET_ECN_MASK) | (inner == INET_ECN_CE ? INET_ECN_ECT_0 : inner)
}

/** Writes the mark of an IPv4 header; its checksum follows. */
function set_ecn(skb: sk_buff, mark: u32): void {
  if (!skb_cow(skb, 0)) return
  const ip = changetype<iphdr>(skb_network_header(skb))
  ip.tos = <u8>(((<u32>ip.tos) & ~INET_ECN_MASK) | mark)
  ip_send_check(ip)
}

/**
 * What the outer TOS means for the packet within (network_header at it). False: congestion that a sender without ECN would
 * not hear of, so that the packet is to be dropped.
 */
export function IP_ECN_decapsulate(outer_tos: u32, skb: sk_buff): bool {
  if (skb.protocol != htons(ETH_P_IP)) return true
  const outer = outer_tos & INET_ECN_MASK
  const inner = (<u32>changetype<iphdr>(skb_network_header(skb)).tos) & INET_ECN_MASK
  if (inner == INET_ECN_NOT_ECT) return outer != INET_ECN_CE
  if (outer == INET_ECN_CE) set_ecn(skb, INET_ECN_CE)
  else if (outer == INET_ECN_ECT_1 && inner == INET_ECN_ECT_0) set_ecn(skb, INET_ECN_ECT_1)
  return true
}
