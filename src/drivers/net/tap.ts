// A TAP from the program's side: frames written to it are received by the host, frames that the host sends are read from it.
// Mirrors what a process with /dev/net/tun open sees (drivers/net/tun.c).

import type { Machine } from '../../kernel/machine.ts'
import { inProcess, local_bh_enable } from '../../kernel/softirq.ts'
import type { DeviceState } from '../../kernel/state.ts'
import { EAGAIN } from '../../../assembly/uapi/errno.ts'
import { errnoName } from '../../wasm/errors.ts'
import { FRAME_MAX, type FrameColumns, type Frames } from './frames.ts'

/** What the driver would not take: errno's name by the frame's index. */
export interface Written {
  refused: Map<number, string>
}

const frameAt = (frames: Frames, i: number): Uint8Array => {
  if (Array.isArray(frames)) return (frames as readonly Uint8Array[])[i]!
  const { data, offsets, lengths } = frames as FrameColumns
  return data.subarray(offsets[i], offsets[i]! + lengths[i]!)
}

/**
 * Writes frames. Without NAPI each is handled to its end before the next; with it all are in the ring before the poll.
 * Frames beyond 65535 bytes are refused with EINVAL, those shorter than an Ethernet header too, and all with EIO while the
 * device is down.
 */
export function writeTap(machine: Machine, device: DeviceState, frames: Frames): Written {
  const refused = new Map<number, string>()
  const { core } = machine
  const { exports } = core
  const at = core.callBuffer
  const cpu = machine.cpu(0)
  const count = Array.isArray(frames) ? frames.length : (frames as FrameColumns).count
  inProcess(machine, () => {
    for (let i = 0; i < count; i++) {
      const frame = frameAt(frames, i)
      if (frame.length > FRAME_MAX) {
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
