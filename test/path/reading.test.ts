// What reads answer, call by call, as Linux 6.18 answered the same calls over loopback: MSG_PEEK with SO_PEEK_OFF, MSG_TRUNC,
// the error queue, the receive buffer by truesize, control messages and their room, stamps (net/ipv4/udp.c, net/core/datagram.c).

import * as assert from 'uvu/assert'
import type { MsgFlag, ReadOptions, ReceivedCmsg, Socket } from '../../src/index.ts'
import { errnoNumber } from '../../src/index.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('reading')

const ME = '127.0.0.1:7001'
const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

interface Pair {
  s: Socket
  c: Socket
  /** Sends each to s. */
  give(...data: (string | number)[]): void
  /** 'data', with ! when it was cut short, or the errno's name. */
  read(max?: number, ...flags: MsgFlag[]): string
  drain(): void
  off(): unknown
}

function reading(socket: Socket, options: ReadOptions): string {
  try {
    const got = socket.recv(options)
    return got ? text(got.data) + (got.flags.includes('MSG_TRUNC') ? '!' : '') : 'EAGAIN'
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** A socket that reads, and one that sends to it over loopback. */
function pair(h: Story): Pair {
  const s = h.udp({ port: 7001, address: '127.0.0.1' }).socket
  const c = h.udp({ port: 7002, address: '127.0.0.1' }).socket
  const read = (max = 100, ...flags: MsgFlag[]): string => reading(s, { max, flags })
  return {
    s,
    c,
    give: (...data) => {
      for (const one of data) c.send(typeof one === 'number' ? new Uint8Array(one) : one, { to: ME })
    },
    read,
    drain: () => {
      while (read() !== 'EAGAIN') continue
    },
    off: () => s.getsockopt('SO_PEEK_OFF'),
  }
}

path('SO_PEEK_OFF: peeks go on over several datagrams, also empty ones; reads move it back', (h) => {
  const { s, give, read, off } = pair(h)
  s.setsockopt('SO_PEEK_OFF', 0)
  give('abc', 'defgh', '', 'ij')
  const peeks = [2, 100, 3, 100, 100, 100, 100].map((max) => [read(max, 'MSG_PEEK'), off()])
  assert.equal(peeks, [
    ['ab!', 2],
    ['c', 3],
    ['def!', 6],
    ['gh', 8],
    ['', 8],
    ['ij', 10],
    ['EAGAIN', 10],
  ])
  assert.equal([read(2), off()], ['ab!', 8])
  assert.equal([read(100, 'MSG_PEEK'), off()], ['EAGAIN', 8])
  assert.equal([read(), off(), read(100, 'MSG_PEEK')], ['defgh', 3, 'EAGAIN'])
})

path('SO_PEEK_OFF: a start within the second, beyond the end, below 0', (h) => {
  const { s, give, read, off, drain } = pair(h)
  s.setsockopt('SO_PEEK_OFF', 4)
  give('abc', 'defgh')
  assert.equal([read(100, 'MSG_PEEK'), off()], ['efgh', 8])
  assert.equal([read(1, 'MSG_PEEK'), off()], ['EAGAIN', 8])
  s.setsockopt('SO_PEEK_OFF', 1)
  // The last byte counts as cut short when there was room for it alone.
  assert.equal([read(1, 'MSG_PEEK'), read(1, 'MSG_PEEK'), read(1, 'MSG_PEEK'), off()], ['b!', 'c!', 'd!', 4])
  s.setsockopt('SO_PEEK_OFF', -1)
  assert.equal([read(100, 'MSG_PEEK'), off()], ['abc', -1])
  s.setsockopt('SO_PEEK_OFF', 2)
  const whole = (max: number): unknown => [s.recv({ max, flags: ['MSG_PEEK', 'MSG_TRUNC'] })!.length, off()]
  assert.equal([whole(1), whole(10)], [[3, 5], [5, 10]]) // prettier-ignore
  s.setsockopt('SO_PEEK_OFF', 100)
  assert.equal([read(10, 'MSG_PEEK'), off(), read(), off(), read(), off()], ['EAGAIN', 100, 'abc', 97, 'defgh', 92])
  s.setsockopt('SO_PEEK_OFF', -5)
  assert.is(off(), -5)
  drain()
})

path('an empty datagram is peeked at once with SO_PEEK_OFF, again and again without', (h) => {
  const { s, give, read, off, drain } = pair(h)
  s.setsockopt('SO_PEEK_OFF', 0)
  give('', '', 'x')
  const peek = (): string => read(10, 'MSG_PEEK')
  assert.equal([peek(), peek(), peek(), peek(), off()], ['', '', 'x', 'EAGAIN', 1])
  drain()
  s.setsockopt('SO_PEEK_OFF', -1)
  give('')
  assert.equal([peek(), peek(), read(), read()], ['', '', '', 'EAGAIN'])
})

path('MSG_TRUNC answers the whole length; what does not fit is lost', (h) => {
  const { s, give, read } = pair(h)
  give(15)
  const length = (max: number, ...flags: MsgFlag[]): number => s.recv({ max, flags })!.length
  assert.equal(
    [
      length(4, 'MSG_PEEK'),
      length(4, 'MSG_PEEK', 'MSG_TRUNC'),
      length(0, 'MSG_PEEK'),
      length(0, 'MSG_PEEK', 'MSG_TRUNC'),
    ],
    [4, 15, 0, 15],
  )
  assert.equal([length(4), read()], [4, 'EAGAIN'])
  give('hello', 'hello', 'hello')
  assert.equal([read(5), length(3, 'MSG_TRUNC'), read(0), read()], ['hello', 5, '!', 'EAGAIN'])
  give('hello')
  assert.equal([read(10, 'MSG_OOB'), read(10, 'MSG_WAITALL')], ['hello', 'EAGAIN'])
})

path('the error queue: errors apart from data, cut short, with too little room', (h) => {
  const d = h.udp({ port: 7003, address: '127.0.0.1', connect: '127.0.0.1:9', options: { IP_RECVERR: 1 } }).socket
  const refused = { errno: 'ECONNREFUSED', origin: 'ICMP', type: 3, code: 3, info: 0, data: 0, offender: '127.0.0.1' }
  assert.is(d.recv({ flags: ['MSG_ERRQUEUE'] }), undefined)
  d.send('payload')
  const got = d.recv({ max: 3, flags: ['MSG_ERRQUEUE', 'MSG_PEEK'] })!
  assert.equal([text(got.data), got.flags, got.error], ['pay', ['MSG_TRUNC', 'MSG_ERRQUEUE'], refused])
  assert.equal(got.from, { address: '127.0.0.1', port: 9 })
  assert.equal([d.recv({ flags: ['MSG_ERRQUEUE'] }), d.recv()], [undefined, undefined], 'a peek took it')
  d.send('p2')
  assert.is(d.getsockopt('SO_ERROR'), errnoNumber('ECONNREFUSED'))
  assert.is(text(d.recv({ flags: ['MSG_ERRQUEUE'] })!.data), 'p2')
  d.send('a')
  assert.throws(() => d.send('b'), /ECONNREFUSED/)
  assert.is(text(d.recv({ flags: ['MSG_ERRQUEUE'] })!.data), 'a')
  d.send('c')
  const none = d.recv({ flags: ['MSG_ERRQUEUE'], control: 0 })!
  assert.equal([none.flags, none.error, none.cmsg], [['MSG_CTRUNC', 'MSG_ERRQUEUE'], undefined, undefined])
  d.send('c')
  const cut = d.recv({ flags: ['MSG_ERRQUEUE'], control: 20 })!
  assert.equal([cut.flags, hex(cut.cmsg!['0.11']!)], [['MSG_CTRUNC', 'MSG_ERRQUEUE'], '6f000000'])
})

/** rmem_alloc, rcvbuf, forward_alloc, drops. */
function memory(s: Socket): number[] {
  const all = s.getsockopt('SO_MEMINFO') as number[]
  return [all[0]!, all[1]!, all[4]!, all[8]!]
}

path('SO_RCVBUF counts truesize; what was read counts until a quarter has come together', (h) => {
  const { s, give, read, drain } = pair(h)
  s.setsockopt('SO_RCVBUF', 2304)
  const seen = Array.from({ length: 6 }, () => {
    give(100)
    return memory(s)
  })
  assert.equal(seen, [
    [832, 4608, 3264, 0],
    [1664, 4608, 2432, 0],
    [2496, 4608, 1600, 0],
    [3328, 4608, 768, 0],
    [4160, 4608, 4032, 0],
    [4160, 4608, 4032, 1],
  ])
  read(1)
  assert.equal(memory(s), [4160, 4608, 4032, 1])
  give('x')
  assert.equal(memory(s), [4160, 4608, 4032, 2])
  drain()
  assert.equal(memory(s), [0, 4608, 4096, 2])
  give(1)
  assert.equal(memory(s), [832, 4608, 3264, 2])
  drain()
  s.setsockopt('SO_RCVBUF', 20000)
  give(...Array.from({ length: 40 }, () => 500))
  assert.equal(memory(s), [39680, 40000, 1280, 11])
  const rmem = Array.from({ length: 10 }, () => {
    read()
    return memory(s)[0]
  })
  assert.equal(rmem, [39680, 39680, 39680, 39680, 39680, 39680, 39680, 29440, 29440, 29440])
  drain()
  assert.equal(memory(s), [0, 40000, 4096, 11])
})

path('SO_RXQ_OVFL tells with each datagram how many were lost when it came', (h) => {
  const { s, give, read } = pair(h)
  s.setsockopt('SO_RXQ_OVFL', 1).setsockopt('SO_RCVBUF', 2304)
  const lost = (): unknown => s.recv()?.cmsg?.SO_RXQ_OVFL
  give(...Array.from({ length: 6 }, () => 'x'))
  assert.equal([lost(), lost(), lost(), lost(), lost(), read()], [undefined, undefined, undefined, undefined, undefined, 'EAGAIN']) // prettier-ignore
  give('n')
  assert.is(lost(), 1)
})

const TOLD = ['IP_PKTINFO', 'IP_RECVTTL', 'IP_RECVTOS', 'IP_RECVORIGDSTADDR', 'IP_RECVOPTS', 'IP_RETOPTS']

path('control messages: all that were asked for, in their order, as far as there is room', (h) => {
  const { s, c, give } = pair(h)
  for (const name of [...TOLD, 'IP_RECVFRAGSIZE', 'IP_CHECKSUM', 'SO_RCVMARK', 'SO_RCVPRIORITY']) s.setsockopt(name, 1)
  c.setsockopt('IP_OPTIONS', Uint8Array.of(7, 7, 4, 0, 0, 0, 0))
  c.setsockopt('SO_MARK', 5).setsockopt('SO_PRIORITY', 3).setsockopt('IP_TOS', 0x48)
  give('o', 'o', 'o', 'o')
  const got = s.recv()!
  assert.equal(Object.keys(got.cmsg!), [
    'SO_MARK',
    'SO_PRIORITY',
    'IP_PKTINFO',
    'IP_TTL',
    'IP_TOS',
    'IP_RECVOPTS',
    'IP_RETOPTS',
    'IP_ORIGDSTADDR',
  ])
  const { IP_RECVOPTS, IP_RETOPTS, ...others } = got.cmsg!
  assert.equal([hex(IP_RECVOPTS!), hex(IP_RETOPTS!)], ['0707087f00000100', '0707087f00000100'])
  assert.equal(others, {
    SO_MARK: 5,
    SO_PRIORITY: 2,
    IP_PKTINFO: { dev: 'lo', spec_dst: '127.0.0.1', addr: '127.0.0.1' },
    IP_TTL: 64,
    IP_TOS: 0x48,
    IP_ORIGDSTADDR: { address: '127.0.0.1', port: 7001 },
  })
  const within = (control: number): unknown => {
    const { flags, cmsg } = s.recv({ control })!
    return [flags, cmsg]
  }
  assert.equal(within(40), [['MSG_CTRUNC'], { SO_MARK: 5, '1.12': new Uint8Array() }])
  assert.equal(within(20), [['MSG_CTRUNC'], { SO_MARK: 5 }])
  assert.equal(within(15), [['MSG_CTRUNC'], undefined])
})

path('stamps: the time of coming while anyone wants it, that of the first look otherwise', (h) => {
  const { s, c, give } = pair(h)
  const late = (): ReceivedCmsg => {
    h.net.advance('10ms')
    return s.recv()!.cmsg ?? {}
  }
  h.net.advance('1s')
  give('before')
  s.setsockopt('SO_TIMESTAMP', 1)
  const looked = h.net.now
  assert.equal(s.recv({ flags: ['MSG_PEEK'] })!.cmsg, { SO_TIMESTAMP: looked / 1e9 })
  assert.equal(late(), { SO_TIMESTAMP: looked / 1e9 })
  give('t')
  const came = h.net.now
  assert.equal(late(), { SO_TIMESTAMP: came / 1e9 })
  s.setsockopt('SO_TIMESTAMPNS', 1)
  give('t')
  assert.equal(Object.keys(late()), ['SO_TIMESTAMPNS'])
  s.setsockopt('SO_TIMESTAMPNS', 0).setsockopt('SO_TIMESTAMPING', 16 + 8)
  give('t')
  const [software, legacy, hardware] = late().SO_TIMESTAMPING!
  assert.equal([Math.round(software * 1e9), legacy, hardware], [h.net.now - 1e7, 0, 0])
  const other = h.udp({ port: 7009, address: '127.0.0.1', options: { SO_TIMESTAMPING: 16 } }).socket
  c.send('z', { to: '127.0.0.1:7009' })
  assert.equal(Object.keys(other.recv()!.cmsg!), ['SO_TIMESTAMPING'], 'stamped because another socket wants it')
  s.close()
  c.send('z', { to: '127.0.0.1:7009' })
  assert.is(other.recv()!.cmsg, undefined, 'nobody does any more')
})

path('SO_INCOMING_CPU of a connected socket is the CPU that its packets come on', (h) => {
  const { s, c } = pair(h)
  const q = h.udp({ port: 7011, address: '127.0.0.1', connect: '127.0.0.1:7002' }).socket
  assert.is(q.getsockopt('SO_INCOMING_CPU'), -1)
  c.send('q', { to: '127.0.0.1:7011' })
  c.send('q', { to: ME })
  assert.equal([q.getsockopt('SO_INCOMING_CPU'), s.getsockopt('SO_INCOMING_CPU')], [0, -1])
  q.shutdown('RD')
  assert.equal([reading(q, {}), reading(q, {})], ['q', 'EAGAIN'], 'shut down, what is there is read')
  c.send('w', { to: '127.0.0.1:7011' })
  assert.equal([reading(q, {}), reading(q, {})], ['w', 'EAGAIN'], 'and what still comes')
  s.recv()
})

path('a negative SO_RCVTIMEO waits not at all; SO_COOKIE is a number of its own', async (h) => {
  const { s, c } = pair(h)
  s.setsockopt('SO_RCVTIMEO', new Uint8Array(BigInt64Array.of(-1n, 0n).buffer))
  await s.next().then(() => assert.unreachable(), (error: { code: string }) => assert.is(error.code, 'EAGAIN')) // prettier-ignore
  const cookies = [s, s, c].map((socket) => socket.getsockopt('SO_COOKIE'))
  assert.ok(cookies[0] === cookies[1] && cookies[0] !== cookies[2])
})

run()
