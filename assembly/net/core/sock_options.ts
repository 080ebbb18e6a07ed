// SOL_SOCKET options. Mirrors sk_setsockopt and sk_getsockopt of net/core/sock.c; layouts are those of C on x86-64.
// Every caller has all capabilities. Left out here: time stamping beyond receive times, zero copy, SO_TXTIME.

import { DEV_NAME } from '../../include/netdevice.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import {
  PROT_UDP,
  SK_CAN_REUSE,
  SOCK_BROADCAST,
  SOCK_FILTER_LOCKED,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_LOCALROUTE,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  SOCK_NO_CHECK_TX,
  SOCK_OOBINLINE,
  SOCK_RCVBUF_LOCK,
  SOCK_RCVMARK,
  SOCK_RCVPRIORITY,
  SOCK_RCVTSTAMPNS,
  SOCK_RXQ_OVFL,
  SOCK_SELECT_ERRQUEUE,
  SOCK_SNDBUF_LOCK,
  SOCK_TIMESTAMP,
  SOCK_TSTAMP_NEW,
  SOCK_TXREHASH_OFF,
  sock,
} from '../../include/sock.ts'
import { EDOM, EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../../uapi/errno.ts'
import { SKF_AD_MAX } from '../../uapi/filter.ts'
import {
  AF_INET,
  AF_INET6,
  SO_ACCEPTCONN,
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_BINDTODEVICE,
  SO_BINDTOIFINDEX,
  SO_BPF_EXTENSIONS,
  SO_BROADCAST,
  SO_BSDCOMPAT,
  SO_BUF_LOCK,
  SO_BUSY_POLL,
  SO_COOKIE,
  SO_DEBUG,
  SO_DETACH_FILTER,
  SO_DETACH_REUSEPORT_BPF,
  SO_DOMAIN,
  SO_DONTROUTE,
  SO_ERROR,
  SO_GET_FILTER,
  SO_INCOMING_CPU,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_LOCK_FILTER,
  SO_MARK,
  SO_MAX_PACING_RATE,
  SO_MEMINFO,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_PEEK_OFF,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVMARK,
  SO_RCVPRIORITY,
  SO_RCVTIMEO_NEW,
  SO_RCVTIMEO_OLD,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_RXQ_OVFL,
  SO_SELECT_ERR_QUEUE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO_NEW,
  SO_SNDTIMEO_OLD,
  SO_TIMESTAMPNS_NEW,
  SO_TIMESTAMPNS_OLD,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMP_OLD,
  SO_TXREHASH,
  SO_TYPE,
} from '../../uapi/socket.ts'
import { SYSCTL_CORE_RMEM_MAX, SYSCTL_CORE_WMEM_MAX } from '../../uapi/sysctl.ts'
import { IFNAMSIZ, __dev_get_by_index, __dev_get_by_name } from './dev.ts'
import { sk_attach_filter, sk_detach_filter, sk_get_filter } from './filter.ts'
import { sk_dst_reset, sock_def_write_space, sock_error, sock_valbool_flag } from './sock.ts'
import {
  reuseport_detach_prog,
  reuseport_detach_sock,
  reuseport_update_incoming_cpu,
  sk_reuseport_attach_filter,
} from './sock_reuseport.ts'

const NAME: usize = memory.data(16, 16)
const OUT: usize = memory.data(64, 16)

/** Twice what was asked for, as Linux counts its own overhead, within what an int holds. */
function doubled(value: i32, least: i32): i32 {
  return max(min(value, i32.MAX_VALUE / 2) * 2, least)
}

/** Sets the send buffer to twice value bytes (SO_SNDBUF: up to net.core.wmem_max). */
export function sock_set_sndbuf(sk: sock, value: i32): void {
  sk.sk_userlocks |= <u8>SOCK_SNDBUF_LOCK
  sk.sk_sndbuf = doubled(value, SOCK_MIN_SNDBUF)
  sock_def_write_space(sk)
}

export function sock_set_rcvbuf(sk: sock, value: i32): void {
  sk.sk_userlocks |= <u8>SOCK_RCVBUF_LOCK
  sk.sk_rcvbuf = doubled(value, SOCK_MIN_RCVBUF)
}

/** A value as large as a sysctl allows; negative ones count as huge. */
function capped(sk: sock, value: i32, id: u32): i32 {
  return <i32>min<u32>(<u32>value, <u32>sysctl(changetype<net>(sk.net), id))
}

/** Only packets of this device from now on, 0: of any. */
function sock_bindtoindex(sk: sock, ifindex: u32): i32 {
  sk.sk_bound_dev_if = ifindex
  if (sk.sk_reuseport_cb && sk.inet_num) reuseport_detach_sock(sk)
  sk_dst_reset(sk)
  return 0
}

/** SO_BINDTODEVICE: a name of len bytes, ended by 0 or not; an empty one unbinds. */
function sock_setbindtodevice(sk: sock, ptr: usize, len: u32): i32 {
  memory.fill(NAME, 0, IFNAMSIZ)
  memory.copy(NAME, ptr, min<u32>(len, IFNAMSIZ - 1))
  if (load<u8>(NAME) == 0) return sock_bindtoindex(sk, 0)
  const dev = __dev_get_by_name(changetype<net>(sk.net), NAME)
  return changetype<usize>(dev) ? sock_bindtoindex(sk, dev.ifindex) : -ENODEV
}

function sock_setbindtoifindex(sk: sock, ifindex: i32): i32 {
  if (ifindex < 0) return -EINVAL
  if (ifindex && changetype<usize>(__dev_get_by_index(changetype<net>(sk.net), ifindex)) == 0) return -ENODEV
  return sock_bindtoindex(sk, ifindex)
}

/** struct timeval in ns, 0 seconds and microseconds: for ever. */
function sock_set_timeout(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len < 16) return -EINVAL
  const seconds = load<i64>(ptr)
  const micros = load<i64>(ptr, 8)
  if (micros < 0 || micros >= 1000000) return -EDOM
  let ns = u64.MAX_VALUE
  if (seconds < 0) ns = 0
  else if ((seconds | micros) != 0 && seconds < 1000000000) ns = <u64>seconds * 1000000000 + <u64>micros * 1000
  if (name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW) sk.sk_rcvtimeo = ns
  else sk.sk_sndtimeo = ns
  return 0
}

