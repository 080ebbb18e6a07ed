// Policy routing: rules that choose the table, asked in order of their priority (pref). Mirrors net/ipv4/fib_rules.c and
// net/core/fib_rules.c. A namespace has three to begin with: 0 local, 32766 main, 32767 default; as long as nobody
// changed them the look-up goes past all rules. Left out: VRF (l3mdev), realms.

import { flowi4 } from '../../include/dst.ts'
import {
  FIB_LOOKUP_NOREF,
  FIB_RULE_IIFNAME,
  FIB_RULE_OIFNAME,
  FIB_RULE_SIZE,
  NLM_F_EXCL,
  fib_result,
  fib_rule,
  fib_table,
} from '../../include/ip_fib.ts'
import { net } from '../../include/net_namespace.ts'
import { DEV_NAME, NETDEV_CHANGENAME, NETDEV_REGISTER, NETDEV_UNREGISTER, net_device } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { walk } from '../../trace/trace.ts'
import { EAGAIN, EEXIST, EINVAL, ENETUNREACH, ENOBUFS, ENOENT, ENOMEM, EPERM } from '../../uapi/errno.ts'
import { FN_fib_delrule, FN_fib_newrule, FN_fib_rules_event } from '../../uapi/functions.ts'
import {
  FIB_RULE_IIF_DETACHED,
  FIB_RULE_OIF_DETACHED,
  FIB_RULE_PERMANENT,
  FIB_RULE_UNRESOLVED,
  FRA_DSCP,
  FRA_DSCP_MASK,
  FRA_FWMARK,
  FRA_FWMASK,
  FRA_GOTO,
  FRA_PRIORITY,
  FRA_SUPPRESS_IFGROUP,
  FRA_SUPPRESS_PREFIXLEN,
  FR_ACT_GOTO,
  FR_ACT_TO_TBL,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RT_TABLE_UNSPEC,
} from '../../uapi/rtnetlink.ts'
import { __dev_get_by_name } from '../core/dev.ts'
import { skb_network_offset } from '../core/skbuff.ts'
import { dissect, dissected } from '../core/flow_dissector.ts'
import { __fib_lookup } from './fib_rules/match.ts'
import { fib_table_lookup } from './fib_trie/lookup.ts'
import { NO_TABLE, fib_get_table, fib_new_table, fib_unmerge } from './fib_trie/tables.ts'
import { rt_cache_flush } from './route/cache.ts'

/** uapi index of a device that is not there. */
const NO_IFINDEX: u32 = 0xffffffff
/** A DSCP in the TOS byte. */
const DSCP_BITS: u32 = 0xfc
const NO_RULE: fib_rule = changetype<fib_rule>(0)
const EARLY: usize = memory.data(32, 16)

/**
 * The route of a flow. 0 and the result (borrowed), -ENETUNREACH, or the error of a route that gives one: -EINVAL
 * (blackhole), -EHOSTUNREACH (unreachable), -EACCES (prohibit). flags: FIB_LOOKUP_*.
 */
export function fib_lookup(net: net, flp: flowi4, res: fib_result, flags: u32): i32 {
  if (net.fib_has_custom_rules) return __fib_lookup(net, flp, res, flags | FIB_LOOKUP_NOREF)
  let err: i32 = -ENETUNREACH
  if (net.fib_main) {
    err = fib_table_lookup(changetype<fib_table>(net.fib_main), flp, res, flags | FIB_LOOKUP_NOREF)
    if (err == 0) return 0
  }
  if (net.fib_default)
    err = fib_table_lookup(changetype<fib_table>(net.fib_default), flp, res, flags | FIB_LOOKUP_NOREF)
  return err == -EAGAIN ? -ENETUNREACH : err
}

