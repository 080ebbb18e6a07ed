// An ICMP message on its way out: what it is made of, and how it is sent. Mirrors struct icmp_bxm, icmp_xmit_lock and
// icmp_push_reply of net/ipv4/icmp.c. The kernel's control socket is no object here: ip_output sends without one.

import { flowi4, rtable } from '../../../include/dst.ts'
import { icmphdr } from '../../../include/headers.ts'
import { INET_CORK_SIZE, inet_cork } from '../../../include/inet_cork.ts'
import { IP_OPTIONS_SIZE, ip_options, ipcm_cookie } from '../../../include/ipcm.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { CHECKSUM_NONE, sk_buff } from '../../../include/skbuff.ts'
import { csum_add, csum_fold, csum_partial_copy } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_icmp_push_reply } from '../../../uapi/functions.ts'
import { ICMP_MIB_OUTERRORS } from '../../../uapi/snmp.ts'
import { MSG_DONTWAIT } from '../../../uapi/socket.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { local_bh_disable, local_bh_enable } from '../../../kernel/softirq.ts'
import { APPEND_FROM_SKB } from '../ip_output/append.ts'
import { ip_append_data, ip_flush_pending_frames, ip_push_pending_frames } from '../ip_output/make.ts'

/** A message to send: a header of head_len bytes, then data_len bytes of skb from offset on. */
@unmanaged
@final
export class icmp_bxm {
  skb: usize
  offset: u32
  data_len: u32
  head_len: u32
  /** The header: icmphdr, and the three times of a timestamp reply. */
  type: u8
  code: u8
  checksum: u16
  un: u32
  time0: u32
  time1: u32
  time2: u32
}

const DATA: usize = offsetof<icmp_bxm>('type')
/** Behind the struct lie the options of the answer. */
const OPTIONS: usize = offsetof<icmp_bxm>()
export const ICMP_BXM_SIZE: usize = OPTIONS + IP_OPTIONS_SIZE

export function icmp_bxm_opt(bxm: icmp_bxm): ip_options {
  return changetype<ip_options>(changetype<usize>(bxm) + OPTIONS)
}

export function icmp_bxm_hdr(bxm: icmp_bxm): icmphdr {
  return changetype<icmphdr>(changetype<usize>(bxm) + DATA)
}

/** The one message under construction; its last word says that there is one. */
const CORK: usize = memory.data(<i32>INET_CORK_SIZE, 16)
const BUSY: usize = memory.data(4)

/** Claims the sender, and keeps softirqs out. False: a message is being sent; one that this would cause is not (a loop, else). */
export function icmp_xmit_lock(): bool {
  if (load<u32>(BUSY)) return false
  local_bh_disable()
  store<u32>(BUSY, 1)
  return true
}

export function icmp_xmit_unlock(): void {
  store<u32>(BUSY, 0)
  local_bh_enable()
}

/** Sends a message by rt, which stays the caller's reference. One that cannot be made counts as IcmpOutErrors. */
export function icmp_push_reply(net: net, bxm: icmp_bxm, fl4: flowi4, ipc: ipcm_cookie, rt: rtable): void {
  walk(FN_icmp_push_reply, bxm.skb)
  const cork = changetype<inet_cork>(CORK)
  const head = bxm.head_len
  const length = bxm.data_len + head
  const err = ip_append_data(0, cork, fl4, APPEND_FROM_SKB, bxm.skb, bxm.offset, length, head, ipc, rt, MSG_DONTWAIT)
  if (err) {
    mib_inc(net, ICMP_MIB_OUTERRORS)
    ip_flush_pending_frames(cork)
    return
  }
  const skb = changetype<sk_buff>(cork.queue_head)
  if (changetype<usize>(skb) == 0) return
  const icmph = changetype<icmphdr>(skb_transport_header(skb))
  let csum = csum_partial_copy(changetype<usize>(bxm) + DATA, changetype<usize>(icmph), head, 0)
  for (let p = cork.queue_head; p; p = changetype<sk_buff>(p).next) csum = csum_add(csum, changetype<sk_buff>(p).csum)
  icmph.checksum = <u16>csum_fold(csum)
  skb.ip_summed = <u8>CHECKSUM_NONE
  ip_push_pending_frames(0, cork, fl4)
}
