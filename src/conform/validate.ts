/**
 * Is this JSON a scenario? Checks what a run relies on (kinds, names, byte strings, one verb in each step) and says
 * where the first fault is. Members that nothing knows are ignored, as the recorder ignores them.
 */
import { isByteText } from './bytestr.ts'

export const VERBS = [
  ...['rx', 'send', 'recv', 'open', 'bind', 'connect', 'accept', 'shutdown', 'close'],
  ...['setsockopt', 'getsockopt', 'getsockname', 'sysctl', 'route', 'rule', 'neigh', 'address', 'link', 'iptables'],
  ...['lookup', 'show', 'wait'],
] as const

const SOCKET_TYPES = ['udp', 'tcp', 'raw', 'packet', 'ping']
const CHOICES: Record<string, string[]> = {
  shutdown: ['RD', 'WR', 'RDWR'],
  route: ['add', 'append', 'prepend', 'replace', 'change', 'del'],
  rule: ['add', 'del'],
  neigh: ['add', 'replace', 'del'],
  address: ['add', 'del'],
  show: ['neighbours', 'fib'],
}

type Json = Record<string, unknown>
type Kind = 'string' | 'number' | 'boolean' | 'object' | 'array' | 'bytes'

/** Thrown inside, caught by `faultOf`. */
class Fault extends Error {}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return value === null ? 'null' : typeof value
}

function fault(where: string, message: string): never {
  throw new Fault(where ? `${where}: ${message}` : message)
}

function is(value: unknown, kind: Kind, where: string): void {
  if (kind === 'bytes') {
    if (!isByteText(value)) fault(where, 'not a byte string')
  } else if (kindOf(value) !== kind)
    fault(where, `should be ${kind}, is ${value === undefined ? 'missing' : kindOf(value)}`)
}

/** Checks named members; a name that ends in `?` may be missing. */
function members(value: unknown, where: string, kinds: Record<string, Kind>): Json {
  is(value, 'object', where)
  const object = value as Json
  for (const [key, kind] of Object.entries(kinds)) {
    const name = key.replace('?', '')
    if (name !== key && object[name] === undefined) continue
    is(object[name], kind, where ? `${where}.${name}` : name)
  }
  return object
}

function each(value: unknown, where: string, check: (item: unknown, where: string) => void): void {
  if (value === undefined) return
  is(value, 'array', where)
  for (const [i, item] of (value as unknown[]).entries()) check(item, `${where}[${i}]`)
}

function oneOf(value: unknown, choices: readonly string[], where: string): void {
  if (!choices.includes(value as string)) fault(where, `${JSON.stringify(value)} is none of ${choices.join(', ')}`)
}

function address(value: unknown, where: string): void {
  if (typeof value !== 'string') members(value, where, { address: 'string' })
}

const device = (value: unknown, where: string): void => {
  const d = members(value, where, { name: 'string', mac: 'string', 'mtu?': 'number', 'txqueuelen?': 'number' })
  members(d, where, { 'features?': 'object', 'qdisc?': 'object', 'offload?': 'array' })
  each(d.addresses, `${where}.addresses`, address)
}
const neighbour = (value: unknown, where: string): void =>
  void members(value, where, { dev: 'string', ip: 'string', 'mac?': 'string', 'state?': 'string' })
const route = (value: unknown, where: string): void =>
  void members(value, where, { to: 'string', 'via?': 'string', 'dev?': 'string', 'nexthops?': 'array' })
const rule = (value: unknown, where: string): void => void members(value, where, { priority: 'number' })
const iptablesRule = (value: unknown, where: string): void =>
  void members(value, where, {
    chain: 'string',
    'table?': 'string',
    'match?': 'object',
    'target?': 'string',
    'args?': 'object',
  })

function socket(value: unknown, where: string): void {
  const s = members(value, where, { name: 'string', type: 'string', 'listen?': 'number', 'options?': 'object' })
  oneOf(s.type, SOCKET_TYPES, `${where}.type`)
}

