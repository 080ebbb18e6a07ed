// SOL_IP options of a socket: reading. Mirrors do_ip_getsockopt of net/ipv4/ip_sockglue.c.

import { htonl } from '../../../lib/byteorder.ts'
import { rtable } from '../../../include/dst.ts'
import { IP_OPTIONS_DATA, IP_OPTIONS_SIZE, ip_options } from '../../../include/ipcm.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { INET_RTALERT, sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENOPROTOOPT, ENOTCONN } from '../../../uapi/errno.ts'
import { FN_do_ip_getsockopt, FN_ip_getsockopt } from '../../../uapi/functions.ts'
import {
  IP_LOCAL_PORT_RANGE,
  IP_MINTTL,
  IP_MSFILTER,
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_MULTICAST_IF,
  IP_MULTICAST_TTL,
  IP_OPTIONS,
  IP_PROTOCOL,
  IP_ROUTER_ALERT,
  IP_TOS,
  IP_TTL,
  IP_UNICAST_IF,
  MCAST_MSFILTER,
} from '../../../uapi/in.ts'
import { SYSCTL_IP_DEFAULT_TTL } from '../../../uapi/sysctl.ts'
import { ip_options_undo } from '../ip_options/user.ts'
import { ipv4_mtu } from '../route/metrics.ts'
import { ip_getsockopt_group_filter, ip_getsockopt_msfilter } from './groups.ts'
import { inet_flag_of } from './setsockopt.ts'

const WORD: usize = memory.data(16, 16)
const OPTIONS: usize = memory.data(64, 16)

/** An int; one byte if there is no room for more and it fits. */
function answer_int(value: i32, ptr: usize, lenp: usize): i32 {
  const room = load<u32>(lenp)
  store<i32>(WORD, value)
  const len: u32 = room && room < 4 && value >= 0 && value <= 255 ? 1 : min<u32>(room, 4)
  memory.copy(ptr, WORD, len)
  store<u32>(lenp, len)
  return 0
}

/** An address: as much of it as there is room for. */
function answer_address(addr: u32, ptr: usize, lenp: usize): i32 {
  const len = min<u32>(load<u32>(lenp), 4)
  store<u32>(WORD, addr)
  memory.copy(ptr, WORD, len)
  store<u32>(lenp, len)
  return 0
}

/** The options that are sent, as they were given. */
function get_options(sk: sock, ptr: usize, lenp: usize): i32 {
  let len: u32 = 0
  if (sk.inet_opt) {
    memory.copy(OPTIONS, sk.inet_opt, IP_OPTIONS_SIZE)
    const opt = changetype<ip_options>(OPTIONS)
    if (opt.optlen) {
      ip_options_undo(opt)
      len = min<u32>(load<u32>(lenp), opt.optlen)
      memory.copy(ptr, OPTIONS + IP_OPTIONS_DATA, len)
    }
  }
  store<u32>(lenp, len)
  return 0
}

function get_mtu(sk: sock, ptr: usize, lenp: usize): i32 {
  if (sk.sk_dst_cache == 0) return -ENOTCONN
  return answer_int(<i32>ipv4_mtu(changetype<rtable>(sk.sk_dst_cache)), ptr, lenp)
}

function get_ttl(sk: sock): i32 {
  return sk.uc_ttl < 0 ? sysctl(changetype<net>(sk.net), SYSCTL_IP_DEFAULT_TTL) : <i32>sk.uc_ttl
}

/** Answers an option into ptr; lenp is the room, then what was used. 0 or -errno. */
export function ip_getsockopt(sk: sock, name: u32, ptr: usize, lenp: usize): i32 {
  walk(FN_ip_getsockopt, 0)
  walk(FN_do_ip_getsockopt, 0)
  if (load<i32>(lenp) < 0) return -EINVAL
  const flag = inet_flag_of(name)
  if (flag) return answer_int(i32((sk.inet_flags & flag) != 0), ptr, lenp)
  switch (name) {
    case IP_OPTIONS:
      return get_options(sk, ptr, lenp)
    case IP_ROUTER_ALERT:
      return answer_int(i32((sk.inet_flags & INET_RTALERT) != 0), ptr, lenp)
    case IP_TOS:
      return answer_int(sk.tos, ptr, lenp)
    case IP_TTL:
      return answer_int(get_ttl(sk), ptr, lenp)
    case IP_MINTTL:
      return answer_int(sk.min_ttl, ptr, lenp)
    case IP_MULTICAST_TTL:
      return answer_int(sk.mc_ttl, ptr, lenp)
    case IP_MTU_DISCOVER:
      return answer_int(sk.pmtudisc, ptr, lenp)
    case IP_MTU:
      return get_mtu(sk, ptr, lenp)
    case IP_UNICAST_IF:
      return answer_int(<i32>htonl(sk.uc_index), ptr, lenp)
    case IP_MULTICAST_IF:
      return answer_address(sk.mc_addr, ptr, lenp)
    case IP_LOCAL_PORT_RANGE:
      return answer_int(<i32>sk.local_port_range, ptr, lenp)
    case IP_MSFILTER:
      return ip_getsockopt_msfilter(sk, ptr, lenp)
    case MCAST_MSFILTER:
      return ip_getsockopt_group_filter(sk, ptr, lenp)
    case IP_PROTOCOL:
      return answer_int(<i32>sk.inet_num, ptr, lenp)
    default:
      return -ENOPROTOOPT
  }
}
