// Nodes of the LC-trie that holds a routing table: internal nodes (tnodes) and leaves, both struct key_vector.
// Mirrors net/ipv4/fib_trie.c. A tnode looks at `bits` bits of the key from bit `pos` on; bits between a tnode and its
// child are skipped (path compression); resize.ts fits `bits` to how full a node is (level compression).
// Read first: Nilsson and Karlsson, "IP-address lookup using LC-tries" (1999); RFC 1812 5.2.4.3 (longest match).

import { fib_alias } from '../../../include/ip_fib.ts'
import { kfree, kmalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_put_child, FN_tnode_new, FN_update_suffix } from '../../../uapi/functions.ts'

/** Bits of a key; as pos it marks the root above all nodes, which has one child. */
export const KEYLENGTH: u32 = 32

/**
 * A node; children or the first alias lie behind it:
 *
 *  0        4       8      12    16    17     18     20
 *  | parent | empty | full | key | pos | bits | slen | children[1 << bits], or of a leaf: first fib_alias
 */
@unmanaged
@final
export class key_vector {
  parent: usize
  /** Children that are 0, and those that are tnodes without skipped bits before them. */
  empty_children: u32
  full_children: u32
  /** The bits that all below have in common, in host order. */
  key: u32
  pos: u8
  /** 0: a leaf. */
  bits: u8
  /** Longest suffix (32 - prefix length) below, at least pos. */
  slen: u8
  pad: u8
  tnode: usize
}

export const TNODE: usize = offsetof<key_vector>('tnode')
const LEAF_SIZE: usize = offsetof<key_vector>()
export const NO_NODE: key_vector = changetype<key_vector>(0)

export function IS_TRIE(n: key_vector): bool {
  return n.pos >= <u8>KEYLENGTH
}

export function IS_LEAF(n: key_vector): bool {
  return n.bits == 0
}

export function get_child(n: key_vector, i: u32): key_vector {
  return changetype<key_vector>(load<usize>(changetype<usize>(n) + ((<usize>i) << 2), TNODE))
}

function set_child(n: key_vector, i: u32, child: key_vector): void {
  store<usize>(changetype<usize>(n) + ((<usize>i) << 2), changetype<usize>(child), TNODE)
}

/** Which child of n the key belongs to; beyond child_length: the key differs in bits that n skips. */
export function get_index(key: u32, n: key_vector): u32 {
  return IS_TRIE(n) ? 0 : (key ^ n.key) >> n.pos
}

export function child_length(n: key_vector): u32 {
  return (<u32>1) << n.bits
}

export function node_parent(n: key_vector): key_vector {
  return changetype<key_vector>(n.parent)
}

/** n is a tnode that begins where its parent tn ends. */
export function tnode_full(tn: key_vector, n: key_vector): bool {
  return changetype<usize>(n) != 0 && n.bits != 0 && <u32>n.pos + <u32>n.bits == <u32>tn.pos
}

function tnode_size(bits: u32): usize {
  return TNODE + ((<usize>4) << bits)
}

/** An empty tnode; NO_NODE: out of memory. */
export function tnode_new(key: u32, pos: u32, bits: u32): key_vector {
  walk(FN_tnode_new, 0)
  const p = kmalloc(tnode_size(bits))
  if (p == 0) return NO_NODE
  memory.fill(p, 0, tnode_size(bits))
  const tn = changetype<key_vector>(p)
  const shift = pos + bits
  tn.key = shift < KEYLENGTH ? (key >> shift) << shift : 0
  tn.pos = <u8>pos
  tn.bits = <u8>bits
  tn.slen = <u8>pos
  tn.empty_children = (<u32>1) << bits
  return tn
}

/** A leaf with one alias; NO_NODE: out of memory. */
export function leaf_new(key: u32, fa: fib_alias): key_vector {
  const p = kmalloc(LEAF_SIZE)
  if (p == 0) return NO_NODE
  memory.fill(p, 0, LEAF_SIZE)
  const l = changetype<key_vector>(p)
  l.key = key
  l.slen = fa.fa_slen
  fa.next = 0
  l.tnode = changetype<usize>(fa)
  return l
}

/** Behind the root's one child: the table derived from the trie (derived.ts), 0: none; and how many aliases there are. */
const TRIE_DERIVED: usize = LEAF_SIZE
const TRIE_COUNT: usize = TRIE_DERIVED + 4
const TRIE_SIZE: usize = TRIE_COUNT + 4

export function trie_derived(t: key_vector): usize {
  return load<usize>(changetype<usize>(t), TRIE_DERIVED)
}

export function trie_set_derived(t: key_vector, p: usize): void {
  store<usize>(changetype<usize>(t), p, TRIE_DERIVED)
}

export function trie_count(t: key_vector): u32 {
  return load<u32>(changetype<usize>(t), TRIE_COUNT)
}

export function trie_add_count(t: key_vector, n: i32): void {
  store<u32>(changetype<usize>(t), trie_count(t) + <u32>n, TRIE_COUNT)
}

/** The root of the trie that a node is of. */
export function trie_of(n: key_vector): key_vector {
  while (!IS_TRIE(n)) n = node_parent(n)
  return n
}

