// What a batch of datagrams sends does not depend on the way that they take inside: two hosts do the same, one of them traced
// (then each datagram goes through udp_sendmsg for itself), and frames, answers, counters and the sockets' state are equal.
// fast-check draws the seed, a xorshift the rest. NETPATH_SEED draws others.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Nic, type UdpSocket, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { HOST, HOST_MAC, PEER, PEER_MAC, icmp, ipPacket, udpDatagram } from '../path/packets.ts'
import { bytes } from './random_calls.ts'
import { Xorshift } from './xorshift.ts'

const RUNS = 40
const STEPS = 25
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)

const NEAR = ['10.0.0.3', PEER, PEER, PEER]
const FAR = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '203.0.113.9']
const ODD = ['10.0.0.77', '10.0.0.255', '255.255.255.255', '224.1.1.1', '127.0.0.1', HOST, '100.64.0.1']

/** A host with a NIC, near and far routes, one over two next hops, and a socket. */
interface Side {
  net: Lab
  host: Host
  nic: Nic
  socket: UdpSocket
  random: Xorshift
}

async function makeSide(seed: number, traced: boolean): Promise<Side> {
  const net = await lab({ seed: 7, memoryMb: 8 })
  const host = net.host('h')
  const nic = host.nic('eth0', { mac: HOST_MAC, ring: 64 })
  host.addr.add('eth0', `${HOST}/24`)
  host.link('eth0', { up: true })
  for (const ip of [PEER, '10.0.0.3']) host.neigh.add({ dev: 'eth0', ip, mac: PEER_MAC })
  host.route.add({ to: '192.0.2.0/24', via: PEER })
  host.route.add({ to: '198.51.100.0/24', via: PEER, mtu: 900, hoplimit: 9 })
  host.sysctl('net.ipv4.fib_multipath_hash_policy', 1)
  host.route.add({ to: '203.0.113.0/24', nexthops: [{ via: PEER }, { via: '10.0.0.3' }] })
  net.run()
  nic.tx()
  if (traced) host.trace.start()
  const socket = host.udp({ port: 7, options: { IP_RECVERR: seed & 1 } })
  return { net, host, nic, socket, random: new Xorshift(seed) }
}

function sendBatch({ socket, random }: Side): unknown {
  const batch = socket.batch(40, 200_000)
  const count = 1 + random.below(40)
  const usual = random.pick([...NEAR, ...FAR])
  for (let i = 0; i < count; i++) {
    const address = random.chance(85) ? usual : random.pick([...NEAR, ...FAR, ...ODD])
    const length = random.pick([0, 1, 18, 19, 256, 872, 873, 1471, 1472, 1473, random.below(3000)])
    const payload = new Uint8Array(length)
    random.fill(payload)
    const port = random.chance(98) ? 1 + random.below(9) : 0
    if (random.chance(90)) batch.push(payload, { address, port })
    else batch.push(payload)
  }
  try {
    return socket.sendBatch(batch)
  } finally {
    batch.free()
  }
}

const OPTIONS: readonly (readonly [name: string, values: readonly number[]])[] = [
  ['IP_TTL', [-1, 1, 64, 255]],
  ['IP_TOS', [0, 0x10, 0xb9]],
  ['IP_MTU_DISCOVER', [0, 1, 2, 3, 4, 5]],
  ['SO_NO_CHECK', [0, 1]],
  ['SO_PRIORITY', [0, 6]],
  ['SO_MARK', [0, 5]],
  ['SO_BROADCAST', [0, 1]],
  ['SO_SNDBUF', [5000, 40_000, 1 << 20]],
  ['SO_DONTROUTE', [0, 1]],
  ['UDP_CORK', [0, 0, 1]],
  ['IP_RECVERR', [0, 1]],
]

function setOption({ socket, random }: Side): void {
  const [name, values] = random.pick(OPTIONS)
  const value = random.pick(values)
  if (random.chance(10))
    socket.socket.setsockopt('IP_OPTIONS', random.chance(50) ? bytes(random, 8) : new Uint8Array(0))
  else if (name === 'IP_MTU_DISCOVER') socket.socket.setsockopt([0, 10], Uint8Array.of(value, 0, 0, 0))
  else socket.socket.setsockopt(name, value)
}

/** "Fragmentation needed" or "port unreachable" about what the host sent. */
function error({ net, nic, random }: Side): void {
  const to = random.pick([...NEAR, ...FAR])
  const quote = ipPacket(
    { from: HOST, to, protocol: 17 },
    udpDatagram({ from: `${HOST}:7`, to: `${to}:5`, data: random.below(20) }),
  )
  const code = random.pick([3, 4])
  nic.rx([icmp({ type: 3, code, rest: code === 4 ? random.pick([600, 1000]) : 0, data: quote })])
  net.run()
}

function disturb({ host, net, random }: Side): void {
  const choice = random.below(5)
  if (choice === 0) host.route.replace({ to: '192.0.2.0/24', via: random.pick([PEER, '10.0.0.3']) })
  else if (choice === 1) host.sysctl('net.ipv4.ip_default_ttl', random.pick([64, 33]))
  else if (choice === 2) host.link('eth0', { mtu: random.pick([600, 1500]) })
  else if (choice === 3) net.advance(`${random.pick([1, 50, 5000])}ms`)
  else host.neigh.replace({ dev: 'eth0', ip: PEER, mac: random.pick([PEER_MAC, '02:00:00:00:00:09']) })
}

function connect({ socket, random }: Side): void {
  const to = random.chance(30) ? null : { address: random.pick([...NEAR, ...FAR, ...ODD]), port: 1 + random.below(9) }
  socket.socket.connect(to)
}

const BAG = [sendBatch, sendBatch, sendBatch, sendBatch, setOption, setOption, error, disturb, connect]

/** Does one step; answers what it said and what can be seen afterwards. */
function step(side: Side): unknown {
  const { net, host, nic, socket, random } = side
  const act = random.pick(BAG)
  let answer: unknown
  try {
    answer = act(side)
  } catch (error) {
    if (!isSystemError(error)) throw error
    answer = error.code
  }
  // A ring that is not emptied at once fills up, and the queue behind it too.
  if (random.chance(80)) net.run()
  const frames = nic.tx().map((frame) => Buffer.from(frame).toString('hex'))
  const errors: unknown[] = []
  for (let i = 0; i < 3; i++) {
    try {
      errors.push(socket.recv({ flags: ['MSG_ERRQUEUE'] }))
    } catch (error) {
      errors.push((error as NodeJS.ErrnoException).code)
    }
  }
  const { stats } = nic.info()
  return { act: act.name, answer, frames, errors, counters: host.counters(), stats, drops: host.drops() }
}

function end({ net, nic, socket }: Side): void {
  socket.close()
  net.advance('60s')
  net.run()
  nic.tx()
  const { balanced, live } = net.account()
  assert.ok(balanced, 'born = ended + live')
  assert.is(live, 0, `${live} packets are left`)
}

const test = suite('burst')

test('a batch sends what its datagrams alone would', async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (seed) => {
    const sides = [await makeSide(seed, false), await makeSide(seed, true)] as const
    for (let i = 0; i < STEPS; i++) assert.equal(step(sides[0]), step(sides[1]), `step ${i}`)
    for (const side of sides) {
      end(side)
      await side.net.close()
    }
  })
  await fc.assert(property, { seed: DRAW_SEED, numRuns: RUNS })
})

test.run()
