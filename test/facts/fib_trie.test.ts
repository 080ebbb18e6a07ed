// /proc/net/fib_trie, fib_triestat and route while tables grow: fib_trie.json holds what Linux 6.18 wrote after the same
// commands, so levels, node sizes and the order of a walk are the kernel's.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, lab } from '../../src/index.ts'
import { rootFolder } from '../root.ts'

const test = suite('facts: the trie shown')

type Texts = Readonly<Record<'fib_trie' | 'fib_triestat' | 'route', readonly string[]>>
type Large = Readonly<Record<'fib_triestat' | 'md5', readonly string[]>>
const recorded = JSON.parse(readFileSync(new URL('test/facts/fib_trie.json', rootFolder), 'utf8')) as Record<
  string,
  Texts
>

/** The whole text of a large trie as its MD5. */
const large = recorded as unknown as Record<string, Large>

function fresh(h: Host): void {
  h.link('lo', { up: true })
  for (const i of ['1', '3']) h.link.add({ kind: 'veth', name: `v${i}`, peer: { name: `p${i}` } })
  for (const dev of ['v1', 'p1', 'v3', 'p3']) h.link(dev, { up: true })
}

function addresses(h: Host): void {
  h.addr.add('v1', '172.16.101.1/24')
  h.addr.add('v3', '172.16.103.1/24')
}

function someRoutes(h: Host): void {
  const [a, b] = ['172.16.101.2', '172.16.103.2']
  h.route.add({ to: 'default', via: a })
  h.route.add({ to: '10.0.0.0/8', via: a, metric: 5 })
  h.route.append({ to: '10.0.0.0/8', via: b, metric: 5 })
  h.route.add({ to: '10.1.0.0/16', tos: 0x10, via: b })
  h.route.add({ to: '10.2.0.0/16', type: 'blackhole' })
  h.route.add({ to: '10.3.0.0/16', type: 'unreachable', metric: 7 })
  h.route.add({ to: '10.4.0.0/16', type: 'prohibit' })
  h.route.add({ to: '10.5.0.0/16', type: 'throw' })
  h.route.add({ to: '10.6.0.0/16', nexthops: [{ via: a }, { via: b }] })
  h.route.add({ to: '10.7.0.0/16', via: b, advmss: 1400, window: 5000, rtt: 100, mtu: 1300 })
  h.route.add({ to: '10.8.1.1', dev: 'v3', scope: 'link' })
  h.route.add({ to: '239.0.0.0/8', type: 'multicast', dev: 'v1' })
  h.route.add({ to: '10.9.0.0/16', via: b, table: 100 })
  h.route.add({ to: '11.9.0.0/16', via: b, table: 500 })
  h.nexthop.add({ id: 1, dev: 'v1' })
  h.nexthop.add({ id: 2, via: b, dev: 'v3' })
  h.nexthop.add({ id: 3, group: [{ id: 1 }, { id: 2 }] })
  h.route.add({ to: '10.11.0.0/16', nhid: 1 })
  h.route.add({ to: '10.12.0.0/16', nhid: 3 })
}

function ruleAndMore(h: Host): void {
  h.rule.add({ priority: 100, from: '10.0.0.0/8', table: 100 })
  for (let i = 0; i <= 40; i++) h.route.add({ to: `10.20.${i}.0/24`, via: '172.16.101.2' })
}

const STEPS: Readonly<Record<string, (h: Host) => void>> = { fresh, addresses, routes: someRoutes, rules: ruleAndMore }

for (const [i, name] of Object.keys(STEPS).entries()) {
  test(`after ${name}`, async () => {
    const net = await lab()
    const h = net.host('h')
    for (const step of Object.values(STEPS).slice(0, i + 1)) {
      step(h)
      net.run()
    }
    for (const [file, lines] of Object.entries(recorded[name]!)) {
      assert.equal(h.proc(`/proc/net/${file}`).split('\n').slice(0, -1), lines, file)
    }
    await net.close()
  })
}

/** 3000 prefixes of many lengths; the recording made the same ones. */
function manyPrefixes(): string[] {
  const lengths = [8, 16, 19, 20, 21, 22, 23, 24, 24, 24, 24, 24, 24, 28, 32, 32]
  const found = new Set<string>()
  let x = 2463534242
  while (found.size < 3000) {
    x = (x ^ (x << 13)) >>> 0
    x = (x ^ (x >>> 17)) >>> 0
    x = (x ^ (x << 5)) >>> 0
    const length = lengths[x & 15]!
    const address = ((0x14000000 + ((x >>> 4) & 0x3ffffff)) & (0xffffffff << (32 - length))) >>> 0
    found.add(`${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')}/${length}`)
  }
  return [...found]
}

test('3000 routes, and after two thirds of them were deleted', async () => {
  const net = await lab()
  const h = net.host('h')
  h.link.add({ kind: 'veth', name: 'v1', peer: { name: 'p1' } })
  h.link('v1', { up: true })
  h.link('p1', { up: true })
  const is = (name: 'many' | 'a third of many'): void => {
    const { fib_triestat, md5 } = large[name]!
    assert.equal(h.proc('/proc/net/fib_triestat').split('\n').slice(0, -1), fib_triestat)
    assert.equal([createHash('md5').update(h.proc('/proc/net/fib_trie')).digest('hex')], md5)
  }
  const prefixes = manyPrefixes()
  for (const to of prefixes) h.route.add({ to, dev: 'v1' })
  is('many')
  for (const [i, to] of prefixes.entries()) if (i % 3) h.route.del({ to })
  is('a third of many')
  await net.close()
})

test('a namespace without routes', async () => {
  const net = await lab()
  const h = net.host('h').netns('x')
  assert.is(h.link('lo').up, false)
  assert.is(h.proc('/proc/net/fib_trie'), '')
  assert.is(h.proc('/proc/net/fib_triestat').split('\n')[0], recorded['fresh']!.fib_triestat[0])
  await net.close()
})

test.run()
