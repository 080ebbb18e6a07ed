// ARP asks, answers and learns (net/ipv4/arp.c, net/core/neighbour.c).

import * as assert from 'uvu/assert'
import { BROADCAST_MAC, HOST, HOST_MAC, PEER, PEER_MAC, arp, udp } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('arp')
const STRANGER = { stranger: true }
const OTHER_MAC = '02:00:00:00:00:03'

const known = (h: Story, ip = PEER): { state: string; mac?: string } | undefined => {
  const found = h.host.neigh.list().find((entry) => entry.ip === ip)
  return found && { state: found.state, ...(found.mac !== undefined && { mac: found.mac }) }
}

path('a request for this host is answered, and the asker learnt', STRANGER, (h) => {
  h.rx('eth0', arp())
  h.walk('__netif_receive_skb_core', 'arp_rcv', 'arp_process', 'neigh_event_ns', 'arp_send_dst', 'arp_xmit')
  h.tx('eth0', {
    smac: HOST_MAC,
    dmac: PEER_MAC,
    op: 2,
    sha: HOST_MAC,
    sip: HOST,
    tha: PEER_MAC,
    tip: PEER,
  })
  assert.equal(known(h), { state: 'stale', mac: PEER_MAC })
})

/** Messages that are neither answered nor remembered. */
const ignored = [
  { name: "a request for another's address", frame: arp({ tip: '10.0.0.9' }) },
  { name: 'a request for 127.0.0.1', frame: arp({ tip: '127.0.0.1' }) },
  { name: 'a request for a group', frame: arp({ tip: '224.0.0.1' }) },
  { name: 'an answer nobody asked for', frame: arp({ op: 2, tip: HOST, tha: HOST_MAC }) },
  { name: 'an announcement of a stranger', frame: arp({ sip: PEER, tip: PEER }) },
  { name: 'an operation that there is not', frame: arp({ op: 9 }) },
  { name: "a frame for another host's MAC", frame: arp({ dmac: OTHER_MAC }) },
  { name: 'half a message', frame: arp().subarray(0, 30) },
]
for (const { name, frame } of ignored) {
  path(`ignored: ${name}`, STRANGER, (h) => {
    h.rx('eth0', frame)
    h.tx('eth0')
    assert.is(known(h), undefined)
  })
}

path('a probe (no sender address) is answered and teaches nothing', STRANGER, (h) => {
  h.rx('eth0', arp({ sip: '0.0.0.0' }))
  h.tx('eth0', { op: 2, sip: HOST, tip: '0.0.0.0', dmac: PEER_MAC })
  assert.equal(h.host.neigh.list(), [])
})

path('a datagram waits for the answer to a request', STRANGER, (h) => {
  const socket = h.udp({ port: 4000 })
  h.moment()
  socket.send('first', `${PEER}:7`)
  h.walk('udp_sendmsg', 'ip_finish_output2', 'neigh_resolve_output', '__neigh_event_send', 'arp_solicit', 'arp_xmit')
  h.tx('eth0', { dmac: BROADCAST_MAC, op: 1, sha: HOST_MAC, sip: HOST, tip: PEER, tha: '00:00:00:00:00:00' })
  socket.send('second', `${PEER}:7`)
  h.tx('eth0')
  assert.equal(known(h)?.state, 'incomplete')
  h.rx('eth0', arp({ op: 2, tha: HOST_MAC }))
  h.walk('arp_rcv', 'neigh_update', 'neigh_resolve_output')
  h.tx('eth0', { dmac: PEER_MAC, data: 'first' }, { dmac: PEER_MAC, data: 'second' })
  assert.equal(known(h), { state: 'reachable', mac: PEER_MAC })
})

path('nobody answers: three requests a second apart, then EHOSTUNREACH', STRANGER, (h) => {
  const socket = h.udp({ connect: `${PEER}:7`, options: { IP_RECVERR: 1 } })
  h.moment()
  socket.send('x')
  h.net.advance('900ms')
  h.tx('eth0', { op: 1 })
  h.net.advance('3s')
  h.tx('eth0', { op: 1 }, { op: 1 })
  h.dropped('NEIGH_FAILED')
  assert.throws(
    () => socket.recv(),
    (error: { code?: string; errno?: number }) => error.code === 'EHOSTUNREACH' && error.errno === -113,
  )
  assert.equal(known(h)?.state, 'failed')
})

path('more than the queue of a neighbour holds is dropped, the oldest first', STRANGER, (h) => {
  // Room for the truesize of two short datagrams, not of three.
  h.host.sysctl('net.ipv4.neigh.eth0.unres_qlen_bytes', 2200)
  const socket = h.udp({ port: 4000 })
  h.moment()
  for (const data of ['1', '2', '3', '4']) socket.send(data, `${PEER}:7`)
  h.dropped('NEIGH_QUEUEFULL', 4 - 2)
  h.rx('eth0', arp({ op: 2, tha: HOST_MAC }))
  h.tx('eth0', { op: 1 }, { data: '3' }, { data: '4' })
})

path('a known neighbour that moves is learnt again, a permanent one is not', STRANGER, (h) => {
  h.host.neigh.add({ dev: 'eth0', ip: '10.0.0.3', mac: PEER_MAC })
  h.rx('eth0', arp())
  h.net.advance('2s')
  h.rx('eth0', arp({ sha: OTHER_MAC, smac: OTHER_MAC }), arp({ sip: '10.0.0.3', sha: OTHER_MAC }))
  assert.is(known(h)?.mac, OTHER_MAC)
  assert.equal(known(h, '10.0.0.3'), { state: 'permanent', mac: PEER_MAC })
})

path('proxied addresses are answered for', { ...STRANGER, sysctl: { 'net.ipv4.ip_forward': 1 } }, (h) => {
  h.host.neigh.add({ dev: 'eth0', ip: '10.0.9.9', proxy: true })
  h.host.route.add({ to: '10.0.9.0/24', dev: 'lo' })
  h.rx('eth0', arp({ tip: '10.0.9.9' }))
  h.net.advance('2s')
  h.tx('eth0', { op: 2, sip: '10.0.9.9', sha: HOST_MAC })
})

path('a device that does not speak ARP asks nobody', STRANGER, (h) => {
  h.host.link('eth0', { arp: false })
  const socket = h.udp({ port: 4000 })
  h.moment()
  socket.send('x', `${PEER}:7`)
  h.tx('eth0', { ethertype: 0x0800, data: 'x' })
  h.rx('eth0', arp())
  h.tx('eth0')
})

path('traffic of a neighbour in use confirms nothing, a stale one is asked again', STRANGER, (h) => {
  h.rx('eth0', arp())
  h.tx('eth0', { op: 2 })
  const socket = h.udp()
  socket.send('x', `${PEER}:7`)
  h.tx('eth0', { data: 'x' })
  assert.is(known(h)?.state, 'delay')
  h.rx('eth0', udp({ data: 'y' }))
  assert.is(known(h)?.state, 'delay')
  h.net.advance('6s')
  h.tx('eth0', { op: 1, dmac: PEER_MAC, tip: PEER })
  h.rx('eth0', arp({ op: 2, tha: HOST_MAC }))
  assert.is(known(h)?.state, 'reachable')
})

run()
