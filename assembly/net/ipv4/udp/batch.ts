// Many datagrams in one call: columns and payloads in the caller's memory, no object and no crossing for each.
// What it counts and charges is what a loop of udp_recvmsg would.

import { boot } from '../../../lib/boot.ts'
import { htons, ntohs } from '../../../lib/byteorder.ts'
import { copy_bytes, csum_fold, csum_partial_copy } from '../../../lib/checksum.ts'
import { udphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { mib_add, mib_inc, net } from '../../../include/net_namespace.ts'
import { SKB_ENDED_DELIVERED, sk_buff } from '../../../include/skbuff.ts'
import { SOCKADDR_IN_SIZE, SOCK_READY_QUEUED, msghdr, sock, sockaddr_in } from '../../../include/sock.ts'
import { COST_COPY, charge } from '../../../kernel/cost.ts'
import { walk_all } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_UDP_CSUM } from '../../../uapi/dropreason.ts'
import { EFAULT, EMSGSIZE } from '../../../uapi/errno.ts'
import { FN_skb_consume_udp, FN_udp_recvmsg, FN_udp_rmem_release } from '../../../uapi/functions.ts'
import { UDP_MIB_CSUMERRORS, UDP_MIB_INDATAGRAMS, UDP_MIB_INERRORS } from '../../../uapi/snmp.ts'
import { AF_INET, MSG_DONTWAIT } from '../../../uapi/socket.ts'
import { skb_copy_and_csum_datagram_msg, skb_copy_datagram_iter } from '../../core/datagram.ts'
import {
  __skb_dequeue,
  consume_skb,
  kfree_skb_reason,
  skb_network_header,
  skb_transport_header,
} from '../../core/skbuff.ts'
import { skb_csum_unnecessary } from '../../core/skbuff_data.ts'
import { sk_receive_queue, sock_error } from '../../core/sock.ts'
import { UDP_BURST_LONG, udp_burst_again, udp_burst_begin, udp_burst_end, udp_burst_send } from './burst.ts'
import { rmem_release } from './recv.ts'
import { udp_sendmsg } from './send.ts'

/**
 * The caller's memory, for up to max datagrams; every column is u32[max]; a batch to send needs no ifindex:
 *
 *  0        4*max     8*max    12*max    16*max     20*max
 *  | length | address | port   | offset  | ifindex  | payloads ...
 *
 * address in network order as it lies, port of the sender as a number, offset of the payload from the begin of the memory.
 */
export const BATCH_COLUMNS: u32 = 5

/** What reading a datagram passes. */
const READ_WALK: usize = memory.data<u32>([FN_udp_recvmsg, FN_udp_rmem_release, FN_skb_consume_udp, 0])

/** Copies a datagram's payload and verifies it if nobody has. False: its checksum is wrong. */
function payload_out(skb: sk_buff, to: usize, len: u32): bool {
  if (skb.data_len) {
    if (!skb_csum_unnecessary(skb)) return skb_copy_and_csum_datagram_msg(skb, 0, to, len) == 0
    skb_copy_datagram_iter(skb, 0, to, len)
    return true
  }
  if (skb_csum_unnecessary(skb)) {
    copy_bytes(to, skb.data, len)
    return true
  }
  return csum_fold(csum_partial_copy(skb.data, to, len, skb.csum)) == 0
}

/** The first packet leaves the queue; its memory is given back as for any reader. */
function take(sk: sock, skb: sk_buff): void {
  if (sk.reader_len == 0) sk.reader_len = sk.rq_len
  __skb_dequeue(sk_receive_queue(sk))
  sk.reader_len -= 1
  rmem_release(sk, <i32>skb.truesize)
}

function bad_checksum(sk: sock, skb: sk_buff): void {
  const owner = changetype<net>(sk.net)
  sk.sk_drops += 1
  mib_inc(owner, UDP_MIB_CSUMERRORS)
  mib_inc(owner, UDP_MIB_INERRORS)
  kfree_skb_reason(skb, SKB_DROP_REASON_UDP_CSUM, FN_udp_recvmsg)
}

