// Addresses, protocol and ports of a packet that is not yet routed: for rules that name ports, and for multipath.
// Does for these what skb_flow_dissect_flow_keys of net/core/flow_dissector.c does.

import { iphdr } from '../../../include/ip.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from '../../../uapi/socket.ts'
import { skb_copy_bits } from '../../core/skbuff_data.ts'

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
