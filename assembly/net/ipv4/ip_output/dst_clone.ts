// The route of a packet once more, for the copy of it that comes back to this host.
// Mirrors rt_dst_clone of net/ipv4/route.c.

import { rtable } from '../../../include/dst.ts'
import { boot } from '../../../lib/boot.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_dst_alloc, FN_rt_dst_clone } from '../../../uapi/functions.ts'
import { dst_alloc } from '../../core/dst.ts'

/** A route like rt by dev, with one reference; without metrics, for nothing is sent by it. 0: out of memory. */
export function rt_dst_clone(dev: usize, rt: rtable): usize {
  walk(FN_rt_dst_clone, 0)
  walk(FN_dst_alloc, 0)
  const p = dst_alloc(rt.net, dev, rt.obsolete, rt.dst_flags)
  if (p == 0) return 0
  const copy = changetype<rtable>(p)
  copy.rt_genid = rt.rt_genid
  copy.rt_flags = rt.rt_flags
  copy.rt_type = rt.rt_type
  copy.rt_is_input = rt.rt_is_input
  copy.rt_iif = rt.rt_iif
  copy.rt_pmtu = rt.rt_pmtu
  copy.rt_mtu_locked = rt.rt_mtu_locked
  copy.rt_gw4 = rt.rt_gw4
  copy.rt_uses_gateway = rt.rt_uses_gateway
  copy.input = rt.input
  copy.output = rt.output
  copy.error = rt.error
  copy.lastuse = boot.jiffies
  return p
}
