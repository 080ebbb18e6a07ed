// One queue with a limit in packets or bytes. Mirrors net/sched/sch_fifo.c (pfifo, bfifo).

import { Qdisc, TCQ_F_CAN_BYPASS, qdisc_dev, qdisc_dev_queue, qdisc_pkt_len } from '../../include/sch_generic.ts'
import { net_device } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { FN_bfifo_enqueue, FN_pfifo_enqueue } from '../../uapi/functions.ts'
import { OPT_FIFO_LIMIT, QDISC_BFIFO, QDISC_PFIFO } from '../../uapi/pkt_sched.ts'
import { opt_u32, put_word } from './options.ts'
import {
  NO_QDISC,
  qdisc_child_create,
  qdisc_dequeue_head,
  qdisc_drop,
  qdisc_enqueue_tail,
  qdisc_peek_head,
  qdisc_reset_queue,
  register_qdisc,
} from './sch_generic.ts'

/** Bytes of the largest frame that a device sends. */
export function psched_mtu(dev: net_device): u32 {
  return dev.mtu + <u32>dev.hard_header_len
}

function pfifo_enqueue(p: usize, q: usize): i32 {
  walk(FN_pfifo_enqueue, p)
  const skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(q)
  return sch.qlen < sch.limit ? qdisc_enqueue_tail(skb, sch) : qdisc_drop(skb, sch)
}

function bfifo_enqueue(p: usize, q: usize): i32 {
  walk(FN_bfifo_enqueue, p)
  const skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(q)
  const fits = <u64>sch.backlog + qdisc_pkt_len(skb) <= <u64>sch.limit
  return fits ? qdisc_enqueue_tail(skb, sch) : qdisc_drop(skb, sch)
}

function fifo_dequeue(q: usize): usize {
  return changetype<usize>(qdisc_dequeue_head(changetype<Qdisc>(q)))
}

/** As long as the device's queue unless a limit is given. */
function fifo_init(q: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(q)
  const dev = qdisc_dev(sch)
  const bytes = sch.kind == QDISC_BFIFO
  sch.limit = opt ? opt_u32(opt, OPT_FIFO_LIMIT) : dev.tx_queue_len * (bytes ? psched_mtu(dev) : 1)
  if (sch.limit >= (bytes ? psched_mtu(dev) : 1)) sch.flags |= TCQ_F_CAN_BYPASS
  else sch.flags &= ~TCQ_F_CAN_BYPASS
  return 0
}

function fifo_dump(q: usize, out: usize): i32 {
  put_word(out, OPT_FIFO_LIMIT, changetype<Qdisc>(q).limit)
  return 0
}

/** A child with a limit; NO_QDISC: out of memory (fifo_create_dflt). */
export function fifo_create_dflt(sch: Qdisc, kind: u32, limit: u32): Qdisc {
  const child = qdisc_child_create(qdisc_dev_queue(sch), kind, sch.handle | 1)
  if (changetype<usize>(child) == 0) return NO_QDISC
  fifo_set_limit(child, limit)
  return child
}

/** Another limit, for a child that is a fifo. */
export function fifo_set_limit(sch: Qdisc, limit: u32): void {
  if (sch.kind != QDISC_PFIFO && sch.kind != QDISC_BFIFO) return
  sch.limit = limit
  const least = sch.kind == QDISC_BFIFO ? psched_mtu(qdisc_dev(sch)) : 1
  if (limit >= least) sch.flags |= TCQ_F_CAN_BYPASS
  else sch.flags &= ~TCQ_F_CAN_BYPASS
}

function fifo_register(kind: u32, enqueue: u32): void {
  const ops = register_qdisc(kind, 0, enqueue, fifo_dequeue.index, qdisc_peek_head.index)
  ops.init = fifo_init.index
  ops.change = fifo_init.index
  ops.reset = qdisc_reset_queue.index
  ops.dump = fifo_dump.index
}

export function sch_fifo_register(): void {
  fifo_register(QDISC_PFIFO, pfifo_enqueue.index)
  fifo_register(QDISC_BFIFO, bfifo_enqueue.index)
}
