// Control messages of a sender: source, device, TTL, TOS, options of one datagram. Mirrors ip_cmsg_send of
// net/ipv4/ip_sockglue.c; those of SOL_SOCKET are in net/core/sock_cmsg.ts.

import { ipcm_cookie, sockcm_cookie } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { msghdr, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL } from '../../../uapi/errno.ts'
import { FN_ip_cmsg_send } from '../../../uapi/functions.ts'
import { IP_PKTINFO, IP_PROTOCOL, IP_RETOPTS, IP_TOS, IP_TTL } from '../../../uapi/in.ts'
import { SOL_IP, SOL_SOCKET } from '../../../uapi/socket.ts'
import { CMSG_DATA, CMSG_FIRSTHDR, CMSG_HDR, CMSG_LEN, CMSG_NXTHDR, CMSG_OK, cmsghdr } from '../../core/scm.ts'
import { __sock_cmsg_send } from '../../core/sock_cmsg.ts'
import { ip_options_get } from '../ip_options/user.ts'
import { rt_tos2priority } from './tos.ts'

/** Most bytes of options. */
const MAX_OPTIONS: u32 = 40

/** struct in_pktinfo: device, source; the third field is for receivers. */
function pktinfo(cmsg: cmsghdr, ipc: ipcm_cookie): i32 {
  if (cmsg.cmsg_len != CMSG_LEN(12)) return -EINVAL
  const data = CMSG_DATA(cmsg)
  const ifindex = load<u32>(data)
  if (ifindex) ipc.oif = ifindex
  ipc.addr = load<u32>(data, 4)
  return 0
}

/** An int or one byte, -1: neither. */
function tos_of(cmsg: cmsghdr): i32 {
  if (cmsg.cmsg_len == CMSG_LEN(4)) return load<i32>(CMSG_DATA(cmsg))
  return cmsg.cmsg_len == CMSG_LEN(1) ? <i32>load<u8>(CMSG_DATA(cmsg)) : -1
}

function options(net: net, cmsg: cmsghdr, ipc: ipcm_cookie, block: usize): i32 {
  const len = min<u32>(<u32>cmsg.cmsg_len - CMSG_HDR, MAX_OPTIONS)
  const err = ip_options_get(net, block, CMSG_DATA(cmsg), len)
  if (err == 0) ipc.opt = block
  return err
}

/** A message of level SOL_IP. */
function one(net: net, cmsg: cmsghdr, ipc: ipcm_cookie, block: usize): i32 {
  switch (cmsg.cmsg_type) {
    case IP_RETOPTS:
      return options(net, cmsg, ipc, block)
    case IP_PKTINFO:
      return pktinfo(cmsg, ipc)
    case IP_TTL:
    case IP_PROTOCOL: {
      if (cmsg.cmsg_len != CMSG_LEN(4)) return -EINVAL
      const value = load<i32>(CMSG_DATA(cmsg))
      if (value < 1 || value > 255) return -EINVAL
      if (cmsg.cmsg_type == IP_TTL) ipc.ttl = value
      else ipc.protocol = value
      return 0
    }
    case IP_TOS: {
      const tos = tos_of(cmsg)
      if (tos < 0 || tos > 255) return -EINVAL
      ipc.tos = tos
      ipc.priority = rt_tos2priority(<u32>tos)
      return 0
    }
    default:
      return -EINVAL
  }
}

/**
 * Reads a sender's control messages into ipc; options go to block (an ip_options of the caller). 0 or -errno: -EINVAL for
 * one that is malformed or unknown. Those of other levels are somebody else's.
 */
export function ip_cmsg_send(sk: sock, msg: msghdr, ipc: ipcm_cookie, block: usize): i32 {
  walk(FN_ip_cmsg_send, 0)
  for (let p = CMSG_FIRSTHDR(msg); p; p = CMSG_NXTHDR(msg, changetype<cmsghdr>(p))) {
    const cmsg = changetype<cmsghdr>(p)
    if (!CMSG_OK(msg, cmsg)) return -EINVAL
    let err = 0
    if (cmsg.cmsg_level == SOL_SOCKET) err = __sock_cmsg_send(sk, cmsg, changetype<sockcm_cookie>(ipc))
    else if (cmsg.cmsg_level == SOL_IP) err = one(changetype<net>(sk.net), cmsg, ipc, block)
    if (err) return err
  }
  return 0
}
