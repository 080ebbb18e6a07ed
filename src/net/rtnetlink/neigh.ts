// ip neighbour: static, learnt and proxy entries. Mirrors neigh_add, neigh_delete and neigh_dump_info of neighbour.c.

import { EINVAL } from '../../../assembly/uapi/errno.ts'
import * as nb from '../../../assembly/uapi/neighbour.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { NamespaceState } from '../../kernel/state.ts'
import { byteSwap32, formatIPv4, formatMac, parseIPv4, parseMac } from '../../wasm/encode.ts'
import { checked } from '../../wasm/errors.ts'
import { deviceName, requireDevice } from '../dev.ts'
import { NEIGHBOUR_STATES, neighbourState, numberOf } from './names.ts'

export interface NeighbourSpec {
  dev: string
  ip: string
  mac?: string
  /** A word of ip-neighbour(8); 'permanent' unless given. */
  state?: string
  /** Answer ARP requests for this address. */
  proxy?: boolean
}

export interface NeighbourInfo {
  dev: string
  ip: string
  /** 'reachable', 'stale' and so on. */
  state: string
  /** Absent while it is not known. */
  mac?: string
}

const VERBS: Readonly<Record<'add' | 'replace' | 'change', number>> = { add: 0x600, replace: 0x500, change: 0x100 }
/** {ifindex, key, state, flags} and 8 bytes of hardware address. */
const RECORD = 24

/** Adds, replaces or changes an entry. EEXIST, ENOENT, EINVAL, ENODEV. */
export function setNeighbour(
  machine: Machine,
  namespace: NamespaceState,
  verb: 'add' | 'replace' | 'change',
  spec: NeighbourSpec,
): void {
  const syscall = 'RTM_NEWNEIGH'
  const device = requireDevice(namespace, spec.dev, syscall)
  const key = parseIPv4(spec.ip, syscall, 'ip')
  const mac = spec.mac === undefined ? undefined : parseMac(spec.mac, syscall, 'mac')
  const state = numberOf(NEIGHBOUR_STATES, spec.state ?? 'permanent', 255, 'state', syscall)
  inProcess(machine, () => {
    const { core } = machine
    if (mac) core.memory.write(core.callBuffer, mac)
    const lladdr = mac ? core.callBuffer : 0
    const flags = spec.proxy ? nb.NTF_PROXY : 0
    const result = core.exports.neigh_add(namespace.net, device.ptr, key, lladdr, state, flags, VERBS[verb])
    const missing = result === -EINVAL && !mac ? ': mac is missing' : ''
    checked(result, syscall, `ip ${spec.ip} dev ${spec.dev}${missing}`)
  })
}

/** Deletes an entry. ENOENT, ENODEV. */
export function delNeighbour(machine: Machine, namespace: NamespaceState, spec: NeighbourSpec): void {
  const syscall = 'RTM_DELNEIGH'
  const device = requireDevice(namespace, spec.dev, syscall)
  const key = parseIPv4(spec.ip, syscall, 'ip')
  inProcess(machine, () => {
    const { exports } = machine.core
    const result = exports.neigh_delete(namespace.net, device.ptr, key, spec.proxy ? nb.NTF_PROXY : 0)
    checked(result, syscall, `ip ${spec.ip} dev ${spec.dev}`)
  })
}

/** A row of the table as it lies in the core. */
export interface NeighbourRow {
  ifindex: number
  key: number
  state: number
  flags: number
  lladdr: Uint8Array
}

/** All entries in the order of the hash table, or the proxy entries. */
export function neighbourRows(machine: Machine, namespace: NamespaceState, proxies = false): NeighbourRow[] {
  const { core } = machine
  const dump = proxies ? core.exports.pneigh_dump : core.exports.neigh_dump
  const max = Math.floor(core.halfBuffer / RECORD)
  const out = core.resultBuffer
  return inProcess(machine, () => {
    const rows: NeighbourRow[] = []
    for (;;) {
      const count = dump(namespace.net, out, max, rows.length)
      for (let at = out; at < out + count * RECORD; at += RECORD) {
        const word = (n: number): number => core.memory.readU32(at + 4 * n)
        const lladdr = core.memory.slice(at + 16, 6)
        rows.push({ ifindex: word(0), key: word(1), state: word(2), flags: word(3), lladdr })
      }
      if (count < max) return rows
    }
  })
}

/** All entries, by device and address. Without those that need no ARP (noarp) or have no state, as `ip neigh` shows it. */
export function listNeighbours(machine: Machine, namespace: NamespaceState): NeighbourInfo[] {
  const rows = neighbourRows(machine, namespace).filter(
    ({ state }) => state !== nb.NUD_NONE && (state & nb.NUD_NOARP) === 0,
  )
  const known = rows.map(({ ifindex, key, state, lladdr }) => ({
    order: byteSwap32(key),
    info: {
      dev: deviceName(namespace, ifindex),
      ip: formatIPv4(key),
      state: neighbourState(state),
      ...((state & nb.NUD_VALID) !== 0 && { mac: formatMac(lladdr) }),
    },
  }))
  known.sort((a, b) => (a.info.dev === b.info.dev ? a.order - b.order : a.info.dev < b.info.dev ? -1 : 1))
  return known.map(({ info }) => info)
}
