// A NIC: descriptors, interrupts, NAPI, and what its MAC keeps out (drivers/net/ethernet/intel/igb, net/core/dev.c).

import * as assert from 'uvu/assert'
import { type Nic, encodeBatch, lab } from '../../src/index.ts'
import { BROADCAST_MAC, HOST, PEER, eth, icmp, udp } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('nic')
const NIC = { nic: {} }
const nicOf = (h: Story): Nic => h.host.device('eth0') as Nic
/** As a wire pads it. */
const small = (fields: Parameters<typeof udp>[0] = {}): Uint8Array => udp({ pad: 60, ...fields })
const times = (count: number, frame = small({ data: 'x' })): Uint8Array[] => Array.from({ length: count }, () => frame)

/** Columns of the first CPU in /proc/net/softnet_stat. */
function softnet(h: Story): { processed: number; dropped: number; squeezed: number } {
  const columns = h.host.proc('/proc/net/softnet_stat').split('\n')[0]!.split(' ')
  const [processed, dropped, squeezed] = columns.map((column) => parseInt(column, 16))
  return { processed: processed!, dropped: dropped!, squeezed: squeezed! }
}

path('a datagram goes from the wire to its socket: interrupt, softirq, poll, protocols', NIC, (h) => {
  const socket = h.udp()
  h.rx('eth0', small({ data: 'hello' }))
  h.walk(
    'handle_edge_irq',
    'igb_msix_ring',
    'napi_schedule_prep',
    '__napi_schedule',
    'irq_exit_rcu',
    'handle_softirqs',
    'net_rx_action',
    '__napi_poll',
    'igb_poll',
    'igb_clean_tx_irq',
    'igb_clean_rx_irq',
    'eth_type_trans',
    'napi_gro_receive',
    'dev_gro_receive',
    'netif_receive_skb_list_internal',
    '__netif_receive_skb_core',
    'ip_list_rcv',
    'ip_rcv_core',
    'ip_sublist_rcv',
    'ip_rcv_finish_core',
    'ip_local_deliver',
    'udp_rcv',
    '__udp_enqueue_schedule_skb',
    'sock_def_readable',
  )
  h.kept()
  h.reads(socket, { data: 'hello', from: `${PEER}:4000` })
  h.stats({ rx_packets: 1, rx_bytes: 60, rx_errors: 0, rx_dropped: 0, rx_missed_errors: 0 })
})

path('an answer goes out by the transmit ring', NIC, (h) => {
  h.rx('eth0', icmp({ data: 'a longer echo request than sixty bytes' }))
  h.walk('icmp_echo', 'ip_output', '__dev_queue_xmit', 'dev_hard_start_xmit', 'igb_xmit_frame', 'igb_clean_tx_irq')
  h.tx('eth0', { type: 0, from: HOST, to: PEER })
  h.stats({ tx_packets: 1, tx_errors: 0, tx_dropped: 0 })
})

path('a short frame is padded on the wire', NIC, (h) => {
  h.rx('eth0', icmp({ data: '', pad: 60 }))
  h.tx('eth0', { type: 0, length: 60 })
})

/** What the MAC keeps out; no packet is born of it. */
const kept: readonly { name: string; frame: Uint8Array; stats: Record<string, number>; filtered?: number }[] = [
  { name: 'a runt', frame: udp({ data: 'x' }), stats: { rx_errors: 1, rx_length_errors: 1, rx_packets: 0 } },
  { name: 'an empty frame', frame: new Uint8Array(0), stats: { rx_errors: 1, rx_length_errors: 1 } },
  { name: 'a frame over the MTU', frame: small({ data: 1477 }), stats: { rx_errors: 1, rx_length_errors: 1 } },
  {
    name: "another host's frame",
    frame: small({ dmac: '02:00:00:00:00:99' }),
    stats: { rx_errors: 0, rx_packets: 0 },
    filtered: 1,
  },
  {
    name: 'a group nobody joined',
    frame: small({ dmac: '01:00:5e:01:01:01', to: '239.1.1.1:7' }),
    stats: { rx_errors: 0, rx_packets: 0 },
    filtered: 1,
  },
]
for (const { name, frame, stats, filtered = 0 } of kept) {
  path(`the MAC keeps out ${name}`, NIC, (h) => {
    const before = h.net.account().born.received
    h.rx('eth0', frame)
    h.stats(stats)
    assert.is(nicOf(h).hardware().filtered, filtered)
    assert.is(h.net.account().born.received, before)
    h.never('eth_type_trans')
  })
}

