// IPv4 in IPv4 over a TAP. The machine that the recordings come from has no ipip: this holds RFC 2003, RFC 6040 and what
// Linux's documentation says of its counters.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type IpipLink, type Lab, type Tap, type UdpSocket, lab } from '../../src/index.ts'
import { closeEmpty, codeOf } from './ends.ts'
import { HOST_MAC, type Ip, PEER_MAC, bytesOf, icmp, ip, ipPacket, read, udpDatagram } from './packets.ts'

const test = suite('ipip')

interface World {
  net: Lab
  h: Host
  tap: Tap
  socket: UdpSocket
}

/** eth0 10.0.0.1 (a TAP), t0 10.5.0.1 to 10.0.0.2 by it; a socket at port 9. At the end no packet is left. */
async function world(tell: (world: World) => void, link: Partial<IpipLink> = {}): Promise<void> {
  const net = await lab()
  const h = net.host('h')
  const tap = h.tap('eth0', { mac: HOST_MAC })
  h.addr.add('eth0', '10.0.0.1/24')
  h.link('eth0', { up: true })
  for (const to of ['10.0.0.2', '10.0.0.3']) h.neigh.add({ dev: 'eth0', ip: to, mac: PEER_MAC })
  h.link.add({ kind: 'ipip', name: 't0', local: '10.0.0.1', remote: '10.0.0.2', ...link })
  h.addr.add('t0', '10.5.0.1/24')
  h.link('t0', { up: true })
  tap.tx()
  const socket = h.udp({ port: 9 })
  tell({ net, h, tap, socket })
  socket.close()
  net.advance('60s')
  tap.tx()
  await closeEmpty(net)
}

const counts = (h: Host, dev = 't0'): Record<string, number> =>
  Object.fromEntries(Object.entries(h.link(dev).stats).filter(([, value]) => value !== 0))
/** The packet within a frame, as a frame. */
const within = (frame: Uint8Array): Uint8Array => {
  const out = frame.slice(20)
  out.set(frame.subarray(0, 14))
  return out
}
const ENDS = { from: '10.5.0.2:4000', to: '10.5.0.1:9' }
const inner = (fields: Ip = {}): Uint8Array =>
  ipPacket({ from: '10.5.0.2', to: '10.5.0.1', protocol: 17, ...fields }, udpDatagram({ ...ENDS, data: 'abc' }))
const tunnelled = (packet: Uint8Array, outer: Ip = {}): Uint8Array =>
  ip({ from: '10.0.0.2', to: '10.0.0.1', protocol: 4, ...outer }, packet)

test('a point-to-point link without queue and 20 bytes narrower', () =>
  world(({ h }) => {
    const { mtu, flags, mac, kind } = h.link('t0')
    // IFF_UP, IFF_POINTOPOINT, IFF_NOARP
    assert.equal([mtu, flags, mac, kind], [1480, 1 | 16 | 128, '', 'ipip'])
  }))

test('a datagram goes out in an outer packet with the TTL and mark of the inner one, and DF', () =>
  world(({ h, tap, socket }) => {
    socket.socket.setsockopt('IP_TTL', 9)
    socket.socket.setsockopt('IP_TOS', 0xb9)
    socket.send('hello', '10.5.0.2:77')
    const [sent] = tap.tx()
    const { from, to, protocol, ttl, tos, df, wrong } = read(sent!)
    assert.equal([from, to, protocol, ttl, tos, df, wrong], ['10.0.0.1', '10.0.0.2', 4, 9, 1, true, []])
    const packet = read(within(sent!))
    assert.equal([packet.from, packet.to, packet.data, packet.wrong], ['10.5.0.1:9', '10.5.0.2:77', 'hello', []])
    assert.equal(counts(h), { tx_packets: 1, tx_bytes: 33 })
  }))

