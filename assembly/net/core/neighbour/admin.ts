// What an administrator does with neighbours: ip neigh add, replace, delete, show. Mirrors neigh_add, neigh_delete and
// neigh_dump_info of net/core/neighbour.c. Arguments were checked by TypeScript.

import { net } from '../../../include/net_namespace.ts'
import { neighbour, pneigh_entry } from '../../../include/neighbour.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../../include/ip_fib.ts'
import { net_device } from '../../../include/netdevice.ts'
import { IS_ERR, PTR_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EEXIST, ENOENT } from '../../../uapi/errno.ts'
import { FN_neigh_add, FN_neigh_delete } from '../../../uapi/functions.ts'
import {
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_EXT_LEARNED,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_USE,
  NTF_EXT_LEARNED,
  NTF_PROXY,
  NTF_USE,
  NUD_FAILED,
  NUD_PERMANENT,
  NUD_VALID,
} from '../../../uapi/neighbour.ts'
import { NO_SKB } from '../skbuff.ts'
import { ___neigh_create } from './create.ts'
import { pneigh_create, pneigh_delete } from './proxy.ts'
import { neigh_event_send } from './state.ts'
import { arp_tbl, bucket_at, neigh_hold, neigh_lookup, neigh_release, let_go_and_remove } from './table.ts'
import { __neigh_update } from './update.ts'

/** One record of a dump: {ifindex u32, key u32, state u32, flags u32, hardware address 8 bytes}. */
export const NEIGH_RECORD: usize = 24

/**
 * Adds or changes an entry (RTM_NEWNEIGH). key is the address in network order, lladdr points at 6 bytes (0: none),
 * state is NUD_*, flags NTF_* (NTF_PROXY: a proxy entry; dev may be 0 then), nlflags NLM_F_CREATE, _EXCL, _REPLACE.
 *
 * 0; -EEXIST: there is one (EXCL); -ENOENT: there is none (no CREATE); -EINVAL: the device has no IPv4, or a valid
 * state without an address; -ENOBUFS: the table is full; -EPERM.
 */
export function neigh_add(
  net: net,
  dev: net_device,
  key: u32,
  lladdr: usize,
  state: u32,
  flags: u32,
  nlflags: u32,
): i32 {
  walk(FN_neigh_add, 0)
  if (flags & NTF_PROXY) return pneigh_create(net, key, dev, flags, state)

  let update = NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE
  let n = neigh_lookup(dev, key)
  if (changetype<usize>(n) == 0) {
    if (!(nlflags & NLM_F_CREATE)) return -ENOENT
    const exempt = (state & NUD_PERMANENT) != 0 || (flags & NTF_EXT_LEARNED) != 0
    const made = ___neigh_create(changetype<usize>(dev), key, flags & NTF_EXT_LEARNED, exempt)
    if (IS_ERR(made)) return PTR_ERR(made)
    n = changetype<neighbour>(made)
    neigh_hold(n)
  } else {
    if (nlflags & NLM_F_EXCL) {
      neigh_release(n)
      return -EEXIST
    }
    if (!(nlflags & NLM_F_REPLACE)) update &= ~NEIGH_UPDATE_F_OVERRIDE
  }
  if (flags & NTF_EXT_LEARNED) update |= NEIGH_UPDATE_F_EXT_LEARNED
  if (flags & NTF_USE) update |= NEIGH_UPDATE_F_USE
  const err = __neigh_update(n, lladdr, state, update)
  if (err == 0 && flags & NTF_USE) neigh_event_send(n, NO_SKB)
  neigh_release(n)
  return err
}

/** Takes an entry out (RTM_DELNEIGH); what waits for it is told that it failed. 0, or -ENOENT: there is none. */
export function neigh_delete(net: net, dev: net_device, key: u32, flags: u32): i32 {
  walk(FN_neigh_delete, 0)
  if (flags & NTF_PROXY) return pneigh_delete(net, key, dev)
  const n = neigh_lookup(dev, key)
  if (changetype<usize>(n) == 0) return -ENOENT
  const err = __neigh_update(n, 0, NUD_FAILED, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN)
  let_go_and_remove(n)
  return err
}

function record(at: usize, dev: usize, key: u32, state: u32, flags: u32, ha: u64): void {
  store<u32>(at, dev ? changetype<net_device>(dev).ifindex : 0)
  store<u32>(at, key, 4)
  store<u32>(at, state, 8)
  store<u32>(at, flags, 12)
  store<u64>(at, ha, 16)
}

/** Writes up to max entries of a namespace to out, from number skip on, in order of the hash. Answers how many. */
export function neigh_dump(net: net, out: usize, max: u32, skip: u32): u32 {
  const t = arp_tbl()
  let seen: u32 = 0
  let count: u32 = 0
  for (let i: u32 = 0; i < (<u32>1) << t.hash_shift; i++) {
    for (let p = load<usize>(bucket_at(t, i)); p; p = changetype<neighbour>(p).next) {
      const n = changetype<neighbour>(p)
      if (n.net != changetype<usize>(net) || seen++ < skip) continue
      if (count == max) return count
      // An address is shown only while it is valid.
      const ha: u64 = n.nud_state & NUD_VALID ? n.ha : 0
      record(out + <usize>count * NEIGH_RECORD, n.dev, n.primary_key, n.nud_state, n.flags, ha)
      count++
    }
  }
  return count
}

/** The same for proxy entries; ifindex 0: for every device. */
export function pneigh_dump(net: net, out: usize, max: u32, skip: u32): u32 {
  let seen: u32 = 0
  let count: u32 = 0
  for (let p = arp_tbl().pneighs; p; p = changetype<pneigh_entry>(p).next) {
    const e = changetype<pneigh_entry>(p)
    if (e.net != changetype<usize>(net) || seen++ < skip) continue
    if (count == max) return count
    record(out + <usize>count * NEIGH_RECORD, e.dev, e.key, 0, e.flags | NTF_PROXY, 0)
    count++
  }
  return count
}
