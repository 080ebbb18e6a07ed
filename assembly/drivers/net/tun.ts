// TAP and TUN: frames, or packets, come from a program and go to it. Mirrors drivers/net/tun.c (IFF_NO_PI, IFF_NAPI).
// Left out here: several queues. The poll and the way up are in path.ts.

import { SLOT_NDO_START_XMIT, slot_set } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import {
  DEV_KIND_TUN,
  NAPI_KIND_TUN,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_HW_VLAN_STAG_TX,
  NETIF_F_SG,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_TSO_ECN,
  NET_XMIT_DROP,
  dev_stats,
  napi_struct,
  net_device,
} from '../../include/netdevice.ts'
import {
  NET_SKB_PAD,
  SKB_BORN_RECEIVED,
  SKB_ENDED_TRANSMITTED,
  SKB_HEAD_TRUESIZE,
  SKB_SHINFO_TRUESIZE,
  sk_buff,
  sk_buff_head,
} from '../../include/skbuff.ts'
import { EV_TUN_TX, event_push } from '../../kernel/event.ts'
import { copy_bytes } from '../../lib/checksum.ts'
import { TRACE_KIND_FRAME, trace_packet, walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_FULL_RING,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_QUEUE_PURGE,
  SKB_DROP_REASON_SKB_UCOPY_FAULT,
} from '../../uapi/dropreason.ts'
import { EAGAIN, EINVAL, EIO, ENOMEM } from '../../uapi/errno.ts'
import { FN_tun_get_user, FN_tun_net_close, FN_tun_net_xmit } from '../../uapi/functions.ts'
import { ARPHRD_NONE } from '../../uapi/if_arp.ts'
import { ETH_DATA_LEN, ETH_HLEN, ETH_MAX_MTU, ETH_MIN_MTU } from '../../uapi/if_ether.ts'
import {
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_UP,
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_TSO_ECN,
  TUN_F_UFO,
  TUN_F_USO4,
  TUN_F_USO6,
  TUN_READQ_SIZE,
} from '../../uapi/if.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { alloc_netdev, free_netdev, register_netdevice } from '../../net/core/dev.ts'
import { skb_tx_timestamp } from '../../net/core/skb_tstamp.ts'
import { TUN_USER_FEATURES, features_of_reader } from '../../net/core/dev_features.ts'
import { skb_orphan_frags_rx } from '../../net/core/msg_zerocopy.ts'
import {
  __skb_dequeue,
  __skb_queue_purge_reason,
  __skb_queue_tail,
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  skb_orphan,
  skb_put,
  skb_reset_mac_header,
} from '../../net/core/skbuff.ts'
import { append_pages } from '../../net/core/skb_pages.ts'
import { skb_copy_bits } from '../../net/core/skbuff_data.ts'
import {
  VIRTIO_NET_HDR_SIZE,
  virtio_net_hdr,
  virtio_net_hdr_from_skb,
  virtio_net_hdr_parse,
  virtio_net_hdr_to_skb,
} from '../../net/core/virtio_net.ts'
import { eth_type_trans } from '../../net/ethernet/eth.ts'
import { ip_version_protocol } from '../../net/ethernet/header_ops.ts'
import { ether_setup } from './ether.ts'

/** Behind the net_device: the queue to the reader, the queue to the poll, and its NAPI context. */
@unmanaged
@final
export class tun_file {
  tx_head: usize
  tx_tail: usize
  tx_qlen: u32
  rx_head: usize
  rx_tail: usize
  rx_qlen: u32
  /** Polled: frames wait for NAPI (IFF_NAPI). */
  napi_enabled: u32
  /** An EV_TUN_TX lies in the ring. */
  tx_told: u32
  /** Frames that came in, for those who number them. */
  rx_seq: u32
  /** Bytes of the virtio_net_hdr before each frame (IFF_VNET_HDR), 0: there is none. */
  vnet_hdr_sz: u32
}

