// Next hops as packets use them: which one a packet takes, and from which address it is sent.
// Mirrors the packets' part of net/ipv4/fib_semantics.c; fib_semantics/ has how routes get and lose next hops.
// Read first: RFC 2992 (why a hash, and not turn by turn).

import { flowi4 } from '../../include/dst.ts'
import { FA_S_ACCESSED, fib_alias, fib_info, fib_info_nh, fib_nh, fib_result, fib_table } from '../../include/ip_fib.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { fib_info_nhc, fib_info_num_path, nexthop } from '../../include/nexthop.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import {
  FN_fib_detect_death,
  FN_fib_info_nh_uses_dev,
  FN_fib_result_prefsrc,
  FN_fib_select_default,
  FN_fib_select_multipath,
  FN_fib_select_path,
} from '../../uapi/functions.ts'
import { NUD_INCOMPLETE, NUD_REACHABLE, NUD_VALID } from '../../uapi/neighbour.ts'
import { RTNH_F_DEAD, RTN_UNICAST, RT_SCOPE_LINK } from '../../uapi/rtnetlink.ts'
import { SYSCTL_FIB_MULTIPATH_USE_NEIGH } from '../../uapi/sysctl.ts'
import { __ipv4_neigh_lookup_noref } from '../core/neighbour.ts'
import { inet_select_addr } from './devinet.ts'
import { fib_dump_info } from './fib_semantics/dump.ts'
import { fib_info_hold, fib_info_put, fib_release_info } from './fib_semantics/info.ts'
import { fib_multipath_hash } from './fib_semantics/multipath_hash.ts'
import { fib_dscp_masked_match } from './fib_trie/lookup.ts'
import { nexthop_select_path } from './nexthop/group.ts'

export { fib_dump_info, fib_info_hold, fib_info_put, fib_multipath_hash, fib_release_info }

/** Finds the address that packets by this next hop are sent from, and keeps it until addresses change. */
export function fib_info_update_nhc_saddr(net: net, nh: fib_nh, scope: u32): u32 {
  nh.nh_saddr = nh.nhc_dev ? inet_select_addr(changetype<net_device>(nh.nhc_dev), nh.nhc_gw, scope) : 0
  nh.nh_saddr_genid = net.dev_addr_genid
  return nh.nh_saddr
}

/** The address to send from: the one that the route names, or one that suits the next hop. 0: there is none. */
export function fib_result_prefsrc(net: net, res: fib_result): u32 {
  walk(FN_fib_result_prefsrc, 0)
  const fi = changetype<fib_info>(res.fi)
  if (fi.fib_prefsrc) return fi.fib_prefsrc
  const nh = changetype<fib_nh>(res.nhc)
  if (nh.nh_saddr_genid == net.dev_addr_genid) return nh.nh_saddr
  return fib_info_update_nhc_saddr(net, nh, fi.fib_scope)
}

/** Does a next hop of the route leave by this device? */
export function fib_info_nh_uses_dev(fi: fib_info, dev: net_device): bool {
  walk(FN_fib_info_nh_uses_dev, 0)
  if (fib_info_nh(fi, 0).nhc_dev == changetype<usize>(dev)) return true
  if (fi.fib_nhs == 1) return false
  const paths = fib_info_num_path(fi)
  for (let i: u32 = 0; i < paths; i++) {
    if (fib_info_nhc(fi, i).nhc_dev == changetype<usize>(dev)) return true
  }
  return false
}

/** 0: gw is the gateway of a live next hop by this device; -1: it is not. */
export function ip_fib_check_default(gw: u32, dev: net_device): i32 {
  for (let p = dev.fib_nh_head; p; p = changetype<fib_nh>(p).nh_hash_next) {
    const nh = changetype<fib_nh>(p)
    if (nh.nhc_gw == gw && !(nh.nhc_flags & RTNH_F_DEAD)) return 0
  }
  return -1
}

/** The result means this route's first next hop now. */
function fib_result_assign(res: fib_result, fi: usize): void {
  res.fi = fi
  res.nhc = changetype<usize>(fib_info_nhc(changetype<fib_info>(fi), 0))
}

/** Nothing is known against the next hop: its neighbour, if there is one, can be reached. */
function fib_good_nh(nh: fib_nh): bool {
  if (nh.nhc_scope != RT_SCOPE_LINK || nh.nhc_gw == 0) return true
  const n = __ipv4_neigh_lookup_noref(nh.nhc_dev, nh.nhc_gw)
  return changetype<usize>(n) == 0 || (n.nud_state & NUD_VALID) != 0
}

/** The same among the members of a group. */
function nexthop_path_fib_result(res: fib_result, fi: fib_info, hash: u32): void {
  const i = nexthop_select_path(changetype<nexthop>(fi.nh), hash)
  res.nhc = changetype<usize>(fib_info_nhc(fi, i))
}

/**
 * Chooses among several next hops: the first whose share of the hashes reaches hash; rather one whose source address is
 * the flow's (fl4, 0: any). Dead ones, and with fib_multipath_use_neigh those that cannot be reached, have no part.
 */