/** What it lets through. */
const through = [
  { name: 'the longest frame', frame: udp({ data: 1472 }) },
  { name: 'the longest frame with a VLAN tag', frame: udp({ data: 1472, vlan: [0] }) },
  { name: 'the shortest frame', frame: small() },
  { name: 'a frame for everybody', frame: small({ dmac: BROADCAST_MAC }) },
  { name: 'all systems', frame: small({ dmac: '01:00:5e:00:00:01', to: '224.0.0.1:7' }) },
]
for (const { name, frame } of through) {
  path(`the MAC lets through ${name}`, NIC, (h) => {
    const socket = h.udp()
    h.rx('eth0', frame)
    h.stats({ rx_packets: 1, rx_errors: 0 })
    assert.ok(socket.recv())
  })
}

path('promiscuous, it sees the frames of others; IP does not take them', NIC, (h) => {
  h.host.link('eth0', { promisc: true })
  h.rx('eth0', small({ dmac: '02:00:00:00:00:99' }))
  h.dropped('OTHERHOST', 1, 'ip_rcv_core')
  h.counters({ IpInReceives: 0 })
  h.stats({ rx_packets: 1, rx_dropped: 0, rx_otherhost_dropped: 1 })
  h.host.link('eth0', { promisc: false })
  h.rx('eth0', small({ dmac: '02:00:00:00:00:99' }))
  h.stats({ rx_packets: 0, rx_otherhost_dropped: 0 })
})

path('a tag of a VLAN that nobody handles makes a frame that of another host', NIC, (h) => {
  h.rx('eth0', small({ vlan: [5] }))
  h.dropped('OTHERHOST', 1, 'ip_rcv_core')
  h.stats({ rx_packets: 1, rx_otherhost_dropped: 1 })
})

const GROUP = { dmac: '01:00:5e:01:01:01', to: '239.1.1.1:7' }
/** The same hardware address (RFC 1112 6.4). */
const TWIN = { dmac: GROUP.dmac, to: '224.129.1.1:7' }

path('with all groups the MAC lets one in that nobody joined; IP does not take it', NIC, (h) => {
  h.host.link('eth0', { allmulticast: true })
  h.rx('eth0', small(GROUP))
  h.stats({ rx_packets: 1, multicast: 1 })
  assert.is(nicOf(h).hardware().filtered, 0)
  h.never('ip_local_deliver')
  h.host.link('eth0', { allmulticast: false })
  h.rx('eth0', small(GROUP))
  assert.is(nicOf(h).hardware().filtered, 1)
})

path('the MAC lets a group in as long as one is joined that has its address', NIC, (h) => {
  const socket = h.udp({ port: 7 })
  const filtered = (): number => nicOf(h).hardware().filtered
  for (const group of ['239.1.1.1', '224.129.1.1']) {
    socket.socket.setsockopt('IP_ADD_MEMBERSHIP', { group, dev: 'eth0' })
  }
  h.rx('eth0', small({ ...GROUP, data: 'one' }), small({ ...TWIN, data: 'two' }))
  h.reads(socket, { data: 'one' }, { data: 'two' })
  socket.socket.setsockopt('IP_DROP_MEMBERSHIP', { group: '239.1.1.1', dev: 'eth0' })
  h.rx('eth0', small({ ...GROUP, data: 'three' }), small({ ...TWIN, data: 'four' }))
  h.reads(socket, { data: 'four' })
  assert.is(filtered(), 0)
  socket.socket.setsockopt('IP_DROP_MEMBERSHIP', { group: '224.129.1.1', dev: 'eth0' })
  h.rx('eth0', small(GROUP), small(TWIN))
  h.stats({ rx_packets: 0 })
  assert.is(filtered(), 2)
})