const TUN_FILE: usize = offsetof<tun_file>()
const TX_QUEUE: usize = offsetof<tun_file>('tx_head')
const RX_QUEUE: usize = offsetof<tun_file>('rx_head')
const PAGE: u32 = 4096
/** Most bytes that are laid in front of a large frame (SKB_MAX_HEAD). */
const GOOD_LINEAR: u32 = PAGE - NET_SKB_PAD - SKB_SHINFO_TRUESIZE
/** What may be switched: what its reader takes, and what the driver can anyway. */
const HW_FEATURES: u32 =
  NETIF_F_SG | NETIF_F_FRAGLIST | TUN_USER_FEATURES | NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_STAG_TX
/** Headroom that tun_build_skb leaves for XDP when it decides whether a page is enough. */
const XDP_PACKET_HEADROOM: u32 = 256

function tun_of(dev: net_device): tun_file {
  return changetype<tun_file>(dev.priv)
}

/** IFF_NAPI: frames wait for the poll. */
export function tun_polled(dev: net_device): bool {
  return tun_of(dev).napi_enabled != 0
}

export function tun_napi(dev: net_device): napi_struct {
  return changetype<napi_struct>(dev.priv + TUN_FILE)
}

/** Linux's truesize of a frame of len bytes: one buffer up to a page, else a small head and pages. */
function tun_truesize(len: u32): u32 {
  const padded = (len + NET_SKB_PAD + 63) & ~63
  if (padded + XDP_PACKET_HEADROOM + SKB_SHINFO_TRUESIZE <= PAGE)
    return padded + SKB_SHINFO_TRUESIZE + SKB_HEAD_TRUESIZE
  if (len + NET_SKB_PAD < PAGE) {
    const need = padded + SKB_SHINFO_TRUESIZE
    return (need <= PAGE ? PAGE : 2 * PAGE) + SKB_HEAD_TRUESIZE
  }
  return 512 + SKB_HEAD_TRUESIZE + ((len + PAGE - 1) & ~(PAGE - 1))
}

/** An empty packet for a frame of len bytes, of which linear are to lie in front, the others on pages. */
function tun_alloc_skb(dev: net_device, len: u32, linear: u32): sk_buff {
  const skb = alloc_skb(linear, NET_SKB_PAD, dev.nd_net, SKB_BORN_RECEIVED)
  if (changetype<usize>(skb)) skb.truesize = tun_truesize(len)
  return skb
}

/** The frame, with what its header says of it (data at its begin). 0 or -errno: the skb is still the caller's. */
function tun_fill(dev: net_device, skb: sk_buff, from: usize, len: u32, linear: u32, hdr: usize): i32 {
  copy_bytes(skb_put(skb, linear), from, linear)
  if (linear < len && !append_pages(skb, from + linear, len - linear)) return -ENOMEM
  return hdr ? virtio_net_hdr_to_skb(skb, changetype<virtio_net_hdr>(hdr)) : 0
}

/** A frame that cannot be taken. */
function tun_refuse(dev: net_device, skb: sk_buff, err: i32, reason: u32): usize {
  if (err != -EINVAL) dev_stats(dev).rx_dropped += 1
  skb.dev = changetype<usize>(dev)
  kfree_skb_reason(skb, reason, FN_tun_get_user)
  return ERR_PTR(-err)
}

/**
 * A frame of len bytes at from, its virtio_net_hdr before it if the device has one, becomes a packet of dev (tun_get_user).
 * Answers the skb, or ERR_PTR for the writer: -EINVAL below a header (of a TUN: for no IP version), or for a header that is not
 * right, -EIO while the device is down, -ENOMEM.
 */
