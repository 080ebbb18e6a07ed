// Path benches: datagrams through whole paths, by the public API. Counters and trace points are in place, tracing is off; one
// datagram in 1024 is bad, and a bench that does not drop exactly those fails.

import {
  type FilterInstruction,
  type FrameBatch,
  type Host,
  type Lab,
  type Nic,
  type UdpSocket,
  lab as makeLab,
} from '../src/index.ts'
import { FIRST_SOURCE, FLOWS, FRAMES, HOST_MAC, PORT, roundOf } from './frames.ts'
import { type Figure, type Work, figure } from './report.ts'

/** Packets before the first sample: Wasm is compiled well only after a while. */
const WARM_UP = 200_000
const SAMPLES = 15

interface PathBench {
  name: string
  payload: number
  /** Descriptors of the ring: one stays free, the others take what arrives at once. 256 is what igb has unless asked. */
  ring: number
  /** Datagrams that arrive at once. A read of up to 128 KiB takes them all. */
  burst: number
  /** Datagrams of one sample: a multiple of FRAMES. */
  packets: number
  /** Packets unless given: megabytes of payload. */
  unit?: 'MB/s'
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

export const pathBenches: PathBench[] = [
  { name: 'udp-rx-64', payload: 18, ring: 256, burst: 205, packets: FRAMES * 512 },
  { name: 'udp-rx-64-filter', payload: 18, ring: 256, burst: 205, packets: FRAMES * 512, filter: FILTER },
  { name: 'udp-rx-1472', payload: 1472, ring: 64, burst: 48, packets: FRAMES * 192 },
  { name: 'defrag-1500', payload: 4000, ring: 64, burst: 16, packets: FRAMES * 64, unit: 'MB/s' },
]

interface Setup {
  lab: Lab
  host: Host
  nic: Nic
  socket: UdpSocket
  bursts: FrameBatch[]
  /** Bytes of a round on the wire. */
  bytes: number
  /** Datagrams that one read may bring: more than a burst has, so that fewer say that the queue is empty. */
  rows: number
}

async function setUp(bench: PathBench): Promise<Setup> {
  const lab = await makeLab({ seed: 1, memoryMb: 64 })
  const host = lab.host('host')
  const nic = host.nic('eth0', { mac: HOST_MAC, ring: bench.ring })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true })
  host.neigh.add({ dev: 'eth0', ip: '10.0.0.2', mac: '02:00:00:00:00:02' })
  const socket = host.udp({ port: PORT, options: { SO_RCVBUF: 1 << 21 } })
  if (bench.filter) socket.socket.setsockopt('SO_ATTACH_FILTER', bench.filter)
  const round = roundOf(bench.payload)
  const count = Math.ceil(FRAMES / bench.burst)
  const bursts = Array.from({ length: count }, (_, i) =>
    nic.load(round.slice(i * bench.burst, (i + 1) * bench.burst).flat()),
  )
  const bytes = round.flat().reduce((all, frame) => all + frame.length, 0)
  lab.run()
  return { lab, host, nic, socket, bursts, bytes, rows: bench.burst + 1 }
}

/** Plays rounds until packets are in; answers what came out at the socket. */
function playPackets({ lab, nic, socket, bursts, rows }: Setup, packets: number): { read: number; bytes: number } {
  let read = 0
  let bytes = 0
  for (let sent = 0; sent < packets; sent += FRAMES) {
    for (const burst of bursts) {
      nic.rx(burst)
      lab.run()
      for (;;) {
        const batch = socket.recvBatch(rows)
        if (!batch) break
        read += batch.count
        bytes += batch.offsets[batch.count - 1]! + batch.lengths[batch.count - 1]!
        if (batch.count < rows) break
      }
    }
  }
  return { read, bytes }
}

function assertWork(bench: PathBench, { bytes }: Setup, packets: number, read: number): Work {
  const dropped = packets / FRAMES
  if (read !== packets - dropped) {
    throw new Error(
      `${bench.name}: ${read} of ${packets} packets arrived; exactly ${dropped} bad ones should be missing`,
    )
  }
  return { packets, bytes: (packets / FRAMES) * bytes, dropped }
}

/** Runs a path bench. Throws when other packets were dropped than the bad ones. */
export async function runPath(bench: PathBench, samples = SAMPLES): Promise<Figure> {
  const setup = await setUp(bench)
  try {
    const warm = Math.ceil(WARM_UP / FRAMES) * FRAMES
    assertWork(bench, setup, warm, playPackets(setup, warm).read)
    const rates: number[] = []
    let work: Work | undefined
    for (let i = 0; i < samples; i++) {
      const before = process.hrtime.bigint()
      const { read } = playPackets(setup, bench.packets)
      const amount = bench.unit ? (bench.packets * bench.payload) / 1e6 : bench.packets
      rates.push(amount / (Number(process.hrtime.bigint() - before) / 1e9))
      work = assertWork(bench, setup, bench.packets, read)
    }
    const bad = setup.host.drops().filter(({ reason }) => reason === 'UDP_CSUM')
    const lost = bad.reduce((sum, { count }) => sum + count, 0)
    const expected = (warm + samples * bench.packets) / FRAMES
    if (lost !== expected) throw new Error(`${bench.name}: ${lost} drops for UDP_CSUM, expected ${expected}`)
    return figure(bench.name, bench.unit ?? 'packets/s', rates, work)
  } finally {
    await setup.lab.close()
  }
}
