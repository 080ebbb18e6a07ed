// Readiness: Epoll level and edge triggered, poll, and reads that wait in virtual time. What is expected is what Linux 6.18
// answered to the same calls (fs/eventpoll.c, net/core/datagram.c).

import * as assert from 'uvu/assert'
import type { EpollEvents, Socket } from '../../src/index.ts'
import * as so from '../../assembly/uapi/socket.ts'
import { PEER, icmp, ipPacket, udp, udpDatagram } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('epoll')

const NAMES = ['IN', 'PRI', 'OUT', 'ERR', 'HUP', 'RDNORM', 'RDBAND', 'WRNORM', 'WRBAND', 'MSG', 'RDHUP'] as const

function words(events: number): string {
  const numbers = so as unknown as Record<string, number>
  return NAMES.filter((name) => events & numbers[`EPOLL${name}`]!).join(' ')
}

/** An epoll instance with a socket on port 7, and what it answers. */
function watching(h: Story, events: EpollEvents): { socket: Socket; ask(): string; packet(): void } {
  const { socket } = h.udp({ port: 7 })
  const epoll = h.host.epoll().add(socket, events)
  return {
    socket,
    ask: () =>
      epoll
        .poll()
        .map((event) => words(event.events))
        .join(', '),
    packet: () => h.rx('eth0', udp({ data: 'x' })),
  }
}

const code =
  (name: string) =>
  (error: { code?: string; syscall?: string }): boolean =>
    error.code === name && error.syscall !== undefined

path('level triggered: ready until it is read', (h) => {
  const { socket, ask, packet } = watching(h, ['EPOLLIN'])
  assert.is(ask(), '')
  packet()
  assert.equal([ask(), ask()], ['IN', 'IN'])
  socket.recv()
  assert.is(ask(), '')
})

path('edge triggered: once for what came since, read or not', (h) => {
  const { socket, ask, packet } = watching(h, ['EPOLLIN', 'EPOLLET'])
  packet()
  assert.equal([ask(), ask()], ['IN', ''])
  packet()
  assert.equal([ask(), ask()], ['IN', ''])
  packet()
  packet()
  assert.equal([ask(), ask()], ['IN', ''])
  socket.recv()
  assert.is(ask(), '')
  while (socket.recv()) continue
  packet()
  socket.recv()
  assert.is(ask(), '', 'it came and was read')
})

path('edge triggered: what is there already counts when it is added or changed', (h) => {
  const { socket } = h.udp({ port: 7 })
  h.rx('eth0', udp({ data: 'x' }))
  const epoll = h.host.epoll().add(socket, ['EPOLLIN', 'EPOLLET'])
  assert.equal([epoll.poll().length, epoll.poll().length], [1, 0])
  epoll.mod(socket, ['EPOLLIN', 'EPOLLET'])
  assert.equal([epoll.poll().length, epoll.poll().length], [1, 0])
  socket.recv()
})

path('edge triggered for sending: each packet that is gone is an edge, one that came is none', (h) => {
  const { socket, ask, packet } = watching(h, ['EPOLLOUT', 'EPOLLET'])
  assert.equal([ask(), ask()], ['OUT', ''])
  packet()
  assert.is(ask(), '')
  socket.recv()
  socket.send('y', { to: `${PEER}:9` })
  assert.is(h.tx('eth0', { data: 'y' }).length, 1)
  assert.equal([ask(), ask()], ['OUT', ''])
})

path('edge triggered both ways: what is told is all that is there', (h) => {
  const { socket, ask, packet } = watching(h, ['EPOLLIN', 'EPOLLOUT', 'EPOLLET'])
  assert.equal([ask(), ask()], ['OUT', ''])
  packet()
  assert.equal([ask(), ask()], ['IN OUT', ''])
  socket.recv()
  assert.is(ask(), '')
})

path('EPOLLONESHOT ends an interest, which mod renews', (h) => {
  const { socket } = h.udp({ port: 7 })
  const epoll = h.host.epoll().add(socket, ['EPOLLIN', 'EPOLLONESHOT'])
  const packet = (): void => h.rx('eth0', udp({ data: 'x' }))
  packet()
  assert.equal([epoll.poll().length, epoll.poll().length], [1, 0])
  packet()
  assert.is(epoll.poll().length, 0)
  epoll.mod(socket, ['EPOLLIN', 'EPOLLONESHOT'])
  assert.equal([epoll.poll().length, epoll.poll().length], [1, 0])
  while (socket.recv()) continue
})

