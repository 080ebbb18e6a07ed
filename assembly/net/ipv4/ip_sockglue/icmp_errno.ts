// What an ICMP error means to a socket of datagrams: UDP's and ping's are alike but for what is no error.
// Mirrors what __udp4_lib_err of net/ipv4/udp.c and ping_err of net/ipv4/ping.c have in common (RFC 1122 4.1.3.3).

import { sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { EHOSTUNREACH, EMSGSIZE, EPROTO } from '../../../uapi/errno.ts'
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
} from '../../../uapi/icmp.ts'
import { IP_PMTUDISC_DONT } from '../../../uapi/in.ts'
import { icmp_err_errno, icmp_err_fatal } from '../icmp/err_convert.ts'
import { ipv4_sk_update_pmtu } from '../route/pmtu.ts'
import { ipv4_sk_redirect } from '../route/redirect.ts'

/**
 * The errno (positive) that a message means to sk, 0: nothing. Routes hear of redirects and path MTUs here; info: the MTU.
 * no_error: what a source quench or a redirect is to the socket.
 */
export function datagram_errno(sk: sock, skb: sk_buff, type: u32, code: u32, info: u32, no_error: i32): i32 {
  if (type == ICMP_SOURCE_QUENCH) return no_error
  if (type == ICMP_REDIRECT) {
    ipv4_sk_redirect(skb, sk)
    return no_error
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
export function is_hard_error(type: u32, code: u32): bool {
  if (type == ICMP_PARAMETERPROB) return true
  return type == ICMP_DEST_UNREACH && (code == ICMP_FRAG_NEEDED || icmp_err_fatal(code))
}
