// Raw sockets hear every packet of their protocol before the protocol does. Mirrors the receive side of net/ipv4/raw.c.
// Read first: RFC 1122 3.4. Left out: l3mdev, XFRM.

import { ICMP_HLEN, icmphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_icmp_filter, FN_raw_rcv, FN_skb_clone } from '../../../uapi/functions.ts'
import { IPPROTO_ICMP } from '../../../uapi/socket.ts'
import { kfree_skb_reason, skb_clone, skb_network_header, skb_push } from '../../core/skbuff.ts'
import { skb_header_pointer } from '../../core/skbuff_data.ts'
import { sock_queue_rcv_skb_reason } from '../../core/sock.ts'
import { ip_mc_sf_allow } from '../igmp/lookup.ts'
import { ipv4_pktinfo_prepare } from '../ip_sockglue/pktinfo.ts'
import { inet_iif } from '../route/iif.ts'
import { raw_chain, raw_v4_match } from './hash.ts'

/** Types that ICMP_FILTER knows; no others can be kept away. */
const ICMP_FILTER_TYPES: u32 = 32

const HEADER: usize = memory.data(16, 16)

/** Does the socket's ICMP_FILTER keep the message away? A message without a whole header never passes. */
function icmp_filter(sk: sock, skb: sk_buff): bool {
  walk(FN_icmp_filter, changetype<usize>(skb))
  const header = skb_header_pointer(skb, 0, ICMP_HLEN, HEADER)
  if (header == 0) return true
  const type = <u32>changetype<icmphdr>(header).type
  return type < ICMP_FILTER_TYPES && ((sk.icmp_filter >> type) & 1) != 0
}

/**
 * One packet for one socket, with its IP header.
 *
 * Uses: network_header, dst. Next: the socket's queue, or it is dropped with the reason that the queue gives.
 */
export function raw_rcv(sk: sock, skb: sk_buff): void {
  walk(FN_raw_rcv, changetype<usize>(skb))
  skb_push(skb, <u32>(skb.data - skb_network_header(skb)))
  ipv4_pktinfo_prepare(sk, skb)
  const reason = sock_queue_rcv_skb_reason(sk, skb)
  if (reason) kfree_skb_reason(skb, reason, FN_raw_rcv)
}

/**
 * Copies of a packet to all raw sockets that it is for. True: there was one, even if its filter kept the packet away; a
 * socket whose buffer is full does not count (raw-rcvbuf-full).
 *
 * Uses: data at the transport header, network_header, dst. The skb stays the caller's.
 */
export function raw_local_deliver(skb: sk_buff, owner: net, protocol: u32): bool {
  let p = raw_chain(owner, protocol)
  if (p == 0) return false
  const ip = changetype<iphdr>(skb_network_header(skb))
  const dif = inet_iif(skb)
  const ifindex = changetype<net_device>(skb.dev).ifindex
  let delivered = false
  while (p) {
    const sk = changetype<sock>(p)
    p = sk.sk_next
    if (!raw_v4_match(sk, protocol, ip.saddr, ip.daddr, dif)) continue
    if (sk.sk_rmem_alloc >= sk.sk_rcvbuf) {
      sk.sk_drops += 1
      continue
    }
    delivered = true
    if (protocol == IPPROTO_ICMP && icmp_filter(sk, skb)) continue
    if (!ip_mc_sf_allow(sk, ip.daddr, ip.saddr, ifindex)) continue
    walk(FN_skb_clone, changetype<usize>(skb))
    const clone = skb_clone(skb)
    if (changetype<usize>(clone)) raw_rcv(sk, clone)
  }
  return delivered
}
