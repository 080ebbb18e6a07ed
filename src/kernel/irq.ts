// A hardware interrupt of a NIC's queue: preempts what the CPU does, schedules NAPI, and softirqs follow at its end.

import type { Machine } from './machine.ts'
import { irq_exit } from './softirq.ts'

/** The CPU that a queue's interrupt goes to (its smp_affinity): queues go round the CPUs. */
export function irqCpu(machine: Machine, queue: number): number {
  return queue % machine.state.cpus.length
}

/**
 * The queue's interrupt line: DMA brings in what has arrived; when that is to be told and the interrupt is not masked, the
 * driver's handler runs and softirqs follow. True: it was raised.
 */
export function hardirq(machine: Machine, device: number, queue: number): boolean {
  const cpuId = irqCpu(machine, queue)
  const cpu = machine.cpu(cpuId)
  machine.enter(cpu, machine.now)
  const raised = machine.core.exports.igb_hardirq(device, queue) === 1
  machine.drain()
  irq_exit(machine, cpuId)
  return raised
}
