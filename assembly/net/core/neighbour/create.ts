// New neighbours, and garbage collection, which makes room for them. Mirrors neigh_alloc, ___neigh_create,
// neigh_forced_gc and neigh_periodic_work of net/core/neighbour.c, and ip_neigh_gw4 of include/net/route.h.

import { CACHE_NEIGH, boot } from '../../../lib/boot.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import {
  NEIGH_OUT_BLACKHOLE,
  neigh_parms,
  neigh_table,
  neigh_table_gc_timer,
  neigh_timer,
  neighbour,
} from '../../../include/neighbour.ts'
import { in_device, net_device } from '../../../include/netdevice.ts'
import { mod_timer, time_after, time_after_eq, timer_pending, timer_setup } from '../../../kernel/timer.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { kmem_cache_free, kmem_cache_zalloc } from '../../../lib/slab.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENOBUFS } from '../../../uapi/errno.ts'
import {
  FN___neigh_create,
  FN_neigh_event_ns,
  FN_neigh_forced_gc,
  FN_neigh_periodic_work,
} from '../../../uapi/functions.ts'
import { IFF_LOOPBACK } from '../../../uapi/if.ts'
import {
  NEIGH_UPDATE_F_OVERRIDE,
  NTF_EXT_LEARNED,
  NUD_FAILED,
  NUD_IN_TIMER,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_STALE,
} from '../../../uapi/neighbour.ts'
import {
  NEIGH_VAR_BASE_REACHABLE_TIME_MS,
  NEIGH_VAR_GC_STALETIME_MS,
  SYSCTL_NEIGH_GC_THRESH1,
  SYSCTL_NEIGH_GC_THRESH2,
  SYSCTL_NEIGH_GC_THRESH3,
} from '../../../uapi/sysctl.ts'
import { neigh_parms_clone, neigh_parms_put, var_jiffies } from './parms.ts'
import { neigh_timer_handler } from './state.ts'
import {
  NO_NEIGH,
  ___neigh_lookup_noref,
  __ipv4_neigh_lookup_noref,
  arp_tbl,
  gc_list_add,
  bucket_at,
  hash_insert,
  neigh_hold,
  neigh_lookup,
  neigh_remove_one,
} from './table.ts'
import { __neigh_update } from './update.ts'

/** An entry not changed for this long may be collected by force, in seconds. */
const FORCED_GC_AGE_S: u32 = 5

/** Collects what is of no use, oldest first, until gc_thresh2 entries are left. Answers how many went. */
function neigh_forced_gc(t: neigh_table, thresh2: u32): u32 {
  walk(FN_neigh_forced_gc, 0)
  // The one that is to come counts already.
  const most = <i32>t.gc_entries + 1 - <i32>thresh2
  const since = boot.jiffies - FORCED_GC_AGE_S * boot.hz
  let gone = 0
  t.forced_gc_runs += 1
  let p = t.gc_head
  while (p) {
    const n = changetype<neighbour>(p)
    p = n.gc_next
    if (n.refcnt != 1) continue
    const useless = (n.nud_state & (NUD_FAILED | NUD_NOARP)) != 0 || !time_after_eq(n.updated, since)
    if (useless && neigh_remove_one(n)) gone++
    if (gone >= most) break
  }
  t.last_flush = boot.jiffies
  return <u32>gone
}

/** Is there room for one more that may be collected? Beyond gc_thresh3 only if others go. */
function gc_room(t: neigh_table, owner: net): bool {
  const entries = t.gc_entries
  const thresh2 = <u32>sysctl(owner, SYSCTL_NEIGH_GC_THRESH2)
  const full = entries >= <u32>sysctl(owner, SYSCTL_NEIGH_GC_THRESH3)
  const crowded = entries >= thresh2 && time_after(boot.jiffies, t.last_flush + FORCED_GC_AGE_S * boot.hz)
  if (!full && !crowded) return true
  if (neigh_forced_gc(t, thresh2) || !full) return true
  t.table_fulls += 1
  return false
}

/** Not used for gc_staletime, or failed. */
function is_stale(n: neighbour): bool {
  if (n.nud_state & (NUD_PERMANENT | NUD_IN_TIMER) || n.flags & NTF_EXT_LEARNED || n.refcnt != 1) return false
  if (time_after(n.confirmed, n.used) && time_after_eq(boot.jiffies, n.confirmed)) n.used = n.confirmed
  if (n.nud_state == <u8>NUD_FAILED) return true
  return time_after_eq(boot.jiffies, n.used + var_jiffies(n.parms, NEIGH_VAR_GC_STALETIME_MS))
}

/** Takes out entries that nobody used, once there are gc_thresh1 of them (its timer). */
export function neigh_periodic_work(_timer: usize): void {
  walk(FN_neigh_periodic_work, 0)
  const t = arp_tbl()
  const entries = t.entries
  let crowded = false
  t.periodic_gc_runs += 1
  for (let i: u32 = 0; i < (<u32>1) << t.hash_shift; i++) {
    let p = load<usize>(bucket_at(t, i))
    while (p) {
      const n = changetype<neighbour>(p)
      p = n.next
      if (entries < <u32>sysctl(changetype<net>(n.net), SYSCTL_NEIGH_GC_THRESH1)) continue
      crowded = true
      if (is_stale(n)) neigh_remove_one(n)
    }
  }
  if (crowded) mod_timer(neigh_table_gc_timer(t), boot.jiffies + t.gc_period)
}

