// Routes under add, append, replace, change and delete, and under what happens to devices and addresses (fib_tests.sh):
// rows F1 to F18. Lines are those of `ip route show` of Linux 6.18 for the same commands.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type RouteSpec, lab } from '../../src/index.ts'
import { HOST_MAC, udp } from '../path/packets.ts'
import { fibHost, refusal, routeLine, routes, way } from './fib_host.ts'

const test = suite('facts: FIB')

const P = '172.16.104.0/24'
const A: RouteSpec = { to: P, via: '172.16.101.2' }
const B: RouteSpec = { to: P, via: '172.16.103.2' }
const DEV: RouteSpec = { to: P, dev: 'v3' }
const UNREACHABLE: RouteSpec = { to: P, type: 'unreachable' }
const ECMP: RouteSpec = { to: P, nexthops: [{ via: '172.16.101.2' }, { via: '172.16.103.2' }] }
const A_LINE = `${P} via 172.16.101.2 dev v1`
const B_LINE = `${P} via 172.16.103.2 dev v3`
const DEV_LINE = `${P} dev v3 scope link`
const UNREACHABLE_LINE = `unreachable ${P}`
const ECMP_LINE = `${P} | nexthop via 172.16.101.2 dev v1 weight 1 | nexthop via 172.16.103.2 dev v3 weight 1`

const OTHERS: readonly (readonly [string, RouteSpec, string])[] = [
  ['gateway', B, B_LINE],
  ['device', DEV, DEV_LINE],
  ['unreachable', UNREACHABLE, UNREACHABLE_LINE],
]

for (const [name, spec, line] of OTHERS) {
  test(`F1 add of the same prefix: ${name}`, () =>
    fibHost(({ h }) => {
      h.route.add(A)
      assert.is(
        refusal(() => h.route.add(spec)),
        'EEXIST',
      )
      assert.equal(routes(h), [A_LINE])
    }))

  test(`F2 prepend: ${name}`, () =>
    fibHost(({ h }) => {
      h.route.add(A)
      h.route.prepend(spec)
      assert.equal(routes(h), [line, A_LINE])
    }))

  test(`F3 append: ${name}`, () =>
    fibHost(({ h }) => {
      h.route.add(A)
      h.route.append(spec)
      assert.equal(routes(h), [A_LINE, line])
    }))
}

for (const [name, spec, line] of OTHERS.slice(0, 2)) {
  test(`F4 append to an unreachable route: ${name}`, () =>
    fibHost(({ h }) => {
      h.route.add(UNREACHABLE)
      h.route.append(spec)
      assert.equal(routes(h), [UNREACHABLE_LINE, line])
      assert.is(way(h, '172.16.104.9'), 'EHOSTUNREACH')
    }))
}

test('F5 multipath: one route, and no second one like it', () =>
  fibHost(({ h }) => {
    h.route.add(ECMP)
    assert.equal(routes(h), [ECMP_LINE])
    assert.is(
      refusal(() => h.route.add(ECMP)),
      'EEXIST',
    )
    assert.equal(routes(h), [ECMP_LINE])
  }))

test('F6 metrics: three routes; delete by metric', () =>
  fibHost(({ h }) => {
    h.route.add(A)
    h.route.add({ ...A, metric: 512 })
    h.route.add({ ...A, metric: 256 })
    assert.equal(routes(h), [A_LINE, `${A_LINE} metric 256`, `${A_LINE} metric 512`])
    h.route.del({ to: P, metric: 512 })
    assert.equal(routes(h), [A_LINE, `${A_LINE} metric 256`])
  }))

const KINDS: readonly (readonly [string, RouteSpec, string])[] = [
  ['single', A, A_LINE],
  ['multipath', ECMP, ECMP_LINE],
  ['unreachable', UNREACHABLE, UNREACHABLE_LINE],
]
const NEW_KINDS: readonly (readonly [string, RouteSpec, string])[] = [['single', B, B_LINE], ...KINDS.slice(1)]

for (const [from, first] of KINDS) {
  for (const [to, spec, line] of NEW_KINDS) {
    test(`F7 replace ${from} by ${to}`, () =>
      fibHost(({ h }) => {
        h.route.add(first)
        h.route.replace(spec)
        assert.equal(routes(h), [line])
      }))
  }
}

