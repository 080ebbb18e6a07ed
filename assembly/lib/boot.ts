// The boot block: what belongs to the whole instance, at one fixed address of Wasm memory.
// It is plain memory, so a snapshot holds it; a namespace's state lies in include/net_namespace.ts.

/** Slab caches, by number (lib/slab.ts). */
export const CACHE_SKBUFF: u32 = 0
export const CACHE_RTABLE: u32 = 1
export const CACHE_NEIGH: u32 = 2
export const CACHE_SOCK: u32 = 3
export const CACHE_FIB_ALIAS: u32 = 4
export const CACHE_FIB_INFO: u32 = 5
export const CACHE_IN_IFADDR: u32 = 6
export const CACHE_IP_MC: u32 = 7
export const CACHE_FRAG_QUEUE: u32 = 8
export const CACHE_PACKET_TYPE: u32 = 9
export const CACHE_FNHE: u32 = 10
export const CACHE_INETPEER: u32 = 11
export const CACHE_MC_MEMBER: u32 = 12
export const CACHE_MAX: u32 = 24

/** Slots for calls from a lower room to a higher one; filled once, at boot (DESIGN 1). */
/** __icmp_send(skb, type, code, info) */
export const SLOT_ICMP_SEND: u32 = 0
/** arp_solicit(neigh: usize, skb: usize) */
export const SLOT_ARP_SOLICIT: u32 = 1
/** arp_error_report(neigh: usize, skb: usize): takes over the skb */
export const SLOT_ARP_ERROR_REPORT: u32 = 2
/** fib_info_put(fi: usize) */
export const SLOT_FIB_INFO_PUT: u32 = 3
/** header_ops of Ethernet: create(skb, dev, type, daddr: usize, saddr: usize, len): i32; cache(neigh, type_be): i32;
 * cache_update(neigh, dev, haddr: usize) */
export const SLOT_HEADER_CREATE: u32 = 4
export const SLOT_HEADER_CACHE: u32 = 5
export const SLOT_HEADER_CACHE_UPDATE: u32 = 6
/** ndo_start_xmit(skb: usize, dev: usize): i32, one for each net_device.kind. */
export const SLOT_NDO_START_XMIT: u32 = 8
/** err_handler(skb: usize, info: u32) of a transport protocol: what ICMP errors about it go to. */
export const SLOT_ERR_UDP: u32 = 16
export const SLOT_ERR_TCP: u32 = 17
export const SLOT_ERR_RAW: u32 = 18
export const SLOT_ERR_PING: u32 = 19
/** ping_rcv(skb: usize): takes over the skb, its data at the ICMP header. */
export const SLOT_PING_RCV: u32 = 20
/** ip_call_ra_chain(skb: usize): bool: sockets with IP_ROUTER_ALERT took the skb. */
export const SLOT_RA_CHAIN: u32 = 21
/** do_softirq(): runs what local_bh_enable found pending. */
export const SLOT_DO_SOFTIRQ: u32 = 22
/** inet_gso_segment(skb: usize, features: u32): usize: the first of the segments, 0 or ERR_PTR. */
export const SLOT_INET_GSO_SEGMENT: u32 = 28
/** msg_zerocopy_complete(uarg: usize, success: u32): the packet of a notification has ended. */
export const SLOT_ZCOPY_COMPLETE: u32 = 29
export const SLOT_ERR_IPIP: u32 = 24
/** vxlan_rcv(skb: usize, vs: usize): takes over the skb, data at the UDP header. */
export const SLOT_ENCAP_RCV: u32 = 25
/** vxlan_err_lookup(skb: usize, vs: usize): bool: is an ICMP error (data at the quoted header) about a packet of a tunnel? */
export const SLOT_ENCAP_ERR_LOOKUP: u32 = 26
export const SLOT_MAX: u32 = 32

/** trace_flags: what goes into the trace ring. */
export const TRACE_FUNCTIONS: u32 = 1
export const TRACE_PACKETS: u32 = 2
/** Count calls of each function. */
export const TRACE_COUNTS: u32 = 4

