// How what a tunnel took out of its outer packet comes up: by a poll of the tunnel's own. Mirrors net/core/gro_cells.c.
// One cell a device: Linux has one for each CPU. The poll is in path.ts.

import { net, sysctl } from '../../include/net_namespace.ts'
import { NAPI_KIND_CELL, dev_stats, napi_struct, net_device } from '../../include/netdevice.ts'
import { sk_buff, sk_buff_head } from '../../include/skbuff.ts'
import { boot } from '../../lib/boot.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_CPU_BACKLOG, SKB_DROP_REASON_DEV_READY } from '../../uapi/dropreason.ts'
import { FN_gro_cells_receive } from '../../uapi/functions.ts'
import { IFF_UP } from '../../uapi/if.ts'
import { SYSCTL_CORE_NETDEV_MAX_BACKLOG } from '../../uapi/sysctl.ts'
import { napi_schedule } from './dev.ts'
import { __skb_queue_purge_reason, __skb_queue_tail, kfree_skb_reason, skb_clear_cb } from './skbuff.ts'

/** A queue of packets and the context that polls it; it begins as a sk_buff_head. */
@unmanaged
@final
class gro_cell {
  head: usize
  tail: usize
  qlen: u32
}

const CELL: usize = offsetof<gro_cell>()
/** Bytes of a cell with its NAPI context, which lie in the driver's private part. */
export const GRO_CELL_SIZE: usize = CELL + offsetof<napi_struct>()

/** Sets up the cell at p. */
export function gro_cells_init(dev: net_device, p: usize): void {
  const napi = changetype<napi_struct>(p + CELL)
  napi.dev = changetype<usize>(dev)
  napi.kind = NAPI_KIND_CELL
  napi.weight = 64
  napi.priv = p
  dev.napi_list = changetype<usize>(napi)
}

/** A packet of dev waits for the poll of its cell. A cell holds what a backlog holds. Takes the skb. */
export function gro_cells_receive(dev: net_device, skb: sk_buff): void {
  walk(FN_gro_cells_receive, changetype<usize>(skb))
  const napi = changetype<napi_struct>(dev.napi_list)
  const limit = <u32>sysctl(changetype<net>(boot.init_net), SYSCTL_CORE_NETDEV_MAX_BACKLOG)
  const queue = changetype<sk_buff_head>(napi.priv)
  if (!(dev.flags & IFF_UP) || queue.qlen > limit) {
    dev_stats(dev).rx_dropped += 1
    const reason = dev.flags & IFF_UP ? SKB_DROP_REASON_CPU_BACKLOG : SKB_DROP_REASON_DEV_READY
    kfree_skb_reason(skb, reason, FN_gro_cells_receive)
    return
  }
  skb_clear_cb(skb)
  __skb_queue_tail(queue, skb)
  napi_schedule(napi)
}

/** The device leaves: what waits is lost. */
export function gro_cells_destroy(dev: net_device): void {
  const queue = changetype<sk_buff_head>(changetype<napi_struct>(dev.napi_list).priv)
  __skb_queue_purge_reason(queue, SKB_DROP_REASON_DEV_READY, FN_gro_cells_receive)
}
