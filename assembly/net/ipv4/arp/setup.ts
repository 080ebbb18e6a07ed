// ARP's place in the neighbour table: what a new entry is, what a failed one means, what a device's change does.
// Mirrors arp_constructor, arp_error_report, arp_netdev_event and arp_init of net/ipv4/arp.c.

import {
  SLOT_ARP_ERROR_REPORT,
  SLOT_ARP_SOLICIT,
  SLOT_HEADER_CACHE,
  SLOT_HEADER_CACHE_UPDATE,
  SLOT_HEADER_CREATE,
  slot_set,
} from '../../../lib/boot.ts'
import { net } from '../../../include/net_namespace.ts'
import { NEIGH_HA, NEIGH_OUT_DIRECT, NEIGH_OUT_RESOLVE, neighbour } from '../../../include/neighbour.ts'
import {
  DEV_ADDR,
  DEV_BROADCAST,
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_UP,
  in_dev_andconf,
  in_device,
  net_device,
  netif_carrier_ok,
} from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NEIGH_FAILED } from '../../../uapi/dropreason.ts'
import { EINVAL, ENOMEM } from '../../../uapi/errno.ts'
import { FN_arp_constructor, FN_arp_error_report, FN_arp_netdev_event } from '../../../uapi/functions.ts'
import { IFF_LOOPBACK, IFF_NOARP, IFF_POINTOPOINT } from '../../../uapi/if.ts'
import { NUD_NOARP, NUD_VALID } from '../../../uapi/neighbour.ts'
import { RTN_BROADCAST, RTN_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { IPV4_DEVCONF_ARP_EVICT_NOCARRIER } from '../../../uapi/sysctl.ts'
import { neigh_carrier_down, neigh_changeaddr, neigh_connect, neigh_table_init } from '../../core/neighbour.ts'
import { kfree_skb_reason } from '../../core/skbuff.ts'
import { eth_header } from '../../ethernet/eth.ts'
import { eth_header_cache, eth_header_cache_update } from '../../ethernet/eth_cache.ts'
import { inet_addr_type_dev_table } from '../fib_frontend.ts'
import { ipv4_link_failure } from '../link_failure.ts'
import { rt_cache_flush } from '../route/cache.ts'
import { parp_redo } from './input.ts'
import { announce_if_asked, arp_solicit } from './output.ts'
import { arp_mc_map } from './table.ts'

/** The entry needs no question: this is its hardware address. */
function known_without_arp(n: neighbour, from: usize): void {
  n.nud_state = <u8>NUD_NOARP
  memory.copy(changetype<usize>(n) + NEIGH_HA, from, changetype<net_device>(n.dev).addr_len)
}

/**
 * Decides what a new entry is: groups, broadcast addresses and links without ARP are known at once.
 *
 * Uses: dev, primary_key. Sets: type, nud_state, ha, output. 0, or -EINVAL: the device has no IPv4.
 */
function arp_constructor(n: neighbour): i32 {
  walk(FN_arp_constructor, 0)
  const dev = changetype<net_device>(n.dev)
  if (dev.ip_ptr == 0) return -EINVAL
  if (dev.flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) n.primary_key = 0
  const type = inet_addr_type_dev_table(changetype<net>(dev.nd_net), dev, n.primary_key)
  n.type = <u8>type
  if (dev.hard_header_len == 0) {
    n.nud_state = <u8>NUD_NOARP
    n.output = NEIGH_OUT_DIRECT
    return 0
  }
  if (type == RTN_MULTICAST) {
    n.nud_state = <u8>NUD_NOARP
    arp_mc_map(n.primary_key, changetype<usize>(n) + NEIGH_HA, dev, true)
  } else if (dev.flags & (IFF_NOARP | IFF_LOOPBACK)) {
    known_without_arp(n, n.dev + DEV_ADDR)
  } else if (type == RTN_BROADCAST || dev.flags & IFF_POINTOPOINT) {
    known_without_arp(n, n.dev + DEV_BROADCAST)
  }
  n.output = NEIGH_OUT_RESOLVE
  if (n.nud_state & NUD_VALID) neigh_connect(n)
  return 0
}

/** Nobody answered for this packet. Takes over the skb. */
function arp_error_report(n: neighbour, skb: sk_buff): void {
  walk(FN_arp_error_report, changetype<usize>(skb))
  if (skb.dst) ipv4_link_failure(skb)
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED, FN_arp_error_report)
}

/** Something about a device changed, and inetdev_event was told: event is NETDEV_*, changed the IFF_* that are not as before. */
export function arp_netdev_event(dev: net_device, event: u32, changed: u32): void {
  walk(FN_arp_netdev_event, 0)
  if (event == NETDEV_CHANGEADDR) {
    neigh_changeaddr(dev)
    rt_cache_flush(changetype<net>(dev.nd_net))
  } else if (event == NETDEV_CHANGE) {
    if (changed & IFF_NOARP) neigh_changeaddr(dev)
    const in_dev = changetype<in_device>(dev.ip_ptr)
    const evict = changetype<usize>(in_dev) == 0 || in_dev_andconf(in_dev, IPV4_DEVCONF_ARP_EVICT_NOCARRIER)
    if (evict && !netif_carrier_ok(dev)) neigh_carrier_down(dev)
  }
  // In Linux inetdev_event does it; here that room is below ARP.
  if (event == NETDEV_UP || event == NETDEV_CHANGEADDR) announce_if_asked(dev)
}

/** At boot: makes the table and fills the slots of lower rooms. 0 or -ENOMEM. */
export function arp_init(): i32 {
  if (!neigh_table_init(arp_constructor.index, parp_redo.index)) return -ENOMEM
  slot_set(SLOT_ARP_SOLICIT, arp_solicit.index)
  slot_set(SLOT_ARP_ERROR_REPORT, arp_error_report.index)
  slot_set(SLOT_HEADER_CREATE, eth_header.index)
  slot_set(SLOT_HEADER_CACHE, eth_header_cache.index)
  slot_set(SLOT_HEADER_CACHE_UPDATE, eth_header_cache_update.index)
  return 0
}
