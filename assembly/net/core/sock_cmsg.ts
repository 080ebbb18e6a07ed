// Control messages of level SOL_SOCKET: what a reader is told of a packet, what a sender asks of one. Mirrors sock_recv_cmsgs
// of net/socket.c and sock_cmsg_send of net/core/sock.c.

import { boot } from '../../lib/boot.ts'
import { sockcm_cookie } from '../../include/ipcm.ts'
import { SKB_CB, SKB_ENDED_DELIVERED, SKB_HW_STAMP, sk_buff } from '../../include/skbuff.ts'
import {
  DROPCOUNT_CB,
  SOCK_RCVMARK,
  SOCK_RCVPRIORITY,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_RXQ_OVFL,
  SOCK_TIMESTAMPING,
  SOCK_TSTAMP_NEW,
  SOCK_TXTIME,
  msghdr,
  sock,
} from '../../include/sock.ts'
import { walk } from '../../trace/trace.ts'
import { EAGAIN, EINVAL } from '../../uapi/errno.ts'
import { FN_sock_recv_errqueue } from '../../uapi/functions.ts'
import { PACKET_OUTGOING } from '../../uapi/in.ts'
import {
  MSG_ERRQUEUE,
  MSG_TRUNC,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SCM_TS_OPT_ID,
  SCM_TXTIME,
  SOCKCM_FLAG_TS_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_RX_FILTER,
  SOF_TIMESTAMPING_RAW_HARDWARE,
  SOF_TIMESTAMPING_RX_SOFTWARE,
  SOF_TIMESTAMPING_SOFTWARE,
  SOF_TIMESTAMPING_TX_RECORD_MASK,
  SOL_SOCKET,
  SO_MARK,
  SO_PRIORITY,
  SO_RXQ_OVFL,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPING_OLD,
  SO_TIMESTAMPNS_NEW,
  SO_TIMESTAMPNS_OLD,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMP_OLD,
} from '../../uapi/socket.ts'
import { skb_copy_datagram_iter } from './datagram.ts'
import {
  CMSG_DATA,
  CMSG_FIRSTHDR,
  CMSG_LEN,
  CMSG_NXTHDR,
  CMSG_OK,
  cmsghdr,
  put_cmsg,
  put_cmsg_time,
  put_cmsg_u32,
} from './scm.ts'
import { consume_skb } from './skbuff.ts'
import { SKB_EXT_ERR, sock_dequeue_err_skb } from './sock.ts'

/** Options that bring a time, and those that bring any control message of this level. */
export const SOCK_STAMP_FLAGS: u32 = SOCK_RCVTSTAMP | SOCK_TIMESTAMPING
export const SOCK_CMSG_FLAGS: u32 = SOCK_STAMP_FLAGS | SOCK_RXQ_OVFL | SOCK_RCVMARK | SOCK_RCVPRIORITY

/** struct scm_timestamping */
const STAMPS: usize = memory.data(48, 16)
const STAMPS_SIZE: u32 = 48
const HARDWARE_STAMP: u32 = 32
/** struct sock_extended_err */
const EE_SIZE: u32 = 16

/** SO_TIMESTAMPING: which stages shall be stamped, in place of what the socket says. */
function cmsg_timestamping(value: u32, sockc: sockcm_cookie): i32 {
  if (value & ~SOF_TIMESTAMPING_TX_RECORD_MASK) return -EINVAL
  sockc.tsflags = (sockc.tsflags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) | value
  return 0
}

/** SCM_TXTIME: when it shall leave. */
function cmsg_txtime(sk: sock, cmsg: cmsghdr, sockc: sockcm_cookie): i32 {
  if (!(sk.sk_flags & SOCK_TXTIME) || cmsg.cmsg_len != CMSG_LEN(8)) return -EINVAL
  sockc.transmit_time = load<u64>(CMSG_DATA(cmsg))
  return 0
}

/** A message of this level. 0 or -EINVAL. */
export function __sock_cmsg_send(sk: sock, cmsg: cmsghdr, sockc: sockcm_cookie): i32 {
  const type = cmsg.cmsg_type
  if (type == SCM_RIGHTS || type == SCM_CREDENTIALS) return 0
  if (type == SCM_TXTIME) return cmsg_txtime(sk, cmsg, sockc)
  if (cmsg.cmsg_len != CMSG_LEN(4)) return -EINVAL
  const value = load<u32>(CMSG_DATA(cmsg))
  if (type == SO_TIMESTAMPING_OLD || type == SO_TIMESTAMPING_NEW) return cmsg_timestamping(value, sockc)
  if (type == SO_MARK) sockc.mark = value
  else if (type == SO_PRIORITY) sockc.priority = value
  else if (type == SCM_TS_OPT_ID && sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) {
    sockc.ts_opt_id = value
    sockc.tsflags |= SOCKCM_FLAG_TS_OPT_ID
  } else return -EINVAL
  return 0
}

