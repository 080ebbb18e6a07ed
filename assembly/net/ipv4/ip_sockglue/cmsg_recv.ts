// Control messages for a reader: what the IP options of its socket ask to be told of a datagram. Mirrors
// ip_cmsg_recv_offset of net/ipv4/ip_sockglue.c; those of SOL_SOCKET are in net/core/sock_cmsg.ts.

import { IP_HEADER_MIN, inet_skb_parm, iphdr } from '../../../include/ip.ts'
import { IP_OPTIONS_DATA, IP_OPTIONS_SIZE, ip_options } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { CHECKSUM_COMPLETE, SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import {
  INET_PKTINFO,
  INET_RECVCHECKSUM,
  INET_RECVFRAGSIZE,
  INET_RECVOPTS,
  INET_RECVORIGDSTADDR,
  INET_RECVTOS,
  INET_RECVTTL,
  INET_RETOPTS,
  SOCKADDR_IN_SIZE,
  msghdr,
  sock,
  sockaddr_in,
} from '../../../include/sock.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_ip_cmsg_recv_offset } from '../../../uapi/functions.ts'
import {
  IP_CHECKSUM,
  IP_ORIGDSTADDR,
  IP_PKTINFO,
  IP_RECVFRAGSIZE,
  IP_RECVOPTS,
  IP_RETOPTS,
  IP_TOS,
  IP_TTL,
} from '../../../uapi/in.ts'
import { AF_INET, SOL_IP } from '../../../uapi/socket.ts'
import { put_cmsg, put_cmsg_u32 } from '../../core/scm.ts'
import { skb_headlen, skb_network_header, skb_transport_header } from '../../core/skbuff.ts'
import { ip_options_undo } from '../ip_options/user.ts'
import { ip_options_echo } from '../ip_options/echo.ts'

/** Options that bring a control message of level SOL_IP. */
export const INET_CMSG_FLAGS: u32 =
  INET_PKTINFO |
  INET_RECVTTL |
  INET_RECVTOS |
  INET_RECVOPTS |
  INET_RETOPTS |
  INET_RECVORIGDSTADDR |
  INET_RECVCHECKSUM |
  INET_RECVFRAGSIZE

/** Bytes of a transport header's two ports. */
const PORTS_LEN: usize = 4

const SCRATCH: usize = memory.data(16, 16)
const ECHO: usize = memory.data(64, 16)

/** struct in_pktinfo: the device, our address that answers should come from, the destination. */
function ip_cmsg_recv_pktinfo(msg: msghdr, cb: inet_skb_parm, ip: iphdr): void {
  store<u32>(SCRATCH, cb.iif)
  store<u32>(SCRATCH, cb.faddr, 4)
  store<u32>(SCRATCH, ip.daddr, 8)
  put_cmsg(msg, SOL_IP, IP_PKTINFO, 12, SCRATCH)
}

/** The options turned round, as an answer should carry them. */
function ip_cmsg_recv_retopts(msg: msghdr, sk: sock, skb: sk_buff): void {
  memory.fill(ECHO, 0, IP_OPTIONS_SIZE)
  const opt = changetype<ip_options>(ECHO)
  if (ip_options_echo(changetype<net>(sk.net), opt, skb)) return
  ip_options_undo(opt)
  put_cmsg(msg, SOL_IP, IP_RETOPTS, opt.optlen, ECHO + IP_OPTIONS_DATA)
}

/** The address and port that it was sent to, before any translation; nothing for an error that quotes too little. */
function ip_cmsg_recv_dstaddr(msg: msghdr, skb: sk_buff, ip: iphdr): void {
  if (skb_transport_header(skb) + PORTS_LEN > skb.data + skb_headlen(skb)) return
  const sin = changetype<sockaddr_in>(SCRATCH)
  memory.fill(SCRATCH, 0, SOCKADDR_IN_SIZE)
  sin.sin_family = <u16>AF_INET
  sin.sin_addr = ip.daddr
  sin.sin_port = load<u16>(skb_transport_header(skb), 2)
  put_cmsg(msg, SOL_IP, IP_ORIGDSTADDR, SOCKADDR_IN_SIZE, SCRATCH)
}

/** What the socket's IP options ask for. */
export function ip_cmsg_recv(msg: msghdr, sk: sock, skb: sk_buff): void {
  walk(FN_ip_cmsg_recv_offset, changetype<usize>(skb))
  const flags = sk.inet_flags
  const cb = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  const ip = changetype<iphdr>(skb_network_header(skb))
  if (flags & INET_PKTINFO) ip_cmsg_recv_pktinfo(msg, cb, ip)
  if (flags & INET_RECVTTL) put_cmsg_u32(msg, SOL_IP, IP_TTL, ip.ttl)
  if (flags & INET_RECVTOS) {
    store<u8>(SCRATCH, ip.tos)
    put_cmsg(msg, SOL_IP, IP_TOS, 1, SCRATCH)
  }
  if (flags & INET_RECVOPTS && cb.optlen) {
    put_cmsg(msg, SOL_IP, IP_RECVOPTS, cb.optlen, changetype<usize>(ip) + IP_HEADER_MIN)
  }
  if (flags & INET_RETOPTS && cb.optlen) ip_cmsg_recv_retopts(msg, sk, skb)
  if (flags & INET_RECVORIGDSTADDR) ip_cmsg_recv_dstaddr(msg, skb, ip)
  if (flags & INET_RECVCHECKSUM && skb.ip_summed == <u8>CHECKSUM_COMPLETE) {
    put_cmsg_u32(msg, SOL_IP, IP_CHECKSUM, skb.csum)
  }
  if (flags & INET_RECVFRAGSIZE && cb.frag_max_size) put_cmsg_u32(msg, SOL_IP, IP_RECVFRAGSIZE, cb.frag_max_size)
}
