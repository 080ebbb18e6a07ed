// How large a packet may be, by its route and by what its socket wants to know of path MTUs.
// Mirrors the MTU helpers of include/net/ip.h.

import { rtable } from '../../../include/dst.ts'
import { IPSKB_FORWARDED, inet_skb_parm } from '../../../include/ip.ts'
import { net_device } from '../../../include/netdevice.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { IP_PMTUDISC_DO, IP_PMTUDISC_OMIT, IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT } from '../../../uapi/in.ts'
import { ip_dst_mtu_maybe_forward, ip_mtu_locked } from '../route/metrics.ts'

export const IP_MAX_MTU: u32 = 0xffff
/** The least MTU of a link (RFC 791). */
export const IPV4_MIN_MTU: u32 = 68

/** Does a sender of this IP_PMTUDISC_* heed the path MTU? Else the device's counts (ip_sk_use_pmtu). */
export function pmtudisc_use_pmtu(pmtudisc: u32): bool {
  return pmtudisc < IP_PMTUDISC_PROBE
}

/** May what a sender of this IP_PMTUDISC_* sends be cut here in spite of DF (ip_sk_ignore_df)? */
export function pmtudisc_ignore_df(pmtudisc: u32): bool {
  return pmtudisc < IP_PMTUDISC_DO || pmtudisc == IP_PMTUDISC_OMIT
}

/** DF on a packet that fits (ip_dont_fragment). */
export function pmtudisc_dont_fragment(pmtudisc: u32, rt: rtable): bool {
  return pmtudisc == IP_PMTUDISC_DO || (pmtudisc == IP_PMTUDISC_WANT && !ip_mtu_locked(rt))
}

/** What a packet may measure on its way out (ip_skb_dst_mtu); sk: its sender, 0: none. */
export function ip_skb_dst_mtu(sk: usize, skb: sk_buff): u32 {
  const rt = changetype<rtable>(skb.dst)
  if (sk == 0 || pmtudisc_use_pmtu(changetype<sock>(sk).pmtudisc)) {
    const cb = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
    return ip_dst_mtu_maybe_forward(rt, (cb.flags & IPSKB_FORWARDED) != 0)
  }
  return min(changetype<net_device>(rt.dev).mtu, IP_MAX_MTU)
}