/**
 * Reads up to max datagrams into bytes bytes at out. Answers how many (0: none waits), or -errno: the pending error;
 * -EMSGSIZE: the memory is too small for the first one, which stays in the queue.
 */
export function udp_recv_batch(sk: sock, out: usize, max: u32, bytes: u32): i32 {
  if (sk.sk_err) return sock_error(sk)
  const column = (<usize>max) << 2
  const head = max * (BATCH_COLUMNS << 2)
  if (head > bytes) return -EMSGSIZE
  let at = head
  let row = out
  let count: u32 = 0
  while (count < max && sk.rq_head) {
    const skb = changetype<sk_buff>(sk.rq_head)
    const len = skb.len
    if (len > bytes - at) {
      if (count == 0) return -EMSGSIZE
      break
    }
    walk_all(READ_WALK, changetype<usize>(skb))
    take(sk, skb)
    if (!payload_out(skb, out + at, len)) {
      bad_checksum(sk, skb)
      continue
    }
    store<u32>(row, len)
    store<u32>(row + column, changetype<iphdr>(skb_network_header(skb)).saddr)
    store<u32>(row + column * 2, ntohs(changetype<udphdr>(skb_transport_header(skb)).source))
    store<u32>(row + column * 3, at)
    store<u32>(row + column * 4, skb.skb_iif)
    row += 4
    at += len
    count++
    charge(COST_COPY, len)
    consume_skb(skb, SKB_ENDED_DELIVERED)
  }
  if (count) mib_add(changetype<net>(sk.net), UDP_MIB_INDATAGRAMS, count)
  if (sk.rq_head == 0) sk.ready &= ~SOCK_READY_QUEUED
  return <i32>count
}

const MSG: usize = memory.data(32, 16)
const TO: usize = memory.data(16, 16)

/** A datagram through udp_sendmsg: what a call for it alone would do. Its length, or -errno. */
function send_one(sk: sock, address: u32, port: u32, from: usize, len: u32): i32 {
  memory.fill(MSG, 0, offsetof<msghdr>())
  memory.fill(TO, 0, SOCKADDR_IN_SIZE)
  const msg = changetype<msghdr>(MSG)
  if (address) {
    const sin = changetype<sockaddr_in>(TO)
    sin.sin_family = <u16>AF_INET
    sin.sin_addr = address
    sin.sin_port = <u16>port
    msg.msg_name = TO
    msg.msg_namelen = SOCKADDR_IN_SIZE
  }
  msg.iov_base = from
  msg.iov_len = len
  return udp_sendmsg(sk, msg, MSG_DONTWAIT)
}

/**
 * Sends up to count datagrams from bytes bytes of memory at from, laid out as above with rows for max: columns of length,
 * address (0: the connection's), port and offset. Answers how many went before the first that did not, or its -errno if none
 * did; -EFAULT: it lies beyond the memory.
 */
export function udp_send_batch(sk: sock, from: usize, rows: u32, count: u32, bytes: u32): i32 {
  const column = (<usize>rows) << 2
  udp_burst_begin()
  boot.burst += 1
  let sent: u32 = 0
  let err = 0
  for (; sent < count; sent++) {
    const row = from + ((<usize>sent) << 2)
    const len = load<u32>(row)
    const offset = load<u32>(row + column * 3)
    if (offset > bytes || len > bytes - offset) {
      err = -EFAULT
      break
    }
    const address = load<u32>(row + column)
    const port = <u32>htons(load<u32>(row + column * 2))
    err = udp_burst_send(sk, address, port, from + offset, len)
    if (err == UDP_BURST_LONG) {
      err = send_one(sk, address, port, from + offset, len)
      udp_burst_again(sk)
    }
    if (err < 0) break
  }
  boot.burst += 1
  udp_burst_end(sk)
  return err < 0 && sent == 0 ? err : <i32>sent
}
