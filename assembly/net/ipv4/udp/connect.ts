// A UDP socket's life: connected, disconnected, closed. Mirrors udp_connect, udp_disconnect and udp_lib_close of
// net/ipv4/udp.c.

import { SOCK_BINDPORT_LOCK, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_udp_connect, FN_udp_destroy_sock, FN_udp_disconnect } from '../../../uapi/functions.ts'
import { reuseport_has_conns_set } from '../../core/sock_reuseport.ts'
import { CONNECT_REHASH, __datagram_disconnect, __ip4_datagram_connect } from '../datagram.ts'
import { udp_cork_free } from './cork.ts'
import { udp4_hash4, udp_lib_unhash, udp_unhash4, udp_v4_rehash } from './hash.ts'
import { udp_destruct_common } from './recv.ts'
import { sock_put } from '../../core/sock.ts'

/** Sets the peer. 0 or -errno, as __ip4_datagram_connect. */
export function udp_connect(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN_udp_connect, 0)
  const err = __ip4_datagram_connect(sk, addr, addrlen)
  if (err < 0) return err
  if (err == CONNECT_REHASH) udp_v4_rehash(sk)
  reuseport_has_conns_set(sk)
  udp4_hash4(sk)
  return 0
}

/** Forgets the peer; a port that bind did not ask for is given up. */
export function udp_disconnect(sk: sock): i32 {
  walk(FN_udp_disconnect, 0)
  udp_unhash4(sk)
  const changed = __datagram_disconnect(sk)
  const kept = (sk.sk_userlocks & (<u8>SOCK_BINDPORT_LOCK)) != 0
  if (kept && changed == CONNECT_REHASH) udp_v4_rehash(sk)
  if (!kept) {
    udp_lib_unhash(sk)
    sk.inet_sport = 0
  }
  return 0
}

/** The last handle is closed. */
export function udp_lib_close(sk: sock): void {
  walk(FN_udp_destroy_sock, 0)
  udp_cork_free(sk)
  udp_lib_unhash(sk)
  udp_destruct_common(sk)
  sock_put(sk)
}
