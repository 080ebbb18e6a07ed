// Walks recorded from Linux 6.12 (test/walks: e1000e, a line is the CPU, then the function, indented by depth) against netpath's
// for the same packets, over the functions that carry a packet's path. Every function counts once, where it is called first.
// What the interrupt handlers called is held in an order of its own: where an interrupt hits differs from run to run.

import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import type { Nic, UdpOptions } from '../../src/index.ts'
import { rootFolder } from '../root.ts'
import { BROADCAST_MAC, HOST, PEER, arp, fragments, icmp, udp, udpDatagram } from './packets.ts'
import { type Story, stories } from './story.ts'

const LEAST_SHARE = 0.6

const { path, run } = stories('walks')
const file = (name: string): string => readFileSync(new URL(`test/walks/${name}.json`, rootFolder), 'utf8')

interface PathFunctions {
  /** netpath's function of igb, and what stands for it in the recordings. */
  driver: Record<string, string>
  functions: string[]
}

const { driver, functions } = JSON.parse(file('path-functions')) as PathFunctions
const igb = new Map(Object.entries(driver).map(([own, recorded]) => [recorded, own]))
const ownName = (fn: string): string => igb.get(fn) ?? fn
const pathFunctions = new Set(functions.map(ownName))

/** The path functions of a recorded walk, in the order of their first calls: under interrupts, and all others. */
function recorded(name: string): { irq: string[]; others: string[] } {
  const irq = new Set<string>()
  const others = new Set<string>()
  const interrupted = new Map<string, number>()
  for (const line of (JSON.parse(file(name)) as { walk: string[] }).walk) {
    const [, cpu, indent, fn] = /^(\d)( +)(\S+)$/.exec(line) as unknown as [string, string, string, string]
    const since = interrupted.get(cpu)
    if (since !== undefined && indent.length <= since) interrupted.delete(cpu)
    if (fn === 'handle_edge_irq' && !interrupted.has(cpu)) interrupted.set(cpu, indent.length)
    if (pathFunctions.has(ownName(fn))) (interrupted.has(cpu) ? irq : others).add(ownName(fn))
  }
  return { irq: [...irq], others: [...others].filter((fn) => !irq.has(fn)) }
}

interface Walk {
  name: string
  frames: readonly Uint8Array[]
  /** What had come before, so that the way in was cached. */
  before?: Uint8Array
  promisc?: boolean
  /** A packet socket sees the device's frames. */
  tap?: boolean
  /** Sockets that are there before. */
  sockets?: readonly UdpOptions[]
  /** A socket that is opened when all is quiet; what follows for a second is of the walk. */
  opened?: UdpOptions
  /** The first socket is read: by a reader that was there before the packet came, or afterwards. */
  read?: 'waiting' | 'afterwards'
}

const small = (fields: Parameters<typeof udp>[0]): Uint8Array => udp({ data: 14, pad: 60, ...fields })
const dropped = small({ to: `${HOST}:5007`, checksumOff: 1 })
const SHARED = { SO_REUSEADDR: 1 }
const JOINED = { IP_ADD_MEMBERSHIP: { group: '239.1.1.2', address: HOST } }
const MEMBER = { ...SHARED, IP_ADD_MEMBERSHIP: { group: '239.1.1.1', dev: 'eth0' } }

const walks: readonly Walk[] = [
  { name: 'udp-receive', frames: [small({ to: `${HOST}:5002` })], sockets: [{ port: 5002 }], read: 'waiting' },
  { name: 'udp-no-socket', frames: [small({ to: `${HOST}:5999` })], before: dropped },
  {
    name: 'udp-bad-checksum',
    frames: [dropped],
    sockets: [{ port: 5007 }],
  },
  {
    name: 'socket-filter-drop',
    frames: [small({ to: `${HOST}:5014` })],
    sockets: [{ port: 5014, options: { SO_ATTACH_FILTER: [[0x06, 0, 0, 0]] } }],
  },
  { name: 'ip-bad-checksum', frames: [small({ to: `${HOST}:5007`, ipChecksumOff: 1 })] },
  { name: 'otherhost', frames: [small({ to: `${HOST}:5007`, dmac: '02:00:00:00:00:99' })], promisc: true },
  { name: 'ping-receive', frames: [icmp({ data: 48 })] },
  {
    name: 'udp-fragment-receive',
    frames: fragments({ id: 77 }, udpDatagram({ to: `${HOST}:5003`, data: 4000 }), 1480),
    sockets: [{ port: 5003 }],
    read: 'afterwards',
  },
  {
    name: 'rcvbuf',
    frames: Array.from({ length: 5 }, () => udp({ to: `${HOST}:5010`, data: 500 })),
    sockets: [{ port: 5010, options: { SO_RCVBUF: 1 } }],
  },
  {
    name: 'multicast',
    frames: [small({ to: '239.1.1.1:5011', dmac: '01:00:5e:01:01:01', ttl: 1 })],
    sockets: [
      { port: 5011, options: MEMBER },
      { port: 5011, options: MEMBER },
    ],
  },
  {
    name: 'broadcast',
    frames: [small({ to: '255.255.255.255:5011', dmac: BROADCAST_MAC })],
    sockets: [
      { port: 5011, options: SHARED },
      { port: 5011, options: SHARED },
    ],
  },
  { name: 'tap-receive', frames: [small({ to: `${HOST}:5009` })], tap: true, sockets: [{ port: 5009 }] },
  { name: 'igmp-join', frames: [], opened: { port: 5012, options: JOINED } },
  { name: 'arp-request-receive', frames: [arp({ pad: 60 })] },
]

/** netpath's path functions for the packets of a walk, in the order of their first calls. */
function walked(h: Story, { frames, before, promisc, tap, sockets = [], opened, read }: Walk): string[] {
  if (promisc) h.host.link('eth0', { promisc })
  const packets = tap ? h.host.socket('packet', 'ALL') : undefined
  packets?.bind('eth0')
  // Linkwatch tells about the device that came up, and routes are forgotten.
  h.net.advance('2s')
  // Something has left by the device, so that byte queue limits let a packet pass.
  const large = h.udp({ port: 9 })
  large.send(new Uint8Array(1400), `${PEER}:9`)
  h.net.run()
  large.close()
  if (before) h.rx('eth0', before)
  const [first] = sockets.map((options) => h.udp(options))
  h.moment()
  if (read === 'waiting') assert.is(first!.recv(), undefined)
  if (opened) {
    h.udp(opened)
    h.net.advance('1100ms')
  }
  for (const frame of frames) {
    ;(h.host.device('eth0') as Nic).rx([frame])
    h.net.run()
  }
  if (read) assert.ok(first!.recv())
  packets?.close()
  return [...new Set(h.functions)].filter((fn) => pathFunctions.has(fn))
}

for (const walk of walks) {
  path(`${walk.name}: as Linux goes`, { nic: {} }, (h) => {
    const { irq, others } = recorded(walk.name)
    const called = walked(h, walk)
    const has = new Set(called)
    for (const part of [irq, others]) {
      assert.equal(
        called.filter((fn) => part.includes(fn)),
        part.filter((fn) => has.has(fn)),
      )
    }
    const all = [...irq, ...others]
    const missing = all.filter((fn) => !has.has(fn))
    const share = 1 - missing.length / all.length
    assert.ok(share >= LEAST_SHARE, `${Math.round(100 * share)} % of the path; missing: ${missing.join(' ')}`)
  })
}

run()
