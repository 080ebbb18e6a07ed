// Receive packet steering: what a device receives goes to the backlog of a CPU chosen by its flow. Mirrors get_rps_cpu and
// store_rps_map of net/core. Left out: flow steering (RFS), maps of single queues.

import { boot } from '../../lib/boot.ts'
import { net_device } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { kfree, kmalloc } from '../../lib/arena.ts'
import { walk } from '../../trace/trace.ts'
import { EINVAL, ENOMEM } from '../../uapi/errno.ts'
import { FN___skb_flow_dissect, FN_get_rps_cpu } from '../../uapi/functions.ts'
import { enqueue_to_backlog } from './dev_backlog.ts'
import { skb_get_hash } from './flow_dissector.ts'
import { skb_clear_cb, skb_reset_network_header } from './skbuff.ts'

function map_size(count: u32): usize {
  return (<usize>count + 1) << 2
}

/** What dev receives goes to these CPUs (count words at cpus), none: it stays. 0, -EINVAL: there is no such CPU; -ENOMEM. */
export function dev_set_rps(dev: net_device, cpus: usize, count: u32): i32 {
  for (let i: usize = 0; i < <usize>count; i++) if (load<u32>(cpus + (i << 2)) >= boot.nr_cpus) return -EINVAL
  let map: usize = 0
  if (count) {
    map = kmalloc(map_size(count))
    if (map == 0) return -ENOMEM
    store<u32>(map, count)
    memory.copy(map + 4, cpus, (<usize>count) << 2)
  }
  if (dev.rps_map) {
    kfree(dev.rps_map, map_size(load<u32>(dev.rps_map)))
    boot.rps_needed -= 1
  }
  dev.rps_map = map
  if (map) boot.rps_needed += 1
  return 0
}

/** The CPU of a packet's flow. */
function get_rps_cpu(skb: sk_buff, map: usize): u32 {
  walk(FN_get_rps_cpu, changetype<usize>(skb))
  walk(FN___skb_flow_dissect, changetype<usize>(skb))
  skb_reset_network_header(skb)
  const count = load<u32>(map)
  const i = <usize>((<u64>skb_get_hash(skb) * <u64>count) >> 32)
  return load<u32>(map + 4 + (i << 2))
}

/** A packet that was received, data at its network header, goes to another CPU's backlog. False: it stays on this one. */
export function rps_steer(skb: sk_buff): bool {
  const map = changetype<net_device>(skb.dev).rps_map
  if (map == 0) return false
  const cpu = get_rps_cpu(skb, map)
  skb_clear_cb(skb)
  enqueue_to_backlog(skb, cpu)
  return true
}
