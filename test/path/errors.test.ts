// What is refused: an Error of Node's shape (code, errno, syscall, a message that says what to do), and everything as it was.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Host,
  type Lab,
  type Nic,
  type SystemError,
  type Tap,
  type UdpSocket,
  errnoNumber,
  lab,
} from '../../src/index.ts'
import { HOST, HOST_MAC, PEER, PEER_MAC, udp } from './packets.ts'

const test = suite('errors')

interface World {
  net: Lab
  host: Host
  other: Host
  tap: Tap
  nic: Nic
  plugged: Nic
  socket: UdpSocket
}

async function world(): Promise<World> {
  const net = await lab()
  const host = net.host('h')
  const other = net.host('o', { eth0: '10.0.7.2/24' })
  const tap = host.tap('eth0', { mac: HOST_MAC })
  const nic = host.nic('eth1')
  const plugged = host.nic('eth2', { attached: false })
  host.addr.add('eth0', `${HOST}/24`)
  for (const dev of ['eth0', 'eth1', 'eth2']) host.link(dev, { up: true })
  net.link(plugged, other.device('eth0') as Nic)
  host.neigh.add({ dev: 'eth0', ip: PEER, mac: PEER_MAC })
  host.route.add({ to: '192.0.2.0/24', via: PEER })
  host.route.add({ to: '198.51.100.0/24', type: 'prohibit' })
  host.rule.add({ priority: 100, from: '10.9.0.0/16', table: 'main' })
  return { net, host, other, tap, nic, plugged, socket: host.udp({ port: 7 }) }
}

/** All of a host that can be seen, but for statistics. */
function seen({ net, host }: World): unknown {
  return {
    hosts: net.hosts().map(({ name }) => name),
    namespaces: host.namespaces().map(({ netnsName }) => netnsName),
    devices: host.devices().map((device) => ({ ...device.info(), stats: undefined })),
    routes: host.route.list(),
    rules: host.rule.list(),
    neighbours: host.neigh.list(),
    sysctls: host.sysctlNames().map((name) => (name.endsWith('flush') ? name : `${name} ${host.sysctl(name)}`)),
    udp: host.proc('/proc/net/udp'),
    now: net.now,
  }
}

type Row = readonly [name: string, call: (world: World) => unknown, code: string, syscall?: string]
type Any = never

