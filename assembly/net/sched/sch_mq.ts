// mq: one child for each transmit queue of a device with several; packets go to the children. Mirrors net/sched/sch_mq.c.

import { boot } from '../../lib/boot.ts'
import { NETDEV_QUEUE_SIZE, netdev_get_tx_queue, netdev_queue } from '../../include/netdev_queue.ts'
import { net_device } from '../../include/netdevice.ts'
import {
  Qdisc,
  TCQ_F_MQROOT,
  TCQ_F_NOPARENT,
  TCQ_F_ONETXQUEUE,
  TC_H_MAJ,
  TC_H_MIN,
  TC_H_ROOT,
  qdisc_dev,
  qdisc_priv,
} from '../../include/sch_generic.ts'
import { walk } from '../../trace/trace.ts'
import { EOPNOTSUPP } from '../../uapi/errno.ts'
import { FN_mq_attach } from '../../uapi/functions.ts'
import { QDISC_MQ } from '../../uapi/pkt_sched.ts'
import { dev_graft_qdisc } from './dev_activate.ts'
import { noop_qdisc, qdisc_create_dflt, qdisc_hash_add, qdisc_put, register_qdisc } from './sch_generic.ts'

const NO_CLASS: u32 = 0

/** What mq keeps of itself: its children until they are in their queues (usize for each queue). */
const MQ_CHILDREN_MAX: u32 = 16

function child_slot(sch: Qdisc, i: u32): usize {
  return qdisc_priv(sch) + ((<usize>i) << 2)
}

function mq_init(q: usize, _opt: usize): i32 {
  const sch = changetype<Qdisc>(q)
  const dev = qdisc_dev(sch)
  if (sch.parent != TC_H_ROOT || dev.num_tx_queues < 2) return -EOPNOTSUPP
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const txq = netdev_get_tx_queue(dev, i)
    const child = qdisc_create_dflt(txq, boot.default_qdisc, TC_H_MAJ(sch.handle) | (i + 1))
    if (changetype<usize>(child) == 0) return -EOPNOTSUPP
    child.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT
    store<usize>(child_slot(sch, i), changetype<usize>(child))
  }
  sch.flags |= TCQ_F_MQROOT
  return 0
}

function mq_destroy(q: usize): void {
  const sch = changetype<Qdisc>(q)
  for (let i: u32 = 0; i < MQ_CHILDREN_MAX; i++) {
    const slot = child_slot(sch, i)
    if (load<usize>(slot)) qdisc_put(changetype<Qdisc>(load<usize>(slot)))
    store<usize>(slot, 0)
  }
}

/** The children take their places. */
function mq_attach(q: usize): void {
  walk(FN_mq_attach, 0)
  const sch = changetype<Qdisc>(q)
  const dev = qdisc_dev(sch)
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const slot = child_slot(sch, i)
    const child = changetype<Qdisc>(load<usize>(slot))
    store<usize>(slot, 0)
    qdisc_put(dev_graft_qdisc(netdev_get_tx_queue(dev, i), child))
    if (changetype<usize>(child)) qdisc_hash_add(child)
  }
}

/** A class is a queue, numbered from 1. */
function mq_find(q: usize, classid: u32): u32 {
  const n = TC_H_MIN(classid)
  return n <= qdisc_dev(changetype<Qdisc>(q)).num_tx_queues ? n : NO_CLASS
}

function queue_of(q: usize, cl: u32): netdev_queue {
  return netdev_get_tx_queue(qdisc_dev(changetype<Qdisc>(q)), cl - 1)
}

function mq_graft(q: usize, cl: u32, fresh: usize): usize {
  const txq = queue_of(q, cl)
  if (fresh) changetype<Qdisc>(fresh).flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT
  const active = txq.qdisc != boot.noop_qdisc
  const old = dev_graft_qdisc(txq, fresh ? changetype<Qdisc>(fresh) : noop_qdisc())
  if (active) txq.qdisc = txq.qdisc_sleeping
  return changetype<usize>(old)
}

function mq_leaf(q: usize, cl: u32): usize {
  return queue_of(q, cl).qdisc_sleeping
}

function mq_classes(q: usize): u32 {
  return qdisc_dev(changetype<Qdisc>(q)).num_tx_queues
}

/** mq counts nothing itself: its numbers are the sums of its children's. */
export function mq_update_stats(sch: Qdisc): void {
  const dev: net_device = qdisc_dev(sch)
  sch.qlen = 0
  sch.backlog = 0
  sch.bytes = 0
  sch.packets = 0
  sch.drops = 0
  sch.overlimits = 0
  sch.requeues = 0
  for (let at = dev._tx, end = at + <usize>dev.num_tx_queues * NETDEV_QUEUE_SIZE; at < end; at += NETDEV_QUEUE_SIZE) {
    const child = changetype<Qdisc>(changetype<netdev_queue>(at).qdisc_sleeping)
    sch.qlen += child.qlen
    sch.backlog += child.backlog
    sch.bytes += child.bytes
    sch.packets += child.packets
    sch.drops += child.drops
    sch.overlimits += child.overlimits
    sch.requeues += child.requeues
  }
}

export function mq_register(): void {
  const ops = register_qdisc(QDISC_MQ, (<usize>MQ_CHILDREN_MAX) << 2, 0, 0, 0)
  ops.init = mq_init.index
  ops.destroy = mq_destroy.index
  ops.attach = mq_attach.index
  ops.find = mq_find.index
  ops.graft = mq_graft.index
  ops.leaf = mq_leaf.index
  ops.classes = mq_classes.index
}
