// Group membership: linux/igmp.h. The sockets' memberships, and the sources of a group; all addresses in network order.
// A device's groups (ip_mc_list) are in include/netdevice.ts.

/** A membership as a call names it (struct ip_mreqn): by index, by an address of the device, or by the route. */
@unmanaged
@final
export class ip_mreqn {
  imr_multiaddr: u32
  imr_address: u32
  imr_ifindex: u32
}

export const IP_MREQN_SIZE: usize = offsetof<ip_mreqn>()

/** One membership of a socket, on sock.mc_list (struct ip_mc_socklist). */
@unmanaged
@final
export class ip_mc_socklist {
  next_rcu: usize
  imr_multiaddr: u32
  imr_address: u32
  imr_ifindex: u32
  /** MCAST_EXCLUDE or MCAST_INCLUDE. */
  sfmode: u32
  /** Its sources (ip_sf_socklist), 0: none. */
  sflist: usize
}

export const IP_MC_SOCKLIST_SIZE: usize = offsetof<ip_mc_socklist>()

/** Sources of a membership, in ascending order: u32[sl_max] behind the struct, sl_count of them used. */
@unmanaged
@final
export class ip_sf_socklist {
  sl_max: u32
  sl_count: u32
}

export const IP_SF_ADDRS: usize = offsetof<ip_sf_socklist>()

export function ip_sf_socklist_size(max: u32): usize {
  return IP_SF_ADDRS + ((<usize>max) << 2)
}

export function ip_sf_addr(list: usize, i: u32): u32 {
  return load<u32>(list + IP_SF_ADDRS + ((<usize>i) << 2))
}

export function ip_sf_addr_set(list: usize, i: u32, addr: u32): void {
  store<u32>(list + IP_SF_ADDRS + ((<usize>i) << 2), addr)
}

/** A source of a device's group, with its users in each mode (struct ip_sf_list). */
@unmanaged
@final
export class ip_sf_list {
  sf_next: usize
  sf_inaddr: u32
  sf_count_exclude: u32
  sf_count_include: u32
  /** For reports: asked about, was included before, reports of its change left. */
  sf_gsresp: u32
  sf_oldin: u32
  sf_crcount: u32
}

export const IP_SF_LIST_SIZE: usize = offsetof<ip_sf_list>()

/** The message (RFC 2236 2); group in network order. A version 3 query goes on behind it (RFC 3376 4.1). */
@unmanaged
@final
export class igmphdr {
  type: u8
  code: u8
  csum: u16
  group: u32
}

@unmanaged
@final
export class igmpv3_query {
  type: u8
  code: u8
  csum: u16
  group: u32
  /** Suppress flag and querier's robustness variable. */
  suppress_qrv: u8
  qqic: u8
  nsrcs: u16
}

/** A report of version 3 (RFC 3376 4.2), and one of its records: of a group, and the sources behind it. */
@unmanaged
@final
export class igmpv3_report {
  type: u8
  resv1: u8
  csum: u16
  resv2: u16
  ngrec: u16
}

@unmanaged
@final
export class igmpv3_grec {
  grec_type: u8
  grec_auxwords: u8
  grec_nsrcs: u16
  grec_mca: u32
}

export const IGMPV3_REPORT_HLEN: u32 = 8
export const IGMPV3_GREC_HLEN: u32 = 8
export const IGMP_HLEN: u32 = 8
export const IGMPV3_QUERY_HLEN: u32 = 12