path('down, its groups are let in no more; up, they are again', NIC, (h) => {
  const socket = h.udp({ port: 7, options: { IP_ADD_MEMBERSHIP: { group: '239.1.1.1', dev: 'eth0' } } })
  h.host.link('eth0', { up: false })
  h.rx('eth0', small(GROUP))
  h.stats({ rx_packets: 0 })
  h.host.link('eth0', { up: true })
  h.rx('eth0', small({ ...GROUP, data: 'x' }))
  h.reads(socket, { data: 'x' })
})

path('without carrier nothing leaves, and what is sent is dropped at the queue', {}, (h) => {
  const socket = h.udp()
  h.host.link('eth0', { carrier: false })
  h.net.advance('2s')
  h.moment()
  socket.send('x', `${PEER}:4000`)
  h.tx('eth0')
  h.dropped('QDISC_DROP')
  h.stats({ tx_packets: 0, tx_dropped: 1 })
})

path('a jumbo frame takes several descriptors', { nic: { mtu: 9000 } }, (h) => {
  const socket = h.udp()
  h.rx('eth0', ...[1600, 2000, 4096, 8972].map((data) => udp({ data })))
  for (const length of [1600, 2000, 4096, 8972]) assert.is(socket.recv()?.length, length)
  h.stats({ rx_packets: 4, rx_errors: 0, rx_missed_errors: 0 })
})

path('receive checksums are checked by the hardware, and a bad one again by UDP', NIC, (h) => {
  h.udp()
  h.rx('eth0', small({ data: 'good' }), small({ data: 'bad', checksumOff: 1 }))
  assert.equal(nicOf(h).hardware(), { filtered: 0, checksumGood: 1, checksumBad: 1 })
  h.dropped('UDP_CSUM')
  h.counters({ UdpInCsumErrors: 1 })
})

path('frames that find no descriptor are missed', { nic: { ring: 64 }, lab: { costs: { rx: 10_000 } } }, (h) => {
  h.udp({ port: 7, options: { SO_RCVBUFFORCE: 1 << 24 } })
  h.rx('eth0', ...times(500))
  const { rx_missed_errors, rx_packets } = nicOf(h).info().stats
  assert.ok(rx_missed_errors > 0)
  assert.is(rx_packets + rx_missed_errors, 500)
  h.kept()
  assert.match(h.host.proc('/proc/net/dev'), new RegExp(`eth0: +\\d+ +${rx_packets} +0 +${rx_missed_errors} `))
})

path('in time none is missed', { nic: { ring: 64 } }, (h) => {
  const socket = h.udp({ port: 7, options: { SO_RCVBUFFORCE: 1 << 24 } })
  const frame = small({ data: 'x' })
  const count = 500
  nicOf(h).rx({
    count,
    data: frame,
    offsets: new Uint32Array(count),
    lengths: new Uint32Array(count).fill(frame.length),
    times: Float64Array.from({ length: count }, (_, i) => h.net.now + i * 700),
  })
  h.net.run()
  h.stats({ rx_packets: count, rx_missed_errors: 0 })
  assert.is(socket.recvBatch(1024)?.count, count)
})

path('a frame may arrive between two ns: the clock has whole ones', NIC, (h) => {
  const socket = h.udp()
  const frame = small({ data: 'x' })
  nicOf(h).rx({ count: 1, data: frame, offsets: [0], lengths: [frame.length], times: [h.net.now + 0.25] })
  assert.is(h.net.run().idle, true)
  h.reads(socket, { data: 'x' })
  assert.ok(Number.isInteger(h.net.now))
})

