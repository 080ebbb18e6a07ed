// An Intel gigabit NIC: the driver's side of its rings. Mirrors drivers/net/ethernet/intel/igb/igb_main.c.
// The hardware's side is in igb_ring.ts and src/drivers/net; the poll is in path.ts, which knows where packets go.

import { SLOT_NDO_START_XMIT, boot, slot_set } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import {
  QUEUE_STATE_DRV_XOFF,
  netdev_get_tx_queue,
  netdev_tx_completed_queue,
  netdev_tx_reset_queue,
  netdev_tx_sent_queue,
  netif_tx_start_queue,
  netif_tx_stop_queue,
} from '../../include/netdev_queue.ts'
import {
  DEV_KIND_IGB,
  NAPI_KIND_IGB,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_TSO_MANGLEID,
  dev_stats,
  napi_struct,
  net_device,
} from '../../include/netdevice.ts'
import {
  CHECKSUM_UNNECESSARY,
  NET_SKB_PAD,
  SKB_BORN_RECEIVED,
  SKB_ENDED_TRANSMITTED,
  SKB_GSO_UDP_L4,
  SKB_HEAD_TRUESIZE,
  SKB_TX_STAMP,
  sk_buff,
  skb_gso_segs,
} from '../../include/skbuff.ts'
import { EV_IGB_TX, event_push } from '../../kernel/event.ts'
import { kfree, kzalloc, rx_buffer_after, rx_buffer_carve, rx_buffers_begin, rx_buffers_end } from '../../lib/arena.ts'
import { UDP_HLEN, tcphdr } from '../../include/headers.ts'
import { copy_bytes } from '../../lib/checksum.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { TRACE_KIND_FRAME, trace_frame, trace_packet, walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_QUEUE_PURGE } from '../../uapi/dropreason.ts'
import { EINVAL, ENOMEM } from '../../uapi/errno.ts'
import {
  FN___handle_irq_event_percpu,
  FN___napi_schedule,
  FN_handle_edge_irq,
  FN_handle_irq_event,
  FN_igb_alloc_rx_buffers,
  FN_igb_clean_rx_irq,
  FN_igb_clean_tx_irq,
  FN_igb_msix_ring,
  FN_igb_tx_timeout,
  FN_igb_xmit_frame,
  FN_napi_alloc_skb,
  FN_napi_schedule_prep,
} from '../../uapi/functions.ts'
import { ETH_MIN_MTU } from '../../uapi/if_ether.ts'
import { alloc_netdev_mqs, napi_schedule, register_netdevice } from '../../net/core/dev.ts'
import { skb_tx_timestamp } from '../../net/core/skb_tstamp.ts'
import { skb_is_gso } from '../../net/core/gso.ts'
import {
  NO_SKB,
  __build_skb,
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  skb_put,
  skb_headroom,
  skb_shinfo,
  skb_transport_header,
} from '../../net/core/skbuff.ts'
import { netif_schedule_queue, netif_tx_wake_queue } from '../../net/sched/sch_generic.ts'
import { ether_setup } from './ether.ts'
import { igb_ptp_tx_begin, igb_ptp_tx_forget } from './igb_ptp.ts'
import {
  IGB_RING_SIZE,
  IGB_RXBUFFER,
  IGB_RX_TRUESIZE,
  IGB_RXD_DD,
  IGB_RXD_EOP,
  IGB_RXD_L4CS,
  IGB_RXD_L4E,
  IGB_SKB_PAD,
  RX_DESC_SIZE,
  TX_DESC_SIZE,
  igb_dma,
  igb_ring,
  igb_rx_desc,
  rx_desc_at,
  tx_desc_at,
  igb_fifo_free,
} from './igb_ring.ts'

/** What the hardware does for software. */
const IGB_FEATURES: u32 =
  NETIF_F_SG | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_RXCSUM | NETIF_F_HW_CSUM | NETIF_F_GSO_UDP_L4

/** Largest MTU of the hardware (MAX_STD_JUMBO_FRAME_SIZE). */
const IGB_MAX_MTU: u32 = 9216
/** Cleaned descriptors that are refilled at once. */
const IGB_RX_BUFFER_WRITE: u32 = 16
/** Transmit descriptors that must be free before a packet is taken. */
const IGB_TX_RESERVE: u32 = 2

