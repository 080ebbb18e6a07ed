// Random sends: every flag, control message and option about sending, from plain memory and from a host's pages, through devices
// and queues that change meanwhile.

import { type HostBuffer, type MsgFlag, type SendCmsg, type Socket, type SocketType, lab } from '../../src/index.ts'
import { HOST_MAC, PEER_MAC } from '../path/packets.ts'
import { type Machine, type Step, bytes, randomCalls } from './random_calls.ts'
import { Xorshift } from './xorshift.ts'

interface Sender extends Machine {
  buffers: HostBuffer[]
  /** Sends that wait. */
  waiting: Promise<unknown>[]
}

const KINDS: readonly (readonly [type: SocketType, protocol?: number])[] = [
  ['udp'],
  ['udp'],
  ['udp'],
  ['udp'],
  ['raw', 99],
  ['raw', 255],
  ['ping'],
  ['packet'],
]
const FLAGS: readonly (readonly [flag: MsgFlag, percent: number])[] = [
  ['MSG_MORE', 15],
  ['MSG_ZEROCOPY', 40],
  ['MSG_SPLICE_PAGES', 12],
  ['MSG_CONFIRM', 5],
  ['MSG_DONTROUTE', 5],
  ['MSG_PROBE', 3],
  ['MSG_OOB', 1],
]
const ENDS = [
  '10.0.0.2:9',
  '10.0.0.2:9',
  '10.0.0.77:9',
  '10.0.1.2:9',
  '10.0.1.2:9',
  '10.0.2.2:9',
  '10.0.2.2:9',
  '10.0.3.2:9',
  '127.0.0.1:7',
  '10.0.0.1:7',
  '224.0.0.5:9',
  '10.0.0.255:9',
  '99.9.9.9:9',
]
const SIZES = [0, 1, 8, 28, 100, 548, 1472, 1473, 3000, 9000, 20000, 65507, 65508]
const OPTIONS: readonly (readonly [name: string, values: readonly (number | string)[]])[] = [
  ['SO_ZEROCOPY', [0, 1, 1, 1]],
  ['SO_TIMESTAMPING', [0, 18, 402, 2450, 0x4413, 0x1fff, 0x7ffff]],
  ['SO_SNDBUF', [1, 5000, 100000, 1000000]],
  ['SO_RCVBUF', [1, 100000]],
  ['UDP_SEGMENT', [0, 1, 500, 1472]],
  ['UDP_CORK', [0, 0, 1]],
  ['IP_MTU_DISCOVER', [0, 1, 2, 3, 4, 5]],
  ['IP_RECVERR', [0, 1]],
  ['SO_NO_CHECK', [0, 1]],
  ['SO_BROADCAST', [0, 1]],
  ['SO_PRIORITY', [0, 6]],
  ['PACKET_QDISC_BYPASS', [0, 1]],
]
const TXTIME = new Uint8Array(Int32Array.of(1, 0).buffer)

function cmsg({ net, random }: Sender): SendCmsg {
  const all: SendCmsg = {
    SO_TIMESTAMPING: random.pick([0, 2, 256, 258, 3, 16]),
    SCM_TS_OPT_ID: random.below(1000),
    SCM_TXTIME: Math.max(0, Math.floor(net.now) + random.pick([-1000, 0, 5_000_000, 2e10])),
    UDP_SEGMENT: random.pick([1, 100, 1000, 1472]),
    IP_TTL: random.pick([1, 64, 300]),
    IP_PKTINFO: { dev: random.pick(['eth0', 'nic0', 'lo']) },
  }
  const names = Object.keys(all) as (keyof SendCmsg)[]
  return Object.fromEntries(names.filter(() => random.chance(25)).map((name) => [name, all[name]]))
}

/** What is sent: part of a block, or bytes of the program's own. */
function payload({ random, buffers }: Sender): Uint8Array {
  const size = random.pick(SIZES)
  if (buffers.length === 0 || random.chance(40)) return new Uint8Array(size)
  const { data } = random.pick(buffers)
  const from = random.below(data.length)
  return data.subarray(from, from + size)
}

function send(machine: Sender, socket: Socket, wait: boolean): void {
  const { random, waiting } = machine
  const flags = FLAGS.flatMap(([flag, percent]) => (random.chance(percent) ? [flag] : []))
  const packet = 'ifindex' in socket.getsockname()
  const to = packet ? { dev: random.pick(['eth0', 'nic0', 'lo']), protocol: 'IP' } : random.pick(ENDS)
  const options = { ...(random.chance(85) && { to }), flags, ...(random.chance(40) && { cmsg: cmsg(machine) }) }
  const data = payload(machine)
  if (wait) waiting.push(socket.sendWhenRoom(data, { ...options, timeout: '3s' }).catch(() => 0))
  else socket.send(data, options)
}

function open(host: Machine['host'], random: Xorshift): Socket {
  const [type, protocol] = random.pick(KINDS)
  const socket = host.socket(type, protocol)
  if (type === 'packet') socket.bind(random.pick(['eth0', 'nic0']))
  else if (type === 'udp' && random.chance(50)) socket.connect(random.pick(ENDS.slice(0, 7)))
  return socket
}