const rows: readonly Row[] = [
  ['a host of a name that is taken', ({ net }) => net.host('h'), 'EEXIST', 'host'],
  ['a host without a name', ({ net }) => net.host(''), 'EINVAL', 'host'],
  ['a host without CPUs', ({ net }) => net.host('x', { cpus: 0 }), 'EINVAL', 'host'],
  ['a host with a bad address', ({ net }) => net.host('x', { eth0: '10.0.0.300/24' }), 'EINVAL'],
  ['a host with a number for a NIC', ({ net }) => net.host('x', { eth0: 5 }), 'EINVAL'],
  ['a host whose NIC is called like a member', ({ net }) => net.host('x', { udp: '10.0.0.1/24' }), 'EINVAL'],
  ['a host that there is not', ({ net }) => net.getHost('x'), 'ENOENT', 'host'],
  ['a wire from a NIC to itself', ({ net, nic }) => net.link(nic, nic), 'EINVAL', 'link'],
  ['a wire to a NIC that is plugged in', ({ net, nic, plugged }) => net.link(nic, plugged), 'EBUSY', 'link'],
  ['a wire with a bad rate', ({ net, nic, plugged }) => net.link(nic, plugged, { rate: 'fast' }), 'EINVAL', 'link'],
  ['a wire that loses more than all', ({ net, nic, plugged }) => net.link(nic, plugged, { loss: 2 }), 'EINVAL', 'link'],
  ['time that goes back', ({ net }) => net.advance(-1), 'EINVAL', 'advance'],
  ['time without a unit', ({ net }) => net.advance('5'), 'EINVAL', 'advance'],
  ['a run for no time', ({ net }) => net.run({ for: 'ever' }), 'EINVAL', 'run'],
  ['a device of a name that is taken', ({ host }) => host.tap('eth0'), 'EEXIST', 'TUNSETIFF'],
  ['a device of a name that is none', ({ host }) => host.tap('a/b'), 'EINVAL', 'TUNSETIFF'],
  ['a device of a name that is too long', ({ host }) => host.tap('sixteen-letters-'), 'EINVAL'],
  ['a bad MAC', ({ host }) => host.tap('eth9', { mac: '02:00' }), 'EINVAL'],
  ['an MTU that is too small', ({ host }) => host.link('eth0', { mtu: 10 }), 'EINVAL', 'RTM_SETLINK'],
  ['an MTU that is none', ({ host }) => host.link('eth0', { mtu: 1.5 }), 'EINVAL', 'RTM_SETLINK'],
  ['a multicast MAC', ({ host }) => host.link('eth0', { mac: '01:00:00:00:00:01' }), 'EADDRNOTAVAIL', 'RTM_SETLINK'],
  ['a feature that there is not', ({ host }) => host.link('eth0', { features: { warp: true } }), 'EINVAL', 'ethtool'],
  ['a ring of no size', ({ host }) => host.nic('eth9', { ring: 100 }), 'EINVAL'],
  ['more queues than a NIC has', ({ host }) => host.nic('eth9', { queues: 17 }), 'EINVAL', 'nic'],
  ['a device that there is not', ({ host }) => host.device('eth9'), 'ENODEV', 'device'],
  ['a link that there is not', ({ host }) => host.link('eth9', { up: true }), 'ENODEV', 'RTM_SETLINK'],
  ['carrier of lo', ({ host }) => host.link('lo', { carrier: false }), 'EOPNOTSUPP'],
  ['a namespace without a name', ({ host }) => host.netns(''), 'EINVAL', 'netns'],
  ['an address that is there', ({ host }) => host.addr.add('eth0', `${HOST}/24`), 'EEXIST', 'RTM_NEWADDR'],
  ['an address of no device', ({ host }) => host.addr.add('eth9', '10.1.0.1/24'), 'ENODEV', 'RTM_NEWADDR'],
  ['a prefix of 33', ({ host }) => host.addr.add('eth0', '10.1.0.1/33'), 'EINVAL', 'RTM_NEWADDR'],
  [
    'deleting an address that is not there',
    ({ host }) => host.addr.del('eth0', '10.1.0.1/24'),
    'EADDRNOTAVAIL',
    'RTM_DELADDR',
  ],
  ['a route that is there', ({ host }) => host.route.add({ to: '192.0.2.0/24', via: PEER }), 'EEXIST', 'RTM_NEWROUTE'],
  [
    'a route through nobody',
    ({ host }) => host.route.add({ to: '10.2.0.0/16', via: '10.77.0.1' }),
    'ENETUNREACH',
    'RTM_NEWROUTE',
  ],
  [
    'a route with host bits',
    ({ host }) => host.route.add({ to: '10.2.3.4/16', dev: 'eth0' }),
    'EINVAL',
    'RTM_NEWROUTE',
  ],
  ['a route to nowhere', ({ host }) => host.route.add({ to: '10.2.0.0/16' }), 'ENODEV', 'RTM_NEWROUTE'],
  ['a route by no device', ({ host }) => host.route.add({ to: '10.2.0.0/16', dev: 'eth9' }), 'ENODEV', 'RTM_NEWROUTE'],
  ['a route with a bad metric', ({ host }) => host.route.add({ to: '10.2.0.0/16', dev: 'eth0', metric: -1 }), 'EINVAL'],
  ['a route of no type', ({ host }) => host.route.add({ to: '10.2.0.0/16', dev: 'eth0', type: 'scenic' }), 'EINVAL'],
  ['deleting a route that is not there', ({ host }) => host.route.del({ to: '10.2.0.0/16' }), 'ESRCH', 'RTM_DELROUTE'],
  [
    'changing a route that is not there',
    ({ host }) => host.route.change({ to: '10.2.0.0/16', dev: 'eth0' }),
    'ENOENT',
    'RTM_NEWROUTE',
  ],
  ['a look-up without a route', ({ host }) => host.route.get('203.0.113.1'), 'ENETUNREACH', 'RTM_GETROUTE'],
  ['a look-up that is prohibited', ({ host }) => host.route.get('198.51.100.1'), 'EACCES', 'RTM_GETROUTE'],
  ['a look-up of no address', ({ host }) => host.route.get('example.org'), 'EINVAL', 'RTM_GETROUTE'],
  ['deleting a rule that is not there', ({ host }) => host.rule.del({ priority: 5 }), 'ENOENT'],
  [
    'a neighbour that is there',
    ({ host }) => host.neigh.add({ dev: 'eth0', ip: PEER, mac: PEER_MAC }),
    'EEXIST',
    'RTM_NEWNEIGH',
  ],
  [
    'a neighbour of no device',
    ({ host }) => host.neigh.add({ dev: 'eth9', ip: PEER, mac: PEER_MAC }),
    'ENODEV',
    'RTM_NEWNEIGH',
  ],
  ['a neighbour in no state', ({ host }) => host.neigh.replace({ dev: 'eth0', ip: PEER, state: 'odd' }), 'EINVAL'],
  [
    'deleting a neighbour that is not there',
    ({ host }) => host.neigh.del({ dev: 'eth0', ip: '10.0.0.9' }),
    'ENOENT',
    'RTM_DELNEIGH',
  ],
  ['a sysctl that 6.18 has not', ({ host }) => host.sysctl('net.ipv4.warp', 1), 'ENOENT'],
  ['a sysctl with a bad value', ({ host }) => host.sysctl('net.ipv4.ip_forward', 'maybe'), 'EINVAL'],
  ['a sysctl out of range', ({ host }) => host.sysctl('net.ipv4.ip_default_ttl', 256), 'EINVAL'],
  ['a file that /proc has not', ({ host }) => host.proc('/proc/net/nothing'), 'ENOENT', 'open'],
  ['half a path', ({ host }) => host.proc('snmp'), 'ENOENT', 'open'],
  ['a socket of no type', ({ host }) => host.socket('unix' as Any), 'EINVAL', 'socket'],
  ['a port that is taken', ({ host }) => host.udp({ port: 7 }), 'EADDRINUSE', 'bind'],
  ['a port beyond 65535', ({ host }) => host.udp({ port: 65536 }), 'EINVAL', 'bind'],
  ["another host's address", ({ host }) => host.udp({ port: 8, address: '10.0.0.9' }), 'EADDRNOTAVAIL', 'bind'],
  ['an option of no name', ({ host }) => host.udp({ port: 8, options: { SO_WARP: 1 } }), 'ENOPROTOOPT', 'setsockopt'],
  ['a connection to nowhere', ({ host }) => host.udp({ port: 8, connect: '203.0.113.1:9' }), 'ENETUNREACH', 'connect'],
  ['a socket that is bound twice', ({ socket }) => socket.socket.bind(`${HOST}:9`), 'EINVAL', 'bind'],
  ['sending to nobody', ({ socket }) => socket.send('x'), 'EDESTADDRREQ', 'sendmsg'],
  ['sending to port 0', ({ socket }) => socket.send('x', `${PEER}:0`), 'EINVAL', 'sendmsg'],
  ['sending to no address', ({ socket }) => socket.send('x', 'peer:9'), 'EINVAL', 'sendmsg'],
  ['sending to a port that is none', ({ socket }) => socket.send('x', `${PEER}:http`), 'EINVAL', 'sendmsg'],
  ['sending without a route', ({ socket }) => socket.send('x', '203.0.113.1:9'), 'ENETUNREACH', 'sendmsg'],
  ['sending where it is prohibited', ({ socket }) => socket.send('x', '198.51.100.1:9'), 'EACCES', 'sendmsg'],
  ['sending to everybody unasked', ({ socket }) => socket.send('x', '10.0.0.255:9'), 'EACCES', 'sendmsg'],
  ['sending too much', ({ socket }) => socket.send(new Uint8Array(65508), `${PEER}:9`), 'EMSGSIZE', 'sendmsg'],
  ['a flag of no name', ({ socket }) => socket.send('x', `${PEER}:9`, { flags: ['MSG_WARP'] }), 'EINVAL', 'sendmsg'],
  ['reading less than nothing', ({ socket }) => socket.recv({ max: -1 }), 'EINVAL', 'recvmsg'],
  ['a TTL of 256', ({ socket }) => socket.socket.setsockopt('IP_TTL', 256), 'EINVAL', 'setsockopt'],
  [
    'a device that a socket cannot be bound to',
    ({ socket }) => socket.socket.setsockopt('SO_BINDTODEVICE', 'eth9'),
    'ENODEV',
    'setsockopt',
  ],
  ['a value of another kind', ({ socket }) => socket.socket.setsockopt('IP_ADD_MEMBERSHIP', 5), 'EINVAL', 'setsockopt'],
  [
    'a group that is none',
    ({ socket }) => socket.socket.setsockopt('IP_ADD_MEMBERSHIP', { group: '10.0.0.1', dev: 'eth0' }),
    'EINVAL',
    'setsockopt',
  ],
  [
    'leaving a group that was not joined',
    ({ socket }) => socket.socket.setsockopt('IP_DROP_MEMBERSHIP', { group: '239.1.1.1', dev: 'eth0' }),
    'EADDRNOTAVAIL',
    'setsockopt',
  ],
  ['a peer of a socket that has none', ({ socket }) => socket.socket.getpeername(), 'ENOTCONN', 'getpeername'],
  ['shutting down neither end', ({ socket }) => socket.socket.shutdown('UP' as Any), 'EINVAL', 'shutdown'],
  ['frames for a NIC on a wire', ({ plugged }) => plugged.rx([udp()]), 'EINVAL', 'rx'],
  ['frames of a NIC on a wire', ({ plugged }) => plugged.tx(), 'EINVAL', 'tx'],
  ['attaching a NIC on a wire', ({ plugged }) => plugged.attach(), 'EBUSY', 'attach'],
  ['a frame beyond 65535 bytes', ({ nic }) => nic.rx([new Uint8Array(65536)]), 'EINVAL', 'rx'],
  ['frames that arrive before now', ({ nic }) => nic.rx({ ...columns(2), times: [5, 4] }), 'EINVAL', 'rx'],
  ['frames beyond their bytes', ({ nic }) => nic.rx({ ...columns(2), offsets: [0, 60] }), 'EINVAL', 'rx'],
  ['a trace ring of no size', ({ host }) => host.trace.start({ records: 1000 }), 'EINVAL', 'trace'],
  ['a snapshot of another build', ({ net }) => net.restore({ ...net.snapshot(), hash: 'x' }), 'EINVAL', 'restore'],
]

