// The groups that a namespace's devices are members of, read out of the core (net/ipv4/igmp.c).

import { inProcess } from '../kernel/softirq.ts'
import type { Machine } from '../kernel/machine.ts'
import type { NamespaceState } from '../kernel/state.ts'

/** Bytes of a record of igmp_dump. */
const RECORD = 32

/** A group of a device. */
export interface GroupRow {
  ifindex: number
  /** Groups of the device. */
  count: number
  /** The version of IGMP that the device speaks. */
  version: number
  /** Network order. */
  group: number
  users: number
  /** A report is to come, in so many hundredths of a second. */
  running: boolean
  left: number
  reporter: boolean
}

/** All groups, device by device, the one joined last first. */
export function groupRows(machine: Machine, namespace: NamespaceState): GroupRow[] {
  const { core } = machine
  const max = Math.floor(core.halfBuffer / RECORD)
  const out = core.resultBuffer
  return inProcess(machine, () => {
    const rows: GroupRow[] = []
    for (;;) {
      const count = core.exports.igmp_dump(namespace.net, out, max, rows.length)
      for (let at = out; at < out + count * RECORD; at += RECORD) {
        const word = (n: number): number => core.memory.readU32(at + 4 * n)
        rows.push({
          ifindex: word(0),
          count: word(1),
          version: word(2),
          group: word(3),
          users: word(4),
          running: word(5) !== 0,
          left: word(6),
          reporter: word(7) !== 0,
        })
      }
      if (count < max) return rows
    }
  })
}
