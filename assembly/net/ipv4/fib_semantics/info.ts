// What routes share: a fib_info has next hops, metrics and attributes, is found again by its contents, and lives as long
// as a route (fib_treeref) or a cached route (fib_clntref) uses it.
// Mirrors the first part of net/ipv4/fib_semantics.c.

import { CACHE_FIB_INFO, boot } from '../../../lib/boot.ts'
import { FIB_INFO_NH, FIB_NH_SIZE, fib_info, fib_info_nh, fib_nh } from '../../../include/ip_fib.ts'
import { net_device } from '../../../include/netdevice.ts'
import { nexthop } from '../../../include/nexthop.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { jhash_3words } from '../../../lib/jhash.ts'
import { kmem_cache_free, kmem_cache_zalloc } from '../../../lib/slab.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fib_rebalance, FN_fib_release_info } from '../../../uapi/functions.ts'
import { RTAX_MAX, RTNH_COMPARE_MASK, RTNH_F_DEAD, RTNH_F_LINKDOWN } from '../../../uapi/rtnetlink.ts'
import { ip_ignore_linkdown } from '../fib_trie/lookup.ts'
import { nexthop_put } from '../nexthop/table.ts'
import { fib_nh_release } from './nh.ts'
import { fib_id_give, fib_id_take } from './ids.ts'

export const METRICS_SIZE: usize = (<usize>RTAX_MAX + 1) * 4
const NH_MAX_HASHED: u32 = 2
const FIRST_BITS: u32 = 6

/** Hash of all fib_infos, of all namespaces: by contents, and by preferred source (those that have one). */
@unmanaged
@final
class fib_info_table {
  info: usize
  laddr: usize
  bits: u32
  count: u32
}

function table(): fib_info_table {
  return changetype<fib_info_table>(boot.fib_info_hash)
}

/** At boot. False: out of memory. */
export function fib_info_hash_init(): bool {
  boot.fib_info_hash = kzalloc(offsetof<fib_info_table>())
  if (boot.fib_info_hash == 0) return false
  const t = table()
  t.bits = FIRST_BITS
  t.info = kzalloc((<usize>4) << FIRST_BITS)
  t.laddr = kzalloc((<usize>4) << FIRST_BITS)
  return t.info != 0 && t.laddr != 0
}

function fib_info_hashfn(fi: fib_info): u32 {
  const attributes =
    fi.fib_tb_id ^ ((<u32>fi.fib_protocol) << 24) ^ ((<u32>fi.fib_scope) << 16) ^ ((<u32>fi.fib_type) << 8)
  let hash = jhash_3words(attributes, fi.fib_prefsrc, fi.fib_priority, (<u32>fi.net) ^ (<u32>fi.nh))
  for (let i: u32 = 0; i < min(fi.fib_nhs, NH_MAX_HASHED); i++) {
    const nh = fib_info_nh(fi, i)
    hash = jhash_3words(nh.nhc_oif, nh.nhc_gw, <u32>nh.nhc_weight, hash)
  }
  return hash
}

function info_bucket(t: fib_info_table, fi: fib_info): usize {
  return t.info + ((<usize>(fib_info_hashfn(fi) >> (32 - t.bits))) << 2)
}

/** The chain of those with this preferred source. */
export function laddr_bucket(addr: u32): usize {
  const t = table()
  return t.laddr + ((<usize>((addr * 0x61c88647) >> (32 - t.bits))) << 2)
}

/** Puts an entry at the head of a chain; next and prev: offsets of its links; prev is the address that points to it. */
function chain_add(head: usize, p: usize, next: usize, prev: usize): void {
  const first = load<usize>(head)
  store<usize>(p + next, first)
  store<usize>(p + prev, head)
  if (first) store<usize>(first + prev, p + next)
  store<usize>(head, p)
}

function chain_del(p: usize, next: usize, prev: usize): void {
  const link = load<usize>(p + prev)
  if (link == 0) return
  const after = load<usize>(p + next)
  store<usize>(link, after)
  if (after) store<usize>(after + prev, link)
  store<usize>(p + prev, 0)
}

