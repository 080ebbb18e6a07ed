// The groups of a namespace's devices, as /proc/net/igmp shows them. Mirrors igmp_mc_seq_show of net/ipv4/igmp.c.

import { net } from '../../../include/net_namespace.ts'
import { __in_dev_get_rcu, in_device, ip_mc_list, ip_mc_timer, net_device } from '../../../include/netdevice.ts'
import { boot } from '../../../lib/boot.ts'
import { IGMP_V1_SEEN, IGMP_V2_SEEN } from './state.ts'

/** One record: {ifindex, groups of the device, version, group, users, timer runs, time that it has left, reporter}, u32 each. */
const IGMP_RECORD: usize = 32
/** Ticks a second, as user space counts them. */
const USER_HZ: u32 = 100

function version_of(in_dev: in_device): u32 {
  if (IGMP_V1_SEEN(in_dev)) return 1
  return IGMP_V2_SEEN(in_dev) ? 2 : 3
}

function record(at: usize, in_dev: in_device, im: ip_mc_list): void {
  const left = <i32>(ip_mc_timer(im).expires - boot.jiffies)
  store<u32>(at, changetype<net_device>(in_dev.dev).ifindex)
  store<u32>(at, in_dev.mc_count, 4)
  store<u32>(at, version_of(in_dev), 8)
  store<u32>(at, im.multiaddr, 12)
  store<u32>(at, im.users, 16)
  store<u32>(at, im.tm_running, 20)
  store<u32>(at, im.tm_running ? (<u32>max(left, 0) * USER_HZ) / boot.hz : 0, 24)
  store<u32>(at, im.reporter, 28)
}

/** Writes up to max groups to out, from number skip on: device by device, the group joined last first. Answers how many. */
export function igmp_dump(net: net, out: usize, max: u32, skip: u32): u32 {
  let seen: u32 = 0
  let count: u32 = 0
  for (let d = net.dev_base_head; d; d = changetype<net_device>(d).next) {
    const in_dev = __in_dev_get_rcu(changetype<net_device>(d))
    if (changetype<usize>(in_dev) == 0) continue
    for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) {
      if (seen++ < skip) continue
      if (count == max) return count
      record(out + <usize>count * IGMP_RECORD, in_dev, changetype<ip_mc_list>(p))
      count++
    }
  }
  return count
}
