// gzip (RFC 1952) through the web's DecompressionStream, so that the same code runs in Node and in browsers.
// An errored stream forgets what it has queued. So its output is always read eagerly, and it is closed only after
// the last piece of input came out again: then a stream that is cut short still gives every byte it can.
// In a stream that is damaged in the middle, what the last piece (64 KiB) would have given can be lost.
// One gzip member: browsers and newer Nodes refuse more, and do not tell where the first one ended.

import { CaptureError } from './error.ts'

// Not less than the high-water mark of Node's zlib streams: such a write settles only when it has been worked off.
const PIECE = 64 * 1024

export const GZIP_MAGIC = 0x1f8b

interface Pair {
  readable: { getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }>; cancel(): Promise<void> } }
  writable: {
    getWriter(): { write(chunk: Uint8Array): Promise<void>; close(): Promise<void>; abort(): Promise<void> }
  }
}

/** Pieces of exactly PIECE bytes, the last one shorter. Ends where the source throws, and leaves that in `faults`. */
async function* pieces(source: AsyncIterable<Uint8Array>, faults: unknown[]): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(PIECE)
  let used = 0
  const chunks = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await chunks.next().catch((fault: unknown) => {
        faults.push(fault)
      })
      if (next === undefined || next.done) break
      for (let at = 0; at < next.value.length;) {
        const part = next.value.subarray(at, at + PIECE - used)
        piece.set(part, used)
        used += part.length
        at += part.length
        if (used < PIECE) continue
        yield piece
        piece = new Uint8Array(PIECE)
        used = 0
      }
    }
    if (used > 0) yield piece.subarray(0, used)
  } finally {
    await chunks.return?.()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}

/** Node names what went wrong; browsers do not, but they find damage before the stream is closed. */
function isDamage(cause: unknown): boolean {
  const code = (cause as { code?: unknown } | null)?.code
  return typeof code === 'string' && code !== 'Z_BUF_ERROR'
}

/**
 * The decompressed bytes. Throws CaptureError: ERR_CAPTURE_TRUNCATED when the stream is cut short, ERR_CAPTURE_GZIP
 * when it is damaged; the source's own errors pass unchanged.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = new DecompressionStream('gzip') as unknown as Pair
  const writer = stream.writable.getWriter()
  const reader = stream.readable.getReader()
  const ready: Uint8Array[] = []
  const failed: unknown[] = []
  const faults: unknown[] = []
  let total = 0
  let ended = false

  const drained = (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      if (value === undefined) continue
      total += value.length
      ready.push(value)
    }
  })().catch((cause: unknown) => {
    failed.push(cause)
  })
  // What goes wrong in a write is told by the read side; a dead stream must not leave a write pending.
  const settle = (step: Promise<void>) => Promise.race([step.catch(() => undefined), drained])

  try {
    for await (const piece of pieces(source, faults)) {
      await settle(writer.write(piece))
      yield* ready.splice(0)
      if (failed.length > 0) break
    }
    // Streams work in microtasks (browsers) or finish in a later callback than the last output (Node).
    await turn()
    const early = failed.length > 0
    if (!early) await settle(writer.close())
    await drained
    ended = true
    yield* ready.splice(0)
    if (faults.length > 0 && !early) throw faults[0]
    if (failed.length === 0) return
    if (early || isDamage(failed[0]))
      throw new CaptureError(
        'ERR_CAPTURE_GZIP',
        total,
        'the gzip stream is damaged, or has more than one member',
        failed[0],
      )
    throw new CaptureError(
      'ERR_CAPTURE_TRUNCATED',
      total,
      'the gzip stream is cut short: expected more compressed data',
      failed[0],
    )
  } finally {
    if (!ended) {
      await writer.abort().catch(() => undefined)
      await reader.cancel().catch(() => undefined)
    }
  }
}
