// The default: three bands by priority, each of tx_queue_len packets. Mirrors pfifo_fast of net/sched/sch_generic.c.

import { NET_XMIT_SUCCESS } from '../../include/netdevice.ts'
import {
  Qdisc,
  TCQ_F_CAN_BYPASS,
  TCQ_F_NOLOCK,
  qdisc_dev,
  qdisc_pkt_len,
  qdisc_priv,
} from '../../include/sch_generic.ts'
import { sk_buff, sk_buff_head } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_QUEUE_PURGE } from '../../uapi/dropreason.ts'
import { EINVAL } from '../../uapi/errno.ts'
import { FN_pfifo_fast_dequeue, FN_pfifo_fast_enqueue, FN_pfifo_fast_reset } from '../../uapi/functions.ts'
import { QDISC_PFIFO_FAST } from '../../uapi/pkt_sched.ts'
import { __skb_dequeue, __skb_queue_purge_reason, __skb_queue_tail } from '../core/skbuff.ts'
import { qdisc_bstats_update, qdisc_drop, register_qdisc } from './sch_generic.ts'

export const PFIFO_FAST_BANDS: u32 = 3
const BAND_SIZE: usize = offsetof<sk_buff_head>()
const NO_PACKET: usize = 0

/** Which band a priority (TC_PRIO_*) goes to: one hex digit each, from priority 0 up (tc-pfifo_fast(8)). */
const PRIO2BAND_LOW: u32 = 0x00212221
const PRIO2BAND_HIGH: u32 = 0x11111111

function band_of(priority: u32): u32 {
  const p = priority & 15
  return (p < 8 ? PRIO2BAND_LOW >> (p << 2) : PRIO2BAND_HIGH >> ((p - 8) << 2)) & 15
}

function band(sch: Qdisc, i: u32): sk_buff_head {
  return changetype<sk_buff_head>(qdisc_priv(sch) + <usize>i * BAND_SIZE)
}

function pfifo_fast_enqueue(p: usize, q: usize): i32 {
  walk(FN_pfifo_fast_enqueue, p)
  const skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(q)
  const list = band(sch, band_of(skb.priority))
  if (list.qlen >= sch.limit) return qdisc_drop(skb, sch)
  __skb_queue_tail(list, skb)
  sch.qlen += 1
  sch.backlog += qdisc_pkt_len(skb)
  return NET_XMIT_SUCCESS
}

function pfifo_fast_dequeue(q: usize): usize {
  walk(FN_pfifo_fast_dequeue, 0)
  const sch = changetype<Qdisc>(q)
  if (sch.qlen == 0) return NO_PACKET
  for (let i: u32 = 0; i < PFIFO_FAST_BANDS; i++) {
    const skb = __skb_dequeue(band(sch, i))
    if (changetype<usize>(skb) == 0) continue
    sch.qlen -= 1
    sch.backlog -= qdisc_pkt_len(skb)
    qdisc_bstats_update(sch, skb)
    return changetype<usize>(skb)
  }
  return NO_PACKET
}

function pfifo_fast_peek(q: usize): usize {
  const sch = changetype<Qdisc>(q)
  for (let i: u32 = 0; i < PFIFO_FAST_BANDS; i++) if (band(sch, i).head) return band(sch, i).head
  return NO_PACKET
}

function pfifo_fast_init(q: usize, _opt: usize): i32 {
  const sch = changetype<Qdisc>(q)
  sch.limit = qdisc_dev(sch).tx_queue_len
  if (sch.limit == 0) return -EINVAL
  sch.flags |= TCQ_F_CAN_BYPASS
  return 0
}

function pfifo_fast_reset(q: usize): void {
  walk(FN_pfifo_fast_reset, 0)
  const sch = changetype<Qdisc>(q)
  for (let i: u32 = 0; i < PFIFO_FAST_BANDS; i++)
    __skb_queue_purge_reason(band(sch, i), SKB_DROP_REASON_QUEUE_PURGE, FN_pfifo_fast_reset)
  sch.qlen = 0
  sch.backlog = 0
}

/** The device was idle while its length changed: nothing waits. */
function pfifo_fast_change_tx_queue_len(q: usize, length: u32): i32 {
  changetype<Qdisc>(q).limit = length
  return 0
}

export function pfifo_fast_register(): void {
  const ops = register_qdisc(
    QDISC_PFIFO_FAST,
    <usize>PFIFO_FAST_BANDS * BAND_SIZE,
    pfifo_fast_enqueue.index,
    pfifo_fast_dequeue.index,
    pfifo_fast_peek.index,
  )
  ops.static_flags = TCQ_F_NOLOCK
  ops.init = pfifo_fast_init.index
  ops.reset = pfifo_fast_reset.index
  ops.change_tx_queue_len = pfifo_fast_change_tx_queue_len.index
}
