// Benches of the way in: datagrams from a NIC's ring to a program's batch.

import { type FilterInstruction, type FrameBatch, type Host, type Lab, type Nic, lab as makeLab } from '../src/index.ts'
import { FIRST_SOURCE, FLOWS, FRAMES, HOST_MAC, PORT, roundOf } from './frames.ts'
import type { Path, PathBench } from './path.ts'

interface ReceiveBench extends PathBench {
  /** Descriptors of the ring: one stays free, the others take what arrives at once. 256 is what igb has unless asked. */
  ring: number
  /** Datagrams that arrive at once. A read of up to 128 KiB takes them all. */
  burst: number
  /** The socket's program: it takes all frames. */
  filter?: readonly FilterInstruction[]
}

/** Ten instructions, all of which a frame of these passes but the last: ports and length of the datagram. */
const FILTER: readonly FilterInstruction[] = [
  [0x28, 0, 0, 2], // ldh [2]
  [0x15, 0, 7, PORT], // jeq
  [0x28, 0, 0, 0], // ldh [0]
  [0x35, 0, 5, FIRST_SOURCE], // jge
  [0x25, 4, 0, FIRST_SOURCE + FLOWS - 1], // jgt
  [0x80, 0, 0, 0], // ld len
  [0x35, 0, 2, 26], // jge
  [0x25, 1, 0, 1480], // jgt
  [0x06, 0, 0, 0xffff], // ret
  [0x06, 0, 0, 0], // ret
]

/** A host with a NIC of so many descriptors, a known neighbour, and what arrives in bursts. */
export interface Receiver {
  lab: Lab
  host: Host
  nic: Nic
  bursts: FrameBatch[]
  /** Bytes of a round on the wire. */
  bytes: number
}

export async function receiver(payload: number, ring: number, burst: number): Promise<Receiver> {
  const lab = await makeLab({ seed: 1, memoryMb: 64 })
  const host = lab.host('host')
  const nic = host.nic('eth0', { mac: HOST_MAC, ring })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: '02:00:00:00:00:02' })
  const round = roundOf(payload)
  const bursts = Array.from({ length: Math.ceil(FRAMES / burst) }, (_, i) =>
    nic.load(round.slice(i * burst, (i + 1) * burst).flat()),
  )
  const bytes = round.flat().reduce((all, frame) => all + frame.length, 0)
  return { lab, host, nic, bursts, bytes }
}

/** Packets that a host dropped for a reason. */
export function dropsFor(host: Host, why: string): number {
  return host.drops().reduce((sum, { reason, count }) => (reason === why ? sum + count : sum), 0)
}

async function setUp(bench: ReceiveBench): Promise<Path> {
  const { lab, host, nic, bursts, bytes } = await receiver(bench.payload, bench.ring, bench.burst)
  const socket = host.udp({ port: PORT, options: { SO_RCVBUF: 1 << 21 } })
  if (bench.filter) socket.socket.setsockopt('SO_ATTACH_FILTER', bench.filter)
  lab.run()
  // More than a burst has, so that fewer say that the queue is empty.
  const rows = bench.burst + 1
  const play = (packets: number): number => {
    let read = 0
    for (let sent = 0; sent < packets; sent += FRAMES) {
      for (const burst of bursts) {
        nic.rx(burst)
        lab.run()
        for (;;) {
          const batch = socket.recvBatch(rows)
          if (!batch) break
          read += batch.count
          if (batch.count < rows) break
        }
      }
    }
    return read
  }
  return { lab, play, bytes, lost: () => dropsFor(host, 'UDP_CSUM') }
}

const bench = (given: Omit<ReceiveBench, 'setUp'>): ReceiveBench => ({ ...given, setUp: () => setUp(bench(given)) })

export const receiveBenches: PathBench[] = [
  bench({ name: 'udp-rx-64', payload: 18, ring: 256, burst: 205, packets: FRAMES * 512 }),
  bench({ name: 'udp-rx-64-filter', payload: 18, ring: 256, burst: 205, packets: FRAMES * 512, filter: FILTER }),
  bench({ name: 'udp-rx-1472', payload: 1472, ring: 64, burst: 48, packets: FRAMES * 192 }),
  bench({ name: 'defrag-1500', payload: 4000, ring: 64, burst: 16, packets: FRAMES * 64, unit: 'MB/s' }),
]
