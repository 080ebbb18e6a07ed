// A small generator (xorshift32): fast enough to fill a million frames, and the same on every engine.

export class Xorshift {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1
  }

  /** 32 random bits. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.next() % n
  }

  /** True in so many of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  fill(bytes: Uint8Array, from = 0, to = bytes.length): void {
    let at = from
    for (; at + 4 <= to; at += 4) {
      const x = this.next()
      bytes[at] = x
      bytes[at + 1] = x >>> 8
      bytes[at + 2] = x >>> 16
      bytes[at + 3] = x >>> 24
    }
    for (; at < to; at++) bytes[at] = this.next()
  }
}
