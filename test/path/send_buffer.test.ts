// The send buffer: how much fits, when there is room again, and who is told. What is expected is what Linux 6.18 answered to the
// same calls on a TAP, with packets that wait for a neighbour nobody knows.

import * as assert from 'uvu/assert'
import * as so from '../../assembly/uapi/socket.ts'
import { type Socket, parseIPv4 } from '../../src/index.ts'
import { type Setup, type Story, stories } from './story.ts'

const { path, run } = stories('send buffer')

/** Whatever waits for a neighbour waits for the whole story. */
const PATIENT: Setup = {
  sysctl: {
    'net.ipv4.neigh.eth0.unres_qlen_bytes': 100_000_000,
    'net.ipv4.neigh.eth0.mcast_solicit': 30,
  },
}

/** SO_SNDBUF as it is set, and for each size of payload how many datagrams and how many raw packets are taken. */
const FITS: Readonly<Record<number, Readonly<Record<number, readonly [udp: number, raw: number]>>>> = {
  1: {
    0: [6, 12],
    100: [6, 12],
    200: [4, 12],
    300: [4, 8],
    1000: [2, 4],
    1472: [2, 4],
    1473: [2, 4],
    3000: [1, 1],
    8000: [0, 0],
  },
  10000: { 1: [25, 49], 200: [16, 49], 300: [16, 32], 1472: [9, 18], 1473: [7, 18], 3000: [4, 7], 8000: [2, 3] },
  106496: {
    0: [256, 512],
    200: [167, 512],
    600: [167, 333],
    1000: [93, 185],
    1473: [68, 185],
    3000: [40, 78],
    8000: [17, 33],
  },
}

const code = (error: unknown): string => (error as NodeJS.ErrnoException).code!

/** How many sends of size bytes are taken, and what the next one answers. */
function fill(socket: Socket, size: number): [taken: number, error: string] {
  for (let taken = 0; ; taken++) {
    try {
      socket.send(new Uint8Array(size), { to: '10.0.0.9:9' })
    } catch (error) {
      return [taken, code(error)]
    }
  }
}

for (const [buffer, sizes] of Object.entries(FITS)) {
  for (const [size, [udp, raw]] of Object.entries(sizes)) {
    path(`SO_SNDBUF ${buffer}, ${size} bytes: ${udp} datagrams, ${raw} raw packets`, PATIENT, (h) => {
      const make = (socket: Socket): Socket => socket.setsockopt('SO_SNDBUF', Number(buffer))
      assert.equal(fill(make(h.socket('udp')), Number(size)), [udp, udp === 0 ? 'ENOBUFS' : 'EAGAIN'])
      assert.equal(fill(make(h.socket('raw', 99)), Number(size)), [raw, 'ENOBUFS'])
    })
  }
}

const PEERS = Array.from({ length: 13 }, (_, i) => `10.0.0.${9 + i}`)
const known = (h: Story, ip: string): void =>
  h.host.neigh.replace({ dev: 'eth0', ip, mac: '02:00:00:00:00:09', state: 'reachable' })

/** Thirteen datagrams fill the buffer; each waits for another neighbour. */
function full(h: Story): Socket {
  const socket = h.socket('udp').setsockopt('SO_SNDBUF', 5000)
  for (const ip of PEERS) assert.is(socket.send(new Uint8Array(100), { to: `${ip}:9` }), 100)
  return socket
}

const trySend = (socket: Socket): string => {
  try {
    socket.send('x', { to: '10.0.0.2:9' })
    return ''
  } catch (error) {
    return code(error)
  }
}

path('an edge for each packet that is freed once less than half of the buffer is in use', PATIENT, (h) => {
  const socket = full(h)
  assert.is(trySend(socket), 'EAGAIN')
  const epoll = h.host.epoll().add(socket, ['EPOLLOUT', 'EPOLLET'])
  const edge = (): boolean => epoll.poll().some(({ events }) => events & so.EPOLLOUT)
  assert.not(edge())
  const edges = PEERS.map((ip) => {
    known(h, ip)
    return edge()
  })
  // 832 bytes each: the seventh leaves 4992 of 10000.
  assert.equal(edges, [...Array(6).fill(false), ...Array(7).fill(true)])
})

