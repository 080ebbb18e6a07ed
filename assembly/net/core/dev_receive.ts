// From a device to its protocol: tags, taps, and whose packet it is. Mirrors __netif_receive_skb_core of net/core/dev.c.
// Left out: ingress qdiscs, rx handlers (bridges), XDP.

import { net } from '../../include/net_namespace.ts'
import { PTYPE_ARP, PTYPE_IP, dev_stats, net_device, packet_type } from '../../include/netdevice.ts'
import { SKB_ENDED_ABSORBED, sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_IPV6DISABLED,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_OTHERHOST,
  SKB_DROP_REASON_UNHANDLED_PROTO,
} from '../../uapi/dropreason.ts'
import {
  FN___netif_receive_skb_core,
  FN_ip6_rcv_core,
  FN_ipv6_rcv,
  FN_llc_rcv,
  FN_skb_vlan_untag,
} from '../../uapi/functions.ts'
import {
  ETH_P_802_2,
  ETH_P_802_3,
  ETH_P_802_3_MIN,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ALL,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
} from '../../uapi/if_ether.ts'
import { PACKET_OTHERHOST } from '../../uapi/in.ts'
import { htons, ntohs } from '../../lib/byteorder.ts'
import { this_softnet } from './dev.ts'
import {
  consume_skb,
  kfree_skb_reason,
  skb_cow,
  skb_pull,
  skb_reset_network_header,
  skb_reset_transport_header,
} from './skbuff.ts'
import { pskb_may_pull } from './skbuff_data.ts'

/** Protocol numbers in network order, as they lie in skb.protocol. */
const P_IP: u32 = ((ETH_P_IP & 0xff) << 8) | (ETH_P_IP >> 8)
const P_ARP: u32 = ((ETH_P_ARP & 0xff) << 8) | (ETH_P_ARP >> 8)
const P_8021Q: u32 = ((ETH_P_8021Q & 0xff) << 8) | (ETH_P_8021Q >> 8)
const P_8021AD: u32 = ((ETH_P_8021AD & 0xff) << 8) | (ETH_P_8021AD >> 8)
const VLAN_HLEN: u32 = 4
const VLAN_VID_MASK: u32 = 0x0fff
/** vlan_tci holds a tag (in the place of the DEI bit, which nobody here reads). */
const VLAN_TAG_PRESENT: u32 = 0x1000

/** Registers a handler: taps (ETH_P_ALL) of all devices or one, or a protocol's (dev_add_pack). */
export function dev_add_pack(net: net, pt: packet_type): void {
  const p = changetype<usize>(pt)
  if (<u32>pt.type == <u32>htons(ETH_P_ALL)) {
    if (pt.dev) {
      pt.next = changetype<net_device>(pt.dev).ptype_all
      changetype<net_device>(pt.dev).ptype_all = p
    } else {
      pt.next = net.ptype_all
      net.ptype_all = p
    }
  } else if (pt.dev) {
    pt.next = changetype<net_device>(pt.dev).ptype_specific
    changetype<net_device>(pt.dev).ptype_specific = p
  } else {
    pt.next = net.ptype_base
    net.ptype_base = p
  }
}

function unlink(head: usize, pt: usize): usize {
  if (head == pt) return changetype<packet_type>(pt).next
  for (let q = head; q; q = changetype<packet_type>(q).next) {
    if (changetype<packet_type>(q).next == pt) {
      changetype<packet_type>(q).next = changetype<packet_type>(pt).next
      break
    }
  }
  return head
}

/** Takes a handler out again (dev_remove_pack). */
export function dev_remove_pack(net: net, pt: packet_type): void {
  const p = changetype<usize>(pt)
  if (pt.dev) {
    const dev = changetype<net_device>(pt.dev)
    dev.ptype_all = unlink(dev.ptype_all, p)
    dev.ptype_specific = unlink(dev.ptype_specific, p)
  } else {
    net.ptype_all = unlink(net.ptype_all, p)
    net.ptype_base = unlink(net.ptype_base, p)
  }
}

/** Gives a handler its own reference (deliver_skb). */
function deliver(skb: sk_buff, pt: packet_type, dev: net_device): void {
  skb.users += 1
  call_indirect<void>(pt.func, changetype<usize>(skb), changetype<usize>(pt), changetype<usize>(dev))
}

/** All handlers of a list that want this protocol. Answers how many there were. */
function deliver_list(skb: sk_buff, list: usize, dev: net_device, all: bool): u32 {
  let count: u32 = 0
  while (list) {
    const pt = changetype<packet_type>(list)
    list = pt.next
    if (!all && pt.type != skb.protocol) continue
    deliver(skb, pt, dev)
    count++
  }
  return count
}

function eth_type_vlan(proto: u32): bool {
  return proto == P_8021Q || proto == P_8021AD
}

