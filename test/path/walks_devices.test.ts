// Ways that do not end at a NIC, and one that a tap watches, against walks recorded from Linux: see walks.ts.

import type { Namespace, Nic } from '../../src/index.ts'
import { HOST, PEER, udp } from './packets.ts'
import { stories } from './story.ts'
import { walk } from './walks.ts'

const { path, run } = stories('walks of devices')

/** veth0 10.9.0.1/24 here, veth1 10.9.0.2/24 in another namespace; who is where is known. */
const ENDS = [
  ['veth0', '10.9.0.1', '02:00:00:00:09:01'],
  ['veth1', '10.9.0.2', '02:00:00:00:09:02'],
] as const

walk(path, {
  name: 'veth',
  before: (h) => {
    const [[here, , mac], [there, , peerMac]] = ENDS
    h.host.netns('x')
    h.host.link.add({ kind: 'veth', name: here, mac, peer: { name: there, mac: peerMac, netns: 'x' } })
    const spaces: readonly Namespace[] = [h.host, h.host.netns('x')]
    spaces.forEach((space, i) => {
      const [[name, address], [, ip, far]] = [ENDS[i]!, ENDS[1 - i]!]
      space.addr.add(name, `${address}/24`)
      space.link(name, { up: true })
      space.neigh.add({ dev: name, ip, mac: far })
    })
    h.net.advance('2s')
    // A datagram before: routes are kept with their next hops.
    h.udp({ port: 6000 }).send('x', '10.9.0.2:6001')
    h.net.run()
  },
  act: (h) => {
    const server = h.host.netns('x').udp({ port: 5001 })
    server.recv()
    h.socket('udp').send('x', { to: '10.9.0.2:5001' })
    server.recv()
    server.close()
  },
})

// The recording's tap is a ring (tpacket_rcv), whose reader is woken by a timer; here it is a queue.
walk(path, {
  name: 'tap-ring-transmit',
  anywhere: ['sock_def_readable'],
  before: (h) => {
    h.udp({ port: 6000 }).send('x', `${PEER}:9000`)
    h.net.run()
    h.socket('packet', 'ALL').bind('eth0')
  },
  act: (h) => {
    h.udp({ port: 5009 }).send('x', `${PEER}:9000`)
    h.net.run()
  },
})

walk(path, {
  name: 'backlog-drop',
  // There the first frame had a poll of its own.
  anywhere: ['__napi_schedule', 'igb_alloc_rx_buffers', 'napi_complete_done'],
  setup: { nic: {}, cpus: 2 },
  before: (h) => {
    h.host.sysctl('net.core.netdev_max_backlog', 2)
    h.host.link('eth0', { rps: [1] })
    h.udp({ port: 5010 })
  },
  act: (h) => {
    const frame = udp({ to: `${HOST}:5010`, data: 100 })
    ;(h.host.device('eth0') as Nic).rx(Array.from({ length: 12 }, () => frame))
    h.net.run()
    h.dropped('CPU_BACKLOG', 9, 'enqueue_to_backlog')
    h.counters({ IpInReceives: 3, IpInDelivers: 3 })
  },
})

run()