export function tun_get_user(dev: net_device, from: usize, len: u32): usize {
  walk(FN_tun_get_user, 0)
  const size = tun_of(dev).vnet_hdr_sz
  const hdr = size ? from : 0
  let front = 0
  if (size) {
    if (len < size) return ERR_PTR(EINVAL)
    from += size
    len -= size
    front = virtio_net_hdr_parse(changetype<virtio_net_hdr>(hdr), len)
    if (front < 0) return <usize>front
  }
  const tap = dev.hard_header_len != 0
  if (tap && (len < ETH_HLEN || (front && front < <i32>ETH_HLEN))) return ERR_PTR(EINVAL)
  const linear = front == 0 || len + NET_SKB_PAD < PAGE ? len : min(<u32>front, GOOD_LINEAR)
  const skb = tun_alloc_skb(dev, len, linear)
  if (changetype<usize>(skb) == 0) {
    dev_stats(dev).rx_dropped += 1
    return ERR_PTR(ENOMEM)
  }
  const err = tun_fill(dev, skb, from, len, linear, hdr)
  if (err) return tun_refuse(dev, skb, err, SKB_DROP_REASON_NOT_SPECIFIED)
  const protocol: u16 = tap ? 0 : ip_version_protocol(from, len)
  if (!tap && protocol == 0) {
    dev_stats(dev).rx_dropped += 1
    return tun_refuse(dev, skb, -EINVAL, SKB_DROP_REASON_NOT_SPECIFIED)
  }
  if (!(dev.flags & IFF_UP)) return tun_refuse(dev, skb, -EIO, SKB_DROP_REASON_DEV_READY)
  skb.rx_seq = tun_of(dev).rx_seq++
  trace_packet(TRACE_KIND_FRAME, FN_tun_get_user, skb.id, skb.rx_seq, dev.ifindex)
  if (tap) {
    skb.protocol = eth_type_trans(skb, dev)
  } else {
    skb.protocol = protocol
    skb.dev = changetype<usize>(dev)
    skb_reset_mac_header(skb)
  }
  const stats = dev_stats(dev)
  stats.rx_packets += 1
  stats.rx_bytes += len
  return changetype<usize>(skb)
}

/** IFF_NAPI: the packet waits for the poll. */
export function tun_queue_rx(dev: net_device, skb: sk_buff): void {
  __skb_queue_tail(changetype<sk_buff_head>(dev.priv + RX_QUEUE), skb)
}

/** What waits for the poll. */
export function tun_rx_queue(dev: net_device): sk_buff_head {
  return changetype<sk_buff_head>(dev.priv + RX_QUEUE)
}

/** Queues a frame for the reader; a full queue drops it. */
export function tun_net_xmit(p: usize, d: usize): i32 {
  const skb = changetype<sk_buff>(p)
  const dev = changetype<net_device>(d)
  const tun = tun_of(dev)
  walk(FN_tun_net_xmit, p)
  if (tun.tx_qlen >= dev.tx_queue_len) {
    dev_stats(dev).tx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_FULL_RING, FN_tun_net_xmit)
    return NET_XMIT_DROP
  }
  if (!skb_orphan_frags_rx(skb)) {
    dev_stats(dev).tx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT, FN_tun_net_xmit)
    return NET_XMIT_DROP
  }
  skb_tx_timestamp(skb)
  skb_orphan(skb)
  __skb_queue_tail(changetype<sk_buff_head>(dev.priv + TX_QUEUE), skb)
  if (!tun.tx_told) {
    tun.tx_told = 1
    event_push(EV_TUN_TX, changetype<u32>(dev), 0, 0)
  }
  return NETDEV_TX_OK
}

/** Copies the next frame to a reader, its virtio_net_hdr before it. Their length, at most max bytes are written; -EAGAIN: none waits. */
export function tun_do_read(dev: net_device, to: usize, max: u32): i32 {
  const tun = tun_of(dev)
  const skb = __skb_dequeue(changetype<sk_buff_head>(dev.priv + TX_QUEUE))
  if (changetype<usize>(skb) == 0) {
    tun.tx_told = 0
    return -EAGAIN
  }
  const len = skb.len
  const size = tun_of(dev).vnet_hdr_sz
  if (size) virtio_net_hdr_from_skb(skb, changetype<virtio_net_hdr>(to))
  skb_copy_bits(skb, 0, to + size, min(len, max - size))
  const stats = dev_stats(dev)
  stats.tx_packets += 1
  stats.tx_bytes += len
  consume_skb(skb, SKB_ENDED_TRANSMITTED)
  return <i32>(size + len)
}

