// Exceptions of a next hop: what was learnt about one destination (path MTU, a better gateway), with an expiry.
// Mirrors the fib_nh_exception part of net/ipv4/route.c.

import { CACHE_FNHE, boot } from '../../../lib/boot.ts'
import {
  DST_IN_DISCARD,
  DST_OBSOLETE_DEAD,
  DST_OBSOLETE_KILL,
  DST_OUT_DISCARD,
  FNHE_HASH_SHIFT,
  FNHE_HASH_SIZE,
  fib_nh_exception,
  rtable,
} from '../../../include/dst.ts'
import { fib_nh } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { kzalloc } from '../../../lib/arena.ts'
import { jhash_1word } from '../../../lib/jhash.ts'
import { get_random_u32_below } from '../../../lib/random.ts'
import { kmem_cache_free, kmem_cache_zalloc } from '../../../lib/slab.ts'
import { time_after } from '../../../kernel/timer.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_find_exception, FN_fnhe_remove_oldest, FN_update_or_create_fnhe } from '../../../uapi/functions.ts'
import { RTCF_REDIRECTED } from '../../../uapi/rtnetlink.ts'
import { dst_release } from '../../core/dst.ts'

const FNHE_TABLE: usize = (<usize>FNHE_HASH_SIZE) << 2
/** A chain may be this long, and up to twice as long by chance. */
const FNHE_RECLAIM_DEPTH: u32 = 5

/** Where the chain of a destination begins; table is nhc_exceptions. */
function fnhe_hashfun(table: usize, daddr: u32): usize {
  return table + ((<usize>(jhash_1word(daddr, boot.hash_seed) >> (32 - FNHE_HASH_SHIFT))) << 2)
}

/** Gives up a cached route for good: who still holds it finds it dead. */
export function discard_route(dst: usize): void {
  if (dst == 0) return
  const rt = changetype<rtable>(dst)
  rt.obsolete = DST_OBSOLETE_DEAD
  rt.input = DST_IN_DISCARD
  rt.output = DST_OUT_DISCARD
  dst_release(dst)
}

/** Forgets the routes that were made with this exception. */
export function fnhe_flush_routes(fnhe: fib_nh_exception): void {
  discard_route(fnhe.fnhe_rth_input)
  discard_route(fnhe.fnhe_rth_output)
  fnhe.fnhe_rth_input = 0
  fnhe.fnhe_rth_output = 0
}

/** Takes the exception at link out of its chain. */
function fnhe_free(link: usize): void {
  const p = load<usize>(link)
  const fnhe = changetype<fib_nh_exception>(p)
  store<usize>(link, fnhe.fnhe_next)
  fnhe_flush_routes(fnhe)
  kmem_cache_free(CACHE_FNHE, p)
}

/** The exception that was used the longest time ago makes room. */
function fnhe_remove_oldest(chain: usize): void {
  walk(FN_fnhe_remove_oldest, 0)
  let oldest = chain
  let stamp = changetype<fib_nh_exception>(load<usize>(chain)).fnhe_stamp
  for (let link = chain; load<usize>(link) != 0; link = load<usize>(link) + offsetof<fib_nh_exception>('fnhe_next')) {
    const fnhe = changetype<fib_nh_exception>(load<usize>(link))
    if (time_after(stamp, fnhe.fnhe_stamp)) {
      stamp = fnhe.fnhe_stamp
      oldest = link
    }
  }
  fnhe_free(oldest)
}

/** A next hop's exception for a destination; one whose time is over goes now. 0: none. */
function exception_in(table: usize, daddr: u32): fib_nh_exception {
  let link = fnhe_hashfun(table, daddr)
  for (let p = load<usize>(link); p != 0; p = load<usize>(link)) {
    const fnhe = changetype<fib_nh_exception>(p)
    if (fnhe.fnhe_daddr == daddr) {
      if (fnhe.fnhe_expires == 0 || !time_after(boot.jiffies, fnhe.fnhe_expires)) return fnhe
      fnhe_free(link)
      break
    }
    link = p + offsetof<fib_nh_exception>('fnhe_next')
  }
  return changetype<fib_nh_exception>(0)
}

/** The exception of a next hop for a destination, 0: none, as almost always. */
export function find_exception(nhc: fib_nh, daddr: u32): fib_nh_exception {
  walk(FN_find_exception, 0)
  return nhc.nhc_exceptions == 0 ? changetype<fib_nh_exception>(0) : exception_in(nhc.nhc_exceptions, daddr)
}

