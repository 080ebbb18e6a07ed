// ICMP errors about datagrams that we sent. Mirrors __udp4_lib_err of net/ipv4/udp.c. Left out: tunnels.
// Read first: RFC 1122 4.1.3.3, RFC 1191.

import { ntohs } from '../../../lib/byteorder.ts'
import { UDP_HLEN, icmphdr, udphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, TCP_ESTABLISHED, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EHOSTUNREACH, EMSGSIZE, EPROTO } from '../../../uapi/errno.ts'
import { FN___udp4_lib_err, FN_udp_err } from '../../../uapi/functions.ts'
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
} from '../../../uapi/icmp.ts'
import { IP_PMTUDISC_DONT } from '../../../uapi/in.ts'
import { ICMP_MIB_INERRORS } from '../../../uapi/snmp.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { sk_error_report } from '../../core/sock.ts'
import { icmp_err_errno, icmp_err_fatal } from '../icmp/err_convert.ts'
import { ip_icmp_error } from '../ip_sockglue/errors.ts'
import { ipv4_sk_update_pmtu } from '../route/pmtu.ts'
import { ipv4_sk_redirect } from '../route/redirect.ts'
import { __udp4_lib_lookup } from './lookup.ts'

/** The errno that a message means to sk, 0: nothing (routes have heard of it). */
function errno_of(sk: sock, skb: sk_buff, type: u32, code: u32, info: u32): i32 {
  if (type == ICMP_SOURCE_QUENCH) return 0
  if (type == ICMP_REDIRECT) {
    ipv4_sk_redirect(skb, sk)
    return 0
  }
  if (type == ICMP_PARAMETERPROB) return EPROTO
  if (type != ICMP_DEST_UNREACH) return EHOSTUNREACH
  if (code == ICMP_FRAG_NEEDED) {
    ipv4_sk_update_pmtu(skb, sk, info)
    return sk.pmtudisc != <u8>IP_PMTUDISC_DONT ? EMSGSIZE : 0
  }
  return icmp_err_errno(code)
}

/** Errors that a connected socket hears of even without IP_RECVERR. */
function is_hard(type: u32, code: u32): bool {
  if (type == ICMP_PARAMETERPROB) return true
  return type == ICMP_DEST_UNREACH && (code == ICMP_FRAG_NEEDED || icmp_err_fatal(code))
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
  const sk = __udp4_lib_lookup(owner, ip.daddr, port, ip.saddr, ntohs(uh.source), dev.ifindex, 0)
  if (changetype<usize>(sk) == 0) {
    mib_inc(owner, ICMP_MIB_INERRORS)
    return
  }
  const icmp = changetype<icmphdr>(skb_transport_header(skb))
  const type = <u32>icmp.type
  const code = <u32>icmp.code
  const err = errno_of(sk, skb, type, code, info)
  if (err == 0 || sk.encap_type) return // a tunnel's socket sends for others
  if (sk.inet_flags & INET_RECVERR) ip_icmp_error(sk, skb, err, port, info, transport + UDP_HLEN, FN___udp4_lib_err)
  else if (!is_hard(type, code) || sk.sk_state != <u8>TCP_ESTABLISHED) return
  sk.sk_err = err
  sk_error_report(sk)
}