const OFF_LINK: readonly (readonly [string, RouteSpec])[] = [
  ['gateway', { to: P, via: '172.16.106.2' }],
  ['1st nexthop', { to: P, nexthops: [{ via: '172.16.106.2' }, { via: '172.16.103.2' }] }],
  ['2nd nexthop', { to: P, nexthops: [{ via: '172.16.101.2' }, { via: '172.16.106.2' }] }],
  ['gateway of the other device', { to: P, via: '172.16.101.2', dev: 'v3' }],
]

for (const [name, spec] of OFF_LINK) {
  for (const [from, first, line] of KINDS.slice(0, 2)) {
    test(`F8 replace of ${from}, not on-link: ${name}`, () =>
      fibHost(({ h }) => {
        h.route.add(first)
        assert.is(refusal(() => h.route.replace(spec)).slice(0, 11), 'ENETUNREACH')
        assert.equal(routes(h), [line])
      }))
  }
}

test('F8 a gateway of another family', () =>
  fibHost(({ h }) => {
    h.route.add(A)
    assert.is(refusal(() => h.route.replace({ to: P, via: '2001:db8:101::2' })).slice(0, 6), 'EINVAL')
    assert.equal(routes(h), [A_LINE])
  }))

test('F9 change of a route that does not exist', () =>
  fibHost(({ h }) => {
    assert.is(
      refusal(() => h.route.change(A)),
      'ENOENT',
    )
    h.route.add(A)
    h.route.change(B)
    assert.equal(routes(h), [B_LINE])
  }))

for (const tos of [0x01, 0x02, 0x03]) {
  test(`F10 tos 0x0${tos}`, () =>
    fibHost(({ h }) => {
      assert.is(refusal(() => h.route.add({ ...A, tos })).slice(0, 6), 'EINVAL')
      assert.equal(routes(h), [])
    }))
}

test('F11 tos: 0x10 with any ECN bits is its route, all else the generic one', () =>
  fibHost(({ h }) => {
    h.route.add(A)
    h.route.add({ ...B, tos: 0x10 })
    for (const tos of [0x10, 0x11, 0x12, 0x13]) assert.is(way(h, { to: '172.16.104.1', tos }), '172.16.103.2 v3')
    for (const tos of [0, 1, 2, 3, 0x14, 0x15, 0x16, 0x17]) {
      assert.is(way(h, { to: '172.16.104.1', tos }), '172.16.101.2 v1', `tos ${tos}`)
    }
  }))

test('F12 mtu on single and multipath routes', () =>
  fibHost(({ h }) => {
    h.route.add({ ...A, mtu: 1400 })
    h.route.add({ ...ECMP, to: '10.1.0.0/16', mtu: 1400 })
    const all = routes(h)
    assert.is(all[1], `${A_LINE} mtu 1400`)
    assert.is(all[0], ECMP_LINE.replace(P, '10.1.0.0/16 mtu 1400'))
    assert.is(h.route.get('172.16.104.1').metrics['mtu'], 1400)
  }))

/** The kernel's routes too. */
const all = (h: Host): string[] => routes(h, 'main', true)
const ECMP_10 = '10.1.0.0/16 | nexthop via 172.16.101.2 dev v1 weight 1'
const V3_HOP = ' | nexthop via 172.16.103.2 dev v3 weight 1'
const C1 = '172.16.101.0/24 dev v1 proto kernel scope link src 172.16.101.1'
const C3 = '172.16.103.0/24 dev v3 proto kernel scope link src 172.16.103.1'

/** P by v1, 10.1.0.0/16 by both. */
function two(h: Host): void {
  h.route.add(A)
  h.route.add({ ...ECMP, to: '10.1.0.0/16' })
}

