// The look-up of every packet: down the trie by the destination's bits, and back towards shorter prefixes where that
// ended in nothing. Mirrors fib_table_lookup and fib_lookup_good_nhc of net/ipv4/fib_trie.c.

import { IPTOS_RT_MASK, flowi4 } from '../../../include/dst.ts'
import {
  FA_S_ACCESSED,
  FIB_INFO_NH,
  FIB_LOOKUP_IGNORE_LINKSTATE,
  FIB_NH_SIZE,
  fib_alias,
  fib_info,
  fib_nh,
  fib_result,
  fib_table,
} from '../../../include/ip_fib.ts'
import { nexthop, nexthop_fib_nhc, nexthop_is_blackhole, nexthop_num_path } from '../../../include/nexthop.ts'
import { in_dev_orconf, in_device, net_device } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import { EACCES, EAGAIN, EHOSTUNREACH, EINVAL } from '../../../uapi/errno.ts'
import { FN_fib_lookup_good_nhc, FN_fib_table_lookup } from '../../../uapi/functions.ts'
import {
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTN_BLACKHOLE,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNREACHABLE,
} from '../../../uapi/rtnetlink.ts'
import { IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN } from '../../../uapi/sysctl.ts'
import { fib_info_by_id } from '../fib_semantics/ids.ts'
import { DERIVED_ASK, derived_id, derived_length, fib_derived_find } from './derived.ts'
import { KEYLENGTH, TNODE, key_vector, trie_derived } from './node.ts'

/** What a route of this type (RTN_*) answers instead of a next hop, 0: nothing. */
export function fib_props_error(type: u32): i32 {
  if (type <= RTN_MULTICAST) return 0
  if (type == RTN_UNREACHABLE) return -EHOSTUNREACH
  if (type == RTN_PROHIBIT) return -EACCES
  if (type == RTN_THROW) return -EAGAIN
  return -EINVAL
}

/** Routes by a device without carrier do not count, says its switch or that of all. */
export function ip_ignore_linkdown(dev: usize): bool {
  if (dev == 0) return false
  const p = changetype<net_device>(dev).ip_ptr
  return p != 0 && in_dev_orconf(changetype<in_device>(p), IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN)
}

/** May a packet of this flow leave by the next hop? */
function fib_lookup_good_nhc(nh: fib_nh, flags: u32, flp: flowi4): bool {
  walk(FN_fib_lookup_good_nhc, 0)
  if (nh.nhc_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) {
    if (nh.nhc_flags & RTNH_F_DEAD) return false
    if (!(flags & FIB_LOOKUP_IGNORE_LINKSTATE) && ip_ignore_linkdown(nh.nhc_dev)) return false
  }
  return flp.flowi4_oif == 0 || flp.flowi4_oif == nh.nhc_oif
}

/** DSCP of a route against that of a flow: only the bits that were once the TOS. */
export function fib_dscp_masked_match(tos: u32, flp: flowi4): bool {
  return tos == ((<u32>flp.flowi4_tos) & IPTOS_RT_MASK)
}

/** The route's nexthop object is a blackhole. */
const NHC_BLACKHOLE: usize = 1

/** The first next hop of a nexthop object that a packet of this flow may leave by, 0: none; NHC_BLACKHOLE. */
function nexthop_get_nhc_lookup(nh: nexthop, flags: u32, flp: flowi4): usize {
  if (nexthop_is_blackhole(nh)) return NHC_BLACKHOLE
  const paths = nexthop_num_path(nh)
  for (let i: u32 = 0; i < paths; i++) {
    const nhc = nexthop_fib_nhc(nh, i)
    if (fib_lookup_good_nhc(nhc, flags, flp)) return changetype<usize>(nhc)
  }
  return 0
}

/** The first next hop of a route that a packet of this flow may leave by, 0: none; NHC_BLACKHOLE. */
function first_good_nhc(fi: fib_info, flags: u32, flp: flowi4): usize {
  if (fi.fib_flags & RTNH_F_DEAD) return 0
  let nh = changetype<usize>(fi) + FIB_INFO_NH
  const end = nh + <usize>fi.fib_nhs * FIB_NH_SIZE
  do {
    if (fib_lookup_good_nhc(changetype<fib_nh>(nh), flags, flp)) return nh
    // With a nexthop object the place of the first is marked dead, so only those who come here ask.
    if (fi.nh) return nexthop_get_nhc_lookup(changetype<nexthop>(fi.nh), flags, flp)
    nh += FIB_NH_SIZE
  } while (nh != end)
  return 0
}

/** The look-up ends with next hop nh of the route fa of leaf n. */
function set_result(res: fib_result, tb: fib_table, n: key_vector, fa: fib_alias, fi: fib_info, nh: usize): void {
  res.prefix = bswap<u32>(n.key)
  res.prefixlen = <u8>(KEYLENGTH - <u32>fa.fa_slen)
  res.type = fa.fa_type
  res.scope = fi.fib_scope
  res.fi = changetype<usize>(fi)
  res.nhc = nh
  res.table = changetype<usize>(tb)
  res.tos = fa.fa_tos
  res.fa = changetype<usize>(fa)
  res.fa_head = n.tnode
}

