// A CPU: free or busy until a time, with softirqs pending. Work is charged by the core (assembly/kernel/cost.ts).

import type { CpuState } from './state.ts'

export function cpuState(id: number): CpuState {
  return { id, busyUntil: 0, pending: 0, pollList: [], ksoftirqd: false, deferred: false }
}

/** When work that is asked for now can begin on a CPU. */
export function beginsAt(cpu: CpuState, now: number): number {
  return Math.max(cpu.busyUntil, now)
}

/** Does the CPU still work at this time? */
export function isBusy(cpu: CpuState, now: number): boolean {
  return cpu.busyUntil > now
}
