// Echo replies for ping sockets. Mirrors ping_rcv of net/ipv4/ping.c.

import { ntohs } from '../../../lib/byteorder.ts'
import { icmphdr } from '../../../include/headers.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { SKB_ENDED_ABSORBED, sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOMEM, SKB_DROP_REASON_NO_SOCKET } from '../../../uapi/dropreason.ts'
import { FN___ping_queue_rcv_skb, FN_ping_rcv, FN_skb_clone } from '../../../uapi/functions.ts'
import { consume_skb, kfree_skb_reason, skb_clone } from '../../core/skbuff.ts'
import { sock_queue_rcv_skb_reason } from '../../core/sock.ts'
import { ping_lookup } from './hash.ts'

/** A copy goes into the socket's queue. 0, or why it did not: it is dropped. */
function __ping_queue_rcv_skb(sk: sock, skb: sk_buff): u32 {
  walk(FN___ping_queue_rcv_skb, changetype<usize>(skb))
  const reason = sock_queue_rcv_skb_reason(sk, skb)
  if (reason) kfree_skb_reason(skb, reason, FN___ping_queue_rcv_skb)
  return reason
}

/**
 * An echo reply that ICMP has checked.
 *
 * Uses: data at the ICMP header, dst. Next: the queue of the socket with its identifier. The skb is gone.
 */
export function ping_rcv(skb: sk_buff): void {
  walk(FN_ping_rcv, changetype<usize>(skb))
  const owner = changetype<net>(changetype<net_device>(skb.dev).nd_net)
  const ident = ntohs(changetype<icmphdr>(skb.data).un & 0xffff)
  const sk = ping_lookup(owner, skb, ident)
  let reason: u32 = SKB_DROP_REASON_NO_SOCKET
  if (changetype<usize>(sk)) {
    walk(FN_skb_clone, changetype<usize>(skb))
    const clone = skb_clone(skb)
    reason = changetype<usize>(clone) ? __ping_queue_rcv_skb(sk, clone) : SKB_DROP_REASON_NOMEM
  }
  if (reason) kfree_skb_reason(skb, reason, FN_ping_rcv)
  else consume_skb(skb, SKB_ENDED_ABSORBED)
}
