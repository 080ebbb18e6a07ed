// Hardware addresses that a device lets in besides its own: unicast and multicast lists. Mirrors net/core/dev_addr_lists.c.
// What the hardware does with them (ndo_set_rx_mode) is its own look-up here.

import { net_device } from '../../include/netdevice.ts'
import { kfree, kmalloc } from '../../lib/arena.ts'
import { walk } from '../../trace/trace.ts'
import { ENOENT, ENOMEM } from '../../uapi/errno.ts'
import {
  FN___dev_mc_add,
  FN___dev_set_rx_mode,
  FN___hw_addr_add_ex,
  FN___hw_addr_del_ex,
  FN_dev_mc_add,
  FN_dev_mc_del,
} from '../../uapi/functions.ts'

/** One address with its users (struct netdev_hw_addr). */
@unmanaged
@final
export class netdev_hw_addr {
  next: usize
  refcount: u32
  addr_lo: u32
  addr_hi: u32
}

const HW_ADDR_SIZE: usize = offsetof<netdev_hw_addr>()

/** Heads of a device's lists. */
function uc_list(dev: net_device): usize {
  return changetype<usize>(dev) + offsetof<net_device>('uc')
}

function mc_list(dev: net_device): usize {
  return changetype<usize>(dev) + offsetof<net_device>('mc')
}

function find(list: usize, lo: u32, hi: u32): netdev_hw_addr {
  let p = load<usize>(list)
  while (p) {
    const ha = changetype<netdev_hw_addr>(p)
    if (ha.addr_lo == lo && ha.addr_hi == hi) return ha
    p = ha.next
  }
  return changetype<netdev_hw_addr>(0)
}

/** One more use of an address. 0 or -ENOMEM. */
function add(list: usize, addr: usize): i32 {
  walk(FN___hw_addr_add_ex, 0)
  const lo = load<u32>(addr)
  const hi = <u32>load<u16>(addr, 4)
  const known = find(list, lo, hi)
  if (changetype<usize>(known)) {
    known.refcount += 1
    return 0
  }
  const p = kmalloc(HW_ADDR_SIZE)
  if (p == 0) return -ENOMEM
  const ha = changetype<netdev_hw_addr>(p)
  ha.addr_lo = lo
  ha.addr_hi = hi
  ha.refcount = 1
  ha.next = load<usize>(list)
  store<usize>(list, p)
  return 0
}

/** One use less. -ENOENT: nobody had it. */
function del(list: usize, addr: usize): i32 {
  walk(FN___hw_addr_del_ex, 0)
  const lo = load<u32>(addr)
  const hi = <u32>load<u16>(addr, 4)
  let link = list
  while (load<usize>(link)) {
    const p = load<usize>(link)
    const ha = changetype<netdev_hw_addr>(p)
    if (ha.addr_lo == lo && ha.addr_hi == hi) {
      if (--ha.refcount) return 0
      store<usize>(link, ha.next)
      kfree(p, HW_ADDR_SIZE)
      return 0
    }
    link = p + offsetof<netdev_hw_addr>('next')
  }
  return -ENOENT
}

/** Lets a group in once more. 0 or -ENOMEM. */
export function dev_mc_add(dev: net_device, addr: usize): i32 {
  walk(FN_dev_mc_add, 0)
  walk(FN___dev_mc_add, 0)
  const err = add(mc_list(dev), addr)
  if (err == 0) walk(FN___dev_set_rx_mode, 0)
  return err
}

/** Gives up one use. -ENOENT: nobody had it. */
export function dev_mc_del(dev: net_device, addr: usize): i32 {
  walk(FN_dev_mc_del, 0)
  const err = del(mc_list(dev), addr)
  if (err == 0) walk(FN___dev_set_rx_mode, 0)
  return err
}

/** Is this group let in? */
export function dev_mc_has(dev: net_device, addr: usize): bool {
  return changetype<usize>(find(mc_list(dev), load<u32>(addr), <u32>load<u16>(addr, 4))) != 0
}

/** The same for addresses that are no group's. */
export function dev_uc_add(dev: net_device, addr: usize): i32 {
  return add(uc_list(dev), addr)
}

export function dev_uc_del(dev: net_device, addr: usize): i32 {
  return del(uc_list(dev), addr)
}

export function dev_uc_has(dev: net_device, addr: usize): bool {
  return changetype<usize>(find(uc_list(dev), load<u32>(addr), <u32>load<u16>(addr, 4))) != 0
}

function flush(list: usize): void {
  for (let p = load<usize>(list); p; p = load<usize>(list)) {
    store<usize>(list, changetype<netdev_hw_addr>(p).next)
    kfree(p, HW_ADDR_SIZE)
  }
}

/** The device goes: both lists are emptied (dev_uc_flush, dev_mc_flush). */
export function dev_addr_flush(dev: net_device): void {
  flush(uc_list(dev))
  flush(mc_list(dev))
}
