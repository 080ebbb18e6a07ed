// ICMP messages counted as they come and go. Mirrors icmp_out_count of net/ipv4/icmp.c and the ICMPMSG macros.
// Linux reads IcmpInEchos and its like out of IcmpMsg; here both are counted, each at its place.

import { mib_inc, net } from '../../../include/net_namespace.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_icmp_out_count } from '../../../uapi/functions.ts'
import {
  ICMPMSG_MIB_BASE,
  ICMP_MIB_INDESTUNREACHS,
  ICMP_MIB_OUTDESTUNREACHS,
  ICMP_MIB_OUTMSGS,
} from '../../../uapi/snmp.ts'

/** Types 0 to 15, four bits each: the place of a type's own row in Icmp, as ICMP_MIB_*DESTUNREACHS + it; 15: none. */
const ROWS: u64 = 0xf8721ff5ff430ff6

/** A type's row, from that of destination unreachable on; 15: it has none. */
function row_of(type: u32): u32 {
  if (type < 16) return (<u32>(ROWS >> (type << 2))) & 15
  return type == 17 ? 9 : type == 18 ? 10 : 15
}

/** A message of this type came in. */
export function icmp_in_count(net: net, type: u32): void {
  mib_inc(net, ICMPMSG_MIB_BASE + type)
  const row = row_of(type)
  if (row != 15) mib_inc(net, ICMP_MIB_INDESTUNREACHS + row)
}

/** A message of this type leaves. */
export function icmp_out_count(net: net, type: u32): void {
  walk(FN_icmp_out_count, 0)
  mib_inc(net, ICMPMSG_MIB_BASE + 256 + type)
  mib_inc(net, ICMP_MIB_OUTMSGS)
  const row = row_of(type)
  if (row != 15) mib_inc(net, ICMP_MIB_OUTDESTUNREACHS + row)
}
