// ICMP errors about echo requests of ping sockets. Mirrors ping_err of net/ipv4/ping.c. Read first: RFC 1122 4.1.3.3.

import { ntohs } from '../../../lib/byteorder.ts'
import { icmphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, TCP_ESTABLISHED } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EREMOTEIO } from '../../../uapi/errno.ts'
import { FN_ping_err, FN_ping_supported } from '../../../uapi/functions.ts'
import { ICMP_ECHO, ICMP_EXT_ECHO } from '../../../uapi/icmp.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { sk_error_report } from '../../core/sock.ts'
import { ip_icmp_error } from '../ip_sockglue/errors.ts'
import { datagram_errno, is_hard_error } from '../ip_sockglue/icmp_errno.ts'
import { ping_lookup } from './hash.ts'

/** What a ping socket may send: echo requests. */
export function ping_supported(type: u32, code: u32): bool {
  return (type == ICMP_ECHO || type == ICMP_EXT_ECHO) && code == 0
}

/**
 * An ICMP error about an ICMP message of ours; info: the MTU or the pointer. The skb stays the caller's.
 *
 * Uses: transport_header at the ICMP header, data at the IP header that it quotes, with 8 bytes behind it.
 */
export function ping_err(skb: sk_buff, info: u32): void {
  walk(FN_ping_err, changetype<usize>(skb))
  walk(FN_ping_supported, 0)
  const quoted = skb.data + (changetype<iphdr>(skb.data).ihl << 2)
  const sent = changetype<icmphdr>(quoted)
  if (!ping_supported(sent.type, sent.code)) return
  const owner = changetype<net>(changetype<net_device>(skb.dev).nd_net)
  const sk = ping_lookup(owner, skb, ntohs(sent.un & 0xffff))
  if (changetype<usize>(sk) == 0) return
  const icmp = changetype<icmphdr>(skb_transport_header(skb))
  const type = <u32>icmp.type
  const code = <u32>icmp.code
  const err = datagram_errno(sk, skb, type, code, info, EREMOTEIO)
  if (err == 0) return
  if (sk.inet_flags & INET_RECVERR) ip_icmp_error(sk, skb, err, 0, info, quoted, FN_ping_err)
  else if (!is_hard_error(type, code) || sk.sk_state != <u8>TCP_ESTABLISHED) return
  sk.sk_err = err
  sk_error_report(sk)
}
