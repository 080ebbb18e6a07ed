// Random frames for the fuzzed host, as columns: noise, headers that nearly make sense, and real frames with faults.

import type { FrameColumns } from '../../src/index.ts'
import { parseIPv4, parseMac } from '../../src/index.ts'
import { BROADCAST_MAC, HOST_MAC, PEER_MAC } from '../path/packets.ts'
import type { Xorshift } from './xorshift.ts'

const FRAME_MAX = 65535
const ETH_MAX = 1514
/** Bytes that a batch may have in all. */
const ROOM = 4 << 20

const words = (texts: string): Uint8Array[] =>
  texts
    .trim()
    .split(/\s+/)
    .map((text) => new Uint8Array(Uint32Array.of(parseIPv4(text)).buffer))

const SOURCES = words(`10.0.0.2 10.0.0.2 10.0.0.2 10.0.0.3 10.0.0.99 10.0.2.1 10.0.1.7 10.0.0.1 127.0.0.1 0.0.0.0
  255.255.255.255 224.0.0.5 10.0.0.255 172.16.0.9 240.0.0.1`)
const DESTINATIONS = words(`10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.1 10.0.2.2 10.0.0.255 255.255.255.255 224.0.0.1
  239.1.1.1 239.1.1.1 239.9.9.9 10.0.1.7 10.0.1.7 10.0.1.8 10.0.0.77 10.0.3.3 172.16.5.5 127.0.0.1 0.0.0.0 10.0.4.4`)
const MACS = [
  HOST_MAC,
  HOST_MAC,
  HOST_MAC,
  HOST_MAC,
  BROADCAST_MAC,
  '01:00:5e:01:01:01',
  '01:80:c2:00:00:00',
  PEER_MAC,
].map((mac) => parseMac(mac))
const SOURCE_MACS = [PEER_MAC, PEER_MAC, PEER_MAC, '02:00:00:00:00:03', HOST_MAC, BROADCAST_MAC].map((mac) =>
  parseMac(mac),
)
const PORTS = [7, 7, 7, 9, 53, 67, 4000, 4001, 9999, 0]
const PROTOCOLS = [17, 17, 17, 17, 17, 17, 1, 1, 1, 6, 6, 2, 4, 47, 132, 255, 0]
const ETHERTYPES = [0x0800, 0x0800, 0x0800, 0x0806, 0x86dd, 0x8847, 0x8864, 46]
const ICMP_TYPES = [0, 3, 3, 3, 4, 5, 5, 8, 8, 8, 9, 10, 11, 11, 12, 13, 14, 15, 17, 18, 40]
const OPTIONS = [0, 1, 7, 7, 68, 68, 131, 137, 136, 148, 130, 255]

/** Columns that are filled again for each batch. */
export class FrameWriter implements FrameColumns {
  count = 0
  readonly data = new Uint8Array(ROOM + FRAME_MAX)
  readonly offsets: Uint32Array
  readonly lengths: Uint32Array
  readonly times: Float64Array
  #used = 0

  constructor(most: number) {
    this.offsets = new Uint32Array(most)
    this.lengths = new Uint32Array(most)
    this.times = new Float64Array(most)
  }

  clear(): void {
    this.count = 0
    this.#used = 0
  }

  get full(): boolean {
    return this.count === this.offsets.length || this.#used >= ROOM
  }

  /** Room for a frame, and its place in the columns. */
  add(length: number, time: number): Uint8Array {
    const at = this.#used
    this.offsets[this.count] = at
    this.lengths[this.count] = length
    this.times[this.count++] = time
    this.#used += length
    return this.data.subarray(at, at + length)
  }
}

const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

function sum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let total = start
  for (let i = from; i + 1 < to; i += 2) total += (bytes[i]! << 8) | bytes[i + 1]!
  if ((to - from) & 1) total += bytes[to - 1]! << 8
  return total
}

function folded(total: number): number {
  const once = (total & 65535) + Math.floor(total / 65536)
  return ~((once & 65535) + (once >>> 16)) & 65535
}

/** Makes the header checksum of the IP header at `at` right, as far as there is one. */
function fixHeader(frame: Uint8Array, at: number): void {
  const end = at + (frame[at]! & 15) * 4
  if (end > frame.length || end < at + 20) return
  put16(frame, at + 10, 0)
  put16(frame, at + 10, folded(sum(frame, at, end)))
}