function host(value: unknown): void {
  const h = members(value, 'host', { 'sysctl?': 'object', 'policies?': 'object', 'chains?': 'array', 'lo?': 'boolean' })
  each(h.devices, 'host.devices', device)
  each(h.lo_addresses, 'host.lo_addresses', address)
  each(h.neighbours, 'host.neighbours', neighbour)
  each(h.rules, 'host.rules', rule)
  each(h.routes, 'host.routes', route)
  each(h.iptables, 'host.iptables', iptablesRule)
  each(h.sockets, 'host.sockets', socket)
}

function rxFrame(value: unknown, where: string): void {
  if (typeof value === 'string') is(value, 'bytes', where)
  else members(value, where, { bytes: 'bytes', 'vnet?': 'object' })
}

const DETAILS: Partial<Record<(typeof VERBS)[number], (step: Json, where: string) => void>> = {
  rx(step, where) {
    members(step, where, { frames: 'array' })
    each(step.frames, `${where}.frames`, rxFrame)
  },
  send: (step, where) => void members(step, where, { 'data?': 'bytes', 'flags?': 'array', 'cmsg?': 'object' }),
  recv: (step, where) => void members(step, where, { 'max?': 'number', 'flags?': 'array' }),
  open: (step, where) => socket(step.open, `${where}.open`),
  accept: (step, where) => void members(step, where, { as: 'string' }),
  shutdown: (step, where) => oneOf(step.how, CHOICES.shutdown, `${where}.how`),
  setsockopt: (step, where) => void members(step, where, { option: 'string' }),
  getsockopt: (step, where) => void members(step, where, { option: 'string' }),
  route,
  rule,
  neigh: neighbour,
  address(step, where) {
    members(step, where, { dev: 'string' })
    address(step.value, `${where}.value`)
  },
  iptables: (step, where) => each(step.iptables, `${where}.iptables`, iptablesRule),
  lookup: (step, where) => each(step.lookup, `${where}.lookup`, (q, at) => void members(q, at, { to: 'string' })),
}
const VALUE_KINDS: Partial<Record<(typeof VERBS)[number], Kind>> = {
  open: 'object',
  sysctl: 'object',
  iptables: 'array',
  lookup: 'array',
  wait: 'number',
}

function step(value: unknown, where: string): void {
  const s = members(value, where, { 'settle?': 'number', 'wait?': 'number', 'unordered?': 'boolean' })
  const verbs = VERBS.filter((verb) => verb in s && verb !== 'wait')
  const verb = verbs[0] ?? ('wait' in s ? 'wait' : undefined)
  if (!verb) fault(where, `no step that is known in {${Object.keys(s).join(', ')}}`)
  if (verbs.length > 1) fault(where, `one step cannot be both ${verbs[0]} and ${verbs[1]}`)
  is(s[verb], VALUE_KINDS[verb] ?? 'string', `${where}.${verb}`)
  if (verb !== 'shutdown' && CHOICES[verb]) oneOf(s[verb], CHOICES[verb], `${where}.${verb}`)
  DETAILS[verb]?.(s, where)
}

function expectation(value: unknown, steps: number): void {
  const e = members(value, 'expect', {
    steps: 'array',
    'counters?': 'object',
    'devices?': 'object',
    'neighbours?': 'array',
  })
  members(e, 'expect', { 'iptables?': 'object', 'socket_drops?': 'object', 'unstable?': 'array' })
  const count = (e.steps as unknown[]).length
  if (count !== steps) fault('expect.steps', `${count} entries for ${steps} steps`)
  each(e.steps, 'expect.steps', (item, where) => {
    members(item, where, { 'tx?': 'object', 'sockets?': 'object', 'counters?': 'object', 'drops?': 'object' })
  })
}

function scenario(value: unknown): void {
  const s = members(value, '', { schema: 'number', name: 'string', 'area?': 'string', 'settle?': 'number' })
  if (s.schema !== 1) fault('schema', `${s.schema} is not known, only 1`)
  host(s.host)
  is(s.steps, 'array', 'steps')
  each(s.steps, 'steps', step)
  if (s.expect !== undefined) expectation(s.expect, (s.steps as unknown[]).length)
}

/** Where and why the value is not a scenario, or null when it is one. */
export function faultOf(value: unknown): string | null {
  try {
    scenario(value)
    return null
  } catch (error) {
    if (error instanceof Fault) return error.message
    throw error
  }
}
