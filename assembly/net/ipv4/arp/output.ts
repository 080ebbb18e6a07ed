// ARP packets that we send: questions, answers, announcements. Mirrors the sending half of net/ipv4/arp.c and
// inetdev_send_gratuitous_arp of net/ipv4/devinet.c. Read first: RFC 826, RFC 5227 3.

import { arphdr } from '../../../include/headers.ts'
import { iphdr } from '../../../include/ip.ts'
import { net } from '../../../include/net_namespace.ts'
import { NEIGH_HA, neigh_var, neighbour } from '../../../include/neighbour.ts'
import {
  DEV_ADDR,
  DEV_BROADCAST,
  in_dev_maxconf,
  in_device,
  in_ifaddr,
  net_device,
} from '../../../include/netdevice.ts'
import { SKB_BORN_SENT, sk_buff } from '../../../include/skbuff.ts'
import { htons } from '../../../lib/byteorder.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { FN_arp_create, FN_arp_send_dst, FN_arp_solicit, FN_arp_xmit } from '../../../uapi/functions.ts'
import { IFF_NOARP } from '../../../uapi/if.ts'
import { ARPOP_REQUEST } from '../../../uapi/if_arp.ts'
import { ETH_P_ARP, ETH_P_IP } from '../../../uapi/if_ether.ts'
import { RTN_LOCAL, RT_SCOPE_LINK } from '../../../uapi/rtnetlink.ts'
import {
  IPV4_DEVCONF_ARP_ANNOUNCE,
  IPV4_DEVCONF_ARP_NOTIFY,
  NEIGH_VAR_APP_PROBES,
  NEIGH_VAR_UCAST_PROBES,
} from '../../../uapi/sysctl.ts'
import { dev_hard_header } from '../../core/neighbour.ts'
import { dev_queue_xmit } from '../../core/dev_xmit.ts'
import {
  NO_SKB,
  alloc_skb,
  kfree_skb_reason,
  skb_network_header,
  skb_put,
  skb_reset_network_header,
} from '../../core/skbuff.ts'
import { inet_select_addr } from '../devinet.ts'
import { inet_addr_type_dev_table } from '../fib_frontend.ts'

/** Before the addresses: hardware and protocol type, their lengths, the operation. */
export const ARP_HLEN: u32 = 8
/** Headers begin on a multiple of 16 bytes (LL_RESERVED_SPACE). */
const HH_DATA_MOD: u32 = 16

/** Length of an ARP packet of this device: sender and target with 4 bytes of protocol address each. */
export function arp_hdr_len(dev: net_device): u32 {
  return ARP_HLEN + 2 * (<u32>dev.addr_len + 4)
}

/** The addresses behind the header; target_hw 0: not known, zeros. */
function put_addresses(at: usize, len: usize, src_hw: usize, src_ip: u32, target_hw: usize, dest_ip: u32): void {
  memory.copy(at, src_hw, len)
  store<u32>(at + len, src_ip)
  if (target_hw) memory.copy(at + len + 4, target_hw, len)
  else memory.fill(at + len + 4, 0, len)
  store<u32>(at + 2 * len + 4, dest_ip)
}

/**
 * An ARP packet with its link header. type is ARPOP_*, addresses are in network order; dest_hw is where the frame goes
 * (0: to all), src_hw who sends (0: the device), target_hw what the packet says of the target (0: zeros). NO_SKB: no.
 */
export function arp_create(
  type: u32,
  ptype: u32,
  dest_ip: u32,
  dev: net_device,
  src_ip: u32,
  dest_hw: usize,
  src_hw: usize,
  target_hw: usize,
): sk_buff {
  walk(FN_arp_create, 0)
  const headroom = ((<u32>dev.hard_header_len + <u32>dev.needed_headroom) & ~(HH_DATA_MOD - 1)) + HH_DATA_MOD
  const skb = alloc_skb(arp_hdr_len(dev), headroom, dev.nd_net, SKB_BORN_SENT)
  if (changetype<usize>(skb) == 0) return NO_SKB
  skb_reset_network_header(skb)
  const arp = changetype<arphdr>(skb_put(skb, arp_hdr_len(dev)))
  skb.dev = changetype<usize>(dev)
  skb.protocol = htons(ETH_P_ARP)
  const from = src_hw ? src_hw : changetype<usize>(dev) + DEV_ADDR
  const to = dest_hw ? dest_hw : changetype<usize>(dev) + DEV_BROADCAST

  arp.ar_hrd = htons(dev.type)
  arp.ar_pro = htons(ETH_P_IP)
  arp.ar_hln = <u8>dev.addr_len
  arp.ar_pln = 4
  arp.ar_op = htons(type)
  put_addresses(changetype<usize>(arp) + ARP_HLEN, dev.addr_len, from, src_ip, target_hw, dest_ip)

  if (dev_hard_header(skb, dev, ptype, to, from) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_arp_create)
    return NO_SKB
  }
  return skb
}

