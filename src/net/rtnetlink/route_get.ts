// ip route get, ip route show: looking up a route, and dumping tables. Mirrors inet_rtm_getroute and inet_dump_fib.

import * as rt from '../../../assembly/uapi/rtnetlink.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { NamespaceState } from '../../kernel/state.ts'
import type { Ptr } from '../../wasm/abi.ts'
import { formatIPv4, formatPrefix, integer, parseIPv4 } from '../../wasm/encode.ts'
import { checked } from '../../wasm/errors.ts'
import { deviceName, requireDevice } from '../dev.ts'
import {
  CONGCTL,
  IP_PROTOCOLS,
  METRICS,
  PROTOCOLS,
  ROUTE_TYPES,
  SCOPES,
  TABLES,
  numberOf,
  routeFlags,
  wordOf,
} from './names.ts'

/** What to look up. */
export interface RouteQuery {
  to: string
  from?: string
  /** A packet that came in by this device. */
  iif?: string
  oif?: string
  tos?: number
  mark?: number
  uid?: number
  /** A number, or tcp, udp, icmp; udp unless given. */
  ipproto?: number | string
  sport?: number
  dport?: number
  /** Answer the route itself rather than what a packet gets (`ip route get fibmatch`). */
  fibmatch?: boolean
}

/** A route as the kernel tells it; what is not there is undefined. */
export interface RouteInfo {
  /** The prefix; for a look-up the address with /32, with fibmatch the route's. */
  to: string
  type: string
  table: number
  scope: string
  protocol: string
  tos: number
  metric: number
  flags: string[]
  dev?: string
  via?: string
  src?: string
  nexthops?: NexthopInfo[]
  /** Id of its nexthop object. */
  nhid?: number
  /** TCP's congestion control. */
  congctl?: string
  /** By ip-route(8)'s names. */
  metrics: Record<string, number>
  /** What was learnt of the path (mtu) is forgotten in so many whole seconds. */
  expires?: number
}

export interface NexthopInfo {
  dev: string
  via?: string
  weight: number
  flags: string[]
}

/**
 * A route record, words of 32 bits: {bytes, dst, dst_len, tos, table, type, scope, protocol, flags, priority, prefsrc, next
 * hops, id of a nexthop object, ms until it expires, metrics by RTAX_*}, then four words for each next hop {gateway, oif, weight, flags}.
 */
const RECORD_METRICS = 14
const RECORD_HOPS = RECORD_METRICS + rt.RTAX_MAX + 1

function nexthop(namespace: NamespaceState, words: Uint32Array, at: number): NexthopInfo {
  const via = words[at]!
  return {
    dev: deviceName(namespace, words[at + 1]!),
    ...(via && { via: formatIPv4(via) }),
    weight: words[at + 2]!,
    flags: routeFlags(words[at + 3]!),
  }
}

function metricsOf(words: Uint32Array): Record<string, number> {
  const given = Object.entries(METRICS).filter(([, number]) => words[RECORD_METRICS + number] !== 0)
  return Object.fromEntries(given.map(([name, number]) => [name, words[RECORD_METRICS + number]!]))
}

function decode(namespace: NamespaceState, words: Uint32Array): RouteInfo {
  const [, dst, length, tos, table, type, scope, protocol, flags, priority, source, count, nhid, expires] =
    words as unknown as number[]
  const congctl = words[RECORD_METRICS + rt.RTAX_CC_ALGO]!
  const hops = Array.from({ length: count! }, (_, i) => nexthop(namespace, words, RECORD_HOPS + 4 * i))
  const only = hops.length === 1 && words[RECORD_HOPS + 1] !== 0 ? hops[0] : undefined
  const gateway = hops.length === 1 ? hops[0]!.via : undefined
  return {
    to: formatPrefix(dst!, length!),
    type: wordOf(ROUTE_TYPES, type!),
    table: table!,
    scope: wordOf(SCOPES, scope!),
    protocol: wordOf(PROTOCOLS, protocol!),
    tos: tos!,
    metric: priority!,
    flags: routeFlags(flags!),
    ...(only && { dev: only.dev }),
    ...(gateway !== undefined && { via: gateway }),
    ...(source && { src: formatIPv4(source) }),
    ...(hops.length > 1 && { nexthops: hops }),
    ...(nhid && { nhid }),
    ...(congctl && { congctl: wordOf(CONGCTL, congctl) }),
    metrics: metricsOf(words),
    ...(expires && { expires: Math.floor(expires / 1000) }),
  }
}

