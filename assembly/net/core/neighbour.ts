// Neighbours: the hardware addresses of next hops. Mirrors net/core/neighbour.c; the parts lie in neighbour/.
// This is what other rooms call.

import { neigh_add, neigh_delete, neigh_dump, pneigh_dump } from './neighbour/admin.ts'
import { __neigh_create, __neigh_lookup, ip_neigh_gw4, neigh_event_ns } from './neighbour/create.ts'
import { neigh_carrier_down, neigh_changeaddr, neigh_ifdown } from './neighbour/flush.ts'
import { dev_hard_header, neigh_output } from './neighbour/output.ts'
import { neigh_parm_write, neigh_parms_alloc, neigh_parms_release, var_jiffies } from './neighbour/parms.ts'
import { pneigh_enqueue, pneigh_lookup } from './neighbour/proxy.ts'
import { __ipv4_confirm_neigh, ip_neigh_for_gw, ipv4_confirm_neigh } from './neighbour/route_neigh.ts'
import { neigh_confirm, neigh_connect, neigh_event_send } from './neighbour/state.ts'
import {
  __ipv4_neigh_lookup_noref,
  arp_tbl,
  neigh_hold,
  neigh_lookup,
  neigh_release,
  let_go_and_remove,
} from './neighbour/table.ts'
import { neigh_table_init } from './neighbour/init.ts'
import { neigh_update } from './neighbour/update.ts'

export {
  __ipv4_confirm_neigh,
  __ipv4_neigh_lookup_noref,
  __neigh_create,
  __neigh_lookup,
  arp_tbl,
  dev_hard_header,
  ip_neigh_for_gw,
  ip_neigh_gw4,
  ipv4_confirm_neigh,
  neigh_add,
  neigh_carrier_down,
  neigh_changeaddr,
  neigh_confirm,
  neigh_connect,
  neigh_delete,
  neigh_dump,
  neigh_event_ns,
  neigh_event_send,
  neigh_hold,
  neigh_ifdown,
  neigh_lookup,
  neigh_output,
  neigh_parm_write,
  neigh_parms_alloc,
  neigh_parms_release,
  neigh_release,
  let_go_and_remove,
  neigh_table_init,
  neigh_update,
  var_jiffies,
  pneigh_dump,
  pneigh_enqueue,
  pneigh_lookup,
}
