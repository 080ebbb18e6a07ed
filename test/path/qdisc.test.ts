// Queueing disciplines at work in virtual time: rates, delays, order, losses, and what each counts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type QdiscInfo, type QdiscSpec, type UdpSocket, lab } from '../../src/index.ts'

/** Bytes of a datagram besides its payload, as its qdisc counts them. */
const HEADERS = 42
const PEER = '10.0.0.2:9'

interface Bench {
  net: Lab
  a: Host
  b: Host
  sender: UdpSocket
  receiver: UdpSocket
  /** The qdiscs of a's eth0. */
  show(): QdiscInfo[]
}

const qdiscs = suite('qdiscs')

type Plan = Omit<QdiscSpec, 'dev' | 'kind'> & { kind: string }

/** Two hosts on a fast wire, a's eth0 with these qdiscs; at the end all packets are accounted for. */
function on(name: string, plan: readonly Plan[], run: (h: Bench) => void, rate = '10gbit'): void {
  qdiscs(name, async () => {
    const net = await lab({ seed: 7, memoryMb: 64 })
    const a = net.host('a', { eth0: '10.0.0.1/24' })
    const b = net.host('b', { eth0: '10.0.0.2/24' })
    net.link(a.eth0!, b.eth0!, { rate, delay: '1us' })
    net.advance('3s')
    a.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: b.link('eth0').mac })
    for (const qdisc of plan) a.qdisc.add({ ...qdisc, dev: 'eth0' } as QdiscSpec)
    const receiver = b.udp({ port: 9, options: { SO_RCVBUFFORCE: 1 << 26 } })
    const sender = a.udp({ port: 7, options: { SO_SNDBUFFORCE: 1 << 26 } })
    run({ net, a, b, sender, receiver, show: () => a.qdisc.show('eth0') })
    sender.close()
    receiver.close()
    net.advance('60s')
    for (const { qlen, backlog } of a.qdisc.show('eth0')) assert.equal([qlen, backlog], [0, 0])
    assert.is(net.account().live, 0)
    assert.ok(net.account().balanced)
    await net.close()
  })
}

/** Sends datagrams of bytes in all, numbered from 0. */
function flood({ sender }: Bench, count: number, bytes = 1000): void {
  const data = new Uint8Array(bytes - HEADERS)
  for (let i = 0; i < count; i++) {
    new DataView(data.buffer).setUint32(0, i)
    sender.send(data, PEER)
  }
}

interface Arrival {
  number: number
  ns: number
}

/** What arrives within a time, looked at every tick. */
function arrivals({ net, receiver }: Bench, ms: number, tickUs = 100): Arrival[] {
  const start = net.now
  const out: Arrival[] = []
  for (let left = ms * 1000; left > 0; left -= tickUs) {
    net.advance(tickUs * 1000)
    for (let got = receiver.recv(); got; got = receiver.recv()) {
      const view = new DataView(got.data.buffer, got.data.byteOffset)
      out.push({ number: view.getUint32(0), ns: net.now - start })
    }
  }
  return out
}

const near = (value: number, wanted: number, share: number, what: string): void =>
  assert.ok(Math.abs(value - wanted) <= share * wanted, `${what}: ${value}, not ${wanted} within ${100 * share} %`)

on('tbf: the rate within 1 %', [{ kind: 'tbf', rate: '8mbit', burst: '5000', limit: '10mb' }], (h) => {
  flood(h, 1000)
  const got = arrivals(h, 1100)
  assert.is(got.length, 1000)
  near((995 * 1000) / (got.at(-1)!.ns / 1e9), 1e6, 0.01, 'bytes per second')
  const [root] = h.show()
  assert.equal([root!.bytes, root!.packets, root!.drops], [1_000_000, 1000, 0])
  assert.ok(root!.overlimits > 0)
})

on('tbf: a queue of 50 ms delays by 50 ms', [{ kind: 'tbf', rate: '8mbit', burst: '1600', latency: '50ms' }], (h) => {
  flood(h, 100)
  const got = arrivals(h, 200)
  // What fits into latency and bucket waits for that long at most.
  near(got.at(-1)!.ns, 50e6, 0.05, 'delay of the last')
  assert.is(h.show()[0]!.drops, 100 - got.length)
})

