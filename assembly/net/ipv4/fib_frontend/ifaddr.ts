// The routes that an address makes: itself (local), its subnet, and the subnet's broadcast address; and how they go
// again without taking along what another address still needs. Mirrors fib_add_ifaddr and fib_del_ifaddr of
// net/ipv4/fib_frontend.c. Golden: fib-local-table, fib-secondary. Read first: RFC 1122 3.2.1.3, RFC 3021 (/31).

import { NLM_F_APPEND, NLM_F_CREATE, fib_config, fib_table } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { IFA_F_NOPREFIXROUTE, IFA_F_SECONDARY, in_device, in_ifaddr, net_device } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fib_add_ifaddr, FN_fib_del_ifaddr, FN_fib_flush, FN_fib_magic } from '../../../uapi/functions.ts'
import { IFF_LOOPBACK, IFF_UP } from '../../../uapi/if.ts'
import {
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_UNICAST,
  RTPROT_KERNEL,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../../../uapi/rtnetlink.ts'
import { arp_invalidate } from '../arp/table.ts'
import { NO_IFADDR, inet_ifa_byprefix, inet_ifa_match } from '../devinet.ts'
import { fib_new_table, inet_addr_type_dev_table } from '../fib_frontend.ts'
import { fib_sync_down_addr } from '../fib_semantics/sync.ts'
import { fib_table_delete, fib_table_flush, fib_table_insert } from '../fib_trie/insert.ts'
import { rt_cache_flush } from '../route/cache.ts'

const MAGIC: usize = memory.data(64, 16)

/** What an address that goes shares with one that stays (bits of fib_del_ifaddr). */
const LOCAL_OK: u32 = 1
const BRD_OK: u32 = 2
const BRD0_OK: u32 = 4
const BRD1_OK: u32 = 8

function dev_of(ifa: in_ifaddr): net_device {
  return changetype<net_device>(changetype<in_device>(ifa.ifa_dev).dev)
}

/** Adds or deletes one route of the kernel's own for an address. */
function fib_magic(add: bool, type: u32, dst: u32, dst_len: u32, ifa: in_ifaddr, priority: u32): void {
  walk(FN_fib_magic, 0)
  const dev = dev_of(ifa)
  const owner = changetype<net>(dev.nd_net)
  const tb: fib_table = fib_new_table(owner, type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL)
  if (changetype<usize>(tb) == 0) return
  memory.fill(MAGIC, 0, offsetof<fib_config>())
  const cfg = changetype<fib_config>(MAGIC)
  cfg.fc_protocol = <u8>RTPROT_KERNEL
  cfg.fc_type = <u8>type
  cfg.fc_dst = dst
  cfg.fc_dst_len = <u8>dst_len
  cfg.fc_priority = priority
  cfg.fc_prefsrc = ifa.ifa_local
  cfg.fc_oif = dev.ifindex
  cfg.fc_nlflags = NLM_F_CREATE | NLM_F_APPEND
  cfg.fc_table = tb.tb_id
  cfg.fc_scope = <u8>(type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK)
  if (add) fib_table_insert(owner, tb, cfg)
  else fib_table_delete(owner, tb, cfg)
}

/** Addresses of lo make their whole subnet local. */
function prefix_type(dev: net_device): u32 {
  return dev.flags & IFF_LOOPBACK ? RTN_LOCAL : RTN_UNICAST
}

/** There is a subnet besides the address itself. */
function has_subnet(ifa: in_ifaddr, prefix: u32): bool {
  return prefix != 0 && (prefix != ifa.ifa_local || ifa.ifa_prefixlen < 32)
}

/** An address is there, or its device is up: its routes come. A secondary one has the source of its primary. */
export function fib_add_ifaddr(ifa: in_ifaddr): void {
  walk(FN_fib_add_ifaddr, 0)
  const in_dev = changetype<in_device>(ifa.ifa_dev)
  const dev = dev_of(ifa)
  const mask = ifa.ifa_mask
  const prefix = ifa.ifa_address & mask
  const secondary = (ifa.ifa_flags & IFA_F_SECONDARY) != 0
  const prim = secondary ? inet_ifa_byprefix(in_dev, prefix, mask) : ifa
  if (changetype<usize>(prim) == 0) return
  fib_magic(true, RTN_LOCAL, ifa.ifa_local, 32, prim, 0)
  if (!(dev.flags & IFF_UP)) return
  if (ifa.ifa_broadcast && ifa.ifa_broadcast != u32.MAX_VALUE) {
    fib_magic(true, RTN_BROADCAST, ifa.ifa_broadcast, 32, prim, 0)
    arp_invalidate(dev, ifa.ifa_broadcast, false)
  }
  if (secondary || !has_subnet(ifa, prefix)) return
  if (!(ifa.ifa_flags & IFA_F_NOPREFIXROUTE))
    fib_magic(true, prefix_type(dev), prefix, ifa.ifa_prefixlen, prim, ifa.ifa_rt_priority)
  if (ifa.ifa_prefixlen < 31) {
    fib_magic(true, RTN_BROADCAST, prefix | ~mask, 32, prim, 0)
    arp_invalidate(dev, prefix | ~mask, false)
  }
}

/** The metric of an address's subnet route changes: the new route comes before the old one goes. */
export function fib_modify_prefix_metric(ifa: in_ifaddr, metric: u32): void {
  const dev = dev_of(ifa)
  const prefix = ifa.ifa_address & ifa.ifa_mask
  if (!(dev.flags & IFF_UP) || ifa.ifa_flags & (IFA_F_SECONDARY | IFA_F_NOPREFIXROUTE)) return
  if (!has_subnet(ifa, prefix)) return
  fib_magic(true, prefix_type(dev), prefix, ifa.ifa_prefixlen, ifa, metric)
  fib_magic(false, prefix_type(dev), prefix, ifa.ifa_prefixlen, ifa, ifa.ifa_rt_priority)
}

/** Takes routes out whose next hops are all dead, in all tables. */
export function fib_flush(net: net): void {
  walk(FN_fib_flush, 0)
  let flushed: u32 = 0
  for (let p = net.fib_tables; p; p = changetype<fib_table>(p).next) {
    flushed += fib_table_flush(changetype<fib_table>(p), false)
  }
  if (flushed) rt_cache_flush(net)
}

/** Which of its own routes an address that goes shares with `other`, whose primary is `prim1`. */
function shared(ifa: in_ifaddr, other: in_ifaddr, prim1: in_ifaddr, brd: u32, any: u32): u32 {
  let ok: u32 = 0
  if (ifa.ifa_local == other.ifa_local) ok |= LOCAL_OK
  if (ifa.ifa_broadcast == other.ifa_broadcast) ok |= BRD_OK
  if (brd == other.ifa_broadcast) ok |= BRD1_OK
  if (any == other.ifa_broadcast) ok |= BRD0_OK
  if (changetype<usize>(prim1) != changetype<usize>(other) || other.ifa_prefixlen >= 31) return ok
  const any1 = other.ifa_address & other.ifa_mask
  const brd1 = other.ifa_address | ~other.ifa_mask
  if (any1 == 0) return ok
  if (ifa.ifa_broadcast == brd1 || ifa.ifa_broadcast == any1) ok |= BRD_OK
  if (brd == brd1 || brd == any1) ok |= BRD1_OK
  if (any == brd1 || any == any1) ok |= BRD0_OK
  return ok
}

/**
 * What the addresses of the device that stay have in common with one that goes. Only those count whose routes have the same
 * preferred source, that of the primary prim. iprim: the primary that goes while ifa is promoted, NO_IFADDR: none.
 */
function kept(in_dev: in_device, ifa: in_ifaddr, prim: in_ifaddr, iprim: in_ifaddr, brd: u32, any: u32): u32 {
  let ok: u32 = 0
  let same_prefsrc = false
  let prim1 = NO_IFADDR
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const other = changetype<in_ifaddr>(p)
    if (p == changetype<usize>(ifa)) continue
    const with_iprim = changetype<usize>(iprim) != 0 && other.ifa_mask == iprim.ifa_mask
    if (with_iprim && inet_ifa_match(other.ifa_address, iprim)) continue
    if (!(other.ifa_flags & IFA_F_SECONDARY)) {
      if (other.ifa_local != prim.ifa_local) continue
      prim1 = other
      if (changetype<usize>(prim1) != changetype<usize>(prim)) same_prefsrc = true
    } else if (other.ifa_mask == prim.ifa_mask && inet_ifa_match(other.ifa_address, prim)) {
      prim1 = prim
    } else {
      if (!same_prefsrc) continue
      const known = changetype<usize>(prim1) != 0 && other.ifa_mask == prim1.ifa_mask
      if (!known || !inet_ifa_match(other.ifa_address, prim1))
        prim1 = inet_ifa_byprefix(in_dev, other.ifa_address, other.ifa_mask)
      if (changetype<usize>(prim1) == 0 || prim1.ifa_local != prim.ifa_local) continue
    }
    ok |= shared(ifa, other, prim1, brd, any)
  }
  return ok
}

