// Look-ups in an LC-trie: tables of random routes, and addresses that lie below them.

import { __dev_open } from '../../assembly/net/core/dev.ts'
import { net_create, net_start } from '../../assembly/border/namespace.ts'
import { FLOWI4_SIZE, flowi4 } from '../../assembly/include/dst.ts'
import { FIB_CONFIG_SIZE, NLM_F_CREATE, fib_config, fib_result, fib_table } from '../../assembly/include/ip_fib.ts'
import { net } from '../../assembly/include/net_namespace.ts'
import { net_device } from '../../assembly/include/netdevice.ts'
import { kmalloc, kzalloc } from '../../assembly/lib/arena.ts'
import { get_random_u32 } from '../../assembly/lib/random.ts'
import { fib_get_table } from '../../assembly/net/ipv4/fib_frontend.ts'
import { inet_rtm_newroute } from '../../assembly/net/ipv4/fib_frontend/config.ts'
import { fib_table_lookup } from '../../assembly/net/ipv4/fib_trie/lookup.ts'
import { RTN_UNICAST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../assembly/uapi/rtnetlink.ts'

/** Addresses looked up in turn: a power of two. */
const ADDRESSES: u32 = 1024

const table = memory.data(4, 4)
const addresses = memory.data(4, 4)

function mask_of(length: u32): u32 {
  return length ? ~(<u32>0) << (32 - length) : 0
}

/** A route of a random prefix, or the default route, to lo. Its prefix in host order; 0: refused, or there already. */
function add_route(owner: net, dev: net_device, id: u32, length: u32): u32 {
  const cfg = changetype<fib_config>(kzalloc(FIB_CONFIG_SIZE))
  const prefix = ((get_random_u32() % 0xdf000000) + 0x01000000) & mask_of(length)
  cfg.fc_table = id
  cfg.fc_dst = bswap<u32>(prefix)
  cfg.fc_dst_len = <u8>length
  cfg.fc_type = <u8>RTN_UNICAST
  cfg.fc_scope = <u8>RT_SCOPE_LINK
  cfg.fc_oif = dev.ifindex
  cfg.fc_nlflags = NLM_F_CREATE
  return inet_rtm_newroute(owner, cfg) ? 0 : prefix
}

/** A table of routes routes of /8 to /32, most of them /24, one the default, is the one looked up in. 0 or -1. */
export function fib_setup(routes: u32): i32 {
  const p = net_create()
  if (p == 0) return -1
  const owner = changetype<net>(p)
  const lo = net_start(owner)
  if (lo == 0) return -1
  const dev = changetype<net_device>(lo)
  __dev_open(dev)
  const id = routes + 1000
  const list = kmalloc((<usize>ADDRESSES) << 2)
  const prefixes = kmalloc((<usize>routes) << 3)
  add_route(owner, dev, id, 0)
  for (let count: u32 = 1; count < routes;) {
    const length: u32 = get_random_u32() & 1 ? 24 : 8 + (get_random_u32() % 25)
    const prefix = add_route(owner, dev, id, length)
    if (prefix == 0) continue
    store<u32>(prefixes + ((<usize>count) << 3), prefix)
    store<u32>(prefixes + ((<usize>count) << 3), length, 4)
    count++
  }
  for (let i: u32 = 0; i < ADDRESSES; i++) {
    const route = prefixes + ((<usize>(1 + (i % (routes - 1)))) << 3)
    const below = get_random_u32() & ~mask_of(load<u32>(route, 4))
    store<u32>(list + ((<usize>i) << 2), bswap<u32>(load<u32>(route) | below))
  }
  store<usize>(table, changetype<usize>(fib_get_table(owner, id)))
  store<usize>(addresses, list)
  return 0
}

/** times look-ups; answers the sum of the prefix lengths found: 0 says that something is wrong. */
export function fib_lookups(times: u32): u32 {
  const tb = changetype<fib_table>(load<usize>(table))
  const list = load<usize>(addresses)
  const flp = changetype<flowi4>(memory.data(64, 16))
  const res = changetype<fib_result>(memory.data(64, 16))
  memory.fill(changetype<usize>(flp), 0, FLOWI4_SIZE)
  flp.flowi4_scope = <u8>RT_SCOPE_UNIVERSE
  let all: u32 = 0
  for (let i: u32 = 0; i < times; i++) {
    flp.daddr = load<u32>(list + ((<usize>(i & (ADDRESSES - 1))) << 2))
    if (fib_table_lookup(tb, flp, res, 0)) return 0
    all += res.prefixlen
  }
  return all
}
