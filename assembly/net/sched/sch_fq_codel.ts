// Fair queueing with CoDel for each flow: flows in turn, by bytes; new ones first. Mirrors net/sched/sch_fq_codel.c (RFC 8290).

import { kfree, kzalloc } from '../../lib/arena.ts'
import {
  INIT_LIST_HEAD,
  LIST_HEAD_SIZE,
  list_add_tail,
  list_del_init,
  list_empty,
  list_head,
  list_move_tail,
} from '../../lib/list.ts'
import { NET_XMIT_CN, NET_XMIT_SUCCESS } from '../../include/netdevice.ts'
import {
  Qdisc,
  TCQ_F_CAN_BYPASS,
  TC_H_MAJ,
  TC_H_MIN,
  qdisc_cb,
  qdisc_dev,
  qdisc_pkt_len,
  qdisc_priv,
} from '../../include/sch_generic.ts'
import { sk_buff, sk_buff_head } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_QDISC_CONGESTED,
  SKB_DROP_REASON_QDISC_OVERLIMIT,
  SKB_DROP_REASON_QUEUE_PURGE,
} from '../../uapi/dropreason.ts'
import { EINVAL, ENOMEM } from '../../uapi/errno.ts'
import {
  FN___fq_codel_dequeue,
  FN_fq_codel_dequeue,
  FN_fq_codel_drop,
  FN_fq_codel_enqueue,
  FN_fq_codel_reset,
} from '../../uapi/functions.ts'
import * as uapi from '../../uapi/pkt_sched.ts'
import { skb_get_hash } from '../core/flow_dissector.ts'
import { __skb_dequeue, __skb_queue_purge_reason, __skb_queue_tail, kfree_skb_reason } from '../core/skbuff.ts'
import {
  CODEL_DISABLED_THRESHOLD,
  codel_dequeue,
  codel_mem_usage,
  codel_params,
  codel_set_enqueue_time,
  codel_set_mem_usage,
  codel_source,
  codel_stats,
  codel_time,
  codel_vars,
  codel_vars_init,
} from './codel.ts'
import { opt_given, opt_u32, opt_u32_or, put_word } from './options.ts'
import { psched_mtu } from './sch_fifo.ts'
import {
  __qdisc_drop,
  qdisc_bstats_update,
  qdisc_peek_dequeued,
  qdisc_tree_reduce_backlog,
  register_qdisc,
} from './sch_generic.ts'

const NO_PACKET: usize = 0
const DEFAULT_FLOWS: u32 = 1024
const MAX_FLOWS: u32 = 65536
const DEFAULT_LIMIT: u32 = 10240
const DEFAULT_MEMORY: u32 = 32 << 20
const MAX_MEMORY: u32 = 0x80000000
const DEFAULT_BATCH: u32 = 64
const MIN_QUANTUM: u32 = 256
const MAX_QUANTUM: u32 = 1 << 20
const NSEC_PER_USEC: u64 = 1000

/** A flow begins with its place in a list; behind it lies its codel_vars. */
@unmanaged
@final
class fq_codel_flow {
  next: usize
  prev: usize
  head: usize
  tail: usize
  qlen: u32
  deficit: i32
  backlog: u32
}

const FLOW_VARS: usize = offsetof<fq_codel_flow>()
const FLOW_SIZE: usize = FLOW_VARS + offsetof<codel_vars>()

@unmanaged
@final
class fq_codel_sched_data {
  flows: usize
  flows_cnt: u32
  quantum: i32
  drop_batch_size: u32
  memory_limit: u32
  memory_usage: u32
  drop_overlimit: u32
  drop_overmemory: u32
  new_flow_count: u32
  /** The flow that is dequeued from. */
  flow: usize
}

