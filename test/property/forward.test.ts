// What a router sends on does not depend on the way that packets take inside: two hosts do the same, one of them traced (then each
// packet takes the long way through ip_forward and ip_output), and frames, counters, drops and statistics are equal.
// fast-check draws the seed, a xorshift the rest. NETPATH_SEED draws others.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Nic, type Socket, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { HOST_MAC, PEER_MAC, arp, icmp, ip, ipPacket, udp, udpDatagram } from '../path/packets.ts'
import { Xorshift } from './xorshift.ts'

const RUNS = 24
const STEPS = 30
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)
const OUT_MAC = '02:00:00:00:01:01'
const FAR_MAC = '02:00:00:00:08:02'
const GATEWAYS = ['10.0.1.2', '10.0.1.3', '10.0.1.77']

interface Side {
  net: Lab
  host: Host
  nics: Nic[]
  /** Packet sockets: in the namespace behind the veth, and (in some runs) on eth1. */
  watchers: Socket[]
  random: Xorshift
}

/** Routes by gateways: few, enough for a derived table, or so many that look-ups are made ahead. */
function addRoutes(host: Host, count: number): void {
  for (let i = 0; i < count; i++) {
    host.route.add({ to: `20.${i & 255}.${i >> 8}.0/24`, via: GATEWAYS[i % 2]! })
  }
}

/** What a packet socket of the router sees, by the rest of the seed: a protocol, of a device or of all. */
const WATCHED: Readonly<Record<number, readonly [protocol: string | number, dev?: string]>> = {
  2: ['ALL', 'eth1'],
  3: ['ALL', 'eth0'],
  4: ['ALL'],
  5: [0x800],
  6: [0x800, 'eth0'],
}

function watch(host: Host, protocol: string | number, dev?: string): Socket {
  const socket = host.socket('packet-dgram', protocol)
  socket.setsockopt('SO_RCVBUF', 1 << 20)
  return dev === undefined ? socket : socket.bind(dev)
}

/** A namespace behind a veth, which 36.0.0.0/16 is routed to. */
function addVeth(host: Host): Socket {
  const far = host.netns('far')
  host.link.add({
    kind: 'veth',
    name: 'v0',
    mac: '02:00:00:00:08:01',
    peer: { name: 'v1', mac: FAR_MAC, netns: 'far' },
  })
  host.addr.add('v0', '10.8.0.1/24')
  far.addr.add('v1', '10.8.0.2/24')
  host.link('v0', { up: true })
  far.link('v1', { up: true })
  host.neigh.add({ dev: 'v0', ip: '10.8.0.2', mac: FAR_MAC })
  host.route.add({ to: '36.0.0.0/16', via: '10.8.0.2' })
  return far.socket('packet-dgram', 'ALL').bind('v1')
}

async function makeSide(seed: number, traced: boolean): Promise<Side> {
  const net = await lab({ seed: 7, memoryMb: 16 })
  const host = net.host('router', { cpus: 2 })
  const nics = [host.nic('eth0', { mac: HOST_MAC, ring: 64 }), host.nic('eth1', { mac: OUT_MAC, ring: 64 })]
  host.addr.add('eth0', '10.0.0.1/24')
  host.addr.add('eth1', '10.0.1.1/24')
  for (const dev of ['eth0', 'eth1']) host.link(dev, { up: true })
  host.sysctl('net.ipv4.ip_forward', 1)
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  for (const gateway of ['10.0.1.2', '10.0.1.3'])
    host.neigh.add({ dev: 'eth1', ip: gateway, mac: `02:00:00:00:01:0${gateway.at(-1)}` })
  addRoutes(host, [10, 100, 800][seed % 3]!)
  host.route.add({ to: '20.3.0.128/25', via: '10.0.1.3' })
  host.route.add({ to: '20.4.0.64/27', via: '10.0.1.2', mtu: 700 })
  host.route.add({ to: '20.5.0.0/25', type: 'blackhole' })
  host.route.add({ to: '30.0.0.0/16', via: '10.0.1.77' })
  host.route.add({ to: '31.0.0.0/16', via: '10.0.0.2' })
  host.route.add({ to: '32.0.0.0/16', via: '10.0.1.2', mtu: 700 })
  host.route.add({ to: '33.0.0.0/16', nexthops: [{ via: '10.0.1.2' }, { via: '10.0.1.3' }] })
  host.route.add({ to: '34.0.0.0/16', type: 'blackhole' })
  host.route.add({ to: '35.0.0.0/16', type: 'unreachable' })
  host.route.add({ to: '20.0.0.0/24', via: '10.0.1.3', tos: 0x10 })
  host.route.add({ to: 'default', via: '10.0.1.3' })
  const watchers = [addVeth(host)]
  if (seed % 7 === 1) host.qdisc.replace({ dev: 'eth1', kind: 'fq_codel' })
  const watched = WATCHED[seed % 7]
  if (watched) watchers.push(watch(host, ...watched))
  net.run()
  for (const nic of nics) nic.tx()
  // All through the backlog of another CPU, where packets of both NICs meet.
  if (seed % 5 === 0) for (const nic of nics) nic.set({ rps: [1] })
  if (traced) host.trace.start()
  return { net, host, nics, watchers, random: new Xorshift(seed) }
}

