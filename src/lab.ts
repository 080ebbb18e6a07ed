// A lab: hosts, wires and one virtual clock. The same seed gives the same trace on every engine.

import { cpuState } from './kernel/cpu.ts'
import { Machine, type Simulation } from './kernel/machine.ts'
import { seedOf } from './kernel/random.ts'
import { inProcess } from './kernel/softirq.ts'
import type { HostState, LabOptions as Options, LinkEnd, LinkState, LinkStats } from './kernel/state.ts'
import { clockState, dropEvents } from './kernel/time.ts'
import { nicAt, unplug } from './drivers/net/wire.ts'
import { type Host, type HostSpec, type HostWith, handleOf, makeHost } from './host.ts'
import { type Account, readAccount, sumAccounts } from './host/counters.ts'
import type { Nic } from './host/devices.ts'
import { type RunResult, advance, handlers, runUntil } from './lab/loop.ts'
import { type Snapshot, restoreSnapshot, takeSnapshot } from './lab/snapshot.ts'
import { copy_net_ns } from './net/net_namespace.ts'
import { setCarrier } from './net/carrier.ts'
import { COST_ROWS } from './wasm/abi.ts'
import { integer, parseLoss, parseRate, parseTime } from './wasm/encode.ts'
import { checked, invalid, systemError } from './wasm/errors.ts'
import { type CompiledCore, acquireCore, loadCore, releaseCore } from './wasm/instantiate.ts'

/** Virtual time that work takes: ns for each packet, and ns for each byte. */
export type Cost = number | readonly [ns: number, nsPerByte: number]

/** What a lab is made with. */
export interface LabOptions {
  /** Of all that is random; 1 unless given. */
  seed?: number
  /** Ticks per second of the kernel's timers: 250 unless given, 1000 for packetdrill. */
  hz?: number
  /** Memory of each host; 32 unless given. */
  memoryMb?: number
  /** Initial sequence number of each TCP connection; at random unless given. */
  isn?: number
  /** rx, tx, deliver, forward, drop, syscall, copy. Without them work takes no time. */
  costs?: Readonly<Partial<Record<(typeof COST_ROWS)[number], Cost>>>
}

/** A wire. */
export interface WireOptions {
  /** '10gbit', or bits per second; no limit unless given. */
  rate?: number | string
  /** '20us', or ns; 0 unless given. */
  delay?: number | string
  /** 0 to 1, or '0.1%'; 0 unless given. */
  loss?: number | string
}

/** The balance of a lab: of all its hosts, and of each. */
export interface LabAccount extends Account {
  hosts: Record<string, Account>
}

/** A wire that lies. */
export interface Wire {
  readonly id: number
  /** What went in at each end, and what of it was lost. */
  stats(): [LinkStats, LinkStats]
  /** Pulls it out: carrier goes at both ends. What is on the way still arrives. */
  unplug(): void
}

function optionsOf(given: LabOptions): Options {
  const { seed = 1, hz = 250, memoryMb = 32, isn = 0, costs = {} } = given
  integer(seed, 0, Number.MAX_SAFE_INTEGER, 'seed', 'lab')
  integer(hz, 100, 1000, 'hz', 'lab')
  integer(isn, 0, 4294967295, 'isn', 'lab')
  if (!(memoryMb >= 1 && memoryMb <= 2000)) throw invalid('lab', `memoryMb is 1 to 2000, not ${memoryMb}`)
  const rows = Object.entries(costs).map(([name, cost]): [string, [number, number]] => {
    const [ns, perByte] = typeof cost === 'number' ? [cost, 0] : cost!
    const known = (COST_ROWS as readonly string[]).includes(name)
    if (!known || !(ns >= 0 && ns <= 4e9 && perByte >= 0 && perByte <= 1e6)) {
      throw invalid(
        'lab',
        `costs has ns, or [ns, ns per byte], for ${COST_ROWS.join(', ')}; not ${name}: ${String(cost)}`,
      )
    }
    return [name, [ns, perByte]]
  })
  return { seed, hz, memoryMb, isn, costs: Object.fromEntries(rows) }
}

/** A lab. Made by lab(). */
export class Lab implements AsyncDisposable {
  readonly #simulation: Simulation
  readonly #compiled: CompiledCore
  #closed = false