/** Frees the root of a trie without routes. */
export function trie_free(t: key_vector): void {
  kfree(changetype<usize>(t), TRIE_SIZE)
}

/** A trie without routes; NO_NODE: out of memory. */
export function trie_new(): key_vector {
  const p = kmalloc(TRIE_SIZE)
  if (p == 0) return NO_NODE
  memory.fill(p, 0, TRIE_SIZE)
  const t = changetype<key_vector>(p)
  t.pos = <u8>KEYLENGTH
  t.slen = <u8>KEYLENGTH
  return t
}

export function node_free(n: key_vector): void {
  kfree(changetype<usize>(n), IS_LEAF(n) ? LEAF_SIZE : tnode_size(n.bits))
}

/** Makes n (or NO_NODE) child i of tn; the parent of n is the caller's. */
export function put_child(tn: key_vector, i: u32, n: key_vector): void {
  walk(FN_put_child, 0)
  const old = get_child(tn, i)
  if (changetype<usize>(n) == 0) {
    if (changetype<usize>(old)) tn.empty_children += 1
  } else if (changetype<usize>(old) == 0) {
    tn.empty_children -= 1
  }
  const was_full = tnode_full(tn, old)
  const full = tnode_full(tn, n)
  if (was_full && !full) tn.full_children -= 1
  else if (!was_full && full) tn.full_children += 1
  if (changetype<usize>(n) && tn.slen < n.slen) tn.slen = n.slen
  set_child(tn, i, n)
}

/** Makes n the child of tp that the key selects. */
export function put_child_root(tp: key_vector, key: u32, n: key_vector): void {
  if (IS_TRIE(tp)) set_child(tp, 0, n)
  else put_child(tp, get_index(key, tp), n)
}

/**
 * Sets the longest suffix of tn from its children. A suffix longer than pos can only lie at an index that is a multiple
 * of its size, so the search takes strides.
 */
function update_suffix(tn: key_vector): u32 {
  walk(FN_update_suffix, 0)
  let slen: u32 = tn.pos
  const most = min<u32>(<u32>tn.pos + <u32>tn.bits - 1, tn.slen)
  const length = child_length(tn)
  let stride: u32 = 2
  let i: u32 = 0
  while (i < length) {
    const n = get_child(tn, i)
    if (changetype<usize>(n) && <u32>n.slen > slen) {
      stride <<= <u32>n.slen - slen
      slen = n.slen
      i &= ~(stride - 1)
      if (slen >= most) break
    }
    i += stride
  }
  tn.slen = <u8>slen
  return slen
}

/** A route with a suffix of slen bits came below tn. The root has the longest suffix there is. */
export function node_push_suffix(tn: key_vector, slen: u8): void {
  while (tn.slen < slen) {
    tn.slen = slen
    tn = node_parent(tn)
  }
}

/** A route with a long suffix went below tn; slen: what its leaf has now. */
export function node_pull_suffix(tn: key_vector, slen: u32): void {
  let was: u32 = tn.slen
  while (was > <u32>tn.pos && was > slen) {
    slen = update_suffix(tn)
    if (was == slen) break
    tn = node_parent(tn)
    was = tn.slen
  }
}

/** The leaf of a key, NO_NODE: there is none. */
export function fib_find_node(t: key_vector, key: u32): key_vector {
  let n = get_child(t, 0)
  while (changetype<usize>(n)) {
    const i = (key ^ n.key) >> n.pos
    if (i >> n.bits) return NO_NODE
    if (IS_LEAF(n)) return n
    n = get_child(n, i)
  }
  return NO_NODE
}

/** The node below which a leaf of this key belongs. */
export function fib_find_parent(t: key_vector, key: u32): key_vector {
  let pn = t
  let n = get_child(t, 0)
  while (changetype<usize>(n) && !IS_LEAF(n)) {
    const i = (key ^ n.key) >> n.pos
    if (i >> n.bits) break
    pn = n
    n = get_child(n, i)
  }
  return pn
}

/** The first leaf whose key is not below this one, NO_NODE: there is none. */
export function leaf_walk_rcu(t: key_vector, key: u32): key_vector {
  let pn = t
  let n = t
  let i: u32 = 0
  do {
    pn = n
    i = key > pn.key ? get_index(key, pn) : 0
    if (i >> pn.bits) break
    n = get_child(pn, i++)
    if (changetype<usize>(n) == 0) break
    if (IS_LEAF(n) && n.key >= key) return n
  } while (!IS_LEAF(n))
  while (!IS_TRIE(pn)) {
    if (i >= child_length(pn)) {
      const below = pn.key
      pn = node_parent(pn)
      i = get_index(below, pn) + 1
      continue
    }
    n = get_child(pn, i++)
    if (changetype<usize>(n) == 0) continue
    if (IS_LEAF(n)) return n
    pn = n
    i = 0
  }
  return NO_NODE
}

/** The first leaf whose key is above this one, NO_NODE: there is none. */
export function leaf_after(t: key_vector, key: u32): key_vector {
  return key == u32.MAX_VALUE ? NO_NODE : leaf_walk_rcu(t, key + 1)
}
