// Walks recorded from Linux 6.12 (test/walks: e1000e, a line is the CPU, then the function, indented by depth) against netpath's
// for the same packets, over the functions that carry a packet's path. Every function counts once, where it is called first.
// What interrupts, softirqs and processes called is held each in an order of its own: where one hits the other differs from run
// to run.

import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { rootFolder } from '../root.ts'
import { PEER_MAC } from './packets.ts'
import { type Setup, type Stories, type Story } from './story.ts'

const LEAST_SHARE = 0.6

const file = (name: string): string => readFileSync(new URL(`test/walks/${name}.json`, rootFolder), 'utf8')

interface PathFunctions {
  /** netpath's function of igb, and what stands for it in the recordings. */
  driver: Record<string, string>
  functions: string[]
}

const { driver, functions } = JSON.parse(file('path-functions')) as PathFunctions
const igb = new Map(Object.entries(driver).map(([own, recorded]) => [recorded, own]))
const ownName = (fn: string): string => igb.get(fn) ?? fn
const pathFunctions = new Set(functions.map(ownName))

/** Where a context begins: what interrupts did, and what softirqs did after them; all else is of processes. */
const CONTEXTS: readonly (readonly [fn: string, context: number])[] = [
  ['handle_edge_irq', 1],
  ['irq_exit_rcu', 2],
  ['run_ksoftirqd', 2],
]
const contextOf = new Map(CONTEXTS)
/** e1000e cleans its transmit ring in an interrupt of its own, igb in its poll. */
const ANYWHERE = ['igb_clean_tx_irq']

/** The path functions of a recorded walk in the order of their first calls, for each context. */
function recorded(name: string): string[][] {
  const parts = [new Set<string>(), new Set<string>(), new Set<string>()]
  const seen = new Set<string>()
  // For each CPU the contexts that are open: how deep they began, and which.
  const open = new Map<string, [depth: number, context: number][]>()
  for (const line of (JSON.parse(file(name)) as { walk: string[] }).walk) {
    const [, cpu, indent, fn] = /^(\d)( +)(\S+)$/.exec(line) as unknown as [string, string, string, string]
    const stack = (open.get(cpu) ?? []).filter(([depth]) => indent.length > depth)
    const begins = contextOf.get(fn)
    if (begins !== undefined) stack.push([indent.length, begins])
    open.set(cpu, stack)
    const own = ownName(fn)
    if (!pathFunctions.has(own) || seen.has(own)) continue
    seen.add(own)
    parts[stack.at(-1)?.[1] ?? 0]!.add(own)
  }
  return parts.map((part) => [...part])
}

/** A recorded walk, and what is to be done for the same one. */
export interface Walk {
  name: string
  setup?: Setup
  /** Functions whose place is igb's own. */
  anywhere?: readonly string[]
  /** What was there before: what comes of it is not of the walk. */
  before?(h: Story): void
  act(h: Story): void
}

/** Much has left by the device, so that byte queue limits let some packets pass. other: an address of its network. */
export function sendMuch(h: Story, dev = 'eth0', other = '10.0.0.3'): void {
  h.host.neigh.add({ dev, ip: other, mac: PEER_MAC })
  const socket = h.udp({ port: 9 })
  for (let i = 0; i < 8; i++) {
    socket.send(new Uint8Array(16_000), `${other}:9`)
    h.net.run()
  }
  socket.close()
}

/** A story that goes as Linux went: in the same order, over the least share of the path or more. */
export function walk(path: Stories['path'], { name, setup = { nic: {} }, anywhere = [], before, act }: Walk): void {
  path(`${name}: as Linux goes`, setup, (h) => {
    // Linkwatch tells about the device that came up, and routes are forgotten.
    h.net.advance('2s')
    sendMuch(h)
    before?.(h)
    h.moment()
    act(h)
    const parts = recorded(name)
    const called = [...new Set(h.functions)].filter((fn) => pathFunctions.has(fn))
    const has = new Set(called)
    const free = new Set([...ANYWHERE, ...anywhere])
    for (const part of parts.map((fns) => fns.filter((fn) => !free.has(fn)))) {
      assert.equal(
        called.filter((fn) => part.includes(fn)),
        part.filter((fn) => has.has(fn)),
      )
    }
    const all = parts.flat()
    const missing = all.filter((fn) => !has.has(fn))
    const share = 1 - missing.length / all.length
    assert.ok(share >= LEAST_SHARE, `${Math.round(100 * share)} % of the path; missing: ${missing.join(' ')}`)
  })
}
