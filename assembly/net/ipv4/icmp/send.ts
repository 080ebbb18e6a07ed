// ICMP errors: who caused a packet to die is told, unless that could do harm. Mirrors __icmp_send of net/ipv4/icmp.c.
// Left out: IPsec, whose second look-up of the way back has no effect without policies.
// Read first: RFC 1122 3.2.2 (when not to send), RFC 1812 4.3.2 (source, TOS, size, rate).

import { FLOWI4_SIZE, INET_DSCP_MASK, fl4_icmp_set, flowi4, rtable } from '../../../include/dst.ts'
import { ICMP_HLEN } from '../../../include/headers.ts'
import { IP_HEADER_MIN, IP_OFFSET_BE, inet_skb_parm, iphdr } from '../../../include/ip.ts'
import { FIB_RESULT_SIZE, fib_result } from '../../../include/ip_fib.ts'
import { IPCM_COOKIE_SIZE, ipcm_cookie, ipcm_init } from '../../../include/ipcm.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { SLOT_ICMP_SEND, slot_set } from '../../../lib/boot.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { FN___icmp_send, FN_icmp_route_lookup, FN_ip_route_output_key_hash } from '../../../uapi/functions.ts'
import { NR_ICMP_TYPES } from '../../../uapi/icmp.ts'
import { IFF_LOOPBACK } from '../../../uapi/if.ts'
import { PACKET_HOST } from '../../../uapi/in.ts'
import { IPTOS_PREC_INTERNETCONTROL, IPTOS_TOS_MASK } from '../../../uapi/ip.ts'
import { RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST, RT_SCOPE_LINK } from '../../../uapi/rtnetlink.ts'
import { IPPROTO_ICMP } from '../../../uapi/socket.ts'
import { SYSCTL_ICMP_ERRORS_USE_INBOUND_IFADDR } from '../../../uapi/sysctl.ts'
import { __dev_get_by_index } from '../../core/dev.ts'
import { dst_release } from '../../core/dst.ts'
import { skb_network_header, skb_network_offset, skb_pull, skb_push } from '../../core/skbuff.ts'
import { skb_copy_bits } from '../../core/skbuff_data.ts'
import { inet_select_addr } from '../devinet.ts'
import { ip_options_echo } from '../ip_options/echo.ts'
import { IP4_REPLY_MARK } from '../route/flow.ts'
import { ipv4_mtu } from '../route/metrics.ts'
import { ip_route_output_key_hash_rcu } from '../route/output.ts'
import { ICMP_FREE, ICMP_REFUSED, icmpv4_global_allow, icmpv4_xrlim_allow } from './ratelimit.ts'
import {
  ICMP_BXM_SIZE,
  icmp_bxm,
  icmp_bxm_hdr,
  icmp_bxm_opt,
  icmp_push_reply,
  icmp_xmit_lock,
  icmp_xmit_unlock,
} from './xmit.ts'

/** Types that are errors: bits 1 to 7 and 9 to 12. */
const ERROR_TYPES: u32 = 0x1efe
/** RFC 1812 4.3.2.3: as much of the packet as fits into so many bytes. */
const MOST: u32 = 576
/** 192.0.0.8 (RFC 7600): the source of an error of a host without an address. */
const INADDR_DUMMY: u32 = 0x080000c0

const BXM: usize = memory.data(<i32>ICMP_BXM_SIZE, 16)
const IPC: usize = memory.data(<i32>IPCM_COOKIE_SIZE, 16)
const FL4: usize = memory.data(<i32>FLOWI4_SIZE, 16)
const RES: usize = memory.data(<i32>FIB_RESULT_SIZE, 16)
const BYTE: usize = memory.data(4)

function icmp_is_error(type: u32): bool {
  return type <= NR_ICMP_TYPES && (ERROR_TYPES >> type) & 1
}

/** Is the packet an ICMP error itself, or may it be one? */
function about_error(skb: sk_buff, ip: iphdr): bool {
  if (ip.protocol != <u8>IPPROTO_ICMP) return false
  const p = changetype<usize>(ip) + (ip.ihl << 2)
  if (p >= skb.tail && !skb_copy_bits(skb, <u32>(p - skb.data), BYTE, 1)) return true
  const type = <u32>load<u8>(p < skb.tail ? p : BYTE)
  return type > NR_ICMP_TYPES || icmp_is_error(type)
}

/** May anybody be told about the packet? Not of groups, of later fragments, of errors (RFC 1122 3.2.2). */
function may_answer(skb: sk_buff, rt: rtable, type: u32): bool {
  const p = skb_network_header(skb)
  if (p < skb.head || p + IP_HEADER_MIN > skb.tail) return false
  const ip = changetype<iphdr>(p)
  if (skb.pkt_type != <u8>PACKET_HOST || rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) return false
  if ((<u32>ip.frag_off) & IP_OFFSET_BE) return false
  return !icmp_is_error(type) || !about_error(skb, ip)
}

