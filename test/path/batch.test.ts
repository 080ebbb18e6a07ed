// Many datagrams in one call (sendmmsg): from columns in the host's memory, as answers to what was read, or copied in.

import * as assert from 'uvu/assert'
import { type DatagramColumns, type Nic, parseIPv4 } from '../../src/index.ts'
import { HOST, PEER, bytesOf, udp } from './packets.ts'
import { stories } from './story.ts'

const { path, run } = stories('batch')

const text = (...texts: string[]): Uint8Array[] => texts.map((one) => bytesOf(one))

/** Columns of payloads that all go to one end, as a program would make them. */
function columns(payloads: readonly Uint8Array[], to: string, port: number): DatagramColumns {
  const lengths = payloads.map((payload) => payload.length)
  return {
    count: payloads.length,
    lengths,
    addresses: payloads.map(() => parseIPv4(to)),
    ports: payloads.map(() => port),
    offsets: lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0)),
    data: Buffer.concat(payloads),
  }
}

path('datagrams leave in order, each to its own end', (h) => {
  const socket = h.udp({ port: 7 })
  const batch = socket.batch(4, 100)
  assert.ok(batch.push(bytesOf('one'), `${PEER}:1001`))
  assert.ok(batch.push(bytesOf('two'), `${PEER}:1002`))
  assert.ok(batch.push(bytesOf(''), `${PEER}:1003`))
  assert.is(socket.sendBatch(batch), 3)
  h.counters({ UdpOutDatagrams: 3, IpOutRequests: 3 })
  h.tx(
    'eth0',
    { from: `${HOST}:7`, to: `${PEER}:1001`, data: 'one' },
    { to: `${PEER}:1002`, data: 'two' },
    { to: `${PEER}:1003`, data: '' },
  )
  batch.clear()
  assert.is(socket.sendBatch(batch), 0)
  batch.free()
  batch.free()
})

path('what was read goes back to its senders', (h) => {
  const socket = h.udp({ port: 7 })
  h.rx('eth0', udp({ from: `${PEER}:2001`, data: 'a' }), udp({ from: `${PEER}:2002`, data: 'bc' }))
  const batch = socket.recvBatch()
  assert.is(batch?.count, 2)
  assert.is(socket.sendBatch(batch!), 2)
  h.tx('eth0', { from: `${HOST}:7`, to: `${PEER}:2001`, data: 'a' }, { to: `${PEER}:2002`, data: 'bc' })
})

path('columns that lie anywhere are copied, in as many calls as they need', { nic: { ring: 256 } }, (h) => {
  const socket = h.udp({ port: 7, options: { SO_SNDBUF: 1 << 20 } })
  const payloads = Array.from({ length: 200 }, (_, i) => bytesOf(1000 + i))
  assert.is(socket.sendBatch(columns(payloads, PEER, 9)), 200)
  h.net.run()
  h.tx('eth0', ...payloads.map((payload) => ({ to: `${PEER}:9`, data: Buffer.from(payload).toString('hex') })))
})

path('without a destination it goes where the socket is connected to', (h) => {
  const socket = h.udp({ port: 7, connect: `${PEER}:9` })
  const batch = socket.batch(1, 10)
  batch.push(bytesOf('x'))
  assert.is(socket.sendBatch(batch), 1)
  h.tx('eth0', { to: `${PEER}:9` })
  batch.free()
})

path('a batch ends before the datagram that is refused; the error comes when that is the first', (h) => {
  const socket = h.udp({ port: 7 })
  const refused = (batch: DatagramColumns, code: string): void =>
    assert.throws(
      () => socket.sendBatch(batch),
      (error: NodeJS.ErrnoException) => error.code === code && error.syscall === 'sendmmsg',
    )
  const batch = socket.batch(3, 70_000)
  batch.push(bytesOf('x'), `${PEER}:9`)
  batch.push(bytesOf(65508), `${PEER}:9`)
  batch.push(bytesOf('y'), `${PEER}:9`)
  assert.is(socket.sendBatch(batch), 1)
  h.tx('eth0', { to: `${PEER}:9` })
  refused(columns([bytesOf(65508)], PEER, 9), 'EMSGSIZE')
  refused(columns(text('x'), '0.0.0.0', 0), 'EDESTADDRREQ')
  refused(columns(text('x'), '192.0.2.1', 9), 'ENETUNREACH')
  h.tx('eth0')
  batch.free()
})

path('rows that lie beyond the memory are refused, and nothing is sent', (h) => {
  const socket = h.udp({ port: 7 })
  const batch = socket.batch(2, 10)
  batch.push(bytesOf('x'), `${PEER}:9`)
  batch.lengths[0] = 1 << 20
  assert.throws(() => socket.sendBatch(batch), /EFAULT|address/)
  batch.lengths[0] = 1
  batch.offsets[0] = 0xffffffff
  assert.throws(() => socket.sendBatch(batch), /EFAULT|address/)
  assert.throws(() => socket.sendBatch({ ...columns(text('x'), PEER, 9), offsets: [5] }), /beyond its data/)
  assert.throws(() => socket.sendBatch({ ...columns(text('x'), PEER, 9), lengths: [-1] }), /lengths/)
  batch.count = 3
  assert.throws(() => socket.sendBatch(batch), /count/)
  batch.free()
  h.tx('eth0')
})

path('a full batch takes no more', (h) => {
  const batch = h.udp().batch(2, 4)
  assert.ok(batch.push(bytesOf('abc'), `${PEER}:9`))
  assert.not(batch.push(bytesOf('de'), `${PEER}:9`))
  assert.ok(batch.push(bytesOf('d'), `${PEER}:9`))
  assert.not(batch.push(bytesOf(''), `${PEER}:9`))
  batch.free()
})

path('a NIC whose cable ends nowhere sends all, and keeps nothing', { nic: {} }, (h) => {
  const nic = h.host.device('eth0') as Nic
  nic.attach({ keep: false })
  const socket = h.udp({ port: 7 })
  assert.is(socket.send('x', `${PEER}:9`), 1)
  h.net.run()
  h.stats({ tx_packets: 1, tx_bytes: 43 })
  assert.throws(() => nic.tx(), /EINVAL|attach/)
  nic.attach()
  h.tx('eth0')
})

run()
