// Queues of fragments: key, hash, timer, memory, and the runs in which fragments lie. Mirrors net/ipv4/inet_fragment.c.
// What is IPv4's own is in ip_fragment.ts. Read first: RFC 815, RFC 5722 (overlaps).

import { net, sysctl } from '../../include/net_namespace.ts'
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, SKB_ENDED_ABSORBED, sk_buff } from '../../include/skbuff.ts'
import { SKB_CB, SKB_HEAD_TRUESIZE, SKB_SHINFO_TRUESIZE, MAX_SKB_FRAGS } from '../../include/skbuff.ts'
import { inet_peer } from '../../include/inetpeer.ts'
import { timer_list } from '../../include/timer.ts'
import { mod_timer, timer_delete, timer_setup } from '../../kernel/timer.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { boot } from '../../lib/boot.ts'
import { csum_add, csum_partial } from '../../lib/checksum.ts'
import { jhash_3words } from '../../lib/jhash.ts'
import { TRACE_KIND_JOINED, trace_packet, walk } from '../../trace/trace.ts'
import { SKB_CONSUMED, SKB_DROP_REASON_FRAG_REASM_TIMEOUT } from '../../uapi/dropreason.ts'
import {
  FN_inet_frag_destroy,
  FN_inet_frag_kill,
  FN_inet_frag_queue_insert,
  FN_inet_frag_rbtree_purge,
  FN_inet_frag_reasm_finish,
  FN_inet_frag_reasm_prepare,
  FN_ip4_key_hashfn,
  FN_ip4_obj_cmpfn,
  FN_ip4_obj_hashfn,
  FN_skb_try_coalesce,
} from '../../uapi/functions.ts'
import { SYSCTL_IPFRAG_HIGH_THRESH, SYSCTL_IPFRAG_TIME } from '../../uapi/sysctl.ts'
import {
  consume_skb,
  kfree_skb_reason,
  pskb_expand_head,
  skb_cloned,
  skb_network_header,
  skb_push,
  skb_put,
  skb_shinfo,
  skb_tailroom,
} from '../core/skbuff.ts'
import { skb_copy_bits, skb_linearize } from '../core/skbuff_data.ts'

/** flags */
export const INET_FRAG_FIRST_IN: u32 = 1
export const INET_FRAG_LAST_IN: u32 = 2
/** Nothing comes in any more. */
export const INET_FRAG_COMPLETE: u32 = 4
/** Its fragments are lost, not put together. */
export const INET_FRAG_DROP: u32 = 16

/** What inet_frag_queue_insert answers. */
export const IPFRAG_OK: u32 = 0
export const IPFRAG_DUP: u32 = 1
export const IPFRAG_OVERLAP: u32 = 2

/** One datagram that is not whole yet (struct inet_frag_queue and struct ipq). */
@unmanaged
@final
export class inet_frag_queue {
  /** Next in the chain of its hash. */
  next: usize
  net: usize
  /** Key: addresses in network order, user (IP_DEFRAG_*), index of the VRF, id and protocol. */
  saddr: u32
  daddr: u32
  user: u32
  vif: u32
  id: u32
  protocol: u32
  /** Runs of fragments that follow each other: a treap of their first fragments, by offset. */
  root: usize
  /** The fragment that ends last, and the first of its run. */
  fragments_tail: usize
  last_run_head: usize
  /** Arrival of the newest fragment. */
  stamp: u64
  /** Its timer_list lies here. */
  timer0: u64
  timer1: u64
  timer2: u64
  /** Where it ends, as far as known; bytes that are there. */
  len: u32
  meat: u32
  flags: u32
  /** Largest fragment, and largest with DF, headers included. */
  max_size: u32
  max_df_size: u32
  /** A bit for each ECN codepoint that came (net/ipv4/ip_fragment.ts). */
  ecn: u32
  iif: u32
  /** The source, 0: not watched; and its count when this queue last grew. */
  peer: usize
  rid: u32
}

