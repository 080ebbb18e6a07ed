// What a sender asks of one datagram (struct ipcm_cookie), and IP options as they are kept (struct ip_options).
// Filled by ip_cmsg_send (net/ipv4/ip_sockglue.ts), by icmp and by TCP's resets; read by net/ipv4/ip_output.

import { IPCB_OPT, inet_skb_parm } from './ip.ts'
import { sock } from './sock.ts'

/**
 * IP options, compiled: the fields of inet_skb_parm from faddr on, in the same places, so that
 * ip_options_parm(opt) reads a block as if it were a cb. Their bytes (optlen of them) lie behind, at IP_OPTIONS_DATA.
 */
@unmanaged
@final
export class ip_options {
  faddr: u32
  nexthop: u32
  optlen: u8
  srr: u8
  rr: u8
  ts: u8
  is_strictroute: u8
  srr_is_hit: u8
  is_changed: u8
  rr_needaddr: u8
  ts_needtime: u8
  ts_needaddr: u8
  router_alert: u8
  cipso: u8
}

export const IP_OPTIONS_DATA: usize = offsetof<ip_options>()
/** The fields and 40 bytes of options. */
export const IP_OPTIONS_SIZE: usize = offsetof<ip_options>() + 40

/** The compiled fields of an option block as those of a cb. */
export function ip_options_parm(opt: ip_options): inet_skb_parm {
  return changetype<inet_skb_parm>(changetype<usize>(opt) - IPCB_OPT)
}

/** What a sender of any protocol may ask: mark, priority, departure time. */
@unmanaged
@final
export class sockcm_cookie {
  transmit_time: u64
  mark: u32
  priority: u32
  tsflags: u32
  ts_opt_id: u32
}

/** Begins with the fields of a sockcm_cookie. */
@unmanaged
@final
export class ipcm_cookie {
  /** When it shall leave (SO_TXTIME), ns; 0: at once. */
  transmit_time: u64
  mark: u32
  priority: u32
  tsflags: u32
  ts_opt_id: u32
  /** Source asked for; after the route look-up the final destination, for source routes. Network order. */
  addr: u32
  oif: u32
  /** ip_options, 0: none. */
  opt: usize
  protocol: u32
  /** 0 or less: the socket's. */
  ttl: i32
  /** -1: the socket's. */
  tos: i32
  gso_size: u32
  /** IP_PMTUDISC_* of a sender without a socket. */
  pmtudisc: u32
}

export const IPCM_COOKIE_SIZE: usize = 64

/** Nothing asked for: what a sender without a socket begins with. */
export function ipcm_init(ipc: ipcm_cookie): void {
  memory.fill(changetype<usize>(ipc), 0, IPCM_COOKIE_SIZE)
  ipc.tos = -1
}

/** What a socket's options ask for (ipcm_init_sk). */
export function ipcm_init_sk(ipc: ipcm_cookie, sk: sock): void {
  ipcm_init(ipc)
  ipc.mark = sk.sk_mark
  ipc.priority = sk.sk_priority
  ipc.tsflags = sk.sk_tsflags
  ipc.oif = sk.sk_bound_dev_if
  ipc.addr = sk.inet_saddr
  ipc.protocol = sk.inet_num
}
