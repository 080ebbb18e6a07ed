// What an igb does with the packets of its transmit ring: it gathers them, fills in checksums, cuts trains of TCP and UDP into
// frames (datasheet of the 82576, 7.2), and sends. The driver's side is in igb.ts.

import { boot } from '../../lib/boot.ts'
import { tcphdr, udphdr } from '../../include/headers.ts'
import { iphdr } from '../../include/ip.ts'
import { net_device } from '../../include/netdevice.ts'
import { CHECKSUM_PARTIAL, SKB_GSO_UDP_L4, SKB_SHINFO, sk_buff } from '../../include/skbuff.ts'
import { htonl, htons, ntohl, ntohs } from '../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_partial, csum_tcpudp_nofold, ip_fast_csum } from '../../lib/checksum.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../uapi/socket.ts'
import { skb_is_gso } from '../../net/core/gso.ts'
import { skb_headroom, skb_shinfo } from '../../net/core/skbuff.ts'
import { skb_copy_and_csum_bits, skb_copy_bits } from '../../net/core/skbuff_data.ts'
import { igb_headers_len, igb_ring_of } from './igb.ts'
import { igb_ptp_tx_hwtstamp } from './igb_ptp.ts'
import { FRAME_RECORD, igb_ring, tx_desc_at } from './igb_ring.ts'

const FIN_PSH: u32 = 0x09
const CWR: u32 = 0x80

/** Bytes of the record of a frame of len bytes. */
function record_bytes(len: u32): u32 {
  return (FRAME_RECORD + len + 7) & ~7
}

/** The head of a frame's record (igb_ring.ts). */
function record(out: usize, len: u32, id: u32): void {
  store<u32>(out, len)
  store<u32>(out, id, 4)
  store<f64>(out, <f64>boot.now, 8)
}

/** A sum of 0 is sent as all ones. */
function fill_in(field: usize, sum: u32): void {
  const folded = csum_fold(sum)
  store<u16>(field, <u16>(folded ? folded : 0xffff))
}

/** A whole frame, its checksum filled in if that was left to the hardware. */
function send_frame(skb: sk_buff, to: usize): void {
  if (skb.ip_summed != <u8>CHECKSUM_PARTIAL) {
    skb_copy_bits(skb, 0, to, skb.len)
    return
  }
  const start = (skb.csum & 0xffff) - skb_headroom(skb)
  skb_copy_bits(skb, 0, to, start)
  const sum = skb_copy_and_csum_bits(skb, start, to + start, skb.len - start)
  fill_in(to + start + (skb.csum >> 16), sum)
}

/** The IP header of a segment whose total length is len. */
function segment_ip(ip: iphdr, len: u32, index: u32): void {
  ip.tot_len = htons(len)
  ip.id = htons((ntohs(ip.id) + index) & 0xffff)
  ip.check = 0
  ip.check = <u16>ip_fast_csum(changetype<usize>(ip), ip.ihl)
}

/** The segment of n bytes that begin done bytes into a train's payload, behind a copy of its headers. */
function send_segment(skb: sk_buff, to: usize, headers: u32, done: u32, n: u32): void {
  const shinfo = skb_shinfo(skb)
  const headroom = skb_headroom(skb)
  const network = to + (<u32>skb.network_header - headroom)
  const transport = to + (<u32>skb.transport_header - headroom)
  skb_copy_bits(skb, 0, to, headers)
  const payload = skb_copy_and_csum_bits(skb, headers + done, to + headers, n)
  const ip = changetype<iphdr>(network)
  segment_ip(ip, <u32>(to + headers - network) + n, done / <u32>shinfo.gso_size)

  const bytes = <u32>(to + headers - transport) + n
  const udp = (shinfo.gso_type & SKB_GSO_UDP_L4) != 0
  const field = transport + (udp ? offsetof<udphdr>('check') : offsetof<tcphdr>('check'))
  store<u16>(field, 0)
  if (udp) {
    changetype<udphdr>(transport).len = htons(bytes)
  } else {
    const th = changetype<tcphdr>(transport)
    th.seq = htonl(ntohl(th.seq) + done)
    if (done) th.flags &= ~(<u8>CWR)
    if (headers + done + n < skb.len) th.flags &= ~(<u8>FIN_PSH)
  }
  const pseudo = csum_tcpudp_nofold(ip.saddr, ip.daddr, bytes, udp ? IPPROTO_UDP : IPPROTO_TCP, payload)
  fill_in(field, csum_add(pseudo, csum_partial(transport, bytes - n, 0)))
}

/**
 * The frames of a train from where the last call ended (ring.tx_hw_sent), as many as max bytes at out take. Answers bytes
 * written; the train is through when tx_hw_sent is 0 again.
 */
function send_train(ring: igb_ring, skb: sk_buff, out: usize, max: u32): u32 {
  const mss = <u32>skb_shinfo(skb).gso_size
  const headers = igb_headers_len(skb)
  const payload = skb.len - headers
  let written: u32 = 0
  while (ring.tx_hw_sent < payload) {
    const done = ring.tx_hw_sent
    const n = min(mss, payload - done)
    const bytes = record_bytes(headers + n)
    if (written + bytes > max) return written
    record(out + written, headers + n, skb.id)
    send_segment(skb, out + written + FRAME_RECORD, headers, done, n)
    written += bytes
    ring.tx_hw_sent += n
  }
  ring.tx_hw_sent = 0
  return written
}

/** The hardware sends: frames as records (igb_ring.ts) into out, at most max bytes. Answers bytes written. */
export function igb_tx_take(dev: net_device, queue: u32, out: usize, max: u32): u32 {
  const ring = igb_ring_of(dev, queue)
  let written: u32 = 0
  while (ring.tx_hw_head != ring.tx_next_to_use) {
    const desc = tx_desc_at(ring, ring.tx_hw_head)
    const skb = changetype<sk_buff>(desc.skb)
    if (skb.skb_flags & SKB_SHINFO && skb_is_gso(skb)) {
      written += send_train(ring, skb, out + written, max - written)
      if (ring.tx_hw_sent) return written
    } else {
      const bytes = record_bytes(skb.len)
      if (written + bytes > max) return written
      record(out + written, skb.len, skb.id)
      send_frame(skb, out + written + FRAME_RECORD)
      written += bytes
    }
    igb_ptp_tx_hwtstamp(ring, skb)
    desc.done = 1
    ring.tx_hw_head = (ring.tx_hw_head + 1) & (ring.count - 1)
  }
  ring.tx_told = 0
  return written
}

/** The hardware sends all that waits to nobody. Answers how many packets. */
export function igb_tx_discard(dev: net_device, queue: u32): u32 {
  const ring = igb_ring_of(dev, queue)
  const mask = ring.count - 1
  let sent: u32 = 0
  for (; ring.tx_hw_head != ring.tx_next_to_use; sent++) {
    const desc = tx_desc_at(ring, ring.tx_hw_head)
    if (ring.ptp_tx_skb) igb_ptp_tx_hwtstamp(ring, changetype<sk_buff>(desc.skb))
    desc.done = 1
    ring.tx_hw_head = (ring.tx_hw_head + 1) & mask
  }
  ring.tx_hw_sent = 0
  ring.tx_told = 0
  return sent
}
