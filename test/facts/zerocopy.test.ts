// MSG_ZEROCOPY of datagrams (section 12, msg_zerocopy): which sends complete, how they are told, what they cost. What is expected is
// what Linux 6.18 answered to the same calls on ifb, lo, a TAP and veth.

import * as assert from 'uvu/assert'
import * as so from '../../assembly/uapi/socket.ts'
import { type HostBuffer, type MsgFlag, type Nic, type Socket } from '../../src/index.ts'
import { PEER, bytesOf } from '../path/packets.ts'
import { type Setup, type Story, stories } from '../path/story.ts'

const { path, run } = stories('facts: zerocopy')

/** A device that computes checksums and takes pages, and one that does neither. */
const NIC: Setup = { nic: {} }
const TAP: Setup = {}
const TO = `${PEER}:9`
const LO = '127.0.0.1:9'
const ZEROCOPY: readonly MsgFlag[] = ['MSG_ZEROCOPY']
const MORE: readonly MsgFlag[] = ['MSG_ZEROCOPY', 'MSG_MORE']

const sender = (h: Story): Socket => h.socket('udp').setsockopt('SO_ZEROCOPY', 1)

/** What left is taken off the rings, and the packets are freed. */
function sent(h: Story): Uint8Array[] {
  h.net.run()
  return (h.host.device('eth0') as Nic).tx()
}

/** The completions that wait, as first-last, with ! for COPIED. */
function completions(socket: Socket): string[] {
  const found: string[] = []
  for (let got = socket.recv({ flags: ['MSG_ERRQUEUE'] }); got; got = socket.recv({ flags: ['MSG_ERRQUEUE'] })) {
    const { errno, origin, type, code, info, data } = got.error!
    if (origin === 'TIMESTAMPING') continue
    assert.equal([errno, origin, type, got.from, got.data.length], ['0', 'ZEROCOPY', 0, undefined, 0])
    found.push(`${info}-${data}${code ? '!' : ''}`)
  }
  return found
}

const filled = (h: Story, length: number): HostBuffer => {
  const buffer = h.host.alloc(length)
  buffer.data.set(bytesOf(length))
  return buffer
}

path('pages go out as they are, and the sender hears of it when they have', NIC, (h) => {
  const socket = sender(h)
  const buffer = filled(h, 4096)
  assert.is(socket.send(buffer.data.subarray(0, 1000), { to: TO, flags: ZEROCOPY }), 1000)
  const [frame] = sent(h)
  assert.equal(frame!.subarray(42), bytesOf(1000))
  assert.equal(completions(socket), ['0-0'])
  assert.is(socket.recv({ flags: ['MSG_ERRQUEUE'] }), undefined, 'EAGAIN')
  buffer.free()
})

path('what is written before the device has read it is what leaves', { ...NIC, stranger: true }, (h) => {
  const socket = sender(h)
  const buffer = filled(h, 100)
  socket.send(buffer.data, { to: TO, flags: ZEROCOPY })
  assert.equal(completions(socket), [], 'it waits for the neighbour')
  buffer.data.fill(7)
  buffer.free()
  h.host.neigh.replace({ dev: 'eth0', ip: PEER, mac: '02:00:00:00:00:02', state: 'reachable' })
  const frames = sent(h)
  assert.equal(frames.at(-1)!.subarray(42), new Uint8Array(100).fill(7))
  assert.equal(completions(socket), ['0-0'])
})

/** A namespace behind a veth. */
function joined({ host }: Story): void {
  const space = host.netns('x')
  host.link.add({ kind: 'veth', name: 'v0', peer: { name: 'v1', netns: 'x' } })
  host.addr.add('v0', '10.9.0.1/24')
  space.addr.add('v1', '10.9.0.2/24')
  host.link('v0', { up: true })
  space.link('v1', { up: true })
}

function dummy({ host }: Story): void {
  host.link.add({ kind: 'dummy', name: 'd0' })
  host.addr.add('d0', '10.8.0.1/24')
  host.link('d0', { up: true })
}

