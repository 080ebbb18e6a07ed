// Addresses that we answer for, and replies for them that wait a while (proxy_delay), so that the owner is heard first.
// Mirrors pneigh_* of net/core/neighbour.c.

import { boot } from '../../../lib/boot.ts'
import { net } from '../../../include/net_namespace.ts'
import {
  LOCALLY_ENQUEUED,
  PNEIGH_ENTRY_SIZE,
  neigh_parms,
  neigh_table_proxy_timer,
  neigh_var,
  neighbour_cb,
  pneigh_entry,
} from '../../../include/neighbour.ts'
import { in_device, net_device, netif_running } from '../../../include/netdevice.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { mod_timer, time_after, timer_delete, timer_pending } from '../../../kernel/timer.ts'
import { kfree, kmalloc } from '../../../lib/arena.ts'
import { get_random_u32_below } from '../../../lib/random.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { ENOENT, ENOMEM } from '../../../uapi/errno.ts'
import {
  FN_neigh_proxy_process,
  FN_pneigh_enqueue,
  FN_pneigh_lookup,
  FN_pneigh_queue_purge,
} from '../../../uapi/functions.ts'
import { NTF_PROXY, NUD_PERMANENT } from '../../../uapi/neighbour.ts'
import { NEIGH_VAR_PROXY_DELAY_MS, NEIGH_VAR_PROXY_QLEN } from '../../../uapi/sysctl.ts'
import { __skb_queue_tail, __skb_unlink, kfree_skb_reason, skb_dst_drop } from '../skbuff.ts'
import { var_jiffies } from './parms.ts'
import { arp_tbl, proxy_queue } from './table.ts'

const NO_PNEIGH: pneigh_entry = changetype<pneigh_entry>(0)

/** Exactly this entry: dev 0 is the one for every device. */
function find(net: usize, key: u32, dev: usize): pneigh_entry {
  for (let p = arp_tbl().pneighs; p; p = changetype<pneigh_entry>(p).next) {
    const e = changetype<pneigh_entry>(p)
    if (e.key == key && e.net == net && e.dev == dev) return e
  }
  return NO_PNEIGH
}

/** Do we answer for this address on this device? */
export function pneigh_lookup(net: net, key: u32, dev: net_device): bool {
  walk(FN_pneigh_lookup, 0)
  if (arp_tbl().pneighs == 0) return false
  if (changetype<usize>(find(changetype<usize>(net), key, changetype<usize>(dev)))) return true
  return changetype<usize>(find(changetype<usize>(net), key, 0)) != 0
}

/** Adds a proxy entry, or changes its flags (NTF_*); dev 0: for every device. 0 or -ENOMEM. */
export function pneigh_create(net: net, key: u32, dev: net_device, flags: u32, state: u32): i32 {
  let e = find(changetype<usize>(net), key, changetype<usize>(dev))
  if (changetype<usize>(e) == 0) {
    e = changetype<pneigh_entry>(kmalloc(PNEIGH_ENTRY_SIZE))
    if (changetype<usize>(e) == 0) return -ENOMEM
    const t = arp_tbl()
    e.next = t.pneighs
    t.pneighs = changetype<usize>(e)
    e.net = changetype<usize>(net)
    e.dev = changetype<usize>(dev)
    e.key = key
  }
  e.flags = flags & ~NTF_PROXY
  e.permanent = u32((state & NUD_PERMANENT) != 0)
  return 0
}

/** Takes out one entry, or all of a device (but the permanent ones, when they are to be kept). Answers how many. */
function unlink_where(net: usize, dev: usize, key: u32, one: bool, keep_permanent: bool): u32 {
  const t = arp_tbl()
  let gone: u32 = 0
  let prev: usize = 0
  let p = t.pneighs
  while (p) {
    const e = changetype<pneigh_entry>(p)
    const next = e.next
    const hit = one ? e.key == key && e.net == net && e.dev == dev : e.dev == dev && !(keep_permanent && e.permanent)
    if (hit) {
      if (prev) changetype<pneigh_entry>(prev).next = next
      else t.pneighs = next
      kfree(p, PNEIGH_ENTRY_SIZE)
      gone++
    } else {
      prev = p
    }
    p = next
  }
  return gone
}

