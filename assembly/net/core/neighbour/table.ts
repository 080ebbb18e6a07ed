// The table of neighbours: hash by device and address, references, timers, and the list that garbage collection walks.
// Mirrors the table part of net/core/neighbour.c. One hash serves all devices and namespaces of the instance.

import { CACHE_NEIGH, boot } from '../../../lib/boot.ts'
import {
  NEIGH_TABLE_PROXY_QUEUE,
  NEIGH_TABLE_SIZE,
  neigh_table,
  neigh_table_gc_timer,
  neigh_table_proxy_timer,
  neigh_timer,
  neighbour,
} from '../../../include/neighbour.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff, sk_buff_head } from '../../../include/skbuff.ts'
import { mod_timer, time_after, timer_delete, timer_pending, timer_setup } from '../../../kernel/timer.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { get_random_u32 } from '../../../lib/random.ts'
import { kmem_cache_create, kmem_cache_free } from '../../../lib/slab.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_QUEUE_PURGE } from '../../../uapi/dropreason.ts'
import {
  FN_neigh_add_timer,
  FN_neigh_del_timer,
  FN_neigh_destroy,
  FN_neigh_lookup,
  FN_neigh_mark_dead,
} from '../../../uapi/functions.ts'
import { IFF_LOOPBACK, IFF_POINTOPOINT } from '../../../uapi/if.ts'
import { NTF_EXT_LEARNED, NUD_IN_TIMER, NUD_PERMANENT } from '../../../uapi/neighbour.ts'
import { NO_SKB, kfree_skb_reason } from '../skbuff.ts'
import { neigh_parms_put } from './parms.ts'

export const NO_NEIGH: neighbour = changetype<neighbour>(0)
/** Buckets at boot: 2 to this power. */
const HASH_SHIFT: u32 = 4

export function arp_tbl(): neigh_table {
  return changetype<neigh_table>(boot.neigh_table)
}

/** Makes the empty table; gc and proxy are the table indices of the two timers' functions. False: out of memory. */
export function make_table(gc: u32, proxy: u32): bool {
  kmem_cache_create(CACHE_NEIGH, <u32>offsetof<neighbour>())
  const t = changetype<neigh_table>(kzalloc(NEIGH_TABLE_SIZE))
  if (changetype<usize>(t) == 0) return false
  t.hash_buckets = kzalloc((<usize>4) << HASH_SHIFT)
  if (t.hash_buckets == 0) return false
  t.hash_shift = HASH_SHIFT
  t.hash_rnd = get_random_u32() | 1
  t.last_flush = boot.jiffies
  timer_setup(neigh_table_gc_timer(t), gc)
  timer_setup(neigh_table_proxy_timer(t), proxy)
  boot.neigh_table = changetype<usize>(t)
  return true
}

/** The queue of requests whose proxy reply is delayed. */
export function proxy_queue(t: neigh_table): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(t) + NEIGH_TABLE_PROXY_QUEUE)
}

/** Address of the bucket's first pointer. */
function bucket(t: neigh_table, dev: usize, key: u32): usize {
  const hash = ((key ^ (<u32>dev)) * t.hash_rnd) >> (32 - t.hash_shift)
  return t.hash_buckets + ((<usize>hash) << 2)
}

/** Address of bucket number i, for those who go through all. */
export function bucket_at(t: neigh_table, i: u32): usize {
  return t.hash_buckets + ((<usize>i) << 2)
}

/** The entry with exactly this key, not counted; NO_NEIGH: none. */
export function ___neigh_lookup_noref(dev: usize, key: u32): neighbour {
  const t = arp_tbl()
  let p = load<usize>(bucket(t, dev, key))
  while (p) {
    const n = changetype<neighbour>(p)
    if (n.primary_key == key && n.dev == dev) return n
    p = n.next
  }
  return NO_NEIGH
}

/**
 * The entry of a next hop, not counted; NO_NEIGH: none. Loopback and point-to-point devices have one entry for all
 * addresses, whose key is 0.
 */
export function __ipv4_neigh_lookup_noref(dev: usize, key: u32): neighbour {
  return ___neigh_lookup_noref(dev, changetype<net_device>(dev).flags & (IFF_LOOPBACK | IFF_POINTOPOINT) ? 0 : key)
}

/** The entry of an address, counted: the caller gives it back by neigh_release. NO_NEIGH: none. */
export function neigh_lookup(dev: net_device, key: u32): neighbour {
  walk(FN_neigh_lookup, 0)
  const t = arp_tbl()
  t.lookups += 1
  const n = ___neigh_lookup_noref(changetype<usize>(dev), key)
  if (changetype<usize>(n)) {
    t.hits += 1
    neigh_hold(n)
  }
  return n
}

export function neigh_hold(n: neighbour): void {
  n.refcnt += 1
}

/** Gives up a reference; the last one frees an entry that is out of the table. */
export function neigh_release(n: neighbour): void {
  if (--n.refcnt == 0) neigh_destroy(n)
}

function neigh_destroy(n: neighbour): void {
  walk(FN_neigh_destroy, 0)
  const t = arp_tbl()
  t.destroys += 1
  t.entries -= 1
  wait_purge(n, FN_neigh_destroy)
  neigh_parms_put(n.parms)
  kmem_cache_free(CACHE_NEIGH, changetype<usize>(n))
}

