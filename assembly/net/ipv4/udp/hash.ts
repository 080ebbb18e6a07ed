// Where UDP sockets are found: by port, by port and local address, and while connected by both ends. Mirrors
// struct udp_table and udp_lib_get_port of net/ipv4/udp.c. All namespaces share one table; the newest of a chain is first.

import { boot } from '../../../lib/boot.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { SK_CAN_REUSE, sock } from '../../../include/sock.ts'
import { kzalloc } from '../../../lib/arena.ts'
import { get_random_u32_below } from '../../../lib/random.ts'
import { walk } from '../../../trace/trace.ts'
import { EADDRINUSE } from '../../../uapi/errno.ts'
import {
  FN_udp4_hash4,
  FN_udp_lib_get_port,
  FN_udp_lib_lport_inuse,
  FN_udp_lib_rehash,
  FN_udp_lib_unhash,
  FN_udp_v4_get_port,
} from '../../../uapi/functions.ts'
import { SYSCTL_IP_LOCAL_PORT_RANGE_HIGH, SYSCTL_IP_LOCAL_PORT_RANGE_LOW } from '../../../uapi/sysctl.ts'
import { reuseport_add_sock, reuseport_alloc, reuseport_detach_sock } from '../../core/sock_reuseport.ts'
import { inet_is_local_reserved_port } from '../reserved_ports.ts'

/** Chains of each of the three tables, as a power of two. */
const HASH_BITS: u32 = 12
const CHAINS: u32 = 1 << HASH_BITS
const TABLE_BYTES: usize = (<usize>CHAINS) << 2
const TABLES: u32 = 3
/** Behind the tables: how many sockets are hashed, how many of them are connected, and how often a chain has changed. */
const COUNT_AT: usize = TABLE_BYTES * TABLES
const CONNECTED_AT: usize = COUNT_AT + 4
const CHANGES_AT: usize = COUNT_AT + 8
const UDP_TABLE_SIZE: usize = COUNT_AT + 16

const LINK_PORT: usize = offsetof<sock>('sk_next')
const LINK_HASH2: usize = offsetof<sock>('hash2_next')
const LINK_HASH4: usize = offsetof<sock>('hash4_next')

/** Once at boot. False: out of memory. */
export function udp_table_init(): bool {
  boot.udp_table = kzalloc(UDP_TABLE_SIZE)
  return boot.udp_table != 0
}

/** Where the chain of a local port (host order) begins. */
export function udp_hashslot(net: net, num: u32): usize {
  return boot.udp_table + ((<usize>((num + net.id * 0x9e5) & (CHAINS - 1))) << 2)
}

/** Mixes two words into HASH_BITS bits; seeded, so that nobody outside knows which addresses collide. */
function mix(a: u32, b: u32): u32 {
  let h = (a ^ boot.hash_seed) * 0x9e3779b1
  h = (h ^ (h >> 15)) + b
  h *= 0x85ebca6b
  return h ^ (h >> 13)
}

/** Where the chain of a local address and port begins. */
export function udp_hashslot2(net: net, addr: u32, num: u32): usize {
  // One multiplication: two look-ups of every datagram wait for it.
  const h = (((addr ^ boot.hash_seed ^ (num << 16)) + num + net.id * 0x9e5) * 0x9e3779b1) >> (32 - HASH_BITS)
  return boot.udp_table + TABLE_BYTES + ((<usize>h) << 2)
}

/** Hash of a flow as seen from here: addresses and remote port in network order, local port in host order. */
export function udp_ehashfn(laddr: u32, lport: u32, faddr: u32, fport: u32): u32 {
  return mix(mix(laddr, lport) + faddr, fport)
}

/** Where the chain of a flow begins. */
export function udp_hashslot4(hash: u32): usize {
  return boot.udp_table + TABLE_BYTES * 2 + ((<usize>(hash >> (32 - HASH_BITS))) << 2)
}

/** Are any UDP sockets connected? Then a flow may have its own. */
export function udp_has_hash4(): bool {
  return load<u32>(boot.udp_table + CONNECTED_AT) != 0
}

