// Ways through a queue that holds packets back, against walks recorded from Linux: see walks.ts.

import { PEER } from './packets.ts'
import { type Story, stories } from './story.ts'
import { walk } from './walks.ts'

const { path, run } = stories('walks of queues')

/** A socket that has sent before, and eth0 with a bucket of tokens. */
const before =
  (rate: string, limit: number) =>
  (h: Story): void => {
    h.udp({ port: 6000 }).send('x', `${PEER}:9000`)
    h.net.run()
    h.host.qdisc.add({ dev: 'eth0', kind: 'tbf', rate, burst: 1600, limit })
  }

const send = (h: Story, count: number): void => {
  const socket = h.udp({ port: 6001 })
  for (let i = 0; i < count; i++) socket.send(new Uint8Array(1000), `${PEER}:9000`)
}

walk(path, {
  name: 'tbf',
  before: before('80kbit', 30_000),
  act: (h) => {
    send(h, 3)
    h.net.advance('1s')
  },
})

walk(path, {
  name: 'tbf-overlimit',
  before: before('8kbit', 2500),
  act: (h) => {
    send(h, 6)
    h.net.run()
  },
})

run()
