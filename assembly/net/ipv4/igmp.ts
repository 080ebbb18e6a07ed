// Groups that devices are members of, their source filters, and IGMP messages. Mirrors net/ipv4/igmp.c.
// What sockets join: igmp_sock.ts. Reports are sent elsewhere; here is the state that they speak of.
// Read first: RFC 1112 7, RFC 3376 2 and 3 (source filters of sockets and interfaces).

import {
  IGMPV3_QUERY_HLEN,
  IGMP_HLEN,
  IP_SF_LIST_SIZE,
  igmphdr,
  igmpv3_query,
  ip_mc_socklist,
  ip_sf_addr,
  ip_sf_list,
  ip_sf_socklist,
} from '../../include/igmp.ts'
import { ipv4_is_multicast } from '../../include/ip.ts'
import { sysctl } from '../../include/net_namespace.ts'
import { __in_dev_get_rcu, in_dev_net, in_device, ip_mc_list, net_device } from '../../include/netdevice.ts'
import { INET_MC_ALL, sock } from '../../include/sock.ts'
import { SKB_ENDED_ABSORBED, sk_buff } from '../../include/skbuff.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { ntohs } from '../../lib/byteorder.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { EINVAL, ENOBUFS, ESRCH } from '../../uapi/errno.ts'
import {
  FN___igmp_group_dropped,
  FN___ip_mc_dec_group,
  FN_____ip_mc_inc_group,
  FN_igmp_group_added,
  FN_igmp_heard_query,
  FN_igmp_heard_report,
  FN_igmp_rcv,
  FN_ip_check_mc_rcu,
  FN_ip_mc_add_src,
  FN_ip_mc_del_src,
  FN_ip_mc_down,
  FN_ip_mc_sf_allow,
  FN_ip_mc_up,
  FN_ip_rt_multicast_event,
} from '../../uapi/functions.ts'
import {
  IGMPV2_HOST_MEMBERSHIP_REPORT,
  IGMP_HOST_MEMBERSHIP_QUERY,
  IGMP_HOST_MEMBERSHIP_REPORT,
} from '../../uapi/igmp.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../uapi/in.ts'
import { IPPROTO_IGMP } from '../../uapi/socket.ts'
import { SYSCTL_IGMP_QRV } from '../../uapi/sysctl.ts'
import { dev_mc_add, dev_mc_del } from '../core/dev_addr_lists.ts'
import { consume_skb, kfree_skb_reason } from '../core/skbuff.ts'
import { pskb_may_pull, skb_checksum_simple_validate } from '../core/skbuff_data.ts'
import { arp_mc_map } from './arp/table.ts'

/** 224.0.0.1, all systems: joined by every device that is up (RFC 1112 4), never reported. */
const ALL_HOSTS: u32 = 0x010000e0
const IP_MC_LIST_SIZE: usize = offsetof<ip_mc_list>()
/** From so many groups on a device finds them by a hash. */
const MC_HASH_FROM: u32 = 5
const MC_HASH_BITS: u32 = 9
const MC_HASH_BYTES: usize = 4 << MC_HASH_BITS

const HW_ADDR: usize = memory.data(16, 8)

function hash_link(hash: usize, group: u32): usize {
  return hash + ((<usize>((group * 0x61c88647) >> (32 - MC_HASH_BITS))) << 2)
}

