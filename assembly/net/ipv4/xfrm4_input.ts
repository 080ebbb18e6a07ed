// ESP in UDP: what a socket with UDP_ENCAP hands over instead of queueing it. Mirrors net/ipv4/xfrm4_input.c.
// No protocol takes ESP here, as in the recorded kernel, so whatever is ESP ends. Read first: RFC 3948 2 and 3.

import { SLOT_ICMP_SEND, slot_get } from '../../lib/boot.ts'
import { htons, ntohs } from '../../lib/byteorder.ts'
import { UDP_HLEN } from '../../include/headers.ts'
import { iphdr } from '../../include/ip.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOMEM, SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { FN_xfrm4_rcv_encap, FN_xfrm4_udp_encap_rcv } from '../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH } from '../../uapi/icmp.ts'
import { kfree_skb_reason, skb_cow, skb_network_header, skb_pull } from '../core/skbuff.ts'
import { pskb_may_pull } from '../core/skbuff_data.ts'

/** SPI and sequence number of ESP: what is longer, and does not begin with four zeros, is ESP and not IKE. */
const ESP_HLEN: u32 = 8
/** The one byte of a keepalive. */
const KEEPALIVE: u8 = 0xff

/** Nobody takes ESP: as for a protocol without a socket. Takes the skb. */
function xfrm4_rcv_encap(skb: sk_buff): void {
  walk(FN_xfrm4_rcv_encap, changetype<usize>(skb))
  call_indirect<void>(slot_get(SLOT_ICMP_SEND), skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, <u32>0)
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_xfrm4_rcv_encap)
}

/**
 * Is a datagram one of IKE, which the socket reads? False: it was a keepalive or ESP, and is gone.
 *
 * Uses: data at the UDP header, network_header, dst. As in Linux a short ESP packet ends in silence, and the error about
 * a longer one quotes a header whose total length lacks that of UDP.
 */
export function xfrm4_udp_encap_rcv(skb: sk_buff): bool {
  walk(FN_xfrm4_udp_encap_rcv, changetype<usize>(skb))
  const len = skb.len - UDP_HLEN
  if (!pskb_may_pull(skb, UDP_HLEN + min(len, ESP_HLEN))) return true
  const payload = skb.data + UDP_HLEN
  const alive = len == 1 && load<u8>(payload) == KEEPALIVE
  if (!alive && (len <= ESP_HLEN || load<u32>(payload) == 0)) return true
  if (alive) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_xfrm4_udp_encap_rcv)
    return false
  }
  if (!skb_cow(skb, 0)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM, FN_xfrm4_udp_encap_rcv)
    return false
  }
  const ip = changetype<iphdr>(skb_network_header(skb))
  ip.tot_len = htons(ntohs(ip.tot_len) - UDP_HLEN)
  if (skb.len < (ip.ihl << 2) + UDP_HLEN) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_xfrm4_udp_encap_rcv)
    return false
  }
  skb_pull(skb, UDP_HLEN)
  xfrm4_rcv_encap(skb)
  return false
}
