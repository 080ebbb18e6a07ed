// The ABI of assembly/index.ts as TypeScript sees it: the one place that knows names and shapes of exports.
// Pointers and handles are numbers. A function answers 0, a count or -errno; a pointer that is -errno arrives negative.

/** A pointer into Wasm memory, 0: none. */
export type Ptr = number

export interface CoreExports {
  readonly memory: WebAssembly.Memory

  // the instance
  /** Lays out the arena: [HEAP_BASE, HEAP_BASE + bytes). -ENOMEM. */
  boot(bytes: number, hz: number, seedLo: number, seedHi: number, cpus: number): number
  set_time(ns: number): void
  /** When the next timer fires in ns, -1: none is set. */
  timer_next(): number
  run_timers(): number
  call_buffer(): Ptr
  memory_alloc(bytes: number): Ptr
  memory_free(p: Ptr, bytes: number): void
  /** Blocks of programs that packets may take as they are: their first byte, 0: out of memory. */
  pages_alloc(bytes: number): Ptr
  /** 0: none begins there. */
  pages_number(p: Ptr): number
  pages_free(p: Ptr): number
  /** A row of the cost table: ns for each, and ns in 1/256 for each byte. */
  cost_set(row: number, ns: number, bytes256: number): number
  /** Room for records in the trace ring, a power of two. */
  trace_start(records: number): number
  /** Counters of every function, at 0. */
  function_counts_start(): number
  /** A function that TypeScript plays begins: FN_*. */
  trace_function(fn: number): void

  // namespaces and devices
  /** Without devices: its switches are written next, then net_start makes lo. */
  net_create(): Ptr
  net_start(net: Ptr): Ptr
  sysctl_write(net: Ptr, id: number, value: number): void
  /** 0 or -ENOMEM. */
  reserved_ports_clear(net: Ptr): number
  reserved_ports_add(net: Ptr, low: number, high: number): void
  /** dev 0: conf.all, 1: conf.default. */
  devconf_write(net: Ptr, dev: Ptr, id: number, value: number): void
  /** dev 0: the defaults. */
  neigh_parm_write(net: Ptr, dev: Ptr, id: number, value: number): void
  rt_cache_flush(net: Ptr): void
  /** The same, and what routes learnt (path MTUs, redirects) is forgotten. */
  ipv4_sysctl_rtcache_flush(net: Ptr): void
  dev_change_flags(dev: Ptr, flags: number, mask: number): number
  dev_set_mtu(dev: Ptr, mtu: number): number
  dev_set_mac_address(dev: Ptr, address: Ptr): number
  dev_set_carrier(dev: Ptr, on: number): void
  dev_set_features(dev: Ptr, on: number, off: number): number
  dev_set_tx_queue_len(dev: Ptr, length: number): number
  linkwatch_do_dev(dev: Ptr): void
  /** The qdiscs that were scheduled on this CPU run. */
  net_tx_action(): void

  // links; a name lies at its pointer, a MAC 16 bytes behind
  veth_create(net: Ptr, name: Ptr, peerNet: Ptr, peerName: Ptr): Ptr
  /** The other end, 0: it is gone. */
  veth_other(dev: Ptr): Ptr
  dummy_create(net: Ptr, name: Ptr): Ptr
  /** A struct vxlan_config lies 32 bytes behind the name. */
  vxlan_create(net: Ptr, name: Ptr): Ptr
  fdb_add(
    dev: Ptr,
    mac: Ptr,
    state: number,
    flags: number,
    ip: number,
    port: number,
    vni: number,
    ifindex: number,
  ): number
  /** ip 0: the entry with all remotes. */
  fdb_del(dev: Ptr, mac: Ptr, ip: number, port: number, vni: number, ifindex: number): number
  fdb_dump(dev: Ptr, out: Ptr, max: number): number
  /** A struct ip_tunnel_parm lies 32 bytes behind the name. */
  ipip_create(net: Ptr, name: Ptr): Ptr
  dev_change_name(dev: Ptr, name: Ptr): number
  /** count CPUs, a word each. */
  dev_set_rps(dev: Ptr, cpus: Ptr, count: number): number
  dev_change_net_namespace(dev: Ptr, net: Ptr): number
  /** Out of its namespace; its memory is given back by free_netdevice. */
  unregister_netdevice(dev: Ptr): void
  free_netdevice(dev: Ptr): void