path('a poll takes 64 packets, and the next one goes on', NIC, (h) => {
  h.udp() // nothing is answered: what is sent has interrupts of its own
  h.rx('eth0', ...times(150))
  assert.is(h.functions.filter((fn) => fn === 'igb_poll').length, 3)
  assert.is(h.functions.filter((fn) => fn === 'igb_msix_ring').length, 1)
  assert.equal(softnet(h), { processed: 150, dropped: 0, squeezed: 0 })
})

path('netdev_budget ends a round, which is counted', { ...NIC, sysctl: { 'net.core.netdev_budget': 50 } }, (h) => {
  h.rx('eth0', ...times(250))
  assert.is(softnet(h).processed, 250)
  assert.is(softnet(h).squeezed, 4, 'each poll of 64 or 58 is more than the budget')
})

path(
  'who has more is polled again behind those who wait',
  { nic: { ring: 1024 }, sysctl: { 'net.core.netdev_budget': 64 } },
  (h) => {
    const socket = h.udp({ port: 7, options: { SO_RCVBUF: 1 << 22 } })
    const mac = '02:00:00:00:00:09'
    const other = h.host.nic('eth9', { mac, ring: 2048 }).attach()
    h.host.link('eth9', { up: true })
    h.host.sysctl('net.ipv4.conf.all.rp_filter', 0)
    h.net.run()
    // Ten rounds are too much for one interrupt: ksoftirqd has the rest of the first NIC's, and the other comes.
    nicOf(h).rx(times(64 * 14, small({ from: `${PEER}:1`, data: 'x' })))
    other.rx(times(64 * 4, small({ dmac: mac, from: `${PEER}:2`, data: 'x' })))
    h.net.run()
    const order: number[] = []
    for (let got = socket.recv(); got; got = socket.recv())
      if (order.at(-1) !== got.from.port) order.push(got.from.port)
    assert.equal(order, [1, 2, 1, 2, 1, 2, 1, 2])
  },
)

path('what a poll schedules on its CPU is polled in the same go', NIC, (h) => {
  const far = h.host.netns('far')
  h.host.link.add({ kind: 'veth', name: 'v0', peer: { name: 'v1', netns: far } })
  h.host.addr.add('v0', '10.9.0.1/24')
  far.addr.add('v1', '10.9.0.2/24')
  h.host.link('v0', { up: true })
  far.link('v1', { up: true })
  h.host.sysctl('net.ipv4.ip_forward', 1)
  h.host.neigh.add({ dev: 'v0', ip: '10.9.0.2', mac: far.device('v1').info().mac })
  const socket = far.udp({ port: 7 })
  h.rx('eth0', small({ to: '10.9.0.2:7', data: 'x' }))
  h.reads(socket, { data: 'x' })
  socket.close()
  assert.is(h.functions.filter((fn) => fn === 'process_backlog').length, 1)
  assert.is(h.functions.filter((fn) => fn === 'net_rx_action').length, 1)
})

path(
  'an interrupt of another NIC comes between the packets of a poll',
  { nic: {}, lab: { costs: { rx: 1000 } } },
  (h) => {
    h.udp()
    const other = h.host.nic('eth9', { mac: '02:00:00:00:00:09' }).attach()
    h.host.link('eth9', { up: true })
    h.net.run()
    const start = h.net.now
    const at = (nic: Nic, frames: Uint8Array[], ns: number): void => {
      const lengths = frames.map(({ length }) => length)
      const offsets = lengths.map((_, n) => lengths.slice(0, n).reduce((sum, length) => sum + length, 0))
      const data = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
      frames.forEach((frame, n) => data.set(frame, offsets[n]))
      nic.rx({ count: frames.length, data, offsets, lengths, times: frames.map(() => start + ns) })
    }
    at(nicOf(h), times(10), 1000)
    at(other, times(1, small({ dmac: '02:00:00:00:00:09', data: 'x' })), 3500)
    h.net.run()
    const { functions } = h
    const second = functions.lastIndexOf('igb_msix_ring')
    const before = functions.slice(0, second).filter((fn) => fn === 'ip_rcv_core').length
    assert.ok(before >= 3 && before < 10, `${before} of 10 packets were before it`)
  },
)

