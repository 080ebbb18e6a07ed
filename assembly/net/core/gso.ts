// Generic segmentation offload: a packet stands for a train of segments until a device needs them cut.
// Mirrors net/core/gso.c and the GSO checks of net/core/dev.c. Left out: partial segmentation, protocols other than IPv4.

import { SLOT_INET_GSO_SEGMENT, slot_get } from '../../lib/boot.ts'
import { UDP_HLEN, tcphdr } from '../../include/headers.ts'
import { IP_DF, iphdr } from '../../include/ip.ts'
import {
  NETIF_F_CSUM_MASK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_FRAGLIST,
  NETIF_F_GSO_IPXIP4,
  NETIF_F_GSO_MASK,
  NETIF_F_GSO_ROBUST,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_GSO_UDP_TUNNEL,
  NETIF_F_GSO_UDP_TUNNEL_CSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_TSO_ECN,
  NETIF_F_TSO_MANGLEID,
  net_device,
} from '../../include/netdevice.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  SKB_ENCAPSULATION,
  SKB_GSO_CB,
  SKB_GSO_DODGY,
  SKB_GSO_FRAGLIST,
  SKB_GSO_IPXIP4,
  SKB_GSO_TCPV4,
  SKB_GSO_TCPV6,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_UDP,
  SKB_GSO_UDP_L4,
  SKB_GSO_UDP_TUNNEL,
  SKB_GSO_UDP_TUNNEL_CSUM,
  SKB_SHINFO,
  sk_buff,
  skb_shared_info,
} from '../../include/skbuff.ts'
import { htons } from '../../lib/byteorder.ts'
import { csum_fold, csum_partial } from '../../lib/checksum.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { ENOMEM, EPROTONOSUPPORT } from '../../uapi/errno.ts'
import {
  FN___skb_gso_segment,
  FN_skb_gso_transport_seglen,
  FN_skb_gso_validate_network_len,
  FN_skb_mac_gso_segment,
  FN_skb_warn_bad_offload,
} from '../../uapi/functions.ts'
import { ETH_HLEN, ETH_P_IP, ETH_P_TEB } from '../../uapi/if_ether.ts'
import { can_checksum_protocol } from './dev_features.ts'
import {
  skb_cow,
  skb_headlen,
  skb_headroom,
  skb_mac_header,
  skb_push,
  skb_reset_mac_header,
  skb_shinfo,
} from './skbuff.ts'

/** Longest packet, link header and all, that a device gets to cut by itself (GSO_LEGACY_MAX_SIZE), and most segments. */
const GSO_MAX_SIZE: u32 = 65536

/** Is it a train of segments? */
export function skb_is_gso(skb: sk_buff): bool {
  return (skb.skb_flags & SKB_SHINFO) != 0 && changetype<skb_shared_info>(skb.end).gso_size != 0
}

/** The features that a device must have to cut trains of these types by itself. */
function gso_features(type: u32): u32 {
  let need: u32 = 0
  if (type & SKB_GSO_TCPV4) need |= NETIF_F_TSO
  if (type & SKB_GSO_DODGY) need |= NETIF_F_GSO_ROBUST
  if (type & SKB_GSO_TCP_ECN) need |= NETIF_F_TSO_ECN
  if (type & SKB_GSO_TCP_FIXEDID) need |= NETIF_F_TSO_MANGLEID
  if (type & SKB_GSO_TCPV6) need |= NETIF_F_TSO6
  if (type & SKB_GSO_IPXIP4) need |= NETIF_F_GSO_IPXIP4
  if (type & SKB_GSO_UDP_TUNNEL) need |= NETIF_F_GSO_UDP_TUNNEL
  if (type & SKB_GSO_UDP_TUNNEL_CSUM) need |= NETIF_F_GSO_UDP_TUNNEL_CSUM
  if (type & SKB_GSO_UDP_L4) need |= NETIF_F_GSO_UDP_L4
  if (type & SKB_GSO_FRAGLIST) need |= NETIF_F_GSO_FRAGLIST
  return need
}

/** Can a device with these features cut this type of train? Datagrams into fragments none can. */
function net_gso_ok(features: u32, type: u32): bool {
  const need = gso_features(type)
  return !(type & SKB_GSO_UDP) && (features & need) == need
}

/** The same for a packet, as it lies in memory. */
export function skb_gso_ok(skb: sk_buff, features: u32): bool {
  const shinfo = skb_shinfo(skb)
  if (!net_gso_ok(features, shinfo.gso_type)) return false
  return shinfo.frag_list == 0 || (features & NETIF_F_FRAGLIST) != 0
}

/** Must it be cut before a device with these features gets it? */
export function netif_needs_gso(skb: sk_buff, features: u32): bool {
  if (!skb_is_gso(skb)) return false
  if (!skb_gso_ok(skb, features)) return true
  return skb.ip_summed != <u8>CHECKSUM_PARTIAL && skb.ip_summed != <u8>CHECKSUM_UNNECESSARY
}

/** What of the device's features a train may use (gso_features_check). */
function gso_features_check(skb: sk_buff, features: u32): u32 {
  if (skb.len >= GSO_MAX_SIZE) return features & ~NETIF_F_GSO_MASK
  const type = skb_shinfo(skb).gso_type
  if (type == 0) return features & ~NETIF_F_GSO_MASK
  if (type & SKB_GSO_TCPV4) {
    // Segments without DF need ids of their own (RFC 6864).
    const ip = changetype<iphdr>(skb.head + skb.network_header)
    if (!((<u32>ip.frag_off) & IP_DF)) features &= ~NETIF_F_TSO_MANGLEID
  }
  return features
}

