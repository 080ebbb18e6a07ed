// Bytes that arrive in pieces, seen as one window that the parsers read synchronously.

/** What web streams and `Blob.stream()` give; not every browser can iterate it. */
export interface ByteStream {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
    cancel(reason?: unknown): Promise<unknown>
  }
}

/** A capture's bytes. Chunks must not be written to afterwards: packets are views of them. */
export type CaptureSource = Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ByteStream

// Offsets inside a batch are 32 bits wide.
const SLICE = 512 * 1024 * 1024

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += SLICE) yield bytes.subarray(at, at + SLICE)
}

async function* streamed(stream: ByteStream): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  let ended = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) {
        ended = true
        return
      }
      if (value !== undefined) yield value
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined)
  }
}

async function* iterated(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    if (!(chunk instanceof Uint8Array)) throw badSource('a capture source must deliver Uint8Array chunks')
    yield* slices(chunk)
  }
}

function badSource(message: string): Error {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

/** The chunks of any kind of source, in order. TypeError (ERR_INVALID_ARG_TYPE) for anything else. */
export function chunksOf(source: CaptureSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) return slices(source)
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source || Symbol.iterator in source) return iterated(source)
    if ('getReader' in source) return streamed(source)
  }
  throw badSource('a capture source is a Uint8Array, an (async) iterable of them, or a ReadableStream')
}

function join(parts: Uint8Array[], total: number): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  const whole = new Uint8Array(total)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The window: `bytes` from `pos` on are unread. A window is never overwritten, so views of it stay valid. */
export class Input {
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView = new DataView(this.bytes.buffer)
  pos = 0
  /** File offset of bytes[0]. */
  base = 0
  private readonly chunks: AsyncGenerator<Uint8Array>

  constructor(chunks: AsyncGenerator<Uint8Array>) {
    this.chunks = chunks
  }

  /** File offset of the next unread byte. */
  get offset(): number {
    return this.base + this.pos
  }

  get left(): number {
    return this.bytes.length - this.pos
  }

  /** Waits until `need` bytes are unread; false when the source ends before. Joins chunks once, however many came. */
  async fill(need: number): Promise<boolean> {
    if (this.left >= need) return true
    const parts = this.left > 0 ? [this.bytes.subarray(this.pos)] : []
    let total = this.left
    while (total < need) {
      const next = await this.chunks.next()
      if (next.done) break
      if (next.value.length === 0) continue
      parts.push(next.value)
      total += next.value.length
    }
    this.base += this.pos
    this.pos = 0
    this.bytes = join(parts, total)
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    return total >= need
  }

  /** Everything unread, then what the source still has. */
  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.left > 0) yield this.bytes.subarray(this.pos)
    yield* this.chunks
  }

  /** Lets the source go (closes its file). */
  async close(): Promise<void> {
    await this.chunks.return(undefined)
  }
}