/** What a sender asks for in messages of this level; those of others are not looked at. 0 or -EINVAL. */
export function sock_cmsg_send(sk: sock, msg: msghdr, sockc: sockcm_cookie): i32 {
  for (let p = CMSG_FIRSTHDR(msg); p; p = CMSG_NXTHDR(msg, changetype<cmsghdr>(p))) {
    const cmsg = changetype<cmsghdr>(p)
    if (!CMSG_OK(msg, cmsg)) return -EINVAL
    const err = cmsg.cmsg_level == SOL_SOCKET ? __sock_cmsg_send(sk, cmsg, sockc) : 0
    if (err) return err
  }
  return 0
}

/** SCM_TIMESTAMPING: three stamps, of software, of nobody, and of a device's clock, which only what was sent has. */
function put_timestamping(msg: msghdr, sk: sock, skb: sk_buff): void {
  const flags = sk.sk_tsflags
  const received = skb.pkt_type != <u8>PACKET_OUTGOING // else it is of an error queue
  const filtered = !(flags & SOF_TIMESTAMPING_RX_SOFTWARE) && flags & SOF_TIMESTAMPING_OPT_RX_FILTER
  const hardware = (skb.skb_flags & SKB_HW_STAMP) != 0
  const wanted = flags & (hardware ? SOF_TIMESTAMPING_RAW_HARDWARE : SOF_TIMESTAMPING_SOFTWARE)
  if (skb.tstamp == 0 || !wanted || (received && filtered)) return
  memory.fill(STAMPS, 0, STAMPS_SIZE)
  const at: usize = STAMPS + (hardware ? <usize>HARDWARE_STAMP : 0)
  store<u64>(at, skb.tstamp / 1000000000)
  store<u64>(at, skb.tstamp % 1000000000, 8)
  const name = sk.sk_flags & SOCK_TSTAMP_NEW ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING_OLD
  put_cmsg(msg, SOL_SOCKET, name, STAMPS_SIZE, STAMPS)
}

/** When it came: now, if nobody stamped it. */
export function sock_recv_timestamp(msg: msghdr, sk: sock, skb: sk_buff): void {
  const flags = sk.sk_flags
  if (flags & SOCK_RCVTSTAMP) {
    if (skb.tstamp == 0) skb.tstamp = boot.now
    const modern = (flags & SOCK_TSTAMP_NEW) != 0
    if (flags & SOCK_RCVTSTAMPNS) {
      put_cmsg_time(msg, SOL_SOCKET, modern ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD, skb.tstamp, 1)
    } else {
      put_cmsg_time(msg, SOL_SOCKET, modern ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, skb.tstamp, 1000)
    }
  }
  if (flags & SOCK_TIMESTAMPING || skb.skb_flags & SKB_HW_STAMP) put_timestamping(msg, sk, skb)
}

/** What the SOL_SOCKET options ask for. */
export function sock_recv_cmsgs(msg: msghdr, sk: sock, skb: sk_buff): void {
  const flags = sk.sk_flags
  if (flags & SOCK_STAMP_FLAGS) sock_recv_timestamp(msg, sk, skb)
  if (flags & SOCK_RXQ_OVFL) {
    const drops = load<u32>(changetype<usize>(skb) + SKB_CB + DROPCOUNT_CB)
    if (drops) put_cmsg_u32(msg, SOL_SOCKET, SO_RXQ_OVFL, drops)
  }
  if (flags & SOCK_RCVMARK) put_cmsg_u32(msg, SOL_SOCKET, SO_MARK, skb.mark)
  if (flags & SOCK_RCVPRIORITY) put_cmsg_u32(msg, SOL_SOCKET, SO_PRIORITY, skb.priority)
}

/** The first entry of the error queue, as a control message. Bytes of its packet, or -EAGAIN: there is none. */
export function sock_recv_errqueue(sk: sock, msg: msghdr, level: u32, type: u32): i32 {
  walk(FN_sock_recv_errqueue, 0)
  const skb = sock_dequeue_err_skb(sk)
  if (changetype<usize>(skb) == 0) return -EAGAIN
  const copied = min(skb.len, msg.iov_len)
  if (copied < skb.len) msg.msg_flags |= MSG_TRUNC
  skb_copy_datagram_iter(skb, 0, msg.iov_base, copied)
  sock_recv_timestamp(msg, sk, skb)
  put_cmsg(msg, level, type, EE_SIZE, changetype<usize>(SKB_EXT_ERR(skb)))
  msg.msg_flags |= MSG_ERRQUEUE
  consume_skb(skb, SKB_ENDED_DELIVERED)
  return <i32>copied
}