function columns(count: number): { count: number; data: Uint8Array; offsets: number[]; lengths: number[] } {
  return { count, data: udp({ pad: 60 }), offsets: [0, 0], lengths: [60, 60] }
}

test(`${rows.length} calls that are refused leave everything as it was`, async () => {
  const here = await world()
  const wrong: string[] = []
  for (const [name, call, code, syscall] of rows) {
    const before = seen(here)
    try {
      call(here)
      wrong.push(`${name}: not refused`)
      continue
    } catch (error) {
      const got = error as SystemError
      const shape = `${got.code} ${got.errno} ${got.syscall}`
      const wanted = `${code} ${-(errnoNumber(code) ?? NaN)} ${syscall ?? got.syscall}`
      if (shape !== wanted) wrong.push(`${name}: ${shape}, not ${wanted}: ${got.message}`)
      if (!(error instanceof Error) || !got.message.includes(got.syscall)) wrong.push(`${name}: says ${got.message}`)
    }
    try {
      assert.equal(seen(here), before)
    } catch (error) {
      wrong.push(`${name}: changed something: ${(error as { details?: string }).details ?? String(error)}`)
    }
  }
  assert.equal(wrong, [])
  assert.ok(here.net.account().balanced)
  await here.net.close()
})

test('a TAP says which frames it did not take', async () => {
  const { net, host, tap } = await world()
  const { refused } = tap.rx([udp(), new Uint8Array(13), new Uint8Array(65536), udp()])
  assert.equal(
    [...refused],
    [
      [1, 'EINVAL'],
      [2, 'EINVAL'],
    ],
  )
  host.link('eth0', { up: false })
  assert.equal(
    [...tap.rx([udp(), udp()]).refused],
    [
      [0, 'EIO'],
      [1, 'EIO'],
    ],
  )
  await net.close()
})

