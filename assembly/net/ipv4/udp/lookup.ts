// Which socket a datagram is for: the flow's own, else the best of its address, else of any address.
// Mirrors __udp4_lib_lookup of net/ipv4/udp.c. Left out: l3mdev, choice by eBPF.

import { net } from '../../../include/net_namespace.ts'
import { UDP_HLEN } from '../../../include/headers.ts'
import { TCP_ESTABLISHED, sock } from '../../../include/sock.ts'
import { boot } from '../../../lib/boot.ts'
import { walk, walk_all } from '../../../trace/trace.ts'
import { FN___udp4_lib_lookup, FN_inet_lookup_reuseport, FN_udp4_lib_lookup2 } from '../../../uapi/functions.ts'
import { NO_SOCK } from '../../core/sock.ts'
import { reuseport_has_conns, reuseport_select_sock } from '../../core/sock_reuseport.ts'
import { ip_mc_sf_allow } from '../igmp/lookup.ts'
import { udp_ehashfn, udp_has_hash4, udp_hashslot, udp_hashslot2, udp_hashslot4, udp_table_changes } from './hash.ts'

/** How well a socket of the right port and address fits: the more it insists on the better, -1 not at all. */
function compute_score(sk: sock, saddr: u32, sport: u32, dif: u32): i32 {
  let score = 2
  if (sk.inet_daddr) {
    if (sk.inet_daddr != saddr) return -1
    score += 4
  }
  if (sk.inet_dport) {
    if (<u32>sk.inet_dport != sport) return -1
    score += 4
  }
  if (sk.sk_bound_dev_if) {
    if (sk.sk_bound_dev_if != dif) return -1
    score += 4
  }
  return score + i32(sk.sk_incoming_cpu == <i32>boot.cpu)
}

/** The best of those bound to daddr (0: to any address) and port hnum; members of a group by the hash of the flow. */
function udp4_lib_lookup2(
  net: net,
  saddr: u32,
  sport: u32,
  local: u32,
  daddr: u32,
  hnum: u32,
  dif: u32,
  skb: usize,
): sock {
  let result = NO_SOCK
  let badness = 0
  for (let p = load<usize>(udp_hashslot2(net, local, hnum)); p; p = changetype<sock>(p).hash2_next) {
    const sk = changetype<sock>(p)
    if (sk.inet_num != hnum || sk.inet_rcv_saddr != local || sk.net != changetype<usize>(net)) continue
    const score = compute_score(sk, saddr, sport, dif)
    if (score <= badness) continue
    badness = score
    result = sk
    if (sk.sk_state == <u8>TCP_ESTABLISHED) continue
    if (sk.sk_reuseport_cb == 0) continue
    walk(FN_inet_lookup_reuseport, 0)
    const chosen = reuseport_select_sock(sk, udp_ehashfn(daddr, hnum, saddr, sport), skb, UDP_HLEN)
    if (changetype<usize>(chosen) == 0) continue
    result = chosen
    // A group with connected members is looked at to its end: one of them may fit better.
    if (!reuseport_has_conns(sk)) return chosen
    badness = compute_score(chosen, saddr, sport, dif)
  }
  return result
}

/** The socket connected to exactly this flow. */
export function udp4_lib_lookup4(net: net, saddr: u32, sport: u32, daddr: u32, hnum: u32, dif: u32): sock {
  for (
    let p = load<usize>(udp_hashslot4(udp_ehashfn(daddr, hnum, saddr, sport)));
    p;
    p = changetype<sock>(p).hash4_next
  ) {
    const sk = changetype<sock>(p)
    if (sk.inet_num != hnum || <u32>sk.inet_dport != sport || sk.inet_daddr != saddr) continue
    if (sk.inet_rcv_saddr != daddr || sk.net != changetype<usize>(net)) continue
    if (sk.sk_bound_dev_if == 0 || sk.sk_bound_dev_if == dif) return sk
  }
  return NO_SOCK
}

/** Does the socket want more than its port: a peer, a device, its share of a group? */
function is_choosy(sk: sock): bool {
  return (sk.inet_daddr | (<u32>sk.inet_dport) | sk.sk_bound_dev_if | (<u32>sk.sk_reuseport_cb)) != 0
}

/** The one socket of a chain of any-address sockets, when it takes all that comes to its port: nothing is to be weighed. */
function only_listener(net: net, p: usize, hnum: u32): sock {
  if (p == 0 || changetype<sock>(p).hash2_next) return NO_SOCK
  const sk = changetype<sock>(p)
  if (sk.inet_num != hnum || sk.inet_rcv_saddr || sk.net != changetype<usize>(net)) return NO_SOCK
  return is_choosy(sk) ? NO_SOCK : sk
}

