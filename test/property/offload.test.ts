// Whatever a device can do by itself, its wire sees the same: random sends, in one piece, corked, in fragments and as trains, over
// NICs with every mixture of features.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Nic, type Socket, lab } from '../../src/index.ts'
import { HOST, HOST_MAC, PEER, PEER_MAC, read } from '../path/packets.ts'
import { Xorshift } from './xorshift.ts'

const test = suite('offloads')

const NICS: readonly Readonly<Record<string, boolean>>[] = [
  { tx: false, sg: false, gso: false },
  {},
  { 'tx-udp-segmentation': false },
  { tx: false },
  { sg: false },
  { 'tx-udp-segmentation': false, sg: false },
  { gso: false },
]

const SIZES = [0, 1, 2, 17, 100, 999, 1471, 1472, 1473, 2000, 5000, 20_000, 65_507]

/** One send of a random kind; what it answers. */
function send(random: Xorshift, socket: Socket): number | string {
  const bytes = new Uint8Array(Math.min(65_507, random.pick(SIZES) + random.below(3)))
  random.fill(bytes)
  const to = { address: random.pick([PEER, PEER, '10.0.0.3']), port: 9 + random.below(2) }
  const size = random.pick([0, 1 + random.below(1600), 500, 1472])
  const cmsg = random.chance(50) ? { UDP_SEGMENT: size } : {}
  try {
    return socket.send(bytes, { to, cmsg, flags: random.chance(15) ? ['MSG_MORE'] : [] })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!
  }
}

function senders(host: Host): Socket[] {
  return [{}, { IP_MTU_DISCOVER: 'DONT' }, { IP_MTU_DISCOVER: 'PROBE' }, { SO_NO_CHECK: 1 }].map((options, i) => {
    const socket = host.socket('udp').bind({ address: HOST, port: 100 + i })
    for (const [name, value] of Object.entries(options)) socket.setsockopt(name, value)
    return socket
  })
}

/** What all sends answered, and the frames that they made. */
async function played(seed: number, features: Readonly<Record<string, boolean>>) {
  const random = new Xorshift(seed)
  const net = await lab({ seed, memoryMb: 16 })
  try {
    const host = net.host('h')
    const nic: Nic = host.nic('eth0', { mac: HOST_MAC, ring: random.pick([64, 256]) })
    host.addr.add('eth0', `${HOST}/24`)
    host.link('eth0', { up: true, features, mtu: random.pick([600, 1500, 9000]) })
    for (const ip of [PEER, '10.0.0.3']) host.neigh.add({ dev: 'eth0', ip, mac: PEER_MAC })
    const sockets = senders(host)
    net.run()
    nic.tx()
    const answers: (number | string)[] = []
    const frames: Uint8Array[] = []
    for (let i = 0; i < 40; i++) {
      answers.push(send(random, random.pick(sockets)))
      net.run()
      frames.push(...nic.tx())
    }
    for (const socket of sockets) socket.close()
    net.run()
    const { balanced, live } = net.account()
    assert.equal([balanced, live], [true, 0])
    const { tx_packets, tx_bytes } = nic.info().stats
    return { answers, frames, stats: [tx_packets, tx_bytes], counters: host.counters() }
  } finally {
    await net.close()
  }
}

for (let seed = 1; seed <= 15; seed++) {
  test(`seed ${seed}`, async () => {
    const [plain, ...others] = NICS
    const expected = await played(seed, plain!)
    assert.equal([...new Set(expected.frames.flatMap((frame) => read(frame).wrong))], [])
    for (const features of others) {
      const got = await played(seed, features)
      const how = JSON.stringify(features)
      assert.equal(got.answers, expected.answers, how)
      assert.is(got.frames.length, expected.frames.length, how)
      got.frames.forEach((frame, i) => {
        if (Buffer.compare(frame, expected.frames[i]!))
          assert.equal(read(frame), read(expected.frames[i]!), `${how} ${i}`)
      })
      assert.equal(got.stats, expected.stats, how)
      assert.equal(got.counters, expected.counters, how)
    }
  })
}

test.run()
