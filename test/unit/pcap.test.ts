// src/pcap: what is written is read again, what others write is read, from any source.

import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCapture } from '../../src/pcap/file.ts'
import { CaptureError, readCapture } from '../../src/pcap/reader.ts'
import type { CapturePacket } from '../../src/pcap/reader.ts'
import { PcapWriter, PcapngWriter } from '../../src/pcap/writer.ts'
import {
  Bytes,
  block,
  cat,
  chunked,
  epb,
  frame,
  idb,
  option,
  outcome,
  pcapHeader,
  read,
  record,
  shb,
  threePcapPackets,
  threePcapngPackets,
  written,
} from './pcap_bytes.ts'

const examples = new URL('../../../examples/captures/', import.meta.url)
const OFFICE = 281
const IPERF_UDP = 1777

const formats = suite('pcap: formats')

for (const little of [true, false]) {
  const order = little ? 'little' : 'big'
  for (const [unit, magic, timeNs] of [
    ['micro', 0xa1b2c3d4, 1_700_000_000_123_456_000n],
    ['nano', 0xa1b23c4d, 1_700_000_000_000_123_456n],
  ] as const) {
    formats(`classic pcap, ${order}-endian, ${unit}seconds`, async () => {
      const second = record(little, 0xffffffff, 1, frame(0))
      const file = cat(pcapHeader(little, magic), record(little, 1_700_000_000, 123456, frame(60), 1514), second)
      const capture = readCapture(file)
      const packets: CapturePacket[] = []
      for await (const packet of capture) packets.push(packet)
      assert.is(capture.format, 'pcap')
      assert.is(capture.interfaces[0]?.snapLen, 65535)
      assert.equal(packets[0], {
        index: 0,
        timeNs,
        data: frame(60),
        origLen: 1514,
        truncated: true,
        interfaceId: 0,
        fileOffset: 24,
        direction: undefined,
        comments: [],
      })
      assert.is(packets[1]?.timeNs, 4294967295n * 1_000_000_000n + (unit === 'micro' ? 1000n : 1n))
      assert.is(packets[1]?.fileOffset, 24 + 16 + 60)
      assert.is(packets.length, 2)
    })
  }

  for (const [name, options, ticks, timeNs] of [
    ['microseconds by default', [], 1_700_000_000_123_456n, 1_700_000_000_123_456_000n],
    ['nanoseconds', [[9, 9]], 1_700_000_000_123_456_789n, 1_700_000_000_123_456_789n],
    ['picoseconds', [[9, 12]], 1_234_567n, 1_234n],
    ['whole seconds', [[9, 0]], 7n, 7_000_000_000n],
    ['2^-10 seconds', [[9, 0x8a]], 1536n, 1_500_000_000n],
    [
      'an offset of 100 s',
      [[14, ...new Bytes(little).u32(...(little ? [100, 0] : [0, 100])).bytes]],
      5n,
      100_000_005_000n,
    ],
  ] as [string, number[][], bigint, bigint][]) {
    formats(`pcapng, ${order}-endian, ${name}`, async () => {
      const list = cat(...options.map(([code, ...value]) => option(little, code as number, ...value)))
      const [packet] = await read(cat(shb(little), idb(little, list), epb(little, 0, ticks, frame(61))))
      assert.is(packet?.timeNs, timeNs)
      assert.equal(packet?.data, frame(61))
    })
  }
}

formats('pcapng: sections of different byte order number their interfaces anew', async () => {
  const file = cat(
    shb(true),
    idb(true, option(true, 2, 0x61)),
    idb(true, option(true, 2, 0x62)),
    epb(true, 1, 1n, frame(60)),
    shb(false),
    idb(false, option(false, 2, 0x63)),
    epb(false, 0, 2n, frame(62)),
  )
  const capture = readCapture(file)
  const names: (string | undefined)[] = []
  for await (const packet of capture) names.push(capture.interfaces[packet.interfaceId]?.name)
  assert.equal(names, ['b', 'c'])
  assert.equal(
    capture.interfaces.map(({ id, section }) => [id, section]),
    [
      [0, 0],
      [1, 0],
      [2, 1],
    ],
  )
})

