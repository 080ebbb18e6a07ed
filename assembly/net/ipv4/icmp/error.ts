// ICMP errors and redirects that come in: checked, then given to the protocol of the packet that they quote.
// Mirrors icmp_unreach, icmp_redirect, icmp_socket_deliver and icmp_err of net/ipv4/icmp.c.
// Read first: RFC 1122 3.2.2.1 to 3.2.2.5, RFC 1191 (path MTU).

import { rtable } from '../../../include/dst.ts'
import { ICMP_HLEN, icmphdr } from '../../../include/headers.ts'
import { IP_HEADER_MIN, iphdr } from '../../../include/ip.ts'
import { mib_inc, net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { SLOT_ERR_IPIP, SLOT_ERR_PING, SLOT_ERR_RAW, SLOT_ERR_TCP, SLOT_ERR_UDP, slot_get } from '../../../lib/boot.ts'
import { ntohl, ntohs } from '../../../lib/byteorder.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_IP_INHDR,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_SMALL,
} from '../../../uapi/dropreason.ts'
import { FN_icmp_err, FN_icmp_redirect, FN_icmp_socket_deliver, FN_icmp_unreach } from '../../../uapi/functions.ts'
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHOREPLY,
  ICMP_EXC_FRAGTIME,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  NR_ICMP_UNREACH,
} from '../../../uapi/icmp.ts'
import { RTN_BROADCAST } from '../../../uapi/rtnetlink.ts'
import { ICMP_MIB_INERRORS } from '../../../uapi/snmp.ts'
import {
  IPPROTO_ICMP,
  IPPROTO_IPIP,
  IPPROTO_RAW,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
} from '../../../uapi/socket.ts'
import { SYSCTL_ICMP_IGNORE_BOGUS_ERROR_RESPONSES, SYSCTL_IP_NO_PMTU_DISC } from '../../../uapi/sysctl.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { pskb_may_pull } from '../../core/skbuff_data.ts'
import { inet_addr_type_dev_table } from '../fib_frontend.ts'
import { ipv4_update_pmtu } from '../route/pmtu.ts'
import { ipv4_redirect } from '../route/redirect.ts'

/** ip_no_pmtu_disc: errors about MTUs are ignored, or believed only by protocols that check them. */
const PMTU_IGNORED: i32 = 2
const PMTU_HARDENED: i32 = 3

function net_of(skb: sk_buff): net {
  return changetype<net>(changetype<net_device>(changetype<rtable>(skb.dst).dev).nd_net)
}

function icmp_hdr(skb: sk_buff): icmphdr {
  return changetype<icmphdr>(skb_transport_header(skb))
}

/** What the socket rooms registered for a protocol's errors; false: nobody. */
function err_handler(slot: u32, skb: sk_buff, info: u32): bool {
  const fn = slot_get(slot)
  if (fn == 0) return false
  call_indirect<void>(fn, changetype<usize>(skb), info)
  return true
}

/** An error about an ICMP message of ours. What it says of a reply concerns the route, the rest the ping sockets. */
function icmp_err(skb: sk_buff, info: u32): void {
  walk(FN_icmp_err, changetype<usize>(skb))
  const about = changetype<icmphdr>(skb.data + (changetype<iphdr>(skb.data).ihl << 2))
  if (about.type != <u8>ICMP_ECHOREPLY) {
    err_handler(SLOT_ERR_PING, skb, info)
    return
  }
  const owner = changetype<net>(changetype<net_device>(skb.dev).nd_net)
  const icmph = icmp_hdr(skb)
  if (icmph.type == <u8>ICMP_REDIRECT) ipv4_redirect(skb, owner, 0, IPPROTO_ICMP)
  else if (icmph.type == <u8>ICMP_DEST_UNREACH && icmph.code == <u8>ICMP_FRAG_NEEDED) {
    ipv4_update_pmtu(skb, owner, info, 0, IPPROTO_ICMP)
  }
}

/**
 * To raw sockets, then to the protocol of the quoted packet, of which header and 8 bytes must be there. 255 is nobody's
 * protocol: such an error is wrong (icmp-error-quotes-255).
 */
