// From a device to its protocol: tags, taps, and whose packet it is. Mirrors __netif_receive_skb_core of net/core/dev.c.
// Left out: ingress qdiscs, rx handlers (bridges), XDP.

import { net } from '../../include/net_namespace.ts'
import {
  PTYPE_ARP,
  PTYPE_FUNC,
  PTYPE_IP,
  PTYPE_SHARED,
  PTYPE_TAPPED,
  dev_stats,
  net_device,
  packet_type,
} from '../../include/netdevice.ts'
import { sk_buff, skb_vlan_all } from '../../include/skbuff.ts'
import { boot } from '../../lib/boot.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_IPV6DISABLED,
  SKB_DROP_REASON_NOMEM,
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
import { this_softnet } from '../../include/softnet.ts'
import {
  kfree_skb_reason,
  skb_cow,
  skb_pull,
  skb_reset_network_header,
  skb_reset_transport_header,
  skb_share_check,
} from './skbuff.ts'
import { pskb_may_pull } from './skbuff_data.ts'

/** Protocol numbers in network order, as they lie in skb.protocol. */
const P_IP: u32 = ((ETH_P_IP & 0xff) << 8) | (ETH_P_IP >> 8)
const P_8021Q: u32 = ((ETH_P_8021Q & 0xff) << 8) | (ETH_P_8021Q >> 8)
const P_8021AD: u32 = ((ETH_P_8021AD & 0xff) << 8) | (ETH_P_8021AD >> 8)
const VLAN_HLEN: u32 = 4
const VLAN_VID_MASK: u32 = 0x0fff

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

/** Hands the packet to a handler; the reference is the handler's. */
function call(skb: sk_buff, pt: usize): void {
  call_indirect<void>(changetype<packet_type>(pt).func, changetype<usize>(skb), pt, skb.dev)
}

/** Gives a handler a reference of its own (deliver_skb). */
function deliver_skb(skb: sk_buff, pt: usize): void {
  skb.users += 1
  call(skb, pt)
}

/** The first of a list for a protocol, 0: none. */
function first_of(list: usize, type: u16): usize {
  while (list && changetype<packet_type>(list).type != type) list = changetype<packet_type>(list).next
  return list
}

/**
 * All handlers of a list for a type get the packet but the last, who may have it itself if nobody else comes: it is
 * answered. before: the one that waits for that from an earlier list, 0: none (deliver_ptype_list_skb).
 */
function deliver_list(skb: sk_buff, list: usize, type: u16, before: usize): usize {
  let last = before
  for (let pt = first_of(list, type); pt; pt = first_of(changetype<packet_type>(pt).next, type)) {
    if (last) deliver_skb(skb, last)
    last = pt
  }
  return last
}

/** Taps of the namespace and of the device; the last one waits. */
function deliver_taps(skb: sk_buff, owner: net, dev: net_device): usize {
  const all = htons(ETH_P_ALL)
  return deliver_list(skb, dev.ptype_all, all, deliver_list(skb, owner.ptype_all, all, 0))
}

/** Handlers of the packet's protocol; the last one waits. */
function deliver_specific(skb: sk_buff, owner: net, dev: net_device, before: usize): usize {
  return deliver_list(skb, dev.ptype_specific, skb.protocol, deliver_list(skb, owner.ptype_base, skb.protocol, before))
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
  if (skb_vlan_all(skb)) return true
  if (!pskb_may_pull(skb, VLAN_HLEN + 2) || !skb_cow(skb, 0)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_skb_vlan_untag)
    return false
  }
  const tag = skb.data
  skb.vlan_tci = <u16>ntohs(load<u16>(tag))
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
  while (skb_vlan_all(skb)) {
    const vid = (<u32>skb.vlan_tci) & VLAN_VID_MASK
    skb.vlan_tci = 0
    skb.vlan_proto = 0
    if (vid) skb.pkt_type = <u8>PACKET_OTHERHOST
    else if (eth_type_vlan(skb.protocol) && !skb_vlan_untag(skb)) return false
  }
  return true
}

/** A frame of a protocol that the machine knows and netpath does not: it ends as with the protocol's own input. */
function other_protocol(shared: sk_buff, proto: u32): void {
  const fn = proto == ETH_P_IPV6 ? FN_ip6_rcv_core : FN_llc_rcv
  walk(proto == ETH_P_IPV6 ? FN_ipv6_rcv : FN_llc_rcv, changetype<usize>(shared))
  const other = shared.pkt_type == <u8>PACKET_OTHERHOST
  const skb = other ? shared : skb_share_check(shared, SKB_DROP_REASON_NOMEM, fn)
  if (changetype<usize>(skb) == 0) return
  let reason = SKB_DROP_REASON_NOT_SPECIFIED
  if (proto == ETH_P_IPV6) reason = other ? SKB_DROP_REASON_OTHERHOST : SKB_DROP_REASON_IPV6DISABLED
  kfree_skb_reason(skb, reason, fn)
}

