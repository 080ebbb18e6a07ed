// The queues of a device: born with it, in force while it is up and has carrier, watched, and gone with it.
// Mirrors dev_activate, dev_deactivate, dev_watchdog and their neighbours in net/sched/sch_generic.c.

import { boot } from '../../lib/boot.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { dql_init } from '../../lib/dynamic_queue_limits.ts'
import {
  NETDEV_QUEUE_SIZE,
  netdev_get_tx_queue,
  netdev_queue,
  netdev_queue_dql,
  netif_xmit_stopped,
} from '../../include/netdev_queue.ts'
import {
  IFF_NO_QUEUE,
  __LINK_STATE_NOCARRIER,
  __LINK_STATE_PRESENT,
  __LINK_STATE_START,
  net_device,
  watchdog_timer,
  watchdog_timer_dev,
} from '../../include/netdevice.ts'
import {
  Qdisc,
  TCQ_F_BUILTIN,
  TCQ_F_NOPARENT,
  TCQ_F_NOQUEUE,
  TCQ_F_ONETXQUEUE,
  TC_H_ROOT,
  __QDISC_STATE_DEACTIVATED,
  __QDISC_STATE_MISSED,
  qdisc_ops,
} from '../../include/sch_generic.ts'
import { mod_timer, time_after, timer_delete, timer_pending, timer_setup } from '../../kernel/timer.ts'
import { walk } from '../../trace/trace.ts'
import { FN___netdev_watchdog_up, FN_dev_activate, FN_dev_deactivate, FN_dev_watchdog } from '../../uapi/functions.ts'
import { QDISC_MQ, QDISC_NOQUEUE } from '../../uapi/pkt_sched.ts'
import { noop_qdisc, qdisc_create_dflt, qdisc_hash_add, qdisc_put, qdisc_reset } from './sch_generic.ts'

/** Transmit queues of a device, idle (netif_alloc_netdev_queues). False: out of memory. */
export function netif_alloc_netdev_queues(dev: net_device, count: u32): bool {
  dev._tx = kzalloc(<usize>count * NETDEV_QUEUE_SIZE)
  if (dev._tx == 0) return false
  dev.num_tx_queues = count
  dev.qdisc = boot.noop_qdisc
  for (let i: u32 = 0; i < count; i++) {
    const txq = netdev_get_tx_queue(dev, i)
    txq.dev = changetype<usize>(dev)
    txq.index = i
    txq.qdisc = boot.noop_qdisc
    txq.qdisc_sleeping = boot.noop_qdisc
    dql_init(netdev_queue_dql(txq), boot.hz)
  }
  timer_setup(watchdog_timer(dev), dev_watchdog.index)
  return true
}

export function netif_free_tx_queues(dev: net_device): void {
  kfree(dev._tx, <usize>dev.num_tx_queues * NETDEV_QUEUE_SIZE)
  dev._tx = 0
}

/** Puts a qdisc into a queue's place, to be in force when the device is active; answers the one before. */
export function dev_graft_qdisc(txq: netdev_queue, sch: Qdisc): Qdisc {
  const old = changetype<Qdisc>(txq.qdisc_sleeping)
  txq.qdisc_sleeping = changetype<usize>(sch) ? changetype<usize>(sch) : boot.noop_qdisc
  txq.qdisc = boot.noop_qdisc
  return old
}

function attach_one_default_qdisc(dev: net_device, txq: netdev_queue): void {
  const kind = dev.priv_flags & IFF_NO_QUEUE ? QDISC_NOQUEUE : boot.default_qdisc
  const sch = qdisc_create_dflt(txq, kind, TC_H_ROOT)
  if (changetype<usize>(sch) == 0) return
  if (dev.num_tx_queues == 1) sch.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT
  txq.qdisc_sleeping = changetype<usize>(sch)
}

/** Every queue its qdisc, or all under mq; without a queue when that fails. */
function attach_default_qdiscs(dev: net_device): void {
  const first = netdev_get_tx_queue(dev, 0)
  if (dev.num_tx_queues > 1 && !(dev.priv_flags & IFF_NO_QUEUE)) {
    const mq = qdisc_create_dflt(first, QDISC_MQ, TC_H_ROOT)
    if (changetype<usize>(mq)) {
      dev.qdisc = changetype<usize>(mq)
      call_indirect<void>(qdisc_ops(QDISC_MQ).attach, changetype<usize>(mq))
    }
  } else {
    for (let i: u32 = 0; i < dev.num_tx_queues; i++) attach_one_default_qdisc(dev, netdev_get_tx_queue(dev, i))
    dev.qdisc = first.qdisc_sleeping
    changetype<Qdisc>(dev.qdisc).refcnt += 1
  }
  if (dev.qdisc == boot.noop_qdisc) {
    dev.priv_flags |= IFF_NO_QUEUE
    for (let i: u32 = 0; i < dev.num_tx_queues; i++) attach_one_default_qdisc(dev, netdev_get_tx_queue(dev, i))
    dev.qdisc = first.qdisc_sleeping
    changetype<Qdisc>(dev.qdisc).refcnt += 1
  }
  qdisc_hash_add(changetype<Qdisc>(dev.qdisc))
}

