// A datagram on its way to a socket: found, refused, counted and answered as Linux does (net/ipv4/udp.c).

import * as assert from 'uvu/assert'
import { formatIPv4 } from '../../src/index.ts'
import { BROADCAST_MAC, HOST, HOST_MAC, PEER, PEER_MAC, icmp, ipPacket, read, udp, udpDatagram } from './packets.ts'
import { stories } from './story.ts'

const { path, run } = stories('udp')

path('a datagram reaches its socket', (h) => {
  const socket = h.udp()
  h.rx('eth0', udp({ data: 'hello' }))
  h.walk(
    'tun_get_user',
    'netif_receive_skb',
    '__netif_receive_skb_core',
    'ip_rcv',
    'ip_rcv_core',
    'ip_rcv_finish_core',
    'ip_route_input_slow',
    'fib_table_lookup',
    'ip_local_deliver',
    'ip_local_deliver_finish',
    'ip_protocol_deliver_rcu',
    'udp_rcv',
    'udp_unicast_rcv_skb',
    'udp_queue_rcv_skb',
    '__udp_enqueue_schedule_skb',
    'sock_def_readable',
  )
  h.kept()
  h.counters({ IpInReceives: 1, IpInDelivers: 1, IpExtInOctets: 33, UdpInErrors: 0, UdpNoPorts: 0 })
  h.reads(socket, { data: 'hello', from: `${PEER}:4000`, length: 5, flags: [] })
  h.counters({ UdpInDatagrams: 1 })
  h.tx('eth0')
})

path('a datagram for a port nobody bound is answered with port unreachable', (h) => {
  const frame = udp({ to: `${HOST}:9`, data: 'x' })
  h.rx('eth0', frame)
  h.walk('ip_rcv_core', 'ip_local_deliver', 'udp_rcv', '__icmp_send', 'icmp_push_reply', 'ip_output')
  h.dropped('NO_SOCKET', 1)
  h.counters({ UdpNoPorts: 1, UdpInDatagrams: 0, IcmpOutDestUnreachs: 1, IcmpMsgOutType3: 1 })
  const quote = Buffer.from(frame.subarray(14)).toString('hex')
  h.tx('eth0', { from: HOST, to: PEER, dmac: PEER_MAC, protocol: 1, type: 3, code: 3, rest: 0, tos: 0xc0, data: quote })
})

/** Datagrams that no socket gets although port 7 is bound: why, and what is counted. */
const refused: {
  name: string
  frame: Uint8Array
  reason: string
  counters: Record<string, number>
}[] = [
  {
    name: 'a wrong checksum',
    frame: udp({ data: 'hello', checksumOff: 1 }),
    reason: 'UDP_CSUM',
    counters: { UdpInErrors: 1, UdpInCsumErrors: 1, IpInDelivers: 1 },
  },
  {
    name: 'a wrong checksum for a port nobody bound: no answer',
    frame: udp({ to: `${HOST}:9`, checksumOff: 1 }),
    reason: 'UDP_CSUM',
    counters: { UdpInErrors: 1, UdpInCsumErrors: 1, UdpNoPorts: 0, IcmpOutMsgs: 0 },
  },
  {
    name: 'a length beyond the packet',
    frame: udp({ data: 'hello', length: 14 }),
    reason: 'PKT_TOO_SMALL',
    counters: { UdpInErrors: 1, UdpInCsumErrors: 0 },
  },
  {
    name: 'a length shorter than the header',
    frame: udp({ data: 'hello', length: 7 }),
    reason: 'PKT_TOO_SMALL',
    counters: { UdpInErrors: 1 },
  },
  {
    name: 'half a header',
    frame: udp({ totalLength: 24 }).subarray(0, 38),
    reason: 'NOT_SPECIFIED',
    counters: { UdpInErrors: 1 },
  },
]
for (const { name, frame, reason, counters } of refused) {
  path(`refused: ${name}`, (h) => {
    const socket = h.udp()
    h.rx('eth0', frame)
    h.reads(socket)
    h.dropped(reason)
    h.counters({ UdpInDatagrams: 0, ...counters })
    h.tx('eth0')
  })
}

path('without a checksum (0) a datagram is taken as it is', (h) => {
  const socket = h.udp()
  h.rx('eth0', udp({ data: 'hello', checksumOff: 'none' }))
  h.reads(socket, { data: 'hello' })
  h.kept()
})

path('what lies behind the datagram in its packet is cut off', (h) => {
  const socket = h.udp()
  h.rx('eth0', udp({ data: 'hello', pad: 60 }))
  h.reads(socket, { data: 'hello', length: 5 })
  const longer = udp({ data: 'hello world', length: 13, checksumOff: 'none' })
  h.rx('eth0', longer)
  h.reads(socket, { data: 'hello', length: 5 })
})

path('a datagram without a payload is one', (h) => {
  const socket = h.udp()
  h.rx('eth0', udp())
  h.reads(socket, { data: '', length: 0 })
})

