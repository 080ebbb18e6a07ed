// Checksums against the naive one of test/path/packets.ts: datagrams of random bytes, lengths and alignments are delivered
// exactly when their checksum is right, and what the host sends has right ones.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lab } from '../../src/index.ts'
import { HOST_MAC, PEER_MAC, checksum, read, udp } from '../path/packets.ts'
import { Xorshift } from './xorshift.ts'

const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)
const DATAGRAMS = 1500

async function receive(seed: number, nic: boolean): Promise<void> {
  const random = new Xorshift(seed)
  const net = await lab({ seed })
  const host = net.host('h')
  const device = nic ? host.nic('eth0', { mac: HOST_MAC, mtu: 9000 }) : host.tap('eth0', { mac: HOST_MAC })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  const socket = host.udp({ port: 7, options: { SO_RCVBUFFORCE: 1 << 22 } })
  for (let i = 0; i < DATAGRAMS; i++) {
    const data = new Uint8Array(random.below(random.chance(90) ? 200 : 8900))
    if (random.chance(95)) random.fill(data)
    else data.fill(random.pick([0, 255]))
    const off = random.chance(50) ? 0 : 1 + random.below(65534)
    const none = random.chance(5)
    const frame = udp({ data, checksumOff: none ? 'none' : off, pad: 60, tos: random.below(4) })
    // 0 on the wire means that there is none.
    const valid = none || off === 0 || (frame[40] === 0 && frame[41] === 0)
    device.rx([frame])
    if (nic) net.run()
    const got = socket.recv()
    assert.equal(got?.data, valid ? data : undefined, `${data.length} bytes, checksum off by ${none ? 'none' : off}`)
  }
  const { UdpInDatagrams = 0, UdpInCsumErrors = 0 } = host.counters()
  assert.is(UdpInDatagrams + UdpInCsumErrors, DATAGRAMS)
  assert.is(net.account().live, 0)
  await net.close()
}

async function send(seed: number): Promise<void> {
  const random = new Xorshift(seed)
  const net = await lab({ seed })
  const host = net.host('h')
  const tap = host.tap('eth0', { mac: HOST_MAC, mtu: 9000 })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  net.advance('1ms')
  tap.tx()
  const socket = host.udp()
  for (let i = 0; i < DATAGRAMS; i++) {
    const data = new Uint8Array(random.below(random.chance(90) ? 200 : 8900))
    random.fill(data)
    socket.send(data, `10.0.0.2:${1 + random.below(65535)}`)
    const [frame, ...more] = tap.tx()
    assert.is(more.length, 0)
    assert.equal(read(frame!).wrong, [])
    assert.ok(frame![40] !== 0 || frame![41] !== 0, 'a sum of 0 is sent as 65535')
    assert.equal(frame!.subarray(42), data)
  }
  await net.close()
}

const test = suite('checksums')
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const settings = { numRuns: 3, seed: DRAW_SEED, endOnFailure: true, includeErrorInReport: true }

test('the naive checksum: the example of RFC 1071', () => {
  assert.is(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), ~0xddf2 & 0xffff)
  assert.is(checksum(Uint8Array.of(1)), ~0x0100 & 0xffff)
})

test('a datagram is delivered when its checksum is right, at a TAP', () =>
  fc.assert(
    fc.asyncProperty(seeds, (seed) => receive(seed, false)),
    settings,
  ))

test('and at a NIC, whose hardware looks first', () =>
  fc.assert(
    fc.asyncProperty(seeds, (seed) => receive(seed, true)),
    settings,
  ))

test('what is sent has right checksums', () => fc.assert(fc.asyncProperty(seeds, send), settings))

test.run()
