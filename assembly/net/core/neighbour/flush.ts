// What a device loses when it goes down, loses its carrier or changes its address.
// Mirrors neigh_flush_dev and its callers of net/core/neighbour.c.

import { NEIGH_OUT_BLACKHOLE, neighbour } from '../../../include/neighbour.ts'
import { net_device } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN___neigh_ifdown,
  FN_neigh_carrier_down,
  FN_neigh_changeaddr,
  FN_neigh_cleanup_and_release,
  FN_neigh_flush_dev,
  FN_neigh_ifdown,
} from '../../../uapi/functions.ts'
import { NTF_EXT_LEARNED, NUD_NOARP, NUD_NONE, NUD_PERMANENT, NUD_VALID } from '../../../uapi/neighbour.ts'
import { pneigh_ifdown, pneigh_queue_purge } from './proxy.ts'
import {
  wait_purge,
  arp_tbl,
  bucket_at,
  neigh_del_timer,
  hash_remove,
  neigh_mark_dead,
  neigh_release,
} from './table.ts'

function flush_one(n: neighbour): void {
  hash_remove(n)
  neigh_del_timer(n)
  neigh_mark_dead(n)
  if (n.refcnt != 1) {
    // Somebody still holds it: packets that come this way are lost, and it never asks again.
    wait_purge(n, FN_neigh_flush_dev)
    n.output = NEIGH_OUT_BLACKHOLE
    n.hh_len = 0
    n.nud_state = <u8>(n.nud_state & NUD_VALID ? NUD_NOARP : NUD_NONE)
  }
  walk(FN_neigh_cleanup_and_release, 0)
  neigh_release(n)
}

/** Takes out the entries of a device; with skip_perm the permanent ones and those that user space learnt stay. */
function neigh_flush_dev(dev: net_device, skip_perm: bool): void {
  walk(FN_neigh_flush_dev, 0)
  const t = arp_tbl()
  for (let i: u32 = 0; i < (<u32>1) << t.hash_shift; i++) {
    let p = load<usize>(bucket_at(t, i))
    while (p) {
      const n = changetype<neighbour>(p)
      p = n.next
      if (n.dev != changetype<usize>(dev)) continue
      if (skip_perm && (n.nud_state & NUD_PERMANENT || n.flags & NTF_EXT_LEARNED)) continue
      flush_one(n)
    }
  }
}

function __neigh_ifdown(dev: net_device, skip_perm: bool): void {
  walk(FN___neigh_ifdown, 0)
  neigh_flush_dev(dev, skip_perm)
  pneigh_ifdown(dev, skip_perm)
  pneigh_queue_purge(dev.nd_net)
}

/** The device has another hardware address: nothing that we know by it holds. */
export function neigh_changeaddr(dev: net_device): void {
  walk(FN_neigh_changeaddr, 0)
  neigh_flush_dev(dev, false)
}

/** The carrier is lost (arp_evict_nocarrier). */
export function neigh_carrier_down(dev: net_device): void {
  walk(FN_neigh_carrier_down, 0)
  __neigh_ifdown(dev, true)
}

/** The device is down or goes away. */
export function neigh_ifdown(dev: net_device): void {
  walk(FN_neigh_ifdown, 0)
  __neigh_ifdown(dev, false)
}
