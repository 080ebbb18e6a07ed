// A network namespace as a user sees it: devices, addresses, routes, rules, neighbours, sysctls, sockets, and what can be
// read of it. A handle: state is in the core and in the lab's plain state.

import { type TapOffload, offloadFlags, setOffload } from '../drivers/net/tap.ts'
import type { Machine } from '../kernel/machine.ts'
import { inProcess } from '../kernel/softirq.ts'
import type { DeviceKind, DeviceState, NamespaceState } from '../kernel/state.ts'
import { type LinkInfo, createNic, createTap, createTun, freshMac, linkInfo, requireDevice } from '../net/dev.ts'
import { type AddressSpec, addAddress, delAddress } from '../net/rtnetlink/addr.ts'
import { type LinkChange, setLink } from '../net/rtnetlink/link.ts'
import { type FdbInfo, type FdbSpec, delFdb, listFdb, setFdb } from '../net/rtnetlink/fdb.ts'
import { delLink } from '../net/rtnetlink/dellink.ts'
import { type NewLink, addLink } from '../net/rtnetlink/newlink.ts'
import {
  type NeighbourInfo,
  type NeighbourSpec,
  delNeighbour,
  listNeighbours,
  setNeighbour,
} from '../net/rtnetlink/neigh.ts'
import {
  type ClassInfo,
  type QdiscInfo,
  type QdiscName,
  type QdiscSpec,
  changeQdisc,
  delQdisc,
  listClasses,
  listQdiscs,
} from '../net/rtnetlink/qdisc.ts'
import {
  type NexthopObjectInfo,
  type NexthopObjectSpec,
  changeNexthop,
  delNexthop,
  getNexthop,
  listNexthops,
} from '../net/rtnetlink/nexthop.ts'
import { type RouteInfo, type RouteQuery, getRoute, listRouteCache, listRoutes } from '../net/rtnetlink/route_get.ts'
import { type RouteSpec, changeRoute } from '../net/rtnetlink/route.ts'
import { type RuleInfo, type RuleSpec, changeRule, listRules } from '../net/rtnetlink/rule.ts'
import { readSysctl, sysctlNames, writeSysctl } from '../net/sysctl.ts'
import { type NameOf, type Socket, type SocketType, openSocket } from '../socket/socket.ts'
import { Epoll } from '../socket/epoll.ts'
import { type UdpOptions, UdpSocket } from '../socket/udp_socket.ts'
import { integer, parseTime } from '../wasm/encode.ts'
import { systemError } from '../wasm/errors.ts'
import { type Account, type Drop, readAccount, readCounters, readDrops } from './counters.ts'
import { Device, Nic, Tap, Tun } from './devices.ts'
import { readProc } from './proc_files.ts'

/** A TAP. */
export interface TapOptions {
  /** Made from host and index unless given. */
  mac?: string
  mtu?: number
  /** Frames of one rx are polled together, 64 at a time (IFF_NAPI). */
  napi?: boolean
  /** False: it is made without carrier. */
  carrier?: boolean
  /** A struct virtio_net_hdr, 10 bytes, stands before each frame in and out (IFF_VNET_HDR). */
  vnet?: boolean
  /** What its reader finishes itself (TUNSETOFFLOAD): checksums, and trains that it cuts. USO4 and USO6 go together. */
  offload?: readonly TapOffload[]
}

/** A TUN. */
export type TunOptions = Pick<TapOptions, 'mtu' | 'napi' | 'carrier'>

/** A NIC. */
export interface NicOptions {
  mac?: string
  mtu?: number
  /** Receive queues, and as many transmit queues, 1 to 16; their interrupts go round the CPUs. */
  queues?: number
  /** Descriptors of a ring, a power of two from 64 to 4096; 256 unless given. */
  ring?: number
  /** Smallest distance of two interrupts (ITR): ns or '50us'; 0 unless given. */
  interruptInterval?: number | string
  /** False: nothing is at its other end yet; lab.link plugs it in. */
  attached?: boolean
}

