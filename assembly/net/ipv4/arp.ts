// ARP. Mirrors net/ipv4/arp.c; the parts lie in arp/. This is what rooms above it call; those that ARP itself stands on
// (igmp, the FIB) take arp/table.ts.

import { arp_rcv } from './arp/input.ts'
import { arp_send, inetdev_send_gratuitous_arp } from './arp/output.ts'
import { arp_init, arp_netdev_event } from './arp/setup.ts'
import { arp_ifdown, arp_invalidate, arp_mc_map } from './arp/table.ts'

export {
  arp_ifdown,
  arp_init,
  arp_invalidate,
  arp_mc_map,
  arp_netdev_event,
  arp_rcv,
  arp_send,
  inetdev_send_gratuitous_arp,
}
