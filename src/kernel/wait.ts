// Waiting in virtual time: who sleeps until something wakes it, and when the sleep ends at the latest (schedule_timeout).
// Ends are plain data, so that a snapshot has them; the promises are found by their numbers.

import type { Machine } from './machine.ts'
import type { HostState } from './state.ts'

/** How a sleep ended. */
export type Woken = 'woken' | 'timeout'

/** When the first of a host's sleeps ends, Infinity: none has an end. */
export function nextSleepEnd({ sleeps }: HostState): number {
  return sleeps.length ? sleeps[0]!.until : Infinity
}

/** Ends all sleeps whose time has come. */
export function wakeSleepers(machine: Machine, now: number): void {
  const { sleeps } = machine.state
  while (sleeps.length && sleeps[0]!.until <= now) machine.sleepers.get(sleeps.shift()!.id)?.()
}

function enter({ state }: Machine, until: number): number {
  const id = state.nextSleep++
  const after = state.sleeps.findIndex((sleep) => sleep.until > until)
  state.sleeps.splice(after < 0 ? state.sleeps.length : after, 0, { id, until })
  return id
}

/** The lab may have been restored meanwhile, or the host be gone. */
function leave({ simulation, id }: Machine, number: number): void {
  const state = simulation.state.hosts.find((host) => host.id === id)
  if (state) state.sleeps = state.sleeps.filter((sleeping) => sleeping.id !== number)
}

/**
 * Sleeps until `hang` calls back, or virtual time reaches `until` (Infinity: never). `hang` enters the callback where it
 * waits and answers what takes it out again. Rejects with the signal's reason.
 */
export function sleep(
  machine: Machine,
  until: number,
  signal: AbortSignal | undefined,
  hang: (wake: () => void) => () => void,
): Promise<Woken> {
  return new Promise((resolve, reject) => {
    const id = until < Infinity ? enter(machine, until) : -1
    const clear = (): void => {
      signal?.removeEventListener('abort', aborted)
      takeOut()
      if (machine.sleepers.delete(id)) leave(machine, id)
    }
    const end = (how: Woken): void => {
      clear()
      resolve(how)
    }
    const aborted = (): void => {
      clear()
      reject(signal!.reason as Error)
    }
    const takeOut = hang(() => end('woken'))
    if (id >= 0) machine.sleepers.set(id, () => end('timeout'))
    signal?.addEventListener('abort', aborted, { once: true })
  })
}
