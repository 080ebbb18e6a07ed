// Marks congestion in a packet that may carry the mark. Mirrors net/inet_ecn.h (RFC 3168 5).

import { iphdr } from './ip.ts'
import { sk_buff } from './skbuff.ts'
import { htons } from '../lib/byteorder.ts'
import { csum_fold } from '../lib/checksum.ts'
import { ETH_P_IP } from '../uapi/if_ether.ts'

const INET_ECN_MASK: u8 = 3
const INET_ECN_CE: u8 = 3

/** Sets CE. False: the packet is not ECN capable, so it has to be dropped to tell its sender. */
export function INET_ECN_set_ce(skb: sk_buff): bool {
  const at = skb.head + <usize>skb.network_header
  if (skb.protocol != htons(ETH_P_IP) || at + 20 > skb.tail) return false
  const ip = changetype<iphdr>(at)
  const ecn = ip.tos & INET_ECN_MASK
  if (ecn == 0) return false
  if (ecn == INET_ECN_CE) return true
  // The second byte of the header grew: what the checksum was of is corrected (RFC 1624).
  const added = (<u32>(INET_ECN_CE - ecn)) << 8
  ip.check = <u16>csum_fold((~(<u32>ip.check) & 0xffff) + added)
  ip.tos |= INET_ECN_CE
  return true
}