  // drivers
  tun_create(net: Ptr, name: Ptr, mac: Ptr, napi: number, vnet: number): Ptr
  tun_set_offload(dev: Ptr, flags: number): number
  tun_write(dev: Ptr, frame: Ptr, length: number): number
  tun_read(dev: Ptr, out: Ptr, max: number): number
  igb_create(net: Ptr, name: Ptr, mac: Ptr, queues: number, ringSize: number): Ptr
  igb_napi(dev: Ptr, queue: number): Ptr
  igb_ring_at(dev: Ptr, queue: number): Ptr
  /** Where bytes of records may be written, 0: no room now. igb_fifo_commit says that they were. */
  igb_fifo_reserve(dev: Ptr, queue: number, bytes: number): Ptr
  igb_fifo_commit(dev: Ptr, queue: number, bytes: number): void
  /** Records at p arrive without a copy. 1: taken, 0: the FIFO is not empty. */
  igb_fifo_lend(dev: Ptr, queue: number, p: Ptr, bytes: number): number
  /** Arrival time of the FIFO's first record in ns, -1: it is empty. */
  igb_fifo_next(dev: Ptr, queue: number): number
  /** DMA of what has arrived by now. 1: the interrupt is to be raised. */
  igb_irq(dev: Ptr, queue: number): number
  igb_hardirq(dev: Ptr, queue: number): number
  igb_tx_discard(dev: Ptr, queue: number): number
  igb_tx_take(dev: Ptr, queue: number, out: Ptr, max: number): number
  napi_poll(napi: Ptr, budget: number, until: number): number

  // rtnetlink
  /** A qdisc is made or changed: parent a class or 0xffffffff, flags NLM_F_*, opt 0 or words as in net/sched/options.ts. */
  tc_modify_qdisc(dev: Ptr, parent: number, handle: number, kind: number, flags: number, opt: Ptr): number
  tc_del_qdisc(dev: Ptr, parent: number, handle: number, kind: number): number
  /** Records of DUMP_SIZE. */
  tc_dump_qdisc(dev: Ptr, out: Ptr, max: number, invisible: number): number
  tc_dump_tclass(dev: Ptr, handle: number, out: Ptr, max: number): number
  qdisc_set_default(kind: number): void
  /** A transmit queue: seven u32 words at out; -ENOENT. */
  dev_tx_queue_dump(dev: Ptr, index: number, out: Ptr): number
  dev_tx_queue_limits(dev: Ptr, index: number, least: number, most: number): number
  inet_rtm_newaddr(
    net: Ptr,
    dev: Ptr,
    local: number,
    address: number,
    prefixLength: number,
    broadcast: number,
    scope: number,
    flags: number,
    metric: number,
    label: Ptr,
    nlflags: number,
  ): number
  inet_rtm_deladdr(net: Ptr, dev: Ptr, local: number, address: number, prefixLength: number, label: Ptr): number
  inet_rtm_newroute(net: Ptr, config: Ptr): number
  inet_rtm_delroute(net: Ptr, config: Ptr): number
  inet_rtm_getroute(net: Ptr, query: Ptr, out: Ptr): number
  fib_dump(net: Ptr, table: number, out: Ptr, max: number, cursor: number): number
  /** The same of what was learnt about destinations. */
  rt_cache_dump(net: Ptr, table: number, out: Ptr, max: number, cursor: number): number
  /** Words of nh_config at config, which gets the id if it was 0; the kernel's words are in boot.extack. */
  rtm_new_nexthop(net: Ptr, config: Ptr): number
  rtm_del_nexthop(net: Ptr, id: number): number
  rtm_get_nexthop(net: Ptr, id: number, out: Ptr): number
  rtm_dump_nexthop(net: Ptr, out: Ptr, max: number, id: number): number
  fib_newrule(net: Ptr, rule: Ptr, given: number, nlflags: number): number
  fib_delrule(net: Ptr, rule: Ptr, given: number): number
  fib_rules_dump(net: Ptr, out: Ptr, max: number): number
  neigh_add(net: Ptr, dev: Ptr, key: number, lladdr: Ptr, state: number, flags: number, nlflags: number): number
  neigh_delete(net: Ptr, dev: Ptr, key: number, flags: number): number
  /** The 13 columns of /proc/net/stat/arp_cache, 32 bits each. */
  neigh_stat(out: Ptr): void
  neigh_dump(net: Ptr, out: Ptr, max: number, skip: number): number
  pneigh_dump(net: Ptr, out: Ptr, max: number, skip: number): number
  igmp_dump(net: Ptr, out: Ptr, max: number, skip: number): number

