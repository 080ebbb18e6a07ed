// Devices that come, go, move and change their names amid traffic: no trap, every packet accounted for, none left. fast-check
// draws the seed and how much is done, a xorshift does it. NETPATH_SEED draws others.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Device, type Lab, type Namespace, Nic, type Socket, Tap, Tun, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { corpus } from './corpus.ts'
import { FrameWriter, writeFrames } from './random_frames.ts'
import { Xorshift } from './xorshift.ts'

const RUNS = 40
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)

interface World {
  net: Lab
  spaces: Namespace[]
  sockets: Socket[]
  random: Xorshift
  next: number
  real: readonly Uint8Array[]
}

type Step = (world: World) => void

const space = ({ spaces, random }: World): Namespace => random.pick(spaces)
const address = (random: Xorshift): string => `10.0.${random.below(3)}.${1 + random.below(6)}`

/** A device of a random namespace, and where it is. */
function device(world: World): { at: Namespace; dev: Device } {
  const at = space(world)
  return { at, dev: world.random.pick(at.devices()) }
}

const socket = ({ sockets, random }: World): Socket => random.pick(sockets)

const steps: Readonly<Record<string, readonly [weight: number, step: Step]>> = {
  veth: [
    6,
    (world) => {
      const [a, b] = [`v${world.next++}`, `v${world.next++}`]
      const [at, other] = [space(world), space(world)]
      at.link.add({ kind: 'veth', name: a, peer: { name: b, netns: other } })
      for (const [where, name] of [
        [at, a],
        [other, b],
      ] as const) {
        where.addr.add(name, `${address(world.random)}/24`)
        where.link(name, { up: true })
      }
    },
  ],
  vxlan: [
    3,
    (world) => {
      const at = space(world)
      const { random } = world
      const name = `x${world.next++}`
      const dev = random.pick(at.devices()).name
      const remote = random.pick([address(random), address(random), '239.1.1.9'])
      at.link.add({ kind: 'vxlan', name, id: random.below(4), remote, ...(random.below(2) === 0 && { dev }) })
      at.addr.add(name, `${address(random)}/24`)
      at.link(name, { up: true })
    },
  ],
  ipip: [
    3,
    (world) => {
      const at = space(world)
      const { random } = world
      const name = `i${world.next++}`
      at.link.add({ kind: 'ipip', name, ...(random.below(4) !== 0 && { remote: address(random) }) })
      at.addr.add(name, `${address(random)}/24`)
      at.link(name, { up: true })
    },
  ],
  fdb: [
    2,
    (world) => {
      const { at, dev } = device(world)
      const { random } = world
      const entry = {
        dev: dev.name,
        mac: random.pick(['00:00:00:00:00:00', '02:00:00:00:00:77']),
        dst: address(random),
      }
      at.fdb[random.pick(['add', 'append', 'replace', 'del'] as const)](entry)
    },
  ],
  train: [1, (world) => void socket(world).setsockopt('UDP_SEGMENT', world.random.pick([0, 400]))],
  dummy: [1, (world) => space(world).link.add({ kind: 'dummy', name: `d${world.next++}` })],
  tap: [2, (world) => space(world).tap(`t${world.next++}`, { napi: world.random.below(2) === 0 })],
  tun: [2, (world) => space(world).tun(`u${world.next++}`, { napi: world.random.below(2) === 0 })],
  nic: [1, (world) => space(world).nic(`n${world.next++}`, { queues: 1 + world.random.below(2), ring: 64 })],
  del: [
    5,
    (world) => {
      const { at, dev } = device(world)
      if (at.devices().length > 2) at.link.del(dev.name)
    },
  ],
  move: [
    3,
    (world) => {
      const { at, dev } = device(world)
      at.link(dev.name, { netns: space(world) })
    },
  ],
  rename: [
    2,
    (world) => {
      const { at, dev } = device(world)
      at.link(dev.name, { name: `r${world.next++}` })
    },
  ],
  upDown: [
    6,
    (world) => {
      const { at, dev } = device(world)
      at.link(dev.name, { up: world.random.below(4) !== 0 })
    },
  ],
  rps: [
    1,
    (world) => {
      const { at, dev } = device(world)
      at.link(dev.name, { rps: world.random.pick([[], [1], [0, 1]]) })
    },
  ],
  mtu: [
    1,
    (world) => {
      const { at, dev } = device(world)
      at.link(dev.name, { mtu: world.random.pick([60, 68, 90, 576, 1500, 9000]) })
    },
  ],
  addr: [
    4,
    (world) => {
      const { at, dev } = device(world)
      at.addr[world.random.below(3) === 0 ? 'del' : 'add'](dev.name, `${address(world.random)}/24`)
    },
  ],
  route: [
    3,
    (world) => {
      const { at, dev } = device(world)
      at.route.add({ to: `10.9.${world.random.below(4)}.0/24`, dev: dev.name, mtu: 1400 })
    },
  ],
  rule: [
    1,
    (world) => {
      const { at, dev } = device(world)
      at.rule.add({ iif: dev.name, table: 100 })
    },
  ],
  neigh: [
    3,
    (world) => {
      const { at, dev } = device(world)
      at.neigh.replace({ dev: dev.name, ip: address(world.random), mac: '02:00:00:00:00:77', state: 'reachable' })
    },
  ],
  forward: [1, (world) => void space(world).sysctl('net.ipv4.ip_forward', world.random.below(2))],
  open: [
    3,
    (world) => {
      const type = world.random.pick(['udp', 'udp', 'packet', 'raw'] as const)
      const made = space(world).socket(type, type === 'packet' ? 'ALL' : type === 'raw' ? 'udp' : undefined)
      world.sockets.push(made)
      if (type === 'udp') made.bind({ address: '0.0.0.0', port: 7 + world.random.below(3) })
    },
  ],
  send: [
    12,
    (world) => {
      const data = new Uint8Array(world.random.pick([0, 18, 100, 1472, 4000]))
      const to = { address: world.random.pick([address(world.random), '239.1.1.1', '10.9.1.1']), port: 7 }
      socket(world).send(data, { to })
    },
  ],
  connect: [2, (world) => void socket(world).connect({ address: address(world.random), port: 8 })],
  read: [4, (world) => void socket(world).recv()],
  join: [
    2,
    (world) => {
      const dev = device(world).dev.name
      socket(world).setsockopt('IP_ADD_MEMBERSHIP', { group: '239.1.1.1', dev })
    },
  ],
  packetBind: [2, (world) => void socket(world).bind(device(world).dev.name)],
  packetJoin: [
    1,
    (world) => {
      socket(world).setsockopt('PACKET_ADD_MEMBERSHIP', { dev: device(world).dev.name, type: 'promisc' })
    },
  ],
  close: [1, (world) => void (world.sockets.length > 2 && world.sockets.shift()!.close())],
  frames: [
    6,
    (world) => {
      const { dev } = device(world)
      if (!(dev instanceof Tap || dev instanceof Tun || dev instanceof Nic)) return
      if (dev instanceof Tun) {
        dev.rx(Array.from({ length: 4 }, () => world.random.pick(world.real).slice(14)))
        return
      }
      const out = new FrameWriter(20)
      while (!out.full) writeFrames(world.random, out, world.real, 0, 0)
      dev.rx(out)
    },
  ],
  taken: [
    2,
    (world) => {
      const { dev } = device(world)
      if (dev instanceof Tap || dev instanceof Tun || dev instanceof Nic) dev.tx()
    },
  ],
  time: [4, (world) => world.net.advance(world.random.pick([1e3, 1e6, 1.1e9, 6e9]))],
}

