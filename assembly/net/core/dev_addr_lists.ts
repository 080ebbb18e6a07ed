// Multicast hardware addresses that a device lets in. Mirrors net/core/dev_addr_lists.c.

import { net_device } from '../../include/netdevice.ts'
import { kfree, kmalloc } from '../../lib/arena.ts'
import { ENOENT, ENOMEM } from '../../uapi/errno.ts'

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

function find(dev: net_device, lo: u32, hi: u32): netdev_hw_addr {
  let p = dev.mc
  while (p) {
    const ha = changetype<netdev_hw_addr>(p)
    if (ha.addr_lo == lo && ha.addr_hi == hi) return ha
    p = ha.next
  }
  return changetype<netdev_hw_addr>(0)
}

/** Lets a group in once more. 0 or -errno; without memory -ENOMEM. */
export function dev_mc_add(dev: net_device, addr: usize): i32 {
  const lo = load<u32>(addr)
  const hi = <u32>load<u16>(addr, 4)
  const known = find(dev, lo, hi)
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
  ha.next = dev.mc
  dev.mc = p
  return 0
}

/** Gives up one use. -ENOENT: nobody had it. */
export function dev_mc_del(dev: net_device, addr: usize): i32 {
  const lo = load<u32>(addr)
  const hi = <u32>load<u16>(addr, 4)
  let prev: usize = 0
  for (let p = dev.mc; p; p = changetype<netdev_hw_addr>(p).next) {
    const ha = changetype<netdev_hw_addr>(p)
    if (ha.addr_lo == lo && ha.addr_hi == hi) {
      if (--ha.refcount) return 0
      if (prev) changetype<netdev_hw_addr>(prev).next = ha.next
      else dev.mc = ha.next
      kfree(p, HW_ADDR_SIZE)
      return 0
    }
    prev = p
  }
  return -ENOENT
}

/** Is this group let in? */
export function dev_mc_has(dev: net_device, addr: usize): bool {
  return changetype<usize>(find(dev, load<u32>(addr), <u32>load<u16>(addr, 4))) != 0
}
