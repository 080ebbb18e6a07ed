// VXLAN over a TAP. Bytes, counters, reasons and errors are those of Linux 6.18 for the same steps (a VXLAN device with a TAP
// below, and kfree_skb's tracepoint); what is random there, ids and source ports, is not looked at.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Tap, type UdpSocket, type VxlanLink, lab } from '../../src/index.ts'
import { closeEmpty, codeOf } from './ends.ts'
import { HOST_MAC, PEER_MAC, type Udp, icmp, join, read, udp } from './packets.ts'

const test = suite('vxlan')

const MAC = '02:00:00:00:42:01'
const FAR = '02:00:00:00:42:02'
const ETH_HLEN = 14
/** Outer Ethernet, IPv4, UDP and VXLAN headers. */
const OUTER = 50

interface World {
  net: Lab
  h: Host
  tap: Tap
  socket: UdpSocket
}

/** eth0 10.0.0.1 (a TAP) with vx0 10.42.0.1 above; a socket at port 9. At the end no packet is left. */
async function world(tell: (world: World) => void, link: Partial<VxlanLink> = {}): Promise<void> {
  const net = await lab()
  const h = net.host('h')
  const tap = h.tap('eth0', { mac: HOST_MAC })
  h.addr.add('eth0', '10.0.0.1/24')
  h.link('eth0', { up: true })
  for (const ip of ['10.0.0.2', '10.0.0.3', '10.0.0.4']) h.neigh.add({ dev: 'eth0', ip, mac: PEER_MAC })
  const given = { local: '10.0.0.1', remote: '10.0.0.2', dev: 'eth0', mac: MAC, ...link }
  h.link.add({ kind: 'vxlan', name: 'vx0', id: 42, ...given })
  h.addr.add('vx0', '10.42.0.1/24')
  h.link('vx0', { up: true })
  for (const [ip, mac] of [
    ['10.42.0.2', FAR],
    ['10.42.0.3', '02:00:00:00:42:03'],
    ['10.42.0.9', '02:00:00:00:42:09'],
  ] as const) {
    h.neigh.add({ dev: 'vx0', ip, mac })
  }
  tap.tx()
  const socket = h.udp({ port: 9, options: { SO_BROADCAST: 1 } })
  tell({ net, h, tap, socket })
  socket.close()
  net.advance('60s')
  if (h.devices().some(({ name }) => name === 'eth0')) tap.tx()
  await closeEmpty(net)
}

interface Vxlan extends Udp {
  flags?: number
  vni?: number
  /** The byte behind the VNI. */
  low?: number
}

const be32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
/** A VXLAN packet to the host with a frame in it. */
const vxlan = (frame: Uint8Array, { flags = 0x08000000, vni = 42, low = 0, ...outer }: Vxlan = {}): Uint8Array =>
  udp({
    from: '10.0.0.2:50000',
    to: '10.0.0.1:4789',
    checksumOff: 'none',
    ...outer,
    data: join(be32(flags), be32((vni << 8) | low), frame),
  })
/** A datagram of the far end for the socket. */
const inner = (fields: Udp = {}): Uint8Array =>
  udp({ smac: FAR, dmac: MAC, from: '10.42.0.2:4000', to: '10.42.0.1:9', data: 'abc', ...fields })

const counts = (h: Host, dev = 'vx0'): Record<string, number> =>
  Object.fromEntries(Object.entries(h.link(dev).stats).filter(([, value]) => value !== 0))
const entries = (h: Host): string[] =>
  h.fdb
    .list('vx0')
    .map(({ mac, dst, state, via }) => `${mac} ${dst} ${state}${via ? ` ${via}` : ''}`)
    .sort()