function sock_set_timestamp(sk: sock, name: u32, on: bool): void {
  const ns = name == SO_TIMESTAMPNS_OLD || name == SO_TIMESTAMPNS_NEW
  sock_valbool_flag(sk, SOCK_TIMESTAMP, on)
  sock_valbool_flag(sk, SOCK_RCVTSTAMPNS, on && ns)
  sock_valbool_flag(sk, SOCK_TSTAMP_NEW, on && (name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW))
}

function sock_set_linger(sk: sock, ptr: usize, len: u32): i32 {
  if (len < 8) return -EINVAL
  const on = load<i32>(ptr) != 0
  if (on) sk.sk_lingertime = load<u32>(ptr, 4)
  sock_valbool_flag(sk, SOCK_LINGER, on)
  return 0
}

/** Once locked, the program stays as it is, and the lock too. */
function sock_lock_filter(sk: sock, on: bool): i32 {
  if (sk.sk_flags & SOCK_FILTER_LOCKED && !on) return -EPERM
  sock_valbool_flag(sk, SOCK_FILTER_LOCKED, on)
  return 0
}

function sock_set_mark(sk: sock, mark: u32): void {
  if (sk.sk_mark == mark) return
  sk.sk_mark = mark
  sk_dst_reset(sk)
}

/** The flag that an on-or-off option is, 0: it is none. */
function flag_of(name: u32): u32 {
  switch (name) {
    case SO_BROADCAST:
      return SOCK_BROADCAST
    case SO_KEEPALIVE:
      return SOCK_KEEPOPEN
    case SO_OOBINLINE:
      return SOCK_OOBINLINE
    case SO_NO_CHECK:
      return SOCK_NO_CHECK_TX
    case SO_RXQ_OVFL:
      return SOCK_RXQ_OVFL
    case SO_SELECT_ERR_QUEUE:
      return SOCK_SELECT_ERRQUEUE
    case SO_RCVMARK:
      return SOCK_RCVMARK
    case SO_RCVPRIORITY:
      return SOCK_RCVPRIORITY
    case SO_DONTROUTE:
      return SOCK_LOCALROUTE
    default:
      return 0
  }
}

