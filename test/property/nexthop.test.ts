// Nexthop objects, groups and routes under random requests and device changes: no trap, and after every step what is shown
// hangs together. fast-check draws the seed, a xorshift does it. NETPATH_SEED draws others.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type NexthopObjectSpec, type Socket, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { Xorshift } from './xorshift.ts'

const RUNS = 20
const STEPS = 150
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)
const DEVICES = ['v0', 'v1', 'v2']

interface World {
  net: Lab
  h: Host
  socket: Socket
  random: Xorshift
}

const singleId = (random: Xorshift): number => 1 + random.below(8)
const groupId = (random: Xorshift): number => 100 + random.below(4)
const anyId = (random: Xorshift): number => (random.chance(60) ? singleId(random) : groupId(random))
const prefix = (random: Xorshift): string =>
  `10.${random.below(4)}.0.0/${random.pick([14, 16, 24])}`.replace('/14', '/16')

function nexthop(random: Xorshift): NexthopObjectSpec {
  if (random.chance(30)) {
    const group = Array.from({ length: 1 + random.below(4) }, () => ({
      id: singleId(random),
      weight: 1 + random.below(9),
    }))
    return { id: groupId(random), group }
  }
  const i = random.below(DEVICES.length)
  const id = singleId(random)
  if (random.chance(15)) return { id, blackhole: true }
  if (random.chance(30)) return { id, dev: DEVICES[i]! }
  return { id, dev: DEVICES[i]!, via: `172.16.${i}.${2 + random.below(3)}` }
}

function device({ h, net, random }: World): void {
  const name = random.pick(DEVICES)
  const i = DEVICES.indexOf(name)
  if (random.chance(20)) h.link.del(name)
  else if (random.chance(40)) h.link(random.pick([name, `p${i}`]), { up: random.chance(60) })
  else if (random.chance(50)) h.link(name, { mtu: random.pick([68, 576, 1400, 1500]) })
  else wire(h, i)
  net.run()
}

const requests: readonly (readonly [weight: number, (world: World) => unknown])[] = [
  [6, ({ h, random }) => h.nexthop.add(nexthop(random))],
  [4, ({ h, random }) => h.nexthop.replace(nexthop(random))],
  [3, ({ h, random }) => h.nexthop.del(anyId(random))],
  [6, ({ h, random }) => h.route.add({ to: prefix(random), nhid: anyId(random), metric: random.below(3) })],
  [2, ({ h, random }) => h.route.replace({ to: prefix(random), nhid: anyId(random), mtu: 1400 })],
  [1, ({ h, random }) => h.route.add({ to: prefix(random), nhid: anyId(random), type: 'unreachable' })],
  [2, ({ h, random }) => h.route.del({ to: prefix(random) })],
  [1, ({ h, random }) => h.route.del({ to: prefix(random), nhid: anyId(random) })],
  [6, ({ h, random }) => h.route.get(`10.${random.below(4)}.0.${random.below(256)}`)],
  [4, ({ socket, random }) => socket.send('x', { to: `10.${random.below(4)}.0.1:9` })],
  [2, device],
]
const dice = requests.flatMap(([weight, act]) => Array<(world: World) => unknown>(weight).fill(act))

function wire(h: Host, i: number): void {
  h.link.add({ kind: 'veth', name: `v${i}`, peer: { name: `p${i}` } })
  h.addr.add(`v${i}`, `172.16.${i}.1/24`)
  h.link(`v${i}`, { up: true })
  h.link(`p${i}`, { up: true })
}

/** Groups have members that are there, routes the next hops of their object. */
function check(h: Host): void {
  const objects = new Map(h.nexthop.list().map((info) => [info.id, info] as const))
  const wayOf = (id: number): string => `${objects.get(id)!.via ?? ''} ${objects.get(id)!.dev ?? 'lo'}`
  for (const { group = [], dev } of objects.values()) {
    for (const { id } of group) assert.ok(objects.get(id), `member ${id}`)
    if (dev !== undefined) assert.ok(h.link(dev).up && h.link(dev).carrier, `${dev} of a nexthop can send`)
  }
  for (const { nhid, via = '', dev, nexthops } of h.route.list('main')) {
    if (nhid === undefined) continue
    assert.ok(objects.get(nhid), `nhid ${nhid}`)
    const wanted = (objects.get(nhid)!.group ?? [{ id: nhid }]).map(({ id }) => wayOf(id))
    assert.equal(nexthops?.map((hop) => `${hop.via ?? ''} ${hop.dev}`) ?? [`${via} ${dev}`], wanted)
  }
}

async function run(seed: number): Promise<void> {
  const net = await lab()
  const h = net.host('h')
  const world = { net, h, socket: h.socket('udp'), random: new Xorshift(seed) }
  DEVICES.forEach((_, i) => wire(h, i))
  net.run()
  for (let i = 0; i < STEPS; i++) {
    try {
      world.random.pick(dice)(world)
    } catch (error) {
      if (!isSystemError(error)) throw error
    }
    check(h)
  }
  for (const { id } of h.nexthop.list()) if (h.nexthop.list().some((left) => left.id === id)) h.nexthop.del(id)
  assert.ok(h.route.list('main').every(({ nhid }) => nhid === undefined))
  net.advance('60s')
  net.run()
  assert.ok(net.account().balanced)
  await net.close()
}

const test = suite('nexthop objects')

test('random requests', async () => {
  await fc.assert(fc.asyncProperty(fc.integer(), run), { numRuns: RUNS, seed: DRAW_SEED })
})

test.run()
