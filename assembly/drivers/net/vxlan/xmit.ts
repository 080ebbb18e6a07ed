// Frames that go into VXLAN's datagrams, one for each host where their destination is or may be. Mirrors vxlan_xmit and
// vxlan_xmit_one of drivers/net/vxlan/vxlan_core.c. Left out: ARP proxy, routing short-circuit, GPE, GBP, metadata.

import { SLOT_ENCAP_ERR_LOOKUP, SLOT_ENCAP_RCV, SLOT_NDO_START_XMIT, slot_set } from '../../../lib/boot.ts'
import { rtable } from '../../../include/dst.ts'
import { IP_HEADER_MIN, ipv4_is_multicast } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { DEV_KIND_VXLAN, NETDEV_TX_OK, dev_stats, net_device } from '../../../include/netdevice.ts'
import { SKB_ENCAPSULATION, SKB_GSO_UDP_TUNNEL, SKB_GSO_UDP_TUNNEL_CSUM, sk_buff } from '../../../include/skbuff.ts'
import {
  VXLAN_F_LEARN,
  VXLAN_F_UDP_ZERO_CSUM_TX,
  VXLAN_HF_VNI,
  VXLAN_HLEN,
  vxlan_cfg,
  vxlan_dev,
  vxlan_of,
  vxlan_rdst,
  vxlan_sock,
  vxlanhdr,
} from '../../../include/vxlan.ts'
import { boot } from '../../../lib/boot.ts'
import { htons } from '../../../lib/byteorder.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_IP_OUTNOROUTES,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NO_TX_TARGET,
  SKB_DROP_REASON_RECURSION_LIMIT,
  SKB_DROP_REASON_VXLAN_VNI_NOT_FOUND,
} from '../../../uapi/dropreason.ts'
import { ELOOP, ENETUNREACH } from '../../../uapi/errno.ts'
import {
  FN_encap_bypass_if_local,
  FN_vxlan_build_skb,
  FN_vxlan_encap_bypass,
  FN_vxlan_xmit,
  FN_vxlan_xmit_one,
} from '../../../uapi/functions.ts'
import { IFF_UP } from '../../../uapi/if.ts'
import { ETH_HLEN, ETH_P_TEB } from '../../../uapi/if_ether.ts'
import { PACKET_HOST } from '../../../uapi/in.ts'
import { RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { netif_rx } from '../../../net/core/dev_backlog.ts'
import { skb_scrub_packet } from '../../../net/core/dev_forward.ts'
import { dst_release } from '../../../net/core/dst.ts'
import { skb_gso_validate_network_len, skb_is_gso } from '../../../net/core/gso.ts'
import {
  kfree_skb_reason,
  skb_clone,
  skb_cow,
  skb_pull,
  skb_push,
  skb_reset_mac_header,
} from '../../../net/core/skbuff.ts'
import { pskb_may_pull } from '../../../net/core/skbuff_data.ts'
import { eth_type_trans } from '../../../net/ethernet/eth.ts'
import { LL_RESERVED_SPACE } from '../../../net/ipv4/ip_output/finish2.ts'
import { ip_tunnel_ecn_encap, ip_tunnel_get_dsfield } from '../../../net/ipv4/ip_tunnel/ecn.ts'
import { iptunnel_handle_offloads, tunnels_too_deep } from '../../../net/ipv4/ip_tunnel_core.ts'
import { ip4_dst_hoplimit, ipv4_mtu } from '../../../net/ipv4/route/metrics.ts'
import { ip_rt_update_pmtu } from '../../../net/ipv4/route/pmtu.ts'
import {
  udp_flow_src_port,
  udp_tunnel_dst_lookup,
  udp_tunnel_saddr,
  udp_tunnel_xmit_skb,
} from '../../../net/ipv4/udp_tunnel.ts'
import { NO_FDB, vxlan_find_mac, vxlan_snoop } from './fdb.ts'
import { vxlan_err_lookup, vxlan_find_vni, vxlan_rcv, vxlan_vni_field } from './rcv.ts'
import { vxlan_sk } from './sock.ts'

/** Six bytes of eight. */
const MAC_MASK: u64 = 0x0000ffffffffffff
/** What an outer packet adds: IP, UDP and VXLAN headers, and the inner Ethernet header. */
export const VXLAN_HEADROOM: u32 = IP_HEADER_MIN + VXLAN_HLEN + ETH_HLEN
const VXLAN_HDR: u32 = 8
const INADDR_LOOPBACK: u32 = 0x0100007f

/** The frame cannot be sent: what the route's error says is counted besides. */
function tx_error(skb: sk_buff, dev: net_device, err: i32, reason: u32): void {
  const stats = dev_stats(dev)
  if (err == -ELOOP) stats.collisions += 1
  else if (err == -ENETUNREACH) stats.tx_carrier_errors += 1
  stats.tx_errors += 1
  kfree_skb_reason(skb, reason, FN_vxlan_xmit_one)
}

/** The other end is on this host: the frame goes over without a datagram. Takes the skb. */
function vxlan_encap_bypass(skb: sk_buff, src: vxlan_dev, dst: vxlan_dev): void {
  walk(FN_vxlan_encap_bypass, changetype<usize>(skb))
  const dev = changetype<net_device>(dst.dev)
  const stats = dev_stats(dev)
  const len = skb.len
  const source = load<u64>(skb.data, 6) & MAC_MASK
  skb.skb_flags &= ~SKB_ENCAPSULATION
  skb_scrub_packet(skb, dev.nd_net)
  skb.pkt_type = <u8>PACKET_HOST
  if (vxlan_cfg(dst).flags & VXLAN_F_LEARN) vxlan_snoop(dst, INADDR_LOOPBACK, source, 0)
  const sent = dev_stats(changetype<net_device>(src.dev))
  sent.tx_packets += 1
  sent.tx_bytes += len
  if (!(dev.flags & IFF_UP)) {
    stats.rx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY, FN_vxlan_encap_bypass)
    return
  }
  skb.protocol = eth_type_trans(skb, dev)
  if (netif_rx(skb) == 0) {
    stats.rx_packets += 1
    stats.rx_bytes += len
  } else {
    stats.rx_dropped += 1
  }
}

