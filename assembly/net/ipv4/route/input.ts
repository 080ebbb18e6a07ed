// Routes of packets that came in: is the destination ours, a group that we are in, or another host's; may the source be.
// Mirrors ip_route_input_noref, ip_route_input_slow and ip_route_use_hint of net/ipv4/route.c. Left out: multicast routing.
// Read first: RFC 1122 3.2.1.3 (addressing), RFC 1812 5.2.4 (forwarding), 5.3.7 (martians), 5.3.8 (source validation).

import {
  DST_IN_ERROR,
  DST_IN_FORWARD,
  DST_OUT_BUG,
  INET_DSCP_MASK,
  fib_nh_exception,
  flowi4,
  rtable,
} from '../../../include/dst.ts'
import {
  IPSKB_DOREDIRECT,
  IPSKB_MULTIPATH,
  inet_skb_parm,
  iphdr,
  ipv4_is_lbcast,
  ipv4_is_local_multicast,
  ipv4_is_loopback,
  ipv4_is_multicast,
} from '../../../include/ip.ts'
import { fib_info, fib_nh, fib_result } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import {
  __in_dev_get_rcu,
  in_dev_andconf,
  in_dev_conf_get,
  in_dev_orconf,
  in_device,
  ipv4_devconf_all,
  net_device,
} from '../../../include/netdevice.ts'
import { fib_info_num_path } from '../../../include/nexthop.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_ARP_PVLAN_DISABLE,
  SKB_DROP_REASON_INVALID_PROTO,
  SKB_DROP_REASON_IP_INVALID_DEST,
  SKB_DROP_REASON_IP_INVALID_SOURCE,
  SKB_DROP_REASON_IP_LOCALNET,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from '../../../uapi/dropreason.ts'