/** Those with FORCE know no limit but take negative values for 0. */
function sock_set_buffer(sk: sock, name: u32, value: i32): void {
  if (name == SO_SNDBUF) sock_set_sndbuf(sk, capped(sk, value, SYSCTL_CORE_WMEM_MAX))
  else if (name == SO_RCVBUF) sock_set_rcvbuf(sk, capped(sk, value, SYSCTL_CORE_RMEM_MAX))
  else if (name == SO_SNDBUFFORCE) sock_set_sndbuf(sk, max(value, 0))
  else sock_set_rcvbuf(sk, max(value, 0))
}

/** Options that are one int. 0 or -errno. */
function sock_set_int(sk: sock, name: u32, value: i32): i32 {
  switch (name) {
    case SO_DEBUG:
    case SO_BSDCOMPAT:
      return 0
    case SO_REUSEADDR: {
      sk.sk_reuse = <u8>(value ? SK_CAN_REUSE : 0)
      return 0
    }
    case SO_REUSEPORT: {
      if (value && sk.sk_family != <u16>AF_INET && sk.sk_family != <u16>AF_INET6) return -EOPNOTSUPP
      sk.sk_reuseport = <u8>(value ? 1 : 0)
      return 0
    }
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
    case SO_RCVBUF:
    case SO_RCVBUFFORCE: {
      sock_set_buffer(sk, name, value)
      return 0
    }
    case SO_PRIORITY: {
      sk.sk_priority = <u32>value
      return 0
    }
    case SO_MARK: {
      sock_set_mark(sk, <u32>value)
      return 0
    }
    case SO_RCVLOWAT: {
      sk.sk_rcvlowat = value < 0 ? i32.MAX_VALUE : value ? value : 1
      return 0
    }
    case SO_PEEK_OFF: {
      if (sk.sk_prot != PROT_UDP) return -EOPNOTSUPP
      sk.sk_peek_off = value
      return 0
    }
    case SO_INCOMING_CPU: {
      reuseport_update_incoming_cpu(sk, value)
      return 0
    }
    case SO_BINDTOIFINDEX:
      return sock_setbindtoifindex(sk, value)
    case SO_BUSY_POLL: {
      if (value < 0) return -EINVAL
      sk.sk_busy_poll = <u32>value
      return 0
    }
    case SO_BUF_LOCK: {
      if (value & ~(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK)) return -EINVAL
      sk.sk_userlocks = <u8>((sk.sk_userlocks & ~(<u8>(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK))) | (<u8>value))
      return 0
    }
    case SO_TXREHASH: {
      if (value < -1 || value > 1) return -EINVAL
      sock_valbool_flag(sk, SOCK_TXREHASH_OFF, value == 0)
      return 0
    }
    default:
      return -ENOPROTOOPT
  }
}

/** Sets an option: its value is len bytes at ptr. 0 or -errno. */
export function sock_setsockopt(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (name == SO_BINDTODEVICE) return sock_setbindtodevice(sk, ptr, len)
  if (len < 4) return -EINVAL
  const value = load<i32>(ptr)
  const flag = flag_of(name)
  if (flag) {
    sock_valbool_flag(sk, flag, value != 0)
    if (flag == SOCK_LOCALROUTE) sk_dst_reset(sk)
    return 0
  }
  switch (name) {
    case SO_LINGER:
      return sock_set_linger(sk, ptr, len)
    case SO_ATTACH_FILTER:
      return sk_attach_filter(sk, ptr, len)
    case SO_ATTACH_REUSEPORT_CBPF:
      return sk_reuseport_attach_filter(sk, ptr, len)
    case SO_DETACH_REUSEPORT_BPF:
      return reuseport_detach_prog(sk)
    case SO_DETACH_FILTER:
      return sk_detach_filter(sk)
    case SO_LOCK_FILTER:
      return sock_lock_filter(sk, value != 0)
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
      return sock_set_timeout(sk, name, ptr, len)
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW: {
      sock_set_timestamp(sk, name, value != 0)
      return 0
    }
    case SO_MAX_PACING_RATE: {
      sk.sk_pacing_rate = len >= 8 ? load<u64>(ptr) : value == -1 ? u64.MAX_VALUE : <u64>(<u32>value)
      return 0
    }
    default:
      return sock_set_int(sk, name, value)
  }
}

