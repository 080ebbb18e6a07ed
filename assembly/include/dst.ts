// Routes as packets hold them: struct rtable with its dst_entry, next hop exceptions, and the key of a look-up (flowi4).
// Operations: net/core/dst.ts, net/ipv4/route.ts.

/** rtable.input: where a packet goes that came in by this route. */
export const DST_IN_DISCARD: u32 = 0
export const DST_IN_LOCAL_DELIVER: u32 = 1
export const DST_IN_FORWARD: u32 = 2
export const DST_IN_ERROR: u32 = 3
export const DST_IN_MR: u32 = 4

/** rtable.output */
export const DST_OUT_DISCARD: u32 = 0
export const DST_OUT_IP_OUTPUT: u32 = 1
export const DST_OUT_IP_MC_OUTPUT: u32 = 2
export const DST_OUT_BUG: u32 = 3

/** dst_flags */
export const DST_NOXFRM: u32 = 2
export const DST_NOPOLICY: u32 = 4
export const DST_NOCOUNT: u32 = 8

export const DST_OBSOLETE_NONE: i32 = 0
export const DST_OBSOLETE_DEAD: i32 = 2
export const DST_OBSOLETE_FORCE_CHK: i32 = -1
export const DST_OBSOLETE_KILL: i32 = -2

/** Cached with its next hop (not counted in rt_uncached_list). */
@unmanaged
@final
export class rtable {
  next: usize
  dev: usize
  net: usize
  /** DST_IN_*, DST_OUT_* */
  input: u32
  output: u32
  /** errno, positive, of a route that only gives errors (DST_IN_ERROR). */
  error: u32
  dst_flags: u32
  obsolete: i32
  refcnt: u32
  /** In jiffies, 0: never. */
  expires: u32
  /** Metrics: u32[RTAX_MAX] of the fib_info it came from, 0: all unset; not owned. */
  metrics: usize
  rt_genid: u32
  /** RTCF_* */
  rt_flags: u32
  /** RTN_* */
  rt_type: u16
  rt_is_input: u8
  rt_uses_gateway: u8
  rt_iif: u32
  /** Gateway in network order, 0: the destination is on the link. */
  rt_gw4: u32
  rt_pmtu: u32
  rt_mtu_locked: u32
  /** The fib_info that it was made from (counted), 0: none. */
  fi: usize
  lastuse: u32
}

/** Exception of a next hop for one destination: redirected gateway, path MTU (struct fib_nh_exception). */
@unmanaged
@final
export class fib_nh_exception {
  fnhe_next: usize
  fnhe_genid: u32
  fnhe_daddr: u32
  fnhe_pmtu: u32
  fnhe_mtu_locked: u32
  fnhe_gw: u32
  /** In jiffies, 0: never. */
  fnhe_expires: u32
  fnhe_rth_input: usize
  fnhe_rth_output: usize
  fnhe_stamp: u32
}

/** Chains of nhc_exceptions. */
export const FNHE_HASH_SHIFT: u32 = 11
export const FNHE_HASH_SIZE: u32 = 2048

/** Key of a route look-up (struct flowi4); addresses and ports in network order. */
@unmanaged
@final
export class flowi4 {
  flowi4_oif: u32
  flowi4_iif: u32
  flowi4_mark: u32
  /** DSCP bits only (INET_DSCP_MASK). */
  flowi4_tos: u8
  flowi4_scope: u8
  flowi4_proto: u8
  flowi4_flags: u8
  saddr: u32
  daddr: u32
  fl4_sport: u16
  fl4_dport: u16
  flowi4_uid: u32
  flowi4_multipath_hash: u32
  flowi4_l3mdev: u32
}

export const FLOWI4_SIZE: usize = offsetof<flowi4>()
export const FLOWI_FLAG_ANYSRC: u32 = 1
export const FLOWI_FLAG_KNOWN_NH: u32 = 2

/** Type of an ICMP message, which with its code lies in the place of the destination port. */
export function fl4_icmp_type(fl4: flowi4): u32 {
  return (<u32>fl4.fl4_dport) & 0xff
}

export function fl4_icmp_set(fl4: flowi4, type: u32, code: u32): void {
  fl4.fl4_dport = <u16>(type | (code << 8))
}

/** TOS bits that choose routes: the DSCP. */
export const INET_DSCP_MASK: u32 = 0xfc
/** The TOS bits that a fib rule or route may name. */
export const IPTOS_RT_MASK: u32 = 0x1c
