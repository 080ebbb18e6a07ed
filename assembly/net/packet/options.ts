// Options of packet sockets (SOL_PACKET). Mirrors packet_setsockopt and packet_getsockopt of net/packet/af_packet.c.
// Rings and fanout groups are refused as options that do not exist; switches that only rings read keep their value.

import {
  PACKET_SOCK_AUXDATA,
  PACKET_SOCK_ORIGDEV,
  PACKET_SOCK_QDISC_BYPASS,
  PACKET_SOCK_TP_LOSS,
  PACKET_SOCK_TX_HAS_OFF,
  packet_sock,
  prot_hook,
} from '../../include/packet.ts'
import { sock } from '../../include/sock.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL, ENOPROTOOPT } from '../../uapi/errno.ts'
import { FN_packet_getsockopt, FN_packet_setsockopt } from '../../uapi/functions.ts'
import {
  PACKET_ADD_MEMBERSHIP,
  PACKET_AUXDATA,
  PACKET_COPY_THRESH,
  PACKET_DROP_MEMBERSHIP,
  PACKET_FANOUT,
  PACKET_FANOUT_DATA,
  PACKET_HDRLEN,
  PACKET_IGNORE_OUTGOING,
  PACKET_LOSS,
  PACKET_ORIGDEV,
  PACKET_QDISC_BYPASS,
  PACKET_RESERVE,
  PACKET_ROLLOVER_STATS,
  PACKET_RX_RING,
  PACKET_STATISTICS,
  PACKET_TIMESTAMP,
  PACKET_TX_HAS_OFF,
  PACKET_TX_RING,
  PACKET_VERSION,
  PACKET_VNET_HDR,
  PACKET_VNET_HDR_SZ,
  TPACKET_V1,
  TPACKET_V2,
  TPACKET_V3,
} from '../../uapi/in.ts'
import { SOCK_RAW, SOL_PACKET } from '../../uapi/socket.ts'
import { VIRTIO_NET_HDR_MRG_RXBUF_SIZE, VIRTIO_NET_HDR_SIZE } from '../core/virtio_net.ts'
import { packet_sk } from './hook.ts'
import { packet_membership } from './mclist.ts'

/** sizeof of a frame's header in a ring: tpacket_hdr, tpacket2_hdr, tpacket3_hdr. */
const TPACKET_HDRLEN: usize = memory.data<u32>([32, 32, 48])
/** What a ring is asked for with (tpacket_req). */
const TPACKET_REQ_SIZE: u32 = 16
/** struct tpacket_stats, and tpacket_stats_v3 with a third number. */
const TPACKET_STATS_SIZE: u32 = 8
const TPACKET_STATS_V3_SIZE: u32 = 12

const OUT: usize = memory.data(16, 16)

/** The switch that an on-or-off option is, 0: it is none. */
function flag_of(name: u32): u32 {
  switch (name) {
    case PACKET_AUXDATA:
      return PACKET_SOCK_AUXDATA
    case PACKET_ORIGDEV:
      return PACKET_SOCK_ORIGDEV
    case PACKET_TX_HAS_OFF:
      return PACKET_SOCK_TX_HAS_OFF
    case PACKET_LOSS:
      return PACKET_SOCK_TP_LOSS
    case PACKET_QDISC_BYPASS:
      return PACKET_SOCK_QDISC_BYPASS
    default:
      return 0
  }
}

/** Options whose value may be longer than the int that is read of it. */
function may_be_longer(name: u32): bool {
  return name == PACKET_AUXDATA || name == PACKET_ORIGDEV || name == PACKET_VNET_HDR || name == PACKET_VNET_HDR_SZ
}

/** PACKET_VNET_HDR: on or off; PACKET_VNET_HDR_SZ: a size, 0 is off. */
function set_vnet(sk: sock, name: u32, value: i32): i32 {
  let size = value ? VIRTIO_NET_HDR_SIZE : 0
  if (name == PACKET_VNET_HDR_SZ) {
    size = <u32>value
    if (size && size != VIRTIO_NET_HDR_SIZE && size != VIRTIO_NET_HDR_MRG_RXBUF_SIZE) return -EINVAL
  }
  packet_sk(sk).vnet_hdr_sz = size
  return 0
}

/** Options that are one int. 0 or -errno. */
function set_int(sk: sock, po: packet_sock, name: u32, value: i32): i32 {
  const flag = flag_of(name)
  if (flag) {
    po.flags = value ? po.flags | flag : po.flags & ~flag
    return 0
  }
  switch (name) {
    case PACKET_VNET_HDR:
    case PACKET_VNET_HDR_SZ:
      return set_vnet(sk, name, value)
    case PACKET_COPY_THRESH: {
      po.copy_thresh = <u32>value
      return 0
    }
    case PACKET_TIMESTAMP: {
      po.tp_tstamp = <u32>value
      return 0
    }
    case PACKET_VERSION: {
      const known = <u32>value == TPACKET_V1 || <u32>value == TPACKET_V2 || <u32>value == TPACKET_V3
      if (known) po.tp_version = <u32>value
      return known ? 0 : -EINVAL
    }
    case PACKET_RESERVE: {
      if (value < 0) return -EINVAL
      po.tp_reserve = <u32>value
      return 0
    }
    case PACKET_IGNORE_OUTGOING: {
      if (<u32>value > 1) return -EINVAL
      prot_hook(po).ignore_outgoing = <u32>value
      return 0
    }
    default:
      return -ENOPROTOOPT
  }
}

