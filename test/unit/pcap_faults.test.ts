// src/pcap: each way in which a capture file can be broken, where the error points, and what is read before.

import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CaptureError } from '../../src/pcap/reader.ts'
import {
  cat,
  chunked,
  epb,
  frame,
  idb,
  option,
  outcome,
  pcapHeader,
  seeded,
  setU32,
  shb,
  threePcapPackets,
  threePcapngPackets,
} from './pcap_bytes.ts'

const faults = suite('pcap: faults')

const P = threePcapPackets()
const N = threePcapngPackets()
// Where pcapng's blocks start: section header, interface, then three packets of equal size.
const NG_IDB = 28
const NG_PACKET = NG_IDB + 20 + 8 + 8 + 4
const NG_SIZE = (N.length - NG_PACKET) / 3

const cases: [name: string, file: Uint8Array, code: string, offset: number, packets: number, message: RegExp][] = [
  ['no bytes', new Uint8Array(0), 'ERR_CAPTURE_EMPTY', 0, 0, /empty/],
  ['three bytes', P.subarray(0, 3), 'ERR_CAPTURE_TRUNCATED', 0, 0, /expected 4 bytes, found 3/],
  ['other magic', Uint8Array.of(0x50, 0x4b, 3, 4), 'ERR_CAPTURE_FORMAT', 0, 0, /found 504b0304/],
  ['pcap: half a header', P.subarray(0, 20), 'ERR_CAPTURE_TRUNCATED', 0, 0, /expected 24 bytes, found 20/],
  ['pcap: version', setU32(P, 4, 9), 'ERR_CAPTURE_FORMAT', 0, 0, /version 9\.0/],
  ['pcap: link type', pcapHeader(true, 0xa1b2c3d4, 113), 'ERR_CAPTURE_LINKTYPE', 0, 0, /link type 113/],
  [
    'pcap: half a record header',
    P.subarray(0, 24 + 76 + 5),
    'ERR_CAPTURE_TRUNCATED',
    100,
    1,
    /expected 16 bytes, found 5/,
  ],
  ['pcap: half a packet', P.subarray(0, P.length - 1), 'ERR_CAPTURE_TRUNCATED', 176, 2, /expected 76 bytes, found 75/],
  ['pcap: huge length', setU32(P, 108, 0xfffffff0), 'ERR_CAPTURE_FORMAT', 100, 1, /4294967280 captured bytes/],
  ['ng: half a section header', N.subarray(0, 20), 'ERR_CAPTURE_TRUNCATED', 0, 0, /expected 28 bytes, found 20/],
  ['ng: byte-order magic', setU32(N, 8, 1), 'ERR_CAPTURE_FORMAT', 0, 0, /byte-order magic/],
  ['ng: version', setU32(N, 12, 2), 'ERR_CAPTURE_FORMAT', 0, 0, /version 2\.0/],
  [
    'ng: half a block',
    N.subarray(0, N.length - 2),
    'ERR_CAPTURE_TRUNCATED',
    NG_PACKET + 2 * NG_SIZE,
    2,
    /inside a block/,
  ],
  ['ng: length 0', setU32(N, NG_PACKET + NG_SIZE + 4, 0), 'ERR_CAPTURE_FORMAT', NG_PACKET + NG_SIZE, 1, /0 bytes/],
  ['ng: odd length', setU32(N, NG_PACKET + 4, NG_SIZE + 1), 'ERR_CAPTURE_FORMAT', NG_PACKET, 0, /multiple of 4/],
  [
    'ng: huge length',
    setU32(N, NG_PACKET + NG_SIZE + 4, 0xfffffffc),
    'ERR_CAPTURE_FORMAT',
    NG_PACKET + NG_SIZE,
    1,
    /to 268435456/,
  ],
  ['ng: trailer', setU32(N, NG_PACKET + 2 * NG_SIZE - 4, 8), 'ERR_CAPTURE_FORMAT', NG_PACKET + NG_SIZE, 1, /length 8/],
  ['ng: captured length', setU32(N, NG_PACKET + 20, 999), 'ERR_CAPTURE_FORMAT', NG_PACKET, 0, /999 captured bytes/],
  ['ng: unknown interface', setU32(N, NG_PACKET + 8, 5), 'ERR_CAPTURE_FORMAT', NG_PACKET, 0, /interface 5/],
  [
    'ng: option length',
    setU32(N, NG_PACKET + 28 + 64, 0x00ff0001),
    'ERR_CAPTURE_FORMAT',
    NG_PACKET,
    0,
    /option 1 of 255 bytes/,
  ],
  [
    'ng: epb_flags length',
    setU32(N, NG_PACKET + 28 + 64 + 8, 0x00020002),
    'ERR_CAPTURE_FORMAT',
    NG_PACKET,
    0,
    /epb_flags of 2/,
  ],
  [
    'ng: link type',
    setU32(N, NG_IDB + 8, 0),
    'ERR_CAPTURE_LINKTYPE',
    NG_PACKET,
    0,
    /interface 0 \(eth0\) with link type 0/,
  ],
  [
    'ng: time',
    cat(shb(true), idb(true, option(true, 9, 0)), epb(true, 0, 1n << 62n, frame(60))),
    'ERR_CAPTURE_FORMAT',
    56,
    0,
    /fits 64 bits/,
  ],
]

for (const [name, file, code, offset, packets, message] of cases) {
  faults(name, async () => {
    for (const source of [file, chunked(file, 13), gzipSync(file)]) {
      const result = await outcome(source)
      const error = result.error as CaptureError
      assert.instance(error, CaptureError)
      assert.is(error.code, code)
      assert.is(error.offset, offset)
      assert.match(error.message, message)
      assert.match(error.message, `at byte ${offset}`)
      assert.is(result.packets.length, packets)
    }
  })
}

faults('mutated files end in packets or a CaptureError, never in anything else', async () => {
  const files = [P, N, cat(shb(false), idb(false), epb(false, 0, 1n, frame(30)), shb(true), idb(true)), gzipSync(N)]
  for (let seed = 1; seed <= 4000; seed++) {
    const next = seeded(seed * 2654435761)
    let bytes: Uint8Array = (files[seed % files.length] as Uint8Array).slice()
    for (let n = next(4); n >= 0; n--) {
      const at = next(bytes.length)
      const kind = next(5)
      if (kind === 0) bytes[at] = next(256)
      else if (kind === 1) bytes[at] = next(2) * 255
      else if (kind === 2) bytes[at] = (bytes[at] as number) ^ (1 << next(8))
      else if (kind === 3) bytes = bytes.slice(0, Math.max(1, at))
      else bytes = cat(bytes.subarray(0, at), frame(next(9)), bytes.subarray(at))
    }
    const { packets, error } = await outcome(seed % 3 === 0 ? chunked(bytes, 1 + next(40)) : bytes)
    if (error !== undefined && !(error instanceof CaptureError))
      assert.unreachable(`seed ${seed}: ${(error as Error).stack}`)
    for (const packet of packets) assert.ok(packet.data.length <= 300, `seed ${seed}`)
  }
})

faults.run()
