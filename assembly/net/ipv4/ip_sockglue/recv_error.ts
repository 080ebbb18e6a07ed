// A read of the error queue (MSG_ERRQUEUE). Mirrors ip_recv_error of net/ipv4/ip_sockglue.c.

import { inet_skb_parm, iphdr } from '../../../include/ip.ts'
import { SKB_CB, SKB_ENDED_DELIVERED, sk_buff } from '../../../include/skbuff.ts'
import { SOCKADDR_IN_SIZE, msghdr, sock, sock_exterr_skb, sockaddr_in } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EAGAIN } from '../../../uapi/errno.ts'
import { FN_ip_recv_error } from '../../../uapi/functions.ts'
import { IP_RECVERR, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_LOCAL } from '../../../uapi/in.ts'
import { AF_INET, MSG_ERRQUEUE, MSG_TRUNC, SOF_TIMESTAMPING_OPT_CMSG, SOL_IP } from '../../../uapi/socket.ts'
import { skb_copy_datagram_iter } from '../../core/datagram.ts'
import { put_cmsg } from '../../core/scm.ts'
import { consume_skb, skb_network_header } from '../../core/skbuff.ts'
import { SKB_EXT_ERR, sock_dequeue_err_skb } from '../../core/sock.ts'
import { sock_recv_timestamp } from '../../core/sock_cmsg.ts'
import { INET_CMSG_FLAGS, ip_cmsg_recv } from './cmsg_recv.ts'

/** struct sock_extended_err and the offender's sockaddr_in. */
const ERRHDR: usize = memory.data(32, 16)
const EE_SIZE: usize = 16
const NAME: usize = memory.data(16, 16)

/** Answers an address into a message, as much of it as there is room for. */
export function move_addr_to_user(msg: msghdr, addr: u32, port: u32): void {
  if (msg.msg_name == 0) return
  memory.fill(NAME, 0, SOCKADDR_IN_SIZE)
  const sin = changetype<sockaddr_in>(NAME)
  sin.sin_family = <u16>AF_INET
  sin.sin_port = <u16>port
  sin.sin_addr = addr
  memory.copy(msg.msg_name, NAME, min<u32>(msg.msg_namelen, SOCKADDR_IN_SIZE))
  msg.msg_namelen = SOCKADDR_IN_SIZE
}

/** Who sent the packet that the entry is about: known of ICMP errors, and of stamped packets if asked for (OPT_CMSG). */
function has_sender(sk: sock, skb: sk_buff, origin: u32): bool {
  if (origin == SO_EE_ORIGIN_ICMP) return true
  const cb = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  if (origin == SO_EE_ORIGIN_LOCAL || !(sk.sk_tsflags & SOF_TIMESTAMPING_OPT_CMSG) || cb.iif == 0) return false
  cb.faddr = changetype<iphdr>(skb_network_header(skb)).saddr
  return true
}

function offender(msg: msghdr, sk: sock, skb: sk_buff, serr: sock_exterr_skb): void {
  memory.fill(ERRHDR + EE_SIZE, 0, SOCKADDR_IN_SIZE)
  if (!has_sender(sk, skb, serr.ee_origin)) return
  const sin = changetype<sockaddr_in>(ERRHDR + EE_SIZE)
  sin.sin_family = <u16>AF_INET
  sin.sin_addr = changetype<iphdr>(skb_network_header(skb)).saddr
  if (sk.inet_flags & INET_CMSG_FLAGS) ip_cmsg_recv(msg, sk, skb)
}

/**
 * The first error: the data of the packet it is about, its destination, and the error as IP_RECVERR control message.
 * Bytes of data, or -EAGAIN: there is none.
 */
export function ip_recv_error(sk: sock, msg: msghdr): i32 {
  walk(FN_ip_recv_error, 0)
  const skb = sock_dequeue_err_skb(sk)
  if (changetype<usize>(skb) == 0) {
    msg.msg_namelen = 0
    return -EAGAIN
  }
  let copied = skb.len
  if (copied > msg.iov_len) {
    msg.msg_flags |= MSG_TRUNC
    copied = msg.iov_len
  }
  skb_copy_datagram_iter(skb, 0, msg.iov_base, copied)
  sock_recv_timestamp(msg, sk, skb)

  const serr = SKB_EXT_ERR(skb)
  const origin = <u32>serr.ee_origin
  if (origin == SO_EE_ORIGIN_ICMP || origin == SO_EE_ORIGIN_LOCAL || serr.port) {
    move_addr_to_user(msg, load<u32>(skb_network_header(skb) + serr.addr_offset), serr.port)
  } else {
    msg.msg_namelen = 0
  }
  memory.copy(ERRHDR, changetype<usize>(serr), EE_SIZE)
  offender(msg, sk, skb, serr)
  put_cmsg(msg, SOL_IP, IP_RECVERR, <u32>EE_SIZE + SOCKADDR_IN_SIZE, ERRHDR)
  msg.msg_flags |= MSG_ERRQUEUE
  consume_skb(skb, SKB_ENDED_DELIVERED)
  return <i32>copied
}
