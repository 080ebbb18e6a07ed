// ip link del: a device goes, and what goes with it. Mirrors rtnl_dellink of net/core/rtnetlink.c, veth_dellink and
// vxlan_handle_lowerdev_unregister.

import { unplug } from '../../drivers/net/wire.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { DeviceState, NamespaceState } from '../../kernel/state.ts'
import { NAPI_STATE_SCHED } from '../../wasm/abi.ts'
import { systemError } from '../../wasm/errors.ts'
import { delist, requireDevice } from '../dev.ts'
import { linkwatch_run_due } from '../link_watch.ts'

/** What polls of the device were scheduled: nothing that names it may stay. */
export function forgetScheduled(machine: Machine, device: DeviceState): void {
  machine.drain()
  const { memory, offsets } = machine.core
  const first = memory.readU32(device.ptr + offsets.net_device.napi_list)
  const contexts = device.nic?.napis ?? [first]
  for (const cpu of machine.state.cpus) {
    cpu.pollList = cpu.pollList.filter((napi) => !contexts.includes(napi))
  }
  for (const napi of contexts) {
    const at = napi + offsets.napi_struct.state
    if (napi !== 0) memory.writeU32(at, memory.readU32(at) & ~NAPI_STATE_SCHED)
  }
}

/** Takes a device out of the core, and its entry out of its namespace; then those that are above it. */
function remove(machine: Machine, device: DeviceState): void {
  const { exports } = machine.core
  const found = machine.devices.byId(device.id)
  if (!found) return
  exports.unregister_netdevice(device.ptr)
  forgetScheduled(machine, device)
  delist(machine, found.namespace, device)
  exports.free_netdevice(device.ptr)
  removeAbove(machine, device)
}

/** The device leaves its namespace: those above it go. */
export function removeAbove(machine: Machine, device: DeviceState): void {
  const all = machine.state.namespaces.flatMap(({ devices }) => devices)
  for (const above of all.filter(({ below }) => below === device.id)) remove(machine, above)
}

/**
 * Takes a device away: down, its addresses, routes, neighbours and memberships gone; a veth's other end goes with it, and
 * tunnels that were made above it. ENODEV; EOPNOTSUPP for lo.
 */
export function delLink(machine: Machine, namespace: NamespaceState, name: string): void {
  const syscall = 'RTM_DELLINK'
  const device = requireDevice(namespace, name, syscall)
  if (device.kind === 'lo') throw systemError('EOPNOTSUPP', syscall, 'lo stays as long as its namespace')
  const peer = device.nic?.peer
  if (peer?.kind === 'link') unplug(machine.simulation, peer.link)
  inProcess(machine, () => {
    const other = device.kind === 'veth' ? machine.core.exports.veth_other(device.ptr) >>> 0 : 0
    const otherEnd = other === 0 ? undefined : machine.devices.byPointer(other)
    remove(machine, device)
    if (otherEnd) remove(machine, otherEnd.device)
  })
  linkwatch_run_due(machine)
}
