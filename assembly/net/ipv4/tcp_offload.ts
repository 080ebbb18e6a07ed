// Segments of TCP: tcp4_gso_segment and tcp_gso_segment of net/ipv4/tcp_offload.c. Left out: lists of ready segments.
// Read first: RFC 9293 3.1.

import { TCP_HLEN, tcphdr } from '../../include/headers.ts'
import { iphdr } from '../../include/ip.ts'
import { NETIF_F_GSO_ROBUST } from '../../include/netdevice.ts'
import { CHECKSUM_PARTIAL, SKB_GSO_TCPV4, sk_buff } from '../../include/skbuff.ts'
import { htonl, ntohl } from '../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_tcpudp_nofold } from '../../lib/checksum.ts'
import { ERR_PTR, IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL } from '../../uapi/errno.ts'
import { FN_tcp4_gso_segment, FN_tcp_gso_segment } from '../../uapi/functions.ts'
import { IPPROTO_TCP } from '../../uapi/socket.ts'
import { gso_make_checksum, gso_reset_checksum, skb_gso_ok } from '../core/gso.ts'
import { skb_segment } from '../core/skb_segment.ts'
import { skb_network_header, skb_pull, skb_shinfo, skb_transport_header } from '../core/skbuff.ts'
import { pskb_may_pull } from '../core/skbuff_data.ts'

const FIN_PSH: u32 = 0x09
const CWR: u32 = 0x80

function tcp_hdr(skb: sk_buff): tcphdr {
  return changetype<tcphdr>(skb_transport_header(skb))
}

/** The pseudo header's sum in check, for delta bytes more. */
function adjusted(check: u32, delta: u32): u32 {
  return ~csum_fold(csum_add(check, htonl(delta))) & 0xffff
}

/** The checksum of one segment; check: the sum of its pseudo header. */
function finish(seg: sk_buff, check: u32): void {
  const th = tcp_hdr(seg)
  th.check = <u16>check
  if (seg.ip_summed == <u8>CHECKSUM_PARTIAL) gso_reset_checksum(seg, ~check)
  else th.check = <u16>gso_make_checksum(seg, seg.transport_header, ~check)
}

/**
 * Cuts a train of TCP: each segment has the next sequence number; only the last has FIN and PSH, only the first CWR.
 *
 * Uses: data and transport_header at the TCP header, its checksum left to the device. The first segment, 0: the device cuts it;
 * or ERR_PTR.
 */
export function tcp_gso_segment(skb: sk_buff, features: u32): usize {
  walk(FN_tcp_gso_segment, changetype<usize>(skb))
  const thlen = ((<u32>tcp_hdr(skb).doff_res) >> 4) << 2
  if (thlen < TCP_HLEN || !pskb_may_pull(skb, thlen)) return ERR_PTR(EINVAL)
  if ((skb.csum & 0xffff) != <u32>skb.transport_header) return ERR_PTR(EINVAL)
  const len = skb.len
  const shinfo = skb_shinfo(skb)
  const mss = <u32>shinfo.gso_size
  if (len - thlen <= mss) return ERR_PTR(EINVAL)
  skb_pull(skb, thlen)
  if (skb_gso_ok(skb, features | NETIF_F_GSO_ROBUST)) {
    // Who made it need not have counted right.
    shinfo.gso_segs = <u16>((skb.len + mss - 1) / mss)
    return 0
  }
  const segs = skb_segment(skb, features)
  if (IS_ERR(segs)) return segs

  const check = <u32>tcp_hdr(changetype<sk_buff>(segs)).check
  // ~len, not -len: these are sums of ones' complement.
  const each = adjusted(check, ~len + thlen + mss)
  let seq = ntohl(tcp_hdr(changetype<sk_buff>(segs)).seq)
  for (let p = segs; p; p = changetype<sk_buff>(p).next) {
    const seg = changetype<sk_buff>(p)
    const th = tcp_hdr(seg)
    th.seq = htonl(seq)
    if (p != segs) th.flags &= ~(<u8>CWR)
    if (seg.next) {
      th.flags &= ~(<u8>FIN_PSH)
      finish(seg, each)
    } else {
      const last = seg.len - (<u32>seg.transport_header - <u32>(seg.data - seg.head))
      finish(seg, adjusted(check, ~len + last))
    }
    seq += mss
  }
  return segs
}

/** A TCP packet over IPv4 that stands for a train; one whose checksum was filled in gets the pseudo header's sum first. */
export function tcp4_gso_segment(skb: sk_buff, features: u32): usize {
  walk(FN_tcp4_gso_segment, changetype<usize>(skb))
  if (!(skb_shinfo(skb).gso_type & SKB_GSO_TCPV4) || !pskb_may_pull(skb, TCP_HLEN)) return ERR_PTR(EINVAL)
  if (skb.ip_summed != <u8>CHECKSUM_PARTIAL) {
    const ip = changetype<iphdr>(skb_network_header(skb))
    const sum = csum_tcpudp_nofold(ip.saddr, ip.daddr, skb.len, IPPROTO_TCP, 0)
    tcp_hdr(skb).check = <u16>~csum_fold(sum)
    skb.ip_summed = <u8>CHECKSUM_PARTIAL
    skb.csum = (<u32>skb.transport_header) | ((<u32>offsetof<tcphdr>('check')) << 16)
  }
  return tcp_gso_segment(skb, features)
}
