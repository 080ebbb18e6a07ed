// VLAN tags that stand in a frame, as its sender wrote them. Mirrors vlan_get_protocol_and_depth of linux/if_vlan.h, and
// vlan_get_tci of net/packet/af_packet.c.

import { sk_buff } from '../../include/skbuff.ts'
import { htons, ntohs } from '../../lib/byteorder.ts'
import { ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q } from '../../uapi/if_ether.ts'
import { skb_copy_bits } from '../core/skbuff_data.ts'

const VLAN_HLEN: u32 = 4
/** One more than the tags that are looked behind. */
const VLAN_MAX_DEPTH: u32 = 8
const TAG: usize = memory.data(4, 16)

/** type in network order. */
export function eth_type_vlan(type: u32): bool {
  return type == <u32>htons(ETH_P_8021Q) || type == <u32>htons(ETH_P_8021AD)
}

/** Copies the tag at depth bytes from the link header, which may lie before data. False: the packet ends before. */
function tag_at(skb: sk_buff, depth: u32): bool {
  const mac = skb.head + skb.mac_header
  if (mac >= skb.data) return skb_copy_bits(skb, <u32>(mac - skb.data) + depth, TAG, VLAN_HLEN)
  const before = <u32>(skb.data - mac)
  const linear = before + skb.len - skb.data_len
  if (depth + VLAN_HLEN > linear) return false
  store<u32>(TAG, load<u32>(mac + depth))
  return true
}

/**
 * Where the packet behind all tags begins, from the link header; 0: the frame ends within them, or
 * names no protocol.
 */
export function vlan_depth(skb: sk_buff): u32 {
  let depth = skb.mac_len ? <u32>skb.mac_len - VLAN_HLEN : ETH_HLEN
  for (let left = VLAN_MAX_DEPTH; tag_at(skb, depth) && --left;) {
    depth += VLAN_HLEN
    const type = load<u16>(TAG, 2)
    if (!eth_type_vlan(type)) return type ? depth : 0
  }
  return 0
}

/** The protocol behind all tags, network order; 0: the frame ends within them. */
export function vlan_get_protocol(skb: sk_buff): u16 {
  return vlan_depth(skb) ? load<u16>(TAG, 2) : 0
}

/** The first tag, 0: the frame ends before. */
export function vlan_get_tci(skb: sk_buff): u32 {
  return tag_at(skb, ETH_HLEN) ? ntohs(load<u16>(TAG)) : 0
}
