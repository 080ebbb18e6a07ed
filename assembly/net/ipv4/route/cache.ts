// Routes as packets hold them: making one, and keeping it in the next hop that it came from, so that the next packet
// finds it there. Mirrors rt_dst_alloc, rt_set_nexthop and rt_cache_route of net/ipv4/route.c.

import { CACHE_FNHE, CACHE_RTABLE, boot } from '../../../lib/boot.ts'
import {
  DST_IN_LOCAL_DELIVER,
  DST_OBSOLETE_FORCE_CHK,
  DST_OUT_IP_OUTPUT,
  fib_nh_exception,
  rtable,
} from '../../../include/dst.ts'
import { fib_info, fib_nh, fib_result } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { kmem_cache_create } from '../../../lib/slab.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN_dst_alloc,
  FN_rt_add_uncached_list,
  FN_rt_bind_exception,
  FN_rt_cache_flush,
  FN_rt_cache_route,
  FN_rt_dst_alloc,
  FN_rt_set_nexthop,
} from '../../../uapi/functions.ts'
import { RTCF_LOCAL, RT_SCOPE_LINK } from '../../../uapi/rtnetlink.ts'
import { dst_alloc, dst_check, dst_hold, dst_release } from '../../core/dst.ts'
import { fill_route_from_fnhe, fnhe_renew } from './exception.ts'

/** Once at boot. */
export function ip_rt_init(): void {
  kmem_cache_create(CACHE_RTABLE, <u32>offsetof<rtable>())
  kmem_cache_create(CACHE_FNHE, <u32>offsetof<fib_nh_exception>())
}

/** Every route that somebody holds is to be looked up again: addresses or routes have changed. */
export function rt_cache_flush(owner: net): void {
  walk(FN_rt_cache_flush, 0)
  owner.rt_genid += 1
}

/** The same, and what was learnt is forgotten (net.ipv4.route.flush). */
export function ipv4_sysctl_rtcache_flush(owner: net): void {
  rt_cache_flush(owner)
  owner.fnhe_genid += 1
}

/** May a cached route (0: none) still be used? */
export function rt_cache_valid(rt: usize): bool {
  return rt != 0 && dst_check(rt)
}

/** A new route of this generation, with one reference. flags: RTCF_*, type: RTN_*. 0: out of memory. */
export function rt_dst_alloc(dev: net_device, flags: u32, type: u32): rtable {
  walk(FN_rt_dst_alloc, 0)
  walk(FN_dst_alloc, 0)
  const p = dst_alloc(dev.nd_net, changetype<usize>(dev), DST_OBSOLETE_FORCE_CHK, 0)
  const rt = changetype<rtable>(p)
  if (p == 0) return rt
  rt.rt_genid = changetype<net>(dev.nd_net).rt_genid
  rt.rt_flags = flags
  rt.rt_type = <u16>type
  rt.output = DST_OUT_IP_OUTPUT
  if (flags & RTCF_LOCAL) rt.input = DST_IN_LOCAL_DELIVER
  rt.lastuse = boot.jiffies
  return rt
}

/** A route that no next hop keeps lives as long as somebody holds it. */
export function rt_add_uncached_list(): void {
  walk(FN_rt_add_uncached_list, 0)
}

/** Keeps a route in its next hop, which holds a reference from now on; the one before goes. */
export function rt_cache_route(nhc: fib_nh, rt: rtable): void {
  walk(FN_rt_cache_route, 0)
  const p = changetype<usize>(rt)
  dst_hold(p)
  let old: usize
  if (rt.rt_is_input) {
    old = nhc.nhc_rth_input
    nhc.nhc_rth_input = p
  } else {
    old = nhc.nhc_pcpu_rth_output
    nhc.nhc_pcpu_rth_output = p
  }
  if (old == 0) return
  rt_add_uncached_list()
  dst_release(old)
}

/** The same with an exception: it makes the route different, and keeps it. False: it is not to be kept. */
function rt_bind_exception(rt: rtable, fnhe: fib_nh_exception, daddr: u32, do_cache: bool): bool {
  walk(FN_rt_bind_exception, 0)
  fnhe_renew(fnhe, changetype<net>(rt.net).fnhe_genid)
  fill_route_from_fnhe(rt, fnhe)
  if (rt.rt_gw4 == 0) rt.rt_gw4 = daddr
  fnhe.fnhe_stamp = boot.jiffies
  if (!do_cache) return false
  const p = changetype<usize>(rt)
  dst_hold(p)
  if (rt.rt_is_input) {
    dst_release(fnhe.fnhe_rth_input)
    fnhe.fnhe_rth_input = p
  } else {
    dst_release(fnhe.fnhe_rth_output)
    fnhe.fnhe_rth_output = p
  }
  return true
}

/** Metrics belong to the fib_info: a route that has some holds it. */
function init_metrics(rt: rtable, fi: fib_info): void {
  if (fi.fib_metrics == 0) return
  rt.metrics = fi.fib_metrics
  rt.fi = changetype<usize>(fi)
  fi.fib_clntref += 1
}

/**
 * Fills a new route from what was looked up, and keeps it there if do_cache.
 *
 * Uses: rt_is_input, the chosen next hop of res. fi: 0, the route is of no fib_info; fnhe: 0, nothing was learnt.
 * Sets: gateway, metrics, path MTU.
 */
export function rt_set_nexthop(
  rt: rtable,
  daddr: u32,
  res: fib_result,
  fnhe: fib_nh_exception,
  fi: usize,
  do_cache: bool,
): void {
  walk(FN_rt_set_nexthop, 0)
  if (fi == 0) {
    rt_add_uncached_list()
    return
  }
  const nhc = changetype<fib_nh>(res.nhc)
  if (nhc.nhc_gw != 0 && nhc.nhc_scope == RT_SCOPE_LINK) {
    rt.rt_uses_gateway = 1
    rt.rt_gw4 = nhc.nhc_gw
  }
  init_metrics(rt, changetype<fib_info>(fi))
  let cached: bool = false
  if (changetype<usize>(fnhe)) {
    cached = rt_bind_exception(rt, fnhe, daddr, do_cache)
  } else if (do_cache) {
    rt_cache_route(nhc, rt)
    cached = true
  }
  if (cached) return
  if (rt.rt_gw4 == 0) rt.rt_gw4 = daddr
  rt_add_uncached_list()
}
