// Two devices joined by a pointer: what is sent at one end is received at the other, in another namespace of the host.
// Mirrors drivers/net/veth.c. Left out: XDP, and the NAPI that it or GRO switches on; packets go by the backlog.

import { SLOT_NDO_START_XMIT, slot_set } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import {
  DEV_KIND_VETH,
  IFF_NO_QUEUE,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GRO,
  NETIF_F_GSO_ENCAP_ALL,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_HW_VLAN_STAG_TX,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  NET_XMIT_DROP,
  __LINK_STATE_NOCARRIER,
  dev_stats,
  net_device,
} from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { ENOMEM } from '../../uapi/errno.ts'
import { FN_veth_close, FN_veth_open, FN_veth_xmit } from '../../uapi/functions.ts'
import { IFF_UP } from '../../uapi/if.ts'
import { ETH_HLEN, ETH_MAX_MTU, ETH_MIN_MTU } from '../../uapi/if_ether.ts'
import {
  alloc_netdev,
  free_netdev,
  netif_carrier_set,
  register_netdevice,
  unlist_netdevice,
} from '../../net/core/dev.ts'
import { __netif_rx } from '../../net/core/dev_backlog.ts'
import { switch_features } from '../../net/core/dev_features.ts'
import { __dev_forward_skb } from '../../net/core/dev_forward.ts'
import { skb_tx_timestamp } from '../../net/core/skb_tstamp.ts'
import { kfree_skb_reason } from '../../net/core/skbuff.ts'
import { pskb_may_pull } from '../../net/core/skbuff_data.ts'
import { eth_type_trans } from '../../net/ethernet/eth.ts'
import { ether_setup } from './ether.ts'

/** The far end takes packets as they are: the rest is done where they leave the host, if ever. */
const VETH_FEATURES: u32 =
  NETIF_F_SG |
  NETIF_F_FRAGLIST |
  NETIF_F_HW_CSUM |
  NETIF_F_RXCSUM |
  NETIF_F_HIGHDMA |
  NETIF_F_GSO_SOFTWARE |
  NETIF_F_GSO_ENCAP_ALL |
  NETIF_F_HW_VLAN_CTAG_TX |
  NETIF_F_HW_VLAN_STAG_TX

@unmanaged
@final
class veth_priv {
  /** The other end, 0: it is gone. */
  peer: usize
}

function veth_of(dev: net_device): veth_priv {
  return changetype<veth_priv>(dev.priv)
}

/** The other end, 0: it is gone. */
export function veth_peer(dev: net_device): net_device {
  return changetype<net_device>(veth_of(dev).peer)
}

function lost(dev: net_device): i32 {
  dev_stats(dev).tx_dropped += 1
  return NET_XMIT_DROP
}

/**
 * Uses: a frame with its Ethernet header, checksum and segmentation still to do. Next: the backlog, as a packet of the
 * other end's namespace. Lost where the other end is down or its MTU too small, or the backlog full.
 */
export function veth_xmit(p: usize, d: usize): i32 {
  const skb = changetype<sk_buff>(p)
  const dev = changetype<net_device>(d)
  walk(FN_veth_xmit, p)
  const rcv = veth_peer(dev)
  if (changetype<usize>(rcv) == 0 || !pskb_may_pull(skb, ETH_HLEN)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_veth_xmit)
    return lost(dev)
  }
  const len = skb.len
  skb_tx_timestamp(skb)
  if (!__dev_forward_skb(rcv, skb)) return lost(dev)
  skb.protocol = eth_type_trans(skb, rcv)
  if (__netif_rx(skb) != 0) return lost(dev)
  const sent = dev_stats(dev)
  sent.tx_packets += 1
  sent.tx_bytes += len
  const received = dev_stats(rcv)
  received.rx_packets += 1
  received.rx_bytes += len
  return NETDEV_TX_OK
}

/** Both ends have carrier once both are up. */
export function veth_open(dev: net_device): void {
  walk(FN_veth_open, 0)
  const peer = veth_peer(dev)
  if (changetype<usize>(peer) == 0 || !(peer.flags & IFF_UP)) return
  netif_carrier_set(dev, true)
  netif_carrier_set(peer, true)
}

export function veth_close(dev: net_device): void {
  walk(FN_veth_close, 0)
  netif_carrier_set(dev, false)
  const peer = veth_peer(dev)
  if (changetype<usize>(peer)) netif_carrier_set(peer, false)
}

/** Parts the two ends: one of them goes away. */
export function veth_part(dev: net_device): void {
  const peer = veth_peer(dev)
  veth_of(dev).peer = 0
  if (changetype<usize>(peer)) veth_of(peer).peer = 0
}

function veth_end(name: usize, mac: usize): net_device {
  const p = alloc_netdev(DEV_KIND_VETH, offsetof<veth_priv>(), name)
  const dev = changetype<net_device>(p)
  if (p == 0) return dev
  ether_setup(dev, mac, ETH_MIN_MTU, ETH_MAX_MTU)
  dev.priv_flags |= IFF_NO_QUEUE
  dev.features = VETH_FEATURES
  dev.hw_features = VETH_FEATURES
  dev.hw_enc_features = VETH_FEATURES
  dev.state |= __LINK_STATE_NOCARRIER
  return dev
}

/**
 * Two ends, down, without carrier; the peer gets its index first. Names are bytes, MACs lie at mac and peer_mac. Answers the first
 * end (veth_peer has the other); a negative pointer: -EEXIST, -ENOMEM, and there is neither.
 */
export function veth_newlink(
  owner: net,
  name: usize,
  mac: usize,
  peer_owner: net,
  peer_name: usize,
  peer_mac: usize,
): usize {
  const dev = veth_end(name, mac)
  const peer = veth_end(peer_name, peer_mac)
  let err: i32 = changetype<usize>(dev) && changetype<usize>(peer) ? 0 : -ENOMEM
  if (err == 0) {
    veth_of(dev).peer = changetype<usize>(peer)
    veth_of(peer).peer = changetype<usize>(dev)
    err = register_netdevice(peer_owner, peer)
  }
  if (err == 0) {
    err = register_netdevice(owner, dev)
    if (err == 0) {
      switch_features(dev, 0, NETIF_F_GRO)
      switch_features(peer, 0, NETIF_F_GRO)
      return changetype<usize>(dev)
    }
    unlist_netdevice(peer_owner, peer)
  }
  if (changetype<usize>(dev)) free_netdev(dev)
  if (changetype<usize>(peer)) free_netdev(peer)
  return <usize>err
}

/** Enters the driver into the table of ndo_start_xmit. */
export function veth_init(): void {
  slot_set(SLOT_NDO_START_XMIT + DEV_KIND_VETH, veth_xmit.index)
}
