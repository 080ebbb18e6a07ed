// Routes of packets that are sent from here: checks of source and device, the look-up, and the route made from it.
// Mirrors ip_route_output_key_hash_rcu and __mkroute_output of net/ipv4/route.c.
// Read first: RFC 1122 3.3.1 (routing outbound datagrams), 3.3.4.2 (multihoming).

import {
  DST_OUT_IP_MC_OUTPUT,
  FLOWI_FLAG_ANYSRC,
  FLOWI_FLAG_KNOWN_NH,
  INET_DSCP_MASK,
  fib_nh_exception,
  flowi4,
  rtable,
} from '../../../include/dst.ts'
import { ipv4_is_lbcast, ipv4_is_local_multicast, ipv4_is_loopback, ipv4_is_multicast } from '../../../include/ip.ts'
import { fib_info, fib_nh, fib_result } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { __in_dev_get_rcu, in_dev_orconf, in_device, net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENETUNREACH, ENOBUFS, ENODEV } from '../../../uapi/errno.ts'
import {
  FN___mkroute_output,
  FN_dev_get_by_index_rcu,
  FN_ip_route_output_flow,
  FN_ip_route_output_key_hash,
  FN_ip_route_output_key_hash_rcu,
} from '../../../uapi/functions.ts'
import { IFF_LOOPBACK, IFF_UP } from '../../../uapi/if.ts'
import {
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNSPEC,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
} from '../../../uapi/rtnetlink.ts'
import { IPPROTO_IGMP } from '../../../uapi/socket.ts'
import { IPV4_DEVCONF_ROUTE_LOCALNET } from '../../../uapi/sysctl.ts'
import { __dev_get_by_index } from '../../core/dev.ts'
import { dst_hold } from '../../core/dst.ts'
import { __ip_dev_find, inet_select_addr } from '../devinet.ts'
import { fib_lookup } from '../fib_rules.ts'
import { fib_select_path } from '../fib_semantics.ts'
import { ip_check_mc_rcu } from '../igmp/lookup.ts'
import { find_exception } from './exception.ts'
import { rt_cache_valid, rt_dst_alloc, rt_set_nexthop } from './cache.ts'

const LOOPBACK_IFINDEX: u32 = 1
const INADDR_LOOPBACK: u32 = 0x0100007f
const NO_EXCEPTION: fib_nh_exception = changetype<fib_nh_exception>(0)
const NO_SKB: sk_buff = changetype<sk_buff>(0)

/** What the look-up of this file found; nothing here calls back into it. */
const RES: usize = memory.data(64, 16)

/** What makes a route for a group or a broadcast special: RTCF_LOCAL says that we get a copy. */
function group_flags(in_dev: in_device, fl4: flowi4, type: u32): u32 {
  if (type == RTN_BROADCAST) return RTCF_BROADCAST | RTCF_LOCAL
  if (ip_check_mc_rcu(in_dev, fl4.daddr, fl4.saddr, fl4.flowi4_proto)) return RTCF_MULTICAST | RTCF_LOCAL
  return RTCF_MULTICAST
}

/** The type of route by its destination, -1: nobody may send there. */
function type_of(fl4: flowi4, type: u32): i32 {
  if (ipv4_is_lbcast(fl4.daddr)) return RTN_BROADCAST
  if (ipv4_is_multicast(fl4.daddr)) return RTN_MULTICAST
  return fl4.daddr == 0 ? -1 : <i32>type
}

/** A source of 127/8 leaves by the loopback device only, unless route_localnet. */
function loopback_leaves(in_dev: in_device, fl4: flowi4, dev: net_device): bool {
  if (!ipv4_is_loopback(fl4.saddr) || dev.flags & IFF_LOOPBACK) return false
  return !in_dev_orconf(in_dev, IPV4_DEVCONF_ROUTE_LOCALNET)
}

/** A route that nobody keeps yet. */
function new_route(
  res: fib_result,
  fl4: flowi4,
  orig_oif: u32,
  dev_out: net_device,
  flags: u32,
  type: u32,
  fnhe: fib_nh_exception,
  fi: usize,
  do_cache: bool,
): usize {
  const rt = rt_dst_alloc(dev_out, flags, type)
  if (changetype<usize>(rt) == 0) return ERR_PTR(ENOBUFS)
  rt.rt_iif = orig_oif
  const group = (flags & (RTCF_BROADCAST | RTCF_MULTICAST)) != 0
  if (group && flags & RTCF_LOCAL && !(dev_out.flags & IFF_LOOPBACK)) rt.output = DST_OUT_IP_MC_OUTPUT
  rt_set_nexthop(rt, fl4.daddr, res, fnhe, fi, do_cache)
  return changetype<usize>(rt)
}