/** Options with types and lengths that exist, and pointers that may be wrong. */
function writeOptions(random: Xorshift, frame: Uint8Array, from: number, to: number): void {
  let at = from
  while (at < to) {
    const type = random.pick(OPTIONS)
    frame[at++] = type
    if (type < 2 || at >= to) continue
    const length = type === 148 ? 4 : random.pick([3, 4, 7, 8, 11, 12, 16, to - at + 1])
    frame[at] = length
    if (at + 1 < to) frame[at + 1] = random.pick([4, 4, 5, 8, 9, length + 1, 0])
    if (at + 2 < to) frame[at + 2] = random.pick([0, 1, 3, 0x41, 0xf0])
    at += Math.max(1, length - 1)
  }
}

function writeUdp(random: Xorshift, frame: Uint8Array, at: number, addresses: number): void {
  const length = frame.length - at
  if (length < 8) return
  put16(frame, at, random.pick(PORTS))
  put16(frame, at + 2, random.pick(PORTS))
  put16(frame, at + 4, random.chance(85) ? length : random.below(2 * length))
  put16(frame, at + 6, 0)
  if (random.chance(55)) put16(frame, at + 6, folded(sum(frame, at, frame.length, addresses + 17 + length)))
}

function writeIcmp(random: Xorshift, frame: Uint8Array, at: number): void {
  if (frame.length - at < 8) return
  frame[at] = random.pick(ICMP_TYPES)
  frame[at + 1] = random.pick([0, 0, 1, 2, 3, 4, 5, 9, 13, 200])
  put16(frame, at + 4, random.pick([0, 1]))
  put16(frame, at + 6, random.pick([0, 68, 552, 1000, 1500, 65535]))
  const quoted = at + 8
  if (frame.length >= quoted + 28 && random.chance(70)) {
    writeIpHead(random, frame.subarray(quoted), 0)
    frame.set(DESTINATIONS[0]!, quoted + 12)
    frame.set(SOURCES[0]!, quoted + 16)
    put16(frame, quoted + 20, 7)
    put16(frame, quoted + 22, 4000)
  }
  put16(frame, at + 2, 0)
  if (random.chance(90)) put16(frame, at + 2, folded(sum(frame, at, frame.length)))
}

function writeTcp(random: Xorshift, frame: Uint8Array, at: number, addresses: number): void {
  if (frame.length - at < 20) return
  frame[at + 12] = random.chance(80) ? 0x50 : random.below(256)
  frame[at + 13] = random.below(64)
  put16(frame, at + 16, 0)
  if (random.chance(80)) {
    put16(frame, at + 16, folded(sum(frame, at, frame.length, addresses + 6 + frame.length - at)))
  }
}

/** An IPv4 header at `at`, checksum and all; answers where the payload begins. */
function writeIpHead(random: Xorshift, frame: Uint8Array, at: number): number {
  const room = frame.length - at
  const words = random.chance(80) ? 5 : 5 + random.below(11)
  const head = words * 4 <= room ? words : 5
  frame[at] = random.chance(97) ? 0x40 | head : random.below(256)
  if (random.chance(70)) frame[at + 1] = 0
  put16(frame, at + 2, random.chance(90) ? room : random.below(65536))
  put16(frame, at + 4, random.below(6))
  const fragment = random.chance(20) ? (random.below(2) << 13) | random.below(12) : random.below(2) << 14
  put16(frame, at + 6, fragment)
  frame[at + 8] = random.pick([64, 64, 255, 1, 0, 2])
  frame[at + 9] = random.pick(PROTOCOLS)
  if (random.chance(95)) frame.set(random.pick(SOURCES), at + 12)
  if (random.chance(95)) frame.set(random.pick(DESTINATIONS), at + 16)
  if (random.chance(80)) writeOptions(random, frame, at + 20, at + head * 4)
  if (random.chance(96)) fixHeader(frame, at)
  return at + head * 4
}

function writeIp(random: Xorshift, frame: Uint8Array, from: number): void {
  if (frame.length < from + 20) return
  const at = writeIpHead(random, frame, from)
  const addresses = sum(frame, from + 12, from + 20)
  const protocol = frame[from + 9]
  if (protocol === 17) writeUdp(random, frame, at, addresses)
  else if (protocol === 1) writeIcmp(random, frame, at)
  else if (protocol === 6) writeTcp(random, frame, at, addresses)
}

function writeArp(random: Xorshift, frame: Uint8Array, at: number): void {
  if (frame.length < at + 28 || random.chance(10)) return
  frame.set([0, 1, 8, 0, 6, 4, 0, 1 + random.below(3)], at)
  frame.set(random.pick(SOURCE_MACS), at + 8)
  frame.set(random.pick(SOURCES), at + 14)
  frame.set(random.pick(DESTINATIONS), at + 24)
}

