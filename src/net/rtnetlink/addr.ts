// ip address: an address of a device, as ip-address(8) words it. Mirrors inet_rtm_newaddr, inet_rtm_deladdr of devinet.c.

import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../../assembly/uapi/rtnetlink.ts'
import type { Machine } from '../../kernel/machine.ts'
import { inProcess } from '../../kernel/softirq.ts'
import type { NamespaceState } from '../../kernel/state.ts'
import { encodeIfname, integer, maskOf, parseIPv4, parsePrefix } from '../../wasm/encode.ts'
import { checked } from '../../wasm/errors.ts'
import { requireDevice } from '../dev.ts'
import { ipv4_devconf_setall } from '../sysctl.ts'
import { SCOPES, numberOf } from './names.ts'

/** IFA_F_NOPREFIXROUTE: no route for the prefix. */
const IFA_F_NOPREFIXROUTE = 0x200

/** '10.0.0.1/24' (no broadcast address, as with `ip addr add`), or its parts. */
export type AddressSpec =
  | string
  | {
      /** With its prefix length, 32 without. */
      address: string
      /** The other end of a point-to-point link, with the prefix length. */
      peer?: string
      /** An address, or '+': the last of the prefix. */
      broadcast?: string
      /** 'global' unless given; 'host' for 127.x.y.z. */
      scope?: string | number
      label?: string
      noprefixroute?: boolean
      /** Metric of the prefix's route. */
      metric?: number
    }

function parts(spec: AddressSpec): Exclude<AddressSpec, string> {
  return typeof spec === 'string' ? { address: spec } : spec
}

function broadcastOf(given: string | undefined, address: number, length: number): number {
  if (given === undefined) return 0
  return given === '+' ? (address | ~maskOf(length)) >>> 0 : parseIPv4(given, 'RTM_NEWADDR', 'broadcast')
}

/** What to do with an address: as the words of `ip address`. */
export type AddressVerb = 'add' | 'change' | 'replace'

const VERBS: Readonly<Record<AddressVerb, number>> = {
  add: NLM_F_CREATE | NLM_F_EXCL,
  change: NLM_F_REPLACE,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
}

/** Adds an address, or changes what may change of one that is there: its metric. ENODEV, EEXIST (add), EINVAL. */
export function addAddress(
  machine: Machine,
  namespace: NamespaceState,
  name: string,
  given: AddressSpec,
  verb: AddressVerb = 'add',
): void {
  const spec = parts(given)
  const device = requireDevice(namespace, name, 'RTM_NEWADDR')
  const local = parsePrefix(spec.address, 'RTM_NEWADDR', 'address')
  const peer = spec.peer === undefined ? local : parsePrefix(spec.peer, 'RTM_NEWADDR', 'peer')
  const scope =
    spec.scope === undefined
      ? (local.address & 255) === 127
        ? SCOPES['host']!
        : 0
      : numberOf(SCOPES, spec.scope, 255, 'scope', 'RTM_NEWADDR')
  const broadcast = broadcastOf(spec.broadcast, peer.address, peer.length)
  const label = encodeIfname(spec.label ?? name, 'RTM_NEWADDR', 'label').fill(0, 15)
  const metric = integer(spec.metric ?? 0, 0, 4294967295, 'metric', 'RTM_NEWADDR')
  const flags = spec.noprefixroute ? IFA_F_NOPREFIXROUTE : 0
  inProcess(machine, () => {
    const { core } = machine
    ipv4_devconf_setall(machine, namespace, device)
    core.memory.write(core.callBuffer, label)
    const result = core.exports.inet_rtm_newaddr(
      namespace.net,
      device.ptr,
      local.address,
      peer.address,
      peer.length,
      broadcast,
      scope,
      flags,
      metric,
      core.callBuffer,
      VERBS[verb],
    )
    checked(result, 'RTM_NEWADDR', `address ${spec.address} dev ${name}`)
  })
}

/** Deletes an address; without a prefix length the first that has this local address. EADDRNOTAVAIL when there is none. */
export function delAddress(machine: Machine, namespace: NamespaceState, name: string, given: AddressSpec): void {
  const spec = parts(given)
  const device = requireDevice(namespace, name, 'RTM_DELADDR')
  const local = parsePrefix(spec.address, 'RTM_DELADDR', 'address')
  const peer = spec.peer === undefined ? local : parsePrefix(spec.peer, 'RTM_DELADDR', 'peer')
  const exact = spec.address.includes('/') || spec.peer !== undefined
  const label = spec.label === undefined ? undefined : encodeIfname(spec.label, 'RTM_DELADDR', 'label')
  inProcess(machine, () => {
    const { core } = machine
    if (label) core.memory.write(core.callBuffer, label)
    const result = core.exports.inet_rtm_deladdr(
      namespace.net,
      device.ptr,
      local.address,
      exact ? peer.address : 0,
      peer.length,
      label ? core.callBuffer : 0,
    )
    checked(result, 'RTM_DELADDR', `address ${spec.address} dev ${name}`)
  })
}
