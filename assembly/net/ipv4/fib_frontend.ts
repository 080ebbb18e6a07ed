// Questions that packets and sockets put to the routing tables: what an address is to us, whether a source may be, from
// which address to answer. Mirrors the packets' part of net/ipv4/fib_frontend.c; fib_frontend/ has what addresses and
// devices do to the tables. Read first: RFC 1812 5.3.8 (source validation), RFC 3704 (rp_filter).

import { CACHE_FIB_ALIAS, CACHE_FIB_INFO, SLOT_FIB_INFO_PUT, slot_set } from '../../lib/boot.ts'
import { FLOWI4_SIZE, INET_DSCP_MASK, flowi4, rtable } from '../../include/dst.ts'
import {
  FIB_ALIAS_SIZE,
  FIB_INFO_NH,
  FIB_NH_SIZE,
  FIB_LOOKUP_IGNORE_LINKSTATE,
  FIB_LOOKUP_NOREF,
  fib_info,
  fib_nh,
  fib_result,
} from '../../include/ip_fib.ts'
import { iphdr, ipv4_is_lbcast, ipv4_is_multicast } from '../../include/ip.ts'
import { net } from '../../include/net_namespace.ts'
import { in_dev_maxconf, in_dev_orconf, in_device, net_device } from '../../include/netdevice.ts'
import { fib_info_nhc } from '../../include/nexthop.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { kmem_cache_create } from '../../lib/slab.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_IP_INVALID_SOURCE,
  SKB_DROP_REASON_IP_LOCAL_SOURCE,
  SKB_DROP_REASON_IP_RPFILTER,
} from '../../uapi/dropreason.ts'
import { ENOMEM } from '../../uapi/errno.ts'
import {
  FN___fib_validate_source,
  FN_fib_compute_spec_dst,
  FN_fib_validate_source,
  FN_inet_addr_type_dev_table,
  FN_inet_addr_type_table,
  FN_l3mdev_fib_table_rcu,
} from '../../uapi/functions.ts'
import {
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
} from '../../uapi/rtnetlink.ts'
import {
  IPV4_DEVCONF_ACCEPT_LOCAL,
  IPV4_DEVCONF_RP_FILTER,
  IPV4_DEVCONF_SEND_REDIRECTS,
  IPV4_DEVCONF_SRC_VMARK,
} from '../../uapi/sysctl.ts'
import { NO_DEVICE } from '../core/dev.ts'
import { skb_network_header } from '../core/skbuff.ts'
import { inet_lookup_ifaddr, inet_select_addr } from './devinet.ts'
import { fib4_rules_early_flow_dissect, fib4_rules_init, fib_lookup } from './fib_rules.ts'
import { fib_info_nh_uses_dev, fib_result_prefsrc } from './fib_semantics.ts'
import { fib_info_hash_init, fib_info_put } from './fib_semantics/info.ts'
import { fib_table_lookup } from './fib_trie/lookup.ts'
import { fib_get_table, fib_new_table } from './fib_trie/tables.ts'

export { fib_get_table, fib_lookup, fib_new_table, fib_table_lookup }

/** Index of lo in every namespace. */
export const LOOPBACK_IFINDEX: u32 = 1

const TYPE_FLOW: usize = memory.data(64, 16)
const TYPE_RESULT: usize = memory.data(64, 16)
const SOURCE_FLOW: usize = memory.data(64, 16)
const SOURCE_RESULT: usize = memory.data(64, 16)
const SPEC_FLOW: usize = memory.data(64, 16)
const SPEC_RESULT: usize = memory.data(64, 16)

/** What the table says of an address (RTN_*); with a device, only if the route leaves by it, else RTN_UNICAST. */
function __inet_dev_addr_type(net: net, dev: net_device, addr: u32, tb_id: u32): u32 {
  if (addr == 0 || ipv4_is_lbcast(addr)) return RTN_BROADCAST
  if (ipv4_is_multicast(addr)) return RTN_MULTICAST
  const tb = fib_get_table(net, tb_id)
  if (changetype<usize>(tb) == 0) return RTN_BROADCAST
  memory.fill(TYPE_FLOW, 0, FLOWI4_SIZE)
  const fl4 = changetype<flowi4>(TYPE_FLOW)
  const res = changetype<fib_result>(TYPE_RESULT)
  fl4.daddr = addr
  if (fib_table_lookup(tb, fl4, res, FIB_LOOKUP_NOREF) != 0) return RTN_UNICAST
  const nh = fib_info_nhc(changetype<fib_info>(res.fi), 0)
  return changetype<usize>(dev) == 0 || changetype<usize>(dev) == nh.nhc_dev ? <u32>res.type : RTN_UNICAST
}

