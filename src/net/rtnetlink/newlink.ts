// ip link add and del: devices that software makes. Mirrors rtnl_newlink and rtnl_dellink of net/core/rtnetlink.c, and the newlink
// of each driver. TAPs and NICs are made by src/net/dev.ts; del takes them away too.

import { unplug } from '../../drivers/net/wire.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { DeviceKind, DeviceState, NamespaceState } from '../../kernel/state.ts'
import type { Ptr } from '../../wasm/abi.ts'
import { encodeIfname, integer } from '../../wasm/encode.ts'
import { checked, invalid, systemError } from '../../wasm/errors.ts'
import { deviceByName, deviceByPointer, enter, freshMac, requireDevice, writeIdentity } from '../dev.ts'
import { linkwatch_run_due } from '../link_watch.ts'
import { requireNamespace } from '../net_namespace.ts'
import { type NetnsLike, forgetScheduled, setLink } from './link.ts'

const SYSCALL = 'RTM_NEWLINK'

/** What every link has. */
interface LinkBase {
  name: string
  /** Made from host, namespace and index unless given. */
  mac?: string
  mtu?: number
}

/** Two joined devices: what one sends the other receives, without a wire between. */
export interface VethLink extends LinkBase {
  kind: 'veth'
  /** The other end, and the namespace that it is in: that of the first unless given. */
  peer: LinkBase & { netns?: NetnsLike }
}

/** A device that takes what is sent, and drops it. */
export interface DummyLink extends LinkBase {
  kind: 'dummy'
}

/** A link to make, as `ip link add` names it. */
export type NewLink = VethLink | DummyLink

/** The name and MTU are possible, and the name is free: EINVAL, EEXIST. */
function assertBase(namespace: NamespaceState, { name, mtu }: LinkBase): void {
  encodeIfname(name, SYSCALL)
  if (mtu !== undefined) integer(mtu, 68, 65535, 'mtu', SYSCALL)
  if (deviceByName(namespace, name)) throw systemError('EEXIST', SYSCALL, name)
}

function enterLink(machine: Machine, namespace: NamespaceState, ptr: Ptr, name: string, kind: DeviceKind): DeviceState {
  return enter(machine, namespace, ptr, { name, kind, napi: false })
}

function addVeth(machine: Machine, namespace: NamespaceState, link: VethLink): DeviceState {
  const { peer } = link
  if (!peer) throw invalid(SYSCALL, 'a veth has a peer: { name, netns }')
  const other = peer.netns === undefined ? namespace : requireNamespace(machine, peer.netns, SYSCALL)
  assertBase(namespace, link)
  assertBase(other, peer)
  if (other === namespace && peer.name === link.name) throw systemError('EEXIST', SYSCALL, peer.name)
  const { exports } = machine.core
  return inProcess(machine, () => {
    // The peer gets its index first.
    const peerMac = peer.mac ?? freshMac(machine, other)
    const mac = link.mac ?? freshMac(machine, namespace, other === namespace ? 2 : 1)
    const first = writeIdentity(machine, link.name, mac, SYSCALL)
    const second = writeIdentity(machine, peer.name, peerMac, SYSCALL, true)
    const ptr = checked(exports.veth_create(namespace.net, first.name, other.net, second.name), SYSCALL, link.name)
    enterLink(machine, other, exports.veth_other(ptr) >>> 0, peer.name, 'veth')
    return enterLink(machine, namespace, ptr, link.name, 'veth')
  })
}

function addDummy(machine: Machine, namespace: NamespaceState, link: DummyLink): DeviceState {
  assertBase(namespace, link)
  return inProcess(machine, () => {
    const at = writeIdentity(machine, link.name, link.mac ?? freshMac(machine, namespace), SYSCALL)
    const ptr = checked(machine.core.exports.dummy_create(namespace.net, at.name), SYSCALL, link.name)
    return enterLink(machine, namespace, ptr, link.name, 'dummy')
  })
}

function make(machine: Machine, namespace: NamespaceState, link: NewLink): DeviceState {
  if (link.kind === 'veth') return addVeth(machine, namespace, link)
  if (link.kind === 'dummy') return addDummy(machine, namespace, link)
  throw systemError('EOPNOTSUPP', SYSCALL, `kind '${(link as { kind: string }).kind}'; there are veth, dummy`)
}

/** Makes a link, down. EEXIST: the name is taken; EINVAL, ENOMEM; EOPNOTSUPP: no such kind. */
export function addLink(machine: Machine, namespace: NamespaceState, link: NewLink): DeviceState {
  const device = make(machine, namespace, link)
  if (link.mtu !== undefined) setLink(machine, namespace, device.name, { mtu: link.mtu })
  if (link.kind === 'veth' && link.peer.mtu !== undefined) {
    const other = link.peer.netns === undefined ? namespace : requireNamespace(machine, link.peer.netns, SYSCALL)
    setLink(machine, other, link.peer.name, { mtu: link.peer.mtu })
  }
  return device
}

/** Takes one device out of the core, and its entry out of its namespace. */
function remove(machine: Machine, device: DeviceState): void {
  const { exports } = machine.core
  const found = deviceByPointer(machine, device.ptr)
  if (!found) return
  exports.unregister_netdevice(device.ptr)
  forgetScheduled(machine, device)
  found.namespace.devices = found.namespace.devices.filter((other) => other !== device)
  exports.free_netdevice(device.ptr)
}

/**
 * Takes a device away: down, its addresses, routes, neighbours and memberships gone; a veth's other end goes with it. ENODEV;
 * EOPNOTSUPP for lo.
 */
export function delLink(machine: Machine, namespace: NamespaceState, name: string): void {
  const syscall = 'RTM_DELLINK'
  const device = requireDevice(namespace, name, syscall)
  if (device.kind === 'lo') throw systemError('EOPNOTSUPP', syscall, 'lo stays as long as its namespace')
  const peer = device.nic?.peer
  if (peer?.kind === 'link') unplug(machine.simulation, peer.link)
  inProcess(machine, () => {
    const other = device.kind === 'veth' ? machine.core.exports.veth_other(device.ptr) >>> 0 : 0
    const otherEnd = other === 0 ? undefined : deviceByPointer(machine, other)
    remove(machine, device)
    if (otherEnd) remove(machine, otherEnd.device)
  })
  linkwatch_run_due(machine)
}
