// The machine around the core: interrupts, NAPI's budget, ksoftirqd, costs, NICs and wires, sysctls with what they do besides.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type NicAt, receive } from '../../src/drivers/net/nic.ts'
import { takeSent } from '../../src/drivers/net/wire.ts'
import { runUntil } from '../../src/lab/loop.ts'
import { createNic } from '../../src/net/dev.ts'
import { copy_net_ns } from '../../src/net/net_namespace.ts'
import { readSysctl, sysctlNames, writeSysctl } from '../../src/net/sysctl.ts'
import { type Fake, fakeMachine } from './fake_core.ts'

const test = suite('machine')

function withNic(fake: Fake, name = 'eth0'): NicAt {
  const { machine } = fake
  const namespace = machine.state.namespaces[0] ?? copy_net_ns(machine, '')
  const device = createNic(machine, namespace, name, { mac: '02:00:00:00:00:01', queues: 1, ring: 256, itr: 0 })
  device.nic!.peer = { kind: 'user', sent: [] }
  return { machine, namespace, device, nic: device.nic! }
}

const frames = (count: number, length = 60): Uint8Array[] => Array.from({ length: count }, () => new Uint8Array(length))
const work = (fake: Fake): number[] => fake.polls.map(([, , done]) => done)

function columns(times: number[]): {
  count: number
  data: Uint8Array
  offsets: number[]
  lengths: number[]
  times: number[]
} {
  return {
    count: times.length,
    data: new Uint8Array(60),
    offsets: times.map(() => 0),
    lengths: times.map(() => 60),
    times,
  }
}

test('an interrupt at arrival, and a poll for what is there', () => {
  const fake = fakeMachine()
  receive(withNic(fake), columns([1000, 1000, 5000]))
  runUntil(fake.simulation, Infinity, true)
  assert.equal(
    fake.polls.map(([, time, done]) => [time, done]),
    [
      [1000, 2],
      [5000, 1],
    ],
  )
  assert.is(fake.machine.now, 5000)
})

test('nothing happens before its time', () => {
  const fake = fakeMachine()
  receive(withNic(fake), columns([1000]))
  assert.equal(runUntil(fake.simulation, 999, false), { happened: 0, idle: true })
  assert.equal(work(fake), [])
})

test('64 a poll, then again', () => {
  const fake = fakeMachine()
  receive(withNic(fake), frames(200))
  runUntil(fake.simulation, Infinity, true)
  assert.equal(work(fake), [64, 64, 64, 8])
})

test('netdev_budget ends a round, and counts a squeeze', () => {
  const fake = fakeMachine()
  const at = withNic(fake)
  writeSysctl(fake.machine, at.namespace, 'net.core.netdev_budget', 64)
  receive(at, frames(130))
  runUntil(fake.simulation, Infinity, true)
  assert.equal(work(fake), [64, 64, 2])
  const { core } = fake.machine
  const softnet = core.memory.readU32(core.boot('softnet'))
  assert.is(core.memory.readU32(softnet + core.offsets.softnet_data.time_squeeze), 2)
})

test('what comes faster than the ring is emptied is lost', () => {
  const fake = fakeMachine()
  const at = withNic(fake)
  receive(at, frames(300))
  runUntil(fake.simulation, Infinity, true)
  assert.is(fake.nics.get(at.device.ptr)!.missed, 44)
})

test('moderation: interrupts keep their distance', () => {
  const fake = fakeMachine()
  const at = withNic(fake)
  at.nic.itr = 10_000
  receive(at, columns([1000, 2000, 3000, 12_000]))
  runUntil(fake.simulation, Infinity, true)
  assert.equal(
    fake.polls.map(([, time, done]) => [time, done]),
    [
      [1000, 1],
      [11_000, 2],
      [21_000, 1],
    ],
  )
})

test('work that is charged for delays what comes after it', () => {
  const fake = fakeMachine(1, { rx: [1000, 0] })
  fake.cost = 1000
  receive(withNic(fake), columns([0, 100, 200, 10_000]))
  runUntil(fake.simulation, Infinity, true)
  assert.is(
    work(fake).reduce((sum, done) => sum + done, 0),
    4,
  )
  assert.is(fake.machine.cpu(0).busyUntil, 11_000)
})

