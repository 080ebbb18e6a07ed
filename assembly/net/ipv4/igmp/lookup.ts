// The groups of a device, found by address, and which packets they let in. Mirrors ip_check_mc_rcu, ip_mc_sf_allow and the
// hash of net/ipv4/igmp.c. Read first: RFC 1112 7, RFC 3376 3 (source filters).

import { ip_mc_socklist, ip_sf_addr, ip_sf_list, ip_sf_socklist } from '../../../include/igmp.ts'
import { ipv4_is_multicast } from '../../../include/ip.ts'
import { in_device, ip_mc_list } from '../../../include/netdevice.ts'
import { INET_MC_ALL, sock } from '../../../include/sock.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_ip_check_mc_rcu, FN_ip_mc_sf_allow } from '../../../uapi/functions.ts'
import { MCAST_INCLUDE } from '../../../uapi/in.ts'
import { IPPROTO_IGMP } from '../../../uapi/socket.ts'

/** From so many groups on a device finds them by a hash. */
const MC_HASH_FROM: u32 = 5
const MC_HASH_BITS: u32 = 9
const MC_HASH_BYTES: usize = 4 << MC_HASH_BITS

export const NO_GROUP: ip_mc_list = changetype<ip_mc_list>(0)

function hash_link(hash: usize, group: u32): usize {
  return hash + ((<usize>((group * 0x61c88647) >> (32 - MC_HASH_BITS))) << 2)
}

/** The device's group of this address (network order), NO_GROUP: it is no member. */
export function find_group(in_dev: in_device, group: u32): ip_mc_list {
  if (in_dev.mc_hash) {
    let p = load<usize>(hash_link(in_dev.mc_hash, group))
    while (p && changetype<ip_mc_list>(p).multiaddr != group) p = changetype<ip_mc_list>(p).next_hash
    return changetype<ip_mc_list>(p)
  }
  let p = in_dev.mc_list
  while (p && changetype<ip_mc_list>(p).multiaddr != group) p = changetype<ip_mc_list>(p).next
  return changetype<ip_mc_list>(p)
}

function hash_insert(hash: usize, im: ip_mc_list): void {
  const link = hash_link(hash, im.multiaddr)
  im.next_hash = load<usize>(link)
  store<usize>(link, changetype<usize>(im))
}

/** Enters a new group into the hash, which comes into being when there are enough. Without memory there is none. */
export function ip_mc_hash_add(in_dev: in_device, im: ip_mc_list): void {
  if (in_dev.mc_hash) {
    hash_insert(in_dev.mc_hash, im)
    return
  }
  if (in_dev.mc_count < MC_HASH_FROM) return
  const hash = kzalloc(MC_HASH_BYTES)
  if (hash == 0) return
  for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) hash_insert(hash, changetype<ip_mc_list>(p))
  in_dev.mc_hash = hash
}

export function ip_mc_hash_remove(in_dev: in_device, im: ip_mc_list): void {
  if (in_dev.mc_hash == 0) return
  let link = hash_link(in_dev.mc_hash, im.multiaddr)
  while (load<usize>(link) != changetype<usize>(im)) link = load<usize>(link) + offsetof<ip_mc_list>('next_hash')
  store<usize>(link, im.next_hash)
}

export function ip_mc_hash_free(in_dev: in_device): void {
  kfree(in_dev.mc_hash, MC_HASH_BYTES)
  in_dev.mc_hash = 0
}

/** The link in a list of sources that points at a source's entry, or at the end of the list. */
export function source_link(link: usize, source: u32): usize {
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    if (changetype<ip_sf_list>(p).sf_inaddr == source) break
    link = p + offsetof<ip_sf_list>('sf_next')
  }
  return link
}

/** Where a group's list of sources begins. */
export function sources_of(im: ip_mc_list): usize {
  return changetype<usize>(im) + offsetof<ip_mc_list>('sources')
}

/** Where the list of those begins of which reports still have to tell that they went. */
export function tomb_of(im: ip_mc_list): usize {
  return changetype<usize>(im) + offsetof<ip_mc_list>('tomb')
}

/**
 * Is a packet to this group from src (0: not known yet) for us, by its device's memberships? Addresses in network order.
 * IGMP itself is taken from any source.
 */
export function ip_check_mc_rcu(in_dev: in_device, group: u32, src: u32, proto: u32): bool {
  walk(FN_ip_check_mc_rcu, 0)
  const im = find_group(in_dev, group)
  if (changetype<usize>(im) == 0) return false
  if (proto == IPPROTO_IGMP || src == 0) return true
  const p = load<usize>(source_link(sources_of(im), src))
  if (p == 0) return im.sfcount_exclude != 0
  const psf = changetype<ip_sf_list>(p)
  return psf.sf_count_include != 0 || psf.sf_count_exclude != im.sfcount_exclude
}

function named(list: usize, source: u32): bool {
  if (list == 0) return false
  const count = changetype<ip_sf_socklist>(list).sl_count
  for (let i: u32 = 0; i < count; i++) {
    if (ip_sf_addr(list, i) == source) return true
  }
  return false
}

/** May a packet to loc from rmt, which came by the device of index dif, go to this socket? Unicast always may. */
export function ip_mc_sf_allow(sk: sock, loc: u32, rmt: u32, dif: u32): bool {
  walk(FN_ip_mc_sf_allow, 0)
  if (!ipv4_is_multicast(loc)) return true
  for (let p = sk.mc_list; p; p = changetype<ip_mc_socklist>(p).next_rcu) {
    const pmc = changetype<ip_mc_socklist>(p)
    if (pmc.imr_multiaddr != loc || pmc.imr_ifindex != dif) continue
    return named(pmc.sflist, rmt) == (pmc.sfmode == MCAST_INCLUDE)
  }
  return (sk.inet_flags & INET_MC_ALL) != 0
}
