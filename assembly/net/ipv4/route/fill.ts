// A cached route as user space is told of it: a route record of one next hop. Mirrors rt_fill_info of net/ipv4/route.c.

import { boot } from '../../../lib/boot.ts'
import { rtable } from '../../../include/dst.ts'
import { net_device } from '../../../include/netdevice.ts'
import {
  RTAX_LOCK,
  RTAX_MAX,
  RTAX_MTU,
  RTM_F_CLONED,
  RTPROT_UNSPEC,
  RT_SCOPE_UNIVERSE,
} from '../../../uapi/rtnetlink.ts'
import { route_record } from '../fib_semantics/dump.ts'

const METRICS: usize = offsetof<route_record>()
const HOP: usize = METRICS + (<usize>RTAX_MAX + 1) * 4
/** Bytes of such a record. */
export const RT_RECORD: usize = HOP + 16

/** Metrics of a route, with what was learnt about its path while that holds: for so many ms more. */
function put_metrics(out: usize, rt: rtable): u32 {
  if (rt.metrics) memory.copy(out, rt.metrics, (<usize>RTAX_MAX + 1) * 4)
  const left = <i32>(rt.expires - boot.jiffies)
  if (left <= 0 || rt.expires == 0) return 0
  if (rt.rt_pmtu) store<u32>(out + ((<usize>RTAX_MTU) << 2), rt.rt_pmtu)
  if (rt.rt_mtu_locked) {
    const lock = out + ((<usize>RTAX_LOCK) << 2)
    store<u32>(lock, load<u32>(lock) | (1 << RTAX_MTU))
  }
  return <u32>((<u64>left * 1000) / boot.hz)
}

/** Writes the record of a cached route to out: to dst, from src (network order, 0: not told). */
export function rt_fill_info(out: usize, rt: rtable, dst: u32, src: u32, table: u32, tos: u32): void {
  memory.fill(out, 0, RT_RECORD)
  const r = changetype<route_record>(out)
  r.bytes = <u32>RT_RECORD
  r.dst = dst
  r.dst_len = 32
  r.tos = tos
  r.table = table
  r.type = rt.rt_type
  r.scope = RT_SCOPE_UNIVERSE
  r.protocol = RTPROT_UNSPEC
  r.flags = (rt.rt_flags & 0xffff0000) | RTM_F_CLONED
  r.prefsrc = src
  r.nhs = 1
  r.expires = put_metrics(out + METRICS, rt)
  store<u32>(out + HOP, rt.rt_uses_gateway ? rt.rt_gw4 : 0)
  store<u32>(out + HOP, changetype<net_device>(rt.dev).ifindex, 4)
  store<u32>(out + HOP, 1, 8)
}