function count_add(at: usize, n: u32): void {
  store<u32>(boot.udp_table + at, load<u32>(boot.udp_table + at) + n)
}

/** A number that is another whenever a chain has changed. */
export function udp_table_changes(): u32 {
  return load<u32>(boot.udp_table + CHANGES_AT)
}

/** Links at the head of a chain; a link is {next, prev}, prev 0 at the head. */
function chain_add(slot: usize, p: usize, link: usize): void {
  count_add(CHANGES_AT, 1)
  const first = load<usize>(slot)
  store<usize>(p + link, first)
  store<usize>(p + link, 0, 4)
  if (first) store<usize>(first + link, p, 4)
  store<usize>(slot, p)
}

function chain_del(slot: usize, p: usize, link: usize): void {
  count_add(CHANGES_AT, 1)
  const next = load<usize>(p + link)
  const prev = load<usize>(p + link, 4)
  if (prev) store<usize>(prev + link, next)
  else store<usize>(slot, next)
  if (next) store<usize>(next + link, prev, 4)
}

/** Is the socket in the tables? It is while it has a port. */
export function sk_hashed(sk: sock): bool {
  return sk.inet_num != 0
}

/** The same local address, or with match_wildcard one of them is any. */
function inet_rcv_saddr_equal(sk: sock, sk2: sock, match_wildcard: bool): bool {
  const a = sk.inet_rcv_saddr
  const b = sk2.inet_rcv_saddr
  return a == b || (match_wildcard && (a == 0 || b == 0))
}

/**
 * Would a bind of sk to num conflict with a socket that is there? What the kernel chooses must suit all of them, what a
 * program asks for (given) the newest of those that could conflict.
 */
function udp_lib_lport_inuse(sk: sock, num: u32, given: bool): bool {
  let p = load<usize>(udp_hashslot(changetype<net>(sk.net), num))
  while (p) {
    const sk2 = changetype<sock>(p)
    p = sk2.sk_next
    if (sk2.inet_num != num || sk2.net != sk.net || sk2 == sk) continue
    if (sk2.sk_reuse == <u8>SK_CAN_REUSE && sk.sk_reuse == <u8>SK_CAN_REUSE) continue
    const devices = sk2.sk_bound_dev_if != 0 && sk.sk_bound_dev_if != 0
    if (devices && sk2.sk_bound_dev_if != sk.sk_bound_dev_if) continue
    if (!inet_rcv_saddr_equal(sk, sk2, true)) continue
    const shared = sk2.sk_reuseport && sk.sk_reuseport && sk.sk_reuseport_cb == 0 && sk2.sk_uid == sk.sk_uid
    if (given || !shared) return !shared
  }
  return false
}

/** A free port of the range of the socket or its namespace, from a random one on; 0: all are taken. */
function port_of_range(sk: sock): u32 {
  const owner = changetype<net>(sk.net)
  let low = <u32>sysctl(owner, SYSCTL_IP_LOCAL_PORT_RANGE_LOW)
  let high = <u32>sysctl(owner, SYSCTL_IP_LOCAL_PORT_RANGE_HIGH)
  // A bound of the socket counts if it lies within the namespace's range (FACTS 8).
  const own_low = sk.local_port_range & 0xffff
  const own_high = sk.local_port_range >> 16
  if (own_low >= low && own_low <= high) low = own_low
  if (own_high >= low && own_high <= high) high = own_high
  const count = high - low + 1
  const first = get_random_u32_below(count)
  for (let i: u32 = 0; i < count; i++) {
    const num = low + ((first + i) % count)
    if (!udp_lib_lport_inuse(sk, num, false) && !inet_is_local_reserved_port(owner, num)) return num
  }
  return 0
}

/** Enters a socket with SO_REUSEPORT into the group of its name. 0 or -errno. */
function udp_reuseport_add_sock(sk: sock): i32 {
  let p = load<usize>(udp_hashslot(changetype<net>(sk.net), sk.inet_num))
  while (p) {
    const sk2 = changetype<sock>(p)
    p = sk2.sk_next
    if (sk2 == sk || sk2.net != sk.net || sk2.inet_num != sk.inet_num || sk2.sk_family != sk.sk_family) continue
    if (sk2.sk_bound_dev_if != sk.sk_bound_dev_if || !sk2.sk_reuseport || sk2.sk_uid != sk.sk_uid) continue
    if (inet_rcv_saddr_equal(sk, sk2, false)) return reuseport_add_sock(sk, sk2, sk.inet_rcv_saddr == 0)
  }
  return reuseport_alloc(sk, sk.inet_rcv_saddr == 0)
}