const QUEUE_SIZE: usize = offsetof<inet_frag_queue>()
/** What a struct ipq counts in Linux on x86-64. */
const QUEUE_TRUESIZE: u32 = 200
const CHAINS: u32 = 1024
const CHAINS_BYTES: usize = (<usize>CHAINS) << 2

export const NO_QUEUE: inet_frag_queue = changetype<inet_frag_queue>(0)

/** cb of a queued fragment, behind inet_skb_parm. While queued, next and prev are the treap's left and right. */
@unmanaged
@final
class frag_cb {
  ip_defrag_offset: u32
  /** Bytes of the run that it begins. */
  frag_run_len: u32
  /** The one that follows it in its run. */
  next_frag: usize
}

const FRAG_CB: usize = SKB_CB + 32

function cb(skb: sk_buff): frag_cb {
  return changetype<frag_cb>(changetype<usize>(skb) + FRAG_CB)
}

export function frag_timer(q: inet_frag_queue): timer_list {
  return changetype<timer_list>(changetype<usize>(q) + offsetof<inet_frag_queue>('timer0'))
}

/** The queue that a timer belongs to. */
export function frag_timer_queue(timer: usize): inet_frag_queue {
  return changetype<inet_frag_queue>(timer - offsetof<inet_frag_queue>('timer0'))
}

function chain_of(owner: net, key: inet_frag_queue): usize {
  const tuple = key.id | (key.protocol << 16) | (key.user << 24)
  const hash = jhash_3words(key.saddr ^ key.vif, key.daddr, tuple, boot.hash_seed)
  return owner.frag_hash + ((<usize>(hash & (CHAINS - 1))) << 2)
}

function same_key(a: inet_frag_queue, b: inet_frag_queue): bool {
  if (a.id != b.id || a.saddr != b.saddr || a.daddr != b.daddr) return false
  return a.protocol == b.protocol && a.user == b.user && a.vif == b.vif
}

/** May the namespace hold more? New fragments are refused above ipfrag_high_thresh, those of known queues too. */
export function inet_frag_may_grow(owner: net): bool {
  const limit = sysctl(owner, SYSCTL_IPFRAG_HIGH_THRESH)
  return limit > 0 && owner.frag_mem <= <u32>limit
}

/** The queue with the key of another, for a fragment; NO_QUEUE: none. */
export function inet_frag_lookup(owner: net, key: inet_frag_queue, skb: sk_buff): inet_frag_queue {
  walk(FN_ip4_key_hashfn, changetype<usize>(skb))
  if (owner.frag_hash == 0) return NO_QUEUE
  let p = load<usize>(chain_of(owner, key))
  while (p && !same_key(changetype<inet_frag_queue>(p), key)) p = changetype<inet_frag_queue>(p).next
  if (p) walk(FN_ip4_obj_cmpfn, changetype<usize>(skb))
  return changetype<inet_frag_queue>(p)
}

/** A new queue with a key for a fragment, its timer running: expire is the table index of its function. NO_QUEUE: out of memory. */
export function inet_frag_create(
  owner: net,
  key: inet_frag_queue,
  skb: sk_buff,
  peer: inet_peer,
  expire: u32,
): inet_frag_queue {
  if (owner.frag_hash == 0) {
    owner.frag_hash = kzalloc(CHAINS_BYTES)
    if (owner.frag_hash == 0) return NO_QUEUE
  }
  const p = kzalloc(QUEUE_SIZE)
  if (p == 0) return NO_QUEUE
  const q = changetype<inet_frag_queue>(p)
  q.net = changetype<usize>(owner)
  q.saddr = key.saddr
  q.daddr = key.daddr
  q.user = key.user
  q.vif = key.vif
  q.id = key.id
  q.protocol = key.protocol
  q.peer = changetype<usize>(peer)
  if (q.peer) peer.refcnt += 1
  owner.frag_mem += QUEUE_TRUESIZE
  owner.frag_queues += 1
  timer_setup(frag_timer(q), expire)
  mod_timer(frag_timer(q), frag_expiry(owner))
  walk(FN_ip4_obj_hashfn, changetype<usize>(skb))
  const chain = chain_of(owner, key)
  q.next = load<usize>(chain)
  store<usize>(chain, p)
  return q
}

