// Hook points: what is registered at PRE_ROUTING to POST_ROUTING sees every packet. Mirrors net/netfilter/core.c.
// A namespace without hooks pays one test of a bit.

import { net } from '../../include/net_namespace.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { kfree, kmalloc } from '../../lib/arena.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NETFILTER_DROP } from '../../uapi/dropreason.ts'
import { ENOMEM } from '../../uapi/errno.ts'
import { FN_nf_hook_slow } from '../../uapi/functions.ts'
import { NF_ACCEPT, NF_DROP } from '../../uapi/netfilter.ts'
import { kfree_skb_reason } from '../core/skbuff.ts'

/** One registered function, in order of priority: (skb, in, out, priv) => verdict. */
@unmanaged
@final
export class nf_hook_entry {
  next: usize
  hook: u32
  priority: i32
  func: u32
  priv: usize
}

const ENTRY: usize = offsetof<nf_hook_entry>()

/** Registers func (a table index) at a hook. 0 or -ENOMEM. */
export function nf_register_net_hook(net: net, hook: u32, priority: i32, func: u32, priv: usize): i32 {
  const p = kmalloc(ENTRY)
  if (p == 0) return -ENOMEM
  const entry = changetype<nf_hook_entry>(p)
  entry.hook = hook
  entry.priority = priority
  entry.func = func
  entry.priv = priv
  let prev: usize = 0
  let at = net.nf_state
  while (at && changetype<nf_hook_entry>(at).priority <= priority) {
    prev = at
    at = changetype<nf_hook_entry>(at).next
  }
  entry.next = at
  if (prev) changetype<nf_hook_entry>(prev).next = p
  else net.nf_state = p
  net.nf_hooks |= (<u32>1) << hook
  return 0
}

/** Takes a function out of a hook again. */
export function nf_unregister_net_hook(net: net, hook: u32, func: u32, priv: usize): void {
  let prev: usize = 0
  let mask: u32 = 0
  for (let at = net.nf_state; at;) {
    const entry = changetype<nf_hook_entry>(at)
    const next = entry.next
    if (entry.hook == hook && entry.func == func && entry.priv == priv) {
      if (prev) changetype<nf_hook_entry>(prev).next = next
      else net.nf_state = next
      kfree(at, ENTRY)
    } else {
      mask |= (<u32>1) << entry.hook
      prev = at
    }
    at = next
  }
  net.nf_hooks = mask
}

function nf_hook_slow(net: net, hook: u32, skb: sk_buff, dev_in: usize, dev_out: usize): i32 {
  walk(FN_nf_hook_slow, changetype<usize>(skb))
  for (let at = net.nf_state; at; at = changetype<nf_hook_entry>(at).next) {
    const entry = changetype<nf_hook_entry>(at)
    if (entry.hook != hook) continue
    const verdict = call_indirect<u32>(entry.func, changetype<usize>(skb), dev_in, dev_out, entry.priv)
    if (verdict == NF_ACCEPT) continue
    if (verdict == NF_DROP) {
      kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP, FN_nf_hook_slow)
      return -1 // EPERM to a sender
    }
    return 0
  }
  return 1
}

/**
 * A packet passes a hook point. 1: go on; 0: somebody took it; -EPERM: dropped (both: the skb is gone).
 *
 * Uses: the packet with its network header at data.
 */
export function nf_hook(net: net, hook: u32, skb: sk_buff, dev_in: usize, dev_out: usize): i32 {
  if (!(net.nf_hooks & ((<u32>1) << hook))) return 1
  return nf_hook_slow(net, hook, skb, dev_in, dev_out)
}
