// A datagram under construction (struct inet_cork_full): its frames so far and what its header will say.
// One-shot senders use a static block; a socket with UDP_CORK or MSG_MORE keeps one at sock.cork.

import { FLOWI4_SIZE, flowi4 } from './dst.ts'
import { IP_OPTIONS_SIZE } from './ipcm.ts'
import { sk_buff_head } from './skbuff.ts'

/** flags */
export const IPCORK_OPT: u32 = 1
/** ts_opt_id is what the message said. */
export const IPCORK_TS_OPT_ID: u32 = 2

@unmanaged
@final
export class inet_cork {
  transmit_time: u64
  /** The frames: a sk_buff_head. */
  queue_head: usize
  queue_tail: usize
  queue_len: u32
  /** IPCORK_* */
  flags: u32
  /** Destination that a source route ends at, network order. */
  addr: u32
  /** Size that frames are cut to: the path's MTU, or the device's. */
  fragsize: u32
  /** Bytes that all frames carry, without IP headers. */
  length: u32
  /** Route (rtable), counted; 0: nothing is under construction. */
  dst: usize
  /** 0: the socket's or the route's. */
  ttl: u32
  /** -1: the socket's. */
  tos: i32
  priority: u32
  mark: u32
  gso_size: u32
  /** IP_PMTUDISC_* of a sender without a socket. */
  pmtudisc: u32
  /** SKBTX_* for its first frame. */
  tx_flags: u32
  ts_opt_id: u32
}

const CORK_QUEUE: usize = offsetof<inet_cork>('queue_head')
/** Behind the struct lie its flowi4 and its copy of the options. */
const CORK_FL: usize = offsetof<inet_cork>()
const CORK_OPT: usize = (CORK_FL + FLOWI4_SIZE + 7) & ~7
export const INET_CORK_SIZE: usize = CORK_OPT + IP_OPTIONS_SIZE

export function cork_queue(cork: inet_cork): sk_buff_head {
  return changetype<sk_buff_head>(changetype<usize>(cork) + CORK_QUEUE)
}

/** The flow of a corked datagram (cork.fl), kept from the first piece to the last. */
export function cork_fl4(cork: inet_cork): flowi4 {
  return changetype<flowi4>(changetype<usize>(cork) + CORK_FL)
}

/** Where the options of a datagram with IPCORK_OPT lie: an ip_options. */
export function cork_opt(cork: inet_cork): usize {
  return changetype<usize>(cork) + CORK_OPT
}
