// Path MTU and the source of ICMP errors (section 11: pmtu.sh, icmp.sh, broadcast_pmtu, traceroute.sh), in namespaces joined
// by veth: A reaches one address of B by R1, another by R2.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Namespace, lab } from '../../src/index.ts'

const B1 = '10.0.1.2'
const B2 = '10.0.3.2'
/** RTAX_LOCK: the MTU is not to be touched. */
const LOCKED = 1 << 2

interface World {
  net: Lab
  host: Host
  a: Namespace
  b: Namespace
  r1: Namespace
  r2: Namespace
}

/** A cable between two namespaces; its ends are named after who is at the other one. */
function cable(left: [Namespace, string, string], right: [Namespace, string, string], mtu: number): void {
  const [x, xName, xAddress] = left
  const [y, yName, yAddress] = right
  x.link.add({ kind: 'veth', name: yName, mtu, peer: { name: xName, netns: y, mtu } })
  x.addr.add(yName, `${xAddress}/24`)
  y.addr.add(xName, `${yAddress}/24`)
  x.link(yName, { up: true })
  y.link(xName, { up: true })
}

/** The MTU of both ends of a cable. */
function setMtu([x, xName]: [Namespace, string], [y, yName]: [Namespace, string], mtu: number): void {
  x.link(yName, { mtu })
  y.link(xName, { mtu })
}

async function world(tell: (w: World) => void | Promise<void>): Promise<void> {
  const net = await lab()
  const host = net.host('h')
  const [a, b, r1, r2] = ['a', 'b', 'r1', 'r2'].map((name) => host.netns(name)) as [
    Namespace,
    Namespace,
    Namespace,
    Namespace,
  ]
  cable([a, 'a', '10.0.0.1'], [r1, 'r1', '10.0.0.254'], 2000)
  cable([r1, 'r1', '10.0.1.254'], [b, 'b', B1], 1400)
  cable([a, 'a', '10.0.2.1'], [r2, 'r2', '10.0.2.254'], 2000)
  cable([r2, 'r2', '10.0.3.254'], [b, 'b', B2], 1500)
  for (const router of [r1, r2]) router.sysctl('net.ipv4.ip_forward', 1)
  a.route.add({ to: '10.0.1.0/24', via: '10.0.0.254' })
  a.route.add({ to: '10.0.3.0/24', via: '10.0.2.254' })
  b.route.add({ to: '10.0.0.0/24', via: '10.0.1.254' })
  b.route.add({ to: '10.0.2.0/24', via: '10.0.3.254' })
  await tell({ net, host, a, b, r1, r2 })
  net.advance('60s')
  assert.equal([net.account().balanced, net.account().live], [true, 0])
  await net.close()
}

/** Sends a datagram of so many bytes with its headers; EMSGSIZE is no matter. DF as IP_MTU_DISCOVER says. */
function ping(from: Namespace, to: string, size: number, discover: string | number = 'DO', ttl = 64): void {
  const socket = from.udp({ options: { IP_MTU_DISCOVER: discover, IP_TTL: ttl } })
  try {
    socket.send(new Uint8Array(size - 28), `${to}:9`)
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'EMSGSIZE')
  }
  socket.close()
}

/** What is known of the path's MTU: as `ip route get` shows it. */
function pmtu(at: Namespace, to: string): string {
  const { metrics } = at.route.get(to)
  return `${metrics['lock'] === LOCKED ? 'lock ' : ''}${metrics['mtu'] ?? 'none'}`
}

/** Both paths were probed with 1800 bytes. */
function probed(w: World): void {
  for (const to of [B1, B2]) ping(w.a, to, 1800)
}

const test = suite('facts: path MTU')

test('exceptions of both paths; a change of the local MTU is seen by its own path only', () =>
  world((w) => {
    const { a, r1 } = w
    assert.equal([pmtu(a, B1), pmtu(a, B2)], ['none', 'none'])
    probed(w)
    assert.equal([pmtu(a, B1), pmtu(a, B2)], ['1400', '1500'])
    setMtu([a, 'a'], [r1, 'r1'], 1300)
    assert.equal([pmtu(a, B1), pmtu(a, B2)], ['1300', '1500'])
    setMtu([a, 'a'], [r1, 'r1'], 1700)
    assert.equal([pmtu(a, B1), pmtu(a, B2)], ['1700', '1500'])
  }))

test('an exception is found by the rule for packets of our own, iif lo', () =>
  world((w) => {
    const { a } = w
    a.route.del({ to: '10.0.1.0/24' })
    a.route.add({ to: '10.0.1.0/24', via: '10.0.0.254', table: 100 })
    a.rule.add({ iif: 'lo', table: 100 })
    const socket = a.udp({ connect: `${B1}:9`, options: { IP_MTU_DISCOVER: 'DO' } })
    socket.send(new Uint8Array(1772))
    socket.close()
    assert.is(pmtu(a, B1), '1400')
  }))

