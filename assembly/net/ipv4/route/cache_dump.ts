// What next hops learnt about destinations, as `ip route show cache` lists it: exceptions that a route was made of. One that
// several routes share a next hop with is told for each. Mirrors fib_dump_info_fnhe of net/ipv4/route.c.

import { boot } from '../../../lib/boot.ts'
import { FNHE_HASH_SIZE, fib_nh_exception, rtable } from '../../../include/dst.ts'
import { fib_alias, fib_info, fib_table } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { fib_info_nhc, fib_info_num_path } from '../../../include/nexthop.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fib_table_dump } from '../../../uapi/functions.ts'
import { RTNH_F_DEAD } from '../../../uapi/rtnetlink.ts'
import { key_vector, leaf_after, leaf_walk_rcu } from '../fib_trie/node.ts'
import { RT_RECORD, rt_fill_info } from './fill.ts'

/** What this part has to do: exceptions to skip, how many were told before and with it, and room. */
@unmanaged
@final
class cache_part {
  skip: u32
  told: u32
  out: usize
  end: usize
  genid: u32
}

const PART: usize = memory.data(32, 16)

/** The route that an exception gave, 0: none, or it holds no more. */
function route_of(fnhe: fib_nh_exception, genid: u32): usize {
  if (fnhe.fnhe_genid != genid) return 0
  if (fnhe.fnhe_expires && <i32>(boot.jiffies - fnhe.fnhe_expires) > 0) return 0
  return fnhe.fnhe_rth_input ? fnhe.fnhe_rth_input : fnhe.fnhe_rth_output
}

/** Exceptions of a next hop. False: there was no room for all. */
function fnhe_dump_buckets(part: cache_part, exceptions: usize, table: u32): bool {
  for (let i: usize = 0; i < <usize>FNHE_HASH_SIZE; i++) {
    for (let p = load<usize>(exceptions + (i << 2)); p; p = changetype<fib_nh_exception>(p).fnhe_next) {
      const fnhe = changetype<fib_nh_exception>(p)
      const rt = route_of(fnhe, part.genid)
      if (rt == 0) continue
      if (part.skip) {
        part.skip -= 1
        continue
      }
      if (part.out + RT_RECORD > part.end) return false
      rt_fill_info(part.out, changetype<rtable>(rt), fnhe.fnhe_daddr, 0, table, 0)
      part.out += RT_RECORD
      part.told += 1
    }
  }
  return true
}

function dump_info(part: cache_part, fi: fib_info, table: u32): bool {
  const paths = fib_info_num_path(fi)
  for (let i: u32 = 0; i < paths; i++) {
    const nhc = fib_info_nhc(fi, i)
    if (nhc.nhc_flags & RTNH_F_DEAD || nhc.nhc_exceptions == 0) continue
    if (!fnhe_dump_buckets(part, nhc.nhc_exceptions, table)) return false
  }
  return true
}

function dump_table(part: cache_part, tb: fib_table): bool {
  walk(FN_fib_table_dump, 0)
  const t = changetype<key_vector>(tb.trie)
  for (let l = leaf_walk_rcu(t, 0); changetype<usize>(l); l = leaf_after(t, l.key)) {
    for (let p = l.tnode; p; p = changetype<fib_alias>(p).next) {
      const fa = changetype<fib_alias>(p)
      if (fa.tb_id == tb.tb_id && !dump_info(part, changetype<fib_info>(fa.fa_info), tb.tb_id)) return false
    }
  }
  return true
}

/**
 * Lists what was learnt behind the routes of a table (0: of all) from number cursor on: out gets the cursor to go on with (0:
 * that was all), then route records; at most max bytes. Answers the bytes written.
 */
export function rt_cache_dump(net: net, table: u32, out: usize, max: u32, cursor: u32): i32 {
  const part = changetype<cache_part>(PART)
  part.skip = cursor
  part.told = cursor
  part.out = out + 4
  part.end = out + max
  part.genid = net.fnhe_genid
  let done: bool = true
  for (let p = net.fib_tables; p && done; p = changetype<fib_table>(p).next) {
    const tb = changetype<fib_table>(p)
    if (table == 0 || tb.tb_id == table) done = dump_table(part, tb)
  }
  store<u32>(out, done ? 0 : part.told)
  return <i32>(part.out - out)
}
