// Next hops follow their devices and addresses: dead, without carrier, alive again. Who calls it flushes what is dead.
// Mirrors fib_sync_down_dev, fib_sync_up, fib_sync_down_addr and fib_sync_mtu of net/ipv4/fib_semantics.c.

import { FNHE_HASH_SIZE, fib_nh_exception } from '../../../include/dst.ts'
import { fib_info, fib_info_nh, fib_nh } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { NETDEV_CHANGE, NETDEV_UNREGISTER, net_device } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN_fib_sync_down_addr,
  FN_fib_sync_down_dev,
  FN_fib_sync_mtu,
  FN_fib_sync_up,
} from '../../../uapi/functions.ts'
import { IFF_LOWER_UP, IFF_RUNNING, IFF_UP } from '../../../uapi/if.ts'
import { RTNH_F_DEAD, RTNH_F_LINKDOWN, RT_SCOPE_NOWHERE, RT_TABLE_MAIN } from '../../../uapi/rtnetlink.ts'
import { dev_get_flags } from '../../core/dev.ts'
import { fib_rebalance, laddr_bucket } from './info.ts'

/** What becomes of a next hop or route in such an event. */
function down_flags(event: u32): u32 {
  return event == NETDEV_CHANGE ? RTNH_F_LINKDOWN : RTNH_F_DEAD | RTNH_F_LINKDOWN
}

/** Marks the next hops of fi by dev; answers how many of all are out of use. */
function mark_down(fi: fib_info, dev: net_device, event: u32, force: bool): u32 {
  let dead: u32 = 0
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const nh = fib_info_nh(fi, i)
    const by_dev = nh.nhc_dev == changetype<usize>(dev)
    if (nh.nhc_flags & RTNH_F_DEAD) {
      dead++
    } else if (by_dev && (force || nh.nhc_scope != RT_SCOPE_NOWHERE)) {
      nh.nhc_flags |= down_flags(event)
      dead++
    }
    // A device that goes takes its multipath routes along.
    if (by_dev && event == NETDEV_UNREGISTER) return fi.fib_nhs
  }
  return dead
}

/**
 * A device goes down (NETDEV_DOWN), away (NETDEV_UNREGISTER) or loses its carrier (NETDEV_CHANGE). Routes of local
 * addresses stay unless force is set. Answers how many fib_infos have no next hop left.
 */
export function fib_sync_down_dev(dev: net_device, event: u32, force: bool): u32 {
  walk(FN_fib_sync_down_dev, 0)
  let count: u32 = 0
  let before: usize = 0
  for (let p = dev.fib_nh_head; p; p = changetype<fib_nh>(p).nh_hash_next) {
    const parent = changetype<fib_nh>(p).nh_parent
    if (parent == before) continue
    before = parent
    const fi = changetype<fib_info>(parent)
    if (mark_down(fi, dev, event, force) == fi.fib_nhs) {
      fi.fib_flags |= down_flags(event)
      count++
    }
    fib_rebalance(fi)
  }
  return count
}

/** Takes flags off the next hops of fi by dev, which is up; answers how many of all are in use. */
function mark_up(fi: fib_info, dev: net_device, flags: u32): u32 {
  let alive: u32 = 0
  for (let i: u32 = 0; i < fi.fib_nhs; i++) {
    const nh = fib_info_nh(fi, i)
    if (!(nh.nhc_flags & flags)) {
      alive++
      continue
    }
    if (nh.nhc_dev != changetype<usize>(dev) || dev.ip_ptr == 0) continue
    alive++
    nh.nhc_flags &= ~flags
  }
  return alive
}

/** A device is up (flags RTNH_F_DEAD) or has carrier again (RTNH_F_LINKDOWN): its next hops count again. */
export function fib_sync_up(dev: net_device, flags: u32): u32 {
  walk(FN_fib_sync_up, 0)
  if (!(dev.flags & IFF_UP)) return 0
  if (flags & RTNH_F_DEAD && dev_get_flags(dev) & (IFF_RUNNING | IFF_LOWER_UP)) flags |= RTNH_F_LINKDOWN
  let count: u32 = 0
  let before: usize = 0
  for (let p = dev.fib_nh_head; p; p = changetype<fib_nh>(p).nh_hash_next) {
    const parent = changetype<fib_nh>(p).nh_parent
    if (parent == before) continue
    before = parent
    const fi = changetype<fib_info>(parent)
    if (mark_up(fi, dev, flags)) {
      fi.fib_flags &= ~flags
      count++
    }
    fib_rebalance(fi)
  }
  return count
}

/** An address is ours no more: routes of the main table that prefer it as source are dead. Answers how many. */
export function fib_sync_down_addr(net: net, local: u32): u32 {
  walk(FN_fib_sync_down_addr, 0)
  if (local == 0) return 0
  let count: u32 = 0
  for (let p = load<usize>(laddr_bucket(local)); p; p = changetype<fib_info>(p).lhash_next) {
    const fi = changetype<fib_info>(p)
    if (fi.net != changetype<usize>(net) || fi.fib_tb_id != RT_TABLE_MAIN || fi.fib_prefsrc != local) continue
    fi.fib_flags |= RTNH_F_DEAD
    fi.pfsrc_removed = 1
    count++
  }
  return count
}

/** What was learnt of paths by this next hop is bounded by the link's MTU, and follows it where it was the bound. */
export function fib_nhc_update_mtu(nh: fib_nh, mtu: u32, was: u32): void {
  if (nh.nhc_exceptions == 0) return
  for (let i: usize = 0; i < <usize>FNHE_HASH_SIZE; i++) {
    let p = load<usize>(nh.nhc_exceptions + (i << 2))
    for (; p; p = changetype<fib_nh_exception>(p).fnhe_next) {
      const fnhe = changetype<fib_nh_exception>(p)
      if (fnhe.fnhe_mtu_locked) {
        if (mtu > fnhe.fnhe_pmtu) continue
        fnhe.fnhe_pmtu = mtu
        fnhe.fnhe_mtu_locked = 0
      } else if (mtu < fnhe.fnhe_pmtu || was == fnhe.fnhe_pmtu) {
        fnhe.fnhe_pmtu = mtu
      }
    }
  }
}

/** The MTU of a device was changed from `was`. */
export function fib_sync_mtu(dev: net_device, was: u32): void {
  walk(FN_fib_sync_mtu, 0)
  for (let p = dev.fib_nh_head; p; p = changetype<fib_nh>(p).nh_hash_next) {
    fib_nhc_update_mtu(changetype<fib_nh>(p), dev.mtu, was)
  }
}
