// Trains of segments: what a device can do (ethtool), where trains are cut, and by whom.

import * as assert from 'uvu/assert'
import type { Nic, Tap } from '../../src/index.ts'
import {
  HOST,
  HOST_MAC,
  PEER,
  PEER_MAC,
  bytesOf,
  eth,
  join,
  ipPacket,
  read,
  tcpSegment,
  udpDatagram,
} from './packets.ts'
import { type Setup, type Story, stories } from './story.ts'

const { path, run } = stories('gso')

const to = { address: PEER, port: 9 }
const payload = (length: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length }, (_, i) => i * 13 + (i >> 8))

/** What is on of a device, of these. */
const SHOWN = [
  'tx-checksum-ip-generic',
  'tx-scatter-gather',
  'tx-scatter-gather-fraglist',
  'tx-generic-segmentation',
  'tx-tcp-segmentation',
  'tx-tcp6-segmentation',
  'tx-tcp-mangleid-segmentation',
  'tx-udp-segmentation',
]
const on = (h: Story, dev = 'eth0'): string =>
  SHOWN.filter((name) => h.host.device(dev).features()[name]!.on)
    .map((name) => name.slice(3))
    .join(' ')

const ALL = ['CSUM', 'TSO4', 'TSO6', 'USO4', 'USO6'] as const
const SG = 'scatter-gather scatter-gather-fraglist'
const switches: readonly (readonly [name: string, value: boolean, result: string])[] = [
  ['tx-udp-segmentation', false, `checksum-ip-generic ${SG} generic-segmentation tcp-segmentation tcp6-segmentation`],
  [
    'tx-udp-segmentation',
    true,
    `checksum-ip-generic ${SG} generic-segmentation tcp-segmentation tcp6-segmentation udp-segmentation`,
  ],
  ['tx-checksum-ip-generic', false, `${SG} generic-segmentation`],
  ['tx', true, `checksum-ip-generic ${SG} generic-segmentation tcp-segmentation tcp6-segmentation udp-segmentation`],
  ['sg', false, 'checksum-ip-generic udp-segmentation'],
  ['sg', true, `checksum-ip-generic ${SG} generic-segmentation tcp-segmentation tcp6-segmentation udp-segmentation`],
  ['gso', false, `checksum-ip-generic ${SG} tcp-segmentation tcp6-segmentation udp-segmentation`],
  ['tso', false, `checksum-ip-generic ${SG} udp-segmentation`],
  [
    'tso',
    true,
    `checksum-ip-generic ${SG} tcp-segmentation tcp6-segmentation tcp-mangleid-segmentation udp-segmentation`,
  ],
]

path('ethtool -K: what hangs on a feature follows it, as asked of Linux', { tap: { offload: ALL } }, (h) => {
  for (const [name, value, result] of switches) {
    h.host.link('eth0', { features: { [name]: value } })
    assert.is(on(h), result, `${name} ${value}`)
  }
})

const refused: readonly (readonly [dev: string, name: string, value: boolean])[] = [
  ['eth0', 'tx-udp-segmentation', true],
  ['eth0', 'tx-checksum-ipv4', true],
  ['eth0', 'highdma', true],
  ['eth0', 'lro', true],
  ['lo', 'sg', false],
  ['lo', 'tx', false],
  ['lo', 'loopback', false],
]
for (const [dev, name, value] of refused) {
  path(`ethtool -K ${dev} ${name} ${value ? 'on' : 'off'}: EOPNOTSUPP`, (h) => {
    const before = h.host.device(dev).features()
    assert.throws(
      () => h.host.link(dev, { features: { [name]: value } }),
      (error: NodeJS.ErrnoException) => error.code === 'EOPNOTSUPP' && error.syscall === 'ethtool',
    )
    assert.equal(h.host.device(dev).features(), before)
  })
}

