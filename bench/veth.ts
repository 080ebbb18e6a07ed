// The bench of namespaces: datagrams from a program to another, through a veth pair between two namespaces of a host.

import { lab as makeLab } from '../src/index.ts'
import { BAD_FRAME, FIRST_SOURCE, FLOWS, FRAMES, PORT } from './frames.ts'
import type { Path, PathBench } from './path.ts'
import { dropsFor } from './receive.ts'

/** Datagrams of one batch. */
const BURST = 205
const PAYLOAD = 18
const RECEIVER = '10.0.0.2'
/** Nobody has this address: with no probes to send, what goes there is dropped at once. */
const NOBODY = '10.0.0.99'

async function setUp(): Promise<Path> {
  const lab = await makeLab({ seed: 1, memoryMb: 64 })
  const host = lab.host('host')
  const other = host.netns('other')
  host.link.add({ kind: 'veth', name: 'veth0', peer: { name: 'veth1', netns: 'other' } })
  host.addr.add('veth0', '10.0.0.1/24')
  other.addr.add('veth1', `${RECEIVER}/24`)
  host.link('veth0', { up: true, features: { 'tx-checksum-ip-generic': false } })
  other.link('veth1', { up: true })
  const senders = Array.from({ length: FLOWS }, (_, i) =>
    host.udp({ port: FIRST_SOURCE + i, options: { SO_SNDBUF: 1 << 21 } }),
  )
  const receiver = other.udp({ port: PORT, options: { SO_RCVBUF: 1 << 22 } })
  // ARP has found the receiver; nobody else is asked for any more.
  senders[0]!.send('x', `${RECEIVER}:${PORT}`)
  lab.run()
  while (receiver.recv());
  for (const probes of ['mcast_solicit', 'app_solicit']) host.sysctl(`net.ipv4.neigh.veth0.${probes}`, 0)
  host.neigh.replace({ dev: 'veth0', ip: RECEIVER, mac: other.device('veth1').info().mac })
  const bursts = Array.from({ length: Math.ceil(FRAMES / BURST) }, (_, k) => {
    const socket = senders[k % FLOWS]!
    const batch = socket.batch(BURST, BURST * PAYLOAD)
    for (let i = k * BURST; i < Math.min(FRAMES, (k + 1) * BURST); i++) {
      const bytes = Uint8Array.from({ length: PAYLOAD }, (_, at) => i * 31 + at * 7)
      batch.push(bytes, { address: i === BAD_FRAME ? NOBODY : RECEIVER, port: PORT })
    }
    return { socket, batch }
  })
  const play = (packets: number): number => {
    let read = 0
    for (let sent = 0; sent < packets; sent += FRAMES) {
      for (const { socket, batch } of bursts) {
        if (socket.sendBatch(batch) !== batch.count) throw new Error('a batch was cut short')
        for (;;) {
          const got = receiver.recvBatch(BURST + 1)
          if (!got) break
          read += got.count
          if (got.count <= BURST) break
        }
      }
    }
    return read
  }
  return { lab, play, bytes: FRAMES * 60, lost: () => dropsFor(host, 'NEIGH_FAILED') }
}

export const vethBenches: PathBench[] = [{ name: 'veth-64', payload: PAYLOAD, packets: FRAMES * 384, setUp }]
