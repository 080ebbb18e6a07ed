// A network namespace (struct net): its devices, tables, sysctls, counters and accounts.
// Behind the struct lie, in this order, the sysctls (i32[SYSCTL_MAX]) and the MIBs (u64[MIB_MAX]).

import { MIB_MAX } from '../uapi/snmp.ts'
import { SYSCTL_MAX } from '../uapi/sysctl.ts'
import { SKB_BORN_MAX, SKB_ENDED_MAX } from './skbuff.ts'

@unmanaged
@final
export class net {
  next: usize
  id: u32
  /** Devices in order of their index. */
  dev_base_head: usize
  ifindex: u32
  loopback_dev: usize
  /** ipv4_devconf arrays: i32[IPV4_DEVCONF_MAX + 1]. */
  devconf_all: usize
  devconf_dflt: usize
  /** neigh_parms of the ARP table: the defaults of this namespace. */
  arp_parms: usize
  /** Packet types that see every frame of every device (ptype_all), and those of one protocol (ptype_base). */
  ptype_all: usize
  ptype_base: usize
  /** Routing tables: a list of fib_table; main and local for the fast way. */
  fib_tables: usize
  fib_main: usize
  fib_local: usize
  fib_rules: usize
  fib_has_custom_rules: u32
  fib_has_custom_local_routes: u32
  fib_seq: u32
  /** Generation of routes: a cached one with another number is stale. */
  rt_genid: u32
  fnhe_genid: u32
  dev_addr_genid: u32
  /** Fragments: memory in use, list of queues (net/ipv4/inet_fragment.ts). */
  frag_mem: u32
  frag_queues: u32
  frag_hash: usize
  /** Token bucket of icmp_global_allow: ns and credit. */
  icmp_global_stamp: u64
  icmp_global_credit: u32
  /** Raw sockets by protocol, ping sockets by identifier: chains, 0 until the first such socket. */
  raw_table: usize
  ping_table: usize
  igmp_state: usize
  /** Netfilter: hook entries by hook number (later), 0: none registered. */
  nf_hooks: u32
  nf_state: usize
  /** Next number for automatic IP ids of sockets. */
  ip_id_seed: u32
  /** Live skbs, and the accounts. */
  skb_live: u32
  /** Drops by reason, function, device and CPU (trace/drops.ts); 0 until the first. */
  drops: usize
  /** A table of one entry, for when there is no memory for one: a struct drop_entry. */
  drop_spare0: u64
  drop_spare1: u64
  drop_spare2: u64
  drops_count: u32
  born0: u64
  born1: u64
  born2: u64
  born3: u64
  born4: u64
  born5: u64
  ended0: u64
  ended1: u64
  ended2: u64
  ended3: u64
  ended4: u64
  ended5: u64
  /** Peers by address: chains of inet_peer (net/ipv4/inetpeer.ts), 0 until the first; how many there are. */
  peers: usize
  peers_total: u32
  fib_default: usize
  /** Rules that name a protocol or ports: packets are looked into before they are routed. */
  fib_rules_require_fldissect: u32
  /** Sockets with IP_ROUTER_ALERT: a list of ip_ra_chain, oldest first. */
  ra_chain: usize
  /** Packet sockets (sock), linked by their packet_sock. */
  packet_sklist: usize
  /** IP tunnels whose outer packets are of this namespace (include/ip_tunnel.ts). */
  ip_tunnels: usize
  /** VXLAN's devices of the same kind (include/vxlan.ts). */
  vxlan_list: usize
  /** Ports that are never chosen: a bit for each, 0 until some are named. */
  local_reserved_ports: usize
  /** Nexthop objects: pointers in order of their ids (net/ipv4/nexthop/table.ts), how many, room for how many. */
  nexthops: usize
  nexthops_count: u32
  nexthops_room: u32
  nexthops_last_id: u32
}

export const NET_BORN: usize = offsetof<net>('born0')
export const NET_ENDED: usize = offsetof<net>('ended0')
export const NET_SYSCTL: usize = offsetof<net>()
export const NET_MIB: usize = NET_SYSCTL + <usize>SYSCTL_MAX * 4
export const NET_SIZE: usize = NET_MIB + <usize>MIB_MAX * 8

/** The value of a sysctl, by its number in uapi/sysctl.ts. */
export function sysctl(net: net, id: u32): i32 {
  return load<i32>(changetype<usize>(net) + NET_SYSCTL + ((<usize>id) << 2))
}

export function sysctl_set(net: net, id: u32, value: i32): void {
  store<i32>(changetype<usize>(net) + NET_SYSCTL + ((<usize>id) << 2), value)
}

/** Adds 1 to a counter of /proc/net/snmp or netstat (uapi/snmp.ts). */
export function mib_inc(net: net, id: u32): void {
  const p = changetype<usize>(net) + NET_MIB + ((<usize>id) << 3)
  store<u64>(p, load<u64>(p) + 1)
}

export function mib_add(net: net, id: u32, n: u32): void {
  const p = changetype<usize>(net) + NET_MIB + ((<usize>id) << 3)
  store<u64>(p, load<u64>(p) + n)
}

/** The accounts have a row for each way to be born and to end. */
export const ACCOUNT_ROWS: u32 = SKB_BORN_MAX + SKB_ENDED_MAX

export function skb_account_born(net: usize, kind: u32): void {
  const p = net + NET_BORN + ((<usize>kind) << 3)
  store<u64>(p, load<u64>(p) + 1)
  changetype<net>(net).skb_live += 1
}

export function skb_account_ended(net: usize, kind: u32): void {
  const p = net + NET_ENDED + ((<usize>kind) << 3)
  store<u64>(p, load<u64>(p) + 1)
  changetype<net>(net).skb_live -= 1
}