  constructor(compiled: CompiledCore, options: LabOptions = {}) {
    const plain = optionsOf(options)
    this.#compiled = compiled
    this.#simulation = {
      state: {
        options: plain,
        clock: clockState(),
        random: seedOf(plain.seed, -1)[0],
        hosts: [],
        links: [],
        nextLink: 0,
        nextBlast: 0,
      },
      machines: new Map(),
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw systemError('EBADF', 'lab', 'the lab is closed')
  }

  /** Virtual ns since the lab was made. */
  get now(): number {
    return this.#simulation.state.clock.now
  }

  get seed(): number {
    return this.#simulation.state.options.seed
  }

  /** An instance for a host's state; the namespace is not made yet. */
  #machine(host: HostState): Machine {
    const { options } = this.#simulation.state
    const [seedLo, seedHi] = seedOf(options.seed, host.id)
    const boot = { memoryMb: options.memoryMb, hz: options.hz, seedLo, seedHi, cpus: host.cpus.length }
    const core = acquireCore(this.#compiled, boot)
    core.memory.writeU32(core.boot('tcp_isn'), options.isn)
    for (const [name, [ns, perByte]] of Object.entries(options.costs)) {
      const row = (COST_ROWS as readonly string[]).indexOf(name)
      checked(core.exports.cost_set(row, Math.round(ns), Math.round(perByte * 256)), 'lab', name)
    }
    const machine = new Machine(this.#simulation, host.id, core, handlers)
    this.#simulation.machines.set(host.id, machine)
    return machine
  }

  /**
   * A host with its NICs: `net.host('a', { eth0: '10.0.0.1/24', cpus: 2 })`; they are members of what is answered (a.eth0),
   * up, and plugged in by link(). EEXIST, EINVAL, ENOMEM.
   */
  host<const S extends HostSpec>(name: string, spec: S = {} as S): HostWith<S> {
    this.#assertOpen()
    const { state } = this.#simulation
    if (!name) throw invalid('host', 'a host has a name')
    if (state.hosts.some((host) => host.name === name)) throw systemError('EEXIST', 'host', name)
    const cpus = integer(spec.cpus ?? 1, 1, 64, 'cpus', 'host')
    const id = state.hosts.reduce((next, host) => Math.max(next, host.id + 1), 1)
    const host: HostState = {
      id,
      name,
      cpus: Array.from({ length: cpus }, (_, cpu) => cpuState(cpu)),
      namespaces: [],
      linkWatch: { pending: [], nextEvent: 0, scheduled: false },
      timerAt: -1,
      blasts: [],
      sleeps: [],
      nextSleep: 0,
      nextDevice: 0,
    }
    const machine = this.#machine(host)
    state.hosts.push(host)
    try {
      inProcess(machine, () => copy_net_ns(machine, ''))
      return makeHost(machine, spec)
    } catch (error) {
      const failure = machine.core.failure(error)
      this.#remove(machine)
      throw failure
    }
  }

  /** The handle of a host by its name, after restore() for example. ENOENT. */
  getHost(name: string): ReturnType<typeof handleOf> {
    this.#assertOpen()
    const host = this.#simulation.state.hosts.find((candidate) => candidate.name === name)
    if (!host) throw systemError('ENOENT', 'host', name)
    return handleOf(this.#simulation.machines.get(host.id)!)
  }

  /** All hosts, in the order of their making. */
  hosts(): Host[] {
    this.#assertOpen()
    return this.#simulation.state.hosts.map(({ name }) => this.getHost(name))
  }

  /** Lays a wire between two NICs; both get carrier. EBUSY for a NIC that is plugged in. */
  link(a: Nic, b: Nic, options: WireOptions = {}): Wire {
    this.#assertOpen()
    const { state } = this.#simulation
    const link: LinkState = {
      id: state.nextLink,
      ends: [a.end, b.end],
      rate: parseRate(options.rate ?? 0, 'link'),
      delay: parseTime(options.delay ?? 0, 'link'),
      loss: parseLoss(options.loss ?? 0, 'link'),
      stats: [
        { frames: 0, bytes: 0, lost: 0 },
        { frames: 0, bytes: 0, lost: 0 },
      ],
    }
    const nics = link.ends.map((end) => nicAt(this.#simulation, end))
    const [first, second] = nics
    if (!first || !second) throw systemError('ENODEV', 'link', 'an end is no NIC of this lab')
    if (first.device === second.device) throw invalid('link', 'a wire has two ends')
    for (const { nic, device } of [first, second]) {
      if (nic.peer.kind === 'link') throw systemError('EBUSY', 'link', `${device.name} is plugged in`)
    }
    state.nextLink++
    state.links.push(link)
    first.nic.peer = { kind: 'link', link: link.id, end: 0 }
    second.nic.peer = { kind: 'link', link: link.id, end: 1 }
    for (const { machine, device } of [first, second]) setCarrier(machine, device, true)
    return this.#wire(link.id)
  }

  #wire(id: number): Wire {
    const find = (): LinkState => {
      const link = this.#simulation.state.links.find((candidate) => candidate.id === id)
      if (!link) throw systemError('ENODEV', 'link', 'the wire was pulled out')
      return link
    }
    return { id, stats: () => structuredClone(find().stats), unplug: () => unplug(this.#simulation, find().id) }
  }

  /** Lets happen what is due by then, then moves the clock: ns, or '1ms'. */
  advance(time: number | string): void {
    this.#assertOpen()
    advance(this.#simulation, parseTime(time, 'advance'))
  }

  /**
   * Lets happen what is due until nothing moves any more: no frame on a wire or in a ring, no softirq, no packet that waits in
   * a qdisc for its time. Other timers fire on the way, but do not keep it going. `for` bounds it: ns, or '1s' of virtual time.
   */
  run(options: { for?: number | string } = {}): RunResult {
    this.#assertOpen()
    const bound = options.for === undefined ? Infinity : this.now + parseTime(options.for, 'run')
    return runUntil(this.#simulation, bound, true)
  }

  /** Packets born = ended + live, for each host and for all. `balanced` is false when a packet was lost track of. */
  account(): LabAccount {
    this.#assertOpen()
    const hosts: Record<string, Account> = {}
    for (const { id, name, namespaces } of this.#simulation.state.hosts) {
      const machine = this.#simulation.machines.get(id)!
      hosts[name] = sumAccounts(namespaces.map((namespace) => readAccount(machine, namespace)))
    }
    return { ...sumAccounts(Object.values(hosts)), hosts }
  }

  /** The lab as it is now, for restore(): plain data. */
  snapshot(): Snapshot {
    this.#assertOpen()
    return takeSnapshot(this.#simulation, this.#compiled.hash)
  }

  /**
   * Puts the lab back, or into another lab made with the same memoryMb and hz. Handles stay valid by their ids; who waits for
   * a socket looks again. EINVAL for a snapshot of another build.
   */
  restore(snapshot: Snapshot): void {
    this.#assertOpen()
    restoreSnapshot(this.#simulation, snapshot, this.#compiled.hash, {
      make: (host) => this.#machine(host),
      release: (machine) => this.#release(machine),
    })
  }

  #release(machine: Machine): void {
    this.#simulation.machines.delete(machine.id)
    machine.close()
    releaseCore(machine.core)
  }

  /** Takes a host out, with its wires and what it would do. */
  #remove(machine: Machine): void {
    const { state } = this.#simulation
    const isOf = (end: LinkEnd): boolean => end.host === machine.id
    for (const link of state.links.filter(({ ends }) => ends.some(isOf))) unplug(this.#simulation, link.id)
    dropEvents(state.clock, (event) => event.host === machine.id)
    state.hosts = state.hosts.filter((host) => host.id !== machine.id)
    this.#release(machine)
  }

  /** Switches a host off and takes it out of the lab. */
  remove(host: Host): void {
    this.#assertOpen()
    const machine = this.#simulation.machines.get(host.id)
    if (machine) this.#remove(machine)
  }

  /** Closes all hosts; their memory is used again by other labs. A second time does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { state, machines } = this.#simulation
    state.hosts = []
    state.clock.events = []
    for (const machine of [...machines.values()]) this.#release(machine)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** A lab: hosts, wires and one clock. Everything after this is synchronous. */
export async function lab(options: LabOptions = {}): Promise<Lab> {
  optionsOf(options)
  return new Lab(await loadCore(), options)
}

export type { Account, Drop } from './host/counters.ts'
export type { RunResult } from './lab/loop.ts'
export type { Snapshot } from './lab/snapshot.ts'
