// System calls with any arguments on sockets of all kinds, among any frames and at any time: an error has Node's shape, a
// call that is refused changes nothing, no packet is lost track of, nothing stays behind. fast-check draws seeds and shapes,
// a xorshift draws the calls. NETPATH_SEED draws others.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Epoll,
  type EpollFlag,
  type Host,
  type Lab,
  type MsgFlag,
  type Socket,
  type SocketType,
  type Tap,
  errnoNumber,
  lab,
  parseIPv4,
} from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { HOST_MAC, PEER_MAC } from '../path/packets.ts'
import { corpus } from './corpus.ts'
import { FrameWriter, writeFrames } from './random_frames.ts'
import { Xorshift } from './xorshift.ts'

const RUNS = 8
const CALLS = 5000
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)

interface Plan {
  seed: number
  costs: boolean
  memoryMb: number
}

const plans = fc.record<Plan>({
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  costs: fc.boolean(),
  memoryMb: fc.constantFrom(4, 32),
})

const KINDS: readonly (readonly [type: SocketType, protocol?: number | string])[] = [
  ['udp'],
  ['udp'],
  ['udp'],
  ['raw', 'icmp'],
  ['raw', 'udp'],
  ['raw', 'raw'],
  ['ping'],
  ['packet', 'ALL'],
  ['packet-dgram', 'IP'],
]

const ADDRESSES = `10.0.0.1 10.0.0.1 10.0.0.2 10.0.0.2 10.0.0.77 10.0.0.255 127.0.0.1 127.9.9.9 239.1.1.1 224.0.0.1
  255.255.255.255 0.0.0.0 10.0.3.3 172.16.0.9 240.0.0.1`
  .split(/\s+/)
  .map((text) => new Uint8Array(Uint32Array.of(parseIPv4(text)).buffer))
const FLAGS: readonly MsgFlag[] = [
  'MSG_PEEK',
  'MSG_TRUNC',
  'MSG_ERRQUEUE',
  'MSG_DONTWAIT',
  'MSG_MORE',
  'MSG_OOB',
  'MSG_DONTROUTE',
  'MSG_CONFIRM',
  'MSG_PROBE',
  'MSG_WAITALL',
]
const EPOLL: readonly EpollFlag[] = ['EPOLLIN', 'EPOLLOUT', 'EPOLLET', 'EPOLLONESHOT', 'EPOLLERR', 'EPOLLEXCLUSIVE']
const LEVELS = [0, 0, 1, 1, 1, 17, 255, 263, 41, -1]
const LENGTHS = [0, 1, 2, 3, 4, 4, 4, 4, 8, 8, 12, 16, 20, 40, 136, 264, 300]
const NUMBERS = [-1, 0, 0, 1, 1, 1, 2, 3, 8, 64, 255, 256, 1500, 2304, 65535, 65536, 1 << 20, 2 ** 31 - 1, -(2 ** 31)]
/** Options whose refusal may come after half of the work (a group is joined, then its source refused), as in Linux. */
const HALFWAY = new Set([39, 46])

/** A socket, and what it was seen to be called. */
interface Run {
  net: Lab
  host: Host
  eth0: Tap
  random: Xorshift
  sockets: Socket[]
  epolls: Epoll[]
  /** Reads that wait. */
  waiting: Promise<unknown>[]
  /** Recorded frames, to be changed here and there. */
  real: readonly Uint8Array[]
}

function assertShape(error: unknown): void {
  if (!isSystemError(error)) throw error
  const number = errnoNumber(error.code)
  assert.is(number, -error.errno, `${error.code} is ${error.errno}`)
  assert.ok(error.syscall.length > 0 && error.message.startsWith(`${error.syscall} ${error.code}: `), error.message)
}

/** Makes a call that may be refused; answers whether it was. */
function refused(call: () => unknown): boolean {
  try {
    call()
    return false
  } catch (error) {
    assertShape(error)
    return true
  }
}