/** Rules that look at protocol or ports need them in the flow before it is routed. True: they are there now. */
export function fib4_rules_early_flow_dissect(net: net, skb: sk_buff, fl4: flowi4): bool {
  if (net.fib_rules_require_fldissect == 0) return false
  const d = changetype<dissected>(EARLY)
  if (!dissect(skb, skb_network_offset(skb), d)) return false
  fl4.flowi4_proto = <u8>d.proto
  fl4.fl4_sport = <u16>d.ports
  fl4.fl4_dport = <u16>(d.ports >> 16)
  return true
}

function requires_fldissect(r: fib_rule): bool {
  return r.ip_proto != 0 || r.sport_start != 0 || r.dport_start != 0
}

/** Behind all rules of at most its priority. */
function rule_link(net: net, r: fib_rule): void {
  let link = changetype<usize>(net) + offsetof<net>('fib_rules')
  while (load<usize>(link) && changetype<fib_rule>(load<usize>(link)).pref <= r.pref) {
    link = load<usize>(link) + offsetof<fib_rule>('next')
  }
  r.next = load<usize>(link)
  store<usize>(link, changetype<usize>(r))
  if (requires_fldissect(r)) net.fib_rules_require_fldissect += 1
}

function rule_unlink(net: net, r: fib_rule): void {
  let link = changetype<usize>(net) + offsetof<net>('fib_rules')
  while (load<usize>(link) != changetype<usize>(r)) link = load<usize>(link) + offsetof<fib_rule>('next')
  store<usize>(link, r.next)
  if (requires_fldissect(r)) net.fib_rules_require_fldissect -= 1
}

/** The first rule of this priority, 0: none. */
function rule_of_pref(net: net, pref: u32): usize {
  let p = net.fib_rules
  while (p && changetype<fib_rule>(p).pref < pref) p = changetype<fib_rule>(p).next
  return p && changetype<fib_rule>(p).pref == pref ? p : 0
}

/** Gives every goto its target, where there is one. */
function resolve_gotos(net: net): void {
  for (let p = net.fib_rules; p; p = changetype<fib_rule>(p).next) {
    const r = changetype<fib_rule>(p)
    if (<u32>r.action != FR_ACT_GOTO) continue
    r.ctarget = rule_of_pref(net, r.target)
    r.flags = r.ctarget ? r.flags & ~FIB_RULE_UNRESOLVED : r.flags | FIB_RULE_UNRESOLVED
  }
}

function default_rule(net: net, pref: u32, table: u32): bool {
  const p = kzalloc(FIB_RULE_SIZE)
  if (p == 0) return false
  const r = changetype<fib_rule>(p)
  r.action = <u8>FR_ACT_TO_TBL
  r.pref = pref
  r.table = table
  r.proto = 2
  r.suppress_prefixlen = -1
  r.suppress_ifgroup = -1
  rule_link(net, r)
  return true
}

/** The three rules of a new namespace. False: out of memory. */
export function fib4_rules_init(net: net): bool {
  return (
    default_rule(net, 0, RT_TABLE_LOCAL) &&
    default_rule(net, 0x7ffe, RT_TABLE_MAIN) &&
    default_rule(net, 0x7fff, RT_TABLE_DEFAULT)
  )
}

/** All rules of a namespace go with it. */
export function fib4_rules_exit(net: net): void {
  let p = net.fib_rules
  while (p) {
    const next = changetype<fib_rule>(p).next
    kfree(p, FIB_RULE_SIZE)
    p = next
  }
  net.fib_rules = 0
}

/** Right before the second rule, as `ip rule add` without a priority wants it. */
function fib_default_rule_pref(net: net): u32 {
  if (net.fib_rules == 0) return 0
  const second = changetype<fib_rule>(net.fib_rules).next
  if (second == 0 || changetype<fib_rule>(second).pref == 0) return 0
  return changetype<fib_rule>(second).pref - 1
}

/** The first table number that is free, with its table. */
function fib_empty_table(net: net): fib_table {
  for (let id: u32 = 1; id != 0; id++) {
    if (changetype<usize>(fib_get_table(net, id)) == 0) return fib_new_table(net, id)
  }
  return NO_TABLE
}

