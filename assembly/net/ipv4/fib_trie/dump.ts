// Tables as user space lists them: all routes in the order of a dump. Mirrors inet_dump_fib of net/ipv4/fib_frontend.c and
// fib_table_dump of fib_trie.c.

import { fib_alias, fib_info, fib_table } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fib_table_dump } from '../../../uapi/functions.ts'
import { put_route, record_size } from '../fib_semantics/dump.ts'
import { KEYLENGTH, key_vector, leaf_after, leaf_walk_rcu } from './node.ts'

/** Where the last dump stopped, so that the next part need not count from the beginning. */
@unmanaged
@final
class dump_place {
  net: usize
  /** What was asked for, and how many routes were told. */
  wanted: u32
  told: u32
  tb_id: u32
  key: u32
  /** Aliases of that leaf that were told. */
  aliases: u32
}

const PLACE: usize = memory.data(32, 16)

/** What this part has to do: routes to skip, room, and how many were told before and with it. */
@unmanaged
@final
class dump_part {
  skip: u32
  told: u32
  out: usize
  end: usize
}

const PART: usize = memory.data(32, 16)

/** Aliases of a leaf from number `from` on. The number of the first that has no room, -1: all were told. */
function dump_leaf(tb: fib_table, l: key_vector, part: dump_part, from: u32): i32 {
  let i: u32 = 0
  for (let p = l.tnode; p; p = changetype<fib_alias>(p).next) {
    const fa = changetype<fib_alias>(p)
    if (fa.tb_id != tb.tb_id) continue
    if (i++ < from) continue
    if (part.skip) {
      part.skip -= 1
      continue
    }
    if (part.out + record_size(changetype<fib_info>(fa.fa_info)) > part.end) return <i32>i - 1
    const dst = bswap<u32>(l.key)
    part.out += put_route(part.out, fa.fa_info, dst, KEYLENGTH - <u32>fa.fa_slen, fa.fa_tos, fa.fa_type, fa.tb_id)
    part.told += 1
  }
  return -1
}

/** Routes of a table from a key and alias on. False: there was no room for all; PLACE says where it stopped. */
function fib_table_dump(tb: fib_table, part: dump_part, key: u32, from: u32): bool {
  walk(FN_fib_table_dump, 0)
  const t = changetype<key_vector>(tb.trie)
  for (let l = leaf_walk_rcu(t, key); changetype<usize>(l); l = leaf_after(t, l.key)) {
    const stopped = dump_leaf(tb, l, part, from)
    if (stopped >= 0) {
      const place = changetype<dump_place>(PLACE)
      place.tb_id = tb.tb_id
      place.key = l.key
      place.aliases = <u32>stopped
      return false
    }
    from = 0
  }
  return true
}

/**
 * Lists the routes of a table (0: of all) from number cursor on: out gets the cursor to go on with (0: that was all), then
 * the records of fib_semantics/dump.ts; at most max bytes. Answers the bytes written.
 */
export function fib_dump(net: net, table: u32, out: usize, max: u32, cursor: u32): i32 {
  const place = changetype<dump_place>(PLACE)
  const part = changetype<dump_part>(PART)
  let going: bool = cursor != 0 && place.net == changetype<usize>(net) && place.wanted == table && place.told == cursor
  part.skip = going ? 0 : cursor
  part.told = cursor
  part.out = out + 4
  part.end = out + max
  const first = going ? place.tb_id : 0
  let done: bool = true
  for (let p = net.fib_tables; p && done; p = changetype<fib_table>(p).next) {
    const tb = changetype<fib_table>(p)
    if (going && tb.tb_id != first) continue
    const resume = going
    going = false
    if (table && tb.tb_id != table) continue
    done = fib_table_dump(tb, part, resume ? place.key : 0, resume ? place.aliases : 0)
  }
  place.net = changetype<usize>(net)
  place.wanted = table
  place.told = part.told
  store<u32>(out, done ? 0 : part.told)
  return <i32>(part.out - out)
}