/** SO_TIMESTAMP and its kin are on when it is this kind that was asked for last. */
function timestamp_on(sk: sock, name: u32): bool {
  if (!(sk.sk_flags & SOCK_TIMESTAMP)) return false
  const ns = name == SO_TIMESTAMPNS_OLD || name == SO_TIMESTAMPNS_NEW
  const modern = name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW
  return ns == ((sk.sk_flags & SOCK_RCVTSTAMPNS) != 0) && modern == ((sk.sk_flags & SOCK_TSTAMP_NEW) != 0)
}

/** Answers up to size bytes of OUT. */
function answer(size: u32, ptr: usize, lenp: usize): i32 {
  const len = min<u32>(load<u32>(lenp), size)
  memory.copy(ptr, OUT, len)
  store<u32>(lenp, len)
  return 0
}

function answer_u32(value: u32, ptr: usize, lenp: usize): i32 {
  store<u32>(OUT, value)
  return answer(4, ptr, lenp)
}

function answer_u64(value: u64, ptr: usize, lenp: usize): i32 {
  if (load<u32>(lenp) < 8) return -EINVAL
  store<u64>(OUT, value)
  return answer(8, ptr, lenp)
}

/** The name of the device it is bound to, with its 0. */
function sock_getbindtodevice(sk: sock, ptr: usize, lenp: usize): i32 {
  if (sk.sk_bound_dev_if == 0) {
    store<u32>(lenp, 0)
    return 0
  }
  if (load<u32>(lenp) < IFNAMSIZ) return -EINVAL
  const dev = __dev_get_by_index(changetype<net>(sk.net), sk.sk_bound_dev_if)
  if (changetype<usize>(dev) == 0) return -ENODEV
  const name = changetype<usize>(dev) + DEV_NAME
  let bytes: u32 = 1
  while (load<u8>(name + bytes - 1)) bytes++
  memory.copy(OUT, name, bytes)
  return answer(bytes, ptr, lenp)
}

/** sk_get_meminfo: nine numbers, the last of them drops. */
function sock_get_meminfo(sk: sock, ptr: usize, lenp: usize): i32 {
  memory.fill(OUT, 0, 36)
  store<i32>(OUT, sk.sk_rmem_alloc)
  store<i32>(OUT, sk.sk_rcvbuf, 4)
  store<i32>(OUT, sk.sk_wmem_alloc, 8)
  store<i32>(OUT, sk.sk_sndbuf, 12)
  store<i32>(OUT, sk.sk_forward_alloc, 16)
  store<u32>(OUT, sk.sk_omem_alloc, 24)
  store<u32>(OUT, sk.backlog_len, 28)
  store<u32>(OUT, sk.sk_drops, 32)
  return answer(36, ptr, lenp)
}

function sock_get_timeout(ns: u64, ptr: usize, lenp: usize): i32 {
  const value: u64 = ns == u64.MAX_VALUE ? 0 : ns
  store<u64>(OUT, value / 1000000000)
  store<u64>(OUT, (value % 1000000000) / 1000, 8)
  return answer(16, ptr, lenp)
}

/** SO_ERROR takes the error it answers. */
function take_error(sk: sock): u32 {
  const err = -sock_error(sk)
  if (err) return <u32>err
  const soft = sk.sk_err_soft
  sk.sk_err_soft = 0
  return <u32>soft
}