/** The handler that PTYPE_FUNC speaks of. */
const LAST: usize = memory.data(8, 16)

/** Who has the packet after PTYPE_FUNC. */
export function netif_receive_handler(): usize {
  return load<usize>(LAST)
}

/** A handler gets a packet that waits for it; the reference is the handler's. */
export function netif_receive_call(skb: sk_buff, pt: usize): void {
  call(skb, pt)
}

/**
 * After PTYPE_SHARED: the protocol has seen the packet with a reference of its own, now its other handlers get it.
 * Answers the last one, who has the packet itself (netif_receive_call).
 */
export function netif_receive_specific(skb: sk_buff): usize {
  const dev = changetype<net_device>(skb.dev)
  return deliver_specific(skb, changetype<net>(dev.nd_net), dev, 0)
}

/** Nobody's protocol but that of its handlers; before: a tap that waits. Who comes last has the packet. */
function to_handlers(skb: sk_buff, owner: net, dev: net_device, before: usize): u32 {
  const last = deliver_specific(skb, owner, dev, before)
  if (last) {
    store<usize>(LAST, last)
    return PTYPE_FUNC
  }
  dev_stats(dev).rx_dropped += 1
  kfree_skb_reason(skb, SKB_DROP_REASON_UNHANDLED_PROTO, FN___netif_receive_skb_core)
  return 0
}

/** A packet whose taps but one, who waits (tap, 0: none does), have seen it, on to its protocol. Answers PTYPE_*. */
function to_protocol(skb: sk_buff, owner: net, dev: net_device, tap: usize): u32 {
  const proto = ntohs(skb.protocol)
  const own = proto == ETH_P_IP ? PTYPE_IP : proto == ETH_P_ARP ? PTYPE_ARP : 0
  if (!own && proto != ETH_P_IPV6 && proto != ETH_P_802_2) return to_handlers(skb, owner, dev, tap)
  if (tap) deliver_skb(skb, tap)
  const shared = first_of(owner.ptype_base, skb.protocol) | first_of(dev.ptype_specific, skb.protocol)
  if (shared) skb.users += 1
  if (own) return shared ? own | PTYPE_SHARED : own
  other_protocol(skb, proto)
  return shared ? to_handlers(skb, owner, dev, 0) : 0
}

/** __netif_receive_skb_core for a packet that has a tag, taps, handlers, or a protocol other than IP. */
function receive_others(skb: sk_buff, owner: net, dev: net_device): u32 {
  const tapped = owner.ptype_all | dev.ptype_all ? PTYPE_TAPPED : 0
  if (eth_type_vlan(skb.protocol) && !skb_vlan_untag(skb)) return tapped
  let tap: usize = tapped ? deliver_taps(skb, owner, dev) : 0
  if (skb_vlan_all(skb)) {
    if (tap) deliver_skb(skb, tap)
    tap = 0
    if (!vlan_nobody(skb)) return tapped
  }
  return to_protocol(skb, owner, dev, tap) | tapped
}

/** Some socket wants to know when packets came: now, unless somebody has stamped it. */
function net_timestamp_check(skb: sk_buff): void {
  if (boot.netstamp_needed && skb.tstamp == 0) skb.tstamp = boot.now
}

/**
 * Taps and protocol handlers get their references; what is left goes to IP or ARP.
 *
 * Uses: data at the network header, protocol, dev. Sets: network_header, skb_iif, the tag out of the way.
 * Next: PTYPE_IP, PTYPE_ARP or PTYPE_FUNC (netif_receive_handler), with PTYPE_SHARED then netif_receive_specific; 0: the skb
 * is gone, to somebody else or dropped. PTYPE_TAPPED besides: taps have seen it.
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

  const handlers = owner.ptype_all | dev.ptype_all | owner.ptype_base | dev.ptype_specific | boot.netstamp_needed
  if ((handlers | skb_vlan_all(skb) | ((<u32>skb.protocol) ^ P_IP)) == 0) return PTYPE_IP // nobody else wants it
  net_timestamp_check(skb)
  return receive_others(skb, owner, dev)
}