path('in the order of being woken; what is still ready goes behind the others', (h) => {
  const sockets = [0, 1, 2, 3].map((i) => h.udp({ port: 100 + i }).socket)
  const epoll = h.host.epoll()
  for (const socket of sockets) epoll.add(socket, ['EPOLLIN'])
  for (const i of [2, 0, 3, 1]) h.rx('eth0', udp({ to: `10.0.0.1:${100 + i}`, data: 'x' }))
  const ask = (max: number): number[] => epoll.poll(max).map(({ socket }) => sockets.findIndex((one) => one === socket))
  assert.equal(
    [ask(2), ask(2), ask(3), ask(2)],
    [
      [2, 0],
      [3, 1],
      [2, 0, 3],
      [1, 2],
    ],
  )
  sockets[3]!.recv()
  assert.equal(
    [ask(2), ask(2), ask(9)],
    [
      [0, 1],
      [2, 0],
      [1, 2, 0],
    ],
  )
  for (const i of [3, 2]) sockets[i]!.close()
  assert.equal(ask(9), [1, 0], 'who is closed is out')
  for (const i of [0, 1]) sockets[i]!.recv()
})

path('an error is told whatever the interest is, and once at an edge', (h) => {
  const { socket } = h.udp({ port: 4000, connect: `${PEER}:7` })
  const level = h.host.epoll().add(socket, 0)
  const edge = h.host.epoll().add(socket, ['EPOLLIN', 'EPOLLET'])
  const ask = (epoll: typeof level): string => words(epoll.poll()[0]?.events ?? 0)
  assert.equal([ask(level), ask(edge)], ['', ''])
  socket.send('x')
  const [sent] = h.tx('eth0', { data: 'x' })
  const quoted = { from: '10.0.0.1:4000', to: `${PEER}:7`, data: 'x', id: sent!.id!, df: true }
  h.rx('eth0', icmp({ type: 3, code: 3, rest: 0, data: ipPacket({ ...quoted, protocol: 17 }, udpDatagram(quoted)) }))
  assert.equal([ask(level), ask(level), ask(edge), ask(edge)], ['ERR', 'ERR', 'ERR', ''])
  assert.throws(() => socket.recv(), code('ECONNREFUSED'))
  assert.equal([ask(level), ask(edge)], ['', ''])
})

path('shutdown: for reading, then for both, and every call is an edge', (h) => {
  const { socket } = h.udp({ port: 4000, connect: `${PEER}:7` })
  const edge = h.host.epoll().add(socket, ['EPOLLIN', 'EPOLLRDHUP', 'EPOLLET'])
  const level = h.host.epoll().add(socket, 0x20ff | 0xff00)
  const ask = (epoll: typeof level): string => words(epoll.poll()[0]?.events ?? 0)
  assert.equal([ask(edge), ask(level)], ['', 'OUT WRNORM WRBAND'])
  socket.shutdown('RD')
  assert.equal([ask(edge), ask(level)], ['IN RDHUP', 'IN OUT RDNORM WRNORM WRBAND RDHUP'])
  socket.shutdown('WR')
  assert.equal([ask(edge), ask(level)], ['IN HUP RDHUP', 'IN OUT HUP RDNORM WRNORM WRBAND RDHUP'])
  socket.shutdown('WR')
  assert.is(ask(edge), 'IN HUP RDHUP')
})

const interests: readonly (readonly [interest: EpollEvents, atOnce: string, afterPacket: string])[] = [
  [['EPOLLRDNORM', 'EPOLLET'], '', 'RDNORM'],
  [['EPOLLRDBAND', 'EPOLLET'], '', ''],
  [['EPOLLWRNORM', 'EPOLLET'], 'WRNORM', ''],
  [['EPOLLWRBAND', 'EPOLLET'], 'WRBAND', ''],
  [['EPOLLPRI', 'EPOLLET'], '', ''],
  [['EPOLLOUT', 'EPOLLET'], 'OUT', ''],
  [['EPOLLIN', 'EPOLLRDNORM', 'EPOLLET'], '', 'IN RDNORM'],
]
for (const [interest, atOnce, afterPacket] of interests) {
  path(`${String(interest)}: only what was asked for`, (h) => {
    const { socket, ask, packet } = watching(h, interest)
    assert.is(ask(), atOnce)
    packet()
    assert.is(ask(), afterPacket)
    socket.recv()
  })
}

