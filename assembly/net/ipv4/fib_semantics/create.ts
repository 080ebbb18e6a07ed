// From what was asked for (fib_config) to a fib_info, shared with routes that say the same; and whether a route is the
// one that a request to delete means. Mirrors fib_create_info, fib_nh_match and fib_metrics_match of
// net/ipv4/fib_semantics.c, ip_metrics_convert of net/ipv4/metrics.c.

import { fib_config, fib_info, fib_info_nh, fib_nh } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { nexthop } from '../../../include/nexthop.ts'
import { kmalloc } from '../../../lib/arena.ts'
import { ERR_PTR, refuse } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENODEV, ENOBUFS, ENOMEM } from '../../../uapi/errno.ts'
import { EXTACK_ROUTE_NH_ID } from '../../../uapi/extack.ts'
import { FN_fib_create_info, FN_fib_nh_init, FN_ip_fib_metrics_init } from '../../../uapi/functions.ts'
import {
  RTAX_ADVMSS,
  RTAX_FEATURES,
  RTAX_FEATURE_MASK,
  RTAX_HOPLIMIT,
  RTAX_MAX,
  RTAX_MTU,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_MAX,
  RTN_MULTICAST,
  RTN_NAT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNSPEC,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
} from '../../../uapi/rtnetlink.ts'
import { __dev_get_by_index } from '../../core/dev.ts'
import { fib_info_update_nhc_saddr } from '../fib_semantics.ts'
import { fib_check_nexthop } from '../nexthop/check.ts'
import { nexthop_find_by_id } from '../nexthop/table.ts'
import { fib_check_nh, fib_valid_prefsrc } from './check.ts'
import { METRICS_SIZE, fib_find_info, fib_info_alloc, fib_info_link, fib_rebalance, free_fib_info } from './info.ts'

/** One of fc_mp: gateway (network order), device, weight (1 to 256), flags. */
@unmanaged
@final
class rtnexthop {
  gw: u32
  oif: u32
  weight: u32
  flags: u32
}

const RTNEXTHOP_SIZE: usize = offsetof<rtnexthop>()

/** More next hops than this do not fit in a netlink message. */
const NHS_MAX: u32 = 4096

function rtnexthop_at(cfg: fib_config, i: u32): rtnexthop {
  return changetype<rtnexthop>(cfg.fc_mp + <usize>i * RTNEXTHOP_SIZE)
}

/** The widest scope that a route of this type can have. */
function fib_props_scope(type: u32): u32 {
  if (type == RTN_UNSPEC || type >= RTN_NAT) return RT_SCOPE_NOWHERE
  if (type == RTN_LOCAL) return RT_SCOPE_HOST
  return type == RTN_UNICAST || type >= RTN_MULTICAST ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK
}

/** A route of this type has no next hop. */
function is_error_type(type: u32): bool {
  return type >= RTN_BLACKHOLE && type <= RTN_THROW
}

/** Metrics of a route, cut to what they may be. 0: out of memory or (features) -EINVAL as a pointer. */
function ip_fib_metrics_init(mx: usize): usize {
  walk(FN_ip_fib_metrics_init, 0)
  if (load<u32>(mx + ((<usize>RTAX_FEATURES) << 2)) & ~RTAX_FEATURE_MASK) return ERR_PTR(EINVAL)
  const p = kmalloc(METRICS_SIZE)
  if (p == 0) return ERR_PTR(ENOMEM)
  memory.copy(p, mx, METRICS_SIZE)
  limit(p, RTAX_ADVMSS, 65535 - 40)
  limit(p, RTAX_MTU, 65535 - 15)
  limit(p, RTAX_HOPLIMIT, 255)
  return p
}

function limit(mx: usize, metric: u32, most: u32): void {
  const at = mx + ((<usize>metric) << 2)
  store<u32>(at, min(load<u32>(at), most))
}

