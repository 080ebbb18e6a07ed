// What a destination unreachable message means to a socket: an errno, and whether it is fatal (RFC 1122 4.2.3.9).
// Mirrors the table icmp_err_convert of net/ipv4/icmp.c.

import {
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  EOPNOTSUPP,
} from '../../../uapi/errno.ts'
import {
  ICMP_FRAG_NEEDED,
  ICMP_HOST_ISOLATED,
  ICMP_HOST_UNKNOWN,
  ICMP_HOST_UNR_TOS,
  ICMP_HOST_UNREACH,
  ICMP_NET_ANO,
  ICMP_NET_UNKNOWN,
  ICMP_NET_UNREACH,
  ICMP_NET_UNR_TOS,
  ICMP_PORT_UNREACH,
  ICMP_PROT_UNREACH,
  ICMP_SR_FAILED,
  NR_ICMP_UNREACH,
} from '../../../uapi/icmp.ts'

/** The errno (positive) of a code. */
export function icmp_err_errno(code: u32): i32 {
  switch (code) {
    case ICMP_NET_UNREACH:
    case ICMP_NET_UNKNOWN:
    case ICMP_NET_ANO:
    case ICMP_NET_UNR_TOS:
      return ENETUNREACH
    case ICMP_PROT_UNREACH:
      return ENOPROTOOPT
    case ICMP_PORT_UNREACH:
      return ECONNREFUSED
    case ICMP_FRAG_NEEDED:
      return EMSGSIZE
    case ICMP_SR_FAILED:
      return EOPNOTSUPP
    case ICMP_HOST_UNKNOWN:
      return EHOSTDOWN
    case ICMP_HOST_ISOLATED:
      return ENONET
    default:
      return EHOSTUNREACH
  }
}

/** Will it not get better by itself? */
export function icmp_err_fatal(code: u32): bool {
  switch (code) {
    case ICMP_NET_UNREACH:
    case ICMP_HOST_UNREACH:
    case ICMP_FRAG_NEEDED:
    case ICMP_SR_FAILED:
    case ICMP_NET_UNR_TOS:
    case ICMP_HOST_UNR_TOS:
      return false
    default:
      return code <= NR_ICMP_UNREACH
  }
}
