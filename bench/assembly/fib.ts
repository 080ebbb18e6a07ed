// Look-ups in an LC-trie: tables of random routes, and addresses that lie below them.

import { __dev_open } from '../../assembly/net/core/dev.ts'
import { net_create, net_start } from '../../assembly/border/namespace.ts'
import { FLOWI4_SIZE, flowi4 } from '../../assembly/include/dst.ts'
import { FIB_CONFIG_SIZE, NLM_F_CREATE, fib_config, fib_result, fib_table } from '../../assembly/include/ip_fib.ts'
import { net } from '../../assembly/include/net_namespace.ts'
import { net_device } from '../../assembly/include/netdevice.ts'
import { kmalloc } from '../../assembly/lib/arena.ts'
import { get_random_u32 } from '../../assembly/lib/random.ts'
import { fib_get_table } from '../../assembly/net/ipv4/fib_frontend.ts'
import { inet_rtm_delroute, inet_rtm_newroute } from '../../assembly/net/ipv4/fib_frontend/config.ts'
import { fib_derived_find } from '../../assembly/net/ipv4/fib_trie/derived.ts'
import { fib_table_lookup } from '../../assembly/net/ipv4/fib_trie/lookup.ts'
import { key_vector, trie_derived } from '../../assembly/net/ipv4/fib_trie/node.ts'
import { RTN_UNICAST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../assembly/uapi/rtnetlink.ts'

/** Addresses looked up in turn, a power of two: of a small table, and of the Internet's, more than a cache holds. */
const FEW: u32 = 1024
const MANY: u32 = 1 << 18

const table = memory.data(4, 4)
/** The list, how many it has less one, and which is next. */
const addresses = memory.data(12, 4)
/** What is worked on: the namespace, lo, the table's number; the list of the Internet's prefixes, and how many. */
const place = memory.data(20, 4)
const MOST: usize = 1100000

function mask_of(length: u32): u32 {
  return length ? ~(<u32>0) << (32 - length) : 0
}

/** A route of a prefix in host order to lo. */
function config(prefix: u32, length: u32): fib_config {
  const cfg = changetype<fib_config>(memory.data(128, 16))
  memory.fill(changetype<usize>(cfg), 0, FIB_CONFIG_SIZE)
  cfg.fc_table = load<u32>(place, 8)
  cfg.fc_dst = bswap<u32>(prefix)
  cfg.fc_dst_len = <u8>length
  cfg.fc_type = <u8>RTN_UNICAST
  cfg.fc_scope = <u8>RT_SCOPE_LINK
  cfg.fc_oif = changetype<net_device>(load<usize>(place, 4)).ifindex
  cfg.fc_nlflags = NLM_F_CREATE
  return cfg
}

/** A route of a random prefix, or the default route. Its prefix in host order; 0: refused, or there already. */
function add(length: u32): u32 {
  const prefix = ((get_random_u32() % 0x6a000000) + 0x01000000) & mask_of(length)
  return inet_rtm_newroute(changetype<net>(load<usize>(place)), config(prefix, length)) ? 0 : prefix
}

/** Lengths as in the Internet's table, roughly: most are /24. */
const INTERNET = memory.data<u8>([24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 16])

/** A namespace with lo up; the table of number id is the one worked on. 0 or -1. */
function begin(id: u32): i32 {
  const p = net_create()
  if (p == 0) return -1
  const lo = net_start(changetype<net>(p))
  if (lo == 0) return -1
  __dev_open(changetype<net_device>(lo))
  store<usize>(place, p)
  store<usize>(place, lo, 4)
  store<u32>(place, id, 8)
  return 0
}

/** The addresses to look up: below the routes, or (routes 0) anywhere. */
function choose_addresses(prefixes: usize, routes: u32, count: u32): void {
  const list = load<usize>(addresses) ? load<usize>(addresses) : kmalloc((<usize>MANY) << 2)
  for (let i: u32 = 0; i < count; i++) {
    let address = get_random_u32()
    if (routes) {
      const route = prefixes + ((<usize>(get_random_u32() % routes)) << 3)
      address = load<u32>(route) | (address & ~mask_of(load<u32>(route, 4)))
    }
    store<u32>(list + ((<usize>i) << 2), bswap<u32>(address))
  }
  const owner = changetype<net>(load<usize>(place))
  store<usize>(table, changetype<usize>(fib_get_table(owner, load<u32>(place, 8))))
  store<usize>(addresses, list)
  store<u32>(addresses, count - 1, 4)
}

/** A table of routes routes of /8 to /32, most of them /24, one the default, is the one looked up in. 0 or -1. */
export function fib_setup(routes: u32): i32 {
  if (begin(routes + 1000)) return -1
  const prefixes = kmalloc((<usize>routes) << 3)
  add(0)
  for (let count: u32 = 0; count < routes - 1;) {
    const length: u32 = get_random_u32() & 1 ? 24 : 8 + (get_random_u32() % 25)
    const prefix = add(length)
    if (prefix == 0) continue
    store<u32>(prefixes + ((<usize>count) << 3), prefix)
    store<u32>(prefixes + ((<usize>count) << 3), length, 4)
    count++
  }
  choose_addresses(prefixes, routes - 1, FEW)
  return 0
}

/** Begins a table like the Internet's. 0 or -1. */
export function fib_internet(): i32 {
  store<usize>(place, 0, 12)
  store<u32>(place, 0, 16)
  if (begin(77)) return -1
  store<usize>(place, kmalloc(MOST << 3), 12)
  add(0)
  return load<usize>(place, 12) ? 0 : -1
}

/** Adds routes to it. Answers how many there are. */
export function fib_insert(routes: u32): u32 {
  const prefixes = load<usize>(place, 12)
  let count = load<u32>(place, 16)
  for (const end = count + routes; count < end;) {
    const length: u32 = load<u8>(INTERNET + <usize>(get_random_u32() & 15))
    const prefix = add(length)
    if (prefix == 0) continue
    store<u32>(prefixes + ((<usize>count) << 3), prefix)
    store<u32>(prefixes + ((<usize>count) << 3), length, 4)
    count++
  }
  store<u32>(place, count, 16)
  return count
}

/** What is looked up from now on: addresses below its routes, or anywhere. */
export function fib_choose(below: u32): void {
  choose_addresses(load<usize>(place, 12), below ? load<u32>(place, 16) : 0, MANY)
}

/** Takes one of its routes away, or puts it back: two updates make one flap. 0 or -errno. */
export function fib_update(route: u32, away: u32): i32 {
  const entry = load<usize>(place, 12) + ((<usize>(route % load<u32>(place, 16))) << 3)
  const cfg = config(load<u32>(entry), load<u32>(entry, 4))
  const owner = changetype<net>(load<usize>(place))
  return away ? inet_rtm_delroute(owner, cfg) : inet_rtm_newroute(owner, cfg)
}

/** times look-ups; answers how many found a route. */
export function fib_lookups(times: u32): u32 {
  const tb = changetype<fib_table>(load<usize>(table))
  const list = load<usize>(addresses)
  const flp = changetype<flowi4>(memory.data(64, 16))
  const res = changetype<fib_result>(memory.data(64, 16))
  memory.fill(changetype<usize>(flp), 0, FLOWI4_SIZE)
  flp.flowi4_scope = <u8>RT_SCOPE_UNIVERSE
  const mask = load<u32>(addresses, 4)
  let next = load<u32>(addresses, 8)
  let found: u32 = 0
  for (let i: u32 = 0; i < times; i++) {
    flp.daddr = load<u32>(list + ((<usize>(next++ & mask)) << 2))
    if (fib_table_lookup(tb, flp, res, 0) == 0) found++
  }
  store<u32>(addresses, next, 8)
  return found
}

/** times look-ups in the derived table, none of which waits for another; answers how many found a route. */
export function fib_derived_lookups(times: u32): u32 {
  const tb = changetype<fib_table>(load<usize>(table))
  const derived = trie_derived(changetype<key_vector>(tb.trie))
  const list = load<usize>(addresses)
  const mask = load<u32>(addresses, 4)
  const first = load<u32>(addresses, 8)
  let found: u32 = 0
  for (let i = first; i < first + times; i++) {
    found += u32(fib_derived_find(derived, bswap<u32>(load<u32>(list + ((<usize>(i & mask)) << 2)))) != 0)
  }
  store<u32>(addresses, first + times, 8)
  return found
}