/** Noise behind headers that nearly make sense. */
function writeHeaders(random: Xorshift, frame: Uint8Array): void {
  if (frame.length < 14) return
  frame.set(random.pick(MACS), 0)
  frame.set(random.pick(SOURCE_MACS), 6)
  const tagged = random.chance(5) && frame.length >= 18
  if (tagged) {
    put16(frame, 12, random.pick([0x8100, 0x88a8]))
    put16(frame, 14, random.pick([0, 0, 5, 0xe000, 4095]))
  }
  const at = tagged ? 16 : 12
  const ethertype = random.chance(85) ? 0x0800 : random.pick(ETHERTYPES)
  put16(frame, at, ethertype)
  if (ethertype === 0x0800) writeIp(random, frame, at + 2)
  else if (ethertype === 0x0806) writeArp(random, frame, at + 2)
}

/** A real frame with up to four faults: a byte, a bit, a stretch of noise, another length. */
function writeMutated(random: Xorshift, out: FrameWriter, real: Uint8Array, time: number): void {
  const cut = random.chance(25)
  const length = cut ? random.below(Math.min(FRAME_MAX, real.length + 40) + 1) : real.length
  const frame = out.add(length, time)
  frame.set(real.subarray(0, length))
  for (let faults = random.below(5); faults > 0 && length > 0; faults--) {
    const at = random.chance(70) ? random.below(Math.min(length, 60)) : random.below(length)
    const kind = random.below(3)
    if (kind === 0) frame[at] = random.next()
    else if (kind === 1) frame[at]! ^= 1 << random.below(8)
    else random.fill(frame, at, Math.min(length, at + 1 + random.below(8)))
  }
  if (length >= 34 && random.chance(60)) fixHeader(frame, 14)
}

/** 99 of 100 frames fit on an Ethernet, and half of them are short. */
function lengthOf(random: Xorshift): number {
  if (random.below(1000) < 13) return ETH_MAX + 1 + random.below(FRAME_MAX - ETH_MAX)
  return random.chance(50) ? random.below(120) : random.below(ETH_MAX + 1)
}

/** The fragments of one datagram for a bound port, shuffled, one of them perhaps missing, twice there or too long. */
function writeFragments(random: Xorshift, out: FrameWriter, timeOf: () => number): void {
  const count = 2 + random.below(4)
  const size = 8 * (1 + random.below(random.chance(80) ? 20 : 180))
  const id = random.next() & 65535
  const order = Array.from({ length: count }, (_, i) => i).sort(() => random.below(3) - 1)
  if (random.chance(15)) order[random.below(count)] = random.below(count)
  for (const index of order) {
    if (out.full) return
    const last = index === count - 1
    const bytes = last ? 1 + random.below(size) : size + (random.chance(4) ? random.below(9) : 0)
    const frame = out.add(34 + bytes, timeOf())
    random.fill(frame)
    frame.set(MACS[0]!, 0)
    frame.set(SOURCE_MACS[0]!, 6)
    frame.set([8, 0, 0x45, random.chance(90) ? 0 : random.below(4), 0, 0], 12)
    put16(frame, 16, 20 + bytes)
    put16(frame, 18, id)
    put16(frame, 20, (last ? 0 : 0x2000) | ((index * size) >> 3))
    frame[22] = 64
    frame[23] = random.chance(95) ? 17 : 1
    frame.set(SOURCES[0]!, 26)
    frame.set(random.chance(90) ? DESTINATIONS[0]! : random.pick(DESTINATIONS), 30)
    fixHeader(frame, 14)
    if (index !== 0 || bytes < 8) continue
    put16(frame, 36, 7)
    put16(frame, 38, (count - 1) * size + random.below(size))
    put16(frame, 40, 0)
  }
}

/** Writes some more frames, `gap` ns apart: mutated real ones, noise, fragments, and mostly what nearly makes sense. */
export function writeFrames(
  random: Xorshift,
  out: FrameWriter,
  real: readonly Uint8Array[],
  now: number,
  gap: number,
): void {
  const timeOf = (): number => now + out.count * gap
  const kind = random.below(100)
  if (kind < 25) writeMutated(random, out, random.pick(real), timeOf())
  else if (kind < 28) writeFragments(random, out, timeOf)
  else {
    const frame = out.add(lengthOf(random), timeOf())
    random.fill(frame)
    if (kind < 92) writeHeaders(random, frame)
  }
}
