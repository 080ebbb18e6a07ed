// Random calls on packet sockets among random frames: every answer is an errno or a result, and at the end no packet is left.
// fast-check draws the seed and how much is done, a xorshift does it. NETPATH_SEED draws others.

import { type Nic, type Socket, type Tap, lab } from '../../src/index.ts'
import { BROADCAST_MAC, HOST_MAC, PEER_MAC, eth, icmp, udp } from '../path/packets.ts'
import { type Machine, bytes, randomCalls } from './random_calls.ts'
import { Xorshift } from './xorshift.ts'

const SOL_PACKET = 263
const SOL_SOCKET = 1
const PROTOCOLS = [0, 1, 3, 4, 0x800, 0x806, 0x8100, 0x88a8, 0x1234, 0xffff]
const DEVICES = ['eth0', 'eth0', 'nic0', 'lo', 'gone'] as const
const FLAGS = ['MSG_PEEK', 'MSG_TRUNC', 'MSG_ERRQUEUE', 'MSG_OOB'] as const
const RETURN = 0x06

/** Noise, or something that starts like a frame. */
function frame(random: Xorshift): Uint8Array {
  const dmac = random.pick([HOST_MAC, BROADCAST_MAC, '01:00:5e:01:02:03', PEER_MAC])
  const vlan = Array.from({ length: random.below(3) }, () => random.below(4096))
  const pad = random.pick([0, 60])
  const made = random.pick([
    () => udp({ dmac, vlan, data: random.below(1400), pad }),
    () => icmp({ dmac, pad }),
    () => eth({ dmac, vlan, ethertype: random.pick(PROTOCOLS) }, bytes(random, 1500)),
    () => bytes(random, 100),
  ])()
  return random.chance(10) ? made.subarray(0, random.below(made.length + 1)) : made
}

function setOption({ random }: Machine, socket: Socket): void {
  const value = random.chance(50) ? Uint8Array.of(random.below(4), 0, 0, 0) : bytes(random, 40)
  const choice = random.below(10)
  if (choice === 0) socket.setsockopt('SO_RCVBUF', random.below(6000))
  else if (choice === 1) socket.setsockopt('SO_ATTACH_FILTER', [[RETURN, 0, 0, random.below(80)]])
  else if (choice === 2) {
    const type = random.pick(['promisc', 'allmulti', 'multicast', 'unicast'] as const)
    const name = random.pick(['PACKET_ADD_MEMBERSHIP', 'PACKET_DROP_MEMBERSHIP'])
    socket.setsockopt(name, { dev: random.pick(DEVICES), type, mac: random.pick([HOST_MAC, '01:00:5e:01:02:03']) })
  } else socket.setsockopt([random.chance(80) ? SOL_PACKET : SOL_SOCKET, random.below(30)], value)
}

function receive({ random }: Machine, socket: Socket): void {
  const flags = FLAGS.filter((_, i) => random.chance(i < 2 ? 25 : 3))
  socket.recv({ max: random.pick([0, 9, 10, 14, 100, 100000]), flags })
}

function send({ random }: Machine, socket: Socket): void {
  const to = { dev: random.pick(DEVICES), protocol: random.pick(PROTOCOLS), mac: PEER_MAC }
  const flags = random.chance(10) ? [random.pick(FLAGS)] : []
  socket.send(random.chance(60) ? frame(random) : bytes(random, 2000), random.chance(60) ? { to, flags } : { flags })
}

function bind({ random }: Machine, socket: Socket): void {
  socket.bind({ ...(random.chance(80) && { dev: random.pick(DEVICES) }), protocol: random.pick(PROTOCOLS) })
}

function arrive({ host, net, random }: Machine): void {
  const frames = Array.from({ length: 1 + random.below(12) }, () => frame(random))
  const device = host.device(random.chance(60) ? 'eth0' : 'nic0') as Tap | Nic
  device.rx(frames)
  net.run()
}

function disturb({ host, random }: Machine): void {
  const dev = random.pick(['eth0', 'nic0', 'lo'])
  if (random.chance(70)) host.link(dev, { up: random.chance(70) })
  else host.link(dev, { promisc: random.chance(50) })
}

function open({ host, sockets, random }: Machine): void {
  if (sockets.length < 12) sockets.push(host.socket(random.pick(['packet', 'packet-dgram']), random.pick(PROTOCOLS)))
}

function close({ sockets, random }: Machine): void {
  if (sockets.length > 1) sockets.splice(random.below(sockets.length), 1)[0]!.close()
}

const READINGS = ['PACKET_STATISTICS', 'PACKET_HDRLEN', 'PACKET_VNET_HDR_SZ', 'SO_MEMINFO', 'SO_ERROR']
const ask = ({ random }: Machine, socket: Socket): void => {
  if (random.chance(30)) socket.getsockopt([SOL_PACKET, random.below(30)], bytes(random, 40))
  else socket.getsockopt(random.pick(READINGS))
  socket.getsockname()
  socket.poll()
}

const STEPS: readonly (readonly [weight: number, step: (machine: Machine, socket: Socket) => void])[] = [
  [4, arrive],
  [4, send],
  [4, receive],
  [3, setOption],
  [2, ask],
  [2, bind],
  [1, disturb],
  [1, open],
  [1, close],
]
const BAG = STEPS.flatMap(([weight, step]) => Array.from({ length: weight }, () => step))

async function makeMachine(seed: number, memoryMb: number): Promise<Machine> {
  const net = await lab({ seed, memoryMb })
  const host = net.host('dut')
  host.tap('eth0', { mac: HOST_MAC, napi: (seed & 1) === 1 })
  host.nic('nic0', { mac: HOST_MAC, ring: 64 })
  host.addr.add('eth0', '10.0.0.1/24')
  host.addr.add('nic0', '10.0.1.1/24')
  for (const dev of ['eth0', 'nic0', 'lo']) host.link(dev, { up: true })
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  return { net, host, sockets: [host.socket('packet', 'ALL')], random: new Xorshift(seed) }
}

randomCalls('random calls on packet sockets', makeMachine, BAG)
