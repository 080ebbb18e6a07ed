// The states of a neighbour: what a packet, a timer or a failure makes of an entry.
// Mirrors neigh_timer_handler, __neigh_event_send and neigh_probe of net/core/neighbour.c. States: RFC 4861 7.3.2.

import { SLOT_ARP_ERROR_REPORT, SLOT_ARP_SOLICIT, boot, slot_get } from '../../../lib/boot.ts'
import {
  NEIGH_OUT_CONNECTED,
  NEIGH_OUT_RESOLVE,
  NEIGH_TIMER,
  neigh_timer,
  neigh_var,
  neighbour,
} from '../../../include/neighbour.ts'
import { net_device } from '../../../include/netdevice.ts'
import { SKB_DST_NOREF, SKB_ENDED_ABSORBED, sk_buff } from '../../../include/skbuff.ts'
import { mod_timer, time_after_eq, timer_pending } from '../../../kernel/timer.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_NEIGH_DEAD,
  SKB_DROP_REASON_NEIGH_FAILED,
  SKB_DROP_REASON_NEIGH_QUEUEFULL,
} from '../../../uapi/dropreason.ts'
import {
  FN___neigh_event_send,
  FN_neigh_invalidate,
  FN_neigh_probe,
  FN_neigh_timer_handler,
} from '../../../uapi/functions.ts'
import { ARPHRD_ETHER, ARPHRD_LOOPBACK } from '../../../uapi/if_arp.ts'
import {
  NUD_CONNECTED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_IN_TIMER,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../../uapi/neighbour.ts'
import {
  NEIGH_VAR_APP_PROBES,
  NEIGH_VAR_DELAY_PROBE_TIME_MS,
  NEIGH_VAR_MCAST_PROBES,
  NEIGH_VAR_MCAST_REPROBES,
  NEIGH_VAR_QUEUE_LEN_BYTES,
  NEIGH_VAR_UCAST_PROBES,
} from '../../../uapi/sysctl.ts'
import { dst_hold } from '../dst.ts'
import { consume_skb, kfree_skb_reason, skb_clone } from '../skbuff.ts'
import { local_bh_disable, local_bh_enable } from '../../../kernel/softirq.ts'
import {
  wait_take,
  wait_purge,
  wait_append,
  arp_tbl,
  neigh_add_timer,
  neigh_del_timer,
  neigh_hold,
  neigh_release,
} from './table.ts'
import { reachable_time_of, retrans_time_of, var_jiffies } from './parms.ts'

/** Does this device cache link headers? Ethernet and loopback do. */
export function dev_has_header_cache(dev: net_device): bool {
  return dev.type == <u16>ARPHRD_ETHER || dev.type == <u16>ARPHRD_LOOPBACK
}

/** Enters a state now. */
export function enter_state(n: neighbour, state: u32): void {
  n.nud_state = <u8>state
  n.updated = boot.jiffies
}

/** The address may be wrong: each packet looks at the state first. */
export function neigh_suspect(n: neighbour): void {
  if (n.output == NEIGH_OUT_CONNECTED) n.output = NEIGH_OUT_RESOLVE
}

/** The address is right. With a header cache neigh_output takes the short way by itself. */
export function neigh_connect(n: neighbour): void {
  if (n.output == NEIGH_OUT_RESOLVE && !dev_has_header_cache(changetype<net_device>(n.dev)))
    n.output = NEIGH_OUT_CONNECTED
}

/** Probes without an answer after which the entry fails. */
function neigh_max_probes(n: neighbour): u32 {
  const p = n.parms
  const last = n.nud_state & NUD_PROBE ? NEIGH_VAR_MCAST_REPROBES : NEIGH_VAR_MCAST_PROBES
  return <u32>(neigh_var(p, NEIGH_VAR_UCAST_PROBES) + neigh_var(p, NEIGH_VAR_APP_PROBES) + neigh_var(p, last))
}

/** Asks for the address once; the packet that has waited least names the source address of the question. */
function neigh_probe(n: neighbour): void {
  walk(FN_neigh_probe, 0)
  const last = n.arp_queue_tail
  const skb = last ? changetype<usize>(skb_clone(changetype<sk_buff>(last))) : 0
  call_indirect<void>(slot_get(SLOT_ARP_SOLICIT), changetype<usize>(n), skb)
  n.probes += 1
  if (skb) consume_skb(changetype<sk_buff>(skb), SKB_ENDED_ABSORBED)
}

/** Nobody answered: each packet that waits is told so. The caller holds the entry. */
export function neigh_invalidate(n: neighbour): void {
  walk(FN_neigh_invalidate, 0)
  arp_tbl().res_failed += 1
  n.updated = boot.jiffies
  // An error report may come back here by way of what it sends, so the state is asked each time.
  while (n.nud_state == <u8>NUD_FAILED) {
    const skb = wait_take(n)
    if (changetype<usize>(skb) == 0) break
    call_indirect<void>(slot_get(SLOT_ARP_ERROR_REPORT), changetype<usize>(n), changetype<usize>(skb))
  }
  wait_purge(n, FN_neigh_invalidate)
}

/** Reachable, and its timer ran out: still so, in use (DELAY) or not known any more (STALE). Answers the next expiry. */
function timer_reachable(n: neighbour, now: u32): u32 {
  const reachable = reachable_time_of(n)
  if (time_after_eq(n.confirmed + reachable, now)) return n.confirmed + reachable
  const delay = var_jiffies(n.parms, NEIGH_VAR_DELAY_PROBE_TIME_MS)
  enter_state(n, time_after_eq(n.used + delay, now) ? NUD_DELAY : NUD_STALE)
  neigh_suspect(n)
  return now + delay
}

/** Nobody confirmed it within delay_first_probe_time: begin to probe; else it is reachable again. */
function timer_delay(n: neighbour, now: u32): u32 {
  if (time_after_eq(n.confirmed + var_jiffies(n.parms, NEIGH_VAR_DELAY_PROBE_TIME_MS), now)) {
    enter_state(n, NUD_REACHABLE)
    neigh_connect(n)
    return n.confirmed + reachable_time_of(n)
  }
  enter_state(n, NUD_PROBE)
  n.probes = 0
  return now + retrans_time_of(n)
}

/** The timer of an entry (timer: its timer_list). */
export function neigh_timer_handler(timer: usize): void {
  walk(FN_neigh_timer_handler, 0)
  const n = changetype<neighbour>(timer - NEIGH_TIMER)
  const now = boot.jiffies
  let next = now + boot.hz
  if (n.nud_state & NUD_IN_TIMER) {
    if (n.nud_state & NUD_REACHABLE) next = timer_reachable(n, now)
    else if (n.nud_state & NUD_DELAY) next = timer_delay(n, now)
    else next = now + retrans_time_of(n)

    if (n.nud_state & (NUD_INCOMPLETE | NUD_PROBE) && n.probes >= neigh_max_probes(n)) {
      n.nud_state = <u8>NUD_FAILED
      neigh_invalidate(n)
    } else {
      if (n.nud_state & NUD_IN_TIMER) timer_again(n, next, now)
      if (n.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) neigh_probe(n)
    }
  }
  neigh_release(n)
}

function timer_again(n: neighbour, next: u32, now: u32): void {
  const soonest = now + boot.hz / 100
  mod_timer(neigh_timer(n), time_after_eq(next, soonest) ? next : soonest)
  if (timer_pending(neigh_timer(n))) neigh_hold(n)
}

/** Begins to ask. False: no probe is allowed, the entry has failed. */
function start_resolution(n: neighbour): bool {
  const p = n.parms
  if (neigh_var(p, NEIGH_VAR_MCAST_PROBES) + neigh_var(p, NEIGH_VAR_APP_PROBES) == 0) {
    enter_state(n, NUD_FAILED)
    return false
  }
  n.probes = <u32>neigh_var(p, NEIGH_VAR_UCAST_PROBES)
  neigh_del_timer(n)
  enter_state(n, NUD_INCOMPLETE)
  neigh_add_timer(n, boot.jiffies + retrans_time_of(n))
  return true
}

/** Lets a packet wait; the oldest go when it is too much (unres_qlen_bytes, counted by truesize: arp-queue-limit). */
function queue_unresolved(n: neighbour, skb: sk_buff): void {
  const limit = <u32>neigh_var(n.parms, NEIGH_VAR_QUEUE_LEN_BYTES)
  while (n.arp_queue_len_bytes + skb.truesize > limit) {
    const oldest = wait_take(n)
    if (changetype<usize>(oldest) == 0) break
    arp_tbl().unres_discards += 1
    kfree_skb_reason(oldest, SKB_DROP_REASON_NEIGH_QUEUEFULL, FN___neigh_event_send)
  }
  if (skb.dst && skb.skb_flags & SKB_DST_NOREF) {
    dst_hold(skb.dst)
    skb.skb_flags &= ~SKB_DST_NOREF
  }
  wait_append(n, skb)
}

/**
 * A packet (or 0) is to go to a neighbour that is not known to be there.
 *
 * Uses: nud_state. Sets: INCOMPLETE and a probe, or DELAY. False: send it now; true: it waits or is gone.
 */
function __neigh_event_send(n: neighbour, skb: sk_buff): bool {
  walk(FN___neigh_event_send, changetype<usize>(skb))
  let probe = false
  if (n.dead) {
    if (n.nud_state & NUD_STALE) return false
    if (changetype<usize>(skb)) kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD, FN___neigh_event_send)
    return true
  }
  if (n.nud_state & NUD_STALE) {
    neigh_del_timer(n)
    enter_state(n, NUD_DELAY)
    neigh_add_timer(n, boot.jiffies + var_jiffies(n.parms, NEIGH_VAR_DELAY_PROBE_TIME_MS))
    return false
  }
  if (!(n.nud_state & NUD_INCOMPLETE)) {
    if (!start_resolution(n)) {
      if (changetype<usize>(skb)) kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED, FN___neigh_event_send)
      return true
    }
    probe = true
  }
  if (changetype<usize>(skb)) queue_unresolved(n, skb)
  if (probe) neigh_probe(n)
  return true
}

/** The entry is used for a packet (or 0: by name). False: send it now; true: it waits or is gone. */
export function neigh_event_send(n: neighbour, skb: sk_buff): bool {
  n.used = boot.jiffies
  if (n.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) return false
  // The answer to a probe may be on its way in before the probe's sender is done with the entry.
  neigh_hold(n)
  local_bh_disable()
  const waits = __neigh_event_send(n, skb)
  local_bh_enable()
  neigh_release(n)
  return waits
}

/** Something above proved that the neighbour hears us (RFC 1122 2.3.2.1): a reply, an ACK, MSG_CONFIRM. */
export function neigh_confirm(n: neighbour): void {
  n.confirmed = boot.jiffies
}
