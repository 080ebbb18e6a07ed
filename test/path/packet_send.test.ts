// Packet sockets on the way out: what is sent, what is refused and with which error, as Linux 6.18 answered when it was asked
// (net/packet/af_packet.c). The rows of the kernel's psock_snd are in test/facts/packet_send.test.ts.

import * as assert from 'uvu/assert'
import type { PacketAddress, Socket, Tap } from '../../src/index.ts'
import { HOST, HOST_MAC, PEER, PEER_MAC, bytesOf, eth, ipPacket, join, udpDatagram } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('packet sockets: sending')

function outcome(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const left = (h: Story): string[] => [...(h.host.device('eth0') as Tap).tx()].map(hex)
const to = (protocol: number, mac = PEER_MAC): PacketAddress => ({ dev: 'eth0', mac, protocol })
const out = (ethertype: number, payload: number | Uint8Array, vlan: number[] = []): Uint8Array =>
  eth({ dmac: PEER_MAC, smac: HOST_MAC, ethertype, vlan }, bytesOf(payload))

/** What another SOCK_DGRAM and another SOCK_RAW socket see of it: protocol, bytes, offset of the network header. */
function seen(socket: Socket): string {
  const read = socket.recv()
  if (!read) return ''
  const { net, status, vlan_tci, vlan_tpid } = read.cmsg!.PACKET_AUXDATA!
  const tag = status & 16 ? ` tag ${vlan_tci.toString(16)}/${vlan_tpid.toString(16)}` : ''
  return `${read.link!.protocol.toString(16)} ${read.data.length} ${net}${tag}`
}

/** Asked: a frame of SOCK_RAW, where to (undefined: as bound, to all protocols), and what is seen. */
const FRAMES: readonly (readonly [
  name: string,
  frame: Uint8Array,
  protocol: number | undefined,
  raw: string,
  dgram: string,
])[] = [
  ['IP', out(0x800, 46), undefined, '800 60 14', '800 46 0'],
  ['another type than the frame has', out(0x800, 46), 0x1234, '1234 60 14', '1234 46 0'],
  ['one tag', out(0x800, 46, [5]), undefined, '8100 64 18', '800 46 0 tag 5/8100'],
  ['two tags', out(0x800, 46, [5, 6]), undefined, '8100 68 22', '800 46 0 tag 5/8100'],
  ['a tag that is cut off', out(0x8100, 2), undefined, '8100 16 14', '0 2 0 tag 0/8100'],
  ['a tag only by name', out(0x800, new Uint8Array(46)), 0x8100, '8100 60 14', '0 46 0 tag 0/8100'],
  ['a length', out(5, 46), undefined, '5 60 14', '5 46 0'],
  ['only a header', out(0x800, 0), undefined, '800 14 14', ''],
]
for (const [name, frame, protocol, raw, dgram] of FRAMES) {
  path(`SOCK_RAW: ${name}`, (h) => {
    const socket = h.socket('packet', 'ALL').bind('eth0')
    const others = (['packet', 'packet-dgram'] as const).map((kind) =>
      h.socket(kind, 'ALL').bind('eth0').setsockopt('PACKET_AUXDATA', 1),
    )
    assert.is(socket.send(frame, protocol === undefined ? {} : { to: to(protocol) }), frame.length)
    assert.equal(left(h), [hex(frame)])
    assert.equal(others.map(seen), [raw, dgram])
  })
}

/** Asked: protocol of a SOCK_DGRAM packet of 46 bytes, and the type that its header has: itself, or the length. */
const TYPES: readonly (readonly [protocol: number, type: string])[] = [
  [0x800, '0800'],
  [0x8100, '8100'],
  [1, '002e'],
  [4, '002e'],
  [5, '0005'],
  [0, '0000'],
]
for (const [protocol, type] of TYPES) {
  path(`SOCK_DGRAM: a link header of protocol ${protocol}`, (h) => {
    const socket = h.socket('packet-dgram', 'ALL')
    const header = `${PEER_MAC}${HOST_MAC}`.replaceAll(':', '')
    assert.is(socket.send(bytesOf(46), { to: to(protocol) }), 46)
    assert.equal(left(h), [`${header}${type}${hex(bytesOf(46))}`])
    assert.is(socket.send('', { to: to(protocol) }), 0)
    assert.equal(left(h), [`${header}${protocol === 1 || protocol === 4 ? '0000' : type}`])
  })
}

/** Asked. */
const REFUSED: readonly (readonly [name: string, call: (h: Story) => unknown, answer: unknown])[] = [
  ['a frame shorter than its header', (h) => h.socket('packet').bind('eth0').send(bytesOf(13)), 'EINVAL'],
  ['nothing', (h) => h.socket('packet').bind('eth0').send(''), 'EINVAL'],
  ['SOCK_DGRAM without an address', (h) => h.socket('packet-dgram', 'IP').bind('eth0').send('x'), 'EINVAL'],
  ['no device', (h) => h.socket('packet', 'ALL').send(out(0x800, 46)), 'ENXIO'],
  ['device 0', (h) => h.socket('packet').send(out(0x800, 46), { to: {} }), 'ENXIO'],
  [
    'a device that is down',
    (h) => {
      h.host.link('lo', { up: false })
      return h.socket('packet').send(out(0x800, 46), { to: { dev: 'lo' } })
    },
    'ENETDOWN',
  ],
  ['the MTU and a header', (h) => h.socket('packet').bind('eth0').send(out(0x800, 1500)), 1514],
  ['one byte more', (h) => h.socket('packet').bind('eth0').send(out(0x800, 1501)), 'EMSGSIZE'],
  [
    'one tag more',
    (h) =>
      h
        .socket('packet')
        .bind('eth0')
        .send(out(0x800, 1500, [5])),
    1518,
  ],
  [
    'a tag and one byte more',
    (h) =>
      h
        .socket('packet')
        .bind('eth0')
        .send(out(0x800, 1501, [5])),
    'EMSGSIZE',
  ],
  ['an 802.1ad tag more', (h) => h.socket('packet').bind('eth0').send(out(0x88a8, 1504)), 'EMSGSIZE'],
  ['SOCK_DGRAM: the MTU', (h) => h.socket('packet-dgram').send(bytesOf(1500), { to: to(0x800) }), 1500],
  ['SOCK_DGRAM: one byte more', (h) => h.socket('packet-dgram').send(bytesOf(1501), { to: to(0x800) }), 'EMSGSIZE'],
  ['SOCK_DGRAM: a tag more', (h) => h.socket('packet-dgram').send(bytesOf(1504), { to: to(0x8100) }), 1504],
  ['SOCK_DGRAM: more still', (h) => h.socket('packet-dgram').send(bytesOf(1505), { to: to(0x8100) }), 'EMSGSIZE'],
  ['far too much', (h) => h.socket('packet').bind('eth0').send(new Uint8Array(400000)), 'EMSGSIZE'],
  [
    'a control message that nobody knows',
    (h) => h.socket('packet').send(out(0x800, 46), { to: to(0x800), cmsg: { SCM_TXTIME: 5 } }),
    'EINVAL',
  ],
  [
    'mark and priority',
    (h) => h.socket('packet').send(out(0x800, 46), { to: to(0x800), cmsg: { SO_MARK: 5, SO_PRIORITY: 1, IP_TTL: 5 } }),
    60,
  ],
]
for (const [name, call, answer] of REFUSED) {
  path(name, (h) => {
    assert.is(
      outcome(() => call(h)),
      answer,
    )
    assert.is(left(h).length, typeof answer === 'number' ? 1 : 0)
  })
}

path('PACKET_QDISC_BYPASS: past taps and queue, straight to the driver', (h) => {
  h.host.link('eth0', { txqueuelen: 2 })
  const [socket, tap] = [h.socket('packet').bind('eth0'), h.socket('packet', 'ALL').bind('eth0')]
  socket.setsockopt('PACKET_QDISC_BYPASS', 1)
  h.moment()
  assert.equal(
    [1, 2, 3].map(() => outcome(() => socket.send(out(0x800, 46)))),
    [60, 60, 'ENOBUFS'],
  )
  h.dropped('FULL_RING')
  h.walk('packet_snd', 'dev_direct_xmit', 'tun_net_xmit')
  h.never('dev_queue_xmit_nit', '__dev_queue_xmit')
  assert.is(tap.recv(), undefined)
  assert.is(socket.setsockopt('PACKET_QDISC_BYPASS', 0).send(out(0x800, 46)), 60, 'a queue takes it, and it is lost')
  assert.is(left(h).length, 2)
})

path('without carrier: the queue takes what it loses, the driver does not', (h) => {
  h.host.link('eth0', { carrier: false })
  h.net.advance('2s')
  h.moment()
  const socket = h.socket('packet').bind('eth0')
  assert.is(socket.send(out(0x800, 46)), 60)
  socket.setsockopt('PACKET_QDISC_BYPASS', 1)
  assert.is(
    outcome(() => socket.send(out(0x800, 46))),
    'ENOBUFS',
  )
  h.stats({ tx_dropped: 2, tx_packets: 0 })
})

const DATAGRAM = out(
  0x800,
  ipPacket(
    { from: HOST, to: PEER },
    udpDatagram({ from: `${HOST}:7`, to: `${PEER}:9`, data: 'xx', checksumOff: 'none' }),
  ),
)

/** struct virtio_net_hdr. */
function vnet(flags: number, csumStart = 0, csumOffset = 0, hdrLen = 0, gsoType = 0, size = 10): Uint8Array {
  const view = new DataView(new ArrayBuffer(size))
  view.setUint8(0, flags)
  view.setUint8(1, gsoType)
  view.setUint16(2, hdrLen, true)
  view.setUint16(6, csumStart, true)
  view.setUint16(8, csumOffset, true)
  return new Uint8Array(view.buffer)
}

/** Asked, of a frame of 44 bytes: the header, and what the call answers. */
const VNETS: readonly (readonly [name: string, header: Uint8Array, answer: unknown])[] = [
  ['nothing to do', vnet(0), 54],
  ['a checksum', vnet(1, 34, 6), 54],
  ['a checksum from 0 on', vnet(1, 0, 6), 'EINVAL'],
  ['a checksum from 19 on', vnet(1, 19, 6), 'EINVAL'],
  ['a checksum from 20 on', vnet(1, 20, 6), 54],
  ['a checksum in the last bytes', vnet(1, 41, 1), 54],
  ['a checksum beyond', vnet(1, 42, 1), 'EINVAL'],
  ['a checksum far beyond', vnet(1, 1000, 6), 'EINVAL'],
  ['offsets that wrap', vnet(1, 65535, 65535), 'EINVAL'],
  ['headers as long as the frame', vnet(0, 0, 0, 44), 54],
  ['headers longer than the frame', vnet(0, 0, 0, 45), 'EINVAL'],
  ['a checksum that was verified', vnet(2), 54],
  ['flags that nobody knows', vnet(0xfc), 54],
  ['ECN without segments', vnet(0, 0, 0, 0, 0x80), 'EINVAL'],
  ['segments of an unknown kind', vnet(0, 0, 0, 0, 9), 'EINVAL'],
]
for (const [name, header, answer] of VNETS) {
  path(`PACKET_VNET_HDR: ${name}`, (h) => {
    const socket = h.socket('packet').bind('eth0').setsockopt('PACKET_VNET_HDR', 1)
    assert.is(
      outcome(() => socket.send(join(header, DATAGRAM))),
      answer,
    )
    assert.is(left(h).length, typeof answer === 'number' ? 1 : 0)
  })
}

path('PACKET_VNET_HDR: the checksum is filled in, from what the field holds', (h) => {
  const socket = h.socket('packet').bind('eth0').setsockopt('PACKET_VNET_HDR', 1)
  const frame = DATAGRAM.slice()
  frame[41] = 11
  socket.send(join(vnet(1, 34, 6), frame))
  // The ones' complement sum of the UDP header and 'xx', in network order.
  const words = [7, 9, 10, 11, 0x7878]
  const sum = ~words.reduce((total, word) => total + word) & 0xffff
  assert.is(left(h)[0]!.slice(80, 84), sum.toString(16))
})

path('PACKET_VNET_HDR: too short for its header, or for the frame', (h) => {
  const socket = h.socket('packet').bind('eth0').setsockopt('PACKET_VNET_HDR', 1)
  const sizes = [9, 10, 23, 24]
  assert.equal(
    sizes.map((size) => outcome(() => socket.send(join(vnet(0), DATAGRAM).subarray(0, size)))),
    ['EINVAL', 'EINVAL', 'EINVAL', 24],
  )
  assert.is(left(h).length, 1)
})

path('PACKET_VNET_HDR: readers get the header before the frame', (h) => {
  h.host.link('lo', { up: true })
  const socket = h.socket('packet', 'ALL').bind('lo').setsockopt('PACKET_VNET_HDR', 1)
  const wide = h.socket('packet', 'ALL').bind('lo').setsockopt('PACKET_VNET_HDR_SZ', 12)
  h.host.udp().send('x'.repeat(30), '127.0.0.1:9')
  const first = socket.recv()!
  assert.equal([...first.data.subarray(0, 10)], [1, 0, 0, 0, 0, 0, 34, 0, 6, 0])
  assert.is(first.length, 82)
  assert.is(wide.recv()!.length, 84)
  assert.is(
    outcome(() => socket.recv({ max: 9 })),
    'EINVAL',
    'the packet is lost',
  )
  const cut = socket.recv({ max: 12, flags: ['MSG_TRUNC'] })!
  assert.equal([cut.data.length, cut.length > 12, cut.flags], [12, true, ['MSG_TRUNC']])
})

path('what is sent is charged to the socket until it has left', { nic: {} }, (h) => {
  const socket = h.socket('packet').bind('eth0')
  const charged = (): number => (socket.getsockopt('SO_MEMINFO') as number[])[2]!
  // Linux lays what is larger than a page on pages, the rest in a head of a power of two: asked on lo.
  const sizes: readonly (readonly [bytes: number, truesize: number])[] = [
    [100, 832],
    [500, 1280],
    [1500, 2304],
  ]
  for (const [bytes, truesize] of sizes) {
    h.host.link('eth0', { carrier: true })
    assert.is(socket.send(out(0x800, bytes - 14)), bytes)
    assert.is(charged(), truesize, `${bytes} bytes`)
    h.net.run()
    h.net.advance('1s')
    assert.is(charged(), 0)
  }
})

run()
