// All kinds of qdiscs, entered into the table by which they are called (pktsched_init).

import { boot } from '../../lib/boot.ts'
import { kzalloc } from '../../lib/arena.ts'
import { QDISC_OPS_SIZE } from '../../include/sch_generic.ts'
import { QDISC_MAX, QDISC_PFIFO_FAST } from '../../uapi/pkt_sched.ts'
import { sch_fq_codel_register } from './sch_fq_codel.ts'
import { sch_netem_register } from './sch_netem.ts'
import { sch_fq_register } from './sch_fq.ts'
import { sch_fifo_register } from './sch_fifo.ts'
import { mq_register } from './sch_mq.ts'
import { sch_prio_register } from './sch_prio.ts'
import { sch_tbf_register } from './sch_tbf.ts'
import { pfifo_fast_register } from './pfifo_fast.ts'
import { sch_generic_init } from './sch_generic.ts'

/** Once, at boot. False: out of memory. */
export function pktsched_init(): bool {
  boot.qdisc_ops = kzalloc(<usize>QDISC_MAX * QDISC_OPS_SIZE)
  if (boot.qdisc_ops == 0) return false
  boot.default_qdisc = QDISC_PFIFO_FAST
  pfifo_fast_register()
  mq_register()
  sch_fifo_register()
  sch_prio_register()
  sch_tbf_register()
  sch_fq_register()
  sch_netem_register()
  sch_fq_codel_register()
  return sch_generic_init()
}
