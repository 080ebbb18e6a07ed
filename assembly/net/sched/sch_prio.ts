// Bands by priority: a lower one sends only when those above have nothing. Mirrors net/sched/sch_prio.c.

import { NET_XMIT_SUCCESS } from '../../include/netdevice.ts'
import { Qdisc, TC_H_MAJ, TC_H_MIN, qdisc_dev_queue, qdisc_pkt_len, qdisc_priv } from '../../include/sch_generic.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL, ENOMEM } from '../../uapi/errno.ts'
import { FN_prio_dequeue, FN_prio_enqueue } from '../../uapi/functions.ts'
import { OPT_PRIO_BANDS, OPT_PRIO_PRIOMAP, QDISC_PFIFO, QDISC_PRIO } from '../../uapi/pkt_sched.ts'
import { opt_given, opt_u32, opt_u64, put_word } from './options.ts'
import {
  noop_qdisc,
  qdisc_bstats_update,
  qdisc_child_create,
  qdisc_dequeue_peeked,
  qdisc_enqueue,
  qdisc_peek,
  qdisc_purge_queue,
  qdisc_put,
  qdisc_replace,
  qdisc_reset,
  register_qdisc,
  xmit_dropped,
} from './sch_generic.ts'

const TCQ_PRIO_BANDS: u32 = 16
const TCQ_MIN_PRIO_BANDS: u32 = 2
const TC_PRIO_MAX: u32 = 15
const NO_PACKET: usize = 0

/** How many bands, the band of each priority (4 bits each, from priority 0 up), and the bands' children. */
@unmanaged
@final
class prio_sched_data {
  prio2band: u64
  bands: u32
  queue0: usize
}

const QUEUES: usize = offsetof<prio_sched_data>('queue0')
const PRIO_SIZE: usize = QUEUES + ((<usize>TCQ_PRIO_BANDS) << 2)

function priv(sch: Qdisc): prio_sched_data {
  return changetype<prio_sched_data>(qdisc_priv(sch))
}

function slot(sch: Qdisc, band: u32): usize {
  return qdisc_priv(sch) + QUEUES + ((<usize>band) << 2)
}

function queue(sch: Qdisc, band: u32): Qdisc {
  return changetype<Qdisc>(load<usize>(slot(sch, band)))
}

/** The child for a packet: its priority may name a class of this qdisc, else the map says it. */
function prio_classify(skb: sk_buff, sch: Qdisc): Qdisc {
  const q = priv(sch)
  const priority = skb.priority
  if (TC_H_MAJ(priority) != sch.handle) {
    const row = TC_H_MAJ(priority) ? 0 : priority & TC_PRIO_MAX
    return queue(sch, (<u32>(q.prio2band >> (row << 2))) & 15)
  }
  const band = TC_H_MIN(priority) - 1
  return queue(sch, band >= q.bands ? (<u32>q.prio2band) & 15 : band)
}

function prio_enqueue(p: usize, s: usize): i32 {
  walk(FN_prio_enqueue, p)
  const skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(s)
  const len = qdisc_pkt_len(skb)
  const rc = qdisc_enqueue(skb, prio_classify(skb, sch))
  if (rc == NET_XMIT_SUCCESS) {
    sch.backlog += len
    sch.qlen += 1
  } else if (xmit_dropped(rc)) sch.drops += 1
  return rc
}

function prio_dequeue(s: usize): usize {
  walk(FN_prio_dequeue, 0)
  const sch = changetype<Qdisc>(s)
  const bands = priv(sch).bands
  for (let i: u32 = 0; i < bands; i++) {
    const skb = qdisc_dequeue_peeked(queue(sch, i))
    if (changetype<usize>(skb) == 0) continue
    qdisc_bstats_update(sch, skb)
    sch.backlog -= qdisc_pkt_len(skb)
    sch.qlen -= 1
    return changetype<usize>(skb)
  }
  return NO_PACKET
}

function prio_peek(s: usize): usize {
  const sch = changetype<Qdisc>(s)
  for (let i: u32 = 0; i < priv(sch).bands; i++) {
    const skb = qdisc_peek(queue(sch, i))
    if (changetype<usize>(skb)) return changetype<usize>(skb)
  }
  return NO_PACKET
}

function prio_reset(s: usize): void {
  const sch = changetype<Qdisc>(s)
  for (let i: u32 = 0; i < priv(sch).bands; i++) qdisc_reset(queue(sch, i))
}

function prio_destroy(s: usize): void {
  const sch = changetype<Qdisc>(s)
  for (let i: u32 = 0; i < priv(sch).bands; i++) qdisc_put(queue(sch, i))
  priv(sch).bands = 0
}

/** Other bands: new ones have a pfifo, what waits in those that go is lost. */
function prio_tune(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  if (!opt_given(opt, OPT_PRIO_BANDS)) return -EINVAL
  const bands = opt_u32(opt, OPT_PRIO_BANDS)
  const map = opt_u64(opt, OPT_PRIO_PRIOMAP)
  if (bands > TCQ_PRIO_BANDS || bands < TCQ_MIN_PRIO_BANDS) return -EINVAL
  for (let i: u32 = 0; i <= TC_PRIO_MAX; i++) if (((<u32>(map >> (i << 2))) & 15) >= bands) return -EINVAL
  const had = q.bands
  for (let i = had; i < bands; i++) {
    const child = qdisc_child_create(qdisc_dev_queue(sch), QDISC_PFIFO, sch.handle | (i + 1))
    if (changetype<usize>(child) == 0) {
      while (i > had) qdisc_put(queue(sch, --i))
      return -ENOMEM
    }
    store<usize>(slot(sch, i), changetype<usize>(child))
  }
  for (let i = bands; i < had; i++) {
    qdisc_purge_queue(queue(sch, i))
    qdisc_put(queue(sch, i))
    store<usize>(slot(sch, i), 0)
  }
  q.bands = bands
  q.prio2band = map
  return 0
}

function prio_dump(s: usize, out: usize): i32 {
  const q = priv(changetype<Qdisc>(s))
  put_word(out, OPT_PRIO_BANDS, q.bands)
  put_word(out, OPT_PRIO_PRIOMAP, q.prio2band)
  return 0
}

function prio_graft(s: usize, band: u32, fresh: usize): usize {
  const sch = changetype<Qdisc>(s)
  let child = changetype<Qdisc>(fresh)
  if (fresh == 0) {
    child = qdisc_child_create(qdisc_dev_queue(sch), QDISC_PFIFO, sch.handle | band)
    if (changetype<usize>(child) == 0) child = noop_qdisc()
  }
  return changetype<usize>(qdisc_replace(child, slot(sch, band - 1)))
}

function prio_leaf(s: usize, band: u32): usize {
  return changetype<usize>(queue(changetype<Qdisc>(s), band - 1))
}

function prio_find(s: usize, classid: u32): u32 {
  const band = TC_H_MIN(classid)
  return band - 1 >= priv(changetype<Qdisc>(s)).bands ? 0 : band
}

function prio_classes(s: usize): u32 {
  return priv(changetype<Qdisc>(s)).bands
}

export function sch_prio_register(): void {
  const ops = register_qdisc(QDISC_PRIO, PRIO_SIZE, prio_enqueue.index, prio_dequeue.index, prio_peek.index)
  ops.init = prio_tune.index
  ops.change = prio_tune.index
  ops.reset = prio_reset.index
  ops.destroy = prio_destroy.index
  ops.dump = prio_dump.index
  ops.graft = prio_graft.index
  ops.leaf = prio_leaf.index
  ops.find = prio_find.index
  ops.classes = prio_classes.index
}