test('two NICs share the poll list', () => {
  const fake = fakeMachine()
  const [a, b] = [withNic(fake, 'eth0'), withNic(fake, 'eth1')]
  receive(a, frames(100))
  receive(b, frames(10))
  runUntil(fake.simulation, Infinity, true)
  assert.equal(
    fake.polls.map(([napi, , done]) => [napi === a.nic.napis[0], done]),
    [
      [true, 64],
      [true, 36],
      [false, 10],
    ],
  )
})

test('what is sent leaves at once without a wire, padded, and its completion is cleaned', () => {
  const fake = fakeMachine()
  fake.echo = true
  const at = withNic(fake)
  receive(at, [new Uint8Array(42).fill(7), new Uint8Array(100)])
  runUntil(fake.simulation, Infinity, true)
  const sent = takeSent(at)
  assert.equal([...sent.lengths], [60, 100])
  assert.equal(
    [...sent.data.subarray(sent.offsets[0], sent.offsets[0]! + 43)],
    [...Array.from({ length: 42 }, () => 7), 0],
  )
  assert.is(fake.nics.get(at.device.ptr)!.done, 0)
  assert.is(takeSent(at).count, 0)
})

test('a wire has rate and delay', () => {
  const fake = fakeMachine()
  const [a, b] = [withNic(fake, 'eth0'), withNic(fake, 'eth1')]
  const end = (at: NicAt): { host: number; device: number } => ({ host: 1, device: at.device.id })
  const stats = { frames: 0, bytes: 0, lost: 0 }
  fake.simulation.state.links.push({
    id: 0,
    ends: [end(a), end(b)],
    rate: 1e9,
    delay: 5000,
    loss: 0,
    stats: [{ ...stats }, { ...stats }],
  })
  a.nic.peer = { kind: 'link', link: 0, end: 0 }
  b.nic.peer = { kind: 'link', link: 0, end: 1 }
  fake.nics.get(a.device.ptr)!.sent.push(...frames(2, 101))
  fake.machine.handlers.transmit(fake.machine, a.device.ptr, 0)
  runUntil(fake.simulation, Infinity, true)
  const arrivals = fake.polls.filter(([napi]) => napi === b.nic.napis[0]).map(([, time]) => time)
  assert.equal(arrivals, [6000, 7000])
  assert.equal(fake.simulation.state.links[0]!.stats[0], { frames: 2, bytes: 202, lost: 0 })
})

test('the plain state is a clone that goes on the same', () => {
  const fake = fakeMachine()
  receive(withNic(fake), columns([1000, 2000, 3000]))
  const { clock } = structuredClone(fake.simulation.state)
  assert.equal(clock, fake.simulation.state.clock)
})

test('ip_forward reaches all devices and the default, and turns accept_redirects', () => {
  const fake = fakeMachine()
  const { machine, namespace } = withNic(fake)
  const read = (name: string): string => readSysctl(machine, namespace, name)
  writeSysctl(machine, namespace, 'net.ipv4.ip_forward', 1)
  for (const scope of ['all', 'default', 'lo', 'eth0']) assert.is(read(`net.ipv4.conf.${scope}.forwarding`), '1', scope)
  assert.is(read('net.ipv4.conf.all.accept_redirects'), '0')
  assert.is(fake.flushed, 1)
  writeSysctl(machine, namespace, 'net.ipv4.ip_forward', 1)
  assert.is(fake.flushed, 1)
  writeSysctl(machine, namespace, 'net.ipv4.conf.eth0.forwarding', 0)
  assert.is(read('net.ipv4.ip_forward'), '1')
})

