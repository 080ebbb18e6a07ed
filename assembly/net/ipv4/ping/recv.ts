// A reader takes an echo reply, from its ICMP header on. Mirrors ping_recvmsg of net/ipv4/ping.c.

import { iphdr } from '../../../include/ip.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { SOCK_TIMESTAMP, msghdr, sock } from '../../../include/sock.ts'
import { COST_COPY, charge } from '../../../kernel/cost.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EOPNOTSUPP } from '../../../uapi/errno.ts'
import { FN_ping_recvmsg } from '../../../uapi/functions.ts'
import { MSG_ERRQUEUE, MSG_OOB, MSG_TRUNC } from '../../../uapi/socket.ts'
import { skb_copy_datagram_iter, skb_free_datagram, skb_recv_datagram } from '../../core/datagram.ts'
import { skb_network_header } from '../../core/skbuff.ts'
import { sock_recv_timestamp } from '../../core/sock_cmsg.ts'
import { INET_CMSG_FLAGS, ip_cmsg_recv } from '../ip_sockglue/cmsg_recv.ts'
import { ip_recv_error, move_addr_to_user } from '../ip_sockglue/recv_error.ts'

/**
 * Reads a reply, or with MSG_ERRQUEUE an error. Answers the bytes that were copied, with MSG_TRUNC too, or -errno: the
 * pending error, -EAGAIN, -EOPNOTSUPP (MSG_OOB). Of the options of level SOL_SOCKET only the time of arrival is told.
 */
export function ping_recvmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  walk(FN_ping_recvmsg, 0)
  if (flags & MSG_OOB) return -EOPNOTSUPP
  if (flags & MSG_ERRQUEUE) return ip_recv_error(sk, msg)
  const p = skb_recv_datagram(sk, flags)
  if (IS_ERR(p)) {
    msg.msg_namelen = 0
    return <i32>p
  }
  const skb = changetype<sk_buff>(p)
  const copied = min(msg.iov_len, skb.len)
  if (copied < skb.len) msg.msg_flags |= MSG_TRUNC
  skb_copy_datagram_iter(skb, 0, msg.iov_base, copied)
  charge(COST_COPY, copied)
  if (sk.sk_flags & SOCK_TIMESTAMP) sock_recv_timestamp(msg, sk, skb)
  move_addr_to_user(msg, changetype<iphdr>(skb_network_header(skb)).saddr, 0)
  if (sk.inet_flags & INET_CMSG_FLAGS) ip_cmsg_recv(msg, sk, skb)
  skb_free_datagram(skb)
  return <i32>copied
}
