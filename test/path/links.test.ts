// Devices that software makes: veth between namespaces, dummies; and what is left when one goes, moves or is renamed.
// The figures of veth are those of Linux 6.18 for the same frames (ip -s link).

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Namespace, type Socket, lab } from '../../src/index.ts'
import { closeEmpty, codeOf } from './ends.ts'
import { eth, udp } from './packets.ts'

const test = suite('links')

interface Pair {
  net: Lab
  h: Host
  /** Where the other end is. */
  x: Namespace
}

const V0 = '02:00:00:00:00:01'
const V1 = '02:00:00:00:00:02'

/** v0 10.9.0.1/24 on the host, v1 10.9.0.2/24 in x, both up; at the end no packet is left and none is lost track of. */
async function joined(tell: (pair: Pair) => void | Promise<void>): Promise<void> {
  const net = await lab()
  const h = net.host('h')
  const x = h.netns('x')
  h.link.add({ kind: 'veth', name: 'v0', mac: V0, peer: { name: 'v1', mac: V1, netns: 'x' } })
  h.addr.add('v0', '10.9.0.1/24')
  x.addr.add('v1', '10.9.0.2/24')
  h.link('v0', { up: true })
  x.link('v1', { up: true })
  await tell({ net, h, x })
  net.advance('60s')
  net.run()
  await closeEmpty(net)
}

const textOf = (got: { data: Uint8Array } | undefined): string | undefined => got && new TextDecoder().decode(got.data)
const names = (at: Namespace): string[] => at.devices().map(({ name, ifindex }) => `${ifindex} ${name}`)
const counts = (at: Namespace, name: string): number[] => {
  const { stats } = at.link(name)
  return [stats.rx_packets, stats.tx_packets, stats.rx_dropped, stats.tx_dropped]
}

/** Sends frames of a length past IP. */
function frameSender(at: Namespace, dev: string): (length: number) => string {
  const socket: Socket = at.socket('packet')
  socket.bind(dev)
  return (length) => codeOf(() => socket.send(eth({ smac: V0, dmac: V1 }, new Uint8Array(length - 14))))
}

test('a datagram goes from namespace to namespace and is accounted for in both', () =>
  joined(({ h, x }) => {
    const server = x.udp({ port: 9000 })
    const client = h.udp({ port: 4000 })
    client.send('question', '10.9.0.2:9000')
    const got = server.recv()!
    assert.equal([textOf(got), got.from], ['question', { address: '10.9.0.1', port: 4000 }])
    server.send('answer', got.from)
    assert.is(textOf(client.recv()), 'answer')
    for (const at of [h, x]) {
      assert.ok(at.account().balanced)
      assert.equal([at.account().live, at.account().born.moved > 0, at.account().ended.moved > 0], [0, true, true])
      assert.equal([at.counters()['UdpInDatagrams'], at.counters()['UdpOutDatagrams']], [1, 1])
      assert.is(at.counters()['TcpExtTCPACKSkippedChallenge'], undefined)
    }
    client.close()
    server.close()
  }))

test('checksums are left to do: the far end takes them as good', () =>
  joined(({ h, x }) => {
    const seen = x.socket('packet', 'ALL')
    seen.bind('v1')
    seen.setsockopt('PACKET_AUXDATA', 1)
    const server = x.udp({ port: 9000 })
    h.neigh.add({ dev: 'v0', ip: '10.9.0.2', mac: V1 })
    h.udp().send(new Uint8Array(500), '10.9.0.2:9000')
    assert.is(server.recv()!.length, 500)
    const { cmsg } = seen.recv()!
    // TP_STATUS_USER, TP_STATUS_CSUMNOTREADY
    assert.is((cmsg as { PACKET_AUXDATA: { status: number } }).PACKET_AUXDATA.status, 1 | 8)
    seen.close()
    server.close()
  }))

test('carrier comes when both ends are up', async () => {
  const net = await lab()
  const h = net.host('h')
  h.link.add({ kind: 'veth', name: 'v0', peer: { name: 'v1' } })
  // The peer has its index first.
  assert.equal(names(h), ['1 lo', '2 v1', '3 v0'])
  const carriers = (): boolean[] => ['v0', 'v1'].map((name) => h.link(name).carrier)
  assert.equal(carriers(), [false, false])
  h.link('v0', { up: true })
  assert.equal(carriers(), [false, false])
  assert.is(frameSender(h, 'v0')(60), '')
  assert.equal(
    [counts(h, 'v0'), counts(h, 'v1')],
    [
      [0, 0, 0, 1],
      [0, 0, 0, 0],
    ],
  )
  h.link('v1', { up: true })
  assert.equal(carriers(), [true, true])
  h.link('v0', { up: false })
  assert.equal(carriers(), [false, false])
  await net.close()
})

