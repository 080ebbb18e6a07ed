// Sysctls of Linux 6.18.44 (net.core, net.ipv4): names, and what they hold in a fresh network namespace. Read from a real
// kernel. Values are text as /proc/sys gives it, without the newline; several numbers are parted by tabs.
// A new device begins with the values of net.ipv4.conf.default and net.ipv4.neigh.default.
import * as uapi from '../../assembly/uapi/sysctl.ts'

/** Of each namespace, without the per-device ones. */
export const namespaceSysctls: Readonly<Record<string, string>> = {
  'net.core.optmem_max': '131072',
  'net.core.rmem_default': '212992',
  'net.core.rmem_max': '4194304',
  'net.core.rps_default_mask': '0',
  'net.core.somaxconn': '4096',
  'net.core.tstamp_allow_data': '1',
  'net.core.txrehash': '1',
  'net.core.wmem_default': '212992',
  'net.core.wmem_max': '4194304',
  'net.core.xfrm_acq_expires': '30',
  'net.core.xfrm_aevent_etime': '10',
  'net.core.xfrm_aevent_rseqth': '2',
  'net.core.xfrm_larval_drop': '1',
  'net.ipv4.fib_multipath_hash_fields': '7',
  'net.ipv4.fib_multipath_hash_policy': '0',
  'net.ipv4.fib_multipath_hash_seed': '0',
  'net.ipv4.fib_multipath_use_neigh': '0',
  'net.ipv4.fib_notify_on_flag_change': '0',
  'net.ipv4.fwmark_reflect': '0',
  'net.ipv4.icmp_echo_enable_probe': '0',
  'net.ipv4.icmp_echo_ignore_all': '0',
  'net.ipv4.icmp_echo_ignore_broadcasts': '1',
  'net.ipv4.icmp_errors_use_inbound_ifaddr': '0',
  'net.ipv4.icmp_ignore_bogus_error_responses': '1',
  'net.ipv4.icmp_msgs_burst': '50',
  'net.ipv4.icmp_msgs_per_sec': '1000',
  'net.ipv4.icmp_ratelimit': '1000',
  'net.ipv4.icmp_ratemask': '6168',
  'net.ipv4.igmp_link_local_mcast_reports': '1',
  'net.ipv4.igmp_max_memberships': '20',
  'net.ipv4.igmp_max_msf': '10',
  'net.ipv4.igmp_qrv': '2',
  'net.ipv4.ip_autobind_reuse': '0',
  'net.ipv4.ip_default_ttl': '64',
  'net.ipv4.ip_dynaddr': '0',
  'net.ipv4.ip_early_demux': '1',
  'net.ipv4.ip_forward': '0',
  'net.ipv4.ip_forward_update_priority': '1',
  'net.ipv4.ip_forward_use_pmtu': '0',
  'net.ipv4.ip_local_port_range': '32768\t60999',
  'net.ipv4.ip_local_reserved_ports': '',
  'net.ipv4.ip_no_pmtu_disc': '0',
  'net.ipv4.ip_nonlocal_bind': '0',
  'net.ipv4.ip_unprivileged_port_start': '1024',
  'net.ipv4.ipfrag_high_thresh': '4194304',
  'net.ipv4.ipfrag_low_thresh': '3145728',
  'net.ipv4.ipfrag_max_dist': '64',
  'net.ipv4.ipfrag_time': '30',
  'net.ipv4.nexthop_compat_mode': '1',
  'net.ipv4.ping_group_range': '1\t0',
  'net.ipv4.raw_l3mdev_accept': '1',
  'net.ipv4.route.flush': '',
  'net.ipv4.route.min_adv_mss': '256',
  'net.ipv4.route.min_pmtu': '552',
  'net.ipv4.route.mtu_expires': '600',
  'net.ipv4.tcp_abort_on_overflow': '0',
  'net.ipv4.tcp_adv_win_scale': '1',
  'net.ipv4.tcp_allowed_congestion_control': 'reno bbr',
  'net.ipv4.tcp_app_win': '31',
  'net.ipv4.tcp_autocorking': '1',
  'net.ipv4.tcp_available_congestion_control': 'reno bbr cubic',
  'net.ipv4.tcp_backlog_ack_defer': '1',
  'net.ipv4.tcp_base_mss': '1024',
  'net.ipv4.tcp_challenge_ack_limit': '2147483647',
  'net.ipv4.tcp_child_ehash_entries': '0',
  'net.ipv4.tcp_comp_sack_delay_ns': '1000000',
  'net.ipv4.tcp_comp_sack_nr': '44',
  'net.ipv4.tcp_comp_sack_slack_ns': '100000',
  'net.ipv4.tcp_congestion_control': 'bbr',
  'net.ipv4.tcp_dsack': '1',
  'net.ipv4.tcp_early_demux': '1',
  'net.ipv4.tcp_early_retrans': '3',
  'net.ipv4.tcp_ecn': '2',
  'net.ipv4.tcp_ecn_fallback': '1',
  'net.ipv4.tcp_ecn_option': '2',
  'net.ipv4.tcp_ecn_option_beacon': '3',
  'net.ipv4.tcp_ehash_entries': '-262144',
  'net.ipv4.tcp_fack': '0',
  'net.ipv4.tcp_fastopen': '1',
  'net.ipv4.tcp_fastopen_blackhole_timeout_sec': '0',
  'net.ipv4.tcp_fastopen_key': '00000000-00000000-00000000-00000000',
  'net.ipv4.tcp_fin_timeout': '60',
  'net.ipv4.tcp_frto': '2',
  'net.ipv4.tcp_fwmark_accept': '0',
  'net.ipv4.tcp_invalid_ratelimit': '500',
  'net.ipv4.tcp_keepalive_intvl': '75',
  'net.ipv4.tcp_keepalive_probes': '9',
  'net.ipv4.tcp_keepalive_time': '7200',
  'net.ipv4.tcp_l3mdev_accept': '0',
  'net.ipv4.tcp_limit_output_bytes': '4194304',
  'net.ipv4.tcp_max_reordering': '300',
  'net.ipv4.tcp_max_syn_backlog': '2048',
  'net.ipv4.tcp_max_tw_buckets': '131072',
  'net.ipv4.tcp_migrate_req': '0',
  'net.ipv4.tcp_min_rtt_wlen': '300',
  'net.ipv4.tcp_min_snd_mss': '48',
  'net.ipv4.tcp_min_tso_segs': '2',
  'net.ipv4.tcp_moderate_rcvbuf': '1',
  'net.ipv4.tcp_mtu_probe_floor': '48',
  'net.ipv4.tcp_mtu_probing': '0',
  'net.ipv4.tcp_no_metrics_save': '0',
  'net.ipv4.tcp_no_ssthresh_metrics_save': '1',
  'net.ipv4.tcp_notsent_lowat': '4294967295',
  'net.ipv4.tcp_orphan_retries': '0',
  'net.ipv4.tcp_pacing_ca_ratio': '120',
  'net.ipv4.tcp_pacing_ss_ratio': '200',
  'net.ipv4.tcp_pingpong_thresh': '1',
  'net.ipv4.tcp_plb_cong_thresh': '128',
  'net.ipv4.tcp_plb_enabled': '0',
  'net.ipv4.tcp_plb_idle_rehash_rounds': '3',
  'net.ipv4.tcp_plb_rehash_rounds': '12',
  'net.ipv4.tcp_plb_suspend_rto_sec': '60',
  'net.ipv4.tcp_probe_interval': '600',
  'net.ipv4.tcp_probe_threshold': '8',
  'net.ipv4.tcp_recovery': '1',
  'net.ipv4.tcp_reflect_tos': '0',
  'net.ipv4.tcp_reordering': '3',
  'net.ipv4.tcp_retrans_collapse': '1',
  'net.ipv4.tcp_retries1': '3',
  'net.ipv4.tcp_retries2': '15',
  'net.ipv4.tcp_rfc1337': '0',
  'net.ipv4.tcp_rmem': '4096\t131072\t33554432',
  'net.ipv4.tcp_rto_max_ms': '120000',
  'net.ipv4.tcp_rto_min_us': '200000',
  'net.ipv4.tcp_sack': '1',
  'net.ipv4.tcp_shrink_window': '0',
  'net.ipv4.tcp_slow_start_after_idle': '1',
  'net.ipv4.tcp_stdurg': '0',
  'net.ipv4.tcp_syn_linear_timeouts': '4',
  'net.ipv4.tcp_syn_retries': '6',
  'net.ipv4.tcp_synack_retries': '5',
  'net.ipv4.tcp_syncookies': '1',
  'net.ipv4.tcp_thin_linear_timeouts': '0',
  'net.ipv4.tcp_timestamps': '1',
  'net.ipv4.tcp_tso_rtt_log': '9',
  'net.ipv4.tcp_tso_win_divisor': '3',
  'net.ipv4.tcp_tw_reuse': '2',
  'net.ipv4.tcp_tw_reuse_delay': '1000',
  'net.ipv4.tcp_window_scaling': '1',
  'net.ipv4.tcp_wmem': '4096\t16384\t4194304',
  'net.ipv4.tcp_workaround_signed_windows': '0',
  'net.ipv4.udp_child_hash_entries': '0',
  'net.ipv4.udp_early_demux': '1',
  'net.ipv4.udp_hash_entries': '-16384',
  'net.ipv4.udp_l3mdev_accept': '0',
  'net.ipv4.udp_rmem_min': '4096',
  'net.ipv4.udp_wmem_min': '4096',
  'net.ipv4.xfrm4_gc_thresh': '32768',
}