function bytes(random: Xorshift, length: number): Uint8Array {
  const out = new Uint8Array(length)
  if (random.chance(60)) random.fill(out)
  return out
}

/** A sockaddr: mostly one that makes sense. */
function address(random: Xorshift, socket: Socket): Uint8Array {
  const packet = 'ifindex' in nameOf(socket)
  const length = random.chance(85) ? (packet ? 20 : 16) : random.pick([0, 1, 2, 4, 7, 8, 12, 15, 17, 18, 128, 129, 500])
  const out = bytes(random, length)
  const view = new DataView(out.buffer)
  if (length >= 2) view.setUint16(0, random.pick([2, 2, 2, 2, 17, 17, 0, 10, random.below(65536)]), true)
  if (length < 8) return out
  if (packet) {
    view.setUint16(2, random.pick([3, 0x800, 0x806, 0x86dd, 0, 4]))
    view.setUint32(4, random.pick([1, 2, 2, 0, 9]), true)
    if (length >= 12) view.setUint8(11, random.pick([6, 6, 6, 0, 8, 255]))
    return out
  }
  view.setUint16(2, random.pick([0, 7, 7, 9, 53, 4000, random.below(65536)]))
  out.set(random.pick(ADDRESSES), 4)
  return out
}

/** msg_control: headers that make sense or not. */
function control(random: Xorshift): Uint8Array {
  const out = bytes(random, random.pick([0, 8, 15, 16, 20, 24, 32, 48, 64, 100]))
  const view = new DataView(out.buffer)
  for (let at = 0; at + 16 <= out.length;) {
    const length = random.pick([16, 17, 20, 20, 24, 28, 0, 15, 1000, out.length - at])
    view.setUint32(at, length, true)
    view.setUint32(at + 4, random.chance(95) ? 0 : random.next(), true)
    view.setInt32(at + 8, random.pick([0, 0, 0, 1, 17, 41, random.next() | 0]), true)
    view.setInt32(at + 12, random.pick([1, 2, 7, 8, 36, 61, 103, 52, 12, random.below(256)]), true)
    if (at + 20 <= out.length) view.setInt32(at + 16, random.pick(NUMBERS), true)
    at += Math.max(16, (length + 7) & ~7)
  }
  return out
}

function optionValue(random: Xorshift): Uint8Array {
  const out = bytes(random, random.pick(LENGTHS))
  const view = new DataView(out.buffer)
  if (out.length >= 4 && random.chance(80)) view.setInt32(0, random.pick(NUMBERS), true)
  if (out.length >= 8 && random.chance(50)) out.set(random.pick(ADDRESSES), random.pick([0, 4]))
  return out
}

function nameOf(socket: Socket): object {
  try {
    return socket.getsockname()
  } catch (error) {
    assertShape(error)
    return {}
  }
}

/** What can be seen of a socket by reading its options and name, without taking anything off it. */
function look(socket: Socket): string {
  const seen: unknown[] = [nameOf(socket), socket.poll()]
  for (const level of [0, 1, 17, 263]) {
    for (let name = 1; name < 84; name++) {
      // SO_ERROR takes the error; SO_GET_FILTER has another unit; PACKET_STATISTICS begins anew.
      if ((level === 1 && (name === 4 || name === 26)) || (level === 263 && name === 6)) continue
      try {
        seen.push(Buffer.from(socket.getsockopt([level, name], 64)).toString('hex'))
      } catch (error) {
        assertShape(error)
      }
    }
  }
  return JSON.stringify(seen)
}

/** A call that changes nothing when it is refused. */
function unchanged(random: Xorshift, socket: Socket, what: string, call: () => unknown): void {
  const before = random.chance(4) && !socket.closed ? look(socket) : ''
  if (refused(call) && before) assert.is(look(socket), before, `${what}: refused, and yet`)
}

function open({ host, random }: Run): Socket {
  const [type, protocol] = random.pick(KINDS)
  return host.socket(type, protocol)
}

