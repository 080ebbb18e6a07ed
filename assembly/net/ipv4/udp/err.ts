// ICMP errors about datagrams that we sent. Mirrors __udp4_lib_err of net/ipv4/udp.c.
// Read first: RFC 1122 4.1.3.3, RFC 1191.

import { SLOT_ENCAP_ERR_LOOKUP, boot, slot_get } from '../../../lib/boot.ts'
import { ntohs } from '../../../lib/byteorder.ts'
import { UDP_HLEN, icmphdr, udphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, TCP_ESTABLISHED, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { FN___udp4_lib_err, FN_udp_err } from '../../../uapi/functions.ts'
import { ICMP_MIB_INERRORS } from '../../../uapi/snmp.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { sk_error_report } from '../../core/sock.ts'
import { ip_icmp_error } from '../ip_sockglue/errors.ts'
import { datagram_errno, is_hard_error } from '../ip_sockglue/icmp_errno.ts'
import { __udp4_lib_lookup } from './lookup.ts'

/** encap_rcv of a socket that looks for ESP; others are tunnels'. */
const ENCAP_ESP: u32 = 1

/**
 * The socket of a tunnel, if the error is about one of its packets: it sends from many ports, and receives at that to which it
 * sends (__udp4_lib_err_encap). found: who has the source port; NO_SOCK: nobody's.
 */
function tunnel_of(skb: sk_buff, owner: net, found: sock): sock {
  if (boot.vxlan_socks == 0) return found
  const ip = changetype<iphdr>(skb.data)
  const uh = changetype<udphdr>(skb.data + (ip.ihl << 2))
  const dev = changetype<net_device>(skb.dev)
  const sk = __udp4_lib_lookup(owner, ip.daddr, uh.source, ip.saddr, ntohs(uh.dest), dev.ifindex, 0)
  if (changetype<usize>(sk) == 0 || sk.encap_rcv <= ENCAP_ESP) return found
  const lookup = slot_get(SLOT_ENCAP_ERR_LOOKUP)
  return call_indirect<bool>(lookup, changetype<usize>(skb), <usize>sk.encap_rcv) ? sk : found
}

/**
 * An ICMP error about a datagram of ours; info: the MTU or the pointer. The skb stays the caller's.
 *
 * Uses: transport_header at the ICMP header, data at the IP header that it quotes, with 8 bytes behind it.
 */
export function udp_err(skb: sk_buff, info: u32): void {
  walk(FN_udp_err, changetype<usize>(skb))
  walk(FN___udp4_lib_err, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const owner = changetype<net>(dev.nd_net)
  const ip = changetype<iphdr>(skb.data)
  const transport = skb.data + (ip.ihl << 2)
  const uh = changetype<udphdr>(transport)
  const port = <u32>uh.dest
  let sk = __udp4_lib_lookup(owner, ip.daddr, port, ip.saddr, ntohs(uh.source), dev.ifindex, 0)
  if (changetype<usize>(sk) == 0 || sk.encap_type) sk = tunnel_of(skb, owner, sk)
  if (changetype<usize>(sk) == 0) {
    mib_inc(owner, ICMP_MIB_INERRORS)
    return
  }
  const icmp = changetype<icmphdr>(skb_transport_header(skb))
  const type = <u32>icmp.type
  const code = <u32>icmp.code
  const err = datagram_errno(sk, skb, type, code, info, 0)
  if (err == 0 || sk.encap_type) return // a tunnel's socket sends for others
  if (sk.inet_flags & INET_RECVERR) ip_icmp_error(sk, skb, err, port, info, transport + UDP_HLEN, FN___udp4_lib_err)
  else if (!is_hard_error(type, code) || sk.sk_state != <u8>TCP_ESTABLISHED) return
  sk.sk_err = err
  sk_error_report(sk)
}
