// A stream of UDP datagrams that a host sends by itself: each is an event of the clock, so a snapshot holds the rest of it.

import { AF_INET } from '../../assembly/uapi/socket.ts'
import type { Machine } from '../kernel/machine.ts'
import type { BlastState } from '../kernel/state.ts'
import { pushEvent } from '../kernel/time.ts'
import { type SocketAt, close, sendmsg } from '../socket/syscalls.ts'
import { isSystemError } from '../wasm/errors.ts'

function socketOf(machine: Machine, blast: BlastState): SocketAt {
  return { machine, namespace: machine.namespace(0), handle: blast.handle, family: AF_INET }
}

/** Plans the next datagram of a blast. */
export function planNext(machine: Machine, blast: BlastState): void {
  pushEvent(machine.simulation.state.clock, blast.nextAt, 'blast', machine.id, blast.id)
}

/** Sends a datagram and plans the next; after the last the socket is closed. */
export function sendNext(machine: Machine, id: number): void {
  const blast = machine.state.blasts.find((candidate) => candidate.id === id)
  if (!blast || blast.left === 0) return
  const { address, port, size } = blast
  try {
    sendmsg(socketOf(machine, blast), new Uint8Array(size), { address, port }, [], undefined)
    blast.sent++
  } catch (error) {
    if (!isSystemError(error)) throw error
    blast.errors[error.code] = (blast.errors[error.code] ?? 0) + 1
  }
  blast.left--
  blast.nextAt += blast.interval
  if (blast.left > 0) planNext(machine, blast)
  else close(socketOf(machine, blast))
}

/** Ends a blast before its time. */
export function endBlast(machine: Machine, id: number): void {
  const { blasts } = machine.state
  const at = blasts.findIndex((blast) => blast.id === id)
  if (at < 0) return
  const [blast] = blasts.splice(at, 1)
  if (blast!.left > 0) close(socketOf(machine, blast!))
}