/** The trie is to be asked. */
const ASK_TRIE: i32 = 1

/** What a trie's derived table knows of a flow: as fib_table_lookup, or ASK_TRIE. */
function derived_lookup(tb: fib_table, p: usize, flp: flowi4, res: fib_result): i32 {
  const key = bswap<u32>(flp.daddr)
  const entry = fib_derived_find(p, key)
  if (entry == 0) return -EAGAIN
  const length = derived_length(entry)
  // Of several default routes one is chosen later, and needs its alias (fib_select_default).
  if (derived_id(entry) == DERIVED_ASK || (length == 0 && tb.tb_num_default > 1)) return ASK_TRIE
  const fi = fib_info_by_id(derived_id(entry))
  const nh = changetype<usize>(fi) + FIB_INFO_NH
  const nhc = changetype<fib_nh>(nh)
  const odd = (fi.fib_flags | nhc.nhc_flags) & (RTNH_F_DEAD | RTNH_F_LINKDOWN)
  const other = flp.flowi4_oif != 0 && flp.flowi4_oif != nhc.nhc_oif
  if (odd || other || fi.fib_scope < flp.flowi4_scope || <u32>fi.fib_type > RTN_MULTICAST) return ASK_TRIE
  res.prefix = length ? bswap<u32>(key & (~(<u32>0) << (KEYLENGTH - length))) : 0
  res.prefixlen = <u8>length
  res.type = fi.fib_type
  res.scope = fi.fib_scope
  res.fi = changetype<usize>(fi)
  res.nhc = nh
  res.table = changetype<usize>(tb)
  res.tos = 0
  res.fa = 0
  res.fa_head = 0
  return 0
}

/**
 * Looks up a flow in one table. 0 and the result; -EAGAIN: no route; or the error of a route that gives one.
 *
 * Uses: daddr, TOS, scope and oif of flp. Sets: res, which borrows the fib_info (as with FIB_LOOKUP_NOREF).
 */
export function fib_table_lookup(tb: fib_table, flp: flowi4, res: fib_result, flags: u32): i32 {
  walk(FN_fib_table_lookup, 0)
  const derived = trie_derived(changetype<key_vector>(tb.trie))
  if (derived) {
    const answer = derived_lookup(tb, derived, flp, res)
    if (answer != ASK_TRIE) return answer
  }
  return trie_lookup(tb, flp, res, flags)
}

/** The same in the trie itself. */
function trie_lookup(tb: fib_table, flp: flowi4, res: fib_result, flags: u32): i32 {
  const key = bswap<u32>(flp.daddr)
  let pn = changetype<key_vector>(tb.trie)
  let i: u32 = 0
  let p = load<usize>(tb.trie, TNODE)
  if (p == 0) return -EAGAIN

  // Down by the key's bits. A node below which there are short prefixes is where looking back ends.
  let n = changetype<key_vector>(p)
  for (;;) {
    const index = (key ^ n.key) >> n.pos
    if (index >> n.bits || n.bits == 0) break
    if (n.slen > n.pos) {
      pn = n
      i = index
    }
    p = load<usize>(changetype<usize>(n) + ((<usize>index) << 2), TNODE)
    if (p == 0) break
    n = changetype<key_vector>(p)
  }

  for (;;) {
    // n may hold a prefix of the key if its own bits are one: its first child has them with zeros behind.
    while (p) {
      n = changetype<key_vector>(p)
      const differ = key ^ n.key
      if (differ & (n.key | (0 - n.key))) break
      if (n.bits != 0) {
        if (n.slen == n.pos) break
        p = load<usize>(p, TNODE)
        continue
      }
      for (p = n.tnode; p; p = changetype<fib_alias>(p).next) {
        const fa = changetype<fib_alias>(p)
        const slen: u32 = fa.fa_slen
        if (slen < KEYLENGTH && differ >> slen) continue
        if (fa.fa_tos && !fib_dscp_masked_match(fa.fa_tos, flp)) continue
        const fi = changetype<fib_info>(fa.fa_info)
        if (fi.fib_dead || fi.fib_scope < flp.flowi4_scope) continue
        fa.fa_state = <u8>FA_S_ACCESSED
        if (<u32>fa.fa_type > RTN_MULTICAST) return fib_props_error(fa.fa_type)
        const nh = first_good_nhc(fi, flags, flp)
        if (nh <= NHC_BLACKHOLE) {
          if (nh == 0) continue
          return fib_props_error(RTN_BLACKHOLE)
        }
        set_result(res, tb, n, fa, fi, nh)
        return 0
      }
    }
    // Back: the index with its lowest bit cleared is the next shorter prefix; without bits left, the parent's.
    do {
      while (i == 0) {
        if (pn.pos == <u8>KEYLENGTH) return -EAGAIN
        const below = pn.key
        pn = changetype<key_vector>(pn.parent)
        i = pn.pos == <u8>KEYLENGTH ? 0 : (below ^ pn.key) >> pn.pos
      }
      i &= i - 1
      p = load<usize>(changetype<usize>(pn) + ((<usize>i) << 2), TNODE)
    } while (p == 0)
  }
  // oxlint-disable-next-line no-unreachable -- asc wants an answer after the loop
  return -EAGAIN
}
