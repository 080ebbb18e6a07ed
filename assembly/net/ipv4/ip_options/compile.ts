// IP options are read and checked, one by one; on a packet that came in, addresses and times are written on the way.
// Mirrors __ip_options_compile of net/ipv4/ip_options.c and cipso_v4_validate of a kernel that knows no DOI.
// Read first: RFC 791 3.1 (options), RFC 1812 5.2.4.1 and 5.3.13.
//
// Each function answers 0, or where the byte at fault lies from the start of the IP header.

import { IP_HEADER_MIN, inet_skb_parm } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { walk } from '../../../trace/trace.ts'
import { FN___ip_options_compile } from '../../../uapi/functions.ts'
import {
  IPOPT_CIPSO,
  IPOPT_END,
  IPOPT_LSRR,
  IPOPT_NOOP,
  IPOPT_RA,
  IPOPT_RR,
  IPOPT_SSRR,
  IPOPT_TIMESTAMP,
  IPOPT_TS_PRESPEC,
  IPOPT_TS_TSANDADDR,
  IPOPT_TS_TSONLY,
} from '../../../uapi/ip.ts'
import { RTN_UNICAST } from '../../../uapi/rtnetlink.ts'
import { fib_compute_spec_dst, inet_addr_type } from '../fib_frontend.ts'
import { inet_current_timestamp } from './time.ts'

/** Least pointer of a route and of a timestamp option: they count from 1. */
const ROUTE_FIRST: u32 = 4
const TIME_FIRST: u32 = 5
/** A CIPSO option has at least a DOI and a tag. */
const CIPSO_MIN: u32 = 8

/** The address that we put into a packet's options; the packet must have a route. */
function spec_dst(skb: sk_buff): u32 {
  return fib_compute_spec_dst(skb)
}

function has_route(skb: sk_buff): bool {
  return changetype<usize>(skb) != 0 && skb.dst != 0
}

/** Source route at p. Of a user's route the first hop becomes faddr, and the rest moves up. */
function source_route(opt: inet_skb_parm, user: bool, p: usize, at: u32, len: u32): u32 {
  if (len < 3) return at + 1
  const ptr = <u32>load<u8>(p, 2)
  if (ptr < ROUTE_FIRST) return at + 2
  if (opt.srr) return at
  if (user) {
    if (ptr != ROUTE_FIRST || len < 7 || (len - 3) & 3) return at + 1
    opt.faddr = load<u32>(p, 3)
    if (len > 7) memory.copy(p + 3, p + 7, len - 7)
  }
  opt.is_strictroute = u8(<u32>load<u8>(p) == IPOPT_SSRR)
  opt.srr = <u8>at
  return 0
}

/** Record route at p: our address is written if there is room. */
function record_route(opt: inet_skb_parm, skb: sk_buff, p: usize, at: u32, len: u32): u32 {
  if (opt.rr) return at
  if (len < 3) return at + 1
  const ptr = <u32>load<u8>(p, 2)
  if (ptr < ROUTE_FIRST) return at + 2
  if (ptr <= len) {
    if (ptr + 3 > len) return at + 2
    if (has_route(skb)) {
      store<u32>(p + ptr - 1, spec_dst(skb))
      opt.is_changed = 1
    }
    store<u8>(p, <u8>(ptr + 4), 2)
    opt.rr_needaddr = 1
  }
  opt.rr = <u8>at
  return 0
}

/** An entry of a timestamp option is begun: our address and the time, as its flags ask. */
function stamp(net: net, opt: inet_skb_parm, skb: sk_buff, p: usize, at: u32, len: u32): u32 {
  const ptr = <u32>load<u8>(p, 2)
  const kind = (<u32>load<u8>(p, 3)) & 15
  if (ptr + 3 > len) return at + 2
  if (kind != IPOPT_TS_TSONLY && kind != IPOPT_TS_TSANDADDR && kind != IPOPT_TS_PRESPEC) return 0
  if (kind != IPOPT_TS_TSONLY && ptr + 7 > len) return at + 2
  const entry = p + ptr - 1
  const here = changetype<usize>(skb) != 0
  let time: usize = 0
  if (kind == IPOPT_TS_TSONLY) {
    if (here) time = entry
  } else if (kind == IPOPT_TS_TSANDADDR) {
    if (has_route(skb)) {
      store<u32>(entry, spec_dst(skb))
      time = entry + 4
    }
    opt.ts_needaddr = 1
  } else {
    // Prespecified: the entry of another host waits for it.
    if (inet_addr_type(net, load<u32>(entry)) == RTN_UNICAST) return 0
    if (here) time = entry + 4
  }
  opt.ts_needtime = 1
  store<u8>(p, <u8>(kind == IPOPT_TS_TSONLY ? ptr + 4 : ptr + 8), 2)
  if (time) {
    store<u32>(time, inet_current_timestamp())
    opt.is_changed = 1
  }
  return 0
}

