// The bench of trains: large sends with UDP_SEGMENT, cut and summed in software, counted at the ring as datagrams.

import { lab as makeLab } from '../src/index.ts'
import { FIRST_SOURCE, FLOWS, FRAMES, HOST_MAC, PORT } from './frames.ts'
import type { Path, PathBench } from './path.ts'
import { dropsFor } from './receive.ts'
import { NOBODY, PEER, computesChecksums, knowsOnly } from './transmit.ts'

/** Datagrams of a train: as many as 64 KB hold. */
const SEGMENTS = 44
/** Ethernet, IPv4 and UDP headers. */
const HEADERS = 42

async function setUpTrains({ payload }: PathBench): Promise<Path> {
  const lab = await makeLab({ seed: 1, memoryMb: 64 })
  const host = lab.host('host')
  const nic = host.nic('eth0', { mac: HOST_MAC, ring: 256 }).attach({ keep: false })
  host.addr.add('eth0', '10.0.0.1/24')
  host.link('eth0', { up: true, features: { 'tx-udp-segmentation': false } })
  computesChecksums(host, 'eth0')
  host.neigh.add({ dev: 'eth0', ip: PEER, mac: '02:00:00:00:00:02' })
  knowsOnly(host, 'eth0')
  const socket = host.udp({ port: PORT, options: { SO_SNDBUF: 1 << 21, UDP_SEGMENT: payload } })
  // A round: trains to the flows of PEER, and one datagram to nobody.
  const sizes = [1]
  for (let left = FRAMES - 1; left > 0; left -= SEGMENTS) sizes.push(Math.min(left, SEGMENTS))
  const batches = sizes.map((segments, i) => {
    const batch = socket.batch(1, segments * payload)
    const bytes = Uint8Array.from({ length: segments * payload }, (_, k) => i * 31 + k * 7)
    batch.push(bytes, { address: i === 0 ? NOBODY : PEER, port: FIRST_SOURCE + (i % FLOWS) })
    return batch
  })
  lab.run()
  const play = (packets: number): number => {
    const before = nic.info().stats.tx_packets
    for (let sent = 0; sent < packets; sent += FRAMES) {
      for (const batch of batches) {
        if (socket.sendBatch(batch) !== 1) throw new Error('a train was refused')
        lab.run()
      }
    }
    return nic.info().stats.tx_packets - before
  }
  return { lab, play, bytes: FRAMES * (HEADERS + payload), lost: () => dropsFor(host, 'NEIGH_FAILED') }
}

export const gsoBenches: PathBench[] = [
  { name: 'udp-gso-1472', payload: 1472, packets: FRAMES * 192, setUp: setUpTrains },
]