test('a datagram goes out whole in an outer one, both with checksums', () =>
  world(({ h, tap, socket }) => {
    socket.send('hello', '10.42.0.2:77')
    const [sent] = tap.tx()
    const outer = read(sent!)
    assert.equal([sent!.length, outer.to, outer.ttl, outer.wrong], [97, '10.0.0.2:4789', 64, []])
    assert.equal([...sent!.slice(42, OUTER)], [8, 0, 0, 0, 0, 0, 42, 0])
    const within = read(sent!.slice(OUTER))
    assert.equal([within.from, within.to, within.wrong], ['10.42.0.1:9', '10.42.0.2:77', []])
    assert.equal([within.smac, within.dmac], [MAC, FAR])
    assert.ok(/:(3[2-9]|[45]\d|60)\d{3}$/.test(outer.from!), outer.from)
    assert.equal(counts(h), { tx_packets: 1, tx_bytes: 33 })
    // One port for a flow, another for another.
    const ports = [77, 77, 78, 79].map((to) => {
      socket.send('x', `10.42.0.2:${to}`)
      return read(tap.tx()[0]!).from
    })
    assert.is(ports[0], ports[1])
    assert.is(new Set(ports).size, 3)
  }))

test('it is Ethernet with a shorter MTU, no queue and a socket of its own while it is up', () =>
  world(({ h }) => {
    assert.is(h.link('vx0').mtu, 1450)
    assert.ok(/00000000:12B5/.test(h.proc('/proc/net/udp')))
    assert.equal(entries(h), ['00:00:00:00:00:00 10.0.0.2 permanent eth0'])
    assert.is(
      codeOf(() => h.link('vx0', { mtu: 1600 })),
      'EINVAL',
    )
    h.link('vx0', { up: false })
    assert.not.ok(/:12B5/.test(h.proc('/proc/net/udp')))
  }))

test('without checksum by wish', () =>
  world(
    ({ tap, socket }) => {
      socket.send('hello', '10.42.0.2:77')
      const [sent] = tap.tx()
      assert.equal([...sent!.slice(40, 42)], [0, 0])
      assert.equal(read(sent!.slice(OUTER)).wrong, [])
    },
    { udpcsum: false },
  ))

const received: readonly (readonly [
  what: string,
  frame: Uint8Array,
  stats: Record<string, number>,
  reason?: string,
])[] = [
  ['a datagram', vxlan(inner()), { rx_packets: 1, rx_bytes: 31 }],
  ['another VNI', vxlan(inner(), { vni: 43 }), {}, 'VXLAN_VNI_NOT_FOUND'],
  ['no I flag', vxlan(inner(), { flags: 0 }), {}, 'VXLAN_INVALID_HDR'],
  ['a reserved flag', vxlan(inner(), { flags: 0x18000000 }), { rx_errors: 1, rx_frame_errors: 1 }, 'VXLAN_INVALID_HDR'],
  ['the reserved byte', vxlan(inner(), { low: 1 }), { rx_errors: 1, rx_frame_errors: 1 }, 'VXLAN_INVALID_HDR'],
  [
    'half a header',
    udp({ from: '10.0.0.2:5', to: '10.0.0.1:4789', data: Uint8Array.of(8, 0, 0, 0), checksumOff: 'none' }),
    {},
    'PKT_TOO_SMALL',
  ],
  ['three bytes of a frame', vxlan(Uint8Array.of(1, 2, 3)), {}, 'NOMEM'],
  ['its own frame', vxlan(inner({ smac: MAC })), {}, 'LOCAL_MAC'],
  ["a group's source", vxlan(inner({ smac: '01:00:5e:00:00:01' })), {}, 'MAC_INVALID_SOURCE'],
  ['no source', vxlan(inner({ smac: '00:00:00:00:00:00' })), {}, 'MAC_INVALID_SOURCE'],
  ['congestion, not ECT within', vxlan(inner(), { tos: 3 }), { rx_errors: 1, rx_frame_errors: 1 }, 'IP_TUNNEL_ECN'],
  [
    "another host's frame",
    vxlan(inner({ dmac: '02:00:00:00:99:99' })),
    { rx_packets: 1, rx_bytes: 31, rx_otherhost_dropped: 1 },
    'OTHERHOST',
  ],
]

