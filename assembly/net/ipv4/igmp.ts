// IGMP and the groups of devices. Mirrors net/ipv4/igmp.c; the parts lie in igmp/. This is what rooms above it call; those
// that it stands on itself (routes) take igmp/lookup.ts. What sockets join: igmp_sock.ts.

import { ____ip_mc_inc_group, ip_mc_dec_group, ip_mc_destroy_dev } from './igmp/group.ts'
import { ip_mc_down, ip_mc_init_dev, ip_mc_up } from './igmp/group.ts'
import { igmp_rcv } from './igmp/rcv.ts'
import { ip_mc_add_src, ip_mc_del_src } from './igmp/source.ts'

export {
  ____ip_mc_inc_group,
  igmp_rcv,
  ip_mc_add_src,
  ip_mc_dec_group,
  ip_mc_del_src,
  ip_mc_destroy_dev,
  ip_mc_down,
  ip_mc_init_dev,
  ip_mc_up,
}
