// Errors for a socket's error queue: from ICMP and from ourselves. Mirrors ip_icmp_error and ip_local_error of
// net/ipv4/ip_sockglue.c. Read first: RFC 1122 4.1.3.3, RFC 4884.

import { icmphdr } from '../../../include/headers.ts'
import { IP_HEADER_MIN, iphdr } from '../../../include/ip.ts'
import { SKB_BORN_SENT, sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, INET_RECVERR_RFC4884, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { FN_ip_icmp_error, FN_ip_local_error } from '../../../uapi/functions.ts'
import { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_LOCAL } from '../../../uapi/in.ts'
import {
  alloc_skb,
  kfree_skb_reason,
  skb_clone,
  skb_network_header,
  skb_pull,
  skb_put,
  skb_reset_network_header,
  skb_reset_transport_header,
  skb_transport_header,
} from '../../core/skbuff.ts'
import { SKB_EXT_ERR, sock_queue_err_skb } from '../../core/sock.ts'
import { ip_icmp_error_rfc4884 } from './rfc4884.ts'

const DADDR: usize = offsetof<iphdr>('daddr')

/** Fills in what the error queue tells of an error. */
function describe(skb: sk_buff, err: i32, origin: u32, info: u32, addr_offset: u32, port: u32): void {
  const serr = SKB_EXT_ERR(skb)
  serr.ee_errno = <u32>err
  serr.ee_origin = <u8>origin
  serr.ee_type = 0
  serr.ee_code = 0
  serr.ee_pad = 0
  serr.ee_info = info
  serr.ee_data = 0
  serr.addr_offset = <u16>addr_offset
  serr.port = <u16>port
}

/**
 * An ICMP error about a packet of sk: err is the errno (positive), port that of its destination (network order), info
 * the MTU or the pointer, payload where the packet's data begins. The skb is cloned, not taken. by: the protocol's
 * function (FN_*), which drops the clone when the queue is full.
 *
 * Uses: transport_header at the ICMP header, data at the IP header that it quotes.
 */
export function ip_icmp_error(sk: sock, skb: sk_buff, err: i32, port: u32, info: u32, payload: usize, by: u32): void {
  walk(FN_ip_icmp_error, changetype<usize>(skb))
  const clone = skb_clone(skb)
  if (changetype<usize>(clone) == 0) return
  const icmp = skb_transport_header(clone)
  const quoted = icmp + offsetof<icmphdr>()
  describe(clone, err, SO_EE_ORIGIN_ICMP, info, <u32>(quoted + DADDR - skb_network_header(clone)), port)
  const serr = SKB_EXT_ERR(clone)
  serr.ee_type = changetype<icmphdr>(icmp).type
  serr.ee_code = changetype<icmphdr>(icmp).code
  skb_pull(clone, <u32>(payload - clone.data))
  if (sk.inet_flags & INET_RECVERR_RFC4884) serr.ee_data = ip_icmp_error_rfc4884(clone)
  skb_reset_transport_header(clone)
  if (sock_queue_err_skb(sk, clone)) kfree_skb_reason(clone, SKB_DROP_REASON_NOT_SPECIFIED, by)
}

/** An error of our own about a packet to daddr:port (network order), for a socket with IP_RECVERR; info: the MTU. */
export function ip_local_error(sk: sock, err: i32, daddr: u32, port: u32, info: u32): void {
  walk(FN_ip_local_error, 0)
  if (!(sk.inet_flags & INET_RECVERR)) return
  const skb = alloc_skb(IP_HEADER_MIN, 0, sk.net, SKB_BORN_SENT)
  if (changetype<usize>(skb) == 0) return
  memory.fill(skb_put(skb, IP_HEADER_MIN), 0, IP_HEADER_MIN)
  skb_reset_network_header(skb)
  changetype<iphdr>(skb.data).daddr = daddr
  describe(skb, err, SO_EE_ORIGIN_LOCAL, info, <u32>DADDR, port)
  skb_pull(skb, skb.len)
  skb_reset_transport_header(skb)
  if (sock_queue_err_skb(sk, skb)) kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_local_error)
}
