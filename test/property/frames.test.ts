// Frames of any bytes and any length: never a trap, a packet that is lost count of, or one that stays for ever.
// fast-check draws seeds and shapes, a xorshift fills a million frames. NETPATH_SEED draws others.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type FrameColumns, type Host, type Lab, type Nic, type Tap, UdpSocket, lab } from '../../src/index.ts'
import type { SocketType } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { HOST_MAC, PEER_MAC, udp } from '../path/packets.ts'
import { corpus } from './corpus.ts'
import { FrameWriter, writeFrames } from './random_frames.ts'
import { Xorshift } from './xorshift.ts'

const FRAMES_PER_RUN = 30_000
const RUNS = 12
const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)
const BATCH_MOST = 2000

/** One run: what the host is like, and what it is sent. */
interface Plan {
  seed: number
  forward: boolean
  /** Work takes time: polls are cut short, budgets run out. */
  costs: boolean
  /** With little, packets are lost for want of memory, and nothing else. */
  memoryMb: number
  /** Of a NIC. */
  ring: number
  queues: number
  mtu: number
  /** Frames of the batches, round and round. */
  sizes: readonly number[]
}

const plans = fc.record<Plan>({
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  forward: fc.boolean(),
  costs: fc.boolean(),
  memoryMb: fc.constantFrom(4, 24, 64),
  ring: fc.constantFrom(64, 256, 1024),
  queues: fc.integer({ min: 1, max: 3 }),
  mtu: fc.constantFrom(1500, 4000, 9000),
  sizes: fc
    .tuple(
      fc.integer({ min: 500, max: BATCH_MOST }),
      fc.array(fc.integer({ min: 1, max: BATCH_MOST }), { maxLength: 4 }),
    )
    .map(([large, others]) => [...others, large]),
})

type Device = 'tap' | 'napi' | 'nic'
const COSTS = { rx: 300, tx: [200, 0.1], deliver: 100, forward: 200, drop: 50, syscall: 500 } as const

/** A host that is being fuzzed. */
interface Fuzzed {
  net: Lab
  host: Host
  eth0: Tap | Nic
  eth1: Tap
  sockets: UdpSocket[]
  close(): void
}

/** All that a read may bring. */
const READ_ALL = {
  IP_PKTINFO: 1,
  IP_RECVTTL: 1,
  IP_RECVTOS: 1,
  IP_RECVOPTS: 1,
  IP_RETOPTS: 1,
  IP_RECVERR: 1,
  IP_RECVORIGDSTADDR: 1,
  SO_TIMESTAMP: 1,
  SO_RXQ_OVFL: 1,
  SO_BROADCAST: 1,
  SO_REUSEADDR: 1,
}

/** Kinds of sockets that see what is not theirs alone. Those that this build does not have are left out. */
function openOthers(host: Host): { close(): void }[] {
  const kinds: readonly [SocketType, string?][] = [['raw', 'icmp'], ['raw', 'udp'], ['ping'], ['packet', 'ALL']]
  return kinds.flatMap(([type, protocol]) => {
    try {
      return [host.socket(type, protocol)]
    } catch (error) {
      if (isSystemError(error) && /^E(PROTO|AF)NOSUPPORT$/.test(error.code)) return []
      throw error
    }
  })
}

async function makeFuzzed(device: Device, plan: Plan): Promise<Fuzzed> {
  const net = await lab({ seed: plan.seed, memoryMb: plan.memoryMb, ...(plan.costs && { costs: COSTS }) })
  const { queues, mtu } = plan
  // With little memory its rings would take all there is before the first frame.
  const ring = plan.memoryMb === 4 ? 64 : plan.ring
  const host = net.host('dut', { cpus: queues })
  const eth0 =
    device === 'nic'
      ? host.nic('eth0', { mac: HOST_MAC, mtu, ring, queues })
      : host.tap('eth0', { mac: HOST_MAC, napi: device === 'napi' })
  const eth1 = host.tap('eth1', { mac: '02:00:00:00:00:11', mtu: 1280 })
  for (const [dev, address] of [
    ['eth0', '10.0.0.1/24'],
    ['eth0', '10.0.2.2/24'],
    ['eth1', '10.0.1.1/24'],
  ] as const) {
    host.addr.add(dev, { address, broadcast: '+' })
  }
  for (const dev of ['eth0', 'eth1']) host.link(dev, { up: true })
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  host.neigh.add({ dev: 'eth1', ip: '10.0.1.7', mac: PEER_MAC })
  host.route.add({ to: '172.16.0.0/16', via: '10.0.0.2' })
  host.route.add({ to: '10.0.3.0/24', type: 'prohibit' })
  host.route.add({ to: '10.0.4.0/24', type: 'blackhole' })
  host.sysctl('net.ipv4.ip_forward', plan.forward ? 1 : 0)
  if (plan.seed & 1) host.sysctl('net.ipv4.conf.all.accept_source_route', 1)
  const sockets = [
    host.udp({ port: 7, options: READ_ALL }),
    host.udp({ port: 7, options: { ...READ_ALL, SO_RCVBUF: 4000 } }),
    host.udp({ port: 9, connect: '10.0.0.2:4000', options: READ_ALL }),
    host.udp({ port: 53, options: { IP_ADD_MEMBERSHIP: { group: '239.1.1.1', dev: 'eth0' }, SO_BROADCAST: 1 } }),
    host.udp({ port: 4001, address: '10.0.0.1', options: { IP_RECVFRAGSIZE: 1, IP_MINTTL: 2 } }),
    host.udp({ port: 9999 }),
  ]
  host.sysctl('net.ipv4.ping_group_range', '0 100')
  const others = openOthers(host)
  return { net, host, eth0, eth1, sockets, close: () => [...sockets, ...others].forEach((socket) => socket.close()) }
}

