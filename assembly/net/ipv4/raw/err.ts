// ICMP errors about packets of raw sockets' protocols. Mirrors raw_err and raw_icmp_error of net/ipv4/raw.c.
// Read first: RFC 1122 4.1.3.3, RFC 1191.

import { icmphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { INET_HDRINCL, INET_RECVERR, TCP_ESTABLISHED, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EHOSTUNREACH, EMSGSIZE, EPROTO } from '../../../uapi/errno.ts'
import { FN_raw_err, FN_raw_icmp_error } from '../../../uapi/functions.ts'
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
} from '../../../uapi/icmp.ts'
import { IP_PMTUDISC_DONT } from '../../../uapi/in.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { sk_error_report } from '../../core/sock.ts'
import { icmp_err_errno, icmp_err_fatal } from '../icmp/err_convert.ts'
import { ip_icmp_error } from '../ip_sockglue/errors.ts'
import { ipv4_sk_update_pmtu } from '../route/pmtu.ts'
import { ipv4_sk_redirect } from '../route/redirect.ts'
import { raw_chain, raw_v4_match } from './hash.ts'

/** The errno of a message, 0: it is none for a socket. */
function errno_of(type: u32, code: u32): i32 {
  if (type == ICMP_SOURCE_QUENCH) return 0
  if (type == ICMP_PARAMETERPROB) return EPROTO
  if (type != ICMP_DEST_UNREACH) return EHOSTUNREACH
  return code == ICMP_FRAG_NEEDED ? EMSGSIZE : icmp_err_errno(code)
}

/** Does a connected socket hear of it even without IP_RECVERR? */
function is_hard(sk: sock, type: u32, code: u32): bool {
  if (type == ICMP_PARAMETERPROB) return true
  if (type != ICMP_DEST_UNREACH) return false
  return code == ICMP_FRAG_NEEDED ? sk.pmtudisc != <u8>IP_PMTUDISC_DONT : icmp_err_fatal(code)
}

/** An error for one socket. With IP_HDRINCL the error queue gets the quoted header too. */
function raw_err(sk: sock, skb: sk_buff, info: u32): void {
  walk(FN_raw_err, changetype<usize>(skb))
  const icmp = changetype<icmphdr>(skb_transport_header(skb))
  const type = <u32>icmp.type
  const code = <u32>icmp.code
  if (type == ICMP_REDIRECT) {
    ipv4_sk_redirect(skb, sk)
    return
  }
  if (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED) ipv4_sk_update_pmtu(skb, sk, info)
  const queued = (sk.inet_flags & INET_RECVERR) != 0
  if (!queued && sk.sk_state != <u8>TCP_ESTABLISHED) return
  const err = errno_of(type, code)
  if (err == 0) return
  if (queued) {
    const header: u32 = sk.inet_flags & INET_HDRINCL ? 0 : changetype<iphdr>(skb.data).ihl << 2
    ip_icmp_error(sk, skb, err, 0, info, skb.data + header, FN_raw_err)
  } else if (!is_hard(sk, type, code)) {
    return
  }
  sk.sk_err = err
  sk_error_report(sk)
}

/**
 * An ICMP error for all raw sockets that could have sent the packet it quotes; info: the MTU or the pointer. The skb stays
 * the caller's.
 *
 * Uses: transport_header at the ICMP header, data at the IP header that it quotes.
 */
export function raw_icmp_error(skb: sk_buff, info: u32): void {
  walk(FN_raw_icmp_error, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const ip = changetype<iphdr>(skb.data)
  const protocol = <u32>ip.protocol
  let p = raw_chain(changetype<net>(dev.nd_net), protocol)
  while (p) {
    const sk = changetype<sock>(p)
    p = sk.sk_next
    if (raw_v4_match(sk, protocol, ip.daddr, ip.saddr, dev.ifindex)) raw_err(sk, skb, info)
  }
}