const outers: readonly (readonly [what: string, link: Partial<IpipLink>, df: boolean, ttl: number, tos: number])[] = [
  ['a TTL of its own', { ttl: 7 }, true, 7, 1],
  ['a TOS of its own', { tos: 0x10 }, true, 64, 0x11],
  ['the inner TOS', { tos: 'inherit' }, true, 64, 0xb9],
  ['DF as within: not', { pmtudisc: false }, false, 64, 1],
]
for (const [what, link, df, ttl, tos] of outers) {
  test(`the outer header: ${what}`, () =>
    world(({ tap, socket }) => {
      socket.socket.setsockopt('IP_TOS', 0xb9)
      socket.socket.setsockopt('IP_MTU_DISCOVER', 0)
      socket.send('x', '10.5.0.2:77')
      const seen = read(tap.tx()[0]!)
      assert.equal([seen.df, seen.ttl, seen.tos], [df, ttl, tos])
    }, link))
}

test('what comes out of the tunnel is received by its device', () =>
  world(({ h, tap, socket }) => {
    tap.rx([tunnelled(inner())])
    assert.equal(socket.recv()!.from, { address: '10.5.0.2', port: 4000 })
    assert.equal(counts(h), { rx_packets: 1, rx_bytes: 31 })
    const { IpInReceives, IpInDelivers } = h.counters()
    assert.equal([IpInReceives, IpInDelivers], [2, 2])
  }))

const strangers: readonly (readonly [what: string, frame: Uint8Array, answer: string | undefined, reason: string])[] = [
  ['from elsewhere', tunnelled(inner(), { from: '10.0.0.3' }), '3 3', 'NOT_SPECIFIED'],
  ['with less than a header', tunnelled(bytesOf('short')), undefined, 'NOT_SPECIFIED'],
]
for (const [what, frame, answer, reason] of strangers) {
  test(`received: ${what}`, () =>
    world(({ h, tap }) => {
      tap.rx([frame])
      assert.equal(counts(h), {})
      assert.equal(
        h.drops().map((drop) => [drop.reason, drop.function]),
        [[reason, 'tunnel4_rcv']],
      )
      const [error] = tap.tx().map(read)
      assert.is(error && `${error.type} ${error.code}`, answer)
    }))
}

test('without any tunnel the protocol is unknown', async () => {
  const net = await lab()
  const h = net.host('h')
  const tap = h.tap('eth0', { mac: HOST_MAC })
  h.addr.add('eth0', '10.0.0.1/24')
  h.link('eth0', { up: true })
  h.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  tap.tx()
  tap.rx([tunnelled(inner())])
  const [error] = tap.tx().map(read)
  assert.equal([error!.type, error!.code], [3, 2])
  await net.close()
})

test('congestion: CE without ECT within is dropped, else the inner packet is marked', () =>
  world(({ h, tap, socket }) => {
    tap.rx([tunnelled(inner(), { tos: 3 })])
    assert.equal(counts(h), { rx_errors: 1, rx_frame_errors: 1 })
    tap.rx([tunnelled(inner({ tos: 2 }), { tos: 3 })])
    assert.ok(socket.recv())
    assert.is(h.counters()['IpExtInCEPkts'], 3)
  }))

test('too long with DF: the sender within hears how much fits', () =>
  world(({ h, tap, socket }) => {
    // The path of the outer packets is known to be narrower.
    socket.send(new Uint8Array(1400), '10.5.0.2:77')
    const quote = tap.tx()[0]!.slice(14, 14 + 40)
    tap.rx([icmp({ type: 3, code: 4, rest: 1300, from: '10.0.0.254', data: quote })])
    assert.is(h.route.get('10.0.0.2').metrics['mtu'], 1300)
    socket.socket.setsockopt('IP_MTU_DISCOVER', 2)
    assert.is(
      codeOf(() => socket.send(new Uint8Array(1400), '10.5.0.2:77')),
      '',
    )
    assert.equal(counts(h)['tx_errors'], 1)
    assert.is(
      codeOf(() => socket.send(new Uint8Array(1400), '10.5.0.2:77')),
      'EMSGSIZE',
    )
    assert.is(h.route.get('10.5.0.2').metrics['mtu'], 1280)
  }))

test('errors about outer packets reach the next senders within', () =>
  world(({ h, tap, socket }) => {
    socket.socket.setsockopt('IP_RECVERR', 1)
    socket.send('x', '10.5.0.2:77')
    const quote = tap.tx()[0]!.slice(14, 14 + 40)
    tap.rx([icmp({ type: 3, code: 1, from: '10.0.0.254', data: quote })])
    assert.is(
      codeOf(() => socket.recv()),
      '',
    )
    socket.send('x', '10.5.0.2:77')
    assert.is(
      codeOf(() => socket.recv()),
      'EHOSTUNREACH',
    )
    assert.is(h.counters()['IcmpOutDestUnreachs'], 1)
    tap.tx()
  }))

