// The last step of UDP output: header and checksum (RFC 768), then to the network layer. Mirrors udp_send_skb of
// net/ipv4/udp.c.

import { htons } from '../../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_partial, csum_tcpudp_magic, csum_tcpudp_nofold } from '../../../lib/checksum.ts'
import { flowi4 } from '../../../include/dst.ts'
import { UDP_HLEN, udphdr } from '../../../include/headers.ts'
import { inet_cork } from '../../../include/inet_cork.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, SKB_GSO_UDP_L4, sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, SOCK_NO_CHECK_TX, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { EINVAL, EMSGSIZE, ENOBUFS } from '../../../uapi/errno.ts'
import { FN_udp4_hwcsum, FN_udp_send_skb } from '../../../uapi/functions.ts'
import { UDP_MIB_OUTDATAGRAMS, UDP_MIB_SNDBUFERRORS } from '../../../uapi/snmp.ts'
import { IPPROTO_UDP } from '../../../uapi/socket.ts'
import { kfree_skb_reason, skb_network_header, skb_shinfo, skb_transport_header } from '../../core/skbuff.ts'
import { skb_checksum } from '../../core/skbuff_data.ts'
import { ip_send_skb } from '../ip_output/make.ts'

/** A sum of 0 is sent as all ones: 0 means that there is none. */
const CSUM_MANGLED_0: u32 = 0xffff

/** Leaves the checksum to the device: the field holds the pseudo header's, csum says where to sum and to store. */
function udp4_hwcsum(skb: sk_buff, uh: udphdr, saddr: u32, daddr: u32, len: u32): void {
  walk(FN_udp4_hwcsum, changetype<usize>(skb))
  const start = <u32>(skb_transport_header(skb) - skb.head)
  skb.csum = start | ((<u32>offsetof<udphdr>('check')) << 16)
  uh.check = <u16>(~csum_fold(csum_tcpudp_nofold(saddr, daddr, len, IPPROTO_UDP, 0)) & 0xffff)
}

/** Fills in the checksum of a packet whose frames hold their data's sums. */
function udp_set_csum(skb: sk_buff, uh: udphdr, saddr: u32, daddr: u32, len: u32): void {
  let sum = csum_partial(changetype<usize>(uh), UDP_HLEN, skb.csum)
  for (let p = skb_shinfo(skb).frag_list; p; p = changetype<sk_buff>(p).next) {
    sum = csum_add(sum, changetype<sk_buff>(p).csum)
  }
  const check = csum_tcpudp_magic(saddr, daddr, len, IPPROTO_UDP, sum)
  uh.check = <u16>(check ? check : CSUM_MANGLED_0)
}

/** Most datagrams of one train (UDP_MAX_SEGMENTS). */
const UDP_MAX_SEGMENTS: u32 = 128

/**
 * UDP_SEGMENT: a payload of datalen bytes beyond its size becomes a train, cut on the way out; else it stays one datagram. 0,
 * or -EMSGSIZE: a segment is longer than the path takes; -EINVAL: there would be too many, or they would have no checksum.
 */
function set_gso(sk: sock, skb: sk_buff, datalen: u32, cork: inet_cork): i32 {
  const size = cork.gso_size
  const hlen = <u32>skb.transport_header - <u32>skb.network_header + UDP_HLEN
  if (hlen + min(datalen, size) > cork.fragsize) return -EMSGSIZE
  if (datalen > size * UDP_MAX_SEGMENTS || sk.sk_flags & SOCK_NO_CHECK_TX) return -EINVAL
  if (datalen <= size) {
    // It was copied without a sum: until now it could have become a train.
    if (skb.ip_summed == <u8>CHECKSUM_NONE) skb.csum = skb_checksum(skb, hlen, datalen, 0)
    return 0
  }
  const shinfo = skb_shinfo(skb)
  shinfo.gso_size = <u16>size
  shinfo.gso_type = SKB_GSO_UDP_L4
  shinfo.gso_segs = <u16>((datalen + size - 1) / size)
  // Each of them gets a checksum when it is cut, by whoever cuts it.
  skb.ip_summed = <u8>CHECKSUM_PARTIAL
  return 0
}

/** What the sender hears of a send (0 or -errno), counted: a full device queue is an error only with IP_RECVERR. */
export function udp_send_answer(sk: sock, err: i32): i32 {
  const owner = changetype<net>(sk.net)
  if (err == 0) {
    mib_inc(owner, UDP_MIB_OUTDATAGRAMS)
    return 0
  }
  if (err != -ENOBUFS || sk.inet_flags & INET_RECVERR) return err
  mib_inc(owner, UDP_MIB_SNDBUFERRORS)
  return 0
}

/**
 * Writes the UDP header and sends; cork: what was asked of the datagram. 0 or -errno: -EMSGSIZE, -EINVAL (UDP_SEGMENT); a full
 * device queue is an error only with IP_RECVERR. The skb is gone in any case.
 */
export function udp_send_skb(sk: sock, skb: sk_buff, fl4: flowi4, cork: inet_cork): i32 {
  walk(FN_udp_send_skb, changetype<usize>(skb))
  const saddr = fl4.saddr
  const daddr = fl4.daddr
  const uh = changetype<udphdr>(skb_transport_header(skb))
  const len = skb.len - <u32>(skb_transport_header(skb) - skb_network_header(skb))
  uh.source = sk.inet_sport
  uh.dest = fl4.fl4_dport
  uh.len = htons(len)
  uh.check = 0
  if (cork.gso_size) {
    const err = set_gso(sk, skb, len - UDP_HLEN, cork)
    if (err) {
      kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_udp_send_skb)
      return err
    }
  }
  if (sk.sk_flags & SOCK_NO_CHECK_TX) skb.ip_summed = <u8>CHECKSUM_NONE
  else if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) udp4_hwcsum(skb, uh, saddr, daddr, len)
  else udp_set_csum(skb, uh, saddr, daddr, len)

  return udp_send_answer(sk, ip_send_skb(changetype<net>(sk.net), skb))
}
