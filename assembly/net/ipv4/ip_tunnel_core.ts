// What tunnels over IPv4 share: the outer header goes on, and comes off. Mirrors net/ipv4/ip_tunnel_core.c.

import { IP_DF, IP_HEADER_MIN, iphdr } from '../../include/ip.ts'
import { rtable } from '../../include/dst.ts'
import { net } from '../../include/net_namespace.ts'
import { dev_stats, net_device } from '../../include/netdevice.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  SKB_CB,
  SKB_CLONED,
  SKB_ENCAPSULATION,
  SKB_L4_HASH,
  SKB_SHINFO,
  sk_buff,
} from '../../include/skbuff.ts'
import { htons } from '../../lib/byteorder.ts'
import { this_softnet } from '../../include/softnet.ts'
import { walk } from '../../trace/trace.ts'
import { FN___iptunnel_pull_header, FN_iptunnel_handle_offloads, FN_iptunnel_xmit } from '../../uapi/functions.ts'
import { ETH_HLEN, ETH_P_TEB } from '../../uapi/if_ether.ts'
import { inet_skb_parm } from '../../include/ip.ts'
import { skb_scrub_packet } from '../core/dev_forward.ts'
import { skb_is_gso } from '../core/gso.ts'
import {
  pskb_expand_head,
  skb_cloned,
  skb_dst_set,
  skb_push,
  skb_reset_network_header,
  skb_shinfo,
} from '../core/skbuff.ts'
import { pskb_may_pull, skb_pull_rcsum } from '../core/skbuff_data.ts'
import { ip_local_out } from './ip_output/local_out.ts'
import { __ip_select_ident } from './route/ident.ts'
import { ip_mtu_locked } from './route/metrics.ts'

/** So many tunnels one in the other may send a packet (IP_TUNNEL_RECURSION_LIMIT). */
const RECURSION: u32 = 3

/** Is the packet in so many tunnels already that it must go round in circles? */
export function tunnels_too_deep(): bool {
  return this_softnet().recursion > RECURSION
}

/** Where the headers of the packet within lie, from now on (skb_reset_inner_headers). */
function reset_inner_headers(skb: sk_buff): void {
  skb.inner_mac_header = skb.mac_header
  skb.inner_network_header = skb.network_header
  skb.inner_transport_header = skb.transport_header
}

/**
 * The packet is about to get an outer header: what the device will still do to it (checksum, segments) concerns the inner
 * one. False: out of memory, the skb is still the caller's.
 */
export function iptunnel_handle_offloads(skb: sk_buff, gso_type: u32): bool {
  walk(FN_iptunnel_handle_offloads, changetype<usize>(skb))
  if (!(skb.skb_flags & SKB_ENCAPSULATION)) {
    reset_inner_headers(skb)
    skb.skb_flags |= SKB_ENCAPSULATION
  }
  if (skb_is_gso(skb)) {
    if (skb.skb_flags & SKB_CLONED && skb_cloned(skb) && !pskb_expand_head(skb, 0, 0)) return false
    skb_shinfo(skb).gso_type |= gso_type
    return true
  }
  if (skb.ip_summed != <u8>CHECKSUM_PARTIAL) {
    skb.ip_summed = <u8>CHECKSUM_NONE
    skb.skb_flags &= ~SKB_ENCAPSULATION
  }
  return true
}

/** The tunnel's device counts what became of a packet: bytes, 0: it was lost on the way out (iptunnel_xmit_stats). */
function xmit_stats(dev: net_device, bytes: u32): void {
  const stats = dev_stats(dev)
  if (bytes) {
    stats.tx_packets += 1
    stats.tx_bytes += bytes
  } else {
    stats.tx_dropped += 1
  }
}

/**
 * Puts the outer header before a packet and sends it as one of this host's.
 *
 * Uses: room for the header, inner_network_header; rt, whose reference the packet takes over; sk: the tunnel's socket, 0:
 * none; owner: the namespace of the outer packet. Next: LOCAL_OUT. The skb is gone in any case.
 */
export function iptunnel_xmit(
  sk: usize,
  rt: rtable,
  skb: sk_buff,
  src: u32,
  dst: u32,
  proto: u32,
  tos: u32,
  ttl: u32,
  df: u32,
  owner: net,
): void {
  walk(FN_iptunnel_xmit, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const bytes = skb.len - <u32>(skb.head + skb.inner_network_header - skb.data)
  skb_scrub_packet(skb, changetype<usize>(owner))
  if (!(skb.skb_flags & SKB_L4_HASH)) skb.hash = 0
  skb_dst_set(skb, changetype<usize>(rt))
  memory.fill(changetype<usize>(skb) + SKB_CB, 0, offsetof<inet_skb_parm>())
  const ip = changetype<iphdr>(skb_push(skb, IP_HEADER_MIN))
  skb_reset_network_header(skb)
  store<u8>(changetype<usize>(ip), 0x45)
  ip.tos = <u8>tos
  ip.frag_off = <u16>(ip_mtu_locked(rt) ? 0 : df & IP_DF)
  ip.ttl = <u8>ttl
  ip.protocol = <u8>proto
  ip.saddr = src
  ip.daddr = dst
  const segs = skb.skb_flags & SKB_SHINFO ? <u32>skb_shinfo(skb).gso_segs : 0
  __ip_select_ident(owner, ip, segs ? segs : 1)
  const err = ip_local_out(owner, sk, skb)
  // What a full queue marks (NET_XMIT_CN) is no loss.
  xmit_stats(dev, err == 0 || err == 2 ? bytes : 0)
}

/**
 * Takes bytes of tunnel headers off: what is behind them begins anew, in the namespace `to`. inner: what it is (ETH_P_* in
 * network order); Ethernet frames stay whole, protocol is theirs. False: too short, the skb is still the caller's.
 */
export function __iptunnel_pull_header(skb: sk_buff, bytes: u32, inner: u16, to: usize): bool {
  walk(FN___iptunnel_pull_header, changetype<usize>(skb))
  if (!pskb_may_pull(skb, bytes)) return false
  skb_pull_rcsum(skb, bytes)
  if (inner == htons(ETH_P_TEB) && !pskb_may_pull(skb, ETH_HLEN)) return false
  skb.protocol = inner
  if (!(skb.skb_flags & SKB_L4_HASH)) skb.hash = 0
  skb.vlan_tci = 0
  skb.vlan_proto = 0
  skb.queue_mapping = 0
  skb_scrub_packet(skb, to)
  skb.skb_flags &= ~SKB_ENCAPSULATION
  return true
}