/** Who gets a datagram from 10.0.0.2:4000 to 10.0.0.1:7 of two sockets. */
const contests = [
  { name: 'the one bound to the address', loser: {}, winner: { address: HOST } },
  { name: 'the connected one', loser: { address: HOST }, winner: { connect: `${PEER}:4000` } },
  { name: 'the one bound to the device', loser: {}, winner: { options: { SO_BINDTODEVICE: 'eth0' } } },
  { name: 'the last one bound', loser: {}, winner: {} },
]
for (const { name, loser, winner } of contests) {
  for (const winnerFirst of name.startsWith('the last') ? [false] : [false, true]) {
    path(`of two sockets ${name} gets it${winnerFirst ? ', also when it is the older' : ''}`, (h) => {
      const options = { SO_REUSEADDR: 1 }
      const make = (given: object): ReturnType<typeof h.udp> =>
        h.udp({ port: 7, ...given, options: { ...options, ...(given as { options?: object }).options } })
      const first = make(winnerFirst ? winner : loser)
      const second = make(winnerFirst ? loser : winner)
      h.rx('eth0', udp({ data: 'x' }))
      h.reads(winnerFirst ? first : second, { data: 'x' })
      h.reads(winnerFirst ? second : first)
    })
  }
}

path('a connected socket gets nothing from others', (h) => {
  const socket = h.udp({ port: 7, connect: `${PEER}:4000` })
  h.rx('eth0', udp({ from: `${PEER}:4001`, data: 'x' }), udp({ from: '10.0.0.3:4000', data: 'x' }))
  h.reads(socket)
  h.counters({ UdpNoPorts: 2 })
  h.dropped('NO_SOCKET', 2)
})

path('a broadcast goes to every socket of the port', (h) => {
  const sockets = [1, 2, 3].map(() => h.udp({ port: 7, options: { SO_REUSEADDR: 1 } }))
  h.rx('eth0', udp({ dmac: BROADCAST_MAC, to: '10.0.0.255:7', data: 'all' }))
  for (const socket of sockets) h.reads(socket, { data: 'all' })
  h.counters({ IpExtInBcastPkts: 1, UdpInDatagrams: 3 })
  h.rx('eth0', udp({ dmac: BROADCAST_MAC, to: '255.255.255.255:7', data: 'all' }))
  for (const socket of sockets) h.reads(socket, { data: 'all' })
})

path('a broadcast for a port nobody bound is not answered', (h) => {
  h.rx('eth0', udp({ dmac: BROADCAST_MAC, to: '10.0.0.255:9' }))
  h.counters({ UdpNoPorts: 0, UdpIgnoredMulti: 1, IcmpOutMsgs: 0 })
  h.tx('eth0')
})

path('a full receive buffer drops by truesize', (h) => {
  const socket = h.udp({ port: 7, options: { SO_RCVBUF: 2304 } })
  assert.is(socket.socket.getsockopt('SO_RCVBUF'), 4608)
  const frames = Array.from({ length: 12 }, () => udp({ data: 'x' }))
  h.rx('eth0', ...frames)
  const { UdpInDatagrams = 0, UdpRcvbufErrors = 0, UdpInErrors } = h.host.counters()
  assert.ok(UdpRcvbufErrors > 0)
  assert.is(UdpInErrors, UdpRcvbufErrors)
  assert.is(UdpInDatagrams, 0, 'nothing has been read')
  h.dropped('SOCKET_RCVBUFF', UdpRcvbufErrors)
  const batch = socket.recvBatch()
  assert.is(batch?.count, 12 - UdpRcvbufErrors)
  h.counters({ UdpInDatagrams: 12 - UdpRcvbufErrors })
  h.rx('eth0', udp({ data: 'y' }))
  h.reads(socket, { data: 'y' })
})

path('a batch has lengths, senders, ports, devices and bytes in columns', (h) => {
  const socket = h.udp()
  h.rx(
    'eth0',
    udp({ data: 'one' }),
    udp({ from: `${PEER}:4001`, data: '' }),
    udp({ from: '10.0.0.3:5', data: 'three' }),
  )
  const batch = socket.recvBatch(2)!
  assert.is(batch.count, 2)
  assert.equal([...batch.lengths], [3, 0])
  assert.equal([...batch.addresses].map(formatIPv4), [PEER, PEER])
  assert.equal([...batch.ports], [4000, 4001])
  assert.equal([...batch.ifindexes], [2, 2])
  assert.equal(new TextDecoder().decode(batch.data.subarray(batch.offsets[0], batch.offsets[0]! + 3)), 'one')
  assert.is(socket.recvBatch(2)!.count, 1)
  assert.is(socket.recvBatch(2), undefined)
})

