// Queueing disciplines as tc asks for them: arguments were checked and parsed in TypeScript.

import { tc_del_qdisc, tc_modify_qdisc } from '../net/sched/sch_api/modify.ts'
import { dev_tx_queue_dump, dev_tx_queue_limits, tc_dump_qdisc, tc_dump_tclass } from '../net/sched/sch_api/dump.ts'
import { boot } from '../lib/boot.ts'

/** Kind of the qdiscs that devices get by themselves from now on (net.core.default_qdisc). */
export function qdisc_set_default(kind: u32): void {
  boot.default_qdisc = kind
}

export { dev_tx_queue_dump, dev_tx_queue_limits, tc_del_qdisc, tc_dump_qdisc, tc_dump_tclass, tc_modify_qdisc }
