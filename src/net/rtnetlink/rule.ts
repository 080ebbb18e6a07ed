// ip rule: which table a look-up asks. Mirrors fib_nl_newrule and fib_nl_delrule of net/core/fib_rules.c, fib4_rule_*.

import { EINVAL } from '../../../assembly/uapi/errno.ts'
import * as rt from '../../../assembly/uapi/rtnetlink.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { NamespaceState } from '../../kernel/state.ts'
import type { Layout, Ptr } from '../../wasm/abi.ts'
import type { Core } from '../../wasm/core.ts'
import { encodeIfname, formatPrefix, integer, parsePrefix } from '../../wasm/encode.ts'
import { checked, invalid } from '../../wasm/errors.ts'
import { IP_PROTOCOLS, TABLES, numberOf, wordOf } from './names.ts'

type RuleField = keyof Layout['fib_rule']

/** A rule, as ip-rule(8) words it. */
export interface RuleSpec {
  /** Chosen by the kernel unless given. */
  priority?: number
  not?: boolean
  from?: string
  to?: string
  iif?: string
  oif?: string
  tos?: number | string
  /** A mark, or 'mark/mask'. */
  fwmark?: number | string
  /** A number, or tcp, udp, icmp. */
  ipproto?: number | string
  /** A port, 'first-last', or 'port/mask' (decimal or 0x...). */
  sport?: number | string
  dport?: number | string
  /** Bits of the DSCP, 0 to 63 (not the TOS byte), all of them or 'dscp/mask'. */
  dscp?: number | string
  /** 'first-last' of the senders' user ids. */
  uidrange?: string
  /** 'main' unless there is an action. */
  table?: number | string
  action?: 'blackhole' | 'unreachable' | 'prohibit' | 'nop' | (string & {})
  /** Priority of the rule to go on with. */
  goto?: number
  suppress_prefixlength?: number
}

const ACTIONS: Readonly<Record<string, number>> = {
  table: rt.FR_ACT_TO_TBL,
  goto: rt.FR_ACT_GOTO,
  nop: rt.FR_ACT_NOP,
  blackhole: rt.FR_ACT_BLACKHOLE,
  unreachable: rt.FR_ACT_UNREACHABLE,
  prohibit: rt.FR_ACT_PROHIBIT,
}

/** A rule in the core's terms: fields of struct fib_rule, names of devices, and a bit 1 << FRA_* for what was named. */
interface Encoded {
  fields: Partial<Record<RuleField, number>>
  iif: Uint8Array | undefined
  oif: Uint8Array | undefined
  given: number
}

/** 'value/mask': undefined when there is no mask. */
function masked(value: number | string, most: number, what: string, syscall: string): [number, number] | undefined {
  const match = /^(\w+)\/(\w+)$/.exec(String(value))
  if (!match) return undefined
  return [
    integer(Number(match[1]), 0, most, what, syscall),
    integer(Number(match[2]), 0, most, `mask of ${what}`, syscall),
  ]
}

function ports(
  value: number | string | undefined,
  what: string,
  syscall: string,
): [first: number, last: number, mask: number] {
  if (value === undefined) return [0, 0, 0]
  const under = masked(value, 65535, what, syscall)
  if (under) return [under[0], under[0], under[1]]
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(value))
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? first)
  if (!match || last > 65535 || first > last || first === 0) {
    throw invalid(syscall, `${what} is a port or 'first-last', not ${value}`)
  }
  return [first, last, 0]
}

/** The DSCP as it lies in the TOS byte, and its mask if one is given. */
function dscpOf(value: number | string | undefined, syscall: string): [dscp: number, mask: number | undefined] {
  if (value === undefined) return [0, undefined]
  const [dscp, mask] = masked(value, 63, 'dscp', syscall) ?? [integer(Number(value), 0, 63, 'dscp', syscall), undefined]
  return [dscp << 2, mask === undefined ? undefined : mask << 2]
}

