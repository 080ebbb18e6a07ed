// Redirects (section 11, rows P1 to P4 of icmp_redirect): h1, r1 and r2 stand on one segment; h1's route to h2 behind r2 goes by
// r1, which says so. The segment is a hub between three TAPs; r2 and h2 are joined by veth.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Lab, type Namespace, type RouteInfo, type Socket, type Tap, lab } from '../../src/index.ts'

const H2 = '172.16.2.2'
const [R1, R2] = ['172.16.1.1', '172.16.1.254']
const BACK = { to: '172.16.2.0/24' }

interface World {
  net: Lab
  h1: Namespace
  r1: Namespace
  r2: Namespace
  /** Sends an echo request of so many bytes with DF from h1 to h2; what follows has happened. */
  ping(size: number): void
  /** Did the echo reply come back? */
  replied(): boolean
  /** h1's route to h2. */
  route(): RouteInfo
}

/** Frames go from each TAP to the others until none leaves. */
function settle(net: Lab, taps: readonly Tap[]): void {
  for (let moved = true; moved;) {
    net.run()
    moved = false
    for (const tap of taps) {
      const frames = tap.tx()
      if (frames.length === 0) continue
      moved = true
      for (const other of taps) if (other !== tap) other.rx(frames)
    }
  }
}

function onSegment(space: Namespace, address: string): Tap {
  const tap = space.tap('eth0')
  space.addr.add('eth0', `${address}/24`)
  space.link('eth0', { up: true })
  return tap
}

function joinH2(r2: Namespace, h2: Namespace): void {
  r2.link.add({ kind: 'veth', name: 'eth1', peer: { name: 'eth0', netns: h2 } })
  r2.addr.add('eth1', '172.16.2.1/24')
  r2.link('eth1', { up: true })
  h2.addr.add('eth0', `${H2}/24`)
  h2.link('eth0', { up: true })
  h2.route.add({ to: 'default', via: '172.16.2.1' })
}

async function world(tell: (w: World) => void): Promise<void> {
  const net = await lab()
  const host = net.host('h')
  const [h1, r1, r2, h2] = ['h1', 'r1', 'r2', 'h2'].map((name) => host.netns(name)) as [
    Namespace,
    Namespace,
    Namespace,
    Namespace,
  ]
  const taps = [onSegment(h1, '172.16.1.2'), onSegment(r1, R1), onSegment(r2, R2)]
  joinH2(r2, h2)
  for (const router of [r1, r2]) router.sysctl('net.ipv4.ip_forward', 1)
  r1.route.add({ ...BACK, via: R2 })
  h1.route.add({ ...BACK, via: R1 })
  for (const key of ['all', 'eth0']) h1.sysctl(`net.ipv4.conf.${key}.secure_redirects`, 0)
  const socket: Socket = h1.socket('raw', 'icmp')
  socket.setsockopt('IP_MTU_DISCOVER', 'DO')
  let sequence = 0
  const checksum = (type: number): number => 0xffff - (((type << 8) + sequence) % 0xffff)
  const ping = (size: number): void => {
    sequence += 1
    const message = new Uint8Array(size - 20)
    const sum = checksum(8)
    message.set([8, 0, sum >> 8, sum & 255, 0, 0, 0, sequence])
    try {
      socket.send(message, { to: H2 })
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, 'EMSGSIZE')
    }
    settle(net, taps)
    net.advance('100ms')
    settle(net, taps)
  }
  const replied = (): boolean => {
    let found = false
    for (let got = socket.recv(); got; got = socket.recv()) found ||= got.data[20] === 0 && got.data[27] === sequence
    return found
  }
  const w = { net, h1, r1, r2, ping, replied, route: () => h1.route.get(H2) }
  // Neighbours are known after this, r2 too, who asked for h1.
  const quiet = (on: number): void => {
    for (const key of ['all', 'eth0']) r1.sysctl(`net.ipv4.conf.${key}.send_redirects`, on)
  }
  quiet(0)
  ping(64)
  assert.ok(replied(), 'h2 is reached')
  quiet(1)
  tell(w)
  socket.close()
  net.advance('60s')
  settle(net, taps)
  assert.equal([net.account().balanced, net.account().live], [true, 0])
  await net.close()
}

const test = suite('facts: redirects')

/** Gateway, path MTU (undefined: none), and whether a redirect said so. */
const told = ({ via, metrics, flags }: RouteInfo): [string?, number?, boolean?] => [
  via,
  metrics['mtu'],
  flags.includes('redirected'),
]

test('P1: a packet of 64 bytes is redirected; the exception expires', () =>
  world((w) => {
    assert.equal(told(w.route()), [R1, undefined, false])
    w.ping(64)
    assert.equal([w.replied(), told(w.route())], [true, [R2, undefined, true]])
    w.net.advance('299s')
    assert.equal(told(w.route()), [R2, undefined, true])
    w.net.advance('2s')
    assert.equal(told(w.route()), [R1, undefined, false])
  }))

test('P2: then a path MTU of 1300: the exception keeps the redirect', () =>
  world((w) => {
    w.ping(64)
    w.r2.link('eth1', { mtu: 1300 })
    w.ping(1350)
    assert.equal([w.replied(), told(w.route())], [false, [R2, 1300, true]])
    w.ping(1300)
    assert.ok(w.replied())
  }))

test('P3: routing is set again: no exception', () =>
  world((w) => {
    w.ping(64)
    w.h1.route.del({ ...BACK, via: R1 })
    w.h1.route.add({ ...BACK, via: R1 })
    assert.equal(told(w.route()), [R1, undefined, false])
  }))

test('P4: a path MTU first, then the redirect: both are kept', () =>
  world((w) => {
    w.r2.link('eth1', { mtu: 1300 })
    w.r1.sysctl('net.ipv4.conf.all.send_redirects', 0)
    w.r1.sysctl('net.ipv4.conf.eth0.send_redirects', 0)
    w.ping(1350)
    assert.equal(told(w.route()), [R1, 1300, false])
    w.r1.sysctl('net.ipv4.conf.all.send_redirects', 1)
    w.ping(64)
    assert.equal(told(w.route()), [R2, 1300, true])
  }))

test.run()