test('F14 device down: its routes vanish, its next hops are dead; up again', () =>
  fibHost(({ net, h }) => {
    two(h)
    h.link('v1', { up: false })
    assert.equal(all(h), [`${ECMP_10} dead linkdown${V3_HOP}`, C3])
    assert.is(way(h, '172.16.104.1'), 'ENETUNREACH')
    assert.is(way(h, '172.16.101.9'), 'ENETUNREACH')
    assert.is(way(h, '10.1.0.1'), '172.16.103.2 v3')
    assert.is(way(h, '172.16.101.1'), 'lo')
    h.link('v1', { up: true })
    net.run()
    assert.equal(all(h), [ECMP_10 + V3_HOP, C1, C3])
    h.link('v1', { up: false })
    h.link('v3', { up: false })
    assert.equal(all(h), [])
    assert.is(way(h, '10.1.0.1'), 'ENETUNREACH')
  }))

test('F15 carrier off: routes match, flagged; the local address is not', () =>
  fibHost(({ net, h }) => {
    two(h)
    const before = all(h)
    h.link('p1', { up: false })
    net.run()
    assert.equal(all(h), [`${ECMP_10} linkdown${V3_HOP}`, `${C1} linkdown`, C3, `${A_LINE} linkdown`])
    assert.is(way(h, '172.16.104.1'), '172.16.101.2 v1')
    const match = (to: string): string => routeLine(h.route.get({ to, fibmatch: true }))
    assert.is(match('172.16.101.9'), `${C1} linkdown`)
    assert.is(match('172.16.101.1'), 'local 172.16.101.1 dev v1 proto kernel scope host src 172.16.101.1')
    h.sysctl('net.ipv4.conf.v1.ignore_routes_with_linkdown', 1)
    assert.equal(all(h), [`${ECMP_10} dead linkdown${V3_HOP}`, `${C1} dead linkdown`, C3, `${A_LINE} dead linkdown`])
    assert.is(way(h, '172.16.104.1'), 'ENETUNREACH')
    assert.is(way(h, '172.16.101.9'), 'ENETUNREACH')
    assert.is(way(h, '172.16.101.1'), 'lo')
    h.link('p1', { up: true })
    net.run()
    assert.equal(all(h), before)
  }))

test('F16 device deleted: its routes go, a multipath route as a whole', () =>
  fibHost(({ h }) => {
    two(h)
    h.route.add({ to: '10.3.0.0/16', via: '172.16.103.2' })
    h.link.del('v1')
    assert.equal(all(h), ['10.3.0.0/16 via 172.16.103.2 dev v3', C3])
    const local = routes(h, 'local', true).filter((line) => line.includes('172.'))
    assert.ok(local.every((line) => line.includes('172.16.103.')))
  }))

test('F17 one prefix on two devices: the older first, then by metric; down and up', () =>
  fibHost(({ net, h }) => {
    h.addr.del('v1', '172.16.101.1/24')
    h.addr.del('v3', '172.16.103.1/24')
    const by = (dev: string, src: string): string => `${P} dev ${dev} proto kernel scope link src 172.16.104.${src}`
    h.addr.add('v1', '172.16.104.1/24')
    h.addr.add('v3', '172.16.104.11/24')
    assert.equal(all(h), [by('v1', '1'), by('v3', '11')])
    h.addr.del('v1', '172.16.104.1/24')
    h.addr.del('v3', '172.16.104.11/24')
    h.addr.add('v3', { address: '172.16.104.1/24', metric: 257 })
    h.addr.add('v1', { address: '172.16.104.2/24', metric: 256 })
    assert.equal(all(h), [`${by('v1', '2')} metric 256`, `${by('v3', '1')} metric 257`])
    h.addr.change('v3', { address: '172.16.104.1/24', metric: 255 })
    assert.equal(all(h), [`${by('v3', '1')} metric 255`, `${by('v1', '2')} metric 256`])
    h.link('v3', { up: false })
    assert.equal(all(h), [`${by('v1', '2')} metric 256`])
    h.link('v3', { up: true })
    net.run()
    assert.equal(all(h), [`${by('v3', '1')} metric 255`, `${by('v1', '2')} metric 256`])
  }))

