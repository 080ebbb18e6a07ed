// UDP-Lite datagrams that come in. Mirrors net/ipv4/udplite.c and what net/ipv4/udp.c does for it.
// netpath has no UDP-Lite sockets: a sound datagram finds its port closed. Read first: RFC 3828 3.1.

import { rtable } from '../../include/dst.ts'
import { UDP_HLEN, udphdr } from '../../include/headers.ts'
import { iphdr } from '../../include/ip.ts'
import { mib_inc, net } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { SLOT_ICMP_SEND, slot_get } from '../../lib/boot.ts'
import { ntohs } from '../../lib/byteorder.ts'
import { csum_add, csum_fold, csum_tcpudp_nofold } from '../../lib/checksum.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_UDP_CSUM,
} from '../../uapi/dropreason.ts'
import { FN___udp4_lib_lookup, FN___udp4_lib_rcv, FN_udplite_rcv } from '../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH } from '../../uapi/icmp.ts'
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../uapi/rtnetlink.ts'
import {
  UDPLITE_MIB_CSUMERRORS,
  UDPLITE_MIB_IGNOREDMULTI,
  UDPLITE_MIB_INERRORS,
  UDPLITE_MIB_NOPORTS,
} from '../../uapi/snmp.ts'
import { IPPROTO_UDPLITE } from '../../uapi/socket.ts'
import { kfree_skb_reason, skb_network_header } from '../core/skbuff.ts'
import { pskb_may_pull, skb_checksum } from '../core/skbuff_data.ts'

/** Is the part that the checksum covers (all of it: 0) a possible one, and summed up right? */
function udplite_checksum_ok(skb: sk_buff): bool {
  const uh = changetype<udphdr>(skb.data)
  const given = ntohs(uh.len)
  if (uh.check == 0 || (given != 0 && given < UDP_HLEN) || given > skb.len) return false
  const covered = given == 0 ? skb.len : given
  const ip = changetype<iphdr>(skb_network_header(skb))
  const pseudo = csum_tcpudp_nofold(ip.saddr, ip.daddr, skb.len, IPPROTO_UDPLITE, 0)
  return csum_fold(csum_add(pseudo, skb_checksum(skb, 0, covered, 0))) == 0
}

/** Nobody takes it: counted, and answered with port unreachable unless it was for many. Answers the reason. */
function closed_port(skb: sk_buff, owner: net): u32 {
  if (changetype<rtable>(skb.dst).rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
    mib_inc(owner, UDPLITE_MIB_IGNOREDMULTI)
    return SKB_DROP_REASON_NOT_SPECIFIED
  }
  walk(FN___udp4_lib_lookup, 0)
  if (!udplite_checksum_ok(skb)) return refused(owner, SKB_DROP_REASON_UDP_CSUM)
  mib_inc(owner, UDPLITE_MIB_NOPORTS)
  call_indirect<void>(slot_get(SLOT_ICMP_SEND), skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, <u32>0)
  return SKB_DROP_REASON_NO_SOCKET
}

function refused(owner: net, reason: u32): u32 {
  if (reason == SKB_DROP_REASON_UDP_CSUM) mib_inc(owner, UDPLITE_MIB_CSUMERRORS)
  mib_inc(owner, UDPLITE_MIB_INERRORS)
  return reason
}

/** Packets up to this many bytes are verified before anybody asks for whom they are (CHECKSUM_BREAK). */
const CHECKSUM_BREAK: u32 = 76

/** Can the coverage be, and the checksum of a short packet that is covered whole? */
function udp4_csum_init(skb: sk_buff): bool {
  const uh = changetype<udphdr>(skb.data)
  const given = ntohs(uh.len)
  if (uh.check == 0 || (given != 0 && given < UDP_HLEN)) return false
  const whole = given == 0 || given == skb.len
  return !whole || skb.len > CHECKSUM_BREAK || udplite_checksum_ok(skb)
}

/**
 * A UDP-Lite datagram for this host. The skb is gone afterwards.
 *
 * Uses: data at its header, network_header, dst.
 */
export function udplite_rcv(skb: sk_buff): void {
  walk(FN_udplite_rcv, changetype<usize>(skb))
  walk(FN___udp4_lib_rcv, changetype<usize>(skb))
  const owner = changetype<net>(changetype<net_device>(skb.dev).nd_net)
  let reason: u32
  if (!pskb_may_pull(skb, UDP_HLEN)) reason = refused(owner, SKB_DROP_REASON_NOT_SPECIFIED)
  else if (ntohs(changetype<udphdr>(skb.data).len) > skb.len) reason = refused(owner, SKB_DROP_REASON_PKT_TOO_SMALL)
  else if (!udp4_csum_init(skb)) reason = refused(owner, SKB_DROP_REASON_UDP_CSUM)
  else reason = closed_port(skb, owner)
  kfree_skb_reason(skb, reason, FN___udp4_lib_rcv)
}
