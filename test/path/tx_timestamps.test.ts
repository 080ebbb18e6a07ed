// Stamps of what is sent (SO_TIMESTAMPING): which come, in which order, and what the error queue says with them. What is expected
// is what Linux 6.18 answered to the same calls on a TAP and on lo.

import * as assert from 'uvu/assert'
import * as so from '../../assembly/uapi/socket.ts'
import { type Nic, type ReceivedCmsg, type SendOptions, type Socket, parseIPv4 } from '../../src/index.ts'
import { PEER, bytesOf } from './packets.ts'
import { type Setup, type Story, stories } from './story.ts'

const { path, run } = stories('tx timestamps')

const PINGS: Setup = { sysctl: { 'net.ipv4.ping_group_range': '0 2147483647' } }
const TO = { to: `${PEER}:9` }
const { SOF_TIMESTAMPING_TX_SOFTWARE: SND, SOF_TIMESTAMPING_TX_SCHED: SCHED, SOF_TIMESTAMPING_OPT_ID: ID } = so
const TOLD = so.SOF_TIMESTAMPING_SOFTWARE
const ALL = SND | SCHED | TOLD | ID
const TSONLY = so.SOF_TIMESTAMPING_OPT_TSONLY
const STAGES = ['SND', 'SCHED']

/** Everything in the error queue: stage and number of each stamp, and the length of the packet that came with it. */
function stamps(socket: Socket, clock = 0): string[] {
  const found: string[] = []
  for (let got = socket.recv({ flags: ['MSG_ERRQUEUE'] }); got; got = socket.recv({ flags: ['MSG_ERRQUEUE'] })) {
    const { errno, origin, type, code, info, data } = got.error!
    assert.equal([errno, origin, type, code, got.from], ['ENOMSG', 'TIMESTAMPING', 0, 0, undefined])
    assert.equal(got.flags, ['MSG_ERRQUEUE'])
    const stamp = got.cmsg?.SO_TIMESTAMPING
    if (stamp) assert.equal([stamp[clock]! > 0, stamp[1], stamp[2 - clock]], [true, 0, 0])
    found.push(`${STAGES[info]} ${data} ${got.data.length}${stamp ? '' : ' no time'}`)
  }
  return found
}

const stamping = (socket: Socket, flags: number): Socket => socket.setsockopt('SO_TIMESTAMPING', flags)

interface Case {
  flags: number
  sends?: readonly SendOptions[]
  size?: number
  expect: readonly string[]
}

const id = (value: number): SendOptions => ({ cmsg: { SCM_TS_OPT_ID: value } })
const asks = (flags: number): SendOptions => ({ cmsg: { SO_TIMESTAMPING: flags } })

/** Sends of 5 bytes to the neighbour, whose frames have 47. */
const CASES: Readonly<Record<string, Case>> = {
  'the driver alone, without numbers': { flags: SND | TOLD, expect: ['SND 0 47'] },
  'queue and driver, numbered': {
    flags: ALL,
    sends: [{}, {}],
    expect: ['SCHED 0 47', 'SND 0 47', 'SCHED 1 47', 'SND 1 47'],
  },
  'stamps alone': { flags: ALL | TSONLY, expect: ['SCHED 0 0', 'SND 0 0'] },
  'nobody wants to know the time': { flags: SND | SCHED, expect: ['SCHED 0 47 no time', 'SND 0 47 no time'] },
  'hardware that has no clock': {
    flags: so.SOF_TIMESTAMPING_TX_HARDWARE | so.SOF_TIMESTAMPING_RAW_HARDWARE | SND | TOLD,
    expect: ['SND 0 47'],
  },
  'over lo': { flags: ALL, sends: [{ to: '127.0.0.1:9' }], expect: ['SCHED 0 47', 'SND 0 47'] },
  'asked for by a message': {
    flags: TOLD | ID,
    sends: [asks(SND | SCHED), {}, asks(SND)],
    expect: ['SCHED 0 47', 'SND 0 47', 'SND 1 47'],
  },
  'not wanted by a message': { flags: ALL, sends: [asks(0), {}], expect: ['SCHED 0 47', 'SND 0 47'] },
  'numbers that messages bring': {
    flags: ALL,
    sends: [id(77), {}, id(5)],
    expect: [77, 77, 0, 0, 5, 5].map((n, i) => `${STAGES[(i + 1) % 2]} ${n} 47`),
  },
  'of a datagram in fragments the first is stamped': { flags: ALL, size: 4000, expect: ['SCHED 0 1514', 'SND 0 1514'] },
  'a corked datagram has one number': {
    flags: ALL,
    sends: [{ flags: ['MSG_MORE'] }, {}, {}],
    expect: ['SCHED 0 52', 'SND 0 52', 'SCHED 1 47', 'SND 1 47'],
  },
  'a message with the second piece asks too late': {
    flags: TOLD | ID,
    sends: [{ flags: ['MSG_MORE'] }, asks(SND)],
    expect: [],
  },
  'an unknown neighbour: when the packet goes on': { flags: ALL, sends: [{ to: '10.0.0.77:9' }], expect: [] },
}
for (const [name, { flags, sends = [{}], size = 5, expect }] of Object.entries(CASES)) {
  path(name, (h) => {
    const socket = stamping(h.socket('udp'), flags)
    for (const options of sends) assert.is(socket.send(new Uint8Array(size), { ...TO, ...options }), size)
    assert.equal(stamps(socket), expect)
    h.net.run()
  })
}

