// What a bench says: medians with their spread, for people and as JSON.

import pc from 'picocolors'

/** Work of one sample of a path bench. */
export interface Work {
  packets: number
  bytes: number
  dropped: number
}

/** One figure: median, min and max over the samples, all in unit. */
export interface Figure {
  name: string
  unit: string
  median: number
  min: number
  max: number
  samples: number
  work?: Work
}

/** Sums up samples, already in the unit. */
export function figure(name: string, unit: string, values: readonly number[], work?: Work): Figure {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  const result: Figure = { name, unit, median, min: sorted[0]!, max: sorted.at(-1)!, samples: sorted.length }
  return work ? { ...result, work } : result
}

function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}

/** One line for people. */
export function line(f: Figure): string {
  const spread = pc.dim(`${short(f.min)} to ${short(f.max)}, ${f.samples} samples`)
  return `${f.name.padEnd(22)} ${pc.bold(short(f.median).padStart(9))} ${f.unit.padEnd(12)} ${spread}`
}
