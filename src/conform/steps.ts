// One step of a scenario, done by the emulator: the result that the call itself gives.

import type { Tap } from '../host/devices.ts'
import type { Host } from '../host.ts'
import type { Lab } from '../lab.ts'
import type { RouteInfo } from '../net/rtnetlink/route_get.ts'
import type { MsgFlag } from '../socket/syscalls.ts'
import { errnoName } from '../wasm/errors.ts'
import { BASELINE_LAB, CARRIER_WAIT_NS } from './baseline.ts'
import { expand } from './bytestr.ts'
import type { Action, FibEntry, LookupResult, NeighbourEntry, Result, SendTo, Step } from './scenario.ts'
import { packVnet } from './vnet.ts'
import { type OpenSocket, addressOf, hasVnet, nameOfErrno, openSocket, outcome, readOne, setOption } from './sockets.ts'
import { type TcpFlows, tcpIn } from './tcp_flows.ts'

/** A scenario that is being run. */
export interface Run {
  lab: Lab
  host: Host
  taps: Map<string, Tap>
  /** Those whose frames have a virtio header. */
  vnets: Set<string>
  sockets: Map<string, OpenSocket>
  /** TCP connections whose sequence numbers are written as in recordings. */
  flows: TcpFlows
  nameOf: (ifindex: number) => string
}

type Of<K extends string> = Extract<Action, Record<K, unknown>>

/** The result of a call that gives nothing. */
function done(call: () => unknown): Result {
  const tried = outcome(call)
  return 'err' in tried ? { err: tried.err } : {}
}

function socketOf(run: Run, name: string): OpenSocket {
  const open = run.sockets.get(name)
  if (!open) throw new Error(`the scenario has no socket '${name}' now`)
  return open
}

function rx(run: Run, step: Of<'rx'>): Result {
  const tap = run.taps.get(step.rx)
  if (!tap) throw new Error(`the scenario has no device '${step.rx}'`)
  const frames = step.frames.map((frame) => {
    const { bytes, vnet } = typeof frame === 'string' ? { bytes: frame, vnet: undefined } : frame
    const data = tcpIn(run.flows, expand(bytes), BASELINE_LAB.isn)
    return run.vnets.has(step.rx) ? packVnet(vnet, data) : data
  })
  const { refused } = tap.rx(frames)
  return refused.size > 0 ? { refused: Object.fromEntries([...refused].map(([i, err]) => [String(i), err])) } : {}
}

function send(run: Run, step: Of<'send'>): Result {
  const open = socketOf(run, step.send)
  const { socket } = open
  const retopts = step.cmsg?.IP_RETOPTS
  const cmsg = step.cmsg && { ...step.cmsg, ...(retopts !== undefined && { IP_RETOPTS: expand(retopts) }) }
  const data = expand(step.data ?? '')
  const tried = outcome(() =>
    socket.send(hasVnet(open) ? packVnet(step.vnet, data) : data, {
      ...(step.to !== undefined && { to: addressOf(step.to as SendTo) }),
      flags: (step.flags ?? []) as MsgFlag[],
      ...(cmsg && { cmsg: cmsg as never }),
    }),
  )
  return 'err' in tried ? { err: tried.err } : { ret: tried.value }
}

function link(run: Run, step: Of<'link'>): Result {
  const { link: name, carrier, mtu, mac, promisc, up } = step
  if (carrier !== undefined) {
    run.host.link(name, { carrier })
    run.lab.advance(CARRIER_WAIT_NS)
  }
  const change = {
    ...(mtu !== undefined && { mtu }),
    ...(mac !== undefined && { mac }),
    ...(promisc !== undefined && { promisc }),
    ...(up !== undefined && { up }),
  }
  return Object.keys(change).length > 0 ? done(() => run.host.link(name, change)) : {}
}

/** A route as a look-up's answer shows it. */
function lookupResult(route: RouteInfo, fibmatch: boolean): LookupResult {
  const { type, dev, via, metric, src, table, metrics, nexthops, tos, to } = route
  const flags = route.flags.filter((flag) => LOOKUP_FLAGS.includes(flag))
  return {
    type,
    ...(fibmatch && { prefix: to }),
    ...(dev !== undefined && { dev }),
    ...(via !== undefined && { via }),
    ...(fibmatch && metric !== 0 && { metric }),
    ...(src !== undefined && { src }),
    table,
    ...metrics,
    ...(nexthops && {
      nexthops: nexthops.map((hop) => ({ dev: hop.dev, weight: hop.weight, ...(hop.via && { via: hop.via }) })),
    }),
    ...(fibmatch && tos !== 0 && { tos }),
    ...(flags.length > 0 && { flags }),
  } as LookupResult
}

const LOOKUP_FLAGS = ['redirected', 'doredirect', 'broadcast', 'multicast', 'local']
const FIB_FLAGS = ['dead', 'onlink', 'linkdown']

function lookup(run: Run, step: Of<'lookup'>): Result {
  const routes = step.lookup.map((query) => {
    const tried = outcome(() => run.host.route.get(query))
    return 'err' in tried ? { err: tried.err } : lookupResult(tried.value, query.fibmatch ?? false)
  })
  return { routes } as Result
}