/** What a table's routes learnt, as `ip route show cache`. */
const learnt = (at: Namespace, table?: string | number): string[] =>
  at.route
    .cache(table)
    .map(
      ({ to, via, dev, metrics, expires, table: of }) =>
        `${to} via ${via} dev ${dev} table ${of} expires ${expires} mtu ${metrics['mtu']}`,
    )
    .sort()

test('what was learnt is listed with its time; what routes share is listed for each', () =>
  world((w) => {
    const { a, net } = w
    probed(w)
    assert.equal(learnt(a), [], 'no packet went by it yet')
    assert.equal([a.route.get(B1).expires, a.route.get(B2).expires], [600, 600])
    net.advance('1500ms')
    const first = '10.0.1.2/32 via 10.0.0.254 dev r1 table 254 expires 598 mtu 1400'
    const second = '10.0.3.2/32 via 10.0.2.254 dev r2 table 254 expires 598 mtu 1500'
    assert.equal(learnt(a), [first, second])
    a.route.add({ to: '10.0.9.0/24', via: '10.0.0.254' })
    a.route.add({ to: '10.0.1.0/24', via: '10.0.0.254', table: 100 })
    assert.equal(learnt(a), [first, first, second], 'another table has next hops of its own')
    assert.equal(learnt(a, 'main'), [first, first, second])
    assert.equal(learnt(a, 'local'), [])
    assert.is(a.route.get(B1).expires, 598)
    a.route.del({ to: '10.0.9.0/24' })
    net.advance('599s')
    assert.equal(learnt(a, 'main'), [])
    assert.is(a.route.get(B1).expires, undefined)
    probed(w)
    probed(w)
    assert.is(learnt(a, 'main').length, 2)
    a.sysctl('net.ipv4.route.flush', 1)
    assert.equal(learnt(a), [])
  }))

