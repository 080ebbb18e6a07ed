// Counters by nstat's names, drops by reason and function, and the accounts of packets: read out of a struct net.

import * as reasons from '../../assembly/uapi/dropreason.ts'
import { ETH_P_ARP, ETH_P_IP } from '../../assembly/uapi/if_ether.ts'
import { MIB_MAX } from '../../assembly/uapi/snmp.ts'
import type { Machine } from '../kernel/machine.ts'
import type { NamespaceState } from '../kernel/state.ts'
import { deviceByIndex } from '../net/dev.ts'
import { functionNames } from '../trace/function_table.ts'
import { SKB_BORN, SKB_ENDED } from '../wasm/abi.ts'
import { mibName } from '../fs/snmp_names.ts'

const PREFIX = 'SKB_DROP_REASON_'

/** Names of drop reasons by number, without SKB_DROP_REASON_. */
export const dropReasons: readonly string[] = Object.entries(reasons).reduce<string[]>((names, [name, number]) => {
  if (name.startsWith(PREFIX)) names[number] = name.slice(PREFIX.length)
  return names
}, [])

/** A counter by its id in assembly/uapi/snmp.ts. */
export function readMib(machine: Machine, namespace: NamespaceState, id: number): number {
  const { memory, constants } = machine.core
  return memory.readU64(namespace.net + constants.NET_MIB + 8 * id)
}

/** Counters of /proc/net/snmp and netstat by nstat's names: those that are not 0, or all. */
export function readCounters(machine: Machine, namespace: NamespaceState, zeros: boolean): Record<string, number> {
  const counters: Record<string, number> = {}
  for (let id = 0; id < MIB_MAX; id++) {
    const value = readMib(machine, namespace, id)
    const name = value !== 0 || zeros ? mibName(id) : undefined
    if (name !== undefined) counters[name] = value
  }
  return counters
}

/** How often a function dropped packets for a reason. */
export interface Drop {
  /** Without SKB_DROP_REASON_: 'NO_SOCKET'. */
  reason: string
  function: string
  /** '' for a packet that no device had. */
  device: string
  cpu: number
  /** What the packet was (skb->protocol); '' for all others. */
  protocol: 'ip' | 'arp' | ''
  /** Was it a timer that dropped it, such as that of a reassembly that was never completed? */
  timer: boolean
  count: number
}

const PROTOCOLS: Readonly<Record<number, Drop['protocol']>> = { [ETH_P_IP]: 'ip', [ETH_P_ARP]: 'arp' }

/** Drops of a namespace, in the order in which they first happened. */
export function readDrops(machine: Machine, namespace: NamespaceState): Drop[] {
  const { memory, constants, offsets } = machine.core
  const table = memory.readU32(namespace.net + offsets.net.drops)
  const count = table === 0 ? 0 : memory.readU32(namespace.net + offsets.net.drops_count)
  const field = offsets.drop_entry
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * constants.SIZE_drop_entry
    const reason = memory.readU16(at + field.reason)
    const ifindex = memory.readU32(at + field.ifindex)
    return {
      reason: dropReasons[reason] ?? String(reason),
      function: functionNames[memory.readU32(at + field.fn)] ?? '',
      device: ifindex === 0 ? '' : (deviceByIndex(namespace, ifindex)?.name ?? String(ifindex)),
      cpu: memory.readU16(at + field.cpu),
      protocol: PROTOCOLS[memory.readU16(at + field.protocol)] ?? '',
      timer: memory.readU16(at + field.timer) !== 0,
      count: memory.readU64(at + field.count),
    }
  })
}

/** Where packets came from and went to: born = ended + live. */
export interface Account {
  born: Record<(typeof SKB_BORN)[number], number>
  ended: Record<(typeof SKB_ENDED)[number], number>
  /** Of those dropped: by reason. */
  dropped: Record<string, number>
  live: number
  balanced: boolean
}

const total = (row: Record<string, number>): number => Object.values(row).reduce((sum, value) => sum + value, 0)

/** The balance of a namespace. */
export function readAccount(machine: Machine, namespace: NamespaceState): Account {
  const { memory, constants, offsets } = machine.core
  const row = <T extends string>(names: readonly T[], offset: number): Record<T, number> =>
    Object.fromEntries(names.map((name, i) => [name, memory.readU64(namespace.net + offset + 8 * i)])) as Record<
      T,
      number
    >
  const born = row(SKB_BORN, constants.NET_BORN)
  const ended = row(SKB_ENDED, constants.NET_ENDED)
  const dropped: Record<string, number> = {}
  for (const { reason, count } of readDrops(machine, namespace)) dropped[reason] = (dropped[reason] ?? 0) + count
  const live = memory.readU32(namespace.net + offsets.net.skb_live)
  const balanced = total(born) === total(ended) + live && total(dropped) === ended.dropped
  return { born, ended, dropped, live, balanced }
}

/** The sum of accounts. */
export function sumAccounts(accounts: readonly Account[]): Account {
  const sum = <T extends Record<string, number>>(rows: readonly T[]): T => {
    const out: Record<string, number> = {}
    for (const row of rows) for (const [name, value] of Object.entries(row)) out[name] = (out[name] ?? 0) + value
    return out as T
  }
  const zero = <T extends string>(names: readonly T[]): Record<T, number> =>
    Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>
  return {
    born: sum([zero(SKB_BORN), ...accounts.map(({ born }) => born)]),
    ended: sum([zero(SKB_ENDED), ...accounts.map(({ ended }) => ended)]),
    dropped: sum(accounts.map(({ dropped }) => dropped)),
    live: accounts.reduce((live, account) => live + account.live, 0),
    balanced: accounts.every(({ balanced }) => balanced),
  }
}
