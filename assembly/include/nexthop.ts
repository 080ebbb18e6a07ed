// Nexthop objects: linux net/nexthop.h. A next hop, or a group of them, with an id, that routes refer to.
// A fib_info with one has no next hops of its own: fib_nhs is 0, and the place of its first is marked dead.

import { FIB_NH_SIZE, fib_info, fib_info_nh, fib_nh } from './ip_fib.ts'

/** A nexthop object. The fib_nh of one that is no group lies behind the struct. */
@unmanaged
@final
export class nexthop {
  id: u32
  net: usize
  refcnt: u32
  /** Routes that use it: a chain of the fib_nh in their first place, whose parent is the fib_info. */
  fi_list: usize
  /** How many groups it is a member of. */
  groups: u32
  /** RTNH_F_* */
  nh_flags: u32
  protocol: u8
  is_group: u8
  /** A blackhole: what is sent to it is refused. */
  reject_nh: u8
  pad: u8
  /** Of a group: its members, nh_grp_entry[num_nh] in a block with room for nh_room. */
  num_nh: u32
  nh_room: u32
  nh_entries: usize
}

export const NH_INFO: usize = offsetof<nexthop>()
export const NEXTHOP_SIZE: usize = NH_INFO + FIB_NH_SIZE

/** A member of a group. */
@unmanaged
@final
export class nh_grp_entry {
  nh: usize
  weight: u32
  /** Hashes up to it, from that of the member before on, are its share. */
  upper_bound: i32
}

export const NH_GRP_ENTRY_SIZE: usize = offsetof<nh_grp_entry>()

/** A nexthop as configuration names it (struct nh_config): what the border hands in. Members {id, weight} follow. */
@unmanaged
@final
export class nh_config {
  /** 0: the next free one. */
  nh_id: u32
  nh_protocol: u32
  /** RTNH_F_ONLINK */
  nh_flags: u32
  nh_blackhole: u32
  nh_ifindex: u32
  /** Network order. */
  gw: u32
  has_gw: u32
  /** NLM_F_* */
  nlflags: u32
  /** Members of a group. */
  nh_grp_count: u32
}

export const NH_CONFIG_SIZE: usize = offsetof<nh_config>()

export function nh_entry(nh: nexthop, i: u32): nh_grp_entry {
  return changetype<nh_grp_entry>(nh.nh_entries + <usize>i * NH_GRP_ENTRY_SIZE)
}

export function nexthop_num_path(nh: nexthop): u32 {
  return nh.is_group ? nh.num_nh : 1
}

/** Its next hop number i. */
export function nexthop_fib_nhc(nh: nexthop, i: u32): fib_nh {
  return changetype<fib_nh>((nh.is_group ? nh_entry(nh, i).nh : changetype<usize>(nh)) + NH_INFO)
}

/** A group is one if its only member is. */
export function nexthop_is_blackhole(nh: nexthop): bool {
  if (!nh.is_group) return nh.reject_nh != 0
  return nh.num_nh == 1 && changetype<nexthop>(nh_entry(nh, 0).nh).reject_nh != 0
}

/** How many next hops a route has, its own or those of its nexthop object. */
export function fib_info_num_path(fi: fib_info): u32 {
  return fi.nh ? nexthop_num_path(changetype<nexthop>(fi.nh)) : fi.fib_nhs
}

/** Next hop number i of a route, its own or of its nexthop object. */
export function fib_info_nhc(fi: fib_info, i: u32): fib_nh {
  return fi.nh ? nexthop_fib_nhc(changetype<nexthop>(fi.nh), i) : fib_info_nh(fi, i)
}