test('the far MTU, a tag included, is the limit: what is longer is lost at both ends', () =>
  joined(({ h, x }) => {
    h.link('v0', { mtu: 2000 })
    const send = frameSender(h, 'v0')
    const before = counts(h, 'v0')
    const far = counts(x, 'v1')
    const rows = [1514, 1518, 1519, 2014].map((length) => [
      length,
      send(length),
      ...counts(h, 'v0').map((n, i) => n - before[i]!),
      ...counts(x, 'v1').map((n, i) => n - far[i]!),
    ])
    assert.equal(rows, [
      [1514, '', 0, 1, 0, 0, 1, 0, 0, 0],
      [1518, '', 0, 2, 0, 0, 2, 0, 0, 0],
      [1519, 'ENOBUFS', 0, 2, 0, 1, 2, 0, 1, 0],
      [2014, 'ENOBUFS', 0, 2, 0, 2, 2, 0, 2, 0],
    ])
  }))

test('a backlog holds netdev_max_backlog packets and one; the rest is CPU_BACKLOG', () =>
  joined(({ net, h, x }) => {
    h.neigh.add({ dev: 'v0', ip: '10.9.0.2', mac: V1 })
    h.sysctl('net.core.netdev_max_backlog', 0)
    assert.is(
      codeOf(() => x.sysctl('net.core.netdev_max_backlog')),
      'ENOENT',
    )
    const tap = h.tap('t0', { napi: true })
    h.addr.add('t0', '10.1.0.1/24')
    h.link('t0', { up: true })
    h.sysctl('net.ipv4.ip_forward', 1)
    const { mac } = tap.info()
    const before = h.proc('/proc/net/softnet_stat').split(/\s+/)
    // Five in one poll, forwarded before the backlog has its turn: one fits.
    tap.rx(Array.from({ length: 5 }, () => udp({ dmac: mac, from: '10.1.0.2:5', to: '10.9.0.2:9' })))
    const after = h.proc('/proc/net/softnet_stat').split(/\s+/)
    assert.is(parseInt(after[1]!, 16) - parseInt(before[1]!, 16), 4)
    assert.equal(
      x
        .drops()
        .filter(({ reason }) => reason === 'CPU_BACKLOG')
        .map(({ count, device }) => [count, device]),
      [[4, 'v1']],
    )
    assert.equal(counts(h, 'v0').slice(3), [4])
    assert.equal(counts(x, 'v1').slice(2), [4, 0])
    tap.tx()
    net.run()
  }))

test('taken away, a device takes along its other end, addresses, routes, neighbours and memberships', () =>
  joined(({ h, x }) => {
    const packets = h.socket('packet', 'ALL')
    packets.bind('v0')
    packets.setsockopt('PACKET_ADD_MEMBERSHIP', { dev: 'v0', type: 'promisc' })
    const member = h.udp({ port: 7 })
    member.socket.setsockopt('IP_ADD_MEMBERSHIP', { group: '239.1.1.1', dev: 'v0' })
    const connected = h.udp({ connect: '10.9.0.2:9' })
    connected.send('x')
    h.rule.add({ iif: 'v0', table: 100 })
    h.route.add({ to: '10.8.0.0/16', via: '10.9.0.2' })
    // An answer that nobody gives: its packet waits for the neighbour.
    h.udp({ port: 8 }).send('lost', '10.9.0.77:9')
    while (packets.recv());

    h.link.del('v0')
    assert.equal([names(h), names(x)], [['1 lo'], ['1 lo']])
    assert.equal(
      h.route
        .list()
        .map(({ dev }) => dev)
        .filter((dev) => dev !== 'lo'),
      [],
    )
    assert.equal(h.neigh.list(), [])
    assert.is(
      codeOf(() => packets.recv()),
      'ENETDOWN',
    )
    assert.is(
      codeOf(() => connected.send('x')),
      'ENETUNREACH',
    )
    assert.equal(h.drops().filter(({ reason }) => reason === 'QUEUE_PURGE').length, 1)
    // The membership is the socket's still; leaving it is no error.
    member.socket.setsockopt('IP_DROP_MEMBERSHIP', Uint8Array.of(239, 1, 1, 1, 0, 0, 0, 0, 2, 0, 0, 0))
  }))

test('the handle of a device that was taken away answers ENODEV, also when there is a new one of its name', () =>
  joined(({ h }) => {
    const old = h.device('v0')
    assert.is(old.info().mac, V0)
    h.link.del('v0')
    h.link.add({ kind: 'dummy', name: 'v0' })
    assert.is(
      codeOf(() => old.info()),
      'ENODEV',
    )
    assert.is(h.device('v0').info().kind, 'dummy')
  }))