for (const [why, offload] of [
  ['without CSUM', ['TSO4']],
  ['USO4 alone', ['CSUM', 'USO4']],
  ['TSO_ECN alone', ['CSUM', 'TSO_ECN']],
  ['unknown', ['CSUM', 'LRO']],
] as const) {
  path(`TUNSETOFFLOAD ${why}: EINVAL`, (h) => {
    const tap = h.host.device('eth0') as Tap
    assert.throws(
      () => tap.offload(offload as never),
      (error: NodeJS.ErrnoException) => error.code === 'EINVAL',
    )
    assert.throws(() => h.host.tap('tap9', { offload: offload as never }), /EINVAL/)
    assert.not(h.host.devices().some(({ name }) => name === 'tap9'))
  })
}

/** A frame of TCP whose checksum is left to who sends it, with a virtio_net_hdr that asks for segments of mss bytes. */
function tcpTrain(length: number, mss: number, flags: string): Uint8Array {
  const packet = { from: `${HOST}:5000`, to: `${PEER}:80` }
  const segment = tcpSegment({ ...packet, seq: 0xffffff00, ack: 7, flags, data: payload(length) })
  const ip = ipPacket({ ...packet, protocol: 6, id: 0xfffe, df: true }, segment)
  const frame = eth({ smac: HOST_MAC, dmac: PEER_MAC }, ip)
  const view = new DataView(frame.buffer)
  // The field holds the pseudo header's sum, as virtio wants it.
  let sum = 6 + segment.length
  for (let i = 26; i < 34; i += 2) sum += view.getUint16(i)
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16)
  view.setUint16(50, sum)
  const header = new DataView(new ArrayBuffer(10))
  header.setUint8(0, 1)
  header.setUint8(1, 1)
  ;[54, mss, 34, 16].forEach((value, i) => header.setUint16(2 + 2 * i, value, true))
  return join(new Uint8Array(header.buffer), frame)
}

const NICS: readonly (readonly [name: string, features: Record<string, boolean>])[] = [
  ['by the hardware', {}],
  ['in software, summed by the hardware', { tso: false }],
  ['in software', { tx: false }],
  ['in software, copied', { tx: false, sg: false }],
]
for (const [how, features] of NICS) {
  path(`a train of TCP is cut ${how}: numbers, flags, ids`, { nic: { ring: 64 } }, (h) => {
    h.host.link('eth0', { features })
    const socket = h.socket('packet').bind({ dev: 'eth0', protocol: 'IP' })
    socket.setsockopt('PACKET_VNET_HDR', 1)
    socket.send(tcpTrain(5000, 1448, 'FPAC'))
    h.net.run()
    const seen = h.tx(
      'eth0',
      { length: 54 + 1448, seq: 0xffffff00, flags: 'AC', id: 0xfffe, df: true },
      { length: 54 + 1448, seq: 0xffffff00 + 1448 - 2 ** 32, flags: 'A', id: 0xffff },
      { length: 54 + 1448, seq: 0xffffff00 + 2896 - 2 ** 32, flags: 'A', id: 0 },
      { length: 54 + 656, seq: 0xffffff00 + 4344 - 2 ** 32, flags: 'FPA', id: 1 },
    )
    assert.is(seen.length, 4)
  })
}

for (const ring of [64, 256]) {
  path(`a train longer than a ring of ${ring}: what does not fit waits, in order`, { nic: { ring } }, (h) => {
    h.host.link('eth0', { features: { tx: false } })
    const socket = h.udp({ port: 7, options: { SO_SNDBUF: 1 << 20 } }).socket
    const data = payload(128 * 100)
    for (let i = 0; i < 4; i++) socket.send(data, { to, cmsg: { UDP_SEGMENT: 100 } })
    h.net.run()
    const frames = (h.host.device('eth0') as Nic).tx()
    assert.is(frames.length, 512)
    assert.equal(
      frames.flatMap((frame) => read(frame).wrong),
      [],
    )
    frames.forEach((frame, i) => {
      const at = (i % 128) * 100
      assert.equal(frame.slice(42), data.slice(at, at + 100), `datagram ${i}`)
    })
    h.counters({ IpOutRequests: 4, UdpOutDatagrams: 4, IpOutTransmits: 4 })
    h.stats({ tx_packets: 512, tx_bytes: 512 * 142 })
  })
}