function icmp_socket_deliver(skb: sk_buff, info: u32): void {
  walk(FN_icmp_socket_deliver, changetype<usize>(skb))
  const protocol = <u32>changetype<iphdr>(skb.data).protocol
  const header = changetype<iphdr>(skb.data).ihl << 2
  if (protocol == IPPROTO_RAW || !pskb_may_pull(skb, header + ICMP_HLEN)) {
    mib_inc(net_of(skb), ICMP_MIB_INERRORS)
    return
  }
  err_handler(SLOT_ERR_RAW, skb, info)
  if (protocol == IPPROTO_ICMP) icmp_err(skb, info)
  else if (protocol == IPPROTO_UDP || protocol == IPPROTO_TCP) {
    // Without sockets of the protocol the error is about none.
    const slot: u32 = protocol == IPPROTO_UDP ? SLOT_ERR_UDP : SLOT_ERR_TCP
    if (!err_handler(slot, skb, info)) mib_inc(net_of(skb), ICMP_MIB_INERRORS)
  } else if (protocol == IPPROTO_IPIP) {
    err_handler(SLOT_ERR_IPIP, skb, info)
  } else if (protocol == IPPROTO_UDPLITE) {
    mib_inc(net_of(skb), ICMP_MIB_INERRORS)
  }
}

/** Does anybody want to know of a smaller MTU? */
function pmtu_heeded(owner: net, protocol: u32): bool {
  const mode = sysctl(owner, SYSCTL_IP_NO_PMTU_DISC)
  // Only TCP checks what is quoted (icmp_tag_validation).
  return mode != PMTU_IGNORED && (mode != PMTU_HARDENED || protocol == IPPROTO_TCP)
}

/** The number that goes with an error: MTU, pointer, or 0. -1: the error goes nowhere. */
function info_of(owner: net, icmph: icmphdr, ip: iphdr): i32 {
  const code = <u32>icmph.code
  if (icmph.type == <u8>ICMP_PARAMETERPROB) return <i32>(icmph.un & 0xff)
  if (icmph.type == <u8>ICMP_TIME_EXCEEDED) return code == ICMP_EXC_FRAGTIME ? -1 : 0
  if (icmph.type != <u8>ICMP_DEST_UNREACH) return 0
  let info = 0
  if ((code & 15) == ICMP_FRAG_NEEDED) {
    if (!pmtu_heeded(owner, ip.protocol)) return -1
    const mode = sysctl(owner, SYSCTL_IP_NO_PMTU_DISC)
    if (mode == 0 || mode == PMTU_HARDENED) info = <i32>ntohs(icmph.un >> 16)
  }
  return code > NR_ICMP_UNREACH ? -1 : info
}

/**
 * Destination unreachable, time exceeded, parameter problem, source quench.
 *
 * Uses: data behind the ICMP header, dst. 0, or the reason to drop it, counted; the skb stays the caller's.
 */
export function icmp_unreach(skb: sk_buff): u32 {
  walk(FN_icmp_unreach, changetype<usize>(skb))
  const owner = net_of(skb)
  if (!pskb_may_pull(skb, IP_HEADER_MIN)) {
    mib_inc(owner, ICMP_MIB_INERRORS)
    return SKB_DROP_REASON_NOT_SPECIFIED
  }
  const ip = changetype<iphdr>(skb.data)
  if (ip.ihl < 5) {
    mib_inc(owner, ICMP_MIB_INERRORS)
    return SKB_DROP_REASON_IP_INHDR
  }
  const info = info_of(owner, icmp_hdr(skb), ip)
  if (info < 0) return 0
  // An error about a broadcast of ours is bogus (RFC 1122 3.2.2).
  if (!sysctl(owner, SYSCTL_ICMP_IGNORE_BOGUS_ERROR_RESPONSES)) {
    if (inet_addr_type_dev_table(owner, changetype<net_device>(skb.dev), ip.daddr) == RTN_BROADCAST) return 0
  }
  icmp_socket_deliver(skb, <u32>info)
  return 0
}

/** A redirect: the protocol of the quoted packet changes the route. Answers as icmp_unreach. */
export function icmp_redirect(skb: sk_buff): u32 {
  walk(FN_icmp_redirect, changetype<usize>(skb))
  if (skb.len < IP_HEADER_MIN) {
    mib_inc(net_of(skb), ICMP_MIB_INERRORS)
    return SKB_DROP_REASON_PKT_TOO_SMALL
  }
  if (!pskb_may_pull(skb, IP_HEADER_MIN)) return SKB_DROP_REASON_NOMEM
  icmp_socket_deliver(skb, ntohl(icmp_hdr(skb).un))
  return 0
}
