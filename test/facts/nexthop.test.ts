// Nexthop objects (fib_nexthops.sh): what `ip nexthop` and routes with nhid answer. Errors, their words and the lines of
// `ip nexthop show` and `ip route show` are those of Linux 6.18 for the same commands.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type NexthopObjectSpec, type RouteSpec } from '../../src/index.ts'
import { fibHost, refusal, routes, way } from './fib_host.ts'

const test = suite('nexthop objects')

const A = { via: '172.16.101.2', dev: 'v1' }
const B = { via: '172.16.103.2', dev: 'v3' }

/** `ip nexthop show`. */
const shown = (h: Host): string[] =>
  h.nexthop.list().map(({ id, via, dev, scope, protocol, flags, blackhole, group }) => {
    const members = group?.map((member) => (member.weight === 1 ? member.id : `${member.id},${member.weight}`))
    return [
      `id ${id}`,
      ...(members ? [`group ${members.join('/')}`] : []),
      ...(blackhole ? ['blackhole'] : []),
      ...(via ? [`via ${via}`] : []),
      ...(dev ? [`dev ${dev} scope ${scope}`] : []),
      ...(protocol === 'unspec' ? [] : [`proto ${protocol}`]),
      ...flags,
    ].join(' ')
  })

/** 1 and 2 are gateways, 3 a device, 4 a blackhole. */
function four(h: Host): void {
  h.nexthop.add({ id: 1, ...A })
  h.nexthop.add({ id: 2, ...B })
  h.nexthop.add({ id: 3, dev: 'v1' })
  h.nexthop.add({ id: 4, blackhole: true })
}

const REFUSED: readonly (readonly [string, NexthopObjectSpec, string])[] = [
  [
    'a gateway without device',
    { id: 9, via: '172.16.101.2' },
    'EINVAL: Device attribute required for non-blackhole and non-fdb nexthops.',
  ],
  [
    'a gateway that is not on-link',
    { id: 9, via: '172.16.9.2', dev: 'v1' },
    'ENETUNREACH: Nexthop has invalid gateway.',
  ],
  [
    "the other device's gateway",
    { id: 9, via: '172.16.103.2', dev: 'v1' },
    'ENETUNREACH: Nexthop has invalid gateway.',
  ],
  ['neither device nor gateway', { id: 9 }, 'EINVAL: Invalid address family.'],
  ['an unknown device', { id: 9, dev: 'nope' }, 'ENODEV'],
  ['an id that is there', { id: 1, dev: 'v1' }, 'EEXIST'],
  [
    'onlink without gateway',
    { id: 9, dev: 'v1', onlink: true },
    'EINVAL: ONLINK flag can not be set for nexthop without a gateway.',
  ],
  [
    'a blackhole with device',
    { id: 9, blackhole: true, dev: 'v1' },
    'EINVAL: Blackhole attribute can not be used with gateway, oif, encap or fdb.',
  ],
  [
    'a group with a blackhole among others',
    { id: 9, group: [{ id: 1 }, { id: 4 }] },
    'EINVAL: Blackhole nexthop can not be used in a group with more than 1 path.',
  ],
  [
    'a group of groups',
    { id: 9, group: [{ id: 101 }] },
    'EINVAL: Hash-threshold group can not be a nexthop within a group.',
  ],
  ['a member twice', { id: 9, group: [{ id: 2 }, { id: 2 }] }, 'EINVAL: Nexthop id can not be used twice in a group.'],
  ['a member that is not there', { id: 9, group: [{ id: 2 }, { id: 77 }] }, 'EINVAL: Invalid nexthop id.'],
  ['a group with device', { id: 9, group: [{ id: 4 }], dev: 'v3' }, 'EINVAL: Invalid family for group.'],
  ['a group of nobody', { id: 9, group: [] }, 'EINVAL: Invalid length for nexthop group attribute.'],
  ['weight 0', { id: 9, group: [{ id: 2, weight: 0 }] }, 'EINVAL'],
  ['weight 65536', { id: 9, group: [{ id: 2, weight: 65536 }] }, 'EINVAL'],
]

for (const [name, spec, error] of REFUSED) {
  test(`refused: ${name}`, () =>
    fibHost(({ h }) => {
      four(h)
      h.nexthop.add({ id: 101, group: [{ id: 1 }, { id: 2 }] })
      const before = shown(h)
      assert.is(
        refusal(() => h.nexthop.add(spec)),
        error,
      )
      assert.equal(shown(h), before)
    }))
}

