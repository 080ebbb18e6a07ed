// Features of devices by the names that ethtool -k and -K have for them (net/ethtool/common.c), and what is on.

import type { Machine } from '../kernel/machine.ts'
import type { DeviceState } from '../kernel/state.ts'
import { invalid } from '../wasm/errors.ts'

/** Features by name, and their bits in the core (assembly/include/netdevice.ts). */
const FEATURES: Readonly<Record<string, number>> = {
  'tx-scatter-gather': 1 << 0,
  'tx-checksum-ipv4': 1 << 1,
  'tx-checksum-ip-generic': 1 << 2,
  'tx-tcp-segmentation': 1 << 3,
  'tx-generic-segmentation': 1 << 4,
  'rx-gro': 1 << 5,
  'rx-checksum': 1 << 6,
  'tx-udp-segmentation': 1 << 7,
  'rx-gro-list': 1 << 8,
  'rx-udp-gro-forwarding': 1 << 9,
  loopback: 1 << 10,
  'rx-hashing': 1 << 11,
  highdma: 1 << 12,
  'rx-all': 1 << 13,
  'tx-scatter-gather-fraglist': 1 << 14,
  'tx-tcp-ecn-segmentation': 1 << 15,
  'tx-tcp-mangleid-segmentation': 1 << 16,
  'tx-tcp6-segmentation': 1 << 17,
  'tx-checksum-ipv6': 1 << 18,
  'tx-gso-robust': 1 << 19,
  'tx-ipxip4-segmentation': 1 << 20,
  'tx-udp_tnl-segmentation': 1 << 21,
  'tx-udp_tnl-csum-segmentation': 1 << 22,
  'tx-gso-list': 1 << 23,
  'tx-vlan-hw-insert': 1 << 24,
  'tx-vlan-stag-hw-insert': 1 << 25,
}

const bitsOf = (...names: readonly string[]): number => names.reduce((bits, name) => bits | FEATURES[name]!, 0)

/** Words of old that stand for several, or for another name. */
const GROUPS: Readonly<Record<string, number>> = {
  rx: bitsOf('rx-checksum'),
  tx: bitsOf('tx-checksum-ipv4', 'tx-checksum-ip-generic', 'tx-checksum-ipv6'),
  sg: bitsOf('tx-scatter-gather', 'tx-scatter-gather-fraglist'),
  tso: bitsOf('tx-tcp-segmentation', 'tx-tcp-ecn-segmentation', 'tx-tcp-mangleid-segmentation', 'tx-tcp6-segmentation'),
  gso: bitsOf('tx-generic-segmentation'),
  gro: bitsOf('rx-gro'),
  rxhash: bitsOf('rx-hashing'),
  txvlan: bitsOf('tx-vlan-hw-insert'),
}

/** Features that no device here has: they can be switched off. */
const NEVER: readonly string[] = [
  'rx-vlan-hw-parse rx-vlan-filter vlan-challenged tx-gre-segmentation tx-gre-csum-segmentation tx-ipxip6-segmentation',
  'tx-gso-partial tx-tunnel-remcsum-segmentation tx-sctp-segmentation tx-esp-segmentation tx-tcp-accecn-segmentation',
  'tx-checksum-fcoe-crc tx-checksum-sctp tx-fcoe-segmentation tx-nocache-copy rx-fcs rx-lro rx-gro-hw rx-ntuple-filter',
  'rx-vlan-stag-hw-parse rx-vlan-stag-filter hw-tc-offload tls-hw-tx-offload tls-hw-rx-offload rxvlan lro ntuple',
].flatMap((names) => names.split(' '))

/** Features to be switched: bits, and how ethtool would have been asked. */
export interface FeatureSwitch {
  on: number
  off: number
  words: string
}

function bitsNamed(name: string): number {
  if (Object.hasOwn(FEATURES, name)) return FEATURES[name]!
  if (Object.hasOwn(GROUPS, name)) return GROUPS[name]!
  if (NEVER.includes(name)) return NEVER_ON
  throw invalid('ethtool', `'${name}'; there are ${[...Object.keys(FEATURES), ...Object.keys(GROUPS)].join(', ')}`)
}

/** A bit that no device has: what stands for it cannot be switched on. */
const NEVER_ON = 0x80000000

/** Bits of the features named. EINVAL for a name that there is not, or a value that is no boolean. */
export function featureBits(features: Readonly<Record<string, boolean>>): FeatureSwitch {
  const asked = Object.entries(features).map(([name, on]) => {
    if (typeof on !== 'boolean') throw invalid('ethtool', `${name} is true or false, not ${String(on)}`)
    return { bits: bitsNamed(name), on, words: `${name} ${on ? 'on' : 'off'}` }
  })
  const bitsThat = (which: boolean): number =>
    asked.reduce((bits, { on, bits: own }) => (on === which ? bits | own : bits), 0)
  return { on: bitsThat(true), off: bitsThat(false), words: asked.map(({ words }) => words).join(' ') }
}

/** What is on and what could be switched, by name (ethtool -k). */
export function deviceFeatures(machine: Machine, device: DeviceState): Record<string, { on: boolean; fixed: boolean }> {
  const { memory, offsets } = machine.core
  const on = memory.readU32(device.ptr + offsets.net_device.features)
  const changeable = memory.readU32(device.ptr + offsets.net_device.hw_features)
  return Object.fromEntries(
    Object.entries(FEATURES).map(([name, bit]) => [name, { on: (on & bit) !== 0, fixed: (changeable & bit) === 0 }]),
  )
}
