// Ports that the kernel never chooses by itself (net.ipv4.ip_local_reserved_ports); bind may still ask for them.
// Mirrors inet_is_local_reserved_port of include/net/ip.h. A namespace has its bitmap from the first write on.

import { net } from '../../include/net_namespace.ts'
import { kzalloc } from '../../lib/arena.ts'
import { ENOMEM } from '../../uapi/errno.ts'

/** One bit for each port. */
const BITMAP_BYTES: usize = 8192

function bit(port: u32): u32 {
  return (<u32>1) << (port & 7)
}

export function inet_is_local_reserved_port(net: net, port: u32): bool {
  const map = net.local_reserved_ports
  return map != 0 && ((<u32>load<u8>(map + (port >> 3))) & bit(port)) != 0
}

/** No port is reserved. 0 or -ENOMEM. */
export function reserved_ports_clear(net: net): i32 {
  if (net.local_reserved_ports) memory.fill(net.local_reserved_ports, 0, BITMAP_BYTES)
  else net.local_reserved_ports = kzalloc(BITMAP_BYTES)
  return net.local_reserved_ports ? 0 : -ENOMEM
}

/** Reserves ports low to high; reserved_ports_clear has made the bitmap. */
export function reserved_ports_add(net: net, low: u32, high: u32): void {
  const map = net.local_reserved_ports
  for (let port = low; port <= high; port++) {
    const at = map + (port >> 3)
    store<u8>(at, <u8>((<u32>load<u8>(at)) | bit(port)))
  }
}