function bad_ports(start: u32, end: u32, mask: u32): bool {
  if (start == 0 && end == 0) return mask != 0
  return start == 0 || end < start || (mask != 0 && start != end)
}

function prefix_mask(len: u32): u32 {
  return len == 0 ? 0 : bswap<u32>(u32.MAX_VALUE << (32 - len))
}

/** Fills in what was not given (bits 1 << FRA_*) and checks the rest. 0, -EINVAL. */
function fib4_rule_configure(net: net, r: fib_rule, given: u32): i32 {
  if (r.src_len > 32 || r.dst_len > 32 || (<u32>r.dscp) & ~DSCP_BITS) return -EINVAL
  if (bad_ports(r.sport_start, r.sport_end, r.sport_mask) || bad_ports(r.dport_start, r.dport_end, r.dport_mask))
    return -EINVAL
  if (!(given & (1 << FRA_PRIORITY))) r.pref = fib_default_rule_pref(net)
  r.srcmask = prefix_mask(r.src_len)
  r.dstmask = prefix_mask(r.dst_len)
  if (given & (1 << FRA_DSCP)) {
    r.dscp_full = 1
    if (!(given & (1 << FRA_DSCP_MASK))) r.dscp_mask = <u8>DSCP_BITS
    else if (r.dscp & ~r.dscp_mask) return -EINVAL
  } else if (given & (1 << FRA_DSCP_MASK)) {
    return -EINVAL
  }
  if (given & (1 << FRA_FWMARK) && !(given & (1 << FRA_FWMASK)) && r.mark) r.mark_mask = u32.MAX_VALUE
  if (!(given & (1 << FRA_SUPPRESS_PREFIXLEN))) r.suppress_prefixlen = -1
  if (!(given & (1 << FRA_SUPPRESS_IFGROUP))) r.suppress_ifgroup = -1
  if (<u32>r.action == FR_ACT_GOTO) return given & (1 << FRA_GOTO) && r.target > r.pref ? 0 : -EINVAL
  return given & (1 << FRA_GOTO) ? -EINVAL : 0
}

function same_name(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8)
}

/** Has the rule the prefixes and the DSCP of wish, as far as wish names them? */
function fib4_rule_compare(r: fib_rule, wish: fib_rule, given: u32): bool {
  if (wish.src_len && (r.src_len != wish.src_len || r.src != wish.src)) return false
  if (wish.dst_len && (r.dst_len != wish.dst_len || r.dst != wish.dst)) return false
  if (given & (1 << FRA_DSCP_MASK) && r.dscp_mask != wish.dscp_mask) return false
  if (given & (1 << FRA_DSCP)) return r.dscp_full != 0 && r.dscp == wish.dscp
  return wish.dscp == 0 || r.dscp == wish.dscp
}

/**
 * Is there a rule a like the new one b already (rule_exists)? Neither where a goto leads nor `not` makes them different,
 * nor a prefix that only a has.
 */
function rule_equals(a: fib_rule, b: fib_rule, given: u32): bool {
  const x = changetype<usize>(a)
  const y = changetype<usize>(b)
  if (a.pref != b.pref || a.action != b.action || a.table != b.table || a.proto != b.proto) return false
  if (!same_name(x + FIB_RULE_IIFNAME, y + FIB_RULE_IIFNAME)) return false
  if (!same_name(x + FIB_RULE_OIFNAME, y + FIB_RULE_OIFNAME)) return false
  if (a.mark != b.mark || a.mark_mask != b.mark_mask || a.ip_proto != b.ip_proto || a.tun_id != b.tun_id) return false
  if (!fib4_rule_compare(a, b, given)) return false
  if (a.suppress_prefixlen != b.suppress_prefixlen || a.suppress_ifgroup != b.suppress_ifgroup) return false
  if (a.sport_start != b.sport_start || a.sport_end != b.sport_end || a.sport_mask != b.sport_mask) return false
  if (a.dport_start != b.dport_start || a.dport_end != b.dport_end || a.dport_mask != b.dport_mask) return false
  return a.uid_set == b.uid_set && a.uid_start == b.uid_start && a.uid_end == b.uid_end
}

