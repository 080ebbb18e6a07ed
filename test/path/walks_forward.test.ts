// Forwarding against walks recorded from Linux: see walks.ts. eth1 is 10.0.1.1/24, and its peer 10.0.1.2 is known.

import type { Nic } from '../../src/index.ts'
import { HOST, PEER, udp } from './packets.ts'
import { type Story, stories } from './story.ts'
import { sendMuch, walk } from './walks.ts'

const { path, run } = stories('walks of forwarding')

const FAR = '10.0.1.2'
const FAR_MAC = '02:00:00:00:00:12'

interface Forwarded {
  name: string
  /** A field of the frame that is other than in all walks. */
  frame?: Parameters<typeof udp>[0]
  sysctl?: Readonly<Record<string, number>>
  /** MTU of eth1. */
  mtu?: number
  /** The flow's first packet: no header of the peer is cached. */
  first?: boolean
}

const plain = (fields: Parameters<typeof udp>[0] = {}): Uint8Array =>
  udp({ from: `${PEER}:4000`, to: `${FAR}:7000`, data: 14, pad: 60, ...fields })

const walks: readonly Forwarded[] = [
  { name: 'forward' },
  { name: 'forward-first', first: true },
  { name: 'forward-ttl', frame: { ttl: 1 } },
  { name: 'forward-frag-needed', frame: { data: 1172, df: true }, mtu: 1000, first: true },
  { name: 'forward-fragmented', frame: { data: 1172 }, mtu: 1000, first: true },
  { name: 'forward-no-route', frame: { to: '192.0.2.1:7000' } },
  { name: 'forward-disabled', sysctl: { 'net.ipv4.ip_forward': 0 } },
  { name: 'martian-source', frame: { from: `${HOST}:4000`, to: `${HOST}:5007` } },
  {
    name: 'rp-filter',
    frame: { from: '10.0.1.77:4000', to: `${HOST}:5007` },
    sysctl: { 'net.ipv4.conf.all.rp_filter': 1 },
  },
]

function receive(h: Story, frame: Uint8Array): void {
  ;(h.host.device('eth0') as Nic).rx([frame])
  h.net.run()
}

for (const { name, frame, sysctl = {}, mtu, first = false } of walks) {
  walk(path, {
    name,
    setup: { nic: {}, sysctl: { 'net.ipv4.ip_forward': 1, ...sysctl } },
    before: (h) => {
      h.host.nic('eth1', { mac: '02:00:00:00:01:01' })
      h.host.addr.add('eth1', '10.0.1.1/24')
      h.host.link('eth1', { up: true, ...(mtu !== undefined && { mtu }) })
      h.host.neigh.add({ dev: 'eth1', ip: FAR, mac: FAR_MAC })
      h.net.advance('2s')
      sendMuch(h, 'eth1', '10.0.1.3')
      if (!first) receive(h, plain())
    },
    act: (h) => receive(h, plain(frame)),
  })
}

run()
