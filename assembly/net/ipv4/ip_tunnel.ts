// IP tunnels without keys: which one a packet is of, the way in and the way out. Mirrors net/ipv4/ip_tunnel.c.
// Left out: encapsulation in UDP (FOU), GRE's keys, sequence numbers and checksums. Read first: RFC 2003, RFC 1853.

import { INET_DSCP_MASK, flowi4, rtable } from '../../include/dst.ts'
import { IP_DF, IP_HEADER_MIN, ipv4_is_multicast, iphdr } from '../../include/ip.ts'
import { ip_tunnel, ip_tunnel_of, ip_tunnel_parms } from '../../include/ip_tunnel.ts'
import { net } from '../../include/net_namespace.ts'
import { dev_stats, net_device } from '../../include/netdevice.ts'
import { SKB_CB, sk_buff } from '../../include/skbuff.ts'
import { boot } from '../../lib/boot.ts'
import { htonl, htons } from '../../lib/byteorder.ts'
import { IS_ERR } from '../../lib/err.ts'
import { time_after } from '../../kernel/timer.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_IP_OUTNOROUTES,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_RECURSION_LIMIT,
} from '../../uapi/dropreason.ts'
import { FN_ip_tunnel_lookup, FN_ip_tunnel_rcv, FN_ip_tunnel_xmit, FN_tnl_update_pmtu } from '../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from '../../uapi/icmp.ts'
import { IFF_UP } from '../../uapi/if.ts'
import { ETH_P_IP } from '../../uapi/if_ether.ts'
import { PACKET_BROADCAST } from '../../uapi/in.ts'
import { skb_get_hash } from '../core/flow_dissector.ts'
import { dst_release } from '../core/dst.ts'
import { skb_scrub_packet } from '../core/dev_forward.ts'
import { gro_cells_receive } from '../core/gro_cells.ts'
import { skb_is_gso } from '../core/gso.ts'
import { kfree_skb_reason, skb_cow, skb_reset_network_header } from '../core/skbuff.ts'
import { pskb_may_pull } from '../core/skbuff_data.ts'
import { icmp_send } from './icmp/send.ts'
import { LL_RESERVED_SPACE } from './ip_output/finish2.ts'
import { IP_ECN_decapsulate, ip_tunnel_ecn_encap } from './ip_tunnel/ecn.ts'
import { iptunnel_xmit, tunnels_too_deep } from './ip_tunnel_core.ts'
import { ipv4_link_failure } from './link_failure.ts'
import { flowi4_init_output } from './flow_output.ts'
import { ipv4_mtu, rt_nexthop } from './route/metrics.ts'
import { ip_route_output_key } from './route/output.ts'
import { ip_rt_update_pmtu } from './route/pmtu.ts'

const FL4: usize = memory.data(64, 16)
/** Seconds after which an error that ICMP told of counts no more. */
const IPTUNNEL_ERR_TIMEO: u32 = 30

/** Errors that ICMP told of are fresh enough to be told on. */
export function tunnel_err_fresh(tunnel: ip_tunnel): bool {
  return time_after(tunnel.err_time + IPTUNNEL_ERR_TIMEO * boot.hz, boot.jiffies)
}

/** How well a tunnel fits: its device first, then the far address, then its own; 0: not at all. */
function fit(tunnel: ip_tunnel, link: u32, remote: u32, local: u32): u32 {
  const dev = changetype<net_device>(tunnel.dev)
  const parms = ip_tunnel_parms(tunnel)
  if (!(dev.flags & IFF_UP)) return 0
  const at: u32 = parms.link == link ? 1 : 0
  if (parms.daddr == remote && parms.saddr == local) return 6 + at
  if (parms.daddr == remote && parms.saddr == 0) return 4 + at
  if (parms.daddr == 0 && parms.saddr == local) return 2 + at
  return parms.daddr == local && ipv4_is_multicast(local) ? 2 + at : 0
}

/** The tunnel of a packet from remote to local that came in by the device with index link. 0: there is none. */
export function ip_tunnel_lookup(owner: net, link: u32, remote: u32, local: u32): ip_tunnel {
  walk(FN_ip_tunnel_lookup, 0)
  let found: usize = 0
  let best: u32 = 0
  for (let p = owner.ip_tunnels; p; p = changetype<ip_tunnel>(p).next) {
    const how = fit(changetype<ip_tunnel>(p), link, remote, local)
    if (how <= best) continue
    best = how
    found = p
  }
  return changetype<ip_tunnel>(found)
}

/** A packet that cannot be sent. */
function tx_error(skb: sk_buff, dev: net_device, reason: u32): void {
  dev_stats(dev).tx_errors += 1
  kfree_skb_reason(skb, reason, FN_ip_tunnel_xmit)
}

/**
 * Tells the packet's route and its sender how much fits into the tunnel (tnl_update_pmtu). False: it may not be cut and is
 * too long; the skb is still the caller's.
 */
function tnl_update_pmtu(dev: net_device, skb: sk_buff, rt: rtable, df: u32): bool {
  walk(FN_tnl_update_pmtu, changetype<usize>(skb))
  let mtu = dev.mtu
  if (df) mtu = ipv4_mtu(rt) - IP_HEADER_MIN
  else if (skb.dst) mtu = ipv4_mtu(changetype<rtable>(skb.dst))
  if (skb.dst) ip_rt_update_pmtu(changetype<rtable>(skb.dst), 0, skb, mtu)
  if (skb.protocol != htons(ETH_P_IP) || skb_is_gso(skb) || skb.len <= mtu) return true
  if (!((<u32>changetype<iphdr>(skb.data).frag_off) & IP_DF)) return true
  memory.fill(changetype<usize>(skb) + SKB_CB, 0, 24)
  icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu))
  return false
}

