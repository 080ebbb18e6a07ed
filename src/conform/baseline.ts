// What the recorder sets in every fresh namespace before a scenario's own sysctls (the oracle's baseline.json).

/** Sysctls in the order in which they are written. IPv6 is off in the recordings; netpath has none. */
export const BASELINE_SYSCTLS: Readonly<Record<string, string | number>> = {
  'net.ipv4.ip_forward': 0,
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv4.conf.all.accept_redirects': 1,
  'net.ipv4.conf.default.accept_redirects': 1,
  'net.ipv4.conf.all.secure_redirects': 1,
  'net.ipv4.conf.default.secure_redirects': 1,
  'net.ipv4.conf.all.send_redirects': 1,
  'net.ipv4.conf.default.send_redirects': 1,
  'net.ipv4.conf.all.accept_source_route': 0,
  'net.ipv4.conf.default.accept_source_route': 1,
  'net.ipv4.conf.all.log_martians': 0,
  'net.ipv4.conf.default.log_martians': 0,
  'net.ipv4.conf.default.igmpv3_unsolicited_report_interval': 1000,
  'net.ipv4.igmp_link_local_mcast_reports': 0,
  'net.ipv4.icmp_ratelimit': 0,
  'net.ipv4.icmp_ratemask': 0,
  'net.ipv4.icmp_echo_ignore_broadcasts': 1,
  'net.ipv4.ip_local_port_range': '40000 40000',
  'net.ipv4.ip_default_ttl': 64,
  'net.ipv4.ip_no_pmtu_disc': 0,
  'net.ipv4.ip_early_demux': 1,
  'net.ipv4.fib_multipath_hash_seed': 1,
  'net.ipv4.tcp_timestamps': 0,
  'net.ipv4.tcp_syncookies': 0,
  'net.ipv4.tcp_congestion_control': 'reno',
  'net.ipv4.tcp_early_retrans': 0,
  'net.ipv4.tcp_no_metrics_save': 1,
  'net.ipv4.tcp_rmem': '4096 131072 6291456',
  'net.ipv4.tcp_wmem': '4096 16384 4194304',
  'net.ipv4.tcp_moderate_rcvbuf': 0,
}

/** The lab of a scenario: the recorder's clock and initial sequence number; one seed, so that a run repeats. */
export const BASELINE_LAB = { seed: 1, hz: 250, isn: 0x10000000 } as const

/** After a change of carrier the recorder waits this long, in ns: the kernel may take a second to act on it. */
export const CARRIER_WAIT_NS = 1.2e9
