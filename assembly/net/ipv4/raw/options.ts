// SOL_RAW options. Mirrors do_raw_setsockopt and do_raw_getsockopt of net/ipv4/raw.c.

import { sock } from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENOPROTOOPT, EOPNOTSUPP } from '../../../uapi/errno.ts'
import { FN_raw_getsockopt, FN_raw_setsockopt } from '../../../uapi/functions.ts'
import { ICMP_FILTER } from '../../../uapi/in.ts'
import { IPPROTO_ICMP } from '../../../uapi/socket.ts'

/** struct icmp_filter: a bit for each type that is kept away. */
const FILTER_SIZE: u32 = 4
const FILTER_AT: usize = offsetof<sock>('icmp_filter')

/** 0: the socket has such an option. */
function refused(sk: sock, name: u32): i32 {
  if (name != ICMP_FILTER) return -ENOPROTOOPT
  return sk.inet_num == IPPROTO_ICMP ? 0 : -EOPNOTSUPP
}

/** Sets an option from len bytes at ptr; of a filter as many bytes as there are. 0 or -errno. */
export function raw_setsockopt(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  walk(FN_raw_setsockopt, 0)
  const err = refused(sk, name)
  if (err) return err
  memory.copy(changetype<usize>(sk) + FILTER_AT, ptr, min(len, FILTER_SIZE))
  return 0
}

/** Answers an option into ptr; lenp is the room, then what was used. 0 or -errno. */
export function raw_getsockopt(sk: sock, name: u32, ptr: usize, lenp: usize): i32 {
  walk(FN_raw_getsockopt, 0)
  const err = refused(sk, name)
  if (err) return err
  if (load<i32>(lenp) < 0) return -EINVAL
  const len = min(load<u32>(lenp), FILTER_SIZE)
  memory.copy(ptr, changetype<usize>(sk) + FILTER_AT, len)
  store<u32>(lenp, len)
  return 0
}
