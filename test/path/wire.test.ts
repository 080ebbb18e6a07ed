// Hosts on wires: both ways, rate, delay, loss; and what belongs to one host or namespace alone.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Nic, type Tap, type UdpSocket, type WireOptions, lab } from '../../src/index.ts'
import { HOST_MAC, udp } from './packets.ts'

const test = suite('wire')
const textOf = (datagram: { data: Uint8Array } | undefined): string | undefined =>
  datagram && new TextDecoder().decode(datagram.data)

type Pair = { net: Lab; a: Host & { eth0: Nic }; b: Host & { eth0: Nic } }

/** Two hosts on a wire; in the end every packet is accounted for. */
async function between(options: WireOptions, tell: (pair: Pair) => void | Promise<void>): Promise<void> {
  const net = await lab()
  const a = net.host('a', { eth0: '10.0.0.1/24' })
  const b = net.host('b', { eth0: '10.0.0.2/24' })
  net.link(a.eth0, b.eth0, options)
  await tell({ net, a, b })
  for (const host of [a, b]) assert.ok(host.account().balanced, host.name)
  await net.close()
}

test('a datagram goes over and an answer comes back, after ARP', () =>
  between({ delay: '20us' }, ({ net, a, b }) => {
    const server = b.udp({ port: 9000 })
    const client = a.udp({ port: 4000 })
    client.send('question', '10.0.0.2:9000')
    net.run()
    const got = server.recv()!
    assert.equal([textOf(got), got.from], ['question', { address: '10.0.0.1', port: 4000 }])
    // Request, reply and datagram: three times over the wire.
    assert.is(net.now, 60_000)
    server.send('answer', got.from)
    net.run()
    assert.is(textOf(client.recv()), 'answer')
    assert.is(net.now, 80_000)
    const state = (host: Host): unknown => host.neigh.list().map(({ ip, state }) => [ip, state])
    assert.equal(state(a), [['10.0.0.2', 'reachable']])
    assert.is(net.account().live, 0)
  }))

test('a rate takes its time: bytes, preamble, checksum and gap', () =>
  between({ rate: '10mbit' }, ({ net, a, b }) => {
    const server = b.udp({ port: 9000 })
    a.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: b.eth0.info().mac })
    const client = a.udp()
    const start = net.now
    client.send(new Uint8Array(1472), '10.0.0.2:9000')
    net.run()
    assert.ok(server.recv())
    assert.is(net.now - start, (1514 + 24) * 800)
    client.send('x', '10.0.0.2:9000')
    const before = net.now
    net.run()
    assert.is(net.now - before, (60 + 24) * 800)
  }))

test('what is sent faster than the wire queues, and leaves in order', () =>
  between({ rate: '100mbit' }, ({ net, a, b }) => {
    const server = b.udp({ port: 9000, options: { SO_RCVBUFFORCE: 1 << 24 } })
    a.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: b.eth0.info().mac })
    const client = a.udp({ options: { SO_SNDBUFFORCE: 1 << 24 } })
    for (let i = 0; i < 400; i++) client.send(Uint8Array.of(i, i >> 8), '10.0.0.2:9000')
    net.run()
    const batch = server.recvBatch(1024)!
    assert.is(batch.count, 400)
    for (let i = 0; i < 400; i++)
      assert.is(batch.data[batch.offsets[i]!]! | (batch.data[batch.offsets[i]! + 1]! << 8), i)
  }))

test('a lossy wire loses by its seed, and says what', async () => {
  const lost = async (seed: number): Promise<number[]> => {
    const net = await lab({ seed })
    const a = net.host('a', { eth0: '10.0.0.1/24' })
    const b = net.host('b', { eth0: '10.0.0.2/24' })
    const wire = net.link(a.eth0, b.eth0, { loss: '20%' })
    a.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: b.eth0.info().mac })
    const server = b.udp({ port: 9000, options: { SO_RCVBUFFORCE: 1 << 24 } })
    const { sent } = await a.blast('10.0.0.2:9000', { packets: 1000, size: 10, pps: 1e6 })
    assert.is(sent, 1000)
    let got = 0
    for (let batch = server.recvBatch(1024); batch; batch = server.recvBatch(1024)) got += batch.count
    const [there] = wire.stats()
    assert.is(there.lost + got, there.frames)
    await net.close()
    return [there.lost, got]
  }
  const first = await lost(5)
  assert.ok(first[0]! > 120 && first[0]! < 280, `${first[0]} of 1000 lost`)
  assert.equal(await lost(5), first)
  assert.not.equal(await lost(6), first)
})

test('without a wire there is no carrier, and unplugging takes it', async () => {
  const net = await lab()
  const a = net.host('a', { eth0: '10.0.0.1/24' })
  const b = net.host('b', { eth0: '10.0.0.2/24' })
  assert.is(a.eth0.info().carrier, false)
  const wire = net.link(a.eth0, b.eth0)
  assert.equal([a.eth0.info().carrier, b.eth0.info().carrier], [true, true])
  const server = b.udp({ port: 9000 })
  const client = a.udp()
  client.send('x', '10.0.0.2:9000')
  net.run()
  assert.ok(server.recv())
  wire.unplug()
  assert.equal([a.eth0.info().carrier, b.eth0.info().carrier], [false, false])
  net.advance('2s')
  try {
    client.send('y', '10.0.0.2:9000')
  } catch (error) {
    assert.is((error as { code?: string }).code, 'ENETUNREACH')
  }
  net.advance('10s')
  assert.is(server.recv(), undefined)
  net.link(a.eth0, b.eth0)
  net.advance('2s')
  client.send('z', '10.0.0.2:9000')
  net.run()
  assert.is(textOf(server.recv()), 'z')
  const { balanced } = net.account()
  assert.ok(balanced)
  await net.close()
})