/** Internet timestamp at p; without room its overflow counter goes up. */
function timestamp(net: net, opt: inet_skb_parm, skb: sk_buff, p: usize, at: u32, len: u32): u32 {
  if (opt.ts) return at
  if (len < 4) return at + 1
  const ptr = <u32>load<u8>(p, 2)
  if (ptr < TIME_FIRST) return at + 2
  if (ptr <= len) {
    const fault = stamp(net, opt, skb, p, at, len)
    if (fault) return fault
  } else {
    const flags = <u32>load<u8>(p, 3)
    if ((flags & 15) != IPOPT_TS_PRESPEC) {
      if (flags >> 4 == 15) return at + 3
      if (changetype<usize>(skb)) {
        store<u8>(p, <u8>(flags + 16), 3)
        opt.is_changed = 1
      }
    }
  }
  opt.ts = <u8>at
  return 0
}

function router_alert(opt: inet_skb_parm, p: usize, at: u32, len: u32): u32 {
  if (len < 4) return at + 1
  if (load<u16>(p, 2) == 0) opt.router_alert = <u8>at
  return 0
}

/** Labels of a domain that nobody configured: refused at the length, or at the domain's number. */
function cipso(opt: inet_skb_parm, at: u32, len: u32): u32 {
  if (opt.cipso) return at
  opt.cipso = <u8>at
  return len < CIPSO_MIN ? at + 1 : at + 2
}

function one(net: net, opt: inet_skb_parm, skb: sk_buff, p: usize, at: u32, len: u32): u32 {
  switch (<u32>load<u8>(p)) {
    case IPOPT_SSRR:
    case IPOPT_LSRR:
      return source_route(opt, changetype<usize>(skb) == 0, p, at, len)
    case IPOPT_RR:
      return record_route(opt, skb, p, at, len)
    case IPOPT_TIMESTAMP:
      return timestamp(net, opt, skb, p, at, len)
    case IPOPT_RA:
      return router_alert(opt, p, at, len)
    case IPOPT_CIPSO:
      return cipso(opt, at, len)
    default:
      return 0
  }
}

/** Behind the end of the list there is nothing but more of it. */
function clear_rest(opt: inet_skb_parm, p: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    if (<u32>load<u8>(p + i) == IPOPT_END) continue
    store<u8>(p + i, <u8>IPOPT_END)
    opt.is_changed = 1
  }
}

/**
 * Reads opt.optlen bytes of options behind the IP header at iph: those of skb, or a user's (skb 0), for whom addresses and
 * times stay open. What was read before a fault stays in opt: an error message echoes it (ip-rx-option-bad).
 */
export function __ip_options_compile(net: net, opt: inet_skb_parm, skb: sk_buff, iph: usize): u32 {
  walk(FN___ip_options_compile, changetype<usize>(skb))
  const end = IP_HEADER_MIN + <u32>opt.optlen
  let at = IP_HEADER_MIN
  while (at < end) {
    const p = iph + at
    const kind = <u32>load<u8>(p)
    if (kind == IPOPT_END) {
      clear_rest(opt, p + 1, end - at - 1)
      return 0
    }
    if (kind == IPOPT_NOOP) {
      at++
      continue
    }
    if (end - at < 2) return at
    const len = <u32>load<u8>(p, 1)
    if (len < 2 || len > end - at) return at
    const fault = one(net, opt, skb, p, at, len)
    if (fault) return fault
    at += len
  }
  return 0
}
