// ICMP errors about echo requests of ping sockets. Mirrors ping_err of net/ipv4/ping.c. Read first: RFC 1122 4.1.3.3.

import { ntohs } from '../../../lib/byteorder.ts'
import { icmphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, TCP_ESTABLISHED, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EHOSTUNREACH, EMSGSIZE, EPROTO, EREMOTEIO } from '../../../uapi/errno.ts'
import { FN_ping_err, FN_ping_supported } from '../../../uapi/functions.ts'
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_EXT_ECHO,
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
import { ping_lookup } from './hash.ts'

/** What a ping socket may send: echo requests. */
export function ping_supported(type: u32, code: u32): bool {
  return (type == ICMP_ECHO || type == ICMP_EXT_ECHO) && code == 0
}

/** The errno that a message means to sk, 0: nothing (its route has heard of it). What is no error has one that says so. */
function errno_of(sk: sock, skb: sk_buff, type: u32, code: u32, info: u32): i32 {
  if (type == ICMP_SOURCE_QUENCH) return EREMOTEIO
  if (type == ICMP_REDIRECT) {
    ipv4_sk_redirect(skb, sk)
    return EREMOTEIO
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
  const err = errno_of(sk, skb, type, code, info)
  if (err == 0) return
  if (sk.inet_flags & INET_RECVERR) ip_icmp_error(sk, skb, err, 0, info, quoted, FN_ping_err)
  else if (!is_hard(type, code) || sk.sk_state != <u8>TCP_ESTABLISHED) return
  sk.sk_err = err
  sk_error_report(sk)
}
