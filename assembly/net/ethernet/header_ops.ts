// What a device's link header says, if it has one: Ethernet's, or none, as tunnels and TUNs have (header_ops of linux/netdevice.h).

import { net_device } from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { htons } from '../../lib/byteorder.ts'
import { ETH_P_IP, ETH_P_IPV6 } from '../../uapi/if_ether.ts'
import { skb_mac_header } from '../core/skbuff.ts'
import { eth_header, eth_header_parse } from './eth.ts'

/** The sender's address of a frame, to 8 bytes at to. Its length, 0: there is none. */
export function dev_parse_header(skb: sk_buff, dev: net_device, to: usize): u32 {
  return dev.hard_header_len ? eth_header_parse(skb, to) : 0
}

/** Puts the link header before a packet, as eth_header does; 0: the device has none. */
export function dev_hard_header(skb: sk_buff, dev: net_device, type: u32, daddr: usize, len: u32): i32 {
  return dev.hard_header_len ? eth_header(skb, dev, type, daddr, 0, len) : 0
}

/** The protocol by the version of an IP header (network order), 0: it is none (ip_tunnel_parse_protocol). */
export function ip_version_protocol(at: usize, len: u32): u16 {
  const version = len ? load<u8>(at) >> 4 : 0
  return version == 4 ? htons(ETH_P_IP) : version == 6 ? htons(ETH_P_IPV6) : 0
}

/** The protocol that a frame with its link header names, in network order. */
export function dev_parse_header_protocol(skb: sk_buff, dev: net_device): u16 {
  const at = skb_mac_header(skb)
  return dev.hard_header_len ? load<u16>(at, 12) : ip_version_protocol(at, skb.len)
}
