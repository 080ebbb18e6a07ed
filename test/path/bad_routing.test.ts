// Routes, rules, neighbours and addresses that cannot be: Linux's errno, a message that names the field, and all as it was.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type NexthopSpec, type RouteSpec, type RuleSpec, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'

type Row = readonly [call: (h: Host) => void, code: string, ...words: string[]]

const add = (spec: Partial<RouteSpec>): ((h: Host) => void) => {
  const route = { to: '10.1.0.0/24', ...spec } as RouteSpec
  return (h) => h.route.add(route)
}
const rule =
  (spec: RuleSpec): ((h: Host) => void) =>
  (h) =>
    h.rule.add(spec)
const hops = (...nexthops: NexthopSpec[]): ((h: Host) => void) => add({ nexthops })
const mac = '02:00:00:00:00:02'

const routes: readonly Row[] = [
  [add({ to: '10.1.0.0/33' }), 'EINVAL', 'to', '10.1.0.0/33'],
  [add({ to: '10.1.0/24' }), 'EINVAL', 'to', '10.1.0'],
  [add({ to: undefined as unknown as string }), 'EINVAL', 'to'],
  [add({ to: '10.1.0.1/24', via: '10.0.0.2' }), 'EINVAL', 'to', 'prefix length'],
  [add({ dev: 'eth9' }), 'ENODEV', 'eth9', 'there are lo, eth0, down'],
  [add({ dev: 'down' }), 'ENETDOWN', 'dev down'],
  [add({}), 'ENODEV', 'dev'],
  [add({ type: 'local' }), 'ENODEV', 'dev'],
  [add({ via: 'x' }), 'EINVAL', 'via'],
  [add({ via: '10.9.0.2' }), 'ENETUNREACH', 'via 10.9.0.2'],
  [add({ via: '10.0.0.255' }), 'EINVAL', 'via 10.0.0.255'],
  [add({ via: '10.0.0.2', dev: 'down' }), 'ENETUNREACH', 'via 10.0.0.2', 'dev down'],
  [add({ via: '10.0.0.2', onlink: true }), 'ENODEV', 'dev'],
  [add({ via: '10.0.0.2', src: '10.0.0.77' }), 'EINVAL', 'src 10.0.0.77'],
  [add({ via: '10.0.0.2', tos: 1 }), 'EINVAL', 'tos 1', 'ECN'],
  [add({ via: '10.0.0.2', tos: 256 }), 'EINVAL', 'tos'],
  [add({ via: '10.0.0.2', scope: 'host' }), 'EINVAL', 'scope'],
  [add({ via: '10.0.0.2', scope: 'near' }), 'EINVAL', 'scope'],
  [add({ via: '10.0.0.2', type: 'blackhole' }), 'EINVAL', 'via', 'blackhole'],
  [add({ dev: 'eth0', type: 'prohibit' }), 'EINVAL', 'dev', 'prohibit'],
  [add({ via: '10.0.0.2', table: 'other' }), 'EINVAL', 'table'],
  [add({ via: '10.0.0.2', metric: -1 }), 'EINVAL', 'metric'],
  [add({ via: '10.0.0.2', mtu: 1.5 }), 'EINVAL', 'mtu'],
  [hops(), 'EINVAL', 'nexthops'],
  [hops({ via: '10.0.0.2', weight: 0 }), 'EINVAL', 'weight'],
  [hops({ via: '10.0.0.2' }, { via: '10.9.0.2' }), 'ENETUNREACH', 'via', '10.9.0.2'],
  [hops({ via: '10.0.0.2' }, { dev: 'eth9' }), 'ENODEV', 'eth9'],
  [(h) => h.route.change({ to: '10.2.0.0/24', via: '10.0.0.2' }), 'ENOENT', '10.2.0.0/24'],
  [(h) => h.route.del({ to: '10.2.0.0/24' }), 'ESRCH', '10.2.0.0/24'],
  [(h) => h.route.get('x'), 'EINVAL', 'to'],
  [(h) => h.route.get({ to: '10.0.0.2', from: '10.0.0' }), 'EINVAL', 'from'],
  [(h) => h.route.get('99.1.1.1'), 'ENETUNREACH', '99.1.1.1'],
]

