// SOL_SOCKET options: setting. Mirrors sk_setsockopt of net/core/sock.c; layouts are those of C on x86-64.
// Every caller has all capabilities. Reading: sock_getsockopt.ts. Options about time: sock_times.ts.

import { net, sysctl } from '../../include/net_namespace.ts'
import {
  PROT_TCP,
  PROT_UDP,
  SK_CAN_REUSE,
  SOCK_BROADCAST,
  SOCK_DBG,
  SOCK_FILTER_LOCKED,
  SOCK_KEEPOPEN,
  SOCK_LOCALROUTE,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  SOCK_NOFCS,
  SOCK_NO_CHECK_TX,
  SOCK_OOBINLINE,
  SOCK_PREFER_BUSY_POLL,
  SOCK_RCVBUF_LOCK,
  SOCK_RCVMARK,
  SOCK_RCVPRIORITY,
  SOCK_RXQ_OVFL,
  SOCK_SELECT_ERRQUEUE,
  SOCK_SNDBUF_LOCK,
  SOCK_WIFI_STATUS,
  SOCK_ZEROCOPY,
  sock,
} from '../../include/sock.ts'
import { EBADF, EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../../uapi/errno.ts'
import {
  AF_INET,
  AF_INET6,
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_BINDTODEVICE,
  SO_BINDTOIFINDEX,
  SO_BROADCAST,
  SO_BSDCOMPAT,
  SO_BUF_LOCK,
  SO_BUSY_POLL,
  SO_BUSY_POLL_BUDGET,
  SO_CNX_ADVICE,
  SO_DEBUG,
  SO_DETACH_FILTER,
  SO_DETACH_REUSEPORT_BPF,
  SO_DEVMEM_DONTNEED,
  SO_DONTROUTE,
  SO_INCOMING_CPU,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_LOCK_FILTER,
  SO_MARK,
  SO_MAX_PACING_RATE,
  SO_NOFCS,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SO_PASSRIGHTS,
  SO_PASSSEC,
  SO_PEEK_OFF,
  SO_PREFER_BUSY_POLL,
  SO_PRIORITY,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVMARK,
  SO_RCVPRIORITY,
  SO_RCVTIMEO_NEW,
  SO_RCVTIMEO_OLD,
  SO_RESERVE_MEM,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_RXQ_OVFL,
  SO_SELECT_ERR_QUEUE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDTIMEO_NEW,
  SO_SNDTIMEO_OLD,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPING_OLD,
  SO_TIMESTAMPNS_NEW,
  SO_TIMESTAMPNS_OLD,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMP_OLD,
  SO_TXREHASH,
  SO_TXTIME,
  SO_WIFI_STATUS,
  SO_ZEROCOPY,
} from '../../uapi/socket.ts'
import { SYSCTL_CORE_RMEM_MAX, SYSCTL_CORE_WMEM_MAX } from '../../uapi/sysctl.ts'
import { IFNAMSIZ, __dev_get_by_name } from './dev.ts'
import { sk_attach_filter, sk_detach_filter } from './filter.ts'
import { sk_dst_reset, sock_valbool_flag } from './sock.ts'
import { sock_def_write_space } from './sock_wmem.ts'
import {
  reuseport_detach_prog,
  reuseport_detach_sock,
  reuseport_update_incoming_cpu,
  sk_reuseport_attach_filter,
} from './sock_reuseport.ts'
import {
  sock_set_linger,
  sock_set_timeout,
  sock_set_timestamp,
  sock_set_timestamping,
  sock_set_txtime,
} from './sock_times.ts'

const NAME: usize = memory.data(16, 16)

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

/** SO_BINDTOIFINDEX: of any device, even one that there is not yet. */
function sock_setbindtoifindex(sk: sock, ifindex: i32): i32 {
  return ifindex < 0 ? -EINVAL : sock_bindtoindex(sk, ifindex)
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
export function flag_of(name: u32): u32 {
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
    case SO_DEBUG:
      return SOCK_DBG
    case SO_WIFI_STATUS:
      return SOCK_WIFI_STATUS
    case SO_NOFCS:
      return SOCK_NOFCS
    case SO_PREFER_BUSY_POLL:
      return SOCK_PREFER_BUSY_POLL
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
    case SO_BSDCOMPAT:
    case SO_CNX_ADVICE:
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
    case SO_BUSY_POLL_BUDGET:
      return value < 0 || value > 65535 ? -EINVAL : 0
    case SO_ZEROCOPY: {
      if (sk.sk_prot > PROT_TCP) return -EOPNOTSUPP
      if (value < 0 || value > 1) return -EINVAL
      sock_valbool_flag(sk, SOCK_ZEROCOPY, value == 1)
      return 0
    }
    case SO_RESERVE_MEM:
      return value < 0 ? -EINVAL : -EOPNOTSUPP // no memory control group
    case SO_DEVMEM_DONTNEED:
      return -EBADF // a stream's
    default:
      return others_option(name) ? -EOPNOTSUPP : -ENOPROTOOPT
  }
}

/** Options of streams and of local sockets only. */
export function others_option(name: u32): bool {
  switch (name) {
    case SO_PASSCRED:
    case SO_PASSSEC:
    case SO_PASSPIDFD:
    case SO_PASSRIGHTS:
    case SO_TXREHASH:
      return true
    default:
      return false
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
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW:
      return sock_set_timestamping(sk, name, <u32>value)
    case SO_TXTIME:
      return sock_set_txtime(sk, ptr, len)
    case SO_MAX_PACING_RATE: {
      sk.sk_pacing_rate = len >= 8 ? load<u64>(ptr) : value == -1 ? u64.MAX_VALUE : <u64>(<u32>value)
      return 0
    }
    default:
      return sock_set_int(sk, name, value)
  }
}