function uidsOf(value: string | undefined, syscall: string): [first: number, last: number] {
  if (value === undefined) return [0, 0]
  const match = /^(\d{1,10})-(\d{1,10})$/.exec(value)
  if (!match) throw invalid(syscall, `uidrange is 'first-last', not ${value}`)
  return [
    integer(Number(match[1]), 0, 4294967295, 'uidrange', syscall),
    integer(Number(match[2]), 0, 4294967295, 'uidrange', syscall),
  ]
}

function markOf(value: number | string | undefined, syscall: string): { mark: number; mask: number | undefined } {
  if (value === undefined) return { mark: 0, mask: undefined }
  const [mark, mask] = String(value).split('/').map(Number)
  const all = 4294967295
  return {
    mark: integer(mark, 0, all, 'fwmark', syscall),
    mask: mask === undefined ? undefined : integer(mask, 0, all, 'mask of fwmark', syscall),
  }
}

function actionOf(spec: RuleSpec, syscall: string): number {
  if (spec.goto !== undefined) return rt.FR_ACT_GOTO
  return numberOf(ACTIONS, spec.action ?? 'table', rt.FR_ACT_MAX, 'action', syscall)
}

function tosOf(value: number | string | undefined, syscall: string): number {
  return integer(typeof value === 'string' ? Number(value) : (value ?? 0), 0, 255, 'tos', syscall)
}

/** A bit for each attribute whose absence means something else than 0. */
function givenOf(spec: RuleSpec, mask: number | undefined): number {
  const named: readonly (readonly [boolean, number])[] = [
    [spec.priority !== undefined, rt.FRA_PRIORITY],
    [spec.fwmark !== undefined, rt.FRA_FWMARK],
    [mask !== undefined, rt.FRA_FWMASK],
    [spec.suppress_prefixlength !== undefined, rt.FRA_SUPPRESS_PREFIXLEN],
    [spec.goto !== undefined, rt.FRA_GOTO],
    [spec.iif !== undefined, rt.FRA_IIFNAME],
    [spec.oif !== undefined, rt.FRA_OIFNAME],
    [spec.from !== undefined, rt.FRA_SRC],
    [spec.to !== undefined, rt.FRA_DST],
    [spec.ipproto !== undefined, rt.FRA_IP_PROTO],
    [spec.sport !== undefined, rt.FRA_SPORT_RANGE],
    [spec.dport !== undefined, rt.FRA_DPORT_RANGE],
    [String(spec.sport).includes('/'), rt.FRA_SPORT_MASK],
    [String(spec.dport).includes('/'), rt.FRA_DPORT_MASK],
    [spec.dscp !== undefined, rt.FRA_DSCP],
    [String(spec.dscp).includes('/'), rt.FRA_DSCP_MASK],
    [spec.uidrange !== undefined, rt.FRA_UID_RANGE],
  ]
  return named.reduce((bits, [is, attribute]) => (is ? bits | (1 << attribute) : bits), 0)
}