/** The route of the outer packet. Counted, or ERR_PTR. Sets: saddr of the flow at FL4. */
function route(tunnel: ip_tunnel, skb: sk_buff, dst: u32, tos: u32, protocol: u32): usize {
  const parms = ip_tunnel_parms(tunnel)
  const fl4 = changetype<flowi4>(FL4)
  flowi4_init_output(fl4, parms.link, 0, tos & INET_DSCP_MASK, 0, protocol, 0, dst, parms.saddr, 0, 0, 0)
  fl4.flowi4_multipath_hash = skb_get_hash(skb)
  return ip_route_output_key(changetype<net>(tunnel.net), fl4)
}

/** The next hop of the packet's own route, for a tunnel without a far end. 0: it has none. */
function next_hop(skb: sk_buff): u32 {
  return skb.dst ? rt_nexthop(changetype<rtable>(skb.dst), changetype<iphdr>(skb.data).daddr) : 0
}

/** Senders hear of errors that ICMP told of since. */
function tell_errors(tunnel: ip_tunnel, skb: sk_buff): void {
  if (tunnel.err_count == 0) return
  if (!tunnel_err_fresh(tunnel)) {
    tunnel.err_count = 0
    return
  }
  tunnel.err_count -= 1
  ipv4_link_failure(skb)
}

/**
 * Sends an IPv4 packet through its tunnel.
 *
 * Uses: data at the IP header, dst. Next: iptunnel_xmit, as a packet of the tunnel's namespace. The skb is gone in any case.
 */
export function ip_tunnel_xmit(skb: sk_buff, dev: net_device, protocol: u32): void {
  walk(FN_ip_tunnel_xmit, changetype<usize>(skb))
  const tunnel = ip_tunnel_of(dev)
  const parms = ip_tunnel_parms(tunnel)
  if (tunnels_too_deep()) return tx_error(skb, dev, SKB_DROP_REASON_RECURSION_LIMIT)
  const dst = parms.daddr ? parms.daddr : next_hop(skb)
  if (dst == 0) {
    dev_stats(dev).tx_fifo_errors += 1
    return tx_error(skb, dev, SKB_DROP_REASON_NOT_SPECIFIED)
  }
  const inner = changetype<iphdr>(skb.data)
  const wish = parms.tos & 1 ? <u32>inner.tos : parms.tos
  const p = route(tunnel, skb, dst, wish, protocol)
  if (IS_ERR(p)) {
    dev_stats(dev).tx_carrier_errors += 1
    return tx_error(skb, dev, SKB_DROP_REASON_IP_OUTNOROUTES)
  }
  const rt = changetype<rtable>(p)
  if (rt.dev == changetype<usize>(dev)) {
    dst_release(p)
    dev_stats(dev).collisions += 1
    return tx_error(skb, dev, SKB_DROP_REASON_IP_OUTNOROUTES)
  }
  const df = parms.frag_off | ((<u32>inner.frag_off) & IP_DF)
  if (!tnl_update_pmtu(dev, skb, rt, df)) {
    dst_release(p)
    return tx_error(skb, dev, SKB_DROP_REASON_NOT_SPECIFIED)
  }
  tell_errors(tunnel, skb)
  const tos = ip_tunnel_ecn_encap(wish, skb)
  const ttl = parms.ttl ? parms.ttl : <u32>inner.ttl
  if (!skb_cow(skb, LL_RESERVED_SPACE(changetype<net_device>(rt.dev)) + IP_HEADER_MIN)) {
    dst_release(p)
    dev_stats(dev).tx_dropped += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_tunnel_xmit)
    return
  }
  const fl4 = changetype<flowi4>(FL4)
  iptunnel_xmit(0, rt, skb, fl4.saddr, fl4.daddr, protocol, tos, ttl, df, changetype<net>(tunnel.net))
}

/**
 * A packet that came out of a tunnel, in the namespace of its device.
 *
 * Uses: data at the inner IP header, outer: where the outer header lies, from head. Next: the poll of the device's cell.
 * The skb is gone in any case.
 */
export function ip_tunnel_rcv(tunnel: ip_tunnel, skb: sk_buff, outer: u32): void {
  walk(FN_ip_tunnel_rcv, changetype<usize>(skb))
  const dev = changetype<net_device>(tunnel.dev)
  const stats = dev_stats(dev)
  const group = ipv4_is_multicast(changetype<iphdr>(skb.head + outer).daddr)
  if (group) stats.multicast += 1
  skb_reset_network_header(skb)
  if (!pskb_may_pull(skb, IP_HEADER_MIN)) {
    stats.rx_length_errors += 1
    stats.rx_errors += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_tunnel_rcv)
    return
  }
  if (!IP_ECN_decapsulate(changetype<iphdr>(skb.head + outer).tos, skb)) {
    stats.rx_frame_errors += 1
    stats.rx_errors += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_tunnel_rcv)
    return
  }
  stats.rx_packets += 1
  stats.rx_bytes += skb.len
  skb.dev = changetype<usize>(dev)
  skb_scrub_packet(skb, dev.nd_net)
  if (group) skb.pkt_type = <u8>PACKET_BROADCAST
  gro_cells_receive(dev, skb)
}
