// Sysctls by Linux's names: reading, writing with Linux's rules, and what a write does besides.
// Mirrors net/ipv4/sysctl_net_ipv4.c, devinet_conf_proc of devinet.c, neigh_proc_update of neighbour.c, kernel/sysctl.c.

import type { Machine } from '../kernel/machine.ts'
import type { DeviceState, NamespaceState } from '../kernel/state.ts'
import {
  IPV4_DEVCONF_ACCEPT_LOCAL,
  IPV4_DEVCONF_ACCEPT_REDIRECTS,
  IPV4_DEVCONF_BC_FORWARDING,
  IPV4_DEVCONF_FORWARDING,
  SYSCTL_IP_FORWARD,
  SYSCTL_IP_LOCAL_PORT_RANGE_LOW,
  SYSCTL_IP_UNPRIVILEGED_PORT_START,
} from '../../assembly/uapi/sysctl.ts'
import type { Ptr } from '../wasm/abi.ts'
import { invalid, systemError } from '../wasm/errors.ts'
import { RESERVED_PORTS, readPorts, writePorts } from './reserved_ports.ts'
import { KINDS } from './sched/kinds.ts'
import * as defaults from './sysctl_defaults.ts'
import {
  flushingSwitches,
  neighSysctls,
  pairSysctls,
  singleSysctls,
  tickSysctls,
  type SysctlRow,
} from './sysctl_table.ts'

const IP_FORWARD = 'net.ipv4.ip_forward'
const INT_MAX = 2147483647
/** Bounds of a C int. */
const ANY_INT: SysctlRow = [0, -2147483648, INT_MAX]
const INTEGER = /^-?(?:0[xX][0-9a-fA-F]+|\d+)$/

/** Hundredths of a second, the unit of times that programs once gave in clock ticks. */
const USER_HZ_MS = 10

/** A time as Linux keeps it, in whole ticks of HZ: milliseconds are rounded up, hundredths of a second down. */
function wholeTicks(ms: number, hz: number, unit: number): number {
  const ticks = (ms * hz) / 1000
  const most = Math.floor((INT_MAX * hz) / 1000)
  return Math.round((Math.min(unit === USER_HZ_MS ? Math.floor(ticks) : Math.ceil(ticks), most) * 1000) / hz)
}

/** One number as the kernel reads it: decimal, 0x hex or 0 octal. NaN when it is none. */
function readInteger(token: string): number {
  if (!INTEGER.test(token)) return Number.NaN
  const negative = token.startsWith('-')
  const digits = negative ? token.slice(1) : token
  const octal = /^0[0-7]+$/.test(digits)
  const value = octal ? parseInt(digits, 8) : /^0\d/.test(digits) ? Number.NaN : Number(digits)
  return negative ? -value : value
}

/** Up to count numbers parted by white space; those beyond are ignored, as Linux does. EINVAL for none, or no number. */
export function parseIntegers(text: string, count: number, name: string): number[] {
  const tokens = text.trim().split(/\s+/).slice(0, count)
  const values = tokens.map(readInteger)
  if (values.some((value) => !Number.isSafeInteger(value))) throw invalid('sysctl', `${name}: '${text}' is no number`)
  return values
}

function assertWithin(value: number, [, min, max]: SysctlRow, name: string): void {
  if (value < min || value > max) throw invalid('sysctl', `${name} is ${min} to ${max}, not ${value}`)
}

function readRow(machine: Machine, namespace: NamespaceState, [id, , max]: SysctlRow): number {
  const value = machine.core.memory.readI32(namespace.net + machine.core.constants.NET_SYSCTL + 4 * id)
  return max > INT_MAX ? value >>> 0 : value
}

/** Where the switches of a scope lie: conf.all, conf.default or a device's; 0: the device has none. */
function switches(machine: Machine, namespace: NamespaceState, scope: DeviceState | 'all' | 'default'): Ptr {
  const { memory, offsets, constants } = machine.core
  if (scope === 'all') return memory.readU32(namespace.net + offsets.net.devconf_all)
  if (scope === 'default') return memory.readU32(namespace.net + offsets.net.devconf_dflt)
  const inDevice = memory.readU32(scope.ptr + offsets.net_device.ip_ptr)
  return inDevice === 0 ? 0 : inDevice + constants.IN_DEV_CNF
}