test('a tunnel whose outer route leads into itself', () =>
  world(({ h, socket }) => {
    h.route.add({ to: '10.0.0.2', dev: 't0' })
    socket.send('x', '10.5.0.2:77')
    assert.equal(counts(h), { tx_errors: 1, collisions: 1 })
  }))

test('no route for outer packets', () =>
  world(({ h, socket }) => {
    h.addr.del('eth0', '10.0.0.1/24')
    socket.send('x', '10.5.0.2:77')
    assert.equal(counts(h), { tx_errors: 1, tx_carrier_errors: 1 })
  }))

test('without a far end each packet goes to its next hop', () =>
  world(
    ({ h, tap, socket }) => {
      h.route.add({ to: '10.8.0.0/16', via: '10.0.0.3', dev: 't0', onlink: true })
      socket.send('x', '10.8.1.1:77')
      assert.equal(
        tap.tx().map((frame) => read(frame).to),
        ['10.0.0.3'],
      )
      tap.rx([tunnelled(inner(), { from: '10.0.0.77' })])
      assert.is(counts(h)['rx_packets'], 1)
      socket.recv()
    },
    { remote: '0.0.0.0' },
  ))

test('the tunnel that fits best: both ends before one', () =>
  world(({ h, tap, socket }) => {
    h.link.add({ kind: 'ipip', name: 't1', remote: '10.0.0.2' })
    h.link.add({ kind: 'ipip', name: 't2', local: '10.0.0.1' })
    for (const name of ['t1', 't2']) h.link(name, { up: true })
    const into = (from: string): string[] => {
      tap.rx([tunnelled(inner(), { from })])
      socket.recv()
      return ['t0', 't1', 't2'].filter((name) => counts(h, name)['rx_packets'])
    }
    assert.equal(into('10.0.0.2'), ['t0'])
    assert.equal(into('10.0.0.3'), ['t0', 't2'])
    h.link('t0', { up: false })
    assert.equal(into('10.0.0.2'), ['t0', 't1', 't2'])
  }))

test('trains leave the device below cut, each segment with both headers', () =>
  world(({ tap, socket }) => {
    socket.socket.setsockopt('UDP_SEGMENT', 500)
    socket.send(new Uint8Array(1200).fill(7), '10.5.0.2:77')
    const frames = tap.tx()
    assert.equal(
      frames.map(({ length }) => length),
      [562, 562, 262],
    )
    for (const frame of frames) assert.equal([...read(frame).wrong, ...read(within(frame)).wrong], [])
  }))

test('between namespaces: outer packets of one, the device in another', () =>
  world(({ h, tap }) => {
    const x = h.netns('x')
    h.link('t0', { netns: x })
    x.addr.add('t0', '10.5.0.1/24')
    x.link('t0', { up: true })
    const socket = x.udp({ port: 9 })
    socket.send('hello', '10.5.0.2:77')
    assert.is(read(tap.tx()[0]!).to, '10.0.0.2')
    tap.rx([tunnelled(inner())])
    assert.ok(socket.recv())
    assert.equal([h.account().balanced, x.account().balanced], [true, true])
    socket.close()
  }))

const refused: readonly (readonly [what: string, link: Partial<IpipLink>, code: string])[] = [
  ['the ends of another', { local: '10.0.0.1', remote: '10.0.0.2' }, 'EEXIST'],
  ['a TTL without path MTU discovery', { ttl: 9, pmtudisc: false }, 'EINVAL'],
  ['a TTL of 256', { ttl: 256 }, 'EINVAL'],
  ['no such device below', { dev: 'eth9' }, 'ENODEV'],
]
for (const [what, link, expected] of refused) {
  test(`refused: ${what}`, () =>
    world(({ h }) => {
      assert.is(
        codeOf(() => h.link.add({ kind: 'ipip', name: 't9', ...link })),
        expected,
      )
      assert.is(h.devices().length, 3)
    }))
}

test.run()
