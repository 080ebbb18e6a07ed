// The border's doors to the tables: RTM_NEWROUTE and RTM_DELROUTE. Mirrors inet_rtm_newroute, inet_rtm_delroute and
// rtm_to_fib_config of net/ipv4/fib_frontend.c.

import { fib_config } from '../../../include/ip_fib.ts'
import { net } from '../../../include/net_namespace.ts'
import { boot } from '../../../lib/boot.ts'
import { refuse } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENOBUFS, ESRCH } from '../../../uapi/errno.ts'
import { EXTACK_NONE, EXTACK_ROUTE_NH_EXCLUSIVE } from '../../../uapi/extack.ts'
import { FN_inet_rtm_delroute, FN_inet_rtm_newroute } from '../../../uapi/functions.ts'
import { RTN_LOCAL, RTN_MAX, RT_TABLE_MAIN } from '../../../uapi/rtnetlink.ts'
import { fib_get_table, fib_new_table } from '../fib_frontend.ts'
import { fib_table_delete, fib_table_insert } from '../fib_trie/insert.ts'

/** The two bits of the TOS byte that are no DSCP. */
const ECN_BITS: u32 = 3

/** What no route can be. A table of 0 means main. */
function rtm_to_fib_config(cfg: fib_config): i32 {
  if (cfg.fc_dst_len > 32 || (<u32>cfg.fc_tos) & ECN_BITS || <u32>cfg.fc_type > RTN_MAX) return -EINVAL
  if (cfg.fc_nh_id && (cfg.fc_oif || cfg.fc_gw_family || cfg.fc_mp != 0))
    return refuse(EXTACK_ROUTE_NH_EXCLUSIVE, EINVAL)
  if (cfg.fc_table == 0) cfg.fc_table = RT_TABLE_MAIN
  return 0
}

/** Adds or changes a route, as fc_nlflags say: see fib_table_insert. 0 or -errno. */
export function inet_rtm_newroute(net: net, cfg: fib_config): i32 {
  walk(FN_inet_rtm_newroute, 0)
  boot.extack = EXTACK_NONE
  const bad = rtm_to_fib_config(cfg)
  if (bad) return bad
  const tb = fib_new_table(net, cfg.fc_table)
  if (changetype<usize>(tb) == 0) return -ENOBUFS
  const err = fib_table_insert(net, tb, cfg)
  if (err == 0 && <u32>cfg.fc_type == RTN_LOCAL) net.fib_has_custom_local_routes = 1
  return err
}

/** Deletes a route: see fib_table_delete. 0, -ESRCH or -EINVAL. */
export function inet_rtm_delroute(net: net, cfg: fib_config): i32 {
  walk(FN_inet_rtm_delroute, 0)
  boot.extack = EXTACK_NONE
  const bad = rtm_to_fib_config(cfg)
  if (bad) return bad
  const tb = fib_get_table(net, cfg.fc_table)
  return changetype<usize>(tb) ? fib_table_delete(net, tb, cfg) : -ESRCH
}
