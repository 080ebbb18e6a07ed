// A token bucket: packets leave at a rate, in bursts up to the bucket's size. Mirrors net/sched/sch_tbf.c.

import { boot } from '../../lib/boot.ts'
import { NETIF_F_GSO_MASK, NET_XMIT_DROP, NET_XMIT_SUCCESS } from '../../include/netdevice.ts'
import { Qdisc, qdisc_dev, qdisc_pkt_len, qdisc_priv } from '../../include/sch_generic.ts'
import { SKB_ENDED_ABSORBED, sk_buff } from '../../include/skbuff.ts'
import { IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL, ENOMEM } from '../../uapi/errno.ts'
import { FN_tbf_dequeue, FN_tbf_enqueue, FN_tbf_segment } from '../../uapi/functions.ts'
import {
  OPT_TBF_BUFFER,
  OPT_TBF_BURST,
  OPT_TBF_LIMIT,
  OPT_TBF_LINKLAYER,
  OPT_TBF_MTU,
  OPT_TBF_OVERHEAD,
  OPT_TBF_PBUFFER,
  OPT_TBF_PEAKRATE,
  OPT_TBF_RATE,
  QDISC_BFIFO,
  QDISC_TBF,
} from '../../uapi/pkt_sched.ts'
import { netif_skb_features, skb_gso_segment, skb_gso_validate_network_len, skb_is_gso } from '../core/gso.ts'
import { consume_skb } from '../core/skbuff.ts'
import { opt_given, opt_u32, opt_u32_or, opt_u64, opt_u64_or, put_word } from './options.ts'
import { psched_l2t_ns, psched_ratecfg, psched_ratecfg_precompute } from './psched.ts'
import {
  QDISC_WATCHDOG_SIZE,
  qdisc_watchdog,
  qdisc_watchdog_cancel,
  qdisc_watchdog_init,
  qdisc_watchdog_schedule_ns,
} from './sch_api/watchdog.ts'
import { fifo_create_dflt, fifo_set_limit } from './sch_fifo.ts'
import {
  __qdisc_drop,
  noop_qdisc,
  qdisc_bstats_update,
  qdisc_dequeue_peeked,
  qdisc_drop,
  qdisc_enqueue,
  qdisc_peek,
  qdisc_peek_dequeued,
  qdisc_put,
  qdisc_replace,
  qdisc_reset,
  qdisc_tree_reduce_backlog,
  register_qdisc,
  xmit_dropped,
} from './sch_generic.ts'
import { qdisc_enqueue_segs } from './segments.ts'

const NO_PACKET: usize = 0

/** Tokens are ns of the line: what the bucket holds, and how many there were at t_c; the same for the peak rate. */
@unmanaged
@final
class tbf_sched_data {
  buffer: i64
  mtu: i64
  tokens: i64
  ptokens: i64
  t_c: u64
  limit: u32
  max_size: u32
  burst: u32
  pburst: u32
  qdisc: usize
  pad: u32
}

const RATE: usize = offsetof<tbf_sched_data>()
const PEAK: usize = RATE + offsetof<psched_ratecfg>()
const WATCHDOG: usize = PEAK + offsetof<psched_ratecfg>()
const TBF_SIZE: usize = WATCHDOG + QDISC_WATCHDOG_SIZE

function priv(sch: Qdisc): tbf_sched_data {
  return changetype<tbf_sched_data>(qdisc_priv(sch))
}

function rate_of(sch: Qdisc): psched_ratecfg {
  return changetype<psched_ratecfg>(qdisc_priv(sch) + RATE)
}

function peak_of(sch: Qdisc): psched_ratecfg {
  return changetype<psched_ratecfg>(qdisc_priv(sch) + PEAK)
}

function watchdog(sch: Qdisc): qdisc_watchdog {
  return changetype<qdisc_watchdog>(qdisc_priv(sch) + WATCHDOG)
}

/** A packet larger than the bucket goes on in its segments, each of which fits. */
function tbf_segment(skb: sk_buff, sch: Qdisc): i32 {
  walk(FN_tbf_segment, changetype<usize>(skb))
  const segs = skb_gso_segment(skb, netif_skb_features(skb) & ~NETIF_F_GSO_MASK)
  if (IS_ERR(segs) || segs == 0) return qdisc_drop(skb, sch)
  const child = changetype<Qdisc>(priv(sch).qdisc)
  const taken = qdisc_enqueue_segs(segs, child, sch)
  const count = taken.count
  const bytes = taken.bytes
  sch.qlen += count
  sch.backlog += bytes
  if (count == 0) {
    __qdisc_drop(skb)
    return NET_XMIT_DROP
  }
  qdisc_tree_reduce_backlog(sch, 1 - <i32>count, <i32>(qdisc_pkt_len(skb) - bytes))
  consume_skb(skb, SKB_ENDED_ABSORBED)
  return NET_XMIT_SUCCESS
}

function tbf_enqueue(p: usize, s: usize): i32 {
  walk(FN_tbf_enqueue, p)
  const skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const len = qdisc_pkt_len(skb)
  if (len > q.max_size) {
    const fits = skb_is_gso(skb) && skb_gso_validate_network_len(skb, q.max_size - <u32>qdisc_dev(sch).hard_header_len)
    return fits ? tbf_segment(skb, sch) : qdisc_drop(skb, sch)
  }
  const rc = qdisc_enqueue(skb, changetype<Qdisc>(q.qdisc))
  if (rc == NET_XMIT_SUCCESS) {
    sch.backlog += len
    sch.qlen += 1
  } else if (xmit_dropped(rc)) sch.drops += 1
  return rc
}