const NEW_FLOWS: usize = (offsetof<fq_codel_sched_data>() + 7) & ~7
const OLD_FLOWS: usize = NEW_FLOWS + LIST_HEAD_SIZE
const PARAMS: usize = OLD_FLOWS + LIST_HEAD_SIZE
const STATS: usize = PARAMS + offsetof<codel_params>()
const SOURCE: usize = STATS + offsetof<codel_stats>()
const FQ_CODEL_SIZE: usize = SOURCE + offsetof<codel_source>()

function priv(sch: Qdisc): fq_codel_sched_data {
  return changetype<fq_codel_sched_data>(qdisc_priv(sch))
}

function list_at(sch: Qdisc, at: usize): list_head {
  return changetype<list_head>(qdisc_priv(sch) + at)
}

function params(sch: Qdisc): codel_params {
  return changetype<codel_params>(qdisc_priv(sch) + PARAMS)
}

function cstats(sch: Qdisc): codel_stats {
  return changetype<codel_stats>(qdisc_priv(sch) + STATS)
}

function flow_at(sch: Qdisc, i: u32): fq_codel_flow {
  return changetype<fq_codel_flow>(priv(sch).flows + <usize>i * FLOW_SIZE)
}

function flow_queue(flow: fq_codel_flow): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(flow) + offsetof<fq_codel_flow>('head'))
}

function flow_vars(flow: fq_codel_flow): codel_vars {
  return changetype<codel_vars>(changetype<usize>(flow) + FLOW_VARS)
}

function flow_chain(flow: fq_codel_flow): list_head {
  return changetype<list_head>(flow)
}

/** Which flow: named by the priority, else by the hash. */
function fq_codel_classify(skb: sk_buff, sch: Qdisc): u32 {
  const count = priv(sch).flows_cnt
  const minor = TC_H_MIN(skb.priority)
  if (TC_H_MAJ(skb.priority) == sch.handle && minor > 0 && minor <= count) return minor - 1
  return <u32>((<u64>skb_get_hash(skb) * count) >> 32)
}

/** Packets of the flow with the most bytes go, up to half of them. Answers which flow. */
function fq_codel_drop(sch: Qdisc): u32 {
  walk(FN_fq_codel_drop, 0)
  const q = priv(sch)
  let fat: u32 = 0
  let most: u32 = 0
  for (let i: u32 = 0; i < q.flows_cnt; i++) {
    if (flow_at(sch, i).backlog <= most) continue
    most = flow_at(sch, i).backlog
    fat = i
  }
  const flow = flow_at(sch, fat)
  const threshold = most >> 1
  let len: u32 = 0
  let count: u32 = 0
  do {
    const skb = __skb_dequeue(flow_queue(flow))
    if (changetype<usize>(skb) == 0) break
    len += qdisc_pkt_len(skb)
    q.memory_usage -= codel_mem_usage(skb)
    qdisc_cb(skb).drop_reason = SKB_DROP_REASON_QDISC_OVERLIMIT
    __qdisc_drop(skb)
    count += 1
  } while (count < q.drop_batch_size && len < threshold)
  flow_vars(flow).count += count
  flow.backlog -= len
  sch.drops += count
  sch.backlog -= len
  sch.qlen -= count
  return fat
}