test('groups have at most 4096 members, and all of them are told', () =>
  fibHost(({ h }) => {
    const group = Array.from({ length: 4097 }, (_, i) => ({ id: h.nexthop.add({ id: i + 1, dev: 'v1' }) }))
    assert.is(refusal(() => h.nexthop.add({ id: 9999, group })).slice(0, 6), 'EINVAL')
    h.nexthop.add({ id: 9999, group: group.slice(1) })
    h.route.add({ to: '10.1.0.0/16', nhid: 9999 })
    assert.is(h.nexthop.get(9999).group!.length, 4096)
    assert.is(h.route.list('main').find(({ nhid }) => nhid === 9999)!.nexthops!.length, 4096)
    h.link('v1', { up: false })
    assert.equal(h.nexthop.list(), [])
  }))

test('refused: a resilient group', () =>
  fibHost(({ h }) => {
    four(h)
    const spec = { id: 9, group: [{ id: 1 }], type: 'resilient' } as unknown as NexthopObjectSpec
    assert.is(
      refusal(() => h.nexthop.add(spec)),
      'EOPNOTSUPP',
    )
  }))

test('refused: devices that are down or without carrier; lo for a blackhole', () =>
  fibHost(({ net, h }) => {
    h.link('p3', { up: false })
    net.run()
    const add = (spec: NexthopObjectSpec): string => refusal(() => h.nexthop.add(spec))
    assert.is(add({ id: 1, dev: 'v3' }), 'ENETDOWN: Carrier for nexthop device is down.')
    h.link('v3', { up: false })
    assert.is(add({ id: 1, dev: 'v3' }), 'ENETDOWN: Nexthop device is not up.')
    h.link('lo', { up: false })
    assert.is(add({ id: 1, blackhole: true }), 'ENETDOWN: Device for nexthop is not up.')
    assert.equal(shown(h), [])
  }))

test('added: gateways, on-link ones, devices, blackholes, groups; ids are given from 1 on', () =>
  fibHost(({ h }) => {
    h.nexthop.add({ id: 1, via: '172.16.9.2', dev: 'v1', onlink: true })
    h.nexthop.add({ id: 2, ...B, protocol: 'static' })
    h.nexthop.add({ id: 4, blackhole: true })
    assert.is(h.nexthop.add({ dev: 'v1' }), 3)
    assert.is(h.nexthop.add({ id: 4294967295, ...A }), 4294967295)
    const members = [
      { id: 1, weight: 3 },
      { id: 2, weight: 256 },
    ]
    assert.is(h.nexthop.add({ group: members, type: 'mpath' }), 5)
    h.nexthop.add({ id: 6, group: [{ id: 4 }] })
    assert.equal(shown(h), [
      'id 1 via 172.16.9.2 dev v1 scope link onlink',
      'id 2 via 172.16.103.2 dev v3 scope link proto static',
      'id 3 dev v1 scope host',
      'id 4 blackhole',
      'id 5 group 1,3/2,256',
      'id 6 group 4',
      'id 4294967295 via 172.16.101.2 dev v1 scope link',
    ])
    assert.equal(h.nexthop.get(5), {
      id: 5,
      protocol: 'unspec',
      scope: 'global',
      flags: [],
      group: members,
      type: 'mpath',
    })
    assert.is(
      refusal(() => h.nexthop.get(99)),
      'ENOENT',
    )
    assert.is(
      refusal(() => h.nexthop.del(99)),
      'ENOENT',
    )
  }))

test('replace: kinds cannot change, and what is refused leaves all as it was', () =>
  fibHost(({ h }) => {
    four(h)
    h.nexthop.add({ id: 101, group: [{ id: 1 }, { id: 2 }] })
    h.route.add({ to: '10.1.0.0/16', nhid: 3, scope: 'host' })
    const replace = (spec: NexthopObjectSpec): string => refusal(() => h.nexthop.replace(spec))
    const before = shown(h)
    assert.is(replace({ ...A }), 'EINVAL: Replace requires nexthop id.')
    assert.is(replace({ id: 1, group: [{ id: 2 }] }), 'EINVAL: Can not replace a nexthop with a nexthop group.')
    assert.is(replace({ id: 101, ...A }), 'EINVAL: Can not replace a nexthop group with a nexthop.')
    assert.is(
      replace({ id: 2, blackhole: true }),
      'EINVAL: Blackhole nexthop can not be a member of a group with more than one path.',
    )
    assert.is(replace({ id: 3, ...A }), 'EINVAL: Route with host scope can not have a gateway.')
    assert.is(replace({ id: 2, via: '172.16.99.9', dev: 'v3' }), 'ENETUNREACH: Nexthop has invalid gateway.')
    assert.equal(shown(h), before)
    assert.is(h.nexthop.replace({ id: 7, ...A }), 7, 'one that is not there is made')
  }))

