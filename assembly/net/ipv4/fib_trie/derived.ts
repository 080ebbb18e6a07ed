// A large table's look-up by the address alone: 16 bits, then 8, then 8. It is derived from the LC-trie, which remains the truth:
// every change of the trie is entered here too, and what this cannot say (TOS, several next hops, one that is out of use) the
// trie is asked for. No kernel file: Linux has the trie alone.

import { boot } from '../../../lib/boot.ts'
import { fib_alias, fib_info } from '../../../include/ip_fib.ts'
import { kfree, kmalloc, kzalloc } from '../../../lib/arena.ts'
import {
  KEYLENGTH,
  fib_find_node,
  key_vector,
  leaf_after,
  leaf_walk_rcu,
  trie_count,
  trie_derived,
  trie_set_derived,
} from './node.ts'

/** Routes from which a trie has such a table, and below which it has none any more. */
export const DERIVE_AT: u32 = 64
const DERIVE_UNTIL: u32 = 32

/**
 * An entry: which route an address has, or the chunk of 256 that says so for its next 8 bits.
 *
 *  31      30      24 23               0      31      25             0
 *  | 0     | length  | id of a fib_info |     | 1     | chunk >> 5   |
 */
const CHUNK: u32 = 0x80000000
const ID_BITS: u32 = 24
const ID_MASK: u32 = (1 << ID_BITS) - 1
/** The trie is to be asked. */
export const DERIVED_ASK: u32 = ID_MASK

const ROOT_SIZE: usize = (<usize>65536) << 2
const CHUNK_ENTRIES: u32 = 256
const CHUNK_SIZE: usize = (<usize>CHUNK_ENTRIES) << 2
/** Chunks come in slabs, so that they lie together: each page of memory that a look-up touches costs a walk of its own. */
const SLAB_CHUNKS: u32 = 64
const SLAB_SIZE: usize = <usize>SLAB_CHUNKS * CHUNK_SIZE

/** The table: its head, and chunks. The default route stands here: it would be in every entry. */
@unmanaged
@final
class derived_table {
  root: usize
  default_route: u32
  chunks: u32
  /** Slabs, linked in their first chunk, which holds nothing else; chunks of the newest that are free, and where they begin. */
  slabs: usize
  left: u32
  next: usize
}

function chunk_at(entry: u32): usize {
  return <usize>((entry & ~CHUNK) << 5)
}

function length_of(entry: u32): u32 {
  return entry >> ID_BITS
}

function slot(table: usize, i: u32): usize {
  return table + ((<usize>i) << 2)
}

/** A quarter of the arena at most: packets need memory too. */
function may_grow(d: derived_table): bool {
  const most = (<u32>((boot.arena_end - boot.arena_base) / CHUNK_SIZE)) >> 2
  return d.chunks + SLAB_CHUNKS + <u32>(ROOT_SIZE / CHUNK_SIZE) < most
}

/** Sets count entries from i on, and what hangs on them, unless a longer prefix has them. */
function fill(table: usize, i: u32, count: u32, length: u32, entry: u32): void {
  for (const end = i + count; i < end; i++) {
    const p = slot(table, i)
    const old = load<u32>(p)
    if (old & CHUNK) fill(chunk_at(old), 0, CHUNK_ENTRIES, length, entry)
    else if (length_of(old) <= length) store<u32>(p, entry)
  }
}

/** A chunk. 0: no memory for it. */
function chunk_new(d: derived_table): usize {
  if (d.left == 0) {
    const slab = may_grow(d) ? kmalloc(SLAB_SIZE) : 0
    if (slab == 0) return 0
    store<usize>(slab, d.slabs)
    d.slabs = slab
    d.left = SLAB_CHUNKS - 1
    d.next = slab + CHUNK_SIZE
  }
  const chunk = d.next
  d.next += CHUNK_SIZE
  d.left -= 1
  d.chunks += 1
  return chunk
}

/** The chunk of an entry, made if there is none. 0: no memory for it. */
function descend(d: derived_table, p: usize): usize {
  const old = load<u32>(p)
  if (old & CHUNK) return chunk_at(old)
  const chunk = chunk_new(d)
  if (chunk == 0) return 0
  for (let i: u32 = 0; i < CHUNK_ENTRIES; i++) store<u32>(slot(chunk, i), old)
  store<u32>(p, CHUNK | ((<u32>chunk) >> 5))
  return chunk
}

/** Enters what addresses of a prefix have, unless a longer one has them. False: no memory. */
function enter(d: derived_table, key: u32, length: u32, entry: u32): bool {
  if (length == 0) {
    d.default_route = entry
    return true
  }
  if (length <= 16) {
    fill(d.root, key >> 16, (<u32>1) << (16 - length), length, entry)
    return true
  }
  const second = descend(d, slot(d.root, key >> 16))
  if (second == 0) return false
  if (length <= 24) {
    fill(second, (key >> 8) & 255, (<u32>1) << (24 - length), length, entry)
    return true
  }
  const third = descend(d, slot(second, (key >> 8) & 255))
  if (third == 0) return false
  fill(third, key & 255, (<u32>1) << (32 - length), length, entry)
  return true
}

