// What becomes of a device changes what its packet sockets see. Mirrors packet_notifier of net/packet/af_packet.c.

import { net } from '../../include/net_namespace.ts'
import { NETDEV_DOWN, NETDEV_UNREGISTER, NETDEV_UP, net_device } from '../../include/netdevice.ts'
import { prot_hook } from '../../include/packet.ts'
import { sock } from '../../include/sock.ts'
import { walk } from '../../trace/trace.ts'
import { ENETDOWN } from '../../uapi/errno.ts'
import { FN_packet_notifier } from '../../uapi/functions.ts'
import { sk_error_report } from '../core/sock.ts'
import { packet_running, packet_sk, register_prot_hook, unregister_prot_hook } from './hook.ts'
import { packet_dev_mclist_delete } from './mclist.ts'

/** The device is down: its sockets see nothing, and their readers hear of it. */
function dev_gone(sk: sock): void {
  if (!packet_running(packet_sk(sk))) return
  unregister_prot_hook(sk)
  sk.sk_err = ENETDOWN
  sk_error_report(sk)
}

/** event: NETDEV_*. */
export function packet_notifier(dev: net_device, event: u32): void {
  if (event != NETDEV_UP && event != NETDEV_DOWN && event != NETDEV_UNREGISTER) return
  walk(FN_packet_notifier, 0)
  for (let p = changetype<net>(dev.nd_net).packet_sklist; p; p = packet_sk(changetype<sock>(p)).next) {
    const sk = changetype<sock>(p)
    const po = packet_sk(sk)
    if (event == NETDEV_UNREGISTER) packet_dev_mclist_delete(sk, dev)
    if (<u32>po.ifindex != dev.ifindex) continue
    if (event == NETDEV_UP) {
      if (po.num) register_prot_hook(sk)
      continue
    }
    dev_gone(sk)
    if (event == NETDEV_UNREGISTER) {
      po.ifindex = -1
      prot_hook(po).dev = 0
    }
  }
}