/** Its queues take packets from now on, if it is up and has carrier. */
export function dev_activate(dev: net_device): void {
  walk(FN_dev_activate, 0)
  if (!(dev.state & __LINK_STATE_START)) return
  if (dev.qdisc == boot.noop_qdisc) attach_default_qdiscs(dev)
  if (dev.state & __LINK_STATE_NOCARRIER) return
  let watched = false
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const txq = netdev_get_tx_queue(dev, i)
    const sch = changetype<Qdisc>(txq.qdisc_sleeping)
    if (!(sch.flags & TCQ_F_BUILTIN)) sch.state &= ~__QDISC_STATE_DEACTIVATED
    txq.qdisc = changetype<usize>(sch)
    txq.trans_start = boot.jiffies
    if (!(sch.flags & TCQ_F_NOQUEUE)) watched = true
  }
  if (watched) netdev_watchdog_up(dev)
}

/** Without carrier, or down, what is sent is dropped; what waits is lost. */
export function dev_deactivate(dev: net_device): void {
  walk(FN_dev_deactivate, 0)
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const txq = netdev_get_tx_queue(dev, i)
    const sch = changetype<Qdisc>(txq.qdisc)
    if (!(sch.flags & TCQ_F_BUILTIN)) sch.state |= __QDISC_STATE_DEACTIVATED
    txq.qdisc = boot.noop_qdisc
  }
  timer_delete(watchdog_timer(dev))
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const sch = changetype<Qdisc>(netdev_get_tx_queue(dev, i).qdisc_sleeping)
    if (sch.flags & TCQ_F_BUILTIN) continue
    qdisc_reset(sch)
    sch.state &= ~__QDISC_STATE_MISSED
  }
}

/** Gives up the queues' qdiscs for good; the device is down. */
export function dev_shutdown(dev: net_device): void {
  dev_deactivate(dev)
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const txq = netdev_get_tx_queue(dev, i)
    qdisc_put(dev_graft_qdisc(txq, noop_qdisc()))
  }
  const root = changetype<Qdisc>(dev.qdisc)
  dev.qdisc = boot.noop_qdisc
  qdisc_put(root)
}

/** Another length of the queue: the device rests meanwhile, so what waits is lost. 0 or -errno (dev_qdisc_change_tx_queue_len). */
export function dev_qdisc_change_tx_queue_len(dev: net_device): void {
  const up = (dev.state & __LINK_STATE_START) != 0
  if (up) dev_deactivate(dev)
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const sch = changetype<Qdisc>(netdev_get_tx_queue(dev, i).qdisc_sleeping)
    const change = qdisc_ops(sch.kind).change_tx_queue_len
    if (change) call_indirect<i32>(change, changetype<usize>(sch), dev.tx_queue_len)
  }
  if (up) dev_activate(dev)
}

/** Seconds after which a stopped queue counts as hanging, unless the driver says otherwise. */
const WATCHDOG_SECONDS: u32 = 5

function watchdog_ticks(dev: net_device): u32 {
  return dev.watchdog_timeo ? dev.watchdog_timeo : WATCHDOG_SECONDS * boot.hz
}

/** Ticks to the next whole second (round_jiffies). */
function next_second(ticks: u32): u32 {
  return ticks - (ticks % boot.hz) + (ticks % boot.hz < boot.hz >> 2 ? 0 : boot.hz)
}

/** Watches the queues of a driver that can be reset (__netdev_watchdog_up). */
export function netdev_watchdog_up(dev: net_device): void {
  if (dev.ndo_tx_timeout == 0) return
  walk(FN___netdev_watchdog_up, 0)
  const timer = watchdog_timer(dev)
  if (!timer_pending(timer)) mod_timer(timer, next_second(boot.jiffies + watchdog_ticks(dev)))
}

/** A queue that has been stopped for too long: the driver is told, which resets its ring. */
function dev_watchdog(p: usize): void {
  walk(FN_dev_watchdog, 0)
  const dev = watchdog_timer_dev(p)
  const ready = __LINK_STATE_START | __LINK_STATE_PRESENT
  if (dev.qdisc == boot.noop_qdisc || (dev.state & (ready | __LINK_STATE_NOCARRIER)) != ready) return
  const ticks = watchdog_ticks(dev)
  let oldest = boot.jiffies
  for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
    const txq = netdev_get_tx_queue(dev, i)
    if (!netif_xmit_stopped(txq)) continue
    if (time_after(boot.jiffies, txq.trans_start + ticks)) {
      txq.trans_timeout += 1
      call_indirect<void>(dev.ndo_tx_timeout, changetype<usize>(dev), i)
      break
    }
    if (time_after(oldest, txq.trans_start)) oldest = txq.trans_start
  }
  mod_timer(watchdog_timer(dev), next_second(oldest + ticks))
}
