// Frames as they travel between a NIC and a wire or a program: flat records, one copy for a batch and no object per frame.
// A record: {len u32, flags u32, time f64 in ns, bytes}, padded to 8 (assembly/drivers/net/igb_ring.ts).

import { invalid } from '../../wasm/errors.ts'

export const FRAME_RECORD = 16
/** Longest frame that anything here takes. */
export const FRAME_MAX = 65535
/** Shortest frame on a wire, without its checksum. */
export const ETH_ZLEN = 60

/** Frames as columns over the bytes they lie in; a batch of src/pcap has this shape. */
export interface FrameColumns {
  readonly count: number
  readonly data: Uint8Array
  readonly offsets: ArrayLike<number>
  readonly lengths: ArrayLike<number>
  /** Virtual ns of arrival; all at once when absent. */
  readonly times?: ArrayLike<number>
}

/** Frames ready to be put in again and again, as flat records that arrive at once: one copy, no work for each frame. */
export interface FrameBatch {
  readonly count: number
  readonly records: Uint8Array<ArrayBuffer>
  /** Where they lie in a host's own memory (Nic.load): then not even one copy is made. */
  readonly loaded?: { readonly host: number; readonly at: number }
}

/** Frames to put in: one by one, or as columns. */
export type Frames = readonly Uint8Array[] | FrameColumns

/** Frames that left a device, as columns; the arrays are the caller's. */
export interface SentFrames {
  count: number
  data: Uint8Array<ArrayBuffer>
  offsets: Uint32Array
  lengths: Uint32Array
  /** Virtual ns at which each frame's last bit left. */
  times: Float64Array
}

export function recordBytes(length: number): number {
  return (FRAME_RECORD + length + 7) & ~7
}

const isList = (frames: Frames): frames is readonly Uint8Array[] => Array.isArray(frames)

/** Columns of frames given one by one: the bytes lie end to end. */
function columnsOf(frames: readonly Uint8Array[]): FrameColumns {
  const lengths = Uint32Array.from(frames, (frame) => frame.length)
  const offsets = new Uint32Array(frames.length)
  const data = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  frames.reduce((at, frame, i) => {
    offsets[i] = at
    data.set(frame, at)
    return at + frame.length
  }, 0)
  return { count: frames.length, data, offsets, lengths }
}

/** Flat records of frames for each queue; `queueOf` says which a frame goes to. Times are not before `now`. */
export function encodeFrames(
  frames: Frames,
  now: number,
  queues: number,
  queueOf: (data: Uint8Array, at: number, length: number) => number,
): Uint8Array<ArrayBuffer>[] {
  const columns = isList(frames) ? columnsOf(frames) : frames
  const { count, data, offsets, lengths, times } = columns
  const queue = new Uint8Array(count)
  const sizes = new Float64Array(queues)
  for (let i = 0; i < count; i++) {
    const length = lengths[i]!
    if (length > FRAME_MAX) throw invalid('rx', `frame ${i} has ${length} bytes; a frame has at most ${FRAME_MAX}`)
    if (offsets[i]! + length > data.length) throw invalid('rx', `frame ${i} lies beyond its data`)
    queue[i] = queues === 1 ? 0 : queueOf(data, offsets[i]!, length)
    sizes[queue[i]!]! += recordBytes(length)
  }
  const out = Array.from(sizes, (size) => new Uint8Array(size))
  const views = out.map((bytes) => new DataView(bytes.buffer))
  const at = new Float64Array(queues)
  let time = now
  for (let i = 0; i < count; i++) {
    const q = queue[i]!
    const length = lengths[i]!
    if (times) {
      if (!(times[i]! >= time))
        throw invalid('rx', `frame ${i} arrives at ${times[i]} ns, before ${time}: times only rise`)
      time = times[i]! + 0 // never -0: the core compares times by their bits
    }
    const start = at[q]!
    views[q]!.setUint32(start, length, true)
    views[q]!.setFloat64(start + 8, time, true)
    out[q]!.set(data.subarray(offsets[i], offsets[i]! + length), start + FRAME_RECORD)
    at[q] = start + recordBytes(length)
  }
  return out
}

/** Encodes frames once, for NICs with one queue. EINVAL: a frame beyond 65535 bytes. */
export function encodeBatch(frames: Frames): FrameBatch {
  const [records] = encodeFrames(frames, 0, 1, () => 0)
  return { count: isList(frames) ? frames.length : frames.count, records: records! }
}

/** Calls for each record of a flat batch. */
export function eachRecord(bytes: Uint8Array, visit: (at: number, length: number, time: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true)
    visit(at, length, view.getFloat64(at + 8, true))
    at += recordBytes(length)
  }
}

/** Columns over flat batches: one batch is not copied. */
export function decodeFrames(batches: readonly Uint8Array<ArrayBuffer>[]): SentFrames {
  const total = batches.reduce((sum, batch) => sum + batch.length, 0)
  const data = batches.length === 1 ? batches[0]! : new Uint8Array(total)
  if (batches.length > 1) {
    batches.reduce((at, batch) => {
      data.set(batch, at)
      return at + batch.length
    }, 0)
  }
  const offsets: number[] = []
  const lengths: number[] = []
  const times: number[] = []
  eachRecord(data, (at, length, time) => {
    offsets.push(at + FRAME_RECORD)
    lengths.push(length)
    times.push(time)
  })
  return {
    count: offsets.length,
    data,
    offsets: Uint32Array.from(offsets),
    lengths: Uint32Array.from(lengths),
    times: Float64Array.from(times),
  }
}

/** Where a batch may be cut so that at most max bytes go first: always at least one record. */
export function cutRecords(bytes: Uint8Array, from: number, max: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = from
  while (at < bytes.length) {
    const next = at + recordBytes(view.getUint32(at, true))
    if (next - from > max && at > from) break
    at = next
  }
  return at
}
