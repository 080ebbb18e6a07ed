// A packet comes to a packet socket's handler, from a device or on its way to one. Mirrors packet_rcv of
// net/packet/af_packet.c.

import { net_device, packet_type } from '../../include/netdevice.ts'
import { packet_skb_cb, packet_sock, SLL_ADDR, sockaddr_ll } from '../../include/packet.ts'
import { SKB_CB, SKB_ENDED_ABSORBED, sk_buff } from '../../include/skbuff.ts'
import { DROPCOUNT_CB, SOCK_RXQ_OVFL, sock } from '../../include/sock.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_PACKET_SOCK_ERROR } from '../../uapi/dropreason.ts'
import { FN_packet_rcv } from '../../uapi/functions.ts'
import { PACKET_LOOPBACK, PACKET_OUTGOING } from '../../uapi/in.ts'
import { SOCK_DGRAM } from '../../uapi/socket.ts'
import { run_filter } from '../core/filter.ts'
import {
  NO_SKB,
  __skb_queue_tail,
  consume_skb,
  kfree_skb_reason,
  skb_clone,
  skb_dst_drop,
  skb_network_offset,
  skb_pull,
  skb_push,
  skb_shared,
} from '../core/skbuff.ts'
import { pskb_trim } from '../core/skbuff_data.ts'
import { sk_receive_queue, skb_set_owner_r, sock_def_readable } from '../core/sock.ts'
import { dev_parse_header } from '../ethernet/header_ops.ts'

/** Data where the socket wants it: SOCK_RAW at the link header, SOCK_DGRAM at the network header. */
function place_data(skb: sk_buff, sk: sock): void {
  if (sk.sk_type != <u16>SOCK_DGRAM) skb_push(skb, <u32>(skb.data - skb.head) - skb.mac_header)
  else if (skb.pkt_type == <u8>PACKET_OUTGOING) skb_pull(skb, <u32>skb_network_offset(skb))
}

/** Gives up the reference; others who have one find data where it was. */
function end(skb: sk_buff, data: usize, len: u32, dropped: bool): void {
  if (skb_shared(skb)) {
    skb.data = data
    skb.len = len
  }
  if (dropped) kfree_skb_reason(skb, SKB_DROP_REASON_PACKET_SOCK_ERROR, FN_packet_rcv)
  else consume_skb(skb, SKB_ENDED_ABSORBED)
}

/** A packet of its own for the socket: others see this one. NO_SKB: out of memory. */
function own(skb: sk_buff, data: usize, len: u32): sk_buff {
  if (!skb_shared(skb)) return skb
  const clone = skb_clone(skb)
  if (changetype<usize>(clone) == 0) return NO_SKB
  skb.data = data
  skb.len = len
  consume_skb(skb, SKB_ENDED_ABSORBED)
  return clone
}

/** Where it came from, for the reader; and how long it is before snaplen cuts it. */
function describe(skb: sk_buff, dev: net_device): void {
  const sll = packet_skb_cb(skb)
  memory.fill(changetype<usize>(sll), 0, offsetof<sockaddr_ll>())
  sll.sll_ifindex = dev.ifindex
  sll.sll_hatype = dev.type
  sll.sll_pkttype = skb.pkt_type
  sll.sll_halen = <u8>dev_parse_header(skb, dev, changetype<usize>(sll) + SLL_ADDR)
  store<u32>(changetype<usize>(sll), skb.len)
}

/**
 * Queues a packet for a packet socket's reader.
 *
 * Uses: a reference of the caller's, data at the network header (sent packets: at the link header), mac_header.
 * Next: the socket's queue. The reference is gone in any case; what the filter does not want is no drop.
 */
export function packet_rcv(p: usize, pt: usize, d: usize): void {
  walk(FN_packet_rcv, p)
  let skb = changetype<sk_buff>(p)
  const sk = changetype<sock>(changetype<packet_type>(pt).af_packet_priv)
  const po = changetype<packet_sock>(sk.priv)
  const data = skb.data
  const len = skb.len
  if (skb.pkt_type == <u8>PACKET_LOOPBACK) {
    consume_skb(skb, SKB_ENDED_ABSORBED)
    return
  }
  skb.dev = d
  place_data(skb, sk)
  // A frame that is only a header has nothing to see for SOCK_DGRAM: as if the filter did not want it.
  const snaplen = min<u32>(run_filter(sk, skb), skb.len)
  if (snaplen == 0) {
    end(skb, data, len, false)
    return
  }
  const mine = sk.sk_rmem_alloc < sk.sk_rcvbuf ? own(skb, data, len) : NO_SKB
  if (changetype<usize>(mine) == 0) {
    po.tp_drops += 1
    sk.sk_drops += 1
    end(skb, data, len, true)
    return
  }
  skb = mine
  describe(skb, changetype<net_device>(d))
  pskb_trim(skb, snaplen)
  skb_set_owner_r(skb, sk)
  skb.dev = 0
  skb_dst_drop(skb)
  po.tp_packets += 1
  store<u32>(changetype<usize>(skb) + SKB_CB + DROPCOUNT_CB, sk.sk_flags & SOCK_RXQ_OVFL ? sk.sk_drops : 0)
  __skb_queue_tail(sk_receive_queue(sk), skb)
  sock_def_readable(sk)
}
