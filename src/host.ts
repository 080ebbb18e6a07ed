// A host: one Wasm instance with its CPUs, devices and namespaces. What a user does with the first namespace is done on the
// host itself; devices that were named at its making are members (host.eth0).

import { HostBuffer } from './host/buffer.ts'
import { Device, Nic, Tap, Tun } from './host/devices.ts'
import { Namespace } from './host/namespace.ts'
import { Trace } from './host/trace.ts'
import type { Machine } from './kernel/machine.ts'
import { inProcess } from './kernel/softirq.ts'
import { type BlastOptions, type BlastResult, blast } from './lab/blast.ts'
import { copy_net_ns, namespaceByName } from './net/net_namespace.ts'
import type { AddressSpec } from './net/rtnetlink/addr.ts'
import type { EndpointLike } from './wasm/encode.ts'
import { invalid } from './wasm/errors.ts'

/** A NIC of a host's making: its address, its addresses, or more. */
export type NicSpec =
  | string
  | readonly AddressSpec[]
  | {
      addresses?: readonly AddressSpec[]
      mac?: string
      mtu?: number
      queues?: number
      ring?: number
      interruptInterval?: number | string
      /** Up unless false. */
      up?: boolean
    }

/** What a host is made of: CPUs, whether lo is up, and NICs by name. */
export interface HostOptions {
  /** 1 to 64; 1 unless given. */
  cpus?: number
  /** False: lo stays down. */
  lo?: boolean
}
export type HostSpec = HostOptions & { readonly [device: string]: NicSpec | number | boolean | undefined }

/** A host with the NICs that its making named. */
export type HostWith<S> = Host & { readonly [D in Exclude<keyof S, keyof HostOptions>]: Nic }

/** One host of a lab. */
export class Host extends Namespace {
  readonly name: string
  readonly trace: Trace

  constructor(machine: Machine) {
    super(machine, machine.namespace(0))
    this.name = machine.state.name
    this.trace = new Trace(machine)
  }

  /** Its number in the lab. */
  get id(): number {
    return this.machine.id
  }

  get cpus(): number {
    return this.machine.state.cpus.length
  }

  /** Another network namespace by name, made when there is none. Its lo is down, as after `ip netns add`. */
  netns(name: string): Namespace {
    if (!name) throw invalid('netns', 'a namespace has a name')
    const { machine } = this
    const found = namespaceByName(machine, name)
    return new Namespace(machine, found ?? inProcess(machine, () => copy_net_ns(machine, name)))
  }

  /** All namespaces, the first one among them. */
  namespaces(): Namespace[] {
    return this.machine.state.namespaces.map((state) => new Namespace(this.machine, state))
  }

  /** Memory on the host's own pages that may be sent without being copied. ENOMEM. */
  alloc(length: number): HostBuffer {
    this.machine.core.assertAlive()
    return new HostBuffer(this.machine, length)
  }

  /**
   * Sends UDP datagrams at a steady rate, and runs the lab until all have been sent and nothing moves any more.
   * Rejects with the signal's reason when it is aborted.
   */
  blast(to: EndpointLike, options: BlastOptions): Promise<BlastResult> {
    return blast(this.machine, to, options)
  }
}

const RESERVED: ReadonlySet<string> = new Set(['cpus', 'lo'])

/** Makes the NICs of a specification: addresses, up. They are not plugged in yet. */
function makeNics(host: Host, spec: HostSpec): void {
  for (const [name, given] of Object.entries(spec)) {
    if (RESERVED.has(name) || given === undefined) continue
    if (typeof given === 'number' || typeof given === 'boolean') {
      throw invalid('host', `${name} is the NIC's address ('10.0.0.1/24'), addresses, or an object`)
    }
    if (name in host)
      throw invalid('host', `a device cannot be called '${name}' here: a host has a member of that name`)
    const options =
      typeof given === 'string' ? { addresses: [given] } : Array.isArray(given) ? { addresses: given } : given
    const { addresses = [], up = true, ...rest } = options as Exclude<NicSpec, string | readonly AddressSpec[]>
    const nic = host.nic(name, { ...rest, attached: false })
    for (const address of addresses) host.addr.add(name, address)
    if (up) host.link(name, { up: true })
    Object.defineProperty(host, name, { value: nic, enumerable: true })
  }
}

/** The handle of a host that was just made, with its devices. */
export function makeHost<S extends HostSpec>(machine: Machine, spec: S): HostWith<S> {
  const host = new Host(machine)
  if (spec.lo !== false) host.link('lo', { up: true })
  makeNics(host, spec)
  return host as HostWith<S>
}

/** A handle of a host that is there: with its NICs as members, where their names are free. */
export function handleOf(machine: Machine): Host & { readonly [device: string]: Device | unknown } {
  const host = new Host(machine)
  for (const device of host.devices()) {
    if (device.name in host || !(device instanceof Nic || device instanceof Tap || device instanceof Tun)) continue
    Object.defineProperty(host, device.name, { value: device, enumerable: true })
  }
  return host as Host & { readonly [device: string]: Device | unknown }
}