const NEAR = [
  '10.0.0.1',
  '10.0.1.1',
  '10.0.1.2',
  '10.0.1.99',
  '10.0.0.255',
  '10.0.1.255',
  '255.255.255.255',
  '224.0.0.1',
]
const WRONG = ['0.0.0.0', '127.0.0.1', '10.0.0.1', '10.0.1.1', '224.1.1.1', '255.255.255.255', '0.1.2.3', '240.0.0.1']

function destination(random: Xorshift): string {
  if (random.chance(70)) return `20.${random.below(12)}.0.${random.below(256)}`
  if (random.chance(60)) return `${30 + random.below(7)}.0.${random.below(2)}.${random.below(256)}`
  return random.pick([...NEAR, ...NEAR, ...WRONG, '99.1.2.3', '20.255.3.1'])
}

function frame(random: Xorshift): Uint8Array {
  const to = destination(random)
  const from = random.chance(90) ? `10.0.0.${2 + random.below(3)}` : random.pick([...WRONG, '20.1.0.5', '8.8.8.8'])
  const size = random.pick([0, 18, 100, 673, 1472, 1480, random.below(2000)])
  const fields = {
    from,
    to,
    pad: 60,
    ttl: random.chance(90) ? 64 : random.below(3),
    tos: random.chance(80) ? 0 : random.pick([0x10, 0x08, 0xb8, 3]),
    df: random.chance(50),
    id: random.below(9),
    ...(random.chance(4) && { options: Uint8Array.of(0x94, 4, 0, 0) }),
    ...(random.chance(3) && { ipChecksumOff: 1 }),
    ...(random.chance(3) && { mf: true }),
    ...(random.chance(3) && { offset: 8 * random.below(20) }),
    ...(random.chance(3) && { totalLength: random.pick([0, 19, 20, 28, 40, 1500, 65535]) }),
    ...(random.chance(2) && { version: random.pick([0, 5, 6]) }),
    ...(random.chance(2) && { ihl: random.pick([0, 4, 6, 15]) }),
    ...(random.chance(3) && { vlan: [random.pick([0, 5])] }),
    ...(random.chance(2) && { ethertype: random.pick([0x86dd, 0x0806, 100, 0x9000]) }),
    ...(random.chance(4) && { dmac: random.pick(['ff:ff:ff:ff:ff:ff', OUT_MAC, '01:00:5e:00:00:01']) }),
  }
  const kind = random.below(20)
  if (kind === 0) return arp({ pad: 60 })
  if (kind === 1) return icmp({ from, to, pad: 60, data: 20 })
  if (kind === 2) return ip({ ...fields, protocol: 99 }, size)
  return udp({ ...fields, from: `${from}:4000`, to: `${to}:9`, data: Math.min(size, 1472) })
}

function arrive({ net, nics, random }: Side): string {
  const from = random.chance(85) ? nics[0]! : nics[1]!
  from.rx(Array.from({ length: 1 + random.below(60) }, () => frame(random)))
  if (random.chance(80)) net.run()
  return 'arrive'
}

