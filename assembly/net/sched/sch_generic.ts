// The queue between IP and the driver: pfifo_fast, noqueue and noop. Mirrors net/sched/sch_generic.c.
// The part that sends (sch_direct_xmit) is in net/core/dev_xmit.ts, which knows the driver.

import { net_device } from '../../include/netdevice.ts'
import { sk_buff, sk_buff_head } from '../../include/skbuff.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { __skb_dequeue, __skb_queue_tail, kfree_skb_reason, NO_SKB } from '../core/skbuff.ts'

/** Qdisc.kind */
export const QDISC_NOOP: u32 = 0
export const QDISC_NOQUEUE: u32 = 1
export const QDISC_PFIFO_FAST: u32 = 2

/** Qdisc.state */
export const __QDISC_STATE_SCHED: u32 = 1
export const __QDISC_STATE_RUNNING: u32 = 2

export const PFIFO_FAST_BANDS: u32 = 3

/**
 * A root qdisc; pfifo_fast's bands lie in it.
 *
 *  0      4      8       12    16          20      24       28        32     36     40 ...
 *  | kind | state | limit| qlen| gso_skb   | drops | requeues| backlog| bytes (u64) | 3 x sk_buff_head
 */
@unmanaged
@final
export class Qdisc {
  kind: u32
  state: u32
  limit: u32
  qlen: u32
  /** A packet that the driver would not take: first to go. */
  gso_skb: usize
  drops: u32
  requeues: u32
  backlog: u32
  bytes: u64
  packets: u64
  bands: u32
}

const BANDS: usize = 64
const BAND_SIZE: usize = 16
const QDISC_SIZE: usize = BANDS + <usize>PFIFO_FAST_BANDS * BAND_SIZE

/** Which band a priority (TC_PRIO_*) goes to: one hex digit each, from priority 0 up (tc-pfifo_fast(8)). */
const PRIO2BAND_LOW: u32 = 0x00212221
const PRIO2BAND_HIGH: u32 = 0x11111111

function band_of(priority: u32): u32 {
  const p = priority & 15
  return (p < 8 ? PRIO2BAND_LOW >> (p << 2) : PRIO2BAND_HIGH >> ((p - 8) << 2)) & 15
}

function band(q: Qdisc, i: u32): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(q) + BANDS + <usize>i * BAND_SIZE)
}

/** A qdisc of a kind for dev; 0: out of memory. */
export function qdisc_create(dev: net_device, kind: u32): usize {
  const p = kzalloc(QDISC_SIZE)
  if (p == 0) return 0
  const q = changetype<Qdisc>(p)
  q.kind = kind
  q.limit = dev.tx_queue_len
  return p
}

/** Frees a qdisc with all that waits in it. */
export function qdisc_destroy(p: usize, reason: u32, fn: u32): void {
  if (p == 0) return
  qdisc_reset(changetype<Qdisc>(p), reason, fn)
  kfree(p, QDISC_SIZE)
}

/** Drops all that waits. */
export function qdisc_reset(q: Qdisc, reason: u32, fn: u32): void {
  for (;;) {
    const skb = qdisc_dequeue(q)
    if (changetype<usize>(skb) == 0) return
    kfree_skb_reason(skb, reason, fn)
  }
}

/** Can a packet skip the queue (TCQ_F_CAN_BYPASS, nothing waits)? */
export function qdisc_may_bypass(q: Qdisc): bool {
  return q.qlen == 0 && q.gso_skb == 0 && !(q.state & __QDISC_STATE_RUNNING)
}

/** Appends to its band; false: the queue is full, the skb is still the caller's. */
export function qdisc_enqueue(q: Qdisc, skb: sk_buff): bool {
  const list = band(q, band_of(skb.priority))
  if (list.qlen >= q.limit) {
    q.drops += 1
    return false
  }
  __skb_queue_tail(list, skb)
  q.qlen += 1
  q.backlog += skb.len
  return true
}

/** The next packet to send, NO_SKB: none. */
export function qdisc_dequeue(q: Qdisc): sk_buff {
  if (q.gso_skb) {
    const skb = changetype<sk_buff>(q.gso_skb)
    q.gso_skb = 0
    q.qlen -= 1
    q.backlog -= skb.len
    return skb
  }
  for (let i: u32 = 0; i < PFIFO_FAST_BANDS; i++) {
    const skb = __skb_dequeue(band(q, i))
    if (changetype<usize>(skb)) {
      q.qlen -= 1
      q.backlog -= skb.len
      return skb
    }
  }
  return NO_SKB
}

/** Puts a packet back that the driver refused: it goes first next time. */
export function dev_requeue_skb(q: Qdisc, skb: sk_buff): void {
  q.gso_skb = changetype<usize>(skb)
  q.qlen += 1
  q.backlog += skb.len
  q.requeues += 1
}
