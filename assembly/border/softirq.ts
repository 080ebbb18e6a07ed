// Softirqs of a process: what it put into this CPU's backlog, or scheduled to be sent, is done before its call goes on. Mirrors
// do_softirq and handle_softirqs of kernel/softirq.c for NET_TX and the backlog; local_bh_enable calls it by its slot.

import { NAPI_STATE_SCHED, napi_struct } from '../include/netdevice.ts'
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ, softnet_data, this_softnet } from '../include/softnet.ts'
import { EV_SOFTIRQ, event_push } from '../kernel/event.ts'
import { softirq_enter, softirq_exit } from '../kernel/softirq.ts'
import { SLOT_DO_SOFTIRQ, boot, slot_set } from '../lib/boot.ts'
import { walk } from '../trace/trace.ts'
import { FN_do_softirq, FN_handle_softirqs, FN_net_rx_action } from '../uapi/functions.ts'
import { napi_again } from '../net/core/dev.ts'
import { net_tx_action } from '../net/core/qdisc_run.ts'
import { forward_begin } from '../path/forward_way.ts'
import { hint_for_burst } from '../path/hint.ts'
import { __napi_poll } from '../path.ts'

/** Rounds before what is left is TypeScript's (MAX_SOFTIRQ_RESTART). */
const RESTARTS: u32 = 10
const NET_TX_PENDING: u32 = (<u32>1) << NET_TX_SOFTIRQ
const NET_RX_PENDING: u32 = (<u32>1) << NET_RX_SOFTIRQ

/** NET_RX for the backlog: one poll. */
function poll_backlog(sd: softnet_data): void {
  const backlog = changetype<napi_struct>(sd.backlog)
  walk(FN_net_rx_action, 0)
  softirq_enter()
  hint_for_burst()
  forward_begin()
  __napi_poll(backlog, backlog.weight, u64.MAX_VALUE)
  softirq_exit()
  if (backlog.state & NAPI_STATE_SCHED) sd.softirq_pending |= NET_RX_PENDING
}

function do_softirq(): void {
  const sd = this_softnet()
  boot.softirq_runs += 1
  walk(FN_do_softirq, 0)
  for (let i: u32 = 0; i < RESTARTS && sd.softirq_pending; i++) {
    const pending = sd.softirq_pending
    sd.softirq_pending = 0
    walk(FN_handle_softirqs, 0)
    if (pending & NET_TX_PENDING) net_tx_action()
    if (pending & NET_RX_PENDING) poll_backlog(sd)
  }
  if (sd.softirq_pending & NET_RX_PENDING) napi_again(changetype<napi_struct>(sd.backlog))
  if (sd.softirq_pending & NET_TX_PENDING) event_push(EV_SOFTIRQ, NET_TX_SOFTIRQ, boot.cpu, 0)
  sd.softirq_pending = 0
}

/** Once at boot. */
export function softirq_init(): void {
  slot_set(SLOT_DO_SOFTIRQ, do_softirq.index)
}
