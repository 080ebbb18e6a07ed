// TCP segments that come in: checks, and resets for those that nobody waits for. Mirrors net/ipv4/tcp_ipv4.c.
// This host has no TCP sockets yet: a look-up finds none. Read first: RFC 9293 3.1, 3.5.2, 3.10.7.1.

import { rtable } from '../../include/dst.ts'
import { TCP_HLEN, tcphdr } from '../../include/headers.ts'
import { iphdr } from '../../include/ip.ts'
import { mib_inc, net } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { sock } from '../../include/sock.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { SLOT_ERR_TCP, slot_set } from '../../lib/boot.ts'
import { ntohl } from '../../lib/byteorder.ts'
import { csum_tcpudp_nofold } from '../../lib/checksum.ts'
import { walk, walk_value } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_TCP_CSUM,
} from '../../uapi/dropreason.ts'
import {
  FN___inet_lookup_established,
  FN___inet_lookup_listener,
  FN_inet_ehashfn,
  FN_inet_lhash2_lookup,
  FN_tcp_do_parse_auth_options,
  FN_tcp_v4_err,
  FN_tcp_v4_fill_cb,
  FN_tcp_v4_rcv,
  FN_tcp_v4_send_reset,
} from '../../uapi/functions.ts'
import { PACKET_HOST } from '../../uapi/in.ts'
import { RTN_LOCAL } from '../../uapi/rtnetlink.ts'
import {
  ICMP_MIB_INERRORS,
  TCP_MIB_CSUMERRORS,
  TCP_MIB_INERRS,
  TCP_MIB_INSEGS,
  TCP_MIB_OUTRSTS,
  TCP_MIB_OUTSEGS,
} from '../../uapi/snmp.ts'
import { IPPROTO_TCP } from '../../uapi/socket.ts'
import { kfree_skb_reason, skb_network_header } from '../core/skbuff.ts'
import {
  __skb_checksum_validate_complete,
  __skb_checksum_validate_needed,
  pskb_may_pull,
  skb_checksum_complete,
} from '../core/skbuff_data.ts'
import { ip_reply_arg, ip_send_unicast_reply } from './ip_output/reply.ts'

/** flags */
const FIN: u32 = 1
const SYN: u32 = 2
const RST: u32 = 4
const ACK: u32 = 16

/** Options (RFC 9293 3.1, RFC 2385, RFC 5925). */
const TCPOPT_EOL: u32 = 0
const TCPOPT_NOP: u32 = 1
const TCPOPT_MD5SIG: u32 = 19
const TCPOPT_AO: u32 = 29
/** The shortest signature that this kernel looks for (it has no TCP_AO): behind it options are not read. */
const TCPOLEN_MD5SIG: u32 = 18

/** Where the checksum lies, in 16-bit words. */
const CHECK_WORD: i32 = 8
const INET_ECN_MASK: u32 = 3

const REPLY: usize = memory.data(20, 4)
const ARG: usize = memory.data(offsetof<ip_reply_arg>(), 4)

function data_offset(th: tcphdr): u32 {
  return ((<u32>th.doff_res) >> 4) << 2
}

/** The socket that a segment is for: none, as long as there are none. */
function inet_lookup(skb: sk_buff): sock {
  const p = changetype<usize>(skb)
  walk(FN___inet_lookup_established, p)
  walk(FN_inet_ehashfn, p)
  // First by its address, then by any.
  walk(FN___inet_lookup_listener, p)
  walk(FN_inet_lhash2_lookup, p)
  walk(FN_inet_lhash2_lookup, p)
  return changetype<sock>(0)
}

/** Is the checksum not wrong as far as can be said at once? Long segments are summed up later. */
function checksum_init(skb: sk_buff): bool {
  if (!__skb_checksum_validate_needed(skb, false)) return true
  const ip = changetype<iphdr>(skb_network_header(skb))
  const psum = csum_tcpudp_nofold(ip.saddr, ip.daddr, skb.len, IPPROTO_TCP, 0)
  return __skb_checksum_validate_complete(skb, false, psum) == 0
}

/** May a segment with these options be answered without a key? Not if they are malformed or carry a signature. */
function tcp_do_parse_auth_options(th: tcphdr): bool {
  walk(FN_tcp_do_parse_auth_options, 0)
  let left = data_offset(th) - TCP_HLEN
  let p = changetype<usize>(th) + TCP_HLEN
  while (left >= TCPOLEN_MD5SIG) {
    const kind = <u32>load<u8>(p)
    if (kind == TCPOPT_EOL) return true
    if (kind == TCPOPT_NOP) {
      p++
      left--
      continue
    }
    const size = <u32>load<u8>(p, 1)
    if (size < 2 || size > left) return false
    if (kind == TCPOPT_MD5SIG || kind == TCPOPT_AO) return false
    p += size
    left -= size
  }
  return true
}

