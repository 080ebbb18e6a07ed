// A wire between two NICs: rate, delay and loss. Frames go over as flat batches; each carries its time of arrival, so what
// is on the wire already lies in the other NIC's arrival FIFO. A cable to a program keeps what left until it is read.

import type { Simulation } from '../../kernel/machine.ts'
import { nextRandom } from '../../kernel/random.ts'
import type { LinkEnd, LinkState } from '../../kernel/state.ts'
import { setCarrier } from '../../net/carrier.ts'
import { systemError } from '../../wasm/errors.ts'
import { type SentFrames, decodeFrames, eachRecord, recordBytes } from './frames.ts'
import { type NicAt, nicOf, receiveRecords } from './nic.ts'
import { rssQueue } from './rss.ts'

/** The NIC at an end of a link; undefined when its host is gone. */
export function nicAt(simulation: Simulation, end: LinkEnd): NicAt | undefined {
  const machine = simulation.machines.get(end.host)
  return machine && nicOf(machine, machine.devices.byId(end.device))
}

function linkById(simulation: Simulation, id: number): LinkState | undefined {
  return simulation.state.links.find((link) => link.id === id)
}

/** Pulls a wire out: carrier goes at both ends. What is on the way still arrives. */
export function unplug(simulation: Simulation, id: number): void {
  const link = linkById(simulation, id)
  if (!link) return
  const { state } = simulation
  state.links = state.links.filter((other) => other !== link)
  for (const end of link.ends) {
    const at = nicAt(simulation, end)
    if (!at) continue
    at.nic.peer = { kind: 'none' }
    setCarrier(at.machine, at.device, false)
  }
}

/** Bits per second of what a NIC is plugged into; 0: no limit. */
export function wireRate(at: NicAt): number {
  const { peer } = at.nic
  return peer.kind === 'link' ? (linkById(at.machine.simulation, peer.link)?.rate ?? 0) : 0
}

/** A batch as the far end gets it: later by the delay, without what is lost, parted by the receiver's queues. */
function carry(
  simulation: Simulation,
  link: LinkState,
  end: 0 | 1,
  records: Uint8Array<ArrayBuffer>,
  queues: number,
): Uint8Array<ArrayBuffer>[] {
  const view = new DataView(records.buffer, records.byteOffset)
  const stats = link.stats[end]
  const kept: { at: number; bytes: number; queue: number }[] = []
  const sizes = Array.from({ length: queues }, () => 0)
  eachRecord(records, (at, length, time) => {
    stats.frames++
    stats.bytes += length
    if (link.loss > 0) {
      const { value, state } = nextRandom(simulation.state.random)
      simulation.state.random = state
      if (value < link.loss) {
        stats.lost++
        return
      }
    }
    view.setFloat64(at + 8, time + link.delay, true)
    const queue = rssQueue(records, at + 16, length, queues)
    const bytes = recordBytes(length)
    kept.push({ at, bytes, queue })
    sizes[queue]! += bytes
  })
  if (queues === 1 && sizes[0] === records.length) return [records]
  const out = sizes.map((size) => new Uint8Array(size))
  const put = sizes.map(() => 0)
  for (const { at, bytes, queue } of kept) {
    out[queue]!.set(records.subarray(at, at + bytes), put[queue])
    put[queue]! += bytes
  }
  return out
}

/** Takes what left a NIC to where its cable ends. Without a cable it is gone. */
export function deliver(from: NicAt, records: Uint8Array<ArrayBuffer>): void {
  const { peer } = from.nic
  if (peer.kind === 'user') peer.sent.push(records)
  if (peer.kind !== 'link') return
  const { simulation } = from.machine
  const link = linkById(simulation, peer.link)
  const to = link && nicAt(simulation, link.ends[peer.end === 0 ? 1 : 0])
  if (link && to) receiveRecords(to, carry(simulation, link, peer.end, records, to.nic.napis.length))
}

/** What left a NIC whose cable ends in a program, since the last time. EINVAL on a wire. */
export function takeSent(at: NicAt): SentFrames {
  const { peer } = at.nic
  if (peer.kind !== 'user') {
    throw systemError(
      'EINVAL',
      'tx',
      `${at.device.name} is not attached to a program: attach() it, or read at the host`,
    )
  }
  const sent = decodeFrames(peer.sent)
  peer.sent = []
  return sent
}