test('a host in between forwards', async () => {
  const net = await lab()
  const a = net.host('a', { eth0: '10.0.0.2/24' })
  const router = net.host('router', { eth0: '10.0.0.1/24', eth1: '10.0.1.1/24' })
  const b = net.host('b', { eth0: '10.0.1.2/24' })
  net.link(a.eth0, router.eth0, { delay: '1ms' })
  net.link(router.eth1, b.eth0, { delay: '1ms' })
  router.sysctl('net.ipv4.ip_forward', 1)
  a.route.add({ to: 'default', via: '10.0.0.1' })
  b.route.add({ to: 'default', via: '10.0.1.1' })
  const server = b.udp({ port: 9000, options: { IP_RECVTTL: 1 } })
  const client = a.udp({ port: 4000 })
  client.send('far', '10.0.1.2:9000')
  net.run()
  const got = server.recv()!
  assert.equal([textOf(got), got.from.address, got.cmsg], ['far', '10.0.0.2', { IP_TTL: 63 }])
  server.send('back', got.from)
  net.run()
  assert.is(textOf(client.recv()), 'back')
  assert.is(router.counters()['IpForwDatagrams'], 2)
  await net.close()
})

test('a blast sends what it says, at its rate, and answers what was refused', () =>
  between({ rate: '10gbit', delay: '20us' }, async ({ net, a, b }) => {
    const server = b.udp({ port: 9000, options: { SO_RCVBUFFORCE: 1 << 26 } })
    const result = await a.blast('10.0.0.2:9000', { packets: 5000, size: 64, pps: 1e6 })
    assert.equal([result.sent, result.errors], [5000, {}])
    assert.ok(result.ns >= 4_999_000 && result.ns < 6_000_000, `${result.ns} ns`)
    let got = 0
    for (let batch = server.recvBatch(1024); batch; batch = server.recvBatch(1024)) got += batch.count
    // Until ARP has been answered, some wait in a queue that is not endless.
    assert.ok(got > 4900 && got <= 5000, `${got}`)
    assert.ok(net.account().balanced)
    const unreachable = await a.blast('192.0.2.1:9', { packets: 3 })
    assert.equal([unreachable.sent, unreachable.errors], [0, { ENETUNREACH: 3 }])
  }))

type Space = { tap: Tap; socket: UdpSocket }

test('two namespaces of a host share nothing', async () => {
  const net = await lab()
  const host = net.host('h')
  const blue = host.netns('blue')
  const [first, second] = [host, blue].map((space) => {
    const tap = space.tap('eth0', { mac: HOST_MAC })
    space.link('lo', { up: true })
    space.addr.add('eth0', '10.0.0.1/24')
    space.link('eth0', { up: true })
    return { tap, socket: space.udp({ port: 7 }) }
  }) as [Space, Space]
  const before = host.counters()
  second.tap.rx([udp({ data: 'blue' })])
  assert.is(first.socket.recv(), undefined)
  assert.is(textOf(second.socket.recv()), 'blue')
  assert.equal(host.counters(), before)
  assert.is(blue.counters()['UdpInDatagrams'], 1)
  blue.sysctl('net.ipv4.ip_forward', 1)
  blue.sysctl('net.ipv4.ip_default_ttl', 33)
  blue.route.add({ to: '192.0.2.0/24', dev: 'eth0' })
  blue.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: '02:00:00:00:00:02' })
  assert.equal([host.sysctl('net.ipv4.ip_forward'), host.sysctl('net.ipv4.ip_default_ttl')], ['0', '64'])
  assert.equal(host.neigh.list(), [])
  assert.throws(
    () => host.route.get('192.0.2.1'),
    (error: { code?: string }) => error.code === 'ENETUNREACH',
  )
  assert.is(blue.route.get('192.0.2.1').dev, 'eth0')
  const sender = blue.udp()
  sender.send('x', '10.0.0.2:9')
  assert.is(second.tap.tx().length, 1)
  assert.is(first.tap.tx().length, 0)
  assert.equal(
    host.namespaces().map(({ netnsName }) => netnsName),
    ['', 'blue'],
  )
  assert.is(host.netns('blue').counters()['UdpInDatagrams'], 1)
  assert.ok(blue.account().balanced && net.account().balanced)
  await net.close()
})

test('lo of a new namespace is down until it is set up', async () => {
  const net = await lab()
  const space = net.host('h').netns('blue')
  const socket = space.udp({ port: 7 })
  assert.throws(
    () => socket.send('x', '127.0.0.1:7'),
    (error: { code?: string }) => error.code === 'ENETUNREACH',
  )
  space.link('lo', { up: true })
  socket.send('x', '127.0.0.1:7')
  assert.is(textOf(socket.recv()), 'x')
  await net.close()
})

test('hosts with CPUs of their own, and all of a lab by name', async () => {
  const net = await lab({ seed: 3 })
  const a = net.host('a', { eth0: '10.0.0.1/24', cpus: 2 })
  const b = net.host('b', { eth0: { addresses: ['10.0.0.2/24', '10.0.5.2/24'], mtu: 9000, queues: 2 }, cpus: 4 })
  assert.equal([a.cpus, b.cpus, net.seed, net.now], [2, 4, 3, 0])
  assert.equal(
    net.hosts().map(({ name }) => name),
    ['a', 'b'],
  )
  assert.is(net.getHost('b').device('eth0').info().mtu, 9000)
  assert.is(b.proc('/proc/net/softnet_stat').trimEnd().split('\n').length, 4)
  net.remove(a)
  assert.equal(
    net.hosts().map(({ name }) => name),
    ['b'],
  )
  await net.close()
  await net.close()
})

test.run()