test('more is listed than one answer of the core holds, each once', () =>
  world(({ a, r1 }) => {
    const socket = a.udp({ port: 9, options: { IP_MTU_DISCOVER: 'DO' } })
    const far = Array.from({ length: 1500 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
    a.route.add({ to: '10.1.0.0/16', via: '10.0.0.254', metric: 5 })
    r1.route.add({ to: '10.1.0.0/16', via: B1 })
    for (const to of far) {
      socket.send(new Uint8Array(1700), `${to}:9`)
      assert.is(a.route.get(to).expires, 600)
    }
    socket.close()
    const listed = a.route.cache().map(({ to }) => to)
    assert.equal([listed.length, new Set(listed).size], [far.length, far.length])
    a.route.del({ to: '10.1.0.0/16' })
    assert.equal(a.route.cache(), [])
  }))

test('behind a next hop that is dead nothing is listed', () =>
  world(({ a, r1, r2 }) => {
    const far = Array.from({ length: 12 }, (_, i) => `10.1.0.${i}`)
    a.route.add({ to: '10.1.0.0/16', nexthops: [{ via: '10.0.0.254' }, { via: '10.0.2.254' }] })
    for (const [router, via] of [
      [r1, B1],
      [r2, B2],
    ] as const) {
      router.route.add({ to: '10.1.0.0/16', via })
    }
    for (const to of far) ping(a, to, 1800)
    for (const to of far) assert.is(a.route.get(to).expires, 600)
    const vias = (): (string | undefined)[] => a.route.cache().map(({ via }) => via)
    const second = vias().filter((via) => via === '10.0.2.254')
    assert.ok(second.length > 0 && second.length < far.length, `${second.length} go by the second`)
    a.link('r1', { up: false })
    assert.equal(vias(), second)
  }))

test('a remote MTU below min_pmtu locks the exception', () =>
  world((w) => {
    const { a, b, r1 } = w
    probed(w)
    setMtu([r1, 'r1'], [b, 'b'], 400)
    ping(a, B1, 1400)
    assert.equal([pmtu(a, B1), pmtu(a, B2)], ['lock 552', '1500'])
    setMtu([a, 'a'], [r1, 'r1'], 500)
    assert.is(pmtu(a, B1), '500')
    setMtu([a, 'a'], [r1, 'r1'], 1500)
    assert.is(pmtu(a, B1), '1500')
    ping(a, B1, 1400)
    assert.equal([pmtu(a, B1), pmtu(a, B2)], ['lock 552', '1500'])
  }))

test('a datagram of a locked path has no DF and is fragmented on the way', () =>
  world(({ a, b, r1 }) => {
    setMtu([r1, 'r1'], [b, 'b'], 400)
    ping(a, B1, 1400)
    const server = b.udp({ port: 9 })
    ping(a, B1, 540, 'WANT')
    assert.equal([server.recv()?.length, r1.counters()['IpFragCreates']], [540 - 28, 2])
    server.close()
  }))

test('exceptions expire after mtu_expires, 600 s; they are flushed', () =>
  world((w) => {
    probed(w)
    w.net.advance('599s')
    assert.is(pmtu(w.a, B1), '1400')
    w.net.advance('2s')
    assert.is(pmtu(w.a, B1), 'none')
    probed(w)
    w.a.sysctl('net.ipv4.route.flush', 1)
    assert.equal([pmtu(w.a, B1), pmtu(w.a, B2)], ['none', 'none'])
    w.a.sysctl('net.ipv4.route.mtu_expires', 10)
    probed(w)
    w.net.advance('11s')
    assert.equal([pmtu(w.a, B1), pmtu(w.a, B2)], ['none', 'none'])
  }))

test('a route that is changed forgets what was learnt of its path', () =>
  world((w) => {
    probed(w)
    w.a.route.replace({ to: '10.0.1.0/24', via: '10.0.0.254', advmss: 1000 })
    assert.equal([pmtu(w.a, B1), pmtu(w.a, B2)], ['none', '1500'])
  }))

test('a multipath route: both next hops learn from one packet', () =>
  world(({ a, b, r1, r2 }) => {
    const far = '10.9.9.9'
    b.addr.add('lo', `${far}/32`)
    b.link('lo', { up: true })
    r1.route.add({ to: far, via: B1 })
    r2.route.add({ to: far, via: B2 })
    a.route.add({ to: far, nexthops: [{ via: '10.0.0.254' }, { via: '10.0.2.254' }] })
    setMtu([r2, 'r2'], [b, 'b'], 1400)
    ping(a, far, 1800)
    const known = new Map<string, string>()
    for (let seed = 1; seed < 50 && known.size < 2; seed++) {
      a.sysctl('net.ipv4.fib_multipath_hash_seed', seed)
      known.set(a.route.get(far).via!, pmtu(a, far))
    }
    assert.equal([...known].sort(), [
      ['10.0.0.254', '1400'],
      ['10.0.2.254', '1400'],
    ])
  }))

test('mtu_expires, min_pmtu and min_adv_mss have their defaults', () =>
  world(({ a }) => {
    assert.equal(
      ['mtu_expires', 'min_pmtu', 'min_adv_mss'].map((name) => a.sysctl(`net.ipv4.route.${name}`)),
      ['600', '552', '256'],
    )
  }))

test('broadcast_pmtu: a broadcast route obeys its MTU', () =>
  world(({ host, a }) => {
    const b = host.netns('c')
    cable([a, 'a', '10.5.0.1'], [b, 'c', '10.5.0.2'], 9000)
    a.route.replace({ to: '10.5.0.255', type: 'broadcast', dev: 'c', src: '10.5.0.1', mtu: 1500, lock: LOCKED })
    const server = b.udp({ port: 9 })
    const socket = a.udp({ options: { SO_BROADCAST: 1, IP_MTU_DISCOVER: 'WANT' } })
    const before = a.counters()['IpFragCreates'] ?? 0
    socket.send(new Uint8Array(8000), '10.5.0.255:9')
    assert.equal([server.recv()?.length, (a.counters()['IpFragCreates'] ?? 0) - before], [8000, 6])
    socket.close()
    server.close()
  }))

/** Who answered a datagram that came too far. */
function tooFar(from: Namespace, to: string, ttl: number): string | undefined {
  const socket = from.udp({ options: { IP_RECVERR: 1, IP_TTL: ttl } })
  socket.send('x', `${to}:9`)
  const got = socket.recv({ flags: ['MSG_ERRQUEUE'] })
  socket.close()
  return got?.error?.offender
}

test("traceroute: time exceeded comes from the incoming interface's primary address", () =>
  world(({ a, r1 }) => {
    r1.addr.add('a', '10.0.0.77/24')
    assert.is(tooFar(a, B1, 1), '10.0.0.254')
    assert.is(tooFar(a, B2, 1), '10.0.2.254')
    assert.is(tooFar(a, B1, 2), B1)
  }))

test('icmp: a router without an IPv4 address answers from 192.0.0.8', async () => {
  const net = await lab()
  const host = net.host('h')
  const [a, r] = [host.netns('a'), host.netns('r')]
  a.link.add({ kind: 'veth', name: 'r', peer: { name: 'a', netns: r } })
  a.addr.add('r', '172.16.0.2/32')
  for (const [space, name] of [
    [a, 'r'],
    [r, 'a'],
  ] as const)
    space.link(name, { up: true })
  r.sysctl('net.ipv4.ip_forward', 1)
  a.route.add({ to: 'default', dev: 'r' })
  a.neigh.add({ dev: 'r', ip: '10.9.9.9', mac: r.link('a').mac })
  r.route.add({ to: '172.16.0.2/32', dev: 'a' })
  r.neigh.add({ dev: 'a', ip: '172.16.0.2', mac: a.link('r').mac })
  r.sysctl('net.ipv4.conf.all.rp_filter', 0)
  assert.is(tooFar(a, '10.9.9.9', 64), '192.0.0.8')
  assert.equal([net.account().balanced, net.account().live], [true, 0])
  await net.close()
})

test.run()
