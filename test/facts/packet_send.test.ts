// Facts of packet sockets (section 9) without rings and fanout groups: the kernel's selftest psock_snd, on lo with an MTU of 1500.
// Each row was asked of Linux 6.18 again. Left out: GSO.

import * as assert from 'uvu/assert'
import { bytesOf, eth, ipPacket, join, udpDatagram } from '../path/packets.ts'
import { type Story, stories } from '../path/story.ts'

const { path, run } = stories('facts: packet sends')

const NONE = '00:00:00:00:00:00'
const DATA = { from: '172.17.0.2:9', to: '172.17.0.1:8000' }
const packet = (length: number): Uint8Array =>
  ipPacket({ ...DATA, protocol: 17 }, udpDatagram({ ...DATA, data: length }))
const frame = (length: number, vlan: number[] = []): Uint8Array => eth({ dmac: NONE, smac: NONE, vlan }, packet(length))

type Mode = 'raw' | 'raw bypass' | 'vlan' | 'dgram'

function send(h: Story, mode: Mode, length: number): number | string {
  const socket = h.socket(mode === 'dgram' ? 'packet-dgram' : 'packet')
  if (mode === 'raw bypass') socket.setsockopt('PACKET_QDISC_BYPASS', 1)
  const data = mode === 'dgram' ? packet(length) : frame(length, mode === 'vlan' ? [0] : [])
  try {
    return socket.send(data, { to: { dev: 'lo', protocol: 'IP', mac: NONE } }) - data.length
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!
  }
}

/** lo as psock_snd wants it, and a reader. */
function begin(h: Story) {
  h.host.link('lo', { up: true, mtu: 1500 })
  h.host.addr.add('lo', '172.17.0.1/24')
  h.host.sysctl('net.ipv4.conf.lo.accept_local', 1)
  return h.udp({ port: 8000 })
}

const MODES: readonly Mode[] = ['raw', 'raw bypass', 'vlan', 'dgram']
for (const mode of MODES) {
  for (const length of [0, 1, 100, 1472, 1473]) {
    // lo is no Ethernet: a tag counts to the MTU.
    const fits = length <= (mode === 'vlan' ? 1468 : 1472)
    path(`${mode}, ${length} bytes: ${fits ? 'sent' : 'EMSGSIZE'}`, (h) => {
      const reader = begin(h)
      assert.is(send(h, mode, length), fits ? 0 : 'EMSGSIZE')
      h.net.run()
      if (fits) h.reads(reader, { length })
      else h.reads(reader)
    })
  }
}

for (const [size, answer] of [
  [0, 'EINVAL'],
  [13, 'EINVAL'],
  [14, 14],
  [33, 33],
] as const) {
  path(`a frame cut to ${size} bytes: ${answer}`, (h) => {
    const reader = begin(h)
    const socket = h.socket('packet').bind({ dev: 'lo', protocol: 'IP' })
    const seen = h.socket('packet-dgram', 'ALL').bind('lo')
    try {
      assert.is(socket.send(frame(10).subarray(0, size)), answer)
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, answer)
    }
    h.net.run()
    h.reads(reader)
    assert.is(seen.recv()?.data.length, size > 14 ? size - 14 : undefined, 'exactly a header is not received')
  })
}

/** flags, csum_start, csum_offset, hdr_len of a virtio header before a frame with 100 bytes of data (142). */
const VNETS: readonly (readonly [
  flags: number,
  start: number,
  offset: number,
  hdrLen: number,
  answer: number | string,
])[] = [
  [0, 0, 0, 0, 152],
  [1, 34, 6, 42, 152],
  [1, 134, 6, 0, 152],
  [1, 135, 6, 42, 'EINVAL'],
  [1, 142, 6, 42, 'EINVAL'],
  [1, 65530, 6, 42, 'EINVAL'],
]
for (const [flags, start, offset, hdrLen, answer] of VNETS) {
  path(`virtio header ${flags}, checksum ${start}+${offset}, headers ${hdrLen}: ${answer}`, (h) => {
    begin(h)
    const socket = h.socket('packet').bind({ dev: 'lo', protocol: 'IP' }).setsockopt('PACKET_VNET_HDR', 1)
    const words = [flags, hdrLen, 0, start, offset].flatMap((word) => [word & 255, word >> 8])
    try {
      assert.is(socket.send(join(Uint8Array.from(words), frame(100))), answer)
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, answer)
    }
    h.net.run()
  })
}

path('each is seen twice: as it leaves and as it comes', (h) => {
  begin(h)
  const tap = h.socket('packet', 'ALL').bind('lo')
  for (let i = 0; i < 100; i++) assert.is(send(h, 'raw', 100), 0)
  h.net.run()
  let seen = 0
  while (tap.recv()) seen++
  assert.is(seen, 200)
})

path('what is sent byte for byte is what comes', (h) => {
  const reader = begin(h)
  assert.is(send(h, 'dgram', 1472), 0)
  h.net.run()
  assert.equal(reader.recv()!.data, bytesOf(1472))
})

run()
