// The LC-trie against a linear scan: random routes with metrics, TOS and types are added, replaced and deleted; after each,
// look-ups find what a list of routes finds by the longest prefix, then TOS, then the smallest metric.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type RouteInfo, type SystemError, formatIPv4, lab, parseIPv4 } from '../../src/index.ts'
import { Xorshift } from './xorshift.ts'

const OPERATIONS = 1500
const LARGE_OPERATIONS = 100_000
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)

interface Route {
  /** Host order, without host bits. */
  prefix: number
  length: number
  metric: number
  tos: number
  dev: string
}

const DEVICES = ['eth0', 'eth1', 'eth2']
const swap = (value: number): number =>
  ((value << 24) | ((value << 8) & 0xff0000) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
const addressText = (value: number): string => formatIPv4(swap(value))
const mask = (length: number): number => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0)
const textOf = ({ prefix, length }: Route): string => `${addressText(prefix)}/${length}`

/** Few bits are random, so that prefixes nest and collide; some are anywhere. */
function randomAddress(random: Xorshift): number {
  if (random.chance(10)) return random.next()
  const bits = random.pick([0x00ff0000, 0x0000f000, 0x00000f0f, 0x000000ff, 0x0ff00ff0])
  return (0x0b000000 | (random.next() & bits & 0x00ffffff)) >>> 0
}

function randomRoute(random: Xorshift): Route {
  const length = random.chance(80) ? 8 + random.below(25) : random.below(33)
  return {
    prefix: (randomAddress(random) & mask(length)) >>> 0,
    length,
    metric: random.pick([0, 0, 0, 1, 10, 100, 4294967295]),
    tos: random.pick([0, 0, 0, 0, 0x10, 0x08]),
    dev: random.pick(DEVICES),
  }
}

/** The list that the kernel keeps for a prefix: TOS from large to small, then metric from small to large. */
class Model {
  readonly routes: Route[] = []

  same(a: Route, b: Route): boolean {
    return a.prefix === b.prefix && a.length === b.length && a.tos === b.tos && a.metric === b.metric
  }

  find(route: Route): number {
    return this.routes.findIndex((other) => this.same(route, other))
  }

  /** The route for an address. */
  lookup(address: number, tos: number): Route | undefined {
    let best: Route | undefined
    for (const route of this.routes) {
      if ((address & mask(route.length)) >>> 0 !== route.prefix || (route.tos !== 0 && route.tos !== tos)) continue
      const better = best ? route.length - best.length || route.tos - best.tos || best.metric - route.metric : 1
      if (better > 0) best = route
    }
    return best
  }
}

function codeOf(call: () => void): string {
  try {
    call()
    return ''
  } catch (error) {
    return (error as SystemError).code ?? String(error)
  }
}

function lookup(host: Host, address: number, tos: number): RouteInfo | string {
  try {
    return host.route.get({ to: addressText(address), tos, fibmatch: true })
  } catch (error) {
    return (error as SystemError).code
  }
}

/** Adds, replaces or deletes a route, in both. */
function change(host: Host, model: Model, random: Xorshift): void {
  const known = model.routes.length > 0 && random.chance(50)
  const route = known ? { ...random.pick(model.routes), dev: random.pick(DEVICES) } : randomRoute(random)
  const at = model.find(route)
  const { metric, tos, dev } = route
  const spec = { to: textOf(route), metric, tos, dev, scope: 'link' }
  const verb = random.pick(['add', 'add', 'replace', 'del', 'del'] as const)
  if (verb === 'del') {
    const { dev: _, ...named } = spec
    // Metric 0 deletes the first of any metric.
    const first = model.routes
      .filter((other) => other.prefix === route.prefix && other.length === route.length && other.tos === tos)
      .sort((a, b) => a.metric - b.metric)[0]
    const gone = metric === 0 ? first : model.routes[at]
    assert.is(
      codeOf(() => host.route.del(named)),
      gone ? '' : 'ESRCH',
      `del ${JSON.stringify(spec)}`,
    )
    if (gone) model.routes.splice(model.routes.indexOf(gone), 1)
  } else if (verb === 'replace') {
    assert.is(
      codeOf(() => host.route.replace(spec)),
      '',
      `replace ${JSON.stringify(spec)}`,
    )
    if (at >= 0) model.routes[at] = route
    else model.routes.push(route)
  } else {
    assert.is(
      codeOf(() => host.route.add(spec)),
      at >= 0 ? 'EEXIST' : '',
      `add ${JSON.stringify(spec)}`,
    )
    if (at < 0) model.routes.push(route)
  }
}

