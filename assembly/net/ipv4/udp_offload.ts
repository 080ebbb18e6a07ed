// Segments of UDP datagrams: __udp_gso_segment and what belongs to it of net/ipv4/udp_offload.c. Tunnels are in
// udp_offload/tunnel.ts. Left out: partial segmentation, lists of ready datagrams. Read first: RFC 768.

import { UDP_HLEN, udphdr } from '../../include/headers.ts'
import { iphdr } from '../../include/ip.ts'
import { NETIF_F_GSO_ROBUST, NETIF_F_HW_CSUM } from '../../include/netdevice.ts'
import {
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  SKB_ENCAPSULATION,
  SKB_GSO_UDP,
  SKB_GSO_UDP_L4,
  SKB_GSO_UDP_TUNNEL,
  SKB_GSO_UDP_TUNNEL_CSUM,
  SKB_TX_STAMP,
  sk_buff,
} from '../../include/skbuff.ts'
import { sock } from '../../include/sock.ts'
import { htons } from '../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_sub, csum_tcpudp_magic } from '../../lib/checksum.ts'
import { ERR_PTR, IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL } from '../../uapi/errno.ts'
import { FN___udp_gso_segment, FN_udp4_ufo_fragment } from '../../uapi/functions.ts'
import { IPPROTO_UDP } from '../../uapi/socket.ts'
import { gso_make_checksum, gso_reset_checksum, skb_gso_ok } from '../core/gso.ts'
import { skb_segment } from '../core/skb_segment.ts'
import { skb_network_header, skb_pull, skb_shinfo, skb_transport_header } from '../core/skbuff.ts'
import { pskb_may_pull, skb_checksum } from '../core/skbuff_data.ts'
import { sock_wfree } from '../core/sock_wmem.ts'
import { skb_udp_tunnel_segment } from './udp_offload/tunnel.ts'

const CSUM_MANGLED_0: u32 = 0xffff

function udp_hdr(skb: sk_buff): udphdr {
  return changetype<udphdr>(skb_transport_header(skb))
}

/** The pseudo header's sum for another length: both are in the field, and in network order. */
function adjusted(check: u32, from: u32, to: u32): u32 {
  const sum = csum_add(csum_sub(check, from), to)
  return ~csum_fold(sum) & 0xffff
}

/** Length and checksum of one datagram; check: the sum of its pseudo header. */
function finish(seg: sk_buff, len: u32, check: u32): void {
  const uh = udp_hdr(seg)
  uh.len = <u16>len
  uh.check = <u16>check
  if (seg.ip_summed == <u8>CHECKSUM_PARTIAL) {
    gso_reset_checksum(seg, ~check)
    return
  }
  const sum = gso_make_checksum(seg, seg.transport_header, ~check)
  uh.check = <u16>(sum ? sum : CSUM_MANGLED_0)
}

/** The datagrams are charged to who sent the train, in its place. */
function charge_segments(train: sk_buff, first: usize): void {
  const sk = changetype<sock>(train.sk)
  let sum: u32 = 0
  for (let p = first; p; p = changetype<sk_buff>(p).next) {
    const seg = changetype<sk_buff>(p)
    seg.destructor = sock_wfree.index
    seg.sk = train.sk
    sum += seg.truesize
  }
  sk.sk_wmem_alloc += <i32>sum - <i32>train.truesize
  train.destructor = 0
  train.sk = 0
}

/**
 * Cuts a train into datagrams of gso_size bytes.
 *
 * Uses: data and transport_header at the UDP header, its checksum left to the device. The first datagram, 0: the device cuts
 * it; or ERR_PTR.
 */
export function __udp_gso_segment(train: sk_buff, features: u32): usize {
  walk(FN___udp_gso_segment, changetype<usize>(train))
  const shinfo = skb_shinfo(train)
  const mss = <u32>shinfo.gso_size
  if (train.len <= UDP_HLEN + mss) return ERR_PTR(EINVAL)
  if ((train.csum & 0xffff) != <u32>train.transport_header) return ERR_PTR(EINVAL)
  if (skb_gso_ok(train, features | NETIF_F_GSO_ROBUST)) {
    // Who made it need not have counted right.
    shinfo.gso_segs = <u16>((train.len - UDP_HLEN + mss - 1) / mss)
    return 0
  }
  const uh = udp_hdr(train)
  const check = <u32>uh.check
  const len = <u32>uh.len
  skb_pull(train, UDP_HLEN)
  const destructor = train.destructor
  const charged = destructor == sock_wfree.index
  if (charged) train.destructor = 0
  const segs = skb_segment(train, features)
  if (charged) train.destructor = destructor
  if (IS_ERR(segs)) return segs

  const newlen = <u32>htons(UDP_HLEN + mss)
  const newcheck = adjusted(check, len, newlen)
  for (let p = segs; p; p = changetype<sk_buff>(p).next) {
    const seg = changetype<sk_buff>(p)
    if (seg.next) {
      finish(seg, newlen, newcheck)
    } else {
      const last = <u32>htons(seg.len - (<u32>seg.transport_header - <u32>(seg.data - seg.head)))
      finish(seg, last, adjusted(check, len, last))
    }
  }
  // Stamps are for the first of them.
  if (train.skb_flags & SKB_TX_STAMP) {
    const first = skb_shinfo(changetype<sk_buff>(segs))
    first.tx_flags = shinfo.tx_flags
    first.tskey = shinfo.tskey
  }
  if (charged) charge_segments(train, segs)
  return segs
}

/** Cuts one datagram into IP fragments: its checksum is filled in before. */
function cut_into_fragments(skb: sk_buff, features: u32): usize {
  if (skb.len <= <u32>skb_shinfo(skb).gso_size) return ERR_PTR(EINVAL)
  const uh = udp_hdr(skb)
  const ip = changetype<iphdr>(skb_network_header(skb))
  uh.check = 0
  const sum = skb_checksum(skb, 0, skb.len, 0)
  const check = csum_tcpudp_magic(ip.saddr, ip.daddr, skb.len, IPPROTO_UDP, sum)
  uh.check = <u16>(check ? check : CSUM_MANGLED_0)
  skb.ip_summed = <u8>CHECKSUM_UNNECESSARY
  return skb_segment(skb, features | NETIF_F_HW_CSUM)
}

/** A UDP packet that stands for a train: a tunnel's, datagrams, or fragments. The first of what it was cut into, 0 or ERR_PTR. */
export function udp4_ufo_fragment(skb: sk_buff, features: u32): usize {
  walk(FN_udp4_ufo_fragment, changetype<usize>(skb))
  const type = skb_shinfo(skb).gso_type
  if (skb.skb_flags & SKB_ENCAPSULATION && type & (SKB_GSO_UDP_TUNNEL | SKB_GSO_UDP_TUNNEL_CSUM)) {
    return skb_udp_tunnel_segment(skb, features)
  }
  if (!(type & (SKB_GSO_UDP | SKB_GSO_UDP_L4)) || !pskb_may_pull(skb, UDP_HLEN)) return ERR_PTR(EINVAL)
  return type & SKB_GSO_UDP_L4 ? __udp_gso_segment(skb, features) : cut_into_fragments(skb, features)
}