interface Row {
  setup: Setup
  to?: string
  own?: boolean
  size?: number
  more?: (h: Story, socket: Socket) => void
  expect: readonly string[]
}
const rows: Readonly<Record<string, Row>> = {
  'a NIC': { setup: NIC, expect: ['0-0'] },
  'lo: copied': { setup: NIC, to: LO, expect: ['0-0!'] },
  'a TAP: copied': { setup: TAP, expect: ['0-0!'] },
  'veth: copied where it comes in': { setup: NIC, to: '10.9.0.2:9', more: joined, expect: ['0-0!'] },
  'a dummy': { setup: NIC, to: '10.8.0.2:9', more: dummy, expect: ['0-0'] },
  'any other memory: copied': { setup: NIC, own: false, expect: ['0-0!'] },
  'an empty datagram has a number': { setup: NIC, size: 0, expect: ['0-0'] },
  'fragments: copied': { setup: NIC, size: 3000, expect: ['0-0!'] },
  'a tap sees it: copied': { setup: NIC, more: (h) => h.socket('packet', 'ALL').bind('eth0'), expect: ['0-0!'] },
  'a device without checksums: copied': {
    setup: NIC,
    more: (h) => h.host.link('eth0', { features: { 'tx-checksum-ip-generic': false } }),
    expect: ['0-0!'],
  },
  'a stamped copy: copied': {
    setup: NIC,
    more: (_, socket) => socket.setsockopt('SO_TIMESTAMPING', so.SOF_TIMESTAMPING_TX_SCHED),
    expect: ['0-0!'],
  },
  'a stamp alone': {
    setup: NIC,
    more: (_, socket) =>
      socket.setsockopt('SO_TIMESTAMPING', so.SOF_TIMESTAMPING_TX_SCHED | so.SOF_TIMESTAMPING_OPT_TSONLY),
    expect: ['0-0'],
  },
  'without SO_ZEROCOPY nothing is told': { setup: NIC, more: (_, s) => s.setsockopt('SO_ZEROCOPY', 0), expect: [] },
}
for (const [name, { setup, to = TO, own = true, size = 100, more, expect }] of Object.entries(rows)) {
  path(name, setup, (h) => {
    const socket = sender(h)
    more?.(h, socket)
    const buffer = filled(h, 8192)
    const data = own ? buffer.data.subarray(0, size) : bytesOf(size)
    assert.is(socket.send(data, { to, flags: ZEROCOPY }), size)
    sent(h)
    assert.equal(completions(socket), expect)
    buffer.free()
  })
}

path('numbers count sends with the flag that were taken; ranges meet whatever their codes', NIC, (h) => {
  const socket = sender(h)
  const buffer = filled(h, 100)
  const send = (to: string, flags = ZEROCOPY): number => socket.send(buffer.data, { to, flags })
  send(TO)
  sent(h)
  send(LO)
  sent(h)
  send(TO, [])
  assert.throws(() => send('99.9.9.9:9'), /ENETUNREACH/)
  send(TO)
  sent(h)
  assert.equal(completions(socket), ['0-2'])
  send(TO)
  sent(h)
  assert.equal(completions(socket), ['3-3'])
})

path('a gap stays a gap', NIC, (h) => {
  const socket = sender(h)
  const buffer = filled(h, 100)
  for (const to of [TO, '10.0.0.77:9', TO]) socket.send(buffer.data, { to, flags: ZEROCOPY })
  sent(h)
  assert.equal(completions(socket), ['0-0', '2-2'])
})

path('a refused datagram gives its number back', NIC, (h) => {
  const socket = sender(h).setsockopt('IP_MTU_DISCOVER', 'DO')
  const buffer = filled(h, 4000)
  assert.throws(() => socket.send(buffer.data, { to: TO, flags: ZEROCOPY }), /EMSGSIZE/)
  socket.send(buffer.data.subarray(0, 10), { to: TO, flags: ZEROCOPY })
  sent(h)
  assert.equal(completions(socket), ['0-0'])
})

path('corked: each piece has a number, all in one range', NIC, (h) => {
  const socket = sender(h)
  const { data } = filled(h, 100)
  for (const flags of [MORE, MORE, ZEROCOPY]) socket.send(data, { to: TO, flags })
  assert.is(sent(h)[0]!.length, 342)
  assert.equal(completions(socket), ['0-2!'])
  for (const flags of [['MSG_MORE'], MORE, []] as const) socket.send(data, { to: TO, flags })
  sent(h)
  assert.equal(completions(socket), ['3-3!'])
  socket.send(data, { to: TO, flags: MORE })
  assert.throws(() => socket.send(new Uint8Array(70000), { flags: ZEROCOPY }), /EMSGSIZE/)
  assert.equal(completions(socket), [])
  socket.send(data, { flags: [] })
  sent(h)
  assert.equal(completions(socket), ['4-4!'])
})

path('EPOLLERR while completions wait', NIC, (h) => {
  const socket = sender(h)
  const { data } = filled(h, 100)
  assert.is(socket.poll() & so.EPOLLERR, 0)
  socket.send(data, { to: TO, flags: ZEROCOPY })
  sent(h)
  assert.is(socket.poll() & so.EPOLLERR, so.EPOLLERR)
  assert.is(socket.getsockopt('SO_ERROR'), 0)
  completions(socket)
  assert.is(socket.poll() & so.EPOLLERR, 0)
})