function fib_nh_init(nh: fib_nh, oif: u32, gw: u32, flags: u32, weight: u32): void {
  walk(FN_fib_nh_init, 0)
  nh.nhc_oif = oif
  nh.nhc_gw = gw
  nh.nhc_flags = flags
  nh.nhc_weight = <i32>weight
}

/** The next hops of a multipath route. What is given for the route as a whole must be what the first says. */
function fib_get_nhs(fi: fib_info, cfg: fib_config): i32 {
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const want = rtnexthop_at(cfg, i)
    if (want.flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN) || want.weight == 0 || want.weight > 256) return -EINVAL
    fib_nh_init(fib_info_nh(fi, i), want.oif, want.gw, (cfg.fc_flags & ~0xff) | want.flags, want.weight)
  }
  const first = fib_info_nh(fi, 0)
  if (cfg.fc_oif && first.nhc_oif != cfg.fc_oif) return -EINVAL
  return cfg.fc_gw4 && first.nhc_gw != cfg.fc_gw4 ? -EINVAL : 0
}

/** The local address's own route: on its device, through nobody. */
function host_scope(net: net, fi: fib_info): i32 {
  const nh = fib_info_nh(fi, 0)
  if (fi.fib_nhs != 1 || nh.nhc_gw) return -EINVAL
  nh.nhc_scope = RT_SCOPE_NOWHERE
  nh.nhc_dev = changetype<usize>(__dev_get_by_index(net, nh.nhc_oif))
  return nh.nhc_dev ? 0 : -ENODEV
}

function check_next_hops(net: net, fi: fib_info, cfg: fib_config): i32 {
  let linkdown: u32 = 0
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const nh = fib_info_nh(fi, i)
    const err = fib_check_nh(net, nh, cfg.fc_table, cfg.fc_scope)
    if (err) return err
    if (nh.nhc_flags & RTNH_F_LINKDOWN) linkdown++
  }
  if (linkdown == fi.fib_nhs) fi.fib_flags |= RTNH_F_LINKDOWN
  return 0
}

/** The rest of the checks for a route by a nexthop object. */
function check_nexthop_object(net: net, fi: fib_info, cfg: fib_config): i32 {
  const type = <u32>cfg.fc_type
  if (is_error_type(type)) return 0
  if (type == RTN_UNSPEC || type > RTN_MULTICAST || <u32>cfg.fc_scope > RT_SCOPE_HOST) return -EINVAL
  const err = fib_check_nexthop(changetype<nexthop>(fi.nh), cfg.fc_scope)
  if (err) return err
  return fi.fib_prefsrc && !fib_valid_prefsrc(net, cfg, fi.fib_prefsrc) ? -EINVAL : 0
}

/** Fills fi from cfg and checks all of it. 0 or -errno. */
function fill(net: net, fi: fib_info, cfg: fib_config): i32 {
  const type = <u32>cfg.fc_type
  if (cfg.fc_has_mx) {
    const mx = ip_fib_metrics_init(cfg.fc_mx)
    if (<i32>mx < 0 && <i32>mx > -4096) return <i32>mx
    fi.fib_metrics = mx
  }
  if (fi.nh) return check_nexthop_object(net, fi, cfg)
  if (cfg.fc_mp) {
    const err = fib_get_nhs(fi, cfg)
    if (err) return err
  } else {
    fib_nh_init(fib_info_nh(fi, 0), cfg.fc_oif, cfg.fc_gw4, cfg.fc_flags, 1)
  }
  if (is_error_type(type)) return cfg.fc_gw4 || cfg.fc_oif || cfg.fc_mp ? -EINVAL : 0
  if (type == RTN_UNSPEC || type > RTN_MULTICAST || <u32>cfg.fc_scope > RT_SCOPE_HOST) return -EINVAL
  const err = <u32>cfg.fc_scope == RT_SCOPE_HOST ? host_scope(net, fi) : check_next_hops(net, fi, cfg)
  if (err) return err
  if (fi.fib_prefsrc && !fib_valid_prefsrc(net, cfg, fi.fib_prefsrc)) return -EINVAL
  for (let i: u32 = 0; i < fi.fib_nhs; i++) fib_info_update_nhc_saddr(net, fib_info_nh(fi, i), fi.fib_scope)
  fib_rebalance(fi)
  return 0
}

