// SOL_SOCKET options: reading. Mirrors sk_getsockopt of net/core/sock.c; layouts are those of C on x86-64.

import { DEV_NAME } from '../../include/netdevice.ts'
import { net } from '../../include/net_namespace.ts'
import {
  PROT_UDP,
  SOCK_FILTER_LOCKED,
  SOCK_LINGER,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  SOCK_ZEROCOPY,
  sock,
} from '../../include/sock.ts'
import { boot } from '../../lib/boot.ts'
import { EINVAL, ENODATA, ENODEV, ENOPROTOOPT, EOPNOTSUPP } from '../../uapi/errno.ts'
import { SKF_AD_MAX } from '../../uapi/filter.ts'
import {
  SO_ACCEPTCONN,
  SO_BINDTODEVICE,
  SO_BINDTOIFINDEX,
  SO_BPF_EXTENSIONS,
  SO_BSDCOMPAT,
  SO_BUF_LOCK,
  SO_BUSY_POLL,
  SO_COOKIE,
  SO_DOMAIN,
  SO_ERROR,
  SO_GET_FILTER,
  SO_INCOMING_CPU,
  SO_INCOMING_NAPI_ID,
  SO_LINGER,
  SO_LOCK_FILTER,
  SO_MARK,
  SO_MAX_PACING_RATE,
  SO_MEMINFO,
  SO_NETNS_COOKIE,
  SO_PEEK_OFF,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERPIDFD,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVLOWAT,
  SO_RCVTIMEO_NEW,
  SO_RCVTIMEO_OLD,
  SO_RESERVE_MEM,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDLOWAT,
  SO_SNDTIMEO_NEW,
  SO_SNDTIMEO_OLD,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPING_OLD,
  SO_TIMESTAMPNS_NEW,
  SO_TIMESTAMPNS_OLD,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMP_OLD,
  SO_TXTIME,
  SO_TYPE,
  SO_ZEROCOPY,
} from '../../uapi/socket.ts'
import { IFNAMSIZ, __dev_get_by_index } from './dev.ts'
import { sk_get_filter } from './filter.ts'
import { sock_error } from './sock.ts'
import {
  SOCK_TXTIME_SIZE,
  SO_TIMESTAMPING_SIZE,
  sock_get_timestamping,
  timestamp_on,
  timeval_of,
} from './sock_times.ts'
import { flag_of, others_option } from './sock_options.ts'

const OUT: usize = memory.data(64, 16)

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

function sock_get_timeout(ticks: u64, ptr: usize, lenp: usize): i32 {
  timeval_of(ticks, OUT)
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
    case SO_BSDCOMPAT:
    case SO_ACCEPTCONN:
    case SO_RESERVE_MEM:
    case SO_INCOMING_NAPI_ID:
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
    case SO_ZEROCOPY:
      return answer_u32(u32((sk.sk_flags & SOCK_ZEROCOPY) != 0), ptr, lenp)
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW:
      return answer_u32(u32(timestamp_on(sk, name)), ptr, lenp)
    default:
      return others_option(name) ? -EOPNOTSUPP : -ENOPROTOOPT
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
      store<u32>(OUT, <u32>(sk.sk_lingertime / <u64>boot.hz), 4)
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
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW: {
      store<u64>(OUT, sock_get_timestamping(sk, name))
      return answer(SO_TIMESTAMPING_SIZE, ptr, lenp)
    }
    case SO_TXTIME: {
      store<i32>(OUT, sk.sk_clockid)
      store<u32>(OUT, sk.sk_txtime_flags, 4)
      return answer(SOCK_TXTIME_SIZE, ptr, lenp)
    }
    case SO_MEMINFO:
      return sock_get_meminfo(sk, ptr, lenp)
    case SO_GET_FILTER:
      return sk_get_filter(sk, ptr, lenp)
    case SO_COOKIE:
      return answer_u64(sk.sk_cookie, ptr, lenp)
    case SO_NETNS_COOKIE:
      return answer_u64(<u64>changetype<net>(sk.net).id + 1, ptr, lenp)
    case SO_PEERCRED: {
      // Nobody's: no process, no user, no group.
      store<u32>(OUT, 0)
      store<i64>(OUT, -1, 4)
      return answer(12, ptr, lenp)
    }
    case SO_PEERGROUPS:
    case SO_PEERPIDFD:
      return -ENODATA
    case SO_MAX_PACING_RATE:
      return load<u32>(lenp) >= 8
        ? answer_u64(sk.sk_pacing_rate, ptr, lenp)
        : answer_u32(<u32>min<u64>(sk.sk_pacing_rate, 0xffffffff), ptr, lenp)
    default:
      return sock_get_int(sk, name, ptr, lenp)
  }
}
