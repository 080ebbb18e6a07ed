// Addresses, protocol and ports of a packet, and the hash of its flow. Mirrors net/core/flow_dissector.c for IPv4.

import { boot } from '../../lib/boot.ts'
import { siphash } from '../../lib/siphash.ts'
import { iphdr } from '../../include/ip.ts'
import { SKB_L4_HASH, sk_buff } from '../../include/skbuff.ts'
import { sock } from '../../include/sock.ts'
import { ETH_P_IP } from '../../uapi/if_ether.ts'
import { IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from '../../uapi/socket.ts'
import { htons } from '../../lib/byteorder.ts'
import { skb_network_offset } from './skbuff.ts'
import { skb_copy_bits } from './skbuff_data.ts'

/** What an IPv4 header and the ports behind it say; all in network order. */
@unmanaged
@final
export class dissected {
  src: u32
  dst: u32
  /** As they lie: the source port in the low half. */
  ports: u32
  proto: u32
  /** Where the payload of the header begins, from the skb's data. */
  payload: i32
}

/** MF and the offset in frag_off as it lies. */
const FRAGMENT: u32 = 0xff3f
const HEADER: usize = memory.data(32, 16)

function has_ports(proto: u32): bool {
  return (
    proto == IPPROTO_TCP ||
    proto == IPPROTO_UDP ||
    proto == IPPROTO_UDPLITE ||
    proto == IPPROTO_SCTP ||
    proto == IPPROTO_DCCP
  )
}

/**
 * Reads the IPv4 header at offset (from the skb's data) and the ports behind it, if it has any: fragments have none, so
 * that all of a datagram are treated alike. False: there is no header.
 */
export function dissect(skb: sk_buff, offset: i32, to: dissected): bool {
  if (!skb_copy_bits(skb, offset, HEADER, 20)) return false
  const ip = changetype<iphdr>(HEADER)
  const length = ip.ihl << 2
  if (ip.version != 4 || length < 20) return false
  to.src = ip.saddr
  to.dst = ip.daddr
  to.proto = ip.protocol
  to.ports = 0
  to.payload = offset + <i32>length
  if (!has_ports(to.proto) || (<u32>ip.frag_off) & FRAGMENT) return true
  if (skb_copy_bits(skb, to.payload, HEADER, 4)) to.ports = load<u32>(HEADER)
  return true
}

/** What is hashed of a flow: a dissected without its payload, and the link protocol. */
const KEYS: usize = memory.data(32, 16)
const KEYS_LENGTH: u32 = 20

/** The hash of a packet's flow, the same for all its packets; kept in the packet. Never 0. */
export function skb_get_hash(skb: sk_buff): u32 {
  if (skb.hash) return skb.hash
  const owner = skb.destructor ? changetype<sock>(skb.sk).sk_txhash : 0
  if (owner) {
    skb.skb_flags |= SKB_L4_HASH
    skb.hash = owner
    return owner
  }
  memory.fill(KEYS, 0, 32)
  if (<u32>skb.protocol == htons(ETH_P_IP)) dissect(skb, skb_network_offset(skb), changetype<dissected>(KEYS))
  const keys = changetype<dissected>(KEYS)
  keys.payload = <i32>skb.protocol
  if (keys.ports) skb.skb_flags |= SKB_L4_HASH
  const seed: u64 = boot.hash_seed
  const hash = <u32>siphash(KEYS, KEYS_LENGTH, (seed << 32) | seed, seed)
  skb.hash = hash ? hash : 1
  return skb.hash
}