/** The source of an error: where the packet wanted to go if that is here, else the way back's (0) or the device's. */
function source_of(net: net, skb: sk_buff, rt: rtable, ip: iphdr): u32 {
  if (rt.rt_flags & RTCF_LOCAL) return ip.daddr
  if (!rt.rt_is_input || !sysctl(net, SYSCTL_ICMP_ERRORS_USE_INBOUND_IFADDR)) return 0
  let iif = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB).iif
  if (iif == 0) iif = rt.rt_iif ? rt.rt_iif : skb.skb_iif
  const dev = __dev_get_by_index(net, iif)
  return changetype<usize>(dev) ? inet_select_addr(dev, ip.saddr, RT_SCOPE_LINK) : 0
}

/** The way back to the sender, along its source route if it has one. A counted route or ERR_PTR. */
function icmp_route_lookup(net: net, fl4: flowi4, skb: sk_buff, bxm: icmp_bxm, saddr: u32, ipc: ipcm_cookie): usize {
  walk(FN_icmp_route_lookup, changetype<usize>(skb))
  const opt = icmp_bxm_opt(bxm)
  memory.fill(changetype<usize>(fl4), 0, FLOWI4_SIZE)
  fl4.daddr = opt.srr ? opt.faddr : ipc.addr
  fl4.saddr = saddr
  fl4.flowi4_mark = ipc.mark
  fl4.flowi4_tos = <u8>((<u32>ipc.tos) & INET_DSCP_MASK)
  fl4.flowi4_proto = <u8>IPPROTO_ICMP
  fl4_icmp_set(fl4, bxm.type, bxm.code)
  walk(FN_ip_route_output_key_hash, 0)
  return ip_route_output_key_hash_rcu(net, fl4, changetype<fib_result>(RES), skb)
}

/** Sends a message by rt, with as much of the packet as the path and RFC 1812 allow. */
function quote(net: net, skb: sk_buff, bxm: icmp_bxm, fl4: flowi4, ipc: ipcm_cookie, rt: rtable): void {
  const header = IP_HEADER_MIN + <u32>icmp_bxm_opt(bxm).optlen + ICMP_HLEN
  const room = <i32>min(ipv4_mtu(rt), MOST) - <i32>header
  if (room <= <i32>IP_HEADER_MIN) return
  // The quote begins at the IP header, which a protocol has pulled off already.
  const at = skb_network_offset(skb)
  const pulled: u32 = at < 0 ? <u32>-at : 0
  if (pulled) skb_push(skb, pulled)
  bxm.offset = <u32>max(at, 0)
  bxm.data_len = min(skb.len - bxm.offset, <u32>room)
  bxm.head_len = ICMP_HLEN
  if (fl4.saddr == 0) fl4.saddr = INADDR_DUMMY
  icmp_push_reply(net, bxm, fl4, ipc, rt)
  if (pulled) skb_pull(skb, pulled)
}

/** The message, once nothing speaks against it but options, the way back and the limit of its destination. */
function answer(net: net, skb: sk_buff, rt: rtable, type: u32, code: u32, info: u32, allowance: u32): void {
  const ip = changetype<iphdr>(skb_network_header(skb))
  const bxm = changetype<icmp_bxm>(BXM)
  const ipc = changetype<ipcm_cookie>(IPC)
  const fl4 = changetype<flowi4>(FL4)
  const saddr = source_of(net, skb, rt, ip)
  if (ip_options_echo(net, icmp_bxm_opt(bxm), skb)) return
  bxm.skb = changetype<usize>(skb)
  const icmph = icmp_bxm_hdr(bxm)
  icmph.type = <u8>type
  icmph.code = <u8>code
  icmph.checksum = 0
  icmph.un = info
  ipcm_init(ipc)
  ipc.tos = icmp_is_error(type) ? <i32>(((<u32>ip.tos) & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL) : <i32>ip.tos
  ipc.addr = ip.saddr
  ipc.opt = changetype<usize>(icmp_bxm_opt(bxm))
  ipc.mark = IP4_REPLY_MARK(net, skb.mark)

  const back = icmp_route_lookup(net, fl4, skb, bxm, saddr, ipc)
  if (IS_ERR(back)) return
  if (icmpv4_xrlim_allow(net, changetype<rtable>(back), fl4.daddr, allowance)) {
    quote(net, skb, bxm, fl4, ipc, changetype<rtable>(back))
  }
  dst_release(back)
}

/**
 * Tells the sender of skb what became of it; info in network order goes behind type and code (MTU, pointer, gateway).
 *
 * Uses: the IP header at network_header, dst, pkt_type, options in cb. The skb stays the caller's.
 */
export function icmp_send(skb: sk_buff, type: u32, code: u32, info: u32): void {
  walk(FN___icmp_send, changetype<usize>(skb))
  const rt = changetype<rtable>(skb.dst)
  if (changetype<usize>(rt) == 0) return
  const owner = changetype<net>(changetype<net_device>(rt.dev).nd_net)
  if (!may_answer(skb, rt, type)) return

  // What came over the loopback device is not limited.
  let allowance = ICMP_FREE
  if (skb.dev == 0 || !(changetype<net_device>(skb.dev).flags & IFF_LOOPBACK)) {
    allowance = icmpv4_global_allow(owner, type, code)
    if (allowance == ICMP_REFUSED) return
  }
  if (!icmp_xmit_lock()) return
  answer(owner, skb, rt, type, code, info, allowance)
  icmp_xmit_unlock()
}

/** Once at boot: rooms below reach icmp_send by its slot. */
export function icmp_init(): void {
  slot_set(SLOT_ICMP_SEND, icmp_send.index)
}