/** Reads the error queue and what waits on the socket, as an application that cares. */
function readOne(socket: UdpSocket): void {
  for (const flags of [['MSG_ERRQUEUE'], ['MSG_PEEK'], []] as const) {
    try {
      socket.recv({ flags })
    } catch (error) {
      if (!isSystemError(error)) throw error
    }
  }
}

/** Reads until nothing waits; what an ICMP error left on the socket is told once. */
function readAll(socket: UdpSocket): void {
  for (;;) {
    try {
      if (!socket.recvBatch(256)) return
    } catch (error) {
      if (!isSystemError(error)) throw error
    }
  }
}

/** Most sockets are emptied; the last is left to fill up. */
function readSome({ sockets }: Fuzzed, random: Xorshift): void {
  for (const socket of sockets) readOne(socket)
  for (const socket of sockets.slice(0, -1)) {
    if (random.chance(20)) continue
    readAll(socket)
  }
}

/** The cable is pulled or the device set down and up: what is under way there is lost. */
function disturb({ host, net }: Fuzzed, random: Xorshift): void {
  const change = random.pick([{ up: false }, { carrier: false }, { promisc: true }, { mtu: 1280 }])
  host.link('eth0', change)
  if (random.chance(50)) net.advance('100ms')
  host.link('eth0', { up: true, carrier: true, promisc: false })
  try {
    host.neigh.replace({ dev: 'eth0', ip: '10.0.0.2', mac: PEER_MAC })
  } catch (error) {
    // Frames may have taken all memory that there is.
    if ((error as NodeJS.ErrnoException).code !== 'ENOBUFS') throw error
  }
}

function put(fuzzed: Fuzzed, device: Device, frames: FrameColumns): void {
  const { net, eth0 } = fuzzed
  if (device === 'nic') {
    ;(eth0 as Nic).rx(frames)
    net.run({ for: '5ms' })
    return
  }
  const { refused } = (eth0 as Tap).rx(frames)
  for (const [index, code] of refused) {
    const bytes = frames.lengths[index]!
    assert.is(code, bytes < 14 ? 'EINVAL' : 'ENOMEM', `a frame of ${bytes} bytes`)
  }
}

/** Objects of the first slab, the skbs, that are in use. */
function skbsInUse({ sockets }: Fuzzed): number {
  const { memory, exports } = sockets[0]!.socket.at.machine.core
  const { CACHES, OFF_kmem_cache_inuse } = exports as unknown as Record<string, WebAssembly.Global>
  return memory.readU32(Number(CACHES!.value) + Number(OFF_kmem_cache_inuse!.value))
}

function assertBalanced({ net }: Fuzzed, when: string): void {
  const account = net.account()
  assert.ok(account.balanced, `${when}: born = ended + live no more: ${JSON.stringify(account)}`)
}

/** Nothing waits any more: timers have fired, sockets are closed, what was sent is read. */
function assertDrained(fuzzed: Fuzzed): void {
  const { net, eth0, eth1 } = fuzzed
  fuzzed.close()
  net.advance('60s')
  net.run()
  eth0.tx()
  eth1.tx()
  net.run()
  assertBalanced(fuzzed, 'at the end')
  const { live, ended, born } = net.account()
  assert.is(live, 0, `${live} packets stay: born ${JSON.stringify(born)}, ended ${JSON.stringify(ended)}`)
  assert.is(skbsInUse(fuzzed), 0)
}

/** Plays a plan; answers how many frames went in, and what there is to compare of the run. */
async function play(
  device: Device,
  plan: Plan,
  real: readonly Uint8Array[],
  most: number,
): Promise<{ frames: number; trace: Uint8Array; counters: Record<string, number> }> {
  const fuzzed = await makeFuzzed(device, plan)
  const { net, host, eth0, eth1 } = fuzzed
  const random = new Xorshift(plan.seed)
  const out = new FrameWriter(BATCH_MOST)
  try {
    host.trace.start({ records: 4096, counts: plan.costs })
    let frames = 0
    for (let round = 0; frames < most; round++) {
      out.clear()
      const size = Math.min(plan.sizes[round % plan.sizes.length]!, most - frames)
      // Faster than the ring is emptied, or one by one.
      const gap = device === 'nic' ? random.pick([0, 100, 2000]) : 0
      while (out.count < size && !out.full) writeFrames(random, out, real, net.now, gap)
      frames += out.count
      put(fuzzed, device, out)
      if (random.chance(5)) disturb(fuzzed, random)
      readSome(fuzzed, random)
      eth0.tx()
      eth1.tx()
      assertBalanced(fuzzed, `after ${frames} frames`)
      if (random.chance(30)) net.advance(random.below(2e9))
    }
    const trace = host.trace.readRaw().bytes
    assertDrained(fuzzed)
    return { frames, trace, counters: host.counters() }
  } finally {
    await net.close()
  }
}