import { EHOSTUNREACH } from '../../../uapi/errno.ts'
import {
  FN___mkroute_input,
  FN_ip_handle_martian_source,
  FN_ip_mc_validate_source,
  FN_ip_mkroute_input,
  FN_ip_route_input_mc,
  FN_ip_route_input_noref,
  FN_ip_route_input_rcu,
  FN_ip_route_input_slow,
  FN_ip_route_use_hint,
} from '../../../uapi/functions.ts'
import {
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '../../../uapi/rtnetlink.ts'
import { IPPROTO_IGMP } from '../../../uapi/socket.ts'
import {
  IPV4_DEVCONF_BC_FORWARDING,
  IPV4_DEVCONF_FORWARDING,
  IPV4_DEVCONF_PROXY_ARP_PVLAN,
  IPV4_DEVCONF_ROUTE_LOCALNET,
  IPV4_DEVCONF_SEND_REDIRECTS,
  IPV4_DEVCONF_SHARED_MEDIA,
} from '../../../uapi/sysctl.ts'
import { skb_dst_drop, skb_dst_set, skb_dst_set_noref, skb_network_header } from '../../core/skbuff.ts'
import { inet_addr_onlink } from '../devinet.ts'
import { fib_validate_source } from '../fib_frontend.ts'
import { fib4_rules_early_flow_dissect, fib_lookup } from '../fib_rules.ts'
import { fib_select_multipath } from '../fib_semantics.ts'
import { fib_multipath_hash } from '../fib_semantics/multipath_hash.ts'
import { ip_check_mc_rcu } from '../igmp/lookup.ts'
import { rt_cache_route, rt_cache_valid, rt_dst_alloc, rt_set_nexthop } from './cache.ts'
import { find_exception } from './exception.ts'

/** ETH_P_IP as it lies in a packet. */
const ETH_P_IP_BE: u32 = 0x0008
const NO_OIF: u32 = 0

/** The key and the result of the look-up of this file; nothing here calls back into it. */
const FL4: usize = memory.data(64, 16)
const RES: usize = memory.data(64, 16)

function parm(skb: sk_buff): inet_skb_parm {
  return changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
}

/** A source that cannot be: the answer is why. */
function martian_source(skb: sk_buff, reason: u32): u32 {
  walk(FN_ip_handle_martian_source, changetype<usize>(skb))
  return reason
}

/** Is the source one that may come from this device? 0, or why not. */
function validate(skb: sk_buff, saddr: u32, daddr: u32, dscp: u32, dev: net_device, in_dev: in_device): u32 {
  const found = fib_validate_source(skb, saddr, daddr, dscp, NO_OIF, dev, in_dev)
  return found < 0 ? martian_source(skb, <u32>-found) : 0
}

/** A route for ourselves that nobody keeps; error: 0, or the errno (positive) that its packets are answered with. */
function input_route(owner: net, flags: u32, type: u32, error: u32): rtable {
  const rt = rt_dst_alloc(changetype<net_device>(owner.loopback_dev), flags | RTCF_LOCAL, type)
  if (changetype<usize>(rt) == 0) return rt
  rt.output = DST_OUT_BUG
  rt.rt_is_input = 1
  if (error == 0) return rt
  rt.input = DST_IN_ERROR
  rt.error = error
  rt.rt_flags &= ~RTCF_LOCAL
  return rt
}

/** Gives the packet a route for ourselves that is made for it alone. */
function input_uncached(skb: sk_buff, owner: net, flags: u32, type: u32, error: u32): u32 {
  const rt = input_route(owner, flags, type, error)
  if (changetype<usize>(rt) == 0) return SKB_DROP_REASON_NOMEM
  skb_dst_set(skb, changetype<usize>(rt))
  return 0
}

/** Gives the packet the route for ourselves that the next hop keeps, after making it if need be. */
function input_kept(skb: sk_buff, owner: net, nhc: fib_nh, flags: u32, type: u32): u32 {
  if (rt_cache_valid(nhc.nhc_rth_input)) {
    skb_dst_set_noref(skb, nhc.nhc_rth_input)
    return 0
  }
  const rt = input_route(owner, flags, type, 0)
  if (changetype<usize>(rt) == 0) return SKB_DROP_REASON_NOMEM
  rt_cache_route(nhc, rt)
  skb_dst_set(skb, changetype<usize>(rt))
  return 0
}

/** No way for it: ip_error says so, and why is decided there (err: -errno). */
function no_route(skb: sk_buff, owner: net, res: fib_result, err: i32): u32 {
  res.type = <u8>RTN_UNREACHABLE
  res.fi = 0
  res.table = 0
  return input_uncached(skb, owner, 0, RTN_UNREACHABLE, <u32>-err)
}

/** A broadcast: of the link, or of one of our networks (res: the route that says so, 0 when no look-up was made). */
function brd_input(skb: sk_buff, saddr: u32, dscp: u32, dev: net_device, in_dev: in_device, res: fib_result): u32 {
  if (<u32>skb.protocol != ETH_P_IP_BE) return SKB_DROP_REASON_INVALID_PROTO
  if (saddr != 0) {
    const reason = validate(skb, saddr, 0, dscp, dev, in_dev)
    if (reason) return reason
  }
  const owner = changetype<net>(dev.nd_net)
  res.type = <u8>RTN_BROADCAST
  // While broadcasts are forwarded somewhere the next hop may hold a route of that kind.
  const keep = res.fi != 0 && !ipv4_devconf_all(owner, IPV4_DEVCONF_BC_FORWARDING)
  if (!keep) return input_uncached(skb, owner, RTCF_BROADCAST, RTN_BROADCAST, 0)
  return input_kept(skb, owner, changetype<fib_nh>(res.nhc), RTCF_BROADCAST, RTN_BROADCAST)
}

/** Is it worth telling the sender of a packet that leaves where it came from about its next hop (RFC 1812 5.2.7.2)? */
function redirect_worthy(out_dev: in_device, saddr: u32, nhc: fib_nh): bool {
  if (!in_dev_orconf(out_dev, IPV4_DEVCONF_SEND_REDIRECTS)) return false
  return in_dev_orconf(out_dev, IPV4_DEVCONF_SHARED_MEDIA) || inet_addr_onlink(out_dev, saddr, nhc.nhc_gw)
}

/**
 * The packet is for another host, and we forward: its route from the chosen next hop.
 *
 * Uses: res. Sets: dst, IPSKB_DOREDIRECT in cb. 0, or why it must not go on.
 */
function __mkroute_input(
  skb: sk_buff,
  res: fib_result,
  dev: net_device,
  in_dev: in_device,
  daddr: u32,
  saddr: u32,
  dscp: u32,
): u32 {
  walk(FN___mkroute_input, changetype<usize>(skb))
  const nhc = changetype<fib_nh>(res.nhc)
  const out = changetype<net_device>(nhc.nhc_dev)
  const out_dev = __in_dev_get_rcu(out)
  if (changetype<usize>(out_dev) == 0) return SKB_DROP_REASON_NOT_SPECIFIED
  const found = fib_validate_source(skb, saddr, daddr, dscp, nhc.nhc_oif, dev, in_dev)
  if (found < 0) return martian_source(skb, <u32>-found)
  const back = changetype<usize>(out_dev) == changetype<usize>(in_dev)
  if (back && found != 0 && redirect_worthy(out_dev, saddr, nhc)) parm(skb).flags |= <u16>IPSKB_DOREDIRECT
  if (<u32>skb.protocol != ETH_P_IP_BE && back && !in_dev_orconf(in_dev, IPV4_DEVCONF_PROXY_ARP_PVLAN)) {
    // ARP asks whether we would forward: nobody needs a proxy for a host on the asker's own link.
    return SKB_DROP_REASON_ARP_PVLAN_DISABLE
  }
  const fnhe: fib_nh_exception = find_exception(nhc, daddr)
  const cached = changetype<usize>(fnhe) ? fnhe.fnhe_rth_input : nhc.nhc_rth_input
  if (rt_cache_valid(cached)) {
    skb_dst_set_noref(skb, cached)
    return 0
  }
  const rt = rt_dst_alloc(out, 0, res.type)
  if (changetype<usize>(rt) == 0) return SKB_DROP_REASON_NOMEM
  rt.rt_is_input = 1
  rt.input = DST_IN_FORWARD
  rt_set_nexthop(rt, daddr, res, fnhe, res.fi, true)
  skb_dst_set(skb, changetype<usize>(rt))
  return 0
}

/** The same, after one of several next hops was chosen. */
function ip_mkroute_input(
  skb: sk_buff,
  res: fib_result,
  dev: net_device,
  in_dev: in_device,
  daddr: u32,
  saddr: u32,
  dscp: u32,
): u32 {
  walk(FN_ip_mkroute_input, changetype<usize>(skb))
  const fi = changetype<fib_info>(res.fi)
  if (fi.fib_nhs != 1 && fib_info_num_path(fi) > 1) {
    const hash = fib_multipath_hash(changetype<net>(dev.nd_net), changetype<flowi4>(FL4), skb)
    fib_select_multipath(res, hash, changetype<flowi4>(0))
    parm(skb).flags |= <u16>IPSKB_MULTIPATH
  }
  return __mkroute_input(skb, res, dev, in_dev, daddr, saddr, dscp)
}

/** The key of a packet from dev. */
function input_key(skb: sk_buff, daddr: u32, saddr: u32, dscp: u32, dev: net_device, owner: net): flowi4 {
  const fl4 = changetype<flowi4>(FL4)
  fl4.flowi4_oif = 0
  fl4.flowi4_iif = dev.ifindex
  fl4.flowi4_mark = skb.mark
  fl4.flowi4_tos = <u8>dscp
  fl4.flowi4_scope = 0
  fl4.flowi4_proto = 0
  fl4.flowi4_flags = 0
  fl4.saddr = saddr
  fl4.daddr = daddr
  fl4.fl4_sport = 0
  fl4.fl4_dport = 0
  if (owner.fib_rules_require_fldissect) fib4_rules_early_flow_dissect(owner, skb, fl4)
  return fl4
}

/** Neither source nor destination may be 0.0.0.0, or of 127/8 without route_localnet: 0, or why not. */
function bad_addresses(skb: sk_buff, in_dev: in_device, daddr: u32, saddr: u32): u32 {
  if (saddr == 0) return martian_source(skb, SKB_DROP_REASON_IP_INVALID_SOURCE)
  if (daddr == 0) return SKB_DROP_REASON_IP_INVALID_DEST
  if (ipv4_is_loopback(daddr)) {
    return in_dev_orconf(in_dev, IPV4_DEVCONF_ROUTE_LOCALNET) ? 0 : SKB_DROP_REASON_IP_LOCALNET
  }
  if (!ipv4_is_loopback(saddr) || in_dev_orconf(in_dev, IPV4_DEVCONF_ROUTE_LOCALNET)) return 0
  return martian_source(skb, SKB_DROP_REASON_IP_LOCALNET)
}

/**
 * Looks up a packet's route by its addresses; what is found is kept by the next hop, so the second packet allocates nothing.
 *
 * Uses: daddr (no group), saddr, DSCP, the device it came from, mark. Sets: dst (borrowed if kept), res, flags in cb.
 * 0, or SKB_DROP_REASON_*: martians are dropped uncounted (ip-rx-martian-source); what has no route has one to ip_error.
 */
function ip_route_input_slow(skb: sk_buff, daddr: u32, saddr: u32, dscp: u32, dev: net_device, res: fib_result): u32 {
  walk(FN_ip_route_input_slow, changetype<usize>(skb))
  const in_dev = __in_dev_get_rcu(dev)
  if (changetype<usize>(in_dev) == 0) return SKB_DROP_REASON_NOT_SPECIFIED
  const owner = changetype<net>(dev.nd_net)
  res.fi = 0
  res.table = 0
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) {
    return martian_source(skb, SKB_DROP_REASON_IP_INVALID_SOURCE)
  }
  if (ipv4_is_lbcast(daddr) || (saddr | daddr) == 0) return brd_input(skb, saddr, dscp, dev, in_dev, res)
  if (saddr == 0 || daddr == 0 || ipv4_is_loopback(daddr) || ipv4_is_loopback(saddr)) {
    const reason = bad_addresses(skb, in_dev, daddr, saddr)
    if (reason) return reason
  }
  const err = fib_lookup(owner, input_key(skb, daddr, saddr, dscp, dev, owner), res, 0)
  if (err == 0 && res.type == <u8>RTN_LOCAL) {
    const reason = validate(skb, saddr, daddr, dscp, dev, in_dev)
    return reason ? reason : input_kept(skb, owner, changetype<fib_nh>(res.nhc), 0, RTN_LOCAL)
  }
  const forward = in_dev_conf_get(in_dev, IPV4_DEVCONF_FORWARDING) != 0
  if (err) return no_route(skb, owner, res, forward ? err : -(<i32>EHOSTUNREACH))
  if (res.type == <u8>RTN_BROADCAST) {
    if (!in_dev_andconf(in_dev, IPV4_DEVCONF_BC_FORWARDING)) return brd_input(skb, saddr, dscp, dev, in_dev, res)
  } else {
    if (!forward) return no_route(skb, owner, res, -(<i32>EHOSTUNREACH))
    if (res.type != <u8>RTN_UNICAST) return SKB_DROP_REASON_IP_INVALID_DEST
  }
  return ip_mkroute_input(skb, res, dev, in_dev, daddr, saddr, dscp)
}

