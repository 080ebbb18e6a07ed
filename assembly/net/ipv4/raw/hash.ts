// Raw sockets by protocol. Mirrors raw_hash_sk, raw_unhash_sk and raw_v4_match of net/ipv4/raw.c.
// A namespace has its table from its first raw socket on: without one no packet looks for any.

import { net } from '../../../include/net_namespace.ts'
import { sock } from '../../../include/sock.ts'
import { kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { ENOBUFS } from '../../../uapi/errno.ts'
import { FN_raw_hash_sk, FN_raw_unhash_sk } from '../../../uapi/functions.ts'
import { sk_add_node, sk_del_node_init } from '../../core/sock_list.ts'

const RAW_HTABLE_SIZE: u32 = 256

/** Where the chain of a protocol begins; the namespace has a table. */
function slot_of(owner: net, protocol: u32): usize {
  return owner.raw_table + ((<usize>(protocol & (RAW_HTABLE_SIZE - 1))) << 2)
}

/** The first socket that may be of this protocol, 0: there is none. */
export function raw_chain(owner: net, protocol: u32): usize {
  return owner.raw_table ? load<usize>(slot_of(owner, protocol)) : 0
}

/** Enters a socket under its protocol (inet_num). 0 or -ENOBUFS. */
export function raw_hash_sk(sk: sock): i32 {
  walk(FN_raw_hash_sk, 0)
  const owner = changetype<net>(sk.net)
  if (owner.raw_table == 0) {
    owner.raw_table = kzalloc((<usize>RAW_HTABLE_SIZE) << 2)
    if (owner.raw_table == 0) return -ENOBUFS
  }
  sk_add_node(sk, slot_of(owner, sk.inet_num))
  return 0
}

/** It gets no packets any more. */
export function raw_unhash_sk(sk: sock): void {
  walk(FN_raw_unhash_sk, 0)
  sk_del_node_init(sk)
}

/** Does a socket take packets of this protocol from raddr to laddr that came by device dif? */
export function raw_v4_match(sk: sock, protocol: u32, raddr: u32, laddr: u32, dif: u32): bool {
  if (sk.inet_num != protocol) return false
  if (sk.inet_daddr && sk.inet_daddr != raddr) return false
  if (sk.inet_rcv_saddr && sk.inet_rcv_saddr != laddr) return false
  return sk.sk_bound_dev_if == 0 || sk.sk_bound_dev_if == dif
}
