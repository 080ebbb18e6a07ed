// Floods of configuration and of packets in a host with little memory: what does not fit is refused or dropped and counted,
// nothing traps, and what goes away again leaves room for as much.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Tap, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { HOST_MAC, PEER, PEER_MAC, icmp, ipPacket, udp, udpDatagram } from '../path/packets.ts'

const MEMORY_MB = 1
const FAR = '10.200.0.2'
/** Of what fitted the first time, so much fits again: chunks of slabs stay with their cache. */
const AGAIN = 0.9

const address = (first: number, i: number): string => [first, (i >> 16) & 255, (i >> 8) & 255, i & 255].join('.')

interface Flood {
  add(h: Host, i: number): void
  del(h: Host, i: number): void
}

const route = (spec: (i: number) => object): Flood => ({
  add: (h, i) => h.route.add({ to: `${address(1, i)}/32`, ...spec(i) }),
  del: (h, i) => h.route.del({ to: `${address(1, i)}/32`, ...spec(i) }),
})

const floods: Readonly<Record<string, Flood>> = {
  routes: route(() => ({ via: PEER })),
  'routes by many gateways': route((i) => ({ via: address(10, i + 2) })),
  'multipath routes': route((i) => ({ nexthops: [{ via: address(10, i + 2) }, { via: address(10, i + 70000) }] })),
  'routes with metrics': route((i) => ({ via: PEER, mtu: 1000 + i })),
  'routes of many metrics and TOS': {
    add: (h, i) => h.route.add({ to: '1.2.3.4/32', via: PEER, metric: i >> 6, tos: (i & 63) << 2 }),
    del: (h, i) => h.route.del({ to: '1.2.3.4/32', via: PEER, metric: i >> 6, tos: (i & 63) << 2 }),
  },
  tables: {
    add: (h, i) => h.route.add({ to: '1.2.3.4/32', via: PEER, table: 1000 + i }),
    del: (h, i) => h.route.del({ to: '1.2.3.4/32', via: PEER, table: 1000 + i }),
  },
  neighbours: {
    add: (h, i) => h.neigh.add({ dev: 'eth0', ip: address(10, i + 1000), mac: PEER_MAC }),
    del: (h, i) => h.neigh.del({ dev: 'eth0', ip: address(10, i + 1000) }),
  },
  rules: {
    add: (h, i) => h.rule.add({ from: address(1, i), table: 100, priority: 30_000 - i }),
    del: (h, i) => h.rule.del({ from: address(1, i), table: 100, priority: 30_000 - i }),
  },
  addresses: {
    add: (h, i) => h.addr.add('eth0', `${address(20, i)}/32`),
    del: (h, i) => h.addr.del('eth0', `${address(20, i)}/32`),
  },
}

async function small(tell: (net: Lab, h: Host, tap: Tap) => void): Promise<void> {
  const net = await lab({ memoryMb: MEMORY_MB })
  const h = net.host('h')
  const tap = h.tap('eth0', { mac: HOST_MAC })
  h.addr.add('eth0', '10.0.0.1/8')
  h.link('eth0', { up: true })
  h.neigh.add({ dev: 'eth0', ip: PEER, mac: PEER_MAC })
  h.sysctl('net.ipv4.ip_forward', 1)
  tell(net, h, tap)
  net.advance('120s')
  net.run()
  tap.tx()
  assert.equal([net.account().balanced, net.account().live], [true, 0])
  await net.close()
}

/** Adds from number `from` on until no more fits; answers how many fitted in all. */
function fill(h: Host, { add }: Flood, from = 0): number {
  for (let i = from; ; i++) {
    try {
      add(h, i)
    } catch (error) {
      assert.ok(isSystemError(error), String(error))
      assert.ok(['ENOMEM', 'ENOBUFS'].includes(error.code), error.message)
      return i
    }
  }
}

const test = suite('memory')

for (const [name, flood] of Object.entries(floods)) {
  test(`${name}: the first that does not fit is refused, all is as it was, and what is deleted leaves room`, () =>
    small((net, h, tap) => {
      const count = fill(h, flood)
      assert.ok(count > 200, `${count} fit`)
      const routes = h.route.list().length
      assert.is(fill(h, flood, count), count)
      assert.is(h.route.list().length, routes)
      for (let i = 0; i < 20; i++) tap.rx([udp({ to: `${address(1, i)}:9` }), udp({ to: '10.0.0.1:9' })])
      net.run()
      const empty = (n: number): void => {
        for (let i = 0; i < n; i++) flood.del(h, i)
      }
      empty(count)
      // The second time there may be a look-up table too, that found no room the first time.
      const second = fill(h, flood)
      assert.ok(second >= count / 2, `${second} of ${count} fit again`)
      empty(second)
      const third = fill(h, flood)
      assert.ok(third >= second * AGAIN, `${third} of ${second} fit again`)
    }))
}

/** Frames that make the host keep something for each, until its memory is used up. */
const wires: Readonly<Record<string, (i: number) => Uint8Array>> = {
  'senders and destinations that nobody knows': (i) =>
    udp({ from: `${address(10, i + 9)}:1`, to: `${address(10, i + 70000)}:1` }),
  'fragments whose rest never comes': (i) =>
    udp({ from: `${address(10, i + 9)}:1`, mf: true, id: i & 65535, data: 1000 }),
  'path MTUs of many destinations': (i) => {
    const to = address(30, i)
    const quoted = ipPacket(
      { from: '10.0.0.1', to, df: true, protocol: 17 },
      udpDatagram({ from: '10.0.0.1:9', to: `${to}:9` }),
    )
    return icmp({ type: 3, code: 4, rest: 600 + (i % 800), data: quoted })
  },
  'redirects for many destinations': (i) => {
    const to = address(30, i)
    const quoted = ipPacket({ from: '10.0.0.1', to, protocol: 17 }, udpDatagram({ from: '10.0.0.1:9', to: `${to}:9` }))
    return icmp({ type: 5, code: 1, rest: 0x0a000003, data: quoted })
  },
}

for (const [name, frame] of Object.entries(wires)) {
  for (const room of [true, false]) {
    test(`${name}${room ? '' : ', when memory is full'}: what does not fit is dropped`, () =>
      small((net, h, tap) => {
        h.route.add({ to: '30.0.0.0/8', via: PEER })
        h.neigh.add({ dev: 'eth0', ip: '10.0.0.3', mac: PEER_MAC })
        for (const key of ['all', 'eth0']) {
          h.sysctl(`net.ipv4.conf.${key}.accept_redirects`, 1)
          h.sysctl(`net.ipv4.conf.${key}.secure_redirects`, 0)
        }
        if (!room) fill(h, floods['routes']!)
        for (let i = 0; i < 3000; i += 50) {
          tap.rx(Array.from({ length: 50 }, (_, k) => frame(i + k)))
          net.run()
          tap.tx()
        }
        if (room) h.route.get(FAR)
      }))
  }
}

test('ten routes each in many namespaces: 25 kB for one', async () => {
  const COUNT = 1000
  const net = await lab({ memoryMb: 25 })
  const h = net.host('h')
  for (let i = 0; i < COUNT; i++) {
    const space = h.netns(`n${i}`)
    space.link('lo', { up: true })
    for (let k = 0; k < 10; k++) space.route.add({ to: `10.${k}.0.0/16`, dev: 'lo' })
  }
  assert.is(h.namespaces().length, COUNT + 1)
  await net.close()
})

test.run()
