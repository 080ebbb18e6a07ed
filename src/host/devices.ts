// Handles of devices: a TAP, whose frames a program writes and reads, and a NIC, which has rings, an interrupt and a cable.

import { type FrameBatch, type Frames, type SentFrames, decodeFrames, encodeBatch } from '../drivers/net/frames.ts'
import { type NicAt, nicOf, receive, receiveLoaded, receiveRecords, setStall } from '../drivers/net/nic.ts'
import { type TapOffload, type Written, offloadFlags, readTap, setOffload, writeTap } from '../drivers/net/tap.ts'
import { deliver, takeSent, wireRate } from '../drivers/net/wire.ts'
import type { DeviceAt } from '../kernel/device_index.ts'
import type { Machine } from '../kernel/machine.ts'
import type { DeviceState, LinkEnd, NamespaceState } from '../kernel/state.ts'
import { deviceFeatures } from '../net/ethtool.ts'
import { type LinkInfo, linkInfo } from '../net/dev.ts'
import { setCarrier } from '../net/carrier.ts'
import { type TxQueue, limitTxQueue, readTxQueues } from '../net/tx_queues.ts'
import { type LinkChange, setLink } from '../net/rtnetlink/link.ts'
import { systemError } from '../wasm/errors.ts'

export type { FrameBatch, Frames, FrameColumns, SentFrames } from '../drivers/net/frames.ts'
export type { TxQueue } from '../net/tx_queues.ts'
export type { TapOffload, Written } from '../drivers/net/tap.ts'

/** A device of a host. The handle stays its own when it is renamed or moved; ENODEV once it was taken out. */
export class Device {
  readonly #machine: Machine
  readonly #id: number
  readonly #firstName: string

  constructor(machine: Machine, device: DeviceState) {
    this.#machine = machine
    this.#id = device.id
    this.#firstName = device.name
  }

  protected get machine(): Machine {
    return this.#machine
  }

  protected get found(): DeviceAt {
    const found = this.#machine.devices.byId(this.#id)
    if (!found) throw systemError('ENODEV', 'device', `${this.#firstName} was taken out, or the restored lab has none`)
    return found
  }

  protected get namespace(): NamespaceState {
    return this.found.namespace
  }

  protected get state(): DeviceState {
    return this.found.device
  }

  get ifindex(): number {
    return this.state.ifindex
  }

  get name(): string {
    return this.state.name
  }

  /** The name of the namespace that it is in, '' for the first. */
  get netnsName(): string {
    return this.namespace.name
  }

