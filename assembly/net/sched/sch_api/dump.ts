// What can be read of qdiscs and classes: RTM_GETQDISC and RTM_GETTCLASS. Mirrors tc_dump_qdisc and tc_fill_qdisc of
// net/sched/sch_api.c. Records: uapi/pkt_sched.ts (DUMP_*).

import { DQL_MAX_LIMIT } from '../../../lib/dynamic_queue_limits.ts'
import { boot } from '../../../lib/boot.ts'
import { netdev_get_tx_queue, netdev_queue_dql } from '../../../include/netdev_queue.ts'
import { net_device } from '../../../include/netdevice.ts'
import { Qdisc, TCQ_F_BUILTIN, TCQ_F_INVISIBLE, TC_H_ROOT, qdisc_ops } from '../../../include/sch_generic.ts'
import { ENOENT } from '../../../uapi/errno.ts'
import {
  DUMP_BACKLOG,
  DUMP_BYTES,
  DUMP_DROPS,
  DUMP_HANDLE,
  DUMP_KIND,
  DUMP_LEAF,
  DUMP_OPTIONS,
  DUMP_OVERLIMITS,
  DUMP_PACKETS,
  DUMP_PARENT,
  DUMP_QLEN,
  DUMP_REFCNT,
  DUMP_REQUEUES,
  DUMP_SIZE,
  QDISC_MQ,
} from '../../../uapi/pkt_sched.ts'
import { mq_update_stats } from '../sch_mq.ts'
import { qdisc_lookup } from '../sch_generic.ts'

function put(out: usize, word: u32, value: u32): void {
  store<u32>(out + ((<usize>word) << 2), value)
}

function put_stats(sch: Qdisc, out: usize): void {
  if (sch.kind == QDISC_MQ) mq_update_stats(sch)
  put(out, DUMP_DROPS, sch.drops)
  put(out, DUMP_OVERLIMITS, sch.overlimits)
  put(out, DUMP_REQUEUES, sch.requeues)
  put(out, DUMP_BACKLOG, sch.backlog)
  put(out, DUMP_QLEN, sch.qlen)
  store<u64>(out + DUMP_BYTES, sch.bytes)
  store<u64>(out + DUMP_PACKETS, sch.packets)
}

function tc_fill_qdisc(sch: Qdisc, out: usize): void {
  memory.fill(out, 0, DUMP_SIZE)
  put(out, DUMP_HANDLE, sch.handle)
  put(out, DUMP_PARENT, sch.parent)
  put(out, DUMP_KIND, sch.kind)
  put(out, DUMP_REFCNT, sch.refcnt)
  put_stats(sch, out)
  const dump = qdisc_ops(sch.kind).dump
  if (dump) call_indirect<i32>(dump, changetype<usize>(sch), out + DUMP_OPTIONS)
}

/** Buckets of the table by which qdiscs are found: dumps go through it. */
const BUCKETS: u32 = 16
const GOLDEN_RATIO_32: u32 = 0x61c88647

/** Records of a device's qdiscs at out, the root first, at most max. invisible: those that parents made by themselves too. */
export function tc_dump_qdisc(dev: net_device, out: usize, max: u32, invisible: u32): u32 {
  const root = changetype<Qdisc>(dev.qdisc)
  const hidden = TCQ_F_BUILTIN | (invisible ? 0 : TCQ_F_INVISIBLE)
  let count: u32 = 0
  if (!(root.flags & hidden) && max > 0) {
    tc_fill_qdisc(root, out)
    count = 1
  }
  for (let bucket: u32 = 0; bucket < BUCKETS; bucket++) {
    for (let q = changetype<Qdisc>(dev.qdisc_hash); changetype<usize>(q); q = changetype<Qdisc>(q.hash_next)) {
      if ((q.handle * GOLDEN_RATIO_32) >> 28 != bucket || q.flags & hidden || count == max) continue
      if (changetype<usize>(q) == changetype<usize>(root)) continue
      tc_fill_qdisc(q, out + <usize>count * DUMP_SIZE)
      count += 1
    }
  }
  return count
}

/** Records of the classes of the qdisc with this handle, at most max; -ENOENT. */
export function tc_dump_tclass(dev: net_device, handle: u32, out: usize, max: u32): i32 {
  const sch = qdisc_lookup(dev, handle)
  if (changetype<usize>(sch) == 0) return -ENOENT
  const ops = qdisc_ops(sch.kind)
  if (ops.classes == 0) return 0
  const count = min(max, call_indirect<u32>(ops.classes, changetype<usize>(sch)))
  for (let i: u32 = 0; i < count; i++) {
    const at = out + <usize>i * DUMP_SIZE
    memory.fill(at, 0, DUMP_SIZE)
    const cl = i + 1
    put(at, DUMP_HANDLE, sch.handle | cl)
    put(at, DUMP_PARENT, sch.kind == QDISC_MQ ? TC_H_ROOT : sch.handle)
    put(at, DUMP_KIND, sch.kind)
    const leaf = changetype<Qdisc>(call_indirect<usize>(ops.leaf, changetype<usize>(sch), cl))
    put(at, DUMP_LEAF, leaf.handle)
    put_stats(leaf, at)
  }
  return <i32>count
}

/**
 * A transmit queue as /sys/class/net/DEV/queues/tx-N shows it, u32 words at out: QUEUE_STATE_*, tx_timeout, and of
 * byte_queue_limits limit, limit_min, limit_max, hold_time (ms), inflight. 0 or -ENOENT.
 */
export function dev_tx_queue_dump(dev: net_device, index: u32, out: usize): i32 {
  if (index >= dev.num_tx_queues) return -ENOENT
  const txq = netdev_get_tx_queue(dev, index)
  const q = netdev_queue_dql(txq)
  put(out, 0, txq.state)
  put(out, 1, txq.trans_timeout)
  put(out, 2, q.limit)
  put(out, 3, q.min_limit)
  put(out, 4, q.max_limit)
  put(out, 5, (q.slack_hold_time * 1000) / boot.hz)
  put(out, 6, q.num_queued - q.num_completed)
  return 0
}

/** Bounds of byte_queue_limits, as they may be written there. */
export function dev_tx_queue_limits(dev: net_device, index: u32, least: u32, most: u32): i32 {
  if (index >= dev.num_tx_queues) return -ENOENT
  const q = netdev_queue_dql(netdev_get_tx_queue(dev, index))
  q.min_limit = min(least, DQL_MAX_LIMIT)
  q.max_limit = min(most, DQL_MAX_LIMIT)
  return 0
}
