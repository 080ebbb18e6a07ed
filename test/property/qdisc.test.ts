// Random trees of qdiscs under random traffic and changes: what a qdisc says it holds is what its children hold, and every
// packet ends once.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Nic, type QdiscInfo, type QdiscSpec, lab } from '../../src/index.ts'
import { Xorshift } from './xorshift.ts'

const PEER = '10.0.0.2:9'
const RUNS = 30
const STEPS = 250
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)

const trees = suite('random trees of qdiscs')

type Plan = { kind: string } & Record<string, string | number>

class Tree {
  readonly #random: Xorshift
  readonly #host: Host
  readonly #sockets: ReturnType<Host['udp']>[]

  constructor(host: Host, seed: number) {
    this.#host = host
    this.#random = new Xorshift(seed)
    this.#sockets = [0, 2, 6].map((priority, i) => {
      const socket = host.udp({ port: 1000 + i })
      socket.socket.setsockopt('SO_PRIORITY', priority)
      return socket
    })
  }

  below(count: number): number {
    return this.#random.below(count)
  }

  #pick<T>(list: readonly T[]): T {
    return this.#random.pick(list)
  }

  /** A kind with options that hold few packets back for short. */
  #plan(): Plan {
    const few = 1 + this.below(20)
    return this.#pick<Plan>([
      { kind: 'pfifo', limit: few },
      { kind: 'bfifo', limit: few * 400 },
      { kind: 'prio', bands: 2 + this.below(3), priomap: '0 1 1 1 0 1 0 0 0 0 0 0 0 0 0 0' },
      { kind: 'tbf', rate: this.#pick(['1mbit', '80kbit', '10mbit']), burst: 1600, limit: few * 500 },
      { kind: 'netem', delay: this.#pick(['1ms', '10ms 5ms']), loss: this.#pick(['0%', '20%']), limit: few },
      { kind: 'netem', duplicate: '30%', rate: '1mbit', limit: few },
      { kind: 'fq_codel', limit: few, flows: 4, target: '1ms', interval: '5ms' },
      { kind: 'fq', limit: few * 2, flow_limit: few, maxrate: this.#pick(['1mbit', '80kbit']) },
      { kind: 'pfifo_fast' },
    ])
  }

  /** A place in the tree: the root, or a class of what stands there. */
  #place(): string {
    const handles = this.#host.qdisc.show('eth0').map(({ handle }) => handle)
    return this.below(3) === 0 ? 'root' : `${this.#pick(handles)}${1 + this.below(3)}`
  }

  /** One random step; what the kernel refuses changes nothing. */
  step(): void {
    const host = this.#host
    const choice = this.below(20)
    try {
      if (choice < 12) this.#send()
      else if (choice < 16) {
        const verb = this.#pick(['add', 'replace', 'change'] as const)
        host.qdisc[verb]({ ...this.#plan(), dev: 'eth0', parent: this.#place() } as QdiscSpec)
      } else if (choice === 16) host.qdisc.del({ dev: 'eth0', parent: this.#place() })
      else if (choice === 17) host.link('eth0', { txqueuelen: 5 + this.below(50) })
      else if (choice === 18) host.link('eth0', { up: false })
      else (host.device('eth0') as Nic).stall = this.below(2) === 0
      host.link('eth0', { up: true })
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error
      assert.ok(
        ['EINVAL', 'ENOENT', 'EEXIST', 'EOPNOTSUPP', 'ENOBUFS', 'ELOOP'].includes(String(error.code)),
        error.message,
      )
    }
  }

  #send(): void {
    const socket = this.#pick(this.#sockets)
    for (let n = 1 + this.below(8); n > 0; n--) socket.send(new Uint8Array(20 + this.below(900)), PEER)
  }

  end(): void {
    for (const socket of this.#sockets) socket.close()
  }
}

const CLASSFUL = new Set(['prio', 'tbf'])

/** What stands above holds what stands below, and what it took out to look at. */
function assertSums(shown: readonly QdiscInfo[]): void {
  for (const qdisc of shown) {
    const { kind, handle, qlen, backlog, root } = qdisc
    const of = `${kind} ${handle} ${JSON.stringify(shown.map((q) => [q.kind, q.handle, q.parent, q.qlen, q.backlog]))}`
    assert.ok(qlen < 100_000 && backlog < 1e8, of)
    assert.is(qlen === 0, backlog === 0, of)
    if (!CLASSFUL.has(kind)) continue
    const children = shown.filter(({ parent }) => parent?.startsWith(handle) && handle !== '0:')
    const below = children.reduce((sum, child) => sum + child.qlen, 0)
    const bytes = children.reduce((sum, child) => sum + child.backlog, 0)
    // One packet was looked at; a root also holds what the driver would not take.
    assert.ok(qlen >= below && qlen - below <= (root ? 64 : 1), of)
    assert.ok(backlog >= bytes, of)
  }
}

async function live(seed: number, queues: number): Promise<void> {
  const net = await lab({ seed, memoryMb: 64 })
  const host = net.host('h')
  const nic = host.nic('eth0', { mac: '02:00:00:00:00:01', queues, ring: 64 })
  host.link('eth0', { up: true })
  host.addr.add('eth0', '10.0.0.1/24')
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: '02:00:00:00:00:02' })
  net.advance('2s')
  const tree = new Tree(host, seed)
  for (let i = 0; i < STEPS; i++) {
    tree.step()
    net.advance(tree.below(3) * 300_000)
    nic.tx()
    assertSums(host.qdisc.show('eth0', { invisible: true }))
  }
  tree.end()
  nic.stall = false
  host.link('eth0', { up: false })
  for (const { qlen } of host.qdisc.show('eth0', { invisible: true })) assert.is(qlen, 0)
  net.advance('10s')
  nic.tx()
  const { balanced, live: left } = net.account()
  assert.ok(balanced)
  assert.is(left, 0)
  await net.close()
}

trees('hold what they say, and lose nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.constantFrom(1, 3), (seed, queues) =>
      live(seed, queues),
    ),
    { numRuns: RUNS, seed: DRAW_SEED },
  )
})

trees.run()