/** Is the remote this host itself? Then the frame is gone: to the device of that VNI here, or nowhere. */
function encap_bypass_if_local(skb: sk_buff, vxlan: vxlan_dev, rt: rtable, vni: u32, port: u32): bool {
  const local = (rt.rt_flags & RTCF_LOCAL) != 0 && !(rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST))
  if (!local || port != vxlan_cfg(vxlan).dst_port || vxlan.vn_sock == 0) return false
  walk(FN_encap_bypass_if_local, changetype<usize>(skb))
  dst_release(changetype<usize>(rt))
  const dst = vxlan_find_vni(changetype<vxlan_sock>(vxlan.vn_sock), vxlan_vni_field(vni))
  if (changetype<usize>(dst)) {
    vxlan_encap_bypass(skb, vxlan, dst)
  } else {
    dev_stats(changetype<net_device>(vxlan.dev)).tx_errors += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_VXLAN_VNI_NOT_FOUND, FN_encap_bypass_if_local)
  }
  return true
}

/** The packet within learns how much fits (skb_tunnel_check_pmtu). */
function check_pmtu(skb: sk_buff, rt: rtable): void {
  const mtu = ipv4_mtu(rt) - VXLAN_HEADROOM
  const link = <u32>(skb.head + skb.network_header - skb.data)
  const fits = skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) : skb.len - link <= mtu
  if (fits || skb.dst == 0) return
  skb_pull(skb, link)
  ip_rt_update_pmtu(changetype<rtable>(skb.dst), 0, skb, mtu)
  skb_push(skb, link)
}

/** VXLAN's header in front. False: out of memory, the skb is still the caller's. */
function vxlan_build_skb(skb: sk_buff, rt: rtable, vni: u32, csum: bool): bool {
  walk(FN_vxlan_build_skb, changetype<usize>(skb))
  const room = LL_RESERVED_SPACE(changetype<net_device>(rt.dev)) + IP_HEADER_MIN + VXLAN_HLEN
  if (!skb_cow(skb, room)) return false
  if (!iptunnel_handle_offloads(skb, csum ? SKB_GSO_UDP_TUNNEL_CSUM : SKB_GSO_UDP_TUNNEL)) return false
  const header = changetype<vxlanhdr>(skb_push(skb, VXLAN_HDR))
  header.vx_flags = VXLAN_HF_VNI
  header.vx_vni = vxlan_vni_field(vni)
  skb.inner_protocol = htons(ETH_P_TEB)
  return true
}

/** The route to a remote, counted; or ERR_PTR: ELOOP through the device itself, ENETUNREACH. */
function route(vxlan: vxlan_dev, rd: vxlan_rdst, sport: u32, dport: u32, tos: u32): usize {
  const owner = changetype<net>(vxlan.net)
  const rt = udp_tunnel_dst_lookup(owner, rd.remote_ifindex, rd.remote_ip, vxlan_cfg(vxlan).saddr, sport, dport, tos)
  if (IS_ERR(rt)) return ERR_PTR(ENETUNREACH)
  if (changetype<rtable>(rt).dev != vxlan.dev) return rt
  dst_release(rt)
  return ERR_PTR(ELOOP)
}