const test = suite('random frames')
const total = { frames: 0 }

for (const device of ['tap', 'napi', 'nic'] as const) {
  test(`${device}: ${FRAMES_PER_RUN * RUNS} frames, random and mutated`, async () => {
    const real = await corpus()
    const property = fc.asyncProperty(plans, async (plan) => {
      total.frames += (await play(device, plan, real, FRAMES_PER_RUN)).frames
    })
    await fc.assert(property, { numRuns: RUNS, seed: DRAW_SEED, endOnFailure: true, includeErrorInReport: true })
  })

  test(`${device}: one seed, one run`, async () => {
    const real = await corpus()
    const property = fc.asyncProperty(plans, async (plan) => {
      const first = await play(device, plan, real, 1500)
      const second = await play(device, plan, real, 1500)
      assert.equal(first.counters, second.counters)
      assert.is(Buffer.compare(first.trace, second.trace), 0, 'the traces differ')
    })
    await fc.assert(property, { numRuns: 3, seed: DRAW_SEED + 1, endOnFailure: true, includeErrorInReport: true })
  })
}

test('a million frames and more', () => {
  assert.ok(total.frames >= 1_000_000, `${total.frames} frames`)
})

test('the same frames again and again take no more memory', async () => {
  const real = await corpus()
  const plan = { seed: 5, forward: true, costs: false, memoryMb: 24, ring: 256, queues: 1, mtu: 1500, sizes: [] }
  const fuzzed = await makeFuzzed('napi', plan)
  const { core } = fuzzed.sockets[0]!.socket.at.machine
  const taken: number[] = []
  for (let round = 0; round < 6; round++) {
    const random = new Xorshift(99)
    for (let batch = 0; batch < 10; batch++) {
      const out = new FrameWriter(1000)
      while (!out.full) writeFrames(random, out, real, 0, 0)
      put(fuzzed, 'napi', out)
      readSome(fuzzed, random)
      fuzzed.eth0.tx()
      fuzzed.eth1.tx()
    }
    fuzzed.net.advance('600s')
    for (const socket of fuzzed.sockets) readAll(socket)
    fuzzed.eth0.tx()
    fuzzed.eth1.tx()
    taken.push(core.memory.readU32(core.boot('arena_brk')))
  }
  // A few entries of tables more or less, as their times fall.
  assert.ok(taken[5]! - taken[1]! <= 16384, `bytes after each round: ${taken.join(', ')}`)
  assertDrained(fuzzed)
  await fuzzed.net.close()
})

test('a TAP takes a frame of each length from 0 to 65535', async () => {
  const net = await lab({ memoryMb: 64 })
  const host = net.host('dut')
  const tap = host.tap('eth0', { mac: HOST_MAC })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  const socket = host.udp({ port: 7, options: { SO_RCVBUFFORCE: 32 << 20 } })
  const template = udp({ data: 65535 - 42, checksumOff: 'none' })
  const out = new FrameWriter(4096)
  let sum = 0
  for (let length = 0; length <= 65535;) {
    out.clear()
    for (; length <= 65535 && !out.full; length++) {
      const frame = out.add(length, 0)
      frame.set(template.subarray(0, length))
      if (length >= 42) setLength(frame)
    }
    const { refused } = tap.rx(out)
    for (let i = 0; i < out.count; i++) {
      assert.is(refused.get(i), out.lengths[i]! < 14 ? 'EINVAL' : undefined, `${out.lengths[i]} bytes`)
    }
    for (let batch = socket.recvBatch(1024); batch; batch = socket.recvBatch(1024)) {
      for (const bytes of batch.lengths) assert.is(bytes, sum++)
    }
  }
  assert.is(sum, 65536 - 42)
  const { balanced, ended, live } = net.account()
  assert.equal([balanced, ended.delivered, ended.dropped, live], [true, 65536 - 42, 42 - 14, 0])
  await net.close()
})

/** The lengths of a UDP datagram and its header checksum, made right for the frame's length. */
function setLength(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  view.setUint16(16, frame.length - 14)
  view.setUint16(38, frame.length - 34)
  view.setUint16(24, 0)
  let sum = 0
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at)
  sum = (sum & 65535) + (sum >>> 16)
  view.setUint16(24, ~(sum + (sum >>> 16)) & 65535)
}

test.run()
