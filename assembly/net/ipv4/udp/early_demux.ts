// Before the route look-up: a connected socket knows its packets, and their route. Mirrors udp_v4_early_demux of
// net/ipv4/udp.c. Left out: cached routes of multicasts.

import { ntohs } from '../../../lib/byteorder.ts'
import { UDP_HLEN, udphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { __in_dev_get_rcu, net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_udp_v4_early_demux } from '../../../uapi/functions.ts'
import { PACKET_HOST, PACKET_MULTICAST } from '../../../uapi/in.ts'
import { dst_check } from '../../core/dst.ts'
import { skb_dst_set_noref, skb_network_header, skb_transport_header } from '../../core/skbuff.ts'
import { pskb_may_pull } from '../../core/skbuff_data.ts'
import { NO_SOCK } from '../../core/sock.ts'
import { ip_check_mc_rcu } from '../igmp/lookup.ts'
import { udp_has_hash4 } from './hash.ts'
import { __udp4_lib_mcast_demux_lookup, udp4_lib_lookup4 } from './lookup.ts'

/** The socket of a multicast, if its device is a member of the group; NO_SOCK: none, or several. */
function of_group(owner: net, dev: net_device, ip: iphdr, uh: udphdr): sock {
  const in_dev = __in_dev_get_rcu(dev)
  if (changetype<usize>(in_dev) == 0) return NO_SOCK
  if (!ip_check_mc_rcu(in_dev, ip.daddr, ip.saddr, ip.protocol)) return NO_SOCK
  return __udp4_lib_mcast_demux_lookup(owner, ip.saddr, uh.source, ip.daddr, ntohs(uh.dest), dev.ifindex)
}

/** The socket that is connected to this flow. */
function of_flow(owner: net, dev: net_device, ip: iphdr, uh: udphdr): sock {
  if (!udp_has_hash4()) return NO_SOCK
  return udp4_lib_lookup4(owner, ip.saddr, uh.source, ip.daddr, ntohs(uh.dest), dev.ifindex)
}

/**
 * Finds the socket of a datagram for us that is connected, or alone in its group.
 *
 * Uses: data at the IP header, transport_header. Sets: sk, and dst if a connected socket keeps a good route. Always 0.
 */
export function udp_v4_early_demux(skb: sk_buff): u32 {
  walk(FN_udp_v4_early_demux, changetype<usize>(skb))
  const type = <u32>skb.pkt_type
  if (type != PACKET_MULTICAST && (type != PACKET_HOST || !udp_has_hash4())) return 0
  const header = <u32>(skb_transport_header(skb) - skb.data)
  if (!pskb_may_pull(skb, header + UDP_HLEN)) return 0

  const ip = changetype<iphdr>(skb_network_header(skb))
  const uh = changetype<udphdr>(skb_transport_header(skb))
  const dev = changetype<net_device>(skb.dev)
  const owner = changetype<net>(dev.nd_net)
  const sk = type == PACKET_HOST ? of_flow(owner, dev, ip, uh) : of_group(owner, dev, ip, uh)
  if (changetype<usize>(sk) == 0) return 0
  skb.sk = changetype<usize>(sk)
  // A group's sources are many: each is validated by the route look-up.
  if (sk.inet_daddr && sk.sk_rx_dst && dst_check(sk.sk_rx_dst)) skb_dst_set_noref(skb, sk.sk_rx_dst)
  return 0
}