/**
 * The fib_info of a route as cfg describes it: one that is there already, or a new one; counted in fib_treeref.
 * ERR_PTR: EINVAL, ENODEV, ENETDOWN, ENETUNREACH (gateway), ENOBUFS, ENOMEM.
 */
export function fib_create_info(net: net, cfg: fib_config): usize {
  walk(FN_fib_create_info, 0)
  if (<u32>cfg.fc_type > RTN_MAX || fib_props_scope(cfg.fc_type) > <u32>cfg.fc_scope) return ERR_PTR(EINVAL)
  if (cfg.fc_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) return ERR_PTR(EINVAL)
  const nh = cfg.fc_nh_id ? changetype<usize>(nexthop_find_by_id(net, cfg.fc_nh_id)) : 0
  if (cfg.fc_nh_id && nh == 0) return <usize>refuse(EXTACK_ROUTE_NH_ID, EINVAL)
  const nhs: u32 = nh ? 0 : cfg.fc_mp ? cfg.fc_nhs : 1
  if ((nhs == 0 && nh == 0) || nhs > NHS_MAX) return ERR_PTR(EINVAL)
  const p = fib_info_alloc(nhs)
  if (p == 0) return ERR_PTR(ENOBUFS)
  const fi = changetype<fib_info>(p)
  fi.net = changetype<usize>(net)
  fi.nh = nh
  fi.fib_protocol = cfg.fc_protocol
  fi.fib_scope = cfg.fc_scope
  fi.fib_flags = cfg.fc_flags
  fi.fib_priority = cfg.fc_priority
  fi.fib_prefsrc = cfg.fc_prefsrc
  fi.fib_type = cfg.fc_type
  fi.fib_tb_id = cfg.fc_table
  const err = fill(net, fi, cfg)
  if (err) {
    free_fib_info(fi)
    return <usize>err
  }
  const old = fib_find_info(fi)
  if (old) {
    free_fib_info(fi)
    changetype<fib_info>(old).fib_treeref += 1
    return old
  }
  fi.fib_treeref = 1
  fi.fib_clntref = 1
  fib_info_link(fi)
  return p
}

/** Has the route the priority and next hops that cfg names, if it names any? */
export function fib_nh_match(cfg: fib_config, fi: fib_info): bool {
  if (cfg.fc_priority && cfg.fc_priority != fi.fib_priority) return false
  if (cfg.fc_nh_id) return fi.nh != 0 && changetype<nexthop>(fi.nh).id == cfg.fc_nh_id
  if (fi.nh) return cfg.fc_oif == 0 && cfg.fc_gw_family == 0 && cfg.fc_mp == 0
  if (cfg.fc_oif || cfg.fc_gw4) {
    const nh = fib_info_nh(fi, 0)
    return (cfg.fc_oif == 0 || cfg.fc_oif == nh.nhc_oif) && (cfg.fc_gw4 == 0 || cfg.fc_gw4 == nh.nhc_gw)
  }
  if (cfg.fc_mp == 0) return true
  if (cfg.fc_nhs < fi.fib_nhs) return false
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const want = rtnexthop_at(cfg, i)
    const nh = fib_info_nh(fi, i)
    if ((want.oif && want.oif != nh.nhc_oif) || (want.gw && want.gw != nh.nhc_gw)) return false
  }
  return true
}

/** Has the route the metrics that cfg names? */
export function fib_metrics_match(cfg: fib_config, fi: fib_info): bool {
  if (!cfg.fc_has_mx) return true
  for (let i: u32 = 1; i <= RTAX_MAX; i++) {
    const want = load<u32>(cfg.fc_mx + ((<usize>i) << 2))
    if (want && want != (fi.fib_metrics ? load<u32>(fi.fib_metrics + ((<usize>i) << 2)) : 0)) return false
  }
  return true
}