/** The entry of the first alias of a prefix in its leaf, 0: the leaf has none of this length. */
function entry_of(l: key_vector, slen: u32): u32 {
  if (changetype<usize>(l) == 0) return 0
  for (let p = l.tnode; p; p = changetype<fib_alias>(p).next) {
    const fa = changetype<fib_alias>(p)
    if (<u32>fa.fa_slen != slen) continue
    const fi = changetype<fib_info>(fa.fa_info)
    const plain = fa.fa_tos == 0 && fi.fib_nhs == 1 && fi.fib_id < DERIVED_ASK && fi.fib_type == fa.fa_type
    return ((KEYLENGTH - slen) << ID_BITS) | (plain ? fi.fib_id : DERIVED_ASK)
  }
  return 0
}

/** The entry of the longest prefix shorter than this one that covers it, 0: there is none but the default route. */
function covering(t: key_vector, key: u32, length: u32): u32 {
  while (--length) {
    const slen = KEYLENGTH - length
    const entry = entry_of(fib_find_node(t, (key >> slen) << slen), slen)
    if (entry) return entry
  }
  return 0
}

/** Gives a trie's table up. */
export function fib_derived_free(t: key_vector): void {
  const p = trie_derived(t)
  if (p == 0) return
  trie_set_derived(t, 0)
  const d = changetype<derived_table>(p)
  while (d.slabs) {
    const slab = d.slabs
    d.slabs = load<usize>(slab)
    kfree(slab, SLAB_SIZE)
  }
  kfree(d.root, ROOT_SIZE)
  kfree(p, offsetof<derived_table>())
}

/** Enters all prefixes of a leaf. False: no memory. */
function enter_leaf(d: derived_table, l: key_vector): bool {
  let last: u32 = KEYLENGTH + 1
  for (let p = l.tnode; p; p = changetype<fib_alias>(p).next) {
    const slen = <u32>changetype<fib_alias>(p).fa_slen
    if (slen == last) continue
    last = slen
    if (!enter(d, l.key, KEYLENGTH - slen, entry_of(l, slen))) return false
  }
  return true
}

/** Makes the table of a trie. Without memory there is none, and the trie does without. */
function build(t: key_vector): void {
  const p = kzalloc(offsetof<derived_table>())
  if (p == 0) return
  const d = changetype<derived_table>(p)
  trie_set_derived(t, p)
  d.root = may_grow(d) ? kzalloc(ROOT_SIZE) : 0
  if (d.root == 0) {
    trie_set_derived(t, 0)
    kfree(p, offsetof<derived_table>())
    return
  }
  for (let l = leaf_walk_rcu(t, 0); changetype<usize>(l); l = leaf_after(t, l.key)) {
    if (enter_leaf(d, l)) continue
    fib_derived_free(t)
    return
  }
}

/** The aliases of a prefix changed: its entries follow. */
export function fib_derived_update(t: key_vector, key: u32, slen: u32): void {
  const p = trie_derived(t)
  if (p == 0) {
    // Now and then, so that a trie for which there was no memory does not try with each route.
    if (trie_count(t) >= DERIVE_AT && (trie_count(t) & (DERIVE_AT - 1)) == 0) build(t)
    return
  }
  if (trie_count(t) < DERIVE_UNTIL) {
    fib_derived_free(t)
    return
  }
  const length = KEYLENGTH - slen
  const d = changetype<derived_table>(p)
  const entry = entry_of(fib_find_node(t, key), slen)
  const now = entry || length == 0 ? entry : covering(t, key, length)
  if (!enter(d, key, length, now)) fib_derived_free(t)
}

/** The entry of an address: the id of a fib_info with the prefix's length above; 0: no route. */
export function fib_derived_find(p: usize, key: u32): u32 {
  const d = changetype<derived_table>(p)
  let entry = load<u32>(slot(d.root, key >> 16))
  if (entry & CHUNK) {
    entry = load<u32>(slot(chunk_at(entry), (key >> 8) & 255))
    if (entry & CHUNK) entry = load<u32>(slot(chunk_at(entry), key & 255))
  }
  return entry ? entry : d.default_route
}

/**
 * The same in two steps, for many addresses at once: first where each one's entry is, in the root or in a chunk of the second
 * level, then what stands there. So the second steps of all wait for memory together.
 */
export function fib_derived_place(p: usize, key: u32): usize {
  const place = slot(changetype<derived_table>(p).root, key >> 16)
  const entry = load<u32>(place)
  return entry & CHUNK ? slot(chunk_at(entry), (key >> 8) & 255) : place
}

/** What stands at such a place; where derived_goes_on, fib_derived_find knows more. */
export function fib_derived_at(p: usize, place: usize): u32 {
  const entry = load<u32>(place)
  return entry ? entry : changetype<derived_table>(p).default_route
}

export function derived_goes_on(entry: u32): bool {
  return (entry & CHUNK) != 0
}

export function derived_id(entry: u32): u32 {
  return entry & ID_MASK
}

export function derived_length(entry: u32): u32 {
  return length_of(entry)
}