/** What an address is (RTN_*) by one table. */
export function inet_addr_type_table(net: net, addr: u32, tb_id: u32): u32 {
  walk(FN_inet_addr_type_table, 0)
  return __inet_dev_addr_type(net, NO_DEVICE, addr, tb_id)
}

/** What an address is to this host: RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST, else RTN_UNICAST. */
export function inet_addr_type(net: net, addr: u32): u32 {
  return __inet_dev_addr_type(net, NO_DEVICE, addr, RT_TABLE_LOCAL)
}

/** The same by the table of the device's VRF, of which netpath has none. */
export function inet_addr_type_dev_table(net: net, dev: net_device, addr: u32): u32 {
  walk(FN_inet_addr_type_dev_table, 0)
  walk(FN_l3mdev_fib_table_rcu, 0)
  return __inet_dev_addr_type(net, NO_DEVICE, addr, RT_TABLE_LOCAL)
}

/** What an address is on this device: another device's is RTN_UNICAST. */
export function inet_dev_addr_type(net: net, dev: net_device, addr: u32): u32 {
  walk(FN_l3mdev_fib_table_rcu, 0)
  return __inet_dev_addr_type(net, dev, addr, RT_TABLE_LOCAL)
}

/** The full check of a source: the way back to it, by the device it came from if rpf says so (1 strict, 2 loose). */
function __fib_validate_source(
  skb: sk_buff,
  src: u32,
  dst: u32,
  dscp: u32,
  oif: u32,
  dev: net_device,
  rpf: i32,
  in_dev: in_device,
): i32 {
  walk(FN___fib_validate_source, changetype<usize>(skb))
  const owner = changetype<net>(dev.nd_net)
  memory.fill(SOURCE_FLOW, 0, FLOWI4_SIZE)
  const fl4 = changetype<flowi4>(SOURCE_FLOW)
  const res = changetype<fib_result>(SOURCE_RESULT)
  fl4.flowi4_iif = oif ? oif : LOOPBACK_IFINDEX
  fl4.daddr = src
  fl4.saddr = dst
  fl4.flowi4_tos = <u8>dscp
  fl4.flowi4_uid = u32.MAX_VALUE
  if (in_dev_orconf(in_dev, IPV4_DEVCONF_SRC_VMARK)) fl4.flowi4_mark = skb.mark
  if (fib4_rules_early_flow_dissect(owner, skb, fl4)) {
    // The way back has the ports the other way round.
    const sport = fl4.fl4_sport
    fl4.fl4_sport = fl4.fl4_dport
    fl4.fl4_dport = sport
  }
  const refused = rpf ? -(<i32>SKB_DROP_REASON_IP_RPFILTER) : 0
  if (fib_lookup(owner, fl4, res, 0) != 0) return refused
  if (<u32>res.type != RTN_UNICAST) {
    if (<u32>res.type != RTN_LOCAL) return -(<i32>SKB_DROP_REASON_IP_INVALID_SOURCE)
    if (!in_dev_orconf(in_dev, IPV4_DEVCONF_ACCEPT_LOCAL)) return -(<i32>SKB_DROP_REASON_IP_LOCAL_SOURCE)
  }
  const from_lo = <u32>res.type == RTN_LOCAL && changetype<usize>(dev) == owner.loopback_dev
  if (fib_info_nh_uses_dev(changetype<fib_info>(res.fi), dev) || from_lo) {
    return changetype<fib_nh>(res.nhc).nhc_scope >= RT_SCOPE_HOST ? 1 : 0
  }
  if (in_dev.ifa_list == 0) return refused
  if (rpf == 1) return refused
  fl4.flowi4_oif = dev.ifindex
  if (fib_lookup(owner, fl4, res, FIB_LOOKUP_IGNORE_LINKSTATE) != 0 || <u32>res.type != RTN_UNICAST) return 0
  return changetype<fib_nh>(res.nhc).nhc_scope >= RT_SCOPE_HOST ? 1 : 0
}

