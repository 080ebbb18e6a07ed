// Routes of a leaf: fib_alias in order of suffix length, table (local before main), TOS (descending) and priority.
// Mirrors fib_find_alias, fib_insert_alias and fib_remove_alias of net/ipv4/fib_trie.c.

import { CACHE_FIB_ALIAS } from '../../../lib/boot.ts'
import { fib_alias, fib_info } from '../../../include/ip_fib.ts'
import { kmem_cache_free, kmem_cache_zalloc } from '../../../lib/slab.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOMEM } from '../../../uapi/errno.ts'
import { FN_fib_find_alias, FN_fib_insert_alias, FN_fib_remove_alias } from '../../../uapi/functions.ts'
import { fib_derived_update } from './derived.ts'
import { trie_rebalance } from './resize.ts'
import {
  NO_NODE,
  TNODE,
  fib_find_parent,
  get_child,
  get_index,
  key_vector,
  leaf_new,
  node_free,
  node_parent,
  node_pull_suffix,
  node_push_suffix,
  put_child,
  put_child_root,
  tnode_new,
  trie_add_count,
  trie_of,
} from './node.ts'

export const NO_ALIAS: fib_alias = changetype<fib_alias>(0)

/** An alias of fi, not yet in a table; NO_ALIAS: out of memory. */
export function alias_new(fi: usize, tos: u32, type: u32, slen: u32, tb_id: u32): fib_alias {
  const p = kmem_cache_zalloc(CACHE_FIB_ALIAS)
  if (p == 0) return NO_ALIAS
  const fa = changetype<fib_alias>(p)
  fa.fa_info = fi
  fa.fa_tos = <u8>tos
  fa.fa_type = <u8>type
  fa.fa_slen = <u8>slen
  fa.tb_id = tb_id
  fa.fa_default = -1
  return fa
}

export function alias_free(fa: fib_alias): void {
  kmem_cache_free(CACHE_FIB_ALIAS, changetype<usize>(fa))
}

export function fa_priority(fa: fib_alias): u32 {
  return changetype<fib_info>(fa.fa_info).fib_priority
}

/**
 * The first alias of a leaf that is not before this place in the order: the one with the same TOS and priority, or the
 * one that a new alias goes before; NO_ALIAS: none of this prefix and table comes later.
 */
export function fib_find_alias(l: key_vector, slen: u32, tos: u32, prio: u32, tb_id: u32): fib_alias {
  walk(FN_fib_find_alias, 0)
  if (changetype<usize>(l) == 0) return NO_ALIAS
  for (let p = l.tnode; p; p = changetype<fib_alias>(p).next) {
    const fa = changetype<fib_alias>(p)
    if (<u32>fa.fa_slen < slen) continue
    if (<u32>fa.fa_slen != slen) break
    if (fa.tb_id > tb_id) continue
    if (fa.tb_id != tb_id) break
    if (<u32>fa.fa_tos > tos) continue
    if (fa_priority(fa) >= prio || <u32>fa.fa_tos < tos) return fa
  }
  return NO_ALIAS
}

/** Puts fa behind the place where `link` (address of a next pointer) points. */
function link_alias(link: usize, fa: fib_alias): void {
  fa.next = load<usize>(link)
  store<usize>(link, changetype<usize>(fa))
}

/** The next pointer that points to fa. */
function alias_link(l: key_vector, fa: fib_alias): usize {
  let link = changetype<usize>(l) + TNODE
  while (load<usize>(link) != changetype<usize>(fa)) link = load<usize>(link) + offsetof<fib_alias>('next')
  return link
}

/** Where the last alias that sorts before a new one of this prefix and table points. */
function tail_link(l: key_vector, fa: fib_alias): usize {
  let link = changetype<usize>(l) + TNODE
  for (let p = l.tnode; p; p = changetype<fib_alias>(p).next) {
    const other = changetype<fib_alias>(p)
    if (fa.fa_slen < other.fa_slen) break
    if (fa.fa_slen == other.fa_slen && fa.tb_id > other.tb_id) break
    link = p + offsetof<fib_alias>('next')
  }
  return link
}

/** A new leaf with its first alias; where another key's node is in the way, a tnode for both. 0 or -ENOMEM. */
function fib_insert_node(t: key_vector, fa: fib_alias, key: u32): i32 {
  const l = leaf_new(key, fa)
  if (changetype<usize>(l) == 0) return -ENOMEM
  let tp = fib_find_parent(t, key)
  const n = get_child(tp, get_index(key, tp))
  if (changetype<usize>(n)) {
    const tn = tnode_new(key, 31 - <u32>clz<u32>(key ^ n.key), 1)
    if (changetype<usize>(tn) == 0) {
      node_free(l)
      return -ENOMEM
    }
    tn.parent = changetype<usize>(tp)
    put_child(tn, get_index(key, tn) ^ 1, n)
    put_child_root(tp, key, tn)
    n.parent = changetype<usize>(tn)
    tp = tn
  }
  node_push_suffix(tp, fa.fa_slen)
  l.parent = changetype<usize>(tp)
  put_child_root(tp, key, l)
  trie_rebalance(tp)
  return 0
}

/** Enters an alias: before `before`, or (NO_ALIAS) last of its prefix and table. l: the key's leaf, if any. 0 or -ENOMEM. */
export function fib_insert_alias(t: key_vector, l: key_vector, fa: fib_alias, before: fib_alias, key: u32): i32 {
  walk(FN_fib_insert_alias, 0)
  const err = insert_alias(t, l, fa, before, key)
  if (err) return err
  trie_add_count(t, 1)
  fib_derived_update(t, key, fa.fa_slen)
  return 0
}

function insert_alias(t: key_vector, l: key_vector, fa: fib_alias, before: fib_alias, key: u32): i32 {
  if (changetype<usize>(l) == 0) return fib_insert_node(t, fa, key)
  link_alias(changetype<usize>(before) ? alias_link(l, before) : tail_link(l, fa), fa)
  if (l.slen < fa.fa_slen) {
    l.slen = fa.fa_slen
    node_push_suffix(node_parent(l), fa.fa_slen)
  }
  return 0
}

/** fa takes the place of old, which is not freed. */
export function fib_replace_alias(l: key_vector, old: fib_alias, fa: fib_alias): void {
  const link = alias_link(l, old)
  fa.next = old.next
  store<usize>(link, changetype<usize>(fa))
  fib_derived_update(trie_of(l), l.key, fa.fa_slen)
}

/** Takes an alias out of its leaf, and an empty leaf out of the trie. The alias is not freed. */
export function fib_remove_alias(l: key_vector, fa: fib_alias): void {
  walk(FN_fib_remove_alias, 0)
  const t = trie_of(l)
  const key = l.key
  remove_alias(l, fa)
  trie_add_count(t, -1)
  fib_derived_update(t, key, fa.fa_slen)
}

function remove_alias(l: key_vector, fa: fib_alias): void {
  const link = alias_link(l, fa)
  store<usize>(link, fa.next)
  const tp = node_parent(l)
  if (l.tnode == 0) {
    put_child_root(tp, l.key, NO_NODE)
    if (tp.slen == l.slen) node_pull_suffix(tp, tp.pos)
    node_free(l)
    trie_rebalance(tp)
    return
  }
  if (fa.next) return
  // It was the last, so the one with the longest suffix: the leaf has that of the alias before.
  l.slen = changetype<fib_alias>(link - offsetof<fib_alias>('next')).fa_slen
  node_pull_suffix(tp, l.slen)
}