  /** For lab.link. */
  get end(): LinkEnd {
    return { host: this.#machine.id, device: this.#id }
  }

  /** Flags, MTU, MAC, carrier and statistics, as `ip -s link` shows them. */
  info(): LinkInfo {
    return linkInfo(this.#machine, this.state)
  }

  /** What of its features is on, and which cannot be switched, by ethtool's names (ethtool -k). */
  features(): Record<string, { on: boolean; fixed: boolean }> {
    return deviceFeatures(this.#machine, this.state)
  }

  /** Its transmit queues, as /sys/class/net/DEV/queues shows them. */
  queues(): TxQueue[] {
    return readTxQueues(this.#machine, this.state)
  }

  /** Bounds of a queue's byte queue limits, in bytes. ENOENT, EINVAL. */
  limitQueue(index: number, bounds: { limit_min?: number; limit_max?: number }): void {
    const { byte_queue_limits: now } = this.queues()[index] ?? { byte_queue_limits: { limit_min: 0, limit_max: 0 } }
    const { limit_min = now.limit_min, limit_max = now.limit_max } = bounds
    limitTxQueue(this.#machine, this.state, index, limit_min, limit_max)
  }

  /** Changes it, as `ip link set`. */
  set(change: LinkChange): void {
    setLink(this.#machine, this.namespace, this.name, change)
  }
}

/** A TAP: what is written is received by the host at once, and what the host sends waits for the reader. */
export class Tap extends Device {
  /** Frames from the wire, one after the other. What the driver would not take: errno's name by index. */
  rx(frames: Frames): Written {
    return writeTap(this.machine, this.state, frames)
  }

  /** Frames that the host sent since the last time, in order. */
  tx(): Uint8Array<ArrayBuffer>[] {
    return readTap(this.machine, this.state)
  }

  /** What the reader finishes itself from now on: checksums, and trains that it cuts (TUNSETOFFLOAD). EINVAL. */
  offload(names: readonly TapOffload[]): void {
    setOffload(this.machine, this.state, offloadFlags(names), names)
  }
}

/** A TUN: as a TAP, for IP packets without a link header. What is no IP packet is refused with EINVAL. */
export class Tun extends Device {
  /** Packets from the program, one after the other. What the driver would not take: errno's name by index. */
  rx(packets: Frames): Written {
    return writeTap(this.machine, this.state, packets)
  }

  /** Packets that the host sent since the last time, in order. */
  tx(): Uint8Array<ArrayBuffer>[] {
    return readTap(this.machine, this.state)
  }
}

/** A NIC. Plugged into a wire by lab.link, or attached to the program, which then is the wire's other end. */
export class Nic extends Device {
  get #at(): NicAt {
    const at = nicOf(this.machine, this.found)
    if (!at) throw systemError('ENODEV', 'nic', `${this.name} is no NIC`)
    return at
  }

  /**
   * Frames arrive at the given virtual times (ns, rising, not before now), all at once when there are none. They are
   * received when the lab's clock gets there: lab.advance, lab.run. What comes faster than the ring is emptied is lost
   * (rx_missed_errors). EINVAL on a wire.
   */
  rx(frames: Frames | FrameBatch): void {
    const at = this.#at
    if (at.nic.peer.kind === 'link') throw systemError('EINVAL', 'rx', `${this.name} is plugged into a wire`)
    if (!('records' in frames)) receive(at, frames)
    else if (at.nic.napis.length > 1)
      throw systemError('EINVAL', 'rx', `${this.name} has several queues: a batch is for one`)
    else if (frames.loaded?.host !== this.machine.id || !receiveLoaded(at, frames)) receiveRecords(at, [frames.records])
  }

  /**
   * Lays frames into the host's own memory, to be put in again and again: rx() of such a batch copies nothing. They lie there
   * until the lab is closed. ENOMEM; EINVAL for a NIC with several queues.
   */
  load(frames: Frames): FrameBatch {
    const { machine } = this
    if (this.#at.nic.napis.length > 1)
      throw systemError('EINVAL', 'load', `${this.name} has several queues: a batch is for one`)
    const { count, records } = encodeBatch(frames)
    const at = machine.core.exports.memory_alloc(records.length) >>> 0
    if (at === 0) throw systemError('ENOMEM', 'load', `${records.length} bytes of frames`)
    machine.core.memory.write(at, records)
    return { count, records, loaded: { host: machine.id, at } }
  }

  /** Frames that left since the last time, in order. */
  tx(): Uint8Array<ArrayBuffer>[] {
    const { count, data, offsets, lengths } = this.txBatch()
    return Array.from({ length: count }, (_, i) => data.slice(offsets[i], offsets[i]! + lengths[i]!))
  }

  /** The same as columns, with the times at which they left. */
  txBatch(): SentFrames {
    return takeSent(this.#at)
  }

  /**
   * Makes the program the other end of the cable: rx and tx. Carrier comes. `keep: false`: what leaves is counted and
   * forgotten, and tx() refuses. EBUSY on a wire.
   */
  attach({ keep = true }: { keep?: boolean } = {}): this {
    const at = this.#at
    const { peer } = at.nic
    if (peer.kind === 'link') throw systemError('EBUSY', 'attach', `${this.name} is plugged into a wire`)
    if (!keep) at.nic.peer = { kind: 'sink' }
    else if (peer.kind !== 'user') at.nic.peer = { kind: 'user', sent: [] }
    setCarrier(this.machine, at.device, true)
    return this
  }

  /**
   * The clock of the hardware stamps what is sent and wants it (SO_TIMESTAMPING with TX_HARDWARE), one packet at a time
   * (SIOCSHWTSTAMP, tx_type). Off at first.
   */
  hwtstamp(txType: 'OFF' | 'ON'): this {
    const { machine, nic } = this.#at
    if (txType !== 'OFF' && txType !== 'ON')
      throw systemError('ERANGE', 'SIOCSHWTSTAMP', `tx_type is OFF or ON, not ${String(txType)}`)
    const { memory, offsets } = machine.core
    for (const ring of nic.rings) memory.writeU32(ring + offsets.igb_ring.tx_hwtstamp, txType === 'ON' ? 1 : 0)
    return this
  }

  /** What the hardware counts beside the device's statistics: frames for others, and receive checksums, over all queues. */
  hardware(): { filtered: number; checksumGood: number; checksumBad: number } {
    const { machine, nic } = this.#at
    const { memory, offsets } = machine.core
    const sums = { filtered: 0, checksumGood: 0, checksumBad: 0 }
    for (const ring of nic.rings) {
      sums.filtered += memory.readU32(ring + offsets.igb_ring.rx_filtered)
      sums.checksumGood += memory.readU32(ring + offsets.igb_ring.rx_csum_good)
      sums.checksumBad += memory.readU32(ring + offsets.igb_ring.rx_csum_err)
    }
    return sums
  }

  /** Frames that are on their way into the arrival FIFO, and have not been taken by it yet. */
  get pending(): number {
    return this.#at.nic.inbox.reduce(
      (sum, queue) => sum + queue.reduce((frames, { bytes, at }) => frames + decodeFrames([bytes.slice(at)]).count, 0),
      0,
    )
  }

  /** While true it takes nothing from its transmit rings, as hardware that hangs: the watchdog resets them every 5 s. */
  set stall(on: boolean) {
    setStall(this.#at, on, wireRate, deliver)
  }

  get stall(): boolean {
    return this.#at.nic.stall
  }

  /** Smallest distance of two interrupts of a queue in ns (ethtool -C rx-usecs), 0: each arrival raises one. */
  set interruptInterval(ns: number) {
    this.#at.nic.itr = ns
  }

  get interruptInterval(): number {
    return this.#at.nic.itr
  }
}
