// Peers: a few numbers about remote addresses, so that errors, redirects and fragments can be limited for each.
// Mirrors net/ipv4/inetpeer.c; the tree is a hash here, and who is old goes when a new one comes into its chain.

import { CACHE_INETPEER, boot } from '../../lib/boot.ts'
import { INET_PEER_SIZE, inet_peer } from '../../include/inetpeer.ts'
import { net, sysctl } from '../../include/net_namespace.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { jhash_1word } from '../../lib/jhash.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free } from '../../lib/slab.ts'
import { walk } from '../../trace/trace.ts'
import { FN_inet_getpeer, FN_inet_peer_gc, FN_inet_peer_xrlim_allow } from '../../uapi/functions.ts'
import { SYSCTL_INET_PEER_MAXTTL, SYSCTL_INET_PEER_MINTTL, SYSCTL_INET_PEER_THRESHOLD } from '../../uapi/sysctl.ts'

const CHAINS: u32 = 4096
const CHAINS_SIZE: usize = (<usize>CHAINS) << 2
/** Tokens of a peer allow so many errors at once. */
const XRLIM_BURST_FACTOR: u32 = 6
/** A new peer begins with the tokens of so many seconds: more than any limit lets it keep. */
const FIRST_SECONDS: u32 = 60

/** Once at boot. */
export function inet_initpeers(): void {
  kmem_cache_create(CACHE_INETPEER, <u32>INET_PEER_SIZE)
}

/** Where the chain of an address begins. */
function chain_of(owner: net, daddr: u32): usize {
  return owner.peers + ((<usize>(jhash_1word(daddr, boot.hash_seed) & (CHAINS - 1))) << 2)
}

function peer_find(chain: usize, daddr: u32): inet_peer {
  let p = load<usize>(chain)
  while (p != 0 && changetype<inet_peer>(p).daddr != daddr) p = changetype<inet_peer>(p).next
  return changetype<inet_peer>(p)
}

/** How long a peer may be unused, in jiffies: the less, the more there are. */
function peer_ttl(owner: net): u32 {
  const threshold = <u32>sysctl(owner, SYSCTL_INET_PEER_THRESHOLD)
  if (owner.peers_total >= threshold) return 0
  const least = <u32>sysctl(owner, SYSCTL_INET_PEER_MINTTL)
  const most = <u32>sysctl(owner, SYSCTL_INET_PEER_MAXTTL)
  if (most <= least) return most * boot.hz
  return most * boot.hz - <u32>((<u64>(most - least) * owner.peers_total) / threshold) * boot.hz
}

/** Frees the peers of a chain that nobody asked for in a long time. */
function inet_peer_gc(owner: net, chain: usize): void {
  walk(FN_inet_peer_gc, 0)
  const ttl = peer_ttl(owner)
  let link = chain
  for (let p = load<usize>(link); p != 0; p = load<usize>(link)) {
    const peer = changetype<inet_peer>(p)
    if (peer.refcnt || boot.jiffies - peer.dtime < ttl) {
      link = p + offsetof<inet_peer>('next')
      continue
    }
    store<usize>(link, peer.next)
    kmem_cache_free(CACHE_INETPEER, p)
    owner.peers_total -= 1
  }
}

function peer_create(owner: net, chain: usize, daddr: u32): inet_peer {
  if (load<usize>(chain)) inet_peer_gc(owner, chain)
  const p = kmem_cache_alloc(CACHE_INETPEER)
  const peer = changetype<inet_peer>(p)
  if (p == 0) return peer
  peer.daddr = daddr
  peer.dtime = boot.jiffies
  peer.rate_tokens = 0
  peer.rate_last = boot.jiffies - FIRST_SECONDS * boot.hz
  peer.n_redirects = 0
  peer.rid = 0
  peer.refcnt = 0
  peer.next = load<usize>(chain)
  store<usize>(chain, p)
  owner.peers_total += 1
  return peer
}

/** The peer of an address in network order, made if it is new; not counted: use it at once. 0: out of memory. */
export function inet_getpeer_v4(owner: net, daddr: u32): inet_peer {
  walk(FN_inet_getpeer, 0)
  if (owner.peers == 0) {
    owner.peers = kzalloc(CHAINS_SIZE)
    if (owner.peers == 0) return changetype<inet_peer>(0)
  }
  const chain = chain_of(owner, daddr)
  const peer = peer_find(chain, daddr)
  if (changetype<usize>(peer) == 0) return peer_create(owner, chain, daddr)
  peer.dtime = boot.jiffies
  return peer
}

/**
 * May an error go to the peer (0: unknown, always)? One each timeout (jiffies), six at once after silence. The tokens are
 * those of ip_error and redirects too.
 */
export function inet_peer_xrlim_allow(peer: inet_peer, timeout: u32): bool {
  walk(FN_inet_peer_xrlim_allow, 0)
  if (changetype<usize>(peer) == 0) return true
  const now = boot.jiffies
  let tokens = peer.rate_tokens
  const delta = now - peer.rate_last
  if (delta) {
    peer.rate_last = now
    tokens = min<u32>(tokens + delta, XRLIM_BURST_FACTOR * timeout)
  }
  const allowed = tokens >= timeout
  peer.rate_tokens = allowed ? tokens - timeout : tokens
  return allowed
}

/** Forgets all peers of a namespace. */
export function inetpeer_invalidate_tree(owner: net): void {
  if (owner.peers == 0) return
  for (let i: u32 = 0; i < CHAINS; i++) {
    const chain = owner.peers + ((<usize>i) << 2)
    for (let p = load<usize>(chain); p != 0;) {
      const next = changetype<inet_peer>(p).next
      kmem_cache_free(CACHE_INETPEER, p)
      p = next
    }
  }
  kfree(owner.peers, CHAINS_SIZE)
  owner.peers = 0
  owner.peers_total = 0
}
