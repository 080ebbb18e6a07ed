// From the link layer to the transport protocols: the stations of IPv4 input. Mirrors net/ipv4/ip_input.c.
// The order in which a packet passes them is in path.ts. Left out: multicast routing, early demux by eBPF.
// Read first: RFC 791 3.1, RFC 1122 3.2.1.

import { rtable } from '../../include/dst.ts'
import { IP_HEADER_MIN, inet_skb_parm, ip_is_fragment, iphdr } from '../../include/ip.ts'
import { mib_add, mib_inc, net, sysctl } from '../../include/net_namespace.ts'
import {
  __in_dev_get_rcu,
  dev_stats,
  in_dev_conf_get,
  in_dev_orconf,
  ipv4_devconf_all,
  net_device,
} from '../../include/netdevice.ts'
import { SKB_CB, SKB_ENDED_ABSORBED, sk_buff, skb_gso_segs } from '../../include/skbuff.ts'
import { SLOT_ICMP_SEND, slot_get } from '../../lib/boot.ts'
import { ntohs } from '../../lib/byteorder.ts'
import { ip_fast_csum } from '../../lib/checksum.ts'
import {
  SKB_DROP_REASON_IP_CSUM,
  SKB_DROP_REASON_IP_INHDR,
  SKB_DROP_REASON_IP_NOPROTO,
  SKB_DROP_REASON_IP_RPFILTER,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_OTHERHOST,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST,
} from '../../uapi/dropreason.ts'
import { FN_ip_local_deliver_finish, FN_ip_rcv_core, FN_ip_rcv_finish_core } from '../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_PROT_UNREACH } from '../../uapi/icmp.ts'
import { PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST } from '../../uapi/in.ts'
import { RTN_BROADCAST, RTN_MULTICAST } from '../../uapi/rtnetlink.ts'
import {
  IPSTATS_MIB_CSUMERRORS,
  IPSTATS_MIB_INBCASTOCTETS,
  IPSTATS_MIB_INBCASTPKTS,
  IPSTATS_MIB_INDELIVERS,
  IPSTATS_MIB_INHDRERRORS,
  IPSTATS_MIB_INMCASTOCTETS,
  IPSTATS_MIB_INMCASTPKTS,
  IPSTATS_MIB_INOCTETS,
  IPSTATS_MIB_INPKTS,
  IPSTATS_MIB_INTRUNCATEDPKTS,
  IPSTATS_MIB_INUNKNOWNPROTOS,
  IPSTATS_MIB_NOECTPKTS,
  LINUX_MIB_IPRPFILTER,
} from '../../uapi/snmp.ts'
import { IPPROTO_UDP } from '../../uapi/socket.ts'
import {
  IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE,
  IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST,
  SYSCTL_IP_EARLY_DEMUX,
  SYSCTL_UDP_EARLY_DEMUX,
} from '../../uapi/sysctl.ts'
import { consume_skb, kfree_skb_reason, skb_cow, skb_share_check } from '../core/skbuff.ts'
import { pskb_may_pull, pskb_trim_rcsum } from '../core/skbuff_data.ts'
import { ip_options_compile, ip_options_rcv_srr } from './ip_options.ts'
import { ip_route_input_noref, ip_route_use_hint } from './route/input.ts'
import { udp_v4_early_demux } from './udp/early_demux.ts'

/** Ends a datagram that is not acceptable: counted, freed with its reason, and false for the caller. */
function refuse(skb: sk_buff, net: net, mib: u32, reason: u32): bool {
  mib_inc(net, mib)
  kfree_skb_reason(skb, reason, FN_ip_rcv_core)
  return false
}

/**
 * Is the datagram acceptable? Version and header length, checksum, total length (RFC 1122 3.2.1.1, 3.2.1.2).
 *
 * Uses: data at the IP header, pkt_type. Sets: len without the link's padding, transport_header, an empty cb.
 * Next: PRE_ROUTING. NO_SKB: the skb is gone; otherwise the one that goes on (shared heads are cloned).
 */
