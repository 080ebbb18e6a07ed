// What the capture's own host sent, against what the emulator sends: equal frames, but for IP ids and the checksums over them.

/** Frames without what may differ: IP id and header checksum; without padding beyond the IP total length. */
export function comparable(frame: Uint8Array): Uint8Array {
  const isIp = frame.length >= 34 && frame[12] === 8 && frame[13] === 0
  if (!isIp) return frame.length > 42 && frame[12] === 8 && frame[13] === 6 ? frame.slice(0, 42) : frame
  const total = (frame[16]! << 8) | frame[17]!
  const bare = frame.slice(0, Math.min(frame.length, 14 + total))
  bare.fill(0, 18, 20)
  bare.fill(0, 24, 26)
  return bare
}

/** A frame's key: FNV-1a over its bytes in two 32-bit halves, and its length. */
function keyOf(frame: Uint8Array): string {
  let a = 0x811c9dc5
  let b = 0x12345678
  for (const byte of frame) {
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte, 0x85ebca6b) + 0x9e3779b9
  }
  return `${frame.length}.${a >>> 0}.${b >>> 0}`
}

/** Which of the host's own frames came out of the emulator, whatever their order. */
export class AnswerBook {
  expected = 0
  sent = 0
  equal = 0
  readonly #waiting = new Map<string, number>()
  readonly #early = new Map<string, number>()

  /** A frame that the capture's host sent. */
  expect(frame: Uint8Array): void {
    this.expected += 1
    this.#pair(frame, this.#early, this.#waiting)
  }

  /** A frame that the emulator sent. */
  answered(frame: Uint8Array): void {
    this.sent += 1
    this.#pair(frame, this.#waiting, this.#early)
  }

  #pair(frame: Uint8Array, partners: Map<string, number>, own: Map<string, number>): void {
    const key = keyOf(comparable(frame))
    const there = partners.get(key) ?? 0
    if (there > 0) {
      partners.set(key, there - 1)
      this.equal += 1
    } else own.set(key, (own.get(key) ?? 0) + 1)
  }
}
