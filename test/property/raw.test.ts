// Random calls on raw and ping sockets among random packets and errors: every answer is an errno or a result, and at the end no
// packet is left. fast-check draws the seed and how much is done, a xorshift does it. NETPATH_SEED draws others.

import { type MsgFlag, type Nic, type Socket, type Tap, lab } from '../../src/index.ts'
import { type Bytes, HOST, HOST_MAC, PEER, PEER_MAC, icmp, icmpMessage, ip, ipPacket, udp } from '../path/packets.ts'
import { type Machine, bytes, randomCalls } from './random_calls.ts'
import { Xorshift } from './xorshift.ts'

const SOL_SOCKET = 1
const SOL_IP = 0
const SOL_RAW = 255
const PROTOCOLS = [1, 1, 1, 2, 17, 99, 255, 256]
const ADDRESSES = [PEER, PEER, HOST, '10.0.0.77', '10.0.0.255', '224.1.1.1', '127.0.0.1', '9.9.9.9', '0.0.0.0']
const IDENTS = [5, 6, 7]
const READ_FLAGS: readonly MsgFlag[] = ['MSG_PEEK', 'MSG_TRUNC', 'MSG_ERRQUEUE', 'MSG_OOB']
const SEND_FLAGS: readonly MsgFlag[] = ['MSG_MORE', 'MSG_MORE', 'MSG_PROBE', 'MSG_CONFIRM', 'MSG_DONTROUTE', 'MSG_OOB']
const ERRORS = [
  [3, 1],
  [3, 2],
  [3, 4],
  [3, 15],
  [4, 0],
  [5, 1],
  [11, 0],
  [12, 0],
] as const

const message = (random: Xorshift, data: number): Bytes =>
  icmpMessage({ type: random.pick([0, 8, 42, 43]), rest: random.pick(IDENTS) * 65536, data: random.below(data) })

/** A packet as a host here would have sent it, for an error to quote or for IP_HDRINCL. */
function packet(random: Xorshift, data: number): Bytes {
  const protocol = random.pick(PROTOCOLS) & 255
  const options = random.chance(30) ? Uint8Array.of(0x94, 4, 0, 0) : new Uint8Array(0)
  const made = ipPacket(
    { from: HOST, to: random.pick(ADDRESSES), protocol, options, ttl: random.below(256), df: random.chance(50) },
    protocol === 1 ? message(random, data) : bytes(random, data),
  )
  if (random.chance(10)) made[0] = random.below(256)
  return random.chance(20) ? made.subarray(0, random.below(made.length + 1)) : made
}

function frame(random: Xorshift): Uint8Array {
  const [type, code] = random.pick(ERRORS)
  const rest = random.chance(50) ? random.below(1500) : 0x0a000003
  const made = random.pick([
    () => udp({ data: random.below(1400) }),
    () => icmp({ type: random.pick([0, 8, 43]), rest: random.pick(IDENTS) * 65536, data: random.below(1400) }),
    () => icmp({ type, code, rest, data: packet(random, 60) }),
    () => ip({ protocol: random.pick(PROTOCOLS) & 255, to: random.pick(ADDRESSES) }, bytes(random, 1400)),
    () => ip({ protocol: 99, mf: random.chance(50), offset: 8 * random.below(4), id: random.below(2) }, 16),
    () => ip({ protocol: 99, to: PEER, from: '10.0.0.7', options: Uint8Array.of(0x94, 4, 0, 0) }, 'transit'),
  ])()
  return random.chance(5) ? made.subarray(0, random.below(made.length + 1)) : made
}

function arrive({ host, net, random }: Machine): void {
  const device = host.device(random.chance(60) ? 'eth0' : 'nic0') as Tap | Nic
  device.rx(Array.from({ length: 1 + random.below(12) }, () => frame(random)))
  net.run()
}

function send({ random }: Machine, socket: Socket): void {
  const data = random.pick([() => message(random, 3000), () => packet(random, 1600), () => bytes(random, 70000)])()
  const flags = random.chance(30) ? [random.pick(SEND_FLAGS)] : []
  const cmsg = random.chance(20) ? { cmsg: { IP_TTL: random.below(300), IP_RETOPTS: bytes(random, 44) } } : {}
  const to = [random.pick(ADDRESSES), random.below(3)] as const
  socket.send(data, { flags, ...cmsg, ...(random.chance(80) && { to }) })
}

