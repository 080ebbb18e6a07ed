// Ping sockets by identifier, which stands where others have a port. Mirrors ping_get_port, ping_unhash and ping_lookup
// of net/ipv4/ping.c. A namespace has its table from its first ping socket with an identifier on.

import { boot } from '../../../lib/boot.ts'
import { iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { EADDRINUSE, ENOBUFS } from '../../../uapi/errno.ts'
import { FN_ping_get_port, FN_ping_lookup, FN_ping_unhash } from '../../../uapi/functions.ts'
import { skb_network_header } from '../../core/skbuff.ts'
import { NO_SOCK } from '../../core/sock.ts'
import { sk_add_node, sk_del_node_init } from '../../core/sock_list.ts'
import { inet_iif } from '../route/iif.ts'

const PING_HTABLE_SIZE: u32 = 64
const IDENTS: u32 = 65536

/** Where the chain of an identifier begins; the namespace has a table. */
function slot_of(owner: net, ident: u32): usize {
  return owner.ping_table + ((<usize>(ident & (PING_HTABLE_SIZE - 1))) << 2)
}

/** Has another socket this identifier? Two that may both be reused (as ping sockets are made) share it. */
function taken(owner: net, sk: sock, ident: u32, shared: bool): bool {
  for (let p = load<usize>(slot_of(owner, ident)); p; p = changetype<sock>(p).sk_next) {
    const sk2 = changetype<sock>(p)
    if (sk2.inet_num != ident || sk2 == sk) continue
    if (!shared || sk2.sk_reuse == 0 || sk.sk_reuse == 0) return true
  }
  return false
}

/** The next identifier that nobody has, 0: all are taken. They are given in turn, in all namespaces together. */
function next_free(owner: net, sk: sock): u32 {
  let ident = boot.ping_port_rover
  for (let i: u32 = 1; i < IDENTS; i++) {
    ident = (ident + 1) & (IDENTS - 1)
    if (ident == 0) ident = 1
    if (taken(owner, sk, ident, false)) continue
    boot.ping_port_rover = ident
    return ident
  }
  return 0
}

/** Gives a socket an identifier: num, or with 0 the next free one. 0, -EADDRINUSE or -ENOBUFS. */
export function ping_get_port(sk: sock, num: u32): i32 {
  walk(FN_ping_get_port, 0)
  const owner = changetype<net>(sk.net)
  if (owner.ping_table == 0) {
    owner.ping_table = kzalloc((<usize>PING_HTABLE_SIZE) << 2)
    if (owner.ping_table == 0) return -ENOBUFS
  }
  const ident = num ? num : next_free(owner, sk)
  if (ident == 0 || (num && taken(owner, sk, num, true))) return -EADDRINUSE
  sk.inet_num = ident
  if (sk.sk_hash == 0) sk_add_node(sk, slot_of(owner, ident))
  return 0
}

/** It gives its identifier up. */
export function ping_unhash(sk: sock): void {
  walk(FN_ping_unhash, 0)
  if (!sk_del_node_init(sk)) return
  sk.inet_num = 0
  sk.inet_sport = 0
}

/**
 * The socket of an identifier (host order) that a packet is for: the newest whose address and device fit. Whom it is
 * connected to does not matter.
 *
 * Uses: network_header, dst, skb_iif. NO_SOCK: there is none.
 */
export function ping_lookup(owner: net, skb: sk_buff, ident: u32): sock {
  walk(FN_ping_lookup, changetype<usize>(skb))
  if (owner.ping_table == 0) return NO_SOCK
  const local = changetype<iphdr>(skb_network_header(skb)).daddr
  const dif = inet_iif(skb)
  for (let p = load<usize>(slot_of(owner, ident)); p; p = changetype<sock>(p).sk_next) {
    const sk = changetype<sock>(p)
    if (sk.inet_num != ident) continue
    if (sk.inet_rcv_saddr && sk.inet_rcv_saddr != local) continue
    if (sk.sk_bound_dev_if && sk.sk_bound_dev_if != dif) continue
    return sk
  }
  return NO_SOCK
}
