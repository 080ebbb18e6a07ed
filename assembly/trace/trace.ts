// Trace: what each station writes into the ring of DESIGN 7, and the accounts of drops.
// A record does not hold its depth: a reader derives it from the table of callers (src/trace).

import { BOOT, TRACE_COUNTS, TRACE_FUNCTIONS, TRACE_PACKETS, boot, boot_block } from '../lib/boot.ts'
import { sk_buff } from '../include/skbuff.ts'

/**
 * One record, 32 bytes:
 *
 *  0        8     12       14     16   20       24       28
 *  | time   | id  | kind   | cpu  | fn | value  | parent | net id |
 */
export const TRACE_RECORD: u32 = 32

/** kind */
export const TRACE_KIND_FUNCTION: u32 = 0
/** value: SKB_BORN_*; parent: id of the skb it was made from, or 0. */
export const TRACE_KIND_BORN: u32 = 1
/** value: SKB_ENDED_* */
export const TRACE_KIND_ENDED: u32 = 2
/** value: SKB_DROP_REASON_*; fn: where. */
export const TRACE_KIND_DROP: u32 = 3
/** An skb went into another: parent is the one that goes on. */
export const TRACE_KIND_JOINED: u32 = 4
/** A frame of a device became an skb: value is its number, parent the device's index. */
export const TRACE_KIND_FRAME: u32 = 5
function frame_records(fn: u32, skb: sk_buff, list: usize, ifindex: u32, kind: u32): void {
  if (boot.trace_flags & TRACE_PACKETS) {
    trace_record(TRACE_KIND_BORN, 0, skb.id, kind, 0, 0)
    trace_record(TRACE_KIND_FRAME, fn, skb.id, skb.rx_seq, ifindex, 0)
  }
  walk_list(list, changetype<usize>(skb))
}

/** A frame of a device became an skb in fn: its birth, its number, and the functions that it passes first. */
export function trace_frame(fn: u32, skb: sk_buff, list: usize, ifindex: u32, kind: u32): void {
  if (load<u32>(TRACE_FLAGS)) frame_records(fn, skb, list, ifindex, kind)
}

/** A timer or another context begins: what follows was not called by what precedes. */
export const TRACE_KIND_CONTEXT: u32 = 6

const TRACE_FLAGS: usize = BOOT + offsetof<boot_block>('trace_flags')

/** Appends a record; the ring keeps the newest. */
export function trace_record(kind: u32, fn: u32, id: u32, value: u32, parent: u32, net_id: u32): void {
  const p = boot.trace_ring + <usize>((boot.trace_head & boot.trace_mask) * TRACE_RECORD)
  boot.trace_head += 1
  store<u64>(p, boot.now)
  store<u32>(p, id, 8)
  store<u16>(p, <u16>kind, 12)
  store<u16>(p, <u16>boot.cpu, 14)
  store<u32>(p, fn, 16)
  store<u32>(p, value, 20)
  store<u32>(p, parent, 24)
  store<u32>(p, net_id, 28)
}

function walk_record(fn: u32, skb: usize, value: u32): void {
  if (boot.trace_flags & TRACE_COUNTS) {
    const p = boot.function_counts + ((<usize>fn) << 3)
    const times = load<u32>(p)
    if (times == 0) store<u32>(p, ++boot.functions_seen, 4)
    store<u32>(p, times + 1)
  }
  if (boot.trace_flags & TRACE_FUNCTIONS)
    trace_record(TRACE_KIND_FUNCTION, fn, skb == 0 ? 0 : changetype<sk_buff>(skb).id, value, 0, 0)
}

/** The function fn (FN_*) begins with this skb (0: none). One load and a branch while tracing is off. */
export function walk(fn: u32, skb: usize): void {
  if (load<u32>(TRACE_FLAGS)) walk_record(fn, skb, 0)
}

function walk_list(list: usize, skb: usize): void {
  for (; load<u32>(list); list += 4) walk_record(load<u32>(list), skb, 0)
}

/**
 * Functions that begin one in the other with nothing between: list is static data, FN_* ended by 0. One test for all: a
 * datagram passes forty functions, and a test for each would cost it a tenth of its time.
 */
export function walk_all(list: usize, skb: usize): void {
  if (load<u32>(TRACE_FLAGS)) walk_list(list, skb)
}

/** The same with a value worth seeing: a port, a route type, a length. */
export function walk_value(fn: u32, skb: usize, value: u32): void {
  if (load<u32>(TRACE_FLAGS)) walk_record(fn, skb, value)
}

/** A timer or another context begins: what follows was not called by what precedes. */
export function trace_context(): void {
  if (load<u32>(TRACE_FLAGS) & TRACE_FUNCTIONS) trace_record(TRACE_KIND_CONTEXT, 0, 0, 0, 0, 0)
}

/** Something about a packet itself: TRACE_KIND_BORN and the like. */
export function trace_packet(kind: u32, fn: u32, id: u32, value: u32, parent: u32): void {
  if (load<u32>(TRACE_FLAGS) & TRACE_PACKETS) trace_record(kind, fn, id, value, parent, 0)
}