path('a full buffer is counted, and every refusal of the socket after it', PATIENT, (h) => {
  const socket = full(h)
  h.moment()
  assert.is(trySend(socket), 'EAGAIN')
  h.counters({ UdpSndbufErrors: 1, IpOutDiscards: 1 })
  for (const ip of PEERS) known(h, ip)
  h.moment()
  assert.throws(() => socket.send('x', { to: '99.9.9.9:9' }), /ENETUNREACH/)
  h.counters({ UdpSndbufErrors: 1, IpOutDiscards: 0 })
})

path('a batch ends where the buffer does, which is counted once', PATIENT, (h) => {
  const socket = h.udp({ port: 7, options: { SO_SNDBUF: 5000 } })
  const count = 20
  const column = (value: number): number[] => Array<number>(count).fill(value)
  const [lengths, offsets, ports] = [column(100), column(0), column(9)]
  const addresses = column(parseIPv4('10.0.0.9'))
  h.moment()
  const batch = { count, lengths, addresses, ports, offsets, data: new Uint8Array(100) }
  assert.is(socket.sendBatch(batch), 13)
  h.counters({ UdpSndbufErrors: 1, IpOutDiscards: 1 })
  assert.throws(() => socket.sendBatch(batch), /EAGAIN/)
})

path('a send that waits goes when half of the buffer is free', PATIENT, async (h) => {
  const socket = full(h)
  h.moment()
  const sent: number[] = []
  const sending = ['a', 'bb', 'ccc'].map((data) =>
    socket.sendWhenRoom(data, { to: '10.0.0.2:9' }).then((n) => sent.push(n)),
  )
  for (const [i, ip] of PEERS.entries()) {
    await Promise.resolve()
    assert.is(sent.length, i < 7 ? 0 : 3, `${i} were freed`)
    known(h, ip)
    for (let turn = 0; turn < 8; turn++) await Promise.resolve()
  }
  await Promise.all(sending)
  assert.equal(sent, [1, 2, 3])
  h.counters({ UdpSndbufErrors: 0, IpOutDiscards: 0, UdpOutDatagrams: 3 })
})

path('SO_SNDTIMEO, a timeout and a signal end the wait', PATIENT, async (h) => {
  const socket = full(h)
  h.moment()
  socket.setsockopt('SO_SNDTIMEO', 0.3)
  const ends = [
    socket.sendWhenRoom('x', { to: '10.0.0.2:9' }).catch(code),
    socket.sendWhenRoom('x', { to: '10.0.0.2:9', timeout: '100ms' }).catch(code),
    socket.sendWhenRoom('x', { to: '10.0.0.2:9', flags: ['MSG_DONTWAIT'] }).catch(code),
  ]
  const stop = new AbortController()
  const aborted = socket
    .sendWhenRoom('x', { to: '10.0.0.2:9', signal: stop.signal })
    .catch((error: Error) => error.name)
  stop.abort()
  assert.is(await aborted, 'AbortError')
  assert.is(await ends[2], 'EAGAIN')
  h.net.advance('100ms')
  assert.is(await ends[1], 'EAGAIN')
  h.net.advance('199ms')
  let done = false
  void ends[0]!.then(() => (done = true))
  await Promise.resolve()
  assert.not(done)
  h.net.advance('1ms')
  assert.is(await ends[0], 'EAGAIN')
  h.counters({ UdpSndbufErrors: 3, IpOutDiscards: 3 })
})

path('what is wrong with a datagram is said at once, and a closed socket ends the wait', PATIENT, async (h) => {
  const socket = full(h)
  const answer = (to: string): Promise<string> => socket.sendWhenRoom('x', { to }).then(String, code)
  assert.is(await answer('99.9.9.9:9'), 'ENETUNREACH')
  assert.is(await answer('10.0.0.255:9'), 'EACCES')
  const waiting = answer('10.0.0.2:9')
  socket.close()
  assert.is(await waiting, 'EBADF')
})

run()
