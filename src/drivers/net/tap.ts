// A TAP from the program's side: frames written to it are received by the host, frames that the host sends are read from it.
// Mirrors what a process with /dev/net/tun open sees (drivers/net/tun.c).

import type { Machine } from '../../kernel/machine.ts'
import { inProcess, local_bh_enable } from '../../kernel/softirq.ts'
import type { DeviceState } from '../../kernel/state.ts'
import { EAGAIN } from '../../../assembly/uapi/errno.ts'
import {
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_TSO_ECN,
  TUN_F_UFO,
  TUN_F_USO4,
  TUN_F_USO6,
} from '../../../assembly/uapi/if.ts'
import { checked, errnoName, invalid } from '../../wasm/errors.ts'
import { FRAME_MAX, type FrameColumns, type Frames } from './frames.ts'

/** What the driver would not take: errno's name by the frame's index. */
export interface Written {
  refused: Map<number, string>
}

/** TUN_F_*: what a reader can finish itself. */
const OFFLOADS = {
  CSUM: TUN_F_CSUM,
  TSO4: TUN_F_TSO4,
  TSO6: TUN_F_TSO6,
  TSO_ECN: TUN_F_TSO_ECN,
  UFO: TUN_F_UFO,
  USO4: TUN_F_USO4,
  USO6: TUN_F_USO6,
} as const

export type TapOffload = keyof typeof OFFLOADS

/** struct virtio_net_hdr, and an Ethernet header before the longest IP packet. */
const VNET_ROOM = 10 + 14

/** Bits of the offloads named. EINVAL: one that there is not, or that needs others. */
export function offloadFlags(names: readonly TapOffload[]): number {
  const flags = names.reduce((sum, name) => {
    if (!Object.hasOwn(OFFLOADS, name)) {
      throw invalid('TUNSETOFFLOAD', `'${String(name)}'; there are ${Object.keys(OFFLOADS).join(', ')}`)
    }
    return sum | OFFLOADS[name]
  }, 0)
  const segments = flags & (OFFLOADS.USO4 | OFFLOADS.USO6)
  if (segments !== 0 && segments !== (OFFLOADS.USO4 | OFFLOADS.USO6)) {
    throw invalid('TUNSETOFFLOAD', 'USO4 and USO6 go together')
  }
  if (flags !== 0 && !(flags & OFFLOADS.CSUM)) throw invalid('TUNSETOFFLOAD', 'all offloads need CSUM')
  if (flags & OFFLOADS.TSO_ECN && !(flags & (OFFLOADS.TSO4 | OFFLOADS.TSO6))) {
    throw invalid('TUNSETOFFLOAD', 'TSO_ECN needs TSO4 or TSO6')
  }
  return flags
}

/** What the reader of a TAP finishes itself from now on. EINVAL. */
export function setOffload(machine: Machine, device: DeviceState, flags: number, names: readonly string[]): void {
  inProcess(machine, () => {
    checked(machine.core.exports.tun_set_offload(device.ptr, flags), 'TUNSETOFFLOAD', names.join(' '))
  })
}

const frameAt = (frames: Frames, i: number): Uint8Array => {
  if (Array.isArray(frames)) return (frames as readonly Uint8Array[])[i]!
  const { data, offsets, lengths } = frames as FrameColumns
  return data.subarray(offsets[i], offsets[i]! + lengths[i]!)
}

/**
 * Writes frames, each behind its virtio_net_hdr where the TAP has one. Without NAPI each is handled to its end before the next; with it all are in the ring before the poll.
 * Frames beyond 65535 bytes are refused with EINVAL, those shorter than an Ethernet header too, and all with EIO while the
 * device is down.
 */
export function writeTap(machine: Machine, device: DeviceState, frames: Frames): Written {
  const refused = new Map<number, string>()
  const { core } = machine
  const { exports } = core
  const at = core.callBuffer
  const cpu = machine.cpu(0)
  const longest = device.vnet ? FRAME_MAX + VNET_ROOM : FRAME_MAX
  const count = Array.isArray(frames) ? frames.length : (frames as FrameColumns).count
  inProcess(machine, () => {
    for (let i = 0; i < count; i++) {
      const frame = frameAt(frames, i)
      if (frame.length > longest) {
        refused.set(i, 'EINVAL')
        continue
      }
      core.memory.write(at, frame)
      const result = exports.tun_write(device.ptr, at, frame.length)
      if (result < 0) refused.set(i, errnoName(result))
      if (device.napi) continue
      machine.leave(cpu)
      local_bh_enable(machine, cpu.id)
      machine.enter(cpu)
    }
  })
  return { refused }
}

/** Frames that the host sent since the last time, in order. */
export function readTap(machine: Machine, device: DeviceState): Uint8Array<ArrayBuffer>[] {
  const frames: Uint8Array<ArrayBuffer>[] = []
  const { core } = machine
  const { exports, resultBuffer, halfBuffer } = core
  inProcess(machine, () => {
    for (;;) {
      const length = exports.tun_read(device.ptr, resultBuffer, halfBuffer)
      if (length === -EAGAIN) return
      frames.push(core.memory.slice(resultBuffer, Math.min(length, halfBuffer)))
    }
  })
  return frames
}
