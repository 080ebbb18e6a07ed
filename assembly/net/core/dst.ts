// References to routes. Mirrors net/core/dst.c; routes are made in net/ipv4/route.ts.

import { CACHE_RTABLE, SLOT_FIB_INFO_PUT, slot_get } from '../../lib/boot.ts'
import { DST_OBSOLETE_FORCE_CHK, rtable } from '../../include/dst.ts'
import { net } from '../../include/net_namespace.ts'
import { kmem_cache_free, kmem_cache_zalloc } from '../../lib/slab.ts'

/** A new route with one reference, all else 0. 0: out of memory. */
export function dst_alloc(net: usize, dev: usize, obsolete: i32, flags: u32): usize {
  const p = kmem_cache_zalloc(CACHE_RTABLE)
  if (p == 0) return 0
  const rt = changetype<rtable>(p)
  rt.net = net
  rt.dev = dev
  rt.refcnt = 1
  rt.obsolete = obsolete
  rt.dst_flags = flags
  return p
}

export function dst_hold(dst: usize): void {
  changetype<rtable>(dst).refcnt += 1
}

/** Gives up a reference; the last one frees the route. */
export function dst_release(dst: usize): void {
  if (dst == 0) return
  const rt = changetype<rtable>(dst)
  if (--rt.refcnt) return
  if (rt.fi) call_indirect<void>(slot_get(SLOT_FIB_INFO_PUT), rt.fi)
  kmem_cache_free(CACHE_RTABLE, dst)
}

/** The route is still what a look-up would give: not dead, and of this generation of routes. */
export function dst_check(dst: usize): bool {
  const rt = changetype<rtable>(dst)
  return rt.obsolete == DST_OBSOLETE_FORCE_CHK && rt.rt_genid == changetype<net>(rt.net).rt_genid
}