/** The route of a look-up's result: the one that its next hop keeps, or a new one. Counted, or ERR_PTR. */
function __mkroute_output(res: fib_result, fl4: flowi4, orig_oif: u32, dev_out: net_device, given: u32): usize {
  walk(FN___mkroute_output, 0)
  const in_dev = __in_dev_get_rcu(dev_out)
  if (changetype<usize>(in_dev) == 0 || loopback_leaves(in_dev, fl4, dev_out)) return ERR_PTR(EINVAL)
  const t = type_of(fl4, res.type)
  if (t < 0) return ERR_PTR(EINVAL)
  const type = <u32>t
  // A limited broadcast has no gateway, whatever route matched.
  let fi: usize = ipv4_is_lbcast(fl4.daddr) ? 0 : res.fi
  let flags = dev_out.flags & IFF_LOOPBACK ? given | RTCF_LOCAL : given
  let do_cache = true
  if (type == RTN_BROADCAST) {
    flags |= group_flags(in_dev, fl4, type)
  } else if (type == RTN_MULTICAST) {
    const group = group_flags(in_dev, fl4, type)
    flags = (flags & ~RTCF_LOCAL) | group
    do_cache = (group & RTCF_LOCAL) == 0
    // A default route (below 224/4) does not send groups to its gateway.
    if (res.prefixlen < 4) fi = 0
  } else if (type == RTN_LOCAL && orig_oif != 0 && orig_oif != dev_out.ifindex) {
    do_cache = false
  }
  if (fi == 0) return new_route(res, fl4, orig_oif, dev_out, flags, type, NO_EXCEPTION, 0, false)

  const nhc = changetype<fib_nh>(res.nhc)
  const fnhe = find_exception(nhc, fl4.daddr)
  if (do_cache) {
    let cached = nhc.nhc_pcpu_rth_output
    if (changetype<usize>(fnhe)) {
      cached = fnhe.fnhe_rth_output
    } else if ((<u32>fl4.flowi4_flags) & FLOWI_FLAG_KNOWN_NH && !(nhc.nhc_gw != 0 && nhc.nhc_scope == RT_SCOPE_LINK)) {
      return new_route(res, fl4, orig_oif, dev_out, flags, type, fnhe, fi, false)
    }
    if (rt_cache_valid(cached)) {
      dst_hold(cached)
      return cached
    }
  }
  return new_route(res, fl4, orig_oif, dev_out, flags, type, fnhe, fi, do_cache)
}

/** A source of the caller's choice: 0 it is fine, -errno it is not. */
function check_source(owner: net, fl4: flowi4): i32 {
  if (ipv4_is_multicast(fl4.saddr) || ipv4_is_lbcast(fl4.saddr)) return -(<i32>EINVAL)
  if ((<u32>fl4.flowi4_flags) & FLOWI_FLAG_ANYSRC) return 0
  return changetype<usize>(__ip_dev_find(owner, fl4.saddr)) ? 0 : -(<i32>ENETUNREACH)
}

/** Groups of the link, limited broadcasts and IGMP go out by the device that was asked for, without a look-up. */
function on_this_link(fl4: flowi4): bool {
  if (ipv4_is_local_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr)) return true
  return <u32>fl4.flowi4_proto == IPPROTO_IGMP
}

/** The source of a packet by a given device that has none yet, as far as it is needed before the look-up. */
function choose_source(fl4: flowi4, dev_out: net_device): void {
  if (fl4.saddr != 0) return
  if (ipv4_is_multicast(fl4.daddr)) fl4.saddr = inet_select_addr(dev_out, 0, fl4.flowi4_scope)
  else if (fl4.daddr == 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_HOST)
}

/** To ourselves: no destination is the source, or 127.0.0.1. */
function to_self(owner: net, fl4: flowi4, res: fib_result, orig_oif: u32): usize {
  if (fl4.saddr == 0) fl4.saddr = INADDR_LOOPBACK
  fl4.daddr = fl4.saddr
  fl4.flowi4_oif = LOOPBACK_IFINDEX
  res.type = <u8>RTN_LOCAL
  return __mkroute_output(res, fl4, orig_oif, changetype<net_device>(owner.loopback_dev), RTCF_LOCAL)
}

/** The destination is an address of ours: it goes over the loopback device. */
function to_local(owner: net, fl4: flowi4, res: fib_result): usize {
  if (fl4.saddr == 0) {
    const prefsrc = changetype<fib_info>(res.fi).fib_prefsrc
    fl4.saddr = prefsrc != 0 ? prefsrc : fl4.daddr
  }
  const loopback = changetype<net_device>(owner.loopback_dev)
  fl4.flowi4_oif = loopback.ifindex
  return __mkroute_output(res, fl4, changetype<fib_nh>(res.nhc).nhc_oif, loopback, RTCF_LOCAL)
}

