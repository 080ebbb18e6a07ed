// lo: what is sent comes back in through the backlog. Mirrors drivers/net/loopback.c.

import { SLOT_NDO_START_XMIT, slot_set } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import {
  DEV_KIND_LOOPBACK,
  NETDEV_TX_OK,
  IFF_NO_QUEUE,
  IFF_XMIT_DST_RELEASE,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_LOOPBACK,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  dev_stats,
  net_device,
} from '../../include/netdevice.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { walk } from '../../trace/trace.ts'
import { FN_loopback_xmit } from '../../uapi/functions.ts'
import { ARPHRD_LOOPBACK } from '../../uapi/if_arp.ts'
import { ETH_ALEN, ETH_HLEN } from '../../uapi/if_ether.ts'
import { IFF_LOOPBACK } from '../../uapi/if.ts'
import { alloc_netdev, register_netdevice } from '../../net/core/dev.ts'
import { __netif_rx } from '../../net/core/dev_backlog.ts'
import { skb_tx_timestamp } from '../../net/core/skb_tstamp.ts'
import { skb_orphan } from '../../net/core/skbuff.ts'
import { eth_type_trans } from '../../net/ethernet/eth.ts'

const NAME: usize = memory.data<u8>([0x6c, 0x6f, 0])

/** Uses: a frame with its Ethernet header. Next: the backlog of this CPU. */
export function loopback_xmit(p: usize, d: usize): i32 {
  const skb = changetype<sk_buff>(p)
  const dev = changetype<net_device>(d)
  walk(FN_loopback_xmit, p)
  skb_tx_timestamp(skb)
  skb.tstamp = 0 // a departure time is none of arrival
  skb_orphan(skb)
  skb.protocol = eth_type_trans(skb, dev)
  const len = skb.len
  if (__netif_rx(skb) == 0) {
    const stats = dev_stats(dev)
    stats.rx_packets += 1
    stats.tx_packets += 1
    stats.rx_bytes += len
    stats.tx_bytes += len
  }
  return NETDEV_TX_OK
}

/** The namespace's lo, down, with index 1. 0: out of memory. */
export function loopback_net_init(net: net): usize {
  const p = alloc_netdev(DEV_KIND_LOOPBACK, 0, NAME)
  if (p == 0) return 0
  const dev = changetype<net_device>(p)
  dev.mtu = 65536
  dev.min_mtu = 0
  dev.max_mtu = 0
  dev.type = <u16>ARPHRD_LOOPBACK
  dev.hard_header_len = <u16>ETH_HLEN
  dev.addr_len = <u16>ETH_ALEN
  dev.flags = IFF_LOOPBACK
  dev.features =
    NETIF_F_SG |
    NETIF_F_FRAGLIST |
    NETIF_F_GSO_SOFTWARE |
    NETIF_F_HW_CSUM |
    NETIF_F_RXCSUM |
    NETIF_F_HIGHDMA |
    NETIF_F_LOOPBACK
  dev.hw_features = NETIF_F_GSO_SOFTWARE
  dev.tx_queue_len = 1000
  dev.priv_flags |= IFF_NO_QUEUE
  dev.priv_flags &= ~IFF_XMIT_DST_RELEASE // the route is that of the way in, too
  register_netdevice(net, dev)
  net.loopback_dev = p
  return p
}

/** Enters the driver into the table of ndo_start_xmit. */
export function loopback_init(): void {
  slot_set(SLOT_NDO_START_XMIT + DEV_KIND_LOOPBACK, loopback_xmit.index)
}
