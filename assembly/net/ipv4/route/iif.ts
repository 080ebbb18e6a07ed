// The device by which a packet came, as sockets see it. Mirrors inet_iif of include/net/route.h.

import { rtable } from '../../../include/dst.ts'
import { sk_buff } from '../../../include/skbuff.ts'

/** The device by which it came in, as sockets see it: for what we sent to ourselves the one it was to leave by. */
export function inet_iif(skb: sk_buff): u32 {
  if (skb.dst) {
    const iif = changetype<rtable>(skb.dst).rt_iif
    if (iif) return iif
  }
  return skb.skb_iif
}
