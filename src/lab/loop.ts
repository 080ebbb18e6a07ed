// The loop of a lab: what is due happens in order of time. At one time events (hardware) come before timers, and hosts'
// timers in the order of the hosts.

import type { NicAt } from '../drivers/net/nic.ts'
import { interrupt, polled, transmit, transmitMore } from '../drivers/net/nic.ts'
import { deliver, nicAt, wireRate } from '../drivers/net/wire.ts'
import { type Handlers, type Machine, NET_TX_SOFTIRQ, type Simulation } from '../kernel/machine.ts'
import { raise_softirq, run_deferred, run_ipi, run_ksoftirqd, run_timer_softirq } from '../kernel/softirq.ts'
import { type SimEvent, nextEventTime, popEvent } from '../kernel/time.ts'
import { deviceByPointer } from '../net/dev.ts'
import { nextSleepEnd, wakeSleepers } from '../kernel/wait.ts'
import { linkwatch_event, linkwatch_fire_event } from '../net/link_watch.ts'
import { net_rx_action, net_tx_action } from '../net/napi.ts'
import { sendNext } from './blast_state.ts'

interface QueueAt {
  at: NicAt
  queue: number
}

/** Where the NAPI context polled last was found: most often it is the next one too. */
const lastFound = new WeakMap<Machine, QueueAt>()

function isStill({ at, queue }: QueueAt, machine: Machine, napi: number): boolean {
  const { namespace, device, nic } = at
  return nic.napis[queue] === napi && machine.state.namespaces.includes(namespace) && namespace.devices.includes(device)
}

/** The NIC and queue of a NAPI context, undefined: another kind of device's. */
function queueOf(machine: Machine, napi: number): QueueAt | undefined {
  const last = lastFound.get(machine)
  if (last && isStill(last, machine, napi)) return last
  const found = searchQueue(machine, napi)
  if (found) lastFound.set(machine, found)
  return found
}

function searchQueue(machine: Machine, napi: number): QueueAt | undefined {
  for (const namespace of machine.state.namespaces) {
    for (const device of namespace.devices) {
      const { nic } = device
      if (!nic) continue
      const queue = nic.napis.indexOf(napi)
      if (queue >= 0) return { at: { machine, namespace, device, nic }, queue }
    }
  }
  return undefined
}

function afterPoll(machine: Machine, napi: number): void {
  const found = queueOf(machine, napi)
  if (found) polled(found.at, found.queue)
}

function nicOf(machine: Machine, pointer: number): NicAt | undefined {
  const found = deviceByPointer(machine, pointer)
  if (!found?.device.nic) return undefined
  return { machine, namespace: found.namespace, device: found.device, nic: found.device.nic }
}

/** Events of the core were lost: every NIC is looked at, and every NAPI context that is scheduled is put on a list. */
function lookAtAll(machine: Machine): void {
  const { memory, offsets } = machine.core
  const cpu = machine.cpu(0)
  // Qdiscs may have been scheduled.
  for (const each of machine.state.cpus) raise_softirq(machine, each, NET_TX_SOFTIRQ)
  const listed = new Set(machine.state.cpus.flatMap(({ pollList }) => pollList))
  const softnet = memory.readU32(machine.core.boot('softnet'))
  for (const each of machine.state.cpus) {
    const at = softnet + each.id * machine.core.constants.SOFTNET_SIZE + offsets.softnet_data.backlog
    const backlog = memory.readU32(at)
    if (machine.napiScheduled(backlog) && !listed.has(backlog)) machine.scheduleNapi(each, backlog)
  }
  for (const namespace of machine.state.namespaces) {
    for (const device of namespace.devices) {
      const contexts = device.nic?.napis ?? [memory.readU32(device.ptr + offsets.net_device.napi_list)]
      for (const napi of contexts) {
        if (napi !== 0 && machine.napiScheduled(napi) && !listed.has(napi)) machine.scheduleNapi(cpu, napi)
      }
      device.nic?.rings.forEach((_, queue) => {
        transmit({ machine, namespace, device, nic: device.nic! }, queue, wireRate, deliver)
      })
      linkwatch_fire_event(machine, device.ptr)
    }
  }
}

