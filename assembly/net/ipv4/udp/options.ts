// SOL_UDP options. Mirrors udp_lib_setsockopt of net/ipv4/udp.c. Left out here: UDP_SEGMENT, UDP_GRO.

import { UDP_FLAGS_CORK, UDP_FLAGS_NO_CHECK6_RX, UDP_FLAGS_NO_CHECK6_TX, sock } from '../../../include/sock.ts'
import { EINVAL, ENOPROTOOPT } from '../../../uapi/errno.ts'
import {
  UDP_CORK,
  UDP_ENCAP,
  UDP_ENCAP_ESPINUDP,
  UDP_ENCAP_L2TPINUDP,
  UDP_NO_CHECK6_RX,
  UDP_NO_CHECK6_TX,
} from '../../../uapi/in.ts'
import { udp_push_pending_frames } from './cork.ts'

function flag_of(name: u32): u32 {
  switch (name) {
    case UDP_CORK:
      return UDP_FLAGS_CORK
    case UDP_NO_CHECK6_TX:
      return UDP_FLAGS_NO_CHECK6_TX
    case UDP_NO_CHECK6_RX:
      return UDP_FLAGS_NO_CHECK6_RX
    default:
      return 0
  }
}

/** Makes the socket one of a tunnel. L2TP takes its datagrams by other means; ESP once looked for stays so (encap_rcv). */
function set_encap(sk: sock, type: i32): i32 {
  if (type != 0 && type != <i32>UDP_ENCAP_ESPINUDP && type != <i32>UDP_ENCAP_L2TPINUDP) return -ENOPROTOOPT
  if (type != <i32>UDP_ENCAP_L2TPINUDP) sk.encap_rcv = 1
  sk.encap_type = type
  return 0
}

/** Sets an option: an int at ptr. 0 or -errno; uncorking sends what was collected. */
export function udp_setsockopt(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len < 4) return -EINVAL
  if (name == UDP_ENCAP) return set_encap(sk, load<i32>(ptr))
  const flag = flag_of(name)
  if (flag == 0) return -ENOPROTOOPT
  if (load<i32>(ptr)) {
    sk.udp_flags |= <u16>flag
    return 0
  }
  sk.udp_flags &= ~(<u16>flag)
  if (flag == UDP_FLAGS_CORK) udp_push_pending_frames(sk)
  return 0
}

const WORD: usize = memory.data(16, 16)

/** Answers an option into ptr; lenp is the room, then what was used. 0 or -errno. */
export function udp_getsockopt(sk: sock, name: u32, ptr: usize, lenp: usize): i32 {
  const flag = flag_of(name)
  if (flag == 0 && name != UDP_ENCAP) return -ENOPROTOOPT
  const len = min<u32>(load<u32>(lenp), 4)
  store<u32>(WORD, name == UDP_ENCAP ? sk.encap_type : u32((sk.udp_flags & (<u16>flag)) != 0))
  memory.copy(ptr, WORD, len)
  store<u32>(lenp, len)
  return 0
}