/**
 * May a packet from src to dst come in by dev? At least 0: it may, and 1: src is on the link, as a redirect needs it;
 * -SKB_DROP_REASON_*: a martian source, or the way back is another (rp_filter).
 *
 * Uses: oif: where the packet will leave by, 0: here. dscp: bits of the TOS byte. Addresses in network order.
 */
export function fib_validate_source(
  skb: sk_buff,
  src: u32,
  dst: u32,
  dscp: u32,
  oif: u32,
  dev: net_device,
  in_dev: in_device,
): i32 {
  walk(FN_fib_validate_source, changetype<usize>(skb))
  const rpf = in_dev_maxconf(in_dev, IPV4_DEVCONF_RP_FILTER)
  if (rpf == 0 && (dev.ifindex != oif || !in_dev_orconf(in_dev, IPV4_DEVCONF_SEND_REDIRECTS))) {
    if (in_dev_orconf(in_dev, IPV4_DEVCONF_ACCEPT_LOCAL)) return 0
    const owner = changetype<net>(dev.nd_net)
    if (!owner.fib_has_custom_local_routes && !owner.fib_has_custom_rules) {
      // Without such routes and rules only an address of our own can be wrong: no look-up.
      return changetype<usize>(inet_lookup_ifaddr(owner, src)) ? -(<i32>SKB_DROP_REASON_IP_LOCAL_SOURCE) : 0
    }
  }
  return __fib_validate_source(skb, src, dst, dscp, oif, dev, rpf, in_dev)
}

/** The address of ours that an answer to the packet is sent from: its destination, if that is an address of a host. */
export function fib_compute_spec_dst(skb: sk_buff): u32 {
  walk(FN_fib_compute_spec_dst, changetype<usize>(skb))
  const ip = changetype<iphdr>(skb_network_header(skb))
  const kind = changetype<rtable>(skb.dst).rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST | RTCF_LOCAL)
  if (kind == RTCF_LOCAL) return ip.daddr
  const dev = changetype<net_device>(skb.dev)
  if (ip.saddr == 0) return inet_select_addr(dev, 0, RT_SCOPE_LINK)
  const owner = changetype<net>(dev.nd_net)
  memory.fill(SPEC_FLOW, 0, FLOWI4_SIZE)
  const fl4 = changetype<flowi4>(SPEC_FLOW)
  const res = changetype<fib_result>(SPEC_RESULT)
  fl4.flowi4_iif = LOOPBACK_IFINDEX
  fl4.daddr = ip.saddr
  fl4.flowi4_tos = <u8>((<u32>ip.tos) & INET_DSCP_MASK)
  const in_dev = changetype<in_device>(dev.ip_ptr)
  if (changetype<usize>(in_dev) && in_dev_orconf(in_dev, IPV4_DEVCONF_SRC_VMARK)) fl4.flowi4_mark = skb.mark
  if (fib_lookup(owner, fl4, res, 0) == 0) return fib_result_prefsrc(owner, res)
  return inet_select_addr(dev, ip.saddr, RT_SCOPE_UNIVERSE)
}

/** Once at boot, before any namespace. 0 or -ENOMEM. */
export function ip_fib_init(): i32 {
  kmem_cache_create(CACHE_FIB_ALIAS, FIB_ALIAS_SIZE)
  kmem_cache_create(CACHE_FIB_INFO, <u32>(FIB_INFO_NH + FIB_NH_SIZE))
  slot_set(SLOT_FIB_INFO_PUT, fib_info_put.index)
  return fib_info_hash_init() ? 0 : -ENOMEM
}

/** A new namespace has three rules; its tables come with the first routes. 0 or -ENOMEM. */
export function fib_net_init(net: net): i32 {
  return fib4_rules_init(net) ? 0 : -ENOMEM
}