/** The periodic work runs only while there may be something for it, so that an idle instance has no timers. */
function gc_schedule(t: neigh_table, owner: net): void {
  if (t.entries < <u32>sysctl(owner, SYSCTL_NEIGH_GC_THRESH1) || timer_pending(neigh_table_gc_timer(t))) return
  t.gc_period = var_jiffies(owner.arp_parms, NEIGH_VAR_BASE_REACHABLE_TIME_MS) >> 1
  mod_timer(neigh_table_gc_timer(t), boot.jiffies + max<u32>(t.gc_period, 1))
}

/** An entry with no state, not in the hash; 0: no room. */
function neigh_alloc(t: neigh_table, dev: net_device, exempt_from_gc: bool): usize {
  if (!exempt_from_gc && !gc_room(t, changetype<net>(dev.nd_net))) return 0
  const p = kmem_cache_zalloc(CACHE_NEIGH)
  if (p == 0) return 0
  const n = changetype<neighbour>(p)
  n.updated = boot.jiffies
  n.used = boot.jiffies
  n.output = NEIGH_OUT_BLACKHOLE
  n.refcnt = 1
  timer_setup(neigh_timer(n), neigh_timer_handler.index)
  t.allocs += 1
  return p
}

/** Gives back an entry that never came into the hash. */
function free_unhashed(n: neighbour): void {
  neigh_parms_put(n.parms)
  kmem_cache_free(CACHE_NEIGH, changetype<usize>(n))
}

/** Makes the entry of an address; an ERR_PTR when the device can't have one (-EINVAL) or there is no room (-ENOBUFS). */
export function ___neigh_create(dev: usize, key: u32, flags: u32, exempt_from_gc: bool): usize {
  const t = arp_tbl()
  const device = changetype<net_device>(dev)
  const in_dev = changetype<in_device>(device.ip_ptr)
  if (changetype<usize>(in_dev) == 0 || in_dev.arp_parms == 0) return ERR_PTR(EINVAL)
  const p = neigh_alloc(t, device, exempt_from_gc)
  if (p == 0) return ERR_PTR(ENOBUFS)
  const n = changetype<neighbour>(p)
  n.dev = dev
  n.net = device.nd_net
  n.flags = flags
  n.key_len = 4
  n.primary_key = key
  n.parms = in_dev.arp_parms
  neigh_parms_clone(n.parms)

  // The constructor may change the key, so the look-up comes after it.
  const err = call_indirect<i32>(t.neigh_constructor, p)
  const parms = changetype<neigh_parms>(n.parms)
  if (err < 0 || parms.dead) {
    free_unhashed(n)
    return ERR_PTR(err < 0 ? <u32>-err : EINVAL)
  }
  const known = changetype<usize>(___neigh_lookup_noref(dev, n.primary_key))
  if (known) {
    free_unhashed(n)
    return known
  }
  n.confirmed = boot.jiffies - (var_jiffies(n.parms, NEIGH_VAR_BASE_REACHABLE_TIME_MS) << 1)
  t.entries += 1
  if (!exempt_from_gc) gc_list_add(n)
  hash_insert(n)
  gc_schedule(t, changetype<net>(n.net))
  return p
}

/** The same for a next hop that packets go to: not counted, 4 bytes of key in network order. */
export function __neigh_create(dev: usize, key: u32): usize {
  walk(FN___neigh_create, 0)
  return ___neigh_create(dev, key, 0, (changetype<net_device>(dev).flags & IFF_LOOPBACK) != 0)
}

/** The entry of a next hop, made if there is none; not counted. A neighbour or an ERR_PTR. */
export function ip_neigh_gw4(dev: usize, daddr: u32): usize {
  const n = changetype<usize>(__ipv4_neigh_lookup_noref(dev, daddr))
  return n ? n : __neigh_create(dev, daddr)
}

/** The entry of an address, counted, made if there is none and create says so. NO_NEIGH: none, or no room. */
export function __neigh_lookup(dev: net_device, key: u32, create: bool): neighbour {
  const n = neigh_lookup(dev, key)
  if (changetype<usize>(n) || !create) return n
  const made = __neigh_create(changetype<usize>(dev), key)
  if (IS_ERR(made)) return NO_NEIGH
  neigh_hold(changetype<neighbour>(made))
  return changetype<neighbour>(made)
}

/** Somebody asked for us: learn the asker as stale. Counted; NO_NEIGH: there is no room. */
export function neigh_event_ns(lladdr: usize, saddr: u32, dev: net_device): neighbour {
  walk(FN_neigh_event_ns, 0)
  const n = __neigh_lookup(dev, saddr, true)
  if (changetype<usize>(n)) __neigh_update(n, lladdr, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE)
  return n
}
