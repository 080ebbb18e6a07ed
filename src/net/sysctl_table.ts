// The sysctls that the core reads: their numbers in it, bounds and units. Names and first values: sysctl_defaults.ts.
// A number reaches the core as its text says it (ipfrag_time and mtu_expires in seconds), neighbour times in ms.

import * as id from '../../assembly/uapi/sysctl.ts'

/** [number in the core, smallest, largest]. */
export type SysctlRow = readonly [id: number, min: number, max: number]

const INT_MIN = -2147483648
const INT_MAX = 2147483647
const int = (number: number, min = INT_MIN, max = INT_MAX): SysctlRow => [number, min, max]
const u8 = (number: number): SysctlRow => [number, 0, 255]
const bool = (number: number): SysctlRow => [number, 0, 1]

/** Smallest socket buffers (SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF). */
const MIN_RCVBUF = 2304
const MIN_SNDBUF = 4608
/** Seconds that Linux keeps in ticks: as many as fit at HZ 250. */
const SECONDS_MAX = Math.floor(INT_MAX / 250)
/** Smallest MTU of a link (RFC 791 3.2). */
const MIN_MTU = 68

/** Sysctls that are one number. */
export const singleSysctls: Readonly<Record<string, SysctlRow>> = {
  'net.core.busy_poll': int(id.SYSCTL_CORE_BUSY_POLL, 0),
  'net.core.busy_read': int(id.SYSCTL_CORE_BUSY_READ, 0),
  'net.core.dev_weight': int(id.SYSCTL_CORE_DEV_WEIGHT, 1),
  'net.core.dev_weight_rx_bias': int(id.SYSCTL_CORE_DEV_WEIGHT_RX_BIAS, 1),
  'net.core.dev_weight_tx_bias': int(id.SYSCTL_CORE_DEV_WEIGHT_TX_BIAS, 1),
  'net.core.gro_normal_batch': int(id.SYSCTL_CORE_GRO_NORMAL_BATCH, 1),
  'net.core.message_burst': int(id.SYSCTL_CORE_MESSAGE_BURST),
  'net.core.message_cost': int(id.SYSCTL_CORE_MESSAGE_COST),
  'net.core.netdev_budget': int(id.SYSCTL_CORE_NETDEV_BUDGET),
  'net.core.netdev_budget_usecs': int(id.SYSCTL_CORE_NETDEV_BUDGET_USECS, 0),
  'net.core.netdev_max_backlog': int(id.SYSCTL_CORE_NETDEV_MAX_BACKLOG),
  'net.core.netdev_tstamp_prequeue': int(id.SYSCTL_CORE_NETDEV_TSTAMP_PREQUEUE),
  'net.core.optmem_max': int(id.SYSCTL_CORE_OPTMEM_MAX, 0),
  'net.core.rmem_default': int(id.SYSCTL_CORE_RMEM_DEFAULT, MIN_RCVBUF),
  'net.core.rmem_max': int(id.SYSCTL_CORE_RMEM_MAX, MIN_RCVBUF),
  'net.core.skb_defer_max': int(id.SYSCTL_CORE_SKB_DEFER_MAX, 0),
  'net.core.somaxconn': int(id.SYSCTL_CORE_SOMAXCONN, 0),
  'net.core.tstamp_allow_data': bool(id.SYSCTL_CORE_TSTAMP_ALLOW_DATA),
  'net.core.warnings': int(id.SYSCTL_CORE_WARNINGS),
  'net.core.wmem_default': int(id.SYSCTL_CORE_WMEM_DEFAULT, MIN_SNDBUF),
  'net.core.wmem_max': int(id.SYSCTL_CORE_WMEM_MAX, MIN_SNDBUF),
  'net.ipv4.fib_multipath_hash_fields': int(id.SYSCTL_FIB_MULTIPATH_HASH_FIELDS, 1, 0xfff),
  'net.ipv4.fib_multipath_hash_policy': int(id.SYSCTL_FIB_MULTIPATH_HASH_POLICY, 0, 3),
  'net.ipv4.fib_multipath_hash_seed': int(id.SYSCTL_FIB_MULTIPATH_HASH_SEED, 0, 4294967295),
  'net.ipv4.fib_multipath_use_neigh': bool(id.SYSCTL_FIB_MULTIPATH_USE_NEIGH),
  'net.ipv4.fib_notify_on_flag_change': int(id.SYSCTL_FIB_NOTIFY_ON_FLAG_CHANGE, 0, 2),
  'net.ipv4.fib_sync_mem': int(id.SYSCTL_FIB_SYNC_MEM, 65536, 67108864),
  'net.ipv4.fwmark_reflect': u8(id.SYSCTL_FWMARK_REFLECT),
  'net.ipv4.icmp_echo_enable_probe': bool(id.SYSCTL_ICMP_ECHO_ENABLE_PROBE),
  'net.ipv4.icmp_echo_ignore_all': bool(id.SYSCTL_ICMP_ECHO_IGNORE_ALL),
  'net.ipv4.icmp_echo_ignore_broadcasts': bool(id.SYSCTL_ICMP_ECHO_IGNORE_BROADCASTS),
  'net.ipv4.icmp_errors_use_inbound_ifaddr': bool(id.SYSCTL_ICMP_ERRORS_USE_INBOUND_IFADDR),
  'net.ipv4.icmp_ignore_bogus_error_responses': bool(id.SYSCTL_ICMP_IGNORE_BOGUS_ERROR_RESPONSES),
  'net.ipv4.icmp_msgs_burst': int(id.SYSCTL_ICMP_MSGS_BURST, 0),
  'net.ipv4.icmp_msgs_per_sec': int(id.SYSCTL_ICMP_MSGS_PER_SEC, 0),
  'net.ipv4.icmp_ratelimit': int(id.SYSCTL_ICMP_RATELIMIT, 0),
  'net.ipv4.icmp_ratemask': int(id.SYSCTL_ICMP_RATEMASK),
  'net.ipv4.igmp_link_local_mcast_reports': u8(id.SYSCTL_IGMP_LINK_LOCAL_MCAST_REPORTS),
  'net.ipv4.igmp_max_memberships': int(id.SYSCTL_IGMP_MAX_MEMBERSHIPS),
  'net.ipv4.igmp_max_msf': int(id.SYSCTL_IGMP_MAX_MSF),
  'net.ipv4.igmp_qrv': int(id.SYSCTL_IGMP_QRV, 1),
  'net.ipv4.inet_peer_maxttl': int(id.SYSCTL_INET_PEER_MAXTTL),
  'net.ipv4.inet_peer_minttl': int(id.SYSCTL_INET_PEER_MINTTL),
  'net.ipv4.inet_peer_threshold': int(id.SYSCTL_INET_PEER_THRESHOLD),
  'net.ipv4.ip_autobind_reuse': bool(id.SYSCTL_IP_AUTOBIND_REUSE),
  'net.ipv4.ip_default_ttl': int(id.SYSCTL_IP_DEFAULT_TTL, 1, 255),
  'net.ipv4.ip_dynaddr': u8(id.SYSCTL_IP_DYNADDR),
  'net.ipv4.ip_early_demux': u8(id.SYSCTL_IP_EARLY_DEMUX),
  'net.ipv4.ip_forward_update_priority': bool(id.SYSCTL_IP_FORWARD_UPDATE_PRIORITY),
  'net.ipv4.ip_forward_use_pmtu': u8(id.SYSCTL_IP_FORWARD_USE_PMTU),
  'net.ipv4.ip_no_pmtu_disc': u8(id.SYSCTL_IP_NO_PMTU_DISC),
  'net.ipv4.ip_nonlocal_bind': u8(id.SYSCTL_IP_NONLOCAL_BIND),
  'net.ipv4.ip_unprivileged_port_start': int(id.SYSCTL_IP_UNPRIVILEGED_PORT_START, 0, 65535),
  'net.ipv4.ipfrag_high_thresh': int(id.SYSCTL_IPFRAG_HIGH_THRESH, 0),
  'net.ipv4.ipfrag_low_thresh': int(id.SYSCTL_IPFRAG_LOW_THRESH, 0),
  'net.ipv4.ipfrag_max_dist': int(id.SYSCTL_IPFRAG_MAX_DIST, 0),
  'net.ipv4.ipfrag_secret_interval': int(id.SYSCTL_IPFRAG_SECRET_INTERVAL),
  'net.ipv4.ipfrag_time': int(id.SYSCTL_IPFRAG_TIME, -SECONDS_MAX, SECONDS_MAX),
  'net.ipv4.neigh.default.gc_interval': int(id.SYSCTL_NEIGH_GC_INTERVAL, 0),
  'net.ipv4.neigh.default.gc_thresh1': int(id.SYSCTL_NEIGH_GC_THRESH1, 0),
  'net.ipv4.neigh.default.gc_thresh2': int(id.SYSCTL_NEIGH_GC_THRESH2, 0),
  'net.ipv4.neigh.default.gc_thresh3': int(id.SYSCTL_NEIGH_GC_THRESH3, 0),
  'net.ipv4.raw_l3mdev_accept': bool(id.SYSCTL_RAW_L3MDEV_ACCEPT),
  'net.ipv4.route.error_burst': int(id.SYSCTL_ROUTE_ERROR_BURST),
  'net.ipv4.route.error_cost': int(id.SYSCTL_ROUTE_ERROR_COST),
  'net.ipv4.route.gc_thresh': int(id.SYSCTL_ROUTE_GC_THRESH),
  'net.ipv4.route.max_size': int(id.SYSCTL_ROUTE_MAX_SIZE),
  'net.ipv4.route.min_adv_mss': int(id.SYSCTL_ROUTE_MIN_ADV_MSS),
  'net.ipv4.route.min_pmtu': int(id.SYSCTL_ROUTE_MIN_PMTU, MIN_MTU),
  'net.ipv4.route.mtu_expires': int(id.SYSCTL_ROUTE_MTU_EXPIRES, -SECONDS_MAX, SECONDS_MAX),
  'net.ipv4.route.redirect_load': int(id.SYSCTL_ROUTE_REDIRECT_LOAD),
  'net.ipv4.route.redirect_number': int(id.SYSCTL_ROUTE_REDIRECT_NUMBER),
  'net.ipv4.route.redirect_silence': int(id.SYSCTL_ROUTE_REDIRECT_SILENCE),
  'net.ipv4.tcp_early_demux': u8(id.SYSCTL_TCP_EARLY_DEMUX),
  'net.ipv4.udp_early_demux': u8(id.SYSCTL_UDP_EARLY_DEMUX),
  'net.ipv4.udp_l3mdev_accept': bool(id.SYSCTL_UDP_L3MDEV_ACCEPT),
  'net.ipv4.udp_rmem_min': int(id.SYSCTL_UDP_RMEM_MIN, 1),
  'net.ipv4.udp_wmem_min': int(id.SYSCTL_UDP_WMEM_MIN, 1),
}

