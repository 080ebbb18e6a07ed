// Trains within a UDP tunnel such as VXLAN: skb_udp_tunnel_segment of net/ipv4/udp_offload.c. The packet within is cut, and each
// segment gets the outer headers. Left out: remote checksums, partial segmentation.

import { udphdr } from '../../../include/headers.ts'
import { NETIF_F_CSUM_MASK, NETIF_F_HW_CSUM, net_device } from '../../../include/netdevice.ts'
import {
  CHECKSUM_PARTIAL,
  SKB_ENCAPSULATION,
  SKB_GSO_CB,
  SKB_GSO_UDP_TUNNEL_CSUM,
  sk_buff,
} from '../../../include/skbuff.ts'
import { htonl, htons } from '../../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_sub } from '../../../lib/checksum.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL } from '../../../uapi/errno.ts'
import { FN_skb_udp_tunnel_segment } from '../../../uapi/functions.ts'
import { can_checksum_protocol } from '../../core/dev_features.ts'
import { gso_make_checksum, skb_mac_gso_segment } from '../../core/gso.ts'
import { skb_pull, skb_push, skb_reset_mac_header, skb_shinfo, skb_transport_header } from '../../core/skbuff.ts'
import { pskb_may_pull } from '../../core/skbuff_data.ts'

const CSUM_MANGLED_0: u32 = 0xffff

/** The outer packet while the inner one is in its place. It is used up before another can be. */
@unmanaged
@final
class outer_packet {
  mac_header: u32
  mac_len: u32
  protocol: u32
  /** Bytes from the outer UDP header to the inner frame. */
  tnl_hlen: u32
  need_csum: u32
  offload_csum: u32
  /** Sum of the outer pseudo header, without the length. */
  partial: u32
}

const OUTER: usize = memory.data(offsetof<outer_packet>(), 16)

/** The packet was not cut: it is the outer one again (skb_gso_error_unwind). */
function unwind(skb: sk_buff, outer: outer_packet): void {
  skb.skb_flags |= SKB_ENCAPSULATION
  skb.protocol = <u16>outer.protocol
  skb_push(skb, outer.tnl_hlen)
  skb.mac_header = <u16>outer.mac_header
  skb.network_header = <u16>(outer.mac_header + outer.mac_len)
  skb.mac_len = <u16>outer.mac_len
}

/** Length and checksum of a segment's outer UDP header. */
function finish(skb: sk_buff, outer: outer_packet, udp_offset: u32): void {
  const uh = changetype<udphdr>(skb_transport_header(skb))
  const len = skb.len - udp_offset
  uh.len = htons(len)
  if (!outer.need_csum) return
  const check = ~csum_fold(csum_add(outer.partial, htonl(len))) & 0xffff
  uh.check = <u16>check
  if (skb.skb_flags & SKB_ENCAPSULATION || !outer.offload_csum) {
    const sum = gso_make_checksum(skb, skb.transport_header, ~check)
    uh.check = <u16>(sum ? sum : CSUM_MANGLED_0)
  } else {
    skb.ip_summed = <u8>CHECKSUM_PARTIAL
    skb.csum = (<u32>skb.transport_header) | ((<u32>offsetof<udphdr>('check')) << 16)
  }
}

/** Each segment in its outer headers. */
function wrap(first: usize, outer: outer_packet, outer_hlen: u32): void {
  const udp_offset = outer_hlen - outer.tnl_hlen
  for (let p = first; p; p = changetype<sk_buff>(p).next) {
    const skb = changetype<sk_buff>(p)
    if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) {
      skb.inner_mac_header = skb.mac_header
      skb.inner_network_header = skb.network_header
      skb.inner_transport_header = skb.transport_header
      skb.skb_flags |= SKB_ENCAPSULATION
    }
    skb.mac_len = <u16>outer.mac_len
    skb.protocol = <u16>outer.protocol
    skb_push(skb, outer_hlen)
    skb_reset_mac_header(skb)
    skb.network_header = skb.mac_header + <u16>outer.mac_len
    skb.transport_header = skb.mac_header + <u16>udp_offset
    finish(skb, outer, udp_offset)
  }
}

/** The packet within takes the outer one's place, with data at its link header. */
function enter(skb: sk_buff, outer: outer_packet): void {
  skb.skb_flags &= ~SKB_ENCAPSULATION
  SKB_GSO_CB(skb).encap_level = 0
  skb_pull(skb, outer.tnl_hlen)
  skb_reset_mac_header(skb)
  skb.network_header = skb.inner_network_header
  skb.transport_header = skb.inner_transport_header
  skb.mac_len = skb.inner_network_header - skb.mac_header
  skb.protocol = skb.inner_protocol
}

/**
 * Cuts the packet within a tunnel.
 *
 * Uses: data and transport_header at the outer UDP header, the inner headers' places, inner_protocol. The first segment, 0 or
 * ERR_PTR.
 */
export function skb_udp_tunnel_segment(skb: sk_buff, features: u32): usize {
  walk(FN_skb_udp_tunnel_segment, changetype<usize>(skb))
  const outer = changetype<outer_packet>(OUTER)
  outer.tnl_hlen = <u32>skb.inner_mac_header - <u32>skb.transport_header
  if (!pskb_may_pull(skb, outer.tnl_hlen)) return ERR_PTR(EINVAL)
  // The length in the header may be cut off: what is inside can be longer than 64 KB.
  const uh = changetype<udphdr>(skb_transport_header(skb))
  outer.partial = csum_sub(uh.check, htonl(skb.len))
  outer.mac_header = skb.mac_header
  outer.mac_len = skb.mac_len
  outer.protocol = skb.protocol
  const dev = changetype<net_device>(skb.dev)
  outer.need_csum = u32((skb_shinfo(skb).gso_type & SKB_GSO_UDP_TUNNEL_CSUM) != 0)
  outer.offload_csum = u32(outer.need_csum != 0 && can_checksum_protocol(dev.features))
  features &= dev.hw_enc_features
  if (outer.need_csum) {
    // Of the two checksums the outer one is left to the device, if it can.
    features &= ~NETIF_F_CSUM_MASK
    if (outer.offload_csum) features |= NETIF_F_HW_CSUM
  }
  enter(skb, outer)
  const segs = skb_mac_gso_segment(skb, features)
  if (segs == 0 || IS_ERR(segs)) {
    unwind(skb, outer)
    return segs
  }
  wrap(segs, outer, <u32>skb.mac_header - <u32>SKB_GSO_CB(skb).mac_offset)
  return segs
}
