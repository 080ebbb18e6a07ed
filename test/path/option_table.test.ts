// Every option with many values and lengths answers as the recorded kernel's did (test/options, made by sockopts.py there):
// what is refused and how, what is read back, what else changes, and that a refused call changes nothing.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Socket, lab } from '../../src/index.ts'
import { errnoNumber, isSystemError } from '../../src/wasm/errors.ts'
import { rootFolder } from '../root.ts'

type Answers = Readonly<Record<string, string>>
/** Options ('level.number', spaces between) that answer alike, and what they answer to which rooms or values. */
type Rows = readonly (readonly [options: string, answers: Answers])[]

interface Kind {
  /** Options that can be read. */
  readable: string
  /** Bytes in hex, or E and the errno, by the rooms that getsockopt was given. */
  reads: Rows
  /** 'ok' or E and the errno, then each option that reads otherwise than before, by the numbers of the values. */
  writes: Rows
}

interface Recorded {
  values: readonly string[]
  /** Kinds of sockets after the first have only what answers otherwise there. */
  kinds: Readonly<Record<string, Kind>>
}

const recorded = JSON.parse(readFileSync(new URL('test/options/sockopts.json', rootFolder), 'utf8')) as Recorded
const values = recorded.values.map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))
const first = Object.values(recorded.kinds)[0]!
/** Room for what is read before and after. */
const ROOM = 64
/** Differences that a failure prints. */
const SHOWN = Number(process.env['NETPATH_SHOWN'] ?? 20)

const open: Readonly<Record<string, (host: Host) => Socket>> = {
  udp: (host) => host.socket('udp'),
  'udp-bound': (host) => host.socket('udp').bind('10.0.0.1:7'),
  'udp-connected': (host) => host.socket('udp').bind('0.0.0.0:7').connect('10.0.0.2:9'),
  raw: (host) => host.socket('raw', 253),
  'raw-icmp': (host) => host.socket('raw', 'icmp'),
  'raw-raw': (host) => host.socket('raw', 'raw'),
  ping: (host) => host.socket('ping'),
  packet: (host) => host.socket('packet', 0),
}

type Option = readonly [level: number, name: number]

const parsed = new Map<string, Option>()