test('a default reaches devices that were never written, and new ones', () => {
  const fake = fakeMachine()
  const { machine, namespace } = withNic(fake)
  const read = (name: string): string => readSysctl(machine, namespace, name)
  writeSysctl(machine, namespace, 'net.ipv4.conf.eth0.rp_filter', 2)
  writeSysctl(machine, namespace, 'net.ipv4.conf.default.rp_filter', 1)
  withNic(fake, 'eth1')
  const filters = ['lo', 'eth0', 'eth1'].map((name) => read(`net.ipv4.conf.${name}.rp_filter`))
  assert.equal(filters, ['1', '2', '1'])
  writeSysctl(machine, namespace, 'net.ipv4.conf.default.rp_filter', 0)
  assert.is(read('net.ipv4.conf.lo.rp_filter'), '0')
  assert.is(read('net.ipv4.conf.eth1.rp_filter'), '1')
})

test('all sysctls can be read, and begin with the values of a fresh namespace', () => {
  const fake = fakeMachine()
  const { machine, namespace } = withNic(fake)
  for (const name of sysctlNames(namespace)) assert.type(readSysctl(machine, namespace, name), 'string', name)
  const cases: [name: string, value: string][] = [
    ['net.ipv4.ip_local_port_range', '32768\t60999'],
    ['net.ipv4.neigh.eth0.gc_stale_time', '60'],
    ['net.ipv4.neigh.eth0.unres_qlen', '101'],
    ['net.ipv4.conf.lo.disable_policy', '1'],
    ['net.ipv4.conf.all.accept_source_route', '0'],
    ['net.core.netdev_budget', '300'],
    ['net.ipv4.tcp_rmem', '4096\t131072\t33554432'],
  ]
  for (const [name, value] of cases) assert.is(readSysctl(machine, namespace, name), value, name)
})

test('sysctls keep what is good, and refuse the rest unchanged', () => {
  const fake = fakeMachine()
  const { machine, namespace } = withNic(fake)
  const good: [name: string, value: string | number, shown: string][] = [
    ['net.ipv4.ip_local_port_range', '40000 40000', '40000\t40000'],
    ['net.ipv4.ping_group_range', '5 2', '1\t0'],
    ['net.ipv4.ping_group_range', '0 2147483647', '0\t2147483647'],
    ['net.ipv4.tcp_rmem', '4096 131072 6291456', '4096\t131072\t6291456'],
    ['net.ipv4.tcp_congestion_control', 'reno', 'reno'],
    ['net.ipv4.neigh.eth0.retrans_time_ms', 500, '500'],
    ['net.ipv4.neigh.eth0.delay_first_probe_time', 2, '2'],
    ['net.ipv4.fib_multipath_hash_seed', 4294967295, '4294967295'],
    ['net.ipv4.icmp_ratemask', 0, '0'],
  ]
  for (const [name, value, shown] of good) {
    writeSysctl(machine, namespace, name, value)
    assert.is(readSysctl(machine, namespace, name), shown, name)
  }
  const bad: [name: string, value: string | number, code: string][] = [
    ['net.ipv4.nonsense', 1, 'ENOENT'],
    ['net.ipv4.conf.eth9.rp_filter', 1, 'ENOENT'],
    ['net.ipv4.ip_default_ttl', 0, 'EINVAL'],
    ['net.ipv4.ip_default_ttl', 'x', 'EINVAL'],
    ['net.ipv4.ip_local_port_range', '2000 1000', 'EINVAL'],
    ['net.ipv4.ip_local_port_range', '1000 2000', 'EINVAL'],
    ['net.ipv4.ipfrag_high_thresh', 1, 'EINVAL'],
    ['net.ipv4.tcp_congestion_control', 'fastest', 'ENOENT'],
    ['net.ipv4.conf.eth0.mc_forwarding', 1, 'EACCES'],
    ['net.ipv4.tcp_rmem', 'many', 'EINVAL'],
  ]
  const before = sysctlNames(namespace).map((name) => readSysctl(machine, namespace, name))
  for (const [name, value, code] of bad) {
    assert.throws(
      () => writeSysctl(machine, namespace, name, value),
      (error: Error & { code?: string }) => error.code === code,
      `${name} ${value}`,
    )
  }
  assert.equal(
    sysctlNames(namespace).map((name) => readSysctl(machine, namespace, name)),
    before,
  )
})

test.run()
