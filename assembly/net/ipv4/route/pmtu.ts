// Path MTU: what "fragmentation needed" makes of routes and of sockets' routes. Mirrors ip_rt_update_pmtu,
// ipv4_update_pmtu and ipv4_sk_update_pmtu of net/ipv4/route.c. Read first: RFC 1191 3 and 6.

import { boot } from '../../../lib/boot.ts'
import { flowi4, rtable } from '../../../include/dst.ts'
import { iphdr } from '../../../include/ip.ts'
import { fib_info, fib_nh, fib_result } from '../../../include/ip_fib.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { fib_info_nhc, fib_info_num_path } from '../../../include/nexthop.ts'
import { sock } from '../../../include/sock.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN___ip_rt_update_pmtu,
  FN___ipv4_sk_update_pmtu,
  FN_ip_rt_update_pmtu,
  FN_ipv4_sk_update_pmtu,
  FN_ipv4_update_pmtu,
} from '../../../uapi/functions.ts'
import { IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT } from '../../../uapi/in.ts'
import { SYSCTL_ROUTE_MIN_PMTU, SYSCTL_ROUTE_MTU_EXPIRES } from '../../../uapi/sysctl.ts'
import { dst_check, dst_release } from '../../core/dst.ts'
import { sk_dst_set } from '../../core/sock.ts'
import { fib_lookup } from '../fib_rules.ts'
import { fib_select_path } from '../fib_semantics.ts'
import { update_or_create_fnhe } from './exception.ts'
import { IP4_REPLY_MARK, __build_flow_key, build_sk_flow_key, build_skb_flow_key } from './flow.ts'
import { ip_mtu_locked, ipv4_mtu } from './metrics.ts'
import { ip_route_output_flow, ip_route_output_key } from './output.ts'

const FL4: usize = memory.data(64, 16)
const RES: usize = memory.data(64, 16)
const NO_SKB: sk_buff = changetype<sk_buff>(0)

/** Every next hop that a flow may take learns its MTU. */
function note(owner: net, fl4: flowi4, mtu: u32, lock: bool, expires: u32): void {
  const res = changetype<fib_result>(RES)
  if (fib_lookup(owner, fl4, res, 0)) return
  fib_select_path(owner, res, fl4, NO_SKB)
  const fi = changetype<fib_info>(res.fi)
  const paths = fib_info_num_path(fi)
  if (paths <= 1) {
    update_or_create_fnhe(changetype<fib_nh>(res.nhc), fl4.daddr, 0, mtu, lock, expires)
    return
  }
  for (let i: u32 = 0; i < paths; i++) {
    update_or_create_fnhe(fib_info_nhc(fi, i), fl4.daddr, 0, mtu, lock, expires)
  }
}

/**
 * The path of a flow lets no more than mtu bytes pass. A larger one than is known changes nothing; one below min_pmtu is not
 * believed, and no DF is set on that path any more (icmp-frag-needed-small).
 */
export function __ip_rt_update_pmtu(rt: rtable, fl4: flowi4, mtu: u32): void {
  walk(FN___ip_rt_update_pmtu, 0)
  if (ip_mtu_locked(rt)) return
  const old = ipv4_mtu(rt)
  if (old < mtu) return
  const owner = changetype<net>(rt.net)
  const least = <u32>sysctl(owner, SYSCTL_ROUTE_MIN_PMTU)
  const lock = mtu < least
  const known = lock ? min(old, least) : mtu
  const lifetime = <u32>sysctl(owner, SYSCTL_ROUTE_MTU_EXPIRES) * boot.hz
  // The same again counts when half of its time is over.
  const fresh = <i32>(boot.jiffies - (rt.expires - lifetime / 2)) < 0
  if (rt.rt_pmtu == known && !lock && fresh) return
  note(owner, fl4, known, lock, boot.jiffies + lifetime)
}

/** The route of a packet at its IP header (skb), or of what sk sends, cannot carry more than mtu. sk or skb may be 0. */
export function ip_rt_update_pmtu(rt: rtable, sk: usize, skb: sk_buff, mtu: u32): void {
  walk(FN_ip_rt_update_pmtu, changetype<usize>(skb))
  const fl4 = changetype<flowi4>(FL4)
  if (changetype<usize>(skb)) build_skb_flow_key(fl4, skb, sk)
  else build_sk_flow_key(fl4, changetype<sock>(sk), 0)
  __ip_rt_update_pmtu(rt, fl4, mtu)
}

/** An ICMP error (data at the quoted header) without a socket of its own: the route of the flow learns the MTU. */
export function ipv4_update_pmtu(skb: sk_buff, owner: net, mtu: u32, oif: u32, protocol: u32): void {
  walk(FN_ipv4_update_pmtu, changetype<usize>(skb))
  const fl4 = changetype<flowi4>(FL4)
  const ip = changetype<iphdr>(skb.data)
  __build_flow_key(fl4, 0, ip, oif, ip.tos, protocol, IP4_REPLY_MARK(owner, skb.mark))
  const rt = ip_route_output_key(owner, fl4)
  if (IS_ERR(rt)) return
  __ip_rt_update_pmtu(changetype<rtable>(rt), fl4, mtu)
  dst_release(rt)
}

function __ipv4_sk_update_pmtu(skb: sk_buff, sk: sock, mtu: u32): void {
  walk(FN___ipv4_sk_update_pmtu, changetype<usize>(skb))
  const fl4 = changetype<flowi4>(FL4)
  __build_flow_key(fl4, changetype<usize>(sk), changetype<iphdr>(skb.data), 0, 0, 0, 0)
  const rt = ip_route_output_key(changetype<net>(sk.net), fl4)
  if (IS_ERR(rt)) return
  __ip_rt_update_pmtu(changetype<rtable>(rt), fl4, mtu)
  dst_release(rt)
}

/** The same for a socket that the error is about: the route that it holds is made anew with what was learnt. */
export function ipv4_sk_update_pmtu(skb: sk_buff, sk: sock, mtu: u32): void {
  walk(FN_ipv4_sk_update_pmtu, changetype<usize>(skb))
  if (sk.pmtudisc == <u8>IP_PMTUDISC_INTERFACE || sk.pmtudisc == <u8>IP_PMTUDISC_OMIT) return
  if (sk.sk_owned || sk.sk_dst_cache == 0) {
    __ipv4_sk_update_pmtu(skb, sk, mtu)
    return
  }
  const owner = changetype<net>(sk.net)
  const fl4 = changetype<flowi4>(FL4)
  __build_flow_key(fl4, changetype<usize>(sk), changetype<iphdr>(skb.data), 0, 0, 0, 0)
  let rt = sk.sk_dst_cache
  let fresh: usize = 0
  if (!dst_check(rt)) {
    rt = ip_route_output_flow(owner, fl4)
    if (IS_ERR(rt)) return
    fresh = rt
  }
  __ip_rt_update_pmtu(changetype<rtable>(rt), fl4, mtu)
  if (!dst_check(rt)) {
    dst_release(fresh)
    fresh = ip_route_output_flow(owner, fl4)
    if (IS_ERR(fresh)) return
  }
  if (fresh) sk_dst_set(sk, fresh)
}
