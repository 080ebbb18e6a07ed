// The words of iproute2 and the numbers of rtnetlink: types, scopes, tables, protocols, metrics, states, flags.

import * as rt from '../../../assembly/uapi/rtnetlink.ts'
import * as nb from '../../../assembly/uapi/neighbour.ts'
import { integer } from '../../wasm/encode.ts'
import { invalid } from '../../wasm/errors.ts'

type Words = Readonly<Record<string, number>>

export const ROUTE_TYPES: Words = {
  unspec: rt.RTN_UNSPEC,
  unicast: rt.RTN_UNICAST,
  local: rt.RTN_LOCAL,
  broadcast: rt.RTN_BROADCAST,
  anycast: rt.RTN_ANYCAST,
  multicast: rt.RTN_MULTICAST,
  blackhole: rt.RTN_BLACKHOLE,
  unreachable: rt.RTN_UNREACHABLE,
  prohibit: rt.RTN_PROHIBIT,
  throw: rt.RTN_THROW,
  nat: rt.RTN_NAT,
}

export const SCOPES: Words = {
  global: rt.RT_SCOPE_UNIVERSE,
  site: rt.RT_SCOPE_SITE,
  link: rt.RT_SCOPE_LINK,
  host: rt.RT_SCOPE_HOST,
  nowhere: rt.RT_SCOPE_NOWHERE,
}

export const TABLES: Words = {
  default: rt.RT_TABLE_DEFAULT,
  main: rt.RT_TABLE_MAIN,
  local: rt.RT_TABLE_LOCAL,
}

export const PROTOCOLS: Words = {
  redirect: rt.RTPROT_REDIRECT,
  kernel: rt.RTPROT_KERNEL,
  boot: rt.RTPROT_BOOT,
  static: rt.RTPROT_STATIC,
}

export const IP_PROTOCOLS: Words = { icmp: 1, igmp: 2, tcp: 6, udp: 17 }

/** Congestion controls that a route may name, by numbers of our own: a metric is a word. */
export const CONGCTL: Words = { reno: 1, cubic: 2 }

/** Metrics of a route that ip-route(8) names, by RTAX_*. */
export const METRICS: Words = {
  lock: rt.RTAX_LOCK,
  mtu: rt.RTAX_MTU,
  window: rt.RTAX_WINDOW,
  rtt: rt.RTAX_RTT,
  rttvar: rt.RTAX_RTTVAR,
  ssthresh: rt.RTAX_SSTHRESH,
  cwnd: rt.RTAX_CWND,
  advmss: rt.RTAX_ADVMSS,
  reordering: rt.RTAX_REORDERING,
  hoplimit: rt.RTAX_HOPLIMIT,
  initcwnd: rt.RTAX_INITCWND,
  features: rt.RTAX_FEATURES,
  rto_min: rt.RTAX_RTO_MIN,
  initrwnd: rt.RTAX_INITRWND,
  quickack: rt.RTAX_QUICKACK,
}

export const NEIGHBOUR_STATES: Words = {
  none: nb.NUD_NONE,
  incomplete: nb.NUD_INCOMPLETE,
  reachable: nb.NUD_REACHABLE,
  stale: nb.NUD_STALE,
  delay: nb.NUD_DELAY,
  probe: nb.NUD_PROBE,
  failed: nb.NUD_FAILED,
  noarp: nb.NUD_NOARP,
  permanent: nb.NUD_PERMANENT,
}

/** Flags of a route that was looked up or dumped. */
const ROUTE_FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [rt.RTNH_F_DEAD, 'dead'],
  [rt.RTNH_F_ONLINK, 'onlink'],
  [rt.RTNH_F_LINKDOWN, 'linkdown'],
  [rt.RTCF_REDIRECTED, 'redirected'],
  [rt.RTCF_DOREDIRECT, 'doredirect'],
  [rt.RTCF_BROADCAST, 'broadcast'],
  [rt.RTCF_MULTICAST, 'multicast'],
  [rt.RTCF_LOCAL, 'local'],
]

/** The number of a word, or a number itself. EINVAL that lists the words. */
export function numberOf(words: Words, value: string | number, max: number, what: string, syscall: string): number {
  if (typeof value === 'string' && Object.hasOwn(words, value)) return words[value]!
  const number = typeof value === 'string' && /^(0x[0-9a-fA-F]+|\d+)$/.test(value) ? Number(value) : value
  if (typeof number === 'string') {
    throw invalid(syscall, `'${value}' is no ${what}; there are ${Object.keys(words).join(', ')}, or a number`)
  }
  return integer(number, 0, max, what, syscall)
}

/** The word for a number, or the number as text. */
export function wordOf(words: Words, number: number): string {
  return Object.keys(words).find((word) => words[word] === number) ?? String(number)
}

export function routeFlags(bits: number): string[] {
  return ROUTE_FLAGS.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name)
}

/** 'reachable', or several with '|' between them. */
export function neighbourState(bits: number): string {
  const words = Object.keys(NEIGHBOUR_STATES).filter((word) => (NEIGHBOUR_STATES[word]! & bits) !== 0)
  return words.join('|') || 'none'
}
