// Loops over single functions of the core, inside Wasm: a crossing costs as much as a header checksum.
// Built into build/bench.wasm; bench/functions.ts times them.

import '../../assembly/lib/bug.ts'
import { net } from '../../assembly/include/net_namespace.ts'
import { NET_SKB_PAD, SKB_BORN_RECEIVED, SKB_ENDED_DELIVERED } from '../../assembly/include/skbuff.ts'
import { start } from '../../assembly/kernel/start.ts'
import { kmalloc } from '../../assembly/lib/arena.ts'
import { csum_fold, csum_partial, ip_fast_csum } from '../../assembly/lib/checksum.ts'
import { get_random_u32 } from '../../assembly/lib/random.ts'
import { alloc_skb, consume_skb, skb_put } from '../../assembly/net/core/skbuff.ts'
import { setup_net } from '../../assembly/net/core/net_namespace.ts'
import { ip_fib_init } from '../../assembly/net/ipv4/fib_frontend.ts'
import { fib_choose, fib_derived_lookups, fib_insert, fib_internet, fib_lookups, fib_setup, fib_update } from './fib.ts'

/** Blocks start at 16 places, so that no figure is that of one alignment or one cache line. */
const PLACES: u32 = 16
const PLACE_STEP: u32 = 128

const STATE: usize = memory.data(16, 16)

/** Starts an instance of megabytes with one namespace, and data to sum. 0 or -errno. */
export function setup(megabytes: u32): i32 {
  const err = start(megabytes << 20, 250, 1, 1) || ip_fib_init()
  if (err) return err
  const data = kmalloc(1 << 17)
  for (let i: usize = 0; i < 1 << 17; i += 4) store<u32>(data + i, get_random_u32())
  store<usize>(STATE, data)
  store<usize>(STATE, setup_net(), 4)
  return 0
}

/** times checksums of bytes bytes each; answers their sum, so that none can be left out. */
export function checksum(bytes: u32, times: u32): u32 {
  const data = load<usize>(STATE)
  let all: u32 = 0
  for (let i: u32 = 0; i < times; i++) all += csum_fold(csum_partial(data + (i & (PLACES - 1)) * PLACE_STEP, bytes, 0))
  return all
}

/** The same for an IPv4 header without options. */
export function header_checksum(times: u32): u32 {
  const data = load<usize>(STATE)
  let all: u32 = 0
  for (let i: u32 = 0; i < times; i++) all += ip_fast_csum(data + (i & (PLACES - 1)) * PLACE_STEP, 5)
  return all
}

/** times packets with a buffer for 1514 bytes: born, given 64 bytes, freed. Answers how many were alive at the end. */
export function skb_alloc_free(times: u32): u32 {
  const owner = load<usize>(STATE, 4)
  for (let i: u32 = 0; i < times; i++) {
    const skb = alloc_skb(1514, NET_SKB_PAD, owner, SKB_BORN_RECEIVED)
    skb_put(skb, 64)
    consume_skb(skb, SKB_ENDED_DELIVERED)
  }
  return changetype<net>(owner).skb_live
}

export { fib_choose, fib_derived_lookups, fib_insert, fib_internet, fib_lookups, fib_setup, fib_update }