/** A queue with its NAPI context lies at this distance behind another. */
const QUEUE_SIZE: usize = IGB_RING_SIZE + ((offsetof<napi_struct>() + 15) & ~15)

/** Behind the net_device: how many queues, then the queues. */
const QUEUES: usize = 16

export function igb_ring_of(dev: net_device, queue: u32): igb_ring {
  return changetype<igb_ring>(dev.priv + QUEUES + <usize>queue * QUEUE_SIZE)
}

export function igb_napi_of(dev: net_device, queue: u32): napi_struct {
  return changetype<napi_struct>(dev.priv + QUEUES + <usize>queue * QUEUE_SIZE + IGB_RING_SIZE)
}

export function igb_queues(dev: net_device): u32 {
  return load<u32>(dev.priv)
}

/** Fills up to n descriptors with fresh buffers. Without memory fewer: the ring runs short, as in Linux. */
function igb_alloc_rx_buffers(ring: igb_ring, n: u32): void {
  walk(FN_igb_alloc_rx_buffers, 0)
  const mask = ring.count - 1
  let at = ring.rx_next_to_use
  let free = rx_buffers_begin()
  for (; n > 0; n--) {
    const desc = rx_desc_at(ring, at)
    if (desc.buffer == 0) {
      const taken = free ? free : rx_buffer_carve()
      if (taken == 0) {
        ring.alloc_failed += 1
        break
      }
      if (free) free = rx_buffer_after(free)
      desc.buffer = taken
    }
    desc.status = 0
    at = (at + 1) & mask
  }
  rx_buffers_end(free)
  ring.rx_next_to_use = at
}

/** Descriptors that software could fill. */
function igb_desc_unused(ring: igb_ring): u32 {
  return (ring.rx_next_to_clean - ring.rx_next_to_use - 1) & (ring.count - 1)
}

/** The end of a poll's receive loop: what is left of the cleaned descriptors is refilled too. */
export function igb_refill(ring: igb_ring): void {
  const unused = igb_desc_unused(ring)
  if (unused) igb_alloc_rx_buffers(ring, unused)
}

/** A frame in one buffer: the packet takes the buffer over. */
function igb_build_skb(ring: igb_ring, desc: igb_rx_desc): sk_buff {
  const skb = __build_skb(
    desc.buffer,
    IGB_RXBUFFER,
    IGB_SKB_PAD,
    changetype<net_device>(ring.dev).nd_net,
    SKB_BORN_RECEIVED,
  )
  if (changetype<usize>(skb) == 0) return NO_SKB
  const length = desc.length
  skb.tail = desc.buffer + IGB_SKB_PAD + length
  skb.len = length
  desc.buffer = 0
  skb.truesize = IGB_RX_TRUESIZE + SKB_HEAD_TRUESIZE
  return skb
}

/** A frame over several buffers: copied together; the buffers stay in the ring. NO_SKB: no memory, the frame is lost. */
function igb_gather_skb(ring: igb_ring): sk_buff {
  const mask = ring.count - 1
  let total: u32 = 0
  let count: u32 = 0
  for (let i = ring.rx_next_to_clean; ; i = (i + 1) & mask) {
    total += rx_desc_at(ring, i).length
    count += 1
    if (rx_desc_at(ring, i).status & IGB_RXD_EOP) break
  }
  const skb = alloc_skb(total, NET_SKB_PAD, changetype<net_device>(ring.dev).nd_net, SKB_BORN_RECEIVED)
  for (let k: u32 = 0; k < count; k++) {
    const desc = rx_desc_at(ring, (ring.rx_next_to_clean + k) & mask)
    if (changetype<usize>(skb)) copy_bytes(skb_put(skb, desc.length), desc.buffer, desc.length)
    if (k + 1 < count) desc.status = 0
  }
  ring.rx_next_to_clean = (ring.rx_next_to_clean + count - 1) & mask
  if (changetype<usize>(skb)) skb.truesize = SKB_HEAD_TRUESIZE + count * IGB_RX_TRUESIZE
  return skb
}

