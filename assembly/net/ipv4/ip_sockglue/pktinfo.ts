// What IP_PKTINFO tells is kept with a packet before its route is let go. Mirrors ipv4_pktinfo_prepare of
// net/ipv4/ip_sockglue.c.

import { inet_skb_parm } from '../../../include/ip.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { INET_PKTINFO, sock } from '../../../include/sock.ts'
import { skb_dst_drop } from '../../core/skbuff.ts'
import { fib_compute_spec_dst } from '../fib_frontend.ts'
import { inet_iif } from '../route/iif.ts'

/** Keeps what IP_PKTINFO tells, since the route ends here. */
export function ipv4_pktinfo_prepare(sk: sock, skb: sk_buff): void {
  const cb = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  if (sk.inet_flags & INET_PKTINFO && skb.dst) {
    cb.iif = inet_iif(skb)
    cb.faddr = fib_compute_spec_dst(skb)
  } else {
    cb.iif = 0
    cb.faddr = 0
  }
  if (skb.dst) skb_dst_drop(skb)
}
