// Is the next hop of a new route usable, and the source address that it names ours?
// Mirrors fib_check_nh and fib_valid_prefsrc of net/ipv4/fib_semantics.c.

import { FLOWI4_SIZE, flowi4 } from '../../../include/dst.ts'
import {
  FIB_LOOKUP_IGNORE_LINKSTATE,
  FIB_LOOKUP_NOREF,
  fib_config,
  fib_nh,
  fib_result,
} from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device, netif_carrier_ok } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENETDOWN, ENODEV } from '../../../uapi/errno.ts'
import { FN_fib_check_nh } from '../../../uapi/functions.ts'
import { IFF_UP } from '../../../uapi/if.ts'
import {
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
  RTNH_F_PERVASIVE,
  RTN_LOCAL,
  RTN_UNICAST,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../../../uapi/rtnetlink.ts'
import { __dev_get_by_index } from '../../core/dev.ts'
import { inetdev_by_index } from '../devinet.ts'
import {
  LOOPBACK_IFINDEX,
  fib_get_table,
  fib_lookup,
  fib_table_lookup,
  inet_addr_type_dev_table,
  inet_addr_type_table,
} from '../fib_frontend.ts'

const CHECK_FLOW: usize = memory.data(64, 16)
const CHECK_RESULT: usize = memory.data(64, 16)

/** The next hop leaves by dev. */
function bind_device(nh: fib_nh, dev: net_device, scope: u32): void {
  nh.nhc_dev = changetype<usize>(dev)
  nh.nhc_scope = scope
  if (!netif_carrier_ok(dev)) nh.nhc_flags |= RTNH_F_LINKDOWN
}

/** A gateway that is said to be on the link, whatever the routes say. */
function check_onlink(net: net, nh: fib_nh, scope: u32): i32 {
  if (scope >= RT_SCOPE_LINK) return -EINVAL
  const dev = __dev_get_by_index(net, nh.nhc_oif)
  if (changetype<usize>(dev) == 0) return -ENODEV
  if (!(dev.flags & IFF_UP)) return -ENETDOWN
  if (inet_addr_type_dev_table(net, dev, nh.nhc_gw) != RTN_UNICAST) return -EINVAL
  bind_device(nh, dev, RT_SCOPE_LINK)
  return 0
}

/** How the gateway itself is reached: by the table of the route, or else by all. */
function lookup_gateway(net: net, fl4: flowi4, res: fib_result, table: u32): i32 {
  if (table && table != RT_TABLE_MAIN) {
    const tb = fib_get_table(net, table)
    if (changetype<usize>(tb) && fib_table_lookup(tb, fl4, res, FIB_LOOKUP_IGNORE_LINKSTATE | FIB_LOOKUP_NOREF) == 0)
      return 0
  }
  return fib_lookup(net, fl4, res, FIB_LOOKUP_IGNORE_LINKSTATE)
}

/** A gateway must be reached by a route of narrower scope, and be no broadcast or multicast address. */
function fib_check_nh_v4_gw(net: net, nh: fib_nh, table: u32, scope: u32): i32 {
  if (nh.nhc_flags & RTNH_F_ONLINK) return check_onlink(net, nh, scope)
  memory.fill(CHECK_FLOW, 0, FLOWI4_SIZE)
  const fl4 = changetype<flowi4>(CHECK_FLOW)
  const res = changetype<fib_result>(CHECK_RESULT)
  fl4.daddr = nh.nhc_gw
  fl4.flowi4_scope = <u8>max<u32>((scope + 1) & 0xff, RT_SCOPE_LINK)
  fl4.flowi4_oif = nh.nhc_oif
  fl4.flowi4_iif = LOOPBACK_IFINDEX
  const err = lookup_gateway(net, fl4, res, table)
  if (err) return err
  if (<u32>res.type != RTN_UNICAST && <u32>res.type != RTN_LOCAL) return -EINVAL
  const by = changetype<fib_nh>(res.nhc)
  if (by.nhc_dev == 0) return -EINVAL
  const dev = changetype<net_device>(by.nhc_dev)
  nh.nhc_oif = by.nhc_oif
  bind_device(nh, dev, res.scope)
  return dev.flags & IFF_UP ? 0 : -ENETDOWN
}

/** Without a gateway the destination is on the link of the device. */
function fib_check_nh_nongw(net: net, nh: fib_nh): i32 {
  if (nh.nhc_flags & (RTNH_F_PERVASIVE | RTNH_F_ONLINK)) return -EINVAL
  const in_dev = inetdev_by_index(net, nh.nhc_oif)
  if (changetype<usize>(in_dev) == 0) return -ENODEV
  const dev = changetype<net_device>(in_dev.dev)
  if (!(dev.flags & IFF_UP)) return -ENETDOWN
  bind_device(nh, dev, RT_SCOPE_HOST)
  return 0
}

/**
 * Checks a next hop and finds its device and scope. 0, -ENETUNREACH (gateway without a route, or the error of that
 * route), -EINVAL, -ENODEV, -ENETDOWN. scope: of the route; table: of the route, 0: none.
 */
export function fib_check_nh(net: net, nh: fib_nh, table: u32, scope: u32): i32 {
  walk(FN_fib_check_nh, 0)
  return nh.nhc_gw ? fib_check_nh_v4_gw(net, nh, table, scope) : fib_check_nh_nongw(net, nh)
}

/** A preferred source must be an address of ours, unless the route is what makes it one. */
export function fib_valid_prefsrc(net: net, cfg: fib_config, prefsrc: u32): bool {
  if (<u32>cfg.fc_type == RTN_LOCAL && cfg.fc_dst && prefsrc == cfg.fc_dst) return true
  const table = cfg.fc_table == RT_TABLE_MAIN ? RT_TABLE_LOCAL : cfg.fc_table
  if (inet_addr_type_table(net, prefsrc, table) == RTN_LOCAL) return true
  return table != RT_TABLE_LOCAL && inet_addr_type_table(net, prefsrc, RT_TABLE_LOCAL) == RTN_LOCAL
}
