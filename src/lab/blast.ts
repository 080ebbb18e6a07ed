// Host.blast: plans a stream of datagrams, and runs the lab in slices until it is over, so that others get their turn.

import { AF_INET, SOCK_DGRAM } from '../../assembly/uapi/socket.ts'
import type { Machine } from '../kernel/machine.ts'
import type { BlastState } from '../kernel/state.ts'
import { socket } from '../socket/syscalls.ts'
import { type EndpointLike, integer, parseEndpoint, parseIPv4 } from '../wasm/encode.ts'
import { invalid } from '../wasm/errors.ts'
import { endBlast, planNext } from './blast_state.ts'
import { runUntil } from './loop.ts'

/** What to send. */
export interface BlastOptions {
  packets: number
  /** Bytes of payload, 0 to 65507; 64 unless given. */
  size?: number
  /** Datagrams per second of virtual time; a million unless given. */
  pps?: number
  signal?: AbortSignal
}

export interface BlastResult {
  /** What the host took to send. */
  sent: number
  /** What it refused, by errno's name. */
  errors: Record<string, number>
  /** Virtual ns from the first datagram until nothing moved any more. */
  ns: number
}

/** Events between two turns of the JavaScript loop. */
const SLICE = 20_000
/** How many slices before the loop's timers get a turn; promises have theirs after each. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

function plan(machine: Machine, to: EndpointLike, options: BlastOptions): BlastState {
  const { packets, size = 64, pps = 1e6 } = options
  const { address, port } = parseEndpoint(to, 'blast')
  parseIPv4(address, 'blast')
  integer(packets, 1, Number.MAX_SAFE_INTEGER, 'packets', 'blast')
  integer(size, 0, 65507, 'size', 'blast')
  if (!(pps > 0 && pps <= 1e9)) throw invalid('blast', `pps is above 0 and at most 10^9, not ${pps}`)
  const { state } = machine.simulation
  const blast: BlastState = {
    id: state.nextBlast++,
    handle: socket(machine, machine.namespace(0), AF_INET, SOCK_DGRAM, 0),
    address,
    port,
    size,
    left: packets,
    interval: 1e9 / pps,
    nextAt: state.clock.now,
    sent: 0,
    errors: {},
  }
  machine.state.blasts.push(blast)
  planNext(machine, blast)
  return blast
}

/** Sends packets datagrams, and runs the lab until they are sent and it is idle. */
export async function blast(machine: Machine, to: EndpointLike, options: BlastOptions): Promise<BlastResult> {
  const { signal } = options
  signal?.throwIfAborted()
  const { id } = plan(machine, to, options)
  const start = machine.now
  try {
    for (;;) {
      const { idle } = runUntil(machine.simulation, Infinity, true, SLICE)
      const blasting = machine.state.blasts.find((candidate) => candidate.id === id)
      if (idle || !blasting) {
        const { sent = 0, errors = {} } = blasting ?? {}
        return { sent, errors, ns: machine.now - start }
      }
      await turn()
      signal?.throwIfAborted()
    }
  } finally {
    if (machine.simulation.machines.has(machine.id)) endBlast(machine, id)
  }
}