function readSwitch(
  machine: Machine,
  namespace: NamespaceState,
  scope: DeviceState | 'all' | 'default',
  id: number,
): number {
  const at = switches(machine, namespace, scope)
  return at === 0 ? 0 : machine.core.memory.readI32(at + 4 * id)
}

function storeSwitch(
  machine: Machine,
  namespace: NamespaceState,
  scope: DeviceState | 'all' | 'default',
  id: number,
  value: number,
): void {
  const dev = scope === 'all' ? 0 : scope === 'default' ? 1 : scope.ptr
  if (switches(machine, namespace, scope) !== 0) {
    machine.core.exports.devconf_write(namespace.net, dev, id, value)
  }
}

/** Neighbour parameters of a scope; 0: the device has none. */
function parameters(machine: Machine, namespace: NamespaceState, device: DeviceState | undefined): Ptr {
  const { memory, offsets, constants } = machine.core
  const inDevice = device && memory.readU32(device.ptr + offsets.net_device.ip_ptr)
  if (inDevice === 0) return 0
  const at = inDevice ? inDevice + offsets.in_device.arp_parms : namespace.net + offsets.net.arp_parms
  const parms = memory.readU32(at)
  return parms === 0 ? 0 : parms + constants.NEIGH_PARMS_DATA
}

/** Forwarding of a whole namespace changes (inet_forward_change). */
function setForwarding(machine: Machine, namespace: NamespaceState, on: number): void {
  const { exports } = machine.core
  exports.sysctl_write(namespace.net, SYSCTL_IP_FORWARD, on)
  storeSwitch(machine, namespace, 'all', IPV4_DEVCONF_FORWARDING, on)
  storeSwitch(machine, namespace, 'all', IPV4_DEVCONF_ACCEPT_REDIRECTS, on ? 0 : 1)
  storeSwitch(machine, namespace, 'default', IPV4_DEVCONF_FORWARDING, on)
  for (const device of namespace.devices) {
    storeSwitch(machine, namespace, device, IPV4_DEVCONF_FORWARDING, on)
    namespace.written[`conf.${device.ifindex}.${IPV4_DEVCONF_FORWARDING}`] = true
  }
  exports.rt_cache_flush(namespace.net)
}

function writeForwarding(
  machine: Machine,
  namespace: NamespaceState,
  scope: DeviceState | 'all' | 'default',
  value: number,
): void {
  if (readSwitch(machine, namespace, scope, IPV4_DEVCONF_FORWARDING) === value) return
  if (scope === 'all') {
    setForwarding(machine, namespace, value)
    return
  }
  storeSwitch(machine, namespace, scope, IPV4_DEVCONF_FORWARDING, value)
  if (scope !== 'default') machine.core.exports.rt_cache_flush(namespace.net)
}

/** The mark of a device whose own values all stand (ipv4_devconf_setall, neigh_parms_data_state_setall). */
const settled = (device: DeviceState): string => `conf.${device.ifindex}.*`

/** Does a value written to `default` not reach the device any more? kind and id name the value. */
function keepsOwn(namespace: NamespaceState, device: DeviceState, kind: 'conf' | 'neigh', id: number): boolean {
  const { written } = namespace
  return written[settled(device)] === true || written[`${kind}.${device.ifindex}.${id}`] === true
}

/** A device gets an address: from now on no default reaches it. */
export function ipv4_devconf_setall(machine: Machine, namespace: NamespaceState, device: DeviceState): void {
  if (switches(machine, namespace, device) !== 0) namespace.written[settled(device)] = true
}

/** A switch of net.ipv4.conf.*: a default reaches the devices whose own was never written (devinet_copy_dflt_conf). */
function writeSwitch(
  machine: Machine,
  namespace: NamespaceState,
  scope: DeviceState | 'all' | 'default',
  id: number,
  value: number,
): void {
  if (id === IPV4_DEVCONF_FORWARDING) {
    writeForwarding(machine, namespace, scope, value)
    return
  }
  const old = readSwitch(machine, namespace, scope, id)
  storeSwitch(machine, namespace, scope, id, value)
  const { exports } = machine.core
  if (flushingSwitches.has(id)) {
    if (old !== value) exports.rt_cache_flush(namespace.net)
    return
  }
  if (scope !== 'all') namespace.written[`conf.${scope === 'default' ? 0 : scope.ifindex}.${id}`] = true
  if (scope === 'default') {
    for (const device of namespace.devices) {
      if (!keepsOwn(namespace, device, 'conf', id)) storeSwitch(machine, namespace, device, id, value)
    }
  }
  const flushes =
    id === IPV4_DEVCONF_ACCEPT_LOCAL ? value === 0 && old !== 0 : id === IPV4_DEVCONF_BC_FORWARDING && old !== value
  if (flushes) exports.rt_cache_flush(namespace.net)
}

