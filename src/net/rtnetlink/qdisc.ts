// tc qdisc: queueing disciplines of a device. Mirrors tc_modify_qdisc, tc_get_qdisc and tc_dump_qdisc of net/sched/sch_api.c,
// with tc's words, units and defaults (iproute2's tc/tc_qdisc.c).

import * as uapi from '../../../assembly/uapi/pkt_sched.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { DeviceState, NamespaceState } from '../../kernel/state.ts'
import type { Core } from '../../wasm/core.ts'
import { systemError } from '../../wasm/errors.ts'
import { requireDevice } from '../dev.ts'
import { extackMessage } from '../sched/extack.ts'
import { KINDS, kindName } from '../sched/kinds.ts'
import type { Options, Words } from '../sched/kind.ts'
import { type Word, formatClassid, parseClassid, parseHandle } from '../sched/units.ts'

/** A qdisc as `tc qdisc add dev DEV [root | parent CLASS] [handle HANDLE] KIND OPTIONS` words it. */
export interface QdiscSpec {
  dev: string
  /** A class such as '1:2'; 'root' unless given. null: only the handle says which. */
  parent?: string | null
  handle?: string
  /** tbf, fq, netem ... */
  kind: string
  /** What the kind takes, in tc's words and units: {rate: '80kbit', burst: '1600', limit: 10000}. */
  readonly [option: string]: Word | boolean | readonly Word[] | null | undefined
}

/** Which qdisc is to go. */
export interface QdiscName {
  dev: string
  parent?: string | null
  handle?: string
  kind?: string
}

/** A qdisc as `tc -s -j qdisc show` tells of it. */
export interface QdiscInfo {
  kind: string
  handle: string
  root?: true
  parent?: string
  dev: string
  refcnt: number
  options: Record<string, unknown>
  bytes: number
  packets: number
  drops: number
  overlimits: number
  requeues: number
  backlog: number
  qlen: number
  /** What the kind counts itself. */
  [more: string]: unknown
}

/** A class as `tc -s class show` tells of it. */
export interface ClassInfo {
  class: string
  handle: string
  parent: string
  dev: string
  leaf?: string
  bytes: number
  packets: number
  drops: number
  overlimits: number
  requeues: number
  backlog: number
  qlen: number
}

export type QdiscVerb = 'add' | 'change' | 'replace' | 'link'

const FLAGS: Readonly<Record<QdiscVerb, number>> = {
  add: uapi.NLM_F_CREATE | uapi.NLM_F_EXCL,
  change: 0,
  replace: uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE,
  link: uapi.NLM_F_REPLACE,
}

const ROOT = 0xffffffff
const ANY_KIND = 0xffffffff

const parentOf = (parent: string | null | undefined): number => (parent === null ? 0 : parseClassid(parent ?? 'root'))

/** Tables lie in the call buffer behind the options. */
const TABLES_AT = 1024

/** Lays options into the call buffer: which are given, then 64 words (assembly/net/sched/options.ts). 0: none. */
function writeOptions(core: Core, words: Words | undefined, tables?: ReadonlyMap<number, readonly number[]>): number {
  if (!words) return 0
  const at = core.callBuffer
  let free = at + TABLES_AT
  for (const [id, table] of tables ?? []) {
    core.memory.write(free, new Uint8Array(Int16Array.from(table).buffer))
    words.set(id, BigInt(free)).set(id + 1, BigInt(table.length))
    free += 2 * table.length
  }
  const { data } = core.memory.views
  core.memory.fill(at, 8 + 8 * 64)
  let given = 0n
  for (const [id, value] of words) {
    given |= 1n << BigInt(id)
    data.setBigUint64(at + 8 + 8 * id, BigInt.asUintN(64, value), true)
  }
  data.setBigUint64(at, given, true)
  return at
}

/** Throws what the kernel said. */
function checkedRequest(core: Core, result: number, syscall: string): void {
  if (result < 0) throw systemError(result, syscall, extackMessage(core.memory.readU32(core.boot('extack'))))
}

/** ENOENT, EINVAL, EEXIST, EOPNOTSUPP, ELOOP, ENODEV; nothing changes then. */
export function changeQdisc(machine: Machine, namespace: NamespaceState, verb: QdiscVerb, spec: QdiscSpec): void {
  const syscall = 'RTM_NEWQDISC'
  const { dev, parent, handle, kind: name, ...options } = spec
  const device = requireDevice(namespace, dev, syscall)
  const at = parentOf(parent)
  const id = handle === undefined ? 0 : parseHandle(handle)
  const kind = KINDS[name]
  if (!kind) throw systemError('ENOENT', syscall, `${name}: Specified qdisc kind is unknown.`)
  const words = kind.parse(options as Options)
  const tables = kind.tables?.(options as Options)
  inProcess(machine, () => {
    const { core } = machine
    const opt = writeOptions(core, words, tables)
    checkedRequest(core, core.exports.tc_modify_qdisc(device.ptr, at, id, kind.id, FLAGS[verb], opt), syscall)
  })
}

