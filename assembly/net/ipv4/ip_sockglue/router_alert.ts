// Sockets that want packets with the router alert option which are not for this host (IP_ROUTER_ALERT, RFC 2113).
// Mirrors ip_ra_control of net/ipv4/ip_sockglue.c and ip_call_ra_chain of net/ipv4/ip_input.c.

import { ip_is_fragment, iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { EADDRINUSE, EINVAL, ENOBUFS } from '../../../uapi/errno.ts'
import { FN_ip_call_ra_chain, FN_ip_ra_control } from '../../../uapi/functions.ts'
import { IPPROTO_RAW, SOCK_RAW } from '../../../uapi/socket.ts'
import { skb_clone, skb_network_header } from '../../core/skbuff.ts'
import { NO_SOCK, sock_hold, sock_put } from '../../core/sock.ts'
import { IP_DEFRAG_CALL_RA_CHAIN, ip_defrag } from '../ip_fragment.ts'
import { raw_rcv } from '../raw/rcv.ts'

@unmanaged
@final
class ip_ra_chain {
  next: usize
  /** Counted. */
  sk: usize
}

const RA_SIZE: usize = offsetof<ip_ra_chain>()

/** Enters a socket into the list of its namespace, or takes it out. 0, -EINVAL, -EADDRINUSE (it is in), -ENOBUFS (it is not). */
export function ip_ra_control(sk: sock, on: bool): i32 {
  walk(FN_ip_ra_control, 0)
  if (sk.sk_type != <u16>SOCK_RAW || sk.inet_num == IPPROTO_RAW) return -EINVAL
  let link = sk.net + offsetof<net>('ra_chain')
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const ra = changetype<ip_ra_chain>(p)
    if (ra.sk == changetype<usize>(sk)) {
      if (on) return -EADDRINUSE
      store<usize>(link, ra.next)
      kfree(p, RA_SIZE)
      sock_put(sk)
      return 0
    }
    link = p + offsetof<ip_ra_chain>('next')
  }
  const fresh: usize = on ? kzalloc(RA_SIZE) : 0
  if (fresh == 0) return -ENOBUFS
  changetype<ip_ra_chain>(fresh).sk = changetype<usize>(sk)
  sock_hold(sk)
  store<usize>(link, fresh)
  return 0
}

/** Does a socket want packets of this protocol that came by dev? */
function wants(sk: sock, protocol: u32, dev: net_device): bool {
  return sk.inet_num == protocol && (sk.sk_bound_dev_if == 0 || sk.sk_bound_dev_if == dev.ifindex)
}

/**
 * A packet with router alert that would be forwarded: whole, for all sockets that asked for its protocol.
 *
 * Uses: data at the IP header. True: the skb is gone, to them or into a fragment queue.
 */
export function ip_call_ra_chain(part: sk_buff): bool {
  walk(FN_ip_call_ra_chain, changetype<usize>(part))
  let skb = part
  const dev = changetype<net_device>(skb.dev)
  const owner = changetype<net>(dev.nd_net)
  const protocol = <u32>changetype<iphdr>(skb_network_header(skb)).protocol
  let last = NO_SOCK
  for (let p = owner.ra_chain; p; p = changetype<ip_ra_chain>(p).next) {
    const sk = changetype<sock>(changetype<ip_ra_chain>(p).sk)
    if (!wants(sk, protocol, dev)) continue
    if (ip_is_fragment(changetype<iphdr>(skb_network_header(skb)))) {
      skb = ip_defrag(owner, skb, IP_DEFRAG_CALL_RA_CHAIN)
      if (changetype<usize>(skb) == 0) return true
    }
    if (changetype<usize>(last)) {
      const clone = skb_clone(skb)
      if (changetype<usize>(clone)) raw_rcv(last, clone)
    }
    last = sk
  }
  if (changetype<usize>(last) == 0) return false
  raw_rcv(last, skb)
  return true
}
