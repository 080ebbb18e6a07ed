// What a message that is sent asks for, and the route that it gets: what raw_sendmsg, ping_v4_sendmsg and udp_sendmsg of
// net/ipv4 have in common.

import { fl4_icmp_set, flowi4, rtable } from '../../../include/dst.ts'
import { ipv4_is_multicast } from '../../../include/ip.ts'
import { ip_options, ipcm_cookie, ipcm_init_sk } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { PROT_RAW, SOCK_BROADCAST, SOCK_LOCALROUTE, msghdr, sock } from '../../../include/sock.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { EACCES, EINVAL } from '../../../uapi/errno.ts'
import { RTCF_BROADCAST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../../uapi/rtnetlink.ts'
import { MSG_DONTROUTE } from '../../../uapi/socket.ts'
import { dst_release } from '../../core/dst.ts'
import { flowi4_init_output, inet_sk_flowi_flags } from '../flow_output.ts'
import { ip_route_output_flow } from '../route/output.ts'
import { ip_cmsg_send } from './cmsg_send.ts'

const OPTIONS: usize = memory.data(64, 16)

/** Only hosts on the link (SO_DONTROUTE, MSG_DONTROUTE, a strict source route)? */
export function ip_sendmsg_scope(sk: sock, ipc: ipcm_cookie, flags: u32): u32 {
  if (sk.sk_flags & SOCK_LOCALROUTE || flags & MSG_DONTROUTE) return RT_SCOPE_LINK
  const strict = ipc.opt != 0 && changetype<ip_options>(ipc.opt).is_strictroute != 0
  return strict ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
}

/** What a message and its socket ask for; the message's options lie where the next one's will. 0 or -errno. */
export function message_wishes(sk: sock, msg: msghdr, ipc: ipcm_cookie): i32 {
  ipcm_init_sk(ipc, sk)
  if (msg.msg_controllen) {
    const err = ip_cmsg_send(sk, msg, ipc, OPTIONS)
    if (err) return err
  }
  if (ipc.opt == 0) ipc.opt = sk.inet_opt
  return 0
}

/**
 * The route of a message of a raw or ping socket to daddr; proto and how (FLOWI_FLAG_*) go into the look-up, as do type and
 * code of an ICMP message.
 *
 * Sets: fl4 with the addresses that were settled; ipc.addr to daddr. A counted route, or ERR_PTR: -EINVAL, -EACCES (a
 * broadcast without SO_BROADCAST), -ENETUNREACH and others of the route.
 */
export function message_route(
  sk: sock,
  ipc: ipcm_cookie,
  fl4: flowi4,
  daddr: u32,
  proto: u32,
  how: u32,
  type: u32,
  code: u32,
  flags: u32,
): usize {
  let saddr = ipc.addr
  let faddr = daddr
  ipc.addr = daddr
  if (ipc.opt && changetype<ip_options>(ipc.opt).srr) {
    if (daddr == 0) return ERR_PTR(EINVAL)
    faddr = changetype<ip_options>(ipc.opt).faddr
  }
  // The first hop of a source route decides for raw sockets, its end for others.
  if (ipv4_is_multicast(sk.sk_prot == PROT_RAW ? faddr : daddr)) {
    if (ipc.oif == 0) ipc.oif = sk.mc_index
    if (saddr == 0) saddr = sk.mc_addr
  } else if (ipc.oif == 0) {
    ipc.oif = sk.uc_index
  }
  const tos = ipc.tos == -1 ? <u32>sk.tos : <u32>ipc.tos
  const scope = ip_sendmsg_scope(sk, ipc, flags)
  const any = inet_sk_flowi_flags(sk)
  flowi4_init_output(fl4, ipc.oif, ipc.mark, tos, scope, proto, how | any, faddr, saddr, 0, 0, sk.sk_uid)
  fl4_icmp_set(fl4, type, code)
  const rt = ip_route_output_flow(changetype<net>(sk.net), fl4)
  if (IS_ERR(rt)) return rt
  if (changetype<rtable>(rt).rt_flags & RTCF_BROADCAST && !(sk.sk_flags & SOCK_BROADCAST)) {
    dst_release(rt)
    return ERR_PTR(EACCES)
  }
  if (ipc.addr == 0) ipc.addr = fl4.daddr
  return rt
}
