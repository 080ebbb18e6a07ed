// The hash that chooses among next hops: of a packet, or of a flow that is to be sent. The same flow always hashes
// alike, in both directions (fib_multipath_hash_policy). Mirrors fib_multipath_hash of net/ipv4/route.c and the layout
// of struct flow_keys, so that a seed chooses as in Linux (golden: forward-multipath).
// Policy 2 and the inner fields of policy 3 look into IPIP; other tunnels count by their outer header.

import { boot } from '../../../lib/boot.ts'
import { flowi4 } from '../../../include/dst.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { SKB_L4_HASH, sk_buff } from '../../../include/skbuff.ts'
import { jhash_2words } from '../../../lib/jhash.ts'
import { siphash } from '../../../lib/siphash.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_fib_multipath_hash } from '../../../uapi/functions.ts'
import { IPPROTO_ICMP, IPPROTO_IPIP } from '../../../uapi/socket.ts'
import {
  SYSCTL_FIB_MULTIPATH_HASH_FIELDS,
  SYSCTL_FIB_MULTIPATH_HASH_POLICY,
  SYSCTL_FIB_MULTIPATH_HASH_SEED,
} from '../../../uapi/sysctl.ts'
import { skb_network_offset } from '../../core/skbuff.ts'
import { skb_copy_bits } from '../../core/skbuff_data.ts'
import { dissect, dissected } from '../../core/flow_dissector.ts'

/** fib_multipath_hash_fields */
const FIELD_SRC_IP: u32 = 1
const FIELD_DST_IP: u32 = 2
const FIELD_IP_PROTO: u32 = 4
const FIELD_SRC_PORT: u32 = 16
const FIELD_DST_PORT: u32 = 32
const FIELD_INNER_SHIFT: u32 = 6

/**
 * The part of struct flow_keys that is hashed for IPv4, 48 bytes (the struct's own padding counts):
 *
 *  0              4      8      16      24      28      32     36    40    44
 *  | proto in 2   | tags | vlan | cvlan | keyid | ports | icmp | src | dst | 0 |
 */
const KEYS: usize = memory.data(48, 16)
const KEYS_LENGTH: u32 = 48
const KEYS_PROTO: usize = 2
const KEYS_PORTS: usize = 28
const KEYS_SRC: usize = 36
const KEYS_DST: usize = 40

const OUTER: usize = memory.data(32, 16)
const INNER: usize = memory.data(32, 16)
const ICMP_HEADER: usize = memory.data(16, 16)
const ADDRESSES: usize = memory.data(8, 16)
const IP_SADDR: i32 = 12
const ETH_P_IP_BE: u16 = 0x0008

/** An ICMP error goes the way of the packet that it is about (ip_multipath_l3_keys). */
function l3_keys(skb: sk_buff, outer: dissected, inner: dissected): dissected {
  if (outer.proto != IPPROTO_ICMP || !skb_copy_bits(skb, outer.payload, ICMP_HEADER, 8)) return outer
  const type = <u32>load<u8>(ICMP_HEADER)
  const is_error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12
  if (!is_error || !dissect(skb, outer.payload + 8, inner)) return outer
  return inner
}

/**
 * A packet that is not IPv4: an ARP request that might be answered for others. Linux reads its header as IPv4's where it takes
 * addresses from there (arp-proxy-multipath-0 to 3), and its dissector finds none.
 */
function foreign_keys(skb: sk_buff, policy: i32, d: dissected): void {
  d.ports = 0
  d.proto = 0
  d.src = 0
  d.dst = 0
  if ((policy & 1) == 0 && skb_copy_bits(skb, skb_network_offset(skb) + IP_SADDR, ADDRESSES, 8)) {
    d.src = load<u32>(ADDRESSES)
    d.dst = load<u32>(ADDRESSES, 4)
  }
}

