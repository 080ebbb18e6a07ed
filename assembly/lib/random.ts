// The one generator of the core: xorshift64*, its state in the boot block, so that a seed gives one run.

import { boot } from './boot.ts'

export function get_random_u32(): u32 {
  let x = boot.random
  x ^= x >> 12
  x ^= x << 25
  x ^= x >> 27
  boot.random = x
  return <u32>((x * 0x2545f4914f6cdd1d) >> 32)
}

/** Uniform in [0, ceil): ceil not 0. */
export function get_random_u32_below(ceil: u32): u32 {
  return <u32>((<u64>get_random_u32() * <u64>ceil) >> 32)
}

/** Seeds the generator; a seed of 0 counts as another. */
export function random_seed(seed: u64): void {
  const state = seed * 0x9e3779b97f4a7c15 + 0x1234567
  boot.random = state == 0 ? 1 : state
  get_random_u32()
  get_random_u32()
}