const own =
  (step: (machine: Sender, socket: Socket) => void): Step =>
  (machine, socket) =>
    step(machine as Sender, socket)

const QUEUES = [
  { kind: 'fq' },
  { kind: 'pfifo', limit: 3 },
  { kind: 'pfifo_fast' },
  { kind: 'fq_codel' },
  { kind: 'tbf', rate: '1mbit', burst: 3000, limit: 20000 },
  { kind: 'netem', delay: '5ms', loss: '10%', duplicate: '30%', limit: 100 },
] as const

const bag: readonly Step[] = [
  ...Array<Step>(40).fill(own((machine, socket) => send(machine, socket, false))),
  own((machine, socket) => send(machine, socket, true)),
  own(({ random }, socket) => {
    const [name, values] = random.pick(OPTIONS)
    socket.setsockopt(name, random.pick(values))
  }),
  own(({ random }, socket) => {
    const [name, values] = random.pick(OPTIONS.slice(0, 3))
    socket.setsockopt(name, random.pick(values))
  }),
  own((_, socket) => void socket.setsockopt('SO_TXTIME', TXTIME)),
  own(({ host, random, buffers }) => void buffers.push(host.alloc(random.pick([1, 100, 4096, 20000, 70000])))),
  own(({ random, buffers }) => buffers.splice(random.below(buffers.length + 1), 1)[0]?.free()),
  own(({ random, buffers }) => {
    if (buffers.length) random.pick(buffers).data.set(bytes(random, 1))
  }),
  own((_, socket) => void socket.recv({ flags: ['MSG_ERRQUEUE'] })),
  own((_, socket) => void socket.recv()),
  own((_, socket) => void socket.poll()),
  own(({ net, random }) => net.advance(random.pick(['1ms', '20ms', '1s', '4s']))),
  own(({ net }) => void net.run()),
  own(
    ({ host, random }) =>
      void host.link(random.pick(['eth0', 'nic0']), { mtu: random.pick([68, 600, 1500, 1500, 9000]) }),
  ),
  own(({ host, random }) => void host.link(random.pick(['eth0', 'nic0', 'v0', 'lo']), { up: random.chance(88) })),
  own(({ host, random }) => {
    const feature = random.pick(['tx-scatter-gather', 'tx-checksum-ip-generic', 'tx-udp-segmentation'])
    host.link(random.pick(['eth0', 'nic0', 'v0']), { features: { [feature]: random.chance(60) } })
  }),
  own(({ host, random }) =>
    host.qdisc.replace({ dev: random.pick(['eth0', 'nic0', 'v0']), parent: 'root', ...random.pick(QUEUES) }),
  ),
  own(({ host, random }) => {
    const ip = random.pick(['10.0.0.2', '10.0.1.2', '10.0.0.77'])
    if (random.chance(30)) host.neigh.del({ dev: random.pick(['eth0', 'nic0']), ip })
    else host.neigh.replace({ dev: random.pick(['eth0', 'nic0']), ip, mac: PEER_MAC, state: 'reachable' })
  }),
  own(({ host, sockets, random }) => {
    if (sockets.length > 6) sockets.splice(random.below(sockets.length), 1)[0]!.close()
    sockets.push(open(host, random))
  }),
  own(({ host, random }) => {
    const tap = host.socket('packet', 'ALL').bind(random.pick(['eth0', 'nic0']))
    tap.close()
  }),
]

async function machine(seed: number, memoryMb: number): Promise<Sender> {
  const net = await lab({ seed, memoryMb })
  const host = net.host('h')
  const random = new Xorshift(seed)
  host.sysctl('net.ipv4.ping_group_range', '0 2147483647')
  host.tap('eth0', { mac: HOST_MAC })
  host.nic('nic0').hwtstamp('ON')
  host.addr.add('eth0', '10.0.0.1/24')
  host.addr.add('nic0', '10.0.1.1/24')
  for (const dev of ['eth0', 'nic0']) host.link(dev, { up: true })
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  host.neigh.add({ dev: 'nic0', ip: '10.0.1.2', mac: PEER_MAC })
  // A namespace behind a veth, and another reached through a tunnel over it.
  const space = host.netns('x')
  host.link.add({ kind: 'veth', name: 'v0', peer: { name: 'v1', netns: 'x' } })
  host.addr.add('v0', '10.0.2.1/24')
  space.addr.add('v1', '10.0.2.2/24')
  host.link('v0', { up: true })
  space.link('v1', { up: true })
  host.link.add({ kind: 'ipip', name: 'tun0', local: '10.0.2.1', remote: '10.0.2.2' })
  host.addr.add('tun0', '10.0.3.1/24')
  host.link('tun0', { up: true })
  const reader = space.socket('udp').bind('0.0.0.0:9')
  const sockets = Array.from({ length: 5 }, () => open(host, random))
  sockets.push(host.socket('udp').bind('0.0.0.0:7'))
  sockets.push(reader)
  return { net, host, sockets, random, buffers: [], waiting: [] }
}

randomCalls('random sends', machine, bag)
