// What a CPU is charged for: virtual time that work takes (DESIGN 5). All zero: work takes no time.

import { boot } from '../lib/boot.ts'
import { INITIAL_JIFFIES } from './timer.ts'

/** Rows of the cost table: ns for each, then ns in 1/256 for each byte. */
export const COST_RX: u32 = 0
export const COST_TX: u32 = 1
export const COST_DELIVER: u32 = 2
export const COST_FORWARD: u32 = 3
export const COST_DROP: u32 = 4
export const COST_SYSCALL: u32 = 5
export const COST_COPY: u32 = 6
export const COST_MAX: u32 = 16

function charge_slow(row: u32, bytes: u32): void {
  const p = boot.costs + ((<usize>row) << 3)
  boot.now += <u64>load<u32>(p) + ((<u64>load<u32>(p, 4) * bytes) >> 8)
  boot.jiffies = INITIAL_JIFFIES + <u32>(boot.now / boot.tick_ns)
}

/** Charges this CPU for a packet of bytes bytes. */
export function charge(row: u32, bytes: u32): void {
  if (boot.costs) charge_slow(row, bytes)
}
