// ip link, and what ethtool switches: up and down, MTU, MAC, promiscuous mode, carrier, features.
// Mirrors do_setlink of net/core/rtnetlink.c and TUNSETCARRIER of drivers/net/tun.c.

import { IFF_ALLMULTI, IFF_NOARP, IFF_PROMISC, IFF_UP } from '../../../assembly/uapi/if.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { DeviceState, NamespaceState } from '../../kernel/state.ts'
import { integer, parseMac } from '../../wasm/encode.ts'
import { checked, systemError } from '../../wasm/errors.ts'
import { featureBits } from '../ethtool.ts'
import { requireDevice } from '../dev.ts'
import { linkwatch_run_due } from '../link_watch.ts'
import { inheritDefaults, ipv4_devconf_setall } from '../sysctl.ts'

/** Changes of a device; what is left out stays. */
export interface LinkChange {
  up?: boolean
  mtu?: number
  mac?: string
  promisc?: boolean
  allmulticast?: boolean
  arp?: boolean
  txqueuelen?: number
  /** The cable: plugged in, or not. */
  carrier?: boolean
  /**
   * What ethtool -K switches, by its names: 'tx-udp-segmentation', 'gso'. Others that hang on one follow. EOPNOTSUPP: none of them
   * could be changed.
   */
  features?: Readonly<Record<string, boolean>>
}

function flagsOf(change: LinkChange): { flags: number; mask: number } {
  const bits: readonly (readonly [boolean | undefined, number])[] = [
    [change.up, IFF_UP],
    [change.promisc, IFF_PROMISC],
    [change.allmulticast, IFF_ALLMULTI],
    [change.arp === undefined ? undefined : !change.arp, IFF_NOARP],
  ]
  const given = bits.filter(([on]) => on !== undefined)
  return {
    flags: given.reduce((sum, [on, bit]) => (on ? sum | bit : sum), 0),
    mask: given.reduce((sum, [, bit]) => sum | bit, 0),
  }
}

/** Plugs the cable in or out. EOPNOTSUPP for lo. */
export function setCarrier(machine: Machine, device: DeviceState, on: boolean): void {
  if (device.kind === 'lo') throw systemError('EOPNOTSUPP', 'TUNSETCARRIER', 'lo has no cable')
  inProcess(machine, () => machine.core.exports.dev_set_carrier(device.ptr, on ? 1 : 0))
  linkwatch_run_due(machine)
}

/** Sets the MTU. One that is large enough for IPv4 again lets the device begin anew with the defaults. */
function setMtu(machine: Machine, namespace: NamespaceState, device: DeviceState, mtu: number): void {
  const { exports, memory, offsets } = machine.core
  const inDevice = (): number => memory.readU32(device.ptr + offsets.net_device.ip_ptr)
  const before = inDevice()
  checked(exports.dev_set_mtu(device.ptr, mtu), 'RTM_SETLINK', `${device.name} mtu ${mtu}`)
  if (before === 0 && inDevice() !== 0) inheritDefaults(machine, namespace, device)
}

/** Changes a device as `ip link set` does. ENODEV, EINVAL, EBUSY. Arguments are checked before anything changes. */
export function setLink(machine: Machine, namespace: NamespaceState, name: string, change: LinkChange): void {
  const syscall = 'RTM_SETLINK'
  const device = requireDevice(namespace, name, syscall)
  const mac = change.mac === undefined ? undefined : parseMac(change.mac, syscall)
  const mtu = change.mtu === undefined ? undefined : integer(change.mtu, 0, 2147483647, 'mtu', syscall)
  const length = change.txqueuelen
  if (length !== undefined) integer(length, 0, 2147483647, 'txqueuelen', syscall)
  const features = featureBits(change.features ?? {})
  const { flags, mask } = flagsOf(change)
  if (change.carrier !== undefined) setCarrier(machine, device, change.carrier)
  inProcess(machine, () => {
    const { core } = machine
    const { exports } = core
    if (mac) {
      core.memory.write(core.callBuffer, mac)
      checked(exports.dev_set_mac_address(device.ptr, core.callBuffer), syscall, `${name} address ${change.mac}`)
    }
    if (mtu !== undefined) setMtu(machine, namespace, device, mtu)
    if (length !== undefined) checked(exports.dev_set_tx_queue_len(device.ptr, length), syscall, `${name} ${length}`)
    checked(exports.dev_set_features(device.ptr, features.on, features.off), 'ethtool', `${name}: ${features.words}`)
    if (mask !== 0) checked(exports.dev_change_flags(device.ptr, flags, mask), syscall, name)
    // Up, lo has its address.
    if (change.up && device.kind === 'lo') ipv4_devconf_setall(machine, namespace, device)
  })
  linkwatch_run_due(machine)
}