/** No route matched; with a device given the destination is taken to be on its link. */
function unrouted(fl4: flowi4, res: fib_result, orig_oif: u32, dev_out: net_device, err: i32): usize {
  res.fi = 0
  res.table = 0
  if (fl4.flowi4_oif == 0 || (fl4.flowi4_l3mdev != 0 && !ipv4_is_multicast(fl4.daddr))) return <usize>err
  if (fl4.saddr == 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK)
  res.type = <u8>RTN_UNICAST
  return __mkroute_output(res, fl4, orig_oif, dev_out, 0)
}

/**
 * Looks up the route of a packet from here; skb (0: none) is what is hashed over several next hops.
 *
 * Uses: daddr, saddr, oif, tos, scope, proto, ports, mark, flags of fl4. Sets: saddr, daddr, oif of fl4; res.
 * A counted route, or ERR_PTR: EINVAL (source; blackhole), ENETUNREACH, EHOSTUNREACH, EACCES (prohibit), ENODEV, ENOBUFS.
 */
export function ip_route_output_key_hash_rcu(owner: net, fl4: flowi4, res: fib_result, skb: sk_buff): usize {
  walk(FN_ip_route_output_key_hash_rcu, 0)
  res.type = <u8>RTN_UNSPEC
  res.fi = 0
  res.table = 0
  fl4.flowi4_iif = LOOPBACK_IFINDEX
  fl4.flowi4_tos &= <u8>INET_DSCP_MASK
  const orig_oif = fl4.flowi4_oif
  let dev_out = changetype<net_device>(0)
  if (fl4.saddr != 0) {
    const group = ipv4_is_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr)
    if (group && orig_oif == 0 && !ipv4_is_multicast(fl4.saddr) && !ipv4_is_lbcast(fl4.saddr)) {
      // The device of the source: who bound an address sends groups there without naming the device.
      dev_out = __ip_dev_find(owner, fl4.saddr)
      if (changetype<usize>(dev_out) == 0) return ERR_PTR(ENETUNREACH)
      fl4.flowi4_oif = dev_out.ifindex
      return __mkroute_output(res, fl4, orig_oif, dev_out, 0)
    }
    const err = check_source(owner, fl4)
    if (err) return <usize>err
  }
  if (orig_oif != 0) {
    walk(FN_dev_get_by_index_rcu, 0)
    dev_out = __dev_get_by_index(owner, orig_oif)
    if (changetype<usize>(dev_out) == 0) return ERR_PTR(ENODEV)
    if (!(dev_out.flags & IFF_UP) || changetype<usize>(__in_dev_get_rcu(dev_out)) == 0) return ERR_PTR(ENETUNREACH)
    if (on_this_link(fl4)) {
      if (fl4.saddr == 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK)
      return __mkroute_output(res, fl4, orig_oif, dev_out, 0)
    }
    choose_source(fl4, dev_out)
  }
  if (fl4.daddr == 0) return to_self(owner, fl4, res, orig_oif)

  const err = fib_lookup(owner, fl4, res, 0)
  if (err) return unrouted(fl4, res, orig_oif, dev_out, err)
  if (res.type == <u8>RTN_LOCAL) return to_local(owner, fl4, res)
  fib_select_path(owner, res, fl4, skb)
  return __mkroute_output(res, fl4, orig_oif, changetype<net_device>(changetype<fib_nh>(res.nhc).nhc_dev), 0)
}

/** The same, with the result kept here. */
export function ip_route_output_key_hash(owner: net, fl4: flowi4, skb: sk_buff): usize {
  walk(FN_ip_route_output_key_hash, 0)
  return ip_route_output_key_hash_rcu(owner, fl4, changetype<fib_result>(RES), skb)
}

/** The same, for a packet that is not there yet. */
export function ip_route_output_key(owner: net, fl4: flowi4): usize {
  return ip_route_output_key_hash(owner, fl4, NO_SKB)
}

/** The same for a flow of a transport protocol: oif becomes the device of the route. */
export function ip_route_output_flow(owner: net, fl4: flowi4): usize {
  walk(FN_ip_route_output_flow, 0)
  const rt = ip_route_output_key_hash_rcu(owner, fl4, changetype<fib_result>(RES), NO_SKB)
  if (!IS_ERR(rt) && fl4.flowi4_proto != 0) {
    fl4.flowi4_oif = changetype<net_device>(changetype<rtable>(rt).dev).ifindex
  }
  return rt
}
