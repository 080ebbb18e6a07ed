// ip link add: devices that software makes. Mirrors rtnl_newlink of net/core/rtnetlink.c and the newlink of each driver.
// TAPs, TUNs and NICs are made by src/net/dev.ts.

import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { DeviceKind, DeviceState, NamespaceState } from '../../kernel/state.ts'
import type { Ptr } from '../../wasm/abi.ts'
import { byteSwap16, encodeIfname, integer, parseIPv4 } from '../../wasm/encode.ts'
import { checked, invalid, systemError } from '../../wasm/errors.ts'
import { deviceByName, enter, freshMac, requireDevice, writeIdentity } from '../dev.ts'
import { requireNamespace } from '../net_namespace.ts'
import { type NetnsLike, setLink } from './link.ts'

const SYSCALL = 'RTM_NEWLINK'
const NO_MAC = '00:00:00:00:00:00'
/** Where what a tunnel is made of lies behind its name. */
const PARMS = 32

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

/** A tunnel of IPv4 in IPv4 (RFC 2003). */
export interface IpipLink extends Omit<LinkBase, 'mac'> {
  kind: 'ipip'
  /** Ends of the outer packets: any of ours unless given, and the next hop of each packet. */
  local?: string
  remote?: string
  /** The device below. */
  dev?: string
  /** Of the outer header: 1 to 255; the inner one's unless given. */
  ttl?: number
  /** Of the outer header; 0 unless given. */
  tos?: number | 'inherit'
  /** False: outer packets have DF only where the inner ones do. Goes with no ttl, as with ip. */
  pmtudisc?: boolean
}

/** A link to make, as `ip link add` names it. */
export type NewLink = VethLink | DummyLink | IpipLink | VxlanLink

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

/** Ethernet over UDP (RFC 7348). */
export interface VxlanLink extends LinkBase {
  kind: 'vxlan'
  /** The VNI, 0 to 16777215. */
  id: number
  /** Source of the outer packets; that of the route unless given. */
  local?: string
  /** Where goes what has no entry: a host or a group, nowhere unless given. A group needs dev. */
  remote?: string
  /** The device below: the MTU is 50 less than its, and it goes when that goes. */
  dev?: string
  /** 4789 unless given; Linux's own default is 8472, and ip warns of it. */
  dstport?: number
  /** Least and highest source port; the local ports unless given. */
  srcport?: readonly [low: number, high: number]
  /** Of the outer header: 1 to 255; that of the host (of groups 1) unless given. */
  ttl?: number
  tos?: number | 'inherit'
  /** DF on outer packets. */
  df?: boolean
  /** False: entries are only those of fdb. */
  learning?: boolean
  /** Seconds until what was learned is forgotten; 300 unless given, 0: never. */
  ageing?: number
  /** Most learned entries. */
  maxaddress?: number
  /** False: outer datagrams have no checksum. */
  udpcsum?: boolean
}

const VXLAN_F_LEARN = 1
const VXLAN_F_UDP_ZERO_CSUM_TX = 2
const VNI_MAX = 0xffffff
const FDB_AGE_DEFAULT = 300

/** struct vxlan_config. EINVAL for what is out of bounds. */
function vxlanConfig(namespace: NamespaceState, link: VxlanLink): Uint32Array<ArrayBuffer> {
  const { local = '0.0.0.0', remote = '0.0.0.0', dstport = 4789, srcport = [0, 0], ttl = 0, tos = 0 } = link
  const { learning = true, udpcsum = true, ageing = FDB_AGE_DEFAULT, maxaddress = 0 } = link
  const within = (value: number, max: number, what: string): number => integer(value, 0, max, what, SYSCALL)
  const [low, high] = srcport
  if (low > high) throw invalid(SYSCALL, `srcport ${low} to ${high}`)
  return Uint32Array.of(
    parseIPv4(local, SYSCALL),
    parseIPv4(remote, SYSCALL),
    below(namespace, link.dev),
    within(link.id, VNI_MAX, 'id'),
    byteSwap16(integer(dstport, 1, 65535, 'dstport', SYSCALL)),
    within(low, 65535, 'srcport'),
    within(high, 65535, 'srcport'),
    within(ttl, 255, 'ttl'),
    tos === 'inherit' ? TOS_INHERIT : within(tos, 255, 'tos'),
    link.df ? IP_DF : 0,
    within(ageing, 0xffffffff, 'ageing'),
    within(maxaddress, 0xffffffff, 'maxaddress'),
    (learning ? VXLAN_F_LEARN : 0) | (udpcsum ? 0 : VXLAN_F_UDP_ZERO_CSUM_TX),
  )
}

function addVxlan(machine: Machine, namespace: NamespaceState, link: VxlanLink): DeviceState {
  assertBase(namespace, link)
  const config = vxlanConfig(namespace, link)
  return inProcess(machine, () => {
    const at = writeIdentity(machine, link.name, link.mac ?? freshMac(machine, namespace), SYSCALL)
    machine.core.memory.write(at.name + PARMS, new Uint8Array(config.buffer))
    const ptr = checked(machine.core.exports.vxlan_create(namespace.net, at.name), SYSCALL, link.name)
    const device = enterLink(machine, namespace, ptr, link.name, 'vxlan')
    if (link.dev !== undefined) device.below = requireDevice(namespace, link.dev, SYSCALL).id
    return device
  })
}

/** Index of the device below, 0: none was named. */
function below(namespace: NamespaceState, dev: string | undefined): number {
  return dev === undefined ? 0 : requireDevice(namespace, dev, SYSCALL).ifindex
}

const TOS_INHERIT = 1
const IP_DF = 0x40

function addIpip(machine: Machine, namespace: NamespaceState, link: IpipLink): DeviceState {
  assertBase(namespace, link)
  const { local = '0.0.0.0', remote = '0.0.0.0', ttl = 0, tos = 0, pmtudisc = true } = link
  integer(ttl, 0, 255, 'ttl', SYSCALL)
  if (tos !== 'inherit') integer(tos, 0, 255, 'tos', SYSCALL)
  if (ttl !== 0 && !pmtudisc) throw invalid(SYSCALL, 'a tunnel with a ttl of its own has path MTU discovery')
  const parms = Uint32Array.of(
    parseIPv4(local, SYSCALL),
    parseIPv4(remote, SYSCALL),
    below(namespace, link.dev),
    ttl,
    tos === 'inherit' ? TOS_INHERIT : tos,
    pmtudisc ? IP_DF : 0,
  )
  return inProcess(machine, () => {
    const at = writeIdentity(machine, link.name, NO_MAC, SYSCALL)
    machine.core.memory.write(at.name + PARMS, new Uint8Array(parms.buffer))
    const ptr = checked(machine.core.exports.ipip_create(namespace.net, at.name), SYSCALL, link.name)
    return enterLink(machine, namespace, ptr, link.name, 'ipip')
  })
}

function make(machine: Machine, namespace: NamespaceState, link: NewLink): DeviceState {
  if (link.kind === 'veth') return addVeth(machine, namespace, link)
  if (link.kind === 'dummy') return addDummy(machine, namespace, link)
  if (link.kind === 'ipip') return addIpip(machine, namespace, link)
  if (link.kind === 'vxlan') return addVxlan(machine, namespace, link)
  throw systemError(
    'EOPNOTSUPP',
    SYSCALL,
    `kind '${(link as { kind: string }).kind}'; there are veth, dummy, ipip, vxlan`,
  )
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
