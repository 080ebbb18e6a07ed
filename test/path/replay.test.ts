// netpath replay: real captures are played at the host that they were taken at; broken ones end in one clear error.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCapture } from '../../src/pcap/file.ts'
import { inFolder, netpath, path } from './cli.ts'

const OFFICE = path('examples/captures/office.pcap')
const IPERF = path('examples/captures/iperf-udp.pcap')

interface Report {
  file: string
  host: { mac: string; addresses: string[]; prefixLength: number }
  frames: number
  played: { frames: number }
  protocols: Record<string, number>
  sockets: number[]
  datagrams: { count: number; bytes: number }
  answers: { expected: number; sent: number; equal: number }
  stations: { station: string; count: number }[]
  drops: { reason: string; function: string; count: number }[]
  counters: Record<string, number>
  packetsPerSecond: number
  account: { balanced: boolean; live: number; born: Record<string, number> }
  error?: { code: string; offset: number; message: string }
}

const reports = (out: string): Report[] =>
  out
    .trim()
    .split('\n')
    .filter((line) => line)
    .map((line) => JSON.parse(line) as Report)

const test = suite('replay')

test('office.pcap: the host is found, its echo requests are answered as it did, all adds up', async () => {
  const { code, out, err } = await netpath('replay', OFFICE, '--json')
  assert.equal([code, err], [0, ''])
  const [report, ...more] = reports(out)
  assert.is(more.length, 0)
  const { host, frames, played, answers, account, protocols, counters } = report!
  assert.equal([host.mac, host.addresses], ['02000a000202', ['10.0.2.2']])
  assert.equal([frames, played.frames, protocols], [281, 118, { ICMP: 34, UDP: 22, TCP: 225 }])
  assert.is(answers.expected, 163)
  // Five whole echo replies, three in three fragments each, and a reset of a closed port.
  assert.is(answers.equal, 5 + 3 * 3 + 1)
  assert.equal([account.balanced, account.live], [true, 0])
  assert.is(counters['IcmpInEchos'], counters['IcmpOutEchoReps'])
  assert.ok(counters['IpReasmOKs']! > 0, 'echo requests came in fragments')
  const stations = new Map(report!.stations.map(({ station, count }) => [station, count]))
  assert.equal([stations.get('igb_poll')! > 0, stations.get('ip_rcv_core')], [true, 118])
  assert.ok(report!.packetsPerSecond > 0)
})

test('iperf-udp.pcap: all its datagrams are read', async () => {
  const { code, out } = await netpath('replay', '--json', IPERF, OFFICE)
  assert.is(code, 0)
  const [iperf, office] = reports(out)
  assert.equal([iperf!.frames, iperf!.sockets, iperf!.datagrams], [1777, [5201], { count: 1749, bytes: 2097604 }])
  assert.is(iperf!.account.balanced, true)
  assert.is(office!.file, 'office.pcap')
})

test('as fast as it goes nothing is lost, and without sockets ports are unreachable', async () => {
  const fast = reports((await netpath('replay', '--fast', '--json', IPERF)).out)[0]!
  assert.equal([fast.datagrams.count, fast.account.balanced], [1749, true])
  const silent = reports((await netpath('replay', '--no-sockets', '--json', IPERF)).out)[0]!
  assert.equal([silent.sockets, silent.counters['UdpNoPorts']], [[], 1749])
  assert.ok(silent.drops.some(({ reason, count }) => reason === 'NO_SOCKET' && count >= 1749))
})

test('for people: who, what, where, why, and that it adds up', async () => {
  const { code, out } = await netpath('replay', OFFICE)
  assert.is(code, 0)
  for (const word of ['10.0.2.2', 'Packets', 'Stations', 'ip_rcv_core', 'Drops', 'NO_SOCKET', 'Counters', 'Balance']) {
    assert.match(out, word)
  }
  assert.match(out, /every packet is accounted for/)
  assert.match(out, /packets\/s/)
})

test('the host can be named; one that never speaks cannot', async () => {
  const named = reports((await netpath('replay', '--host', '10.0.2.2/16', '--json', OFFICE)).out)[0]!
  assert.equal([named.host.addresses, named.host.prefixLength], [['10.0.2.2'], 16])
  const wrong = await netpath('replay', '--host', '10.0.9.9', '--json', OFFICE)
  assert.equal([wrong.code, wrong.out], [2, ''])
  assert.match(wrong.err, '10.0.9.9')
})

test('gzip is read as it is', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'office.pcap.gz')
    writeFileSync(file, gzipSync(readFileSync(OFFICE)))
    const { code, out } = await netpath('replay', '--json', file)
    assert.equal([code, reports(out)[0]!.frames], [0, 281])
  }))