/**
 * Answers a segment for which there is no connection by a reset (RFC 9293 3.5.2): never a reset, never one that came to
 * another address than a local one.
 *
 * Uses: data at the TCP header, dst, compiled IP options in cb. Next: the skb stays the caller's.
 */
export function tcp_v4_send_reset(skb: sk_buff): void {
  walk(FN_tcp_v4_send_reset, changetype<usize>(skb))
  const th = changetype<tcphdr>(skb.data)
  const flags = <u32>th.flags
  if (flags & RST || changetype<rtable>(skb.dst).rt_type != <u16>RTN_LOCAL) return
  if (!tcp_do_parse_auth_options(th)) return
  const owner = changetype<net>(changetype<net_device>(changetype<rtable>(skb.dst).dev).nd_net)
  const ip = changetype<iphdr>(skb_network_header(skb))
  memory.fill(REPLY, 0, TCP_HLEN)
  const rep = changetype<tcphdr>(REPLY)
  rep.source = th.dest
  rep.dest = th.source
  rep.doff_res = <u8>((TCP_HLEN >> 2) << 4)
  if (flags & ACK) {
    rep.flags = <u8>RST
    rep.seq = th.ack_seq
  } else {
    const fin = flags & FIN
    const syn = (flags & SYN) >> 1
    rep.flags = <u8>(RST | ACK)
    rep.ack_seq = ntohl(ntohl(th.seq) + syn + fin + skb.len - data_offset(th))
  }
  memory.fill(ARG, 0, offsetof<ip_reply_arg>())
  const arg = changetype<ip_reply_arg>(ARG)
  arg.iov_base = REPLY
  arg.len = TCP_HLEN
  arg.csum = csum_tcpudp_nofold(ip.daddr, ip.saddr, TCP_HLEN, IPPROTO_TCP, 0)
  arg.csumoffset = CHECK_WORD
  arg.tos = (<u32>ip.tos) & ~INET_ECN_MASK
  ip_send_unicast_reply(owner, skb, ip.saddr, ip.daddr, arg)
  mib_inc(owner, TCP_MIB_OUTSEGS)
  mib_inc(owner, TCP_MIB_OUTRSTS)
}

/** Is the header there and sound? 0, or the reason to drop the segment; counted. */
function check_header(skb: sk_buff, owner: net): u32 {
  if (!pskb_may_pull(skb, TCP_HLEN)) return SKB_DROP_REASON_NOT_SPECIFIED
  const header = data_offset(changetype<tcphdr>(skb.data))
  if (header < TCP_HLEN) {
    mib_inc(owner, TCP_MIB_INERRS)
    return SKB_DROP_REASON_PKT_TOO_SMALL
  }
  if (!pskb_may_pull(skb, header)) return SKB_DROP_REASON_NOT_SPECIFIED
  return checksum_init(skb) ? 0 : bad_checksum(owner)
}

function bad_checksum(owner: net): u32 {
  mib_inc(owner, TCP_MIB_CSUMERRORS)
  mib_inc(owner, TCP_MIB_INERRS)
  return SKB_DROP_REASON_TCP_CSUM
}

/** No socket takes the segment: a sound one is answered. Answers the reason to drop it. */
function no_tcp_socket(skb: sk_buff, owner: net): u32 {
  walk(FN_tcp_v4_fill_cb, changetype<usize>(skb))
  if (skb_checksum_complete(skb)) return bad_checksum(owner)
  tcp_v4_send_reset(skb)
  return SKB_DROP_REASON_NO_SOCKET
}

/**
 * A TCP segment for us.
 *
 * Uses: data at the TCP header, pkt_type, dst. Next: its socket; without one a reset, and the skb is gone.
 */
export function tcp_v4_rcv(skb: sk_buff): void {
  walk(FN_tcp_v4_rcv, changetype<usize>(skb))
  const owner = changetype<net>(changetype<net_device>(skb.dev).nd_net)
  if (skb.pkt_type != <u8>PACKET_HOST) {
    // TCP is never for many: also not counted (tcp-broadcast).
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_tcp_v4_rcv)
    return
  }
  mib_inc(owner, TCP_MIB_INSEGS)
  let reason = check_header(skb, owner)
  if (reason == 0 && changetype<usize>(inet_lookup(skb)) == 0) reason = no_tcp_socket(skb, owner)
  kfree_skb_reason(skb, reason, FN_tcp_v4_rcv)
}

/** An ICMP error about a segment that we sent: nobody has sent one. data at the IP header that it quotes. */
export function tcp_v4_err(skb: sk_buff, info: u32): void {
  walk_value(FN_tcp_v4_err, changetype<usize>(skb), info)
  if (changetype<usize>(inet_lookup(skb)) == 0) {
    mib_inc(changetype<net>(changetype<net_device>(skb.dev).nd_net), ICMP_MIB_INERRORS)
  }
}

/** Once at boot. */
export function tcp_v4_init(): void {
  slot_set(SLOT_ERR_TCP, tcp_v4_err.index)
}
