// Packet sockets: names, what becomes of them with their device, options and memberships (net/packet/af_packet.c).
// Tables marked 'asked' were asked of Linux 6.18.

import * as assert from 'uvu/assert'
import type { OptionValue, Socket } from '../../src/index.ts'
import { BROADCAST_MAC, HOST_MAC, bytesOf, eth } from './packets.ts'
import { type Story, stories } from './story.ts'

const { path, run } = stories('packet sockets: bind, options')

/** The call's error, 'ok': none. */
function outcome(call: () => unknown): string {
  try {
    call()
    return 'ok'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!
  }
}

const code = (socket: Socket): number => socket.getsockopt('SO_ERROR') as number
const ENETDOWN = 100
const frame = eth({ ethertype: 0x1234 }, bytesOf(46))

path('names: index, protocol, and the address of the device', (h) => {
  const socket = h.socket('packet', 'IP')
  const none = { ifindex: 0, protocol: 0x800, pkttype: 0, hatype: 0, mac: '00:00:00:00:00:00' }
  assert.equal(socket.getsockname(), none)
  const bound = { ifindex: 2, protocol: 0x800, pkttype: 0, hatype: 1, mac: HOST_MAC }
  assert.equal(socket.bind({ dev: 'eth0', protocol: 0 }).getsockname(), bound)
  assert.equal(socket.bind({ dev: 'eth0', protocol: 'ARP' }).getsockname(), { ...bound, protocol: 0x806 })
  assert.equal(socket.bind('lo').getsockname(), { ...none, ifindex: 1, hatype: 772 })
  assert.equal(socket.bind({}).getsockname(), none)
  assert.is(
    outcome(() => socket.bind('eth7')),
    'ENODEV',
  )
  assert.equal(socket.getsockname(), none)
})

path('calls that packet sockets do not have', (h) => {
  const socket = h.socket('packet')
  const calls = [
    () => socket.getpeername(),
    () => socket.connect('eth0'),
    () => socket.shutdown('RD'),
    () => socket.setsockopt('SO_PEEK_OFF', 1),
    () => h.socket('packet-dgram').setsockopt('SO_PEEK_OFF', 1),
  ]
  assert.equal(calls.map(outcome), Array(5).fill('EOPNOTSUPP'))
  assert.is(
    outcome(() => socket.setsockopt('IP_TTL', 1)),
    'ENOPROTOOPT',
  )
})

path('a device that is down: the error waits, the socket sees again when it is up', (h) => {
  const socket = h.socket('packet', 'ALL').bind('eth0')
  h.host.link('eth0', { up: false })
  assert.is(socket.poll() & 8, 8, 'EPOLLERR')
  assert.is(
    outcome(() => socket.recv()),
    'ENETDOWN',
  )
  assert.is(socket.recv(), undefined)
  assert.is(
    outcome(() => socket.send(frame)),
    'ENETDOWN',
  )
  assert.is(socket.bind('eth0').recv(), undefined, 'the same name again: nothing happens')
  assert.equal([code(socket.bind({ dev: 'eth0', protocol: 'ARP' })), code(socket)], [ENETDOWN, 0])
  assert.is(code(socket.bind('eth0')), ENETDOWN)
  h.host.link('eth0', { up: true })
  h.rx('eth0', frame)
  assert.is(socket.recv()!.data.length, 60)
})

path('a socket of all devices does not mind that one goes down', (h) => {
  const socket = h.socket('packet', 'ALL')
  h.host.link('eth0', { up: false })
  assert.is(socket.recv(), undefined)
})

