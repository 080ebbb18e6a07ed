// May a route use a nexthop object? Mirrors fib_check_nexthop and nexthop_check_scope of net/ipv4/nexthop.c.

import { nexthop, nexthop_fib_nhc } from '../../../include/nexthop.ts'
import { refuse } from '../../../lib/err.ts'
import { EINVAL } from '../../../uapi/errno.ts'
import { EXTACK_NH_HOST_GATEWAY, EXTACK_NH_HOST_MULTI, EXTACK_NH_SCOPE } from '../../../uapi/extack.ts'
import { RTNH_F_ONLINK, RT_SCOPE_HOST, RT_SCOPE_LINK } from '../../../uapi/rtnetlink.ts'

/** A route of this scope and a nexthop (or a group: its first member decides). 0 or -EINVAL. */
export function fib_check_nexthop(nh: nexthop, scope: u32): i32 {
  if (nh.is_group && scope == RT_SCOPE_HOST) return refuse(EXTACK_NH_HOST_MULTI, EINVAL)
  const nhc = nexthop_fib_nhc(nh, 0)
  if (scope == RT_SCOPE_HOST && nhc.nhc_gw) return refuse(EXTACK_NH_HOST_GATEWAY, EINVAL)
  if (nhc.nhc_flags & RTNH_F_ONLINK && scope >= RT_SCOPE_LINK) return refuse(EXTACK_NH_SCOPE, EINVAL)
  return 0
}