/** Sends a packet that arp_create made. Takes it over. */
export function arp_xmit(skb: sk_buff): void {
  walk(FN_arp_xmit, changetype<usize>(skb))
  dev_queue_xmit(skb)
}

/** Makes and sends an ARP packet (arguments: arp_create); nothing on a device without ARP. */
export function arp_send_dst(
  type: u32,
  ptype: u32,
  dest_ip: u32,
  dev: net_device,
  src_ip: u32,
  dest_hw: usize,
  src_hw: usize,
  target_hw: usize,
): void {
  walk(FN_arp_send_dst, 0)
  if (dev.flags & IFF_NOARP) return
  const skb = arp_create(type, ptype, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw)
  if (changetype<usize>(skb)) arp_xmit(skb)
}

export function arp_send(
  type: u32,
  ptype: u32,
  dest_ip: u32,
  dev: net_device,
  src_ip: u32,
  dest_hw: usize,
  src_hw: usize,
  target_hw: usize,
): void {
  arp_send_dst(type, ptype, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw)
}

/** Is there a network of this device in which both addresses lie? */
function inet_addr_onlink(in_dev: in_device, a: u32, b: u32): bool {
  for (let p = in_dev.ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const ifa = changetype<in_ifaddr>(p)
    if (((a ^ ifa.ifa_address) & ifa.ifa_mask) == 0 && ((b ^ ifa.ifa_address) & ifa.ifa_mask) == 0) return true
  }
  return false
}

/** The packet's source, if it is ours and arp_announce lets us say so; else 0. */
function announced_source(in_dev: in_device, dev: net_device, target: u32, skb: sk_buff): u32 {
  const announce = in_dev_maxconf(in_dev, IPV4_DEVCONF_ARP_ANNOUNCE)
  if (changetype<usize>(skb) == 0 || announce == 2) return 0
  const saddr = changetype<iphdr>(skb_network_header(skb)).saddr
  if (inet_addr_type_dev_table(changetype<net>(dev.nd_net), dev, saddr) != RTN_LOCAL) return 0
  return announce == 1 && !inet_addr_onlink(in_dev, target, saddr) ? 0 : saddr
}

/**
 * Asks who has a neighbour's address: those who had it last first (unicast), then all. skb (0: none) waits for it.
 *
 * Uses: probes, arp_announce. The skb stays the caller's. User space is never asked (app_solicit): nobody listens.
 */
export function arp_solicit(n: neighbour, skb: sk_buff): void {
  walk(FN_arp_solicit, changetype<usize>(skb))
  const dev = changetype<net_device>(n.dev)
  const in_dev = changetype<in_device>(dev.ip_ptr)
  if (changetype<usize>(in_dev) == 0) return
  const target = n.primary_key
  let saddr = announced_source(in_dev, dev, target, skb)
  if (saddr == 0) saddr = inet_select_addr(dev, target, RT_SCOPE_LINK)

  const probes = <i32>n.probes - neigh_var(n.parms, NEIGH_VAR_UCAST_PROBES)
  if (probes >= 0 && probes < neigh_var(n.parms, NEIGH_VAR_APP_PROBES)) return
  const dest_hw = probes < 0 ? changetype<usize>(n) + NEIGH_HA : 0
  arp_send_dst(ARPOP_REQUEST, ETH_P_ARP, target, dev, saddr, dest_hw, 0, 0)
}

/** Tells the link our addresses: a request of each for itself (RFC 5227 3). */
export function inetdev_send_gratuitous_arp(dev: net_device): void {
  if (dev.ip_ptr == 0) return
  for (let p = changetype<in_device>(dev.ip_ptr).ifa_list; p; p = changetype<in_ifaddr>(p).ifa_next) {
    const local = changetype<in_ifaddr>(p).ifa_local
    arp_send(ARPOP_REQUEST, ETH_P_ARP, local, dev, local, 0, 0, 0)
  }
}

/** The same when arp_notify asks for it: the device came up or has another hardware address. */
export function announce_if_asked(dev: net_device): void {
  const in_dev = changetype<in_device>(dev.ip_ptr)
  if (changetype<usize>(in_dev) == 0) return
  if (in_dev_maxconf(in_dev, IPV4_DEVCONF_ARP_NOTIFY)) inetdev_send_gratuitous_arp(dev)
}