/** A parameter of net.ipv4.neigh.*: a default reaches the devices whose own was never written (neigh_copy_dflt_parm). */
function writeParameter(
  machine: Machine,
  namespace: NamespaceState,
  device: DeviceState | undefined,
  parameter: number,
  value: number,
): void {
  const { exports } = machine.core
  namespace.written[`neigh.${device?.ifindex ?? 0}.${parameter}`] = true
  const targets = device
    ? [device]
    : namespace.devices.filter((other) => !keepsOwn(namespace, other, 'neigh', parameter))
  if (!device) exports.neigh_parm_write(namespace.net, 0, parameter, value)
  for (const target of targets) {
    if (parameters(machine, namespace, target) !== 0) {
      exports.neigh_parm_write(namespace.net, target.ptr, parameter, value)
    }
  }
}

interface DeviceSysctl {
  kind: 'conf' | 'neigh'
  key: string
  scope: DeviceState | 'all' | 'default'
}

/** The sysctl of a device, of all or of default; undefined for another name, ENOENT for a device that is not there. */
function deviceSysctl(namespace: NamespaceState, name: string): DeviceSysctl | undefined {
  const parts = defaults.deviceSysctl(name)
  if (!parts) return undefined
  const { kind, dev, key } = parts
  if (dev === 'default' || (dev === 'all' && kind === 'conf')) return { kind, key, scope: dev as 'all' | 'default' }
  const scope = namespace.devices.find((device) => device.name === dev)
  if (!scope) throw systemError('ENOENT', 'sysctl', name)
  return { kind, key, scope }
}

/** The sysctl is one of this namespace, or ENOENT. The machine's own are seen in the first only. */
function assertKnown(namespace: NamespaceState, name: string): void {
  const ours = Object.hasOwn(defaults.namespaceSysctls, name)
  if (ours || (namespace.id === 0 && Object.hasOwn(defaults.machineSysctls, name))) return
  throw systemError('ENOENT', 'sysctl', `${name} is no sysctl of Linux 6.18 (net.core, net.ipv4)`)
}

/** The value as /proc/sys shows it, without the newline. ENOENT for a name that 6.18 does not have. */
export function readSysctl(machine: Machine, namespace: NamespaceState, name: string): string {
  if (name === IP_FORWARD) return String(readSwitch(machine, namespace, 'all', IPV4_DEVCONF_FORWARDING))
  if (name === RESERVED_PORTS) return readPorts(machine, namespace)
  if (Object.hasOwn(singleSysctls, name)) {
    assertKnown(namespace, name)
    return String(readRow(machine, namespace, singleSysctls[name]!))
  }
  if (Object.hasOwn(pairSysctls, name)) {
    return pairSysctls[name]!.map((row) => readRow(machine, namespace, row)).join('\t')
  }
  const device = deviceSysctl(namespace, name)
  if (!device) {
    assertKnown(namespace, name)
    return namespace.sysctls[name] ?? defaults.sysctlDefault(name)!
  }
  const { kind, key, scope } = device
  if (kind === 'conf') return String(readSwitch(machine, namespace, scope, defaults.confTemplate[key]![1]))
  const [parameter, unit] = neighSysctls[key]!
  const at = parameters(machine, namespace, scope === 'default' || scope === 'all' ? undefined : scope)
  if (at === 0) return defaults.neighTemplate[key]!
  return String(Math.floor(machine.core.memory.readI32(at + 4 * parameter) / unit))
}

