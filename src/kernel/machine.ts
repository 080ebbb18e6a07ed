// A host at run time: its Wasm instance, its plain state, and the way in and out of the core. What the core leaves in its
// event ring is drained after each call, and handed to the rooms above by a table of handlers.

import { EV_IGB_TX, EV_LINKWATCH, EV_NAPI, EV_SOCK, EV_SOFTIRQ, NAPI_STATE_SCHED } from '../wasm/abi.ts'
import type { Core } from '../wasm/core.ts'
import { systemError } from '../wasm/errors.ts'
import { FN_net_rps_action_and_irq_enable, FN_net_rps_send_ipi } from '../../assembly/uapi/functions.ts'
import { pushEvent } from './time.ts'
import { beginsAt } from './cpu.ts'
import { DeviceIndex } from './device_index.ts'
import type { CpuState, HostState, LabState, NamespaceState } from './state.ts'

export const NET_TX_SOFTIRQ = 2
export const NET_RX_SOFTIRQ = 3

/** All of a lab that is not plain data. Machines are found by their host's id. */
export interface Simulation {
  state: LabState
  readonly machines: Map<number, Machine>
}

/** What the rooms above do when the core or a softirq asks for it. */
export interface Handlers {
  /** NET_RX on a CPU. True: it was interrupted, and goes on at the CPU's busyUntil. */
  netRx(machine: Machine, cpu: number): boolean
  netTx(machine: Machine, cpu: number): void
  /** Descriptors wait for the hardware of a NIC. */
  transmit(machine: Machine, device: number, queue: number): void
  /** Carrier of a device changed. */
  linkChange(machine: Machine, device: number): void
  /** Events were lost: look at everything. */
  lookAtAll(machine: Machine): void
}

/** Who wants to know of every edge of a socket (epoll). */
export interface Watcher {
  /** The socket's waiters were woken for these EPOLL* bits. True: this one took it for itself alone. */
  woken(handle: number, what: number): boolean
  /** The socket is closed. */
  closed(handle: number): void
}

/** Of a wake-up that is for everybody. */
const EVERYTHING = 0xffffffff

const EVENT_RECORD = 16

/** One host of a lab. */
export class Machine {
  readonly simulation: Simulation
  readonly id: number
  readonly core: Core
  readonly handlers: Handlers
  /** Who waits for a socket to become ready, by handle. */
  readonly wakers = new Map<number, Set<() => void>>()
  /** Who watches sockets, by handle. */
  readonly watchers = new Map<number, Set<Watcher>>()
  /** Who sleeps until a time, by number. */
  readonly sleepers = new Map<number, () => void>()
  #closed = false
  #lab: LabState | undefined
  #state: HostState | undefined
  #devices: DeviceIndex | undefined
  #costs: object | undefined
  #charged = false

  constructor(simulation: Simulation, id: number, core: Core, handlers: Handlers) {
    this.simulation = simulation
    this.id = id
    this.core = core
    this.handlers = handlers
  }

