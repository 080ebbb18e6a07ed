// IPv4 in IPv4: the tunnel's device, its packets and the errors about them. Mirrors net/ipv4/ipip.c.
// Left out: MPLS and IPv6 within, the fallback device tunl0. Read first: RFC 2003.

import { SLOT_NDO_START_XMIT, boot, slot_set } from '../../lib/boot.ts'
import { IP_HEADER_MIN, iphdr } from '../../include/ip.ts'
import {
  IP_TUNNEL_PARM_SIZE,
  IP_TUNNEL_SIZE,
  ip_tunnel,
  ip_tunnel_of,
  ip_tunnel_parm,
  ip_tunnel_parms,
} from '../../include/ip_tunnel.ts'
import { net } from '../../include/net_namespace.ts'
import { icmphdr } from '../../include/headers.ts'
import {
  DEV_KIND_IPIP,
  IFF_XMIT_DST_RELEASE,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_SG,
  dev_stats,
  net_device,
} from '../../include/netdevice.ts'
import { SKB_GSO_IPXIP4, sk_buff } from '../../include/skbuff.ts'
import { htons } from '../../lib/byteorder.ts'
import { ERR_PTR, IS_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { EEXIST, ENODEV, ENOMEM } from '../../uapi/errno.ts'
import { FN_ipip_err, FN_ipip_rcv, FN_ipip_tunnel_rcv, FN_ipip_tunnel_xmit } from '../../uapi/functions.ts'
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_TTL,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMP_SR_FAILED,
  ICMP_TIME_EXCEEDED,
} from '../../uapi/icmp.ts'
import { ARPHRD_TUNNEL } from '../../uapi/if_arp.ts'
import { ETH_DATA_LEN, ETH_P_IP } from '../../uapi/if_ether.ts'
import { IFF_NOARP, IFF_POINTOPOINT } from '../../uapi/if.ts'
import { IPPROTO_IPIP } from '../../uapi/socket.ts'
import { rtable, flowi4 } from '../../include/dst.ts'
import { __dev_get_by_index, alloc_netdev, free_netdev, register_netdevice } from '../core/dev.ts'
import { dst_release } from '../core/dst.ts'
import { GRO_CELL_SIZE, gro_cells_init } from '../core/gro_cells.ts'
import { kfree_skb_reason, skb_transport_header } from '../core/skbuff.ts'
import { pskb_may_pull } from '../core/skbuff_data.ts'
import { IP_MAX_MTU, IPV4_MIN_MTU } from './ip_output/mtu.ts'
import { ip_tunnel_lookup, ip_tunnel_rcv, ip_tunnel_xmit, tunnel_err_fresh } from './ip_tunnel.ts'
import { __iptunnel_pull_header, iptunnel_handle_offloads } from './ip_tunnel_core.ts'
import { flowi4_init_output } from './flow_output.ts'
import { ip_route_output_key } from './route/output.ts'
import { ipv4_update_pmtu } from './route/pmtu.ts'
import { ipv4_redirect } from './route/redirect.ts'

const FL4: usize = memory.data(64, 16)
const NO_TUNNEL: ip_tunnel = changetype<ip_tunnel>(0)

/** Sends a packet of the device: only IPv4 goes. */
function ipip_tunnel_xmit(p: usize, d: usize): i32 {
  const skb = changetype<sk_buff>(p)
  const dev = changetype<net_device>(d)
  walk(FN_ipip_tunnel_xmit, p)
  const plain = pskb_may_pull(skb, IP_HEADER_MIN) && skb.protocol == htons(ETH_P_IP)
  if (!plain || !iptunnel_handle_offloads(skb, SKB_GSO_IPXIP4)) {
    dev_stats(dev).tx_errors += 1
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ipip_tunnel_xmit)
    return NETDEV_TX_OK
  }
  ip_tunnel_xmit(skb, dev, IPPROTO_IPIP)
  return NETDEV_TX_OK
}

/** A packet within a packet, data at its header, network_header at the outer one. False: it is of no tunnel. */
export function ipip_rcv(skb: sk_buff): bool {
  walk(FN_ipip_rcv, changetype<usize>(skb))
  walk(FN_ipip_tunnel_rcv, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const ip = changetype<iphdr>(skb.head + skb.network_header)
  const tunnel = ip_tunnel_lookup(changetype<net>(dev.nd_net), dev.ifindex, ip.saddr, ip.daddr)
  if (tunnel == NO_TUNNEL) return false
  const to = changetype<net_device>(tunnel.dev).nd_net
  const back = <u32>(skb.data - skb.head) - <u32>skb.network_header
  if (!__iptunnel_pull_header(skb, 0, htons(ETH_P_IP), to)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ipip_tunnel_rcv)
    return true
  }
  const at = <u32>(skb.data - skb.head)
  skb.mac_header = <u16>at
  ip_tunnel_rcv(tunnel, skb, at - back)
  return true
}