/** When a queue that begins now gives up, in jiffies. */
export function frag_expiry(owner: net): u32 {
  return boot.jiffies + <u32>sysctl(owner, SYSCTL_IPFRAG_TIME) * boot.hz
}

/** Nothing is found in it any more: out of the hash, its timer stopped. */
export function inet_frag_kill(q: inet_frag_queue): void {
  if (q.flags & INET_FRAG_COMPLETE) return
  walk(FN_inet_frag_kill, 0)
  walk(FN_ip4_obj_hashfn, 0)
  timer_delete(frag_timer(q))
  q.flags |= INET_FRAG_COMPLETE
  let link = chain_of(changetype<net>(q.net), q)
  while (load<usize>(link) != changetype<usize>(q)) link = load<usize>(link) + offsetof<inet_frag_queue>('next')
  store<usize>(link, q.next)
}

/** Ends all fragments of a run, from one on. */
function end_run(owner: net, first: usize, reason: u32): void {
  while (first) {
    const skb = changetype<sk_buff>(first)
    first = cb(skb).next_frag
    skb.next = 0
    skb.prev = 0
    owner.frag_mem -= skb.truesize
    if (reason == SKB_CONSUMED) consume_skb(skb, SKB_ENDED_ABSORBED)
    else kfree_skb_reason(skb, reason, FN_inet_frag_rbtree_purge)
  }
}

/** Takes out the run with the lowest offset; answers its first fragment, 0: there is none. */
function take_run(q: inet_frag_queue): usize {
  let link = changetype<usize>(q) + offsetof<inet_frag_queue>('root')
  let p = load<usize>(link)
  if (p == 0) return 0
  while (changetype<sk_buff>(p).next) {
    link = p + offsetof<sk_buff>('next')
    p = changetype<sk_buff>(p).next
  }
  store<usize>(link, changetype<sk_buff>(p).prev)
  changetype<sk_buff>(p).prev = 0
  return p
}

/** Ends all fragments of a queue: dropped for a reason, or consumed without (SKB_CONSUMED), as Linux does. */
export function inet_frag_rbtree_purge(q: inet_frag_queue, reason: u32): void {
  walk(FN_inet_frag_rbtree_purge, 0)
  for (let run = take_run(q); run; run = take_run(q)) end_run(changetype<net>(q.net), run, reason)
  q.fragments_tail = 0
  q.last_run_head = 0
}

/** Takes out the first fragment; the others of its run are ended for a reason. NO_SKB: the queue is empty. */
export function inet_frag_pull_head(q: inet_frag_queue, reason: u32): sk_buff {
  const p = take_run(q)
  if (p) {
    const head = changetype<sk_buff>(p)
    changetype<net>(q.net).frag_mem -= head.truesize
    end_run(changetype<net>(q.net), cb(head).next_frag, reason)
  }
  return changetype<sk_buff>(p)
}

/** Frees a killed queue and what is left in it. */
export function inet_frag_destroy(q: inet_frag_queue): void {
  walk(FN_inet_frag_destroy, 0)
  inet_frag_rbtree_purge(q, q.flags & INET_FRAG_DROP ? SKB_DROP_REASON_FRAG_REASM_TIMEOUT : SKB_CONSUMED)
  const owner = changetype<net>(q.net)
  owner.frag_mem -= QUEUE_TRUESIZE
  owner.frag_queues -= 1
  if (q.peer) changetype<inet_peer>(q.peer).refcnt -= 1
  kfree(changetype<usize>(q), QUEUE_SIZE)
}

/** The namespace goes: all its queues do. */
export function fqdir_exit(owner: net): void {
  if (owner.frag_hash == 0) return
  for (let i: usize = 0; i < CHAINS_BYTES; i += 4) {
    for (let p = load<usize>(owner.frag_hash + i); p; p = load<usize>(owner.frag_hash + i)) {
      inet_frag_kill(changetype<inet_frag_queue>(p))
      inet_frag_destroy(changetype<inet_frag_queue>(p))
    }
  }
  kfree(owner.frag_hash, CHAINS_BYTES)
  owner.frag_hash = 0
}

