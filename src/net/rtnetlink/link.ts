// ip link, and what ethtool switches: up and down, MTU, MAC, promiscuous mode, carrier, features.
// Mirrors do_setlink of net/core/rtnetlink.c.

import { IFF_ALLMULTI, IFF_NOARP, IFF_PROMISC, IFF_UP } from '../../../assembly/uapi/if.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { DeviceState, NamespaceState } from '../../kernel/state.ts'
import { encodeIfname, integer, parseMac } from '../../wasm/encode.ts'
import { checked, systemError } from '../../wasm/errors.ts'
import { setCarrier } from '../carrier.ts'
import { featureBits } from '../ethtool.ts'
import { delist, enlist, indexOf, requireDevice } from '../dev.ts'
import { forgetScheduled, removeAbove } from './dellink.ts'
import { linkwatch_run_due } from '../link_watch.ts'
import { requireNamespace } from '../net_namespace.ts'
import { inheritDefaults, ipv4_devconf_setall } from '../sysctl.ts'

/** Changes of a device; what is left out stays. */
export interface LinkChange {
  up?: boolean
  mtu?: number
  mac?: string
  promisc?: boolean
  allmulticast?: boolean
  arp?: boolean
  txqueuelen?: number
  /** CPUs that what it receives is spread over by flows (rps_cpus of all its queues); none: it stays where it came in. */
  rps?: readonly number[]
  /** The cable of a tap or NIC: plugged in, or not. */
  carrier?: boolean
  /** Another name. */
  name?: string
  /** The namespace that it moves to, down: one of the same host, or its name ('' for the first). */
  netns?: NetnsLike
  /**
   * What ethtool -K switches, by its names: 'tx-udp-segmentation', 'gso'. Others that hang on one follow. EOPNOTSUPP: none of them
   * could be changed.
   */
  features?: Readonly<Record<string, boolean>>
}

/** A namespace of the same host, or its name. */
export type NetnsLike = string | { readonly netnsName: string }

function flagsOf(change: LinkChange): { flags: number; mask: number } {
  const bits: readonly (readonly [boolean | undefined, number])[] = [
    [change.up, IFF_UP],
    [change.promisc, IFF_PROMISC],
    [change.allmulticast, IFF_ALLMULTI],
    [change.arp === undefined ? undefined : !change.arp, IFF_NOARP],
  ]
  const given = bits.filter(([on]) => on !== undefined)
  return {
    flags: given.reduce((sum, [on, bit]) => (on ? sum | bit : sum), 0),
    mask: given.reduce((sum, [, bit]) => sum | bit, 0),
  }
}

/** Sets the MTU. One that is large enough for IPv4 again lets the device begin anew with the defaults. */
function setMtu(machine: Machine, namespace: NamespaceState, device: DeviceState, mtu: number): void {
  const { exports, memory, offsets } = machine.core
  const inDevice = (): number => memory.readU32(device.ptr + offsets.net_device.ip_ptr)
  const before = inDevice()
  checked(exports.dev_set_mtu(device.ptr, mtu), 'RTM_SETLINK', `${device.name} mtu ${mtu}`)
  if (before === 0 && inDevice() !== 0) inheritDefaults(machine, namespace, device)
}

/** Gives a device another name. */
function rename(machine: Machine, device: DeviceState, name: string): void {
  const { core } = machine
  core.memory.write(core.callBuffer, encodeIfname(name, 'RTM_SETLINK'))
  checked(core.exports.dev_change_name(device.ptr, core.callBuffer), 'RTM_SETLINK', `${device.name} name ${name}`)
  device.name = name
}

function setRps(machine: Machine, device: DeviceState, cpus: readonly number[]): void {
  const { core } = machine
  core.memory.write(core.callBuffer, new Uint8Array(Uint32Array.from(cpus).buffer))
  checked(
    core.exports.dev_set_rps(device.ptr, core.callBuffer, cpus.length),
    'rps_cpus',
    `${device.name} ${cpus.join(',')}`,
  )
}

/** Moves a device to another namespace. */
function move(machine: Machine, from: NamespaceState, device: DeviceState, to: NamespaceState): void {
  const done = machine.core.exports.dev_change_net_namespace(device.ptr, to.net)
  checked(done, 'RTM_SETLINK', `${device.name} netns ${to.name}`)
  forgetScheduled(machine, device)
  delist(machine, from, device)
  device.ifindex = indexOf(machine, device.ptr)
  enlist(machine, to, device)
  removeAbove(machine, device)
}

/**
 * Changes a device as `ip link set` does: first the namespace, then the name, then all else. ENODEV, EINVAL, EBUSY; EEXIST: the
 * name is taken. Arguments are checked before anything changes.
 */
export function setLink(machine: Machine, namespace: NamespaceState, name: string, change: LinkChange): void {
  const syscall = 'RTM_SETLINK'
  const device = requireDevice(namespace, name, syscall)
  const mac = change.mac === undefined ? undefined : parseMac(change.mac, syscall)
  const mtu = change.mtu === undefined ? undefined : integer(change.mtu, 0, 2147483647, 'mtu', syscall)
  const length = change.txqueuelen
  if (length !== undefined) integer(length, 0, 2147483647, 'txqueuelen', syscall)
  const features = featureBits(change.features ?? {})
  const { flags, mask } = flagsOf(change)
  for (const cpu of change.rps ?? []) integer(cpu, 0, machine.state.cpus.length - 1, 'a CPU of rps', syscall)
  const to = change.netns === undefined ? undefined : requireNamespace(machine, change.netns, syscall)
  if (to && to !== namespace && device.kind === 'lo') throw systemError('EINVAL', syscall, 'lo stays where it is')
  if (change.name !== undefined) encodeIfname(change.name, syscall)
  if (change.carrier !== undefined) setCarrier(machine, device, change.carrier)
  const home = to ?? namespace
  inProcess(machine, () => {
    const { core } = machine
    const { exports } = core
    if (home !== namespace) move(machine, namespace, device, home)
    if (change.name !== undefined && change.name !== device.name) rename(machine, device, change.name)
    if (mac) {
      core.memory.write(core.callBuffer, mac)
      checked(exports.dev_set_mac_address(device.ptr, core.callBuffer), syscall, `${name} address ${change.mac}`)
    }
    if (mtu !== undefined) setMtu(machine, home, device, mtu)
    if (length !== undefined) checked(exports.dev_set_tx_queue_len(device.ptr, length), syscall, `${name} ${length}`)
    checked(exports.dev_set_features(device.ptr, features.on, features.off), 'ethtool', `${name}: ${features.words}`)
    if (change.rps !== undefined) setRps(machine, device, change.rps)
    if (mask !== 0) checked(exports.dev_change_flags(device.ptr, flags, mask), syscall, name)
    // Up, lo has its address.
    if (change.up && device.kind === 'lo') ipv4_devconf_setall(machine, home, device)
  })
  linkwatch_run_due(machine)
}