function is_int(name: u32): bool {
  if (flag_of(name)) return true
  switch (name) {
    case PACKET_VNET_HDR:
    case PACKET_VNET_HDR_SZ:
    case PACKET_COPY_THRESH:
    case PACKET_TIMESTAMP:
    case PACKET_VERSION:
    case PACKET_RESERVE:
    case PACKET_IGNORE_OUTGOING:
      return true
    default:
      return false
  }
}

/** Sets an option: its value is len bytes at ptr. 0 or -errno. */
export function packet_setsockopt(sk: sock, level: u32, name: u32, ptr: usize, len: u32): i32 {
  walk(FN_packet_setsockopt, 0)
  if (level != SOL_PACKET) return -ENOPROTOOPT
  if (name == PACKET_ADD_MEMBERSHIP || name == PACKET_DROP_MEMBERSHIP) return packet_membership(sk, name, ptr, len)
  if (name == PACKET_RX_RING || name == PACKET_TX_RING) return len < TPACKET_REQ_SIZE ? -EINVAL : -ENOPROTOOPT
  if (name == PACKET_FANOUT_DATA) return -EINVAL // the socket is in no group
  if (!is_int(name)) return -ENOPROTOOPT
  const vnet = name == PACKET_VNET_HDR || name == PACKET_VNET_HDR_SZ
  if (vnet && sk.sk_type != <u16>SOCK_RAW) return -EINVAL
  if (len < 4 || (len > 4 && !may_be_longer(name))) return -EINVAL
  return set_int(sk, packet_sk(sk), name, load<i32>(ptr))
}

/** Answers up to size bytes of OUT. */
function answer(size: u32, ptr: usize, lenp: usize): i32 {
  const len = min<u32>(load<u32>(lenp), size)
  memory.copy(ptr, OUT, len)
  store<u32>(lenp, len)
  return 0
}

/** PACKET_STATISTICS: packets (lost ones included) and drops since it was last asked, which begin again at 0. */
function get_statistics(po: packet_sock, ptr: usize, lenp: usize): i32 {
  store<u32>(OUT, po.tp_packets + po.tp_drops)
  store<u32>(OUT, po.tp_drops, 4)
  store<u32>(OUT, 0, 8)
  po.tp_packets = 0
  po.tp_drops = 0
  return answer(po.tp_version == TPACKET_V3 ? TPACKET_STATS_V3_SIZE : TPACKET_STATS_SIZE, ptr, lenp)
}

/** PACKET_HDRLEN: the buffer says of which version. */
function get_hdrlen(ptr: usize, lenp: usize): i32 {
  if (load<u32>(lenp) < 4) return -EINVAL
  const version = load<u32>(ptr)
  if (version > TPACKET_V3) return -EINVAL
  store<u32>(OUT, load<u32>(TPACKET_HDRLEN + ((<usize>version) << 2)))
  return answer(4, ptr, lenp)
}

/** The value of an option that is one int; 0 for a group that the socket is not in. */
function get_int(po: packet_sock, name: u32): u32 {
  const flag = flag_of(name)
  if (flag) return u32((po.flags & flag) != 0)
  switch (name) {
    case PACKET_VNET_HDR:
      return u32(po.vnet_hdr_sz != 0)
    case PACKET_VNET_HDR_SZ:
      return po.vnet_hdr_sz
    case PACKET_COPY_THRESH:
      return po.copy_thresh
    case PACKET_TIMESTAMP:
      return po.tp_tstamp
    case PACKET_VERSION:
      return po.tp_version
    case PACKET_RESERVE:
      return po.tp_reserve
    case PACKET_IGNORE_OUTGOING:
      return prot_hook(po).ignore_outgoing
    default:
      return 0
  }
}

/** Answers an option into ptr; lenp is the room, then what was used. 0 or -errno. */
export function packet_getsockopt(sk: sock, level: u32, name: u32, ptr: usize, lenp: usize): i32 {
  walk(FN_packet_getsockopt, 0)
  if (level != SOL_PACKET) return -ENOPROTOOPT
  if (load<i32>(lenp) < 0) return -EINVAL
  const po = packet_sk(sk)
  if (name == PACKET_STATISTICS) return get_statistics(po, ptr, lenp)
  if (name == PACKET_HDRLEN) return get_hdrlen(ptr, lenp)
  if (name == PACKET_ROLLOVER_STATS) return -EINVAL // only groups that roll over have them
  if (!is_int(name) && name != PACKET_FANOUT) return -ENOPROTOOPT
  store<u32>(OUT, get_int(po, name))
  return answer(4, ptr, lenp)
}
