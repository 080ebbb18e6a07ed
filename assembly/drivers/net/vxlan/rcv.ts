// Frames that come out of VXLAN's datagrams. Mirrors vxlan_rcv of drivers/net/vxlan/vxlan_core.c. Left out: GPE, GBP, metadata.
// Read first: RFC 7348 4.1, 5.

import { DEV_ADDR, dev_stats, net_device } from '../../../include/netdevice.ts'
import { iphdr } from '../../../include/ip.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import {
  VXLAN_F_LEARN,
  VXLAN_HF_VNI,
  VXLAN_HLEN,
  vxlan_cfg,
  vxlan_dev,
  vxlan_sock,
  vxlanhdr,
} from '../../../include/vxlan.ts'
import { htons } from '../../../lib/byteorder.ts'
import { UDP_HLEN } from '../../../include/headers.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_IP_TUNNEL_ECN,
  SKB_DROP_REASON_LOCAL_MAC,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_VXLAN_INVALID_HDR,
  SKB_DROP_REASON_VXLAN_VNI_NOT_FOUND,
} from '../../../uapi/dropreason.ts'
import { FN_vxlan_err_lookup, FN_vxlan_rcv } from '../../../uapi/functions.ts'
import { IFF_UP } from '../../../uapi/if.ts'
import { ETH_P_TEB } from '../../../uapi/if_ether.ts'
import { gro_cells_receive } from '../../../net/core/gro_cells.ts'
import { kfree_skb_reason, skb_reset_network_header } from '../../../net/core/skbuff.ts'
import { pskb_may_pull, skb_postpull_rcsum } from '../../../net/core/skbuff_data.ts'
import { eth_type_trans } from '../../../net/ethernet/eth.ts'
import { IP_ECN_decapsulate } from '../../../net/ipv4/ip_tunnel/ecn.ts'
import { __iptunnel_pull_header } from '../../../net/ipv4/ip_tunnel_core.ts'
import { vxlan_snoop } from './fdb.ts'

/** Six bytes of eight. */
const MAC_MASK: u64 = 0x0000ffffffffffff
const ETH_HLEN: u32 = 14
const NO_DEV: vxlan_dev = changetype<vxlan_dev>(0)
/** The VNI of a header as it lies, and the byte behind it, which must be 0. */
const VNI_MASK: u32 = 0x00ffffff

/** A VNI as it lies in the header. */
export function vxlan_vni_field(vni: u32): u32 {
  return bswap<u32>(vni << 8)
}

/** The device of a VNI (as it lies) on a socket. NO_DEV: none. */
export function vxlan_find_vni(vs: vxlan_sock, field: u32): vxlan_dev {
  for (let p = vs.devs; p; p = changetype<vxlan_dev>(p).hlist) {
    const vxlan = changetype<vxlan_dev>(p)
    if (vxlan_vni_field(vxlan_cfg(vxlan).vni) == field) return vxlan
  }
  return NO_DEV
}

function drop(skb: sk_buff, reason: u32): void {
  kfree_skb_reason(skb, reason, FN_vxlan_rcv)
}

function malformed(skb: sk_buff, dev: net_device, reason: u32): void {
  const stats = dev_stats(dev)
  stats.rx_frame_errors += 1
  stats.rx_errors += 1
  drop(skb, reason)
}

/** Whose frame it is, and where its sender is. 0, or why it must go. */
function vxlan_set_mac(vxlan: vxlan_dev, skb: sk_buff, saddr: u32): u32 {
  const dev = changetype<net_device>(vxlan.dev)
  skb.protocol = eth_type_trans(skb, dev)
  const at = skb.data - ETH_HLEN
  skb_postpull_rcsum(skb, at, ETH_HLEN)
  const source = load<u64>(at, 6) & MAC_MASK
  // Our own frame has come round.
  if (source == (load<u64>(changetype<usize>(dev) + DEV_ADDR) & MAC_MASK)) return SKB_DROP_REASON_LOCAL_MAC
  const cfg = vxlan_cfg(vxlan)
  return cfg.flags & VXLAN_F_LEARN ? vxlan_snoop(vxlan, saddr, source, 0) : 0
}

/** Is an ICMP error about a packet that one of the devices of a socket sent? Data is at the quoted IP header. */
export function vxlan_err_lookup(p: usize, sock: usize): bool {
  const skb = changetype<sk_buff>(p)
  walk(FN_vxlan_err_lookup, p)
  const at = changetype<iphdr>(skb.data).ihl << 2
  if (!pskb_may_pull(skb, at + VXLAN_HLEN)) return false
  const header = changetype<vxlanhdr>(skb.data + at + UDP_HLEN)
  if (!(header.vx_flags & VXLAN_HF_VNI)) return false
  return vxlan_find_vni(changetype<vxlan_sock>(sock), header.vx_vni & VNI_MASK) != NO_DEV
}

/**
 * A datagram of VXLAN's socket vs.
 *
 * Uses: data at the UDP header, network_header, a checksum that is right. Next: the poll of the device's cell. The skb is gone.
 */
export function vxlan_rcv(p: usize, sock: usize): void {
  const skb = changetype<sk_buff>(p)
  const vs = changetype<vxlan_sock>(sock)
  walk(FN_vxlan_rcv, p)
  if (!pskb_may_pull(skb, VXLAN_HLEN)) return drop(skb, SKB_DROP_REASON_PKT_TOO_SMALL)
  const header = changetype<vxlanhdr>(skb.data + UDP_HLEN)
  if (!(header.vx_flags & VXLAN_HF_VNI)) return drop(skb, SKB_DROP_REASON_VXLAN_INVALID_HDR)
  const vxlan = vxlan_find_vni(vs, header.vx_vni & VNI_MASK)
  if (vxlan == NO_DEV) return drop(skb, SKB_DROP_REASON_VXLAN_VNI_NOT_FOUND)
  const dev = changetype<net_device>(vxlan.dev)
  if ((header.vx_flags & ~VXLAN_HF_VNI) | (header.vx_vni & ~VNI_MASK)) {
    return malformed(skb, dev, SKB_DROP_REASON_VXLAN_INVALID_HDR)
  }
  const outer = <u32>skb.network_header
  const back = <u32>(skb.data - skb.head) - outer
  if (!__iptunnel_pull_header(skb, VXLAN_HLEN, htons(ETH_P_TEB), dev.nd_net)) return drop(skb, SKB_DROP_REASON_NOMEM)
  // Pulling may have moved all.
  const at = <usize>(skb.data - skb.head) - VXLAN_HLEN - back
  const reason = vxlan_set_mac(vxlan, skb, changetype<iphdr>(skb.head + at).saddr)
  if (reason) return drop(skb, reason)
  skb_reset_network_header(skb)
  if (!IP_ECN_decapsulate(changetype<iphdr>(skb.head + at).tos, skb)) {
    return malformed(skb, dev, SKB_DROP_REASON_IP_TUNNEL_ECN)
  }
  const stats = dev_stats(dev)
  if (!(dev.flags & IFF_UP)) {
    stats.rx_dropped += 1
    return drop(skb, SKB_DROP_REASON_DEV_READY)
  }
  stats.rx_packets += 1
  stats.rx_bytes += skb.len
  gro_cells_receive(dev, skb)
}
