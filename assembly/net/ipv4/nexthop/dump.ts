// Nexthop objects as user space is told of them: RTM_GETNEXTHOP, of one or of all. Mirrors nh_fill_node and
// rtm_dump_nexthop of net/ipv4/nexthop.c.

import { net } from '../../../include/net_namespace.ts'
import { nexthop, nexthop_fib_nhc, nh_entry } from '../../../include/nexthop.ts'
import { ENOENT } from '../../../uapi/errno.ts'
import { RTNH_F_ONLINK } from '../../../uapi/rtnetlink.ts'
import { nexthop_at, nexthop_find_by_id, nexthop_place } from './table.ts'

/** Members {id, weight} follow. */
@unmanaged
@final
class nexthop_record {
  bytes: u32
  id: u32
  protocol: u32
  scope: u32
  /** RTNH_F_ONLINK */
  flags: u32
  blackhole: u32
  oif: u32
  gw: u32
  num_nh: u32
}

const RECORD_SIZE: usize = offsetof<nexthop_record>()

function record_size(nh: nexthop): usize {
  return RECORD_SIZE + ((<usize>nh.num_nh) << 3)
}

function put_single(r: nexthop_record, nh: nexthop): void {
  const nhc = nexthop_fib_nhc(nh, 0)
  r.blackhole = nh.reject_nh
  if (nh.reject_nh) return
  r.scope = nhc.nhc_scope
  r.flags = nhc.nhc_flags & RTNH_F_ONLINK
  r.oif = nhc.nhc_oif
  r.gw = nhc.nhc_gw
}

/** Writes the record of a nexthop to out; answers its bytes. */
function nh_fill_node(out: usize, nh: nexthop): usize {
  const bytes = record_size(nh)
  memory.fill(out, 0, bytes)
  const r = changetype<nexthop_record>(out)
  r.bytes = <u32>bytes
  r.id = nh.id
  r.protocol = nh.protocol
  r.num_nh = nh.num_nh
  if (!nh.is_group) put_single(r, nh)
  for (let i: u32 = 0; i < nh.num_nh; i++) {
    const at = out + RECORD_SIZE + ((<usize>i) << 3)
    store<u32>(at, changetype<nexthop>(nh_entry(nh, i).nh).id)
    store<u32>(at, nh_entry(nh, i).weight, 4)
  }
  return bytes
}

/** The record of one. 0 or -ENOENT. */
export function rtm_get_nexthop(net: net, id: u32, out: usize): i32 {
  const nh = nexthop_find_by_id(net, id)
  if (changetype<usize>(nh) == 0) return -ENOENT
  nh_fill_node(out, nh)
  return 0
}

/** Records of all from this id on, as many as max bytes hold. Answers the bytes written; 0: there is none. */
export function rtm_dump_nexthop(net: net, out: usize, max: u32, id: u32): u32 {
  const end = out + max
  let at = out
  for (let i = nexthop_place(net, id); i < net.nexthops_count; i++) {
    const nh = nexthop_at(net, i)
    if (at + record_size(nh) > end) break
    at += nh_fill_node(at, nh)
  }
  return <u32>(at - out)
}