/** May a packet for a group come from this source? 0, or why not. A source of 0.0.0.0 may ask on the link only. */
export function ip_mc_validate_source(
  skb: sk_buff,
  daddr: u32,
  saddr: u32,
  dscp: u32,
  dev: net_device,
  in_dev: in_device,
): u32 {
  walk(FN_ip_mc_validate_source, changetype<usize>(skb))
  if (changetype<usize>(in_dev) == 0) return SKB_DROP_REASON_NOT_SPECIFIED
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) return SKB_DROP_REASON_IP_INVALID_SOURCE
  if (<u32>skb.protocol != ETH_P_IP_BE) return SKB_DROP_REASON_INVALID_PROTO
  if (ipv4_is_loopback(saddr) && !in_dev_orconf(in_dev, IPV4_DEVCONF_ROUTE_LOCALNET)) {
    return SKB_DROP_REASON_IP_LOCALNET
  }
  if (saddr == 0) {
    const igmp = changetype<iphdr>(skb_network_header(skb)).protocol == <u8>IPPROTO_IGMP
    return igmp || ipv4_is_local_multicast(daddr) ? 0 : SKB_DROP_REASON_IP_INVALID_SOURCE
  }
  const found = fib_validate_source(skb, saddr, 0, dscp, NO_OIF, dev, in_dev)
  return found < 0 ? <u32>-found : 0
}

