// Carrier changes reach the stack through a work item: at once when carrier comes, at most once a second when it goes.
// Mirrors net/core/link_watch.c.

import type { Machine } from '../kernel/machine.ts'
import { inProcess } from '../kernel/softirq.ts'
import { dropEvents, pushEvent } from '../kernel/time.ts'
import { LINK_STATE_NOCARRIER, LINK_STATE_START, type Ptr } from '../wasm/abi.ts'

const SECOND = 1_000_000_000

/** A device's carrier changed (linkwatch_fire_event): the work is scheduled. */
export function linkwatch_fire_event(machine: Machine, ptr: Ptr): void {
  const found = machine.devices.byPointer(ptr)
  if (!found) return
  const { memory, offsets } = machine.core
  const watch = machine.state.linkWatch
  const { device } = found
  if (!watch.pending.includes(device.id)) watch.pending.push(device.id)
  const state = memory.readU32(ptr + offsets.net_device.state)
  const urgent = (state & LINK_STATE_START) !== 0 && (state & LINK_STATE_NOCARRIER) === 0
  if (watch.scheduled && !urgent) return
  watch.scheduled = true
  const { clock } = machine.simulation.state
  pushEvent(clock, urgent ? clock.now : Math.max(clock.now, watch.nextEvent), 'linkwatch', machine.id, 0)
}

/** The work (linkwatch_event): every device that waits has its queue attached or detached, and its routes follow. */
export function linkwatch_event(machine: Machine): void {
  const watch = machine.state.linkWatch
  if (!watch.scheduled) return
  const pending = watch.pending
  watch.pending = []
  watch.scheduled = false
  watch.nextEvent = machine.now + SECOND
  dropEvents(machine.simulation.state.clock, (event) => event.kind === 'linkwatch' && event.host === machine.id)
  for (const id of pending) {
    const found = machine.devices.byId(id)
    if (found) inProcess(machine, () => machine.core.exports.linkwatch_do_dev(found.device.ptr))
  }
}

/** Runs the work now if it is due: what a user's call does before it returns. */
export function linkwatch_run_due(machine: Machine): void {
  const watch = machine.state.linkWatch
  const { clock } = machine.simulation.state
  const due = clock.events.some(
    (event) => event.kind === 'linkwatch' && event.host === machine.id && event.time <= clock.now,
  )
  if (watch.scheduled && due) linkwatch_event(machine)
}
