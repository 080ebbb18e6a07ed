// An answer to a packet that no socket stands behind: TCP's resets.
// Mirrors ip_send_unicast_reply of net/ipv4/ip_output.c.

import { flowi4, rtable } from '../../../include/dst.ts'
import { inet_cork } from '../../../include/inet_cork.ts'
import { iphdr } from '../../../include/ip.ts'
import { ip_options, ipcm_cookie, ipcm_init } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { CHECKSUM_NONE, sk_buff } from '../../../include/skbuff.ts'
import { tcphdr } from '../../../include/headers.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { csum_add, csum_fold } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_ip_send_unicast_reply } from '../../../uapi/functions.ts'
import { IP_PMTUDISC_DO } from '../../../uapi/in.ts'
import { RT_SCOPE_UNIVERSE } from '../../../uapi/rtnetlink.ts'
import { MSG_DONTWAIT } from '../../../uapi/socket.ts'
import { dst_release } from '../../core/dst.ts'
import { skb_network_header, skb_transport_header } from '../../core/skbuff.ts'
import { ip_options_echo } from '../ip_options/echo.ts'
import { flowi4_init_output } from '../flow_output.ts'
import { IP4_REPLY_MARK } from '../route/flow.ts'
import { ip_route_output_key } from '../route/output.ts'
import { APPEND_FROM_REPLY, __ip_append_data, __ip_flush_pending_frames, ip_setup_cork } from './append.ts'
import { ip_push_pending_frames } from './make.ts'

/** What the answer says (struct ip_reply_arg). */
@unmanaged
@final
export class ip_reply_arg {
  /** The transport header and what follows it, at an address, and how long it is. */
  iov_base: usize
  len: u32
  /** Sum of its pseudo header, and where its checksum lies, in 16-bit words; -1: it has none. */
  csum: u32
  csumoffset: i32
  /** FLOWI_FLAG_* */
  flags: u32
  bound_dev_if: u32
  tos: u32
  uid: u32
}

/** The answer is gone from these before anything else can need them. */
const CORK: usize = memory.data(256, 16)
const IPC: usize = memory.data(64, 16)
const FL4: usize = memory.data(64, 16)
const OPTIONS: usize = memory.data(64, 16)

/** The way back: to where the packet came from, or to the first hop of its source route turned round. */
function reply_flow(net: net, skb: sk_buff, daddr: u32, saddr: u32, arg: ip_reply_arg): flowi4 {
  const fl4 = changetype<flowi4>(FL4)
  const th = changetype<tcphdr>(skb_transport_header(skb))
  const proto = <u32>changetype<iphdr>(skb_network_header(skb)).protocol
  const mark = IP4_REPLY_MARK(net, skb.mark)
  const oif = arg.bound_dev_if
  flowi4_init_output(
    fl4,
    oif,
    mark,
    arg.tos,
    RT_SCOPE_UNIVERSE,
    proto,
    arg.flags,
    daddr,
    saddr,
    th.source,
    th.dest,
    arg.uid,
  )
  return fl4
}

/** Appends the answer, fills in its checksum and sends it. */
function send(fl4: flowi4, ipc: ipcm_cookie, rt: rtable, arg: ip_reply_arg): void {
  const cork = changetype<inet_cork>(CORK)
  if (ip_setup_cork(0, cork, ipc, rt)) return
  if (__ip_append_data(0, cork, fl4.daddr, APPEND_FROM_REPLY, arg.iov_base, 0, arg.len, 0, MSG_DONTWAIT)) {
    __ip_flush_pending_frames(cork)
    return
  }
  const skb = changetype<sk_buff>(cork.queue_head)
  if (arg.csumoffset >= 0) {
    const field = skb_transport_header(skb) + ((<usize>arg.csumoffset) << 1)
    store<u16>(field, <u16>csum_fold(csum_add(skb.csum, arg.csum)))
  }
  skb.ip_summed = <u8>CHECKSUM_NONE
  ip_push_pending_frames(0, cork, fl4)
}

/**
 * Answers skb, which stays the caller's, with arg's bytes from saddr to daddr (network order), with the options of skb
 * turned round. The answer has DF and id 0. Without a route, or memory, there is none.
 *
 * Uses: network_header, transport_header, compiled options in cb.
 */
export function ip_send_unicast_reply(net: net, skb: sk_buff, daddr: u32, saddr: u32, arg: ip_reply_arg): void {
  walk(FN_ip_send_unicast_reply, changetype<usize>(skb))
  const opt = changetype<ip_options>(OPTIONS)
  if (ip_options_echo(net, opt, skb)) return
  const ipc = changetype<ipcm_cookie>(IPC)
  ipcm_init(ipc)
  ipc.addr = daddr
  ipc.tos = <i32>arg.tos
  ipc.pmtudisc = IP_PMTUDISC_DO
  let to = daddr
  if (opt.optlen) {
    ipc.opt = OPTIONS
    if (opt.srr) to = opt.faddr
  }
  const fl4 = reply_flow(net, skb, to, saddr, arg)
  const p = ip_route_output_key(net, fl4)
  if (IS_ERR(p)) return
  ipc.mark = fl4.flowi4_mark
  send(fl4, ipc, changetype<rtable>(p), arg)
  dst_release(p)
}