/** Options of a lab that are refused. */
const labs: readonly (readonly [name: string, options: object])[] = [
  ['a seed that is none', { seed: 1.5 }],
  ['a clock too slow', { hz: 10 }],
  ['no memory', { memoryMb: 0 }],
  ['more memory than there is', { memoryMb: 1e6 }],
  ['costs of what costs nothing', { costs: { think: 5 } }],
  ['work that gives time back', { costs: { rx: -5 } }],
  ['a sequence number beyond 32 bits', { isn: 2 ** 32 }],
]
for (const [name, options] of labs) {
  test(`a lab is refused: ${name}`, async () => {
    await lab(options).then(
      () => assert.unreachable('it was made'),
      (error: SystemError) => assert.equal([error.code, error.errno, error.syscall], ['EINVAL', -22, 'lab']),
    )
  })
}

test('after its end a lab, a host and a socket say so', async () => {
  const { net, host, socket } = await world()
  socket.close()
  socket.close()
  const waits = socket.next()
  await waits.then(
    () => assert.unreachable('a closed socket reads nothing'),
    (error: SystemError) => assert.equal([error.code, error.syscall], ['EBADF', 'recvmsg']),
  )
  await net.close()
  const calls = { advance: () => net.advance(1), host: () => host.counters(), snapshot: () => net.snapshot() }
  for (const [name, call] of Object.entries(calls)) {
    try {
      call()
      assert.unreachable(`${name}: the lab is closed`)
    } catch (error) {
      assert.match((error as SystemError).code ?? String(error), /^E(BADF|NODEV)$/)
    }
  }
})

test('a blast that is told to stop rejects with the reason, and leaves no socket', async () => {
  const { net, host } = await world()
  const controller = new AbortController()
  const before = host.proc('/proc/net/udp')
  const blasting = host.blast(`${PEER}:9`, { packets: 1e9, signal: controller.signal })
  controller.abort(new Error('enough'))
  await blasting.then(
    () => assert.unreachable('it goes on'),
    (error: Error) => assert.is(error.message, 'enough'),
  )
  assert.is(host.proc('/proc/net/udp'), before)
  for (const options of [{ packets: 0 }, { packets: 1, size: 65508 }, { packets: 1, pps: 0 }]) {
    await host.blast(`${PEER}:9`, options).then(
      () => assert.unreachable(JSON.stringify(options)),
      (error: SystemError) => assert.equal([error.code, error.syscall], ['EINVAL', 'blast']),
    )
  }
  await net.close()
})

test.run()