export function ip_rcv_core(shared: sk_buff, net: net): sk_buff {
  const gone = changetype<sk_buff>(0)
  if (shared.pkt_type == <u8>PACKET_OTHERHOST) {
    // Another host's frame, seen because the device is promiscuous: no IP counter moves (eth-other-mac-promisc).
    dev_stats(changetype<net_device>(shared.dev)).rx_otherhost_dropped += 1
    kfree_skb_reason(shared, SKB_DROP_REASON_OTHERHOST, FN_ip_rcv_core)
    return gone
  }
  mib_inc(net, IPSTATS_MIB_INPKTS)
  mib_add(net, IPSTATS_MIB_INOCTETS, shared.len)
  const skb = skb_share_check(shared, SKB_DROP_REASON_NOMEM, FN_ip_rcv_core)
  if (changetype<usize>(skb) == 0) return gone
  return acceptable(skb, net) ? skb : gone
}

function acceptable(skb: sk_buff, net: net): bool {
  if (!pskb_may_pull(skb, IP_HEADER_MIN)) return refuse(skb, net, IPSTATS_MIB_INHDRERRORS, SKB_DROP_REASON_IP_INHDR)
  let ip = changetype<iphdr>(skb.data)
  const header = ip.ihl << 2
  if (u32(ip.version != 4) | u32(header < IP_HEADER_MIN))
    return refuse(skb, net, IPSTATS_MIB_INHDRERRORS, SKB_DROP_REASON_IP_INHDR)
  mib_add(net, IPSTATS_MIB_NOECTPKTS + ((<u32>ip.tos) & 3), skb_gso_segs(skb))
  if (!pskb_may_pull(skb, header)) return refuse(skb, net, IPSTATS_MIB_INHDRERRORS, SKB_DROP_REASON_IP_INHDR)

  ip = changetype<iphdr>(skb.data) // pulling may have moved the data
  if (ip_fast_csum(skb.data, ip.ihl) != 0) {
    mib_inc(net, IPSTATS_MIB_CSUMERRORS)
    return refuse(skb, net, IPSTATS_MIB_INHDRERRORS, SKB_DROP_REASON_IP_CSUM)
  }

  const total = ntohs(ip.tot_len)
  if (skb.len < total) return refuse(skb, net, IPSTATS_MIB_INTRUNCATEDPKTS, SKB_DROP_REASON_PKT_TOO_SMALL)
  if (total < header) return refuse(skb, net, IPSTATS_MIB_INHDRERRORS, SKB_DROP_REASON_IP_INHDR)
  if (skb.len > total) pskb_trim_rcsum(skb, total) // the link's padding is not ours

  skb.transport_header = skb.network_header + <u16>header
  // cb is clear: the packet is new, or netif_rx has cleared it.
  changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB).iif = skb.skb_iif
  return true
}

/** Ends a datagram that has no way: false for the caller. */
function no_way(skb: sk_buff, net: net, reason: u32): bool {
  if (reason == SKB_DROP_REASON_IP_RPFILTER) mib_inc(net, LINUX_MIB_IPRPFILTER)
  kfree_skb_reason(skb, reason, FN_ip_rcv_finish_core)
  return false
}

/** Options of a datagram that came in: 0, or why it must go. */
function ip_rcv_options(skb: sk_buff, dev: net_device, net: net): u32 {
  // Options are written into the packet: record route, timestamps.
  if (!skb_cow(skb, 0)) return SKB_DROP_REASON_NOMEM
  const opt = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  opt.optlen = <u8>((changetype<iphdr>(skb.data).ihl << 2) - IP_HEADER_MIN)
  if (ip_options_compile(net, opt, skb, 0)) {
    mib_inc(net, IPSTATS_MIB_INHDRERRORS)
    return SKB_DROP_REASON_IP_INHDR
  }
  if (opt.srr) {
    const in_dev = __in_dev_get_rcu(dev)
    if (changetype<usize>(in_dev)) {
      const all = ipv4_devconf_all(net, IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE)
      if (!all || !in_dev_conf_get(in_dev, IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE)) return SKB_DROP_REASON_NOT_SPECIFIED
    }
    if (ip_options_rcv_srr(skb, dev)) return SKB_DROP_REASON_NOT_SPECIFIED
  }
  return 0
}

