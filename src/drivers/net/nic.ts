// The hardware side of a NIC: frames go into its arrival FIFO, its interrupt is raised and moderated, its transmit ring is
// emptied at the wire's rate. What it does with each frame (lengths, filter, rings) is in assembly/drivers/net/igb_ring.ts.

import type { DeviceAt } from '../../kernel/device_index.ts'
import { hardirq } from '../../kernel/irq.ts'
import type { Machine } from '../../kernel/machine.ts'
import type { DeviceState, NamespaceState, NicState } from '../../kernel/state.ts'
import { pushEvent } from '../../kernel/time.ts'
import type { Ptr } from '../../wasm/abi.ts'
import { ETH_ZLEN, type FrameBatch, type Frames, cutRecords, encodeFrames, recordBytes } from './frames.ts'
import { rssQueue } from './rss.ts'

/** Bytes that go into the FIFO at once: it holds half a megabyte. */
const FEED = 1 << 16
/** Preamble, checksum and gap between frames: what a frame takes on the wire besides its bytes. */
const WIRE_OVERHEAD = 24
/** Bytes that the NIC reads ahead of the wire from memory: its transmit packet buffer. */
const TX_BUFFER = 20480

/** A NIC in its machine. */
export interface NicAt {
  machine: Machine
  namespace: NamespaceState
  device: DeviceState
  nic: NicState
}

/** The NIC that a device is, undefined: it is none, or there is no device. */
export function nicOf(machine: Machine, found: DeviceAt | undefined): NicAt | undefined {
  if (!found?.device.nic) return undefined
  return { machine, namespace: found.namespace, device: found.device, nic: found.device.nic }
}

/** Takes flat records that left a NIC, with the times at which each was sent whole. */
export type Deliver = (from: NicAt, records: Uint8Array<ArrayBuffer>) => void

/** Bits per second of what the NIC is plugged into, 0: no limit. */
export type RateOf = (at: NicAt) => number

/** Moves what waits for the FIFO into it, as far as there is room. */
function feed({ machine, device, nic }: NicAt, queue: number): void {
  const inbox = nic.inbox[queue]!
  const { exports, memory } = machine.core
  while (inbox.length) {
    const batch = inbox[0]!
    const end = cutRecords(batch.bytes, batch.at, FEED)
    const p = exports.igb_fifo_reserve(device.ptr, queue, end - batch.at) >>> 0
    if (p === 0) return
    memory.write(p, batch.bytes.subarray(batch.at, end))
    exports.igb_fifo_commit(device.ptr, queue, end - batch.at)
    batch.at = end
    if (batch.at === batch.bytes.length) inbox.shift()
  }
}

/** Does nothing lie in the queue's arrival FIFO? Looked up in place: a call into the core costs more. */
function fifoEmpty({ machine, nic }: NicAt, queue: number): boolean {
  const { memory, offsets } = machine.core
  const { fifo_head, fifo_tail } = offsets.igb_ring
  const ring = nic.rings[queue]!
  return memory.readU32(ring + fifo_head) === memory.readU32(ring + fifo_tail)
}

/** Are there descriptors that the driver filled and has not cleaned? */
function txUsed({ machine, nic }: NicAt, queue: number): boolean {
  const { memory, offsets } = machine.core
  const { tx_next_to_clean, tx_next_to_use } = offsets.igb_ring
  const ring = nic.rings[queue]!
  return memory.readU32(ring + tx_next_to_clean) !== memory.readU32(ring + tx_next_to_use)
}

/** Makes sure that the interrupt event comes for the next arrival, unless the interrupt is masked. */
export function kick(at: NicAt, queue: number): void {
  const { machine, device, nic } = at
  feed(at, queue)
  if (nic.irqAt[queue] !== -1 || machine.napiScheduled(nic.napis[queue]!)) return
  if (!fifoEmpty(at, queue)) raiseAt(at, queue, machine.core.exports.igb_fifo_next(device.ptr, queue))
}

/** The interrupt event of a queue, not before the moderation timer allows it. */
function raiseAt({ machine, device, nic }: NicAt, queue: number, time: number): void {
  if (nic.irqAt[queue] !== -1) return
  const when = Math.max(time, machine.now, nic.lastIrq[queue]! + nic.itr)
  nic.irqAt[queue] = when
  pushEvent(machine.simulation.state.clock, when, 'irq', machine.id, device.id, [queue])
}

/** The event 'irq': what has arrived by now is told to the driver. */
export function interrupt(at: NicAt, queue: number): void {
  const { machine, device, nic } = at
  nic.irqAt[queue] = -1
  feed(at, queue)
  // Softirqs follow inside, and may plan the next interrupt: they must see this one.
  const before = nic.lastIrq[queue]!
  nic.lastIrq[queue] = machine.now
  if (!hardirq(machine, device.ptr, queue)) nic.lastIrq[queue] = before
  kick(at, queue)
}

