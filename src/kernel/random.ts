// The seeded generator of the machine outside Wasm (losses on wires): 32 bits of plain state (mulberry32).

/** The next number in [0, 1) and the state after it. */
export function nextRandom(state: number): { value: number; state: number } {
  const next = (state + 0x6d2b79f5) >>> 0
  let t = next
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return { value: ((t ^ (t >>> 14)) >>> 0) / 4294967296, state: next }
}

/** Two words of seed for something numbered, from the lab's seed. */
export function seedOf(seed: number, number: number): [lo: number, hi: number] {
  const mix = (value: number): number => {
    let x = Math.imul(value ^ (value >>> 16), 0x7feb352d)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    return (x ^ (x >>> 16)) >>> 0
  }
  const lo = mix((seed >>> 0) + Math.imul(number + 1, 0x9e3779b9))
  return [lo, mix(lo ^ mix(Math.floor(seed / 4294967296) + number))]
}
