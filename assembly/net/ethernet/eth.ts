// Ethernet: which packets are for us, and the header of those that leave. Mirrors net/ethernet/eth.c.
// Read first: RFC 894, IEEE 802.3.

import { DEV_ADDR, DEV_BROADCAST, net_device } from '../../include/netdevice.ts'
import { ethhdr } from '../../include/headers.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { htons, ntohs } from '../../lib/byteorder.ts'
import { walk } from '../../trace/trace.ts'
import { FN_eth_header, FN_eth_header_parse, FN_eth_type_trans } from '../../uapi/functions.ts'
import { ETH_ALEN, ETH_HLEN, ETH_P_802_2, ETH_P_802_3, ETH_P_802_3_MIN } from '../../uapi/if_ether.ts'
import { IFF_LOOPBACK, IFF_NOARP } from '../../uapi/if.ts'
import { PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST } from '../../uapi/in.ts'
import { skb_mac_header, skb_push } from '../core/skbuff.ts'

/** The six bytes of an address among eight. */
const MAC_MASK: u64 = 0x0000ffffffffffff

/** An 802.3 length instead of a type: raw IPX begins with ffff, all else is LLC. */
function length_proto(skb: sk_buff): u16 {
  const raw = skb.len >= 2 && load<u16>(skb.data) == 0xffff
  return htons(raw ? ETH_P_802_3 : ETH_P_802_2)
}

/**
 * Takes the Ethernet header off and says for whom the frame is.
 *
 * Uses: data at the header, at least ETH_HLEN bytes. Sets: mac_header, pkt_type, dev; data behind the header.
 * Next: the caller stores the protocol it answers (ETH_P_* in network order).
 */
export function eth_type_trans(skb: sk_buff, dev: net_device): u16 {
  walk(FN_eth_type_trans, changetype<usize>(skb))
  const at = skb.data
  const eth = changetype<ethhdr>(at)
  skb.dev = changetype<usize>(dev)
  skb.mac_header = <u16>(at - skb.head)
  skb.data = at + ETH_HLEN
  skb.len -= ETH_HLEN

  if ((load<u64>(changetype<usize>(eth)) & MAC_MASK) != dev.dev_addr) {
    if (eth.dest_lo & 1) {
      const all = changetype<usize>(dev) + DEV_BROADCAST
      const broadcast = eth.dest_lo == load<u32>(all) && eth.dest_hi == load<u16>(all, 4)
      skb.pkt_type = <u8>(broadcast ? PACKET_BROADCAST : PACKET_MULTICAST)
    } else {
      skb.pkt_type = <u8>PACKET_OTHERHOST
    }
  }
  const proto = eth.proto
  return ntohs(proto) >= ETH_P_802_3_MIN ? proto : length_proto(skb)
}

/**
 * Puts an Ethernet header before the packet: type is in host order (below ETH_P_802_3_MIN: a length), addresses lie at
 * daddr and saddr (0: none yet, and the device's own). Answers ETH_HLEN, negative while there is no destination
 * (a device without ARP needs none: it is 0).
 */
export function eth_header(skb: sk_buff, dev: net_device, type: u32, daddr: usize, saddr: usize, len: u32): i32 {
  walk(FN_eth_header, changetype<usize>(skb))
  const eth = changetype<ethhdr>(skb_push(skb, ETH_HLEN))
  eth.proto = type != ETH_P_802_3 && type != ETH_P_802_2 ? htons(type) : htons(len)
  const from = saddr == 0 ? changetype<usize>(dev) + DEV_ADDR : saddr
  memory.copy(changetype<usize>(eth) + 6, from, 6)
  if (daddr) {
    memory.copy(changetype<usize>(eth), daddr, 6)
    return ETH_HLEN
  }
  memory.fill(changetype<usize>(eth), 0, 6)
  return dev.flags & (IFF_LOOPBACK | IFF_NOARP) ? ETH_HLEN : -(<i32>ETH_HLEN)
}

/** The sender's address of a frame, to 8 bytes at to (eth_header_parse). Its length. */
export function eth_header_parse(skb: sk_buff, to: usize): u32 {
  walk(FN_eth_header_parse, changetype<usize>(skb))
  memory.copy(to, skb_mac_header(skb) + ETH_ALEN, ETH_ALEN)
  return ETH_ALEN
}
