// A lab that is saved at any point and restored goes on as it would have: the same trace to the byte, the same counters.
// Two hosts on a lossy wire with a rate, work that takes time, fragments, ARP, forwarding and a blast that is under way.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type LabOptions, type Nic, type Tap, lab } from '../../src/index.ts'
import { HOST_MAC, PEER_MAC } from '../path/packets.ts'
import { corpus } from './corpus.ts'
import { FrameWriter, writeFrames } from './random_frames.ts'
import { Xorshift } from './xorshift.ts'

const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)
const STEPS = 24

interface Plan {
  seed: number
  costs: boolean
  /** After which of the steps it is saved. */
  at: number
}

const plans = fc.record<Plan>({
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  costs: fc.boolean(),
  at: fc.integer({ min: 0, max: STEPS - 2 }),
})

const optionsOf = ({ seed, costs }: Plan): LabOptions => ({
  seed,
  memoryMb: 8,
  ...(costs && { costs: { rx: 500, tx: [300, 0.25], deliver: 200, syscall: 1000 } }),
})

function build(net: Lab): void {
  const a = net.host('a', { eth0: '10.0.0.1/24', cpus: 2 })
  const b = net.host('b', { eth0: { addresses: ['10.0.0.2/24'], queues: 2 }, cpus: 2 })
  net.link(a.eth0, b.eth0, { rate: '100mbit', delay: '30us', loss: '2%' })
  const tap = a.tap('eth1', { mac: HOST_MAC, napi: true })
  a.addr.add('eth1', '10.0.1.1/24')
  a.link('eth1', { up: true })
  a.neigh.add({ dev: 'eth1', ip: '10.0.1.2', mac: PEER_MAC })
  a.sysctl('net.ipv4.ip_forward', 1)
  tap.tx()
}

/** Sockets are handles of one lab: a restored one opens none, it finds theirs by number. */
function openSockets(net: Lab): void {
  net.getHost('a').udp({ port: 7, options: { SO_RCVBUF: 20_000 } })
  net.getHost('b').udp({ port: 9000, options: { SO_RCVBUF: 20_000 } })
}

/** One step of a story that depends on its number and the seed alone. */
function step(net: Lab, real: readonly Uint8Array[], seed: number, number: number): void {
  const random = new Xorshift(seed + 1000 * number)
  const [a, b] = [net.getHost('a'), net.getHost('b')] as [Host, Host]
  const tap = a.device('eth1') as Tap
  const out = new FrameWriter(60)
  while (!out.full) writeFrames(random, out, real, 0, 0)
  tap.rx(out)
  const sender = (random.chance(50) ? a : b).udp()
  for (let i = 0; i < 5; i++) {
    const size = random.pick([10, 500, 3000])
    sender.send(new Uint8Array(size).fill(i), random.chance(50) ? '10.0.0.2:9000' : '10.0.0.1:7')
  }
  sender.close()
  tap.tx()
  net.advance(random.pick([0, 1000, 50_000, 1_000_000, 700_000_000]))
}

/** Goes on from a step to the end; what there is to compare. */
function goOn(net: Lab, real: readonly Uint8Array[], seed: number, from: number): unknown {
  const hosts = net.hosts()
  for (const host of hosts) host.trace.start({ records: 1 << 15 })
  for (let number = from; number < STEPS; number++) step(net, real, seed, number)
  net.advance('40s')
  return {
    now: net.now,
    traces: hosts.map((host) => Buffer.from(host.trace.readRaw().bytes).toString('base64')),
    counters: hosts.map((host) => host.counters()),
    drops: hosts.map((host) => host.drops()),
    stats: hosts.map((host) => host.devices().map((device) => device.info().stats)),
    account: net.account(),
    wire: hosts.map((host) => (host.device('eth0') as Nic).hardware()),
  }
}

function assertSame(got: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) assert.equal(strip(got), strip(wanted), what)
  assert.is(JSON.stringify(got), JSON.stringify(wanted), `${what}: the traces differ`)
}

const strip = (seen: unknown): unknown => ({ ...(seen as object), traces: undefined })

async function play(plan: Plan, real: readonly Uint8Array[]): Promise<void> {
  const net = await lab(optionsOf(plan))
  build(net)
  openSockets(net)
  for (let number = 0; number <= plan.at; number++) step(net, real, plan.seed, number)
  const saved = net.snapshot()
  const first = goOn(net, real, plan.seed, plan.at + 1)
  net.restore(saved)
  assertSame(goOn(net, real, plan.seed, plan.at + 1), first, 'restored')
  const other = await lab(optionsOf({ ...plan, seed: 1 }))
  other.host('another', { eth0: '10.9.9.9/24' })
  other.restore(structuredClone(saved))
  assertSame(goOn(other, real, plan.seed, plan.at + 1), first, 'restored in another lab')
  assert.ok((first as { account: { balanced: boolean } }).account.balanced)
  await net.close()
  await other.close()
}

const test = suite('snapshots')

test('restored at any point, here and in another lab, all goes on as it did', async () => {
  const real = await corpus()
  const property = fc.asyncProperty(plans, (plan) => play(plan, real))
  await fc.assert(property, { numRuns: 12, seed: DRAW_SEED, endOnFailure: true, includeErrorInReport: true })
})

test('a blast that is under way is in the snapshot', async () => {
  const net = await lab({ seed: 4 })
  build(net)
  openSockets(net)
  const a = net.getHost('a') as Host
  const controller = new AbortController()
  const blasting = a.blast('10.0.0.2:9000', { packets: 50_000, pps: 1e5, signal: controller.signal })
  net.advance('20ms')
  const saved = net.snapshot()
  const go = (): unknown => {
    for (const host of net.hosts()) host.trace.start({ records: 1 << 12 })
    net.advance('30ms')
    return [net.hosts().map((host) => [host.counters(), [...host.trace.readRaw().bytes]]), net.now]
  }
  const first = go()
  assert.ok((a.counters()['UdpOutDatagrams'] ?? 0) >= 5000)
  net.restore(saved)
  assert.equal(JSON.stringify(go()), JSON.stringify(first))
  controller.abort(new Error('enough'))
  await blasting.catch(() => undefined)
  await net.close()
})

test.run()
