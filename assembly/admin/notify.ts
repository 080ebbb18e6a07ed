// Who hears of a device's change: the notifier chain of net/core/dev.c, in one place.

import { net_device } from '../include/netdevice.ts'
import { packet_notifier } from '../net/packet/notifier.ts'
import { arp_netdev_event } from '../net/ipv4/arp.ts'
import { inetdev_event } from '../net/ipv4/devinet/event.ts'
import { fib_netdev_event } from '../net/ipv4/fib_frontend/event.ts'
import { nh_netdev_event } from '../net/ipv4/nexthop/remove.ts'
import { fib_rules_event } from '../net/ipv4/fib_rules.ts'

/** Tells IPv4, its rules and routes, ARP and packet sockets: event is NETDEV_*, detail the IFF_* that differ, or the MTU before. */
export function notify(dev: net_device, event: u32, detail: u32): void {
  inetdev_event(dev, event)
  fib_rules_event(dev, event)
  fib_netdev_event(dev, event, detail)
  nh_netdev_event(dev, event, detail)
  arp_netdev_event(dev, event, detail)
  packet_notifier(dev, event)
}
