// What a path bench is, and how one is run: warmed up, sampled, its work checked. Counters and trace points are in place,
// tracing is off; one datagram in 1024 is bad, and a bench that does not drop exactly those fails.

import type { Lab } from '../src/index.ts'
import { FRAMES } from './frames.ts'
import { type Figure, type Work, figure } from './report.ts'

/** Packets before the first sample: Wasm is compiled well only after a while. */
const WARM_UP = 200_000
const SAMPLES = 15

/** A path that is set up. */
export interface Path {
  lab: Lab
  /** Plays datagrams, a multiple of FRAMES; answers how many came out at the end. */
  play(packets: number): number
  /** Bytes on the wire of FRAMES datagrams. */
  bytes: number
  /** How many of the bad ones were dropped since the begin, for the reason that is theirs. */
  lost(): number
}

export interface PathBench {
  name: string
  /** Datagrams of one sample: a multiple of FRAMES. */
  packets: number
  /** Packets unless given: megabytes of payload. */
  unit?: 'MB/s'
  payload: number
  setUp(bench: PathBench): Promise<Path>
}

/** Plays packets; answers the work. Throws when others than the bad ones were lost. */
function play(bench: PathBench, path: Path, packets: number): Work {
  const dropped = packets / FRAMES
  const arrived = path.play(packets)
  if (arrived !== packets - dropped) {
    throw new Error(
      `${bench.name}: ${arrived} of ${packets} packets arrived; exactly ${dropped} bad ones should be missing`,
    )
  }
  return { packets, bytes: (packets / FRAMES) * path.bytes, dropped }
}

/** Runs a path bench. Throws when other packets were dropped than the bad ones. */
export async function runPath(bench: PathBench, samples = SAMPLES): Promise<Figure> {
  const path = await bench.setUp(bench)
  try {
    const warm = Math.ceil(WARM_UP / FRAMES) * FRAMES
    play(bench, path, warm)
    const rates: number[] = []
    let work: Work | undefined
    for (let i = 0; i < samples; i++) {
      const before = process.hrtime.bigint()
      work = play(bench, path, bench.packets)
      const amount = bench.unit ? (bench.packets * bench.payload) / 1e6 : bench.packets
      rates.push(amount / (Number(process.hrtime.bigint() - before) / 1e9))
    }
    const lost = path.lost()
    const expected = (warm + samples * bench.packets) / FRAMES
    if (lost !== expected) throw new Error(`${bench.name}: ${lost} bad packets dropped, expected ${expected}`)
    if (!path.lab.account().balanced) throw new Error(`${bench.name}: packets were lost track of`)
    return figure(bench.name, bench.unit ?? 'packets/s', rates, work)
  } finally {
    await path.lab.close()
  }
}