function setOption({ random }: Run, socket: Socket): void {
  const level = random.pick(LEVELS)
  const name = random.chance(95) ? random.below(84) : random.next() | 0
  const value = optionValue(random)
  const call = (): unknown => socket.setsockopt([level, name], value)
  const text = `setsockopt ${level}.${name} ${Buffer.from(value).toString('hex')}`
  if (level === 0 && HALFWAY.has(name)) refused(call)
  else unchanged(random, socket, text, call)
}

function send({ random }: Run, socket: Socket): void {
  const length = random.chance(90) ? random.below(1600) : random.below(140_000)
  const flags = random.chance(60) ? [] : [random.pick(FLAGS), random.pick(FLAGS)]
  const to = random.chance(70) ? { to: address(random, socket) } : {}
  const cmsg = random.chance(70) ? {} : { cmsg: control(random) }
  refused(() => socket.send(bytes(random, length), { flags, ...to, ...cmsg }))
}

function receive({ random }: Run, socket: Socket): void {
  const flags = random.chance(50) ? [] : [random.pick(FLAGS), random.pick(FLAGS)]
  const max = random.pick([0, 1, 8, 100, 2000, 131072, 2 ** 31 - 1])
  const room = random.chance(80) ? {} : { control: random.below(100) }
  refused(() => {
    const got = socket.recv({ flags, max, ...room })
    if (got) assert.ok(got.data.length <= max && got.data.length <= got.length)
  })
}

function watch({ random, epolls, sockets }: Run): void {
  const epoll = random.pick(epolls)
  const socket = random.pick(sockets)
  const events = [random.pick(EPOLL), random.pick(EPOLL)]
  const call = random.pick(['add', 'add', 'mod', 'del', 'poll', 'poll'])
  refused(() => {
    if (call === 'add') epoll.add(socket, events)
    else if (call === 'mod') epoll.mod(socket, random.chance(50) ? events : random.next())
    else if (call === 'del') epoll.del(socket)
    else for (const event of epoll.poll(random.below(4))) assert.ok(event.events !== 0 && !event.socket.closed)
  })
}

function wait(run: Run, socket: Socket): void {
  if (run.waiting.length > 200) return
  const timeout = run.random.below(3e9)
  run.waiting.push(socket.next({ timeout }).catch(assertShape))
}

function reopen(run: Run): void {
  const { random, sockets } = run
  const i = random.below(sockets.length)
  const old = sockets[i]!
  old.close()
  // What is closed stays so, whatever is asked of it.
  refused(() => old.send('x'))
  assert.ok(refused(() => old.setsockopt('SO_RCVBUF', 5000)))
  assert.is(old.poll(), 0)
  refused(() => (sockets[i] = open(run)))
}

function one(run: Run): void {
  const { random } = run
  const socket = random.pick(run.sockets)
  const draw = random.below(100)
  if (draw < 30) setOption(run, socket)
  else if (draw < 36) unchanged(random, socket, 'bind', () => socket.bind(address(random, socket)))
  else if (draw < 40) refused(() => socket.connect(random.chance(15) ? null : address(random, socket)))
  else if (draw < 58) send(run, socket)
  else if (draw < 78) receive(run, socket)
  else if (draw < 84) unchanged(random, socket, 'getsockopt', () => getAny(random, socket))
  else if (draw < 86) refused(() => socket.shutdown(random.pick(['RD', 'WR', 'RDWR'])))
  else if (draw < 88) refused(() => random.pick([socket.getsockname, socket.getpeername]).call(socket))
  else if (draw < 94) watch(run)
  else if (draw < 97) wait(run, socket)
  else if (draw < 99) socket.poll()
  else reopen(run)
}

function getAny(random: Xorshift, socket: Socket): unknown {
  const option = [random.pick(LEVELS), random.below(110)] as const
  return socket.getsockopt(option, random.chance(80) ? random.pick([...LENGTHS, -1]) : optionValue(random))
}

