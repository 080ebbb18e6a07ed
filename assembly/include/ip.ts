// The IPv4 header (RFC 791 3.1), read in place; fields stay in network order.

export const IP_HEADER_MIN: u32 = 20

/** Bits of frag_off in network order. */
export const IP_CE: u32 = 0x0080
export const IP_DF: u32 = 0x0040
export const IP_MF: u32 = 0x0020
/** Fragment offset in units of 8 bytes, in network order: a mask for frag_off as it lies. */
export const IP_OFFSET_BE: u32 = 0xff1f

@unmanaged
@final
export class iphdr {
  version_ihl: u8
  tos: u8
  tot_len: u16
  id: u16
  frag_off: u16
  ttl: u8
  protocol: u8
  check: u16
  saddr: u32
  daddr: u32

  @inline get version(): u32 {
    return (<u32>this.version_ihl) >> 4
  }

  /** Header length in 32-bit words, 5 to 15. */
  @inline get ihl(): u32 {
    return (<u32>this.version_ihl) & 15
  }
}

/** MF or an offset: part of a larger datagram. */
export function ip_is_fragment(ip: iphdr): bool {
  return ((<u32>ip.frag_off) & (IP_MF | IP_OFFSET_BE)) != 0
}

/** Address classes, on addresses in network order. */
export function ipv4_is_loopback(a: u32): bool {
  return (a & 0xff) == 127
}

export function ipv4_is_multicast(a: u32): bool {
  return (a & 0xf0) == 0xe0
}

/** 224.0.0.0/24 */
export function ipv4_is_local_multicast(a: u32): bool {
  return (a & 0x00ffffff) == 0x000000e0
}

export function ipv4_is_lbcast(a: u32): bool {
  return a == 0xffffffff
}

export function ipv4_is_zeronet(a: u32): bool {
  return a == 0
}

export function ipv4_is_linklocal_169(a: u32): bool {
  return (a & 0xffff) == 0xfea9
}

/** A destination of this address is a multicast, broadcast or no address at all: 0 for a unicast one of class A to C. */
export function ipv4_is_badclass(a: u32): bool {
  return (a & 0xf0) == 0xf0
}

/** skb->cb of an IPv4 packet (struct inet_skb_parm). */
@unmanaged
@final
export class inet_skb_parm {
  iif: u32
  /** struct ip_options, as compiled (net/ipv4/ip_options.ts). */
  faddr: u32
  nexthop: u32
  optlen: u8
  srr: u8
  rr: u8
  ts: u8
  is_strictroute: u8
  srr_is_hit: u8
  is_changed: u8
  rr_needaddr: u8
  ts_needtime: u8
  ts_needaddr: u8
  router_alert: u8
  cipso: u8
  /** IPSKB_* */
  flags: u16
  frag_max_size: u16
  /** UDP: where the datagram's checksum coverage ends, partial coverage (struct udp_skb_cb). */
  cscov: u16
  partial_cov: u8
  pad: u8
}

/** Options of a packet begin behind its header; compiled ones lie in cb at faddr. */
export const IPCB_OPT: usize = offsetof<inet_skb_parm>('faddr')

export const IPSKB_FORWARDED: u32 = 1
export const IPSKB_XFRM_TUNNEL_SIZE: u32 = 2
export const IPSKB_XFRM_TRANSFORMED: u32 = 4
export const IPSKB_FRAG_COMPLETE: u32 = 8
export const IPSKB_REROUTED: u32 = 16
export const IPSKB_DOREDIRECT: u32 = 32
export const IPSKB_FRAG_PMTU: u32 = 64
export const IPSKB_L3SLAVE: u32 = 128
export const IPSKB_NOPOLICY: u32 = 256
export const IPSKB_MULTIPATH: u32 = 512
export const IPSKB_MCROUTE: u32 = 1024