/** `ip link`. */
export interface LinkCommands {
  /** What `ip -s link` shows of a device; with a change, changes it first. ENODEV, EINVAL, EEXIST. */
  (name: string, change?: LinkChange): LinkInfo
  /** Makes a link, down. EEXIST, EINVAL, EOPNOTSUPP. */
  add(link: NewLink): Device
  /** Takes a device away, with all that goes by it; a veth's other end too. ENODEV, EOPNOTSUPP for lo. */
  del(name: string): void
}

/** `ip address`. */
export interface AddressCommands {
  add(dev: string, address: AddressSpec): void
  /** Its metric, which its prefix's route follows; one that is not there is added. */
  change(dev: string, address: AddressSpec): void
  replace(dev: string, address: AddressSpec): void
  del(dev: string, address: AddressSpec): void
}

/** `ip route`. */
export interface RouteCommands {
  add(route: RouteSpec): void
  append(route: RouteSpec): void
  prepend(route: RouteSpec): void
  replace(route: RouteSpec): void
  change(route: RouteSpec): void
  del(route: RouteSpec): void
  /** What a packet would get. */
  get(query: RouteQuery | string): RouteInfo
  /** A table by name or number, or all. */
  list(table?: number | string): RouteInfo[]
  /** Path MTUs and redirects that were learnt, behind the routes of a table, or of all (`ip route show cache`). */
  cache(table?: number | string): RouteInfo[]
}

/** `ip nexthop`. */
export interface NexthopCommands {
  /** Its id. */
  add(nexthop: NexthopObjectSpec): number
  /** Its id; routes by it follow. */
  replace(nexthop: NexthopObjectSpec): number
  /** Routes by it go too. */
  del(id: number): void
  get(id: number): NexthopObjectInfo
  list(): NexthopObjectInfo[]
}

/** `ip rule`. */
export interface RuleCommands {
  add(rule: RuleSpec): void
  del(rule: RuleSpec): void
  list(): RuleInfo[]
}

/** `ip neighbour`. */
export interface NeighbourCommands {
  add(entry: NeighbourSpec): void
  replace(entry: NeighbourSpec): void
  change(entry: NeighbourSpec): void
  del(entry: NeighbourSpec): void
  list(): NeighbourInfo[]
}

/** `tc qdisc`, in tc's words and units. */
export interface QdiscCommands {
  add(qdisc: QdiscSpec): void
  change(qdisc: QdiscSpec): void
  replace(qdisc: QdiscSpec): void
  link(qdisc: QdiscSpec): void
  del(qdisc: QdiscName): void
  /** As `tc -s qdisc show`, of a device or of all; invisible: those too that their parents made by themselves. */
  show(dev?: string, options?: { invisible?: boolean }): QdiscInfo[]
  /** As `tc -s class show`: the classes of the qdisc with this handle. */
  classes(dev: string, handle: string): ClassInfo[]
}
/** `bridge fdb`, of vxlan devices. */
export interface FdbCommands {
  add(entry: FdbSpec): void
  append(entry: FdbSpec): void
  replace(entry: FdbSpec): void
  /** With dst only that remote. */
  del(entry: FdbSpec): void
  list(dev: string): FdbInfo[]
}

/** Handles of devices that can do more than others. */
const HANDLES: Partial<Record<DeviceKind, typeof Tap | typeof Tun | typeof Nic>> = { tap: Tap, tun: Tun, nic: Nic }

/** One network namespace of a host. */
export class Namespace {
  readonly #machine: Machine
  readonly #id: number
  /** '' for the first of a host. */
  readonly netnsName: string
  readonly link: LinkCommands
  readonly addr: AddressCommands
  readonly route: RouteCommands
  readonly nexthop: NexthopCommands
  readonly rule: RuleCommands
  readonly neigh: NeighbourCommands
  readonly fdb: FdbCommands
  readonly qdisc: QdiscCommands

