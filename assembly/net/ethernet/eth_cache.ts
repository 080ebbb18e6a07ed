// The Ethernet header of a neighbour, made once and copied before each packet. Mirrors the cache half of
// header_ops in net/ethernet/eth.c. It lies right-aligned in 16 bytes, so that one vector copy moves it.

import { DEV_ADDR } from '../../include/netdevice.ts'
import { NEIGH_HA, NEIGH_HH, neighbour } from '../../include/neighbour.ts'
import { walk } from '../../trace/trace.ts'
import { FN_eth_header_cache } from '../../uapi/functions.ts'
import { ETH_HLEN } from '../../uapi/if_ether.ts'

/** Where the header begins in its 16 bytes. */
const HH_DATA_OFF: usize = 16 - <usize>ETH_HLEN

/** Fills the header cache; type is ETH_P_* in network order. 0. */
export function eth_header_cache(n: neighbour, type: u32): i32 {
  walk(FN_eth_header_cache, 0)
  const eth = changetype<usize>(n) + NEIGH_HH + HH_DATA_OFF
  memory.copy(eth, changetype<usize>(n) + NEIGH_HA, 6)
  memory.copy(eth + 6, n.dev + DEV_ADDR, 6)
  store<u16>(eth, <u16>type, 12)
  n.hh_len = ETH_HLEN
  return 0
}

/** The neighbour has another hardware address now. */
export function eth_header_cache_update(n: neighbour, dev: usize, haddr: usize): void {
  memory.copy(changetype<usize>(n) + NEIGH_HH + HH_DATA_OFF, haddr, 6)
}
