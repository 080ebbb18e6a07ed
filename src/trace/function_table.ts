// The functions that a trace can show: names by id, and the tree of calls. Entries of a trace carry no depth: a decoder
// keeps a stack, and pops it until the top is a legal caller of the function that comes next.
// The callers are those of the walks recorded from Linux 6.12 (igb in place of e1000e, functions of other drivers left
// out), and for functions that no walk shows, those of the kernel's sources.
import * as functions from '../../assembly/uapi/functions.ts'
import { coreCallers } from './callers/core.ts'
import { driverCallers } from './callers/driver.ts'
import { ipv4Callers } from './callers/ipv4.ts'
import { socketCallers } from './callers/socket.ts'
import { tcpCallers } from './callers/tcp.ts'

const entries = Object.entries(functions)
  .filter(([key]) => key !== 'FN_MAX')
  .map(([key, id]): [string, number] => [key.slice('FN_'.length), id])

/** The kernel's name of each function, by id; 0 has none. */
export const functionNames: readonly string[] = entries.reduce<string[]>(
  (names, [name, id]) => {
    names[id] = name
    return names
  },
  [''],
)

/** Id of a function by its name. */
export const functionIds: ReadonlyMap<string, number> = new Map(entries)

/**
 * The functions that may call each function. Empty for what begins a walk: system calls, interrupts (they stand inside
 * whatever they interrupted, and belong to none of it), timers and work.
 */
export const callers: Readonly<Record<string, readonly string[]>> = Object.fromEntries([
  ...entries.map(([name]) => [name, []] as const),
  ...[driverCallers, coreCallers, ipv4Callers, tcpCallers, socketCallers].flatMap((table) =>
    table
      .trim()
      .split('\n')
      .map((line) => {
        const [name, of] = line.split(': ') as [string, string]
        return [name, of.split(' ')] as const
      }),
  ),
])

/** The same by id. */
export const callerIds: readonly ReadonlySet<number>[] = functionNames.map(
  (name) => new Set((callers[name] ?? []).map((caller) => functionIds.get(caller)!)),
)
