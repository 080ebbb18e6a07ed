// Which transmit queue a packet takes. Mirrors netdev_core_pick_tx, netdev_pick_tx and skb_tx_hash of net/core/dev.c;
// transmit packet steering (XPS) is not there: no queue is tied to a CPU.

import { netdev_get_tx_queue, netdev_queue } from '../../include/netdev_queue.ts'
import { net_device } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { sock } from '../../include/sock.ts'
import { walk } from '../../trace/trace.ts'
import { FN_netdev_core_pick_tx, FN_netdev_pick_tx, FN_skb_tx_hash } from '../../uapi/functions.ts'
import { skb_get_hash } from './flow_dissector.ts'

/** A queue by the one the packet came in by, or by its flow. */
function skb_tx_hash(dev: net_device, skb: sk_buff): u32 {
  walk(FN_skb_tx_hash, changetype<usize>(skb))
  const count = dev.num_tx_queues
  if (skb.queue_mapping) return <u32>(skb.queue_mapping - 1) % count
  return <u32>((<u64>skb_get_hash(skb) * count) >> 32)
}

/** The queue that the socket uses, chosen anew when it has none. */
function netdev_pick_tx(dev: net_device, skb: sk_buff): u32 {
  walk(FN_netdev_pick_tx, changetype<usize>(skb))
  const sk = changetype<sock>(skb.sk)
  // What has no queue is above all.
  if (skb.sk && sk.sk_tx_queue_mapping - 1 < dev.num_tx_queues) return sk.sk_tx_queue_mapping - 1
  const index = skb_tx_hash(dev, skb)
  if (skb.sk && sk.sk_dst_cache) sk.sk_tx_queue_mapping = index + 1
  return index
}

/** The queue for a packet; its queue_mapping says which from now on. */
export function netdev_core_pick_tx(dev: net_device, skb: sk_buff): netdev_queue {
  walk(FN_netdev_core_pick_tx, changetype<usize>(skb))
  const index = dev.num_tx_queues == 1 ? 0 : netdev_pick_tx(dev, skb)
  skb.queue_mapping = <u16>index
  return netdev_get_tx_queue(dev, index)
}