  constructor(machine: Machine, namespace: NamespaceState) {
    this.#machine = machine
    this.#id = namespace.id
    this.netnsName = namespace.name
    const own = (): NamespaceState => machine.namespace(namespace.id)
    const link = (name: string, change?: LinkChange): LinkInfo => {
      const { id } = requireDevice(own(), name, change ? 'RTM_SETLINK' : 'link')
      if (change) setLink(machine, own(), name, change)
      return linkInfo(machine, machine.devices.byId(id)!.device)
    }
    this.link = Object.assign(link, {
      add: (wanted: NewLink) => this.#handle(addLink(machine, own(), wanted)),
      del: (name: string) => delLink(machine, own(), name),
    })
    this.addr = {
      add: (dev, address) => addAddress(machine, own(), dev, address),
      change: (dev, address) => addAddress(machine, own(), dev, address, 'change'),
      replace: (dev, address) => addAddress(machine, own(), dev, address, 'replace'),
      del: (dev, address) => delAddress(machine, own(), dev, address),
    }
    this.route = {
      add: (route) => changeRoute(machine, own(), 'add', route),
      append: (route) => changeRoute(machine, own(), 'append', route),
      prepend: (route) => changeRoute(machine, own(), 'prepend', route),
      replace: (route) => changeRoute(machine, own(), 'replace', route),
      change: (route) => changeRoute(machine, own(), 'change', route),
      del: (route) => changeRoute(machine, own(), 'del', route),
      get: (query) => getRoute(machine, own(), typeof query === 'string' ? { to: query } : query),
      list: (table) => listRoutes(machine, own(), table),
      cache: (table) => listRouteCache(machine, own(), table),
    }
    this.nexthop = {
      add: (nexthop) => changeNexthop(machine, own(), 'add', nexthop),
      replace: (nexthop) => changeNexthop(machine, own(), 'replace', nexthop),
      del: (id) => delNexthop(machine, own(), id),
      get: (id) => getNexthop(machine, own(), id),
      list: () => listNexthops(machine, own()),
    }
    this.rule = {
      add: (rule) => changeRule(machine, own(), 'add', rule),
      del: (rule) => changeRule(machine, own(), 'del', rule),
      list: () => listRules(machine, own()),
    }
    this.fdb = {
      add: (entry) => setFdb(machine, own(), 'add', entry),
      append: (entry) => setFdb(machine, own(), 'append', entry),
      replace: (entry) => setFdb(machine, own(), 'replace', entry),
      del: (entry) => delFdb(machine, own(), entry),
      list: (dev) => listFdb(machine, own(), dev),
    }
    this.neigh = {
      add: (entry) => setNeighbour(machine, own(), 'add', entry),
      replace: (entry) => setNeighbour(machine, own(), 'replace', entry),
      change: (entry) => setNeighbour(machine, own(), 'change', entry),
      del: (entry) => delNeighbour(machine, own(), entry),
      list: () => listNeighbours(machine, own()),
    }
    this.qdisc = {
      add: (qdisc) => changeQdisc(machine, own(), 'add', qdisc),
      change: (qdisc) => changeQdisc(machine, own(), 'change', qdisc),
      replace: (qdisc) => changeQdisc(machine, own(), 'replace', qdisc),
      link: (qdisc) => changeQdisc(machine, own(), 'link', qdisc),
      del: (which) => delQdisc(machine, own(), which),
      show: (dev, options = {}) => listQdiscs(machine, own(), dev, options.invisible ?? false),
      classes: (dev, handle) => listClasses(machine, own(), dev, handle),
    }
  }

  protected get machine(): Machine {
    return this.#machine
  }

  protected get namespaceState(): NamespaceState {
    return this.#machine.namespace(this.#id)
  }

  #handle(device: DeviceState): Device {
    const Kind = HANDLES[device.kind] ?? Device
    return new Kind(this.#machine, device)
  }