function encode(verb: 'add' | 'del', spec: RuleSpec, syscall: string): Encoded {
  const src = parsePrefix(spec.from ?? 'all', syscall, 'from')
  const dst = parsePrefix(spec.to ?? 'all', syscall, 'to')
  const { mark, mask } = markOf(spec.fwmark, syscall)
  const action = actionOf(spec, syscall)
  const table = spec.table ?? (action === rt.FR_ACT_TO_TBL ? 'main' : 0)
  const [sportFirst, sportLast, sportMask] = ports(spec.sport, 'sport', syscall)
  const [dportFirst, dportLast, dportMask] = ports(spec.dport, 'dport', syscall)
  const [dscp, dscpMask] = dscpOf(spec.dscp, syscall)
  const [uidFirst, uidLast] = uidsOf(spec.uidrange, syscall)
  const all = 4294967295
  return {
    fields: {
      pref: integer(spec.priority ?? 0, 0, all, 'priority', syscall),
      flags: spec.not ? rt.FIB_RULE_INVERT : 0,
      table: numberOf(TABLES, table, all, 'table', syscall),
      action,
      proto: verb === 'add' ? rt.RTPROT_BOOT : rt.RTPROT_UNSPEC,
      ip_proto: spec.ipproto === undefined ? 0 : numberOf(IP_PROTOCOLS, spec.ipproto, 255, 'ipproto', syscall),
      src_len: src.length,
      dst_len: dst.length,
      dscp: spec.dscp === undefined ? tosOf(spec.tos, syscall) : dscp,
      dscp_mask: dscpMask ?? 0,
      src: src.address,
      dst: dst.address,
      mark,
      mark_mask: mask ?? 0,
      target: integer(spec.goto ?? 0, 0, all, 'goto', syscall),
      suppress_prefixlen: integer(spec.suppress_prefixlength ?? -1, -1, 32, 'suppress_prefixlength', syscall),
      sport_start: sportFirst,
      sport_end: sportLast,
      sport_mask: sportMask,
      dport_start: dportFirst,
      dport_end: dportLast,
      dport_mask: dportMask,
      uid_start: uidFirst,
      uid_end: uidLast,
      uid_set: spec.uidrange === undefined ? 0 : 1,
    },
    iif: spec.iif === undefined ? undefined : encodeIfname(spec.iif, syscall, 'iif'),
    oif: spec.oif === undefined ? undefined : encodeIfname(spec.oif, syscall, 'oif'),
    given: givenOf(spec, mask),
  }
}

const BYTES: ReadonlySet<string> = new Set(['action', 'proto', 'ip_proto', 'src_len', 'dst_len', 'dscp', 'dscp_mask'])
const HALVES: ReadonlySet<string> = new Set([
  'sport_start',
  'sport_end',
  'sport_mask',
  'dport_start',
  'dport_end',
  'dport_mask',
])

function writeRule(core: Core, { fields, iif, oif }: Encoded): Ptr {
  const at = core.callBuffer
  const offsets = core.offsets.fib_rule
  const { data } = core.memory.views
  core.memory.fill(at, core.constants.SIZE_fib_rule)
  for (const [name, value] of Object.entries(fields)) {
    const p = at + offsets[name as RuleField]
    if (BYTES.has(name)) data.setUint8(p, value)
    else if (HALVES.has(name)) data.setUint16(p, value, true)
    else data.setInt32(p, value | 0, true)
  }
  if (iif) core.memory.write(at + offsets.iifname0, iif)
  if (oif) core.memory.write(at + offsets.oifname0, oif)
  return at
}

const NLM_F_EXCL_CREATE = 0x600

/** What of a rule was refused, for people. */
function ruleFault(spec: RuleSpec, result: number): string {
  const priority = `priority ${spec.priority ?? '(any)'}`
  if (result !== -EINVAL) return priority
  if (tosOf(spec.tos, '') & 3) return `${priority}: tos ${spec.tos} has bits of ECN`
  if (spec.goto !== undefined) return `${priority}: goto ${spec.goto} does not lead forward`
  if (spec.action === 'goto') return `${priority}: goto is missing`
  return priority
}

/** Adds or deletes a rule. EEXIST, ENOENT, EPERM, EINVAL. */
export function changeRule(machine: Machine, namespace: NamespaceState, verb: 'add' | 'del', spec: RuleSpec): void {
  const syscall = verb === 'add' ? 'RTM_NEWRULE' : 'RTM_DELRULE'
  const encoded = encode(verb, spec, syscall)
  inProcess(machine, () => {
    const { core } = machine
    const rule = writeRule(core, encoded)
    const result =
      verb === 'add'
        ? core.exports.fib_newrule(namespace.net, rule, encoded.given, NLM_F_EXCL_CREATE)
        : core.exports.fib_delrule(namespace.net, rule, encoded.given)
    checked(result, syscall, ruleFault(spec, result))
  })
}