const bag = Object.values(steps).flatMap(([weight, step]) => Array.from({ length: weight }, () => step))

async function makeWorld(seed: number, memoryMb: number, real: readonly Uint8Array[]): Promise<World> {
  const net = await lab({ seed, memoryMb })
  const host = net.host('a', { cpus: 2, nic0: '10.0.0.1/24' })
  const peer = net.host('b', { nic0: '10.0.0.2/24' })
  net.link(host['nic0'] as Nic, peer['nic0'] as Nic, { delay: '10us' })
  const spaces: Namespace[] = [host, host.netns('x'), host.netns('y')]
  const sockets: Socket[] = spaces.map((where) => where.socket('udp'))
  return { net, spaces, sockets, random: new Xorshift(seed), next: 0, real }
}

/** What is left when all is closed, time has passed, and (all) every device is gone. */
function end({ net, spaces, sockets }: World, all: boolean): void {
  for (const open of sockets) open.close()
  if (all) {
    for (const where of spaces) {
      for (let dev = where.devices()[1]; dev; dev = where.devices()[1]) where.link.del(dev.name)
    }
  }
  net.advance('60s')
  net.run()
  for (const dev of spaces.flatMap((where) => where.devices()))
    if (dev instanceof Tap || dev instanceof Tun || dev instanceof Nic) drain(dev)
  const { balanced, live } = net.account()
  assert.ok(balanced, 'born = ended + live')
  assert.is(live, 0, `${live} packets are left`)
}

function drain(dev: Tap | Tun | Nic): void {
  try {
    dev.tx()
  } catch (error) {
    // A NIC on a wire keeps nothing.
    if (!isSystemError(error)) throw error
  }
}

const test = suite('links')

test('an errno or a result, and every packet accounted for', async () => {
  const real = await corpus()
  const plans = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    count: fc.integer({ min: 50, max: 600 }),
    memoryMb: fc.constantFrom(4, 24),
    all: fc.boolean(),
  })
  const property = fc.asyncProperty(plans, async ({ seed, count, memoryMb, all }) => {
    const world = await makeWorld(seed, memoryMb, real)
    for (let i = 0; i < count; i++) {
      try {
        world.random.pick(bag)(world)
      } catch (error) {
        if (!isSystemError(error)) throw error
      }
    }
    end(world, all)
    await world.net.close()
  })
  await fc.assert(property, { seed: DRAW_SEED, numRuns: RUNS, includeErrorInReport: true })
})

test.run()
