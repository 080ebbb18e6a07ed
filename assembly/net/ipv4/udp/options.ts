// SOL_UDP options. Mirrors udp_lib_setsockopt and udp_lib_getsockopt of net/ipv4/udp.c.

import {
  UDP_FLAGS_CORK,
  UDP_FLAGS_GRO_ENABLED,
  UDP_FLAGS_NO_CHECK6_RX,
  UDP_FLAGS_NO_CHECK6_TX,
  sock,
} from '../../../include/sock.ts'
import { EINVAL, ENOPROTOOPT } from '../../../uapi/errno.ts'
import {
  UDPLITE_RECV_CSCOV,
  UDPLITE_SEND_CSCOV,
  UDP_CORK,
  UDP_ENCAP,
  UDP_ENCAP_ESPINUDP,
  UDP_ENCAP_L2TPINUDP,
  UDP_GRO,
  UDP_NO_CHECK6_RX,
  UDP_NO_CHECK6_TX,
  UDP_SEGMENT,
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
    case UDP_GRO:
      return UDP_FLAGS_GRO_ENABLED
    default:
      return 0
  }
}

/** Makes the socket one of a tunnel. L2TP takes its datagrams by other means; ESP once looked for stays so (encap_rcv). */
function set_encap(sk: sock, value: u32): i32 {
  if (value != 0 && value != UDP_ENCAP_ESPINUDP && value != UDP_ENCAP_L2TPINUDP) return -ENOPROTOOPT
  if (value != UDP_ENCAP_L2TPINUDP) sk.encap_rcv = 1
  sk.encap_type = value
  return 0
}

/** Sets an option: an int at ptr. 0 or -errno; uncorking sends what was collected. */
export function udp_setsockopt(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len < 4) return -EINVAL
  const value = load<i32>(ptr)
  const flag = flag_of(name)
  if (flag) {
    if (value) {
      sk.udp_flags |= <u16>flag
      return 0
    }
    sk.udp_flags &= ~(<u16>flag)
    if (flag == UDP_FLAGS_CORK) udp_push_pending_frames(sk)
    return 0
  }
  if (name == UDP_ENCAP) return set_encap(sk, <u32>value)
  if (name != UDP_SEGMENT) return -ENOPROTOOPT
  if (value < 0 || value > 65535) return -EINVAL
  sk.gso_size = <u16>value
  return 0
}

/** The value of an option, -ENOPROTOOPT: there is none such. */
function value_of(sk: sock, name: u32): i32 {
  const flag = flag_of(name)
  if (flag) return i32((sk.udp_flags & (<u16>flag)) != 0)
  switch (name) {
    case UDP_ENCAP:
      return <i32>sk.encap_type
    case UDP_SEGMENT:
      return <i32>sk.gso_size
    case UDPLITE_SEND_CSCOV:
    case UDPLITE_RECV_CSCOV:
      return 0 // of the other protocol, but there to be read
    default:
      return -ENOPROTOOPT
  }
}

const WORD: usize = memory.data(16, 16)

/** Answers an option into ptr; lenp is the room, then what was used. 0 or -errno. */
export function udp_getsockopt(sk: sock, name: u32, ptr: usize, lenp: usize): i32 {
  if (load<i32>(lenp) < 0) return -EINVAL
  const value = value_of(sk, name)
  if (value < 0) return value
  const len = min<u32>(load<u32>(lenp), 4)
  store<i32>(WORD, value)
  memory.copy(ptr, WORD, len)
  store<u32>(lenp, len)
  return 0
}