test('moved, a device keeps its name and index and loses all else', () =>
  joined(({ h, x }) => {
    h.link('v0', { mtu: 1400 })
    h.link('v0', { netns: x })
    assert.equal([names(h), names(x)], [['1 lo'], ['1 lo', '2 v1', '3 v0']])
    const { up, mtu, mac } = x.link('v0')
    assert.equal([up, mtu, mac], [false, 1400, V0])
    assert.equal(
      x.route.list().filter(({ dev }) => dev === 'v0'),
      [],
    )
    x.link('v0', { netns: '', name: 'w0' })
    assert.equal(names(h), ['1 lo', '3 w0'])
    h.addr.add('w0', '10.9.0.1/24')
    h.link('w0', { up: true })
    const server = x.udp({ port: 9000 })
    h.udp().send('again', '10.9.0.2:9000')
    assert.is(textOf(server.recv()), 'again')
    server.close()
  }))

test('renamed, a device keeps its addresses, and rules by name follow the name', () =>
  joined(({ h }) => {
    h.rule.add({ oif: 'w0', table: 100 })
    h.route.add({ to: '10.9.0.2', via: '10.9.0.3', table: 100 })
    const device = h.device('v0')
    h.link('v0', { name: 'w0' })
    assert.equal([device.name, h.device('w0').ifindex], ['w0', device.ifindex])
    assert.equal(
      h.route.list('main').map(({ dev }) => dev),
      ['w0'],
    )
    assert.is(h.route.get({ to: '10.9.0.2', oif: 'w0' }).via, '10.9.0.3')
    assert.is(h.sysctl('net.ipv4.conf.w0.forwarding'), '0')
    assert.is(
      codeOf(() => h.sysctl('net.ipv4.conf.v0.forwarding')),
      'ENOENT',
    )
  }))

test('a dummy has carrier and takes what is sent; its address is ours', async () => {
  const net = await lab()
  const h = net.host('h')
  const dummy = h.link.add({ kind: 'dummy', name: 'd0' })
  h.addr.add('d0', '10.7.0.1/24')
  h.link('d0', { up: true })
  const { up, carrier, kind } = dummy.info()
  assert.equal([up, carrier, kind], [true, true, 'dummy'])
  const server = h.udp({ port: 9 })
  h.udp().send('home', '10.7.0.1:9')
  assert.is(textOf(server.recv()), 'home')
  h.udp().send('away', '10.7.0.2:9')
  assert.equal(counts(h, 'd0'), [0, 1, 0, 0])
  assert.equal(
    h.neigh.list().filter(({ state }) => state !== 'noarp'),
    [],
  )
  await net.close()
})

test('a train goes over whole, and is cut for a reader who takes datagrams', () =>
  joined(({ h, x }) => {
    h.neigh.add({ dev: 'v0', ip: '10.9.0.2', mac: V1 })
    const before = counts(h, 'v0')[1]!
    const whole = x.udp({ port: 9001, options: { UDP_GRO: 1 } })
    const single = x.udp({ port: 9000 })
    const sender = h.udp({ options: { UDP_SEGMENT: 500 } })
    for (const port of [9000, 9001]) sender.send(new Uint8Array(1200).fill(port & 255), `10.9.0.2:${port}`)
    assert.equal(
      [single.recv()!.length, single.recv()!.length, single.recv()!.length, single.recv()],
      [500, 500, 200, undefined],
    )
    assert.is(whole.recv()!.length, 1200)
    assert.is(counts(h, 'v0')[1]! - before, 2)
    for (const socket of [whole, single, sender]) socket.close()
  }))

test('a namespace between two others forwards, and answers for what it cannot', async () => {
  const net = await lab()
  const router = net.host('r')
  const [a, b] = [router.netns('a'), router.netns('b')]
  for (const [space, name, subnet] of [
    [a, 'va', '10.1.0'],
    [b, 'vb', '10.2.0'],
  ] as const) {
    router.link.add({ kind: 'veth', name, peer: { name: 'eth0', netns: space } })
    router.addr.add(name, `${subnet}.1/24`)
    router.link(name, { up: true })
    space.addr.add('eth0', `${subnet}.2/24`)
    space.link('eth0', { up: true })
    space.route.add({ to: 'default', via: `${subnet}.1` })
  }
  router.sysctl('net.ipv4.ip_forward', 1)
  const server = b.udp({ port: 9000 })
  const client = a.udp({ port: 4000, options: { IP_RECVERR: 1 } })
  client.send('through', '10.2.0.2:9000')
  assert.equal([textOf(server.recv()), router.counters()['IpForwDatagrams']], ['through', 1])
  // Nobody listens: the error comes back through the router.
  client.send('x', '10.2.0.2:9001')
  assert.is(
    codeOf(() => client.recv()),
    'ECONNREFUSED',
  )
  client.recv({ flags: ['MSG_ERRQUEUE'] })
  router.link('vb', { mtu: 1000 })
  client.send(new Uint8Array(1400), '10.2.0.2:9000')
  assert.is(a.route.get('10.2.0.2').metrics['mtu'], 1000)
  client.close()
  server.close()
  await closeEmpty(net)
})