/** Routes by the objects of four() and group 101 of 1 (weight 3) and 2 (weight 5), 102 of 2. */
function routed(h: Host): void {
  four(h)
  h.nexthop.add({
    id: 101,
    group: [
      { id: 1, weight: 3 },
      { id: 2, weight: 5 },
    ],
  })
  h.nexthop.add({ id: 102, group: [{ id: 2 }] })
  h.route.add({ to: '10.1.0.0/16', nhid: 2 })
  h.route.add({ to: '10.2.0.0/16', nhid: 101 })
  h.route.add({ to: '10.3.0.0/16', nhid: 4 })
  h.route.add({ to: '10.4.0.0/16', nhid: 102 })
  h.route.add({ to: '10.6.0.0/16', nhid: 2, type: 'blackhole' })
  h.route.add({ to: '10.7.0.0/16', nhid: 2, type: 'unreachable' })
  h.route.add({ to: '10.8.0.0/16', nhid: 3, scope: 'host' })
  h.route.add({ to: '10.9.0.0/16', nhid: 2, src: '172.16.101.1', mtu: 1400 })
}

test('routes: shown with the next hops of the object, and looked up by them', () =>
  fibHost(({ h }) => {
    routed(h)
    assert.equal(routes(h), [
      '10.1.0.0/16 nhid 2 via 172.16.103.2 dev v3',
      '10.2.0.0/16 nhid 101 | nexthop via 172.16.101.2 dev v1 weight 3 | nexthop via 172.16.103.2 dev v3 weight 5',
      'blackhole 10.3.0.0/16 nhid 4 dev lo',
      '10.4.0.0/16 nhid 102 via 172.16.103.2 dev v3',
      'blackhole 10.6.0.0/16 nhid 2 via 172.16.103.2 dev v3',
      'unreachable 10.7.0.0/16 nhid 2 via 172.16.103.2 dev v3',
      '10.8.0.0/16 nhid 3 dev v1 scope host',
      '10.9.0.0/16 nhid 2 via 172.16.103.2 dev v3 src 172.16.101.1 mtu 1400',
    ])
    h.nexthop.add({ id: 103, group: [{ id: 4 }] })
    h.route.add({ to: '10.5.0.0/16', nhid: 103 })
    const table: readonly (readonly [string, string])[] = [
      ['10.1.0.1', '172.16.103.2 v3'],
      ['10.3.0.1', 'EINVAL'],
      ['10.5.0.1', 'EINVAL'],
      ['10.4.0.1', '172.16.103.2 v3'],
      ['10.6.0.1', 'EINVAL'],
      ['10.7.0.1', 'EHOSTUNREACH'],
      ['10.8.0.1', 'v1'],
    ]
    for (const [to, expected] of table) assert.is(way(h, to), expected, to)
    assert.is(h.route.get({ to: '10.4.0.1', fibmatch: true }).nhid, 102)
    assert.is(h.route.get({ to: '10.2.0.1', fibmatch: true }).nexthops?.length, 2)
  }))

test('routes: over a group in proportion to the weights', () =>
  fibHost(({ h }) => {
    routed(h)
    const ways = Array.from({ length: 800 }, (_, i) => way(h, `10.2.${i >> 8}.${i & 255}`))
    const first = ways.filter((to) => to === '172.16.101.2 v1').length
    assert.ok(first > 240 && first < 360, `${first} of 800 by the one of weight 3 of 8`)
    assert.is(ways.filter((to) => to === '172.16.103.2 v3').length, 800 - first)
  }))

test('routes: a member whose neighbour failed has no part, whatever the sysctl', () =>
  fibHost(({ h }) => {
    routed(h)
    h.neigh.add({ dev: 'v1', ip: '172.16.101.2', state: 'failed' })
    const ways = Array.from({ length: 100 }, (_, i) => way(h, `10.2.0.${i}`))
    assert.ok(ways.every((to) => to === '172.16.103.2 v3'))
  }))

const BAD_ROUTES: readonly (readonly [string, RouteSpec, string])[] = [
  ['an id that is not there', { to: '10.5.0.0/16', nhid: 99 }, 'EINVAL: Nexthop id does not exist.'],
  [
    'with device',
    { to: '10.5.0.0/16', nhid: 2, dev: 'v3' },
    'EINVAL: Nexthop specification and nexthop id are mutually exclusive.',
  ],
  [
    'with gateway',
    { to: '10.5.0.0/16', nhid: 2, via: '172.16.103.2' },
    'EINVAL: Nexthop specification and nexthop id are mutually exclusive.',
  ],
  [
    'host scope and a gateway',
    { to: '10.5.0.0/16', nhid: 2, scope: 'host' },
    'EINVAL: Route with host scope can not have a gateway.',
  ],
  [
    'host scope and a group',
    { to: '10.5.0.0/16', nhid: 101, scope: 'host' },
    'EINVAL: Route with host scope can not have multiple nexthops.',
  ],
  ['the same again', { to: '10.1.0.0/16', nhid: 2 }, 'EEXIST'],
]

