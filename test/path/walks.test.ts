// The way in against walks recorded from Linux: see walks.ts.

import * as assert from 'uvu/assert'
import type { Nic, UdpOptions, UdpSocket } from '../../src/index.ts'
import { BROADCAST_MAC, HOST, arp, fragments, icmp, udp, udpDatagram } from './packets.ts'
import { stories } from './story.ts'
import { walk } from './walks.ts'

const { path, run } = stories('walks')

interface Received {
  name: string
  frames: readonly Uint8Array[]
  /** What had come before, so that the way in was cached. */
  before?: Uint8Array
  promisc?: boolean
  /** A packet socket sees the device's frames. */
  tap?: boolean
  /** Sockets that are there before. */
  sockets?: readonly UdpOptions[]
  /** A socket that is opened when all is quiet; what follows for a second is of the walk. */
  opened?: UdpOptions
  /** The first socket is read: by a reader that was there before the packet came, or afterwards. */
  read?: 'waiting' | 'afterwards'
}

const small = (fields: Parameters<typeof udp>[0]): Uint8Array => udp({ data: 14, pad: 60, ...fields })
const dropped = small({ to: `${HOST}:5007`, checksumOff: 1 })
const SHARED = { SO_REUSEADDR: 1 }
const JOINED = { IP_ADD_MEMBERSHIP: { group: '239.1.1.2', address: HOST } }
const MEMBER = { ...SHARED, IP_ADD_MEMBERSHIP: { group: '239.1.1.1', dev: 'eth0' } }

const walks: readonly Received[] = [
  { name: 'udp-receive', frames: [small({ to: `${HOST}:5002` })], sockets: [{ port: 5002 }], read: 'waiting' },
  { name: 'udp-no-socket', frames: [small({ to: `${HOST}:5999` })], before: dropped },
  {
    name: 'udp-bad-checksum',
    frames: [dropped],
    sockets: [{ port: 5007 }],
  },
  {
    name: 'socket-filter-drop',
    frames: [small({ to: `${HOST}:5014` })],
    sockets: [{ port: 5014, options: { SO_ATTACH_FILTER: [[0x06, 0, 0, 0]] } }],
  },
  { name: 'ip-bad-checksum', frames: [small({ to: `${HOST}:5007`, ipChecksumOff: 1 })] },
  { name: 'otherhost', frames: [small({ to: `${HOST}:5007`, dmac: '02:00:00:00:00:99' })], promisc: true },
  { name: 'ping-receive', frames: [icmp({ data: 48 })] },
  {
    name: 'udp-fragment-receive',
    frames: fragments({ id: 77 }, udpDatagram({ to: `${HOST}:5003`, data: 4000 }), 1480),
    sockets: [{ port: 5003 }],
    read: 'afterwards',
  },
  {
    name: 'rcvbuf',
    frames: Array.from({ length: 5 }, () => udp({ to: `${HOST}:5010`, data: 500 })),
    sockets: [{ port: 5010, options: { SO_RCVBUF: 1 } }],
  },
  {
    name: 'multicast',
    frames: [small({ to: '239.1.1.1:5011', dmac: '01:00:5e:01:01:01', ttl: 1 })],
    sockets: [
      { port: 5011, options: MEMBER },
      { port: 5011, options: MEMBER },
    ],
  },
  {
    name: 'broadcast',
    frames: [small({ to: '255.255.255.255:5011', dmac: BROADCAST_MAC })],
    sockets: [
      { port: 5011, options: SHARED },
      { port: 5011, options: SHARED },
    ],
  },
  { name: 'tap-receive', frames: [small({ to: `${HOST}:5009` })], tap: true, sockets: [{ port: 5009 }] },
  { name: 'igmp-join', frames: [], opened: { port: 5012, options: JOINED } },
  { name: 'arp-request-receive', frames: [arp({ pad: 60 })] },
]

for (const { name, frames, before, promisc, tap, sockets = [], opened, read } of walks) {
  let first: UdpSocket | undefined
  walk(path, {
    name,
    before: (h) => {
      if (promisc) h.host.link('eth0', { promisc })
      if (tap) h.socket('packet', 'ALL').bind('eth0')
      if (before) h.rx('eth0', before)
      first = sockets.map((options) => h.udp(options))[0]
    },
    act: (h) => {
      if (read === 'waiting') assert.is(first!.recv(), undefined)
      if (opened) {
        h.udp(opened)
        h.net.advance('1100ms')
      }
      for (const frame of frames) {
        ;(h.host.device('eth0') as Nic).rx([frame])
        h.net.run()
      }
      if (read) assert.ok(first!.recv())
    },
  })
}

run()