/** A rule as the kernel has it. */
export interface RuleInfo {
  priority: number
  not: boolean
  from: string
  to: string
  tos: number
  fwmark: number
  fwmask: number
  iif?: string
  oif?: string
  table: number
  action: string
  /** What the rule names of these; ports as they were given: a port, 'first-last' or 'port/mask'. */
  ipproto?: string
  sport?: string
  dport?: string
  dscp?: string
  uidrange?: string
  goto?: number
  suppress_prefixlength?: number
}

/** First and last port and a mask in the words that name them; undefined: any port. */
function portWords(first: number, last: number, mask: number): string | undefined {
  if (first === 0 && last === 0) return undefined
  if (mask) return `0x${first.toString(16)}/0x${mask.toString(16)}`
  return first === last ? String(first) : `${first}-${last}`
}

/** What only some rules name. */
function moreOf(core: Core, at: Ptr): Partial<RuleInfo> {
  const offsets = core.offsets.fib_rule
  const word = (name: RuleField): number => core.memory.readU32(at + offsets[name])
  const byte = (name: RuleField): number => core.memory.readU8(at + offsets[name])
  const half = (name: RuleField): number => core.memory.readU16(at + offsets[name])
  const sport = portWords(half('sport_start'), half('sport_end'), half('sport_mask'))
  const dport = portWords(half('dport_start'), half('dport_end'), half('dport_mask'))
  const mask = byte('dscp_mask') >> 2
  const dscp = `0x${(byte('dscp') >> 2).toString(16)}`
  const suppress = word('suppress_prefixlen') | 0
  return {
    ...(byte('ip_proto') && { ipproto: wordOf(IP_PROTOCOLS, byte('ip_proto')) }),
    ...(sport !== undefined && { sport }),
    ...(dport !== undefined && { dport }),
    ...(byte('dscp_full') && { dscp: mask === 63 ? dscp : `${dscp}/0x${mask.toString(16)}` }),
    ...(word('uid_set') && { uidrange: `${word('uid_start')}-${word('uid_end')}` }),
    ...(word('target') && { goto: word('target') }),
    ...(suppress >= 0 && { suppress_prefixlength: suppress }),
  }
}

function decodeRule(core: Core, at: Ptr): RuleInfo {
  const offsets = core.offsets.fib_rule
  const word = (name: RuleField): number => core.memory.readU32(at + offsets[name])
  const byte = (name: RuleField): number => core.memory.readU8(at + offsets[name])
  const nameAt = (p: Ptr): string => new TextDecoder().decode(core.memory.slice(p, 16)).replace(/\0.*$/s, '')
  const iif = nameAt(at + offsets.iifname0)
  const oif = nameAt(at + offsets.oifname0)
  return {
    priority: word('pref'),
    not: (word('flags') & rt.FIB_RULE_INVERT) !== 0,
    from: formatPrefix(word('src'), byte('src_len')),
    to: formatPrefix(word('dst'), byte('dst_len')),
    tos: byte('dscp_full') ? 0 : byte('dscp'),
    fwmark: word('mark'),
    fwmask: word('mark_mask'),
    ...(iif && { iif }),
    ...(oif && { oif }),
    ...moreOf(core, at),
    table: word('table'),
    action: Object.keys(ACTIONS).find((name) => ACTIONS[name] === byte('action')) ?? String(byte('action')),
  }
}

/** All rules by priority, the three of a fresh namespace among them. */
export function listRules(machine: Machine, namespace: NamespaceState): RuleInfo[] {
  const { core } = machine
  return inProcess(machine, () => {
    const out = core.resultBuffer
    const size = core.constants.SIZE_fib_rule
    const max = Math.floor(core.halfBuffer / size)
    const count = Math.min(core.exports.fib_rules_dump(namespace.net, out, max), max)
    return Array.from({ length: count }, (_, i) => decodeRule(core, out + i * size))
  })
}