function recordAt(machine: Machine, at: Ptr): Uint32Array {
  const { u32 } = machine.core.memory.views
  const words = u32[at >>> 2]! >>> 2
  return u32.slice(at >>> 2, (at >>> 2) + words)
}

/** The route that a packet would take. ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL as the kernel answers; ENODEV. */
export function getRoute(machine: Machine, namespace: NamespaceState, query: RouteQuery): RouteInfo {
  const syscall = 'RTM_GETROUTE'
  const index = (name: string | undefined): number =>
    name === undefined ? 0 : requireDevice(namespace, name, syscall).ifindex
  const words = [
    parseIPv4(query.to, syscall, 'to'),
    query.from === undefined ? 0 : parseIPv4(query.from, syscall, 'from'),
    index(query.iif),
    index(query.oif),
    integer(query.mark ?? 0, 0, 4294967295, 'mark', syscall),
    integer(query.tos ?? 0, 0, 255, 'tos', syscall),
    rt.RTM_F_LOOKUP_TABLE | (query.fibmatch ? rt.RTM_F_FIB_MATCH : 0),
    integer(query.uid ?? 0, 0, 4294967295, 'uid', syscall),
    numberOf(IP_PROTOCOLS, query.ipproto ?? 'udp', 255, 'ipproto', syscall),
    integer(query.sport ?? 0, 0, 65535, 'sport', syscall),
    integer(query.dport ?? 0, 0, 65535, 'dport', syscall),
  ]
  return inProcess(machine, () => {
    const { core } = machine
    words.forEach((word, i) => core.memory.writeU32(core.callBuffer + 4 * i, word))
    const result = core.exports.inet_rtm_getroute(namespace.net, core.callBuffer, core.resultBuffer)
    checked(result, syscall, query.to)
    return decode(namespace, recordAt(machine, core.resultBuffer))
  })
}

type Dump = (net: Ptr, table: number, out: Ptr, max: number, cursor: number) => number

function dumpRoutes(
  machine: Machine,
  namespace: NamespaceState,
  table: number | string | undefined,
  dump: Dump,
): RouteInfo[] {
  const syscall = 'RTM_GETROUTE'
  const id = table === undefined ? 0 : numberOf(TABLES, table, 4294967295, 'table', syscall)
  const { core } = machine
  return inProcess(machine, () => {
    const found: RouteInfo[] = []
    let cursor = 0
    do {
      const out = core.resultBuffer
      const bytes = checked(dump(namespace.net, id, out, core.halfBuffer, cursor), syscall)
      cursor = core.memory.readU32(out)
      for (let at = out + 4; at < out + bytes; at += core.memory.readU32(at)) {
        found.push(decode(namespace, recordAt(machine, at)))
      }
    } while (cursor !== 0)
    return found
  })
}

/** All routes of a table, or of all tables, in the order of the kernel's dump. */
export function listRoutes(machine: Machine, namespace: NamespaceState, table?: number | string): RouteInfo[] {
  return dumpRoutes(machine, namespace, table, machine.core.exports.fib_dump)
}

/**
 * What was learnt about destinations behind the routes of a table, or of all: path MTUs and redirects, as long as they hold
 * (`ip route show cache`). What several routes share is told for each, as in Linux.
 */
export function listRouteCache(machine: Machine, namespace: NamespaceState, table?: number | string): RouteInfo[] {
  return dumpRoutes(machine, namespace, table, machine.core.exports.rt_cache_dump)
}