function on_list(in_dev: in_device, ifa: in_ifaddr): bool {
  let p = in_dev.ifa_list
  while (p && p != changetype<usize>(ifa)) p = changetype<in_ifaddr>(p).ifa_next
  return p != 0
}

/** The address itself is no longer local; if no other device has it, routes that are sent from it go too. */
function del_local(ifa: in_ifaddr, prim: in_ifaddr, gone: bool): void {
  fib_magic(false, RTN_LOCAL, ifa.ifa_local, 32, prim, 0)
  const dev = dev_of(ifa)
  const owner = changetype<net>(dev.nd_net)
  if (!gone || inet_addr_type_dev_table(owner, dev, ifa.ifa_local) == RTN_LOCAL) return
  if (fib_sync_down_addr(owner, ifa.ifa_local)) fib_flush(owner)
}

/**
 * An address goes (it is off its device's list), or a secondary one whose primary iprim goes is promoted (it is still on the
 * list): its routes go, those aside that other addresses of the device need.
 */
export function fib_del_ifaddr(ifa: in_ifaddr, iprim: in_ifaddr): void {
  walk(FN_fib_del_ifaddr, 0)
  const in_dev = changetype<in_device>(ifa.ifa_dev)
  const dev = dev_of(ifa)
  const brd = ifa.ifa_address | ~ifa.ifa_mask
  const any = ifa.ifa_address & ifa.ifa_mask
  let prim = ifa
  let subnet = false
  if (ifa.ifa_flags & IFA_F_SECONDARY) {
    prim = inet_ifa_byprefix(in_dev, any, ifa.ifa_mask)
    if (changetype<usize>(prim) == 0) return
    if (changetype<usize>(iprim) && changetype<usize>(iprim) != changetype<usize>(prim)) return
  } else if (has_subnet(ifa, any)) {
    if (!(ifa.ifa_flags & IFA_F_NOPREFIXROUTE)) fib_magic(false, prefix_type(dev), any, ifa.ifa_prefixlen, prim, 0)
    subnet = true
  }
  const ok = in_dev.dead ? 0 : kept(in_dev, ifa, prim, iprim, brd, any)
  const gone = in_dev.dead != 0 || !on_list(in_dev, ifa)
  if (!(ok & BRD_OK)) fib_magic(false, RTN_BROADCAST, ifa.ifa_broadcast, 32, prim, 0)
  if (subnet && ifa.ifa_prefixlen < 31) {
    if (!(ok & BRD1_OK)) fib_magic(false, RTN_BROADCAST, brd, 32, prim, 0)
    if (!(ok & BRD0_OK)) fib_magic(false, RTN_BROADCAST, any, 32, prim, 0)
  }
  if (!(ok & LOCAL_OK)) del_local(ifa, prim, gone)
}
