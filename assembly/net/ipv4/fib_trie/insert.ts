// Routes come and go: fib_table_insert with the NLM_F_* of a request, fib_table_delete, fib_table_flush.
// Mirrors these functions of net/ipv4/fib_trie.c. Left out: notifications to user space.

import {
  FA_S_ACCESSED,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  fib_alias,
  fib_config,
  fib_info,
  fib_table,
} from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EEXIST, EINVAL, ENOBUFS, ENOENT, ESRCH } from '../../../uapi/errno.ts'
import { FN_fib_table_delete, FN_fib_table_flush, FN_fib_table_insert } from '../../../uapi/functions.ts'
import { RTNH_F_DEAD, RT_SCOPE_NOWHERE } from '../../../uapi/rtnetlink.ts'
import { fib_create_info, fib_metrics_match, fib_nh_match } from '../fib_semantics/create.ts'
import { fib_release_info } from '../fib_semantics/info.ts'
import { rt_cache_flush } from '../route/cache.ts'
import {
  NO_ALIAS,
  alias_free,
  alias_new,
  fa_priority,
  fib_find_alias,
  fib_insert_alias,
  fib_remove_alias,
  fib_replace_alias,
} from './alias.ts'
import { fib_props_error } from './lookup.ts'
import { KEYLENGTH, fib_find_node, key_vector, leaf_after, leaf_walk_rcu, trie_derived } from './node.ts'

/** No bits beyond the prefix. */
function fib_valid_key_len(key: u32, plen: u32): bool {
  return plen <= KEYLENGTH && (plen == KEYLENGTH || key << plen == 0)
}

/** The same prefix, table, TOS and priority. */
function same_slot(fa: fib_alias, slot: fib_alias): bool {
  return (
    fa.fa_slen == slot.fa_slen &&
    fa.tb_id == slot.tb_id &&
    fa.fa_tos == slot.fa_tos &&
    fa_priority(fa) == fa_priority(slot)
  )
}

/** Of the aliases from first on that share its slot, the one that says just the same; NO_ALIAS: none. */
function exact_match(first: fib_alias, type: u32, fi: usize): fib_alias {
  let fa = first
  while (changetype<usize>(fa) && same_slot(fa, first)) {
    if (<u32>fa.fa_type == type && fa.fa_info == fi) return fa
    fa = changetype<fib_alias>(fa.next)
  }
  return NO_ALIAS
}

/** The first alias behind those that share the slot of first. */
function behind_slot(first: fib_alias): fib_alias {
  let fa = first
  while (changetype<usize>(fa) && same_slot(fa, first)) fa = changetype<fib_alias>(fa.next)
  return fa
}

/** A new route in the place of old, whose fib_info is given up. 0 or -ENOBUFS. */
function replace_route(net: net, tb: fib_table, l: key_vector, old: fib_alias, fi: usize, type: u32): i32 {
  const fa = alias_new(fi, old.fa_tos, type, old.fa_slen, old.tb_id)
  if (changetype<usize>(fa) == 0) return -ENOBUFS
  fib_replace_alias(l, old, fa)
  const used = (<u32>old.fa_state) & FA_S_ACCESSED
  fib_release_info(old.fa_info)
  alias_free(old)
  if (used || trie_derived(changetype<key_vector>(tb.trie))) rt_cache_flush(net)
  return 0
}

/** The route joins its table before the alias `before` (NO_ALIAS: last). 0 or -ENOBUFS, -ENOMEM. */
function add_route(net: net, tb: fib_table, cfg: fib_config, l: key_vector, before: fib_alias, fi: usize): i32 {
  const fa = alias_new(fi, cfg.fc_tos, cfg.fc_type, KEYLENGTH - <u32>cfg.fc_dst_len, tb.tb_id)
  if (changetype<usize>(fa) == 0) return -ENOBUFS
  const err = fib_insert_alias(changetype<key_vector>(tb.trie), l, fa, before, bswap<u32>(cfg.fc_dst))
  if (err) {
    alias_free(fa)
    return err
  }
  tb.count += 1
  if (cfg.fc_dst_len == 0) tb.tb_num_default += 1
  rt_cache_flush(net)
  return 0
}

/** With a fib_info at hand: what NLM_F_* make of it. What fails leaves the fib_info to the caller. */
function insert_info(net: net, tb: fib_table, cfg: fib_config, fi: usize): i32 {
  const slen = KEYLENGTH - <u32>cfg.fc_dst_len
  const prio = changetype<fib_info>(fi).fib_priority
  const l = fib_find_node(changetype<key_vector>(tb.trie), bswap<u32>(cfg.fc_dst))
  let before = fib_find_alias(l, slen, cfg.fc_tos, prio, tb.tb_id)
  if (changetype<usize>(before) && before.fa_tos == cfg.fc_tos && fa_priority(before) == prio) {
    if (cfg.fc_nlflags & NLM_F_EXCL) return -EEXIST
    const match = exact_match(before, cfg.fc_type, fi)
    if (cfg.fc_nlflags & NLM_F_REPLACE) {
      if (changetype<usize>(match) == 0) return replace_route(net, tb, l, before, fi, cfg.fc_type)
      if (changetype<usize>(match) != changetype<usize>(before)) return -EEXIST
      fib_release_info(fi) // it is there as it is
      return 0
    }
    if (changetype<usize>(match)) return -EEXIST
    if (cfg.fc_nlflags & NLM_F_APPEND) before = behind_slot(before)
  }
  if (!(cfg.fc_nlflags & NLM_F_CREATE)) return -ENOENT
  return add_route(net, tb, cfg, l, before, fi)
}