on(
  'tbf: the peak rate holds within a burst',
  [{ kind: 'tbf', rate: '8mbit', burst: '100kb', limit: '10mb', peakrate: '80mbit', mtu: '1540' }],
  (h) => {
    flood(h, 100)
    const got = arrivals(h, 100)
    near((98 * 1000) / ((got.at(-1)!.ns - got[1]!.ns) / 1e9), 1e7, 0.02, 'bytes per second')
  },
)

on('pfifo: as many packets as its limit wait', [{ kind: 'pfifo', limit: 5 }], (h) => {
  flood(h, 40)
  const got = arrivals(h, 10)
  // The first makes the bytes in flight more than none, so the rest waits.
  assert.is(got.length, 6)
  assert.is(h.show()[0]!.drops, 34)
})

on('bfifo: bytes count', [{ kind: 'bfifo', limit: '5000' }], (h) => {
  flood(h, 40)
  assert.is(arrivals(h, 10).length, 6)
})

on(
  'prio: higher bands first, by priority or by class',
  [
    { kind: 'tbf', rate: '8mbit', burst: '1000', limit: '1mb', handle: '1:' },
    { kind: 'prio', parent: '1:1', handle: '2:', bands: 3 },
  ],
  (h) => {
    const priorities = [0, 0, 2, 6, 0x20001, 0x20003]
    priorities.forEach((priority, i) => {
      h.sender.socket.setsockopt('SO_PRIORITY', priority)
      const data = new Uint8Array(900)
      new DataView(data.buffer).setUint32(0, i)
      h.sender.send(data, PEER)
    })
    assert.equal(
      arrivals(h, 20).map(({ number }) => number),
      [0, 3, 4, 1, 2, 5],
    )
    const classes = h.a.qdisc.classes('eth0', '2:')
    assert.equal(
      classes.map(({ handle, packets }) => [handle, packets]),
      [
        ['2:1', 2],
        ['2:2', 2],
        ['2:3', 2],
      ],
    )
  },
)

on(
  'fq_codel: a full line waits for the target, within 5 %',
  [
    { kind: 'tbf', rate: '80mbit', burst: '1000', limit: '1mb', handle: '1:' },
    { kind: 'fq_codel', parent: '1:1', target: '5ms', interval: '100ms' },
  ],
  (h) => {
    // 5 ms wait, and a sender of 0.1 % more than fits: a packet dropped each interval holds that.
    const delays: number[] = []
    const data = new Uint8Array(958)
    const view = new DataView(data.buffer)
    const start = h.net.now
    const send = (): void => {
      view.setFloat64(0, h.net.now - start)
      h.sender.send(data, PEER)
    }
    for (let i = 0; i < 50; i++) send()
    for (let i = 0; i < 20_000; i++) {
      send()
      h.net.advance(99_900)
      for (let got = h.receiver.recv(); got; got = h.receiver.recv())
        delays.push(h.net.now - start - new DataView(got.data.buffer, got.data.byteOffset).getFloat64(0))
    }
    const [root, child] = h.show()
    near(root!.bytes / ((h.net.now - start) / 1e9), 1e7, 0.01, 'bytes per second')
    assert.ok(child!.drops > 5, 'CoDel drops')
    const settled = delays.slice(delays.length / 2).sort((x, y) => x - y)
    near(settled[settled.length >> 1]!, 5e6, 0.05, 'median delay')
  },
)

on(
  'fq_codel: over its limit the largest flow loses',
  [
    { kind: 'tbf', rate: '8kbit', burst: '2000', limit: '10mb', handle: '1:' },
    { kind: 'fq_codel', parent: '1:1', limit: 50 },
  ],
  (h) => {
    const other = h.a.udp({ port: 8 })
    flood(h, 60)
    other.send(new Uint8Array(500), PEER)
    other.close()
    const child = h.show()[1]!
    assert.ok(Number(child['drop_overlimit']) >= 10)
    h.a.qdisc.del({ dev: 'eth0', parent: 'root' })
  },
)