/** A packet for a group that the device is in. */
function ip_route_input_mc(skb: sk_buff, daddr: u32, saddr: u32, dscp: u32, dev: net_device, in_dev: in_device): u32 {
  walk(FN_ip_route_input_mc, changetype<usize>(skb))
  const reason = ip_mc_validate_source(skb, daddr, saddr, dscp, dev, in_dev)
  if (reason) return reason
  skb_dst_drop(skb)
  return input_uncached(skb, changetype<net>(dev.nd_net), RTCF_MULTICAST, RTN_MULTICAST, 0)
}

/** The route of a packet, with the look-up's result for who wants to know (RTM_GETROUTE). */
export function ip_route_input_rcu(
  skb: sk_buff,
  daddr: u32,
  saddr: u32,
  dscp: u32,
  dev: net_device,
  res: fib_result,
): u32 {
  if (!ipv4_is_multicast(daddr)) return ip_route_input_slow(skb, daddr, saddr, dscp & INET_DSCP_MASK, dev, res)
  walk(FN_ip_route_input_rcu, changetype<usize>(skb))
  const in_dev = __in_dev_get_rcu(dev)
  if (changetype<usize>(in_dev) == 0) return SKB_DROP_REASON_NOT_SPECIFIED
  const protocol = changetype<iphdr>(skb_network_header(skb)).protocol
  if (!ip_check_mc_rcu(in_dev, daddr, saddr, protocol)) return SKB_DROP_REASON_NOT_SPECIFIED
  return ip_route_input_mc(skb, daddr, saddr, dscp & INET_DSCP_MASK, dev, in_dev)
}

