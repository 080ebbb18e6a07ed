// AF_PACKET sockets: creation, names, end. Mirrors net/packet/af_packet.c, whose other parts are the rooms beside this one.
// Left out: SOCK_PACKET, rings (PACKET_RX_RING and its kin), fanout groups.

import { net } from '../../include/net_namespace.ts'
import { DEV_ADDR, net_device } from '../../include/netdevice.ts'
import {
  PACKET_SOCK_SIZE,
  SLL_ADDR,
  SOCKADDR_LL_SIZE,
  packet_sock,
  prot_hook,
  sockaddr_ll,
} from '../../include/packet.ts'
import { PROT_PACKET, sock } from '../../include/sock.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_QUEUE_PURGE } from '../../uapi/dropreason.ts'
import { EINVAL, ENETDOWN, ENOBUFS, ENODEV, EOPNOTSUPP, ESOCKTNOSUPPORT } from '../../uapi/errno.ts'
import {
  FN_packet_bind,
  FN_packet_create,
  FN_packet_do_bind,
  FN_packet_release,
  FN_skb_queue_purge_reason,
} from '../../uapi/functions.ts'
import { IFF_UP } from '../../uapi/if.ts'
import { AF_PACKET, SOCK_DGRAM, SOCK_RAW } from '../../uapi/socket.ts'
import { NO_DEVICE, __dev_get_by_index } from '../core/dev.ts'
import { __skb_queue_purge_reason } from '../core/skbuff.ts'
import { sk_alloc, sk_error_report, sk_receive_queue, sock_orphan, sock_put } from '../core/sock.ts'
import { packet_sk, prot_hook_init, register_prot_hook, unregister_prot_hook } from './hook.ts'
import { packet_flush_mclist } from './mclist.ts'

/** A new socket's handle, or -errno. protocol is in network order; with 0 it sees nothing until it is bound. */
export function packet_create(net: net, type: u32, protocol: u32): i32 {
  walk(FN_packet_create, 0)
  if (type != SOCK_DGRAM && type != SOCK_RAW) return -ESOCKTNOSUPPORT
  const p = kzalloc(PACKET_SOCK_SIZE)
  if (p == 0) return -ENOBUFS
  const sk = sk_alloc(net, AF_PACKET, type, 0)
  if (changetype<usize>(sk) == 0) {
    kfree(p, PACKET_SOCK_SIZE)
    return -ENOBUFS
  }
  const po = changetype<packet_sock>(p)
  sk.sk_prot = PROT_PACKET
  sk.priv = p
  po.num = protocol & 0xffff
  po.next = net.packet_sklist
  net.packet_sklist = changetype<usize>(sk)
  prot_hook_init(sk, po.num)
  if (po.num) register_prot_hook(sk)
  return <i32>sk.handle
}

/** Another protocol or device: what the socket sees changes. */
function rehook(sk: sock, dev: net_device, proto: u32): void {
  const po = packet_sk(sk)
  const hook = prot_hook(po)
  unregister_prot_hook(sk)
  po.num = proto
  po.ifindex = changetype<usize>(dev) ? <i32>dev.ifindex : 0
  hook.type = <u16>proto
  hook.dev = changetype<usize>(dev)
  if (proto == 0) return
  if (changetype<usize>(dev) == 0 || dev.flags & IFF_UP) {
    register_prot_hook(sk)
    return
  }
  sk.sk_err = ENETDOWN
  sk_error_report(sk)
}

/** Only packets of a device (index 0: of all) and a protocol (0: the one that it has) from now on. 0 or -ENODEV. */
function packet_do_bind(sk: sock, ifindex: i32, proto: u32): i32 {
  walk(FN_packet_do_bind, 0)
  const dev = ifindex ? __dev_get_by_index(changetype<net>(sk.net), ifindex) : NO_DEVICE
  if (ifindex && changetype<usize>(dev) == 0) return -ENODEV
  const hook = prot_hook(packet_sk(sk))
  if (hook.dev != changetype<usize>(dev) || <u32>hook.type != proto) rehook(sk, dev, proto)
  return 0
}

/**
 * addr: a sockaddr_ll with index and protocol. 0, -EINVAL or -ENODEV. A device that is down is no error of the call: it
 * waits on the socket (-ENETDOWN).
 */
export function packet_bind(sk: sock, addr: usize, addrlen: u32): i32 {
  walk(FN_packet_bind, 0)
  if (addrlen < SOCKADDR_LL_SIZE) return -EINVAL
  const sll = changetype<sockaddr_ll>(addr)
  if (sll.sll_family != <u16>AF_PACKET) return -EINVAL
  return packet_do_bind(sk, sll.sll_ifindex, sll.sll_protocol ? sll.sll_protocol : packet_sk(sk).num)
}

/** The socket's name as a sockaddr_ll at out. Its length, or -EOPNOTSUPP: it has no peer. */
export function packet_getname(sk: sock, out: usize, peer: bool): i32 {
  if (peer) return -EOPNOTSUPP
  const po = packet_sk(sk)
  memory.fill(out, 0, SOCKADDR_LL_SIZE)
  const sll = changetype<sockaddr_ll>(out)
  sll.sll_family = <u16>AF_PACKET
  sll.sll_ifindex = po.ifindex
  sll.sll_protocol = <u16>po.num
  const dev = __dev_get_by_index(changetype<net>(sk.net), po.ifindex)
  if (changetype<usize>(dev)) {
    sll.sll_hatype = dev.type
    sll.sll_halen = <u8>dev.addr_len
    memory.copy(out + SLL_ADDR, changetype<usize>(dev) + DEV_ADDR, dev.addr_len)
  }
  return <i32>SLL_ADDR + <i32>sll.sll_halen
}

function unlist(sk: sock): void {
  const owner = changetype<net>(sk.net)
  const p = changetype<usize>(sk)
  const next = packet_sk(sk).next
  if (owner.packet_sklist == p) {
    owner.packet_sklist = next
    return
  }
  let q = owner.packet_sklist
  while (packet_sk(changetype<sock>(q)).next != p) q = packet_sk(changetype<sock>(q)).next
  packet_sk(changetype<sock>(q)).next = next
}

/** The handle is closed. */
export function packet_release(sk: sock): void {
  walk(FN_packet_release, 0)
  unlist(sk)
  unregister_prot_hook(sk)
  packet_flush_mclist(sk)
  __skb_queue_purge_reason(sk_receive_queue(sk), SKB_DROP_REASON_QUEUE_PURGE, FN_skb_queue_purge_reason)
  kfree(sk.priv, PACKET_SOCK_SIZE)
  sk.priv = 0
  sock_orphan(sk)
  sock_put(sk)
}