/** What each received frame passes in the driver. */
const RX_WALK: usize = memory.data<u32>([FN_napi_alloc_skb, 0])

/**
 * The descriptor of the next received frame, 0: none is ready. Before it looks, DMA moves in what has arrived by now, and
 * cleaned descriptors are refilled in blocks.
 */
export function igb_rx_ready(ring: igb_ring): usize {
  if (igb_desc_unused(ring) >= IGB_RX_BUFFER_WRITE) igb_alloc_rx_buffers(ring, igb_desc_unused(ring))
  if (ring.fifo_head != ring.fifo_tail) igb_dma(ring)
  const desc = rx_desc_at(ring, ring.rx_next_to_clean)
  return desc.status & IGB_RXD_DD ? changetype<usize>(desc) : 0
}

/** That frame as a packet with data at its Ethernet header; the ring goes on. NO_SKB: no memory, the frame is lost. */
export function igb_take_rx(ring: igb_ring, first: igb_rx_desc): sk_buff {
  const dev = changetype<net_device>(ring.dev)
  const single = first.status & IGB_RXD_EOP
  const skb = single ? igb_build_skb(ring, first) : igb_gather_skb(ring)
  const last = single ? first : rx_desc_at(ring, ring.rx_next_to_clean)
  const final = last.status
  last.status = 0
  ring.rx_next_to_clean = (ring.rx_next_to_clean + 1) & (ring.count - 1)
  if (changetype<usize>(skb) == 0) {
    ring.alloc_failed += 1
    dev_stats(dev).rx_dropped += 1
    return NO_SKB
  }
  if (final & IGB_RXD_L4CS) {
    if (final & IGB_RXD_L4E) ring.rx_csum_err += 1
    else {
      skb.ip_summed = <u8>CHECKSUM_UNNECESSARY
      ring.rx_csum_good += 1
    }
  }
  skb.rx_seq = last.seq
  skb.queue_mapping = <u16>(ring.index + 1) // skb_record_rx_queue
  if (single) trace_frame(FN_igb_clean_rx_irq, skb, RX_WALK, dev.ifindex, SKB_BORN_RECEIVED)
  else trace_packet(TRACE_KIND_FRAME, FN_igb_clean_rx_irq, skb.id, skb.rx_seq, dev.ifindex)
  const stats = dev_stats(dev)
  stats.rx_packets += 1
  stats.rx_bytes += skb.len
  return skb
}

/** The queue's interrupt: masked until the poll is complete. */
export function igb_msix_ring(dev: net_device, queue: u32): void {
  if (boot.trace_flags) {
    walk(FN_handle_edge_irq, 0)
    walk(FN_handle_irq_event, 0)
    walk(FN___handle_irq_event_percpu, 0)
    walk(FN_igb_msix_ring, 0)
    walk(FN_napi_schedule_prep, 0)
    walk(FN___napi_schedule, 0)
  }
  igb_ring_of(dev, queue).irq_enabled = 0
  napi_schedule(igb_napi_of(dev, queue))
}

/** Puts a packet on the transmit ring of its queue; stops the queue when the next might not fit. */
export function igb_xmit_frame(p: usize, d: usize): i32 {
  const dev = changetype<net_device>(d)
  const skb = changetype<sk_buff>(p)
  const queue = <u32>skb.queue_mapping
  const ring = igb_ring_of(dev, queue)
  const txq = netdev_get_tx_queue(dev, queue)
  walk(FN_igb_xmit_frame, p)
  const unused = tx_unused(ring)
  if (unused <= IGB_TX_RESERVE) {
    netif_tx_stop_queue(txq)
    if (unused < IGB_TX_RESERVE) return NETDEV_TX_BUSY
  }
  const desc = tx_desc_at(ring, ring.tx_next_to_use)
  if (skb.skb_flags & SKB_TX_STAMP) {
    igb_ptp_tx_begin(ring, skb)
    skb_tx_timestamp(skb)
  }
  desc.skb = p
  desc.done = 0
  ring.tx_next_to_use = (ring.tx_next_to_use + 1) & (ring.count - 1)
  netdev_tx_sent_queue(txq, wire_bytes(skb))
  if (!ring.tx_told) {
    ring.tx_told = 1
    event_push(EV_IGB_TX, changetype<u32>(dev), queue, 0)
  }
  return NETDEV_TX_OK
}