/** Sysctls that are two numbers. */
export const pairSysctls: Readonly<Record<string, readonly [low: SysctlRow, high: SysctlRow]>> = {
  'net.ipv4.ip_local_port_range': [
    int(id.SYSCTL_IP_LOCAL_PORT_RANGE_LOW, 1, 65535),
    int(id.SYSCTL_IP_LOCAL_PORT_RANGE_HIGH, 1, 65535),
  ],
  'net.ipv4.ping_group_range': [
    int(id.SYSCTL_PING_GROUP_RANGE_LOW, 0, INT_MAX),
    int(id.SYSCTL_PING_GROUP_RANGE_HIGH, 0, INT_MAX),
  ],
}

/** Defaults in ticks of HZ 250, as the table of defaults gives them: they scale with HZ. */
export const tickSysctls: ReadonlySet<string> = new Set([
  'net.ipv4.route.error_burst',
  'net.ipv4.route.error_cost',
  'net.ipv4.route.redirect_load',
  'net.ipv4.route.redirect_silence',
])

/** Bytes that a packet of the largest Ethernet frame counts for: unres_qlen is unres_qlen_bytes in these. */
const FRAME_TRUESIZE = 2090

/** net.ipv4.neigh.DEV.NAME: the parameter, and what a unit of the text is in the core (ms for times). */
export const neighSysctls: Readonly<Record<string, readonly [parameter: number, unit: number]>> = {
  anycast_delay: [id.NEIGH_VAR_ANYCAST_DELAY_MS, 10],
  app_solicit: [id.NEIGH_VAR_APP_PROBES, 1],
  base_reachable_time: [id.NEIGH_VAR_BASE_REACHABLE_TIME_MS, 1000],
  base_reachable_time_ms: [id.NEIGH_VAR_BASE_REACHABLE_TIME_MS, 1],
  delay_first_probe_time: [id.NEIGH_VAR_DELAY_PROBE_TIME_MS, 1000],
  gc_stale_time: [id.NEIGH_VAR_GC_STALETIME_MS, 1000],
  interval_probe_time_ms: [id.NEIGH_VAR_INTERVAL_PROBE_TIME_MS, 1],
  locktime: [id.NEIGH_VAR_LOCKTIME_MS, 10],
  mcast_resolicit: [id.NEIGH_VAR_MCAST_REPROBES, 1],
  mcast_solicit: [id.NEIGH_VAR_MCAST_PROBES, 1],
  proxy_delay: [id.NEIGH_VAR_PROXY_DELAY_MS, 10],
  proxy_qlen: [id.NEIGH_VAR_PROXY_QLEN, 1],
  retrans_time: [id.NEIGH_VAR_RETRANS_TIME_MS, 10],
  retrans_time_ms: [id.NEIGH_VAR_RETRANS_TIME_MS, 1],
  ucast_solicit: [id.NEIGH_VAR_UCAST_PROBES, 1],
  unres_qlen: [id.NEIGH_VAR_QUEUE_LEN_BYTES, FRAME_TRUESIZE],
  unres_qlen_bytes: [id.NEIGH_VAR_QUEUE_LEN_BYTES, 1],
}

/** Switches whose change empties the route cache and reaches no other device (DEVINET_SYSCTL_FLUSHING_ENTRY). */
export const flushingSwitches: ReadonlySet<number> = new Set([
  id.IPV4_DEVCONF_NOXFRM,
  id.IPV4_DEVCONF_NOPOLICY,
  id.IPV4_DEVCONF_PROMOTE_SECONDARIES,
  id.IPV4_DEVCONF_ROUTE_LOCALNET,
  id.IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST,
])
