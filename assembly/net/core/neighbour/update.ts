// What is learnt about a neighbour: an address and a state, from a packet or an administrator.
// Mirrors neigh_update of net/core/neighbour.c.

import { SLOT_HEADER_CACHE_UPDATE, boot, slot_get } from '../../../lib/boot.ts'
import { NEIGH_HA, neighbour } from '../../../include/neighbour.ts'
import { net_device } from '../../../include/netdevice.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, EPERM } from '../../../uapi/errno.ts'
import { FN_neigh_update } from '../../../uapi/functions.ts'
import {
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_EXT_LEARNED,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_USE,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NTF_EXT_LEARNED,
  NUD_CONNECTED,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_IN_TIMER,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
} from '../../../uapi/neighbour.ts'
import { NEIGH_VAR_BASE_REACHABLE_TIME_MS } from '../../../uapi/sysctl.ts'
import { output_by_kind } from './output.ts'
import { reachable_time_of, var_jiffies } from './parms.ts'
import { neigh_connect, neigh_invalidate, neigh_suspect } from './state.ts'
import { wait_take, wait_purge, neigh_add_timer, neigh_del_timer, neigh_update_gc_list } from './table.ts'

function same_address(a: usize, b: usize): bool {
  return load<u32>(a) == load<u32>(b) && load<u16>(a, 4) == load<u16>(b, 4)
}

/** What waited goes out, as long as the address stays valid. */
function neigh_update_process_arp_queue(n: neighbour): void {
  while (n.nud_state & NUD_VALID) {
    const skb = wait_take(n)
    if (changetype<usize>(skb) == 0) return
    output_by_kind(n, skb)
  }
  wait_purge(n, FN_neigh_update)
}

/** The address is lost or in doubt: NONE, INCOMPLETE, FAILED. */
function update_to_invalid(n: neighbour, old: u32, state: u32): void {
  neigh_del_timer(n)
  if (old & NUD_CONNECTED) neigh_suspect(n)
  n.nud_state = <u8>state
  if (old & (NUD_INCOMPLETE | NUD_PROBE) && state & NUD_FAILED) neigh_invalidate(n)
}

function set_state(n: neighbour, state: u32): void {
  neigh_del_timer(n)
  if (state & NUD_PROBE) n.probes = 0
  if (state & NUD_IN_TIMER) neigh_add_timer(n, boot.jiffies + (state & NUD_REACHABLE ? reachable_time_of(n) : 0))
  n.nud_state = <u8>state
}

function set_address(n: neighbour, lladdr: usize, state: u32): void {
  memory.copy(changetype<usize>(n) + NEIGH_HA, lladdr, changetype<net_device>(n.dev).addr_len)
  if (n.hh_len) call_indirect<void>(slot_get(SLOT_HEADER_CACHE_UPDATE), changetype<usize>(n), n.dev, lladdr)
  // Not confirmed for longer than any reachable_time.
  if (!(state & NUD_CONNECTED))
    n.confirmed = boot.jiffies - (var_jiffies(n.parms, NEIGH_VAR_BASE_REACHABLE_TIME_MS) << 1)
}

/** To a state with a valid address; lladdr 0: the one we have. */
function update_to_valid(n: neighbour, old: u32, lladdr: usize, state: u32, flags: u32): i32 {
  const own = changetype<usize>(n) + NEIGH_HA
  if (changetype<net_device>(n.dev).addr_len == 0) lladdr = own
  else if (lladdr == 0 && !(old & NUD_VALID)) return -EINVAL
  else if (lladdr == 0 || (old & NUD_VALID && same_address(lladdr, own))) lladdr = own

  // Counts even when the address is not taken over below.
  if (state & NUD_CONNECTED) n.confirmed = boot.jiffies

  if (old & NUD_VALID) {
    if (lladdr != own && !(flags & NEIGH_UPDATE_F_OVERRIDE)) {
      if (!(flags & NEIGH_UPDATE_F_WEAK_OVERRIDE) || !(old & NUD_CONNECTED)) return 0
      lladdr = own
      state = NUD_STALE
    } else if (lladdr == own && state == NUD_STALE && !(flags & NEIGH_UPDATE_F_ADMIN)) {
      state = old // the same address again takes nothing away
    }
  }
  // Only a change moves the window of locktime.
  if (state != old || lladdr != own) n.updated = boot.jiffies
  if (state != old) set_state(n, state)
  if (lladdr != own) set_address(n, lladdr, state)
  if (state == old) return 0

  if (state & NUD_CONNECTED) neigh_connect(n)
  else neigh_suspect(n)
  if (!(old & NUD_VALID)) neigh_update_process_arp_queue(n)
  return 0
}

/**
 * Takes a new state, and an address (6 bytes at lladdr, 0: none given), into an entry that the caller holds.
 *
 * flags are NEIGH_UPDATE_F_*: OVERRIDE replaces another address, ADMIN also changes permanent entries. 0; -EPERM: the
 * entry is dead or not to be changed; -EINVAL: a valid state needs an address.
 */
export function __neigh_update(n: neighbour, lladdr: usize, state: u32, flags: u32): i32 {
  const old = <u32>n.nud_state
  if (n.dead) return -EPERM
  if (!(flags & NEIGH_UPDATE_F_ADMIN) && old & (NUD_NOARP | NUD_PERMANENT)) return -EPERM

  const learned = n.flags & NTF_EXT_LEARNED
  if (flags & NEIGH_UPDATE_F_ADMIN)
    n.flags = flags & NEIGH_UPDATE_F_EXT_LEARNED ? n.flags | NTF_EXT_LEARNED : n.flags & ~NTF_EXT_LEARNED

  let err = 0
  if (flags & NEIGH_UPDATE_F_USE) n.nud_state = <u8>(old & ~NUD_PERMANENT)
  else if (!(state & NUD_VALID)) update_to_invalid(n, old, state)
  else err = update_to_valid(n, old, lladdr, state, flags)

  if ((old ^ (<u32>n.nud_state)) & NUD_PERMANENT || learned != (n.flags & NTF_EXT_LEARNED)) neigh_update_gc_list(n)
  return err
}

/** The same for those outside of this folder. */
export function neigh_update(n: neighbour, lladdr: usize, state: u32, flags: u32): i32 {
  walk(FN_neigh_update, 0)
  return __neigh_update(n, lladdr, state, flags)
}