/** Asked: options of one int: values, and 'ok' or the error with what is read then. */
const VALUES = [1, 0, 2, 3, 7, 10, 12, -1, 0x7fffffff]
const FLAG = ['1', '0', '1', '1', '1', '1', '1', '1', '1']
const INT = VALUES.map(String)
const OPTIONS: readonly (readonly [name: string, kind: 'packet' | 'packet-dgram', answers: readonly string[]])[] = [
  ['PACKET_AUXDATA', 'packet', FLAG],
  ['PACKET_ORIGDEV', 'packet-dgram', FLAG],
  ['PACKET_LOSS', 'packet', FLAG],
  ['PACKET_TX_HAS_OFF', 'packet', FLAG],
  ['PACKET_QDISC_BYPASS', 'packet-dgram', FLAG],
  ['PACKET_VNET_HDR', 'packet', FLAG],
  ['PACKET_VNET_HDR', 'packet-dgram', VALUES.map(() => 'EINVAL 0')],
  ['PACKET_COPY_THRESH', 'packet', INT],
  ['PACKET_TIMESTAMP', 'packet', INT],
  ['PACKET_RESERVE', 'packet', [...INT.slice(0, 7), 'EINVAL 12', '2147483647']],
  ['PACKET_VERSION', 'packet', ['1', '0', '2', ...Array<string>(6).fill('EINVAL 2')]],
  ['PACKET_IGNORE_OUTGOING', 'packet', ['1', '0', ...Array<string>(7).fill('EINVAL 0')]],
  [
    'PACKET_VNET_HDR_SZ',
    'packet',
    ['EINVAL 0', '0', ...Array<string>(3).fill('EINVAL 0'), '10', '12', 'EINVAL 12', 'EINVAL 12'],
  ],
]
for (const [name, kind, answers] of OPTIONS) {
  path(`${name} of a ${kind} socket`, (h) => {
    const socket = h.socket(kind)
    assert.equal(
      VALUES.map((value) => {
        const result = outcome(() => socket.setsockopt(name, value))
        return `${result === 'ok' ? '' : `${result} `}${String(socket.getsockopt(name))}`
      }),
      answers,
    )
    assert.is(
      outcome(() => socket.setsockopt(name, Uint8Array.of(1, 0))),
      'EINVAL',
      'too short',
    )
  })
}

path('options that are only read, and those that are not there', (h) => {
  const socket = h.socket('packet')
  assert.is(socket.getsockopt('PACKET_HDRLEN'), 32)
  assert.is(socket.getsockopt('PACKET_FANOUT'), 0)
  assert.is(socket.getsockopt('SO_PROTOCOL'), 0)
  assert.is(socket.getsockopt('SO_DOMAIN'), 17)
  assert.is(
    outcome(() => socket.getsockopt('PACKET_ROLLOVER_STATS')),
    'EINVAL',
  )
  assert.is(
    outcome(() => socket.setsockopt('PACKET_STATISTICS', 1)),
    'ENOPROTOOPT',
  )
  assert.is(
    outcome(() => socket.setsockopt('PACKET_FANOUT_DATA', new Uint8Array(8))),
    'EINVAL',
  )
  assert.is(
    outcome(() => socket.setsockopt('PACKET_RX_RING', new Uint8Array(8))),
    'EINVAL',
  )
  socket.setsockopt('PACKET_VERSION', 2)
  assert.equal(socket.getsockopt('PACKET_STATISTICS'), [0, 0, 0])
})

