// An IP tunnel's device and what it sends by (net/ip_tunnels.h). Layout only; addresses in network order.

import { net_device } from './netdevice.ts'

/** How a tunnel is made: what `ip link add type ipip` names. */
@unmanaged
@final
export class ip_tunnel_parm {
  saddr: u32
  /** 0: each packet's next hop. */
  daddr: u32
  /** Index of the device that it goes by, 0: any. */
  link: u32
  /** 0: that of the packet within. */
  ttl: u32
  /** 1: that of the packet within. */
  tos: u32
  /** IP_DF: the outer packet says DF whatever the inner does. */
  frag_off: u32
}

export const IP_TUNNEL_PARM_SIZE: usize = offsetof<ip_tunnel_parm>()

/** Lies in the driver's private part; behind it its gro_cell. */
@unmanaged
@final
export class ip_tunnel {
  /** Next of the namespace. */
  next: usize
  dev: usize
  /** The namespace of the outer packets: that in which it was made. */
  net: usize
  /** Errors that ICMP told of, and when the last came: the next senders hear of them. */
  err_time: u32
  err_count: u32
}

const PARMS: usize = offsetof<ip_tunnel>()
export const IP_TUNNEL_SIZE: usize = PARMS + IP_TUNNEL_PARM_SIZE

export function ip_tunnel_of(dev: net_device): ip_tunnel {
  return changetype<ip_tunnel>(dev.priv)
}

export function ip_tunnel_parms(tunnel: ip_tunnel): ip_tunnel_parm {
  return changetype<ip_tunnel_parm>(changetype<usize>(tunnel) + PARMS)
}
