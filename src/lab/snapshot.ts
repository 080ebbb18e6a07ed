// Saving and restoring a lab: the plain state, each host's used memory, and the hash of the .wasm they belong to.

import type { Machine, Simulation } from '../kernel/machine.ts'
import type { HostState, LabState } from '../kernel/state.ts'
import { systemError } from '../wasm/errors.ts'
import { restoreCore, saveCore } from '../wasm/instantiate.ts'

/** A lab at one time: plain data, which structuredClone and IndexedDB take. */
export interface Snapshot {
  readonly version: 1
  /** Of the .wasm: it fits no other build. */
  readonly hash: string
  readonly state: LabState
  /** Each host's memory, by its id. */
  readonly memories: ReadonlyMap<number, Uint8Array<ArrayBuffer>>
}

/** The lab as it is now. The lab goes on unchanged. */
export function takeSnapshot(simulation: Simulation, hash: string): Snapshot {
  const memories = new Map([...simulation.machines].map(([id, { core }]) => [id, saveCore(core)] as const))
  return { version: 1, hash, state: structuredClone(simulation.state), memories }
}

/** What the lab above does for hosts that a snapshot has more or less of. */
export interface Hosts {
  make(state: HostState): Machine
  release(machine: Machine): void
}

function assertFits(simulation: Simulation, snapshot: Snapshot, hash: string): void {
  if (snapshot.version !== 1 || snapshot.hash !== hash) {
    throw systemError('EINVAL', 'restore', 'the snapshot was taken with another build of netpath')
  }
  const { memoryMb, hz } = simulation.state.options
  const saved = snapshot.state.options
  if (saved.memoryMb !== memoryMb || saved.hz !== hz) {
    throw systemError(
      'EINVAL',
      'restore',
      `the lab needs memoryMb ${saved.memoryMb} and hz ${saved.hz}, as when it was saved`,
    )
  }
}

/** Puts a lab back to a snapshot. Handles stay valid by their ids; those of what was not there then answer ENODEV. */
export function restoreSnapshot(simulation: Simulation, snapshot: Snapshot, hash: string, hosts: Hosts): void {
  assertFits(simulation, snapshot, hash)
  const state = structuredClone(snapshot.state)
  for (const machine of [...simulation.machines.values()]) {
    if (!snapshot.memories.has(machine.id)) hosts.release(machine)
  }
  simulation.state = state
  for (const host of state.hosts) {
    const machine = simulation.machines.get(host.id) ?? hosts.make(host)
    restoreCore(machine.core, snapshot.memories.get(host.id)!)
    machine.wakeAll()
  }
}