/** "Fragmentation needed" and redirects about what hosts behind here sent, as gateways would tell. */
function learn({ net, nics, random }: Side): string {
  const to = destination(random)
  const quote = ipPacket(
    { from: '10.0.1.1', to, protocol: 17 },
    udpDatagram({ from: '10.0.1.1:7', to: `${to}:5`, data: 8 }),
  )
  const redirect = random.chance(50)
  const told = redirect ? { type: 5, code: 1, rest: 0x0a000103 } : { type: 3, code: 4, rest: random.pick([600, 1000]) }
  nics[1]!.rx([icmp({ from: '10.0.1.2', to: '10.0.1.1', dmac: OUT_MAC, pad: 60, ...told, data: quote })])
  net.run()
  return redirect ? 'redirect' : 'frag needed'
}

const SYSCTLS: readonly (readonly [name: string, values: readonly number[]])[] = [
  ['net.ipv4.conf.all.rp_filter', [0, 0, 1, 2]],
  ['net.ipv4.conf.all.accept_local', [0, 0, 1]],
  ['net.ipv4.conf.eth0.forwarding', [1, 1, 0]],
  ['net.ipv4.ip_forward_update_priority', [0, 1]],
  ['net.ipv4.ip_forward_use_pmtu', [0, 1]],
  ['net.ipv4.conf.all.send_redirects', [0, 1]],
  ['net.ipv4.ip_default_ttl', [64, 20]],
]

function change({ host, net, random }: Side): string {
  const choice = random.below(9)
  const prefix = `20.${random.below(12)}.0.0/24`
  if (choice < 2) {
    const [name, values] = random.pick(SYSCTLS)
    host.sysctl(name, random.pick(values))
  } else if (choice === 2) host.route.replace({ to: prefix, via: random.pick(GATEWAYS) })
  else if (choice === 3) host.route.del({ to: prefix })
  else if (choice === 4) host.link('eth1', { mtu: random.pick([700, 1500]) })
  else if (choice === 5)
    host.neigh.replace({ dev: 'eth1', ip: '10.0.1.2', mac: random.pick([PEER_MAC, '02:00:00:00:01:02']) })
  else if (choice === 6) net.advance(`${random.pick([1, 50, 4000])}ms`)
  else if (choice === 7) host.rule.add({ priority: 100 + random.below(3), from: '10.0.0.4', action: 'prohibit' })
  else host.link('eth1', { up: random.chance(60) })
  return 'change'
}

const BAG = [arrive, arrive, arrive, arrive, arrive, learn, change]

function seenBy(socket: Socket): string[] {
  // ENETDOWN when its device went down, and nothing else.
  const found = [String(socket.getsockopt('SO_ERROR'))]
  for (let read = socket.recv(); read; read = socket.recv()) {
    found.push(`${JSON.stringify(read.link)} ${Buffer.from(read.data).toString('hex')}`)
  }
  return found
}

/** Does one step; answers what can be seen afterwards. */
function step(side: Side): Record<string, unknown> {
  const { host, nics, watchers, random } = side
  let told: string
  try {
    told = random.pick(BAG)(side)
  } catch (error) {
    if (!isSystemError(error)) throw error
    told = error.code
  }
  const frames = nics.map((nic) => nic.tx().map((sent) => Buffer.from(sent).toString('hex')))
  const stats = nics.map((nic) => nic.info().stats)
  const [first = [], second = []] = frames
  const softnet = host.proc('/proc/net/softnet_stat')
  const counters = { ...host.counters(), softnet }
  const seen = watchers.map(seenBy)
  const qdisc = host.qdisc.show('eth1')
  return { told, first, second, stats, counters, drops: host.drops(), seen, qdisc, neighbours: host.neigh.list() }
}

const test = suite('forwarding')

test('a router sends on what it would one by one', async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (seed) => {
    const sides = [await makeSide(seed, false), await makeSide(seed, true)] as const
    for (let i = 0; i < STEPS; i++) {
      const [short, long] = [step(sides[0]), step(sides[1])]
      for (const [what, seen] of Object.entries(long)) assert.equal(short[what], seen, `step ${i}: ${what}`)
    }
    for (const { net, nics, watchers } of sides) {
      for (const socket of watchers) socket.close()
      net.advance('60s')
      for (const nic of nics) nic.tx()
      const { balanced, live } = net.account()
      assert.ok(balanced, 'born = ended + live')
      assert.is(live, 0, `${live} packets are left`)
      await net.close()
    }
  })
  await fc.assert(property, { seed: DRAW_SEED, numRuns: RUNS, includeErrorInReport: true, endOnFailure: true })
})

test.run()
