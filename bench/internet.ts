// Benches of a table as large as the Internet's: a million routes, most of them /24.

import { type BenchExports, loadLoops } from './functions.ts'
import { type Figure, figure } from './report.ts'

const ROUTES = 1_000_000
const MEMORY_MB = 600
/** Look-ups of one call: none of them waits for another. */
const AT_ONCE = 1024
const CALLS = 2000
const SAMPLES = 25
const UPDATES = 40_000

const seconds = (since: bigint): number => Number(process.hrtime.bigint() - since) / 1e9

/** Benches by name; one table serves those that are asked for. */
export const INTERNET_BENCHES = ['fib-1m-insert', 'fib-1m-random', 'fib-1m-in-table', 'fib-1m-update'] as const

function lookups(core: BenchExports, name: string, below: number): Figure {
  core.fib_choose(below)
  for (let i = 0; i < CALLS; i++) core.fib_derived_lookups(AT_ONCE)
  const rates = Array.from({ length: SAMPLES }, () => {
    const begin = process.hrtime.bigint()
    let found = 0
    for (let i = 0; i < CALLS; i++) found += core.fib_derived_lookups(AT_ONCE)
    if (found !== CALLS * AT_ONCE) throw new Error(`${name}: addresses without a route`)
    return (CALLS * AT_ONCE) / seconds(begin)
  })
  return figure(name, 'lookups/s', rates)
}

/** Routes go and come back, one at a time: the 99th percentile of each thousand updates, in ns. */
function updates(core: BenchExports): Figure {
  const percentiles: number[] = []
  let times: number[] = []
  for (let i = 0; i < UPDATES; i++) {
    const route = (Math.imul(i >>> 1, 2654435761) >>> 0) % ROUTES
    const begin = process.hrtime.bigint()
    const err = core.fib_update(route, i & 1 ? 0 : 1)
    times.push(seconds(begin) * 1e9)
    if (err) throw new Error(`fib-1m-update: route ${route} was refused: ${err}`)
    if (times.length < 1000) continue
    percentiles.push(times.sort((a, b) => a - b)[989]!)
    times = []
  }
  return figure('fib-1m-update', 'ns (p99)', percentiles)
}

/** Runs those that are wanted; tells each as it is done. */
export async function runInternet(wanted: (name: string) => boolean, done: (result: Figure) => void): Promise<void> {
  if (!INTERNET_BENCHES.some(wanted)) return
  const core = await loadLoops(MEMORY_MB)
  if (core.fib_internet()) throw new Error('fib-1m: no memory for its table')
  const begin = process.hrtime.bigint()
  core.fib_insert(ROUTES)
  const took = seconds(begin)
  if (wanted('fib-1m-insert')) done(figure('fib-1m-insert', 's', [took]))
  if (wanted('fib-1m-random')) done(lookups(core, 'fib-1m-random', 0))
  if (wanted('fib-1m-in-table')) done(lookups(core, 'fib-1m-in-table', 1))
  if (wanted('fib-1m-update')) done(updates(core))
}