/** Binds the names of a rule to devices that are there. */
function bind_devices(net: net, r: fib_rule): void {
  const iif = changetype<usize>(r) + FIB_RULE_IIFNAME
  const oif = changetype<usize>(r) + FIB_RULE_OIFNAME
  r.iifindex = 0
  r.oifindex = 0
  if (load<u8>(iif)) {
    const dev = __dev_get_by_name(net, iif)
    r.iifindex = changetype<usize>(dev) ? dev.ifindex : NO_IFINDEX
  }
  if (load<u8>(oif)) {
    const dev = __dev_get_by_name(net, oif)
    r.oifindex = changetype<usize>(dev) ? dev.ifindex : NO_IFINDEX
  }
  r.flags &= ~(FIB_RULE_IIF_DETACHED | FIB_RULE_OIF_DETACHED)
  if (r.iifindex == NO_IFINDEX) r.flags |= FIB_RULE_IIF_DETACHED
  if (r.oifindex == NO_IFINDEX) r.flags |= FIB_RULE_OIF_DETACHED
}

/** A copy of wish, complete and checked; its errno as a negative number instead. */
function rule_from(net: net, wish: fib_rule, given: u32, nlflags: u32): usize {
  const p = kzalloc(FIB_RULE_SIZE)
  if (p == 0) return -ENOMEM
  memory.copy(p, changetype<usize>(wish), FIB_RULE_SIZE)
  const r = changetype<fib_rule>(p)
  r.ctarget = 0
  let err = fib4_rule_configure(net, r, given)
  if (err == 0 && nlflags & NLM_F_EXCL) {
    for (let q = net.fib_rules; q; q = changetype<fib_rule>(q).next) {
      if (rule_equals(changetype<fib_rule>(q), r, given)) err = -EEXIST
    }
  }
  if (err == 0) err = fib_unmerge(net)
  if (err == 0 && <u32>r.action == FR_ACT_TO_TBL && r.table == RT_TABLE_UNSPEC) {
    const tb = fib_empty_table(net)
    if (changetype<usize>(tb)) r.table = tb.tb_id
    else err = -ENOBUFS
  }
  if (err == 0) return p
  kfree(p, FIB_RULE_SIZE)
  return err
}

/**
 * Adds a rule like wish (`ip rule add`): masks, device indices and ctarget are found by the function; given has a bit
 * 1 << FRA_* for each attribute that was named and whose absence means something else than 0. 0 or -EINVAL, -EEXIST
 * (NLM_F_EXCL), -ENOBUFS, -ENOMEM.
 */
export function fib_newrule(net: net, wish: fib_rule, given: u32, nlflags: u32): i32 {
  walk(FN_fib_newrule, 0)
  const p = rule_from(net, wish, given, nlflags)
  if (<i32>p < 0 && <i32>p > -4096) return <i32>p
  const r = changetype<fib_rule>(p)
  bind_devices(net, r)
  rule_link(net, r)
  resolve_gotos(net)
  net.fib_has_custom_rules = 1
  rt_cache_flush(net)
  return 0
}

/** Does the rule have all that was named? */
function rule_named(r: fib_rule, wish: fib_rule, given: u32): bool {
  const name = changetype<usize>(wish)
  const own = changetype<usize>(r)
  if (given & (1 << FRA_PRIORITY) && r.pref != wish.pref) return false
  if ((wish.action && r.action != wish.action) || (wish.table && r.table != wish.table)) return false
  if (load<u8>(name + FIB_RULE_IIFNAME) && !same_name(own + FIB_RULE_IIFNAME, name + FIB_RULE_IIFNAME)) return false
  if (load<u8>(name + FIB_RULE_OIFNAME) && !same_name(own + FIB_RULE_OIFNAME, name + FIB_RULE_OIFNAME)) return false
  if ((wish.mark && r.mark != wish.mark) || (wish.mark_mask && r.mark_mask != wish.mark_mask)) return false
  if (given & (1 << FRA_SUPPRESS_PREFIXLEN) && r.suppress_prefixlen != wish.suppress_prefixlen) return false
  if (given & (1 << FRA_SUPPRESS_IFGROUP) && r.suppress_ifgroup != wish.suppress_ifgroup) return false
  if (wish.uid_set && (r.uid_start != wish.uid_start || r.uid_end != wish.uid_end)) return false
  if ((wish.ip_proto && r.ip_proto != wish.ip_proto) || (wish.proto && r.proto != wish.proto)) return false
  if (wish.sport_start && (r.sport_start != wish.sport_start || r.sport_end != wish.sport_end)) return false
  if (wish.dport_start && (r.dport_start != wish.dport_start || r.dport_end != wish.dport_end)) return false
  return fib4_rule_compare(r, wish, given)
}

