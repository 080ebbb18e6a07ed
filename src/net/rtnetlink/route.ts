// ip route: adding, changing and deleting routes, as ip-route(8) words them.
// Mirrors rtm_to_fib_config of fib_frontend.c, and iproute2's defaults for scope, type, table and protocol.

import * as rt from '../../../assembly/uapi/rtnetlink.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { NamespaceState } from '../../kernel/state.ts'
import type { Ptr } from '../../wasm/abi.ts'
import { integer, parseIPv4, parsePrefix } from '../../wasm/encode.ts'
import { errnoName, invalid, systemError } from '../../wasm/errors.ts'
import { requireDevice } from '../dev.ts'
import { extackMessage } from './extack.ts'
import { CONGCTL, METRICS, PROTOCOLS, ROUTE_TYPES, SCOPES, TABLES, numberOf } from './names.ts'
import { routeFault } from './route_fault.ts'

/** A route. Metrics by their names: mtu, advmss, hoplimit, window, rtt, initcwnd, quickack, features, lock ... */
export interface RouteSpec {
  /** A prefix, or 'default'. */
  to: string
  via?: string
  dev?: string
  /** Priority: smaller is better; 0 unless given. */
  metric?: number
  /** 'main' unless given; 'local' for local and broadcast routes. */
  table?: number | string
  /** 'unicast' unless given. */
  type?: string
  /** Preferred source address. */
  src?: string
  tos?: number
  scope?: string | number
  /** 'boot' unless given. */
  protocol?: string | number
  /** The gateway is on the link whatever the addresses say. */
  onlink?: boolean
  nexthops?: readonly NexthopSpec[]
  /** Id of a nexthop object (host.nexthop) in place of via, dev and nexthops. */
  nhid?: number
  mtu?: number
  advmss?: number
  hoplimit?: number
  window?: number
  rtt?: number
  rttvar?: number
  ssthresh?: number
  cwnd?: number
  initcwnd?: number
  initrwnd?: number
  quickack?: number
  features?: number
  rto_min?: number
  reordering?: number
  /** TCP's congestion control: 'reno' or 'cubic'. */
  congctl?: string
  /** A bit for each RTAX_* that path MTU discovery and TCP must leave alone. */
  lock?: number
}

export interface NexthopSpec {
  via?: string
  dev?: string
  /** 1 to 256. */
  weight?: number
  onlink?: boolean
}

/** What to do with a route: as the words of `ip route`. */
export type RouteVerb = 'add' | 'append' | 'prepend' | 'replace' | 'change' | 'del'

const NLM_F_REPLACE = 0x100
const NLM_F_EXCL = 0x200
const NLM_F_CREATE = 0x400
const NLM_F_APPEND = 0x800

const VERBS: Readonly<Record<RouteVerb, number>> = {
  add: NLM_F_CREATE | NLM_F_EXCL,
  append: NLM_F_CREATE | NLM_F_APPEND,
  prepend: NLM_F_CREATE,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
  change: NLM_F_REPLACE,
  del: 0,
}

/** iproute2's default of the scope. */
function scopeOf(spec: RouteSpec, type: number, deleting: boolean, syscall: string): number {
  if (spec.scope !== undefined) return numberOf(SCOPES, spec.scope, 255, 'scope', syscall)
  if (type === rt.RTN_LOCAL || type === rt.RTN_NAT) return rt.RT_SCOPE_HOST
  if (type === rt.RTN_BROADCAST || type === rt.RTN_MULTICAST || type === rt.RTN_ANYCAST) return rt.RT_SCOPE_LINK
  if (deleting) return rt.RT_SCOPE_NOWHERE
  const named = spec.via ?? spec.nexthops ?? spec.nhid
  const onLink = type === rt.RTN_UNICAST && named === undefined
  return onLink ? rt.RT_SCOPE_LINK : rt.RT_SCOPE_UNIVERSE
}

function tableOf(spec: RouteSpec, type: number, syscall: string): number {
  if (spec.table !== undefined) return numberOf(TABLES, spec.table, 4294967295, 'table', syscall)
  const local = [rt.RTN_LOCAL, rt.RTN_BROADCAST, rt.RTN_ANYCAST, rt.RTN_NAT].includes(type)
  return local ? rt.RT_TABLE_LOCAL : rt.RT_TABLE_MAIN
}

/** A route in the core's terms; numbers in host order but addresses. */
interface Encoded {
  fields: Record<string, number>
  metrics: Uint32Array | undefined
  nexthops: Uint32Array | undefined
}

function congctlOf(name: string, syscall: string): number {
  const number = CONGCTL[name]
  if (number === undefined) throw invalid(syscall, `congctl ${name}: there are ${Object.keys(CONGCTL).join(', ')}`)
  return number
}

function metricsOf(spec: RouteSpec, syscall: string): Uint32Array | undefined {
  const given = Object.keys(METRICS).filter((name) => spec[name as keyof RouteSpec] !== undefined)
  if (!given.length && spec.congctl === undefined) return undefined
  const metrics = new Uint32Array(rt.RTAX_MAX + 1)
  for (const name of given) {
    metrics[METRICS[name]!] = integer(spec[name as keyof RouteSpec], 0, 4294967295, name, syscall)
  }
  if (spec.congctl !== undefined) metrics[rt.RTAX_CC_ALGO] = congctlOf(spec.congctl, syscall)
  return metrics
}