function compare(host: Host, model: Model, random: Xorshift): void {
  // At the edges of a route, where one bit decides, or anywhere.
  const near = model.routes.length > 0 && random.chance(70) ? random.pick(model.routes) : undefined
  const edge =
    near && ((random.chance(50) ? near.prefix : near.prefix | ~mask(near.length)) + random.below(3) - 1) >>> 0
  const address = edge ?? randomAddress(random)
  // Loopback, multicast and this network have rules of their own.
  const first = address >>> 24
  if (first === 0 || first === 127 || first >= 224) return
  const tos = random.pick([0, 0, 0x10, 0x08])
  const wanted = model.lookup(address, tos)
  const got = lookup(host, address, tos)
  const told = typeof got === 'string' ? got : `${got.to} tos ${got.tos} metric ${got.metric} ${got.dev}`
  const expected = wanted ? `${textOf(wanted)} tos ${wanted.tos} metric ${wanted.metric} ${wanted.dev}` : 'ENETUNREACH'
  assert.is(told, expected, `${addressText(address)} tos ${tos}`)
}

/** Routes of a large table come and go between these numbers: above a thousand it has a derived table. */
const LARGE = [1500, 300]

/** Adds or deletes until there are so many, in both. */
function resize(host: Host, model: Model, random: Xorshift, count: number): void {
  while (model.routes.length < count) {
    const route = randomRoute(random)
    route.prefix = ((route.prefix ^ (random.next() & 0x00fff000)) & mask(route.length)) >>> 0
    if (model.find(route) >= 0) continue
    const { metric, tos, dev } = route
    host.route.add({ to: textOf(route), metric, tos, dev, scope: 'link' })
    model.routes.push(route)
  }
  while (model.routes.length > count) {
    const [route] = model.routes.splice(random.below(model.routes.length), 1)
    host.route.del({ to: textOf(route!), tos: route!.tos, metric: route!.metric, dev: route!.dev, scope: 'link' })
    if (random.chance(5)) compare(host, model, random)
  }
}

async function play(seed: number, operations = OPERATIONS, large = false): Promise<void> {
  const net = await lab({ seed })
  const host = net.host('h')
  for (const dev of DEVICES) {
    host.tap(dev)
    host.link(dev, { up: true })
  }
  const random = new Xorshift(seed)
  const model = new Model()
  for (let i = 0; i < operations; i++) {
    if (large && i % 10_000 === 0) resize(host, model, random, LARGE[(i / 10_000) & 1]!)
    change(host, model, random)
    compare(host, model, random)
    if (!large) compare(host, model, random)
  }
  const listed = host.route.list('main').map(({ to, tos, metric }) => `${to} ${tos} ${metric}`)
  const wanted = model.routes.map((route) => `${textOf(route)} ${route.tos} ${route.metric}`)
  assert.equal(listed.sort(), wanted.sort())
  for (const route of model.routes) {
    host.route.del({ to: textOf(route), tos: route.tos, metric: route.metric, dev: route.dev, scope: 'link' })
  }
  assert.equal(host.route.list('main'), [])
  await net.close()
}

const test = suite('fib')

test(`look-ups are those of a linear scan: 4 times ${OPERATIONS} changes`, async () => {
  const property = fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (seed) => play(seed))
  await fc.assert(property, { numRuns: 4, seed: DRAW_SEED, endOnFailure: true, includeErrorInReport: true })
})

test(`a table that grows large and small again, over ${LARGE_OPERATIONS} changes`, async () => {
  await play(DRAW_SEED, LARGE_OPERATIONS, true)
})

test('addresses as they are written and as they are compared', () => {
  assert.is(addressText(0x0a000001), '10.0.0.1')
  assert.is(swap(parseIPv4('10.0.0.1')), 0x0a000001)
  assert.equal([mask(0), mask(1), mask(32)], [0, 0x80000000, 0xffffffff])
})

test.run()