path('work that takes long ends a round by time', { nic: {}, lab: { costs: { rx: 200_000 } } }, (h) => {
  h.rx('eth0', ...times(200))
  const { processed, squeezed } = softnet(h)
  assert.is(processed, 200)
  assert.ok(squeezed > 0)
  assert.ok(h.net.now >= 200 * 200_000, 'virtual time has passed')
})

path('interrupts are moderated', { nic: { interruptInterval: '50us' } }, (h) => {
  const count = 100
  const frame = small({ data: 'x' })
  h.moment()
  nicOf(h).rx({
    count,
    data: frame,
    offsets: new Uint32Array(count),
    lengths: new Uint32Array(count).fill(frame.length),
    times: Float64Array.from({ length: count }, (_, i) => h.net.now + i * 1000),
  })
  h.net.run()
  const interrupts = h.functions.filter((fn) => fn === 'igb_msix_ring').length
  assert.ok(interrupts >= 2 && interrupts <= 4, `${interrupts} interrupts in 100 us`)
  assert.is(softnet(h).processed, count)
})

path('a batch that was encoded once is received again and again', NIC, (h) => {
  const socket = h.udp({ port: 7, options: { SO_RCVBUFFORCE: 1 << 24 } })
  const batch = encodeBatch(times(50))
  for (let i = 0; i < 3; i++) {
    nicOf(h).rx(batch)
    h.net.run()
    assert.is(socket.recvBatch(1024)?.count, 50)
  }
})

path('frames for a NIC that is down are lost', NIC, (h) => {
  h.host.link('eth0', { up: false })
  h.rx('eth0', ...times(5))
  h.stats({ rx_packets: 0 })
  h.host.link('eth0', { up: true })
  h.rx('eth0', ...times(5))
  h.stats({ rx_packets: 5 })
})

path('queues are chosen by the hash of the flow, and share the CPUs', { nic: { queues: 4 } }, (h) => {
  const socket = h.udp({ port: 7, options: { SO_RCVBUFFORCE: 1 << 24 } })
  const frames = Array.from({ length: 64 }, (_, i) => small({ from: `${PEER}:${5000 + i}`, data: 'x' }))
  h.rx('eth0', ...frames, ...frames)
  const batch = socket.recvBatch(1024)!
  assert.is(batch.count, 128)
  assert.ok(h.functions.filter((fn) => fn === 'igb_msix_ring').length > 1)
  // One flow stays in order.
  for (const port of [5000, 5063]) assert.is([...batch.ports].filter((p) => p === port).length, 2)
})

path('a frame with an unknown EtherType is counted at the device', NIC, (h) => {
  h.rx('eth0', eth({ ethertype: 0x88b5, pad: 60 }, new Uint8Array(4)))
  h.dropped('UNHANDLED_PROTO')
  h.stats({ rx_packets: 1 })
})

path('two CPUs whose work ends at the same times do not wait for each other', NIC, async () => {
  const net = await lab({ memoryMb: 16, costs: { rx: 300 } })
  const host = net.host('b', { cpus: 2 })
  const nic = host.nic('eth0', { mac: '02:00:00:00:00:01', queues: 2, ring: 64 })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  const frames = Array.from({ length: 100 }, (_, i) => small({ from: `${PEER}:${4000 + i}`, data: 'x' }))
  nic.rx(frames)
  assert.ok(net.run().idle)
  assert.ok(net.account().balanced)
  await net.close()
})

run()