test('F17 a peer: metric, change, down and up', () =>
  fibHost(({ net, h }) => {
    h.addr.del('v1', '172.16.101.1/24')
    h.addr.del('v3', '172.16.103.1/24')
    const to = (peer: number, metric: number): string =>
      `172.16.104.${peer} dev v3 proto kernel scope link src 172.16.104.1 metric ${metric}`
    const address = (peer: number, metric: number) => ({
      address: '172.16.104.1',
      peer: `172.16.104.${peer}`,
      metric,
    })
    h.addr.add('v3', address(2, 257))
    assert.equal(all(h), [to(2, 257)])
    h.addr.change('v3', address(3, 258))
    assert.equal(all(h), [to(2, 257), to(3, 258)])
    h.addr.change('v3', address(2, 259))
    assert.equal(all(h), [to(2, 259), to(3, 258)])
    h.link('v3', { up: false })
    h.link('v3', { up: true })
    net.run()
    assert.equal(all(h), [to(2, 259), to(3, 258)])
  }))

test('F18 the address that routes prefer as source goes, from its last device', () =>
  fibHost(({ h }) => {
    h.addr.add('v1', '1.1.1.1/32')
    h.addr.add('v1', '1.1.1.2/32')
    h.addr.add('v3', '1.1.1.2/32')
    h.route.add({ to: '10.1.0.0/16', via: '172.16.101.2', src: '1.1.1.1' })
    h.route.add({ to: '10.2.0.0/16', via: '172.16.101.2', src: '1.1.1.2' })
    h.route.add({ to: '10.3.0.0/16', via: '172.16.101.2', src: '1.1.1.1', table: 100 })
    h.addr.del('v1', '1.1.1.1/32')
    const line = '10.2.0.0/16 via 172.16.101.2 dev v1 src 1.1.1.2'
    assert.equal(routes(h), [line])
    assert.equal(routes(h, 100), ['10.3.0.0/16 via 172.16.101.2 dev v1 src 1.1.1.1'])
    h.addr.del('v1', '1.1.1.2/32')
    assert.equal(routes(h), [line])
    h.addr.del('v3', '1.1.1.2/32')
    assert.equal(routes(h), [])
  }))

/** rp_filter, accept_local, route_localnet, and which of SPOOFED is delivered: as Linux 6.18 answers. */
const LOCAL_SOURCES: readonly (readonly [number, number, number, readonly number[]])[] = [
  [0, 0, 0, [0, 0, 0, 0, 0]],
  [0, 0, 1, [0, 0, 0, 0, 1]],
  [0, 1, 0, [1, 0, 0, 0, 0]],
  [0, 1, 1, [1, 1, 1, 1, 1]],
  [1, 0, 0, [0, 0, 0, 0, 0]],
  [1, 0, 1, [0, 0, 0, 0, 1]],
  [1, 1, 0, [1, 0, 0, 0, 0]],
  [1, 1, 1, [1, 0, 0, 1, 1]],
]
const SPOOFED: readonly (readonly [from: string, to: string])[] = [
  ['172.16.1.1', '172.16.1.1'],
  ['127.0.0.1', '172.16.1.1'],
  ['127.0.0.1', '127.0.0.1'],
  ['172.16.1.1', '127.0.0.1'],
  ['172.16.1.9', '127.0.0.1'],
]

for (const [rp_filter, accept_local, route_localnet, delivered] of LOCAL_SOURCES) {
  test(`F19 local sources: rp_filter ${rp_filter}, accept_local ${accept_local}, route_localnet ${route_localnet}`, async () => {
    const net = await lab()
    const h = net.host('h')
    h.link('lo', { up: true })
    const tap = h.tap('t0', { mac: HOST_MAC })
    h.addr.add('t0', '172.16.1.1/24')
    h.link('t0', { up: true })
    h.sysctl('net.ipv4.conf.all.rp_filter', 0)
    for (const [name, value] of Object.entries({ rp_filter, accept_local, route_localnet })) {
      h.sysctl(`net.ipv4.conf.t0.${name}`, value)
    }
    const socket = h.socket('udp').bind('0.0.0.0:7')
    const got = SPOOFED.map(([from, to]) => {
      tap.rx([udp({ from: `${from}:9`, to: `${to}:7`, data: 'test' })])
      net.run()
      return socket.recv() ? 1 : 0
    })
    assert.equal(got, delivered)
    await net.close()
  })
}