function writePair(machine: Machine, namespace: NamespaceState, name: string, text: string): void {
  const rows = pairSysctls[name]!
  const given = parseIntegers(text, 2, name)
  const values = rows.map((row, i) => given[i] ?? readRow(machine, namespace, row)) as [number, number]
  values.forEach((value, i) => assertWithin(value, rows[i]!, name))
  const { exports, constants, memory } = machine.core
  if (name === 'net.ipv4.ping_group_range' && values[1] < values[0]) values.splice(0, 2, 1, 0)
  if (name === 'net.ipv4.ip_local_port_range') {
    const first = memory.readI32(namespace.net + constants.NET_SYSCTL + 4 * SYSCTL_IP_UNPRIVILEGED_PORT_START)
    if (values[1] < values[0] || values[0] < first) {
      throw invalid('sysctl', `${name}: the range is empty, or begins below the unprivileged port ${first}`)
    }
  }
  rows.forEach(([id], i) => exports.sysctl_write(namespace.net, id, values[i]!))
}

function writeSingle(machine: Machine, namespace: NamespaceState, name: string, text: string): void {
  const row = singleSysctls[name]!
  const value = parseIntegers(text, 1, name)[0]!
  assertWithin(value, row, name)
  const other = (key: string): number => readRow(machine, namespace, singleSysctls[key]!)
  const high = name === 'net.ipv4.ipfrag_high_thresh' && value < other('net.ipv4.ipfrag_low_thresh')
  const low = name === 'net.ipv4.ipfrag_low_thresh' && value > other('net.ipv4.ipfrag_high_thresh')
  if (high || low) throw invalid('sysctl', `${name}: the low threshold would lie above the high one`)
  if (name === 'net.ipv4.ip_unprivileged_port_start') {
    const first = readRow(machine, namespace, [SYSCTL_IP_LOCAL_PORT_RANGE_LOW, 0, 0])
    if (value > first) throw invalid('sysctl', `${name}: ${value} lies above the first local port ${first}`)
  }
  const { hz } = machine.simulation.state.options
  const kept = name === 'net.ipv4.icmp_ratelimit' ? wholeTicks(value, hz, 1) : value
  machine.core.exports.sysctl_write(namespace.net, row[0], kept | 0)
}

/** A sysctl that nothing reads yet: it keeps its value when that is of the kind that Linux takes. */
function keep(machine: Machine, namespace: NamespaceState, name: string, text: string): void {
  if (name === 'net.ipv4.route.flush') {
    parseIntegers(text, 1, name)
    machine.core.exports.ipv4_sysctl_rtcache_flush(namespace.net)
    return
  }
  const first = defaults.sysctlDefault(name)!
  if (name === 'net.ipv4.tcp_congestion_control') {
    const known = readSysctl(machine, namespace, 'net.ipv4.tcp_available_congestion_control').split(' ')
    if (!known.includes(text.trim())) throw systemError('ENOENT', 'sysctl', `${name}: one of ${known.join(', ')}`)
  }
  if (name === 'net.core.default_qdisc') {
    const kind = KINDS[text.trim()]
    if (!kind) throw systemError('ENOENT', 'sysctl', `${name}: one of ${Object.keys(KINDS).join(', ')}`)
    machine.core.exports.qdisc_set_default(kind.id)
  }
  const numbers = first.split('\t')
  if (first !== '' && numbers.every((number) => INTEGER.test(number))) {
    const old = readSysctl(machine, namespace, name).split('\t')
    const given = parseIntegers(text, numbers.length, name)
    namespace.sysctls[name] = old.map((value, i) => String(given[i] ?? value)).join('\t')
    return
  }
  namespace.sysctls[name] = text.trim()
}

/**
 * Writes a sysctl as `sysctl -w` does, with what the write does besides (ip_forward reaches all devices, and so on).
 *
 * Throws ENOENT for a name that 6.18 does not have, EACCES for one that is read only, EINVAL for a bad value; then nothing
 * has changed.
 */