  // system calls
  sys_socket(net: Ptr, family: number, type: number, protocol: number): number
  sys_close(handle: number): number
  sys_bind(handle: number, address: Ptr, length: number): number
  sys_connect(handle: number, address: Ptr, length: number): number
  sys_sendmsg(handle: number, message: Ptr, flags: number): number
  sys_recvmsg(handle: number, message: Ptr, flags: number): number
  sys_setsockopt(handle: number, level: number, name: number, value: Ptr, length: number): number
  sys_getsockopt(handle: number, level: number, name: number, value: Ptr, length: Ptr): number
  sys_getsockname(handle: number, address: Ptr, length: Ptr): number
  sys_getpeername(handle: number, address: Ptr, length: Ptr): number
  sys_shutdown(handle: number, how: number): number
  sys_poll(handle: number): number
  /** SO_RCVTIMEO in ns, -1: for ever. */
  sys_rcvtimeo(handle: number): number
  /** SO_SNDTIMEO in ns, -1: for ever. */
  sys_sndtimeo(handle: number): number
  sys_watch(handle: number, on: number): number
  sys_woken(handle: number): number
  sys_recv_batch(handle: number, out: Ptr, max: number, bytes: number): number
  sys_send_batch(handle: number, from: Ptr, rows: number, count: number, bytes: number): number
}

/** Exported globals that hold one number each. */
export const CONSTANTS = [
  'HEAP_BASE',
  'BOOT',
  'CALL_BUFFER_SIZE',
  'NET_SYSCTL',
  'NET_MIB',
  'NET_BORN',
  'NET_ENDED',
  'DEV_STATS',
  'DEV_ADDR',
  'SOFTNET_SIZE',
  'SIZE_drop_entry',
  'SIZE_fib_rule',
  'IN_DEV_CNF',
  'NEIGH_PARMS_DATA',
] as const

export type Constants = Readonly<Record<(typeof CONSTANTS)[number], number>>

