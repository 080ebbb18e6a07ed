// The header that a virtual machine's NIC puts before a frame: which checksum is still to be filled in, or was verified, and
// how a train of segments is to be cut. Mirrors linux/virtio_net.h. Left out: IPv6, tunnels.

import {
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  GSO_BY_FRAGS,
  SKB_GSO_DODGY,
  SKB_GSO_TCPV4,
  SKB_GSO_TCPV6,
  SKB_GSO_TCP_ECN,
  SKB_GSO_UDP,
  SKB_GSO_UDP_L4,
  sk_buff,
} from '../../include/skbuff.ts'
import { TCP_HLEN, UDP_HLEN, tcphdr, udphdr } from '../../include/headers.ts'
import { htons } from '../../lib/byteorder.ts'
import { EINVAL } from '../../uapi/errno.ts'
import { ETH_P_IP } from '../../uapi/if_ether.ts'
import {
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP,
  VIRTIO_NET_HDR_GSO_UDP_L4,
} from '../../uapi/if.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../uapi/socket.ts'
import { dissect, dissected } from './flow_dissector.ts'
import { skb_is_gso } from './gso.ts'
import { skb_headlen, skb_headroom, skb_network_offset, skb_reset_mac_header, skb_shinfo } from './skbuff.ts'
import { pskb_may_pull, skb_checksum_start_offset } from './skbuff_data.ts'

/** struct virtio_net_hdr, little-endian as on x86-64. */
@unmanaged
@final
export class virtio_net_hdr {
  flags: u8
  gso_type: u8
  hdr_len: u16
  gso_size: u16
  csum_start: u16
  csum_offset: u16
}

export const VIRTIO_NET_HDR_SIZE: u32 = 10
/** With the number of merged buffers behind (struct virtio_net_hdr_mrg_rxbuf). */
export const VIRTIO_NET_HDR_MRG_RXBUF_SIZE: u32 = 12

const VIRTIO_NET_HDR_F_NEEDS_CSUM: u32 = 1
const VIRTIO_NET_HDR_F_DATA_VALID: u32 = 2
/** Least offset of a transport header from the frame's begin: that of an IPv4 header without a link header; of IPv6. */
const NH_MIN_LEN: u32 = 20
const NH_MIN_LEN_V6: u32 = 40
/** Most datagrams of a train (UDP_MAX_SEGMENTS). */
const UDP_MAX_SEGMENTS: u32 = 128

const FLOW: usize = memory.data(offsetof<dissected>(), 16)

/** What a train is, as VIRTIO_NET_HDR_GSO_*; 0: nothing that the header has a word for. */
function gso_from_skb(type: u32): u32 {
  const ecn = type & SKB_GSO_TCP_ECN ? VIRTIO_NET_HDR_GSO_ECN : 0
  if (type & SKB_GSO_TCPV4) return VIRTIO_NET_HDR_GSO_TCPV4 | ecn
  if (type & SKB_GSO_TCPV6) return VIRTIO_NET_HDR_GSO_TCPV6 | ecn
  return type & SKB_GSO_UDP_L4 ? VIRTIO_NET_HDR_GSO_UDP_L4 | ecn : 0
}

/**
 * Says what is known of a packet's checksum and segments; data is at its first byte. 0, or -EINVAL: a train that the header has
 * no word for.
 */
export function virtio_net_hdr_from_skb(skb: sk_buff, hdr: virtio_net_hdr): i32 {
  memory.fill(changetype<usize>(hdr), 0, VIRTIO_NET_HDR_SIZE)
  if (skb_is_gso(skb)) {
    const shinfo = skb_shinfo(skb)
    hdr.hdr_len = <u16>skb_headlen(skb)
    hdr.gso_size = shinfo.gso_size
    hdr.gso_type = <u8>gso_from_skb(shinfo.gso_type)
    if (hdr.gso_type == 0) return -EINVAL
  }
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) {
    hdr.flags = <u8>VIRTIO_NET_HDR_F_NEEDS_CSUM
    hdr.csum_start = <u16>skb_checksum_start_offset(skb)
    hdr.csum_offset = <u16>(skb.csum >> 16)
  } else if (skb.ip_summed == <u8>CHECKSUM_UNNECESSARY) {
    hdr.flags = <u8>VIRTIO_NET_HDR_F_DATA_VALID
  }
  return 0
}

/**
 * How many bytes must lie in front, by what a sender's header says: up to the checksum's field. -EINVAL: the frame of len
 * bytes has fewer.
 */
export function virtio_net_hdr_parse(hdr: virtio_net_hdr, len: u32): i32 {
  let front = <u32>hdr.hdr_len
  if ((<u32>hdr.flags) & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
    const end = <u32>hdr.csum_start + <u32>hdr.csum_offset + 2
    if (end > front) front = end & 0xffff // as Linux keeps it: one that wraps is found out later
  }
  return front > len ? -EINVAL : <i32>front
}

