// IPPROTO_IPIP: packets within packets, and errors about them, go to the tunnels. Mirrors net/ipv4/tunnel4.c.
// As in Linux, where it is a module, the protocol is known once there is a tunnel.

import { IP_HEADER_MIN } from '../../include/ip.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { SLOT_ERR_IPIP, boot, slot_set } from '../../lib/boot.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { FN_tunnel4_err, FN_tunnel4_rcv } from '../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH } from '../../uapi/icmp.ts'
import { kfree_skb_reason } from '../core/skbuff.ts'
import { pskb_may_pull } from '../core/skbuff_data.ts'
import { icmp_send } from './icmp/send.ts'
import { ipip_err, ipip_rcv } from './ipip.ts'

/** Is the protocol known? */
export function tunnel4_registered(): bool {
  return boot.tunnel4 != 0
}

/** A packet within a packet, data at its header. Takes the skb: nobody's is answered with port unreachable. */
export function tunnel4_rcv(skb: sk_buff): void {
  walk(FN_tunnel4_rcv, changetype<usize>(skb))
  if (pskb_may_pull(skb, IP_HEADER_MIN)) {
    if (ipip_rcv(skb)) return
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0)
  }
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_tunnel4_rcv)
}

/** An ICMP error about a packet that a tunnel sent; data at the quoted header. */
function tunnel4_err(skb: usize, info: u32): void {
  walk(FN_tunnel4_err, skb)
  if (boot.tunnel4) ipip_err(changetype<sk_buff>(skb), info)
}

/** Enters the protocol into the table of who hears of errors. */
export function tunnel4_init(): void {
  slot_set(SLOT_ERR_IPIP, tunnel4_err.index)
}
