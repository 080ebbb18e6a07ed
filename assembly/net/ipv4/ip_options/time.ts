// The time of day as timestamp options and ICMP timestamps carry it. Mirrors inet_current_timestamp of net/ipv4/af_inet.c.

import { boot } from '../../../lib/boot.ts'
import { htonl } from '../../../lib/byteorder.ts'

const DAY_MS: u64 = 86400000

/** Milliseconds since midnight UT in network order (RFC 791 3.1). */
export function inet_current_timestamp(): u32 {
  return htonl(<u32>((boot.now / 1000000) % DAY_MS))
}