function sock_get_int(sk: sock, name: u32, ptr: usize, lenp: usize): i32 {
  switch (name) {
    case SO_DEBUG:
    case SO_BSDCOMPAT:
    case SO_ACCEPTCONN:
      return answer_u32(0, ptr, lenp)
    case SO_REUSEADDR:
      return answer_u32(sk.sk_reuse, ptr, lenp)
    case SO_REUSEPORT:
      return answer_u32(sk.sk_reuseport, ptr, lenp)
    case SO_SNDBUF:
      return answer_u32(sk.sk_sndbuf, ptr, lenp)
    case SO_RCVBUF:
      return answer_u32(sk.sk_rcvbuf, ptr, lenp)
    case SO_TYPE:
      return answer_u32(sk.sk_type, ptr, lenp)
    case SO_PROTOCOL:
      return answer_u32(sk.sk_protocol, ptr, lenp)
    case SO_DOMAIN:
      return answer_u32(sk.sk_family, ptr, lenp)
    case SO_ERROR:
      return answer_u32(take_error(sk), ptr, lenp)
    case SO_PRIORITY:
      return answer_u32(sk.sk_priority, ptr, lenp)
    case SO_MARK:
      return answer_u32(sk.sk_mark, ptr, lenp)
    case SO_RCVLOWAT:
      return answer_u32(sk.sk_rcvlowat, ptr, lenp)
    case SO_SNDLOWAT:
      return answer_u32(1, ptr, lenp)
    case SO_PEEK_OFF:
      return sk.sk_prot == PROT_UDP ? answer_u32(sk.sk_peek_off, ptr, lenp) : -EOPNOTSUPP
    case SO_INCOMING_CPU:
      return answer_u32(sk.sk_incoming_cpu, ptr, lenp)
    case SO_BINDTOIFINDEX:
      return answer_u32(sk.sk_bound_dev_if, ptr, lenp)
    case SO_BUSY_POLL:
      return answer_u32(sk.sk_busy_poll, ptr, lenp)
    case SO_BUF_LOCK:
      return answer_u32(sk.sk_userlocks & (<u8>(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK)), ptr, lenp)
    case SO_LOCK_FILTER:
      return answer_u32(u32((sk.sk_flags & SOCK_FILTER_LOCKED) != 0), ptr, lenp)
    case SO_BPF_EXTENSIONS:
      return answer_u32(SKF_AD_MAX, ptr, lenp)
    case SO_TXREHASH:
      return answer_u32(u32(!(sk.sk_flags & SOCK_TXREHASH_OFF)), ptr, lenp)
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW:
      return answer_u32(u32(timestamp_on(sk, name)), ptr, lenp)
    default:
      return -ENOPROTOOPT
  }
}

/** Answers an option into ptr; lenp is the room, then what was used. 0 or -errno. */
export function sock_getsockopt(sk: sock, name: u32, ptr: usize, lenp: usize): i32 {
  if (load<i32>(lenp) < 0) return -EINVAL
  const flag = flag_of(name)
  if (flag) return answer_u32(u32((sk.sk_flags & flag) != 0), ptr, lenp)
  switch (name) {
    case SO_LINGER: {
      store<u32>(OUT, u32((sk.sk_flags & SOCK_LINGER) != 0))
      store<u32>(OUT, sk.sk_lingertime, 4)
      return answer(8, ptr, lenp)
    }
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
      return sock_get_timeout(sk.sk_rcvtimeo, ptr, lenp)
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
      return sock_get_timeout(sk.sk_sndtimeo, ptr, lenp)
    case SO_BINDTODEVICE:
      return sock_getbindtodevice(sk, ptr, lenp)
    case SO_MEMINFO:
      return sock_get_meminfo(sk, ptr, lenp)
    case SO_GET_FILTER:
      return sk_get_filter(sk, ptr, lenp)
    case SO_COOKIE:
      return answer_u64(sk.sk_cookie, ptr, lenp)
    case SO_MAX_PACING_RATE:
      return load<u32>(lenp) >= 8
        ? answer_u64(sk.sk_pacing_rate, ptr, lenp)
        : answer_u32(<u32>min<u64>(sk.sk_pacing_rate, 0xffffffff), ptr, lenp)
    default:
      return sock_get_int(sk, name, ptr, lenp)
  }
}
