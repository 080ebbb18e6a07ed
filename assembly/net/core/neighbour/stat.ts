// What happened to the table of neighbours so far: neigh_stat_seq_show of net/core/neighbour.c.

import { arp_tbl } from './table.ts'

/** Columns of /proc/net/stat/arp_cache. */
const COLUMNS: usize = 13

/** Writes the columns of /proc/net/stat/arp_cache, u32 each, in their order; only IPv6 counts rcv_probes. */
export function neigh_stat(out: usize): void {
  const t = arp_tbl()
  memory.fill(out, 0, COLUMNS << 2)
  store<u32>(out, t.entries)
  store<u32>(out, t.allocs, 4)
  store<u32>(out, t.destroys, 8)
  store<u32>(out, t.hash_grows, 12)
  store<u32>(out, t.lookups, 16)
  store<u32>(out, t.hits, 20)
  store<u32>(out, t.res_failed, 24)
  store<u32>(out, t.periodic_gc_runs, 36)
  store<u32>(out, t.forced_gc_runs, 40)
  store<u32>(out, t.unres_discards, 44)
  store<u32>(out, t.table_fulls, 48)
}
