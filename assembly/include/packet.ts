// Packet sockets: their part of a socket, link addresses, and what they keep in a packet's cb. Layout only.
// Mirrors linux/if_packet.h and net/packet/internal.h. Left out: rings and fanout groups.

import { packet_type } from './netdevice.ts'
import { SKB_CB, sk_buff } from './skbuff.ts'

/** struct sockaddr_ll; the protocol in network order, up to 8 bytes of address. */
@unmanaged
@final
export class sockaddr_ll {
  sll_family: u16
  sll_protocol: u16
  sll_ifindex: i32
  sll_hatype: u16
  sll_pkttype: u8
  sll_halen: u8
  sll_addr_lo: u32
  sll_addr_hi: u32
}

export const SOCKADDR_LL_SIZE: u32 = 20
export const SLL_ADDR: usize = offsetof<sockaddr_ll>('sll_addr_lo')

/**
 * cb of a packet in the queue of a packet socket: the sender's address. Its first word holds the packet's length before
 * the filter cut it, until the first reader's family and protocol take its place, as in Linux.
 */
export function packet_skb_cb(skb: sk_buff): sockaddr_ll {
  return changetype<sockaddr_ll>(changetype<usize>(skb) + SKB_CB)
}

/** One membership (struct packet_mclist): PACKET_MR_* on a device, with an address of alen bytes. */
@unmanaged
@final
export class packet_mclist {
  next: usize
  ifindex: i32
  count: u32
  type: u16
  alen: u16
  addr_lo: u32
  addr_hi: u32
}

export const PACKET_MCLIST_SIZE: usize = offsetof<packet_mclist>()

/** flags of a packet_sock */
export const PACKET_SOCK_AUXDATA: u32 = 1
export const PACKET_SOCK_ORIGDEV: u32 = 2
export const PACKET_SOCK_TX_HAS_OFF: u32 = 4
export const PACKET_SOCK_TP_LOSS: u32 = 8
export const PACKET_SOCK_RUNNING: u32 = 16
export const PACKET_SOCK_QDISC_BYPASS: u32 = 32

/** The packet socket's part, at priv of its sock; its prot_hook lies behind. */
@unmanaged
@final
export class packet_sock {
  /** Next of the namespace's packet sockets (a sock). */
  next: usize
  /** Protocol, network order; 0: sees nothing. */
  num: u32
  /** Of the device that it is bound to, 0: all, -1: the device is gone. */
  ifindex: i32
  flags: u32
  mclist: usize
  tp_packets: u32
  tp_drops: u32
  tp_version: u32
  tp_reserve: u32
  tp_tstamp: u32
  copy_thresh: u32
  /** Bytes of the virtio_net_hdr before each frame, 0: none. */
  vnet_hdr_sz: u32
}

export const PACKET_SOCK_SIZE: usize = offsetof<packet_sock>() + offsetof<packet_type>()

export function prot_hook(po: packet_sock): packet_type {
  return changetype<packet_type>(changetype<usize>(po) + offsetof<packet_sock>())
}

/** struct tpacket_auxdata */
@unmanaged
@final
export class tpacket_auxdata {
  tp_status: u32
  tp_len: u32
  tp_snaplen: u32
  tp_mac: u16
  tp_net: u16
  tp_vlan_tci: u16
  tp_vlan_tpid: u16
}

export const TPACKET_AUXDATA_SIZE: u32 = 20
