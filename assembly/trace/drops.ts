// Who dropped what: a table for each namespace of drops by reason, function, device, CPU, protocol and context.

import { net } from '../include/net_namespace.ts'
import { kzalloc } from '../lib/arena.ts'
import { boot } from '../lib/boot.ts'
import { ntohs } from '../lib/byteorder.ts'
import { ETH_P_ARP, ETH_P_IP } from '../uapi/if_ether.ts'

/** Entries of a namespace's table; a full one counts the rest in its last entry. */
export const DROPS_MAX: u32 = 256

/** One entry: how often fn dropped for reason what came by the device of this index, on this CPU. */
@unmanaged
@final
export class drop_entry {
  count: u64
  reason: u16
  cpu: u16
  fn: u32
  ifindex: u32
  /** ETH_P_IP or ETH_P_ARP; 0: another, so that random ones do not fill the table. */
  protocol: u16
  /** Dropped by a timer. */
  timer: u16
}

const ENTRY: usize = offsetof<drop_entry>()

function entry_at(net: net, i: u32): drop_entry {
  return changetype<drop_entry>(net.drops + <usize>i * ENTRY)
}

/**
 * Makes the table, and answers how many entries it has: without memory for it one in the namespace itself, that counts
 * all drops until there is memory.
 */
function grow_table(owner: net): u32 {
  const spare = changetype<usize>(owner) + offsetof<net>('drop_spare0')
  if (owner.drops != 0 && owner.drops != spare) return DROPS_MAX
  const table = kzalloc(<usize>DROPS_MAX * ENTRY)
  if (table == 0) {
    owner.drops = spare
    return 1
  }
  if (owner.drops == spare) memory.copy(table, spare, ENTRY)
  owner.drops = table
  return DROPS_MAX
}

/** Counts a drop of a packet of protocol (network order). */
export function drops_count(net: net, reason: u32, fn: u32, ifindex: u32, protocol: u32): void {
  const size = grow_table(net)
  const cpu = boot.cpu
  const used = net.drops_count
  const type = ntohs(protocol)
  const known: u32 = type == ETH_P_IP || type == ETH_P_ARP ? type : 0
  const timer = boot.timer_runs
  for (let i: u32 = 0; i < used; i++) {
    const e = entry_at(net, i)
    const differs =
      (e.fn ^ fn) |
      ((<u32>e.reason) ^ reason) |
      (e.ifindex ^ ifindex) |
      ((<u32>e.cpu) ^ cpu) |
      ((<u32>e.protocol) ^ known) |
      ((<u32>e.timer) ^ timer)
    if (!differs) {
      e.count += 1
      return
    }
  }
  if (used < size) {
    const e = entry_at(net, used)
    e.reason = <u16>reason
    e.fn = fn
    e.ifindex = ifindex
    e.cpu = <u16>cpu
    e.protocol = <u16>known
    e.timer = <u16>timer
    e.count = 1
    net.drops_count = used + 1
    return
  }
  entry_at(net, size - 1).count += 1
}
