// The devices of a host by their number and by their struct net_device: events and packets name them so.

import type { DeviceState, HostState, NamespaceState } from './state.ts'

/** A device and the namespace that it is in. */
export interface DeviceAt {
  namespace: NamespaceState
  device: DeviceState
}

/** Follows the lists of a host's namespaces: what is entered there or taken out is told here. Made anew when a lab is restored. */
export class DeviceIndex {
  #host: HostState | undefined
  readonly #byId = new Map<number, DeviceAt>()
  readonly #byPointer = new Map<number, DeviceAt>()

  #follow(host: HostState): void {
    if (this.#host === host) return
    this.#host = host
    this.#byId.clear()
    this.#byPointer.clear()
    for (const namespace of host.namespaces) for (const device of namespace.devices) this.#enter(namespace, device)
  }

  #enter(namespace: NamespaceState, device: DeviceState): void {
    const at: DeviceAt = { namespace, device }
    this.#byId.set(device.id, at)
    this.#byPointer.set(device.ptr, at)
  }

  /** A device is in this namespace's list from now on. */
  add(host: HostState, namespace: NamespaceState, device: DeviceState): void {
    this.#follow(host)
    this.#enter(namespace, device)
  }

  /** It is in no list any more. */
  remove(host: HostState, device: DeviceState): void {
    this.#follow(host)
    this.#byId.delete(device.id)
    this.#byPointer.delete(device.ptr)
  }

  byId(host: HostState, id: number): DeviceAt | undefined {
    this.#follow(host)
    return this.#byId.get(id)
  }

  byPointer(host: HostState, ptr: number): DeviceAt | undefined {
    this.#follow(host)
    return this.#byPointer.get(ptr)
  }
}
