// The loop of a lab: what is due happens in order of time. At one time events (hardware) come before timers, and hosts'
// timers in the order of the hosts.

import { interrupt, nicOf, polled, transmit, transmitMore } from '../drivers/net/nic.ts'
import { deliver, wireRate } from '../drivers/net/wire.ts'
import { type Handlers, type Machine, NET_TX_SOFTIRQ, type Simulation } from '../kernel/machine.ts'
import type { HostState, LabState } from '../kernel/state.ts'
import { raise_softirq, run_deferred, run_ipi, run_ksoftirqd, run_timer_softirq } from '../kernel/softirq.ts'
import { type SimEvent, nextEventTime, popEvent } from '../kernel/time.ts'
import { nextSleepEnd, wakeSleepers } from '../kernel/wait.ts'
import { linkwatch_event, linkwatch_fire_event } from '../net/link_watch.ts'
import { net_rx_action, net_tx_action } from '../net/napi.ts'
import { sendNext } from './blast_state.ts'

function afterPoll(machine: Machine, napi: number): void {
  const { memory, offsets } = machine.core
  const { dev, priv } = offsets.napi_struct
  const at = nicOf(machine, machine.devices.byPointer(memory.readU32(napi + dev)))
  if (at) polled(at, memory.readU32(memory.readU32(napi + priv) + offsets.igb_ring.index))
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
    const at = nicOf(machine, machine.devices.byPointer(device))
    if (at) transmit(at, queue, wireRate, deliver)
  },
  linkChange: linkwatch_fire_event,
  lookAtAll,
}

function dispatch(machine: Machine, event: SimEvent): void {
  const { kind, target, args } = event
  if (kind === 'irq' || kind === 'tx') {
    const at = nicOf(machine, machine.devices.byId(target))
    if (!at) return
    if (kind === 'irq') interrupt(at, args[0]!)
    else transmitMore(at, args[0]!, wireRate, deliver)
  } else if (kind === 'ipi') run_ipi(machine, target)
  else if (kind === 'softirq') run_deferred(machine, target)
  else if (kind === 'ksoftirqd') run_ksoftirqd(machine, target)
  else if (kind === 'linkwatch') linkwatch_event(machine)
  else sendNext(machine, target)
}

/** When a host's first timer fires, or its first sleeper wakes. */
function firstTimer(host: HostState): number {
  return Math.min(host.timerAt < 0 ? Infinity : host.timerAt, nextSleepEnd(host))
}

/** When that is for the first of all hosts. */
function nextTimerTime({ hosts }: LabState): number {
  let time = Infinity
  for (const host of hosts) time = Math.min(time, firstTimer(host))
  return time
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
    const timerTime = nextTimerTime(simulation.state)
    const time = Math.min(eventTime, timerTime)
    const quiet = eventTime === Infinity && !packetsWait(simulation)
    if (time > until || (untilIdle && quiet)) return { happened, idle: quiet || eventTime > until }
    if (happened >= limit) return { happened, idle: false }
    happened++
    clock.now = Math.max(clock.now, time)
    const event = eventTime <= timerTime ? popEvent(clock)! : undefined
    const host = event ? event.host : simulation.state.hosts.find((each) => firstTimer(each) === timerTime)!.id
    const machine = simulation.machines.get(host)
    try {
      if (machine && event) {
        dispatch(machine, event)
        machine.updateTimer()
      } else if (machine) runTimers(machine, clock.now)
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