/** ENOENT, EINVAL, EOPNOTSUPP, ENODEV. */
export function delQdisc(machine: Machine, namespace: NamespaceState, which: QdiscName): void {
  const syscall = 'RTM_DELQDISC'
  const device = requireDevice(namespace, which.dev, syscall)
  const at = parentOf(which.parent)
  const id = which.handle === undefined ? 0 : parseHandle(which.handle)
  const kind = which.kind === undefined ? ANY_KIND : (KINDS[which.kind]?.id ?? uapi.QDISC_MAX)
  inProcess(machine, () => {
    const { core } = machine
    checkedRequest(core, core.exports.tc_del_qdisc(device.ptr, at, id, kind), syscall)
  })
}

function word32(core: Core, at: number, word: number): number {
  return core.memory.readU32(at + 4 * word)
}

function statsAt(core: Core, at: number) {
  return {
    bytes: core.memory.readU64(at + uapi.DUMP_BYTES),
    packets: core.memory.readU64(at + uapi.DUMP_PACKETS),
    drops: word32(core, at, uapi.DUMP_DROPS),
    overlimits: word32(core, at, uapi.DUMP_OVERLIMITS),
    requeues: word32(core, at, uapi.DUMP_REQUEUES),
    backlog: word32(core, at, uapi.DUMP_BACKLOG),
    qlen: word32(core, at, uapi.DUMP_QLEN),
  }
}

function decodeQdisc(core: Core, at: number, dev: string): QdiscInfo {
  const name = kindName(word32(core, at, uapi.DUMP_KIND))
  const parent = word32(core, at, uapi.DUMP_PARENT)
  const { data } = core.memory.views
  const words = (id: number): bigint => data.getBigUint64(at + uapi.DUMP_OPTIONS + 8 * id, true)
  const kind = KINDS[name]
  const handle = word32(core, at, uapi.DUMP_HANDLE)
  return {
    kind: name,
    handle: `${(handle >>> 16).toString(16)}:`,
    dev,
    ...(parent === ROOT ? { root: true as const } : { parent: formatClassid(parent) }),
    refcnt: word32(core, at, uapi.DUMP_REFCNT),
    options: kind?.show(words) ?? {},
    ...statsAt(core, at),
    ...kind?.stats?.(words),
  }
}

function listDevice(machine: Machine, device: DeviceState, invisible: boolean): QdiscInfo[] {
  const { core } = machine
  return inProcess(machine, () => {
    const out = core.resultBuffer
    const max = Math.floor(core.halfBuffer / uapi.DUMP_SIZE)
    const count = core.exports.tc_dump_qdisc(device.ptr, out, max, invisible ? 1 : 0)
    return Array.from({ length: count }, (_, i) => decodeQdisc(core, out + i * uapi.DUMP_SIZE, device.name))
  })
}

/** The qdiscs of a device or of all, in the order of a dump. ENODEV. */
export function listQdiscs(
  machine: Machine,
  namespace: NamespaceState,
  dev: string | undefined,
  invisible: boolean,
): QdiscInfo[] {
  const devices = dev === undefined ? namespace.devices : [requireDevice(namespace, dev, 'RTM_GETQDISC')]
  return devices.flatMap((device) => listDevice(machine, device, invisible))
}

/** The classes of a device's qdisc. ENODEV, ENOENT. */
export function listClasses(machine: Machine, namespace: NamespaceState, dev: string, handle: string): ClassInfo[] {
  const syscall = 'RTM_GETTCLASS'
  const device = requireDevice(namespace, dev, syscall)
  const id = parseHandle(handle)
  const { core } = machine
  return inProcess(machine, () => {
    const out = core.resultBuffer
    const count = core.exports.tc_dump_tclass(device.ptr, id, out, Math.floor(core.halfBuffer / uapi.DUMP_SIZE))
    if (count < 0) throw systemError(count, syscall, handle)
    return Array.from({ length: count }, (_, i) => {
      const at = out + i * uapi.DUMP_SIZE
      const leaf = word32(core, at, uapi.DUMP_LEAF)
      const parent = word32(core, at, uapi.DUMP_PARENT)
      return {
        class: kindName(word32(core, at, uapi.DUMP_KIND)),
        handle: formatClassid(word32(core, at, uapi.DUMP_HANDLE)),
        parent: parent === ROOT ? 'root' : formatClassid(parent),
        dev,
        ...(leaf && { leaf: formatClassid(leaf) }),
        ...statsAt(core, at),
      }
    })
  })
}