/** What the rooms above the kernel do for it. */
export const handlers: Handlers = {
  netRx: (machine, cpu) => net_rx_action(machine, cpu, afterPoll),
  netTx: net_tx_action,
  transmit: (machine, device, queue) => {
    const at = nicOf(machine, device)
    if (at) transmit(at, queue, wireRate, deliver)
  },
  linkChange: linkwatch_fire_event,
  lookAtAll,
}

function dispatch(simulation: Simulation, event: SimEvent): void {
  const machine = simulation.machines.get(event.host)
  if (!machine) return
  const { kind, target, args } = event
  if (kind === 'irq' || kind === 'tx') {
    const at = nicAt(simulation, { host: event.host, device: target })
    if (!at) return
    if (kind === 'irq') interrupt(at, args[0]!)
    else transmitMore(at, args[0]!, wireRate, deliver)
  } else if (kind === 'ipi') run_ipi(machine, target)
  else if (kind === 'softirq') run_deferred(machine, target)
  else if (kind === 'ksoftirqd') run_ksoftirqd(machine, target)
  else if (kind === 'linkwatch') linkwatch_event(machine)
  else sendNext(machine, target)
}

/** The host whose timer fires or whose sleeper wakes first, and when. */
function nextTimer(simulation: Simulation): { machine: Machine | undefined; time: number } {
  let machine: Machine | undefined
  let time = Infinity
  for (const host of simulation.state.hosts) {
    const timer = host.timerAt < 0 ? Infinity : host.timerAt
    const first = Math.min(timer, nextSleepEnd(host))
    if (first >= time) continue
    time = first
    machine = simulation.machines.get(host.id)
  }
  return { machine, time }
}

function runTimers(machine: Machine, time: number): void {
  const { state } = machine
  if (nextSleepEnd(state) <= time) {
    wakeSleepers(machine, time)
    return
  }
  run_timer_softirq(machine)
  // A timer that could not fire yet is looked at again a tick later, and not for ever now.
  if (state.timerAt >= 0 && state.timerAt <= time) {
    state.timerAt = time + 1e9 / machine.simulation.state.options.hz
  }
}

/** Do packets wait in a qdisc for their time? Timers in ns are theirs alone. */
function packetsWait({ machines }: Simulation): boolean {
  for (const { core } of machines.values()) if (core.memory.readU32(core.hrtimerCountAt) > 0) return true
  return false
}

/** How a run ended. */
export interface RunResult {
  /** Events and timers that happened. */
  happened: number
  /** Nothing but timers is left to happen by then. */
  idle: boolean
}

/**
 * Lets happen what is due up to a time, at most `limit` events and timers. With `untilIdle` it ends when no frame, interrupt
 * or softirq is under way any more, and no packet waits in a qdisc for its time: other timers do not keep it going. The clock stands at the last that happened.
 */
export function runUntil(simulation: Simulation, until: number, untilIdle: boolean, limit = Infinity): RunResult {
  const { clock } = simulation.state
  let happened = 0
  for (;;) {
    const eventTime = nextEventTime(clock)
    const timer = nextTimer(simulation)
    const time = Math.min(eventTime, timer.time)
    const quiet = eventTime === Infinity && !packetsWait(simulation)
    if (time > until || (untilIdle && quiet)) return { happened, idle: quiet || eventTime > until }
    if (happened >= limit) return { happened, idle: false }
    happened++
    clock.now = Math.max(clock.now, time)
    const event = eventTime <= timer.time ? popEvent(clock)! : undefined
    const machine = event ? simulation.machines.get(event.host) : timer.machine
    try {
      if (event) dispatch(simulation, event)
      else if (timer.machine) runTimers(timer.machine, clock.now)
      if (machine && event) machine.updateTimer()
    } catch (error) {
      throw machine ? machine.core.failure(error) : error
    }
  }
}

/** Lets happen what is due, then moves the clock by ns. */
export function advance(simulation: Simulation, ns: number): void {
  const target = simulation.state.clock.now + ns
  runUntil(simulation, target, false)
  simulation.state.clock.now = Math.max(simulation.state.clock.now, target)
}
