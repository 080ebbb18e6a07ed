// The way out against walks recorded from Linux: see walks.ts. eth0 has fq_codel there, and the peer is known unless said.

import type { Nic, UdpSocket } from '../../src/index.ts'
import { PEER, arp, icmp } from './packets.ts'
import { type Story, stories } from './story.ts'
import { walk } from './walks.ts'

const { path, run } = stories('walks of sending')

const TO = `${PEER}:9000`

/** igb's poll that frees what was sent is complete before the answer comes. */
const SENT_FIRST = ['napi_complete_done']

/** A datagram that was sent before, so that the neighbour has its header cached. */
function warm(h: Story): void {
  h.udp({ port: 6000 }).send('x', TO)
  h.net.run()
}

/** The calls of a process, then what follows. */
function sending(h: Story, ...calls: (() => unknown)[]): void {
  for (const call of calls) call()
  h.net.run()
}

let socket: UdpSocket

walk(path, {
  name: 'udp-send-known',
  before: warm,
  act: (h) => sending(h, () => h.socket('udp').send('x', { to: TO })),
})

walk(path, {
  name: 'udp-send-known-second',
  before: (h) => {
    socket = h.udp({ port: 0 })
    socket.send('x', TO)
    h.net.run()
  },
  act: (h) => sending(h, () => socket.send('y', TO)),
})

walk(path, {
  name: 'udp-send-connected',
  before: (h) => {
    warm(h)
    socket = h.udp({ port: 0, connect: TO })
  },
  act: (h) => sending(h, () => socket.send('x')),
})

walk(path, {
  name: 'udp-send-cork',
  before: (h) => {
    warm(h)
    socket = h.udp({ port: 0, connect: TO })
  },
  act: (h) =>
    sending(
      h,
      () => socket.send('abc', undefined, { flags: ['MSG_MORE'] }),
      () => socket.send('def'),
    ),
})

walk(path, {
  name: 'udp-send-arp',
  anywhere: SENT_FIRST,
  setup: { nic: {}, stranger: true },
  before: (h) => void (socket = h.udp({ port: 0 })),
  act: (h) => {
    sending(h, () => socket.send('x', TO))
    h.net.advance('50ms')
    const answer = arp({ op: 2, pad: 60 })
    ;(h.host.device('eth0') as Nic).rx([answer])
    h.net.run()
  },
})

walk(path, {
  name: 'udp-fragment-send',
  before: (h) => {
    warm(h)
    socket = h.udp({ port: 0 })
  },
  act: (h) => sending(h, () => socket.send(new Uint8Array(4000), TO)),
})

walk(path, {
  name: 'udp-loopback',
  before: (h) => void (socket = h.udp({ port: 5001, address: '127.0.0.1' })),
  act: (h) =>
    sending(
      h,
      () => h.socket('udp').send('x', { to: '127.0.0.1:5001' }),
      () => socket.recv(),
    ),
})

const MEMBER = { SO_REUSEADDR: 1, IP_ADD_MEMBERSHIP: { group: '239.1.1.1', dev: 'eth0' } }

walk(path, {
  name: 'multicast-send',
  before: (h) => {
    h.host.route.add({ to: '224.0.0.0/4', dev: 'eth0' })
    for (let i = 0; i < 2; i++) h.udp({ port: 5011, options: MEMBER })
    h.net.advance('3s')
  },
  act: (h) => sending(h, () => h.udp({ port: 0 }).send('x', '239.1.1.1:5011')),
})

walk(path, {
  name: 'broadcast-send',
  act: (h) => sending(h, () => h.udp({ port: 0, options: { SO_BROADCAST: 1 } }).send('x', '10.0.0.255:5011')),
})

walk(path, {
  name: 'udp-send-no-route',
  act: (h) => {
    try {
      h.socket('udp').send('x', { to: '192.0.2.1:9' })
    } catch {
      // ENETUNREACH, as in the recording.
    }
  },
})

walk(path, {
  name: 'ping-send',
  anywhere: SENT_FIRST,
  before: warm,
  act: (h) => {
    const raw = h.socket('raw', 'icmp')
    sending(h, () => raw.send(Uint8Array.of(8, 0, 0xf7, 0xff, 0, 0, 0, 0), { to: PEER }))
    ;(h.host.device('eth0') as Nic).rx([icmp({ type: 0, pad: 60 })])
    h.net.run()
    sending(h, () => raw.recv())
  },
})

walk(path, {
  name: 'tap-transmit',
  before: (h) => {
    warm(h)
    h.socket('packet', 'ALL').bind('eth0')
    socket = h.udp({ port: 5009 })
  },
  act: (h) => sending(h, () => socket.send('x', TO)),
})

run()
