// Devices of a namespace: registration, look-up, and what is read of a struct net_device.
// Mirrors parts of net/core/dev.c; changes go through rtnetlink/link.ts.

import { IFF_ALLMULTI, IFF_PROMISC } from '../../assembly/uapi/if.ts'
import type { Machine } from '../kernel/machine.ts'
import type { DeviceKind, DeviceState, NamespaceState, NicState } from '../kernel/state.ts'
import { LINK_STATE_NOCARRIER, type Ptr } from '../wasm/abi.ts'
import { encodeIfname, formatMac, parseMac } from '../wasm/encode.ts'
import { checked, systemError } from '../wasm/errors.ts'
import { inheritDefaults } from './sysctl.ts'

/** Members of struct rtnl_link_stats64, in order. */
export const LINK_STATS = [
  'rx_packets',
  'tx_packets',
  'rx_bytes',
  'tx_bytes',
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
  'multicast',
  'collisions',
  'rx_length_errors',
  'rx_over_errors',
  'rx_crc_errors',
  'rx_frame_errors',
  'rx_fifo_errors',
  'rx_missed_errors',
  'tx_aborted_errors',
  'tx_carrier_errors',
  'tx_fifo_errors',
  'tx_heartbeat_errors',
  'tx_window_errors',
  'rx_compressed',
  'tx_compressed',
  'rx_nohandler',
  'rx_otherhost_dropped',
] as const

export type DeviceStats = Record<(typeof LINK_STATS)[number], number>

/** What `ip link` shows of a device. */
export interface LinkInfo {
  name: string
  ifindex: number
  kind: DeviceKind
  /** IFF_* as the administrator set them. */
  flags: number
  up: boolean
  carrier: boolean
  mtu: number
  /** '' where links have no hardware addresses. */
  mac: string
  txQueueLen: number
  stats: DeviceStats
}

/** The device of this name, undefined: none. */
export function deviceByName(namespace: NamespaceState, name: string): DeviceState | undefined {
  return namespace.devices.find((device) => device.name === name)
}

/** The device of this name, or ENODEV. */
export function requireDevice(namespace: NamespaceState, name: string, syscall: string): DeviceState {
  const found = deviceByName(namespace, name)
  if (found) return found
  const known = namespace.devices.map((device) => device.name).join(', ')
  throw systemError('ENODEV', syscall, `'${name}'; there are ${known}`)
}

export function deviceByIndex(namespace: NamespaceState, ifindex: number): DeviceState | undefined {
  return namespace.devices.find((device) => device.ifindex === ifindex)
}

/** The name of a device's index, the number itself as text when there is none. */
export function deviceName(namespace: NamespaceState, ifindex: number): string {
  return deviceByIndex(namespace, ifindex)?.name ?? String(ifindex)
}

/** The index that a device has in its namespace. */
export function indexOf(machine: Machine, ptr: Ptr): number {
  return machine.core.memory.readU32(ptr + machine.core.offsets.net_device.ifindex)
}

/** Puts a device's entry into its namespace's list, which is in order of the indexes. */
export function enlist(machine: Machine, namespace: NamespaceState, device: DeviceState): void {
  const at = namespace.devices.findIndex((other) => other.ifindex > device.ifindex)
  namespace.devices.splice(at < 0 ? namespace.devices.length : at, 0, device)
  machine.devices.add(namespace, device)
  inheritDefaults(machine, namespace, device)
}

/** Takes a device's entry out of its namespace's list. */
export function delist(machine: Machine, namespace: NamespaceState, device: DeviceState): void {
  namespace.devices = namespace.devices.filter((other) => other !== device)
  machine.devices.remove(device)
}

/** Makes the entry of a device that the core has made. */
export function enter(
  machine: Machine,
  namespace: NamespaceState,
  ptr: Ptr,
  entry: Omit<DeviceState, 'id' | 'ptr' | 'ifindex'>,
): DeviceState {
  const device: DeviceState = { id: machine.state.nextDevice++, ptr, ifindex: indexOf(machine, ptr), ...entry }
  enlist(machine, namespace, device)
  return device
}

/** Makes the entry of a namespace's lo, which the core has made. */
export function enterLoopback(machine: Machine, namespace: NamespaceState): DeviceState {
  const ptr = machine.core.memory.readU32(namespace.net + machine.core.offsets.net.loopback_dev)
  return enter(machine, namespace, ptr, { name: 'lo', kind: 'lo', napi: false })
}

/** Writes a name and a MAC to the call buffer; the second of two behind the first. */
export function writeIdentity(
  machine: Machine,
  name: string,
  mac: string,
  syscall: string,
  second = false,
): { name: Ptr; mac: Ptr } {
  const at = machine.core.callBuffer + (second ? 32 : 0)
  const bytes = encodeIfname(name, syscall)
  machine.core.memory.write(at + 16, parseMac(mac, syscall))
  machine.core.memory.write(at, bytes)
  return { name: at, mac: at + 16 }
}

