// Policy rules (fib_rule_tests.sh rule4): a rule that selects table 100, look-ups that match it, and look-ups that do not.
// Answers are those of `ip route get` of Linux 6.18 with the same tables.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type RouteQuery, type RuleSpec } from '../../src/index.ts'
import { type FibHost, fibHost, refusal, way } from './fib_host.ts'

const test = suite('facts: policy rules')

const TO = '10.9.9.9'
const MAIN = '172.16.101.2 v1'
const TABLE_100 = '172.16.103.2 v3'
const IN: Partial<RouteQuery> = { from: '10.1.0.5', iif: 'v1' }

/** A router whose main table sends all by v1, and table 100 by v3. */
const router = (tell: (at: FibHost) => void | Promise<void>): Promise<void> =>
  fibHost(async (at) => {
    const { h } = at
    h.sysctl('net.ipv4.ip_forward', 1)
    for (const dev of ['all', 'v1', 'v3']) h.sysctl(`net.ipv4.conf.${dev}.rp_filter`, 0)
    h.route.add({ to: 'default', via: '172.16.101.2' })
    h.route.add({ to: 'default', via: '172.16.103.2', table: 100 })
    await tell(at)
  })

const udp = (sport: number, dport: number): Partial<RouteQuery> => ({ ipproto: 'udp', sport, dport })

type Row = readonly [RuleSpec, readonly Partial<RouteQuery>[], readonly Partial<RouteQuery>[]]

const ROWS: Readonly<Record<string, Row>> = {
  'oif v3 / oif v1': [{ oif: 'v3' }, [{ oif: 'v3' }], [{ oif: 'v1' }, {}]],
  'from S iif D / iif lo': [
    { from: '10.1.0.5', iif: 'v1' },
    [IN],
    [
      { ...IN, iif: 'lo' },
      { ...IN, from: '10.1.0.6' },
      { ...IN, iif: 'v3' },
    ],
  ],
  'tos 0x10, ECN aside': [
    { tos: 0x10 },
    [{ tos: 0x10 }, { tos: 0x11 }, { tos: 0x12 }, { tos: 0x13 }, { ...IN, tos: 0x10 }],
    [{ tos: 0x20 }, { ...IN, tos: 0x20 }, {}],
  ],
  'fwmark 0x64 / 0x63': [{ fwmark: 0x64 }, [{ mark: 0x64 }], [{ mark: 0x63 }]],
  'uidrange 100-100 / 101': [{ uidrange: '100-100' }, [{ uid: 100 }], [{ uid: 101 }]],
  'sport 666 dport 777': [
    { sport: 666, dport: 777 },
    [udp(666, 777), { ipproto: 'tcp', sport: 666, dport: 777 }, { ...IN, ...udp(666, 777) }],
    [udp(667, 777), udp(666, 778), { ...IN, ...udp(666, 778) }],
  ],
  'sport 100-200 dport 300-400': [
    { sport: '100-200', dport: '300-400' },
    [udp(100, 400), udp(200, 300)],
    [udp(100, 401), udp(99, 400), udp(201, 300), udp(200, 299)],
  ],
  'sport and dport under masks': [
    { sport: '0x0f00/0xff00', dport: '0x000f/0x00ff' },
    [udp(0x0f11, 0x220f)],
    [udp(0x1f11, 0x221f), udp(0x0f11, 0x221f)],
  ],
  'ipproto tcp / udp': [{ ipproto: 'tcp' }, [{ ipproto: 'tcp' }], [{ ipproto: 'udp' }, { ipproto: 'icmp' }]],
  'ipproto icmp / tcp': [{ ipproto: 'icmp' }, [{ ipproto: 'icmp' }], [{ ipproto: 'tcp' }]],
  'dscp 0x3f: tos 0xfc / 0xf4': [
    { dscp: 0x3f },
    [{ tos: 0xfc }, { ...IN, tos: 0xfc }],
    [{ tos: 0xf4 }, { ...IN, tos: 0xf4 }],
  ],
  'dscp 0x0f/0x0f: tos 0x7c / 0x78': [
    { dscp: '0x0f/0x0f' },
    [{ tos: 0x7c }, { tos: 0x3c }, { ...IN, tos: 0x7c }],
    [{ tos: 0x78 }, { ...IN, tos: 0x78 }],
  ],
}

for (const [name, [rule, matching, others]] of Object.entries(ROWS)) {
  test(name, () =>
    router(({ h }) => {
      h.rule.add({ ...rule, priority: 50, table: 100 })
      for (const query of matching) assert.is(way(h, { to: TO, ...query }), TABLE_100, JSON.stringify(query))
      for (const query of others) assert.is(way(h, { to: TO, ...query }), MAIN, JSON.stringify(query))
      h.rule.del({ ...rule, priority: 50, table: 100 })
      for (const query of matching) {
        if (!query.oif) assert.is(way(h, { to: TO, ...query }), MAIN, JSON.stringify(query))
      }
    }),
  )
}

test('rules are shown with what they name', () =>
  router(({ h }) => {
    h.rule.add({ priority: 50, sport: '0xf00/0xff00', dport: '300-400', ipproto: 'tcp', table: 100 })
    h.rule.add({ priority: 60, sport: 666, dscp: '0xf/0xf', uidrange: '100-200', goto: 70 })
    h.rule.add({ priority: 70, dscp: 63, table: 'main', suppress_prefixlength: 0 })
    const named = h.rule.list().map(({ priority, sport, dport, ipproto, dscp, uidrange, goto, ...rest }) => {
      const words = { sport, dport, ipproto, dscp, uidrange, goto, suppress: rest.suppress_prefixlength }
      const given = Object.entries(words).filter(([, value]) => value !== undefined)
      return [priority, ...given.map(([name, value]) => `${name} ${value}`)].join(' ')
    })
    assert.equal(named, [
      '0',
      '50 sport 0xf00/0xff00 dport 300-400 ipproto tcp',
      '60 sport 666 dscp 0xf/0xf uidrange 100-200 goto 70',
      '70 dscp 0x3f suppress 0',
      '32766',
      '32767',
    ])
  }))

for (const tos of [1, 2, 3]) {
  test(`dsfield ${tos} is refused`, () =>
    router(({ h }) => {
      const before = h.rule.list()
      assert.is(refusal(() => h.rule.add({ tos, table: 100 })).slice(0, 6), 'EINVAL')
      assert.equal(h.rule.list(), before)
    }))
}

for (const tos of [0x04, 0x05, 0x06, 0x07, 0x20]) {
  test(`connect() with IP_TOS ${tos} and a rule for dsfield 4`, () =>
    router(({ h }) => {
      h.rule.add({ tos: 0x04, table: 100 })
      const socket = h.socket('udp')
      socket.setsockopt('IP_TOS', tos)
      socket.connect('10.9.9.9:7')
      const { address } = socket.getsockname()
      assert.is(address, tos === 0x20 ? '172.16.101.1' : '172.16.103.1')
      socket.close()
    }))
}

test.run()