formats(
  'pcapng: simple packets take the snap length and the time before, old packets are read, others skipped',
  async () => {
    const body = new Bytes(true).u16(0, 7).u32(0, 9, 4, 90).raw(1, 2, 3, 4).bytes
    const file = cat(
      shb(true),
      block(true, 0x12345678, frame(8)),
      idb(true, undefined, 1, 8),
      block(true, 2, cat(body, option(true, 2, 2, 0, 0, 0))),
      block(true, 5, frame(12)),
      block(true, 3, cat(new Bytes(true).u32(100).bytes, frame(8))),
    )
    const packets = await read(file)
    assert.equal(
      packets.map(({ timeNs, data, origLen, truncated, direction }) => [
        timeNs,
        data.length,
        origLen,
        truncated,
        direction,
      ]),
      [
        [9000n, 4, 90, true, 'outbound'],
        [9000n, 8, 100, true, undefined],
      ],
    )
  },
)

formats('a non-Ethernet interface without packets harms nobody', async () => {
  const file = cat(shb(true), idb(true, undefined, 113), idb(true), epb(true, 1, 1n, frame(60)))
  assert.is((await read(file)).length, 1)
})

formats('a file of a header only has no packets', async () => {
  assert.equal(await read(pcapHeader(true)), [])
  assert.equal(await read(shb(false)), [])
})

formats('an FCS length beside the link type is told', async () => {
  const capture = readCapture(pcapHeader(true, 0xa1b2c3d4, 0x24000001))
  assert.is((await capture.batches().next()).done, true)
  assert.is(capture.interfaces[0]?.fcsLength, 4)
})

formats('a batch has the packets as columns, at most 4096', async () => {
  const file = written((sink) => {
    const writer = new PcapWriter(sink)
    for (let i = 0; i < 5000; i++) writer.packet({ timeNs: BigInt(i), data: Uint8Array.of(i & 255), origLen: 2 })
  })
  const counts: number[] = []
  for await (const batch of readCapture(file).batches()) {
    counts.push(batch.count)
    for (let row = 0; row < batch.count; row++) {
      const index = batch.firstIndex + row
      assert.is(batch.timesNs[row], BigInt(index))
      assert.is(batch.data[batch.offsets[row] as number], index & 255)
      assert.is(batch.lengths[row], 1)
      assert.is(batch.origLengths[row], 2)
      assert.is(batch.fileOffsets[row], 24 + 17 * index)
    }
  }
  assert.equal(counts, [4096, 904])
})

formats('the two captures that ship with netpath', async () => {
  for (const [name, count] of [
    ['office.pcap', OFFICE],
    ['iperf-udp.pcap', IPERF_UDP],
  ] as const) {
    let packets = 0
    let last = 0n
    const capture = openCapture(new URL(name, examples))
    for await (const packet of capture) {
      assert.is(packet.index, packets++)
      assert.ok(packet.timeNs >= last)
      last = packet.timeNs
    }
    assert.is(packets, count, name)
  }
})

/** How many plain bytes the first `cut` bytes of a gzip file of stored blocks (RFC 1951 3.2.4) hold. */
function storedBytes(gzip: Uint8Array, cut: number): number {
  let plain = 0
  for (let at = 10; at + 5 <= cut;) {
    const length = (gzip[at + 1] as number) | ((gzip[at + 2] as number) << 8)
    plain += Math.min(length, cut - at - 5)
    if (gzip[at] === 1) break
    at += 5 + length
  }
  return plain
}

const sources = suite('pcap: sources')

sources('chunks of any size give the same packets', async () => {
  for (const file of [threePcapPackets(), threePcapngPackets(), gzipSync(threePcapngPackets())]) {
    const whole = await read(file)
    assert.is(whole.length, 3)
    for (const size of [1, 2, 7, 64, 100]) assert.equal(await read(chunked(file, size)), whole)
  }
})