/** Order in the treap's heap: random enough, the same in every run of a seed. */
function weight(p: usize): u32 {
  return (changetype<sk_buff>(p).id ^ boot.hash_seed) * 0x9e3779b1
}

/** Enters a new run into the treap. */
function insert_run(q: inet_frag_queue, skb: sk_buff): void {
  const offset = cb(skb).ip_defrag_offset
  const own = weight(changetype<usize>(skb))
  let link = changetype<usize>(q) + offsetof<inet_frag_queue>('root')
  let p = load<usize>(link)
  while (p && weight(p) >= own) {
    const left = offset < cb(changetype<sk_buff>(p)).ip_defrag_offset
    link = p + (left ? offsetof<sk_buff>('next') : offsetof<sk_buff>('prev'))
    p = load<usize>(link)
  }
  store<usize>(link, changetype<usize>(skb))
  // What was below is split: lower offsets to the left, higher ones to the right.
  let left = changetype<usize>(skb) + offsetof<sk_buff>('next')
  let right = changetype<usize>(skb) + offsetof<sk_buff>('prev')
  while (p) {
    if (cb(changetype<sk_buff>(p)).ip_defrag_offset < offset) {
      store<usize>(left, p)
      left = p + offsetof<sk_buff>('prev')
      p = load<usize>(left)
    } else {
      store<usize>(right, p)
      right = p + offsetof<sk_buff>('next')
      p = load<usize>(right)
    }
  }
  store<usize>(left, 0)
  store<usize>(right, 0)
}

/** Does the range lie in a run (DUP), touch one (OVERLAP), or in a hole (OK)? */
function collides(q: inet_frag_queue, offset: u32, end: u32): u32 {
  let p = q.root
  while (p) {
    const run = cb(changetype<sk_buff>(p))
    const run_end = run.ip_defrag_offset + run.frag_run_len
    if (end <= run.ip_defrag_offset) p = changetype<sk_buff>(p).next
    else if (offset >= run_end) p = changetype<sk_buff>(p).prev
    else return offset >= run.ip_defrag_offset && end <= run_end ? IPFRAG_DUP : IPFRAG_OVERLAP
  }
  return IPFRAG_OK
}

/**
 * Puts a fragment of bytes offset to end into the queue: at the end of the last run, or as a run of its own.
 * IPFRAG_DUP: one run has all its bytes; IPFRAG_OVERLAP: some are there. Then it is still the caller's.
 */
export function inet_frag_queue_insert(q: inet_frag_queue, skb: sk_buff, offset: u32, end: u32): u32 {
  walk(FN_inet_frag_queue_insert, changetype<usize>(skb))
  const p = changetype<usize>(skb)
  const own = cb(skb)
  own.ip_defrag_offset = offset
  own.frag_run_len = skb.len
  own.next_frag = 0
  const tail = q.fragments_tail
  if (tail) {
    const tail_end = cb(changetype<sk_buff>(tail)).ip_defrag_offset + changetype<sk_buff>(tail).len
    if (tail_end >= end) {
      const found = collides(q, offset, end)
      if (found == IPFRAG_OK) insert_run(q, skb)
      return found
    }
    if (offset < tail_end) return IPFRAG_OVERLAP
    if (offset == tail_end) {
      cb(changetype<sk_buff>(tail)).next_frag = p
      cb(changetype<sk_buff>(q.last_run_head)).frag_run_len += skb.len
      q.fragments_tail = p
      return IPFRAG_OK
    }
  }
  insert_run(q, skb)
  q.fragments_tail = p
  q.last_run_head = p
  return IPFRAG_OK
}