function fibEntry(route: RouteInfo): FibEntry {
  const { to, type, table, scope, protocol, tos, dev, via, metric, src } = route
  const flags = route.flags.filter((flag) => FIB_FLAGS.includes(flag))
  return {
    to,
    type,
    table,
    scope,
    protocol,
    ...(tos !== 0 && { tos }),
    ...(dev !== undefined && { dev }),
    ...(via !== undefined && { via }),
    ...(metric !== 0 && { metric }),
    ...(src !== undefined && { src }),
    ...(flags.length > 0 && { flags }),
  } as FibEntry
}

function addressNumber(ip: string): number {
  return ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

/** The neighbour table as the recorder lists it: by device, then by address. */
export function neighbours(host: Host): NeighbourEntry[] {
  const entries = host.neigh
    .list()
    .map(({ dev, ip, state, mac }) => ({ dev, ip, state, ...(mac !== undefined && { mac }) }))
  entries.sort((a, b) => (a.dev === b.dev ? addressNumber(a.ip) - addressNumber(b.ip) : a.dev < b.dev ? -1 : 1))
  return entries as NeighbourEntry[]
}

function sysctls(run: Run, values: Record<string, string | number>): Result {
  const errs: Record<string, string> = {}
  for (const [name, value] of Object.entries(values)) {
    const tried = outcome(() => run.host.sysctl(name, value))
    if ('err' in tried) errs[name] = tried.err
  }
  return Object.keys(errs).length > 0 ? ({ errs } as Result) : {}
}

function open(run: Run, step: Of<'open'>): Result {
  const { open: made, result } = openSocket(run.host, step.open)
  if (made) run.sockets.set(step.open.name, made)
  return result
}

function closeSocket(run: Run, name: string): Result {
  socketOf(run, name).socket.close()
  run.sockets.delete(name)
  return {}
}

function getOption(run: Run, step: Of<'getsockopt'>): Result {
  const tried = outcome(() => socketOf(run, step.getsockopt).socket.getsockopt(step.option))
  if ('err' in tried) return { err: tried.err }
  const isError = step.option === 'SO_ERROR' && tried.value !== 0
  return { value: isError ? nameOfErrno(errnoName(tried.value as number)) : tried.value } as Result
}

function named(run: Run, name: string): Result {
  const at = socketOf(run, name).socket.getsockname()
  if ('port' in at) return { value: [at.address, at.port] } as Result
  const mac = at.mac.replaceAll(':', '')
  return { value: [run.nameOf(at.ifindex), at.protocol, at.pkttype, at.hatype, mac] } as unknown as Result
}

function receiveStep(run: Run, step: Of<'recv'>): Result {
  const entry = readOne(socketOf(run, step.recv), step.flags ?? [], step.max ?? 131072, run.nameOf)
  return (entry ?? { err: 'EAGAIN' }) as Result
}

/** Words after the verb of a route, rule or neighbour step. */
function rest<T extends object>(step: T, verb: keyof T): Omit<T, keyof T> & Record<string, unknown> {
  const { [verb]: _, settle: __, wait: ___, ...others } = step as T & Record<string, unknown>
  return others as never
}

/** Does a step; answers what the call gave. What netpath does not have throws. */
export function doStep(run: Run, step: Step): Result {
  if ('rx' in step) return rx(run, step)
  if ('send' in step) return send(run, step)
  if ('recv' in step) return receiveStep(run, step)
  if ('open' in step) return open(run, step)
  if ('bind' in step) return done(() => socketOf(run, step.bind).socket.bind(addressOf(step.to)))
  if ('connect' in step) {
    return done(() => socketOf(run, step.connect).socket.connect(step.to === null ? null : addressOf(step.to)))
  }
  if ('shutdown' in step) return done(() => socketOf(run, step.shutdown).socket.shutdown(step.how))
  if ('close' in step) return closeSocket(run, step.close)
  if ('setsockopt' in step) return setOption(socketOf(run, step.setsockopt), step.option, step.value)
  if ('getsockopt' in step) return getOption(run, step)
  if ('getsockname' in step) return named(run, step.getsockname)
  if ('sysctl' in step) return sysctls(run, step.sysctl)
  if ('route' in step) return done(() => run.host.route[step.route](rest(step, 'route') as never))
  if ('rule' in step) return done(() => run.host.rule[step.rule](rest(step, 'rule') as never))
  if ('neigh' in step) return done(() => run.host.neigh[step.neigh](rest(step, 'neigh') as never))
  if ('address' in step) return done(() => run.host.addr[step.address](step.dev, step.value))
  if ('link' in step) return link(run, step)
  if ('lookup' in step) return lookup(run, step)
  if ('show' in step) {
    if (step.show === 'neighbours') return { neighbours: neighbours(run.host) }
    return { fib: run.host.route.list().map(fibEntry) }
  }
  if ('wait' in step) return {}
  throw Object.assign(new Error(`the step ${Object.keys(step).join(', ')} is beyond this netpath`), {
    code: 'EOPNOTSUPP',
  })
}