/** Sets the timer of an entry, which holds the entry; a confirmation counts as use then. Without memory it is not set. */
export function neigh_add_timer(n: neighbour, when: u32): void {
  walk(FN_neigh_add_timer, 0)
  if (time_after(n.confirmed, n.used)) n.used = n.confirmed
  const timer = neigh_timer(n)
  const was = mod_timer(timer, when)
  if (!was && timer_pending(timer)) neigh_hold(n)
}

/** Stops the timer of an entry that the caller holds. */
export function neigh_del_timer(n: neighbour): void {
  walk(FN_neigh_del_timer, 0)
  if (n.nud_state & NUD_IN_TIMER && timer_delete(neigh_timer(n))) neigh_release(n)
}

/** Appends to the packets that wait. */
export function wait_append(n: neighbour, skb: sk_buff): void {
  skb.next = 0
  if (n.arp_queue_tail) changetype<sk_buff>(n.arp_queue_tail).next = changetype<usize>(skb)
  else n.arp_queue_head = changetype<usize>(skb)
  n.arp_queue_tail = changetype<usize>(skb)
  n.arp_queue_len_bytes += skb.truesize
}

/** Takes the oldest packet that waits, NO_SKB: none. */
export function wait_take(n: neighbour): sk_buff {
  const p = n.arp_queue_head
  if (p == 0) return NO_SKB
  const skb = changetype<sk_buff>(p)
  n.arp_queue_head = skb.next
  if (skb.next == 0) n.arp_queue_tail = 0
  n.arp_queue_len_bytes -= skb.truesize
  skb.next = 0
  return skb
}

/** Drops all that waits. */
export function wait_purge(n: neighbour, fn: u32): void {
  for (;;) {
    const skb = wait_take(n)
    if (changetype<usize>(skb) == 0) return
    kfree_skb_reason(skb, SKB_DROP_REASON_QUEUE_PURGE, fn)
  }
}

/** Twice the buckets; without memory it stays as it is. */
function grow(t: neigh_table): void {
  const buckets = kzalloc((<usize>8) << t.hash_shift)
  if (buckets == 0) return
  const old = t.hash_buckets
  const count: u32 = 1 << t.hash_shift
  t.hash_buckets = buckets
  t.hash_shift += 1
  t.hash_grows += 1
  for (let i: u32 = 0; i < count; i++) {
    let p = load<usize>(old + ((<usize>i) << 2))
    while (p) {
      const n = changetype<neighbour>(p)
      p = n.next
      link(t, n)
    }
  }
  kfree(old, (<usize>count) << 2)
}

function link(t: neigh_table, n: neighbour): void {
  const at = bucket(t, n.dev, n.primary_key)
  n.next = load<usize>(at)
  store<usize>(at, changetype<usize>(n))
}

/** Enters an entry into the hash, which counts as its first reference. */
export function hash_insert(n: neighbour): void {
  const t = arp_tbl()
  if (t.entries > (<u32>1) << t.hash_shift) grow(t)
  link(t, n)
}

/** Takes an entry out of the hash; its reference goes over to the caller. */
export function hash_remove(n: neighbour): void {
  let at = bucket(arp_tbl(), n.dev, n.primary_key)
  while (load<usize>(at)) {
    if (load<usize>(at) == changetype<usize>(n)) {
      store<usize>(at, n.next)
      n.next = 0
      return
    }
    at = load<usize>(at) + offsetof<neighbour>('next')
  }
}

/** Garbage collection may take the entry: the youngest of its list. */
export function gc_list_add(n: neighbour): void {
  if (n.gc_listed) return
  const t = arp_tbl()
  n.gc_listed = 1
  n.gc_next = 0
  n.gc_prev = t.gc_tail
  if (t.gc_tail) changetype<neighbour>(t.gc_tail).gc_next = changetype<usize>(n)
  else t.gc_head = changetype<usize>(n)
  t.gc_tail = changetype<usize>(n)
  t.gc_entries += 1
}

export function gc_list_del(n: neighbour): void {
  if (n.gc_listed == 0) return
  const t = arp_tbl()
  n.gc_listed = 0
  if (n.gc_prev) changetype<neighbour>(n.gc_prev).gc_next = n.gc_next
  else t.gc_head = n.gc_next
  if (n.gc_next) changetype<neighbour>(n.gc_next).gc_prev = n.gc_prev
  else t.gc_tail = n.gc_prev
  t.gc_entries -= 1
}

/** Permanent entries and those that user space learnt are not collected (neigh_update_gc_list). */
export function neigh_update_gc_list(n: neighbour): void {
  if (n.dead) return
  if (n.nud_state & NUD_PERMANENT || n.flags & NTF_EXT_LEARNED) gc_list_del(n)
  else gc_list_add(n)
}

/** Nobody finds it any more, and nothing may change it. */
export function neigh_mark_dead(n: neighbour): void {
  walk(FN_neigh_mark_dead, 0)
  n.dead = 1
  gc_list_del(n)
}

/** Takes an entry out of the table if nobody else holds it. False: somebody does. */
export function neigh_remove_one(n: neighbour): bool {
  if (n.refcnt != 1) return false
  hash_remove(n)
  neigh_mark_dead(n)
  neigh_release(n)
  return true
}

/** Gives up the caller's reference and takes the entry out of the table if nobody else holds it. */
export function let_go_and_remove(n: neighbour): void {
  const dead = n.dead
  neigh_release(n)
  if (!dead) neigh_remove_one(n)
}
