// Real frames to mutate: those of the captures in examples, turned to the fuzzed host, and those of the recorded scenarios.

import { fileURLToPath } from 'node:url'
import { expand } from '../../src/conform/bytestr.ts'
import { load } from '../../src/conform/load.ts'
import { parseMac } from '../../src/index.ts'
import { openCapture } from '../../src/pcap/file.ts'
import { HOST_MAC } from '../path/packets.ts'
import { rootFolder } from '../root.ts'

const CAPTURES = ['office', 'iperf-udp']
/** Of one capture. */
const MOST = 400

async function captured(): Promise<Uint8Array[]> {
  const mac = parseMac(HOST_MAC)
  const frames: Uint8Array[] = []
  for (const name of CAPTURES) {
    let taken = 0
    for await (const { data } of openCapture(new URL(`examples/captures/${name}.pcap`, rootFolder))) {
      if (taken++ === MOST) break
      const frame = data.slice()
      frame.set(mac, 0)
      frames.push(frame)
    }
  }
  return frames
}

function recorded(): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (const { scenario } of load([fileURLToPath(new URL('test/golden', rootFolder))])) {
    for (const step of scenario.steps) {
      if (!('rx' in step)) continue
      for (const frame of step.frames) frames.push(expand(typeof frame === 'string' ? frame : frame.bytes))
    }
  }
  return frames
}

export async function corpus(): Promise<Uint8Array[]> {
  return [...(await captured()), ...recorded()]
}