/** The device goes down: what waits for the poll is lost. */
export function tun_purge_rx(dev: net_device, fn: u32): void {
  __skb_queue_purge_reason(changetype<sk_buff_head>(dev.priv + RX_QUEUE), SKB_DROP_REASON_QUEUE_PURGE, fn)
}

/** The program has closed it: what it has not read is lost. */
export function tun_free(dev: net_device): void {
  tun_purge_rx(dev, FN_tun_net_close)
  const queue = changetype<sk_buff_head>(dev.priv + TX_QUEUE)
  __skb_queue_purge_reason(queue, SKB_DROP_REASON_QUEUE_PURGE, FN_tun_net_close)
}

/** Links without link headers (tun_net_init, IFF_TUN). */
function tun_setup(dev: net_device): void {
  dev.type = <u16>ARPHRD_NONE
  dev.mtu = ETH_DATA_LEN
  dev.min_mtu = ETH_MIN_MTU
  dev.max_mtu = ETH_MAX_MTU
  dev.flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST
  dev.tx_queue_len = TUN_READQ_SIZE
}

/**
 * What the reader takes from now on (TUNSETOFFLOAD): checksums and trains that it finishes itself, TUN_F_*. 0, or -EINVAL: one
 * that it needs checksums for, or that there is not.
 */
export function tun_set_offload(dev: net_device, arg: u32): i32 {
  let features: u32 = 0
  if (arg & TUN_F_CSUM) {
    features = NETIF_F_HW_CSUM
    arg &= ~TUN_F_CSUM
    if (arg & (TUN_F_TSO4 | TUN_F_TSO6)) {
      if (arg & TUN_F_TSO_ECN) features |= NETIF_F_TSO_ECN
      arg &= ~TUN_F_TSO_ECN
      if (arg & TUN_F_TSO4) features |= NETIF_F_TSO
      if (arg & TUN_F_TSO6) features |= NETIF_F_TSO6
      arg &= ~(TUN_F_TSO4 | TUN_F_TSO6)
    }
    arg &= ~TUN_F_UFO // of old: taken, and nothing follows
    const both = TUN_F_USO4 | TUN_F_USO6
    if ((arg & both) == both) {
      features |= NETIF_F_GSO_UDP_L4
      arg &= ~both
    }
  }
  if (arg) return -EINVAL
  features_of_reader(dev, features)
  return 0
}

/** A TAP, or without a MAC a TUN, with carrier, down; vnet: frames have a virtio_net_hdr. A negative pointer: -EEXIST, -ENOMEM. */
export function tun_create(net: net, name: usize, mac: usize, napi: u32, vnet: u32): usize {
  const p = alloc_netdev(DEV_KIND_TUN, TUN_FILE + offsetof<napi_struct>(), name)
  if (p == 0) return ERR_PTR(ENOMEM)
  const dev = changetype<net_device>(p)
  if (mac) ether_setup(dev, mac, ETH_MIN_MTU, ETH_MAX_MTU - ETH_HLEN)
  else tun_setup(dev)
  dev.hw_features = HW_FEATURES
  dev.features = HW_FEATURES
  tun_of(dev).napi_enabled = napi
  tun_of(dev).vnet_hdr_sz = vnet ? VIRTIO_NET_HDR_SIZE : 0
  const context = tun_napi(dev)
  context.dev = p
  context.kind = NAPI_KIND_TUN
  context.weight = 64
  dev.napi_list = changetype<usize>(context)
  const err = register_netdevice(net, dev)
  if (err == 0) return p
  free_netdev(dev)
  return <usize>err
}

/** Enters the driver into the table of ndo_start_xmit. */
export function tun_init(): void {
  slot_set(SLOT_NDO_START_XMIT + DEV_KIND_TUN, tun_net_xmit.index)
}