for (const [name, spec, error] of BAD_ROUTES) {
  test(`refused: a route, ${name}`, () =>
    fibHost(({ h }) => {
      routed(h)
      const before = routes(h)
      assert.is(
        refusal(() => h.route.add(spec)),
        error,
      )
      assert.equal(routes(h), before)
    }))
}

test('replace: routes and groups follow', () =>
  fibHost(({ h }) => {
    routed(h)
    assert.is(way(h, '10.1.0.1'), '172.16.103.2 v3')
    h.nexthop.replace({ id: 2, via: '172.16.103.9', dev: 'v3' })
    assert.is(way(h, '10.1.0.1'), '172.16.103.9 v3')
    assert.ok(routes(h)[1]!.endsWith('| nexthop via 172.16.103.9 dev v3 weight 5'))
    h.nexthop.replace({ id: 2, dev: 'v3' })
    assert.is(routes(h)[0], '10.1.0.0/16 nhid 2 dev v3')
    assert.is(way(h, '10.1.0.1'), 'v3')
    h.nexthop.replace({ id: 101, group: [{ id: 1 }, { id: 2 }, { id: 3 }] })
    assert.is(
      routes(h)[1],
      '10.2.0.0/16 nhid 101 | nexthop via 172.16.101.2 dev v1 weight 1 | nexthop dev v3 weight 1 | nexthop dev v1 weight 1',
    )
  }))

test('deleting a route: not by device or gateway, but by id or by nothing', () =>
  fibHost(({ h }) => {
    routed(h)
    const del = (spec: Partial<RouteSpec>): string => refusal(() => h.route.del({ to: '10.1.0.0/16', ...spec }))
    assert.is(del({ dev: 'v3' }), 'ESRCH')
    assert.is(del({ via: '172.16.103.2' }), 'ESRCH')
    assert.is(del({ nhid: 3 }), 'ESRCH')
    assert.is(del({ nhid: 2 }), '')
    h.route.add({ to: '10.1.0.0/16', nhid: 2 })
    assert.is(del({}), '')
    h.route.add({ to: '10.1.0.0/16', nhid: 2 })
    h.route.replace({ to: '10.1.0.0/16', via: '172.16.101.2' })
    assert.is(routes(h)[0], '10.1.0.0/16 via 172.16.101.2 dev v1')
    h.route.replace({ to: '10.1.0.0/16', nhid: 1 })
    assert.is(routes(h)[0], '10.1.0.0/16 nhid 1 via 172.16.101.2 dev v1')
  }))

test('deleting a member: its routes go, groups keep the others with their weights, those without end', () =>
  fibHost(({ h }) => {
    routed(h)
    h.nexthop.del(2)
    assert.equal(shown(h), [
      'id 1 via 172.16.101.2 dev v1 scope link',
      'id 3 dev v1 scope host',
      'id 4 blackhole',
      'id 101 group 1,3',
    ])
    assert.equal(routes(h), [
      '10.2.0.0/16 nhid 101 via 172.16.101.2 dev v1',
      'blackhole 10.3.0.0/16 nhid 4 dev lo',
      '10.8.0.0/16 nhid 3 dev v1 scope host',
    ])
    assert.is(way(h, '10.1.0.1'), 'ENETUNREACH')
    assert.is(way(h, '10.2.0.1'), '172.16.101.2 v1')
  }))

const GONE: readonly (readonly [string, (h: Host) => void])[] = [
  ['down', (h) => h.link('v3', { up: false })],
  ['without carrier', (h) => h.link('p3', { up: false })],
  ['deleted', (h) => h.link.del('v3')],
]

for (const [name, act] of GONE) {
  test(`device ${name}: its nexthops go, and do not come back`, () =>
    fibHost(({ net, h }) => {
      routed(h)
      act(h)
      net.run()
      assert.equal(shown(h), [
        'id 1 via 172.16.101.2 dev v1 scope link',
        'id 3 dev v1 scope host',
        'id 4 blackhole',
        'id 101 group 1,3',
      ])
      assert.is(routes(h)[0], '10.2.0.0/16 nhid 101 via 172.16.101.2 dev v1')
    }))
}

test('the address that made a gateway reachable goes: nexthops and routes stay', () =>
  fibHost(({ h }) => {
    routed(h)
    const before = [shown(h), routes(h).slice(0, 4)]
    h.addr.del('v3', '172.16.103.1/24')
    assert.equal([shown(h), routes(h).slice(0, 4)], before)
    assert.is(
      refusal(() => h.nexthop.add({ id: 12, ...B })),
      'ENETUNREACH: Nexthop has invalid gateway.',
    )
  }))

test.run()
