// How many ICMP messages may leave: a token bucket of the namespace, and one for each destination.
// Mirrors the limits of net/ipv4/icmp.c; the buckets of destinations lie in inetpeer.ts. Read first: RFC 1812 4.3.2.8.

import { rtable } from '../../../include/dst.ts'
import { mib_inc, net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { msecs_to_jiffies } from '../../../kernel/timer.ts'
import { boot } from '../../../lib/boot.ts'
import { get_random_u32_below } from '../../../lib/random.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN_icmp_global_allow,
  FN_icmp_global_consume,
  FN_icmpv4_global_allow,
  FN_icmpv4_xrlim_allow,
} from '../../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, NR_ICMP_TYPES } from '../../../uapi/icmp.ts'
import { IFF_LOOPBACK } from '../../../uapi/if.ts'
import { ICMP_MIB_RATELIMITGLOBAL, ICMP_MIB_RATELIMITHOST } from '../../../uapi/snmp.ts'
import {
  SYSCTL_ICMP_MSGS_BURST,
  SYSCTL_ICMP_MSGS_PER_SEC,
  SYSCTL_ICMP_RATELIMIT,
  SYSCTL_ICMP_RATEMASK,
} from '../../../uapi/sysctl.ts'
import { inet_getpeer_v4, inet_peer_xrlim_allow } from '../inetpeer.ts'

/** What icmpv4_global_allow answers. */
export const ICMP_REFUSED: u32 = 0
/** No limit concerns the message. */
export const ICMP_FREE: u32 = 1
/** It may leave if its destination's limit allows it too. */
export const ICMP_LIMITED: u32 = 2

/** Is there credit, or has enough time gone by for some? Nothing is taken yet. */
function icmp_global_allow(net: net): bool {
  walk(FN_icmp_global_allow, 0)
  const credit = <i32>net.icmp_global_credit
  if (credit > 0) return true
  const now = boot.jiffies
  const delta = min(now - <u32>net.icmp_global_stamp, boot.hz)
  if (delta < boot.hz / 50) return false
  const more = <i32>((<u64>sysctl(net, SYSCTL_ICMP_MSGS_PER_SEC) * delta) / boot.hz)
  if (more == 0) return false
  net.icmp_global_stamp = now
  net.icmp_global_credit = <u32>min(credit + more, sysctl(net, SYSCTL_ICMP_MSGS_BURST))
  return true
}

/** A message costs 0, 1 or 2: nobody shall count another's messages by his own. */
function icmp_global_consume(net: net): void {
  walk(FN_icmp_global_consume, 0)
  net.icmp_global_credit -= get_random_u32_below(3)
}

/** Types that icmp_ratemask leaves out are free, and path MTU discovery always is. */
function icmpv4_mask_allow(net: net, type: u32, code: u32): bool {
  if (type > NR_ICMP_TYPES) return true
  if (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED) return true
  return (((<u32>sysctl(net, SYSCTL_ICMP_RATEMASK)) >> type) & 1) == 0
}

/** Does the namespace's limit let a message leave? ICMP_REFUSED is counted. */
export function icmpv4_global_allow(net: net, type: u32, code: u32): u32 {
  walk(FN_icmpv4_global_allow, 0)
  if (icmpv4_mask_allow(net, type, code)) return ICMP_FREE
  if (icmp_global_allow(net)) return ICMP_LIMITED
  mib_inc(net, ICMP_MIB_RATELIMITGLOBAL)
  return ICMP_REFUSED
}

/** Does the destination's limit let a message of this allowance leave by rt? A refusal is counted. */
export function icmpv4_xrlim_allow(net: net, rt: rtable, daddr: u32, allowance: u32): bool {
  walk(FN_icmpv4_xrlim_allow, 0)
  if (allowance == ICMP_FREE) return true
  if (!(changetype<net_device>(rt.dev).flags & IFF_LOOPBACK)) {
    const timeout = msecs_to_jiffies(<u32>sysctl(net, SYSCTL_ICMP_RATELIMIT))
    if (!inet_peer_xrlim_allow(inet_getpeer_v4(net, daddr), timeout)) {
      mib_inc(net, ICMP_MIB_RATELIMITHOST)
      return false
    }
  }
  icmp_global_consume(net)
  return true
}