const raw = (h: Story, protocol: number): Socket => h.socket('raw', protocol)
const FRAME = Uint8Array.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, ...Array<number>(40).fill(0x45)])
const IP = Uint8Array.from('4500001c0000000040630000000000000a00000278787878787878ab'.match(/../g)!, (hex) =>
  parseInt(hex, 16),
)
const PING = Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 1)

const kinds: Readonly<
  Record<string, readonly [make: (h: Story) => Socket, data: Uint8Array, options: SendOptions, frame: number]>
> = {
  raw: [(h) => raw(h, 99), new Uint8Array(5), TO, 39],
  'raw with its own header': [(h) => raw(h, 255), IP, TO, 42],
  ping: [(h) => h.socket('ping'), PING, TO, 42],
  packet: [(h) => h.socket('packet'), FRAME, { to: { dev: 'eth0', protocol: 'IP' } }, 54],
}
for (const [name, [make, data, options, frame]] of Object.entries(kinds)) {
  path(`${name} socket`, PINGS, (h) => {
    const socket = stamping(make(h), ALL)
    for (const n of [0, 1]) {
      socket.send(data, options)
      assert.equal(stamps(socket), [`SCHED ${n} ${frame}`, `SND ${n} ${frame}`])
    }
  })
}

path('the sender gets the frame as it left', (h) => {
  const socket = stamping(h.socket('udp'), SND | TOLD)
  socket.send(bytesOf(100), TO)
  const got = socket.recv({ flags: ['MSG_ERRQUEUE'] })!
  const [frame] = (h.host.device('eth0') as unknown as { tx(): Uint8Array[] }).tx()
  assert.equal(got.data, frame)
})

path('control messages go along when they are asked for (OPT_CMSG)', (h) => {
  const socket = stamping(h.socket('udp'), ALL | so.SOF_TIMESTAMPING_OPT_CMSG)
  socket.setsockopt('IP_PKTINFO', 1).setsockopt('IP_RECVTTL', 1).setsockopt('IP_RECVTOS', 1)
  socket.send('hello', TO)
  const got = socket.recv({ flags: ['MSG_ERRQUEUE'] })!
  const { SO_TIMESTAMPING: stamp, ...rest } = got.cmsg as ReceivedCmsg
  assert.ok(stamp)
  assert.equal(rest, { IP_PKTINFO: { dev: 'eth0', spec_dst: '10.0.0.1', addr: PEER }, IP_TTL: 64, IP_TOS: 0 })
  assert.is(got.error!.offender, '10.0.0.1')
  socket.recv({ flags: ['MSG_ERRQUEUE'] })
  stamping(socket, ALL | so.SOF_TIMESTAMPING_OPT_CMSG | TSONLY).send('hello', TO)
  const only = socket.recv({ flags: ['MSG_ERRQUEUE'] })!
  assert.equal([Object.keys(only.cmsg!), only.error!.offender], [['SO_TIMESTAMPING'], undefined])
})

path('the time is that of the stage', { lab: { costs: { tx: 1000 } } }, (h) => {
  const socket = stamping(h.socket('udp'), SND | TOLD)
  h.net.advance('7s')
  socket.send('x', TO)
  const [seconds] = socket.recv({ flags: ['MSG_ERRQUEUE'] })!.cmsg!.SO_TIMESTAMPING!
  assert.ok(Math.abs(seconds - h.net.now / 1e9) < 1e-5, String(seconds))
})

path('numbers begin anew when OPT_ID is set again, not with other flags', (h) => {
  const socket = stamping(h.socket('udp'), ALL)
  socket.send('hello', TO)
  stamping(stamping(socket, ALL | TSONLY), ALL).send('hello', TO)
  stamping(stamping(socket, TOLD), ALL).send('hello', TO)
  assert.equal(
    stamps(socket).map((text) => text.split(' ')[1]),
    ['0', '0', '1', '1', '0', '0'],
  )
})

path('what is refused takes no number', (h) => {
  const socket = stamping(h.socket('udp'), ALL)
  assert.throws(() => socket.send('x', { to: '99.9.9.9:9' }), /ENETUNREACH/)
  socket.setsockopt('IP_MTU_DISCOVER', 'DO')
  assert.throws(() => socket.send(new Uint8Array(2000), TO), /EMSGSIZE/)
  socket.send('hello', TO)
  assert.equal(stamps(socket), ['SCHED 0 47', 'SND 0 47'])
})

path('a message with other flags, or without numbers in use: EINVAL', (h) => {
  const socket = stamping(h.socket('udp'), SND | TOLD)
  const refused = (options: SendOptions): void => assert.throws(() => socket.send('x', { ...TO, ...options }), /EINVAL/)
  refused(asks(TOLD))
  refused(id(1))
  assert.equal(stamps(socket), [])
})

