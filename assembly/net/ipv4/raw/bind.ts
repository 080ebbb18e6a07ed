// A raw socket's life: made, named, closed. Mirrors raw_sk_init, raw_bind and raw_close of net/ipv4/raw.c.

import { net } from '../../../include/net_namespace.ts'
import { SOCKADDR_IN_SIZE, TCP_CLOSE, sock, sockaddr_in } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EADDRNOTAVAIL, EINVAL } from '../../../uapi/errno.ts'
import { FN_raw_bind, FN_raw_close, FN_raw_destroy, FN_sk_common_release } from '../../../uapi/functions.ts'
import { RTN_BROADCAST, RTN_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { sk_dst_reset, sock_put } from '../../core/sock.ts'
import { inet_addr_type } from '../fib_frontend.ts'
import { inet_addr_valid_or_nonlocal } from '../ip_sockglue/local_address.ts'
import { ip_ra_control } from '../ip_sockglue/router_alert.ts'
import { raw_unhash_sk } from './hash.ts'
import { raw_flush_pending_frames } from './send.ts'

/** Only packets to this address from now on; it may be bound again. 0 or -errno: -EADDRNOTAVAIL, -EINVAL (short, or it is connected). */
export function raw_bind(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN_raw_bind, 0)
  if (sk.sk_state != <u8>TCP_CLOSE || addrlen < SOCKADDR_IN_SIZE) return -EINVAL
  const local = changetype<sockaddr_in>(addr).sin_addr
  const type = inet_addr_type(changetype<net>(sk.net), local)
  if (!inet_addr_valid_or_nonlocal(sk, local, type)) return -EADDRNOTAVAIL
  sk.inet_rcv_saddr = local
  sk.inet_saddr = type == RTN_BROADCAST || type == RTN_MULTICAST ? 0 : local
  sk_dst_reset(sk)
  return 0
}

/** The last handle is closed. */
export function raw_close(sk: sock): void {
  walk(FN_raw_close, 0)
  ip_ra_control(sk, false)
  walk(FN_sk_common_release, 0)
  walk(FN_raw_destroy, 0)
  raw_flush_pending_frames(sk)
  raw_unhash_sk(sk)
  sock_put(sk)
}