function nexthopsOf(namespace: NamespaceState, spec: RouteSpec, syscall: string): Uint32Array | undefined {
  if (!spec.nexthops) return undefined
  const words = spec.nexthops.flatMap((hop) => [
    hop.via === undefined ? 0 : parseIPv4(hop.via, syscall, 'via'),
    hop.dev === undefined ? 0 : requireDevice(namespace, hop.dev, syscall).ifindex,
    integer(hop.weight ?? 1, 1, 256, 'weight', syscall),
    hop.onlink ? rt.RTNH_F_ONLINK : 0,
  ])
  return Uint32Array.from(words)
}

function encode(namespace: NamespaceState, verb: RouteVerb, spec: RouteSpec, syscall: string): Encoded {
  const deleting = verb === 'del'
  const { address, length } = parsePrefix(spec.to, syscall, 'to')
  const type = numberOf(ROUTE_TYPES, spec.type ?? 'unicast', rt.RTN_MAX, 'route type', syscall)
  const protocol = deleting && spec.protocol === undefined ? 0 : (spec.protocol ?? 'boot')
  const nexthops = nexthopsOf(namespace, spec, syscall)
  const metrics = metricsOf(spec, syscall)
  const fields = {
    fc_dst_len: length,
    fc_dst: address,
    fc_tos: integer(spec.tos ?? 0, 0, 255, 'tos', syscall),
    fc_protocol: numberOf(PROTOCOLS, protocol, 255, 'protocol', syscall),
    fc_scope: scopeOf(spec, type, deleting, syscall),
    fc_type: deleting && spec.type === undefined ? rt.RTN_UNSPEC : type,
    fc_table: tableOf(spec, type, syscall),
    fc_gw4: spec.via === undefined ? 0 : parseIPv4(spec.via, syscall, 'via'),
    fc_oif: spec.dev === undefined ? 0 : requireDevice(namespace, spec.dev, syscall).ifindex,
    fc_flags: spec.onlink ? rt.RTNH_F_ONLINK : 0,
    fc_priority: integer(spec.metric ?? 0, 0, 4294967295, 'metric', syscall),
    fc_prefsrc: spec.src === undefined ? 0 : parseIPv4(spec.src, syscall, 'src'),
    fc_gw_family: spec.via === undefined ? 0 : 2,
    fc_has_mx: metrics ? 1 : 0,
    fc_nhs: nexthops ? nexthops.length / 4 : 0,
    fc_nlflags: VERBS[verb],
    fc_nh_id: spec.nhid === undefined ? 0 : integer(spec.nhid, 1, 4294967295, 'nhid', syscall),
  }
  return { fields, metrics, nexthops }
}

/** Fields of fib_config that are one byte wide; the others are words. */
const BYTES = new Set(['fc_dst_len', 'fc_tos', 'fc_protocol', 'fc_scope', 'fc_type', 'fc_gw_family', 'fc_has_mx'])
const CONFIG_ROOM = 128

/** Writes a struct fib_config with its metrics and next hops to the call buffer. */
function writeConfig(machine: Machine, { fields, metrics, nexthops }: Encoded): Ptr {
  const { core } = machine
  const offsets: Readonly<Record<string, number>> = core.offsets.fib_config
  const at = core.callBuffer
  core.memory.fill(at, CONFIG_ROOM)
  for (const [name, value] of Object.entries(fields)) {
    if (BYTES.has(name)) core.memory.writeU8(at + offsets[name]!, value)
    else core.memory.writeU32(at + offsets[name]!, value)
  }
  const behind = at + CONFIG_ROOM
  if (metrics) {
    core.memory.write(behind, new Uint8Array(metrics.buffer))
    core.memory.writeU32(at + offsets['fc_mx']!, behind)
  }
  if (nexthops) {
    const hops = behind + 4 * (rt.RTAX_MAX + 1)
    core.assertFits(hops - at + nexthops.byteLength, 'RTM_NEWROUTE')
    core.memory.write(hops, new Uint8Array(nexthops.buffer))
    core.memory.writeU32(at + offsets['fc_mp']!, hops)
  }
  return at
}

/**
 * Changes a routing table as `ip route VERB` does. EEXIST (add), ENOENT (change), ESRCH (del), ENETUNREACH (the gateway is
 * not on a link), EINVAL, ENODEV.
 */
export function changeRoute(machine: Machine, namespace: NamespaceState, verb: RouteVerb, spec: RouteSpec): void {
  const syscall = verb === 'del' ? 'RTM_DELROUTE' : 'RTM_NEWROUTE'
  const encoded = encode(namespace, verb, spec, syscall)
  inProcess(machine, () => {
    const config = writeConfig(machine, encoded)
    const { exports } = machine.core
    const result =
      verb === 'del'
        ? exports.inet_rtm_delroute(namespace.net, config)
        : exports.inet_rtm_newroute(namespace.net, config)
    if (result >= 0) return
    const why = extackMessage(machine.core.memory.readU32(machine.core.boot('extack')))
    throw systemError(result, syscall, `${verb} ${spec.to}${why ? `: ${why}` : routeFault(spec, errnoName(result))}`)
  })
}
