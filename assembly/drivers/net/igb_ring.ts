// The rings of an igb queue and what the hardware does with them: arrival FIFO, DMA, receive checksums.
// Mirrors the 82576's behaviour as drivers/net/ethernet/intel/igb sees it (datasheet 3.1, 7.1). Software: igb.ts.

import { NETIF_F_RXCSUM, dev_stats, net_device } from '../../include/netdevice.ts'
import { ip_is_fragment, iphdr } from '../../include/ip.ts'
import { boot } from '../../lib/boot.ts'
import { RX_BUFFER_SIZE, kfree, kmalloc } from '../../lib/arena.ts'
import { ntohs } from '../../lib/byteorder.ts'
import { copy_bytes, csum_fold, csum_partial, csum_partial_copy, csum_tcpudp_nofold } from '../../lib/checksum.ts'
import { ETH_HLEN, ETH_ZLEN } from '../../uapi/if_ether.ts'
import { IFF_ALLMULTI, IFF_PROMISC } from '../../uapi/if.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../uapi/socket.ts'
import { dev_mc_has, dev_uc_has } from '../../net/core/dev_addr_lists.ts'

/** One receive buffer: a block of the arena; a packet's data begin IGB_SKB_PAD into it. */
export const IGB_RXBUFFER: u32 = <u32>RX_BUFFER_SIZE
/** What it counts in truesize: Linux's is half a page. */
export const IGB_RX_TRUESIZE: u32 = 2048
export const IGB_SKB_PAD: u32 = 64
/** Longest frame that one buffer takes: the rest holds headroom and the shared info. */
export const IGB_MAX_FRAME_BUILD_SKB: u32 = 2048 - 64 - 320
/** Bytes of the arrival FIFO of a queue. */
export const IGB_FIFO_SIZE: u32 = 1 << 19
/** A 802.1Q tag more than an untagged frame. */
const VLAN_HLEN: u32 = 4

/** Receive descriptor status. */
export const IGB_RXD_DD: u32 = 1
export const IGB_RXD_EOP: u32 = 2
export const IGB_RXD_IPCS: u32 = 4
export const IGB_RXD_L4CS: u32 = 8
export const IGB_RXD_L4E: u32 = 16

/** A receive descriptor: its buffer, and what the hardware wrote back. */
@unmanaged
@final
export class igb_rx_desc {
  buffer: usize
  length: u32
  status: u32
  seq: u32
}

/** A transmit descriptor: the packet, 1 when the hardware is done with it. */
@unmanaged
@final
export class igb_tx_desc {
  skb: usize
  done: u32
}

/** A queue: a receive ring, a transmit ring and the FIFO of frames that arrive. */
@unmanaged
@final
export class igb_ring {
  dev: usize
  index: u32
  count: u32
  /** Receive: descriptors, where software refills, cleans, and the hardware writes. */
  rx_desc: usize
  rx_next_to_use: u32
  rx_next_to_clean: u32
  rx_hw_head: u32
  /** Transmit: descriptors, where software adds, cleans, and the hardware reads. */
  tx_desc: usize
  tx_next_to_use: u32
  tx_next_to_clean: u32
  tx_hw_head: u32
  /** Payload bytes of the train at tx_hw_head that are on the wire already. */
  tx_hw_sent: u32
  tx_told: u32
  /** Its interrupt may be raised (EIMS). */
  irq_enabled: u32
  fifo: usize
  /** Where the frames are that head and tail speak of: the FIFO, or a batch that was lent. */
  fifo_base: usize
  fifo_head: u32
  fifo_tail: u32
  /** Frames numbered as they arrived. */
  rx_seq: u32
  /** Frames that the address filter kept out, and frames with a bad checksum. */
  rx_filtered: u32
  rx_csum_err: u32
  rx_csum_good: u32
  alloc_failed: u32
  /** Stamps of what is sent (igb_ptp.ts): on; the packet whose stamp is awaited; those that found one awaited. */
  tx_hwtstamp: u32
  ptp_tx_skb: usize
  tx_hwtstamp_skipped: u32
}

export const IGB_RING_SIZE: usize = (offsetof<igb_ring>() + 15) & ~15
export const RX_DESC_SIZE: usize = 16
export const TX_DESC_SIZE: usize = 8

/**
 * A record of the FIFO and of what TypeScript takes from the transmit ring, padded to 8 bytes:
 *
 *  0     4       8               16
 *  | len | flags | time (f64 ns) | bytes ...
 */
export const FRAME_RECORD: u32 = 16

export function rx_desc_at(ring: igb_ring, i: u32): igb_rx_desc {
  return changetype<igb_rx_desc>(ring.rx_desc + <usize>i * RX_DESC_SIZE)
}