/** Whom the last look-up found, when it was the only one who could be: true while the tables stay as they are. */
@unmanaged
@final
class lookup_memo {
  net: usize
  daddr: u32
  hnum: u32
  changes: u32
  sk: usize
}

const MEMO: usize = memory.data(32, 16)

function memo_keep(net: net, daddr: u32, hnum: u32, sk: sock): sock {
  const memo = changetype<lookup_memo>(MEMO)
  memo.net = changetype<usize>(net)
  memo.daddr = daddr
  memo.hnum = hnum
  memo.changes = udp_table_changes()
  memo.sk = changetype<usize>(sk)
  return sk
}

/** The remembered socket, if it is for this and still takes all that comes. */
function memo_find(net: net, daddr: u32, hnum: u32): sock {
  const memo = changetype<lookup_memo>(MEMO)
  if ((memo.hnum ^ hnum) | (memo.daddr ^ daddr) | ((<u32>memo.net) ^ changetype<u32>(net))) return NO_SOCK
  if (memo.changes != udp_table_changes()) return NO_SOCK
  if (memo.sk == 0) return NO_SOCK
  return is_choosy(changetype<sock>(memo.sk)) ? NO_SOCK : changetype<sock>(memo.sk)
}

/** Two looks: at sockets bound to this address, and to any. */
const LOOKUP_WALK: usize = memory.data<u32>([FN___udp4_lib_lookup, FN_udp4_lib_lookup2, FN_udp4_lib_lookup2, 0])

/**
 * The socket for a datagram from saddr:sport to daddr and local port hnum (host order) that came by device dif.
 * skb, its data at the UDP header, is for the program of a group; 0: there is none to show. NO_SOCK: nobody listens.
 */
export function __udp4_lib_lookup(net: net, saddr: u32, sport: u32, daddr: u32, hnum: u32, dif: u32, skb: usize): sock {
  walk_all(LOOKUP_WALK, 0)
  const known = memo_find(net, daddr, hnum)
  if (changetype<usize>(known)) return known
  if (udp_has_hash4()) {
    const sk = udp4_lib_lookup4(net, saddr, sport, daddr, hnum, dif)
    if (changetype<usize>(sk)) return sk
  }
  // Most sockets are bound to any address: an empty chain is seen before anything is called.
  const was_empty = load<usize>(udp_hashslot2(net, daddr, hnum)) == 0
  if (!was_empty) {
    const sk = udp4_lib_lookup2(net, saddr, sport, daddr, daddr, hnum, dif, skb)
    if (changetype<usize>(sk)) return sk
  }
  const only = only_listener(net, load<usize>(udp_hashslot2(net, 0, hnum)), hnum)
  if (changetype<usize>(only)) return was_empty && !udp_has_hash4() ? memo_keep(net, daddr, hnum, only) : only
  return udp4_lib_lookup2(net, saddr, sport, 0, daddr, hnum, dif, skb)
}

/** Does the socket take a broadcast or multicast from rmt to loc? */
export function __udp_is_mcast_sock(net: net, sk: sock, loc: u32, hnum: u32, rmt: u32, sport: u32, dif: u32): bool {
  if (sk.inet_num != hnum || sk.net != changetype<usize>(net)) return false
  if (sk.inet_daddr && sk.inet_daddr != rmt) return false
  if (sk.inet_dport && <u32>sk.inet_dport != sport) return false
  if (sk.inet_rcv_saddr && sk.inet_rcv_saddr != loc) return false
  if (sk.sk_bound_dev_if && sk.sk_bound_dev_if != dif) return false
  return ip_mc_sf_allow(sk, loc, rmt, dif)
}

/** Chains with more sockets than this are not searched for the one member of a group. */
const MCAST_DEMUX_MAX: u32 = 10

/** The only socket that takes a multicast from rmt to loc; NO_SOCK: none, or several. */
export function __udp4_lib_mcast_demux_lookup(net: net, rmt: u32, sport: u32, loc: u32, hnum: u32, dif: u32): sock {
  let result = NO_SOCK
  let seen: u32 = 0
  for (let p = load<usize>(udp_hashslot(net, hnum)); p; p = changetype<sock>(p).sk_next) {
    const sk = changetype<sock>(p)
    if (++seen > MCAST_DEMUX_MAX) return NO_SOCK
    if (!__udp_is_mcast_sock(net, sk, loc, hnum, rmt, sport, dif)) continue
    if (changetype<usize>(result)) return NO_SOCK
    result = sk
  }
  return result
}
