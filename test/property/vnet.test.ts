// Random virtio headers before random frames, on TAPs and from packet sockets, over devices with random features: each is taken or
// refused with an errno, nothing traps, and every packet is accounted for.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Socket, type Tap, lab } from '../../src/index.ts'
import { HOST, HOST_MAC, PEER, PEER_MAC, eth, ipPacket, join, tcpSegment, udpDatagram } from '../path/packets.ts'
import { Xorshift } from './xorshift.ts'

const test = suite('virtio headers')
const FAR = '10.1.0.2'
const FEATURES = ['sg', 'tx', 'tso', 'gso', 'tx-udp-segmentation', 'tx-scatter-gather', 'tx-scatter-gather-fraglist']
const TYPES = [0, 1, 1, 1, 3, 4, 5, 5, 5, 0x81, 0x85, 9]
const SIZES = [0, 1, 7, 8, 100, 500, 1000, 1448, 1472, 9000, 65534, 65535]

function offsetNear(random: Xorshift, usual: number): number {
  return random.chance(12) ? random.below(65536) : random.chance(25) ? random.below(100) : usual
}

function header(random: Xorshift, tcp: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(10))
  view.setUint8(0, random.pick([1, 1, 1, 0, 2, 3, 255]))
  view.setUint8(1, random.chance(33) ? random.pick(TYPES) : tcp ? 1 : 5)
  const size = random.chance(25) ? random.below(65536) : random.pick(SIZES)
  const usual = [tcp ? 54 : 42, size, 34, tcp ? 16 : 6]
  usual.forEach((value, i) => view.setUint16(2 + 2 * i, i === 1 ? value : offsetNear(random, value), true))
  return new Uint8Array(view.buffer)
}

function frame(random: Xorshift): Uint8Array {
  const tcp = random.chance(50)
  const length = random.pick([0, 1, 30, 1000, 5000, 20000, 64000]) + random.below(500)
  const packet = {
    from: `${PEER}:9`,
    to: `${random.below(2) ? HOST : FAR}:${7 + random.below(2)}`,
    df: random.chance(50),
  }
  const data = new Uint8Array(length).fill(random.below(256))
  const inner = tcp
    ? tcpSegment({ ...packet, seq: random.below(2 ** 31), ack: 1, flags: 'PA', data })
    : udpDatagram({ ...packet, data })
  const bytes = eth({ smac: PEER_MAC, dmac: HOST_MAC }, ipPacket({ ...packet, protocol: tcp ? 6 : 17 }, inner))
  for (let i = random.chance(25) ? random.below(6) : 0; i > 0; i--) bytes[random.below(60)] = random.below(256)
  const cut = random.chance(10) ? bytes.slice(0, random.below(bytes.length + 1)) : bytes
  return join(header(random, tcp), cut)
}

function switches(random: Xorshift, host: Host): void {
  const dev = random.pick(['eth0', 'eth1'])
  try {
    host.link(dev, { features: { [random.pick(FEATURES)]: random.chance(50) } })
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'EOPNOTSUPP')
  }
}

interface Made {
  net: Lab
  host: Host
  sender: Socket
}

async function make(random: Xorshift): Promise<Made> {
  const net = await lab({ seed: 1, memoryMb: 32 })
  const host = net.host('h')
  host.sysctl('net.ipv4.ip_forward', 1)
  const offloads = ['CSUM', 'TSO4', 'TSO6', 'USO4', 'USO6'] as const
  ;['eth0', 'eth1'].forEach((name, i) => {
    const takes = random.chance(50) ? offloads : []
    host.tap(name, { mac: i ? '02:00:00:00:01:01' : HOST_MAC, vnet: true, offload: takes, napi: random.chance(50) })
    host.addr.add(name, `10.${i}.0.1/24`)
    host.link(name, { up: true, mtu: random.pick([600, 1500, 9000]) })
    host.neigh.add({ dev: name, ip: `10.${i}.0.2`, mac: PEER_MAC })
  })
  const options = { SO_RCVBUF: 1 << 18 }
  for (const [i, port] of [7, 8].entries()) host.udp({ port, options: i ? { ...options, UDP_GRO: 1 } : options })
  const sender = host.socket('packet').bind({ dev: 'eth1', protocol: 'IP' })
  sender.setsockopt('PACKET_VNET_HDR', 1)
  return { net, host, sender }
}

for (let seed = 1; seed <= 12; seed++) {
  test(`seed ${seed}: 400 frames`, async () => {
    const random = new Xorshift(seed)
    const { net, host, sender } = await make(random)
    try {
      for (let i = 0; i < 400; i++) {
        const bytes = frame(random)
        if (random.below(3) > 0) {
          const { refused } = (host.device('eth0') as Tap).rx([bytes])
          for (const code of refused.values()) assert.ok(['EINVAL', 'ENOMEM'].includes(code))
        } else {
          try {
            sender.send(bytes)
          } catch (error) {
            assert.ok(
              ['EINVAL', 'EMSGSIZE', 'ENOBUFS', 'ENOMEM', 'EAGAIN'].includes((error as NodeJS.ErrnoException).code!),
            )
          }
        }
        if (random.chance(10)) switches(random, host)
        net.run()
        for (const name of ['eth0', 'eth1']) (host.device(name) as Tap).tx()
        while (sender.recv()) continue
      }
      net.advance('60s')
      for (const name of ['eth0', 'eth1']) (host.device(name) as Tap).tx()
      for (const name of ['eth0', 'eth1']) host.link(name, { up: false })
      assert.ok(net.account().balanced)
    } finally {
      await net.close()
    }
  })
}

test.run()
