// Transmit queues of a device as /sys/class/net/DEV/queues/tx-N shows them. Mirrors net/core/net-sysfs.c.

import type { Machine } from '../kernel/machine.ts'
import { inProcess } from '../kernel/softirq.ts'
import type { DeviceState } from '../kernel/state.ts'
import { integer } from '../wasm/encode.ts'
import { checked } from '../wasm/errors.ts'

/** One transmit queue. */
export interface TxQueue {
  /** The driver has no room (its ring is full). */
  stoppedByDriver: boolean
  /** More bytes are in flight than byte queue limits allow. */
  stoppedByStack: boolean
  /** How often the watchdog found it hanging. */
  tx_timeout: number
  /** Bytes, and hold_time in ms. */
  byte_queue_limits: { limit: number; limit_min: number; limit_max: number; hold_time: number; inflight: number }
}

const WORDS = 7
/** More than any device has. */
const QUEUES_MAX = 64

/** All of a device, in order. */
export function readTxQueues(machine: Machine, device: DeviceState): TxQueue[] {
  const { core } = machine
  return inProcess(machine, () => {
    const queues: TxQueue[] = []
    const at = core.resultBuffer
    while (queues.length < QUEUES_MAX && core.exports.dev_tx_queue_dump(device.ptr, queues.length, at) === 0) {
      const words = Array.from({ length: WORDS }, (_, i) => core.memory.readU32(at + 4 * i))
      const [state, tx_timeout, limit, limit_min, limit_max, hold_time, inflight] = words as Required<
        [number, number, number, number, number, number, number]
      >
      queues.push({
        stoppedByDriver: (state & 1) !== 0,
        stoppedByStack: (state & 2) !== 0,
        tx_timeout,
        byte_queue_limits: { limit, limit_min, limit_max, hold_time, inflight },
      })
    }
    return queues
  })
}

/** Writes limit_min and limit_max of a queue. ENOENT, EINVAL. */
export function limitTxQueue(machine: Machine, device: DeviceState, index: number, least: number, most: number): void {
  const min = integer(least, 0, 4294967295, 'limit_min', 'byte_queue_limits')
  const max = integer(most, 0, 4294967295, 'limit_max', 'byte_queue_limits')
  inProcess(machine, () => {
    checked(machine.core.exports.dev_tx_queue_limits(device.ptr, index, min, max), 'byte_queue_limits', `tx-${index}`)
  })
}