path('the way of a train that is cut in software', { nic: {} }, (h) => {
  h.host.link('eth0', { features: { 'tx-udp-segmentation': false } })
  h.moment()
  h.udp({ port: 7 }).socket.send(payload(2500), { to, cmsg: { UDP_SEGMENT: 1000 } })
  h.net.run()
  h.walk(
    ...['udp_sendmsg', 'udp_cmsg_send', 'ip_make_skb', 'udp_send_skb', 'ip_output', '__ip_finish_output'],
    ...['skb_gso_validate_network_len', 'ip_finish_output2', '__dev_queue_xmit', 'sch_direct_xmit'],
    ...[
      'validate_xmit_skb_list',
      'validate_xmit_skb',
      'netif_skb_features',
      '__skb_gso_segment',
      'skb_mac_gso_segment',
    ],
    ...['inet_gso_segment', 'udp4_ufo_fragment', '__udp_gso_segment', 'skb_segment', 'ip_send_check', 'ip_send_check'],
    ...[
      'ip_send_check',
      'dev_hard_start_xmit',
      'igb_xmit_frame',
      'igb_xmit_frame',
      'igb_xmit_frame',
      'igb_clean_tx_irq',
    ],
  )
  h.tx('eth0', { length: 1042 }, { length: 1042 }, { length: 542 })
  h.kept()
})

path('a NIC that cuts counts frames and their bytes', { nic: {} }, (h) => {
  const socket = h.udp({ port: 7 }).socket
  socket.send(payload(2500), { to, cmsg: { UDP_SEGMENT: 1000 } })
  h.net.run()
  h.tx('eth0', { length: 1042 }, { length: 1042 }, { length: 542 })
  h.stats({ tx_packets: 3, tx_bytes: 2626 })
  h.never('skb_segment')
})

path('of many tiny segments the hardware sends what a batch takes, then the rest', { nic: {} }, (h) => {
  const socket = h.socket('packet').bind({ dev: 'eth0', protocol: 'IP' })
  socket.setsockopt('PACKET_VNET_HDR', 1)
  socket.send(tcpTrain(60000, 8, 'A'))
  h.net.run()
  const frames = (h.host.device('eth0') as Nic).tx()
  assert.is(frames.length, 7500)
  assert.equal(join(...frames.map((frame) => frame.slice(54, 62))), payload(60000))
  assert.is(read(frames.at(-1)!).seq, 0xffffff00 + 7499 * 8 - 2 ** 32)
})

const seers: readonly (readonly [name: string, setup: Setup, features: Record<string, boolean>, sizes: number[]])[] = [
  ['whole before a NIC that cuts it', { nic: {} }, {}, [2542]],
  ['in pieces before one that does not', { nic: {} }, { 'tx-udp-segmentation': false }, [1042, 1042, 542]],
]
for (const [what, setup, features, sizes] of seers) {
  path(`a tap sees a train ${what}`, setup, (h) => {
    h.host.link('eth0', { features })
    const tap = h.socket('packet').bind({ dev: 'eth0', protocol: 'ALL' })
    h.udp({ port: 7 }).socket.send(payload(2500), { to, cmsg: { UDP_SEGMENT: 1000 } })
    h.net.run()
    const seen: number[] = []
    for (let got = tap.recv(); got; got = tap.recv()) seen.push(got.length)
    assert.equal(seen, sizes)
    ;(h.host.device('eth0') as Nic).tx()
  })
}