/** How many of these frames the NIC lets in. */
function letIn(h: Story): Record<string, number> {
  const macs = ['02:00:00:00:00:99', '02:00:00:00:00:44', '01:00:5e:01:02:03', '01:00:5e:01:02:04', BROADCAST_MAC]
  const counts = macs.map((dmac) => {
    h.rx('eth0', eth({ dmac, ethertype: 0x1234 }, bytesOf(46)))
    return [dmac, Number(h.functions.includes('__netif_receive_skb_core'))] as const
  })
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}
const broadcast = { [BROADCAST_MAC]: 1 }
const group = { '01:00:5e:01:02:03': 1 }
const groups = { ...group, '01:00:5e:01:02:04': 1 }
const own = { '02:00:00:00:00:44': 1 }
const everything = { '02:00:00:00:00:99': 1, ...own, ...groups, ...broadcast }
const MEMBERSHIPS: readonly (readonly [membership: OptionValue, Record<string, number>])[] = [
  [{ dev: 'eth0', type: 'promisc' }, everything],
  [
    { dev: 'eth0', type: 'allmulti' },
    { ...groups, ...broadcast },
  ],
  [
    { dev: 'eth0', type: 'multicast', mac: '01:00:5e:01:02:03' },
    { ...group, ...broadcast },
  ],
  [
    { dev: 'eth0', type: 'unicast', mac: '02:00:00:00:00:44' },
    { ...own, ...broadcast },
  ],
]
for (const [membership, expected] of MEMBERSHIPS) {
  path(`a membership: ${JSON.stringify(membership)}`, { nic: {} }, (h) => {
    const socket = h.socket('packet')
    const set = (name: string): void => void socket.setsockopt(name, membership)
    assert.equal(letIn(h), broadcast)
    set('PACKET_ADD_MEMBERSHIP')
    set('PACKET_ADD_MEMBERSHIP')
    assert.equal(letIn(h), expected)
    set('PACKET_DROP_MEMBERSHIP')
    assert.equal(letIn(h), expected, 'one of two')
    set('PACKET_DROP_MEMBERSHIP')
    assert.equal(letIn(h), broadcast)
    set('PACKET_DROP_MEMBERSHIP')
    set('PACKET_ADD_MEMBERSHIP')
    socket.close()
    assert.equal(letIn(h), broadcast, 'it ends with its socket')
  })
}

path('promiscuous mode of a socket and of the administrator', { nic: {} }, (h) => {
  const socket = h.socket('packet').setsockopt('PACKET_ADD_MEMBERSHIP', { dev: 'eth0', type: 'promisc' })
  h.host.link('eth0', { promisc: true })
  h.host.link('eth0', { promisc: true })
  socket.close()
  assert.equal(letIn(h), everything)
  h.host.link('eth0', { promisc: false })
  assert.equal(letIn(h), broadcast)
})

/** Asked: struct packet_mreq {index, type, length of the address} in so many bytes, adding and dropping. */
const MREQS: readonly (readonly [
  ifindex: number,
  type: number,
  alen: number,
  bytes: number,
  add: string,
  drop: string,
])[] = [
  [2, 1, 0, 16, 'ok', 'ok'],
  [2, 0, 6, 15, 'EINVAL', 'EINVAL'],
  [2, 0, 5, 16, 'EINVAL', 'ok'],
  [2, 0, 7, 16, 'EINVAL', 'ok'],
  [2, 0, 9, 16, 'EINVAL', 'EINVAL'],
  [2, 0, 9, 40, 'EINVAL', 'ok'],
  [2, 0, 6, 40, 'ok', 'ok'],
  [2, 0, 33, 100, 'EINVAL', 'EINVAL'],
  [77, 0, 6, 16, 'ENODEV', 'ok'],
  [0, 0, 6, 16, 'ENODEV', 'ok'],
  [2, 99, 6, 16, 'ok', 'ok'],
]
for (const [ifindex, type, alen, size, add, drop] of MREQS) {
  path(`packet_mreq {${ifindex}, ${type}, ${alen}} in ${size} bytes`, (h) => {
    const socket = h.socket('packet')
    const bytes = new DataView(new ArrayBuffer(size))
    bytes.setInt32(0, ifindex, true)
    bytes.setUint16(4, type, true)
    bytes.setUint16(6, alen, true)
    bytes.setUint32(8, 0x5e0001, true)
    const set = (name: string): string => outcome(() => socket.setsockopt(name, new Uint8Array(bytes.buffer)))
    assert.equal([set('PACKET_ADD_MEMBERSHIP'), set('PACKET_DROP_MEMBERSHIP')], [add, drop])
  })
}

run()
