// What programs read of a packet's metadata (SKF_AD_*). Mirrors convert_bpf_extensions of net/core/filter.c.

import { net_device } from '../../../include/netdevice.ts'
import { sk_buff, skb_vlan_all } from '../../../include/skbuff.ts'
import { ntohs } from '../../../lib/byteorder.ts'
import { boot } from '../../../lib/boot.ts'
import { get_random_u32 } from '../../../lib/random.ts'
import {
  SKF_AD_ALU_XOR_X,
  SKF_AD_CPU,
  SKF_AD_HATYPE,
  SKF_AD_IFINDEX,
  SKF_AD_MARK,
  SKF_AD_NLATTR,
  SKF_AD_NLATTR_NEST,
  SKF_AD_PAY_OFFSET,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_AD_QUEUE,
  SKF_AD_RANDOM,
  SKF_AD_RXHASH,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
  SKF_AD_VLAN_TPID,
} from '../../../uapi/filter.ts'
import { skb_get_poff } from './payload.ts'

/** Netlink attributes: length and type, then the value; the next begins at a multiple of 4. */
const NLA_HDRLEN: i32 = 4
const NLA_TYPE_MASK: u32 = 0x3fff

/** The first attribute of a type in rem bytes at p; 0: there is none. */
function nla_find(p: usize, rem: i32, type: u32): usize {
  while (rem >= NLA_HDRLEN) {
    const len = <i32>load<u16>(p)
    if (len < NLA_HDRLEN || len > rem) return 0
    if (((<u32>load<u16>(p, 2)) & NLA_TYPE_MASK) == type) return p
    const whole = (len + 3) & ~3
    rem -= whole
    p += whole
  }
  return 0
}

/** Offset of the attribute x from a on, or (nested) in the one at a. 0: none. */
function bpf_skb_get_nlattr(skb: sk_buff, a: u32, x: u32, nested: bool): u32 {
  if (skb.data_len || skb.len < <u32>NLA_HDRLEN || a > skb.len - NLA_HDRLEN) return 0
  const from = skb.data + a
  const rem = <i32>(skb.len - a)
  const len = <i32>load<u16>(from)
  if (nested && len > rem) return 0
  const found = nested ? nla_find(from + NLA_HDRLEN, len - NLA_HDRLEN, x) : nla_find(from, rem, x)
  return found ? <u32>(found - skb.data) : 0
}

/** Does the program end here, since there is no device to ask? It answers what A holds then. */
export function ancillary_ends(skb: sk_buff, which: u32): bool {
  return skb.dev == 0 && (which == SKF_AD_IFINDEX || which == SKF_AD_HATYPE)
}

/** What A becomes by a load of SKF_AD_OFF + which. */
export function ancillary(skb: sk_buff, which: u32, a: u32, x: u32): u32 {
  switch (which) {
    case SKF_AD_PROTOCOL:
      return ntohs(skb.protocol)
    case SKF_AD_PKTTYPE:
      return skb.pkt_type & 7
    case SKF_AD_IFINDEX:
      return changetype<net_device>(skb.dev).ifindex
    case SKF_AD_NLATTR:
      return bpf_skb_get_nlattr(skb, a, x, false)
    case SKF_AD_NLATTR_NEST:
      return bpf_skb_get_nlattr(skb, a, x, true)
    case SKF_AD_MARK:
      return skb.mark
    case SKF_AD_QUEUE:
      return skb.queue_mapping
    case SKF_AD_HATYPE:
      return changetype<net_device>(skb.dev).type
    case SKF_AD_RXHASH:
      return skb.hash
    case SKF_AD_CPU:
      return boot.cpu
    case SKF_AD_ALU_XOR_X:
      return a ^ x
    case SKF_AD_VLAN_TAG:
      return skb.vlan_tci
    case SKF_AD_VLAN_TAG_PRESENT:
      return u32(skb_vlan_all(skb) != 0)
    case SKF_AD_PAY_OFFSET:
      return skb_get_poff(skb)
    case SKF_AD_RANDOM:
      return get_random_u32()
    case SKF_AD_VLAN_TPID:
      return ntohs(skb.vlan_proto)
    default:
      return a
  }
}
