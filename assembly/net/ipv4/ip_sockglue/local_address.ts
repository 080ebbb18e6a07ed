// May a socket call an address its own? Mirrors inet_can_nonlocal_bind and inet_addr_valid_or_nonlocal of
// include/net/inet_sock.h.

import { net, sysctl } from '../../../include/net_namespace.ts'
import { INET_FREEBIND, INET_TRANSPARENT, sock } from '../../../include/sock.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { SYSCTL_IP_NONLOCAL_BIND } from '../../../uapi/sysctl.ts'

/** May it have an address that no device has? */
export function inet_can_nonlocal_bind(sk: sock): bool {
  if (sk.inet_flags & (INET_FREEBIND | INET_TRANSPARENT)) return true
  return sysctl(changetype<net>(sk.net), SYSCTL_IP_NONLOCAL_BIND) != 0
}

/** May it have addr, which is of this type (RTN_*)? */
export function inet_addr_valid_or_nonlocal(sk: sock, addr: u32, type: u32): bool {
  if (addr == 0 || type == RTN_LOCAL || type == RTN_MULTICAST || type == RTN_BROADCAST) return true
  return inet_can_nonlocal_bind(sk)
}