/** An ICMP error about a packet that a tunnel sent; data at the quoted header. */
export function ipip_err(skb: sk_buff, info: u32): void {
  walk(FN_ipip_err, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const owner = changetype<net>(dev.nd_net)
  const ip = changetype<iphdr>(skb.data)
  const tunnel = ip_tunnel_lookup(owner, dev.ifindex, ip.daddr, ip.saddr)
  if (tunnel == NO_TUNNEL) return
  const parms = ip_tunnel_parms(tunnel)
  const icmp = changetype<icmphdr>(skb_transport_header(skb))
  const type = <u32>icmp.type
  const code = <u32>icmp.code
  if (type == ICMP_DEST_UNREACH) {
    if (code == ICMP_SR_FAILED) return
    if (code == ICMP_FRAG_NEEDED) return ipv4_update_pmtu(skb, owner, info, parms.link, ip.protocol)
  } else if (type == ICMP_REDIRECT) {
    return ipv4_redirect(skb, owner, parms.link, ip.protocol)
  } else if (type != ICMP_TIME_EXCEEDED || code != ICMP_EXC_TTL || parms.ttl == 0) {
    // With the inner TTL it is the sender within whose packet came too far.
    return
  }
  if (parms.daddr == 0) return
  tunnel.err_count = tunnel_err_fresh(tunnel) ? tunnel.err_count + 1 : 1
  tunnel.err_time = boot.jiffies
}

/** The MTU that the device below leaves (ip_tunnel_bind_dev). */
function bind_mtu(owner: net, parms: ip_tunnel_parm): u32 {
  let lower: usize = 0
  if (parms.daddr) {
    const fl4 = changetype<flowi4>(FL4)
    flowi4_init_output(fl4, parms.link, 0, parms.tos & 0xfc, 0, IPPROTO_IPIP, 0, parms.daddr, parms.saddr, 0, 0, 0)
    const rt = ip_route_output_key(owner, fl4)
    if (!IS_ERR(rt)) {
      lower = changetype<rtable>(rt).dev
      dst_release(rt)
    }
  }
  if (lower == 0 && parms.link) lower = changetype<usize>(__dev_get_by_index(owner, parms.link))
  const mtu = (lower ? min(changetype<net_device>(lower).mtu, IP_MAX_MTU) : ETH_DATA_LEN) - IP_HEADER_MIN
  return max(mtu, IPV4_MIN_MTU)
}

/** A tunnel with the same ends. */
function find(owner: net, parms: ip_tunnel_parm): bool {
  for (let p = owner.ip_tunnels; p; p = changetype<ip_tunnel>(p).next) {
    const other = ip_tunnel_parms(changetype<ip_tunnel>(p))
    if (other.saddr == parms.saddr && other.daddr == parms.daddr && other.link == parms.link) return true
  }
  return false
}

function ipip_setup(dev: net_device, owner: net, parms: ip_tunnel_parm): void {
  dev.type = <u16>ARPHRD_TUNNEL
  dev.flags = parms.daddr ? IFF_NOARP | IFF_POINTOPOINT : IFF_NOARP
  dev.addr_len = 4
  dev.dev_addr = parms.saddr
  dev.broadcast = parms.daddr
  dev.mtu = bind_mtu(owner, parms)
  dev.min_mtu = IPV4_MIN_MTU
  dev.max_mtu = IP_MAX_MTU - IP_HEADER_MIN
  dev.needed_headroom = <u16>IP_HEADER_MIN
  // Its route says where a packet goes on, and learns how much fits.
  dev.priv_flags &= ~IFF_XMIT_DST_RELEASE
  dev.features = NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | NETIF_F_GSO_SOFTWARE | NETIF_F_HW_CSUM
  dev.hw_features = dev.features
}

/** A tunnel, down. A negative pointer: -EEXIST: the name, or a tunnel with these ends; -ENODEV: no such device below; -ENOMEM. */
export function ipip_newlink(owner: net, name: usize, wanted: ip_tunnel_parm): usize {
  if (find(owner, wanted)) return ERR_PTR(EEXIST)
  if (wanted.link && changetype<usize>(__dev_get_by_index(owner, wanted.link)) == 0) return ERR_PTR(ENODEV)
  const p = alloc_netdev(DEV_KIND_IPIP, IP_TUNNEL_SIZE + GRO_CELL_SIZE, name)
  if (p == 0) return ERR_PTR(ENOMEM)
  const dev = changetype<net_device>(p)
  const tunnel = ip_tunnel_of(dev)
  tunnel.dev = p
  tunnel.net = changetype<usize>(owner)
  memory.copy(changetype<usize>(ip_tunnel_parms(tunnel)), changetype<usize>(wanted), IP_TUNNEL_PARM_SIZE)
  ipip_setup(dev, owner, wanted)
  gro_cells_init(dev, dev.priv + IP_TUNNEL_SIZE)
  const err = register_netdevice(owner, dev)
  if (err) {
    free_netdev(dev)
    return <usize>err
  }
  tunnel.next = owner.ip_tunnels
  owner.ip_tunnels = changetype<usize>(tunnel)
  boot.tunnel4 += 1
  return p
}

/** The device goes: nothing comes out of the tunnel any more. */
export function ipip_uninit(dev: net_device): void {
  const tunnel = ip_tunnel_of(dev)
  let link = tunnel.net + offsetof<net>('ip_tunnels')
  while (load<usize>(link) && load<usize>(link) != changetype<usize>(tunnel)) {
    link = load<usize>(link) + offsetof<ip_tunnel>('next')
  }
  if (load<usize>(link)) store<usize>(link, tunnel.next)
}

/** Enters the driver into the table of ndo_start_xmit. */
export function ipip_init(): void {
  slot_set(SLOT_NDO_START_XMIT + DEV_KIND_IPIP, ipip_tunnel_xmit.index)
}