path('port unreachable is told to a connected socket, once', (h) => {
  const socket = h.udp({ port: 4000, connect: `${PEER}:7` })
  socket.send('anyone?')
  const [sent] = h.tx('eth0', { from: `${HOST}:4000`, to: `${PEER}:7`, data: 'anyone?', ttl: 64, df: true })
  const quoted = { from: `${HOST}:4000`, to: `${PEER}:7`, data: 'anyone?', id: sent!.id!, df: true }
  h.rx('eth0', icmp({ type: 3, code: 3, rest: 0, data: ipPacket({ ...quoted, protocol: 17 }, udpDatagram(quoted)) }))
  h.walk('icmp_rcv', 'icmp_unreach', 'icmp_socket_deliver', 'udp_err')
  assert.throws(
    () => socket.recv(),
    (error: { code?: string; errno?: number; syscall?: string }) =>
      error.code === 'ECONNREFUSED' && error.errno === -111 && error.syscall === 'recvmsg',
  )
  assert.is(socket.recv(), undefined)
})

path('sends: to an endpoint, connected, broadcast', (h) => {
  const socket = h.udp({ port: 4000, options: { SO_BROADCAST: 1 } })
  assert.is(socket.send('a', `${PEER}:7`), 1)
  assert.is(socket.send(Uint8Array.of(98), [PEER, 8]), 1)
  assert.is(socket.send('c', { address: '10.0.0.255', port: 9 }), 1)
  h.tx(
    'eth0',
    { from: `${HOST}:4000`, to: `${PEER}:7`, data: 'a', smac: HOST_MAC, dmac: PEER_MAC },
    { to: `${PEER}:8`, data: 'b' },
    { to: '10.0.0.255:9', data: 'c', dmac: BROADCAST_MAC },
  )
  h.counters({ UdpOutDatagrams: 3, IpOutRequests: 3, IpExtOutBcastPkts: 1 })
})

path('a datagram beyond the MTU leaves in fragments, and none with IP_MTU_DISCOVER DO', (h) => {
  const socket = h.udp({ port: 4000, options: { IP_MTU_DISCOVER: 'DONT' } })
  const data = new Uint8Array(4000).fill(97)
  socket.send(data, `${PEER}:7`)
  const frames = h.tx('eth0', { offset: 0, mf: true }, { offset: 1480, mf: true }, { offset: 2960, mf: false })
  assert.is(new Set(frames.map(({ id }) => id)).size, 1)
  assert.equal(
    frames.map(({ length }) => length),
    [1514, 1514, 34 + 4008 - 2960],
  )
  h.counters({ IpOutRequests: 1, IpFragCreates: 3, IpFragOKs: 1 })
  socket.socket.setsockopt('IP_MTU_DISCOVER', 'DO')
  assert.throws(
    () => socket.send(data, `${PEER}:7`),
    (error: { code?: string }) => error.code === 'EMSGSIZE',
  )
  h.tx('eth0')
})

path('a host talks to itself over lo', (h) => {
  const server = h.udp()
  const client = h.udp({ port: 4000 })
  for (const address of ['127.0.0.1', HOST]) {
    h.moment()
    client.send('me', `${address}:7`)
    h.walk('udp_sendmsg', 'ip_output', 'loopback_xmit', 'process_backlog', 'ip_rcv', 'udp_rcv')
    h.reads(server, { data: 'me', from: `${address}:4000` })
    server.send('you', `${address}:4000`)
    h.reads(client, { data: 'you', from: `${address}:7` })
  }
  h.tx('eth0')
})

path('a closed port on this host itself refuses at once', (h) => {
  const client = h.udp({ connect: '127.0.0.1:9' })
  client.send('x')
  assert.throws(
    () => client.send('y'),
    (error: { code?: string; syscall?: string }) => error.code === 'ECONNREFUSED' && error.syscall === 'sendmsg',
  )
})

path('next() and for await get what comes, and end with the socket', async (h) => {
  const socket = h.udp()
  const waiting = socket.next()
  h.rx('eth0', udp({ data: 'one' }))
  assert.is(new TextDecoder().decode((await waiting).data), 'one')
  h.rx('eth0', udp({ data: 'two' }), udp({ data: 'three' }))
  const seen: string[] = []
  for await (const { data } of socket) {
    seen.push(new TextDecoder().decode(data))
    if (seen.length === 2) socket.close()
  }
  assert.equal(seen, ['two', 'three'])
})

path('who waits can be told to stop', async (h) => {
  const socket = h.udp()
  const controller = new AbortController()
  const waiting = socket.next({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await waiting.then(
    () => assert.unreachable('nothing came'),
    (error: Error) => assert.is(error.message, 'enough'),
  )
  h.rx('eth0', udp({ data: 'later' }))
  h.reads(socket, { data: 'later' })
})

path('frames of a batch with napi are all received', { tap: { napi: true } }, (h) => {
  const socket = h.udp()
  h.rx('eth0', ...Array.from({ length: 200 }, (_, i) => udp({ data: String(i) })))
  h.reads(socket, ...Array.from({ length: 200 }, (_, i) => ({ data: String(i) })))
  h.walk('net_rx_action', '__napi_poll', 'napi_gro_receive', 'ip_list_rcv', 'ip_rcv_core', 'udp_rcv')
  assert.is(read(udp()).wrong.length, 0)
})

run()