const WAITS: Setup = {
  ...NIC,
  sysctl: { 'net.ipv4.neigh.eth0.unres_qlen_bytes': 100_000_000, 'net.core.wmem_max': 100_000_000 },
}
path('each notification is option memory: the 158th finds none', WAITS, (h) => {
  const socket = sender(h).setsockopt('SO_SNDBUF', 50_000_000)
  const { data } = filled(h, 10)
  let taken = 0
  assert.throws(() => {
    for (; ; taken++) socket.send(data, { to: '10.0.0.77:9', flags: ZEROCOPY })
  }, /ENOBUFS/)
  const memory = socket.getsockopt('SO_MEMINFO') as number[]
  assert.equal([taken, memory[6]], [157, 130624])
})

/** Bytes sent from an offset in the block, and what the send buffer is charged. */
const charges: readonly (readonly [size: number, offset: number, charge: number])[] = [
  [0, 0, 832],
  [1, 0, 4928],
  [100, 100, 4928],
  [100, 4000, 9024],
  [4096, 0, 4928],
  [4096, 100, 9024],
  [5000, 4000, 13120],
  [8972, 100, 832 + 12288],
]
for (const [size, offset, charge] of charges) {
  path(`${size} bytes from ${offset}: ${charge} bytes of the send buffer`, { ...WAITS, nic: { mtu: 9000 } }, (h) => {
    const socket = sender(h)
    const buffer = filled(h, 16384)
    socket.send(buffer.data.subarray(offset, offset + size), { to: '10.0.0.77:9', flags: ZEROCOPY })
    assert.is((socket.getsockopt('SO_MEMINFO') as number[])[2], charge)
  })
}

path('MSG_SPLICE_PAGES: whole pages into datagrams, corked ones too, summed where the device does not', TAP, (h) => {
  const socket = h.socket('udp')
  const buffer = filled(h, 4096)
  const flags: readonly MsgFlag[] = ['MSG_SPLICE_PAGES']
  socket.send(buffer.data.subarray(0, 1000), { to: TO, flags })
  socket.send('head', { to: TO, flags: ['MSG_MORE'] })
  socket.send(buffer.data.subarray(0, 700), { flags: [...flags, 'MSG_MORE'] })
  socket.send(buffer.data.subarray(700, 1401), { flags })
  socket.send(buffer.data, { to: TO, flags })
  h.host.link('eth0', { features: { 'tx-scatter-gather': false } })
  socket.send(buffer.data.subarray(0, 1000), { to: TO, flags })
  const frames = h.tx('eth0', {}, {}, {}, {}, {}, {})
  assert.equal(frames.length, 6)
  assert.equal(completions(socket), [])
})

path('a buffer that was given back is no memory any more; packets keep theirs', { ...NIC, stranger: true }, (h) => {
  const socket = sender(h)
  const buffer = filled(h, 100)
  const { data } = buffer
  socket.send(data, { to: TO, flags: ZEROCOPY })
  buffer.free()
  buffer.free()
  assert.throws(() => buffer.data, /EFAULT/)
  const other = h.host.alloc(100)
  other.data.fill(9)
  h.host.neigh.replace({ dev: 'eth0', ip: PEER, mac: '02:00:00:00:00:02', state: 'reachable' })
  assert.equal(sent(h).at(-1)!.subarray(42), bytesOf(100))
})

path('a socket closed while its pages are out is told nothing', NIC, (h) => {
  const socket = sender(h)
  const { data } = filled(h, 100)
  socket.send(data, { to: '10.0.0.77:9', flags: ZEROCOPY })
  socket.send(data, { to: TO, flags: ZEROCOPY })
  socket.close()
  sent(h)
})

path('a snapshot has the pages, and those who hold them', { ...NIC, stranger: true }, (h) => {
  const socket = sender(h)
  const before = h.net.snapshot()
  const buffer = filled(h, 100)
  socket.send(buffer.data, { to: TO, flags: ZEROCOPY })
  const waiting = h.net.snapshot()
  buffer.data.fill(7)
  buffer.free()
  h.net.restore(waiting)
  assert.equal(buffer.data, bytesOf(100))
  buffer.free()
  h.host.neigh.replace({ dev: 'eth0', ip: PEER, mac: '02:00:00:00:00:02', state: 'reachable' })
  assert.equal(sent(h).at(-1)!.subarray(42), bytesOf(100))
  assert.equal(completions(socket), ['0-0'])
  const later = filled(h, 100)
  h.net.restore(before)
  assert.throws(() => later.data, /EFAULT/)
})

path('host.alloc: lengths', (h) => {
  assert.is(h.host.alloc(5).length, 5)
  assert.equal(h.host.alloc(3).data, new Uint8Array(3))
  for (const length of [0, -1, 1.5, 1e12, Number.NaN]) assert.throws(() => h.host.alloc(length), /EINVAL|ENOMEM/)
})

run()