test('the last address there is has routes as any other: listed, looked up, flushed with their device', () =>
  fibHost(({ h }) => {
    const last = '255.255.255.255/32'
    h.route.add({ to: last, dev: 'v1', table: 100 })
    for (let i = 0; i < 70; i++) h.route.add({ to: `20.0.${i}.0/24`, via: '172.16.101.2' })
    h.route.add({ to: last, via: '172.16.101.2' })
    assert.equal(routes(h, 100), ['255.255.255.255 dev v1 scope link'])
    assert.equal([routes(h).length, routes(h).at(-1)], [71, '255.255.255.255 via 172.16.101.2 dev v1'])
    assert.equal(h.route.cache(), [])
    h.rule.add({ priority: 5, to: '9.9.9.9', table: 200 }) // local gets a trie of its own
    h.link('v1', { up: false })
    assert.equal([routes(h, 100), routes(h)], [[], []])
  }))

test('F20 neighbours of broadcast addresses: permanent and reachable ones stay, failed ones are dropped', () =>
  fibHost(({ h }) => {
    const mac = '02:00:00:00:00:09'
    const known = (): string[] =>
      h.neigh
        .list()
        .filter(({ dev }) => dev === 'v1')
        .map(({ ip, state }) => `${ip} ${state}`)
        .sort()
    const add = (ip: string, state: string): void =>
      h.neigh.add(state === 'failed' ? { dev: 'v1', ip, state } : { dev: 'v1', ip, mac, state })
    add('192.0.2.111', 'failed')
    add('192.0.2.255', 'permanent')
    h.addr.add('v1', { address: '192.0.2.1/24', broadcast: '192.0.2.111' })
    assert.equal(known(), ['192.0.2.255 permanent'])
    h.addr.del('v1', '192.0.2.1/24')
    add('192.0.2.111', 'permanent')
    add('192.0.2.112', 'reachable')
    h.addr.add('v1', { address: '192.0.2.1/24', broadcast: '192.0.2.111' })
    const kept = ['192.0.2.111 permanent', '192.0.2.112 reachable', '192.0.2.255 permanent']
    assert.equal(known(), kept)
    // The last of the prefix is a broadcast address too, whether an address names it or not.
    add('192.0.2.63', 'failed')
    h.addr.add('v1', { address: '192.0.2.4/26', broadcast: '+' })
    add('192.0.3.255', 'failed')
    h.addr.add('v1', '192.0.3.4/24')
    assert.equal(known(), kept)
    // Nothing that is sent to such an address makes an entry.
    const socket = h.socket('udp').setsockopt('SO_BROADCAST', 1)
    socket.send('x', { to: '192.0.2.63:9' })
    assert.equal(known(), kept)
    socket.close()
  }))

test('F20 the last address of a device goes: so do all its neighbours', () =>
  fibHost(({ h }) => {
    h.neigh.add({ dev: 'v1', ip: '172.16.101.9', mac: '02:00:00:00:00:09' })
    h.addr.del('v1', '172.16.101.1/24')
    assert.equal(
      h.neigh.list().filter(({ dev }) => dev === 'v1'),
      [],
    )
  }))

test('F12 mtu 1300 of a route: a ping of 1500 bytes goes in fragments, and is answered', async () => {
  const net = await lab()
  const h = net.host('h')
  const x = h.netns('x')
  h.link.add({ kind: 'veth', name: 'v0', peer: { name: 'v1', netns: 'x' } })
  h.addr.add('v0', '172.16.101.1/24')
  x.addr.add('v1', '172.16.101.2/24')
  x.addr.add('v1', '172.16.104.1/24')
  h.link('v0', { up: true })
  x.link('v1', { up: true })
  h.route.add({ ...A, mtu: 1300 })
  h.sysctl('net.ipv4.ping_group_range', '0 0')
  const socket = h.socket('ping').setsockopt('IP_MTU_DISCOVER', 0)
  const request = new Uint8Array(1480)
  request[0] = 8
  socket.send(request, { to: '172.16.104.1:0' })
  net.run()
  assert.is(socket.recv()?.length, 1480)
  assert.is(h.counters()['IpFragCreates'], 2)
  await net.close()
})

for (const congctl of ['foo', '']) {
  test(`F13 congctl '${congctl}': no such algorithm`, () =>
    fibHost(({ h }) => {
      assert.is(refusal(() => h.route.add({ ...A, congctl })).slice(0, 6), 'EINVAL')
      assert.equal(routes(h), [])
    }))
}

test.run()