/** Takes out one proxy entry. 0 or -ENOENT. */
export function pneigh_delete(net: net, key: u32, dev: net_device): i32 {
  return unlink_where(changetype<usize>(net), changetype<usize>(dev), key, true, false) ? 0 : -ENOENT
}

/** The device goes: its proxy entries too; a loss of carrier leaves the permanent ones. */
export function pneigh_ifdown(dev: net_device, skip_perm: bool): void {
  unlink_where(0, changetype<usize>(dev), 0, false, skip_perm)
}

function parms_of(dev: net_device): neigh_parms {
  return changetype<neigh_parms>(dev.ip_ptr ? changetype<in_device>(dev.ip_ptr).arp_parms : 0)
}

function qlen_dec(dev: net_device): void {
  const p = parms_of(dev)
  if (changetype<usize>(p) && p.qlen) p.qlen -= 1
}

function cb_of(skb: sk_buff): neighbour_cb {
  return changetype<neighbour_cb>(changetype<usize>(skb) + SKB_CB)
}

/** Lets a request wait for a random part of proxy_delay before it is answered. Takes over the skb. */
export function pneigh_enqueue(parms: usize, skb: sk_buff): void {
  walk(FN_pneigh_enqueue, changetype<usize>(skb))
  const p = changetype<neigh_parms>(parms)
  if (p.qlen > <u32>neigh_var(parms, NEIGH_VAR_PROXY_QLEN)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_pneigh_enqueue)
    return
  }
  const t = arp_tbl()
  const timer = neigh_table_proxy_timer(t)
  const due = boot.jiffies + get_random_u32_below(var_jiffies(parms, NEIGH_VAR_PROXY_DELAY_MS))
  cb_of(skb).sched_next = due
  cb_of(skb).flags |= LOCALLY_ENQUEUED
  skb_dst_drop(skb)
  __skb_queue_tail(proxy_queue(t), skb)
  p.qlen += 1
  if (!timer_pending(timer) || time_after(timer.expires, due)) mod_timer(timer, due)
}

/** Answers the requests that have waited. */
export function neigh_proxy_process(_timer: usize): void {
  walk(FN_neigh_proxy_process, 0)
  const t = arp_tbl()
  const queue = proxy_queue(t)
  const now = boot.jiffies
  let next: i32 = 0
  let at = queue.head
  while (at) {
    const skb = changetype<sk_buff>(at)
    at = skb.next
    const left = <i32>(cb_of(skb).sched_next - now)
    if (left > 0) {
      if (next == 0 || left < next) next = left
      continue
    }
    const dev = changetype<net_device>(skb.dev)
    __skb_unlink(skb, queue)
    qlen_dec(dev)
    if (netif_running(dev)) call_indirect<void>(t.proxy_redo, changetype<usize>(skb))
    else kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_neigh_proxy_process)
  }
  if (next) mod_timer(neigh_table_proxy_timer(t), now + <u32>next)
}

/** Drops the requests of a namespace that wait. */
export function pneigh_queue_purge(net: usize): void {
  walk(FN_pneigh_queue_purge, 0)
  const t = arp_tbl()
  const queue = proxy_queue(t)
  let at = queue.head
  while (at) {
    const skb = changetype<sk_buff>(at)
    at = skb.next
    const dev = changetype<net_device>(skb.dev)
    if (dev.nd_net != net) continue
    __skb_unlink(skb, queue)
    qlen_dec(dev)
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_pneigh_queue_purge)
  }
  if (queue.qlen == 0) timer_delete(neigh_table_proxy_timer(t))
}
