// A scenario's host, made in the order in which the recorder makes it (oraclelib/kernel.py, setup).

import { lab as makeLab } from '../lab.ts'
import type { Tap, TapOffload } from '../host/devices.ts'
import { BASELINE_LAB, BASELINE_SYSCTLS } from './baseline.ts'
import type { DeviceSpec, HostSpec, Scenario } from './scenario.ts'
import { openSocket } from './sockets.ts'
import type { Run } from './steps.ts'

/** What a scenario asks for and netpath does not have. */
export class Unsupported extends Error {
  readonly code = 'EOPNOTSUPP'
}

function refuseWhatIsMissing(spec: HostSpec): void {
  if (spec.iptables?.length || spec.policies) throw new Unsupported('iptables')
}

function setDevice(run: Run, device: DeviceSpec): void {
  const { mtu, txqueuelen, up = true, promisc, allmulticast, arp } = device
  run.host.link(device.name, {
    ...(mtu !== undefined && { mtu }),
    ...(txqueuelen !== undefined && { txqueuelen }),
  })
  if (up) run.host.link(device.name, { up: true })
  for (const [name, on] of Object.entries({ promisc, allmulticast, arp })) {
    if (on !== undefined) run.host.link(device.name, { [name]: on })
  }
}

function configure(run: Run, spec: HostSpec): void {
  const { host } = run
  const devices = spec.devices ?? []
  for (const [name, value] of Object.entries(BASELINE_SYSCTLS)) host.sysctl(name, value)
  if (spec.lo !== false) host.link('lo', { up: true })
  for (const { name, mac, napi = false, vnet = false, offload = [], carrier } of devices) {
    const shape = { mac, napi, vnet, offload: offload as TapOffload[] }
    const tap: Tap = host.tap(name, { ...shape, ...(carrier === false && { carrier: false }) })
    if (vnet) run.vnets.add(name)
    run.taps.set(name, tap)
  }
  for (const [name, value] of Object.entries(spec.sysctl ?? {})) host.sysctl(name, value)
  for (const device of devices) setDevice(run, device)
  for (const device of devices) for (const address of device.addresses ?? []) host.addr.add(device.name, address)
  for (const address of spec.lo_addresses ?? []) host.addr.add('lo', address)
  for (const entry of spec.neighbours ?? []) host.neigh.add(entry)
  for (const rule of spec.rules ?? []) host.rule.add(rule as never)
  for (const { name, qdisc } of devices) if (qdisc) host.qdisc.add({ ...qdisc, dev: name })
  for (const { name, gro, features } of devices) {
    if (gro === false) host.link(name, { features: { gro: false } })
    if (features) host.link(name, { features })
  }
  for (const route of spec.routes ?? []) host.route.add(route)
}

/** What the host sent while it was made is thrown away: scenarios start quiet. */
function discard(run: Run): void {
  for (const tap of run.taps.values()) tap.tx()
}

function openSockets(run: Run, spec: HostSpec): void {
  for (const socket of spec.sockets ?? []) {
    const { open, result } = openSocket(run.host, socket)
    if (!open || result.err !== undefined) throw new Error(`socket ${socket.name}: ${result.err} at ${result.at}`)
    run.sockets.set(socket.name, open)
  }
}

/** Makes a scenario's host with its sockets, ready for the first step. Unsupported: it needs what netpath has not. */
export async function setUp(scenario: Scenario): Promise<Run> {
  refuseWhatIsMissing(scenario.host)
  const lab = await makeLab(BASELINE_LAB)
  try {
    const host = lab.host('host', { lo: false })
    const nameOf = (ifindex: number): string =>
      host.devices().find((d) => d.ifindex === ifindex)?.name ?? String(ifindex)
    const run: Run = { lab, host, taps: new Map(), vnets: new Set(), sockets: new Map(), flows: new Map(), nameOf }
    configure(run, scenario.host)
    lab.advance(SETTLE_NS)
    discard(run)
    openSockets(run, scenario.host)
    return run
  } catch (error) {
    await lab.close()
    throw error
  }
}

/** The recorder takes about this long from the configuration to the first step. */
const SETTLE_NS = 2e6
