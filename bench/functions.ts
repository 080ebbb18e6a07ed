// Benches of single functions: the loops are in bench/assembly, benchmark.js takes the samples.

import { readFile } from 'node:fs/promises'
import Benchmark from 'benchmark'
import { type Figure, figure } from './report.ts'

/** Exports of build/bench.wasm. */
export interface BenchExports {
  setup(megabytes: number): number
  checksum(bytes: number, times: number): number
  header_checksum(times: number): number
  skb_alloc_free(times: number): number
  fib_setup(routes: number): number
  fib_lookups(times: number): number
  fib_internet(): number
  fib_derived_lookups(times: number): number
  fib_insert(routes: number): number
  fib_choose(below: number): void
  fib_update(route: number, away: number): number
}

/** A bench: what one call of run does, and how a call's seconds become the unit. */
interface FunctionBench {
  name: string
  unit: string
  /** Makes what run needs; throws when that fails. */
  prepare?(core: BenchExports): void
  run(core: BenchExports): void
  value(seconds: number): number
}

const CHECKSUMS = 20_000

function checksumBench(bytes: number): FunctionBench {
  return {
    name: `checksum-${bytes}`,
    unit: 'GB/s',
    run: (core) => void (bytes === 20 ? core.header_checksum(CHECKSUMS) : core.checksum(bytes, CHECKSUMS)),
    value: (seconds) => (bytes * CHECKSUMS) / seconds / 1e9,
  }
}

const LOOKUPS = 100_000

function fibBench(routes: number): FunctionBench {
  const name = `fib-lookup-${routes}`
  return {
    name,
    unit: 'ns',
    prepare: (core) => {
      if (core.fib_setup(routes)) throw new Error(`${name}: no memory for its table`)
      if (!core.fib_lookups(LOOKUPS)) throw new Error(`${name}: addresses without a route`)
    },
    run: (core) => void core.fib_lookups(LOOKUPS),
    value: (seconds) => (seconds * 1e9) / LOOKUPS,
  }
}

const SKBS = 100_000

export const functionBenches: FunctionBench[] = [
  checksumBench(20),
  checksumBench(64),
  checksumBench(1500),
  checksumBench(65535),
  {
    name: 'skb-alloc-free',
    unit: 'ns',
    run: (core) => void core.skb_alloc_free(SKBS),
    value: (seconds) => (seconds * 1e9) / SKBS,
  },
  fibBench(12),
  fibBench(1000),
]

/** Loads the loops. They import nothing but what a trap needs. */
export async function loadLoops(megabytes = 64): Promise<BenchExports> {
  const url = new URL('../../build/bench.wasm', import.meta.url)
  const module = await WebAssembly.compile(await readFile(url))
  const nothing = { imports: { bug: () => undefined } }
  const instance = await WebAssembly.instantiate(module, nothing)
  const core = instance.exports as unknown as BenchExports
  const err = core.setup(megabytes)
  if (err) throw new Error(`bench.wasm did not start: ${err}`)
  return core
}

/** Times one bench: a warm-up, then benchmark.js's own number of samples. */
export function runFunction(bench: FunctionBench, core: BenchExports): Figure {
  bench.prepare?.(core)
  for (let i = 0; i < 20; i++) bench.run(core)
  const timed = new Benchmark(bench.name, () => bench.run(core), { minSamples: 20, maxTime: 1 })
  timed.run()
  return figure(
    bench.name,
    bench.unit,
    timed.stats.sample.map((seconds) => bench.value(seconds)),
  )
}
