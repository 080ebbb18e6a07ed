// ip nexthop: next hops and groups of them with an id, that routes refer to (nhid), as ip-nexthop(8) words them.
// Mirrors rtm_to_nh_config and nh_fill_node of net/ipv4/nexthop.c.

import { RTNH_F_ONLINK } from '../../../assembly/uapi/rtnetlink.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { NamespaceState } from '../../kernel/state.ts'
import type { Core } from '../../wasm/core.ts'
import type { Ptr } from '../../wasm/abi.ts'
import { formatIPv4, integer, parseIPv4 } from '../../wasm/encode.ts'
import { invalid, systemError } from '../../wasm/errors.ts'
import { deviceName, requireDevice } from '../dev.ts'
import { extackMessage } from './extack.ts'
import { PROTOCOLS, SCOPES, numberOf, wordOf } from './names.ts'

/** A nexthop: a device (and gateway), a blackhole, or a group of nexthops. */
export interface NexthopObjectSpec {
  /** 1 to 2^32 - 1; the next free one unless given. */
  id?: number
  via?: string
  dev?: string
  /** The gateway is on the link whatever the addresses say. */
  onlink?: boolean
  /** What is sent to it is refused. */
  blackhole?: boolean
  /** At most 4096. */
  group?: readonly NexthopMember[]
  /** Of a group: 'mpath', which is all there is (hash-threshold). */
  type?: 'mpath'
  /** 'unspec' unless given. */
  protocol?: string | number
}

export interface NexthopMember {
  id: number
  /** 1 to 65535, 1 unless given. */
  weight?: number
}

/** A nexthop as the kernel has it; what is not there is undefined. */
export interface NexthopObjectInfo {
  id: number
  protocol: string
  scope: string
  via?: string
  dev?: string
  flags: string[]
  blackhole?: true
  group?: Required<NexthopMember>[]
  type?: 'mpath'
}

export type NexthopVerb = 'add' | 'replace'

/** NLM_F_* of the requests. */
const VERBS: Readonly<Record<NexthopVerb, number>> = { add: 0x600, replace: 0x500 }
const NEW = 'RTM_NEWNEXTHOP'
const ID_MAX = 4294967295
/** More next hops than this do not fit where a route is told. */
const MEMBERS_MAX = 4096

/** Words of a struct nh_config before its members, of a record before its members. */
const CONFIG_WORDS = 9
const RECORD_WORDS = 9

function membersOf(spec: NexthopObjectSpec): number[] {
  if (!spec.group) {
    if (spec.type !== undefined) throw invalid(NEW, 'type: only a group has one')
    return []
  }
  if (spec.type !== undefined && spec.type !== 'mpath') {
    throw systemError('EOPNOTSUPP', NEW, `type ${String(spec.type)}: groups are of type mpath`)
  }
  if (spec.group.length === 0) throw invalid(NEW, 'group: Invalid length for nexthop group attribute.')
  if (spec.group.length > MEMBERS_MAX)
    throw invalid(NEW, `group has ${spec.group.length} members, at most ${MEMBERS_MAX} fit`)
  return spec.group.flatMap(({ id, weight = 1 }) => [
    integer(id, 1, ID_MAX, 'id of a group member', NEW),
    integer(weight, 1, 65535, 'weight', NEW),
  ])
}

function encode(namespace: NamespaceState, verb: NexthopVerb, spec: NexthopObjectSpec): number[] {
  const members = membersOf(spec)
  return [
    spec.id === undefined ? 0 : integer(spec.id, 1, ID_MAX, 'id', NEW),
    numberOf(PROTOCOLS, spec.protocol ?? 0, 255, 'protocol', NEW),
    spec.onlink ? RTNH_F_ONLINK : 0,
    spec.blackhole ? 1 : 0,
    spec.dev === undefined ? 0 : requireDevice(namespace, spec.dev, NEW).ifindex,
    spec.via === undefined ? 0 : parseIPv4(spec.via, NEW),
    spec.via === undefined ? 0 : 1,
    VERBS[verb],
    members.length / 2,
    ...members,
  ]
}

