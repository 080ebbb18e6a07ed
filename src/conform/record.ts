// What oracle.py record does with the real kernel, done by the emulator: a scenario's steps, and what came of each.

import { BASELINE_LAB } from './baseline.ts'
import { compress } from './bytestr.ts'
import type { Counters, Expect, Scenario, Step, StepExpect, TxFrame } from './scenario.ts'
import { readAll } from './sockets.ts'
import { setUp } from './setup.ts'
import { type Run, doStep, neighbours } from './steps.ts'
import { tcpOut } from './tcp_flows.ts'
import { VNET_SIZE, unpackVnet } from './vnet.ts'

/** Values of /proc/net/snmp that are no counters. */
const NO_COUNTERS = new Set([
  'IpForwarding',
  'IpDefaultTTL',
  'TcpRtoAlgorithm',
  'TcpRtoMin',
  'TcpRtoMax',
  'TcpMaxConn',
  'TcpCurrEstab',
])

function delta(before: Counters, after: Counters): Counters {
  const changed = Object.entries(after).map(([name, value]): [string, number] => [name, value - (before[name] ?? 0)])
  return Object.fromEntries(changed.filter(([name, value]) => value !== 0 && !NO_COUNTERS.has(name)))
}

/** Columns of /proc/net/dev. */
const DEV_COLUMNS = [
  'rx_bytes',
  'rx_packets',
  'rx_errors',
  'rx_dropped',
  'rx_fifo',
  'rx_frame',
  'rx_compressed',
  'multicast',
  'tx_bytes',
  'tx_packets',
  'tx_errors',
  'tx_dropped',
  'tx_fifo',
  'collisions',
  'tx_carrier',
  'tx_compressed',
]

function deviceCounters(run: Run): Map<string, Counters> {
  const lines = run.host.proc('/proc/net/dev').split('\n').slice(2)
  return new Map(
    lines
      .filter((line) => line.includes(':'))
      .map((line) => {
        const [name, values] = line.split(':') as [string, string]
        const columns = values.trim().split(/\s+/).map(Number)
        return [name.trim(), Object.fromEntries(DEV_COLUMNS.map((column, i) => [column, columns[i]!]))]
      }),
  )
}

/** Functions whose drops the oracle does not tell: they are its own way in, not the path. */
const UNTOLD = /^(tun_|unix_|netlink_|skb_release_data|skb_queue_purge|inet_rtm_getroute)/

/**
 * Drops as the oracle counts them from skb:kfree_skb: of packets that are IPv4 or ARP, in the context of the writer or of
 * NAPI (a timer is neither), by any function but UNTOLD.
 */
function dropCounters(run: Run): Counters {
  const sums: Counters = {}
  for (const { reason, function: fn, count, protocol, timer } of run.host.drops()) {
    if (protocol === '' || timer || UNTOLD.test(fn)) continue
    const key = `${reason.replace(/^SKB_DROP_REASON_/, '')}@${fn}`
    sums[key] = (sums[key] ?? 0) + count
  }
  return sums
}

/** Reads devices and sockets into the step's output. */
function drain(run: Run, out: StepExpect): void {
  for (const [name, tap] of run.taps) {
    const vnet = run.vnets.has(name)
    const frames = tap.tx().map((bytes): TxFrame => {
      const frame = vnet ? bytes.slice(VNET_SIZE) : bytes
      return { bytes: tcpOut(run.flows, frame, BASELINE_LAB.isn), ...(vnet && { vnet: unpackVnet(bytes) }) }
    })
    if (frames.length > 0) ((out.tx ??= {})[name] ??= []).push(...frames)
  }
  for (const [name, open] of run.sockets) {
    const entries = readAll(open, run.nameOf)
    if (entries.length > 0) ((out.sockets ??= {})[name] ??= []).push(...entries)
  }
}

/** After a step: what is due runs, then time passes as the recorder lets it. */
function settle(run: Run, step: Step, scenario: Scenario, out: StepExpect): void {
  const quiet = (step.settle ?? scenario.settle ?? 2) * 1e6
  const wait = (step.wait ?? 0) * 1e9
  drain(run, out)
  if (wait > quiet) {
    run.lab.advance(wait - quiet)
    drain(run, out)
  }
  run.lab.advance(quiet)
  drain(run, out)
}

function socketDrops(run: Run): Counters {
  const drops: Counters = {}
  for (const [name, { socket, spec }] of run.sockets) {
    if (spec.type === 'packet') continue
    const count = (socket.getsockopt('SO_MEMINFO') as number[])[8] ?? 0
    if (count > 0) drops[name] = count
  }
  return drops
}

function filled<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined
}

/** Steps that the recorder hands to ip and iptables: what they drop is not in the writer's context. */
const BY_OTHERS = ['rule', 'neigh', 'address', 'link', 'iptables'] as const

/** Runs the steps of a scenario that is set up; onStep is told before each. */
function runSteps(run: Run, scenario: Scenario, onStep?: (run: Run, index: number) => void): Expect {
  const { host } = run
  const first = host.counters({ zeros: true })
  const devices = deviceCounters(run)
  let counters = first
  let drops = dropCounters(run)
  const steps = scenario.steps.map((step, index): StepExpect => {
    onStep?.(run, index)
    const out: StepExpect = { step: index }
    const result = doStep(run, step)
    if (BY_OTHERS.some((kind) => kind in step)) drops = dropCounters(run)
    settle(run, step, scenario, out)
    const now = host.counters({ zeros: true })
    const lost = dropCounters(run)
    const moved = filled(delta(counters, now))
    const dropped = filled(delta(drops, lost))
    counters = now
    drops = lost
    return {
      ...out,
      ...(filled(result) && { result }),
      ...(moved && { counters: moved }),
      ...(dropped && { drops: dropped }),
    }
  })
  const after = [...deviceCounters(run)].map(([name, now]) => [name, delta(devices.get(name) ?? {}, now)] as const)
  const moved = Object.fromEntries(after.filter(([, changed]) => filled(changed)))
  const table = neighbours(host)
  const lost = filled(socketDrops(run))
  return {
    steps,
    counters: delta(first, counters),
    ...(filled(moved) && { devices: moved }),
    ...(table.length > 0 && { neighbours: table }),
    ...(lost && { socket_drops: lost }),
  }
}

/** Runs a scenario; bytes in the result are raw. onStep is told before each step, onEnd while the lab is still there. Throws what the emulator cannot do. */
export async function record(
  scenario: Scenario,
  onStep?: (run: Run, index: number) => void,
  onEnd?: () => void,
): Promise<Expect> {
  const run = await setUp(scenario)
  try {
    const expect = runSteps(run, scenario, onStep)
    onEnd?.()
    const { balanced } = run.lab.account()
    if (!balanced) throw new Error(`packets were lost count of: ${JSON.stringify(run.lab.account())}`)
    return expect
  } finally {
    await run.lab.close()
  }
}

/** The same with byte strings, as a recording is stored. */
export function toText(expect: Expect): Expect {
  const text = JSON.stringify(expect, (_, value: unknown) => (value instanceof Uint8Array ? compress(value) : value))
  return JSON.parse(text) as Expect
}