/** Of the whole machine: only the first namespace shows them. Memory limits (tcp_mem, udp_mem) are those of the machine read, which has 24 GB. */
export const machineSysctls: Readonly<Record<string, string>> = {
  'net.core.bpf_jit_enable': '1',
  'net.core.bpf_jit_harden': '0',
  'net.core.bpf_jit_kallsyms': '1',
  'net.core.bpf_jit_limit': '528482304',
  'net.core.busy_poll': '0',
  'net.core.busy_read': '0',
  'net.core.default_qdisc': 'pfifo_fast',
  'net.core.dev_weight': '64',
  'net.core.dev_weight_rx_bias': '1',
  'net.core.dev_weight_tx_bias': '1',
  'net.core.devconf_inherit_init_net': '0',
  'net.core.fb_tunnels_only_for_init_net': '0',
  'net.core.flow_limit_cpu_bitmap': '0',
  'net.core.flow_limit_table_len': '4096',
  'net.core.gro_normal_batch': '8',
  'net.core.high_order_alloc_disable': '0',
  'net.core.max_skb_frags': '17',
  'net.core.mem_pcpu_rsv': '256',
  'net.core.message_burst': '10',
  'net.core.message_cost': '5',
  'net.core.netdev_budget': '300',
  'net.core.netdev_budget_usecs': '8000',
  'net.core.netdev_max_backlog': '1000',
  'net.core.netdev_rss_key':
    '00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00',
  'net.core.netdev_tstamp_prequeue': '1',
  'net.core.netdev_unregister_timeout_secs': '10',
  'net.core.rps_sock_flow_entries': '0',
  'net.core.skb_defer_max': '64',
  'net.core.warnings': '0',
  'net.ipv4.cipso_cache_bucket_size': '10',
  'net.ipv4.cipso_cache_enable': '1',
  'net.ipv4.cipso_rbm_optfmt': '0',
  'net.ipv4.cipso_rbm_strictvalid': '1',
  'net.ipv4.fib_sync_mem': '524288',
  'net.ipv4.inet_peer_maxttl': '600',
  'net.ipv4.inet_peer_minttl': '120',
  'net.ipv4.inet_peer_threshold': '65664',
  'net.ipv4.ipfrag_secret_interval': '0',
  'net.ipv4.neigh.default.gc_interval': '30',
  'net.ipv4.neigh.default.gc_thresh1': '128',
  'net.ipv4.neigh.default.gc_thresh2': '512',
  'net.ipv4.neigh.default.gc_thresh3': '1024',
  'net.ipv4.route.error_burst': '1250',
  'net.ipv4.route.error_cost': '250',
  'net.ipv4.route.gc_elasticity': '8',
  'net.ipv4.route.gc_interval': '60',
  'net.ipv4.route.gc_min_interval': '0',
  'net.ipv4.route.gc_min_interval_ms': '500',
  'net.ipv4.route.gc_thresh': '-1',
  'net.ipv4.route.gc_timeout': '300',
  'net.ipv4.route.max_size': '2147483647',
  'net.ipv4.route.redirect_load': '5',
  'net.ipv4.route.redirect_number': '9',
  'net.ipv4.route.redirect_silence': '5120',
  'net.ipv4.tcp_available_ulp': 'mptcp',
  'net.ipv4.tcp_low_latency': '0',
  'net.ipv4.tcp_max_orphans': '131072',
  'net.ipv4.tcp_mem': '287898\t383867\t575796',
  'net.ipv4.udp_mem': '575799\t767734\t1151598',
}