/** Counts multicast and broadcast, and refuses a unicast destination in such a frame where that is asked for. */
function count_group(skb: sk_buff, net: net, dev: net_device, rt: rtable): bool {
  if (rt.rt_type == <u16>RTN_MULTICAST) {
    mib_inc(net, IPSTATS_MIB_INMCASTPKTS)
    mib_add(net, IPSTATS_MIB_INMCASTOCTETS, skb.len)
  } else if (rt.rt_type == <u16>RTN_BROADCAST) {
    mib_inc(net, IPSTATS_MIB_INBCASTPKTS)
    mib_add(net, IPSTATS_MIB_INBCASTOCTETS, skb.len)
  } else {
    const in_dev = __in_dev_get_rcu(dev)
    if (changetype<usize>(in_dev) && in_dev_orconf(in_dev, IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST)) {
      return no_way(skb, net, SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST)
    }
  }
  return true
}

/**
 * Finds the datagram's way: a socket that knows it, the route of the packet before (hint, 0: none), or a look-up.
 *
 * Uses: a checked header. Sets: dst, options in cb. Next: dst.input. False: the skb is gone.
 */
export function ip_rcv_finish_core(net: net, skb: sk_buff, dev: net_device, hint: sk_buff): bool {
  let ip = changetype<iphdr>(skb.data)
  let reason: u32 = 0
  if (skb.dst == 0 && changetype<usize>(hint)) {
    reason = ip_route_use_hint(skb, ip.daddr, ip.saddr, ip.tos, dev, hint)
    if (reason) return no_way(skb, net, reason)
  }
  if (skb.dst == 0 && ip.protocol == <u8>IPPROTO_UDP && sysctl(net, SYSCTL_IP_EARLY_DEMUX) && skb.sk == 0) {
    if (!ip_is_fragment(ip) && sysctl(net, SYSCTL_UDP_EARLY_DEMUX)) {
      reason = udp_v4_early_demux(skb)
      if (reason) return no_way(skb, net, reason)
      ip = changetype<iphdr>(skb.data)
    }
  }
  if (skb.dst == 0) {
    reason = ip_route_input_noref(skb, ip.daddr, ip.saddr, ip.tos, dev)
    if (reason) return no_way(skb, net, reason)
  }
  if (ip.ihl > 5) {
    reason = ip_rcv_options(skb, dev, net)
    if (reason) {
      kfree_skb_reason(skb, reason, FN_ip_rcv_finish_core)
      return false
    }
  }
  const rt = changetype<rtable>(skb.dst)
  if (rt.rt_type == <u16>RTN_MULTICAST || rt.rt_type == <u16>RTN_BROADCAST) return count_group(skb, net, dev, rt)
  if (skb.pkt_type == <u8>PACKET_BROADCAST || skb.pkt_type == <u8>PACKET_MULTICAST)
    return count_group(skb, net, dev, rt)
  return true
}

/** No protocol handles it; unless raw sockets had it (raw) it is counted, answered with protocol unreachable (RFC 1122 3.2.2.1), freed. */
export function ip_no_protocol(skb: sk_buff, net: net, raw: bool): void {
  if (raw) {
    mib_inc(net, IPSTATS_MIB_INDELIVERS)
    consume_skb(skb, SKB_ENDED_ABSORBED)
    return
  }
  mib_inc(net, IPSTATS_MIB_INUNKNOWNPROTOS)
  call_indirect<void>(slot_get(SLOT_ICMP_SEND), skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, <u32>0)
  kfree_skb_reason(skb, SKB_DROP_REASON_IP_NOPROTO, FN_ip_local_deliver_finish)
}