function find_named(net: net, wish: fib_rule, given: u32): fib_rule {
  for (let p = net.fib_rules; p; p = changetype<fib_rule>(p).next) {
    if (rule_named(changetype<fib_rule>(p), wish, given)) return changetype<fib_rule>(p)
  }
  return NO_RULE
}

/** Takes out the first rule that has all that wish and given name. 0 or -ENOENT, -EPERM, -ENOMEM. */
export function fib_delrule(net: net, wish: fib_rule, given: u32): i32 {
  walk(FN_fib_delrule, 0)
  const r = find_named(net, wish, given)
  if (changetype<usize>(r) == 0) return -ENOENT
  if (r.flags & FIB_RULE_PERMANENT) return -EPERM
  const err = fib_unmerge(net)
  if (err) return err
  rule_unlink(net, r)
  kfree(changetype<usize>(r), FIB_RULE_SIZE)
  resolve_gotos(net)
  net.fib_has_custom_rules = 1
  rt_cache_flush(net)
  return 0
}

/** Rules that name the device apply from now on. */
function attach_rules(dev: net_device): void {
  const name = changetype<usize>(dev) + DEV_NAME
  for (let p = changetype<net>(dev.nd_net).fib_rules; p; p = changetype<fib_rule>(p).next) {
    const r = changetype<fib_rule>(p)
    if (same_name(p + FIB_RULE_IIFNAME, name)) {
      r.iifindex = dev.ifindex
      r.flags &= ~FIB_RULE_IIF_DETACHED
    }
    if (same_name(p + FIB_RULE_OIFNAME, name)) {
      r.oifindex = dev.ifindex
      r.flags &= ~FIB_RULE_OIF_DETACHED
    }
  }
}

/** Rules that applied to the device cease to. */
function detach_rules(dev: net_device): void {
  for (let p = changetype<net>(dev.nd_net).fib_rules; p; p = changetype<fib_rule>(p).next) {
    const r = changetype<fib_rule>(p)
    if (r.iifindex == dev.ifindex) {
      r.iifindex = NO_IFINDEX
      r.flags |= FIB_RULE_IIF_DETACHED
    }
    if (r.oifindex == dev.ifindex) {
      r.oifindex = NO_IFINDEX
      r.flags |= FIB_RULE_OIF_DETACHED
    }
  }
}

/** A device comes, goes or has another name: rules that name it begin or cease to apply. */
export function fib_rules_event(dev: net_device, event: u32): void {
  walk(FN_fib_rules_event, 0)
  if (event == NETDEV_UNREGISTER || event == NETDEV_CHANGENAME) detach_rules(dev)
  if (event == NETDEV_REGISTER || event == NETDEV_CHANGENAME) attach_rules(dev)
}

/** Copies the rules in their order to out, FIB_RULE_SIZE bytes each, at most max; answers how many there are. */
export function fib_rules_dump(net: net, out: usize, max: u32): u32 {
  let count: u32 = 0
  for (let p = net.fib_rules; p; p = changetype<fib_rule>(p).next) {
    if (count < max) memory.copy(out + <usize>count * FIB_RULE_SIZE, p, FIB_RULE_SIZE)
    count++
  }
  return count
}