function tx_unused(ring: igb_ring): u32 {
  return (ring.tx_next_to_clean - ring.tx_next_to_use - 1) & (ring.count - 1)
}

/** Bytes of all headers of a train, which each of its frames has. */
export function igb_headers_len(skb: sk_buff): u32 {
  const transport = <u32>skb.transport_header - skb_headroom(skb)
  if (skb_shinfo(skb).gso_type & SKB_GSO_UDP_L4) return transport + UDP_HLEN
  return transport + (((<u32>changetype<tcphdr>(skb_transport_header(skb)).doff_res) >> 4) << 2)
}

/** Bytes on the wire of a packet: of a train each frame has the headers. */
function wire_bytes(skb: sk_buff): u32 {
  return skb_is_gso(skb) ? skb.len + (skb_gso_segs(skb) - 1) * igb_headers_len(skb) : skb.len
}

/** Frees what the hardware has sent, and lets the queue go on. */
export function igb_clean_tx_irq(ring: igb_ring): void {
  walk(FN_igb_clean_tx_irq, 0)
  const dev = changetype<net_device>(ring.dev)
  const mask = ring.count - 1
  let at = ring.tx_next_to_clean
  let packets: u32 = 0
  let bytes: u32 = 0
  for (const end = ring.tx_next_to_use; at != end; at = (at + 1) & mask) {
    const desc = tx_desc_at(ring, at)
    if (!desc.done) break
    const skb = changetype<sk_buff>(desc.skb)
    packets += skb_gso_segs(skb)
    bytes += wire_bytes(skb)
    desc.skb = 0
    consume_skb(skb, SKB_ENDED_TRANSMITTED)
  }
  if (packets == 0) return
  ring.tx_next_to_clean = at
  const stats = dev_stats(dev)
  stats.tx_packets += packets
  stats.tx_bytes += bytes
  const txq = netdev_get_tx_queue(dev, ring.index)
  if (netdev_tx_completed_queue(txq, bytes)) netif_schedule_queue(txq)
  if (txq.state & QUEUE_STATE_DRV_XOFF && tx_unused(ring) >= ring.count >> 1) netif_tx_wake_queue(txq)
}

/** Has the hardware sent something that is not freed yet? */
export function igb_tx_waiting(ring: igb_ring): bool {
  return ring.tx_next_to_clean != ring.tx_next_to_use && tx_desc_at(ring, ring.tx_next_to_clean).done != 0
}

/** Does this queue's ring still hold something for the poll? */
export function igb_rx_waiting(ring: igb_ring): bool {
  igb_dma(ring)
  return (rx_desc_at(ring, ring.rx_next_to_clean).status & IGB_RXD_DD) != 0
}

function ring_create(dev: net_device, queue: u32, count: u32): bool {
  const ring = igb_ring_of(dev, queue)
  ring.dev = changetype<usize>(dev)
  ring.index = queue
  ring.count = count
  ring.rx_desc = kzalloc(<usize>count * RX_DESC_SIZE)
  ring.tx_desc = kzalloc(<usize>count * TX_DESC_SIZE)
  if (ring.rx_desc == 0 || ring.tx_desc == 0) {
    kfree(ring.rx_desc, <usize>count * RX_DESC_SIZE)
    kfree(ring.tx_desc, <usize>count * TX_DESC_SIZE)
    return false
  }
  ring.irq_enabled = 1
  const napi = igb_napi_of(dev, queue)
  napi.dev = changetype<usize>(dev)
  napi.kind = NAPI_KIND_IGB
  napi.weight = 64
  napi.priv = changetype<usize>(ring)
  return true
}

/** The device comes up: its receive rings are filled (igb_configure). */
export function igb_up(dev: net_device): void {
  for (let q: u32 = 0; q < igb_queues(dev); q++) {
    const ring = igb_ring_of(dev, q)
    igb_alloc_rx_buffers(ring, igb_desc_unused(ring))
    ring.irq_enabled = 1
  }
}

