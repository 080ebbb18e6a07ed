// A qdisc sends: what it lets out goes to the driver, what the driver would not take goes back, and the rest in NET_TX.
// Mirrors sch_direct_xmit, dequeue_skb and __qdisc_run of net/sched/sch_generic.c, and net_tx_action of net/core/dev.c.

import { boot } from '../../lib/boot.ts'
import { dql_avail } from '../../lib/dynamic_queue_limits.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import {
  netdev_get_tx_queue,
  netdev_queue,
  netdev_queue_dql,
  netif_xmit_frozen_or_stopped,
} from '../../include/netdev_queue.ts'
import { dev_xmit_complete, net_device } from '../../include/netdevice.ts'
import {
  Qdisc,
  TCQ_F_ONETXQUEUE,
  __QDISC_STATE_DEACTIVATED,
  __QDISC_STATE_RUNNING,
  __QDISC_STATE_SCHED,
  qdisc_dev,
  qdisc_dev_queue,
  qdisc_gso_skb,
  qdisc_pkt_len,
  qdisc_skb_bad_txq,
} from '../../include/sch_generic.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { SOFTNET_SIZE, softnet_data } from '../../include/softnet.ts'
import { softirq_enter, softirq_exit } from '../../kernel/softirq.ts'
import { walk } from '../../trace/trace.ts'
import { FN___qdisc_run, FN_net_tx_action, FN_sch_direct_xmit } from '../../uapi/functions.ts'
import { SYSCTL_CORE_DEV_WEIGHT, SYSCTL_CORE_DEV_WEIGHT_TX_BIAS } from '../../uapi/sysctl.ts'
import { __netif_schedule, qdisc_dequeue } from '../sched/sch_generic.ts'
import { NO_SKB, __skb_dequeue, __skb_queue_tail } from './skbuff.ts'
import { dev_hard_start_xmit } from './dev_start_xmit.ts'
import { validate_xmit_skb_list } from './dev_validate.ts'

/** Packets that go to one of several queues in one go. */
const BULK_SLOW: u32 = 8

/** Puts packets back that the driver would not take: they go first, as soon as there is room. */
export function dev_requeue_skb(first: usize, q: Qdisc): void {
  for (let p = first; p;) {
    const skb = changetype<sk_buff>(p)
    p = skb.next
    __skb_queue_tail(qdisc_gso_skb(q), skb)
    q.requeues += 1
    q.backlog += qdisc_pkt_len(skb)
    q.qlen += 1
  }
  __netif_schedule(q)
}

/** Hands packets linked by next to the driver, back into the queue if it would not take them. True: the queue may go on. */
export function sch_direct_xmit(first: sk_buff, q: Qdisc, dev: net_device, txq: netdev_queue, validate: bool): bool {
  walk(FN_sch_direct_xmit, changetype<usize>(first))
  const skb = validate ? validate_xmit_skb_list(first, dev) : first
  if (changetype<usize>(skb) == 0) return true
  if (netif_xmit_frozen_or_stopped(txq)) {
    dev_requeue_skb(changetype<usize>(skb), q)
    return false
  }
  if (dev_xmit_complete(dev_hard_start_xmit(skb, dev, txq))) return true
  dev_requeue_skb(boot.tx_rest, q)
  return false
}

/** The queue of a packet that waited: a root above several queues has packets for each. */
function skb_txq(q: Qdisc, skb: sk_buff): netdev_queue {
  return q.flags & TCQ_F_ONETXQUEUE ? qdisc_dev_queue(q) : netdev_get_tx_queue(qdisc_dev(q), skb.queue_mapping)
}

/** More for the same queue: as many bytes as BQL has room for. */
function try_bulk_dequeue_skb(q: Qdisc, first: sk_buff, txq: netdev_queue): u32 {
  let room = dql_avail(netdev_queue_dql(txq)) - <i32>first.len
  let last = first
  let packets: u32 = 1
  while (room > 0) {
    const skb = qdisc_dequeue(q)
    if (changetype<usize>(skb) == 0) break
    room -= <i32>skb.len
    last.next = changetype<usize>(skb)
    last = skb
    packets += 1
  }
  return packets
}

