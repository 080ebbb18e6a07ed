/**
 * Byte strings as the recorded scenarios write them: hex with two abbreviations that lose nothing,
 * `[00*46]` (a byte, so many times) and `[1480:20]` (offset and length in a fixed pattern of 128 KB).
 * The abbreviating side is greedy from the left, so that one array of bytes has exactly one text.
 */

const PATTERN_LENGTH = 1 << 17
const WINDOW = 8
const SHORTEST_RUN = 12
/** No frame or payload comes near this; a typing error in a count should not fill the memory. */
const LONGEST = 1 << 26
const SLOT_BITS = 18

/** What is built on first use. */
const built: { pattern?: Uint8Array; index?: Int32Array } = {}

/** The pattern: byte i depends on i alone, and no 8 bytes of it look like header or text. */
export function pattern(): Uint8Array {
  if (built.pattern) return built.pattern
  const bytes = new Uint8Array(PATTERN_LENGTH)
  for (let i = 0; i < PATTERN_LENGTH; i++) {
    let x = Math.imul(i, 0x9e3779b1)
    x ^= x >>> 15
    x = Math.imul(x, 0x85ebca77)
    x ^= x >>> 13
    bytes[i] = x
  }
  built.pattern = bytes
  return bytes
}

function slotOf(bytes: Uint8Array, at: number): number {
  let h = 0
  for (let i = 0; i < WINDOW; i++) h = Math.imul(h ^ bytes[at + i], 0x01000193) ^ (h >>> 15)
  return Math.imul(h, 0x9e3779b1) >>> (32 - SLOT_BITS)
}

function sameWindow(a: Uint8Array, at: number, b: Uint8Array, bt: number): boolean {
  for (let i = 0; i < WINDOW; i++) if (a[at + i] !== b[bt + i]) return false
  return true
}

/** Open addressing: a slot holds an offset in the pattern plus 1. Of equal windows the first one stays. */
function patternIndex(): Int32Array {
  if (built.index) return built.index
  const bytes = pattern()
  const slots = new Int32Array(1 << SLOT_BITS)
  for (let at = 0; at + WINDOW <= PATTERN_LENGTH; at++) {
    let slot = slotOf(bytes, at)
    while (slots[slot] !== 0 && !sameWindow(bytes, slots[slot] - 1, bytes, at)) slot = (slot + 1) % slots.length
    if (slots[slot] === 0) slots[slot] = at + 1
  }
  built.index = slots
  return slots
}

/** Offset in the pattern of the 8 bytes at `at`, or -1. */
function findInPattern(bytes: Uint8Array, at: number): number {
  if (at + WINDOW > bytes.length) return -1
  const slots = patternIndex()
  const known = pattern()
  let slot = slotOf(bytes, at)
  while (slots[slot] !== 0) {
    if (sameWindow(known, slots[slot] - 1, bytes, at)) return slots[slot] - 1
    slot = (slot + 1) % slots.length
  }
  return -1
}

function bad(text: string, at: number, why = 'bad byte string'): RangeError {
  return new RangeError(`${why} at ${at}: ${JSON.stringify(text.slice(at, at + 20))}`)
}

/**
 * Text to bytes. Spaces may stand between the parts, hex digits may be of either case.
 * Throws a RangeError that names the offset of the first character that does not fit.
 */
export function expand(text: string): Uint8Array {
  const token = /\[([0-9a-f]{2})\*(\d+)\]|\[(\d+):(\d+)\]|([0-9a-fA-F]+)|(\s+)/y
  const parts: Uint8Array[] = []
  let length = 0
  while (token.lastIndex < text.length) {
    const at = token.lastIndex
    const found = token.exec(text)
    if (!found) throw bad(text, at)
    const [, value, times, from, count, hex] = found
    let part: Uint8Array | undefined
    if (value !== undefined) {
      if (Number(times) > LONGEST) throw bad(text, at, 'byte string too long')
      part = new Uint8Array(Number(times)).fill(parseInt(value, 16))
    } else if (from !== undefined) part = pattern().subarray(Number(from), Number(from) + Number(count))
    else if (hex !== undefined) part = fromHex(hex, text, at)
    if (!part) continue
    parts.push(part)
    length += part.length
    if (length > LONGEST) throw bad(text, at, 'byte string too long')
  }
  const bytes = new Uint8Array(length)
  let end = 0
  for (const part of parts) {
    bytes.set(part, end)
    end += part.length
  }
  return bytes
}

function fromHex(hex: string, text: string, at: number): Uint8Array {
  if (hex.length % 2) throw bad(text, at, 'odd number of hex digits')
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.substring(2 * i, 2 * i + 2), 16)
  return bytes
}

/** Whether `expand` would take it. */
export function isByteText(value: unknown): value is string {
  return typeof value === 'string' && /^(?:\s|\[[0-9a-f]{2}\*\d+\]|\[\d+:\d+\]|[0-9a-fA-F]{2})*$/.test(value)
}

/** Plain hex of bytes[from, to). */
export function toHex(bytes: Uint8Array, from = 0, to = bytes.length): string {
  let text = ''
  for (let i = from; i < to; i++) text += (bytes[i] + 256).toString(16).substring(1)
  return text
}

/** Bytes to text: greedy from the left, runs of 12 or more before pieces of the pattern of 8 or more. */
export function compress(bytes: Uint8Array): string {
  const n = bytes.length
  let text = ''
  let at = 0
  let literal = 0
  while (at < n) {
    const run = runLength(bytes, at)
    const offset = run ? -1 : findInPattern(bytes, at)
    if (!run && offset < 0) {
      at++
      continue
    }
    text += toHex(bytes, literal, at)
    if (run) {
      text += `[${toHex(bytes, at, at + 1)}*${run}]`
      at += run
    } else {
      const length = matchLength(bytes, at, offset)
      text += `[${offset}:${length}]`
      at += length
    }
    literal = at
  }
  return text + toHex(bytes, literal, n)
}

/** How often the byte at `at` stands in a row, or 0 where that is too short to abbreviate. */
function runLength(bytes: Uint8Array, at: number): number {
  if (bytes[at + SHORTEST_RUN - 1] !== bytes[at]) return 0
  let end = at + 1
  while (end < bytes.length && bytes[end] === bytes[at]) end++
  return end - at >= SHORTEST_RUN ? end - at : 0
}

function matchLength(bytes: Uint8Array, at: number, offset: number): number {
  const known = pattern()
  let length = WINDOW
  while (
    at + length < bytes.length &&
    offset + length < PATTERN_LENGTH &&
    bytes[at + length] === known[offset + length]
  )
    length++
  return length
}
