// A reader takes a packet from a packet socket. Mirrors packet_recvmsg of net/packet/af_packet.c.

import { net } from '../../include/net_namespace.ts'
import {
  PACKET_SOCK_AUXDATA,
  SOCKADDR_LL_SIZE,
  TPACKET_AUXDATA_SIZE,
  packet_skb_cb,
  packet_sock,
  tpacket_auxdata,
} from '../../include/packet.ts'
import { CHECKSUM_PARTIAL, sk_buff, skb_vlan_all } from '../../include/skbuff.ts'
import { msghdr, sock } from '../../include/sock.ts'
import { COST_COPY, charge } from '../../kernel/cost.ts'
import { ntohs } from '../../lib/byteorder.ts'
import { IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL } from '../../uapi/errno.ts'
import { FN_packet_recvmsg } from '../../uapi/functions.ts'
import {
  PACKET_AUXDATA,
  PACKET_OUTGOING,
  PACKET_TX_TIMESTAMP,
  TP_STATUS_CSUMNOTREADY,
  TP_STATUS_CSUM_VALID,
  TP_STATUS_USER,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
} from '../../uapi/in.ts'
import {
  AF_PACKET,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOL_PACKET,
} from '../../uapi/socket.ts'
import { skb_copy_datagram_iter, skb_free_datagram, skb_recv_datagram } from '../core/datagram.ts'
import { __dev_get_by_index } from '../core/dev.ts'
import { put_cmsg } from '../core/scm.ts'
import { skb_network_offset } from '../core/skbuff.ts'
import { skb_csum_unnecessary } from '../core/skbuff_data.ts'
import { sock_recv_cmsgs, sock_recv_errqueue } from '../core/sock_cmsg.ts'
import { virtio_net_hdr, virtio_net_hdr_from_skb } from '../core/virtio_net.ts'
import { eth_type_vlan, vlan_get_protocol, vlan_get_tci } from './vlan.ts'

const MSG_KNOWN: u32 = MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE
const AUX: usize = memory.data(TPACKET_AUXDATA_SIZE, 16)

/** A tag that its sender wrote into the frame: SOCK_DGRAM hides the link header, so its reader is told of it. */
function hidden_tag(sk: sock, skb: sk_buff): bool {
  return sk.sk_type == <u16>SOCK_DGRAM && eth_type_vlan(skb.protocol)
}

function aux_vlan(sk: sock, skb: sk_buff, aux: tpacket_auxdata): void {
  aux.tp_vlan_tci = 0
  aux.tp_vlan_tpid = 0
  if (skb_vlan_all(skb)) {
    aux.tp_vlan_tci = skb.vlan_tci
    aux.tp_vlan_tpid = <u16>ntohs(skb.vlan_proto)
  } else {
    if (!hidden_tag(sk, skb)) return
    const ifindex = packet_skb_cb(skb).sll_ifindex
    if (changetype<usize>(__dev_get_by_index(changetype<net>(sk.net), ifindex)) == 0) return
    aux.tp_vlan_tci = <u16>vlan_get_tci(skb)
    aux.tp_vlan_tpid = <u16>ntohs(skb.protocol)
  }
  aux.tp_status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID
}

/** PACKET_AUXDATA: what the frame itself does not show. */
function put_auxdata(msg: msghdr, sk: sock, skb: sk_buff, origlen: u32): void {
  const aux = changetype<tpacket_auxdata>(AUX)
  aux.tp_status = TP_STATUS_USER
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL) aux.tp_status |= TP_STATUS_CSUMNOTREADY
  else if (skb.pkt_type != <u8>PACKET_OUTGOING && skb_csum_unnecessary(skb)) aux.tp_status |= TP_STATUS_CSUM_VALID
  aux.tp_len = origlen
  aux.tp_snaplen = skb.len
  aux.tp_mac = 0
  aux.tp_net = <u16>skb_network_offset(skb)
  aux_vlan(sk, skb, aux)
  put_cmsg(msg, SOL_PACKET, PACKET_AUXDATA, TPACKET_AUXDATA_SIZE, AUX)
}

/** Everything that is read of a packet besides its bytes; origlen: its length before the filter cut it. */
function tell(sk: sock, skb: sk_buff, msg: msghdr): void {
  const sll = packet_skb_cb(skb)
  const origlen = load<u32>(changetype<usize>(sll))
  sll.sll_family = <u16>AF_PACKET
  sll.sll_protocol = hidden_tag(sk, skb) ? vlan_get_protocol(skb) : skb.protocol
  sock_recv_cmsgs(msg, sk, skb)
  if (msg.msg_name) {
    memory.copy(msg.msg_name, changetype<usize>(sll), min<u32>(msg.msg_namelen, SOCKADDR_LL_SIZE))
    msg.msg_namelen = SOCKADDR_LL_SIZE
  }
  if (changetype<packet_sock>(sk.priv).flags & PACKET_SOCK_AUXDATA) put_auxdata(msg, sk, skb, origlen)
}

/** PACKET_VNET_HDR: its header of size bytes before the frame. False: the reader has no room for it, or it cannot say that. */
function put_vnet(msg: msghdr, skb: sk_buff, size: u32): bool {
  if (msg.iov_len < size) return false
  memory.fill(msg.iov_base, 0, size)
  return virtio_net_hdr_from_skb(skb, changetype<virtio_net_hdr>(msg.iov_base)) == 0
}

/**
 * Reads a packet. The bytes that were copied (with MSG_TRUNC asked for, those that the packet has), or -errno: the pending
 * error (-ENETDOWN), -EAGAIN. A reader without room for the virtio_net_hdr loses the packet: -EINVAL.
 */
export function packet_recvmsg(sk: sock, msg: msghdr, flags: u32): i32 {
  walk(FN_packet_recvmsg, 0)
  if (flags & ~MSG_KNOWN) return -EINVAL
  if (flags & MSG_ERRQUEUE) return sock_recv_errqueue(sk, msg, SOL_PACKET, PACKET_TX_TIMESTAMP)
  const p = skb_recv_datagram(sk, flags)
  if (IS_ERR(p)) return <i32>p
  const skb = changetype<sk_buff>(p)
  const vnet = changetype<packet_sock>(sk.priv).vnet_hdr_sz
  if (vnet && !put_vnet(msg, skb, vnet)) {
    skb_free_datagram(skb)
    return -EINVAL
  }
  const room = msg.iov_len - vnet
  const copied = min(room, skb.len)
  if (copied < skb.len) msg.msg_flags |= MSG_TRUNC
  skb_copy_datagram_iter(skb, 0, msg.iov_base + vnet, copied)
  charge(COST_COPY, copied)
  tell(sk, skb, msg)
  const answer = vnet + (flags & MSG_TRUNC ? skb.len : copied)
  skb_free_datagram(skb)
  return <i32>answer
}