/** net.ipv4.conf.DEV.NAME: default value, and the id of the value in struct in_device. */
export const confTemplate: Readonly<Record<string, readonly [value: string, devconf: number]>> = {
  accept_local: ['0', uapi.IPV4_DEVCONF_ACCEPT_LOCAL],
  accept_redirects: ['1', uapi.IPV4_DEVCONF_ACCEPT_REDIRECTS],
  accept_source_route: ['1', uapi.IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE],
  arp_accept: ['0', uapi.IPV4_DEVCONF_ARP_ACCEPT],
  arp_announce: ['0', uapi.IPV4_DEVCONF_ARP_ANNOUNCE],
  arp_evict_nocarrier: ['1', uapi.IPV4_DEVCONF_ARP_EVICT_NOCARRIER],
  arp_filter: ['0', uapi.IPV4_DEVCONF_ARPFILTER],
  arp_ignore: ['0', uapi.IPV4_DEVCONF_ARP_IGNORE],
  arp_notify: ['0', uapi.IPV4_DEVCONF_ARP_NOTIFY],
  bc_forwarding: ['0', uapi.IPV4_DEVCONF_BC_FORWARDING],
  bootp_relay: ['0', uapi.IPV4_DEVCONF_BOOTP_RELAY],
  disable_policy: ['0', uapi.IPV4_DEVCONF_NOPOLICY],
  disable_xfrm: ['0', uapi.IPV4_DEVCONF_NOXFRM],
  drop_gratuitous_arp: ['0', uapi.IPV4_DEVCONF_DROP_GRATUITOUS_ARP],
  drop_unicast_in_l2_multicast: ['0', uapi.IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST],
  force_igmp_version: ['0', uapi.IPV4_DEVCONF_FORCE_IGMP_VERSION],
  forwarding: ['0', uapi.IPV4_DEVCONF_FORWARDING],
  igmpv2_unsolicited_report_interval: ['10000', uapi.IPV4_DEVCONF_IGMPV2_UNSOLICITED_REPORT_INTERVAL],
  igmpv3_unsolicited_report_interval: ['1000', uapi.IPV4_DEVCONF_IGMPV3_UNSOLICITED_REPORT_INTERVAL],
  ignore_routes_with_linkdown: ['0', uapi.IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN],
  log_martians: ['0', uapi.IPV4_DEVCONF_LOG_MARTIANS],
  mc_forwarding: ['0', uapi.IPV4_DEVCONF_MC_FORWARDING],
  medium_id: ['0', uapi.IPV4_DEVCONF_MEDIUM_ID],
  promote_secondaries: ['0', uapi.IPV4_DEVCONF_PROMOTE_SECONDARIES],
  proxy_arp: ['0', uapi.IPV4_DEVCONF_PROXY_ARP],
  proxy_arp_pvlan: ['0', uapi.IPV4_DEVCONF_PROXY_ARP_PVLAN],
  route_localnet: ['0', uapi.IPV4_DEVCONF_ROUTE_LOCALNET],
  rp_filter: ['0', uapi.IPV4_DEVCONF_RP_FILTER],
  secure_redirects: ['1', uapi.IPV4_DEVCONF_SECURE_REDIRECTS],
  send_redirects: ['1', uapi.IPV4_DEVCONF_SEND_REDIRECTS],
  shared_media: ['1', uapi.IPV4_DEVCONF_SHARED_MEDIA],
  src_valid_mark: ['0', uapi.IPV4_DEVCONF_SRC_VMARK],
  tag: ['0', uapi.IPV4_DEVCONF_TAG],
}

