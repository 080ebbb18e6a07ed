// Socket options by C name: what they read back, and what they change for datagrams (net/core/sock.c, ip_sockglue.c).

import * as assert from 'uvu/assert'
import type { OptionValue, Tap } from '../../src/index.ts'
import { HOST, PEER, PEER_MAC, icmp, ipPacket, udp, udpDatagram } from './packets.ts'
import { stories } from './story.ts'

const { path, run } = stories('socket options')

/** Option, its default, a value to set, and what is read then. */
const table: readonly (readonly [name: string, before: unknown, value: OptionValue, after: unknown])[] = [
  ['SO_REUSEADDR', 0, 1, 1],
  ['SO_REUSEPORT', 0, true, 1],
  ['SO_BROADCAST', 0, 1, 1],
  ['SO_KEEPALIVE', 0, 1, 1],
  ['SO_DONTROUTE', 0, 1, 1],
  ['SO_RCVBUF', 212992, 10000, 20000],
  ['SO_RCVBUF', 212992, 1, 2304],
  ['SO_RCVBUF', 212992, 1 << 30, 8388608],
  ['SO_RCVBUFFORCE', undefined, 1 << 20, undefined],
  ['SO_SNDBUF', 212992, 10000, 20000],
  ['SO_SNDBUF', 212992, 1, 4608],
  ['SO_PRIORITY', 0, 5, 5],
  ['SO_MARK', 0, 0x1234, 0x1234],
  ['SO_BINDTODEVICE', '', 'eth0', 'eth0'],
  ['SO_RCVLOWAT', 1, 10, 10],
  ['IP_TTL', 64, 9, 9],
  ['IP_TOS', 0, 0x48, 0x48],
  ['IP_MULTICAST_TTL', 1, 5, 5],
  ['IP_MULTICAST_LOOP', 1, 0, 0],
  ['IP_MULTICAST_ALL', 1, 0, 0],
  ['IP_PKTINFO', 0, 1, 1],
  ['IP_RECVTTL', 0, 1, 1],
  ['IP_RECVTOS', 0, 1, 1],
  ['IP_RECVERR', 0, 1, 1],
  ['IP_RECVOPTS', 0, 1, 1],
  ['IP_FREEBIND', 0, 1, 1],
  ['IP_TRANSPARENT', 0, 1, 1],
  ['IP_MINTTL', 0, 5, 5],
  ['IP_MTU_DISCOVER', 1, 'DO', 2],
  ['IP_MTU_DISCOVER', 1, 0, 0],
]
for (const [name, before, value, after] of table) {
  path(`${name}: ${JSON.stringify(before)}, set to ${JSON.stringify(value)}`, (h) => {
    const { socket } = h.udp()
    if (before !== undefined) assert.equal(socket.getsockopt(name), before)
    socket.setsockopt(name, value)
    if (after !== undefined) assert.equal(socket.getsockopt(name), after)
  })
}

path('what a socket is', (h) => {
  const { socket } = h.udp()
  const options = ['SO_TYPE', 'SO_PROTOCOL', 'SO_DOMAIN', 'SO_ERROR', 'SO_ACCEPTCONN']
  assert.equal(
    options.map((name) => socket.getsockopt(name)),
    [2, 17, 2, 0, 0],
  )
})

path('IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVORIGDSTADDR tell of each datagram', (h) => {
  const socket = h.udp({
    port: 7,
    options: { IP_PKTINFO: 1, IP_RECVTTL: 1, IP_RECVTOS: 1, IP_RECVORIGDSTADDR: 1 },
  })
  h.rx('eth0', udp({ ttl: 9, tos: 0x48, data: 'x' }), udp({ to: '10.0.0.255:7', data: 'y' }))
  h.reads(
    socket,
    {
      data: 'x',
      cmsg: {
        IP_PKTINFO: { dev: 'eth0', spec_dst: HOST, addr: HOST },
        IP_TTL: 9,
        IP_TOS: 0x48,
        IP_ORIGDSTADDR: { address: HOST, port: 7 },
      },
    },
    {
      data: 'y',
      cmsg: {
        IP_PKTINFO: { dev: 'eth0', spec_dst: HOST, addr: '10.0.0.255' },
        IP_TTL: 64,
        IP_TOS: 0,
        IP_ORIGDSTADDR: { address: '10.0.0.255', port: 7 },
      },
    },
  )
})