export function tx_desc_at(ring: igb_ring, i: u32): igb_tx_desc {
  return changetype<igb_tx_desc>(ring.tx_desc + <usize>i * TX_DESC_SIZE)
}

/** Where bytes more of arriving frames may be written, 0: the FIFO has no room. */
export function igb_fifo_reserve(ring: igb_ring, bytes: u32): usize {
  if (ring.fifo == 0) {
    ring.fifo = kmalloc(IGB_FIFO_SIZE)
    if (ring.fifo == 0) return 0
  }
  if (ring.fifo_head == ring.fifo_tail) {
    ring.fifo_base = ring.fifo
    ring.fifo_head = 0
    ring.fifo_tail = 0
  } else if (ring.fifo_base != ring.fifo) {
    return 0 // a lent batch is read first
  } else if (ring.fifo_tail + bytes > IGB_FIFO_SIZE && ring.fifo_head > 0) {
    memory.copy(ring.fifo, ring.fifo + ring.fifo_head, ring.fifo_tail - ring.fifo_head)
    ring.fifo_tail -= ring.fifo_head
    ring.fifo_head = 0
  }
  return bytes > IGB_FIFO_SIZE || ring.fifo_tail + bytes > IGB_FIFO_SIZE ? 0 : ring.fifo + ring.fifo_tail
}

/** Gives the FIFO back. */
export function igb_fifo_free(ring: igb_ring): void {
  kfree(ring.fifo, IGB_FIFO_SIZE)
  ring.fifo = 0
  ring.fifo_head = ring.fifo_tail
}

/** Frames that lie in this memory already arrive: nothing is copied into the FIFO. False: it is not empty. */
export function igb_fifo_lend(ring: igb_ring, p: usize, bytes: u32): bool {
  if (ring.fifo_head != ring.fifo_tail) return false
  ring.fifo_base = p
  ring.fifo_head = 0
  ring.fifo_tail = bytes
  return true
}

/** Does the address filter let a frame in? Unicast and multicast exactly, as the receive address registers. Counts groups. */
function filter_accepts(dev: net_device, frame: usize): bool {
  if ((load<u64>(frame) & 0x0000ffffffffffff) == dev.dev_addr) return true
  const lo = load<u32>(frame)
  const hi = <u32>load<u16>(frame, 4)
  if (!(lo & 1)) return (dev.flags & IFF_PROMISC) != 0 || (dev.uc != 0 && dev_uc_has(dev, frame))
  if (lo == 0xffffffff && hi == 0xffff) return true
  if (!(dev.flags & (IFF_PROMISC | IFF_ALLMULTI)) && !dev_mc_has(dev, frame)) return false
  dev_stats(dev).multicast += 1
  return true
}

/** Shorter payloads are summed and copied one after the other. */
const FUSED_MIN: u32 = 128

/**
 * Writes a frame into a buffer, and says what the hardware found out about its checksums on the way: IGB_RXD_IPCS,
 * IGB_RXD_L4CS, IGB_RXD_L4E. Fragments, and datagrams without a checksum, have none that it could verify.
 */
function rx_copy(to: usize, frame: usize, len: u32): u32 {
  const ip = changetype<iphdr>(frame + ETH_HLEN)
  const total: u32 = len < ETH_HLEN + IP_UDP_HLEN ? 0 : ntohs(ip.tot_len)
  const header = rx_l4_header(frame, len, total)
  if (header < MIN_HEADER) {
    copy_bytes(to, frame, len)
    return header
  }
  const l4 = ETH_HLEN + header
  const bytes: u32 = total - header
  const pseudo = csum_tcpudp_nofold(ip.saddr, ip.daddr, bytes, ip.protocol, 0)
  let sum: u32
  if (bytes < FUSED_MIN) {
    sum = csum_partial(frame + l4, bytes, pseudo)
    copy_bytes(to, frame, len)
  } else {
    copy_bytes(to, frame, l4)
    sum = csum_partial_copy(frame + l4, to + l4, bytes, pseudo)
    const end = l4 + bytes
    if (end < len) copy_bytes(to + end, frame + end, len - end)
  }
  return csum_fold(sum) == 0 ? IGB_RXD_IPCS | IGB_RXD_L4CS : IGB_RXD_IPCS | IGB_RXD_L4CS | IGB_RXD_L4E
}

const MIN_HEADER: u32 = 20
const IP_UDP_HLEN: u32 = 28
const ETH_P_IP_BE: u32 = 0x0008

/**
 * Bytes of the IPv4 header before a TCP or UDP header whose checksum can be verified, total being what the former says of
 * the whole; below MIN_HEADER: a status, there is none.
 */