for (const size of [1472, 500]) {
  path(`over lo a socket with UDP_GRO reads a train whole, and where it is to be cut: ${size}`, (h) => {
    h.host.link('lo', { up: true })
    const reader = h.udp({ port: 9, options: { UDP_GRO: 1, SO_RCVBUF: 1 << 20 } })
    const plain = h.udp({ port: 10, options: { SO_RCVBUF: 1 << 20 } })
    const socket = h.udp({ port: 7 }).socket
    const data = payload(14720)
    for (const port of [9, 10]) socket.send(data, { to: { address: HOST, port }, cmsg: { UDP_SEGMENT: size } })
    h.net.run()
    h.reads(reader, { length: 14720, cmsg: { UDP_GRO: size } })
    const last = 14720 % size
    h.reads(
      plain,
      ...Array.from({ length: Math.ceil(14720 / size) }, (_, i) => ({
        length: last && i === Math.floor(14720 / size) ? last : size,
        cmsg: {},
      })),
    )
  })
}

path('one datagram of the segment size is no train: no UDP_GRO message', (h) => {
  h.host.link('lo', { up: true })
  const reader = h.udp({ port: 9, options: { UDP_GRO: 1 } })
  h.udp({ port: 7 }).socket.send(payload(1472), { to: { address: HOST, port: 9 }, cmsg: { UDP_SEGMENT: 1472 } })
  h.net.run()
  h.reads(reader, { length: 1472, cmsg: {} })
})

const starved: readonly Record<string, boolean>[] = [{}, { tx: false }, { 'tx-udp-segmentation': false }]
for (const features of starved) {
  const how = Object.keys(features).join()
  path(
    `without memory trains are refused or dropped, and nothing is lost (${how})`,
    { lab: { memoryMb: 8 }, nic: {} },
    (h) => {
      h.host.link('eth0', { features })
      const sockets = Array.from(
        { length: 60 },
        (_, i) => h.udp({ port: 1000 + i, options: { SO_SNDBUF: 1 << 20 } }).socket,
      )
      const data = payload(60000)
      // The table of drops is made with the first.
      assert.throws(() => sockets[0]!.send(data, { to, cmsg: { UDP_SEGMENT: 1 } }), /EINVAL/)
      const errors = new Set<string>()
      for (let i = 0; i < 600; i++) {
        try {
          sockets[i % 60]!.send(data, { to, cmsg: { UDP_SEGMENT: 1400 } })
        } catch (error) {
          errors.add((error as NodeJS.ErrnoException).code!)
        }
      }
      assert.ok(errors.has('ENOBUFS') || errors.has('ENOMEM'), [...errors].join())
      h.net.run()
      const frames = (h.host.device('eth0') as Nic).tx()
      assert.equal(
        frames.flatMap((frame) => read(frame).wrong),
        [],
      )
      assert.ok(frames.length > 43)
    },
  )
}

path('a virtio header before each frame of a TAP, in and out', { tap: { vnet: true, offload: ALL } }, (h) => {
  const tap = h.host.device('eth0') as Tap
  h.udp({ port: 7 }).socket.send(payload(3000), { to, cmsg: { UDP_SEGMENT: 1000 } })
  h.net.run()
  const [frame, ...more] = tap.tx()
  assert.equal([more.length, frame!.length], [0, 10 + 42 + 3000])
  // NEEDS_CSUM, UDP_L4; headers, gso_size, where the checksum begins and lies.
  assert.equal([...frame!.slice(0, 10)], [1, 5, 42, 0, 232, 3, 34, 0, 6, 0])
  const reader = h.udp({ port: 9 })
  const from = { from: `${PEER}:7`, to: `${HOST}:9` }
  const whole = udpDatagram({ ...from, data: payload(3000) })
  const back = eth({ smac: PEER_MAC, dmac: HOST_MAC }, ipPacket({ ...from, protocol: 17 }, whole))
  assert.is(tap.rx([join(frame!.slice(0, 10), back), bytesOf('short'), frame!.slice(0, 20)]).refused.size, 2)
  h.net.run()
  h.reads(reader, { length: 1000 }, { length: 1000 }, { length: 1000 })
})

run()
