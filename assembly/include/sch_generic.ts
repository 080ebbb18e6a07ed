// A queueing discipline and what its kind can do: struct Qdisc and Qdisc_ops of net/sch_generic.h. Layout only.

import { SKB_CB, sk_buff, sk_buff_head } from './skbuff.ts'
import { netdev_queue } from './netdev_queue.ts'
import { net_device } from './netdevice.ts'
import { boot } from '../lib/boot.ts'

/** Qdisc.flags (TCQ_F_*) */
export const TCQ_F_BUILTIN: u32 = 1
export const TCQ_F_INGRESS: u32 = 2
export const TCQ_F_CAN_BYPASS: u32 = 4
export const TCQ_F_MQROOT: u32 = 8
export const TCQ_F_ONETXQUEUE: u32 = 0x10
export const TCQ_F_WARN_NONWC: u32 = 0x10000
export const TCQ_F_CPUSTATS: u32 = 0x20
export const TCQ_F_NOPARENT: u32 = 0x40
export const TCQ_F_INVISIBLE: u32 = 0x80
export const TCQ_F_NOLOCK: u32 = 0x100
/** It has no enqueue: packets go straight to the driver (noqueue). */
export const TCQ_F_NOQUEUE: u32 = 0x200

/** Qdisc.state */
export const __QDISC_STATE_SCHED: u32 = 1
export const __QDISC_STATE_DEACTIVATED: u32 = 2
export const __QDISC_STATE_MISSED: u32 = 4
export const __QDISC_STATE_RUNNING: u32 = 16

/** Handles: major above, minor below (linux/pkt_sched.h). */
export const TC_H_ROOT: u32 = 0xffffffff
export const TC_H_INGRESS: u32 = 0xfffffff1
export function TC_H_MAJ(h: u32): u32 {
  return h & 0xffff0000
}
export function TC_H_MIN(h: u32): u32 {
  return h & 0xffff
}

/** One queueing discipline. Behind it lies what its kind keeps (qdisc_priv). */
@unmanaged
@final
export class Qdisc {
  /** Table indices of (skb, sch) => i32 and (sch) => skb. */
  enqueue: u32
  dequeue: u32
  /** TCQ_F_* */
  flags: u32
  /** __QDISC_STATE_* */
  state: u32
  qlen: u32
  backlog: u32
  /** Packets that the driver would not take, or that peek took out already: first to go. */
  gso_head: usize
  gso_tail: usize
  gso_qlen: u32
  /** Its own list, in kinds that keep one. */
  q_head: usize
  q_tail: usize
  q_qlen: u32
  /** Packets for a stopped queue of a device with several. */
  bad_head: usize
  bad_tail: usize
  bad_qlen: u32
  limit: u32
  bytes: u64
  packets: u64
  drops: u32
  overlimits: u32
  requeues: u32
  /** QDISC_* (uapi/pkt_sched.ts) */
  kind: u32
  handle: u32
  parent: u32
  refcnt: u32
  dev_queue: usize
  /** Next qdisc of the device that can be found by its handle. */
  hash_next: usize
  /** Next on a CPU's output_queue. */
  next_sched: usize
  /** It is on the device's list. */
  hashed: u32
}

export const QDISC_PRIV: usize = (offsetof<Qdisc>() + 15) & ~15

export function qdisc_priv(sch: Qdisc): usize {
  return changetype<usize>(sch) + QDISC_PRIV
}

export function qdisc_gso_skb(sch: Qdisc): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(sch) + offsetof<Qdisc>('gso_head'))
}

export function qdisc_skb_head(sch: Qdisc): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(sch) + offsetof<Qdisc>('q_head'))
}

export function qdisc_skb_bad_txq(sch: Qdisc): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(sch) + offsetof<Qdisc>('bad_head'))
}

export function qdisc_dev_queue(sch: Qdisc): netdev_queue {
  return changetype<netdev_queue>(sch.dev_queue)
}

export function qdisc_dev(sch: Qdisc): net_device {
  return changetype<net_device>(changetype<netdev_queue>(sch.dev_queue).dev)
}

/** What a kind can do: table indices, 0 where it cannot. opt is a pointer to options (net/sched/nla.ts), 0: none were given. */
@unmanaged
@final
export class Qdisc_ops {
  priv_size: u32
  static_flags: u32
  /** (skb, sch) => NET_XMIT_* */
  enqueue: u32
  /** (sch) => skb */
  dequeue: u32
  peek: u32
  /** (sch, opt) => 0 or -errno; without init no options are looked at. */
  init: u32
  change: u32
  /** (sch) => void */
  reset: u32
  destroy: u32
  /** Enters its children into their queues. */
  attach: u32
  /** (sch, len) => 0 or -errno */
  change_tx_queue_len: u32
  /** (sch, out) => bytes written: options and the kind's statistics */
  dump: u32
  /** Classes: (sch, class, new) => old or -errno; (sch, class) => leaf; (sch, minor) => class or 0; (sch) => how many. */
  graft: u32
  leaf: u32
  find: u32
  classes: u32
  /** (sch, class, out) => bytes written. */
  dump_class: u32
  /** (sch, class): its child has nothing left. */
  qlen_notify: u32
}

export const QDISC_OPS_SIZE: usize = offsetof<Qdisc_ops>()

export function qdisc_ops(kind: u32): Qdisc_ops {
  return changetype<Qdisc_ops>(boot.qdisc_ops + <usize>kind * QDISC_OPS_SIZE)
}

/** What a packet in a queue carries in its cb: length on the wire, why it is dropped; the kind's own words follow. */
@unmanaged
@final
export class qdisc_skb_cb {
  pkt_len: u32
  drop_reason: u32
}

const CB_PRIV: usize = SKB_CB + 8

export function qdisc_cb(skb: sk_buff): qdisc_skb_cb {
  return changetype<qdisc_skb_cb>(changetype<usize>(skb) + SKB_CB)
}

/** Bytes of a packet as its queues count them, all segments with their headers. */
export function qdisc_pkt_len(skb: sk_buff): u32 {
  return load<u32>(changetype<usize>(skb), SKB_CB)
}

/** The kind's own words of cb: 40 bytes. */
export function qdisc_cb_private(skb: sk_buff): usize {
  return changetype<usize>(skb) + CB_PRIV
}
