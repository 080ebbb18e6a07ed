// Per-CPU state of packet processing (struct softnet_data): one block a CPU.
// Columns of /proc/net/softnet_stat count here.

import { boot } from '../lib/boot.ts'

@unmanaged
@final
export class softnet_data {
  cpu: u32
  processed: u32
  dropped: u32
  time_squeeze: u32
  received_rps: u32
  flow_limit: u32
  /** Softirqs raised on this CPU: bits of NET_TX_SOFTIRQ, NET_RX_SOFTIRQ. */
  softirq_pending: u32
  /** Packets that other code handed to this CPU (netif_rx, RPS): linked by sk_buff.next. */
  input_head: usize
  input_tail: usize
  input_qlen: u32
  process_head: usize
  process_tail: usize
  process_qlen: u32
  /** Its napi_struct is scheduled. */
  backlog: usize
  /** Qdiscs that are to run in NET_TX, linked by next_sched. */
  output_queue: usize
  output_queue_tail: usize
  completion_queue: usize
  /** Scratch of this CPU: a flowi4, a fib_result and what else a station builds in place. */
  recursion: u32
  scratch: usize
}

export const SOFTNET_SIZE: usize = (offsetof<softnet_data>() + 63) & ~63
export const NET_TX_SOFTIRQ: u32 = 2
export const NET_RX_SOFTIRQ: u32 = 3

/** The per-CPU state of the CPU on which work runs. */
export function this_softnet(): softnet_data {
  return changetype<softnet_data>(boot.softnet + <usize>boot.cpu * SOFTNET_SIZE)
}