test('steered packets are received by the CPU of their flow; softnet_stat says who was asked', async () => {
  const net = await lab()
  const h = net.host('h', { cpus: 4 })
  const nic = h.nic('eth0', { mac: V0 })
  h.addr.add('eth0', '10.0.0.1/24')
  h.link('eth0', { up: true, rps: [1, 2, 3] })
  const server = h.udp({ port: 7, options: { SO_RCVBUF: 1 << 20 } })
  const flow = (port: number): Uint8Array => udp({ pad: 60, dmac: V0, from: `10.0.0.2:${port}`, to: '10.0.0.1:7' })
  nic.rx(Array.from({ length: 64 }, (_, i) => flow(4000 + i)))
  net.run()
  let got = 0
  while (server.recv()) got++
  const rows = h
    .proc('/proc/net/softnet_stat')
    .trim()
    .split('\n')
    .map((row) => row.split(/\s+/).map((word) => parseInt(word, 16)))
  // processed, dropped, received_rps
  assert.equal([got, rows.length], [64, 4])
  assert.equal(rows[0]!.slice(0, 2), [0, 0])
  assert.is(rows[0]![9], 0)
  for (const row of rows.slice(1)) assert.ok(row[0]! > 5 && row[9] === 1, row.join(' '))
  assert.is(
    rows.reduce((sum, row) => sum + row[0]!, 0),
    64,
  )
  assert.is(
    codeOf(() => h.link('eth0', { rps: [4] })),
    'EINVAL',
  )
  h.link('eth0', { rps: [] })
  nic.rx([flow(1)])
  net.run()
  assert.ok(server.recv())
  server.close()
  assert.ok(net.account().balanced)
  await net.close()
})

const refused: readonly (readonly [what: string, call: (h: Host) => unknown, code: string])[] = [
  ['a name that is taken', (h) => h.link.add({ kind: 'veth', name: 'v0', peer: { name: 'p' } }), 'EEXIST'],
  ['a peer name that is taken', (h) => h.link.add({ kind: 'veth', name: 'p', peer: { name: 'v0' } }), 'EEXIST'],
  ['both ends of one name', (h) => h.link.add({ kind: 'veth', name: 'p', peer: { name: 'p' } }), 'EEXIST'],
  ['no name', (h) => h.link.add({ kind: 'dummy', name: '' }), 'EINVAL'],
  ['a long name', (h) => h.link.add({ kind: 'dummy', name: 'x'.repeat(16) }), 'EINVAL'],
  ['a namespace that is not there', (h) => h.link('v0', { netns: 'nowhere' }), 'ENOENT'],
  ['a bad MAC', (h) => h.link.add({ kind: 'veth', name: 'p', peer: { name: 'q', mac: 'no' } }), 'EINVAL'],
  ['a kind that is not there', (h) => h.link.add({ kind: 'bond', name: 'p' } as never), 'EOPNOTSUPP'],
  ['to take lo away', (h) => h.link.del('lo'), 'EOPNOTSUPP'],
  ['to move lo', (h) => h.link('lo', { netns: 'x' }), 'EINVAL'],
  ['to take away what is not there', (h) => h.link.del('p'), 'ENODEV'],
  ['to rename to a taken name', (h) => h.link('v0', { name: 'lo' }), 'EEXIST'],
  ['to rename to no name', (h) => h.link('v0', { name: 'a/b' }), 'EINVAL'],
  ['carrier of a veth', (h) => h.link('v0', { carrier: false }), 'EOPNOTSUPP'],
]

for (const [what, call, expected] of refused) {
  test(`refused: ${what}`, () =>
    joined(({ h, x }) => {
      const before = JSON.stringify([names(h), names(x), h.link('v0'), x.link('v1')])
      assert.is(
        codeOf(() => call(h)),
        expected,
      )
      assert.is(JSON.stringify([names(h), names(x), h.link('v0'), x.link('v1')]), before)
    }))
}

test.run()