/**
 * One frame to one remote.
 *
 * Uses: data at the Ethernet header, network_header. Next: iptunnel_xmit. The skb is gone in any case.
 */
function vxlan_xmit_one(skb: sk_buff, dev: net_device, rd: vxlan_rdst): void {
  walk(FN_vxlan_xmit_one, changetype<usize>(skb))
  const vxlan = vxlan_of(dev)
  const cfg = vxlan_cfg(vxlan)
  if (tunnels_too_deep()) return tx_error(skb, dev, 0, SKB_DROP_REASON_RECURSION_LIMIT)
  if (rd.remote_ip == 0 || vxlan.vn_sock == 0) {
    dev_stats(dev).tx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NO_TX_TARGET, FN_vxlan_xmit_one)
    return
  }
  const owner = changetype<net>(vxlan.net)
  const dport = rd.remote_port ? rd.remote_port : cfg.dst_port
  const sport = <u32>htons(udp_flow_src_port(owner, skb, cfg.port_min, cfg.port_max))
  let ttl = cfg.ttl
  if (ttl == 0 && ipv4_is_multicast(rd.remote_ip)) ttl = 1
  const wish = cfg.tos == 1 ? ip_tunnel_get_dsfield(skb) : cfg.tos
  const p = route(vxlan, rd, sport, dport, wish)
  if (IS_ERR(p)) return tx_error(skb, dev, <i32>p, SKB_DROP_REASON_IP_OUTNOROUTES)
  const rt = changetype<rtable>(p)
  const vni = rd.remote_vni ? rd.remote_vni : cfg.vni
  const saddr = udp_tunnel_saddr()
  if (encap_bypass_if_local(skb, vxlan, rt, vni, dport)) return
  check_pmtu(skb, rt)
  const tos = ip_tunnel_ecn_encap(wish, skb)
  const hops = ttl ? ttl : ip4_dst_hoplimit(rt)
  const nocheck = (cfg.flags & VXLAN_F_UDP_ZERO_CSUM_TX) != 0
  if (!vxlan_build_skb(skb, rt, vni, !nocheck)) {
    dst_release(p)
    return tx_error(skb, dev, 0, SKB_DROP_REASON_NOMEM)
  }
  const sk = changetype<usize>(vxlan_sk(changetype<vxlan_sock>(vxlan.vn_sock)))
  udp_tunnel_xmit_skb(rt, sk, skb, saddr, rd.remote_ip, tos, hops, cfg.df, sport, dport, nocheck, owner)
}

/** A frame of the device: to where its destination is known to be, else to all of the default entry. */
function vxlan_xmit(p: usize, d: usize): i32 {
  const skb = changetype<sk_buff>(p)
  const dev = changetype<net_device>(d)
  walk(FN_vxlan_xmit, p)
  const vxlan = vxlan_of(dev)
  skb_reset_mac_header(skb)
  let f = NO_FDB
  if (pskb_may_pull(skb, ETH_HLEN)) {
    f = vxlan_find_mac(vxlan, load<u64>(skb.data) & MAC_MASK)
    if (f == NO_FDB) f = vxlan_find_mac(vxlan, 0)
  }
  if (f == NO_FDB || f.remotes == 0) {
    dev_stats(dev).tx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NO_TX_TARGET, FN_vxlan_xmit)
    return NETDEV_TX_OK
  }
  f.used = boot.jiffies
  const first = changetype<vxlan_rdst>(f.remotes)
  for (let q = first.next; q; q = changetype<vxlan_rdst>(q).next) {
    const clone = skb_clone(skb)
    if (changetype<usize>(clone)) vxlan_xmit_one(clone, dev, changetype<vxlan_rdst>(q))
  }
  vxlan_xmit_one(skb, dev, first)
  return NETDEV_TX_OK
}

/** Enters the driver into the table of ndo_start_xmit, and where UDP hands its datagrams to. */
export function vxlan_init(): void {
  slot_set(SLOT_NDO_START_XMIT + DEV_KIND_VXLAN, vxlan_xmit.index)
  slot_set(SLOT_ENCAP_RCV, vxlan_rcv.index)
  slot_set(SLOT_ENCAP_ERR_LOOKUP, vxlan_err_lookup.index)
}
