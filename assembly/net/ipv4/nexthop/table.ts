// Nexthop objects of a namespace by their ids, and their lives: each is held by its table, by routes and by groups.
// Mirrors nexthop_find_by_id, nh_find_unused_id and nexthop_put of net/ipv4/nexthop.c.

import { net } from '../../../include/net_namespace.ts'
import { NEXTHOP_SIZE, NH_GRP_ENTRY_SIZE, NH_INFO, nexthop } from '../../../include/nexthop.ts'
import { fib_nh } from '../../../include/ip_fib.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { fib_nh_release } from '../fib_semantics/nh.ts'

export const NO_NEXTHOP: nexthop = changetype<nexthop>(0)

const FIRST_ROOM: u32 = 8

/** Number i in order of ids. */
export function nexthop_at(net: net, i: u32): nexthop {
  return changetype<nexthop>(load<usize>(net.nexthops + ((<usize>i) << 2)))
}

/** The place of the first with at least this id. */
export function nexthop_place(net: net, id: u32): u32 {
  let low: u32 = 0
  let high = net.nexthops_count
  while (low < high) {
    const middle = (low + high) >> 1
    if (nexthop_at(net, middle).id < id) low = middle + 1
    else high = middle
  }
  return low
}

export function nexthop_find_by_id(net: net, id: u32): nexthop {
  const i = nexthop_place(net, id)
  if (i == net.nexthops_count) return NO_NEXTHOP
  const nh = nexthop_at(net, i)
  return nh.id == id ? nh : NO_NEXTHOP
}

/** The next id that is free, 0: none is. */
export function nh_find_unused_id(net: net): u32 {
  const start = net.nexthops_last_id
  for (;;) {
    net.nexthops_last_id += 1
    if (net.nexthops_last_id == start) return 0
    if (net.nexthops_last_id && changetype<usize>(nexthop_find_by_id(net, net.nexthops_last_id)) == 0)
      return net.nexthops_last_id
  }
  // oxlint-disable-next-line no-unreachable -- asc wants an answer after the loop
  return 0
}

/** One more fits. False: out of memory. */
function make_room(net: net): bool {
  const room = net.nexthops_room
  if (net.nexthops_count < room) return true
  const wanted = room ? room << 1 : FIRST_ROOM
  const p = kzalloc((<usize>wanted) << 2)
  if (p == 0) return false
  memory.copy(p, net.nexthops, (<usize>room) << 2)
  if (room) kfree(net.nexthops, (<usize>room) << 2)
  net.nexthops = p
  net.nexthops_room = wanted
  return true
}

/** Enters a new one, which the table holds. False: out of memory. */
export function nexthop_enlist(net: net, nh: nexthop): bool {
  if (!make_room(net)) return false
  const i = nexthop_place(net, nh.id)
  const at = net.nexthops + ((<usize>i) << 2)
  memory.copy(at + 4, at, (<usize>(net.nexthops_count - i)) << 2)
  store<usize>(at, changetype<usize>(nh))
  net.nexthops_count += 1
  nh.refcnt += 1
  return true
}

/** Takes it out; who calls it has the table's hold then. */
export function nexthop_delist(net: net, nh: nexthop): void {
  const i = nexthop_place(net, nh.id)
  const at = net.nexthops + ((<usize>i) << 2)
  net.nexthops_count -= 1
  memory.copy(at, at + 4, (<usize>(net.nexthops_count - i)) << 2)
}

/** A new one that nobody holds. NO_NEXTHOP: out of memory. */
export function nexthop_alloc(net: net): nexthop {
  const p = kzalloc(NEXTHOP_SIZE)
  if (p) changetype<nexthop>(p).net = changetype<usize>(net)
  return changetype<nexthop>(p)
}

/** Frees the members' block of a group. */
export function nh_entries_free(entries: usize, room: u32): void {
  if (entries) kfree(entries, <usize>room * NH_GRP_ENTRY_SIZE)
}

/** Frees one that nobody holds, and has no members. */
export function nexthop_free(nh: nexthop): void {
  fib_nh_release(changetype<fib_nh>(changetype<usize>(nh) + NH_INFO))
  nh_entries_free(nh.nh_entries, nh.nh_room)
  kfree(changetype<usize>(nh), NEXTHOP_SIZE)
}

/** One user less. */
export function nexthop_put(nh: nexthop): void {
  if (--nh.refcnt == 0) nexthop_free(nh)
}