  /** Its plain state. ENODEV when the lab was restored to a time before the host. */
  get state(): HostState {
    const lab = this.simulation.state
    if (this.#lab !== lab || !this.#state) {
      this.#lab = lab
      this.#state = lab.hosts.find((host) => host.id === this.id)
      this.#devices = undefined
    }
    if (this.#closed || !this.#state)
      throw systemError('ENODEV', 'host', 'the host is closed, or the restored lab has none of this name')
    return this.#state
  }

  /** Its devices by number and by pointer. */
  get devices(): DeviceIndex {
    const { state } = this
    this.#devices ??= new DeviceIndex(state)
    return this.#devices
  }

  /** It is no more of the lab: handles answer ENODEV, and who waits is told. */
  close(): void {
    this.#closed = true
    this.wakeAll()
  }

  get now(): number {
    return this.simulation.state.clock.now
  }

  cpu(id: number): CpuState {
    return this.state.cpus[id]!
  }

  namespace(id: number): NamespaceState {
    const found = this.state.namespaces[id]
    if (!found) throw systemError('ENOENT', 'netns', 'the restored lab has no such namespace')
    return found
  }

  /** Is any row of the cost table set? Else work takes no time. */
  get charged(): boolean {
    const { costs } = this.simulation.state.options
    if (costs !== this.#costs) {
      this.#costs = costs
      this.#charged = Object.keys(costs).length > 0
    }
    return this.#charged
  }

  /** Before a call: sets the CPU, and the time at which its work begins. */
  enter(cpu: CpuState, at = beginsAt(cpu, this.now)): void {
    this.core.assertAlive()
    this.core.memory.writeU32(this.core.cpuAt, cpu.id)
    this.core.setTime(at, this.charged)
  }

  /** A function of the kernel that is played here begins: for the walk (FN_*). */
  walk(fn: number): void {
    if (this.core.memory.readU32(this.core.traceAt) !== 0) this.core.exports.trace_function(fn)
  }

  /** After a call: what it was charged, and what it left in the event ring. */
  leave(cpu: CpuState): void {
    if (this.charged) cpu.busyUntil = Math.max(cpu.busyUntil, this.core.now)
    this.drain()
  }

  /** Handles what the core left in its event ring. */
  drain(): void {
    const { memory, headAt, tailAt, lostAt, eventRing, eventMask } = this.core
    const { u32 } = memory.views
    let at = u32[tailAt >>> 2]!
    while (at !== u32[headAt >>> 2]!) {
      const word = (eventRing + ((at & eventMask) >>> 0) * EVENT_RECORD) >>> 2
      const kind = u32[word]!
      const a = u32[word + 1]!
      const b = u32[word + 2]!
      at = (at + 1) >>> 0
      u32[tailAt >>> 2] = at
      this.#handle(kind, a, b)
    }
    if (u32[lostAt >>> 2] !== 0) {
      u32[lostAt >>> 2] = 0
      this.handlers.lookAtAll(this)
      this.wakeAll()
    }
  }

  #handle(kind: number, a: number, b: number): void {
    if (kind === EV_NAPI) this.#napi(this.cpu(b), a)
    else if (kind === EV_SOCK) this.wake(a)
    else if (kind === EV_IGB_TX) this.handlers.transmit(this, a, b)
    else if (kind === EV_LINKWATCH) this.handlers.linkChange(this, a)
    else if (kind === EV_SOFTIRQ) this.cpu(b).pending |= 1 << a
  }

  /** A NAPI context was scheduled; another CPU than this hears of it by an interrupt. */
  #napi(cpu: CpuState, napi: number): void {
    this.scheduleNapi(cpu, napi)
    if (cpu.id === this.core.memory.readU32(this.core.cpuAt)) return
    this.walk(FN_net_rps_action_and_irq_enable)
    this.walk(FN_net_rps_send_ipi)
    const at = this.charged ? this.core.now : this.now
    pushEvent(this.simulation.state.clock, at, 'ipi', this.id, cpu.id)
  }

  /** Puts a NAPI context on a CPU's poll list and raises NET_RX. */
  scheduleNapi(cpu: CpuState, napi: number): void {
    cpu.pollList.push(napi)
    cpu.pending |= 1 << NET_RX_SOFTIRQ
  }

  /** Is a NAPI context still scheduled, so its interrupt masked? */
  napiScheduled(napi: number): boolean {
    return (this.core.memory.readU32(napi + this.core.offsets.napi_struct.state) & NAPI_STATE_SCHED) !== 0
  }

  /** Tells who waits for a socket, and who watches it. */
  wake(handle: number): void {
    const watching = this.watchers.get(handle)
    if (watching) this.#tell(watching, handle, this.core.exports.sys_woken(handle) >>> 0)
    this.#resolve(handle)
  }

  #tell(watching: ReadonlySet<Watcher>, handle: number, what: number): void {
    for (const watcher of watching) if (watcher.woken(handle, what)) return
  }

  #resolve(handle: number): void {
    const waiting = this.wakers.get(handle)
    if (!waiting) return
    this.wakers.delete(handle)
    for (const resolve of [...waiting]) resolve()
  }

  /** The socket is closed: who waits for it or watches it hears of it for the last time. */
  forget(handle: number): void {
    const watching = this.watchers.get(handle)
    this.watchers.delete(handle)
    for (const watcher of watching ?? []) watcher.closed(handle)
    this.#resolve(handle)
  }

  wakeAll(): void {
    for (const [handle, watching] of [...this.watchers]) {
      // The memory may be another one, in which nobody watches yet.
      if (!this.core.dead) this.core.exports.sys_watch(handle, 1)
      this.#tell(watching, handle, EVERYTHING)
    }
    for (const handle of [...this.wakers.keys()]) this.#resolve(handle)
  }

  /** Asks the core when its next timer fires, if one was set or stopped since. */
  updateTimer(): void {
    if (this.core.memory.readU32(this.core.timerMovedAt) === 0) return
    this.state.timerAt = this.core.exports.timer_next()
  }
}