function fq_codel_enqueue(p: usize, s: usize): i32 {
  walk(FN_fq_codel_enqueue, p)
  const skb = changetype<sk_buff>(p)
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const index = fq_codel_classify(skb, sch)
  const flow = flow_at(sch, index)
  const len = qdisc_pkt_len(skb)
  codel_set_enqueue_time(skb)
  codel_set_mem_usage(skb)
  __skb_queue_tail(flow_queue(flow), skb)
  flow.backlog += len
  sch.backlog += len
  if (list_empty(flow_chain(flow))) {
    list_add_tail(flow_chain(flow), list_at(sch, NEW_FLOWS))
    q.new_flow_count += 1
    flow.deficit = q.quantum
  }
  q.memory_usage += skb.truesize
  sch.qlen += 1
  const over_memory = q.memory_usage > q.memory_limit
  if (sch.qlen <= sch.limit && !over_memory) return NET_XMIT_SUCCESS
  const backlog = sch.backlog
  const qlen = sch.qlen
  const fat = fq_codel_drop(sch)
  const dropped = qlen - sch.qlen
  const bytes = backlog - sch.backlog
  q.drop_overlimit += dropped
  if (over_memory) q.drop_overmemory += dropped
  // A drop of this very flow is told to the sender, and its parents do not count the packet.
  if (fat == index) {
    qdisc_tree_reduce_backlog(sch, <i32>dropped - 1, <i32>(bytes - len))
    return NET_XMIT_CN
  }
  qdisc_tree_reduce_backlog(sch, <i32>dropped, <i32>bytes)
  return NET_XMIT_SUCCESS
}

/** The next packet of the flow that is dequeued from. */
function dequeue_func(s: usize): usize {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const flow = changetype<fq_codel_flow>(q.flow)
  const skb = __skb_dequeue(flow_queue(flow))
  if (changetype<usize>(skb) == 0) return NO_PACKET
  const len = qdisc_pkt_len(skb)
  flow.backlog -= len
  q.memory_usage -= codel_mem_usage(skb)
  sch.qlen -= 1
  sch.backlog -= len
  return changetype<usize>(skb)
}

function drop_func(s: usize, p: usize): void {
  kfree_skb_reason(changetype<sk_buff>(p), SKB_DROP_REASON_QDISC_CONGESTED, FN_fq_codel_dequeue)
  changetype<Qdisc>(s).drops += 1
}

function fq_codel_dequeue(s: usize): usize {
  walk(FN_fq_codel_dequeue, 0)
  walk(FN___fq_codel_dequeue, 0)
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const fresh = list_at(sch, NEW_FLOWS)
  const old = list_at(sch, OLD_FLOWS)
  const source = changetype<codel_source>(qdisc_priv(sch) + SOURCE)
  for (;;) {
    const head = list_empty(fresh) ? old : fresh
    if (list_empty(head)) return NO_PACKET
    const flow = changetype<fq_codel_flow>(head.next)
    if (flow.deficit <= 0) {
      flow.deficit += q.quantum
      list_move_tail(flow_chain(flow), old)
      continue
    }
    q.flow = changetype<usize>(flow)
    const skb = codel_dequeue(source, params(sch), flow_vars(flow), cstats(sch))
    if (changetype<usize>(skb) == 0) {
      // A new flow that is empty passes through the old ones first, or it would starve them.
      if (changetype<usize>(head) == changetype<usize>(fresh) && !list_empty(old)) list_move_tail(flow_chain(flow), old)
      else list_del_init(flow_chain(flow))
      continue
    }
    qdisc_bstats_update(sch, skb)
    flow.deficit -= <i32>qdisc_pkt_len(skb)
    tell_parents(sch)
    return changetype<usize>(skb)
  }
}

/** What CoDel dropped is counted out above. */
function tell_parents(sch: Qdisc): void {
  const stats = cstats(sch)
  if (stats.drop_count == 0) return
  qdisc_tree_reduce_backlog(sch, <i32>stats.drop_count, <i32>stats.drop_len)
  stats.drop_count = 0
  stats.drop_len = 0
}

function fq_codel_reset(s: usize): void {
  walk(FN_fq_codel_reset, 0)
  const sch = changetype<Qdisc>(s)
  INIT_LIST_HEAD(list_at(sch, NEW_FLOWS))
  INIT_LIST_HEAD(list_at(sch, OLD_FLOWS))
  const q = priv(sch)
  for (let i: u32 = 0; q.flows && i < q.flows_cnt; i++) {
    const flow = flow_at(sch, i)
    __skb_queue_purge_reason(flow_queue(flow), SKB_DROP_REASON_QUEUE_PURGE, FN_fq_codel_reset)
    INIT_LIST_HEAD(flow_chain(flow))
    codel_vars_init(flow_vars(flow))
    flow.backlog = 0
  }
  q.memory_usage = 0
}