function receive({ random }: Machine, socket: Socket): void {
  const flags = READ_FLAGS.filter((_, i) => random.chance(i < 3 ? 25 : 3))
  socket.recv({ max: random.pick([0, 7, 20, 100, 100000]), flags })
}

const SET = ['ICMP_FILTER', 'IP_HDRINCL', 'IP_ROUTER_ALERT', 'IP_RECVERR', 'IP_PKTINFO', 'IP_RETOPTS', 'SO_BROADCAST']
function setOption({ random }: Machine, socket: Socket): void {
  const choice = random.below(8)
  if (choice === 0) socket.setsockopt('SO_RCVBUF', random.below(6000))
  else if (choice === 1) socket.setsockopt('SO_SNDBUF', random.below(9000))
  else if (choice === 2) socket.setsockopt('IP_OPTIONS', bytes(random, 44))
  else if (choice === 3) {
    socket.setsockopt([random.pick([SOL_SOCKET, SOL_IP, SOL_RAW]), random.below(60)], bytes(random, 40))
  } else socket.setsockopt(random.pick(SET), random.below(2))
}

function ask({ random }: Machine, socket: Socket): void {
  socket.poll()
  socket.getsockname()
  if (random.chance(50)) socket.getsockopt([random.pick([SOL_IP, SOL_RAW]), random.below(60)], bytes(random, 40))
  else socket.getsockopt(random.pick(['SO_ERROR', 'SO_MEMINFO', 'IP_MTU', 'ICMP_FILTER']))
}

function name({ random }: Machine, socket: Socket): void {
  const end = [random.pick(ADDRESSES), random.pick([0, ...IDENTS])] as const
  const choice = random.below(4)
  if (choice === 0) socket.bind(end)
  else if (choice === 1) socket.connect(end)
  else if (choice === 2) socket.connect(null)
  else socket.shutdown(random.pick(['RD', 'WR', 'RDWR'] as const))
}

function open({ host, sockets, random }: Machine): void {
  if (sockets.length >= 12) return
  sockets.push(random.chance(60) ? host.socket('raw', random.pick(PROTOCOLS)) : host.socket('ping'))
}

function close({ sockets, random }: Machine): void {
  if (sockets.length > 1) sockets.splice(random.below(sockets.length), 1)[0]!.close()
}

function disturb({ host, random }: Machine): void {
  host.link(random.pick(['eth0', 'nic0', 'lo']), { up: random.chance(75) })
}

const STEPS: readonly (readonly [weight: number, step: (machine: Machine, socket: Socket) => void])[] = [
  [5, arrive],
  [5, send],
  [4, receive],
  [3, setOption],
  [2, ask],
  [2, name],
  [2, open],
  [1, close],
  [1, disturb],
]
const BAG = STEPS.flatMap(([weight, step]) => Array.from({ length: weight }, () => step))

async function makeMachine(seed: number, memoryMb: number): Promise<Machine> {
  const net = await lab({ seed, memoryMb })
  const host = net.host('dut')
  host.tap('eth0', { mac: HOST_MAC, napi: (seed & 1) === 1 })
  host.nic('nic0', { mac: HOST_MAC, ring: 64 })
  host.addr.add('eth0', `${HOST}/24`)
  host.addr.add('nic0', '10.0.1.1/24')
  for (const dev of ['eth0', 'nic0', 'lo']) host.link(dev, { up: true })
  host.neigh.add({ dev: 'eth0', ip: PEER, mac: PEER_MAC })
  host.sysctl('net.ipv4.ping_group_range', '0 0')
  host.sysctl('net.ipv4.ip_forward', seed & 2 ? 1 : 0)
  return { net, host, sockets: [host.socket('raw', 'icmp')], random: new Xorshift(seed) }
}

randomCalls('random calls on raw and ping sockets', makeMachine, BAG)
