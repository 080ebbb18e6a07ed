// What all Ethernet devices are at birth (ether_setup of net/ethernet/eth.c, alloc_etherdev).

import { DEV_ADDR, DEV_BROADCAST, net_device } from '../../include/netdevice.ts'
import { ARPHRD_ETHER } from '../../uapi/if_arp.ts'
import { ETH_ALEN, ETH_DATA_LEN, ETH_HLEN } from '../../uapi/if_ether.ts'
import { IFF_BROADCAST, IFF_MULTICAST } from '../../uapi/if.ts'

/** Queue length of a device whose driver does not say (DEFAULT_TX_QUEUE_LEN). */
const DEFAULT_TX_QUEUE_LEN: u32 = 1000

/** Defaults of Ethernet, and the hardware address at mac. */
export function ether_setup(dev: net_device, mac: usize, min_mtu: u32, max_mtu: u32): void {
  dev.type = <u16>ARPHRD_ETHER
  dev.hard_header_len = <u16>ETH_HLEN
  dev.addr_len = <u16>ETH_ALEN
  dev.mtu = ETH_DATA_LEN
  dev.min_mtu = min_mtu
  dev.max_mtu = max_mtu
  dev.tx_queue_len = DEFAULT_TX_QUEUE_LEN
  dev.flags = IFF_BROADCAST | IFF_MULTICAST
  memory.fill(changetype<usize>(dev) + DEV_BROADCAST, 0xff, ETH_ALEN)
  memory.copy(changetype<usize>(dev) + DEV_ADDR, mac, ETH_ALEN)
}
