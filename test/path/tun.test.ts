// TUNs: IP packets without link headers, from and to a program. Figures and errors are those of Linux 6.18 for the same calls.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Tun, type UdpSocket, lab } from '../../src/index.ts'
import { closeEmpty } from './ends.ts'
import { type Ip, ip, read, udpDatagram } from './packets.ts'

const test = suite('tun')
const ETH_HLEN = 14

interface World {
  net: Lab
  h: Host
  tun: Tun
  socket: UdpSocket
}

/** tun0 10.7.0.1/24, up; a socket at port 9. At the end no packet is left. */
async function world(tell: (world: World) => void): Promise<void> {
  const net = await lab()
  const h = net.host('h')
  const tun = h.tun('tun0')
  h.addr.add('tun0', '10.7.0.1/24')
  h.link('tun0', { up: true })
  const socket = h.udp({ port: 9, options: { SO_RCVBUF: 1 << 20, SO_SNDBUF: 1 << 20 } })
  tell({ net, h, tun, socket })
  socket.close()
  tun.tx()
  await closeEmpty(net)
}

const ENDS: Ip = { from: '10.7.0.2', to: '10.7.0.1' }
/** A datagram without link header. */
const packet = (data: string): Uint8Array =>
  ip({ ...ENDS, protocol: 17 }, udpDatagram({ from: '10.7.0.2:4000', to: '10.7.0.1:9', data })).slice(ETH_HLEN)
const framed = (bytes: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(ETH_HLEN + bytes.length)
  frame[12] = 8
  frame.set(bytes, ETH_HLEN)
  return frame
}
const counts = (tun: Tun): number[] => {
  const { stats } = tun.info()
  return [stats.rx_packets, stats.rx_bytes, stats.rx_dropped, stats.tx_packets, stats.tx_dropped]
}

test('it is a point-to-point link without ARP and with a short queue', () =>
  world(({ h, tun }) => {
    const { flags, mtu, txQueueLen, carrier, kind } = tun.info()
    // IFF_UP, IFF_POINTOPOINT, IFF_NOARP, IFF_MULTICAST
    assert.equal([flags, mtu, txQueueLen, carrier, kind], [1 | 16 | 128 | 0x1000, 1500, 500, true, 'tun'])
    assert.equal(
      h.route
        .list()
        .filter(({ dev }) => dev === 'tun0')
        .map(({ to, type }) => `${type} ${to}`),
      ['unicast 10.7.0.0/24', 'local 10.7.0.1/32', 'broadcast 10.7.0.255/32'],
    )
  }))

test('what is written is received', () =>
  world(({ tun, socket }) => {
    assert.equal([...tun.rx([packet('abc')]).refused], [])
    assert.equal(socket.recv()!.from, { address: '10.7.0.2', port: 4000 })
    assert.equal(counts(tun), [1, 31, 0, 0, 0])
  }))

test('what is sent is read, without link header', () =>
  world(({ h, tun, socket }) => {
    socket.send('hello', '10.7.0.2:77')
    const [sent] = tun.tx()
    const seen = read(framed(sent!))
    assert.equal([sent!.length, seen.from, seen.to], [33, '10.7.0.1:9', '10.7.0.2:77'])
    assert.equal(counts(tun), [0, 0, 0, 1, 0])
    assert.equal(h.neigh.list(), [])
  }))

const writes: readonly (readonly [what: string, bytes: Uint8Array, refused: string | undefined])[] = [
  ['nothing', new Uint8Array(0), 'EINVAL'],
  ['the first byte of an IPv4 header', Uint8Array.of(0x45), undefined],
  ['an IPv6 header', Uint8Array.of(0x60, ...new Uint8Array(40)), undefined],
  ['version 5', Uint8Array.of(0x50, ...new Uint8Array(40)), 'EINVAL'],
  ['version 0', new Uint8Array(41), 'EINVAL'],
  ['half an IPv4 header', packet('x').slice(0, 10), undefined],
]

for (const [what, bytes, refused] of writes) {
  test(`written: ${what}`, () =>
    world(({ tun }) => {
      assert.is(tun.rx([bytes]).refused.get(0), refused)
      assert.equal(counts(tun).slice(0, 3), refused ? [0, 0, 1] : [1, bytes.length, 0])
    }))
}

test('down, it refuses what is written', () =>
  world(({ h, tun }) => {
    h.link('tun0', { up: false })
    assert.is(tun.rx([packet('x')]).refused.get(0), 'EIO')
    assert.equal(counts(tun).slice(0, 3), [0, 0, 1])
    assert.equal(
      h.drops().map(({ reason }) => reason),
      ['DEV_READY'],
    )
  }))

test('the reader has room for the queue length; what does not fit is FULL_RING', () =>
  world(({ h, tun, socket }) => {
    for (let i = 0; i < 600; i++) socket.send('x', '10.7.0.2:77')
    assert.equal(counts(tun).slice(3), [0, 100])
    assert.equal(
      h.drops().map(({ reason, function: fn, count }) => [reason, fn, count]),
      [['FULL_RING', 'tun_net_xmit', 100]],
    )
    assert.is(tun.tx().length, 500)
    h.link('tun0', { txqueuelen: 3 })
    for (let i = 0; i < 6; i++) socket.send('x', '10.7.0.2:77')
    assert.equal(counts(tun).slice(3), [500, 103])
    assert.is(tun.tx().length, 3)
  }))

test('packet sockets see packets, and name no hardware address', () =>
  world(({ h, tun, socket }) => {
    const raw = h.socket('packet', 'ALL')
    raw.bind('tun0')
    const cooked = h.socket('packet-dgram', 'ALL')
    cooked.bind('tun0')
    tun.rx([packet('abc')])
    socket.send('hello', '10.7.0.2:77')
    for (const seen of [raw, cooked]) {
      const [first, second] = [seen.recv()!, seen.recv()!]
      assert.equal([first.data[0], first.length, second.length], [0x45, 31, 33])
      const link = first.link as { hatype: number; mac?: string; pkttype: unknown; protocol: unknown }
      assert.is(link.hatype, 65534)
      assert.ok(!link.mac)
    }
    raw.send(packet('sent'), { to: 'tun0' })
    cooked.send(packet('sent'), { to: { dev: 'tun0', protocol: 0x800 } })
    assert.is(tun.tx().length, 3)
    raw.close()
    cooked.close()
  }))

test.run()