path('EPOLLERR while stamps wait, no error of the socket; a full buffer takes no more', (h) => {
  const socket = stamping(h.socket('udp'), ALL | TSONLY)
  socket.send('x', TO)
  assert.is(socket.poll() & (so.EPOLLERR | so.EPOLLPRI), so.EPOLLERR)
  socket.setsockopt('SO_SELECT_ERR_QUEUE', 1)
  assert.is(socket.poll() & (so.EPOLLERR | so.EPOLLPRI), so.EPOLLERR | so.EPOLLPRI)
  assert.is(socket.getsockopt('SO_ERROR'), 0)
  socket.setsockopt('SO_RCVBUF', 1)
  for (let i = 0; i < 10; i++) socket.send('x', TO)
  // 832 bytes each of 2304: the two that were there.
  assert.is(stamps(socket).length, 2)
})

const HARDWARE = so.SOF_TIMESTAMPING_TX_HARDWARE | so.SOF_TIMESTAMPING_RAW_HARDWARE
/** On a NIC whose clock is on: flags, and which of the three stamps each entry of the error queue has. */
const clocks: readonly (readonly [name: string, on: boolean, flags: number, expect: readonly string[]])[] = [
  ['hardware alone', true, HARDWARE, ['SND --x']],
  ['hardware in place of software', true, HARDWARE | SND | TOLD, ['SND --x']],
  ['both with OPT_TX_SWHW', true, HARDWARE | SND | TOLD | so.SOF_TIMESTAMPING_OPT_TX_SWHW, ['SND x--', 'SND --x']],
  ['hardware that is not reported', true, so.SOF_TIMESTAMPING_TX_HARDWARE | TOLD, ['SND']],
  ['off: software', false, HARDWARE | SND | TOLD, ['SND x--']],
  ['queue and hardware', true, HARDWARE | SCHED | TOLD, ['SCHED x--', 'SND --x']],
]
/** A second NIC, of which nothing that leaves is kept; 10.4.0.2 is known there. */
function sinkOf({ host, net }: Story): Nic {
  const nic = host.nic('eth9', { mac: '02:00:00:00:00:09' }).attach({ keep: false })
  host.addr.add('eth9', '10.4.0.1/24')
  host.link('eth9', { up: true })
  host.neigh.add({ dev: 'eth9', ip: '10.4.0.2', mac: '02:00:00:00:00:42' })
  net.run()
  return nic
}

/** What leaves is kept for the program, or counted and forgotten. */
const kept = [true, false].flatMap((keep) => clocks.map((clock) => [keep, ...clock] as const))
for (const [keep, name, on, flags, expect] of kept) {
  path(`clock of a NIC: ${name}${keep ? '' : ', to nobody'}`, { nic: {} }, (h) => {
    const nic = keep ? (h.host.device('eth0') as Nic) : sinkOf(h)
    const to = keep ? TO : { to: '10.4.0.2:9' }
    nic.hwtstamp(on ? 'ON' : 'OFF')
    h.net.advance('3s')
    const socket = stamping(h.socket('udp'), flags)
    for (let round = 0; round < 2; round++) {
      socket.send('x', to)
      h.net.run()
      const found: string[] = []
      for (let got = socket.recv({ flags: ['MSG_ERRQUEUE'] }); got; got = socket.recv({ flags: ['MSG_ERRQUEUE'] })) {
        const stamp = got.cmsg?.SO_TIMESTAMPING
        const shown = stamp?.map((seconds) => (seconds === 0 ? '-' : seconds === h.net.now / 1e9 ? 'x' : '?')).join('')
        found.push(`${STAGES[got.error!.info]}${shown ? ` ${shown}` : ''}`)
      }
      assert.equal(found, expect)
    }
    assert.throws(() => nic.hwtstamp('ONESTEP' as 'ON'), /ERANGE/)
    nic.attach()
  })
}

path('the clock of a NIC has one register: a packet that finds it in use has no stamp', { nic: {} }, (h) => {
  ;(h.host.device('eth0') as Nic).hwtstamp('ON')
  const udp = h.udp({ port: 7 })
  stamping(udp.socket, HARDWARE | ID)
  const [lengths, offsets, ports] = [Array(3).fill(5), Array(3).fill(0), Array(3).fill(9)] as number[][]
  const addresses = Array<number>(3).fill(parseIPv4(PEER))
  const batch = { count: 3, lengths: lengths!, addresses, ports: ports!, offsets: offsets!, data: new Uint8Array(5) }
  assert.is(udp.sendBatch(batch), 3)
  h.net.run()
  // Byte queue limits let the first go alone; the third finds the second's stamp awaited.
  assert.equal(stamps(udp.socket, 2), ['SND 0 47', 'SND 1 47'])
  udp.send('hello', TO.to)
  h.net.run()
  assert.equal(stamps(udp.socket, 2), ['SND 3 47'])
})

run()
