// The checksum of an IPv4 header. Mirrors ip_send_check of net/ipv4/ip_output.c.

import { iphdr } from '../../../include/ip.ts'
import { ip_fast_csum } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_ip_send_check } from '../../../uapi/functions.ts'

/** Fills in the header checksum. */
export function ip_send_check(ip: iphdr): void {
  walk(FN_ip_send_check, 0)
  ip.check = 0
  ip.check = <u16>ip_fast_csum(changetype<usize>(ip), ip.ihl)
}
