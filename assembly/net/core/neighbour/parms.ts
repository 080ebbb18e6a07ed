// Parameters of the neighbour table: the defaults of a namespace and those of each device (net.ipv4.neigh.*).
// Mirrors neigh_parms of net/core/neighbour.c; times are in ms here, in ticks where they are used.

import { boot } from '../../../lib/boot.ts'
import { net } from '../../../include/net_namespace.ts'
import { NEIGH_PARMS_SIZE, neigh_parms, neigh_var, neigh_var_set, neighbour } from '../../../include/neighbour.ts'
import { in_device, net_device } from '../../../include/netdevice.ts'
import { msecs_to_jiffies, time_after } from '../../../kernel/timer.ts'
import { kfree, kmalloc, kzalloc } from '../../../lib/arena.ts'
import { get_random_u32_below } from '../../../lib/random.ts'
import {
  NEIGH_VAR_ANYCAST_DELAY_MS,
  NEIGH_VAR_BASE_REACHABLE_TIME_MS,
  NEIGH_VAR_DELAY_PROBE_TIME_MS,
  NEIGH_VAR_GC_STALETIME_MS,
  NEIGH_VAR_INTERVAL_PROBE_TIME_MS,
  NEIGH_VAR_LOCKTIME_MS,
  NEIGH_VAR_MAX,
  NEIGH_VAR_MCAST_PROBES,
  NEIGH_VAR_PROXY_DELAY_MS,
  NEIGH_VAR_PROXY_QLEN,
  NEIGH_VAR_QUEUE_LEN_BYTES,
  NEIGH_VAR_RETRANS_TIME_MS,
  NEIGH_VAR_UCAST_PROBES,
} from '../../../uapi/sysctl.ts'

/** reachable_time is drawn again after so many seconds. */
const REACHABLE_REDRAW_S: u32 = 300
/** unres_qlen_bytes: what 256 small packets take (SK_WMEM_DEFAULT). */
const QUEUE_LEN_BYTES: i32 = 212992

/** A parameter that is a time, in ticks. */
export function var_jiffies(parms: usize, id: u32): u32 {
  return msecs_to_jiffies(<u32>neigh_var(parms, id))
}

/** Uniform between half and one and a half of base. */
function neigh_rand_reach_time(base: u32): u32 {
  return base == 0 ? 0 : get_random_u32_below(base) + (base >> 1)
}

function draw_reachable_time(p: neigh_parms): void {
  p.reachable_time = neigh_rand_reach_time(var_jiffies(changetype<usize>(p), NEIGH_VAR_BASE_REACHABLE_TIME_MS))
  p.reachable_stamp = boot.jiffies
}

/** How long the entry stays reachable without a confirmation, in ticks; drawn anew every five minutes. */
export function reachable_time_of(n: neighbour): u32 {
  const p = changetype<neigh_parms>(n.parms)
  if (time_after(boot.jiffies, p.reachable_stamp + REACHABLE_REDRAW_S * boot.hz)) draw_reachable_time(p)
  return p.reachable_time
}

/** Ticks between two probes, at least a hundredth of a second. */
export function retrans_time_of(n: neighbour): u32 {
  return max(var_jiffies(n.parms, NEIGH_VAR_RETRANS_TIME_MS), boot.hz / 100)
}

/** The defaults of Linux's ARP table. */
function set_defaults(parms: usize): void {
  neigh_var_set(parms, NEIGH_VAR_MCAST_PROBES, 3)
  neigh_var_set(parms, NEIGH_VAR_UCAST_PROBES, 3)
  neigh_var_set(parms, NEIGH_VAR_RETRANS_TIME_MS, 1000)
  neigh_var_set(parms, NEIGH_VAR_BASE_REACHABLE_TIME_MS, 30000)
  neigh_var_set(parms, NEIGH_VAR_DELAY_PROBE_TIME_MS, 5000)
  neigh_var_set(parms, NEIGH_VAR_INTERVAL_PROBE_TIME_MS, 5000)
  neigh_var_set(parms, NEIGH_VAR_GC_STALETIME_MS, 60000)
  neigh_var_set(parms, NEIGH_VAR_QUEUE_LEN_BYTES, QUEUE_LEN_BYTES)
  neigh_var_set(parms, NEIGH_VAR_PROXY_QLEN, 64)
  neigh_var_set(parms, NEIGH_VAR_ANYCAST_DELAY_MS, 1000)
  neigh_var_set(parms, NEIGH_VAR_PROXY_DELAY_MS, 800)
  neigh_var_set(parms, NEIGH_VAR_LOCKTIME_MS, 1000)
}

/**
 * Parameters for a device, taken over from the namespace's defaults; without a device: new defaults for a namespace,
 * for net.arp_parms. One reference. 0: out of memory.
 */
export function neigh_parms_alloc(net: net, dev: net_device): usize {
  let p: usize = 0
  if (changetype<usize>(dev) && net.arp_parms) {
    p = kmalloc(NEIGH_PARMS_SIZE)
    if (p == 0) return 0
    memory.copy(p, net.arp_parms, NEIGH_PARMS_SIZE)
  } else {
    p = kzalloc(NEIGH_PARMS_SIZE)
    if (p == 0) return 0
    set_defaults(p)
  }
  const parms = changetype<neigh_parms>(p)
  parms.net = changetype<usize>(net)
  parms.dev = changetype<usize>(dev)
  parms.dead = 0
  parms.data_state = 0
  parms.qlen = 0
  parms.refcnt = 1
  draw_reachable_time(parms)
  return p
}

export function neigh_parms_clone(parms: usize): void {
  changetype<neigh_parms>(parms).refcnt += 1
}

export function neigh_parms_put(parms: usize): void {
  if (parms && --changetype<neigh_parms>(parms).refcnt == 0) kfree(parms, NEIGH_PARMS_SIZE)
}

/** The device goes: no entry is made with these parameters any more; they live until the last entry goes. */
export function neigh_parms_release(parms: usize): void {
  if (parms == 0) return
  changetype<neigh_parms>(parms).dead = 1
  neigh_parms_put(parms)
}

/** Devices that have no own setting follow the default. */
function copy_default(net: net, id: u32, value: i32): void {
  for (let p = net.dev_base_head; p; p = changetype<net_device>(p).next) {
    const in_dev = changetype<in_device>(changetype<net_device>(p).ip_ptr)
    if (changetype<usize>(in_dev) == 0 || in_dev.arp_parms == 0) continue
    if (changetype<neigh_parms>(in_dev.arp_parms).data_state & (1 << id)) continue
    neigh_var_set(in_dev.arp_parms, id, value)
  }
}

/** Sets a parameter (NEIGH_VAR_*, times in ms) of a device, or of the defaults when dev is 0. The value was checked. */
export function neigh_parm_write(net: net, dev: net_device, id: u32, value: i32): void {
  if (id >= NEIGH_VAR_MAX) return
  let parms = net.arp_parms
  if (changetype<usize>(dev)) {
    if (dev.ip_ptr == 0) return
    parms = changetype<in_device>(dev.ip_ptr).arp_parms
  }
  if (parms == 0) return
  const p = changetype<neigh_parms>(parms)
  neigh_var_set(parms, id, value)
  p.data_state |= 1 << id
  if (id == NEIGH_VAR_BASE_REACHABLE_TIME_MS) draw_reachable_time(p)
  if (changetype<usize>(dev) == 0) copy_default(net, id, value)
}
