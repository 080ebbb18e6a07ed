// connect() and disconnect of sockets without a handshake. Mirrors net/ipv4/datagram.c and __udp_disconnect.
// What the protocol has to do in its tables is told by the answer, and done there.

import { flowi4, rtable } from '../../include/dst.ts'
import { ipv4_is_multicast } from '../../include/ip.ts'
import { mib_inc, net } from '../../include/net_namespace.ts'
import {
  SOCKADDR_IN_SIZE,
  SOCK_BINDADDR_LOCK,
  SOCK_BROADCAST,
  SOCK_LOCALROUTE,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  sock,
  sockaddr_in,
} from '../../include/sock.ts'
import { IS_ERR } from '../../lib/err.ts'
import { get_random_u32 } from '../../lib/random.ts'
import { walk } from '../../trace/trace.ts'
import { EACCES, EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../../uapi/errno.ts'
import { FN___ip4_datagram_connect } from '../../uapi/functions.ts'
import { RTCF_BROADCAST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../uapi/rtnetlink.ts'
import { IPSTATS_MIB_OUTNOROUTES } from '../../uapi/snmp.ts'
import { AF_INET } from '../../uapi/socket.ts'
import { dst_release } from '../core/dst.ts'
import { sk_dst_reset, sk_dst_set, sk_set_txhash } from '../core/sock.ts'
import { flowi4_init_sock } from './flow_output.ts'
import { ip_route_output_flow } from './route/output.ts'

const FL4: usize = memory.data(64, 16)

/** The local address changed: the socket must move in the protocol's tables. */
export const CONNECT_REHASH: i32 = 1

/**
 * Keeps the flow that connect worked out, even when it fails: as in the kernel it lies where that of a datagram under
 * construction does, which is sent with these addresses then.
 */
function keep_flow(sk: sock, fl4: flowi4): void {
  sk.cork_saddr = fl4.saddr
  sk.cork_daddr = fl4.daddr
  sk.cork_dport = fl4.fl4_dport
}

/** A route to daddr, counted; fl4 gets the addresses that it settles. Unknown ones are settled by a first look-up. */
function ip_route_connect(sk: sock, fl4: flowi4, daddr: u32, dport: u32): usize {
  let saddr = sk.inet_saddr
  let oif = sk.sk_bound_dev_if
  if (ipv4_is_multicast(daddr)) {
    if (oif == 0) oif = sk.mc_index
    if (saddr == 0) saddr = sk.mc_addr
  } else if (oif == 0) {
    oif = sk.uc_index
  }
  const scope = sk.sk_flags & SOCK_LOCALROUTE ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
  const owner = changetype<net>(sk.net)
  flowi4_init_sock(fl4, sk, oif, sk.sk_mark, sk.tos, scope, daddr, saddr, dport)
  if (daddr == 0 || saddr == 0) {
    const rt = ip_route_output_flow(owner, fl4)
    if (IS_ERR(rt)) return rt
    dst_release(rt)
    const to = fl4.daddr
    const from = fl4.saddr
    flowi4_init_sock(fl4, sk, oif, sk.sk_mark, sk.tos, scope, to, from, dport)
  }
  return ip_route_output_flow(owner, fl4)
}

/**
 * Sets the peer of a socket: where it sends to, and whom it hears. 0, CONNECT_REHASH, or -errno: -EINVAL, -EAFNOSUPPORT,
 * -ENETUNREACH and others of the route, -EACCES (a broadcast address without SO_BROADCAST); then the socket has the peer that it had.
 */
export function __ip4_datagram_connect(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN___ip4_datagram_connect, 0)
  if (addrlen < SOCKADDR_IN_SIZE) return -EINVAL
  const sin = changetype<sockaddr_in>(addr)
  if (sin.sin_family != <u16>AF_INET) return -EAFNOSUPPORT
  sk_dst_reset(sk)
  const fl4 = changetype<flowi4>(FL4)
  const rt = ip_route_connect(sk, fl4, sin.sin_addr, sin.sin_port)
  keep_flow(sk, fl4)
  if (IS_ERR(rt)) {
    if (<i32>rt == -ENETUNREACH) mib_inc(changetype<net>(sk.net), IPSTATS_MIB_OUTNOROUTES)
    return <i32>rt
  }
  if (changetype<rtable>(rt).rt_flags & RTCF_BROADCAST && !(sk.sk_flags & SOCK_BROADCAST)) {
    dst_release(rt)
    return -EACCES
  }
  sk.inet_daddr = fl4.daddr
  sk.inet_dport = sin.sin_port
  if (sk.inet_saddr == 0) sk.inet_saddr = fl4.saddr
  let answer = 0
  if (sk.inet_rcv_saddr == 0) {
    sk.inet_rcv_saddr = fl4.saddr
    answer = CONNECT_REHASH
  }
  sk.sk_state = <u8>TCP_ESTABLISHED
  sk_set_txhash(sk)
  sk.inet_id = get_random_u32() & 0xffff
  sk_dst_set(sk, rt)
  return answer
}

/** Forgets the peer, and the address that only connect gave. CONNECT_REHASH: the local address changed. */
export function __datagram_disconnect(sk: sock): i32 {
  sk.sk_state = <u8>TCP_CLOSE
  sk.inet_daddr = 0
  sk.inet_dport = 0
  sk.sk_bound_dev_if = 0
  sk_dst_reset(sk)
  dst_release(sk.sk_rx_dst)
  sk.sk_rx_dst = 0
  if (sk.sk_userlocks & (<u8>SOCK_BINDADDR_LOCK)) return 0
  sk.inet_rcv_saddr = 0
  sk.inet_saddr = 0
  return CONNECT_REHASH
}
