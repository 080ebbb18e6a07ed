// Groups of nexthop objects: who may be in one, the shares of their members, and how a member leaves.
// Mirrors the group part of net/ipv4/nexthop.c. Left out: resilient groups.

import { net } from '../../../include/net_namespace.ts'
import {
  NH_CONFIG_SIZE,
  NH_GRP_ENTRY_SIZE,
  nexthop,
  nexthop_fib_nhc,
  nh_config,
  nh_entry,
  nh_grp_entry,
} from '../../../include/nexthop.ts'
import { fib_nh } from '../../../include/ip_fib.ts'
import { kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENOMEM } from '../../../uapi/errno.ts'
import {
  EXTACK_NH_BLACKHOLE_GROUP,
  EXTACK_NH_INVALID_ID,
  EXTACK_NH_NESTED,
  EXTACK_NH_TWICE,
  EXTACK_NH_WEIGHT,
} from '../../../uapi/extack.ts'
import { FN_nexthop_select_path } from '../../../uapi/functions.ts'
import { NUD_VALID } from '../../../uapi/neighbour.ts'
import { refuse } from '../../../lib/err.ts'
import { __ipv4_neigh_lookup_noref } from '../../core/neighbour.ts'
import { nexthop_find_by_id, nexthop_put } from './table.ts'

/** Weights are what 16 bits hold of weight - 1, but the last. */
const WEIGHT_MAX: u32 = 65535

/** Member {id, weight} number i of a configuration. */
function wanted_at(cfg: nh_config, i: u32): usize {
  return changetype<usize>(cfg) + NH_CONFIG_SIZE + ((<usize>i) << 3)
}

function named_before(cfg: nh_config, i: u32): bool {
  const id = load<u32>(wanted_at(cfg, i))
  for (let k: u32 = 0; k < i; k++) {
    if (load<u32>(wanted_at(cfg, k)) == id) return true
  }
  return false
}

/** May the members that a configuration names be a group? 0 or -EINVAL. */
export function nh_check_attr_group(net: net, cfg: nh_config): i32 {
  const count = cfg.nh_grp_count
  for (let i: u32 = 0; i < count; i++) {
    const weight = load<u32>(wanted_at(cfg, i), 4)
    if (weight == 0 || weight > WEIGHT_MAX) return refuse(EXTACK_NH_WEIGHT, EINVAL)
    if (named_before(cfg, i)) return refuse(EXTACK_NH_TWICE, EINVAL)
  }
  for (let i: u32 = 0; i < count; i++) {
    const nh = nexthop_find_by_id(net, load<u32>(wanted_at(cfg, i)))
    if (changetype<usize>(nh) == 0) return refuse(EXTACK_NH_INVALID_ID, EINVAL)
    if (nh.is_group) return refuse(EXTACK_NH_NESTED, EINVAL)
    if (nh.reject_nh && count > 1) return refuse(EXTACK_NH_BLACKHOLE_GROUP, EINVAL)
  }
  return 0
}

/** Shares the range of hashes, 0 to 2^31 - 1, among the members by weight. */
function nh_hthr_group_rebalance(nh: nexthop): void {
  let total: u64 = 0
  for (let i: u32 = 0; i < nh.num_nh; i++) total += <u64>nh_entry(nh, i).weight
  let sum: u64 = 0
  for (let i: u32 = 0; i < nh.num_nh; i++) {
    const entry = nh_entry(nh, i)
    sum += <u64>entry.weight
    entry.upper_bound = <i32>(((sum << 31) + (total >> 1)) / total - 1)
  }
}

/** Makes nh a group of the members that cfg names and nh_check_attr_group accepted. 0 or -ENOMEM. */
export function nexthop_create_group(net: net, nh: nexthop, cfg: nh_config): i32 {
  const count = cfg.nh_grp_count
  nh.nh_entries = kzalloc(<usize>count * NH_GRP_ENTRY_SIZE)
  if (nh.nh_entries == 0) return -ENOMEM
  nh.nh_room = count
  nh.is_group = 1
  nh.num_nh = count
  for (let i: u32 = 0; i < count; i++) {
    const member = nexthop_find_by_id(net, load<u32>(wanted_at(cfg, i)))
    const entry = nh_entry(nh, i)
    entry.nh = changetype<usize>(member)
    entry.weight = load<u32>(wanted_at(cfg, i), 4)
    member.refcnt += 1
    member.groups += 1
  }
  nh_hthr_group_rebalance(nh)
  return 0
}

function leave(entry: nh_grp_entry): void {
  const member = changetype<nexthop>(entry.nh)
  member.groups -= 1
  nexthop_put(member)
}

/** All members leave. */
export function remove_nexthop_group(nh: nexthop): void {
  for (let i: u32 = 0; i < nh.num_nh; i++) leave(nh_entry(nh, i))
  nh.num_nh = 0
}

/** The members of fresh (a new group, in no table) become those of old, and the other way round. */
export function replace_nexthop_grp(old: nexthop, fresh: nexthop): void {
  const entries = old.nh_entries
  const count = old.num_nh
  const room = old.nh_room
  old.nh_entries = fresh.nh_entries
  old.num_nh = fresh.num_nh
  old.nh_room = fresh.nh_room
  fresh.nh_entries = entries
  fresh.num_nh = count
  fresh.nh_room = room
}

/** The place of a member, -1: it is none. */
function member_place(group: nexthop, member: nexthop): i32 {
  for (let i: u32 = 0; i < group.num_nh; i++) {
    if (nh_entry(group, i).nh == changetype<usize>(member)) return <i32>i
  }
  return -1
}

/** Is it a member, and not the only one? */
export function shares_group(group: nexthop, member: nexthop): bool {
  return group.is_group != 0 && group.num_nh > 1 && member_place(group, member) >= 0
}

/** A member, if nh is one, leaves; the others keep their weights. True: it is the only one, so the group has to go. */
export function remove_nh_grp_entry(group: nexthop, nh: nexthop): bool {
  const i = member_place(group, nh)
  if (i < 0) return false
  if (group.num_nh == 1) return true
  const entry = nh_entry(group, i)
  leave(entry)
  group.num_nh -= 1
  const at = changetype<usize>(entry)
  memory.copy(at, at + NH_GRP_ENTRY_SIZE, <usize>(group.num_nh - <u32>i) * NH_GRP_ENTRY_SIZE)
  nh_hthr_group_rebalance(group)
  return false
}

/** Nothing is known against its gateway. */
function ipv4_good_nh(nh: fib_nh): bool {
  const n = __ipv4_neigh_lookup_noref(nh.nhc_dev, nh.nhc_gw)
  return changetype<usize>(n) == 0 || (n.nud_state & NUD_VALID) != 0
}

/** The place of the member for a hash: the first good one whose share reaches it, else the first good one, else the first. */
export function nexthop_select_path(group: nexthop, hash: u32): u32 {
  walk(FN_nexthop_select_path, 0)
  let good = -1
  for (let i: u32 = 0; i < group.num_nh; i++) {
    if (!ipv4_good_nh(nexthop_fib_nhc(group, i))) continue
    if (good < 0) good = <i32>i
    if (<i32>hash <= nh_entry(group, i).upper_bound) return i
  }
  return good < 0 ? 0 : <u32>good
}
