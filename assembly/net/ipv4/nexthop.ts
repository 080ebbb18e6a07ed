// Nexthop objects are made, replaced and deleted: RTM_NEWNEXTHOP and RTM_DELNEXTHOP. Mirrors net/ipv4/nexthop.c; nexthop/ has
// their table, groups, and how they go. Left out: resilient groups, nexthops of a bridge's fdb, tunnels (encap), IPv6.

import { NLM_F_CREATE, NLM_F_REPLACE, FIB_NH_SIZE, fib_info, fib_nh } from '../../include/ip_fib.ts'
import { net } from '../../include/net_namespace.ts'
import { net_device, netif_carrier_ok } from '../../include/netdevice.ts'
import { nexthop, nexthop_fib_nhc, nh_config } from '../../include/nexthop.ts'
import { boot } from '../../lib/boot.ts'
import { refuse } from '../../lib/err.ts'
import { EEXIST, EINVAL, ENETDOWN, ENOENT, ENOMEM } from '../../uapi/errno.ts'
import {
  EXTACK_NH_BLACKHOLE_ATTRS,
  EXTACK_NH_BLACKHOLE_MEMBER,
  EXTACK_NH_DEVICE_DOWN,
  EXTACK_NH_DEVICE_INDEX,
  EXTACK_NH_FAMILY,
  EXTACK_NH_FROM_GROUP,
  EXTACK_NH_GATEWAY,
  EXTACK_NH_GROUP_FAMILY,
  EXTACK_NH_LO_DOWN,
  EXTACK_NH_NEEDS_DEVICE,
  EXTACK_NH_NO_CARRIER,
  EXTACK_NH_NO_ENTRY,
  EXTACK_NH_NO_ID,
  EXTACK_NH_ONLINK_GATEWAY,
  EXTACK_NH_REPLACE_ID,
  EXTACK_NH_TO_GROUP,
  EXTACK_NONE,
} from '../../uapi/extack.ts'
import { IFF_UP } from '../../uapi/if.ts'
import { RTNH_F_ONLINK, RT_TABLE_MAIN } from '../../uapi/rtnetlink.ts'
import { __dev_get_by_index } from '../core/dev.ts'
import { fib_info_update_nhc_saddr } from './fib_semantics.ts'
import { fib_check_nh } from './fib_semantics/check.ts'
import { fib_nh_release } from './fib_semantics/nh.ts'
import { fib_check_nexthop } from './nexthop/check.ts'
import {
  nexthop_create_group,
  nh_check_attr_group,
  remove_nexthop_group,
  replace_nexthop_grp,
  shares_group,
} from './nexthop/group.ts'
import { remove_nexthop } from './nexthop/remove.ts'
import {
  nexthop_alloc,
  nexthop_at,
  nexthop_enlist,
  nexthop_find_by_id,
  nexthop_free,
  nh_find_unused_id,
} from './nexthop/table.ts'
import { rt_cache_flush } from './route/cache.ts'

/** A device that packets can be sent by now. */
function check_device(net: net, cfg: nh_config): i32 {
  const dev = __dev_get_by_index(net, cfg.nh_ifindex)
  if (changetype<usize>(dev) == 0) return refuse(EXTACK_NH_DEVICE_INDEX, EINVAL)
  if (!(dev.flags & IFF_UP)) return refuse(EXTACK_NH_DEVICE_DOWN, ENETDOWN)
  return netif_carrier_ok(dev) ? 0 : refuse(EXTACK_NH_NO_CARRIER, ENETDOWN)
}

/** What fits together in one request. 0 or -errno. */
function rtm_to_nh_config(net: net, cfg: nh_config): i32 {
  if (cfg.nh_grp_count) {
    if (cfg.has_gw || cfg.nh_ifindex || cfg.nh_blackhole || cfg.nh_flags) return refuse(EXTACK_NH_GROUP_FAMILY, EINVAL)
    return nh_check_attr_group(net, cfg)
  }
  if (cfg.nh_blackhole) {
    if (cfg.has_gw || cfg.nh_ifindex) return refuse(EXTACK_NH_BLACKHOLE_ATTRS, EINVAL)
    cfg.nh_ifindex = changetype<net_device>(net.loopback_dev).ifindex
    return 0
  }
  if (cfg.nh_ifindex == 0) return refuse(cfg.has_gw ? EXTACK_NH_NEEDS_DEVICE : EXTACK_NH_FAMILY, EINVAL)
  const err = check_device(net, cfg)
  if (err) return err
  return cfg.nh_flags & RTNH_F_ONLINK && !cfg.has_gw ? refuse(EXTACK_NH_ONLINK_GATEWAY, EINVAL) : 0
}

