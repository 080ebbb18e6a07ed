// What a next hop keeps of routes: cached ones, and exceptions with theirs. Mirrors fib_nh_release of
// net/ipv4/fib_semantics.c.

import { CACHE_FNHE } from '../../../lib/boot.ts'
import {
  DST_IN_DISCARD,
  DST_OBSOLETE_DEAD,
  DST_OUT_DISCARD,
  FNHE_HASH_SIZE,
  fib_nh_exception,
  rtable,
} from '../../../include/dst.ts'
import { fib_nh } from '../../../include/ip_fib.ts'
import { kfree } from '../../../lib/arena.ts'
import { kmem_cache_free } from '../../../lib/slab.ts'
import { dst_release } from '../../core/dst.ts'

/** A cached route that nobody may use any more. */
function rt_fibinfo_free(dst: usize): void {
  if (dst == 0) return
  const rt = changetype<rtable>(dst)
  rt.obsolete = DST_OBSOLETE_DEAD
  rt.input = DST_IN_DISCARD
  rt.output = DST_OUT_DISCARD
  dst_release(dst)
}

function free_nh_exceptions(nh: fib_nh): void {
  const hash = nh.nhc_exceptions
  nh.nhc_exceptions = 0
  if (hash == 0) return
  for (let i: usize = 0; i < <usize>FNHE_HASH_SIZE; i++) {
    let p = load<usize>(hash + (i << 2))
    while (p) {
      const fnhe = changetype<fib_nh_exception>(p)
      const next = fnhe.fnhe_next
      rt_fibinfo_free(fnhe.fnhe_rth_input)
      rt_fibinfo_free(fnhe.fnhe_rth_output)
      kmem_cache_free(CACHE_FNHE, p)
      p = next
    }
  }
  kfree(hash, (<usize>FNHE_HASH_SIZE) << 2)
}

/** Gives up what a next hop keeps of routes. */
export function fib_nh_release(nh: fib_nh): void {
  free_nh_exceptions(nh)
  const input = nh.nhc_rth_input
  const output = nh.nhc_pcpu_rth_output
  nh.nhc_rth_input = 0
  nh.nhc_pcpu_rth_output = 0
  rt_fibinfo_free(input)
  rt_fibinfo_free(output)
}