/** What the device can do for this packet (netif_skb_features). */
export function netif_skb_features(skb: sk_buff): u32 {
  const dev = changetype<net_device>(skb.dev)
  let features = dev.features
  if (skb_is_gso(skb)) features = gso_features_check(skb, features)
  if (skb.skb_flags & SKB_ENCAPSULATION) features &= dev.hw_enc_features
  // A checksum that the device can't fill in must be there before (harmonize_features).
  if (skb.ip_summed != <u8>CHECKSUM_NONE && !can_checksum_protocol(features))
    features &= ~(NETIF_F_GSO_MASK | NETIF_F_CSUM_MASK)
  return features
}

/** Bytes of the transport header and payload of one segment. */
export function skb_gso_transport_seglen(skb: sk_buff): u32 {
  walk(FN_skb_gso_transport_seglen, changetype<usize>(skb))
  const shinfo = skb_shinfo(skb)
  const size = <u32>shinfo.gso_size
  if (skb.skb_flags & SKB_ENCAPSULATION) {
    const outer = <u32>skb.inner_transport_header - <u32>skb.transport_header
    if (shinfo.gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6))
      return outer + tcp_len(skb, skb.inner_transport_header) + size
    if (shinfo.gso_type & SKB_GSO_UDP_L4) return outer + UDP_HLEN + size
    return size
  }
  if (shinfo.gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) return tcp_len(skb, skb.transport_header) + size
  return shinfo.gso_type & SKB_GSO_UDP_L4 ? UDP_HLEN + size : size
}

function tcp_len(skb: sk_buff, header: u16): u32 {
  return ((<u32>changetype<tcphdr>(skb.head + header).doff_res) >> 4) << 2
}

/** Are its segments, IP header and all, no longer than this? */
export function skb_gso_validate_network_len(skb: sk_buff, mtu: u32): bool {
  walk(FN_skb_gso_validate_network_len, changetype<usize>(skb))
  const headers = <u32>skb.transport_header - <u32>skb.network_header
  return headers + skb_gso_transport_seglen(skb) <= mtu
}

/**
 * To the protocol of the packet, for its segments.
 *
 * Uses: data at the link header, mac_len, protocol. Sets: data at mac_header. The first segment, 0 or ERR_PTR.
 */
export function skb_mac_gso_segment(skb: sk_buff, features: u32): usize {
  walk(FN_skb_mac_gso_segment, changetype<usize>(skb))
  const inner = skb.protocol == htons(ETH_P_TEB) && skb_headlen(skb) >= ETH_HLEN
  const type = inner ? load<u16>(skb_mac_header(skb), 12) : skb.protocol
  if (type != htons(ETH_P_IP)) return ERR_PTR(EPROTONOSUPPORT)
  skb.data += skb.mac_len
  skb.len -= skb.mac_len
  const segs = call_indirect<usize>(slot_get(SLOT_INET_GSO_SEGMENT), changetype<usize>(skb), features)
  skb_push(skb, <u32>(skb.data - skb_mac_header(skb)))
  return segs
}

/** Does its checksum have to be looked at, because nobody will fill it in? */
function needs_check(skb: sk_buff, tx_path: bool): bool {
  if (!tx_path) return skb.ip_summed == <u8>CHECKSUM_NONE
  return skb.ip_summed != <u8>CHECKSUM_PARTIAL && skb.ip_summed != <u8>CHECKSUM_UNNECESSARY
}

/**
 * Cuts a train into packets of their own; tx_path: on the way out.
 *
 * Uses: data at the link header (or the IP header, when there is none), network_header. Answers the first of a list, 0: it
 * may stay as it is, for the device cuts it; or ERR_PTR. The packet stays the caller's in any case.
 */
export function __skb_gso_segment(skb: sk_buff, features: u32, tx_path: bool): usize {
  walk(FN___skb_gso_segment, changetype<usize>(skb))
  if (needs_check(skb, tx_path)) {
    walk(FN_skb_warn_bad_offload, changetype<usize>(skb))
    if (!skb_cow(skb, 0)) return ERR_PTR(ENOMEM)
  }
  const cb = SKB_GSO_CB(skb)
  cb.mac_offset = <i32>skb_headroom(skb)
  cb.encap_level = 0
  skb_reset_mac_header(skb)
  skb.mac_len = skb.network_header - skb.mac_header
  return skb_mac_gso_segment(skb, features)
}

export function skb_gso_segment(skb: sk_buff, features: u32): usize {
  return __skb_gso_segment(skb, features, true)
}

/** A segment whose checksum the device fills in: sums begin at the transport header (gso_reset_checksum). */
export function gso_reset_checksum(skb: sk_buff, sum: u32): void {
  const cb = SKB_GSO_CB(skb)
  cb.csum_start = <u32>(skb.csum & 0xffff)
  cb.csum = sum
}

/**
 * The checksum of a segment from its transport header on, which is start (offset from head); what lies behind was summed
 * already. Later ones, of headers further out, begin with residue: what the inner sum is with its own field filled in.
 */
export function gso_make_checksum(skb: sk_buff, start: u32, residue: u32): u32 {
  const cb = SKB_GSO_CB(skb)
  const sum = csum_partial(skb.head + start, cb.csum_start - start, cb.csum)
  cb.csum = residue
  cb.csum_start = start
  return csum_fold(sum)
}
