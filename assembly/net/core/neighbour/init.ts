// The neighbour table at boot. Mirrors make_table of net/core/neighbour.c.

import { neigh_periodic_work } from './create.ts'
import { neigh_proxy_process } from './proxy.ts'
import { arp_tbl, make_table } from './table.ts'

/** Makes the table; constructor(neigh): i32 and redo(skb) are table indices. False: out of memory. */
export function neigh_table_init(constructor: u32, redo: u32): bool {
  if (!make_table(neigh_periodic_work.index, neigh_proxy_process.index)) return false
  arp_tbl().neigh_constructor = constructor
  arp_tbl().proxy_redo = redo
  return true
}
