// The devices of a host by their number and by their struct net_device: events and packets name them so.

import type { DeviceState, HostState, NamespaceState } from './state.ts'

/** A device and the namespace that it is in. */
export interface DeviceAt {
  namespace: NamespaceState
  device: DeviceState
}

/** Follows the lists of a host's namespaces: what is entered there or taken out is told here. Made anew when a lab is restored. */
export class DeviceIndex {
  readonly #byId = new Map<number, DeviceAt>()
  readonly #byPointer = new Map<number, DeviceAt>()

  constructor({ namespaces }: HostState) {
    for (const namespace of namespaces) for (const device of namespace.devices) this.add(namespace, device)
  }

  /** A device is in this namespace's list from now on. */
  add(namespace: NamespaceState, device: DeviceState): void {
    const at: DeviceAt = { namespace, device }
    this.#byId.set(device.id, at)
    this.#byPointer.set(device.ptr, at)
  }

  /** It is in no list any more. */
  remove(device: DeviceState): void {
    this.#byId.delete(device.id)
    this.#byPointer.delete(device.ptr)
  }

  /** The device with this number, undefined: it is gone. */
  byId(id: number): DeviceAt | undefined {
    return this.#byId.get(id)
  }

  /** The device of this struct net_device, undefined: it is gone. */
  byPointer(ptr: number): DeviceAt | undefined {
    return this.#byPointer.get(ptr)
  }
}
