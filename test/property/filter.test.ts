// The core's machine for classic BPF against a naive one, on random programs that pass the checks and random datagrams: the
// same verdict, and nothing leaks. The naive one follows Documentation/networking/filter.rst instruction by instruction.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type FilterInstruction, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { HOST_MAC, fragments, udpDatagram, udp } from '../path/packets.ts'
import { Xorshift } from './xorshift.ts'

const DRAW_SEED = Number(process.env['NETPATH_SEED'] ?? 20261121)
const PROGRAMS = 250

const ALU: Readonly<Record<number, (a: number, b: number) => number>> = {
  0x00: (a, b) => a + b,
  0x10: (a, b) => a - b,
  0x20: (a, b) => Math.imul(a, b),
  0x30: (a, b) => Math.floor(a / b),
  0x40: (a, b) => a | b,
  0x50: (a, b) => a & b,
  0x60: (a, b) => a << (b & 31),
  0x70: (a, b) => a >>> (b & 31),
  0x80: (a) => -a,
  0x90: (a, b) => a % b,
  0xa0: (a, b) => a ^ b,
}
const JUMPS: Readonly<Record<number, (a: number, b: number) => boolean>> = {
  0x00: () => true,
  0x10: (a, b) => a === b,
  0x20: (a, b) => a > b,
  0x30: (a, b) => a >= b,
  0x40: (a, b) => (a & b) !== 0,
}
const SIZES: Readonly<Record<number, number>> = { 0x00: 4, 0x08: 2, 0x10: 1 }

/** size bytes of the datagram from k on, most significant first; undefined: they are not there. */
function bytesAt(data: Uint8Array, k: number, size: number): number | undefined {
  if (k + size > data.length) return undefined
  return data.subarray(k, k + size).reduce((sum, byte) => sum * 256 + byte, 0)
}

/** Runs a program that passed the checks over a UDP datagram, header included. */
function naive(program: readonly FilterInstruction[], data: Uint8Array): number {
  let [a, x, pc] = [0, 0, 0]
  const words = new Uint32Array(16)
  for (;;) {
    const [code, jt, jf, given] = program[pc++]!
    const k = given >>> 0
    const op = code & 0xf0
    const operand = code & 8 ? x : k
    const mode = code & 0xe0
    switch (code & 7) {
      case 0: // ld
      case 1: {
        // ldx
        const size = SIZES[code & 0x18]!
        const at = mode === 0x40 ? (x + k) >>> 0 : k
        let value: number | undefined
        if (mode === 0x00) value = k
        else if (mode === 0x60) value = words[k]!
        else if (mode === 0x80) value = data.length
        else value = bytesAt(data, at, size)
        if (value === undefined) return 0
        if ((code & 7) === 0) a = value
        else x = mode === 0xa0 ? (value & 15) * 4 : value
        break
      }
      case 2:
        words[k] = a
        break
      case 3:
        words[k] = x
        break
      case 4:
        if ((op === 0x30 || op === 0x90) && operand === 0) return 0
        a = ALU[op]!(a, operand) >>> 0
        break
      case 5:
        if (op === 0) pc += k
        else pc += JUMPS[op]!(a, operand) ? jt : jf
        break
      case 6:
        return code & 0x10 ? a : k
      default:
        if (op & 0x80) a = x
        else x = a
    }
  }
}

const LOADS = [0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0xb1]
const OTHERS = [0x00, 0x01, 0x80, 0x81, 0x02, 0x03, 0x60, 0x61, 0x84, 0x07, 0x87, 0x06]
const ALU_CODES = Object.keys(ALU)
  .map(Number)
  .filter((op) => op !== 0x80)
  .flatMap((op) => [op | 4, op | 12])
const JUMP_CODES = [0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d]
const EDGES = [0, 1, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff]

function instruction(random: Xorshift, left: number, length: number): FilterInstruction {
  const k = random.chance(30) ? random.pick(EDGES) : random.chance(80) ? random.below(64) : random.next()
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2: {
      const offset = random.chance(90) ? random.below(length + 4) : k & 0x7fffffff
      return [random.pick(LOADS), 0, 0, offset]
    }
    case 3:
    case 4:
    case 5: {
      const code = random.pick(ALU_CODES)
      if (code === 0x64 || code === 0x74) return [code, 0, 0, k & 31]
      return [code, 0, 0, code === 0x34 || code === 0x94 ? k || 1 : k]
    }
    case 6: {
      const code = random.pick(JUMP_CODES)
      return code === 0x05 ? [code, 0, 0, random.below(left)] : [code, random.below(left), random.below(left), k]
    }
    default: {
      const code = random.pick(OTHERS)
      if (code === 0x06) return random.chance(20) ? [code, 0, 0, random.below(300)] : [0x87, 0, 0, 0]
      return [code, 0, 0, code === 0x00 || code === 0x01 ? k : k & 15]
    }
  }
}