for (const [what, frame, stats, reason] of received) {
  test(`received: ${what}`, () =>
    world(({ h, tap, socket }) => {
      tap.rx([frame])
      assert.equal(counts(h), stats)
      assert.equal(
        h.drops().map((drop) => drop.reason),
        reason ? [reason] : [],
      )
      assert.is(socket.recv()?.length, reason ? undefined : 3)
      // The outer datagram is delivered, whatever becomes of the inner one.
      assert.is(h.counters()['UdpInDatagrams'], reason ? 1 : 2)
      assert.equal(tap.tx(), [])
    }))
}

test('a wrong outer checksum is an error of UDP', () =>
  world(({ h, tap }) => {
    tap.rx([vxlan(inner(), { checksumOff: 1 })])
    assert.equal([h.counters()['UdpInErrors'], h.counters()['UdpInCsumErrors']], [1, 1])
    assert.equal(counts(h), {})
  }))

const ECN = ['InNoECTPkts', 'InECT1Pkts', 'InECT0Pkts', 'InCEPkts']
/** The mark that the inner packet has afterwards, by the outer one and its own (RFC 6040 4.2). */
const DECAPSULATED: readonly (readonly (number | undefined)[])[] = [
  [0, 1, 2, 3],
  [0, 1, 1, 3],
  [0, 1, 2, 3],
  [undefined, 3, 3, 3],
]
for (const [outer, row] of DECAPSULATED.entries()) {
  for (const [own, mark] of row.entries()) {
    test(`congestion marks: outer ${outer}, inner ${own}`, () =>
      world(({ h, tap, socket }) => {
        tap.rx([vxlan(inner({ tos: own }), { tos: outer })])
        const expected: Record<string, number> = {}
        for (const seen of mark === undefined ? [outer] : [outer, mark]) {
          const name = `IpExt${ECN[seen]}`
          expected[name] = (expected[name] ?? 0) + 1
        }
        const marks = Object.entries(h.counters()).filter(([name]) => ECN.includes(name.slice('IpExt'.length)))
        assert.equal(Object.fromEntries(marks), expected)
        assert.is(socket.recv() === undefined, mark === undefined)
      }))
  }
}

test('TOS, TTL and DF of the outer packet', () =>
  world(({ h, tap, socket }) => {
    socket.socket.setsockopt('IP_TOS', 0xb9)
    const sent = (): unknown[] => {
      socket.send('x', '10.42.0.2:77')
      const frame = tap.tx()[0]!
      return [frame[15], frame[22], frame[20]! >> 4]
    }
    assert.equal(sent(), [1, 64, 0])
    const again = (link: Partial<VxlanLink>): void => {
      h.link.del('vx0')
      h.link.add({ kind: 'vxlan', name: 'vx0', id: 42, remote: '10.0.0.2', dev: 'eth0', mac: MAC, ...link })
      h.addr.add('vx0', '10.42.0.1/24')
      h.link('vx0', { up: true })
      h.neigh.add({ dev: 'vx0', ip: '10.42.0.2', mac: FAR })
      tap.tx()
    }
    again({ tos: 'inherit', ttl: 7 })
    assert.equal(sent(), [0xb9, 7, 0])
    again({ tos: 0x10, df: true })
    assert.equal(sent(), [0x11, 64, 4])
  }))

test('it learns where a frame came from, follows who moves, and forgets after a while', () =>
  world(({ net, h, tap, socket }) => {
    const from = (src: string, mac: string): void => {
      tap.rx([vxlan(inner({ smac: mac, from: '10.42.0.3:4000' }), { from: `${src}:50000` })])
    }
    const third = '02:00:00:00:42:03'
    from('10.0.0.3', third)
    assert.ok(entries(h).includes(`${third} 10.0.0.3 dynamic`))
    socket.send('x', '10.42.0.3:77')
    assert.is(read(tap.tx()[0]!).to, '10.0.0.3:4789')
    from('10.0.0.4', third)
    assert.ok(entries(h).includes(`${third} 10.0.0.4 dynamic`))
    net.advance('200s')
    assert.is(entries(h).length, 2)
    net.advance('120s')
    assert.is(entries(h).length, 1)
  }))

