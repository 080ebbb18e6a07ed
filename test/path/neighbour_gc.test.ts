// The table of neighbours has an end: gc_thresh1 to 3, who is collected, and what the sender hears. What is expected is what Linux
// 6.18 answered to the same steps.

import * as assert from 'uvu/assert'
import type { Socket } from '../../src/index.ts'
import { type Setup, type Story, stories } from './story.ts'

const { path, run } = stories('neighbour collection')

const SETUP: Setup = {
  stranger: true,
  sysctl: {
    'net.ipv4.neigh.default.gc_thresh1': 2,
    'net.ipv4.neigh.default.gc_thresh2': 6,
    'net.ipv4.neigh.default.gc_thresh3': 10,
    'net.ipv4.neigh.eth0.retrans_time_ms': 100,
    'net.ipv4.neigh.eth0.base_reachable_time_ms': 100000,
  },
}

/** Counters of the table, by the names of /proc/net/stat/arp_cache. */
function table(h: Story): Record<string, number> {
  const [names, ...rows] = h.host
    .proc('/proc/net/stat/arp_cache')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  return Object.fromEntries(names!.map((name, i) => [name, parseInt(rows[0]![i]!, 16)]))
}

/** What of these counters moves meanwhile. */
function moved(h: Story, what: readonly string[], act: () => void): number[] {
  const before = table(h)
  act()
  const after = table(h)
  return what.map((name) => after[name]! - before[name]!)
}

const state = (h: Story): Record<string, string> =>
  Object.fromEntries(h.host.neigh.list().map(({ ip, state: now }) => [ip, String(now)]))

const ip = (i: number): string => `10.0.0.${i}`

/** What sends to new neighbours answer. */
function sends(socket: Socket, from: number, count: number): (number | string)[] {
  return Array.from({ length: count }, (_, i) => {
    try {
      return socket.send('x', { to: `${ip(from + i)}:9` })
    } catch (error) {
      return (error as NodeJS.ErrnoException).code!
    }
  })
}

const RUNS = ['forced_gc_runs', 'table_fulls', 'destroys', 'entries']

path('no more than gc_thresh3 while all are being asked for: ENOBUFS', SETUP, (h) => {
  h.net.advance('10s')
  const socket = h.socket('udp').setsockopt('IP_RECVERR', 1)
  const got = moved(h, RUNS, () => assert.equal(sends(socket, 101, 11), [...Array(10).fill(1), 'ENOBUFS']))
  assert.equal(got, [2, 1, 0, 10])
})

path('those that failed make room, oldest first, down to gc_thresh2 with the new one', SETUP, (h) => {
  h.net.advance('10s')
  const socket = h.socket('udp').setsockopt('IP_RECVERR', 1)
  sends(socket, 101, 10)
  h.net.advance('500ms')
  assert.ok(Object.values(state(h)).every((now) => now === 'failed'))
  const errors: string[] = []
  for (let got = socket.recv({ flags: ['MSG_ERRQUEUE'] }); got; got = socket.recv({ flags: ['MSG_ERRQUEUE'] })) {
    const { errno, origin, type, code } = got.error!
    assert.equal([errno, origin, type, code], ['EHOSTUNREACH', 'ICMP', 3, 1])
    errors.push(got.from!.address)
  }
  assert.equal(errors.sort(), Object.keys(state(h)).sort())
  const run = moved(h, RUNS, () => assert.equal(sends(socket, 120, 9), Array(9).fill(1)))
  assert.equal(run, [2, 0, 10, -1])
})

path('entries that were confirmed less than five seconds ago stay, older ones go', SETUP, (h) => {
  h.net.advance('10s')
  const socket = h.socket('udp')
  const add = (i: number, now: 'stale' | 'permanent'): void =>
    h.host.neigh.add({ dev: 'eth0', ip: ip(i), mac: '02:00:00:00:00:30', state: now })
  sends(socket, 90, 7)
  h.net.advance('1s')
  for (let i = 90; i < 97; i++) h.host.neigh.del({ dev: 'eth0', ip: ip(i) })
  for (let i = 130; i < 136; i++) add(i, 'stale')
  assert.equal(
    moved(h, RUNS, () => assert.equal(sends(socket, 141, 3), [1, 1, 1])),
    [0, 0, 0, 3],
  )
  add(199, 'stale')
  add(198, 'permanent')
  h.net.advance('5200ms')
  assert.equal(
    moved(h, RUNS, () => assert.equal(sends(socket, 151, 1), [1])),
    [1, 0, 5, -4],
  )
  assert.equal(state(h), {
    [ip(135)]: 'stale',
    [ip(141)]: 'failed',
    [ip(142)]: 'failed',
    [ip(143)]: 'failed',
    [ip(151)]: 'incomplete',
    [ip(198)]: 'permanent',
    [ip(199)]: 'stale',
  })
})

path('/proc/net/stat/arp_cache: a row for each CPU, of the first namespace alone', { lab: {} }, (h) => {
  const lines = h.host.proc('/proc/net/stat/arp_cache').split('\n')
  assert.is(lines.length, h.host.cpus + 2)
  assert.ok(lines.every((line) => line === '' || /^(entries  allocs  |([0-9a-f]{8} +){12}[0-9a-f]{8}$)/.test(line)))
  assert.throws(() => h.host.netns('other').proc('/proc/net/stat/arp_cache'), /ENOENT/)
})

run()
