// Segments of IPv4 packets: inet_gso_segment and ipip_gso_segment of net/ipv4/af_inet.c. A tunnel's outer header comes here
// first, and again for the packet within: every segment gets both.

import { SLOT_INET_GSO_SEGMENT, slot_set } from '../../../lib/boot.ts'
import { IP_DF, IP_HEADER_MIN, IP_MF, iphdr } from '../../../include/ip.ts'
import { net_device } from '../../../include/netdevice.ts'
import {
  SKB_ENCAPSULATION,
  SKB_GSO_CB,
  SKB_GSO_IPXIP4,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_UDP,
  sk_buff,
} from '../../../include/skbuff.ts'
import { htons, ntohs } from '../../../lib/byteorder.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, EPROTONOSUPPORT } from '../../../uapi/errno.ts'
import { FN_inet_gso_segment, FN_ipip_gso_segment } from '../../../uapi/functions.ts'
import { IPPROTO_IPIP, IPPROTO_TCP, IPPROTO_UDP } from '../../../uapi/socket.ts'
import {
  skb_mac_header,
  skb_pull,
  skb_reset_network_header,
  skb_reset_transport_header,
  skb_shinfo,
} from '../../core/skbuff.ts'
import { pskb_may_pull } from '../../core/skbuff_data.ts'
import { ip_send_check } from '../ip_output/check.ts'
import { tcp4_gso_segment } from '../tcp_offload.ts'
import { udp4_ufo_fragment } from '../udp_offload.ts'

/** A packet within an IP packet. */
function ipip_gso_segment(skb: sk_buff, features: u32): usize {
  walk(FN_ipip_gso_segment, changetype<usize>(skb))
  return skb_shinfo(skb).gso_type & SKB_GSO_IPXIP4 ? inet_gso_segment(skb, features) : ERR_PTR(EINVAL)
}

/** Data at the transport header: to its protocol. */
function transport_segment(skb: sk_buff, features: u32, protocol: u32): usize {
  if (protocol == IPPROTO_UDP) return udp4_ufo_fragment(skb, features)
  if (protocol == IPPROTO_TCP) return tcp4_gso_segment(skb, features)
  return protocol == IPPROTO_IPIP ? ipip_gso_segment(skb, features) : ERR_PTR(EPROTONOSUPPORT)
}

/** What was the outer packet's is the inner one's now: the headers of those outside are still to be gone through. */
function reset_inner_headers(skb: sk_buff): void {
  skb.inner_mac_header = skb.mac_header
  skb.inner_network_header = skb.network_header
  skb.inner_transport_header = skb.transport_header
}

/** Each segment's IP header, nhoff bytes behind its begin: length, id or offset, checksum. */
function headers(first: usize, nhoff: u32, ihl: u32, fragments: bool, fixed_id: bool, encap: bool): void {
  let id: u32 = 0
  let offset: u32 = 0
  for (let p = first; p; p = changetype<sk_buff>(p).next) {
    const skb = changetype<sk_buff>(p)
    const at = skb_mac_header(skb) + nhoff
    const ip = changetype<iphdr>(at)
    if (p == first) id = ntohs(ip.id)
    if (fragments) {
      ip.frag_off = htons(offset >> 3) | (<u16>(skb.next ? IP_MF : 0))
      offset += skb.len - nhoff - ihl
    } else if (!fixed_id) {
      ip.id = htons(id++ & 0xffff)
    }
    ip.tot_len = htons(skb.len - nhoff)
    ip_send_check(ip)
    if (encap) reset_inner_headers(skb)
    skb.network_header = <u16>(at - skb.head)
    skb.mac_len = skb.network_header - skb.mac_header
  }
}

/**
 * Cuts an IPv4 packet that stands for a train.
 *
 * Uses: data at the IP header, mac_header, SKB_GSO_CB. The first of the segments, 0: it may stay as it is; or ERR_PTR:
 * -EINVAL for headers that are not right, -EPROTONOSUPPORT. The packet stays the caller's.
 */
export function inet_gso_segment(skb: sk_buff, features: u32): usize {
  walk(FN_inet_gso_segment, changetype<usize>(skb))
  skb_reset_network_header(skb)
  const nhoff = <u32>skb.network_header - <u32>skb.mac_header
  if (!pskb_may_pull(skb, IP_HEADER_MIN)) return ERR_PTR(EINVAL)
  const ihl = changetype<iphdr>(skb.data).ihl << 2
  if (ihl < IP_HEADER_MIN || !pskb_may_pull(skb, ihl)) return ERR_PTR(EINVAL)
  const ip = changetype<iphdr>(skb.data)
  const protocol = <u32>ip.protocol
  const df = (<u32>ip.frag_off) & IP_DF
  skb_pull(skb, ihl)

  const cb = SKB_GSO_CB(skb)
  const encap = cb.encap_level != 0
  if (encap) features &= changetype<net_device>(skb.dev).hw_enc_features
  cb.encap_level += ihl
  skb_reset_transport_header(skb)

  // Of a tunnel's headers, the inner packet's are those that differ.
  const type = skb_shinfo(skb).gso_type
  const inner = !(skb.skb_flags & SKB_ENCAPSULATION) || encap
  const fragments = inner && (type & SKB_GSO_UDP) != 0
  const fixed_id = inner && (type & SKB_GSO_TCP_FIXEDID) != 0
  if (fixed_id && !df) return ERR_PTR(EPROTONOSUPPORT)

  const segs = transport_segment(skb, features, protocol)
  if (segs == 0) skb.network_header = skb.mac_header + <u16>nhoff
  if (segs == 0 || IS_ERR(segs)) return segs
  headers(segs, nhoff, ihl, fragments, fixed_id, encap)
  return segs
}

/** Enters IPv4 into the table of protocols that can be cut. */
export function ipv4_offload_init(): void {
  slot_set(SLOT_INET_GSO_SEGMENT, gso_segment.index)
}

function gso_segment(skb: usize, features: u32): usize {
  return inet_gso_segment(changetype<sk_buff>(skb), features)
}
