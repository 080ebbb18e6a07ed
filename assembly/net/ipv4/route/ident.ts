// Numbers of datagrams (the IP id): from a socket that has a peer, else from one of many counters by addresses and protocol.
// Mirrors __ip_select_ident and ip_idents_reserve of net/ipv4/route.c, ip_select_ident_segs of include/net/ip.h.
// Read first: RFC 791 3.2 (Identification), RFC 6864.

import { boot } from '../../../lib/boot.ts'
import { IP_DF, iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { sock } from '../../../include/sock.ts'
import { SKB_IGNORE_DF, sk_buff } from '../../../include/skbuff.ts'
import { kmalloc } from '../../../lib/arena.ts'
import { htons } from '../../../lib/byteorder.ts'
import { jhash_3words } from '../../../lib/jhash.ts'
import { get_random_u32, get_random_u32_below } from '../../../lib/random.ts'
import { walk } from '../../../trace/trace.ts'
import { FN___ip_select_ident } from '../../../uapi/functions.ts'
import { skb_network_header } from '../../core/skbuff.ts'

const IP_IDENTS_SZ: u32 = 2048
/** Behind the counters lies when each was last used, in jiffies. */
const STAMPS: usize = (<usize>IP_IDENTS_SZ) << 2

/** The counters, begun at random numbers. 0: out of memory. */
function ip_idents(): usize {
  if (boot.ip_ident) return boot.ip_ident
  const table = kmalloc(STAMPS * 2)
  if (table == 0) return 0
  for (let i: u32 = 0; i < IP_IDENTS_SZ; i++) store<u32>(table + ((<usize>i) << 2), get_random_u32())
  memory.fill(table + STAMPS, 0, STAMPS)
  boot.ip_ident = table
  return table
}

/** Takes segs numbers of a counter; time that passed makes it jump, so that nobody counts packets by it. */
export function ip_idents_reserve(hash: u32, segs: u32): u32 {
  const table = ip_idents()
  if (table == 0) return get_random_u32()
  const counter = table + ((<usize>(hash & (IP_IDENTS_SZ - 1))) << 2)
  const last = load<u32>(counter + STAMPS)
  const now = boot.jiffies
  let delta: u32 = 0
  if (last != now) {
    store<u32>(counter + STAMPS, now)
    delta = get_random_u32_below(now - last)
  }
  const id = load<u32>(counter) + delta
  store<u32>(counter, id + segs)
  return id
}

/** Which counter packets between two addresses use. */
export function ip_ident_hash(owner: net, daddr: u32, saddr: u32, protocol: u32): u32 {
  return jhash_3words(daddr, saddr, protocol, boot.hash_seed + owner.id)
}

/** Gives a header with its addresses the first of segs numbers in a row. */
export function __ip_select_ident(owner: net, ip: iphdr, segs: u32): void {
  walk(FN___ip_select_ident, 0)
  ip.id = htons(ip_idents_reserve(ip_ident_hash(owner, ip.daddr, ip.saddr, ip.protocol), segs))
}

/**
 * The id of a packet that is to be sent as segs packets: counted by the socket (0: none) if it has a peer; 0 for one that
 * nobody may cut; else any.
 */
export function ip_select_ident_segs(owner: net, skb: sk_buff, sk: usize, segs: u32): void {
  const ip = changetype<iphdr>(skb_network_header(skb))
  if (sk != 0 && changetype<sock>(sk).inet_daddr != 0) {
    const from = changetype<sock>(sk)
    ip.id = htons(from.inet_id)
    from.inet_id += segs
  } else if ((<u32>ip.frag_off) & IP_DF && !(skb.skb_flags & SKB_IGNORE_DF)) {
    ip.id = 0
  } else {
    __ip_select_ident(owner, ip, segs)
  }
}

export function ip_select_ident(owner: net, skb: sk_buff, sk: usize): void {
  ip_select_ident_segs(owner, skb, sk, 1)
}
