// Transmit queues of a NIC: which one a flow takes, byte queue limits, stop and wake, and the watchdog.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Nic, lab } from '../../src/index.ts'

const queues = suite('transmit queues')

async function withNic(options: object, run: (net: Lab, host: Host, nic: Nic) => void): Promise<void> {
  const net = await lab({ seed: 1, memoryMb: 64 })
  const host = net.host('h')
  const nic = host.nic('eth0', { mac: '02:00:00:00:00:01', ...options })
  host.link('eth0', { up: true })
  host.addr.add('eth0', '10.0.0.1/24')
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: '02:00:00:00:00:02' })
  net.advance('2s')
  run(net, host, nic)
  net.advance('60s')
  nic.tx()
  assert.is(net.account().live, 0)
  assert.ok(net.account().balanced)
  await net.close()
}

queues('a NIC with several has mq, with a child for each', async () => {
  await withNic({ queues: 4 }, (_net, host) => {
    assert.equal(
      host.qdisc.show('eth0').map(({ kind, handle, parent }) => `${kind} ${handle} ${parent ?? 'root'}`),
      ['mq 0: root', 'pfifo_fast 0: :4', 'pfifo_fast 0: :3', 'pfifo_fast 0: :2', 'pfifo_fast 0: :1'],
    )
  })
})

queues('flows are spread over them, and each keeps its own', async () => {
  await withNic({ queues: 4 }, (net, host) => {
    for (let port = 1000; port < 1032; port++) {
      const socket = host.socket('udp').bind(`10.0.0.1:${port}`).connect('10.0.0.2:9')
      for (let i = 0; i < 3; i++) socket.send('x')
      socket.close()
    }
    net.advance('1ms')
    const [root, ...children] = host.qdisc.show('eth0')
    assert.is(root!.packets, 96)
    const counts = children.map(({ packets }) => packets)
    assert.ok(
      counts.every((count) => count > 0 && count % 3 === 0),
      counts.join(),
    )
  })
})

queues('each queue can have a qdisc of its own', async () => {
  await withNic({ queues: 2 }, (_net, host) => {
    host.qdisc.add({ dev: 'eth0', kind: 'mq', handle: '1:' })
    host.qdisc.add({ dev: 'eth0', parent: '1:2', handle: '2:', kind: 'tbf', rate: '1mbit', burst: 2000, limit: 5000 })
    assert.ok(host.qdisc.show('eth0').some(({ kind, parent }) => kind === 'tbf' && parent === '1:2'))
    assert.equal(
      host.qdisc.classes('eth0', '1:').map((each) => `${each.handle} ${each.parent} ${each.leaf ?? '-'}`),
      ['1:1 root -', '1:2 root 2:'],
    )
    host.qdisc.del({ dev: 'eth0' })
    assert.is(host.qdisc.show('eth0')[0]!.kind, 'mq')
    assert.throws(() => host.qdisc.add({ dev: 'lo', kind: 'mq' }), /EOPNOTSUPP|not supported/)
  })
})

queues('a root above all queues serves each', async () => {
  await withNic({ queues: 4 }, (net, host, nic) => {
    host.qdisc.add({ dev: 'eth0', kind: 'pfifo', limit: 1000 })
    for (let port = 1000; port < 1020; port++) {
      const socket = host.socket('udp').bind(`10.0.0.1:${port}`).connect('10.0.0.2:9')
      for (let i = 0; i < 5; i++) socket.send('x')
      socket.close()
    }
    net.advance('10ms')
    assert.is(nic.tx().length, 100)
  })
})

