// What a next hop keeps of routes: cached ones, and exceptions with theirs. Mirrors fib_nh_release of
// net/ipv4/fib_semantics.c.

import { CACHE_FNHE } from '../../../lib/boot.ts'
import { FNHE_HASH_SIZE, fib_nh_exception } from '../../../include/dst.ts'
import { fib_nh } from '../../../include/ip_fib.ts'
import { kfree } from '../../../lib/arena.ts'
import { kmem_cache_free } from '../../../lib/slab.ts'
import { discard_route, fnhe_flush_routes } from '../route/exception.ts'

function free_nh_exceptions(nh: fib_nh): void {
  const hash = nh.nhc_exceptions
  nh.nhc_exceptions = 0
  if (hash == 0) return
  for (let i: usize = 0; i < <usize>FNHE_HASH_SIZE; i++) {
    let p = load<usize>(hash + (i << 2))
    while (p) {
      const fnhe = changetype<fib_nh_exception>(p)
      const next = fnhe.fnhe_next
      fnhe_flush_routes(fnhe)
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
  discard_route(input)
  discard_route(output)
}
