// A train of datagrams at its socket: whole for one that asked for that (UDP_GRO), else cut. Mirrors udp_unexpected_gso and
// udp_rcv_segment of linux/udp.h and include/net/udp.h.

import { mib_add, net } from '../../../include/net_namespace.ts'
import { NETIF_F_IP_CSUM, NETIF_F_IPV6_CSUM, NETIF_F_SG } from '../../../include/netdevice.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  SKB_CSUM_VALID,
  SKB_ENDED_ABSORBED,
  SKB_GSO_FRAGLIST,
  SKB_GSO_UDP_L4,
  SKB_GSO_UDP_TUNNEL,
  SKB_GSO_UDP_TUNNEL_CSUM,
  sk_buff,
  skb_gso_segs,
} from '../../../include/skbuff.ts'
import { UDP_FLAGS_GRO_ENABLED, msghdr, sock } from '../../../include/sock.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { FN_udp_rcv_segment } from '../../../uapi/functions.ts'
import { PACKET_LOOPBACK, UDP_GRO } from '../../../uapi/in.ts'
import { UDP_MIB_INERRORS } from '../../../uapi/snmp.ts'
import { SOL_UDP } from '../../../uapi/socket.ts'
import { __skb_gso_segment, skb_is_gso } from '../../core/gso.ts'
import { put_cmsg_u32 } from '../../core/scm.ts'
import { consume_skb, kfree_skb_reason, skb_mac_header, skb_pull, skb_push, skb_shinfo } from '../../core/skbuff.ts'

/** Is it a train that the socket cannot take? */
export function udp_unexpected_gso(sk: sock, skb: sk_buff): bool {
  if (!skb_is_gso(skb)) return false
  const type = skb_shinfo(skb).gso_type
  if (type & SKB_GSO_UDP_L4 && !(sk.udp_flags & (<u16>UDP_FLAGS_GRO_ENABLED))) return true
  if (type & SKB_GSO_FRAGLIST) return true
  // A tunnel's socket looks at one datagram at a time.
  return sk.encap_type != 0 && sk.encap_rcv != 0 && !(type & (SKB_GSO_UDP_TUNNEL | SKB_GSO_UDP_TUNNEL_CSUM))
}

/**
 * The datagrams of a train, a list by next, with data at their UDP headers; the train is gone. 0: it could not be cut, and is
 * counted.
 *
 * Uses: data at the UDP header, mac_header.
 */
export function udp_rcv_segment(sk: sock, skb: sk_buff): usize {
  walk(FN_udp_rcv_segment, changetype<usize>(skb))
  skb_push(skb, <u32>(skb.data - skb_mac_header(skb)))
  // Checksums are not filled in for a reader who would only check them.
  if (skb.pkt_type == <u8>PACKET_LOOPBACK) skb.ip_summed = <u8>CHECKSUM_PARTIAL
  const segs = __skb_gso_segment(skb, NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM, false)
  if (segs == 0 || IS_ERR(segs)) {
    const count = skb_gso_segs(skb)
    sk.sk_drops += count
    mib_add(changetype<net>(sk.net), UDP_MIB_INERRORS, count)
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_udp_rcv_segment)
    return 0
  }
  consume_skb(skb, SKB_ENDED_ABSORBED)
  for (let p = segs; p; p = changetype<sk_buff>(p).next) {
    const seg = changetype<sk_buff>(p)
    skb_pull(seg, <u32>seg.transport_header - <u32>(seg.data - seg.head))
  }
  return segs
}

/** The train's checksum was right, and so is each datagram's. */
export function udp_post_segment_fix_csum(skb: sk_buff): void {
  if (skb.ip_summed == <u8>CHECKSUM_NONE) skb.skb_flags |= SKB_CSUM_VALID
}

/** UDP_GRO: the reader of a train is told where it is to be cut. */
export function udp_cmsg_recv(msg: msghdr, skb: sk_buff): void {
  if (!skb_is_gso(skb)) return
  const shinfo = skb_shinfo(skb)
  if (shinfo.gso_type & (SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST)) put_cmsg_u32(msg, SOL_UDP, UDP_GRO, shinfo.gso_size)
}
