// What a route says of its path: MTU, hop limit, next hop. Mirrors ipv4_mtu and ip_dst_mtu_maybe_forward
// (include/net/ip.h), dst_metric (include/net/dst.h) and the small helpers of include/net/route.h.

import { boot } from '../../../lib/boot.ts'
import { rtable } from '../../../include/dst.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_ipv4_default_advmss, FN_ipv4_mtu } from '../../../uapi/functions.ts'
import { RTAX_ADVMSS, RTAX_HOPLIMIT, RTAX_LOCK, RTAX_MTU } from '../../../uapi/rtnetlink.ts'
import { SYSCTL_IP_DEFAULT_TTL, SYSCTL_IP_FORWARD_USE_PMTU, SYSCTL_ROUTE_MIN_ADV_MSS } from '../../../uapi/sysctl.ts'

const IP_MAX_MTU: u32 = 0xffff
/** A locked MTU on a way through a gateway is believed up to this (RFC 1191 7.1). */
const LOCKED_GATEWAY_MTU: u32 = 576
/** Headers of IP and TCP. */
const TCP_HEADERS: u32 = 40

/** A metric of the route (RTAX_*), 0: not set. */
export function dst_metric_raw(rt: rtable, metric: u32): u32 {
  return rt.metrics == 0 ? 0 : load<u32>(rt.metrics + ((<usize>metric) << 2))
}

/** A metric as it counts: those with a default of their own have functions below. */
export function dst_metric(rt: rtable, metric: u32): u32 {
  return dst_metric_raw(rt, metric)
}

/** The metric was given with "lock": nothing that is learnt changes it. */
export function dst_metric_locked(rt: rtable, metric: u32): bool {
  return ((dst_metric_raw(rt, RTAX_LOCK) >> metric) & 1) != 0
}

/** Path MTU discovery has no say about this route. */
export function ip_mtu_locked(rt: rtable): bool {
  return rt.rt_mtu_locked != 0 || dst_metric_locked(rt, RTAX_MTU)
}

/** Has the learnt part of the route a time that is not over? */
function learnt_valid(rt: rtable): bool {
  return <i32>(boot.jiffies - rt.expires) < 0
}

/** The MTU of a route; what was learnt binds forwarded packets only if ip_forward_use_pmtu says so. */
export function ip_dst_mtu_maybe_forward(rt: rtable, forwarding: bool): u32 {
  if (rt.rt_pmtu != 0 && learnt_valid(rt)) {
    const heed = !forwarding || ip_mtu_locked(rt)
    if (heed || sysctl(changetype<net>(rt.net), SYSCTL_IP_FORWARD_USE_PMTU)) return min(rt.rt_pmtu, IP_MAX_MTU)
  }
  let mtu = dst_metric_raw(rt, RTAX_MTU)
  if (mtu == 0) {
    mtu = changetype<net_device>(rt.dev).mtu
    if (rt.rt_uses_gateway && ip_mtu_locked(rt)) mtu = min(mtu, LOCKED_GATEWAY_MTU)
  }
  return min(mtu, IP_MAX_MTU)
}

/** The MTU of a route for what is sent from here. */
export function ipv4_mtu(rt: rtable): u32 {
  walk(FN_ipv4_mtu, 0)
  return ip_dst_mtu_maybe_forward(rt, false)
}

/** TTL of packets by this route. */
export function ip4_dst_hoplimit(rt: rtable): u32 {
  const limit = dst_metric_raw(rt, RTAX_HOPLIMIT)
  return limit != 0 ? limit : <u32>sysctl(changetype<net>(rt.net), SYSCTL_IP_DEFAULT_TTL)
}

/** The MSS that TCP announces when the route names none. */
export function ipv4_default_advmss(rt: rtable): u32 {
  walk(FN_ipv4_default_advmss, 0)
  const mtu = ipv4_mtu(rt)
  const least = <u32>sysctl(changetype<net>(rt.net), SYSCTL_ROUTE_MIN_ADV_MSS)
  const mss = max(mtu > TCP_HEADERS ? mtu - TCP_HEADERS : 0, least)
  return min(mss, IP_MAX_MTU - TCP_HEADERS)
}

export function dst_metric_advmss(rt: rtable): u32 {
  const mss = dst_metric_raw(rt, RTAX_ADVMSS)
  return mss != 0 ? mss : ipv4_default_advmss(rt)
}

/** Who gets a packet for daddr by this route: the gateway, or the destination itself. */
export function rt_nexthop(rt: rtable, daddr: u32): u32 {
  return rt.rt_gw4 != 0 ? rt.rt_gw4 : daddr
}
