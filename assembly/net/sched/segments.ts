// The segments of a train on their way into a qdisc, each a packet of its own: where netem corrupts one, or tbf's bucket is too
// small for all. Mirrors the loops of netem_enqueue and tbf_segment.

import { NET_XMIT_SUCCESS } from '../../include/netdevice.ts'
import { Qdisc, qdisc_cb } from '../../include/sch_generic.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { SKB_DROP_REASON_QDISC_DROP } from '../../uapi/dropreason.ts'
import { qdisc_enqueue, xmit_dropped } from './sch_generic.ts'

/** How many were taken, and their bytes. */
@unmanaged
@final
class segs_taken {
  count: u32
  bytes: u32
}

const TAKEN: usize = memory.data(8, 16)

/** Enqueues a list of segments, linked by next, into child; sch counts the drops. What is answered holds until the next call. */
export function qdisc_enqueue_segs(segs: usize, child: Qdisc, sch: Qdisc): segs_taken {
  let count: u32 = 0
  let bytes: u32 = 0
  let p = segs
  while (p) {
    const seg = changetype<sk_buff>(p)
    p = seg.next
    seg.next = 0
    const len = seg.len
    qdisc_cb(seg).pkt_len = len
    qdisc_cb(seg).drop_reason = SKB_DROP_REASON_QDISC_DROP
    const rc = qdisc_enqueue(seg, child)
    if (rc == NET_XMIT_SUCCESS) {
      count += 1
      bytes += len
    } else if (xmit_dropped(rc)) sch.drops += 1
  }
  const taken = changetype<segs_taken>(TAKEN)
  taken.count = count
  taken.bytes = bytes
  return taken
}