function find_group(in_dev: in_device, group: u32): ip_mc_list {
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
function ip_mc_hash_add(in_dev: in_device, im: ip_mc_list): void {
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

function ip_mc_hash_remove(in_dev: in_device, im: ip_mc_list): void {
  if (in_dev.mc_hash == 0) return
  let link = hash_link(in_dev.mc_hash, im.multiaddr)
  while (load<usize>(link) != changetype<usize>(im)) link = load<usize>(link) + offsetof<ip_mc_list>('next_hash')
  store<usize>(link, im.next_hash)
}

/** Groups changed, so routes to them may have: cached ones are stale. */
function ip_rt_multicast_event(in_dev: in_device): void {
  walk(FN_ip_rt_multicast_event, 0)
  in_dev_net(in_dev).rt_genid += 1
}

/** The device lets the group's hardware address in. */
function igmp_group_added(im: ip_mc_list): void {
  walk(FN_igmp_group_added, 0)
  const in_dev = changetype<in_device>(im.interface)
  const dev = changetype<net_device>(in_dev.dev)
  if (!im.loaded) {
    im.loaded = 1
    if (arp_mc_map(im.multiaddr, HW_ADDR, dev, false) == 0) dev_mc_add(dev, HW_ADDR)
  }
  im.unsolicit_count = in_dev.mr_qrv
}

/** The device need not let the group's hardware address in for it any more. */
function igmp_group_dropped(im: ip_mc_list): void {
  walk(FN___igmp_group_dropped, 0)
  if (!im.loaded) return
  im.loaded = 0
  const dev = changetype<net_device>(changetype<in_device>(im.interface).dev)
  if (arp_mc_map(im.multiaddr, HW_ADDR, dev, false) == 0) dev_mc_del(dev, HW_ADDR)
}

function sfcount(im: ip_mc_list, mode: u32): u32 {
  return mode == MCAST_EXCLUDE ? im.sfcount_exclude : im.sfcount_include
}

function sfcount_add(im: ip_mc_list, mode: u32, n: u32): void {
  if (mode == MCAST_EXCLUDE) im.sfcount_exclude += n
  else im.sfcount_include += n
}

/** The link that points at a source's entry, or at the end of the list. */
function source_link(im: ip_mc_list, source: u32): usize {
  let link = changetype<usize>(im) + offsetof<ip_mc_list>('sources')
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    if (changetype<ip_sf_list>(p).sf_inaddr == source) break
    link = p + offsetof<ip_sf_list>('sf_next')
  }
  return link
}

/** One more user names a source. False: out of memory. */
function ip_mc_add1_src(im: ip_mc_list, mode: u32, source: u32): bool {
  const link = source_link(im, source)
  let p = load<usize>(link)
  if (p == 0) {
    p = kzalloc(IP_SF_LIST_SIZE)
    if (p == 0) return false
    changetype<ip_sf_list>(p).sf_inaddr = source
    store<usize>(link, p)
  }
  const psf = changetype<ip_sf_list>(p)
  if (mode == MCAST_EXCLUDE) psf.sf_count_exclude += 1
  else psf.sf_count_include += 1
  return true
}

/** One user less names a source. False: none did. */
function ip_mc_del1_src(im: ip_mc_list, mode: u32, source: u32): bool {
  const link = source_link(im, source)
  const p = load<usize>(link)
  if (p == 0) return false
  const psf = changetype<ip_sf_list>(p)
  if ((mode == MCAST_EXCLUDE ? psf.sf_count_exclude : psf.sf_count_include) == 0) return false
  if (mode == MCAST_EXCLUDE) psf.sf_count_exclude -= 1
  else psf.sf_count_include -= 1
  if (psf.sf_count_exclude == 0 && psf.sf_count_include == 0) {
    store<usize>(link, psf.sf_next)
    kfree(p, IP_SF_LIST_SIZE)
  }
  return true
}

/** The mode that the interface is in: EXCLUDE as soon as one user is (RFC 3376 3.2). */
function set_mode(im: ip_mc_list): void {
  if (im.sfcount_exclude) im.sfmode = MCAST_EXCLUDE
  else if (im.sfcount_include) im.sfmode = MCAST_INCLUDE
}

/**
 * A user's filter of count sources (u32 each at sources) enters the group's; delta: the user was in this mode already.
 * 0; -ESRCH: the device is not a member; -ENOBUFS: out of memory, nothing changed.
 */
export function ip_mc_add_src(in_dev: in_device, group: u32, mode: u32, count: u32, sources: usize, delta: bool): i32 {
  walk(FN_ip_mc_add_src, 0)
  if (changetype<usize>(in_dev) == 0) return -ESRCH
  const im = find_group(in_dev, group)
  if (changetype<usize>(im) == 0) return -ESRCH
  for (let i: u32 = 0; i < count; i++) {
    if (ip_mc_add1_src(im, mode, load<u32>(sources + ((<usize>i) << 2)))) continue
    while (i-- > 0) ip_mc_del1_src(im, mode, load<u32>(sources + ((<usize>i) << 2)))
    return -ENOBUFS
  }
  if (!delta) sfcount_add(im, mode, 1)
  set_mode(im)
  return 0
}

/** The same the other way: 0; -ESRCH: not a member, or a source that was not named; -EINVAL: nobody is in that mode. */
export function ip_mc_del_src(in_dev: in_device, group: u32, mode: u32, count: u32, sources: usize, delta: bool): i32 {
  walk(FN_ip_mc_del_src, 0)
  if (changetype<usize>(in_dev) == 0) return -ESRCH
  const im = find_group(in_dev, group)
  if (changetype<usize>(im) == 0) return -ESRCH
  if (!delta) {
    if (sfcount(im, mode) == 0) return -EINVAL
    sfcount_add(im, mode, u32.MAX_VALUE)
  }
  let err = 0
  for (let i: u32 = 0; i < count; i++) {
    if (!ip_mc_del1_src(im, mode, load<u32>(sources + ((<usize>i) << 2))) && err == 0) err = -ESRCH
  }
  set_mode(im)
  return err
}

/** One more user joins a group in a mode. 0 or -ENOBUFS: out of memory. */
export function ____ip_mc_inc_group(in_dev: in_device, group: u32, mode: u32): i32 {
  walk(FN_____ip_mc_inc_group, 0)
  const known = find_group(in_dev, group)
  if (changetype<usize>(known)) {
    known.users += 1
    ip_mc_add_src(in_dev, group, mode, 0, 0, false)
    return 0
  }
  const p = kzalloc(IP_MC_LIST_SIZE)
  if (p == 0) return -ENOBUFS
  const im = changetype<ip_mc_list>(p)
  im.users = 1
  im.interface = changetype<usize>(in_dev)
  im.multiaddr = group
  im.sfmode = mode
  sfcount_add(im, mode, 1)
  im.next = in_dev.mc_list
  in_dev.mc_list = p
  in_dev.mc_count += 1
  ip_mc_hash_add(in_dev, im)
  igmp_group_added(im)
  if (!in_dev.dead) ip_rt_multicast_event(in_dev)
  return 0
}

/** The kernel itself joins a group, from any source. */
export function ip_mc_inc_group(in_dev: in_device, group: u32): i32 {
  return ____ip_mc_inc_group(in_dev, group, MCAST_EXCLUDE)
}

function free_group(im: ip_mc_list): void {
  let p = im.sources
  while (p) {
    const next = changetype<ip_sf_list>(p).sf_next
    kfree(p, IP_SF_LIST_SIZE)
    p = next
  }
  kfree(changetype<usize>(im), IP_MC_LIST_SIZE)
}

/** A user leaves; with the last one the device does. Its filter was taken back before (ip_mc_del_src). */
export function ip_mc_dec_group(in_dev: in_device, group: u32): void {
  walk(FN___ip_mc_dec_group, 0)
  let link = changetype<usize>(in_dev) + offsetof<in_device>('mc_list')
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const im = changetype<ip_mc_list>(p)
    if (im.multiaddr != group) {
      link = p + offsetof<ip_mc_list>('next')
      continue
    }
    if (--im.users) return
    ip_mc_hash_remove(in_dev, im)
    store<usize>(link, im.next)
    in_dev.mc_count -= 1
    igmp_group_dropped(im)
    free_group(im)
    if (!in_dev.dead) ip_rt_multicast_event(in_dev)
    return
  }
}