function refusal(core: Core, result: number, syscall: string, what: string): Error {
  const why = extackMessage(core.memory.readU32(core.boot('extack')))
  return systemError(result, syscall, why ? `${what}: ${why}` : what)
}

/**
 * Adds or replaces a nexthop; answers its id. What routes use it follows a replacement. EEXIST (add), EINVAL, ENODEV,
 * ENETDOWN (device or carrier), ENETUNREACH (the gateway is on no link), EOPNOTSUPP (resilient groups).
 */
export function changeNexthop(
  machine: Machine,
  namespace: NamespaceState,
  verb: NexthopVerb,
  spec: NexthopObjectSpec,
): number {
  const words = encode(namespace, verb, spec)
  return inProcess(machine, () => {
    const { core } = machine
    core.assertFits(4 * Math.max(words.length, CONFIG_WORDS), NEW)
    words.forEach((word, i) => core.memory.writeU32(core.callBuffer + 4 * i, word))
    const result = core.exports.rtm_new_nexthop(namespace.net, core.callBuffer)
    if (result < 0) throw refusal(core, result, NEW, `nexthop ${spec.id ?? 'without id'}`)
    return core.memory.readU32(core.callBuffer)
  })
}

/** Deletes a nexthop and the routes that use it; it leaves its groups, which end with their last member. ENOENT. */
export function delNexthop(machine: Machine, namespace: NamespaceState, id: number): void {
  const syscall = 'RTM_DELNEXTHOP'
  const wanted = integer(id, 1, ID_MAX, 'id', syscall)
  inProcess(machine, () => {
    const { core } = machine
    const result = core.exports.rtm_del_nexthop(namespace.net, wanted)
    if (result < 0) throw refusal(core, result, syscall, `nexthop ${wanted}`)
  })
}

function decode(core: Core, namespace: NamespaceState, at: Ptr): NexthopObjectInfo {
  const word = (i: number): number => core.memory.readU32(at + 4 * i)
  const oif = word(6)
  const via = word(7)
  const group = Array.from({ length: word(8) }, (_, i) => ({
    id: word(RECORD_WORDS + 2 * i),
    weight: word(RECORD_WORDS + 2 * i + 1),
  }))
  return {
    id: word(1),
    protocol: word(2) === 0 ? 'unspec' : wordOf(PROTOCOLS, word(2)),
    scope: wordOf(SCOPES, word(3)),
    ...(via && { via: formatIPv4(via) }),
    ...(oif && { dev: deviceName(namespace, oif) }),
    flags: word(4) & RTNH_F_ONLINK ? ['onlink'] : [],
    ...(word(5) && { blackhole: true as const }),
    ...(group.length && { group, type: 'mpath' as const }),
  }
}

/** One nexthop. ENOENT. */
export function getNexthop(machine: Machine, namespace: NamespaceState, id: number): NexthopObjectInfo {
  const syscall = 'RTM_GETNEXTHOP'
  const wanted = integer(id, 1, ID_MAX, 'id', syscall)
  const { core } = machine
  return inProcess(machine, () => {
    const result = core.exports.rtm_get_nexthop(namespace.net, wanted, core.resultBuffer)
    if (result < 0) throw systemError(result, syscall, `nexthop ${wanted}`)
    return decode(core, namespace, core.resultBuffer)
  })
}

/** All nexthops by their ids. */
export function listNexthops(machine: Machine, namespace: NamespaceState): NexthopObjectInfo[] {
  const { core } = machine
  return inProcess(machine, () => {
    const found: NexthopObjectInfo[] = []
    const out = core.resultBuffer
    let next = 0
    let bytes = core.exports.rtm_dump_nexthop(namespace.net, out, core.halfBuffer, next)
    while (bytes > 0) {
      for (let at = out; at < out + bytes; at += core.memory.readU32(at)) found.push(decode(core, namespace, at))
      next = found.at(-1)!.id + 1
      bytes = next > ID_MAX ? 0 : core.exports.rtm_dump_nexthop(namespace.net, out, core.halfBuffer, next)
    }
    return found
  })
}