/** The first fragment of a complete queue, ready to take the others: its data at the IP header. NO_SKB: out of memory. */
export function inet_frag_reasm_prepare(q: inet_frag_queue): sk_buff {
  walk(FN_inet_frag_reasm_prepare, 0)
  let p = q.root
  while (changetype<sk_buff>(p).next) p = changetype<sk_buff>(p).next
  const head = changetype<sk_buff>(p)
  if (skb_cloned(head) && !pskb_expand_head(head, 0, 0)) return changetype<sk_buff>(0)
  if (skb_shinfo(head).frag_list && !skb_linearize(head)) return changetype<sk_buff>(0)
  return head
}

/** Truesize up to which Linux's receive buffers are page fragments, so that a packet can take over another's. */
const HEAD_FRAG_TRUESIZE: u32 = 4096

/** How the others join the first: what Linux would have copied, taken over as pages, or listed. */
@unmanaged
@final
class joining {
  /** Tailroom that Linux's buffer of the first has. */
  room: u32
  /** Buffers taken over. */
  paged: u32
  listed: u32
  /** The last of the fragment list. */
  last: usize
}

const JOINING: usize = memory.data(16, 4)

/** One more fragment joins: bytes, sums, truesize as skb_try_coalesce makes it. */
function join(head: sk_buff, part: sk_buff, coalesce: bool): void {
  const state = changetype<joining>(JOINING)
  if (head.ip_summed != part.ip_summed) head.ip_summed = <u8>CHECKSUM_NONE
  else if (head.ip_summed == <u8>CHECKSUM_COMPLETE) head.csum = csum_add(head.csum, part.csum)
  trace_packet(TRACE_KIND_JOINED, FN_inet_frag_reasm_finish, part.id, part.len, head.id)
  if (coalesce) walk(FN_skb_try_coalesce, changetype<usize>(head))
  if (coalesce && state.listed == 0 && state.paged == 0 && part.len <= state.room) {
    state.room -= part.len
    if (head.data_len == 0 && part.len <= skb_tailroom(head)) {
      skb_copy_bits(part, 0, skb_put(head, part.len), part.len)
      consume_skb(part, SKB_ENDED_ABSORBED)
      return
    }
  } else if (coalesce && !state.listed && part.truesize <= HEAD_FRAG_TRUESIZE && state.paged < MAX_SKB_FRAGS) {
    state.paged += 1
    head.truesize += part.truesize - SKB_HEAD_TRUESIZE
  } else {
    state.listed = 1
    head.truesize += part.truesize
  }
  const p = changetype<usize>(part)
  if (state.last) changetype<sk_buff>(state.last).next = p
  else skb_shinfo(head).frag_list = p
  state.last = p
  head.len += part.len
  head.data_len += part.len
}

/**
 * Joins all fragments to the first, which leaves the queue with the IP header in front. coalesce: as Linux does for
 * datagrams that are for us. The rest of the queue is empty then.
 */
export function inet_frag_reasm_finish(q: inet_frag_queue, head: sk_buff, coalesce: bool): void {
  walk(FN_inet_frag_reasm_finish, 0)
  const owner = changetype<net>(q.net)
  const header = skb_network_header(head)
  const header_len = <u32>(head.data - header)
  const used = <u32>(head.tail - head.head) + SKB_HEAD_TRUESIZE + SKB_SHINFO_TRUESIZE
  const state = changetype<joining>(JOINING)
  state.room = head.data_len == 0 && head.truesize > used ? head.truesize - used : 0
  state.paged = 0
  state.listed = 0
  state.last = 0
  skb_push(head, header_len)
  let run = take_run(q)
  let p = cb(head).next_frag
  owner.frag_mem -= head.truesize
  head.next = 0
  while (run) {
    while (p) {
      const part = changetype<sk_buff>(p)
      p = cb(part).next_frag
      part.next = 0
      part.prev = 0
      owner.frag_mem -= part.truesize
      join(head, part, coalesce)
    }
    run = take_run(q)
    p = run
  }
  q.fragments_tail = 0
  q.last_run_head = 0
  head.tstamp = q.stamp
  if (head.ip_summed == <u8>CHECKSUM_COMPLETE) head.csum = csum_partial(header, header_len, head.csum)
}