path('IP_RECVERR queues what an ICMP error quotes', (h) => {
  const socket = h.udp({ port: 4000, options: { IP_RECVERR: 1 } })
  socket.send('anyone?', `${PEER}:7`)
  const [sent] = h.tx('eth0', { data: 'anyone?' })
  const quoted = { from: `${HOST}:4000`, to: `${PEER}:7`, data: 'anyone?', id: sent!.id!, df: true }
  h.rx('eth0', icmp({ type: 3, code: 3, rest: 0, data: ipPacket({ ...quoted, protocol: 17 }, udpDatagram(quoted)) }))
  const got = socket.recv({ flags: ['MSG_ERRQUEUE'] })!
  assert.equal(got.error, {
    errno: 'ECONNREFUSED',
    origin: 'ICMP',
    type: 3,
    code: 3,
    info: 0,
    data: 0,
    offender: PEER,
  })
  assert.is(new TextDecoder().decode(got.data), 'anyone?')
  assert.equal(got.from, { address: PEER, port: 7 })
  assert.ok(got.flags.includes('MSG_ERRQUEUE'))
  assert.is(socket.recv({ flags: ['MSG_ERRQUEUE'] }), undefined)
})

path('SO_REUSEADDR: without it a port is bound once', (h) => {
  h.udp()
  const refused = (error: { code?: string; errno?: number; syscall?: string }): boolean =>
    error.code === 'EADDRINUSE' && error.errno === -98 && error.syscall === 'bind'
  assert.throws(() => h.udp(), refused)
  assert.throws(() => h.udp({ port: 7, options: { SO_REUSEADDR: 1 } }), refused)
  assert.throws(() => h.udp({ port: 7, address: HOST }), refused)
  h.udp({ port: 8, address: HOST })
  h.udp({ port: 8, address: '127.0.0.1' })
})

path('SO_REUSEPORT shares datagrams out by flow', (h) => {
  const sockets = [1, 2, 3, 4].map(() => h.udp({ port: 7, options: { SO_REUSEPORT: 1 } }))
  const frames = Array.from({ length: 64 }, (_, i) => udp({ from: `${PEER}:${5000 + i}`, data: 'x' }))
  h.rx('eth0', ...frames)
  const first = sockets.map((socket) => [...(socket.recvBatch(1024)?.ports ?? [])])
  assert.is(first.flat().length, 64)
  assert.ok(first.filter((ports) => ports.length > 0).length > 1)
  h.rx('eth0', ...frames)
  assert.equal(
    sockets.map((socket) => [...(socket.recvBatch(1024)?.ports ?? [])]),
    first,
  )
})

path('SO_BINDTODEVICE hears and sends only by its device', (h) => {
  const eth1 = h.host.tap('eth1', { mac: '02:00:00:00:00:11' })
  h.host.addr.add('eth1', '10.0.1.1/24')
  h.host.link('eth1', { up: true })
  h.net.advance('1ms')
  eth1.tx()
  const socket = h.udp({ port: 7, options: { SO_BINDTODEVICE: 'eth1' } })
  h.rx('eth0', udp({ data: 'eth0' }))
  h.reads(socket)
  h.tx('eth0', { type: 3, code: 3 })
  eth1.rx([udp({ dmac: '02:00:00:00:00:11', from: '10.0.1.2:4000', to: '10.0.1.1:7', data: 'eth1' })])
  h.reads(socket, { data: 'eth1' })
  h.moment()
  socket.send('x', `${PEER}:9`)
  h.tx('eth0')
  h.tx('eth1', { op: 1, tip: PEER })
})

path('SO_BROADCAST lets a broadcast leave', (h) => {
  const socket = h.udp()
  assert.throws(
    () => socket.send('x', '10.0.0.255:9'),
    (error: { code?: string }) => error.code === 'EACCES',
  )
  h.tx('eth0')
  socket.socket.setsockopt('SO_BROADCAST', 1)
  socket.send('x', '10.0.0.255:9')
  h.tx('eth0', { to: '10.0.0.255:9' })
})

path('IP_TTL and IP_TOS are those of what is sent; control messages go before them', (h) => {
  const socket = h.udp({ options: { IP_TTL: 9, IP_TOS: 0x48 } })
  socket.send('a', `${PEER}:9`)
  socket.send('b', `${PEER}:9`, { cmsg: { IP_TTL: 3, IP_TOS: 0x20 } })
  h.tx('eth0', { data: 'a', ttl: 9, tos: 0x48 }, { data: 'b', ttl: 3, tos: 0x20 })
})