/** What a TAP is made of. */
export interface TapShape {
  mac: string
  napi: boolean
  vnet: boolean
}

/** A TAP, down. EEXIST for a name that is taken, ENOMEM. */
export function createTap(machine: Machine, namespace: NamespaceState, name: string, shape: TapShape): DeviceState {
  const at = writeIdentity(machine, name, shape.mac, 'TUNSETIFF')
  if (deviceByName(namespace, name)) throw systemError('EEXIST', 'TUNSETIFF', name)
  const { exports } = machine.core
  const { napi, vnet } = shape
  const made = exports.tun_create(namespace.net, at.name, at.mac, napi ? 1 : 0, vnet ? 1 : 0)
  return enter(machine, namespace, checked(made, 'TUNSETIFF', name), { name, kind: 'tap', napi, vnet })
}

/** A TUN, down. EEXIST for a name that is taken, ENOMEM. */
export function createTun(machine: Machine, namespace: NamespaceState, name: string, napi: boolean): DeviceState {
  const at = writeIdentity(machine, name, '00:00:00:00:00:00', 'TUNSETIFF')
  if (deviceByName(namespace, name)) throw systemError('EEXIST', 'TUNSETIFF', name)
  const { exports } = machine.core
  const ptr = checked(exports.tun_create(namespace.net, at.name, 0, napi ? 1 : 0, 0), 'TUNSETIFF', name)
  return enter(machine, namespace, ptr, { name, kind: 'tun', napi })
}

/** What a NIC is made of. */
export interface NicShape {
  mac: string
  queues: number
  ring: number
  itr: number
}

/** A NIC with its rings, down and without a cable. EEXIST, ENOMEM, EINVAL for queues (1 to 16) and ring (64 to 4096, a power of two). */
export function createNic(machine: Machine, namespace: NamespaceState, name: string, shape: NicShape): DeviceState {
  const at = writeIdentity(machine, name, shape.mac, 'igb_probe')
  if (deviceByName(namespace, name)) throw systemError('EEXIST', 'igb_probe', name)
  const { exports } = machine.core
  const { queues, ring, itr } = shape
  const made = exports.igb_create(namespace.net, at.name, at.mac, queues, ring)
  const ptr = checked(made, 'igb_probe', `${name}: 1 to 16 queues, a ring of 64 to 4096 (a power of two)`)
  const each = <T>(make: (queue: number) => T): T[] => Array.from({ length: queues }, (_, queue) => make(queue))
  const nic: NicState = {
    napis: each((queue) => exports.igb_napi(ptr, queue)),
    rings: each((queue) => exports.igb_ring_at(ptr, queue)),
    inbox: each(() => []),
    irqAt: each(() => -1),
    lastIrq: each(() => -Infinity),
    itr,
    txWaiting: each(() => false),
    stall: false,
    wireFree: 0,
    peer: { kind: 'none' },
  }
  return enter(machine, namespace, ptr, { name, kind: 'nic', napi: true, nic })
}

/** A MAC for a device that was given none: locally administered, different for each host, namespace and index. */
export function freshMac(machine: Machine, namespace: NamespaceState, ahead = 1): string {
  const next = machine.core.memory.readU32(namespace.net + machine.core.offsets.net.ifindex) + ahead
  const parts = [2, namespace.id >> 8, namespace.id, machine.id >> 8, machine.id, next]
  return parts.map((part) => (part & 255).toString(16).padStart(2, '0')).join(':')
}

/** The counters of a device. */
export function deviceStats(machine: Machine, device: DeviceState): DeviceStats {
  const { memory, constants } = machine.core
  const at = device.ptr + constants.DEV_STATS
  return Object.fromEntries(LINK_STATS.map((name, i) => [name, memory.readU64(at + 8 * i)])) as DeviceStats
}

/** Kinds whose links have no hardware addresses. */
const WITHOUT_MAC: ReadonlySet<DeviceKind> = new Set(['tun', 'ipip'])

/** What `ip link` shows. */
export function linkInfo(machine: Machine, device: DeviceState): LinkInfo {
  const { memory, constants, offsets } = machine.core
  const { flags, gflags, state, mtu, tx_queue_len } = offsets.net_device
  const counted = IFF_PROMISC | IFF_ALLMULTI
  const bits = (memory.readU32(device.ptr + flags) & ~counted) | memory.readU32(device.ptr + gflags)
  const link = memory.readU32(device.ptr + state)
  return {
    name: device.name,
    ifindex: device.ifindex,
    kind: device.kind,
    flags: bits,
    up: (bits & 1) !== 0,
    carrier: (link & LINK_STATE_NOCARRIER) === 0,
    mtu: memory.readU32(device.ptr + mtu),
    mac: WITHOUT_MAC.has(device.kind) ? '' : formatMac(memory.slice(device.ptr + constants.DEV_ADDR, 6)),
    txQueueLen: memory.readU32(device.ptr + tx_queue_len),
    stats: deviceStats(machine, device),
  }
}
