// The flow of a packet that is to be sent. Mirrors flowi4_init_output of include/net/flow.h.

import { FLOWI_FLAG_ANYSRC, INET_DSCP_MASK, flowi4 } from '../../include/dst.ts'
import { INET_HDRINCL, INET_TRANSPARENT, sock } from '../../include/sock.ts'

/** LOOPBACK_IFINDEX: packets of our own come in by lo, as rules see it. */
const LOOPBACK_IFINDEX: u32 = 1

/** Fills a flow for a route look-up; addresses and ports in network order. */
export function flowi4_init_output(
  fl4: flowi4,
  oif: u32,
  mark: u32,
  tos: u32,
  scope: u32,
  proto: u32,
  flags: u32,
  daddr: u32,
  saddr: u32,
  dport: u32,
  sport: u32,
  uid: u32,
): void {
  fl4.flowi4_oif = oif
  fl4.flowi4_iif = LOOPBACK_IFINDEX
  fl4.flowi4_mark = mark
  fl4.flowi4_tos = <u8>(tos & INET_DSCP_MASK)
  fl4.flowi4_scope = <u8>scope
  fl4.flowi4_proto = <u8>proto
  fl4.flowi4_flags = <u8>flags
  fl4.daddr = daddr
  fl4.saddr = saddr
  fl4.fl4_dport = <u16>dport
  fl4.fl4_sport = <u16>sport
  fl4.flowi4_uid = uid
  fl4.flowi4_multipath_hash = 0
  fl4.flowi4_l3mdev = 0
}

/** A transparent socket's source needs not be ours (inet_sk_flowi_flags). */
export function inet_sk_flowi_flags(sk: sock): u32 {
  return sk.inet_flags & (INET_TRANSPARENT | INET_HDRINCL) ? FLOWI_FLAG_ANYSRC : 0
}

/** The same for what a socket sends from its port: its protocol, flags and user. */
export function flowi4_init_sock(
  fl4: flowi4,
  sk: sock,
  oif: u32,
  mark: u32,
  tos: u32,
  scope: u32,
  daddr: u32,
  saddr: u32,
  dport: u32,
): void {
  const flags = inet_sk_flowi_flags(sk)
  flowi4_init_output(fl4, oif, mark, tos, scope, sk.sk_protocol, flags, daddr, saddr, dport, sk.inet_sport, sk.sk_uid)
}