export function fib_select_multipath(res: fib_result, hash: u32, fl4: flowi4): void {
  walk(FN_fib_select_multipath, 0)
  const fi = changetype<fib_info>(res.fi)
  if (fi.nh) {
    nexthop_path_fib_result(res, fi, hash)
    return
  }
  const use_neigh = sysctl(changetype<net>(fi.net), SYSCTL_FIB_MULTIPATH_USE_NEIGH) != 0
  const saddr = changetype<usize>(fl4) ? fl4.saddr : 0
  let best = -1
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const nh = fib_info_nh(fi, i)
    if (nh.nhc_upper_bound == -1 || (use_neigh && !fib_good_nh(nh))) continue
    const from_it = saddr != 0 && nh.nh_saddr == saddr
    const in_range = <i32>hash <= nh.nhc_upper_bound
    const score = (from_it ? 2 : 0) + (in_range ? 1 : 0)
    if (score <= best) continue
    res.nhc = changetype<usize>(nh)
    if (score == 3 || (saddr == 0 && score == 1)) return
    best = score
  }
}

/** A candidate among default routes: -1 as long as none was found, and the one to fall back to. */
@unmanaged
@final
class last_resort {
  fi: usize
  idx: i32
}

const RESORT: usize = memory.data(16, 16)

/** Is the gateway of a default route dead, by what ARP knows? A doubtful one is kept as the last resort. */
function fib_detect_death(fi: usize, order: i32, dflt: i32, resort: last_resort): bool {
  walk(FN_fib_detect_death, 0)
  const nh = fib_info_nhc(changetype<fib_info>(fi), 0)
  const n = __ipv4_neigh_lookup_noref(nh.nhc_dev, nh.nhc_gw)
  if (changetype<usize>(n) == 0) return false
  const state = <u32>n.nud_state
  if (state == NUD_REACHABLE) return false
  const valid = (state & NUD_VALID) != 0
  if (valid && order != dflt) return false
  if (valid || (resort.idx < 0 && order > dflt && state != NUD_INCOMPLETE)) {
    resort.fi = fi
    resort.idx = order
  }
  return true
}

/** Another default route of the same TOS and priority has a gateway on the link: it may take over. */
function is_candidate(fa: fib_alias, res: fib_result): bool {
  const fi = changetype<fib_info>(fa.fa_info)
  if (fi.fib_scope != res.scope || <u32>fa.fa_type != RTN_UNICAST) return false
  const nh = fib_info_nhc(fi, 0)
  return nh.nhc_gw != 0 && nh.nhc_scope == RT_SCOPE_LINK
}

/** Of several default routes takes the first whose gateway is not known to be dead (RFC 1122 3.3.1.4). */
function fib_select_default(fl4: flowi4, res: fib_result): void {
  walk(FN_fib_select_default, 0)
  const tb_id = changetype<fib_table>(res.table).tb_id
  const resort = changetype<last_resort>(RESORT)
  resort.fi = 0
  resort.idx = -1
  let fi: usize = 0
  let first: usize = 0
  let order = -1
  let prio = changetype<fib_info>(res.fi).fib_priority
  let tos: u32 = 0
  for (let p = res.fa_head; p; p = changetype<fib_alias>(p).next) {
    const fa = changetype<fib_alias>(p)
    const next = changetype<fib_info>(fa.fa_info)
    if (<u32>fa.fa_slen != 32 - <u32>res.prefixlen || fa.tb_id != tb_id) continue
    if (fa.fa_tos && !fib_dscp_masked_match(fa.fa_tos, fl4)) continue
    if (next.fib_priority > prio && <u32>fa.fa_tos == tos) {
      if (tos) continue
      break
    }
    if (next.fib_flags & RTNH_F_DEAD) continue
    tos = fa.fa_tos
    prio = next.fib_priority
    if (!is_candidate(fa, res)) continue
    fa.fa_state = <u8>FA_S_ACCESSED
    if (fi == 0) {
      if (fa.fa_info != res.fi) break
      first = p
    } else if (!fib_detect_death(fi, order, changetype<fib_alias>(first).fa_default, resort)) {
      fib_result_assign(res, fi)
      changetype<fib_alias>(first).fa_default = order
      return
    }
    fi = fa.fa_info
    order++
  }
  if (first == 0) return
  const head = changetype<fib_alias>(first)
  if (order <= 0) {
    head.fa_default = -1
    return
  }
  if (!fib_detect_death(fi, order, head.fa_default, resort)) {
    fib_result_assign(res, fi)
    head.fa_default = order
    return
  }
  if (resort.idx >= 0) fib_result_assign(res, resort.fi)
  head.fa_default = resort.idx
}

/**
 * Settles what a look-up left open: which of several next hops, and the source address.
 *
 * Uses: res, oif and hash keys of fl4, the packet if it comes in (skb, 0: none). Sets: nhc, fl4.saddr if it was 0.
 */
export function fib_select_path(net: net, res: fib_result, fl4: flowi4, skb: sk_buff): void {
  walk(FN_fib_select_path, changetype<usize>(skb))
  if (fl4.flowi4_oif == 0) {
    const fi = changetype<fib_info>(res.fi)
    if (fi.fib_nhs != 1 && fib_info_num_path(fi) > 1) {
      fib_select_multipath(res, fib_multipath_hash(net, fl4, skb), fl4)
    } else if (
      res.prefixlen == 0 &&
      <u32>res.type == RTN_UNICAST &&
      changetype<fib_table>(res.table).tb_num_default > 1
    ) {
      fib_select_default(fl4, res)
    }
  }
  if (fl4.saddr == 0) fl4.saddr = fib_result_prefsrc(net, res)
}
