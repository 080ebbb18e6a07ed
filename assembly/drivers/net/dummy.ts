// A device that takes all packets and sends none: its addresses are reached from within. Mirrors drivers/net/dummy.c.

import { SLOT_NDO_START_XMIT, slot_set } from '../../lib/boot.ts'
import { net } from '../../include/net_namespace.ts'
import {
  DEV_KIND_DUMMY,
  IFF_NO_QUEUE,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_ENCAP_ALL,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_SG,
  dev_stats,
  net_device,
} from '../../include/netdevice.ts'
import { SKB_ENDED_TRANSMITTED, sk_buff } from '../../include/skbuff.ts'
import { ERR_PTR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { ENOMEM } from '../../uapi/errno.ts'
import { FN_dummy_xmit } from '../../uapi/functions.ts'
import { IFF_MULTICAST, IFF_NOARP } from '../../uapi/if.ts'
import { alloc_netdev, free_netdev, register_netdevice } from '../../net/core/dev.ts'
import { skb_tx_timestamp } from '../../net/core/skb_tstamp.ts'
import { consume_skb } from '../../net/core/skbuff.ts'
import { ether_setup } from './ether.ts'

/** Counts the packet as sent; that is all. */
export function dummy_xmit(p: usize, d: usize): i32 {
  const skb = changetype<sk_buff>(p)
  walk(FN_dummy_xmit, p)
  const stats = dev_stats(changetype<net_device>(d))
  stats.tx_packets += 1
  stats.tx_bytes += skb.len
  skb_tx_timestamp(skb)
  consume_skb(skb, SKB_ENDED_TRANSMITTED)
  return NETDEV_TX_OK
}

/** A dummy, down, without ARP; its carrier is always there. A negative pointer: -EEXIST, -ENOMEM. */
export function dummy_newlink(owner: net, name: usize, mac: usize): usize {
  const p = alloc_netdev(DEV_KIND_DUMMY, 0, name)
  if (p == 0) return ERR_PTR(ENOMEM)
  const dev = changetype<net_device>(p)
  ether_setup(dev, mac, 0, 0)
  dev.flags = (dev.flags | IFF_NOARP) & ~IFF_MULTICAST
  dev.priv_flags |= IFF_NO_QUEUE
  dev.features =
    NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_GSO_SOFTWARE | NETIF_F_HW_CSUM | NETIF_F_HIGHDMA | NETIF_F_GSO_ENCAP_ALL
  dev.hw_features = dev.features
  dev.hw_enc_features = dev.features
  const err = register_netdevice(owner, dev)
  if (err == 0) return p
  free_netdev(dev)
  return <usize>err
}

/** Enters the driver into the table of ndo_start_xmit. */
export function dummy_init(): void {
  slot_set(SLOT_NDO_START_XMIT + DEV_KIND_DUMMY, dummy_xmit.index)
}
