// What a program reads that is not in the linear part of its packet: fragments, and offsets from a header.
// Mirrors bpf_skb_load_helper_* of net/core/filter.c.

import { sk_buff } from '../../../include/skbuff.ts'
import { ntohl, ntohs } from '../../../lib/byteorder.ts'
import { SKF_LL_OFF, SKF_NET_OFF } from '../../../uapi/filter.ts'
import { NO_MAC_HEADER, skb_headlen, skb_mac_header, skb_network_offset } from '../skbuff.ts'
import { skb_copy_bits } from '../skbuff_data.ts'

const SCRATCH: usize = memory.data(8, 8)
/** No such bytes: the program ends and answers 0. */
export const LOAD_FAILED: i64 = -1

function read(p: usize, size: u32): i64 {
  if (size == 4) return <i64>ntohl(load<u32>(p))
  return size == 2 ? <i64>ntohs(load<u16>(p)) : <i64>load<u8>(p)
}

/** size bytes from offset on: from data, or from SKF_NET_OFF and SKF_LL_OFF from the header that they name. */
export function load_far(skb: sk_buff, offset: i32, size: i32): i64 {
  let at = offset
  if (offset < 0) {
    if (offset >= SKF_NET_OFF) at = offset - SKF_NET_OFF + skb_network_offset(skb)
    else if (offset < SKF_LL_OFF || skb.mac_header == NO_MAC_HEADER) return LOAD_FAILED
    else at = offset - SKF_LL_OFF + <i32>(skb_mac_header(skb) - skb.data)
  }
  // A header that was pulled lies before data: at is negative, and not before head.
  if (<i32>skb_headlen(skb) - at >= size) return read(skb.data + at, size)
  return at >= 0 && skb_copy_bits(skb, at, SCRATCH, size) ? read(SCRATCH, size) : LOAD_FAILED
}