test('a written entry stays: what says otherwise is dropped', () =>
  world(({ h, tap }) => {
    h.fdb.add({ dev: 'vx0', mac: '02:00:00:00:42:05', dst: '10.0.0.3' })
    tap.rx([vxlan(inner({ smac: '02:00:00:00:42:05' }), { from: '10.0.0.4:50000' })])
    assert.equal(
      h.drops().map(({ reason }) => reason),
      ['VXLAN_ENTRY_EXISTS'],
    )
  }))

test('what has no entry goes to all of the default; the first that was written comes last', () =>
  world(({ h, tap, socket }) => {
    h.fdb.append({ dev: 'vx0', mac: '00:00:00:00:00:00', dst: '10.0.0.3' })
    socket.send('all', '10.42.0.255:77')
    assert.equal(
      tap.tx().map((frame) => read(frame).to),
      ['10.0.0.3:4789', '10.0.0.2:4789'],
    )
    assert.equal(counts(h), { tx_packets: 2, tx_bytes: 62 })
    h.fdb.add({ dev: 'vx0', mac: '02:00:00:00:42:09', dst: '10.0.0.4', port: 4790, vni: 77 })
    socket.send('x', '10.42.0.9:77')
    const [other] = tap.tx()
    assert.equal([read(other!).to, other![48]], ['10.0.0.4:4790', 77])
    for (const dst of ['10.0.0.2', '10.0.0.3']) {
      h.fdb.del({ dev: 'vx0', mac: '00:00:00:00:00:00', dst, ...(dst === '10.0.0.2' && { via: 'eth0' }) })
    }
    socket.send('x', '10.42.0.2:77')
    assert.equal(
      h
        .drops()
        .map(({ reason, function: fn }) => [reason, fn])
        .filter(([, fn]) => fn === 'vxlan_xmit'),
      [['NO_TX_TARGET', 'vxlan_xmit']],
    )
    assert.is(counts(h)['tx_dropped'], 1)
  }))

test('an outer route that is not there', () =>
  world(({ h, socket }) => {
    h.fdb.add({ dev: 'vx0', mac: '02:00:00:00:42:09', dst: '10.9.9.9' })
    socket.send('x', '10.42.0.9:77')
    assert.equal(counts(h), { tx_errors: 1, tx_carrier_errors: 1 })
    h.fdb.add({ dev: 'vx0', mac: '02:00:00:00:42:0a', dst: '10.42.0.77' })
    h.neigh.add({ dev: 'vx0', ip: '10.42.0.10', mac: '02:00:00:00:42:0a' })
    socket.send('x', '10.42.0.10:77')
    assert.equal(counts(h), { tx_errors: 2, tx_carrier_errors: 1, collisions: 1 })
    assert.equal(
      h.drops().map(({ reason, count }) => [reason, count]),
      [['IP_OUTNOROUTES', 2]],
    )
  }))