/** The protocol behind a tag: a type, or for a length the 802.3 protocol, which the bytes behind it tell. */
function vlan_encap_proto(tag: usize): u16 {
  const proto = load<u16>(tag, 2)
  if (ntohs(proto) >= ETH_P_802_3_MIN) return proto
  return htons(load<u16>(tag, VLAN_HLEN) == 0xffff ? ETH_P_802_3 : ETH_P_802_2)
}

/**
 * Takes the 802.1Q tag out of the frame into vlan_tci (skb_vlan_untag); a second one stays in the frame.
 * False: the skb is gone.
 */
function skb_vlan_untag(skb: sk_buff): bool {
  if (skb.vlan_tci) return true
  if (!pskb_may_pull(skb, VLAN_HLEN + 2) || !skb_cow(skb, 0)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_skb_vlan_untag)
    return false
  }
  const tag = skb.data
  skb.vlan_tci = <u16>(ntohs(load<u16>(tag)) | VLAN_TAG_PRESENT)
  skb.vlan_proto = skb.protocol
  skb.protocol = vlan_encap_proto(tag)
  // The addresses move up to the inner type, so that the frame reads as if it never had a tag.
  const mac = skb.head + skb.mac_header
  memory.copy(mac + VLAN_HLEN, mac, 12)
  skb.mac_header += <u16>VLAN_HLEN
  skb_pull(skb, VLAN_HLEN)
  skb_reset_network_header(skb)
  skb_reset_transport_header(skb)
  return true
}

/**
 * No device has the packet's tag: unless it names no VLAN, the frame is for another host. Behind a tag without VLAN
 * there may be one more. False: the skb is gone.
 */
function vlan_nobody(skb: sk_buff): bool {
  while (skb.vlan_tci) {
    const vid = (<u32>skb.vlan_tci) & VLAN_VID_MASK
    skb.vlan_tci = 0
    if (vid) skb.pkt_type = <u8>PACKET_OTHERHOST
    else if (eth_type_vlan(skb.protocol) && !skb_vlan_untag(skb)) return false
  }
  return true
}

/** A frame of a protocol that the machine knows and netpath does not: it ends as with the protocol's own input. */
function other_protocol(skb: sk_buff): bool {
  const proto = ntohs(skb.protocol)
  if (proto == ETH_P_IPV6) {
    const other = skb.pkt_type == <u8>PACKET_OTHERHOST
    walk(FN_ipv6_rcv, changetype<usize>(skb))
    kfree_skb_reason(skb, other ? SKB_DROP_REASON_OTHERHOST : SKB_DROP_REASON_IPV6DISABLED, FN_ip6_rcv_core)
    return true
  }
  if (proto == ETH_P_802_2) {
    walk(FN_llc_rcv, changetype<usize>(skb))
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_llc_rcv)
    return true
  }
  return false
}

/**
 * Taps and protocol handlers get their references; what is left goes to IP or ARP.
 *
 * Uses: data at the network header, protocol, dev. Sets: network_header, skb_iif, the tag out of the way.
 * Next: PTYPE_IP or PTYPE_ARP; 0: the skb is gone, to somebody else or dropped.
 */
export function __netif_receive_skb_core(skb: sk_buff): u32 {
  walk(FN___netif_receive_skb_core, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const owner = changetype<net>(dev.nd_net)
  const at = <u32>(skb.data - skb.head)
  skb.network_header = <u16>at
  skb.transport_header = <u16>at
  skb.mac_len = <u16>(at - skb.mac_header)
  skb.skb_iif = dev.ifindex
  this_softnet().processed += 1

  const handlers = owner.ptype_all | dev.ptype_all | owner.ptype_base | dev.ptype_specific
  if ((handlers | skb.vlan_tci | ((<u32>skb.protocol) ^ P_IP)) == 0) return PTYPE_IP // nobody else wants it
  if (eth_type_vlan(skb.protocol) && !skb_vlan_untag(skb)) return 0
  if (owner.ptype_all | dev.ptype_all) {
    deliver_list(skb, owner.ptype_all, dev, true)
    deliver_list(skb, dev.ptype_all, dev, true)
  }
  if (skb.vlan_tci && !vlan_nobody(skb)) return 0

  const proto = <u32>skb.protocol
  let taken: u32 = 0
  if (owner.ptype_base | dev.ptype_specific) {
    taken = deliver_list(skb, owner.ptype_base, dev, false) + deliver_list(skb, dev.ptype_specific, dev, false)
  }
  if (proto == P_IP) return PTYPE_IP
  if (proto == P_ARP) return PTYPE_ARP
  if (other_protocol(skb)) return 0
  if (taken) {
    // The last handler has the packet: what is left here is only our reference.
    consume_skb(skb, SKB_ENDED_ABSORBED)
    return 0
  }
  dev_stats(dev).rx_dropped += 1
  kfree_skb_reason(skb, SKB_DROP_REASON_UNHANDLED_PROTO, FN___netif_receive_skb_core)
  return 0
}