/** Where the three scopes that a namespace is born with differ from confTemplate. */
export const confOverrides: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  all: { accept_source_route: '0' },
  lo: { disable_policy: '1', disable_xfrm: '1' },
}

/** net.ipv4.neigh.DEV.NAME: default value. */
export const neighTemplate: Readonly<Record<string, string>> = {
  anycast_delay: '100',
  app_solicit: '0',
  base_reachable_time: '30',
  base_reachable_time_ms: '30000',
  delay_first_probe_time: '5',
  gc_stale_time: '60',
  interval_probe_time_ms: '5000',
  locktime: '100',
  mcast_resolicit: '0',
  mcast_solicit: '3',
  proxy_delay: '80',
  proxy_qlen: '64',
  retrans_time: '100',
  retrans_time_ms: '1000',
  ucast_solicit: '3',
  unres_qlen: '101',
  unres_qlen_bytes: '212992',
}

const readOnly: ReadonlySet<string> = new Set([
  'net.core.netdev_rss_key',
  'net.ipv4.tcp_available_congestion_control',
  'net.ipv4.tcp_available_ulp',
  'net.ipv4.tcp_ehash_entries',
  'net.ipv4.udp_hash_entries',
])

/** A sysctl of a device, taken apart: `net.ipv4.conf.eth0.100.rp_filter` is of device `eth0.100`. */
export function deviceSysctl(name: string): { kind: 'conf' | 'neigh'; dev: string; key: string } | undefined {
  const match = /^net\.ipv4\.(conf|neigh)\.(.+)\.([^.]+)$/.exec(name)
  if (!match) return undefined
  const [, kind, dev, key] = match as unknown as [string, 'conf' | 'neigh', string, string]
  return Object.hasOwn(kind === 'conf' ? confTemplate : neighTemplate, key) ? { kind, dev, key } : undefined
}