const others: readonly Row[] = [
  [rule({ from: '10.0.0.0/33', table: 100 }), 'EINVAL', 'from'],
  [rule({ to: 'x', table: 100 }), 'EINVAL', 'to'],
  [rule({ iif: 'a name that is too long', table: 100 }), 'EINVAL', 'iif'],
  [rule({ tos: 1, table: 100 }), 'EINVAL', 'tos 1'],
  [rule({ goto: 5 }), 'EINVAL', 'goto 5'],
  [rule({ priority: 5, goto: 3 }), 'EINVAL', 'goto 3'],
  [rule({ action: 'goto' }), 'EINVAL', 'goto'],
  [rule({ action: 'jump' }), 'EINVAL', 'action'],
  [rule({ sport: '7-3', table: 100 }), 'EINVAL', 'sport'],
  [rule({ suppress_prefixlength: 33, table: 100 }), 'EINVAL', 'suppress_prefixlength'],
  [(h) => h.rule.del({ priority: 500 }), 'ENOENT', 'priority 500'],
  [(h) => h.neigh.add({ dev: 'eth9', ip: '10.0.0.2', mac }), 'ENODEV', 'eth9'],
  [(h) => h.neigh.add({ dev: 'eth0', ip: 'x', mac }), 'EINVAL', 'ip'],
  [(h) => h.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: '02:00' }), 'EINVAL', 'mac'],
  [(h) => h.neigh.add({ dev: 'eth0', ip: '10.0.0.2' }), 'EINVAL', 'mac'],
  [(h) => h.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac, state: 'well' }), 'EINVAL', 'state'],
  [(h) => h.neigh.del({ dev: 'eth0', ip: '10.0.0.9' }), 'ENOENT', '10.0.0.9'],
  [(h) => h.addr.add('eth9', '10.7.0.1/24'), 'ENODEV', 'eth9'],
  [(h) => h.addr.add('eth0', '10.7.0.1/33'), 'EINVAL', 'address'],
  [(h) => h.addr.add('eth0', {} as { address: string }), 'EINVAL', 'address'],
  [(h) => h.addr.add('eth0', '10.0.0.1/24'), 'EEXIST', '10.0.0.1/24'],
  [(h) => h.addr.add('eth0', { address: '10.7.0.1/24', broadcast: 'x' }), 'EINVAL', 'broadcast'],
  [(h) => h.addr.add('eth0', { address: '10.7.0.1/24', peer: '10.8.0.1/40' }), 'EINVAL', 'peer'],
  [(h) => h.addr.add('eth0', { address: '10.7.0.1/24', metric: -2 }), 'EINVAL', 'metric'],
  [(h) => h.addr.del('eth0', '10.0.0.9/24'), 'EADDRNOTAVAIL', '10.0.0.9/24'],
]

const all = (h: Host): unknown => [h.route.list(), h.rule.list(), h.neigh.list()]

const test = suite('bad routing')

for (const [name, rows] of Object.entries({ routes, 'rules, neighbours, addresses': others })) {
  test(name, async () => {
    const net = await lab()
    const h = net.host('h')
    h.tap('eth0')
    h.tap('down')
    h.addr.add('eth0', '10.0.0.1/24')
    h.link('eth0', { up: true })
    const before = all(h)
    for (const [call, code, ...words] of rows) {
      let error: unknown
      try {
        call(h)
      } catch (thrown) {
        error = thrown
      }
      assert.ok(isSystemError(error), `${code} ${words.join(' ')}: ${String(error)}`)
      assert.is(error.code, code, error.message)
      for (const word of words) assert.ok(error.message.includes(word), `${word} in: ${error.message}`)
      assert.equal(all(h), before, error.message)
    }
    await net.close()
  })
}

test('what looks odd but Linux takes: an address 0.0.0.0 that is not kept, a route by its own address', async () => {
  const net = await lab()
  const h = net.host('h')
  h.tap('eth0')
  h.addr.add('eth0', '10.0.0.1/24')
  h.link('eth0', { up: true })
  const before = all(h)
  h.addr.add('eth0', '0.0.0.0/24')
  assert.equal(all(h), before)
  h.route.add({ to: '10.1.0.0/24', via: '10.0.0.1' })
  h.route.add({ to: '0.0.0.0/24', dev: 'eth0' })
  h.neigh.add({ dev: 'eth0', ip: '224.0.0.1', mac })
  h.addr.add('eth0', '255.255.255.255/32')
  await net.close()
})

test.run()