sources('arrays of chunks, web streams and Blobs', async () => {
  const file = threePcapPackets()
  assert.is((await read([file.subarray(0, 30), new Uint8Array(0), file.subarray(30)])).length, 3)
  assert.is((await read(new Blob([file as Uint8Array<ArrayBuffer>]).stream())).length, 3)
  const reader = new Blob([file as Uint8Array<ArrayBuffer>]).stream().getReader()
  assert.is((await read({ getReader: () => ({ read: () => reader.read(), cancel: async () => undefined }) })).length, 3)
})

sources('gzip', async () => {
  const file = threePcapPackets()
  const capture = readCapture(gzipSync(file))
  let packets = 0
  for await (const packet of capture) packets += packet.data.length / 60
  assert.is(packets, 3)
  assert.is(capture.gzip, true)
})

sources('a large gzip file', async () => {
  const plain = new Uint8Array(await readFile(new URL('iperf-udp.pcap', examples)))
  assert.is((await read(gzipSync(plain))).length, IPERF_UDP)
})

sources('a gzip file cut short gives the packets up to the cut', async () => {
  const plain = new Uint8Array(await readFile(new URL('office.pcap', examples)))
  const full = await read(plain)
  const stored = gzipSync(plain, { level: 0 })
  for (const cut of [2, 10, 20, 10 + 5 + 24, 1000, 65_536, 70_000, 200_000, stored.length - 8, stored.length - 1]) {
    const { packets, error } = await outcome(stored.subarray(0, cut))
    assert.instance(error, CaptureError)
    assert.is((error as CaptureError).code, 'ERR_CAPTURE_TRUNCATED', `cut at ${cut}`)
    const held = storedBytes(stored, cut)
    assert.is(packets.length, full.filter((p) => p.fileOffset + 16 + p.data.length <= held).length, `cut at ${cut}`)
    assert.is((error as CaptureError).offset, held, `cut at ${cut}`)
  }
  const packed = gzipSync(plain)
  let before = 0
  for (const part of [0.1, 0.5, 0.9]) {
    const { packets, error } = await outcome(packed.subarray(0, Math.floor(packed.length * part)))
    assert.is((error as CaptureError).code, 'ERR_CAPTURE_TRUNCATED')
    assert.equal(packets, full.slice(0, packets.length))
    assert.ok(packets.length > before, `${part}: ${packets.length} packets`)
    before = packets.length
  }
})

sources('a damaged gzip file', async () => {
  const file = gzipSync(threePcapPackets())
  file[file.length - 6] = (file[file.length - 6] as number) ^ 1
  assert.is(((await outcome(file)).error as CaptureError).code, 'ERR_CAPTURE_GZIP')
  assert.is(((await outcome(Uint8Array.of(0x1f, 0x8b, 9, 9, 9))).error as CaptureError).code, 'ERR_CAPTURE_GZIP')
})

sources('errors of the source pass unchanged, after what was read', async () => {
  const fault = new Error('disk on fire')
  for (const file of [threePcapPackets(), gzipSync(threePcapPackets()), gzipSync(threePcapPackets()).subarray(0, -8)]) {
    const { packets, error } = await outcome(
      (async function* () {
        yield file
        throw fault
      })(),
    )
    assert.is(error, fault)
    assert.is(packets.length, 3)
  }
  assert.is(((await outcome(openMissing())) as { error: { code?: string } }).error.code, 'ENOENT')
})

/** A path's error comes out of the iteration. */
async function* openMissing(): AsyncGenerator<Uint8Array> {
  for await (const packet of openCapture('/nowhere/at/all.pcap')) yield packet.data
}

sources('leaving the loop closes the source, and a capture is read once', async () => {
  for (const file of [threePcapPackets(), gzipSync(threePcapPackets())]) {
    let closed = false
    const capture = readCapture(
      (async function* () {
        try {
          for (;;) yield file
        } finally {
          closed = true
        }
      })(),
    )
    for await (const packet of capture) if (packet.index === 0) break
    assert.is(closed, true)
    try {
      await capture.batches().next()
      assert.unreachable()
    } catch (error) {
      assert.is((error as { code?: string }).code, 'ERR_INVALID_STATE')
    }
  }
})

