// Network namespaces of a host: making one, with its lo and its sysctls. Mirrors parts of net/core/net_namespace.c.

import type { Machine } from '../kernel/machine.ts'
import type { NamespaceState } from '../kernel/state.ts'
import { checked, systemError } from '../wasm/errors.ts'
import { enterLoopback } from './dev.ts'
import { writeDefaults } from './sysctl.ts'

/** A new namespace: lo, down; the sysctls of a fresh one. EEXIST for a name that is taken, ENOMEM. */
export function copy_net_ns(machine: Machine, name: string): NamespaceState {
  const { namespaces } = machine.state
  if (namespaces.some((namespace) => namespace.name === name)) throw systemError('EEXIST', 'unshare', name)
  const net = checked(machine.core.exports.net_create(), 'unshare', name)
  if (net === 0) throw systemError('ENOMEM', 'unshare', name)
  const namespace: NamespaceState = { id: namespaces.length, name, net, devices: [], sysctls: {}, written: {} }
  namespaces.push(namespace)
  writeDefaults(machine, namespace)
  if (machine.core.exports.net_start(net) === 0) throw systemError('ENOMEM', 'unshare', name)
  enterLoopback(machine, namespace)
  return namespace
}

/** The namespace of this name ('' for the first), undefined: there is none. */
export function namespaceByName(machine: Machine, name: string): NamespaceState | undefined {
  return machine.state.namespaces.find((namespace) => namespace.name === name)
}

/** A namespace by its name or handle, or ENOENT. */
export function requireNamespace(
  machine: Machine,
  given: string | { readonly netnsName: string },
  syscall: string,
): NamespaceState {
  const name = typeof given === 'string' ? given : given.netnsName
  const found = namespaceByName(machine, name)
  if (!found) throw systemError('ENOENT', syscall, `the host has no namespace '${name}'`)
  return found
}