function tbf_dequeue(s: usize): usize {
  walk(FN_tbf_dequeue, 0)
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const first = qdisc_peek(changetype<Qdisc>(q.qdisc))
  if (changetype<usize>(first) == 0) return NO_PACKET
  const now = boot.now
  const len = qdisc_pkt_len(first)
  const earned = min<i64>(<i64>(now - q.t_c), q.buffer)
  let ptoks: i64 = 0
  if (peak_of(sch).rate_bytes_ps) ptoks = min<i64>(earned + q.ptokens, q.mtu) - <i64>psched_l2t_ns(peak_of(sch), len)
  const toks = min<i64>(earned + q.tokens, q.buffer) - <i64>psched_l2t_ns(rate_of(sch), len)
  if ((toks | ptoks) < 0) {
    qdisc_watchdog_schedule_ns(watchdog(sch), now + <u64>max<i64>(-toks, -ptoks))
    sch.overlimits += 1
    return NO_PACKET
  }
  const skb = qdisc_dequeue_peeked(changetype<Qdisc>(q.qdisc))
  if (changetype<usize>(skb) == 0) return NO_PACKET
  q.t_c = now
  q.tokens = toks
  q.ptokens = ptoks
  sch.backlog -= qdisc_pkt_len(skb)
  sch.qlen -= 1
  qdisc_bstats_update(sch, skb)
  return changetype<usize>(skb)
}

function tbf_reset(s: usize): void {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  qdisc_reset(changetype<Qdisc>(q.qdisc))
  q.t_c = boot.now
  q.tokens = q.buffer
  q.ptokens = q.mtu
  qdisc_watchdog_cancel(watchdog(sch))
}

/** Sizes of bursts in ns at their rates; -EINVAL: nothing was changed. */
function tbf_change(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  if (!opt_given(opt, OPT_TBF_RATE)) return -EINVAL
  const limit = opt_u32(opt, OPT_TBF_LIMIT)
  const rate = opt_u64(opt, OPT_TBF_RATE)
  const peak = opt_u64_or(opt, OPT_TBF_PEAKRATE, 0)
  const burst = opt_u32(opt, OPT_TBF_BURST)
  const pburst = opt_u32_or(opt, OPT_TBF_MTU, 0)
  const max_size = peak ? min(burst, pburst) : burst
  if ((peak && peak <= rate) || max_size == 0) return -EINVAL
  if (q.qdisc != boot.noop_qdisc) fifo_set_limit(changetype<Qdisc>(q.qdisc), limit)
  else if (limit) {
    const child = fifo_create_dflt(sch, QDISC_BFIFO, limit)
    if (changetype<usize>(child) == 0) return -ENOMEM
    q.qdisc = changetype<usize>(child)
  }
  const overhead = opt_u32_or(opt, OPT_TBF_OVERHEAD, 0)
  const linklayer = opt_u32_or(opt, OPT_TBF_LINKLAYER, 1)
  psched_ratecfg_precompute(rate_of(sch), rate, overhead, linklayer)
  psched_ratecfg_precompute(peak_of(sch), peak, overhead, linklayer)
  q.limit = limit
  q.max_size = max_size
  q.burst = burst
  q.pburst = pburst
  q.buffer = <i64>psched_l2t_ns(rate_of(sch), burst)
  q.mtu = peak ? <i64>psched_l2t_ns(peak_of(sch), pburst) : 0
  q.tokens = q.buffer
  q.ptokens = q.mtu
  return 0
}

function tbf_init(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  qdisc_watchdog_init(watchdog(sch), sch)
  priv(sch).qdisc = boot.noop_qdisc
  if (opt == 0) return -EINVAL
  priv(sch).t_c = boot.now
  return tbf_change(s, opt)
}

function tbf_destroy(s: usize): void {
  const sch = changetype<Qdisc>(s)
  qdisc_watchdog_cancel(watchdog(sch))
  qdisc_put(changetype<Qdisc>(priv(sch).qdisc))
}

function tbf_dump(s: usize, out: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  put_word(out, OPT_TBF_LIMIT, q.limit)
  put_word(out, OPT_TBF_RATE, rate_of(sch).rate_bytes_ps)
  put_word(out, OPT_TBF_PEAKRATE, peak_of(sch).rate_bytes_ps)
  put_word(out, OPT_TBF_BURST, q.burst)
  put_word(out, OPT_TBF_MTU, q.pburst)
  put_word(out, OPT_TBF_OVERHEAD, rate_of(sch).overhead)
  put_word(out, OPT_TBF_LINKLAYER, rate_of(sch).linklayer)
  put_word(out, OPT_TBF_BUFFER, q.buffer)
  put_word(out, OPT_TBF_PBUFFER, q.mtu)
  return 0
}

function tbf_graft(s: usize, _class: u32, fresh: usize): usize {
  const child = fresh ? changetype<Qdisc>(fresh) : noop_qdisc()
  return changetype<usize>(
    qdisc_replace(child, changetype<usize>(priv(changetype<Qdisc>(s))) + offsetof<tbf_sched_data>('qdisc')),
  )
}

function tbf_leaf(s: usize, _class: u32): usize {
  return priv(changetype<Qdisc>(s)).qdisc
}

/** It has one class, whatever it is called. */
function one_class(_s: usize, _classid: u32): u32 {
  return 1
}

function count_one(_s: usize): u32 {
  return 1
}

export function sch_tbf_register(): void {
  const ops = register_qdisc(QDISC_TBF, TBF_SIZE, tbf_enqueue.index, tbf_dequeue.index, qdisc_peek_dequeued.index)
  ops.init = tbf_init.index
  ops.change = tbf_change.index
  ops.reset = tbf_reset.index
  ops.destroy = tbf_destroy.index
  ops.dump = tbf_dump.index
  ops.graft = tbf_graft.index
  ops.leaf = tbf_leaf.index
  ops.find = one_class.index
  ops.classes = count_one.index
}
