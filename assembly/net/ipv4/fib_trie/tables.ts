// Tables of a namespace. While it has no policy rules of its own, local and main share one trie (an alias knows its
// table), so one look-up finds both; the first rule takes them apart for good. Mirrors fib_new_table, fib_get_table and
// fib_unmerge of net/ipv4/fib_frontend.c, fib_trie_table and fib_trie_unmerge of fib_trie.c.

import { FIB_TABLE_SIZE, fib_alias, fib_table } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOMEM } from '../../../uapi/errno.ts'
import { FN_fib_get_table, FN_fib_new_table, FN_fib_trie_unmerge, FN_fib_unmerge } from '../../../uapi/functions.ts'
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_UNSPEC } from '../../../uapi/rtnetlink.ts'
import { NO_ALIAS, alias_free, alias_new, fib_insert_alias, fib_remove_alias } from './alias.ts'
import { fib_find_node, key_vector, leaf_after, leaf_walk_rcu, trie_free, trie_new } from './node.ts'

export const NO_TABLE: fib_table = changetype<fib_table>(0)

/** Dumps go by the low byte of a table's id, the newest first. */
const TABLE_HASH_MASK: u32 = 255

/** A table by its id (RT_TABLE_UNSPEC: main), NO_TABLE: there is none. */
export function fib_get_table(net: net, id: u32): fib_table {
  walk(FN_fib_get_table, 0)
  if (id == RT_TABLE_LOCAL) return changetype<fib_table>(net.fib_local)
  if (id == RT_TABLE_MAIN || id == RT_TABLE_UNSPEC) return changetype<fib_table>(net.fib_main)
  for (let p = net.fib_tables; p; p = changetype<fib_table>(p).next) {
    if (changetype<fib_table>(p).tb_id == id) return changetype<fib_table>(p)
  }
  return NO_TABLE
}

/** A table that shares the trie of alias, or (0) has its own. NO_TABLE: out of memory. */
function fib_trie_table(net: net, id: u32, alias: usize): fib_table {
  const p = kzalloc(FIB_TABLE_SIZE)
  if (p == 0) return NO_TABLE
  const tb = changetype<fib_table>(p)
  tb.tb_id = id
  tb.net = changetype<usize>(net)
  tb.trie = alias ? changetype<fib_table>(alias).trie : changetype<usize>(trie_new())
  if (tb.trie) return tb
  kfree(p, FIB_TABLE_SIZE)
  return NO_TABLE
}

/** Where the list points to the place of tables with this id. */
function table_link(net: net, id: u32): usize {
  let link = changetype<usize>(net) + offsetof<net>('fib_tables')
  while (true) {
    const p = load<usize>(link)
    if (p == 0 || (changetype<fib_table>(p).tb_id & TABLE_HASH_MASK) >= (id & TABLE_HASH_MASK)) return link
    link = p + offsetof<fib_table>('next')
  }
}

function enlist(net: net, tb: fib_table): void {
  const link = table_link(net, tb.tb_id)
  tb.next = load<usize>(link)
  store<usize>(link, changetype<usize>(tb))
  const p = changetype<usize>(tb)
  if (tb.tb_id == RT_TABLE_MAIN) net.fib_main = p
  else if (tb.tb_id == RT_TABLE_LOCAL) net.fib_local = p
  else if (tb.tb_id == RT_TABLE_DEFAULT) net.fib_default = p
}

/** A table by its id, made if there is none. NO_TABLE: out of memory. */
export function fib_new_table(net: net, id: u32): fib_table {
  walk(FN_fib_new_table, 0)
  if (id == RT_TABLE_UNSPEC) id = RT_TABLE_MAIN
  const old = fib_get_table(net, id)
  if (changetype<usize>(old)) return old
  let alias: usize = 0
  if (id == RT_TABLE_LOCAL && !net.fib_has_custom_rules) {
    alias = changetype<usize>(fib_new_table(net, RT_TABLE_MAIN))
    if (alias == 0) return NO_TABLE
  }
  const tb = fib_trie_table(net, id, alias)
  if (changetype<usize>(tb)) enlist(net, tb)
  return tb
}

/** Local's aliases are copied into a trie of its own. False: out of memory. */
function copy_aliases(local: fib_table, to: key_vector): bool {
  const from = changetype<key_vector>(local.trie)
  for (let l = leaf_walk_rcu(from, 0); changetype<usize>(l); l = leaf_after(from, l.key)) {
    for (let p = l.tnode; p; p = changetype<fib_alias>(p).next) {
      const fa = changetype<fib_alias>(p)
      if (fa.tb_id != local.tb_id) continue
      const copy = alias_new(fa.fa_info, fa.fa_tos, fa.fa_type, fa.fa_slen, fa.tb_id)
      if (changetype<usize>(copy) == 0) return false
      copy.fa_state = fa.fa_state
      copy.fa_default = fa.fa_default
      if (fib_insert_alias(to, fib_find_node(to, l.key), copy, NO_ALIAS, l.key) < 0) {
        alias_free(copy)
        return false
      }
    }
  }
  return true
}

/** Takes the aliases of table tb_id (or, with others set, of all other tables) out of a trie; what they share lives on. */
function drop_aliases(t: key_vector, tb_id: u32, others: bool): void {
  let l = leaf_walk_rcu(t, 0)
  while (changetype<usize>(l)) {
    const key = l.key
    let p = l.tnode
    while (p) {
      const fa = changetype<fib_alias>(p)
      p = fa.next
      if ((fa.tb_id == tb_id) == others) continue
      fib_remove_alias(l, fa) // with the last one the leaf is gone, and p is 0
      alias_free(fa)
    }
    l = leaf_after(t, key)
  }
}

/** Gives local a trie of its own. False: out of memory, all is as before. */
function fib_trie_unmerge(local: fib_table, main: fib_table): bool {
  walk(FN_fib_trie_unmerge, 0)
  if (changetype<usize>(main) == 0 || local.trie != main.trie) return true
  const t = trie_new()
  if (changetype<usize>(t) == 0) return false
  if (!copy_aliases(local, t)) {
    drop_aliases(t, local.tb_id, false)
    trie_free(t)
    return false
  }
  local.trie = changetype<usize>(t)
  drop_aliases(changetype<key_vector>(main.trie), main.tb_id, true)
  return true
}

/** Takes local and main apart, before the first rule. 0 or -ENOMEM. */
export function fib_unmerge(net: net): i32 {
  walk(FN_fib_unmerge, 0)
  if (net.fib_local == 0) return 0
  return fib_trie_unmerge(changetype<fib_table>(net.fib_local), changetype<fib_table>(net.fib_main)) ? 0 : -ENOMEM
}