@unmanaged
@final
export class boot_block {
  /** Virtual time in ns; TypeScript sets it before every call in. */
  now: u64
  /** State of the generator of lib/random.ts. */
  random: u64
  /** now in ticks of 1/hz seconds, from INITIAL_JIFFIES on. */
  jiffies: u32
  hz: u32
  /** Nanoseconds of a tick. */
  tick_ns: u32
  trace_flags: u32
  /** Trace ring: records of TRACE_RECORD bytes; head counts all that were ever written. */
  trace_ring: usize
  trace_mask: u32
  trace_head: u32
  /** Event ring for TypeScript: records of 16 bytes {kind, a, b, c}. */
  event_ring: usize
  event_mask: u32
  event_head: u32
  event_tail: u32
  /** Events that found the ring full: TypeScript looks at everything. */
  event_lost: u32
  arena_base: usize
  arena_brk: usize
  arena_end: usize
  /** Requests that found no memory. */
  arena_failed: u32
  next_skb_id: u32
  /** The CPU on which work runs now. */
  cpu: u32
  nr_cpus: u32
  softnet: usize
  /** Timers: a heap (lib/heap.ts) of pointers (kernel/timer.ts). */
  timer_heap: usize
  timer_count: u32
  timer_space: u32
  timer_seq: u32
  /** Timers in ns: another (kernel/hrtimer.ts). */
  hrtimer_heap: usize
  hrtimer_count: u32
  hrtimer_space: u32
  /** Timers were set or stopped since TypeScript last asked when the next is due. */
  timer_moved: u32
  /** A timer runs: what is dropped now, no packet that arrives or is sent loses. */
  timer_runs: u32
  /** What a CPU is charged for; 0: nothing. */
  costs: usize
  net_list: usize
  next_net_id: u32
  /** The first namespace: it keeps the machine's own sysctls. */
  init_net: usize
  sock_list: usize
  udp_table: usize
  /** Neighbour hash of all devices (net/core/neighbour.ts). */
  neigh_table: usize
  inet_addr_table: usize
  fib_info_hash: usize
  /** fib_infos by their id: how many places, the first that is free (a free one holds the next). */
  fib_infos: usize
  fib_infos_space: u32
  fib_infos_free: u32
  peer_table: usize
  ip_ident: usize
  /** jhash seeds, drawn at boot. */
  hash_seed: u32
  /** ISN of every TCP connection if not 0 (option of the lab). */
  tcp_isn: u32
  /** Calls of each function while TRACE_COUNTS is set: {times, order of the first} at FN_* x 8. */
  function_counts: usize
  functions_seen: u32
  /** Buffers for arguments and results of calls (lib/arena.ts). */
  call_buffer: usize
  /** Sockets by handle: a hash of sock_handles_mask + 1 chains; the next handle; how many are open (net/core/sock.ts). */
  sock_handles: usize
  sock_handles_mask: u32
  sock_next_handle: u32
  sock_count: u32
  /** The identifier that a ping socket was given last. */
  ping_port_rover: u32
  /** Sockets that want packets stamped as they come (net/core/sock_times.ts). */
  netstamp_needed: u32
  /** Kinds of qdiscs (Qdisc_ops), and the one that drops everything. */
  qdisc_ops: usize
  noop_qdisc: usize
  /** What is said about a refused request besides its errno (uapi/extack.ts). */
  extack: u32
  /** The last handle that was given to a qdisc by itself. */
  qdisc_autohandle: u32
  /** Kind for devices without one (net.core.default_qdisc). */
  default_qdisc: u32
  /** Packets that an enqueue dropped, linked by next: freed by who called it. */
  to_free: usize
  /** What a driver would not take of what it was handed last (dev_hard_start_xmit). */
  tx_rest: usize
  /** Work that no softirq may interrupt is under way: how deep (net/core/softirq.ts). Softirqs that calls ran so far. */
  bh_disabled: u32
  softirq_runs: u32
  /** Blocks of pages that programs have (net/core/user_pages.ts). */
  user_pages: usize
  user_pages_number: u32
  /** The destructor of what sockets send: its place in the table (net/core/sock_wmem.ts). */
  sock_wfree: u32
  /** IP tunnels that there ever were: not 0, and IPPROTO_IPIP is known. */
  tunnel4: u32
  /** VXLAN's sockets (drivers/net/vxlan). */
  vxlan_socks: usize
  /** Devices whose packets are handed to other CPUs. */
  rps_needed: u32
  /** Odd while a batch of datagrams is sent; a number of its own for each. */
  burst: u32
}

export const BOOT: usize = memory.data(1024, 64)
export const boot: boot_block = changetype<boot_block>(BOOT)

/** Size of one kmem_cache record. */
export const KMEM_CACHE_SIZE: usize = 32
export const CACHES: usize = memory.data(768, 64)

/** Free lists of the arena, one for each power of two. */
export const ARENA_FREE: usize = memory.data(128, 64)

export const SLOTS: usize = memory.data(128, 64)

/** Fills a slot with a function's index. */
export function slot_set(slot: u32, index: u32): void {
  store<u32>(SLOTS + ((<usize>slot) << 2), index)
}

export function slot_get(slot: u32): u32 {
  return load<u32>(SLOTS + ((<usize>slot) << 2))
}