function optionOf(text: string): Option {
  const known = parsed.get(text)
  if (known) return known
  const [level, name] = text.split('.').map(Number) as [number, number]
  parsed.set(text, [level, name])
  return [level, name]
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** What a call answers, or E and its errno. */
function answer(call: () => Uint8Array): string {
  try {
    return hex(call())
  } catch (error) {
    if (!isSystemError(error)) throw error
    assert.is(errnoNumber(error.code), -error.errno)
    return `E${-error.errno}`
  }
}

function write(socket: Socket, option: Option, value: Uint8Array): string {
  return answer(() => {
    socket.setsockopt(option, value)
    return new Uint8Array()
  })
}

/** '1,4-7' */
function numbers(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [from, to = from] = part.split(/(?<=\d)-/).map(Number) as [number, number?]
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

/** Rows by option: all of the first kind; of the others those of their own, and of the rest one option in ten. */
function rowsOf(kind: Kind, which: 'reads' | 'writes'): [option: string, answers: Answers][] {
  const own = kind[which].flatMap(([options, answers]) =>
    options.split(' ').map((option) => [option, answers] as const),
  )
  const named = new Set(own.map(([option]) => option))
  const common =
    kind === first
      ? []
      : first[which].flatMap(([options, answers]) => options.split(' ').map((option) => [option, answers] as const))
  const rest = common.filter(([option], i) => !named.has(option) && i % 10 === 3)
  return [...own, ...rest].map(([option, answers]) => [option, answers])
}

/** A machine as the one that was recorded: options that name devices and addresses find the same. */
async function machine(): Promise<{ net: Lab; host: Host }> {
  const net = await lab()
  const host = net.host('dut')
  host.tap('eth0', { mac: '02:00:00:00:00:01' })
  host.link('eth0', { up: true })
  host.addr.add('eth0', '10.0.0.1/24')
  host.sysctl('net.ipv4.ping_group_range', '0 2147483647')
  return { net, host }
}

/** How a kind of socket differs from a new one of its kind: the options that read otherwise. */
function changes(kind: string, host: Host): (socket: Socket) => string {
  const options = recorded.kinds[kind]!.readable.split(' ')
  const read = (socket: Socket): string[] =>
    options.map((option) => answer(() => socket.getsockopt(optionOf(option), ROOM)))
  const fresh = open[kind]!(host)
  const before = read(fresh)
  fresh.close()
  return (socket) =>
    read(socket)
      .flatMap((now, i) => (now === before[i] ? [] : [`${options[i]}=${now}`]))
      .join(' ')
}

/** Values that an option refuses, one after the other: the socket stays as it was. */
function refuses(socket: Socket, option: string, answers: Answers, wrong: string[]): void {
  for (const [outcome, indexes] of Object.entries(answers)) {
    if (outcome.startsWith('ok')) continue
    const all = numbers(indexes)
    // Where many are refused alike some are enough.
    const some = all.length > 40 ? all.filter((_, i) => i % 8 === 0) : all
    for (const index of some) {
      const got = write(socket, optionOf(option), values[index]!)
      if (got !== outcome) wrong.push(`${option} set to ${hex(values[index]!)}: ${got || 'ok'}, not ${outcome}`)
    }
  }
}

const test = suite('every option')

for (const [kind, table] of Object.entries(recorded.kinds)) {
  test(`${kind}: what each option reads, into any room`, async () => {
    const { net, host } = await machine()
    const wrong: string[] = []
    for (const [option, answers] of rowsOf(table, 'reads')) {
      const socket = open[kind]!(host)
      for (const [expected, rooms] of Object.entries(answers)) {
        for (const room of rooms.split(',').map(Number)) {
          const got = answer(() => socket.getsockopt(optionOf(option), room))
          if (got !== expected) wrong.push(`${option} into ${room}: ${got}, not ${expected}`)
        }
      }
      socket.close()
    }
    await net.close()
    assert.is(wrong.slice(0, SHOWN).join('\n'), '')
  })

  test(`${kind}: what each option refuses, and that it stays as it was`, async () => {
    const { net, host } = await machine()
    const wrong: string[] = []
    const changed = changes(kind, host)
    for (const [option, answers] of rowsOf(table, 'writes')) {
      const socket = open[kind]!(host)
      refuses(socket, option, answers, wrong)
      const left = changed(socket)
      if (left) wrong.push(`${option}: what was refused changed ${left}`)
      socket.close()
    }
    await net.close()
    assert.is(wrong.slice(0, SHOWN).join('\n'), '')
  })

  test(`${kind}: what each option takes, and all that it changes`, async () => {
    const { net, host } = await machine()
    const wrong: string[] = []
    const changed = changes(kind, host)
    for (const [option, answers] of rowsOf(table, 'writes')) {
      for (const [outcome, indexes] of Object.entries(answers)) {
        if (!outcome.startsWith('ok')) continue
        // Of the values that do the same some are enough.
        const all = numbers(indexes)
        const some = all.filter((_, i) => i < 2 || i % 32 === 0 || i === all.length - 1)
        for (const index of some) {
          const socket = open[kind]!(host)
          const got = [write(socket, optionOf(option), values[index]!) || 'ok', changed(socket)].join(' ').trim()
          if (got !== outcome) wrong.push(`${option} set to ${hex(values[index]!)}: ${got}, not ${outcome}`)
          socket.close()
        }
      }
    }
    assert.ok(net.account().balanced)
    await net.close()
    assert.is(wrong.slice(0, SHOWN).join('\n'), '')
  })
}

test.run()