/** The sysctls of one device (or of `all` or `default`): full names and their values when the device is made. */
export function deviceSysctls(dev: string): Map<string, string> {
  const values = new Map<string, string>()
  const overrides = confOverrides[dev] ?? {}
  for (const [key, [value]] of Object.entries(confTemplate))
    values.set(`net.ipv4.conf.${dev}.${key}`, overrides[key] ?? value)
  if (dev === 'all') return values // there is no net.ipv4.neigh.all
  for (const [key, value] of Object.entries(neighTemplate)) values.set(`net.ipv4.neigh.${dev}.${key}`, value)
  return values
}

/** All sysctls of a fresh namespace with these devices, `lo` among them if it is to have any: full names and values. */
export function freshSysctls(devices: readonly string[]): Map<string, string> {
  const values = new Map([...Object.entries(machineSysctls), ...Object.entries(namespaceSysctls)])
  for (const dev of ['all', 'default', ...devices])
    for (const [name, value] of deviceSysctls(dev)) values.set(name, value)
  return values
}

/**
 * The value that a sysctl begins with; undefined when there is no such name (ENOENT to a user).
 *
 * Devices' sysctls exist for `all`, `default` and the devices that are given.
 */
export function sysctlDefault(name: string, devices: readonly string[] = ['lo']): string | undefined {
  if (Object.hasOwn(namespaceSysctls, name)) return namespaceSysctls[name]
  if (Object.hasOwn(machineSysctls, name)) return machineSysctls[name]
  const of = deviceSysctl(name)
  if (!of || !(of.dev === 'all' || of.dev === 'default' || devices.includes(of.dev))) return undefined
  return deviceSysctls(of.dev).get(name)
}

/** True where a write is refused (mode 0444 in the first namespace): EACCES to a user. */
export function isSysctlReadOnly(name: string): boolean {
  return readOnly.has(name) || deviceSysctl(name)?.key === 'mc_forwarding'
}