test('tunnels in each other, round and round: the fourth does not send', async () => {
  const net = await lab()
  const h = net.host('h')
  h.tap('eth0', { mac: HOST_MAC })
  h.addr.add('eth0', '10.0.0.1/24')
  h.link('eth0', { up: true })
  for (const [name, id, own, far] of [
    ['vx0', 1, '10.1.0', '10.2.0'],
    ['vx1', 2, '10.2.0', '10.1.0'],
  ] as const) {
    h.link.add({ kind: 'vxlan', name, id, local: '10.0.0.1', remote: `${far}.2` })
    h.addr.add(name, `${own}.1/24`)
    h.link(name, { up: true })
    h.neigh.add({ dev: name, ip: `${own}.2`, mac: FAR })
  }
  h.udp({ port: 9 }).send('x', '10.1.0.2:77')
  assert.is(h.link('vx0').mtu, 1500)
  assert.equal(counts(h, 'vx0'), { tx_packets: 2, tx_bytes: 158 })
  assert.equal(counts(h, 'vx1'), { tx_packets: 1, tx_bytes: 29, tx_errors: 1 })
  assert.equal(
    h.drops().map(({ reason, function: fn }) => [reason, fn]),
    [['RECURSION_LIMIT', 'vxlan_xmit_one']],
  )
  const { IpOutRequests, UdpOutDatagrams, IpOutTransmits, IpExtOutOctets } = h.counters()
  assert.equal([IpOutRequests, UdpOutDatagrams, IpOutTransmits, IpExtOutOctets], [4, 1, 4, 416])
  assert.ok(net.account().balanced)
  await net.close()
})

test('a remote that is this host needs no datagram', () =>
  world(
    ({ h, tap, socket }) => {
      socket.send('x', '10.42.0.2:77')
      assert.equal(counts(h), {
        tx_packets: 1,
        tx_bytes: 43,
        rx_packets: 1,
        rx_bytes: 43,
        rx_otherhost_dropped: 1,
      })
      h.fdb.add({ dev: 'vx0', mac: FAR, dst: '10.0.0.1', vni: 9 })
      socket.send('x', '10.42.0.2:77')
      assert.is(counts(h)['tx_errors'], 1)
      assert.equal(
        h.drops().map(({ reason }) => reason),
        ['OTHERHOST', 'VXLAN_VNI_NOT_FOUND'],
      )
      assert.equal(tap.tx(), [])
    },
    { remote: '10.0.0.1', learning: false },
  ))

test('a group is joined while the device is up, and left', () =>
  world(
    ({ net, h, tap, socket }) => {
      const groups = (): string => h.proc('/proc/net/igmp')
      assert.ok(groups().includes('070101EF'))
      net.advance('3s')
      tap.tx()
      socket.send('x', '10.42.0.2:77')
      const [sent] = tap.tx()
      const { dmac, to, ttl } = read(sent!)
      assert.equal([dmac, to, ttl], ['01:00:5e:01:01:07', '239.1.1.7:4789', 1])
      h.link('vx0', { up: false })
      assert.not.ok(groups().includes('070101EF'))
      net.advance('3s')
      tap.tx()
    },
    { remote: '239.1.1.7' },
  ))

test('down, the port is closed', () =>
  world(({ h, tap }) => {
    h.link('vx0', { up: false })
    tap.rx([vxlan(inner())])
    assert.equal(
      tap.tx().map((frame) => read(frame).protocol),
      [1],
    )
    assert.is(h.counters()['UdpNoPorts'], 1)
  }))

test('longer packets: in pieces within, DF is refused by the MTU', () =>
  world(({ h, tap, socket }) => {
    socket.socket.setsockopt('IP_MTU_DISCOVER', 2)
    socket.send(new Uint8Array(1422), '10.42.0.2:77')
    assert.equal(
      tap.tx().map(({ length }) => length),
      [1514],
    )
    assert.is(
      codeOf(() => socket.send(new Uint8Array(1423), '10.42.0.2:77')),
      'EMSGSIZE',
    )
    h.udp({ port: 10 }).send(new Uint8Array(1500), '10.42.0.2:77')
    assert.equal(
      tap.tx().map(({ length }) => length),
      [1508, 168],
    )
  }))

test('the path below gets narrower: the outer route learns it, then the inner one', () =>
  world(({ h, tap, socket }) => {
    socket.send(new Uint8Array(1400), '10.42.0.2:77')
    const [sent] = tap.tx()
    const quote = sent!.slice(ETH_HLEN, ETH_HLEN + 64)
    tap.rx([icmp({ type: 3, code: 4, rest: 1300, from: '10.0.0.254', data: quote })])
    // DF within: its sender hears of it at the second packet.
    socket.socket.setsockopt('IP_MTU_DISCOVER', 2)
    socket.send(new Uint8Array(1400), '10.42.0.2:77')
    assert.is(
      codeOf(() => socket.send(new Uint8Array(1400), '10.42.0.2:77')),
      'EMSGSIZE',
    )
    assert.ok(h.route.get('10.42.0.2').metrics)
  }))

