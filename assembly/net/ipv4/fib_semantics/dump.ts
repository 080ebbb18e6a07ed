// A route as user space is told of it: one record of words. Mirrors fib_dump_info of net/ipv4/fib_semantics.c.

import { fib_info, fib_nh, fib_result } from '../../../include/ip_fib.ts'
import { fib_info_nhc, fib_info_num_path, nexthop, nexthop_is_blackhole, nh_entry } from '../../../include/nexthop.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fib_dump_info, FN_fib_nexthop_info } from '../../../uapi/functions.ts'
import {
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_OFFLOAD,
  RTNH_F_ONLINK,
  RTNH_F_TRAP,
  RTN_BLACKHOLE,
} from '../../../uapi/rtnetlink.ts'
import { ip_ignore_linkdown } from '../fib_trie/lookup.ts'
import { METRICS_SIZE } from './info.ts'

/** Metrics (u32[RTAX_MAX + 1]) follow, then nhs next hops {gateway, oif, weight, flags}. */
@unmanaged
@final
export class route_record {
  /** Of all of it. */
  bytes: u32
  dst: u32
  dst_len: u32
  tos: u32
  table: u32
  type: u32
  scope: u32
  protocol: u32
  flags: u32
  priority: u32
  prefsrc: u32
  nhs: u32
  /** Id of its nexthop object, 0: none. */
  nh_id: u32
  /** What was learnt about the path holds for so many ms more, 0: nothing was. */
  expires: u32
}

const RECORD_HOPS: usize = offsetof<route_record>() + METRICS_SIZE
const HOP_SIZE: usize = 16

/** Bytes of the record of a route. */
export function record_size(fi: fib_info): usize {
  return RECORD_HOPS + <usize>fib_info_num_path(fi) * HOP_SIZE
}

/** Flags of a next hop as they are told: what has no carrier and is ignored therefore is dead. */
function fib_nexthop_info(nh: fib_nh): u32 {
  walk(FN_fib_nexthop_info, 0)
  const flags = nh.nhc_flags & (RTNH_F_ONLINK | RTNH_F_OFFLOAD | RTNH_F_TRAP | RTNH_F_DEAD | RTNH_F_LINKDOWN)
  return flags & RTNH_F_LINKDOWN && ip_ignore_linkdown(nh.nhc_dev) ? flags | RTNH_F_DEAD : flags
}

function weight_of(fi: fib_info, nh: fib_nh, i: u32): u32 {
  const group = changetype<nexthop>(fi.nh)
  return fi.nh && group.is_group ? nh_entry(group, i).weight : <u32>nh.nhc_weight
}

/** The nexthop object of the route: its id, and a blackhole makes the route one. */
function put_nexthop(r: route_record, nh: nexthop): void {
  r.nh_id = nh.id
  if (nexthop_is_blackhole(nh)) r.type = RTN_BLACKHOLE
}

/** Writes the record of a route to out; answers its bytes. dst in network order. */
export function put_route(out: usize, p: usize, dst: u32, len: u32, tos: u32, type: u32, table: u32): usize {
  walk(FN_fib_dump_info, 0)
  const fi = changetype<fib_info>(p)
  const bytes = record_size(fi)
  const r = changetype<route_record>(out)
  r.bytes = <u32>bytes
  r.dst = dst
  r.dst_len = len
  r.tos = tos
  r.table = table
  r.type = type
  r.scope = fi.fib_scope
  r.protocol = fi.fib_protocol
  r.flags = 0
  r.priority = fi.fib_priority
  r.prefsrc = fi.fib_prefsrc
  const paths = fib_info_num_path(fi)
  r.nhs = paths
  r.nh_id = 0
  r.expires = 0
  if (fi.nh) put_nexthop(r, changetype<nexthop>(fi.nh))
  if (fi.fib_metrics) memory.copy(out + offsetof<route_record>(), fi.fib_metrics, METRICS_SIZE)
  else memory.fill(out + offsetof<route_record>(), 0, METRICS_SIZE)
  for (let i: u32 = 0; i < paths; i++) {
    const nh = fib_info_nhc(fi, i)
    const hop = out + RECORD_HOPS + <usize>i * HOP_SIZE
    const flags = fib_nexthop_info(nh)
    store<u32>(hop, nh.nhc_gw)
    store<u32>(hop, nh.nhc_oif, 4)
    store<u32>(hop, weight_of(fi, nh, i), 8)
    store<u32>(hop, flags, 12)
    if (paths == 1) r.flags = flags
  }
  return bytes
}

/** The record of the route that a look-up found; type: what the packet's route is (RTN_*). Answers its bytes. */
export function fib_dump_info(out: usize, res: fib_result, table: u32, type: u32): usize {
  return put_route(out, res.fi, res.prefix, res.prefixlen, res.tos, type, table)
}
