// A transmit queue of a device (struct netdev_queue, linux/netdevice.h): its qdisc, who stopped it, and how much is in flight.

import { boot } from '../lib/boot.ts'
import { dql, dql_avail, dql_completed, dql_queued, dql_reset } from '../lib/dynamic_queue_limits.ts'
import { net_device } from './netdevice.ts'

/** netdev_queue.state: the driver has no room, too many bytes are in flight (BQL), the queue is being changed. */
export const QUEUE_STATE_DRV_XOFF: u32 = 1
export const QUEUE_STATE_STACK_XOFF: u32 = 2
export const QUEUE_STATE_FROZEN: u32 = 4
export const QUEUE_STATE_ANY_XOFF: u32 = QUEUE_STATE_DRV_XOFF | QUEUE_STATE_STACK_XOFF
export const QUEUE_STATE_ANY_XOFF_OR_FROZEN: u32 = QUEUE_STATE_ANY_XOFF | QUEUE_STATE_FROZEN

/** Behind it lies its dql. */
@unmanaged
@final
export class netdev_queue {
  /** The qdisc in force, and the one that is when the device is active. */
  qdisc: usize
  /** QUEUE_STATE_* */
  state: u32
  /** When the driver took the last packet, in jiffies. */
  trans_start: u32
  dev: usize
  qdisc_sleeping: usize
  /** How often the watchdog found it hanging. */
  trans_timeout: u32
  index: u32
}

const DQL: usize = (offsetof<netdev_queue>() + 7) & ~7
export const NETDEV_QUEUE_SIZE: usize = (DQL + offsetof<dql>() + 63) & ~(<usize>63)

export function netdev_queue_dql(txq: netdev_queue): dql {
  return changetype<dql>(changetype<usize>(txq) + DQL)
}

export function netdev_get_tx_queue(dev: net_device, index: u32): netdev_queue {
  return changetype<netdev_queue>(dev._tx + <usize>index * NETDEV_QUEUE_SIZE)
}

/** Neither the driver nor BQL lets it go on. */
export function netif_xmit_stopped(txq: netdev_queue): bool {
  return (txq.state & QUEUE_STATE_ANY_XOFF) != 0
}

export function netif_xmit_frozen_or_stopped(txq: netdev_queue): bool {
  return (txq.state & QUEUE_STATE_ANY_XOFF_OR_FROZEN) != 0
}

export function netif_tx_stop_queue(txq: netdev_queue): void {
  txq.state |= QUEUE_STATE_DRV_XOFF
}

export function netif_tx_start_queue(txq: netdev_queue): void {
  txq.state &= ~QUEUE_STATE_DRV_XOFF
}

/** The driver took bytes: past the limit the stack stops the queue. */
export function netdev_tx_sent_queue(txq: netdev_queue, bytes: u32): void {
  const q = netdev_queue_dql(txq)
  dql_queued(q, bytes)
  if (dql_avail(q) < 0) txq.state |= QUEUE_STATE_STACK_XOFF
}

/** Bytes left the device. True: the queue was stopped for them and may go on; the caller schedules it. */
export function netdev_tx_completed_queue(txq: netdev_queue, bytes: u32): bool {
  if (bytes == 0) return false
  const q = netdev_queue_dql(txq)
  dql_completed(q, bytes)
  if (!(txq.state & QUEUE_STATE_STACK_XOFF) || dql_avail(q) < 0) return false
  txq.state &= ~QUEUE_STATE_STACK_XOFF
  return true
}

export function netdev_tx_reset_queue(txq: netdev_queue): void {
  txq.state &= ~QUEUE_STATE_STACK_XOFF
  dql_reset(netdev_queue_dql(txq))
}

/** The driver took a packet now (txq_trans_update). */
export function txq_trans_update(txq: netdev_queue): void {
  txq.trans_start = boot.jiffies
}
