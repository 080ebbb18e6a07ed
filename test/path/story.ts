// One-packet stories: a host with eth0 (10.0.0.1/24, a TAP unless told otherwise) and a known neighbour 10.0.0.2. What a story
// asserts is what happened since its last rx or moment(). At the end of each all packets are accounted for and none is left.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type DeviceStats,
  type Host,
  type Lab,
  type LabOptions,
  Nic,
  type NicOptions,
  type Socket,
  type SocketType,
  type Tap,
  type TapOptions,
  type TraceRecord,
  type UdpOptions,
  UdpSocket,
  lab,
} from '../../src/index.ts'
import { HOST, HOST_MAC, PEER, PEER_MAC, type Seen, read } from './packets.ts'

/** What the host of a story is like. */
export interface Setup {
  lab?: LabOptions
  tap?: TapOptions
  cpus?: number
  /** eth0 is a NIC. */
  nic?: NicOptions
  sysctl?: Readonly<Record<string, number | string>>
  /** Is 10.0.0.2 not known? */
  stranger?: boolean
}

type Seldom = Partial<Seen>

/** What a socket is to read next. */
export interface Read {
  data?: string
  from?: string
  length?: number
  flags?: readonly string[]
  cmsg?: object
}

const minus = (now: Record<string, number>, before: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.keys(now).map((name) => [name, now[name]! - (before[name] ?? 0)]))

export class Story {
  readonly net: Lab
  readonly host: Host
  #before = { counters: {} as Record<string, number>, drops: {} as Record<string, number>, stats: {} as DeviceStats }
  #trace: TraceRecord[] | undefined
  readonly #sockets: { close(): void }[] = []

  constructor(net: Lab, host: Host) {
    this.net = net
    this.host = host
    this.moment()
  }

  /** Opens a socket; it is closed at the end. */
  udp(options: UdpOptions = { port: 7 }): UdpSocket {
    const socket = this.host.udp(options)
    this.#sockets.push(socket)
    return socket
  }

  /** Opens a socket of any kind; it is closed at the end. */
  socket(type: SocketType, protocol?: number | string): Socket {
    const socket = this.host.socket(type, protocol)
    this.#sockets.push(socket)
    return socket
  }

  /** Closes the sockets that were opened so far. */
  closeAll(): void {
    for (const socket of this.#sockets.splice(0)) socket.close()
  }

  /** Closes the sockets, lets all timers fire, and asserts that nothing is left. */
  end(): void {
    this.closeAll()
    this.net.advance('60s')
    this.net.run()
    for (const device of this.host.devices()) if ('tx' in device) (device as Tap).tx()
    const { balanced, live } = this.net.account()
    assert.ok(balanced, 'born = ended + live')
    assert.is(live, 0, `${live} packets are left`)
  }

  #drops(): Record<string, number> {
    const sums: Record<string, number> = {}
    for (const { reason, function: fn, count } of this.host.drops()) {
      sums[reason] = (sums[reason] ?? 0) + count
      sums[`${reason} in ${fn}`] = (sums[`${reason} in ${fn}`] ?? 0) + count
    }
    return sums
  }