function hash2_slot(sk: sock): usize {
  return udp_hashslot2(changetype<net>(sk.net), sk.inet_rcv_saddr, sk.inet_num)
}

/**
 * Gives the socket a local port and enters it into the tables: num, or with 0 a free one. 0 or -EADDRINUSE, -ENOMEM.
 *
 * Uses: inet_rcv_saddr, sk_reuse, sk_reuseport, sk_bound_dev_if. Sets: inet_num.
 */
export function udp_v4_get_port(sk: sock, num: u32): i32 {
  walk(FN_udp_v4_get_port, 0)
  walk(FN_udp_lib_get_port, 0)
  walk(FN_udp_lib_lport_inuse, 0)
  const port = num ? num : port_of_range(sk)
  if (port == 0 || (num && udp_lib_lport_inuse(sk, num, true))) return -EADDRINUSE
  sk.inet_num = port
  if (sk.sk_reuseport) {
    const err = udp_reuseport_add_sock(sk)
    if (err) {
      sk.inet_num = 0
      return err
    }
  }
  const p = changetype<usize>(sk)
  const slot = udp_hashslot(changetype<net>(sk.net), port)
  sk.sk_hash = (<u32>(slot - boot.udp_table)) >> 2
  sk.sk_hash2 = <u32>hash2_slot(sk)
  chain_add(slot, p, LINK_PORT)
  chain_add(sk.sk_hash2, p, LINK_HASH2)
  count_add(COUNT_AT, 1)
  return 0
}

/** A connected socket is found by its flow. */
export function udp4_hash4(sk: sock): void {
  walk(FN_udp4_hash4, 0)
  udp_unhash4(sk)
  if (!sk_hashed(sk) || sk.inet_rcv_saddr == 0) return
  sk.sk_hash4 = <u32>udp_hashslot4(udp_ehashfn(sk.inet_rcv_saddr, sk.inet_num, sk.inet_daddr, sk.inet_dport))
  chain_add(sk.sk_hash4, changetype<usize>(sk), LINK_HASH4)
  count_add(CONNECTED_AT, 1)
}

/** It is connected no more. */
export function udp_unhash4(sk: sock): void {
  if (sk.sk_hash4 == 0) return
  chain_del(sk.sk_hash4, changetype<usize>(sk), LINK_HASH4)
  sk.sk_hash4 = 0
  count_add(CONNECTED_AT, u32.MAX_VALUE)
}

/** The local address changed: the socket moves to its chain, and leaves its group. */
export function udp_v4_rehash(sk: sock): void {
  walk(FN_udp_lib_rehash, 0)
  if (!sk_hashed(sk)) return
  if (sk.sk_reuseport_cb) reuseport_detach_sock(sk)
  const slot = <u32>hash2_slot(sk)
  if (slot == sk.sk_hash2) return
  const p = changetype<usize>(sk)
  chain_del(sk.sk_hash2, p, LINK_HASH2)
  sk.sk_hash2 = slot
  chain_add(slot, p, LINK_HASH2)
}

/** The socket gives up its port. */
export function udp_lib_unhash(sk: sock): void {
  walk(FN_udp_lib_unhash, 0)
  if (!sk_hashed(sk)) return
  if (sk.sk_reuseport_cb) reuseport_detach_sock(sk)
  udp_unhash4(sk)
  const p = changetype<usize>(sk)
  chain_del(udp_hashslot(changetype<net>(sk.net), sk.inet_num), p, LINK_PORT)
  chain_del(sk.sk_hash2, p, LINK_HASH2)
  sk.sk_hash = 0
  sk.inet_num = 0
  count_add(COUNT_AT, u32.MAX_VALUE)
}
