// Level compression: a tnode doubles (inflate) while at least half of its new children would be used, is halved when
// fewer than a quarter are, and collapses when one is left; the node below the root keeps more room.
// Mirrors resize, inflate, halve and collapse of net/ipv4/fib_trie.c, thresholds included.

import { walk } from '../../../trace/trace.ts'
import { FN_resize } from '../../../uapi/functions.ts'
import {
  IS_TRIE,
  NO_NODE,
  child_length,
  get_child,
  get_index,
  key_vector,
  node_free,
  node_parent,
  put_child,
  put_child_root,
  tnode_full,
  tnode_new,
} from './node.ts'

/** Percentages of children in use. */
const HALVE_THRESHOLD: u64 = 25
const INFLATE_THRESHOLD: u64 = 50
const HALVE_THRESHOLD_ROOT: u64 = 15
const INFLATE_THRESHOLD_ROOT: u64 = 30
/** Steps of one kind in a row. */
const MAX_WORK: u32 = 10

/** Children of a new node that were made with it know it as their parent; the others get to know it. */
function update_children(tn: key_vector): void {
  for (let i = child_length(tn); i;) {
    const n = get_child(tn, --i)
    if (changetype<usize>(n) == 0) continue
    if (n.parent == changetype<usize>(tn)) update_children(n)
    else n.parent = changetype<usize>(tn)
  }
}

/** Out of memory: the new node and what was made for it goes; the old one is as it was. */
function abandon(tn: key_vector): key_vector {
  for (let i = child_length(tn); i;) {
    const n = get_child(tn, --i)
    if (changetype<usize>(n) && n.parent == changetype<usize>(tn)) node_free(n)
  }
  node_free(tn)
  return NO_NODE
}

/** tn takes the place of old; children that now have no skipped bits before them are resized. Answers the parent. */
function replace(old: key_vector, tn: key_vector): key_vector {
  const tp = node_parent(old)
  put_child_root(tp, tn.key, tn)
  update_children(tn)
  node_free(old)
  for (let i = child_length(tn); i;) {
    const n = get_child(tn, --i)
    if (tnode_full(tn, n)) tn = resize(n)
  }
  return tp
}

/** Splits a full child in two for places 2i and 2i + 1 of tn. False: out of memory. */
function split(tn: key_vector, i: u32, n: key_vector): bool {
  const upper = tnode_new(n.key | ((<u32>1) << tn.pos), n.pos, <u32>n.bits - 1)
  if (changetype<usize>(upper) == 0) return false
  const lower = tnode_new(n.key, n.pos, <u32>n.bits - 1)
  if (changetype<usize>(lower) == 0) {
    node_free(upper)
    return false
  }
  const half = child_length(lower)
  for (let k: u32 = 0; k < half; k++) {
    put_child(lower, k, get_child(n, k))
    put_child(upper, k, get_child(n, k + half))
  }
  upper.parent = changetype<usize>(tn)
  lower.parent = changetype<usize>(tn)
  put_child(tn, 2 * i + 1, upper)
  put_child(tn, 2 * i, lower)
  return true
}

/** A node of twice the children in place of old; answers the parent, NO_NODE: out of memory. */
function inflate(old: key_vector): key_vector {
  const tn = tnode_new(old.key, <u32>old.pos - 1, <u32>old.bits + 1)
  if (changetype<usize>(tn) == 0) return NO_NODE
  tn.parent = old.parent
  const length = child_length(old)
  for (let i = length; i;) {
    const n = get_child(old, --i)
    if (changetype<usize>(n) == 0) continue
    if (!tnode_full(old, n)) {
      put_child(tn, get_index(n.key, tn), n)
    } else if (n.bits == 1) {
      put_child(tn, 2 * i + 1, get_child(n, 1))
      put_child(tn, 2 * i, get_child(n, 0))
    } else if (!split(tn, i, n)) {
      return abandon(tn)
    }
  }
  for (let i: u32 = 0; i < length; i++) {
    const n = get_child(old, i)
    if (tnode_full(old, n)) node_free(n)
  }
  return replace(old, tn)
}

/** A node of half the children in place of old; answers the parent, NO_NODE: out of memory. */
function halve(old: key_vector): key_vector {
  const tn = tnode_new(old.key, <u32>old.pos + 1, <u32>old.bits - 1)
  if (changetype<usize>(tn) == 0) return NO_NODE
  tn.parent = old.parent
  for (let i = child_length(old); i;) {
    const upper = get_child(old, --i)
    const lower = get_child(old, --i)
    if (changetype<usize>(upper) == 0 || changetype<usize>(lower) == 0) {
      put_child(tn, i >> 1, changetype<usize>(upper) ? upper : lower)
      continue
    }
    const pair = tnode_new(lower.key, old.pos, 1)
    if (changetype<usize>(pair) == 0) return abandon(tn)
    pair.parent = changetype<usize>(tn)
    put_child(pair, 1, upper)
    put_child(pair, 0, lower)
    put_child(tn, i >> 1, pair)
  }
  return replace(old, tn)
}

/** The only child, if any, takes the node's place; answers the parent. */
function collapse(old: key_vector): key_vector {
  let n = NO_NODE
  for (let i = child_length(old); i && changetype<usize>(n) == 0;) n = get_child(old, --i)
  const tp = node_parent(old)
  put_child_root(tp, old.key, n)
  if (changetype<usize>(n)) n.parent = changetype<usize>(tp)
  node_free(old)
  return tp
}

function should_inflate(tp: key_vector, tn: key_vector): bool {
  const length: u64 = child_length(tn)
  const threshold = length * (IS_TRIE(tp) ? INFLATE_THRESHOLD_ROOT : INFLATE_THRESHOLD)
  const used = length - <u64>tn.empty_children + <u64>tn.full_children
  return used > 1 && tn.pos != 0 && 50 * used >= threshold
}

function should_halve(tp: key_vector, tn: key_vector): bool {
  const length: u64 = child_length(tn)
  const threshold = length * (IS_TRIE(tp) ? HALVE_THRESHOLD_ROOT : HALVE_THRESHOLD)
  const used = length - <u64>tn.empty_children
  return used > 1 && tn.bits > 1 && 100 * used < threshold
}

/** Fits a tnode to its children; answers its parent, from where rebalancing goes on. */
function resize(tn: key_vector): key_vector {
  walk(FN_resize, 0)
  const tp = node_parent(tn)
  const i = get_index(tn.key, tp)
  let work = MAX_WORK
  while (work && should_inflate(tp, tn)) {
    if (changetype<usize>(inflate(tn)) == 0) break
    work--
    tn = get_child(tp, i)
  }
  if (work != MAX_WORK) return node_parent(tn)
  while (work && should_halve(tp, tn)) {
    if (changetype<usize>(halve(tn)) == 0) break
    work--
    tn = get_child(tp, i)
  }
  if (child_length(tn) - tn.empty_children < 2) return collapse(tn)
  return node_parent(tn)
}

/** Resizes from tn up to the root. */
export function trie_rebalance(tn: key_vector): void {
  while (!IS_TRIE(tn)) tn = resize(tn)
}