/** Files that cannot be read to their end: what is made of office.pcap, the offset told, and packets read before it. */
const broken: readonly {
  name: string
  make: (whole: Buffer) => Uint8Array
  code: string
  offset: number
  frames: number
}[] = [
  { name: 'empty', make: () => new Uint8Array(0), code: 'ERR_CAPTURE_EMPTY', offset: 0, frames: 0 },
  { name: 'half a file header', make: (w) => w.subarray(0, 10), code: 'ERR_CAPTURE_TRUNCATED', offset: 0, frames: 0 },
  {
    name: 'text',
    make: () => Buffer.from('this is no capture at all, but text'),
    code: 'ERR_CAPTURE_FORMAT',
    offset: 0,
    frames: 0,
  },
  {
    name: 'not Ethernet',
    make: (whole) => {
      whole.writeUInt32LE(113, 20)
      return whole
    },
    code: 'ERR_CAPTURE_LINKTYPE',
    offset: 0,
    frames: 0,
  },
  {
    name: 'cut inside a packet',
    make: (w) => w.subarray(0, offsetOf(w, 100) + 16 + 5),
    code: 'ERR_CAPTURE_TRUNCATED',
    offset: 100,
    frames: 100,
  },
  {
    name: "cut inside a packet's header",
    make: (w) => w.subarray(0, offsetOf(w, 100) + 7),
    code: 'ERR_CAPTURE_TRUNCATED',
    offset: 100,
    frames: 100,
  },
  {
    name: 'a length that cannot be',
    make: (whole) => {
      whole.writeUInt32LE(0x7fffffff, offsetOf(whole, 60) + 8)
      return whole
    },
    code: 'ERR_CAPTURE_FORMAT',
    offset: 60,
    frames: 60,
  },
]

/** Where the record of a packet begins. */
function offsetOf(file: Buffer, packet: number): number {
  return Array.from({ length: packet }).reduce<number>((at) => at + 16 + file.readUInt32LE(at + 8), 24)
}

for (const { name, make, code, offset, frames } of broken) {
  test(`${name}: one error with the offset, what was read is told, exit code 2`, () =>
    inFolder(async (folder) => {
      const file = join(folder, 'broken.pcap')
      const at = frames > 0 ? offsetOf(readFileSync(OFFICE), offset) : offset
      writeFileSync(file, make(readFileSync(OFFICE)))
      const ran = await netpath('replay', '--json', file)
      assert.is(ran.code, 2)
      const told = ran.err.trim().split('\n')
      assert.is(told.length, 1, ran.err)
      const place = /\(at byte (\d+)\)/.exec(told[0]!)
      if (frames > 0) assert.is(Number(place?.[1]), at, told[0])
      else assert.ok(place, told[0])
      assert.match(told[0]!, file)
      const [report] = reports(ran.out)
      if (frames === 0) assert.is(report, undefined)
      else {
        assert.is(report!.frames, frames)
        assert.equal([report!.error?.code, report!.error?.offset, report!.account.balanced], [code, at, true])
      }
      // The others are played all the same.
      const both = await netpath('replay', '--json', file, OFFICE)
      assert.is(both.code, 2)
      assert.is(reports(both.out).at(-1)!.frames, 281)
    }))
}

test('a file that is not there', async () => {
  const { code, out, err } = await netpath('replay', '--json', '/nowhere/at-all.pcap')
  assert.equal([code, out], [2, ''])
  assert.match(err, /ENOENT/)
  assert.is(err.trim().split('\n').length, 1)
})

test('--write: what came in and went out, with reasons of drops, and our reader reads it', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'out.pcapng')
    const { code, out } = await netpath('replay', '--json', '--write', file, OFFICE)
    assert.is(code, 0)
    const [report] = reports(out)
    const seen = { inbound: 0, outbound: 0 }
    const comments: string[] = []
    const capture = openCapture(file)
    let last = 0n
    for await (const { direction, comments: own, timeNs, data } of capture) {
      seen[direction!]++
      comments.push(...own)
      assert.ok(timeNs >= last, 'times rise')
      assert.ok(data.length >= 42)
      last = timeNs
    }
    assert.is(capture.format, 'pcapng')
    assert.equal(seen, { inbound: report!.played.frames, outbound: report!.answers.sent })
    const dropped = comments.filter((comment) => comment.startsWith('dropped: SKB_DROP_REASON_NO_SOCKET in '))
    const told = report!.drops.filter(({ reason }) => reason === 'NO_SOCKET').reduce((sum, { count }) => sum + count, 0)
    assert.is(dropped.length, told)
    assert.match(readFileSync(OFFICE).subarray(0, 4).toString('hex'), /^(d4c3b2a1|4d3cb2a1)$/)
  }))

test('use it wrongly, and it says how it is used', async () => {
  const { code, err } = await netpath('replay')
  assert.is(code, 2)
  assert.match(err, /missing required argument/)
  const unknown = await netpath('replay', '--warp', OFFICE)
  assert.is(unknown.code, 2)
  const help = await netpath('--help')
  assert.is(help.code, 0)
  for (const word of ['replay', 'walk', 'record', 'conform']) assert.match(help.out, word)
  const version = await netpath('--version')
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/)
})

test.run()