/** The same on a device with several queues: up to the first packet for another. */
function try_bulk_dequeue_skb_slow(q: Qdisc, first: sk_buff): u32 {
  let last = first
  let packets: u32 = 1
  for (; packets <= BULK_SLOW; packets++) {
    const skb = qdisc_dequeue(q)
    if (changetype<usize>(skb) == 0) break
    if (skb.queue_mapping != first.queue_mapping) {
      bad_txq_add(q, skb)
      break
    }
    last.next = changetype<usize>(skb)
    last = skb
  }
  return packets
}

function bad_txq_add(q: Qdisc, skb: sk_buff): void {
  __skb_queue_tail(qdisc_skb_bad_txq(q), skb)
  q.backlog += qdisc_pkt_len(skb)
  q.qlen += 1
}

/** What waited goes first, if its queue goes on. */
function dequeue_waiting(q: Qdisc): sk_buff {
  const skb = changetype<sk_buff>(q.gso_head)
  if (netif_xmit_frozen_or_stopped(skb_txq(q, skb))) return NO_SKB
  __skb_dequeue(qdisc_gso_skb(q))
  q.backlog -= qdisc_pkt_len(skb)
  q.qlen -= 1
  return skb
}

/** The next packet, of those for a queue that was stopped first; NO_SKB: none may go. */
function dequeue_fresh(q: Qdisc): sk_buff {
  if (q.flags & TCQ_F_ONETXQUEUE && netif_xmit_frozen_or_stopped(qdisc_dev_queue(q))) return NO_SKB
  if (q.bad_head == 0) return qdisc_dequeue(q)
  const skb = changetype<sk_buff>(q.bad_head)
  if (netif_xmit_frozen_or_stopped(skb_txq(q, skb))) return NO_SKB
  __skb_dequeue(qdisc_skb_bad_txq(q))
  q.backlog -= qdisc_pkt_len(skb)
  q.qlen -= 1
  return skb
}

/** Sends the next packets. Answers how many, 0: nothing may go on now. */
function qdisc_restart(q: Qdisc): u32 {
  const validate = q.gso_head == 0
  const skb = validate ? dequeue_fresh(q) : dequeue_waiting(q)
  if (changetype<usize>(skb) == 0) return 0
  const txq = skb_txq(q, skb)
  let packets: u32 = 1
  if (validate) {
    packets = q.flags & TCQ_F_ONETXQUEUE ? try_bulk_dequeue_skb(q, skb, txq) : try_bulk_dequeue_skb_slow(q, skb)
  }
  return sch_direct_xmit(skb, q, qdisc_dev(q), txq, validate) ? packets : 0
}

/** Packets of one run (dev_tx_weight). */
function dev_tx_weight(): i32 {
  const owner = changetype<net>(boot.init_net)
  return sysctl(owner, SYSCTL_CORE_DEV_WEIGHT) * sysctl(owner, SYSCTL_CORE_DEV_WEIGHT_TX_BIAS)
}

/** Sends what may go, up to the weight; the rest goes on in NET_TX. */
export function __qdisc_run(q: Qdisc): void {
  walk(FN___qdisc_run, 0)
  let packets = qdisc_restart(q)
  if (packets == 0) return
  let quota = dev_tx_weight()
  for (;;) {
    quota -= <i32>packets
    if (quota <= 0) {
      __netif_schedule(q)
      return
    }
    packets = qdisc_restart(q)
    if (packets == 0) return
  }
}

/** The same, unless it runs already further up the stack. */
export function qdisc_run(q: Qdisc): void {
  if (q.state & __QDISC_STATE_RUNNING) return
  q.state |= __QDISC_STATE_RUNNING
  __qdisc_run(q)
  q.state &= ~__QDISC_STATE_RUNNING
}

/** NET_TX on this CPU: the qdiscs that were scheduled. */
export function net_tx_action(): void {
  walk(FN_net_tx_action, 0)
  softirq_enter()
  run_scheduled()
  softirq_exit()
}

function run_scheduled(): void {
  const sd = changetype<softnet_data>(boot.softnet + <usize>boot.cpu * SOFTNET_SIZE)
  // What is scheduled meanwhile waits for the next round.
  const last = sd.output_queue_tail
  while (sd.output_queue) {
    const p = sd.output_queue
    const q = changetype<Qdisc>(p)
    sd.output_queue = q.next_sched
    q.state &= ~__QDISC_STATE_SCHED
    if (!(q.state & __QDISC_STATE_DEACTIVATED)) qdisc_run(q)
    if (p == last) return
  }
}