/**
 * Adds a route. The flags are those of the commands: add CREATE | EXCL, append CREATE | APPEND, prepend CREATE,
 * replace CREATE | REPLACE, change REPLACE. cfg.fc_table is the table's id. 0, or -EEXIST, -ENOENT (change), -EINVAL,
 * -ENODEV, -ENETDOWN, -ENETUNREACH (fib_check_nh), -ENOBUFS, -ENOMEM; then nothing has changed.
 */
export function fib_table_insert(net: net, tb: fib_table, cfg: fib_config): i32 {
  walk(FN_fib_table_insert, 0)
  if (!fib_valid_key_len(bswap<u32>(cfg.fc_dst), cfg.fc_dst_len)) return -EINVAL
  const fi = fib_create_info(net, cfg)
  if (IS_ERR(fi)) return <i32>fi
  const err = insert_info(net, tb, cfg, fi)
  if (err) fib_release_info(fi)
  return err
}

/** Is it the route that cfg means? What cfg does not name may be anything. */
function delete_matches(cfg: fib_config, fa: fib_alias): bool {
  const fi = changetype<fib_info>(fa.fa_info)
  if (cfg.fc_type && fa.fa_type != cfg.fc_type) return false
  if (<u32>cfg.fc_scope != RT_SCOPE_NOWHERE && fi.fib_scope != cfg.fc_scope) return false
  if (cfg.fc_prefsrc && fi.fib_prefsrc != cfg.fc_prefsrc) return false
  if (cfg.fc_protocol && fi.fib_protocol != cfg.fc_protocol) return false
  return fib_nh_match(cfg, fi) && fib_metrics_match(cfg, fi)
}

/** Deletes the first route that has all that cfg names (scope 255: any). 0, -ESRCH: there is none, -EINVAL. */
export function fib_table_delete(net: net, tb: fib_table, cfg: fib_config): i32 {
  walk(FN_fib_table_delete, 0)
  const key = bswap<u32>(cfg.fc_dst)
  if (!fib_valid_key_len(key, cfg.fc_dst_len)) return -EINVAL
  const slen = KEYLENGTH - <u32>cfg.fc_dst_len
  const l = fib_find_node(changetype<key_vector>(tb.trie), key)
  let p = changetype<usize>(fib_find_alias(l, slen, cfg.fc_tos, 0, tb.tb_id))
  for (; p; p = changetype<fib_alias>(p).next) {
    const fa = changetype<fib_alias>(p)
    if (<u32>fa.fa_slen != slen || fa.tb_id != tb.tb_id || fa.fa_tos != cfg.fc_tos) return -ESRCH
    if (delete_matches(cfg, fa)) break
  }
  if (p == 0) return -ESRCH
  const fa = changetype<fib_alias>(p)
  if (cfg.fc_dst_len == 0) tb.tb_num_default -= 1
  tb.count -= 1
  fib_remove_alias(l, fa)
  // A look-up by the derived table leaves no mark.
  if ((<u32>fa.fa_state) & FA_S_ACCESSED || trie_derived(changetype<key_vector>(tb.trie))) rt_cache_flush(net)
  fib_release_info(fa.fa_info)
  alias_free(fa)
  return 0
}

/** Flushed are routes whose next hops are dead; all, when the namespace ends. */
function to_flush(tb: fib_table, fa: fib_alias, all: bool): bool {
  if (fa.tb_id != tb.tb_id) return false
  if (all) return true
  const fi = changetype<fib_info>(fa.fa_info)
  if (!(fi.fib_flags & RTNH_F_DEAD)) return false
  // An error's route needs no next hop, but goes with its nexthop object.
  return fi.nh != 0 || fib_props_error(fa.fa_type) == 0
}

/** Takes dead routes (with all set: every route) out of a table. Answers how many. */
export function fib_table_flush(tb: fib_table, all: bool): u32 {
  walk(FN_fib_table_flush, 0)
  let found: u32 = 0
  const t = changetype<key_vector>(tb.trie)
  let l = leaf_walk_rcu(t, 0)
  while (changetype<usize>(l)) {
    const key = l.key
    let p = l.tnode
    while (p) {
      const fa = changetype<fib_alias>(p)
      p = fa.next
      if (!to_flush(tb, fa, all)) continue
      fib_remove_alias(l, fa) // with the last one the leaf is gone, and p is 0
      fib_release_info(fa.fa_info)
      alias_free(fa)
      tb.count -= 1
      found++
    }
    l = leaf_after(t, key)
  }
  return found
}