export function writeSysctl(machine: Machine, namespace: NamespaceState, name: string, value: string | number): void {
  const text = String(value)
  if (defaults.isSysctlReadOnly(name)) throw systemError('EACCES', 'sysctl', `${name} is read only`)
  if (text === '') {
    readSysctl(machine, namespace, name) // writing nothing changes nothing, but the name has to be one
    return
  }
  if (name === IP_FORWARD) {
    const on = parseIntegers(text, 1, name)[0]!
    assertWithin(on, ANY_INT, name)
    writeForwarding(machine, namespace, 'all', on)
    return
  }
  if (name === RESERVED_PORTS) {
    writePorts(machine, namespace, text)
    return
  }
  if (Object.hasOwn(pairSysctls, name)) {
    writePair(machine, namespace, name, text)
    return
  }
  if (Object.hasOwn(singleSysctls, name)) {
    assertKnown(namespace, name)
    writeSingle(machine, namespace, name, text)
    return
  }
  const device = deviceSysctl(namespace, name)
  if (!device) {
    assertKnown(namespace, name)
    keep(machine, namespace, name, text)
    return
  }
  const number = parseIntegers(text, 1, name)[0]!
  const { kind, key, scope } = device
  if (kind === 'conf') {
    assertWithin(number, ANY_INT, name)
    writeSwitch(machine, namespace, scope, defaults.confTemplate[key]![1], number)
    return
  }
  const [parameter, unit] = neighSysctls[key]!
  assertWithin(number, [0, 0, Math.floor(INT_MAX / unit)], name)
  const target = scope === 'default' || scope === 'all' ? undefined : scope
  const { hz } = machine.simulation.state.options
  const inTicks = unit === USER_HZ_MS || key.endsWith('_ms')
  const kept = inTicks ? wholeTicks(number * unit, hz, unit) : number * unit
  writeParameter(machine, namespace, target, parameter, kept)
}

/** All names that a namespace has now, sorted. */
export function sysctlNames(namespace: NamespaceState): string[] {
  const names = [...defaults.freshSysctls(namespace.devices.map((device) => device.name)).keys()]
  const own = names.filter((name) => namespace.id === 0 || !Object.hasOwn(defaults.machineSysctls, name))
  return own.sort()
}

/** Writes the first values of a namespace that has no device yet. */
export function writeDefaults(machine: Machine, namespace: NamespaceState): void {
  const { exports } = machine.core
  const { hz } = machine.simulation.state.options
  const first = (name: string): string => defaults.sysctlDefault(name)!
  for (const [name, [id]] of Object.entries(singleSysctls)) {
    const scale = tickSysctls.has(name) ? hz / 250 : 1
    exports.sysctl_write(namespace.net, id, Math.round(Number(first(name)) * scale) | 0)
  }
  for (const [name, rows] of Object.entries(pairSysctls)) {
    const values = first(name).split('\t').map(Number)
    rows.forEach(([id], i) => exports.sysctl_write(namespace.net, id, values[i]!))
  }
  for (const scope of ['all', 'default'] as const) {
    for (const [key, [value, id]] of Object.entries(defaults.confTemplate)) {
      storeSwitch(machine, namespace, scope, id, Number(defaults.confOverrides[scope]?.[key] ?? value))
    }
  }
  for (const [key, value] of Object.entries(defaults.neighTemplate)) {
    const [parameter, unit] = neighSysctls[key]!
    if (unit === 1) exports.neigh_parm_write(namespace.net, 0, parameter, Number(value))
  }
  for (const key of ['anycast_delay', 'delay_first_probe_time', 'gc_stale_time', 'locktime', 'proxy_delay']) {
    const [parameter, unit] = neighSysctls[key]!
    exports.neigh_parm_write(namespace.net, 0, parameter, Number(defaults.neighTemplate[key]) * unit)
  }
}

/** A device begins with the defaults of its namespace, and with what was written to them (inetdev_init). */
export function inheritDefaults(machine: Machine, namespace: NamespaceState, device: DeviceState): void {
  for (const name of Object.keys(namespace.written)) {
    const [, ifindex] = name.split('.')
    if (ifindex === String(device.ifindex)) delete namespace.written[name]
  }
  for (const name of Object.keys(namespace.written)) {
    const [kind, ifindex, id] = name.split('.')
    if (ifindex === '0') namespace.written[`${kind}.${device.ifindex}.${id}`] = true
  }
  for (const [key, [, id]] of Object.entries(defaults.confTemplate)) {
    const own = defaults.confOverrides[device.name]?.[key]
    const value = own === undefined ? readSwitch(machine, namespace, 'default', id) : Number(own)
    storeSwitch(machine, namespace, device, id, value)
  }
  const from = parameters(machine, namespace, undefined)
  if (from === 0 || parameters(machine, namespace, device) === 0) return
  for (const parameter of new Set(Object.values(neighSysctls).map(([number]) => number))) {
    const value = machine.core.memory.readI32(from + 4 * parameter)
    machine.core.exports.neigh_parm_write(namespace.net, device.ptr, parameter, value)
  }
}
