// NET_RX and NET_TX: the poll list of a CPU, its budget, and queues that are to run again.
// Mirrors net_rx_action, __napi_poll and net_tx_action of net/core/dev.c; a poll itself runs in Wasm (path.ts).

import type { Machine } from '../kernel/machine.ts'
import { NET_RX_SOFTIRQ } from '../kernel/machine.ts'
import type { CpuState } from '../kernel/state.ts'
import { nextEventTime } from '../kernel/time.ts'
import { FN_net_rx_action } from '../../assembly/uapi/functions.ts'
import { SYSCTL_CORE_NETDEV_BUDGET, SYSCTL_CORE_NETDEV_BUDGET_USECS } from '../../assembly/uapi/sysctl.ts'

/** A sysctl of the machine: the first namespace keeps it. */
function machineSysctl({ core }: Machine, net: number, id: number): number {
  return core.memory.readI32(net + core.constants.NET_SYSCTL + 4 * id)
}

/** Adds to time_squeeze of /proc/net/softnet_stat. */
function squeeze(machine: Machine, cpu: CpuState): void {
  const { core } = machine
  const softnet = core.memory.readU32(core.boot('softnet')) + cpu.id * core.constants.SOFTNET_SIZE
  const p = softnet + core.offsets.softnet_data.time_squeeze
  core.memory.writeU32(p, core.memory.readU32(p) + 1)
}

/** Until when work may take that begins at start: until jiffies has moved by usecs (usecs_to_jiffies rounds up). */
function timeLimit(machine: Machine, start: number, usecs: number): number {
  if (!machine.charged && usecs > 0) return Infinity // no time passes
  const tick = 1e9 / machine.simulation.state.options.hz
  return (Math.floor(start / tick) + Math.ceil((usecs * 1000) / tick)) * tick
}

/** What a poll is followed by, before the next: the NIC's hardware gets to fill its arrival FIFO. */
export type AfterPoll = (machine: Machine, napi: number) => void

/**
 * Polls what is on the CPU's list: each context up to its weight, all up to netdev_budget packets or netdev_budget_usecs.
 * What has more goes to the end of the list, and NET_RX is raised again. True: the next interrupt of the machine was due
 * during a poll, and NET_RX goes on after it.
 */
export function net_rx_action(machine: Machine, cpuId: number, afterPoll: AfterPoll): boolean {
  const { core, charged } = machine
  const cpu = machine.cpu(cpuId)
  const { weight } = core.offsets.napi_struct
  const { net } = machine.namespace(0)
  let budget = machineSysctl(machine, net, SYSCTL_CORE_NETDEV_BUDGET)
  machine.enter(cpu)
  machine.walk(FN_net_rx_action)
  let now = core.now
  const limit = timeLimit(machine, now, machineSysctl(machine, net, SYSCTL_CORE_NETDEV_BUDGET_USECS))
  // Contexts stay on the list until the end: those that are done as 0, those to be polled again as they are.
  const list = cpu.pollList
  let reached = 0
  let end = list.length
  let again = 0
  let interrupted = false
  while (!interrupted) {
    // What a poll scheduled on this CPU is polled in the same go.
    if (reached === end && again === 0) end = list.length
    if (reached === end) break
    const napi = list[reached]!
    list[reached++] = 0
    if (!machine.napiScheduled(napi)) continue
    machine.enter(cpu)
    // What is due at this very time comes after one packet: two CPUs that begin together would else wait for each other.
    const until = charged ? Math.max(nextEventTime(machine.simulation.state.clock), core.now + 1) : Infinity
    const work = core.exports.napi_poll(napi, core.memory.readU32(napi + weight), until)
    if (machine.napiScheduled(napi)) {
      list[reached - 1] = napi
      again++
    }
    machine.leave(cpu)
    afterPoll(machine, napi)
    budget -= work
    if (charged) now = core.now
    interrupted = charged && now >= until
    if (budget <= 0 || now >= limit) {
      squeeze(machine, cpu)
      break
    }
  }
  requeue(list, reached, again)
  cpu.pending = list.length ? cpu.pending | (1 << NET_RX_SOFTIRQ) : cpu.pending & ~(1 << NET_RX_SOFTIRQ)
  return interrupted && list.length > 0
}

/** What was not reached, came in meanwhile or was raised by a poll stands first, then what is to be polled again. */
function requeue(list: number[], reached: number, again: number): void {
  if (again === 0 && reached === list.length) {
    // Not by its length: that would give its memory back, for the next context to ask for it again.
    while (list.length) list.pop()
  } else if (again < list.length) {
    const repoll = list.splice(0, reached).filter((napi) => napi !== 0)
    list.push(...repoll)
  }
}

/** Runs the qdiscs that were scheduled on this CPU. */
export function net_tx_action(machine: Machine, cpuId: number): void {
  const cpu = machine.cpu(cpuId)
  machine.enter(cpu)
  machine.core.exports.net_tx_action()
  machine.leave(cpu)
}