/** A poll of one of its queues is over: more may come in, and with the interrupt unmasked it may be raised again. */
export function polled(at: NicAt, queue: number): void {
  const { machine, device, nic } = at
  kick(at, queue)
  // Sent descriptors that the poll did not see.
  if (nic.irqAt[queue] !== -1 || !txUsed(at, queue) || machine.napiScheduled(nic.napis[queue]!)) return
  if (machine.core.exports.igb_irq(device.ptr, queue) === 1) raiseAt(at, queue, machine.now)
}

/** Frames reach the NIC; times are those of arrival, now when there are none. */
export function receive(at: NicAt, frames: Frames): void {
  const { machine, nic } = at
  const queues = nic.napis.length
  const choose = (data: Uint8Array, offset: number, length: number): number => rssQueue(data, offset, length, queues)
  receiveRecords(at, encodeFrames(frames, machine.now, queues, choose))
}

/** A batch that lies in the host's memory arrives at a NIC with one queue. False: earlier frames still wait. */
export function receiveLoaded(at: NicAt, batch: FrameBatch): boolean {
  const { machine, device, nic } = at
  if (nic.inbox[0]!.length > 0) return false
  if (machine.core.exports.igb_fifo_lend(device.ptr, 0, batch.loaded!.at, batch.records.length) === 0) return false
  kick(at, 0)
  return true
}

/** The same with flat records for each queue. */
export function receiveRecords(at: NicAt, batches: readonly Uint8Array<ArrayBuffer>[]): void {
  batches.forEach((bytes, queue) => {
    if (!bytes.length) return
    at.nic.inbox[queue]!.push({ bytes, at: 0 })
    kick(at, queue)
  })
}

/** Gives each record the time at which its last bit leaves, and the bytes that a wire pads to. */
function serialize(nic: NicState, taken: Uint8Array<ArrayBuffer>, now: number, rate: number): Uint8Array<ArrayBuffer> {
  const from = new DataView(taken.buffer)
  let size = 0
  for (let at = 0; at < taken.length;) {
    const length = from.getUint32(at, true)
    size += recordBytes(Math.max(length, ETH_ZLEN))
    at += recordBytes(length)
  }
  const out = size === taken.length ? taken : new Uint8Array(size)
  const to = new DataView(out.buffer)
  let put = 0
  for (let at = 0; at < taken.length;) {
    const length = from.getUint32(at, true)
    const padded = Math.max(length, ETH_ZLEN)
    if (out !== taken) out.set(taken.subarray(at, at + 16 + length), put)
    nic.wireFree = Math.max(nic.wireFree, now) + (rate ? ((padded + WIRE_OVERHEAD) * 8e9) / rate : 0)
    to.setUint32(put, padded, true)
    to.setFloat64(put + 8, nic.wireFree, true)
    put += recordBytes(padded)
    at += recordBytes(length)
  }
  return out
}

/**
 * Empties the transmit ring: all of it on a wire without rate, else as much as the packet buffer reads ahead; the event
 * 'tx' goes on when there is room. Completion interrupts follow.
 */
export function transmit(at: NicAt, queue: number, rateOf: RateOf, deliver: Deliver): void {
  const { machine, device, nic } = at
  if (nic.txWaiting[queue] || nic.stall) return
  const { core } = machine
  const now = Math.max(machine.now, machine.charged ? core.now : 0)
  if (nic.peer.kind === 'sink') {
    if (core.exports.igb_tx_discard(device.ptr, queue)) raiseAt(at, queue, now)
    return
  }
  const rate = rateOf(at)
  const bufferTime = rate ? (TX_BUFFER * 8e9) / rate : Infinity
  let sent = false
  for (;;) {
    if (nic.wireFree - now > bufferTime) {
      nic.txWaiting[queue] = true
      const when = nic.wireFree - bufferTime / 2
      pushEvent(machine.simulation.state.clock, when, 'tx', machine.id, device.id, [queue])
      break
    }
    const max = rate ? Math.min(TX_BUFFER + FEED, core.halfBuffer) : core.halfBuffer
    // The half for arguments: what a call answered in the other may not have been read yet.
    const out: Ptr = core.callBuffer
    const bytes = core.exports.igb_tx_take(device.ptr, queue, out, max)
    if (bytes === 0) break
    sent = true
    deliver(at, serialize(nic, core.memory.slice(out, bytes), now, rate))
  }
  if (sent) raiseAt(at, queue, now)
}

/** The event 'tx': the packet buffer has room again. */
export function transmitMore(at: NicAt, queue: number, rateOf: RateOf, deliver: Deliver): void {
  at.nic.txWaiting[queue] = false
  transmit(at, queue, rateOf, deliver)
}

/** It hangs, or takes from its transmit rings again. */
export function setStall(at: NicAt, on: boolean, rateOf: RateOf, deliver: Deliver): void {
  at.nic.stall = on
  if (!on) at.nic.rings.forEach((_, queue) => transmit(at, queue, rateOf, deliver))
}