queues('bytes in flight are limited, as far as is needed', async () => {
  await withNic({}, (net, host, nic) => {
    const socket = host.udp({ port: 7 })
    const data = new Uint8Array(958)
    socket.send(data, '10.0.0.2:9')
    const [queue] = nic.queues()
    assert.equal([queue!.stoppedByStack, queue!.byte_queue_limits.inflight], [true, 1000])
    net.advance('1ms')
    const { byte_queue_limits: after, stoppedByStack } = nic.queues()[0]!
    assert.equal([stoppedByStack, after.inflight, after.limit], [false, 0, 1000])
    assert.equal([after.limit_max, after.hold_time], [1879048192, 1000])
    nic.limitQueue(0, { limit_min: 5000 })
    for (let i = 0; i < 10; i++) socket.send(data, '10.0.0.2:9')
    net.advance('1ms')
    assert.ok(nic.queues()[0]!.byte_queue_limits.limit >= 5000)
    socket.close()
  })
})

queues('a NIC that hangs stops its queue; the watchdog resets it every five seconds', async () => {
  await withNic({ ring: 64 }, (net, host, nic) => {
    const socket = host.udp({ port: 7 })
    nic.stall = true
    for (let i = 0; i < 20; i++) socket.send('x', '10.0.0.2:9')
    net.advance('1s')
    assert.is(nic.tx().length, 0)
    assert.ok(nic.queues()[0]!.stoppedByStack)
    assert.is(host.qdisc.show('eth0')[0]!.qlen, 19)
    net.advance('7s')
    assert.is(nic.queues()[0]!.tx_timeout, 1)
    nic.stall = false
    net.advance('1s')
    // What was in the ring at the reset is lost.
    assert.is(nic.tx().length, 19)
    assert.is(nic.queues()[0]!.tx_timeout, 1)
    socket.close()
  })
})

queues('a ring that is full stops the queue, and completion wakes it', async () => {
  await withNic({ ring: 64 }, (net, host, nic) => {
    nic.limitQueue(0, { limit_min: 1 << 20 })
    const socket = host.udp({ port: 7 })
    net.advance('1ms')
    nic.stall = true
    socket.send('x', '10.0.0.2:9')
    nic.stall = false
    net.advance('1ms')
    nic.stall = true
    for (let i = 0; i < 100; i++) socket.send('x', '10.0.0.2:9')
    assert.ok(nic.queues()[0]!.stoppedByDriver)
    assert.ok(host.qdisc.show('eth0')[0]!.qlen > 30)
    nic.stall = false
    net.advance('1ms')
    assert.is(nic.tx().length, 101)
    assert.not.ok(nic.queues()[0]!.stoppedByDriver)
    socket.close()
  })
})

queues('new devices have net.core.default_qdisc', async () => {
  await withNic({}, (_net, host) => {
    for (const kind of ['fq_codel', 'fq', 'pfifo', 'pfifo_fast']) {
      host.sysctl('net.core.default_qdisc', kind)
      assert.is(host.sysctl('net.core.default_qdisc'), kind)
      host.tap(`t-${kind}`)
      host.link(`t-${kind}`, { up: true })
      assert.is(host.qdisc.show(`t-${kind}`)[0]!.kind, kind)
    }
    assert.throws(() => host.sysctl('net.core.default_qdisc', 'cake'), /ENOENT/)
    // One that cannot be made without options leaves the device without a queue.
    host.sysctl('net.core.default_qdisc', 'tbf')
    host.tap('t-none')
    host.link('t-none', { up: true })
    assert.is(host.qdisc.show('t-none')[0]!.kind, 'noqueue')
  })
})

queues('another length of the queue', async () => {
  await withNic({}, (net, host, nic) => {
    host.link('eth0', { txqueuelen: 3 })
    const socket = host.udp({ port: 7 })
    nic.stall = true
    for (let i = 0; i < 10; i++) socket.send('x', '10.0.0.2:9')
    assert.equal([host.qdisc.show('eth0')[0]!.qlen, host.qdisc.show('eth0')[0]!.drops], [4, 5])
    host.link('eth0', { txqueuelen: 5 })
    assert.is(host.qdisc.show('eth0')[0]!.qlen, 0)
    nic.stall = false
    net.advance('1ms')
    assert.is(nic.tx().length, 1)
    socket.close()
  })
})

queues.run()