path('IP_PKTINFO chooses the source', (h) => {
  h.host.addr.add('eth0', '10.0.0.7/24')
  const socket = h.udp({ port: 7 })
  socket.send('a', `${PEER}:9`)
  socket.send('b', `${PEER}:9`, { cmsg: { IP_PKTINFO: { spec_dst: '10.0.0.7' } } })
  h.tx('eth0', { data: 'a', from: `${HOST}:7` }, { data: 'b', from: '10.0.0.7:7' })
})

// Only TCP looks at it: golden/udp-rx/udp-rx-min-ttl.
path('IP_MINTTL keeps no datagram out', (h) => {
  const socket = h.udp({ port: 7, options: { IP_MINTTL: 64 } })
  h.rx('eth0', udp({ ttl: 63, data: 'far' }))
  h.reads(socket, { data: 'far' })
})

path('memberships: joined twice is an error, left it is gone; MULTICAST_ALL off hears only its own', (h) => {
  const member = h.udp({
    port: 7,
    options: { SO_REUSEADDR: 1, IP_ADD_MEMBERSHIP: { group: '239.1.1.1', dev: 'eth0' } },
  })
  const all = h.udp({ port: 7, options: { SO_REUSEADDR: 1 } })
  const own = h.udp({ port: 7, options: { SO_REUSEADDR: 1, IP_MULTICAST_ALL: 0 } })
  const frame = udp({ dmac: '01:00:5e:01:01:01', to: '239.1.1.1:7', data: 'x' })
  h.rx('eth0', frame)
  h.reads(member, { data: 'x' })
  h.reads(all, { data: 'x' })
  h.reads(own)
  const set = (option: string): void => void member.socket.setsockopt(option, { group: '239.1.1.1', dev: 'eth0' })
  assert.throws(
    () => set('IP_ADD_MEMBERSHIP'),
    (error: { code?: string }) => error.code === 'EADDRINUSE',
  )
  set('IP_DROP_MEMBERSHIP')
  assert.throws(
    () => set('IP_DROP_MEMBERSHIP'),
    (error: { code?: string }) => error.code === 'EADDRNOTAVAIL',
  )
  h.rx('eth0', frame)
  h.reads(member)
  h.reads(all)
})

path('what is sent to a group leaves with TTL 1, by the chosen device, and comes back unless told not to', (h) => {
  const group = { group: '239.1.1.1', dev: 'eth0' }
  const listener = h.udp({ port: 7, options: { IP_ADD_MEMBERSHIP: group } })
  const sender = h.udp({ port: 4000, options: { IP_MULTICAST_IF: { dev: 'eth0' } } })
  // The reports of the membership go out first.
  h.net.advance('30s')
  ;(h.host.device('eth0') as Tap).tx()
  sender.send('x', '239.1.1.1:7')
  h.tx('eth0', { to: '239.1.1.1:7', dmac: '01:00:5e:01:01:01', ttl: 1, data: 'x' })
  h.reads(listener, { data: 'x', from: `${HOST}:4000` })
  sender.socket.setsockopt('IP_MULTICAST_LOOP', 0)
  sender.send('y', '239.1.1.1:7')
  h.tx('eth0', { data: 'y' })
  h.reads(listener)
})

path('MSG_PEEK leaves it, MSG_TRUNC tells its length, a short buffer cuts it', (h) => {
  const socket = h.udp()
  h.rx('eth0', udp({ data: 'hello' }), udp({ data: 'world' }))
  assert.is(new TextDecoder().decode(socket.recv({ flags: ['MSG_PEEK'] })!.data), 'hello')
  const cut = socket.recv({ max: 2 })!
  assert.equal([new TextDecoder().decode(cut.data), cut.length, cut.flags], ['he', 2, ['MSG_TRUNC']])
  const told = socket.recv({ max: 2, flags: ['MSG_TRUNC'] })!
  assert.equal([new TextDecoder().decode(told.data), told.length, told.flags], ['wo', 5, ['MSG_TRUNC']])
})

path('connect, getpeername, disconnect', (h) => {
  const { socket } = h.udp()
  assert.throws(
    () => socket.getpeername(),
    (error: { code?: string }) => error.code === 'ENOTCONN',
  )
  socket.connect(`${PEER}:9`)
  assert.equal(socket.getpeername(), { address: PEER, port: 9 })
  assert.equal(socket.getsockname(), { address: HOST, port: 7 })
  socket.send('x')
  h.tx('eth0', { to: `${PEER}:9`, dmac: PEER_MAC })
  socket.connect(null)
  assert.throws(
    () => socket.send('x'),
    (error: { code?: string }) => error.code === 'EDESTADDRREQ',
  )
})

run()