test('trains go in whole and leave the device below cut, each segment with both headers', () =>
  world(({ tap, socket }) => {
    socket.socket.setsockopt('UDP_SEGMENT', 500)
    socket.send(new Uint8Array(1200).fill(7), '10.42.0.2:77')
    const frames = tap.tx()
    assert.equal(
      frames.map(({ length }) => length),
      [592, 592, 292],
    )
    const ids = frames.map((frame) => (frame[18]! << 8) | frame[19]!)
    assert.equal(
      ids.map((id) => (id - ids[0]!) & 0xffff),
      [0, 1, 2],
    )
    for (const frame of frames) {
      assert.equal([...read(frame).wrong, ...read(frame.slice(OUTER)).wrong], [])
      assert.equal([...frame.slice(42, OUTER)], [8, 0, 0, 0, 0, 0, 42, 0])
    }
  }))

test('the device below takes it along, and what is above that', () =>
  world(({ h }) => {
    h.link.add({ kind: 'vxlan', name: 'vx1', id: 43, remote: '10.42.0.2', dev: 'vx0' })
    h.link('vx1', { up: true })
    h.link.del('eth0')
    assert.equal(
      h.devices().map(({ name }) => name),
      ['lo'],
    )
    assert.not.ok(/:12B5/.test(h.proc('/proc/net/udp')))
  }))

const refused: readonly (readonly [what: string, call: (h: Host) => unknown, code: string])[] = [
  ['a VNI and port that are there', (h) => h.link.add({ kind: 'vxlan', name: 'v', id: 42 }), 'EEXIST'],
  ['a VNI of 25 bits', (h) => h.link.add({ kind: 'vxlan', name: 'v', id: 1 << 24 }), 'EINVAL'],
  ['a group without device', (h) => h.link.add({ kind: 'vxlan', name: 'v', id: 1, remote: '239.1.1.1' }), 'EINVAL'],
  ['no such device below', (h) => h.link.add({ kind: 'vxlan', name: 'v', id: 1, dev: 'eth9' }), 'ENODEV'],
  ['an entry that is there', (h) => h.fdb.add({ dev: 'vx0', mac: '00:00:00:00:00:00', dst: '10.0.0.9' }), 'EEXIST'],
  ['an entry that is not there', (h) => h.fdb.del({ dev: 'vx0', mac: FAR }), 'ENOENT'],
  ['entries of another kind', (h) => h.fdb.add({ dev: 'eth0', mac: FAR, dst: '10.0.0.9' }), 'EOPNOTSUPP'],
  [
    'to replace the default',
    (h) => h.fdb.replace({ dev: 'vx0', mac: '00:00:00:00:00:00', dst: '10.0.0.9' }),
    'EOPNOTSUPP',
  ],
]
for (const [what, call, expected] of refused) {
  test(`refused: ${what}`, () =>
    world(({ h }) => {
      const before = JSON.stringify([entries(h), h.devices().map(({ name }) => name)])
      assert.is(
        codeOf(() => call(h)),
        expected,
      )
      assert.is(JSON.stringify([entries(h), h.devices().map(({ name }) => name)]), before)
    }))
}

test('a port that a program has is not to be had: the device stays down', () =>
  world(({ h }) => {
    h.link('vx0', { up: false })
    const program = h.udp({ port: 4789 })
    assert.is(
      codeOf(() => h.link('vx0', { up: true })),
      'EADDRINUSE',
    )
    assert.not.ok(h.link('vx0').up)
    program.close()
    h.link('vx0', { up: true })
  }))

test.run()
