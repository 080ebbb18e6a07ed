// Frames as flat records, and which queue of a NIC they go to.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as frames from '../../src/drivers/net/frames.ts'
import { rssHash, rssQueue } from '../../src/drivers/net/rss.ts'

const test = suite('frames')

test('frames in and out again, by columns', () => {
  const list = [60, 61, 0, 1514].map((length) => Uint8Array.from({ length }, (_, i) => i & 255))
  const [records] = frames.encodeFrames(list, 5, 1, () => 0)
  const out = frames.decodeFrames([records!])
  assert.is(out.count, 4)
  list.forEach((frame, i) => {
    assert.equal(out.data.slice(out.offsets[i], out.offsets[i]! + out.lengths[i]!), frame)
    assert.is(out.times[i], 5)
  })
  const two = frames.decodeFrames([records!, records!.slice()])
  assert.is(two.count, 8)
})

test('columns with times, dealt out to queues', () => {
  const columns = {
    count: 3,
    data: Uint8Array.of(1, 2, 2, 3, 3, 3),
    offsets: [0, 1, 3],
    lengths: [1, 2, 3],
    times: [10, 20, 20],
  }
  const queues = frames.encodeFrames(columns, 0, 2, (_, __, length) => length & 1)
  const [even, odd] = queues.map((queue) => frames.decodeFrames([queue]))
  assert.equal([...even!.lengths], [2])
  assert.equal([...odd!.lengths], [1, 3])
  assert.equal([...odd!.times], [10, 20])
})

test('what cannot be is refused', () => {
  const refused = (given: frames.Frames): void =>
    assert.throws(
      () => frames.encodeFrames(given, 10, 1, () => 0),
      (error: Error & { code?: string }) => error.code === 'EINVAL',
    )
  refused([new Uint8Array(65536)])
  refused({ count: 1, data: new Uint8Array(4), offsets: [2], lengths: [3] })
  refused({ count: 1, data: new Uint8Array(4), offsets: [0], lengths: [3], times: [9] })
  refused({ count: 2, data: new Uint8Array(4), offsets: [0, 0], lengths: [1, 1], times: [12, 11] })
})

test('a cut lies between records, and moves at least one', () => {
  const [records] = frames.encodeFrames([new Uint8Array(100), new Uint8Array(100), new Uint8Array(4000)], 0, 1, () => 0)
  const size = frames.recordBytes(100)
  assert.is(frames.cutRecords(records!, 0, 1), size)
  assert.is(frames.cutRecords(records!, 0, 2 * size), 2 * size)
  assert.is(frames.cutRecords(records!, 0, 2 * size - 1), size)
  assert.is(frames.cutRecords(records!, 0, 1e6), records!.length)
})

/** An Ethernet frame with an IPv4 header and ports. */
function ipFrame(from: number[], to: number[], ports: number[], protocol = 6, fragment = 0): Uint8Array {
  const frame = new Uint8Array(60)
  frame.set([8, 0, 0x45], 12)
  frame[20] = fragment
  frame[23] = protocol
  frame.set([...from, ...to], 26)
  ports.forEach((port, i) => frame.set([port >> 8, port & 255], 34 + 2 * i))
  return frame
}

test("the Toeplitz hash of Microsoft's verification suite", () => {
  const cases: [from: number[], to: number[], ports: number[], withPorts: number, addresses: number][] = [
    [[66, 9, 149, 187], [161, 142, 100, 80], [2794, 1766], 0x51ccc178, 0x323e8fc2],
    [[199, 92, 111, 2], [65, 69, 140, 83], [14230, 4739], 0xc626b0ea, 0xd718262a],
    [[24, 19, 198, 95], [12, 22, 207, 184], [12898, 38024], 0x5c2b394a, 0xd2d0a5de],
  ]
  for (const [from, to, ports, withPorts, addresses] of cases) {
    assert.is(rssHash(ipFrame(from, to, ports), 0, 60), withPorts)
    assert.is(rssHash(ipFrame(from, to, ports, 1), 0, 60), addresses)
    assert.is(rssHash(ipFrame(from, to, ports, 17, 0x20), 0, 60), addresses)
  }
  assert.is(rssHash(new Uint8Array(60), 0, 60), 0)
  assert.is(rssQueue(ipFrame([66, 9, 149, 187], [161, 142, 100, 80], [2794, 1766]), 0, 60, 4), 0x78 % 4)
})

test.run()