/** A route takes over what the exception knows. */
export function fill_route_from_fnhe(rt: rtable, fnhe: fib_nh_exception): void {
  rt.rt_pmtu = fnhe.fnhe_pmtu
  rt.rt_mtu_locked = fnhe.fnhe_mtu_locked
  rt.expires = fnhe.fnhe_expires
  if (fnhe.fnhe_gw == 0) return
  rt.rt_flags |= RTCF_REDIRECTED
  rt.rt_uses_gateway = 1
  rt.rt_gw4 = fnhe.fnhe_gw
}

function update(fnhe: fib_nh_exception, genid: u32, gw: u32, pmtu: u32, lock: u32, expires: u32): void {
  fnhe.fnhe_genid = genid
  if (gw) fnhe.fnhe_gw = gw
  if (pmtu) {
    fnhe.fnhe_pmtu = pmtu
    fnhe.fnhe_mtu_locked = lock
  }
  fnhe.fnhe_expires = expires
  if (fnhe.fnhe_rth_input) fill_route_from_fnhe(changetype<rtable>(fnhe.fnhe_rth_input), fnhe)
  if (fnhe.fnhe_rth_output) fill_route_from_fnhe(changetype<rtable>(fnhe.fnhe_rth_output), fnhe)
}

/** Routes that were cached before an exception came do not know it: their holders must look again. */
function kill_cached(nhc: fib_nh): void {
  if (nhc.nhc_rth_input) changetype<rtable>(nhc.nhc_rth_input).obsolete = DST_OBSOLETE_KILL
  if (nhc.nhc_pcpu_rth_output) changetype<rtable>(nhc.nhc_pcpu_rth_output).obsolete = DST_OBSOLETE_KILL
}

/**
 * Notes what was learnt about a destination behind a next hop: gateway and path MTU (0: nothing new), lock: the MTU is not
 * to be raised by probing; expires in jiffies. Out of memory: nothing is noted.
 */
export function update_or_create_fnhe(nhc: fib_nh, daddr: u32, gw: u32, pmtu: u32, lock: bool, expires: u32): void {
  walk(FN_update_or_create_fnhe, 0)
  if (nhc.nhc_exceptions == 0) {
    nhc.nhc_exceptions = kzalloc(FNHE_TABLE)
    if (nhc.nhc_exceptions == 0) return
  }
  const chain = fnhe_hashfun(nhc.nhc_exceptions, daddr)
  const genid = changetype<net>(changetype<net_device>(nhc.nhc_dev).nd_net).fnhe_genid
  const until = max<u32>(1, expires)
  let depth: u32 = 0
  for (let p = load<usize>(chain); p != 0; p = changetype<fib_nh_exception>(p).fnhe_next) {
    const fnhe = changetype<fib_nh_exception>(p)
    if (fnhe.fnhe_daddr == daddr) {
      update(fnhe, genid, gw, pmtu, <u32>lock, until)
      fnhe.fnhe_stamp = boot.jiffies
      return
    }
    depth++
  }
  if (depth > FNHE_RECLAIM_DEPTH) {
    const most = FNHE_RECLAIM_DEPTH + get_random_u32_below(FNHE_RECLAIM_DEPTH)
    for (; depth > most; depth--) fnhe_remove_oldest(chain)
  }
  const p = kmem_cache_zalloc(CACHE_FNHE)
  if (p == 0) return
  const fnhe = changetype<fib_nh_exception>(p)
  fnhe.fnhe_daddr = daddr
  fnhe.fnhe_next = load<usize>(chain)
  store<usize>(chain, p)
  update(fnhe, genid, gw, pmtu, <u32>lock, until)
  fnhe.fnhe_stamp = boot.jiffies
  kill_cached(nhc)
}

/** An exception of a generation of routes that is gone starts anew, without what it knew. */
export function fnhe_renew(fnhe: fib_nh_exception, genid: u32): void {
  if (fnhe.fnhe_genid == genid) return
  fnhe.fnhe_genid = genid
  fnhe.fnhe_gw = 0
  fnhe.fnhe_pmtu = 0
  fnhe.fnhe_expires = 0
  fnhe.fnhe_mtu_locked = 0
  fnhe_flush_routes(fnhe)
}