sources('what is no source is refused', () => {
  for (const bad of [undefined, null, 7, 'file.pcap', {}])
    assert.throws(
      () => readCapture(bad as unknown as Uint8Array),
      (e: Error & { code?: string }) => e.code === 'ERR_INVALID_ARG_TYPE',
    )
})

const writers = suite('pcap: writers')

writers('pcapng: sections, interfaces, times, directions, comments', async () => {
  const file = written((sink) => {
    const writer = new PcapngWriter(sink, { application: 'netpath', comments: ['seed 1'] })
    const eth0 = writer.addInterface({ name: 'eth0', description: 'to b' })
    const eth1 = writer.addInterface({ name: 'eth1', snapLen: 40 })
    writer.packet({
      interfaceId: eth1,
      timeNs: 1n,
      data: frame(60),
      comments: ['kfree_skb', 'NO_SOCKET \u{1f9e6}', ''],
    })
    writer.packet({ interfaceId: eth0, timeNs: (1n << 63n) - 1n, data: frame(61), direction: 'inbound' })
    writer.section()
    assert.is(writer.addInterface(), 0)
    writer.packet({ interfaceId: 0, timeNs: 5n, data: frame(1), origLen: 1514, direction: 'outbound' })
  })
  const capture = readCapture(file)
  const rows: unknown[] = []
  for await (const p of capture)
    rows.push([p.interfaceId, p.timeNs, p.data.length, p.origLen, p.truncated, p.direction, p.comments])
  assert.equal(rows, [
    [1, 1n, 40, 60, true, undefined, ['kfree_skb', 'NO_SOCKET \u{1f9e6}', '']],
    [0, (1n << 63n) - 1n, 61, 61, false, 'inbound', []],
    [2, 5n, 1, 1514, true, 'outbound', []],
  ])
  assert.is(capture.format, 'pcapng')
  assert.equal(
    capture.interfaces.map(({ name, description, tsresol }) => [name, description, tsresol]),
    [
      ['eth0', 'to b', 9],
      ['eth1', undefined, 9],
      [undefined, undefined, 9],
    ],
  )
})

writers('classic pcap: nanoseconds, cut to 256 KiB', async () => {
  const file = written((sink) => {
    const writer = new PcapWriter(sink)
    writer.packet({ timeNs: 1_700_000_000_123_456_789n, data: frame(60), origLen: 61 })
    writer.packet({ timeNs: 2n, data: frame(262145) })
  })
  const packets = await read(file)
  assert.equal(
    packets.map(({ timeNs, data, origLen }) => [timeNs, data.length, origLen]),
    [
      [1_700_000_000_123_456_789n, 60, 61],
      [2n, 262144, 262145],
    ],
  )
})

writers('bad packets are refused and write nothing', () => {
  let chunks = 0
  const ng = new PcapngWriter(() => chunks++)
  const interfaceId = ng.addInterface()
  const classic = new PcapWriter(() => chunks++)
  const before = chunks
  const good = { interfaceId, timeNs: 0n, data: frame(60) }
  for (const [name, wrong, code] of [
    ['time before 0', { timeNs: -1n }, 'ERR_OUT_OF_RANGE'],
    ['time past the end', { timeNs: 1n << 64n }, 'ERR_OUT_OF_RANGE'],
    ['time a number', { timeNs: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['data a string', { data: 'abc' }, 'ERR_INVALID_ARG_TYPE'],
    ['origLen below', { origLen: 59 }, 'ERR_OUT_OF_RANGE'],
  ] as const) {
    const is = (error: Error & { code?: string }) => error.code === code
    assert.throws(() => ng.packet({ ...good, ...wrong } as never), is, name)
    assert.throws(() => classic.packet({ ...good, ...wrong } as never), is, name)
  }
  assert.throws(() => ng.packet({ ...good, interfaceId: 1 }), /interfaceId 1/)
  assert.throws(() => ng.packet({ ...good, comments: ['x'.repeat(65536)] }), /65536/)
  assert.throws(() => ng.addInterface({ snapLen: -1 }), /snapLen/)
  assert.is(chunks, before)
})

formats.run()
sources.run()
writers.run()
