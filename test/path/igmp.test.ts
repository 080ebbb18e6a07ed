// Groups of devices: what their routers hear, what the file in /proc shows, what outlives what (net/ipv4/igmp.c). Bytes, versions
// and timers of reports are held by the recordings in test/golden/igmp.

import * as assert from 'uvu/assert'
import type { Tap } from '../../src/index.ts'
import { HOST, ip } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('igmp')
const GROUP = '239.1.1.1'
const MEMBER = { IP_ADD_MEMBERSHIP: { group: GROUP, address: HOST } }
/** Reports follow each other at once. */
const AT_ONCE = { 'net.ipv4.conf.eth0.igmpv3_unsolicited_report_interval': 4 }
const ALL_HOSTS = '010000E0     1 0:00000000\t\t0'
const HEAD = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter'

const REPORTS = '224.0.0.22'
const report = {
  to: REPORTS,
  from: HOST,
  ttl: 1,
  tos: 0xc0,
  protocol: 2,
  options: '94040000',
  dmac: '01:00:5e:00:00:16',
}

/** A general query of version 3, to be answered at once. */
const query = ip(
  { to: '224.0.0.1', from: '10.0.0.2', ttl: 1, protocol: 2, dmac: '01:00:5e:00:00:01', pad: 60 },
  Uint8Array.from([0x11, 0, 0xec, 0x82, 0, 0, 0, 0, 2, 125, 0, 0]),
)

function groups(h: Story): string[] {
  const [head, ...lines] = h.host.proc('/proc/net/igmp').trimEnd().split('\n')
  assert.is(head, HEAD)
  return lines.map((line) => line.trimStart())
}

path('a socket joins: the change is reported at once, and once more within a second', (h) => {
  h.udp({ port: 7, options: MEMBER })
  h.walk('ip_mc_join_group', '____ip_mc_inc_group', 'igmp_group_added', 'dev_mc_add', 'igmp_ifc_event')
  h.moment()
  h.net.advance('12ms')
  h.walk('igmp_ifc_timer_expire', 'add_grec', 'igmpv3_newpack', 'igmpv3_sendpack', 'ip_output', 'igmp_ifc_start_timer')
  h.tx('eth0', report)
  h.net.advance('1100ms')
  h.tx('eth0', report)
  h.net.advance('10s')
  h.tx('eth0')
  h.kept()
})

path('a query is answered', (h) => {
  h.udp({ port: 7, options: MEMBER })
  h.net.advance('3s')
  h.tx('eth0', report, report)
  h.rx('eth0', query)
  h.walk('igmp_rcv', 'igmp_heard_query', 'igmp_gq_start_timer')
  h.moment()
  h.net.advance('20ms')
  h.walk('igmp_gq_timer_expire', 'igmpv3_send_report')
  h.tx('eth0', report)
})

path('/proc/net/igmp shows groups as Linux does', (h) => {
  const devices = ['1\tlo        :     1      V3', ALL_HOSTS]
  assert.equal(groups(h), [...devices, '2\teth0      :     1      V3', ALL_HOSTS])
  h.udp({ port: 7, options: MEMBER })
  h.udp({ port: 8, options: MEMBER })
  const joined = '010101EF     2 0:00000000\t\t0'
  assert.equal(groups(h), [...devices, '2\teth0      :     2      V3', joined, ALL_HOSTS])
  h.host.sysctl('net.ipv4.conf.eth0.force_igmp_version', 2)
  h.udp({ port: 9, options: { IP_ADD_MEMBERSHIP: { group: '239.1.1.9', address: HOST } } })
  // Its first report is due in two ticks.
  const waiting = '090101EF     1 1:00000000\t\t0'
  assert.equal(groups(h), [...devices, '2\teth0      :     3      V2', waiting, joined, ALL_HOSTS])
  h.host.link('eth0', { up: false })
  const kept = ['090101EF     1 0:00000000\t\t0', joined]
  assert.equal(groups(h), [...devices, '2\teth0      :     2      V2', ...kept])
})

path('IPv4 goes from a device while reports wait: its groups go, and the socket may leave them', (h) => {
  const socket = h.udp({ port: 7, options: { IP_ADD_MEMBERSHIP: { group: GROUP, dev: 'lo' } } })
  assert.is(groups(h)[1], '010101EF     1 0:00000000\t\t0')
  h.host.link('lo', { mtu: 60 })
  assert.equal(groups(h), ['2\teth0      :     1      V3', ALL_HOSTS])
  assert.throws(() => h.udp({ port: 8, options: { IP_ADD_MEMBERSHIP: { group: GROUP, dev: 'lo' } } }), /ENODEV/)
  h.net.advance('5s')
  h.host.link('lo', { mtu: 65536 })
  assert.is(groups(h)[1], ALL_HOSTS)
  socket.socket.setsockopt('IP_DROP_MEMBERSHIP', { group: GROUP, dev: 'lo' })
  socket.socket.setsockopt('IP_ADD_MEMBERSHIP', { group: GROUP, dev: 'lo' })
  assert.is(groups(h)[1], '010101EF     1 0:00000000\t\t0')
})

path('a device that is down reports nothing: the packet finds no route', { sysctl: AT_ONCE }, (h) => {
  h.host.link('eth0', { up: false })
  h.moment()
  h.udp({ port: 7, options: { IP_ADD_MEMBERSHIP: { group: GROUP, dev: 'eth0' } } })
  h.net.advance('5s')
  h.dropped('NOT_SPECIFIED', 2, 'igmpv3_newpack')
  h.tx('eth0')
})

path('groups come and go a thousand times, and no memory with them', { sysctl: AT_ONCE }, (h) => {
  const socket = h.udp().socket
  const eth0 = h.host.device('eth0') as Tap
  const used = (): number => [...h.net.snapshot().memories.values()][0]!.length
  const round = (n: number): void => {
    for (let i = 0; i < n; i++) {
      const group = `239.1.${i >> 4}.${i & 15}`
      socket.setsockopt('IP_ADD_SOURCE_MEMBERSHIP', { group, address: HOST, source: '10.0.0.9' })
      socket.setsockopt('IP_ADD_SOURCE_MEMBERSHIP', { group, address: HOST, source: '10.0.0.8' })
      socket.setsockopt('IP_DROP_SOURCE_MEMBERSHIP', { group, address: HOST, source: '10.0.0.9' })
      if (i % 3 === 0) h.net.advance('20ms')
      socket.setsockopt('IP_DROP_MEMBERSHIP', { group, dev: 'eth0' })
      if (i % 7 === 0) h.net.advance('2s')
      eth0.tx()
    }
    h.net.advance('5s')
    eth0.tx()
  }
  round(500)
  const before = used()
  round(500)
  assert.is(used(), before)
})

run()