function fq_codel_destroy(s: usize): void {
  const q = priv(changetype<Qdisc>(s))
  kfree(q.flows, <usize>q.flows_cnt * FLOW_SIZE)
  q.flows = 0
}

/** Times are given in us. */
function option_time(opt: usize, id: u32): u32 {
  return codel_time(<u64>opt_u32(opt, id) * NSEC_PER_USEC)
}

function fq_codel_change(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const p = params(sch)
  if (opt_given(opt, uapi.OPT_FQ_CODEL_FLOWS)) {
    const flows = opt_u32(opt, uapi.OPT_FQ_CODEL_FLOWS)
    if (q.flows || flows == 0 || flows > MAX_FLOWS) return -EINVAL
    q.flows_cnt = flows
  }
  const quantum = opt_u32_or(opt, uapi.OPT_FQ_CODEL_QUANTUM, <u32>q.quantum)
  if (quantum > MAX_QUANTUM) return -EINVAL
  q.quantum = <i32>max(quantum, MIN_QUANTUM)
  if (opt_given(opt, uapi.OPT_FQ_CODEL_TARGET)) p.target = option_time(opt, uapi.OPT_FQ_CODEL_TARGET)
  if (opt_given(opt, uapi.OPT_FQ_CODEL_CE_THRESHOLD)) p.ce_threshold = option_time(opt, uapi.OPT_FQ_CODEL_CE_THRESHOLD)
  if (opt_given(opt, uapi.OPT_FQ_CODEL_INTERVAL)) p.interval = option_time(opt, uapi.OPT_FQ_CODEL_INTERVAL)
  sch.limit = opt_u32_or(opt, uapi.OPT_FQ_CODEL_LIMIT, sch.limit)
  p.ecn = opt_u32_or(opt, uapi.OPT_FQ_CODEL_ECN, p.ecn) ? 1 : 0
  q.drop_batch_size = max<u32>(1, opt_u32_or(opt, uapi.OPT_FQ_CODEL_DROP_BATCH_SIZE, q.drop_batch_size))
  q.memory_limit = min(MAX_MEMORY, opt_u32_or(opt, uapi.OPT_FQ_CODEL_MEMORY_LIMIT, q.memory_limit))
  const qlen = sch.qlen
  const backlog = sch.backlog
  while (q.flows && sch.qlen && (sch.qlen > sch.limit || q.memory_usage > q.memory_limit)) {
    const skb = fq_codel_dequeue(s)
    if (skb == 0) break
    kfree_skb_reason(changetype<sk_buff>(skb), SKB_DROP_REASON_QUEUE_PURGE, FN_fq_codel_drop)
  }
  qdisc_tree_reduce_backlog(sch, <i32>(qlen - sch.qlen), <i32>(backlog - sch.backlog))
  return 0
}

function fq_codel_init(s: usize, opt: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const p = params(sch)
  sch.limit = DEFAULT_LIMIT
  q.flows_cnt = DEFAULT_FLOWS
  q.memory_limit = DEFAULT_MEMORY
  q.drop_batch_size = DEFAULT_BATCH
  p.mtu = psched_mtu(qdisc_dev(sch))
  q.quantum = <i32>p.mtu
  p.interval = codel_time(100 * NSEC_PER_USEC * 1000)
  p.target = codel_time(5 * NSEC_PER_USEC * 1000)
  p.ce_threshold = CODEL_DISABLED_THRESHOLD
  p.ecn = 1
  INIT_LIST_HEAD(list_at(sch, NEW_FLOWS))
  INIT_LIST_HEAD(list_at(sch, OLD_FLOWS))
  if (opt) {
    const err = fq_codel_change(s, opt)
    if (err) return err
  }
  q.flows = kzalloc(<usize>q.flows_cnt * FLOW_SIZE)
  if (q.flows == 0) return -ENOMEM
  for (let i: u32 = 0; i < q.flows_cnt; i++) INIT_LIST_HEAD(flow_chain(flow_at(sch, i)))
  const source = changetype<codel_source>(qdisc_priv(sch) + SOURCE)
  source.dequeue = dequeue_func.index
  source.drop = drop_func.index
  source.ctx = s
  source.backlog_at = s + offsetof<Qdisc>('backlog')
  if (sch.limit) sch.flags |= TCQ_F_CAN_BYPASS
  return 0
}

