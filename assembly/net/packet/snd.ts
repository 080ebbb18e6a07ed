// A packet leaves by a packet socket: a whole frame (SOCK_RAW), or one whose link header is made here (SOCK_DGRAM).
// Mirrors packet_snd of net/packet/af_packet.c. Left out: zero copy, departure times.

import { sockcm_cookie } from '../../include/ipcm.ts'
import { net } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { PACKET_SOCK_QDISC_BYPASS, SLL_ADDR, SOCKADDR_LL_SIZE, prot_hook, sockaddr_ll } from '../../include/packet.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { msghdr, sock } from '../../include/sock.ts'
import { htons, ntohs } from '../../lib/byteorder.ts'
import { copy_bytes } from '../../lib/checksum.ts'
import { IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { EINVAL, EMSGSIZE, ENETDOWN, ENOBUFS, ENXIO } from '../../uapi/errno.ts'
import {
  FN_packet_direct_xmit,
  FN_packet_parse_headers,
  FN_packet_sendmsg,
  FN_packet_snd,
  FN_packet_xmit,
} from '../../uapi/functions.ts'
import { IFF_UP } from '../../uapi/if.ts'
import { ARPHRD_ETHER } from '../../uapi/if_arp.ts'
import { ETH_P_8021Q, ETH_P_ALL } from '../../uapi/if_ether.ts'
import { SOCK_DGRAM } from '../../uapi/socket.ts'
import { NO_DEVICE, __dev_get_by_index } from '../core/dev.ts'
import { dev_direct_xmit, dev_queue_xmit, net_xmit_errno } from '../core/dev_xmit.ts'
import { skb_setup_tx_timestamp } from '../core/skb_tstamp.ts'
import { append_pages } from '../core/skb_pages.ts'
import {
  kfree_skb_reason,
  skb_mac_header,
  skb_put,
  skb_reset_mac_header,
  skb_reset_network_header,
} from '../core/skbuff.ts'
import { sock_alloc_send_pskb } from '../core/sock_wmem.ts'
import { sock_cmsg_send } from '../core/sock_cmsg.ts'
import { virtio_net_hdr, virtio_net_hdr_parse, virtio_net_hdr_to_skb } from '../core/virtio_net.ts'
import { dev_hard_header, dev_parse_header_protocol } from '../ethernet/header_ops.ts'
import { packet_sk } from './hook.ts'
import { eth_type_vlan, vlan_depth } from './vlan.ts'

const VLAN_HLEN: u32 = 4
/** Packets from this size on are laid on pages behind their first bytes. */
const PAGE_SIZE: u32 = 4096

/** What is asked of one packet. */
@unmanaged
@final
class request {
  dev: usize
  /** Link address for SOCK_DGRAM, 0: none given. */
  addr: usize
  /** Network order. */
  proto: u32
  /** The frame, and its virtio_net_hdr (0: none). */
  data: usize
  len: u32
  vnet: usize
  /** Bytes that the header wants in front, and those of a train that lie on pages behind. */
  linear: u32
  paged: u32
  sockc: usize
}

const REQUEST: usize = memory.data(offsetof<request>(), 16)
const SOCKC: usize = memory.data(offsetof<sockcm_cookie>(), 16)

function is_dgram(sk: sock): bool {
  return sk.sk_type == <u16>SOCK_DGRAM
}

/** Device, protocol and address: the message's, or those that the socket is bound to. 0 or -errno. */
function packet_address(sk: sock, msg: msghdr, r: request): i32 {
  if (msg.msg_name == 0) {
    const po = packet_sk(sk)
    r.dev = prot_hook(po).dev
    r.proto = po.num
    r.addr = 0
  } else {
    const sll = changetype<sockaddr_ll>(msg.msg_name)
    if (msg.msg_namelen < SOCKADDR_LL_SIZE || msg.msg_namelen < <u32>SLL_ADDR + sll.sll_halen) return -EINVAL
    r.dev = changetype<usize>(
      sll.sll_ifindex ? __dev_get_by_index(changetype<net>(sk.net), sll.sll_ifindex) : NO_DEVICE,
    )
    r.proto = sll.sll_protocol
    r.addr = is_dgram(sk) ? msg.msg_name + SLL_ADDR : 0
  }
  if (r.dev == 0) return -ENXIO
  return changetype<net_device>(r.dev).flags & IFF_UP ? 0 : -ENETDOWN
}

/** Mark and priority: the message's, or the socket's. 0 or -EINVAL. */
function packet_cmsg(sk: sock, msg: msghdr, r: request): i32 {
  const sockc = changetype<sockcm_cookie>(SOCKC)
  sockc.transmit_time = 0
  sockc.tsflags = sk.sk_tsflags
  sockc.mark = sk.sk_mark
  sockc.priority = sk.sk_priority
  r.sockc = SOCKC
  return sock_cmsg_send(sk, msg, sockc)
}

/** PACKET_VNET_HDR: takes the header off the message's begin. 0 or -EINVAL. */
function packet_snd_vnet_parse(sk: sock, r: request): i32 {
  const size = packet_sk(sk).vnet_hdr_sz
  r.vnet = 0
  r.linear = 0
  if (size == 0) return 0
  if (r.len < size) return -EINVAL
  const hdr = changetype<virtio_net_hdr>(r.data)
  r.vnet = r.data
  r.data += size
  r.len -= size
  const linear = virtio_net_hdr_parse(hdr, r.len)
  if (linear < 0) return linear
  r.linear = linear
  return 0
}

/** The virtio_net_hdr asks for segments: the packet may be longer than the MTU. */
function is_train(r: request): bool {
  return r.vnet != 0 && changetype<virtio_net_hdr>(r.vnet).gso_type != 0
}

/** Room that a device wants before a frame (LL_RESERVED_SPACE). */
function reserved_space(dev: net_device): u32 {
  return ((<u32>dev.hard_header_len + dev.needed_headroom) & ~15) + 16
}

/** A packet with room for the message, charged to the socket as Linux lays it out. An sk_buff or ERR_PTR. */
function packet_alloc_skb(sk: sock, dev: net_device, r: request): usize {
  const headroom = reserved_space(dev)
  const linear = max<u32>(r.linear, min<u32>(r.len, dev.hard_header_len))
  const paged = headroom + r.len >= PAGE_SIZE && linear ? r.len - linear : 0
  r.paged = is_train(r) ? paged : 0
  return sock_alloc_send_pskb(sk, r.len - paged, headroom, paged)
}

/** The link header, and the message behind it. 0, -ENOBUFS, or -EINVAL: no link header, or no address for one. */
function fill(sk: sock, skb: sk_buff, dev: net_device, r: request): i32 {
  skb_reset_network_header(skb)
  if (is_dgram(sk)) {
    if (dev_hard_header(skb, dev, ntohs(<u16>r.proto), r.addr, r.len) < 0) return -EINVAL
  } else {
    if (r.len < dev.hard_header_len) return -EINVAL
    // The frame brings its header: it lies before where the network header is.
    skb.data -= dev.hard_header_len
    skb.tail -= dev.hard_header_len
  }
  const linear = r.len - r.paged
  copy_bytes(skb_put(skb, linear), r.data, linear)
  return r.paged == 0 || append_pages(skb, r.data + linear, r.paged) ? 0 : -ENOBUFS
}

/** Over the MTU only a tagged frame of Ethernet may be, by the length of its tag (packet_extra_vlan_len_allowed). */
function extra_vlan_allowed(dev: net_device, skb: sk_buff): bool {
  if (dev.type != <u16>ARPHRD_ETHER) return false
  skb_reset_mac_header(skb)
  return load<u16>(skb_mac_header(skb), 12) == htons(ETH_P_8021Q)
}

/** Which protocol the frame carries, if the socket does not say; and where its network header is, behind tags. */
function packet_parse_headers(sk: sock, skb: sk_buff, dev: net_device): void {
  walk(FN_packet_parse_headers, changetype<usize>(skb))
  skb_reset_mac_header(skb)
  if (!is_dgram(sk) && (skb.protocol == 0 || skb.protocol == htons(ETH_P_ALL))) {
    skb.protocol = dev_parse_header_protocol(skb, dev)
  }
  if (dev.type == <u16>ARPHRD_ETHER && eth_type_vlan(skb.protocol)) {
    const depth = vlan_depth(skb)
    if (depth) skb.network_header = skb.mac_header + <u16>depth
  }
}

/** All that must be right before the packet may leave. 0 or -errno. */
function prepare(sk: sock, skb: sk_buff, dev: net_device, r: request): i32 {
  const err = fill(sk, skb, dev, r)
  if (err) return err
  const most = dev.mtu + (is_dgram(sk) ? 0 : <u32>dev.hard_header_len)
  if (r.len > most && !is_train(r) && !extra_vlan_allowed(dev, skb)) return -EMSGSIZE
  const sockc = changetype<sockcm_cookie>(r.sockc)
  skb.protocol = <u16>r.proto
  skb.dev = changetype<usize>(dev)
  skb.priority = sockc.priority
  skb.mark = sockc.mark
  skb.tstamp = sockc.transmit_time
  if (sockc.tsflags) skb_setup_tx_timestamp(skb, sk, sockc)
  packet_parse_headers(sk, skb, dev)
  return r.vnet ? virtio_net_hdr_to_skb(skb, changetype<virtio_net_hdr>(r.vnet)) : 0
}

function packet_xmit(sk: sock, skb: sk_buff): i32 {
  walk(FN_packet_xmit, changetype<usize>(skb))
  if (!(packet_sk(sk).flags & PACKET_SOCK_QDISC_BYPASS)) return dev_queue_xmit(skb)
  walk(FN_packet_direct_xmit, changetype<usize>(skb))
  return dev_direct_xmit(skb)
}

/** Makes a packet of a request and sends it. 0 or -errno. */
function packet_snd(sk: sock, r: request): i32 {
  const dev = changetype<net_device>(r.dev)
  const p = packet_alloc_skb(sk, dev, r)
  if (IS_ERR(p)) return <i32>p
  const skb = changetype<sk_buff>(p)
  const err = prepare(sk, skb, dev, r)
  if (err) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_packet_snd)
    return err
  }
  const rc = packet_xmit(sk, skb)
  return rc > 0 ? net_xmit_errno(rc) : rc
}

/**
 * Sends one packet. The length, or -errno: -ENXIO (no device), -ENETDOWN, -EMSGSIZE (over the MTU and a header), -EINVAL
 * (a frame shorter than its header, SOCK_DGRAM without an address), -ENOBUFS (the queue is full), -EAGAIN.
 */
export function packet_sendmsg(sk: sock, msg: msghdr): i32 {
  walk(FN_packet_sendmsg, 0)
  walk(FN_packet_snd, 0)
  const r = changetype<request>(REQUEST)
  let err = packet_address(sk, msg, r)
  if (err == 0) err = packet_cmsg(sk, msg, r)
  if (err) return err
  r.data = msg.iov_base
  r.len = msg.iov_len
  err = packet_snd_vnet_parse(sk, r)
  if (err) return err
  const dev = changetype<net_device>(r.dev)
  if (!is_train(r) && r.len > dev.mtu + VLAN_HLEN + (is_dgram(sk) ? 0 : <u32>dev.hard_header_len)) return -EMSGSIZE
  err = packet_snd(sk, r)
  return err ? err : <i32>msg.iov_len
}