/** A next hop as a route of the main table would have it. 0 or -errno. */
function nh_create_ipv4(net: net, nh: nexthop, cfg: nh_config): i32 {
  const nhc = nexthop_fib_nhc(nh, 0)
  nhc.nhc_oif = cfg.nh_ifindex
  nhc.nhc_gw = cfg.gw
  nhc.nhc_flags = cfg.nh_flags
  nhc.nhc_weight = 1
  const err = fib_check_nh(net, nhc, RT_TABLE_MAIN, 0)
  if (err) return refuse(cfg.gw ? EXTACK_NH_GATEWAY : EXTACK_NH_LO_DOWN, <u32>-err)
  nh.reject_nh = cfg.nh_blackhole ? 1 : 0
  fib_info_update_nhc_saddr(net, nhc, nhc.nhc_scope ? nhc.nhc_scope - 1 : 0)
  return 0
}

/** The new nexthop, in no table yet. What fails frees it. 0 or -errno. */
function fill(net: net, nh: nexthop, cfg: nh_config): i32 {
  nh.id = cfg.nh_id
  nh.nh_flags = cfg.nh_flags
  nh.protocol = <u8>cfg.nh_protocol
  const err = cfg.nh_grp_count ? nexthop_create_group(net, nh, cfg) : nh_create_ipv4(net, nh, cfg)
  if (err) nexthop_free(nh)
  return err
}

/** Routes by old must be able to use fresh, and groups to have it. 0 or -EINVAL. */
function may_replace(net: net, old: nexthop, fresh: nexthop): i32 {
  if (old.fi_list) {
    const first = changetype<fib_info>(changetype<fib_nh>(old.fi_list).nh_parent)
    const err = fib_check_nexthop(fresh, first.fib_scope)
    if (err) return err
  }
  if (old.is_group && !fresh.is_group) return refuse(EXTACK_NH_FROM_GROUP, EINVAL)
  if (fresh.is_group && !old.is_group) return refuse(EXTACK_NH_TO_GROUP, EINVAL)
  if (!fresh.reject_nh || old.groups == 0) return 0
  for (let i: u32 = 0; i < net.nexthops_count; i++) {
    if (shares_group(nexthop_at(net, i), old)) return refuse(EXTACK_NH_BLACKHOLE_MEMBER, EINVAL)
  }
  return 0
}

/** What fresh says is now what old says; fresh ends. Routes and groups by old follow. 0 or -EINVAL. */
function replace_nexthop(net: net, old: nexthop, fresh: nexthop): i32 {
  const err = may_replace(net, old, fresh)
  if (err == 0) {
    if (old.is_group) {
      replace_nexthop_grp(old, fresh)
    } else {
      const nhc = nexthop_fib_nhc(old, 0)
      fib_nh_release(nhc)
      memory.copy(changetype<usize>(nhc), changetype<usize>(nexthop_fib_nhc(fresh, 0)), FIB_NH_SIZE)
      old.reject_nh = fresh.reject_nh
    }
    old.protocol = fresh.protocol
    old.nh_flags = fresh.nh_flags
    rt_cache_flush(net)
  }
  if (fresh.is_group) remove_nexthop_group(fresh)
  nexthop_free(fresh)
  return err
}

/** A new nexthop finds its place by id. 0 or -EEXIST, -ENOENT, -EINVAL, -ENOMEM. */
function insert_nexthop(net: net, nh: nexthop, nlflags: u32): i32 {
  const old = nexthop_find_by_id(net, nh.id)
  if (changetype<usize>(old) && nlflags & NLM_F_REPLACE) return replace_nexthop(net, old, nh)
  let err = 0
  if (changetype<usize>(old)) err = -EEXIST
  else if (!(nlflags & NLM_F_CREATE)) err = refuse(EXTACK_NH_NO_ENTRY, ENOENT)
  else if (!nexthop_enlist(net, nh)) err = -ENOMEM
  if (err == 0) return 0
  if (nh.is_group) remove_nexthop_group(nh)
  nexthop_free(nh)
  return err
}

/**
 * Adds or replaces (cfg.nlflags) a nexthop; an id of 0 becomes the one it got. 0 or -errno, boot.extack says more:
 * -EINVAL, -EEXIST, -ENOENT, -ENETDOWN, -ENETUNREACH (gateway), -ENOMEM.
 */
export function rtm_new_nexthop(net: net, cfg: nh_config): i32 {
  boot.extack = EXTACK_NONE
  let err = rtm_to_nh_config(net, cfg)
  if (err) return err
  if (cfg.nh_id == 0) {
    if (cfg.nlflags & NLM_F_REPLACE) return refuse(EXTACK_NH_REPLACE_ID, EINVAL)
    cfg.nh_id = nh_find_unused_id(net)
    if (cfg.nh_id == 0) return refuse(EXTACK_NH_NO_ID, EINVAL)
  }
  const nh = nexthop_alloc(net)
  if (changetype<usize>(nh) == 0) return -ENOMEM
  err = fill(net, nh, cfg)
  return err ? err : insert_nexthop(net, nh, cfg.nlflags)
}

/** Deletes a nexthop, and routes by it. 0 or -ENOENT. */
export function rtm_del_nexthop(net: net, id: u32): i32 {
  boot.extack = EXTACK_NONE
  const nh = nexthop_find_by_id(net, id)
  if (changetype<usize>(nh) == 0) return -ENOENT
  remove_nexthop(net, nh)
  return 0
}