on('fq: a flow is paced at maxrate', [{ kind: 'fq', maxrate: '8mbit', flow_limit: 2000 }], (h) => {
  flood(h, 1000)
  const got = arrivals(h, 1100)
  assert.is(got.length, 1000)
  // The first 15 kB go at once.
  near(((1000 - 16) * 1000) / (got.at(-1)!.ns / 1e9), 1e6, 0.01, 'bytes per second')
  assert.equal(
    got.map(({ number }) => number),
    got.map((_, i) => i),
  )
})

on('fq: SO_MAX_PACING_RATE paces a connected socket', [{ kind: 'fq' }], (h) => {
  const paced = h.a.socket('udp').setsockopt('SO_MAX_PACING_RATE', 1_000_000).connect(PEER)
  for (let i = 0; i < 90; i++) paced.send(new Uint8Array(958))
  const got = arrivals(h, 200)
  assert.is(got.length, 90)
  assert.ok(got.at(-1)!.ns > 60e6, `the last after ${got.at(-1)!.ns} ns`)
  paced.close()
})

/** struct sock_txtime: CLOCK_MONOTONIC, which is the lab's, without flags. */
const TXTIME = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)

on('fq: packets leave at the times that they carry (SO_TXTIME)', [{ kind: 'fq' }], (h) => {
  const socket = h.a.socket('udp').setsockopt('SO_TXTIME', TXTIME).connect(PEER)
  const start = h.net.now
  // The fourth overtakes the third: a flow keeps its packets by time.
  const times = [5, 20, 30, 25]
  times.forEach((ms, i) => {
    const data = new Uint8Array(100)
    new DataView(data.buffer).setUint32(0, i)
    socket.send(data, { cmsg: { SCM_TXTIME: start + ms * 1e6 } })
  })
  // Too far away: dropped.
  socket.send('x', { cmsg: { SCM_TXTIME: start + 11e9 } })
  const got = arrivals(h, 50, 50)
  assert.equal(
    got.map(({ number }) => times[number]),
    [5, 20, 25, 30],
  )
  for (const { number, ns } of got) near(ns, times[number]! * 1e6, 0.03, 'departure')
  assert.is(h.show()[0]!['horizon_drops'], 1)
  assert.equal(
    h.a.drops().map(({ reason, count }) => `${reason} ${count}`),
    ['FQ_HORIZON_LIMIT 1'],
  )
  socket.close()
})

on('fq: the limit of a flow', [{ kind: 'fq', maxrate: '8kbit', flow_limit: 10 }], (h) => {
  flood(h, 40)
  const [root] = h.show()
  assert.ok(Number(root!['flows_plimit']) > 0)
  assert.is(root!.drops, Number(root!['flows_plimit']))
  h.a.qdisc.del({ dev: 'eth0' })
})

on('netem: a delay is exact', [{ kind: 'netem', delay: '10ms', limit: 1000 }], (h) => {
  flood(h, 100)
  const got = arrivals(h, 20, 10)
  assert.is(got.length, 100)
  for (const { ns } of got) assert.ok(ns >= 10e6 && ns < 10.2e6, `${ns} ns`)
})

on('netem: the rate within 1 %', [{ kind: 'netem', rate: '8mbit', limit: 2000 }], (h) => {
  flood(h, 1000)
  const got = arrivals(h, 1100)
  assert.is(got.length, 1000)
  near(1e6 / (got.at(-1)!.ns / 1e9), 1e6, 0.01, 'bytes per second')
})

/** Standard deviations by which a count of n trials of chance p differs from what is expected. */
const sigmas = (count: number, n: number, p: number): number => Math.abs(count - n * p) / Math.sqrt(n * p * (1 - p))

const LOSSES: readonly (readonly [loss: string, expected: number])[] = [
  ['10%', 0.1],
  ['random 1%', 0.01],
  ['gemodel 5% 20%', 0.2],
  ['state 5% 20%', 0.2],
]

for (const [loss, expected] of LOSSES) {
  on(`netem: loss ${loss}`, [{ kind: 'netem', loss, limit: 10_000, seed: 1 }], (h) => {
    const count = 5000
    for (let i = 0; i < 10; i++) {
      flood(h, count / 10)
      h.net.advance('10ms')
    }
    const lost = h.show()[0]!.drops
    // Losses of the models come in bursts: they vary more than single ones.
    const most = loss.includes('%') && /^[gs]/.test(loss) ? 12 : 4
    assert.ok(sigmas(lost, count, expected) < most, `${lost} of ${count} lost, ${expected} expected`)
    assert.is(arrivals(h, 10).length, count - lost)
  })
}