function rx_l4_header(frame: usize, len: u32, total: u32): u32 {
  if (len < ETH_HLEN + IP_UDP_HLEN) return 0
  if (<u32>load<u16>(frame, 12) != ETH_P_IP_BE) return 0
  const ip = changetype<iphdr>(frame + ETH_HLEN)
  const first = <u32>load<u8>(frame, ETH_HLEN)
  if (first - 0x45 > 10) return 0 // not version 4, or a header below 20 bytes
  if (ip_is_fragment(ip)) return 0
  const header = (first & 15) << 2
  if (total > len - ETH_HLEN) return 0
  if (total < header + 8) return 0
  const proto = <u32>ip.protocol
  if (proto == IPPROTO_UDP) {
    const l4 = changetype<usize>(ip) + header
    if (load<u16>(l4, 6) == 0) return IGB_RXD_IPCS
    if (ntohs(load<u16>(l4, 4)) != total - header) return IGB_RXD_IPCS
  } else {
    if (proto != IPPROTO_TCP) return IGB_RXD_IPCS
    if (total < header + 20) return IGB_RXD_IPCS
  }
  return header
}

/** Descriptors that a frame of len bytes takes. */
function descriptors_of(len: u32): u32 {
  return len <= IGB_MAX_FRAME_BUILD_SKB ? 1 : (len + IGB_RX_TRUESIZE - 1) / IGB_RX_TRUESIZE
}

/** Descriptors that software has filled and the hardware not yet used. */
function rx_free(ring: igb_ring): u32 {
  return (ring.rx_next_to_use - ring.rx_hw_head) & (ring.count - 1)
}

/** Writes a frame into the next descriptor. */
function rx_write_one(ring: igb_ring, dev: net_device, frame: usize, len: u32): void {
  const desc = rx_desc_at(ring, ring.rx_hw_head)
  const to = desc.buffer + IGB_SKB_PAD
  let status: u32 = 0
  if (dev.features & NETIF_F_RXCSUM) status = rx_copy(to, frame, len)
  else copy_bytes(to, frame, len)
  desc.length = len
  desc.status = IGB_RXD_DD | IGB_RXD_EOP | status
  desc.seq = ring.rx_seq
  ring.rx_hw_head = (ring.rx_hw_head + 1) & (ring.count - 1)
}

/** Writes a frame over the next descriptors; its checksum is left to software. */
function rx_write(ring: igb_ring, frame: usize, len: u32, need: u32): void {
  const mask = ring.count - 1
  let left = len
  for (let i: u32 = 0; i < need; i++) {
    const desc = rx_desc_at(ring, ring.rx_hw_head)
    const n = min(left, IGB_RX_TRUESIZE)
    copy_bytes(desc.buffer, frame + (<usize>len - left), n)
    left -= n
    desc.length = n
    desc.status = i + 1 == need ? IGB_RXD_DD | IGB_RXD_EOP : IGB_RXD_DD
    desc.seq = ring.rx_seq
    ring.rx_hw_head = (ring.rx_hw_head + 1) & mask
  }
}

/** MAC: length checks and the address filter, before a frame may take a descriptor. */
function mac_accepts(ring: igb_ring, dev: net_device, frame: usize, len: u32): bool {
  // One comparison for both ends: what is too short wraps round.
  if (len - ETH_ZLEN > dev.mtu + (ETH_HLEN + VLAN_HLEN - ETH_ZLEN)) {
    const stats = dev_stats(dev)
    stats.rx_errors += 1
    stats.rx_length_errors += 1
    return false
  }
  if (filter_accepts(dev, frame)) return true
  ring.rx_filtered += 1
  return false
}

/**
 * DMA: moves what has arrived by now from the FIFO into descriptors. A frame that finds none is lost (rx_missed); runts,
 * frames over the MTU and frames for others never get that far. Answers how many descriptors were written.
 */
export function igb_dma(ring: igb_ring): u32 {
  const dev = changetype<net_device>(ring.dev)
  const up = (dev.state & 1) != 0
  // The clock has whole nanoseconds; what arrives in the course of one has arrived. Times are not negative: their bits
  // are in the same order as they.
  const now = reinterpret<u64>(<f64>boot.now + 1)
  const before = ring.rx_hw_head
  while (ring.fifo_head != ring.fifo_tail) {
    const record = ring.fifo_base + ring.fifo_head
    if (load<u64>(record, 8) >= now) break
    const len = load<u32>(record)
    const frame = record + FRAME_RECORD
    ring.fifo_head += (FRAME_RECORD + len + 7) & ~7
    if (!up) continue
    if (mac_accepts(ring, dev, frame, len)) {
      const need = descriptors_of(len)
      if (rx_free(ring) < need) dev_stats(dev).rx_missed_errors += 1
      else if (need == 1) rx_write_one(ring, dev, frame, len)
      else rx_write(ring, frame, len, need)
    }
    ring.rx_seq += 1
  }
  return (ring.rx_hw_head - before) & (ring.count - 1)
}
