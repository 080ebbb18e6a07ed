// Answers: echo, extended echo and timestamp replies. Mirrors icmp_reply, icmp_echo and icmp_timestamp of net/ipv4/icmp.c.
// Read first: RFC 792, RFC 1122 3.2.2.6 and 3.2.2.8.

import { FLOWI4_SIZE, INET_DSCP_MASK, flowi4, rtable } from '../../../include/dst.ts'
import { ICMP_HLEN, icmphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { IPCM_COOKIE_SIZE, ipcm_cookie, ipcm_init } from '../../../include/ipcm.ts'
import { mib_inc, net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_PKT_TOO_SMALL } from '../../../uapi/dropreason.ts'
import { FN_icmp_echo, FN_icmp_reply, FN_icmp_timestamp } from '../../../uapi/functions.ts'
import { ICMP_ECHO, ICMP_ECHOREPLY, ICMP_TIMESTAMPREPLY } from '../../../uapi/icmp.ts'
import { ICMP_MIB_INERRORS } from '../../../uapi/snmp.ts'
import { IPPROTO_ICMP } from '../../../uapi/socket.ts'
import { SYSCTL_ICMP_ECHO_IGNORE_ALL } from '../../../uapi/sysctl.ts'
import { dst_release } from '../../core/dst.ts'
import { skb_network_header, skb_transport_header } from '../../core/skbuff.ts'
import { skb_copy_bits } from '../../core/skbuff_data.ts'
import { fib_compute_spec_dst } from '../fib_frontend.ts'
import { ip_options_echo } from '../ip_options/echo.ts'
import { inet_current_timestamp } from '../ip_options/time.ts'
import { IP4_REPLY_MARK } from '../route/flow.ts'
import { ip_route_output_flow } from '../route/output.ts'
import { icmp_build_probe } from './probe.ts'
import { ICMP_REFUSED, icmpv4_global_allow, icmpv4_xrlim_allow } from './ratelimit.ts'
import {
  ICMP_BXM_SIZE,
  icmp_bxm,
  icmp_bxm_hdr,
  icmp_bxm_opt,
  icmp_push_reply,
  icmp_xmit_lock,
  icmp_xmit_unlock,
} from './xmit.ts'

/** Three times behind the header. */
const TIMES: u32 = 12

const BXM: usize = memory.data(<i32>ICMP_BXM_SIZE, 16)
const IPC: usize = memory.data(<i32>IPCM_COOKIE_SIZE, 16)
const FL4: usize = memory.data(<i32>FLOWI4_SIZE, 16)

function net_of(skb: sk_buff): net {
  return changetype<net>(changetype<net_device>(changetype<rtable>(skb.dst).dev).nd_net)
}

/** The header of the answer is that of the request, until the caller changes it. */
function begin(skb: sk_buff): icmp_bxm {
  const bxm = changetype<icmp_bxm>(BXM)
  const came = changetype<icmphdr>(skb_transport_header(skb))
  const icmph = icmp_bxm_hdr(bxm)
  icmph.type = came.type
  icmph.code = came.code
  icmph.checksum = 0
  icmph.un = came.un
  bxm.skb = changetype<usize>(skb)
  bxm.offset = 0
  return bxm
}

/** The way back, along the source route if there is one, and the message by it. */
function send_back(net: net, bxm: icmp_bxm, skb: sk_buff, allowance: u32): void {
  const ip = changetype<iphdr>(skb_network_header(skb))
  const ipc = changetype<ipcm_cookie>(IPC)
  const fl4 = changetype<flowi4>(FL4)
  const opt = icmp_bxm_opt(bxm)
  ipcm_init(ipc)
  ipc.tos = <i32>ip.tos
  ipc.mark = IP4_REPLY_MARK(net, skb.mark)
  ipc.addr = ip.saddr
  if (opt.optlen) ipc.opt = changetype<usize>(opt)
  memory.fill(FL4, 0, FLOWI4_SIZE)
  fl4.daddr = opt.srr ? opt.faddr : ip.saddr
  fl4.saddr = fib_compute_spec_dst(skb) // a broadcast is answered from an address of the device
  fl4.flowi4_mark = ipc.mark
  fl4.flowi4_tos = <u8>((<u32>ip.tos) & INET_DSCP_MASK)
  fl4.flowi4_proto = <u8>IPPROTO_ICMP
  const back = ip_route_output_flow(net, fl4)
  if (IS_ERR(back)) return
  if (icmpv4_xrlim_allow(net, changetype<rtable>(back), fl4.daddr, allowance)) {
    icmp_push_reply(net, bxm, fl4, ipc, changetype<rtable>(back))
  }
  dst_release(back)
}

/** Answers skb with the message in bxm. The skb stays the caller's. */
function icmp_reply(net: net, bxm: icmp_bxm, skb: sk_buff): void {
  walk(FN_icmp_reply, changetype<usize>(skb))
  if (ip_options_echo(net, icmp_bxm_opt(bxm), skb)) return
  const allowance = icmpv4_global_allow(net, bxm.type, bxm.code)
  if (allowance == ICMP_REFUSED || !icmp_xmit_lock()) return
  send_back(net, bxm, skb, allowance)
  icmp_xmit_unlock()
}

/**
 * An echo request, plain or extended: sent back with its TOS, code and data (icmp-echo-code, icmp-echo-tos-ttl).
 *
 * Uses: data behind the ICMP header. 0; the skb stays the caller's.
 */
export function icmp_echo(skb: sk_buff): u32 {
  walk(FN_icmp_echo, changetype<usize>(skb))
  const owner = net_of(skb)
  if (sysctl(owner, SYSCTL_ICMP_ECHO_IGNORE_ALL)) return 0
  const bxm = begin(skb)
  bxm.data_len = skb.len
  bxm.head_len = ICMP_HLEN
  if (bxm.type == <u8>ICMP_ECHO) bxm.type = <u8>ICMP_ECHOREPLY
  else if (!icmp_build_probe(owner, skb, icmp_bxm_hdr(bxm))) return 0
  icmp_reply(owner, bxm, skb)
  return 0
}

/**
 * A timestamp request: its time, and twice the time now.
 *
 * Uses: data behind the ICMP header. 0, or the reason to drop it, counted; the skb stays the caller's.
 */
export function icmp_timestamp(skb: sk_buff): u32 {
  walk(FN_icmp_timestamp, changetype<usize>(skb))
  const owner = net_of(skb)
  if (skb.len < 4) {
    mib_inc(owner, ICMP_MIB_INERRORS)
    return SKB_DROP_REASON_PKT_TOO_SMALL
  }
  const bxm = begin(skb)
  skb_copy_bits(skb, 0, changetype<usize>(bxm) + offsetof<icmp_bxm>('time0'), 4)
  bxm.time1 = inet_current_timestamp()
  bxm.time2 = bxm.time1
  bxm.type = <u8>ICMP_TIMESTAMPREPLY
  bxm.code = 0
  bxm.data_len = 0
  bxm.head_len = ICMP_HLEN + TIMES
  icmp_reply(owner, bxm, skb)
  return 0
}