const HASH_NEXT: usize = offsetof<fib_info>('hash_next')
const HASH_PREV: usize = offsetof<fib_info>('hash_prev')
const LHASH_NEXT: usize = offsetof<fib_info>('lhash_next')
const LHASH_PREV: usize = offsetof<fib_info>('lhash_prev')
const NH_NEXT: usize = offsetof<fib_nh>('nh_hash_next')
const NH_PREV: usize = offsetof<fib_nh>('nh_hash_prev')
const FI_LIST: usize = offsetof<nexthop>('fi_list')
const DEV_NH_HEAD: usize = offsetof<net_device>('fib_nh_head')

/** Twice the chains when there are more entries than chains; without memory it stays as it is. */
function grow(t: fib_info_table): void {
  if (t.count >> t.bits == 0 || t.bits >= 20) return
  const old_info = t.info
  const old_laddr = t.laddr
  const old_bits = t.bits
  const info = kzalloc((<usize>8) << old_bits)
  const laddr = kzalloc((<usize>8) << old_bits)
  if (info == 0 || laddr == 0) {
    kfree(info, (<usize>8) << old_bits)
    kfree(laddr, (<usize>8) << old_bits)
    return
  }
  t.info = info
  t.laddr = laddr
  t.bits = old_bits + 1
  for (let i: usize = 0; i < (<usize>1) << old_bits; i++) {
    let p = load<usize>(old_info + (i << 2))
    while (p) {
      const next = load<usize>(p + HASH_NEXT)
      chain_add(info_bucket(t, changetype<fib_info>(p)), p, HASH_NEXT, HASH_PREV)
      p = next
    }
    p = load<usize>(old_laddr + (i << 2))
    while (p) {
      const next = load<usize>(p + LHASH_NEXT)
      chain_add(laddr_bucket(changetype<fib_info>(p).fib_prefsrc), p, LHASH_NEXT, LHASH_PREV)
      p = next
    }
  }
  kfree(old_info, (<usize>4) << old_bits)
  kfree(old_laddr, (<usize>4) << old_bits)
}

/** Enters a new fib_info: from now on it is found, and hears of its devices and its preferred source. */
export function fib_info_link(fi: fib_info): void {
  const t = table()
  t.count += 1
  grow(t)
  fib_id_take(fi)
  const p = changetype<usize>(fi)
  chain_add(info_bucket(t, fi), p, HASH_NEXT, HASH_PREV)
  if (fi.fib_prefsrc) chain_add(laddr_bucket(fi.fib_prefsrc), p, LHASH_NEXT, LHASH_PREV)
  if (fi.nh) {
    changetype<nexthop>(fi.nh).refcnt += 1
    chain_add(fi.nh + FI_LIST, changetype<usize>(fib_info_nh(fi, 0)), NH_NEXT, NH_PREV)
  }
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const nh = fib_info_nh(fi, i)
    if (nh.nhc_dev) chain_add(nh.nhc_dev + DEV_NH_HEAD, changetype<usize>(nh), NH_NEXT, NH_PREV)
  }
}

/** Metrics (or 0: none set) have equal values. */
function same_metrics(a: usize, b: usize): bool {
  for (let i: usize = 0; i < METRICS_SIZE; i += 4) {
    if ((a ? load<u32>(a + i) : 0) != (b ? load<u32>(b + i) : 0)) return false
  }
  return true
}

/** The same next hops in the same order, state of the link aside. */
function nh_comp(a: fib_info, b: fib_info): bool {
  for (let i: u32 = 0; i < a.fib_nhs; i++) {
    const x = fib_info_nh(a, i)
    const y = fib_info_nh(b, i)
    if (x.nhc_oif != y.nhc_oif || x.nhc_gw != y.nhc_gw || x.nhc_weight != y.nhc_weight) return false
    if ((x.nhc_flags ^ y.nhc_flags) & ~RTNH_COMPARE_MASK) return false
  }
  return true
}

