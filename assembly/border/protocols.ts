// Brings up the protocols of an instance, and fills the slots through which lower rooms call higher ones (inet_init).

import { ENOMEM } from '../uapi/errno.ts'
import { dummy_init } from '../drivers/net/dummy.ts'
import { igb_init } from '../drivers/net/igb.ts'
import { loopback_init } from '../drivers/net/loopback.ts'
import { tun_init } from '../drivers/net/tun.ts'
import { pktsched_init } from '../net/sched/kinds.ts'
import { softirq_init } from './softirq.ts'
import { ipv4_offload_init } from '../net/ipv4/af_inet/gso.ts'
import { vxlan_init } from '../drivers/net/vxlan/xmit.ts'
import { veth_init } from '../drivers/net/veth.ts'
import { arp_init } from '../net/ipv4/arp.ts'
import { devinet_init } from '../net/ipv4/devinet.ts'
import { ip_fib_init } from '../net/ipv4/fib_frontend.ts'
import { icmp_init } from '../net/ipv4/icmp/send.ts'
import { inet_initpeers } from '../net/ipv4/inetpeer.ts'
import { ip_rt_init } from '../net/ipv4/route/cache.ts'
import { ipip_init } from '../net/ipv4/ipip.ts'
import { tunnel4_init } from '../net/ipv4/tunnel4.ts'
import { sockets_init } from '../net/socket.ts'
import { tcp_v4_init } from '../net/ipv4/tcp_ipv4.ts'

/** Once, after the arena. 0 or -ENOMEM. */
export function protocols_init(): i32 {
  if (!pktsched_init()) return -ENOMEM
  softirq_init()
  loopback_init()
  tun_init()
  igb_init()
  ipv4_offload_init()
  veth_init()
  dummy_init()
  ipip_init()
  vxlan_init()
  tunnel4_init()
  ip_rt_init()
  inet_initpeers()
  icmp_init()
  tcp_v4_init()
  const failed = arp_init() < 0 || ip_fib_init() < 0 || devinet_init() < 0
  return failed || !sockets_init() ? -ENOMEM : 0
}