/** It goes down: what was received or waits to be sent is lost, and buffers are given back (igb_clean_rx_ring, _tx_ring). */
export function igb_down(dev: net_device): void {
  for (let q: u32 = 0; q < igb_queues(dev); q++) {
    const ring = igb_ring_of(dev, q)
    ring.irq_enabled = 0
    for (let i: u32 = 0; i < ring.count; i++) {
      const desc = rx_desc_at(ring, i)
      kfree(desc.buffer, IGB_RXBUFFER)
      desc.buffer = 0
      desc.status = 0
    }
    ring.rx_next_to_use = 0
    ring.rx_next_to_clean = 0
    ring.rx_hw_head = 0
    igb_clean_tx_ring(ring)
    netif_tx_start_queue(netdev_get_tx_queue(dev, q))
  }
}

/** What the hardware did not send is lost. */
function igb_clean_tx_ring(ring: igb_ring): void {
  igb_ptp_tx_forget(ring)
  while (ring.tx_next_to_clean != ring.tx_next_to_use) {
    const desc = tx_desc_at(ring, ring.tx_next_to_clean)
    kfree_skb_reason(changetype<sk_buff>(desc.skb), SKB_DROP_REASON_QUEUE_PURGE, FN_igb_clean_tx_irq)
    desc.skb = 0
    ring.tx_next_to_clean = (ring.tx_next_to_clean + 1) & (ring.count - 1)
  }
  ring.tx_hw_head = ring.tx_next_to_use
  ring.tx_told = 0
  netdev_tx_reset_queue(netdev_get_tx_queue(changetype<net_device>(ring.dev), ring.index))
}

/** The watchdog found a queue hanging: all transmit rings begin anew (igb_tx_timeout, igb_reset_task). */
function igb_tx_timeout(p: usize, _queue: u32): void {
  walk(FN_igb_tx_timeout, 0)
  const dev = changetype<net_device>(p)
  for (let q: u32 = 0; q < igb_queues(dev); q++) {
    igb_clean_tx_ring(igb_ring_of(dev, q))
    netif_tx_start_queue(netdev_get_tx_queue(dev, q))
    netif_schedule_queue(netdev_get_tx_queue(dev, q))
  }
}

/** Its rings and FIFOs are given back; it is down. */
export function igb_free(dev: net_device): void {
  igb_down(dev)
  for (let q: u32 = 0; q < igb_queues(dev); q++) {
    const ring = igb_ring_of(dev, q)
    kfree(ring.rx_desc, <usize>ring.count * RX_DESC_SIZE)
    kfree(ring.tx_desc, <usize>ring.count * TX_DESC_SIZE)
    igb_fifo_free(ring)
  }
}

/** An igb with queues of count descriptors (a power of two, 64 to 4096), down; a negative pointer: -errno. */
export function igb_create(net: net, name: usize, mac: usize, queues: u32, count: u32): usize {
  if (queues == 0 || queues > 16 || count < 64 || count > 4096 || count & (count - 1)) return ERR_PTR(EINVAL)
  const p = alloc_netdev_mqs(DEV_KIND_IGB, QUEUES + <usize>queues * QUEUE_SIZE, name, queues)
  if (p == 0) return ERR_PTR(ENOMEM)
  const dev = changetype<net_device>(p)
  ether_setup(dev, mac, ETH_MIN_MTU, IGB_MAX_MTU)
  dev.features = IGB_FEATURES | NETIF_F_HIGHDMA
  dev.hw_features = IGB_FEATURES
  dev.hw_enc_features = dev.features | NETIF_F_TSO_MANGLEID
  dev.ndo_tx_timeout = igb_tx_timeout.index
  store<u32>(dev.priv, queues)
  for (let q: u32 = 0; q < queues; q++) {
    if (!ring_create(dev, q, count)) return ERR_PTR(ENOMEM)
  }
  dev.napi_list = changetype<usize>(igb_napi_of(dev, 0))
  const err = register_netdevice(net, dev)
  return err < 0 ? <usize>err : p
}

/** Enters the driver into the table of ndo_start_xmit. */
export function igb_init(): void {
  slot_set(SLOT_NDO_START_XMIT + DEV_KIND_IGB, igb_xmit_frame.index)
}
