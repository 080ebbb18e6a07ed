// Where a packet socket hooks into the stack: its handler among the taps or those of a protocol. Mirrors
// register_prot_hook and unregister_prot_hook of net/packet/af_packet.c.

import { net } from '../../include/net_namespace.ts'
import { PTYPE_FUNC } from '../../include/netdevice.ts'
import { PACKET_SOCK_RUNNING, packet_sock, prot_hook } from '../../include/packet.ts'
import { sock } from '../../include/sock.ts'
import { dev_add_pack, dev_remove_pack } from '../core/dev_receive.ts'
import { packet_rcv } from './rcv.ts'

export function packet_sk(sk: sock): packet_sock {
  return changetype<packet_sock>(sk.priv)
}

export function packet_running(po: packet_sock): bool {
  return (po.flags & PACKET_SOCK_RUNNING) != 0
}

/** A new socket's handler, in no list: for protocol num (network order) of all devices. */
export function prot_hook_init(sk: sock, num: u32): void {
  const hook = prot_hook(packet_sk(sk))
  hook.kind = <u16>PTYPE_FUNC
  hook.type = <u16>num
  hook.af_packet_priv = changetype<usize>(sk)
  hook.func = packet_rcv.index
}

/** From now on the socket sees packets. */
export function register_prot_hook(sk: sock): void {
  const po = packet_sk(sk)
  if (packet_running(po)) return
  dev_add_pack(changetype<net>(sk.net), prot_hook(po))
  po.flags |= PACKET_SOCK_RUNNING
}

/** It sees none any more; what is in its queue stays. */
export function unregister_prot_hook(sk: sock): void {
  const po = packet_sk(sk)
  if (!packet_running(po)) return
  dev_remove_pack(changetype<net>(sk.net), prot_hook(po))
  po.flags &= ~PACKET_SOCK_RUNNING
}