function list_length(head: list_head): u32 {
  let count: u32 = 0
  for (let p = head.next; p != changetype<usize>(head); p = changetype<list_head>(p).next) count++
  return count
}

/** A time of CoDel in us, as it is told. */
function time_us(t: u32): u64 {
  return ((<u64>t) << 10) / NSEC_PER_USEC
}

function fq_codel_dump(s: usize, out: usize): i32 {
  const sch = changetype<Qdisc>(s)
  const q = priv(sch)
  const p = params(sch)
  put_word(out, uapi.OPT_FQ_CODEL_TARGET, time_us(p.target))
  put_word(out, uapi.OPT_FQ_CODEL_LIMIT, sch.limit)
  put_word(out, uapi.OPT_FQ_CODEL_INTERVAL, time_us(p.interval))
  put_word(out, uapi.OPT_FQ_CODEL_ECN, p.ecn)
  put_word(out, uapi.OPT_FQ_CODEL_FLOWS, q.flows_cnt)
  put_word(out, uapi.OPT_FQ_CODEL_QUANTUM, q.quantum)
  put_word(
    out,
    uapi.OPT_FQ_CODEL_CE_THRESHOLD,
    p.ce_threshold == CODEL_DISABLED_THRESHOLD ? u64.MAX_VALUE : time_us(p.ce_threshold),
  )
  put_word(out, uapi.OPT_FQ_CODEL_DROP_BATCH_SIZE, q.drop_batch_size)
  put_word(out, uapi.OPT_FQ_CODEL_MEMORY_LIMIT, q.memory_limit)
  const stats = cstats(sch)
  put_word(out, uapi.STAT_FQ_CODEL, stats.maxpacket)
  put_word(out, uapi.STAT_FQ_CODEL + 1, q.drop_overlimit)
  put_word(out, uapi.STAT_FQ_CODEL + 2, q.new_flow_count)
  put_word(out, uapi.STAT_FQ_CODEL + 3, stats.ecn_mark)
  put_word(out, uapi.STAT_FQ_CODEL + 4, stats.ce_mark)
  put_word(out, uapi.STAT_FQ_CODEL + 5, q.memory_usage)
  put_word(out, uapi.STAT_FQ_CODEL + 6, q.drop_overmemory)
  put_word(out, uapi.STAT_FQ_CODEL + 7, list_length(list_at(sch, NEW_FLOWS)))
  put_word(out, uapi.STAT_FQ_CODEL + 8, list_length(list_at(sch, OLD_FLOWS)))
  return 0
}

/** Its flows are no classes that could have children. */
function fq_codel_find(_s: usize, _classid: u32): u32 {
  return 0
}

export function sch_fq_codel_register(): void {
  const ops = register_qdisc(
    uapi.QDISC_FQ_CODEL,
    FQ_CODEL_SIZE,
    fq_codel_enqueue.index,
    fq_codel_dequeue.index,
    qdisc_peek_dequeued.index,
  )
  ops.init = fq_codel_init.index
  ops.change = fq_codel_change.index
  ops.reset = fq_codel_reset.index
  ops.destroy = fq_codel_destroy.index
  ops.dump = fq_codel_dump.index
  ops.find = fq_codel_find.index
}