  /** What is asserted from here on is what happens from here on. */
  moment(): void {
    this.host.trace.start()
    this.#trace = undefined
    this.#before = {
      counters: this.host.counters(),
      drops: this.#drops(),
      stats: this.host.device('eth0').info().stats,
    }
  }

  /** Frames arrive; everything that follows at once has happened. A TAP takes all of them. */
  rx(dev: string, ...frames: Uint8Array[]): void {
    this.moment()
    const device = this.host.device(dev)
    if (device instanceof Nic) {
      device.rx(frames)
      this.net.run()
    } else assert.equal([...(device as Tap).rx(frames).refused], [])
  }

  #records(): TraceRecord[] {
    this.#trace ??= this.host.trace.read().records
    return this.#trace
  }

  /** Functions that were called, in order. */
  get functions(): string[] {
    return this.#records()
      .filter(({ kind }) => kind === 'function')
      .map(({ fn }) => fn)
  }

  /** These functions were called in this order; others may stand between. */
  walk(...expected: string[]): void {
    const called = this.functions
    expected.reduce((from, fn, i) => {
      const at = called.indexOf(fn, from)
      assert.ok(at >= 0, `${fn} does not follow ${expected[i - 1] ?? 'the beginning'} in: ${called.join(' ')}`)
      return at + 1
    }, 0)
  }

  /** None of these was called. */
  never(...names: string[]): void {
    const called = new Set(this.functions)
    assert.equal(
      names.filter((name) => called.has(name)),
      [],
    )
  }

  /** So many packets were dropped for a reason, by a function when one is named. */
  dropped(reason: string, count = 1, fn?: string): void {
    const drops = minus(this.#drops(), this.#before.drops)
    const told = Object.entries(drops).filter(([name, n]) => n > 0 && !name.includes(' '))
    assert.is(drops[reason] ?? 0, count, `${reason}; dropped: ${JSON.stringify(Object.fromEntries(told))}`)
    if (fn !== undefined) {
      const where = Object.keys(drops).filter((name) => drops[name]! > 0 && name.includes(' '))
      assert.is(drops[`${reason} in ${fn}`] ?? 0, count, `${reason} in ${fn}; dropped: ${where.join(', ')}`)
    }
  }

  /** Nothing was dropped. */
  kept(): void {
    const drops = minus(this.#drops(), this.#before.drops)
    assert.equal(
      Object.keys(drops).filter((name) => drops[name]! > 0),
      [],
    )
  }

  /** Counters by nstat's names moved by so much. */
  counters(expected: Readonly<Record<string, number>>): void {
    const moved = minus(this.host.counters({ zeros: true }), this.#before.counters)
    const got = Object.fromEntries(Object.keys(expected).map((name) => [name, moved[name]]))
    assert.equal(got, expected)
  }

  /** Statistics of eth0 moved by so much. */
  stats(expected: Partial<DeviceStats>): void {
    const now = this.host.device('eth0').info().stats
    const moved = minus(now, this.#before.stats)
    assert.equal(Object.fromEntries(Object.keys(expected).map((name) => [name, moved[name]])), expected)
  }

  /** Exactly these frames left, in this order: what is named of each, and right checksums. */
  tx(dev: string, ...expected: Seldom[]): Seen[] {
    const frames = (this.host.device(dev) as Tap | Nic).tx().map(read)
    assert.is(frames.length, expected.length, `frames that left: ${JSON.stringify(frames)}`)
    frames.forEach((frame, i) => {
      const wanted: Seldom = { wrong: [], ...expected[i] }
      const got = Object.fromEntries(Object.keys(wanted).map((name) => [name, frame[name as keyof Seen]]))
      assert.equal(got, wanted, `frame ${i}`)
    })
    return frames
  }

  /** The socket reads exactly these datagrams: what is named of each. */
  reads(socket: UdpSocket, ...expected: Read[]): void {
    for (const [i, wanted] of expected.entries()) {
      const got = socket.recv()
      assert.ok(got, `datagram ${i} waits`)
      const seen: Required<Read> = {
        data: new TextDecoder().decode(got.data),
        from: `${got.from.address}:${got.from.port}`,
        length: got.length,
        flags: got.flags,
        cmsg: got.cmsg ?? {},
      }
      assert.equal(Object.fromEntries(Object.keys(wanted).map((name) => [name, seen[name as keyof Read]])), wanted)
    }
    assert.is(socket.recv(), undefined, 'no more waits')
  }
}

async function begin(setup: Setup): Promise<Story> {
  const net = await lab(setup.lab)
  const host = net.host('h', { cpus: setup.cpus ?? 1 })
  if (setup.nic) host.nic('eth0', { mac: HOST_MAC, ...setup.nic })
  else host.tap('eth0', { mac: HOST_MAC, ...setup.tap })
  for (const [name, value] of Object.entries(setup.sysctl ?? {})) host.sysctl(name, value)
  host.addr.add('eth0', `${HOST}/24`)
  host.link('eth0', { up: true })
  if (!setup.stranger) host.neigh.add({ dev: 'eth0', ip: PEER, mac: PEER_MAC })
  net.advance('2ms')
  ;(host.device('eth0') as Tap | Nic).tx()
  return new Story(net, host)
}

type Tell = (story: Story) => void | Promise<void>

/** A suite of stories. */
export interface Stories {
  /** A story, with what its host is like. */
  path(name: string, setup: Setup | Tell, tell?: Tell): void
  run(): void
}

export function stories(name: string): Stories {
  const test = suite(name)
  return {
    path: (title, setup, tell) => {
      const [given, told] = typeof setup === 'function' ? [{}, setup] : [setup, tell!]
      test(title, async () => {
        const story = await begin(given)
        try {
          await told(story)
          story.end()
        } finally {
          await story.net.close()
        }
      })
    },
    run: () => test.run(),
  }
}
