// Benches of the way through: datagrams from one NIC's ring to another's, to destinations all over a routing table.

import { type FrameBatch, type Host, lab as makeLab } from '../src/index.ts'
import { FRAMES, HOST_MAC, setDestination, roundOf } from './frames.ts'
import type { Path, PathBench } from './path.ts'
import { dropsFor } from './receive.ts'

interface ForwardBench extends PathBench {
  ring: number
  burst: number
  routes: number
  /** Rounds of different frames: together they are the destinations. */
  rounds: number
  memoryMb: number
}

/** A generator of numbers below 2^32: xorshift. */
function* numbers(seed: number): Generator<number, never> {
  let x = seed
  for (;;) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    yield x >>> 0
  }
}

const LENGTHS = [24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 16]
const text = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')

/** Routes to random prefixes, by next hops on eth1. Answers prefix and length of each. */
function addRoutes(host: Host, count: number): [prefix: number, length: number][] {
  const random = numbers(1)
  const next = (): number => random.next().value
  const routes: [number, number][] = []
  while (routes.length < count) {
    const length = LENGTHS[next() & 15]!
    const prefix = ((0x14000000 + (next() % 0x6a000000)) & (-1 << (32 - length))) >>> 0
    try {
      host.route.add({ to: `${text(prefix)}/${length}`, via: `10.0.1.${2 + (next() & 3)}` })
    } catch {
      continue // there already
    }
    routes.push([prefix, length])
  }
  return routes
}

async function setUp({ payload, ring, burst, routes: count, rounds, memoryMb }: ForwardBench): Promise<Path> {
  const lab = await makeLab({ seed: 1, memoryMb })
  const host = lab.host('router')
  const nic = host.nic('eth0', { mac: HOST_MAC, ring, interruptInterval: '20us' })
  const out = host
    .nic('eth1', { mac: '02:00:00:00:01:01', ring: 1024, interruptInterval: '20us' })
    .attach({ keep: false })
  host.addr.add('eth0', '10.0.0.1/24')
  host.addr.add('eth1', '10.0.1.1/24')
  for (const dev of ['eth0', 'eth1']) host.link(dev, { up: true })
  host.sysctl('net.ipv4.ip_forward', 1)
  for (let i = 2; i < 6; i++) host.neigh.add({ dev: 'eth1', ip: `10.0.1.${i}`, mac: `02:00:00:00:01:0${i}` })
  const routes = addRoutes(host, count)
  const random = numbers(2)
  const next = (): number => random.next().value
  const bursts: FrameBatch[] = []
  let bytes = 0
  for (let round = 0; round < rounds; round++) {
    const frames = roundOf(payload).flat()
    frames.forEach((frame, i) => {
      const [prefix, length] = routes[next() % routes.length]!
      setDestination(frame, (prefix | (next() & ~(-1 << (32 - length)))) >>> 0, i)
    })
    for (let i = 0; i < FRAMES; i += burst) bursts.push(nic.load(frames.slice(i, i + burst)))
    bytes = frames.reduce((all, frame) => all + frame.length, 0)
  }
  lab.run()
  let at = 0
  const play = (packets: number): number => {
    const before = out.info().stats.tx_packets
    const perRound = bursts.length / rounds
    for (let sent = 0; sent < packets; sent += FRAMES) {
      for (let i = 0; i < perRound; i++) {
        nic.rx(bursts[at]!)
        at = (at + 1) % bursts.length
        lab.run()
      }
    }
    return out.info().stats.tx_packets - before
  }
  return { lab, play, bytes, lost: () => dropsFor(host, 'IP_CSUM') }
}

const bench = (given: Omit<ForwardBench, 'setUp'>): PathBench => ({
  ...given,
  setUp: () => setUp(bench(given) as ForwardBench),
})

export const forwardBenches: PathBench[] = [
  bench({
    name: 'forward-64',
    payload: 18,
    ring: 256,
    burst: 205,
    packets: FRAMES * 512,
    routes: 64,
    rounds: 1,
    memoryMb: 64,
  }),
  bench({
    name: 'forward-64-1m',
    payload: 18,
    ring: 256,
    burst: 205,
    packets: FRAMES * 512,
    routes: 1_000_000,
    rounds: 64,
    memoryMb: 700,
  }),
]