/** A device gets its IPv4 part. */
export function ip_mc_init_dev(in_dev: in_device): void {
  in_dev.mr_qrv = <u32>sysctl(in_dev_net(in_dev), SYSCTL_IGMP_QRV)
}

/** The device goes up: it is one of all hosts, and groups joined before take effect. */
export function ip_mc_up(in_dev: in_device): void {
  walk(FN_ip_mc_up, 0)
  in_dev.mr_qrv = <u32>sysctl(in_dev_net(in_dev), SYSCTL_IGMP_QRV)
  ip_mc_inc_group(in_dev, ALL_HOSTS)
  for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) igmp_group_added(changetype<ip_mc_list>(p))
}

/** The device goes down: memberships stay, their addresses are not let in. */
export function ip_mc_down(in_dev: in_device): void {
  walk(FN_ip_mc_down, 0)
  for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) igmp_group_dropped(changetype<ip_mc_list>(p))
  ip_mc_dec_group(in_dev, ALL_HOSTS)
}

/** The IPv4 part of a device that is down goes: so do its groups. */
export function ip_mc_destroy_dev(in_dev: in_device): void {
  let p = in_dev.mc_list
  while (p) {
    const im = changetype<ip_mc_list>(p)
    p = im.next
    igmp_group_dropped(im)
    free_group(im)
  }
  in_dev.mc_list = 0
  in_dev.mc_count = 0
  kfree(in_dev.mc_hash, MC_HASH_BYTES)
  in_dev.mc_hash = 0
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
  const p = load<usize>(source_link(im, src))
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

/** A router asks. True: malformed (RFC 3376 4.1, 7.1), as Linux does for lengths between 8 and 12. */
function igmp_heard_query(skb: sk_buff, len: u32): bool {
  walk(FN_igmp_heard_query, changetype<usize>(skb))
  if (len == IGMP_HLEN) return false
  if (len < IGMPV3_QUERY_HLEN || !pskb_may_pull(skb, IGMPV3_QUERY_HLEN)) return true
  const sources = ntohs(changetype<igmpv3_query>(skb.data).nsrcs)
  if (sources && !pskb_may_pull(skb, IGMPV3_QUERY_HLEN + (sources << 2))) return true
  const query = changetype<igmpv3_query>(skb.data)
  return query.group == 0 && sources != 0
}

/**
 * An IGMP message for us.
 *
 * Uses: data at the IGMP header. Next: nobody, the skb is gone: absorbed if it is a query or a report, else dropped.
 */
export function igmp_rcv(skb: sk_buff): void {
  walk(FN_igmp_rcv, changetype<usize>(skb))
  const len = skb.len
  const in_dev = __in_dev_get_rcu(changetype<net_device>(skb.dev))
  let dropped: bool = true
  if (changetype<usize>(in_dev) && pskb_may_pull(skb, IGMP_HLEN) && skb_checksum_simple_validate(skb)) {
    const type = <u32>changetype<igmphdr>(skb.data).type
    if (type == IGMP_HOST_MEMBERSHIP_QUERY) {
      dropped = igmp_heard_query(skb, len)
    } else if (type == IGMP_HOST_MEMBERSHIP_REPORT || type == IGMPV2_HOST_MEMBERSHIP_REPORT) {
      walk(FN_igmp_heard_report, changetype<usize>(skb))
      dropped = false
    }
  }
  if (dropped) kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_igmp_rcv)
  else consume_skb(skb, SKB_ENDED_ABSORBED)
}
