// Does a rule fit a flow, and what it does then. Mirrors fib4_rule_match, fib4_rule_action and fib4_rule_suppress of
// net/ipv4/fib_rules.c, fib_rules_lookup of net/core/fib_rules.c.

import { flowi4 } from '../../../include/dst.ts'
import { fib_nh, fib_result, fib_rule } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { ntohs } from '../../../lib/byteorder.ts'
import { walk } from '../../../trace/trace.ts'
import { EACCES, EAGAIN, EINVAL, ENETUNREACH, ESRCH } from '../../../uapi/errno.ts'
import {
  FN___fib_lookup,
  FN_fib4_rule_action,
  FN_fib4_rule_match,
  FN_fib4_rule_suppress,
  FN_fib_rules_lookup,
} from '../../../uapi/functions.ts'
import {
  FIB_RULE_INVERT,
  FR_ACT_GOTO,
  FR_ACT_NOP,
  FR_ACT_PROHIBIT,
  FR_ACT_TO_TBL,
  FR_ACT_UNREACHABLE,
} from '../../../uapi/rtnetlink.ts'
import { fib_dscp_masked_match, fib_table_lookup } from '../fib_trie/lookup.ts'
import { fib_get_table } from '../fib_trie/tables.ts'

/** A port (network order) in the rule's range, or equal to its first under the mask. */
function fib_rule_port_match(start: u32, end: u32, mask: u32, port_be: u32): bool {
  if (start == 0 && end == 0) return true
  const port = ntohs(port_be)
  if (mask) return ((port ^ start) & mask) == 0
  return port >= start && port <= end
}

/** The IPv4 part: addresses, DSCP, protocol, ports. */
function fib4_rule_match(r: fib_rule, fl4: flowi4): bool {
  walk(FN_fib4_rule_match, 0)
  if ((fl4.saddr ^ r.src) & r.srcmask || (fl4.daddr ^ r.dst) & r.dstmask) return false
  if (r.dscp_full) {
    if (((<u32>r.dscp) ^ (<u32>fl4.flowi4_tos)) & (<u32>r.dscp_mask)) return false
  } else if (r.dscp && !fib_dscp_masked_match(r.dscp, fl4)) {
    return false
  }
  if (r.ip_proto && r.ip_proto != fl4.flowi4_proto) return false
  return (
    fib_rule_port_match(r.sport_start, r.sport_end, r.sport_mask, fl4.fl4_sport) &&
    fib_rule_port_match(r.dport_start, r.dport_end, r.dport_mask, fl4.fl4_dport)
  )
}

function matches(r: fib_rule, fl4: flowi4): bool {
  if (r.iifindex && r.iifindex != fl4.flowi4_iif) return false
  if (r.oifindex && r.oifindex != fl4.flowi4_oif) return false
  if ((r.mark ^ fl4.flowi4_mark) & r.mark_mask) return false
  if (r.tun_id) return false // a flow's tunnel id: none of netpath's devices sets one
  if (r.uid_set && (fl4.flowi4_uid < r.uid_start || fl4.flowi4_uid > r.uid_end)) return false
  return fib4_rule_match(r, fl4)
}

function fib_rule_match(r: fib_rule, fl4: flowi4): bool {
  return matches(r, fl4) != ((r.flags & FIB_RULE_INVERT) != 0)
}

/** -EAGAIN: the next rule is asked. */
function fib4_rule_action(net: net, r: fib_rule, fl4: flowi4, res: fib_result, flags: u32): i32 {
  walk(FN_fib4_rule_action, 0)
  const action = <u32>r.action
  if (action == FR_ACT_UNREACHABLE) return -ENETUNREACH
  if (action == FR_ACT_PROHIBIT) return -EACCES
  if (action != FR_ACT_TO_TBL) return -EINVAL
  const tb = fib_get_table(net, r.table)
  return changetype<usize>(tb) ? fib_table_lookup(tb, fl4, res, flags) : -EAGAIN
}

/** The route that was found does not count: its prefix is too short, or it leaves by a device of that group. */
function fib4_rule_suppress(r: fib_rule, res: fib_result): bool {
  walk(FN_fib4_rule_suppress, 0)
  if (<i32>res.prefixlen <= r.suppress_prefixlen) return true
  const dev = changetype<fib_nh>(res.nhc).nhc_dev
  return r.suppress_ifgroup != -1 && dev != 0 && <i32>changetype<net_device>(dev).group == r.suppress_ifgroup
}

/** The rules one after the other until one answers; -ESRCH: none does. */
function fib_rules_lookup(net: net, fl4: flowi4, res: fib_result, flags: u32): i32 {
  walk(FN_fib_rules_lookup, 0)
  let p = net.fib_rules
  while (p) {
    const r = changetype<fib_rule>(p)
    p = r.next
    if (!fib_rule_match(r, fl4)) continue
    if (<u32>r.action == FR_ACT_GOTO) {
      if (r.ctarget) p = r.ctarget
      continue
    }
    if (<u32>r.action == FR_ACT_NOP) continue
    const err = fib4_rule_action(net, r, fl4, res, flags)
    if (err == 0 && fib4_rule_suppress(r, res)) continue
    if (err != -EAGAIN) return err
  }
  return -ESRCH
}

/** Looks a flow up by the rules. 0 and the result, -ENETUNREACH, or the error of a route or rule that gives one. */
export function __fib_lookup(net: net, fl4: flowi4, res: fib_result, flags: u32): i32 {
  walk(FN___fib_lookup, 0)
  res.fi = 0
  res.table = 0
  const err = fib_rules_lookup(net, fl4, res, flags)
  return err == -ESRCH ? -ENETUNREACH : err
}
