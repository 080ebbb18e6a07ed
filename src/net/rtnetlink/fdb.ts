// bridge fdb: which hardware address is behind which host, of a vxlan device. Mirrors rtnl_fdb_add and rtnl_fdb_del of
// net/core/rtnetlink.c and vxlan_fdb_add of drivers/net/vxlan/vxlan_core.c.

import * as nb from '../../../assembly/uapi/neighbour.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { DeviceState, NamespaceState } from '../../kernel/state.ts'
import { byteSwap16, formatIPv4, formatMac, integer, parseIPv4, parseMac } from '../../wasm/encode.ts'
import { checked, systemError } from '../../wasm/errors.ts'
import { deviceName, requireDevice } from '../dev.ts'

/** An entry: mac is behind dst. */
export interface FdbSpec {
  /** The vxlan device. */
  dev: string
  /** '00:00:00:00:00:00': all that have no entry. */
  mac: string
  dst?: string
  /** The device's own unless given. */
  port?: number
  vni?: number
  /** The device below that it goes by. */
  via?: string
  /** 'permanent' unless given; a 'dynamic' one ages. */
  state?: 'permanent' | 'dynamic'
}

/** What `bridge -s fdb show` tells of an entry's remote. */
export interface FdbInfo {
  dev: string
  mac: string
  dst: string
  port: number
  vni: number
  via?: string
  state: 'permanent' | 'dynamic'
  /** Seconds since it was last used, and learned. */
  used: number
  updated: number
}

export type FdbVerb = 'add' | 'append' | 'replace'

const NLM_F_REPLACE = 0x100
const NLM_F_EXCL = 0x200
const NLM_F_CREATE = 0x400
const NLM_F_APPEND = 0x800
const FLAGS: Readonly<Record<FdbVerb, number>> = {
  add: NLM_F_CREATE | NLM_F_EXCL,
  append: NLM_F_CREATE | NLM_F_APPEND,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
}
const RECORD = 36
const VNI_MAX = 0xffffff

function vxlanOf(namespace: NamespaceState, dev: string, syscall: string): DeviceState {
  const device = requireDevice(namespace, dev, syscall)
  if (device.kind !== 'vxlan') throw systemError('EOPNOTSUPP', syscall, `${dev} is no vxlan device`)
  return device
}

interface Encoded {
  device: DeviceState
  mac: Uint8Array
  ip: number
  port: number
  vni: number
  ifindex: number
}

function encode(namespace: NamespaceState, spec: FdbSpec, syscall: string): Encoded {
  const { dst, port = 0, vni = 0, via } = spec
  return {
    device: vxlanOf(namespace, spec.dev, syscall),
    mac: parseMac(spec.mac, syscall),
    ip: dst === undefined ? 0 : parseIPv4(dst, syscall),
    port: byteSwap16(integer(port, 0, 65535, 'port', syscall)),
    vni: integer(vni, 0, VNI_MAX, 'vni', syscall),
    ifindex: via === undefined ? 0 : requireDevice(namespace, via, syscall).ifindex,
  }
}

/** Eight bytes with the address in them, in the call buffer. */
function writeMac(machine: Machine, mac: Uint8Array): number {
  const at = machine.core.callBuffer
  const bytes = new Uint8Array(8)
  bytes.set(mac)
  machine.core.memory.write(at, bytes)
  return at
}

/**
 * Writes an entry. ENODEV; EOPNOTSUPP: no vxlan device, or only groups and the default have several remotes; EEXIST; ENOSPC,
 * ENOMEM.
 */
export function setFdb(machine: Machine, namespace: NamespaceState, verb: FdbVerb, spec: FdbSpec): void {
  const syscall = 'RTM_NEWNEIGH'
  const { device, mac, ip, port, vni, ifindex } = encode(namespace, spec, syscall)
  const state = spec.state === 'dynamic' ? nb.NUD_REACHABLE : nb.NUD_PERMANENT
  inProcess(machine, () => {
    const { exports } = machine.core
    const done = exports.fdb_add(device.ptr, writeMac(machine, mac), state, FLAGS[verb], ip, port, vni, ifindex)
    checked(done, syscall, `${spec.mac} dev ${spec.dev}`)
  })
}

/** Takes an entry out; with dst only that remote of it. ENOENT, ENODEV, EOPNOTSUPP. */
export function delFdb(machine: Machine, namespace: NamespaceState, spec: FdbSpec): void {
  const syscall = 'RTM_DELNEIGH'
  const { device, mac, ip, port, vni, ifindex } = encode(namespace, spec, syscall)
  inProcess(machine, () => {
    const done = machine.core.exports.fdb_del(device.ptr, writeMac(machine, mac), ip, port, vni, ifindex)
    checked(done, syscall, `${spec.mac} dev ${spec.dev}`)
  })
}

/** All entries of a device. ENODEV, EOPNOTSUPP. */
export function listFdb(machine: Machine, namespace: NamespaceState, dev: string): FdbInfo[] {
  const device = vxlanOf(namespace, dev, 'RTM_GETNEIGH')
  const { core } = machine
  const { hz } = machine.simulation.state.options
  const at = core.resultBuffer
  const most = Math.floor(core.halfBuffer / RECORD)
  const count = Math.min(core.exports.fdb_dump(device.ptr, at, most), most)
  return Array.from({ length: count }, (_, i) => {
    const word = (k: number): number => core.memory.readU32(at + i * RECORD + 4 * k) >>> 0
    const ifindex = word(5)
    return {
      dev,
      mac: formatMac(core.memory.slice(at + i * RECORD, 6)),
      dst: formatIPv4(word(2)),
      port: byteSwap16(word(3)),
      vni: word(4),
      ...(ifindex !== 0 && { via: deviceName(namespace, ifindex) }),
      state: word(6) & nb.NUD_PERMANENT ? ('permanent' as const) : ('dynamic' as const),
      used: Math.floor(word(7) / hz),
      updated: Math.floor(word(8) / hz),
    }
  })
}
