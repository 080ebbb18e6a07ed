// The last step of UDP output: header and checksum (RFC 768), then to the network layer. Mirrors udp_send_skb of
// net/ipv4/udp.c.

import { htons } from '../../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_partial, csum_tcpudp_magic, csum_tcpudp_nofold } from '../../../lib/checksum.ts'
import { UDP_HLEN, udphdr } from '../../../include/headers.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, SOCK_NO_CHECK_TX, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOBUFS } from '../../../uapi/errno.ts'
import { FN_udp4_hwcsum, FN_udp_send_skb } from '../../../uapi/functions.ts'
import { UDP_MIB_OUTDATAGRAMS, UDP_MIB_SNDBUFERRORS } from '../../../uapi/snmp.ts'
import { IPPROTO_UDP } from '../../../uapi/socket.ts'
import { skb_network_header, skb_shinfo, skb_transport_header } from '../../core/skbuff.ts'
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
 * Writes the UDP header and sends. 0 or -errno; a full device queue is an error only with IP_RECVERR.
 * The skb is gone in any case.
 */
export function udp_send_skb(sk: sock, skb: sk_buff, saddr: u32, daddr: u32, dport: u32): i32 {
  walk(FN_udp_send_skb, changetype<usize>(skb))
  const uh = changetype<udphdr>(skb_transport_header(skb))
  const len = skb.len - <u32>(skb_transport_header(skb) - skb_network_header(skb))
  uh.source = sk.inet_sport
  uh.dest = <u16>dport
  uh.len = htons(len)
  uh.check = 0
  if (sk.sk_flags & SOCK_NO_CHECK_TX) skb.ip_summed = <u8>CHECKSUM_NONE
  else if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) udp4_hwcsum(skb, uh, saddr, daddr, len)
  else udp_set_csum(skb, uh, saddr, daddr, len)

  return udp_send_answer(sk, ip_send_skb(changetype<net>(sk.net), skb))
}