/** The keys ordered so that both directions hash alike, under the seed of the namespace. */
function hash_from_keys(net: net): u32 {
  const src = load<u32>(KEYS + KEYS_SRC)
  const dst = load<u32>(KEYS + KEYS_DST)
  if (dst < src) {
    store<u32>(KEYS + KEYS_SRC, dst)
    store<u32>(KEYS + KEYS_DST, src)
  }
  const ports = load<u32>(KEYS + KEYS_PORTS)
  if (ports >> 16 < (ports & 0xffff)) store<u32>(KEYS + KEYS_PORTS, rotl<u32>(ports, 16))
  const chosen = <u32>sysctl(net, SYSCTL_FIB_MULTIPATH_HASH_SEED)
  const seed: u64 = chosen ? chosen : boot.hash_seed
  const key = (seed << 32) | seed
  const hash = <u32>siphash(KEYS, KEYS_LENGTH, key, key)
  return hash == 0 ? 1 : hash
}

function set_keys(src: u32, dst: u32, ports: u32, proto: u32): void {
  memory.fill(KEYS, 0, KEYS_LENGTH)
  store<u32>(KEYS + KEYS_SRC, src)
  store<u32>(KEYS + KEYS_DST, dst)
  store<u32>(KEYS + KEYS_PORTS, ports)
  store<u8>(KEYS + KEYS_PROTO, <u8>proto)
}

/** The keys that fields (FIELD_*) ask for. */
function hash_fields(net: net, fields: u32, d: dissected): u32 {
  const port_mask: u32 = (fields & FIELD_SRC_PORT ? 0xffff : 0) | (fields & FIELD_DST_PORT ? 0xffff0000 : 0)
  set_keys(
    fields & FIELD_SRC_IP ? d.src : 0,
    fields & FIELD_DST_IP ? d.dst : 0,
    d.ports & port_mask,
    fields & FIELD_IP_PROTO ? d.proto : 0,
  )
  return hash_from_keys(net)
}

/** Policy 3: the fields of the sysctl, of the packet and of the packet within; of a flow those of the flow alone. */
function custom_hash(net: net, skb: sk_buff, outer: dissected, inner: dissected): u32 {
  const fields = <u32>sysctl(net, SYSCTL_FIB_MULTIPATH_HASH_FIELDS)
  const hash = fields & ((1 << FIELD_INNER_SHIFT) - 1) ? hash_fields(net, fields, outer) : 0
  if (changetype<usize>(skb) == 0) return hash
  const within =
    outer.proto == IPPROTO_IPIP && fields >> FIELD_INNER_SHIFT != 0 ? dissect(skb, outer.payload, inner) : false
  return jhash_2words(hash, within ? hash_fields(net, fields >> FIELD_INNER_SHIFT, inner) : 0, 0)
}

/** The hash of a packet, or (no skb) of a flow to be sent: 0 to 2^31 - 1. */
export function fib_multipath_hash(net: net, fl4: flowi4, skb: sk_buff): u32 {
  walk(FN_fib_multipath_hash, changetype<usize>(skb))
  const policy = sysctl(net, SYSCTL_FIB_MULTIPATH_HASH_POLICY)
  const inner = changetype<dissected>(INNER)
  let d = changetype<dissected>(OUTER)
  d.src = fl4.saddr
  d.dst = fl4.daddr
  d.ports = (<u32>fl4.fl4_sport) | ((<u32>fl4.fl4_dport) << 16)
  d.proto = fl4.flowi4_proto
  const foreign = changetype<usize>(skb) != 0 && skb.protocol != ETH_P_IP_BE
  if (foreign) foreign_keys(skb, policy, d)
  const packet = changetype<usize>(skb) != 0 && !foreign && dissect(skb, skb_network_offset(skb), d)
  if (policy == 1) {
    if (packet && skb.skb_flags & SKB_L4_HASH) return skb.hash >> 1
    set_keys(d.src, d.dst, d.ports, d.proto)
    return hash_from_keys(net) >> 1
  }
  if (policy == 3) {
    return custom_hash(net, skb, d, inner) >> 1
  }
  const within = packet && policy == 2 && d.proto == IPPROTO_IPIP && dissect(skb, d.payload, inner)
  if (within) d = inner
  else if (packet) d = l3_keys(skb, d, inner)
  set_keys(d.src, d.dst, 0, 0)
  return hash_from_keys(net) >> 1
}
