// Softirqs: NET_RX and NET_TX at the end of interrupts and system calls, and ksoftirqd for what is too much.
// Mirrors kernel/softirq.c (handle_softirqs, local_bh_enable, ksoftirqd). A host's timers run in their own softirq.

import { FN_handle_softirqs, FN_irq_exit_rcu, FN_rps_trigger_softirq } from '../../assembly/uapi/functions.ts'
import { isSystemError } from '../wasm/errors.ts'
import { beginsAt, isBusy } from './cpu.ts'
import { type Machine, NET_RX_SOFTIRQ, NET_TX_SOFTIRQ } from './machine.ts'
import type { CpuState } from './state.ts'
import { pushEvent } from './time.ts'

/** Rounds of softirqs in one go, and how long they may take: after that ksoftirqd goes on. */
const MAX_SOFTIRQ_RESTART = 10
const MAX_SOFTIRQ_TIME_NS = 2_000_000

function wakeup_softirqd(machine: Machine, cpu: CpuState): void {
  if (cpu.ksoftirqd) return
  cpu.ksoftirqd = true
  pushEvent(machine.simulation.state.clock, cpu.busyUntil, 'ksoftirqd', machine.id, cpu.id)
}

/** Softirqs go on when the CPU is free. */
function defer(machine: Machine, cpu: CpuState): void {
  if (cpu.deferred) return
  cpu.deferred = true
  pushEvent(machine.simulation.state.clock, cpu.busyUntil, 'softirq', machine.id, cpu.id)
}

/** Makes a softirq pending; it runs as soon as the CPU is free. */
export function raise_softirq(machine: Machine, cpu: CpuState, softirq: number): void {
  cpu.pending |= 1 << softirq
  defer(machine, cpu)
}

/** Runs what is pending: again while more is raised, up to ten rounds or 2 ms, then ksoftirqd is woken. */
function handle_softirqs(machine: Machine, cpu: CpuState): void {
  const end = beginsAt(cpu, machine.now) + MAX_SOFTIRQ_TIME_NS
  for (let round = 0; cpu.pending; round++) {
    if (round === MAX_SOFTIRQ_RESTART || cpu.busyUntil > end) {
      wakeup_softirqd(machine, cpu)
      return
    }
    const pending = cpu.pending
    cpu.pending = 0
    machine.walk(FN_handle_softirqs)
    if (pending & (1 << NET_TX_SOFTIRQ)) machine.handlers.netTx(machine, cpu.id)
    if (pending & (1 << NET_RX_SOFTIRQ) && machine.handlers.netRx(machine, cpu.id)) {
      defer(machine, cpu)
      return
    }
  }
}

/** The end of a hardware interrupt: softirqs run, unless it interrupted work; then they run when that is done. */
export function irq_exit(machine: Machine, cpuId: number): void {
  const cpu = machine.cpu(cpuId)
  if (!cpu.pending) return
  machine.walk(FN_irq_exit_rcu)
  if (isBusy(cpu, machine.now)) defer(machine, cpu)
  else handle_softirqs(machine, cpu)
}

/** The end of a system call's work: what it raised runs before it returns. */
export function local_bh_enable(machine: Machine, cpuId: number): void {
  const cpu = machine.cpu(cpuId)
  if (cpu.pending) handle_softirqs(machine, cpu)
}

/** The event 'ipi': another CPU put packets into this one's backlog. */
export function run_ipi(machine: Machine, cpuId: number): void {
  const cpu = machine.cpu(cpuId)
  machine.enter(cpu)
  machine.walk(FN_rps_trigger_softirq)
  machine.leave(cpu)
  irq_exit(machine, cpuId)
}

/** The event 'ksoftirqd': the thread got the CPU. */
export function run_ksoftirqd(machine: Machine, cpuId: number): void {
  machine.cpu(cpuId).ksoftirqd = false
  irq_exit(machine, cpuId)
}

/** The event 'softirq': the CPU is free again. */
export function run_deferred(machine: Machine, cpuId: number): void {
  machine.cpu(cpuId).deferred = false
  irq_exit(machine, cpuId)
}

/** After a call: its events, the softirqs that it raised, and when the next timer is due. */
function settle(machine: Machine, cpu: CpuState): void {
  machine.leave(cpu)
  local_bh_enable(machine, cpu.id)
  machine.updateTimer()
}

/**
 * Process context: a call into the core on a CPU, then what it raised. The one way in for everything that a user does.
 * A trap kills the host and is thrown as one error; another error of the call is thrown after what it raised has run.
 */
export function inProcess<T>(machine: Machine, call: () => T, cpuId = 0): T {
  const { core } = machine
  const cpu = machine.cpu(cpuId)
  machine.enter(cpu)
  try {
    const result = call()
    settle(machine, cpu)
    return result
  } catch (error) {
    const failure = core.failure(error)
    if (!core.dead && isSystemError(error)) settle(machine, cpu)
    throw failure
  }
}

/** TIMER_SOFTIRQ: fires the wheel's timers that are due now, then what they raised. */
export function run_timer_softirq(machine: Machine, cpuId = 0): void {
  inProcess(machine, () => machine.core.exports.run_timers(), cpuId)
}
