// A neighbour: the hardware address of a next hop (struct neighbour), and the parameters of its table.
// Keys have room for 16 bytes (IPv6); operations: net/core/neighbour.ts, net/ipv4/arp.ts.

import { timer_list } from './timer.ts'

/** neighbour.output: how a packet gets its link header. */
export const NEIGH_OUT_RESOLVE: u32 = 0
export const NEIGH_OUT_CONNECTED: u32 = 1
export const NEIGH_OUT_DIRECT: u32 = 2
export const NEIGH_OUT_BLACKHOLE: u32 = 3

@unmanaged
@final
export class neighbour {
  /** Next in the hash bucket. */
  next: usize
  dev: usize
  net: usize
  parms: usize
  /** NUD_* */
  nud_state: u8
  /** RTN_* of its address. */
  type: u8
  dead: u8
  protocol: u8
  /** NTF_* */
  flags: u32
  refcnt: u32
  /** NEIGH_OUT_* */
  output: u32
  /** In jiffies. */
  confirmed: u32
  updated: u32
  used: u32
  probes: u32
  /** Packets that wait for the address: linked by sk_buff.next; bytes by truesize. */
  arp_queue_head: usize
  arp_queue_tail: usize
  arp_queue_len_bytes: u32
  /** Hardware address. */
  ha: u64
  /** Header cache: the link header right-aligned in 16 bytes; hh_len 0: not filled. */
  hh0: u64
  hh1: u64
  hh_len: u32
  key_len: u32
  /** The address of the next hop in network order; the rest for longer keys. */
  primary_key: u32
  key1: u32
  key2: u32
  key3: u32
  /** Its timer_list lies here. */
  timer_space: u64
  timer_space1: u64
  timer_space2: u64
  /** Its place in the list that garbage collection walks, oldest first; gc_listed 0: exempt. */
  gc_next: usize
  gc_prev: usize
  gc_listed: u32
}

export const NEIGH_HA: usize = offsetof<neighbour>('ha')
export const NEIGH_HH: usize = offsetof<neighbour>('hh0')
export const NEIGH_TIMER: usize = offsetof<neighbour>('timer_space')

/** The timer of a neighbour. */
export function neigh_timer(n: neighbour): timer_list {
  return changetype<timer_list>(changetype<usize>(n) + NEIGH_TIMER)
}

/** Parameters of a table for one device, or the defaults (struct neigh_parms): i32[NEIGH_VAR_MAX] behind the struct. */
@unmanaged
@final
export class neigh_parms {
  net: usize
  dev: usize
  /** Random around BASE_REACHABLE_TIME, in jiffies. */
  reachable_time: u32
  dead: u32
  /** When reachable_time was drawn. */
  reachable_stamp: u32
  /** Bits of the parameters that were set for this device, not taken over from the defaults. */
  data_state: u32
  /** ARP requests that wait for their delayed proxy reply. */
  qlen: u32
  refcnt: u32
}

export const NEIGH_PARMS_DATA: usize = offsetof<neigh_parms>()
export const NEIGH_PARMS_SIZE: usize = NEIGH_PARMS_DATA + 64

/** A parameter (NEIGH_VAR_*); times in ms. */
export function neigh_var(parms: usize, id: u32): i32 {
  return load<i32>(parms + NEIGH_PARMS_DATA + ((<usize>id) << 2))
}

export function neigh_var_set(parms: usize, id: u32, value: i32): void {
  store<i32>(parms + NEIGH_PARMS_DATA + ((<usize>id) << 2), value)
}

/** The table of all neighbours (struct neigh_table, arp_tbl). */
@unmanaged
@final
export class neigh_table {
  /** Hash: usize[1 << hash_shift], linked by neighbour.next. */
  hash_buckets: usize
  hash_shift: u32
  hash_rnd: u32
  entries: u32
  /** Those that garbage collection may take, and their list. */
  gc_entries: u32
  gc_head: usize
  gc_tail: usize
  last_flush: u32
  /** Ticks between two runs of neigh_periodic_work. */
  gc_period: u32
  /** Table indices of arp_constructor(neigh): i32 and parp_redo(skb). */
  neigh_constructor: u32
  proxy_redo: u32
  /** Proxy entries (pneigh_entry). */
  pneighs: usize
  /** Requests whose proxy reply is delayed: a sk_buff_head. */
  proxy_queue: usize
  proxy_queue_tail: usize
  proxy_queue_len: u32
  /** The two timer_lists lie here. */
  gc_timer0: u64
  gc_timer1: u64
  gc_timer2: u64
  proxy_timer0: u64
  proxy_timer1: u64
  proxy_timer2: u64
  /** Columns of /proc/net/stat/arp_cache. */
  allocs: u32
  destroys: u32
  hash_grows: u32
  lookups: u32
  hits: u32
  res_failed: u32
  periodic_gc_runs: u32
  forced_gc_runs: u32
  unres_discards: u32
  table_fulls: u32
}

export const NEIGH_TABLE_SIZE: usize = offsetof<neigh_table>()
export const NEIGH_TABLE_PROXY_QUEUE: usize = offsetof<neigh_table>('proxy_queue')
const NEIGH_TABLE_GC_TIMER: usize = offsetof<neigh_table>('gc_timer0')
const NEIGH_TABLE_PROXY_TIMER: usize = offsetof<neigh_table>('proxy_timer0')

/** When neigh_periodic_work runs. */
export function neigh_table_gc_timer(t: neigh_table): timer_list {
  return changetype<timer_list>(changetype<usize>(t) + NEIGH_TABLE_GC_TIMER)
}

/** When the first delayed proxy reply is due. */
export function neigh_table_proxy_timer(t: neigh_table): timer_list {
  return changetype<timer_list>(changetype<usize>(t) + NEIGH_TABLE_PROXY_TIMER)
}

/** An address that we answer for (struct pneigh_entry). */
@unmanaged
@final
export class pneigh_entry {
  next: usize
  net: usize
  /** 0: on every device. */
  dev: usize
  key: u32
  /** NTF_* */
  flags: u32
  /** Survives a loss of carrier. */
  permanent: u32
}

export const PNEIGH_ENTRY_SIZE: usize = offsetof<pneigh_entry>()

/** skb->cb of a request whose proxy reply is delayed (struct neighbour_cb). */
@unmanaged
@final
export class neighbour_cb {
  sched_next: u32
  flags: u32
}

/** The request has waited: the reply goes now. */
export const LOCALLY_ENQUEUED: u32 = 1