/**
 * Gives a packet its route. dscp: the TOS byte.
 *
 * Uses: addresses, device, protocol, mark. Sets: dst. Next: dst.input. Else SKB_DROP_REASON_*: the skb is the caller's.
 */
export function ip_route_input_noref(skb: sk_buff, daddr: u32, saddr: u32, dscp: u32, dev: net_device): u32 {
  walk(FN_ip_route_input_noref, changetype<usize>(skb))
  const res = changetype<fib_result>(RES)
  if (ipv4_is_multicast(daddr)) return ip_route_input_rcu(skb, daddr, saddr, dscp, dev, res)
  return ip_route_input_slow(skb, daddr, saddr, dscp & INET_DSCP_MASK, dev, res)
}

/**
 * Gives a packet the route of the one before it, which had the same destination, TOS and device; the source is checked all
 * the same when they are for us. hint keeps its route until this packet is handled.
 */
export function ip_route_use_hint(
  skb: sk_buff,
  daddr: u32,
  saddr: u32,
  dscp: u32,
  dev: net_device,
  hint: sk_buff,
): u32 {
  walk(FN_ip_route_use_hint, changetype<usize>(skb))
  const in_dev = __in_dev_get_rcu(dev)
  if (changetype<usize>(in_dev) == 0) return SKB_DROP_REASON_NOT_SPECIFIED
  if (saddr == 0 || ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) {
    return martian_source(skb, SKB_DROP_REASON_IP_INVALID_SOURCE)
  }
  if (ipv4_is_loopback(saddr) && !in_dev_orconf(in_dev, IPV4_DEVCONF_ROUTE_LOCALNET)) {
    return martian_source(skb, SKB_DROP_REASON_IP_LOCALNET)
  }
  if (changetype<rtable>(hint.dst).rt_type == <u16>RTN_LOCAL) {
    const reason = validate(skb, saddr, daddr, dscp & INET_DSCP_MASK, dev, in_dev)
    if (reason) return reason
  }
  skb_dst_set_noref(skb, hint.dst)
  return 0
}