/** One that says the same as fi, 0: none. */
export function fib_find_info(fi: fib_info): usize {
  for (let p = load<usize>(info_bucket(table(), fi)); p; p = changetype<fib_info>(p).hash_next) {
    const other = changetype<fib_info>(p)
    if (other.net != fi.net || other.fib_nhs != fi.fib_nhs || other.fib_tb_id != fi.fib_tb_id) continue
    if (other.nh != fi.nh) continue
    if (other.fib_protocol != fi.fib_protocol || other.fib_scope != fi.fib_scope) continue
    if (other.fib_type != fi.fib_type || other.fib_prefsrc != fi.fib_prefsrc) continue
    if (other.fib_priority != fi.fib_priority || (other.fib_flags ^ fi.fib_flags) & ~RTNH_COMPARE_MASK) continue
    if (same_metrics(other.fib_metrics, fi.fib_metrics) && nh_comp(fi, other)) return p
  }
  return 0
}

/** One with room for nhs next hops, all 0; with none there is room for one, which no packet takes. 0: out of memory. */
export function fib_info_alloc(nhs: u32): usize {
  const p = nhs <= 1 ? kmem_cache_zalloc(CACHE_FIB_INFO) : kzalloc(FIB_INFO_NH + <usize>nhs * FIB_NH_SIZE)
  if (p == 0) return 0
  const fi = changetype<fib_info>(p)
  fi.fib_nhs = nhs
  for (let i: u32 = 0; i < nhs; i++) fib_info_nh(fi, i).nh_parent = p
  if (nhs == 0) {
    fib_info_nh(fi, 0).nh_parent = p
    fib_info_nh(fi, 0).nhc_flags = RTNH_F_DEAD
  }
  return p
}

/** Frees one that nobody uses. */
export function free_fib_info(fi: fib_info): void {
  kfree(fi.fib_metrics, METRICS_SIZE)
  const p = changetype<usize>(fi)
  if (fi.fib_nhs <= 1) kmem_cache_free(CACHE_FIB_INFO, p)
  else kfree(p, FIB_INFO_NH + <usize>fi.fib_nhs * FIB_NH_SIZE)
}

/** A cached route uses it. */
export function fib_info_hold(fi: usize): void {
  changetype<fib_info>(fi).fib_clntref += 1
}

/** A user that is no route of a table gives it up. */
export function fib_info_put(fi: usize): void {
  if (--changetype<fib_info>(fi).fib_clntref == 0) free_fib_info(changetype<fib_info>(fi))
}

/** A route of a table gives it up; with the last one it is found no more, and cached routes made of it end. */
export function fib_release_info(fi: usize): void {
  walk(FN_fib_release_info, 0)
  const info = changetype<fib_info>(fi)
  if (--info.fib_treeref) return
  chain_del(fi, HASH_NEXT, HASH_PREV)
  chain_del(fi, LHASH_NEXT, LHASH_PREV)
  table().count -= 1
  info.fib_dead = 1
  fib_id_give(info)
  for (let i: u32 = 0; i < info.fib_nhs; i++) {
    const nh = fib_info_nh(info, i)
    chain_del(changetype<usize>(nh), NH_NEXT, NH_PREV)
    fib_nh_release(nh)
  }
  if (info.nh) {
    chain_del(changetype<usize>(fib_info_nh(info, 0)), NH_NEXT, NH_PREV)
    nexthop_put(changetype<nexthop>(info.nh))
    info.nh = 0
  }
  fib_info_put(fi)
}

function out_of_use(nh: fib_nh): bool {
  if (nh.nhc_flags & RTNH_F_DEAD) return true
  return (nh.nhc_flags & RTNH_F_LINKDOWN) != 0 && ip_ignore_linkdown(nh.nhc_dev)
}

/** Shares the range of hashes, 0 to 2^31 - 1, among the usable next hops by weight: nhc_upper_bound, -1 for the others. */
export function fib_rebalance(fi: fib_info): void {
  walk(FN_fib_rebalance, 0)
  if (fi.fib_nhs < 2) return
  let total: u64 = 0
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const nh = fib_info_nh(fi, i)
    if (!out_of_use(nh)) total += <u64>nh.nhc_weight
  }
  let sum: u64 = 0
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const nh = fib_info_nh(fi, i)
    if (out_of_use(nh)) {
      nh.nhc_upper_bound = -1
      continue
    }
    sum += <u64>nh.nhc_weight
    nh.nhc_upper_bound = <i32>(((sum << 31) + (total >> 1)) / total - 1)
  }
}