  /** All devices, in order of their index. */
  devices(): Device[] {
    return this.namespaceState.devices.map((device) => this.#handle(device))
  }

  /** A device by its name: a Tap, a Nic, or lo. ENODEV. */
  device(name: string): Device {
    return this.#handle(requireDevice(this.namespaceState, name, 'device'))
  }

  /** Makes a TAP, down. EEXIST, EINVAL: also an offload that there is not. */
  tap(name: string, options: TapOptions = {}): Tap {
    const { namespaceState: namespace, machine } = this
    const mac = options.mac ?? freshMac(machine, namespace)
    const { napi = false, vnet = false, offload = [] } = options
    const flags = offloadFlags(offload)
    const device = inProcess(machine, () => createTap(machine, namespace, name, { mac, napi, vnet }))
    setOffload(machine, device, flags, offload)
    if (options.carrier === false) setLink(machine, namespace, name, { carrier: false })
    if (options.mtu !== undefined) setLink(machine, namespace, name, { mtu: options.mtu })
    return new Tap(machine, device)
  }

  /** Makes a TUN, down. EEXIST, EINVAL. */
  tun(name: string, options: TunOptions = {}): Tun {
    const { namespaceState: namespace, machine } = this
    const device = inProcess(machine, () => createTun(machine, namespace, name, options.napi ?? false))
    if (options.carrier === false) setLink(machine, namespace, name, { carrier: false })
    if (options.mtu !== undefined) setLink(machine, namespace, name, { mtu: options.mtu })
    return new Tun(machine, device)
  }

  /** Makes a NIC, down; its cable ends in the program (rx, tx) unless attached is false. EEXIST, EINVAL. */
  nic(name: string, options: NicOptions = {}): Nic {
    const { namespaceState: namespace, machine } = this
    const { queues = 1, ring = 256, attached = true } = options
    const mac = options.mac ?? freshMac(machine, namespace)
    const shape = {
      mac,
      queues: integer(queues, 1, 16, 'queues', 'nic'),
      ring: integer(ring, 64, 4096, 'ring', 'nic'),
      itr: parseTime(options.interruptInterval ?? 0, 'nic'),
    }
    const device = inProcess(machine, () => createNic(machine, namespace, name, shape))
    setLink(machine, namespace, name, { carrier: false })
    if (options.mtu !== undefined) setLink(machine, namespace, name, { mtu: options.mtu })
    const nic = new Nic(machine, device)
    return attached ? nic.attach() : nic
  }

  /** Reads a sysctl as text, or writes it. ENOENT for one that 6.18 does not have, EINVAL for a bad value, EACCES. */
  sysctl(name: string, value?: string | number): string {
    const { namespaceState: namespace, machine } = this
    if (value !== undefined) inProcess(machine, () => writeSysctl(machine, namespace, name, value))
    return name === 'net.ipv4.route.flush' ? '' : readSysctl(machine, namespace, name)
  }

  /** Names of all sysctls, sorted. */
  sysctlNames(): string[] {
    return sysctlNames(this.namespaceState)
  }

  /** Opens a socket. EAFNOSUPPORT, EPROTONOSUPPORT. */
  socket<Type extends SocketType>(type: Type, protocol?: number | string): Socket<NameOf<Type>> {
    return openSocket(this.#machine, this.#id, type, protocol)
  }

  /** An epoll instance: readiness of many sockets of the host. */
  epoll(): Epoll {
    return new Epoll(this.#machine)
  }

  /** A UDP socket, bound. EADDRINUSE, EADDRNOTAVAIL. */
  udp(options: UdpOptions = {}): UdpSocket {
    return new UdpSocket(this.socket('udp'), options)
  }

  /** Counters by nstat's names: those that are not 0, or all with {zeros: true}. */
  counters(options: { zeros?: boolean } = {}): Record<string, number> {
    return readCounters(this.#machine, this.namespaceState, options.zeros ?? false)
  }

  /** Which function dropped packets, why, of which device, on which CPU, and how many. */
  drops(): Drop[] {
    return readDrops(this.#machine, this.namespaceState)
  }

  /** Packets born and ended by kind, dropped by reason, and live. */
  account(): Account {
    return readAccount(this.#machine, this.namespaceState)
  }

  /** The text of a file below /proc/net or /proc/sys/net. ENOENT. */
  proc(path: string): string {
    if (!path.startsWith('/')) throw systemError('ENOENT', 'open', `${path}: the whole path, such as /proc/net/snmp`)
    return readProc(this.#machine, this.namespaceState, path)
  }
}