/** Struct fields whose offsets are exported, each as OFF_struct_field. */
export const LAYOUT = {
  boot_block: [
    'now',
    'jiffies',
    'trace_flags',
    'trace_ring',
    'trace_mask',
    'trace_head',
    'event_ring',
    'event_mask',
    'event_head',
    'event_tail',
    'event_lost',
    'arena_brk',
    'cpu',
    'softnet',
    'sock_list',
    'tcp_isn',
    'function_counts',
    'timer_moved',
    'hrtimer_count',
    'extack',
  ],
  net: [
    'loopback_dev',
    'devconf_all',
    'devconf_dflt',
    'arp_parms',
    'skb_live',
    'drops',
    'drops_count',
    'frag_mem',
    'fib_tables',
    'frag_queues',
    'local_reserved_ports',
    'ifindex',
  ],
  net_device: [
    'next',
    'ifindex',
    'flags',
    'gflags',
    'state',
    'mtu',
    'features',
    'hw_features',
    'ip_ptr',
    'tx_queue_len',
    'napi_list',
    'type',
  ],
  in_device: ['arp_parms'],
  napi_struct: ['next', 'dev', 'state', 'weight', 'priv'],
  softnet_data: [
    'processed',
    'dropped',
    'time_squeeze',
    'received_rps',
    'flow_limit',
    'backlog',
    'input_qlen',
    'process_qlen',
  ],
  igb_ring: [
    'index',
    'fifo_head',
    'fifo_tail',
    'rx_csum_err',
    'rx_csum_good',
    'rx_filtered',
    'tx_hwtstamp',
    'tx_hwtstamp_skipped',
    'tx_next_to_clean',
    'tx_next_to_use',
  ],
  drop_entry: ['count', 'reason', 'cpu', 'fn', 'ifindex', 'protocol', 'timer'],
  sock: [
    'all_next',
    'net',
    'handle',
    'sk_family',
    'sk_type',
    'sk_protocol',
    'sk_state',
    'sk_refcnt',
    'inet_rcv_saddr',
    'inet_daddr',
    'inet_num',
    'inet_dport',
    'sk_rmem_alloc',
    'sk_wmem_alloc',
    'sk_drops',
    'sk_uid',
  ],
  fib_alias: ['next', 'fa_info', 'fa_tos', 'fa_type', 'fa_slen'],
  fib_info: ['fib_scope'],
  fib_table: ['next', 'tb_id', 'trie'],
  key_vector: ['empty_children', 'full_children', 'key', 'pos', 'bits', 'tnode'],
  fib_config: [
    'fc_dst_len',
    'fc_tos',
    'fc_protocol',
    'fc_scope',
    'fc_type',
    'fc_gw_family',
    'fc_has_mx',
    'fc_table',
    'fc_dst',
    'fc_gw4',
    'fc_oif',
    'fc_flags',
    'fc_priority',
    'fc_prefsrc',
    'fc_mx',
    'fc_mp',
    'fc_nhs',
    'fc_nlflags',
    'fc_nh_id',
  ],
  fib_rule: [
    'dscp_full',
    'dscp_mask',
    'sport_mask',
    'dport_mask',
    'uid_start',
    'uid_end',
    'uid_set',
    'pref',
    'flags',
    'table',
    'action',
    'proto',
    'ip_proto',
    'src_len',
    'dst_len',
    'dscp',
    'src',
    'dst',
    'mark',
    'mark_mask',
    'target',
    'suppress_prefixlen',
    'sport_start',
    'sport_end',
    'dport_start',
    'dport_end',
    'iifname0',
    'oifname0',
  ],
} as const

export type Layout = {
  readonly [S in keyof typeof LAYOUT]: Readonly<Record<(typeof LAYOUT)[S][number], number>>
}

/** Kinds of the event ring's records (assembly/kernel/event.ts). */
export const EV_NAPI = 1
export const EV_SOCK = 2
export const EV_TUN_TX = 3
export const EV_IGB_TX = 4
export const EV_SOFTIRQ = 5
export const EV_LINKWATCH = 6

/** Bits of napi_struct.state and net_device.state that the machine looks at. */
export const NAPI_STATE_SCHED = 1
export const LINK_STATE_START = 1
export const LINK_STATE_NOCARRIER = 4

/** Bits of boot_block.trace_flags. */
export const TRACE_FUNCTIONS = 1
export const TRACE_PACKETS = 2
export const TRACE_COUNTS = 4

/** Rows of the accounts (assembly/include/skbuff.ts), in order. */
export const SKB_BORN = ['received', 'sent', 'cloned', 'segmented', 'fragmented', 'moved'] as const
export const SKB_ENDED = ['delivered', 'transmitted', 'absorbed', 'merged', 'dropped', 'moved'] as const

/** Rows of the cost table (assembly/kernel/cost.ts), in order. */
export const COST_ROWS = ['rx', 'tx', 'deliver', 'forward', 'drop', 'syscall', 'copy'] as const

function globalValue(exports: WebAssembly.Exports, name: string): number {
  const value = exports[name]
  if (value instanceof WebAssembly.Global) return Number(value.value)
  throw new Error(`the Wasm core exports no ${name}: it and this JavaScript are not of one build`)
}

/** Reads the constants of an instance. Error when one is missing: the .wasm and the JavaScript are not of one build. */
export function readConstants(exports: WebAssembly.Exports): Constants {
  return Object.fromEntries(CONSTANTS.map((name) => [name, globalValue(exports, name)])) as Constants
}

/** Reads the offsets of all fields of LAYOUT. */
export function readLayout(exports: WebAssembly.Exports): Layout {
  const structs = Object.entries(LAYOUT).map(([struct, fields]) => [
    struct,
    Object.fromEntries(fields.map((field) => [field, globalValue(exports, `OFF_${struct}_${field}`)])),
  ])
  return Object.fromEntries(structs) as Layout
}
