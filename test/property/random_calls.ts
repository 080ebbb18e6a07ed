// Random calls on the sockets of a host among random frames: fast-check draws the seed and how much is done, a xorshift does
// it. Every answer is an errno or a result, and at the end no packet is left. NETPATH_SEED draws others.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Host, Lab, Nic, Socket, Tap } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import type { Xorshift } from './xorshift.ts'

const RUNS = 40
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)

/** A host with eth0 (a TAP), nic0 and the sockets that were opened. */
export interface Machine {
  net: Lab
  host: Host
  sockets: Socket[]
  random: Xorshift
}

/** One call, on one of the sockets or beside them. */
export type Step = (machine: Machine, socket: Socket) => void

/** Noise of at most so many bytes. */
export const bytes = (random: Xorshift, most: number): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(random.below(most + 1))
  random.fill(out)
  return out
}

function end({ net, host, sockets }: Machine): void {
  for (const socket of sockets) socket.close()
  net.advance('60s')
  net.run()
  for (const name of ['eth0', 'nic0']) (host.device(name) as Tap | Nic).tx()
  const { balanced, live } = net.account()
  assert.ok(balanced, 'born = ended + live')
  assert.is(live, 0, `${live} packets are left`)
}

/** The suite: steps from the bag, as often as they are in it. */
export function randomCalls(
  name: string,
  makeMachine: (seed: number, memoryMb: number) => Promise<Machine>,
  bag: readonly Step[],
): void {
  const test = suite(name)
  test('an errno or a result, and every packet accounted for', async () => {
    const plans = fc.record({
      seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      steps: fc.integer({ min: 50, max: 800 }),
      memoryMb: fc.constantFrom(4, 24),
    })
    const property = fc.asyncProperty(plans, async ({ seed, steps, memoryMb }) => {
      const machine = await makeMachine(seed, memoryMb)
      for (let i = 0; i < steps; i++) {
        const step = machine.random.pick(bag)
        try {
          step(machine, machine.random.pick(machine.sockets))
        } catch (error) {
          if (!isSystemError(error)) throw error
        }
      }
      end(machine)
      await machine.net.close()
    })
    await fc.assert(property, { seed: DRAW_SEED, numRuns: RUNS })
  })
  test.run()
}