/** All words are written first; at the end 9 more than a byte of A is answered, so that the length left tells it. */
function randomProgram(random: Xorshift, length: number): FilterInstruction[] {
  const count = 1 + random.below(30)
  const words = Array.from({ length: 16 }, (_, i): FilterInstruction => [random.pick([2, 3]), 0, 0, i])
  const body = Array.from({ length: count }, (_, i) => instruction(random, Math.min(count - i, 8), length))
  return [
    ...words,
    ...body,
    [0x74, 0, 0, random.pick([0, 8, 16, 24])],
    [0x54, 0, 0, 255],
    [4, 0, 0, 9],
    [0x16, 0, 0, 0],
  ]
}

async function compare(seed: number): Promise<void> {
  const random = new Xorshift(seed)
  const net = await lab({ seed })
  const host = net.host('h')
  const tap = host.tap('eth0', { mac: HOST_MAC })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  const server = host.udp({ port: 7 })
  for (let i = 0; i < PROGRAMS; i++) {
    const whole = random.chance(80)
    const data = new Uint8Array(random.chance(20) ? random.below(30) : 264 + random.below(700))
    random.fill(data)
    const datagram = udpDatagram({ data })
    const program = randomProgram(random, datagram.length)
    server.socket.setsockopt('SO_ATTACH_FILTER', program)
    const frames = whole ? [udp({ data })] : fragments({ id: i }, datagram, 200)
    tap.rx(frames)
    const verdict = naive(program, datagram)
    const left = verdict === 0 ? undefined : data.slice(0, Math.max(verdict, 8) - 8)
    assert.equal(server.recv()?.data, left, `${JSON.stringify(program)} over ${datagram.length} bytes`)
  }
  server.close()
  assert.is(net.account().live, 0)
  await net.close()
}

/** Bytes that are seldom a program: refused with EINVAL or attached and run, never anything else. */
async function disturb(seed: number): Promise<void> {
  const random = new Xorshift(seed)
  const net = await lab({ seed })
  const host = net.host('h')
  const tap = host.tap('eth0', { mac: HOST_MAC })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  const server = host.udp({ port: 7 })
  let attached = 0
  for (let i = 0; i < PROGRAMS; i++) {
    const bytes = new Uint8Array(random.chance(90) ? 8 * (1 + random.below(4)) : random.below(200))
    random.fill(bytes)
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      bytes.set(
        [random.pick([...LOADS, ...OTHERS, ...ALU_CODES, ...JUMP_CODES]), 0, random.below(2), random.below(2)],
        at,
      )
      if (random.chance(70)) bytes.set([random.below(40), 0, 0, 0], at + 4)
      if (random.chance(30))
        bytes.set([random.below(64), random.pick([0xf0, 0, 0xff]), random.pick([0xff, 0xef]), 0xff], at + 4)
    }
    if (bytes.length >= 8) bytes.set([random.pick([6, 0x16]), 0], bytes.length - (bytes.length % 8) - 8)
    try {
      server.socket.setsockopt('SO_ATTACH_FILTER', bytes)
      attached++
    } catch (error) {
      assert.ok(isSystemError(error) && error.code === 'EINVAL', String(error))
    }
    const data = new Uint8Array(random.below(100))
    random.fill(data)
    tap.rx([udp({ data })])
    const got = server.recv()?.data
    if (got) assert.equal(got, data.subarray(0, got.length))
  }
  assert.ok(attached > PROGRAMS / 20, `${attached} were programs`)
  server.close()
  assert.is(net.account().live, 0)
  await net.close()
}

const test = suite('filter properties')

test('random programs answer as the naive machine does', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 0x7fffffff }), compare), { numRuns: 8, seed: DRAW_SEED })
})

test('random bytes are refused or run, and nothing else happens', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 0x7fffffff }), disturb), { numRuns: 6, seed: DRAW_SEED })
})

test.run()