async function begin(plan: Plan): Promise<Run> {
  const { seed, memoryMb, costs } = plan
  const net = await lab({ seed, memoryMb, ...(costs && { costs: { rx: 300, tx: 200, syscall: 500 } }) })
  const host = net.host('dut')
  const eth0 = host.tap('eth0', { mac: HOST_MAC, napi: (seed & 1) === 1 })
  host.addr.add('eth0', { address: '10.0.0.1/24', broadcast: '+' })
  host.link('eth0', { up: true })
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  host.route.add({ to: '172.16.0.0/16', via: '10.0.0.2' })
  host.route.add({ to: '10.0.3.0/24', type: 'prohibit' })
  host.sysctl('net.ipv4.ping_group_range', '0 2147483647')
  const run: Run = {
    net,
    host,
    eth0,
    random: new Xorshift(seed),
    sockets: [],
    epolls: [],
    waiting: [],
    real: await corpus(),
  }
  for (const [type, protocol] of KINDS) run.sockets.push(host.socket(type, protocol))
  run.epolls.push(host.epoll(), host.epoll())
  return run
}

function frames({ eth0, random, net, real }: Run, out: FrameWriter): void {
  out.clear()
  const size = 1 + random.below(40)
  while (out.count < size && !out.full) writeFrames(random, out, real, net.now, 0)
  eth0.rx(out)
  eth0.tx()
}

/** Objects of a slab that are in use. */
function inUse({ sockets }: Run, cache: number): number {
  const { memory, exports } = sockets[0]!.machine.core
  const { CACHES, OFF_kmem_cache_inuse, KMEM_CACHE_SIZE } = exports as unknown as Record<string, WebAssembly.Global>
  const at = Number(CACHES!.value) + cache * Number(KMEM_CACHE_SIZE?.value ?? 32)
  return memory.readU32(at + Number(OFF_kmem_cache_inuse!.value))
}

const CACHE_SKBUFF = 0
const CACHE_SOCK = 3

/** Everything is closed and timers have fired: nothing of it stays. */
async function end(run: Run): Promise<void> {
  const { net, host, eth0, sockets, epolls } = run
  for (const socket of sockets) socket.close()
  for (const epoll of epolls) epoll.close()
  net.advance('120s')
  await Promise.all(run.waiting)
  eth0.tx()
  net.run()
  const account = net.account()
  assert.ok(account.balanced, `born = ended + live no more: ${JSON.stringify(account)}`)
  assert.is(account.live, 0, `${account.live} packets stay`)
  assert.is(inUse(run, CACHE_SKBUFF), 0, 'skbs stay')
  assert.is(inUse(run, CACHE_SOCK), 0, 'sockets stay')
  assert.is(host.proc('/proc/net/dev').length > 0, true)
}

async function play(plan: Plan, calls: number): Promise<Record<string, number>> {
  const run = await begin(plan)
  const { net, host, random } = run
  const out = new FrameWriter(64)
  try {
    for (let call = 0; call < calls; call++) {
      one(run)
      if (random.chance(3)) frames(run, out)
      if (random.chance(2)) net.advance(random.below(5e8))
      if (call % 500 === 0) {
        assert.ok(net.account().balanced, `after ${call} calls`)
        await Promise.resolve()
      }
    }
    await end(run)
    return host.counters()
  } finally {
    await net.close()
  }
}

const test = suite('random calls')

test(`${RUNS * CALLS} calls with any arguments`, async () => {
  const property = fc.asyncProperty(plans, async (plan) => {
    await play(plan, CALLS)
  })
  await fc.assert(property, { numRuns: RUNS, seed: DRAW_SEED, endOnFailure: true, includeErrorInReport: true })
})

test('one seed, one run', async () => {
  const property = fc.asyncProperty(plans, async (plan) => {
    assert.equal(await play(plan, 1000), await play(plan, 1000))
  })
  await fc.assert(property, { numRuns: 2, seed: DRAW_SEED + 1, endOnFailure: true, includeErrorInReport: true })
})

test.run()