const DISTRIBUTIONS: readonly (readonly [name: string | undefined, deviation: number])[] = [
  [undefined, 1 / Math.sqrt(3)],
  ['normal', 1],
  ['pareto', 1],
  ['paretonormal', 1],
]

for (const [distribution, deviation] of DISTRIBUTIONS) {
  const plan = { kind: 'netem', delay: '100ms 10ms', ...(distribution && { distribution }), limit: 10_000, seed: 3 }
  on(`netem: delays are distributed: ${distribution ?? 'uniform'}`, [plan], (h) => {
    const count = 4000
    flood(h, count)
    const delays = arrivals(h, 400, 200).map(({ ns }) => ns / 1e6)
    assert.is(delays.length, count)
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / count
    const variance = delays.reduce((sum, delay) => sum + (delay - mean) ** 2, 0) / count
    near(mean, 100, 0.01, 'mean in ms')
    near(Math.sqrt(variance), 10 * deviation, distribution?.startsWith('pareto') ? 0.35 : 0.05, 'deviation in ms')
  })
}

on('netem: duplicates', [{ kind: 'netem', duplicate: '10%', limit: 10_000, seed: 5 }], (h) => {
  for (let i = 0; i < 4; i++) {
    flood(h, 500)
    h.net.advance('10ms')
  }
  const got = arrivals(h, 10).length
  assert.ok(sigmas(got - 2000, 2000, 0.1) < 4, `${got - 2000} of 2000 twice`)
})

on('netem: every fifth overtakes', [{ kind: 'netem', delay: '10ms', reorder: '100%', gap: 5, limit: 1000 }], (h) => {
  flood(h, 20)
  const got = arrivals(h, 20)
  assert.equal(
    got
      .slice(0, 4)
      .map(({ number }) => number)
      .sort((x, y) => x - y),
    [4, 9, 14, 19],
  )
  assert.is(h.show()[0]!.requeues, 4)
})

on('netem: one bit of a packet is turned over', [{ kind: 'netem', corrupt: '100%', limit: 1000, seed: 9 }], (h) => {
  flood(h, 50)
  h.net.advance('10ms')
  assert.ok(arrivals(h, 1).length < 50, 'some fail their checksums')
})

/** Trains of five datagrams on a device that cannot cut them. */
function trains(h: Bench, count: number): void {
  const socket = h.a
    .socket('udp')
    .setsockopt('SO_SNDBUFFORCE', 1 << 26)
    .setsockopt('UDP_SEGMENT', 900)
    .connect(PEER)
  for (let i = 0; i < count; i++) socket.send(new Uint8Array(4500))
  socket.close()
}

on('netem: of a corrupt train one datagram is broken', [{ kind: 'netem', corrupt: '100%', limit: 1000 }], (h) => {
  trains(h, 20)
  const got = arrivals(h, 10).length
  assert.ok(got >= 0 && got < 100, `${got} of 100 arrive`)
  assert.is(h.show()[0]!.packets, 100)
})

on(
  'tbf: a train larger than the bucket goes in its datagrams',
  [{ kind: 'tbf', rate: '8mbit', burst: '2000', limit: '1mb' }],
  (h) => {
    trains(h, 20)
    assert.is(arrivals(h, 150).length, 100)
    assert.equal([h.show()[0]!.packets, h.show()[0]!.bytes], [100, 100 * (900 + HEADERS)])
  },
)

on('netem: the same seed, the same losses', [{ kind: 'netem', loss: '30%', limit: 1000, seed: 42 }], (h) => {
  flood(h, 60)
  const lost = (got: readonly Arrival[]): string => got.map(({ number }) => number).join()
  const first = lost(arrivals(h, 10))
  h.a.qdisc.change({ dev: 'eth0', kind: 'netem', loss: '30%', limit: 1000, seed: 42 })
  flood(h, 60)
  assert.is(lost(arrivals(h, 10)), first)
})

qdiscs.run()
