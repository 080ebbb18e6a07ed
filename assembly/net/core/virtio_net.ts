// The header that a virtual machine's NIC puts before a frame: which checksum is still to be filled in, or was verified.
// Mirrors linux/virtio_net.h. Left out: segmentation (a header that asks for it is refused).

import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, sk_buff } from '../../include/skbuff.ts'
import { EINVAL } from '../../uapi/errno.ts'
import { skb_headlen, skb_headroom } from './skbuff.ts'
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
/** Least offset of a transport header from the frame's begin: that of an IPv4 header without a link header. */
const NH_MIN_LEN: u32 = 20

/** Says what is known of a packet's checksum; data is at its first byte. */
export function virtio_net_hdr_from_skb(skb: sk_buff, hdr: virtio_net_hdr): void {
  memory.fill(changetype<usize>(hdr), 0, VIRTIO_NET_HDR_SIZE)
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) {
    hdr.flags = <u8>VIRTIO_NET_HDR_F_NEEDS_CSUM
    hdr.csum_start = <u16>skb_checksum_start_offset(skb)
    hdr.csum_offset = <u16>(skb.csum >> 16)
  } else if (skb.ip_summed == <u8>CHECKSUM_UNNECESSARY) {
    hdr.flags = <u8>VIRTIO_NET_HDR_F_DATA_VALID
  }
}

/**
 * How many bytes must lie in front, by what a sender's header says: up to the checksum's field. -EINVAL: the frame of len
 * bytes has fewer.
 */
export function virtio_net_hdr_parse(hdr: virtio_net_hdr, len: u32): i32 {
  let front = <u32>hdr.hdr_len
  if ((<u32>hdr.flags) & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
    front = max(front, (<u32>hdr.csum_start + <u32>hdr.csum_offset + 2) & 0xffff)
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

/** Does with a packet what the header says; data is at its first byte. 0 or -EINVAL. */
export function virtio_net_hdr_to_skb(skb: sk_buff, hdr: virtio_net_hdr): i32 {
  if (hdr.gso_type) return -EINVAL
  if (!((<u32>hdr.flags) & VIRTIO_NET_HDR_F_NEEDS_CSUM)) return 0
  const start = <u32>hdr.csum_start
  const off = <u32>hdr.csum_offset
  if (!pskb_may_pull(skb, start + off + 2)) return -EINVAL
  return skb_partial_csum_set(skb, start, off) && start >= NH_MIN_LEN ? 0 : -EINVAL
}
