// The part of ARP that rooms below it need: entries that end, and where multicast goes on a link.
// Mirrors arp_ifdown, arp_invalidate and arp_mc_map of net/ipv4/arp.c. Read first: RFC 1112 6.4.

import { DEV_BROADCAST, net_device } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENXIO } from '../../../uapi/errno.ts'
import { FN_arp_ifdown, FN_arp_invalidate, FN_arp_mc_map } from '../../../uapi/functions.ts'
import { ARPHRD_ETHER, ARPHRD_FDDI, ARPHRD_IEEE802 } from '../../../uapi/if_arp.ts'
import {
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_OVERRIDE,
  NUD_FAILED,
  NUD_NOARP,
  NUD_VALID,
} from '../../../uapi/neighbour.ts'
import { let_go_and_remove, neigh_ifdown, neigh_lookup, neigh_release, neigh_update } from '../../core/neighbour.ts'

/** The device is down: its neighbours are forgotten. */
export function arp_ifdown(dev: net_device): void {
  walk(FN_arp_ifdown, 0)
  neigh_ifdown(dev)
}

/** Forgets an address of a device; a valid entry only by force. 0; -ENXIO: there is none. */
export function arp_invalidate(dev: net_device, ip: u32, force: bool): i32 {
  walk(FN_arp_invalidate, 0)
  const n = neigh_lookup(dev, ip)
  if (changetype<usize>(n) == 0) return -ENXIO
  if (n.nud_state & NUD_VALID && !force) {
    neigh_release(n)
    return 0
  }
  let err = 0
  if (n.nud_state & ~NUD_NOARP) err = neigh_update(n, 0, NUD_FAILED, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN)
  let_go_and_remove(n)
  return err
}

/** 01:00:5e and the group's low 23 bits (RFC 1112 6.4). */
function ip_eth_mc_map(group: u32, to: usize): void {
  store<u32>(to, 0x005e0001 | ((group & 0x7f00) << 16))
  store<u16>(to, <u16>(group >> 16), 4)
}

/**
 * Writes the hardware address of a group (network order) to `to`, 8 bytes of room. Other links than Ethernet send to
 * all when dir is set; -EINVAL: they have no address for groups.
 */
export function arp_mc_map(group: u32, to: usize, dev: net_device, dir: bool): i32 {
  walk(FN_arp_mc_map, 0)
  const type = <u32>dev.type
  if (type == ARPHRD_ETHER || type == ARPHRD_FDDI || type == ARPHRD_IEEE802) {
    ip_eth_mc_map(group, to)
    return 0
  }
  if (!dir) return -EINVAL
  memory.copy(to, changetype<usize>(dev) + DEV_BROADCAST, dev.addr_len)
  return 0
}