path('refused: ENOENT, EEXIST, EINVAL, EBADF', (h) => {
  const { socket } = h.udp({ port: 7 })
  const other = h.udp({ port: 8 }).socket
  const epoll = h.host.epoll().add(socket, ['EPOLLIN'])
  assert.throws(() => epoll.add(socket, ['EPOLLIN']), code('EEXIST'))
  assert.throws(() => epoll.mod(other, ['EPOLLIN']), code('ENOENT'))
  assert.throws(() => epoll.del(other), code('ENOENT'))
  assert.throws(() => epoll.poll(0), code('EINVAL'))
  assert.throws(() => epoll.mod(socket, ['EPOLLIN', 'EPOLLEXCLUSIVE']), code('EINVAL'))
  for (const flag of ['EPOLLPRI', 'EPOLLRDNORM', 'EPOLLONESHOT', 'EPOLLRDHUP', 'EPOLLWRNORM'] as const)
    assert.throws(() => epoll.add(other, ['EPOLLEXCLUSIVE', flag]), code('EINVAL'))
  for (const flag of ['EPOLLIN', 'EPOLLOUT', 'EPOLLERR', 'EPOLLHUP', 'EPOLLET', 'EPOLLWAKEUP'] as const)
    epoll.add(other, ['EPOLLEXCLUSIVE', flag]).del(other)
  epoll.add(other, ['EPOLLEXCLUSIVE', 'EPOLLIN'])
  assert.throws(() => epoll.mod(other, ['EPOLLIN']), code('EINVAL'))
  other.close()
  assert.throws(() => epoll.add(other, ['EPOLLIN']), code('EBADF'))
  epoll.close()
  assert.throws(() => epoll.poll(), code('EBADF'))
  assert.throws(() => epoll.add(socket, ['EPOLLIN']), code('EBADF'))
})

path('wait: until something is ready, at most a time of the lab', async (h) => {
  const { socket } = h.udp({ port: 7 })
  const epoll = h.host.epoll().add(socket, ['EPOLLIN', 'EPOLLET'])
  const first = epoll.wait()
  h.rx('eth0', udp({ data: 'x' }))
  assert.is((await first)[0]!.socket, socket)
  const second = epoll.wait({ timeout: '5ms' })
  h.net.advance('10ms')
  assert.equal(await second, [])
  const third = epoll.wait()
  epoll.close()
  await third.then(
    () => assert.unreachable(),
    (error) => assert.ok(code('EBADF')(error)),
  )
  socket.recv()
})

path('next: SO_RCVTIMEO ends in virtual time with EAGAIN, and a datagram before it is read', async (h) => {
  const socket = h.udp({ port: 7, options: { SO_RCVTIMEO: 2 } })
  const late = socket.next()
  h.net.advance('1999ms')
  const early = socket.next({ timeout: '1ms' })
  h.net.advance('1ms')
  for (const waiting of [late, early])
    await waiting.then(
      () => assert.unreachable(),
      (error) => assert.ok(code('EAGAIN')(error)),
    )
  const read = socket.next()
  h.net.advance('1s')
  h.rx('eth0', udp({ data: 'x' }))
  assert.is(new TextDecoder().decode((await read).data), 'x')
  assert.is(h.net.run().idle, true)
})

path('next: the end of a wait is part of a snapshot', async (h) => {
  const socket = h.udp({ port: 7, options: { SO_RCVTIMEO: 2 } })
  const ended: string[] = []
  const read = socket.next().then(
    () => ended.push('read'),
    (error: { code: string }) => ended.push(error.code),
  )
  h.net.advance('1s')
  const snapshot = h.net.snapshot()
  h.net.restore(structuredClone(snapshot))
  await Promise.resolve()
  h.net.advance('900ms')
  await Promise.resolve()
  assert.equal(ended, [])
  h.net.advance('100ms')
  await read
  assert.equal(ended, ['EAGAIN'])
})

path('next: after shutdown for reading an empty one without sender; EBADF when it is closed', async (h) => {
  const socket = h.udp({ port: 4000, connect: `${PEER}:7` })
  const read = socket.next()
  socket.socket.shutdown('RD')
  assert.equal(await read, { data: new Uint8Array(), length: 0, flags: [] } as never)
  const seen: unknown[] = []
  for await (const datagram of socket) seen.push(datagram)
  assert.equal(seen, [])
  const other = h.udp({ port: 8 })
  const waiting = other.next()
  other.close()
  await waiting.then(
    () => assert.unreachable(),
    (error) => assert.ok(code('EBADF')(error)),
  )
})

path('next: an abort ends it with its reason', async (h) => {
  const socket = h.udp({ port: 7 })
  const stop = new AbortController()
  const read = socket.next({ signal: stop.signal, timeout: '1s' })
  stop.abort(new Error('enough'))
  await read.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  )
  h.net.advance('2s')
})

run()