/** The field at off behind start is to be filled in before the packet leaves. False: it lies outside of the linear part. */
function skb_partial_csum_set(skb: sk_buff, start: u32, off: u32): bool {
  const from = skb_headroom(skb) + start
  if (from >= 0xffff || start + off + 2 > skb_headlen(skb)) return false
  skb.ip_summed = <u8>CHECKSUM_PARTIAL
  skb.csum = (off << 16) | from
  skb.transport_header = <u16>from
  return true
}

/** SKB_GSO_* of a header's type, 0: none. */
function gso_to_skb(type: u32): u32 {
  switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      return SKB_GSO_TCPV4
    case VIRTIO_NET_HDR_GSO_TCPV6:
      return SKB_GSO_TCPV6
    case VIRTIO_NET_HDR_GSO_UDP:
      return SKB_GSO_UDP
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      return SKB_GSO_UDP_L4
    default:
      return 0
  }
}

/** A checksum is to be filled in: where, and with how long a transport header. Bytes up to behind that, or -EINVAL. */
function checksum_to_skb(skb: sk_buff, hdr: virtio_net_hdr, thlen: u32, min_len: u32): i32 {
  const start = <u32>hdr.csum_start
  const off = <u32>hdr.csum_offset
  if (!pskb_may_pull(skb, start + max(thlen, off + 2))) return -EINVAL
  return skb_partial_csum_set(skb, start, off) && start >= min_len ? <i32>(start + thlen) : -EINVAL
}

/**
 * A train without a checksum to fill in says nothing of where its transport header is: it is looked for, where the IP header's
 * place is known. Bytes up to behind it, or -EINVAL.
 */
function transport_to_skb(skb: sk_buff, thlen: u32, min_len: u32, proto: u32): i32 {
  if (skb.network_header == 0) return pskb_may_pull(skb, min_len + thlen) ? <i32>(min_len + thlen) : -EINVAL
  const flow = changetype<dissected>(FLOW)
  if (skb.protocol == 0) skb.protocol = htons(ETH_P_IP)
  if (skb.protocol != htons(ETH_P_IP) || !dissect(skb, skb_network_offset(skb), flow)) return -EINVAL
  if (flow.proto != proto || flow.payload + <i32>thlen > <i32>skb_headlen(skb)) return -EINVAL
  skb.transport_header = <u16>(skb_headroom(skb) + flow.payload)
  return flow.payload + <i32>thlen
}

/** Makes the packet the train that the header speaks of, if it is longer than one segment. 0 or -EINVAL. */
function train_to_skb(skb: sk_buff, hdr: virtio_net_hdr, type: u32, front: u32, thlen: u32): i32 {
  const size = <u32>hdr.gso_size
  const partial = skb.ip_summed == <u8>CHECKSUM_PARTIAL
  const offset = skb.csum >> 16
  let headers = front
  if (type == SKB_GSO_UDP) {
    headers -= thlen
  } else if (type == SKB_GSO_UDP_L4) {
    if (!((<u32>hdr.flags) & VIRTIO_NET_HDR_F_NEEDS_CSUM) || offset != offsetof<udphdr>('check')) return -EINVAL
    if (skb.len - front > size * UDP_MAX_SEGMENTS || (<u32>hdr.gso_type) & VIRTIO_NET_HDR_GSO_ECN) return -EINVAL
  } else if (partial && offset != offsetof<tcphdr>('check')) {
    return -EINVAL
  }
  if (size == GSO_BY_FRAGS) return -EINVAL
  if (skb.len - headers <= size) return 0
  const shinfo = skb_shinfo(skb)
  const ecn = (<u32>hdr.gso_type) & VIRTIO_NET_HDR_GSO_ECN ? SKB_GSO_TCP_ECN : 0
  shinfo.gso_size = <u16>size
  shinfo.gso_type = type | ecn | SKB_GSO_DODGY
  shinfo.gso_segs = 0
  return 0
}

/** Does with a packet what the header says; data is at its first byte. 0 or -EINVAL. */
export function virtio_net_hdr_to_skb(skb: sk_buff, hdr: virtio_net_hdr): i32 {
  const type = gso_to_skb(hdr.gso_type)
  if (hdr.gso_type && (type == 0 || hdr.gso_size == 0)) return -EINVAL
  const tcp = (type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) != 0
  const thlen: u32 = tcp ? TCP_HLEN : type ? UDP_HLEN : 0
  const min_len = type == SKB_GSO_TCPV6 ? NH_MIN_LEN_V6 : NH_MIN_LEN
  skb_reset_mac_header(skb)
  let front = 0
  if ((<u32>hdr.flags) & VIRTIO_NET_HDR_F_NEEDS_CSUM) front = checksum_to_skb(skb, hdr, thlen, min_len)
  else if (type) front = transport_to_skb(skb, thlen, min_len, tcp ? IPPROTO_TCP : IPPROTO_UDP)
  if (front < 0) return front
  return type ? train_to_skb(skb, hdr, type, <u32>front, thlen) : 0
}
