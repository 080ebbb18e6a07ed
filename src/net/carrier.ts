// The cable of a device: plugged in or out. Mirrors TUNSETCARRIER of drivers/net/tun.c.

import type { Machine } from '../kernel/machine.ts'
import { inProcess } from '../kernel/softirq.ts'
import type { DeviceState } from '../kernel/state.ts'
import { systemError } from '../wasm/errors.ts'
import { linkwatch_run_due } from './link_watch.ts'

/** Plugs the cable in or out. EOPNOTSUPP for a device that has none. */
export function setCarrier(machine: Machine, device: DeviceState, on: boolean): void {
  if (device.kind !== 'tap' && device.kind !== 'tun' && device.kind !== 'nic') {
    throw systemError('EOPNOTSUPP', 'TUNSETCARRIER', `${device.name} has no cable`)
  }
  inProcess(machine, () => machine.core.exports.dev_set_carrier(device.ptr, on ? 1 : 0))
  linkwatch_run_due(machine)
}
