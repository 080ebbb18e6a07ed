// The state of a machine outside of Wasm memory: plain data, which structuredClone copies. A snapshot is this and the
// memories; what acts on it are functions (src/kernel, src/net, src/drivers) and thin handles (src/host, src/lab).

import type { ClockState } from './time.ts'

/** What a lab was made with. */
export interface LabOptions {
  seed: number
  /** Timer ticks per second. */
  hz: number
  /** Of each host. */
  memoryMb: number
  /** ISN of each TCP connection, 0: chosen at random. */
  isn: number
  /** Rows of the cost table by name, [ns, ns per byte]; empty: work takes no time. */
  costs: Record<string, [ns: number, nsPerByte: number]>
}

export interface LabState {
  options: LabOptions
  clock: ClockState
  /** State of the generator of losses. */
  random: number
  hosts: HostState[]
  links: LinkState[]
  nextLink: number
  nextBlast: number
}

export interface HostState {
  id: number
  name: string
  cpus: CpuState[]
  namespaces: NamespaceState[]
  linkWatch: LinkWatchState
  /** When the next timer of the wheel fires in ns, -1: none is set. */
  timerAt: number
  blasts: BlastState[]
  /** Number of the next device. */
  nextDevice: number
  /** Who sleeps until a time (src/kernel/wait.ts), the first to wake first. */
  sleeps: { id: number; until: number }[]
  nextSleep: number
}

/** A CPU: what runs, what is pending. */
export interface CpuState {
  id: number
  /** Work charged to it is done then, in ns. */
  busyUntil: number
  /** Bits of raised softirqs. */
  pending: number
  /** NAPI contexts to poll, in order (softnet_data.poll_list). */
  pollList: number[]
  /** ksoftirqd was woken and has not run yet. */
  ksoftirqd: boolean
  /** A softirq event waits until the CPU is free. */
  deferred: boolean
}

export interface NamespaceState {
  /** Index in the host; 0 is the first. */
  id: number
  name: string
  /** struct net. */
  net: number
  devices: DeviceState[]
  /** Sysctls that the core does not keep, by name, where they are not the default. */
  sysctls: Record<string, string>
  /** Per-device switches that were written: 'conf.IFINDEX.ID' (0: default; ID *: all). A default no longer reaches these. */
  written: Record<string, true>
}

/** What a device is. */
export type DeviceKind = 'lo' | 'tap' | 'tun' | 'nic' | 'veth' | 'dummy' | 'ipip' | 'vxlan'

export interface DeviceState {
  /** Its number in the host, for as long as it lives, in whatever namespace. */
  id: number
  /** struct net_device. */
  ptr: number
  ifindex: number
  name: string
  kind: DeviceKind
  /** Only a tap: frames are polled by NAPI. */
  napi: boolean
  /** Only a tap: a virtio_net_hdr stands before each frame. */
  vnet?: boolean
  nic?: NicState
  /** Only a vxlan: the device (id) that it is above of, and goes with. */
  below?: number
}

/** The hardware side of a NIC. */
export interface NicState {
  /** struct napi_struct of each queue. */
  napis: number[]
  /** struct igb_ring of each queue. */
  rings: number[]
  /** Frames on their way in that the arrival FIFO has no room for yet, by queue: flat records. */
  inbox: { bytes: Uint8Array<ArrayBuffer>; at: number }[][]
  /** When the interrupt event of each queue is due, -1: none is. */
  irqAt: number[]
  /** When the queue's interrupt was raised last. */
  lastIrq: number[]
  /** Smallest distance of two interrupts of a queue in ns (ITR), 0: each arrival raises one. */
  itr: number
  /** For each queue: the event that takes more from its transmit ring is under way. */
  txWaiting: boolean[]
  /** It takes nothing from its transmit rings any more: it hangs. */
  stall: boolean
  /** The last bit of what was taken leaves then. */
  wireFree: number
  peer: NicPeer
}

/** What a NIC's cable ends in. */
export type NicPeer =
  | { kind: 'none' }
  /** A program: what left waits for it. */
  | { kind: 'user'; sent: Uint8Array<ArrayBuffer>[] }
  /** A program that puts frames in, and wants none of what leaves. */
  | { kind: 'sink' }
  | { kind: 'link'; link: number; end: 0 | 1 }

export interface LinkState {
  id: number
  ends: [LinkEnd, LinkEnd]
  /** Bits per second, 0: no limit. */
  rate: number
  delay: number
  loss: number
  /** What went in at each end, and what was lost of it. */
  stats: [LinkStats, LinkStats]
}

export interface LinkEnd {
  host: number
  /** DeviceState.id */
  device: number
}

export interface LinkStats {
  frames: number
  bytes: number
  lost: number
}

/** net/core/link_watch.c: which devices wait, and when the work may run again. */
export interface LinkWatchState {
  /** DeviceState.id of each. */
  pending: number[]
  nextEvent: number
  scheduled: boolean
}

/** A stream of datagrams that a host sends by itself. */
export interface BlastState {
  id: number
  handle: number
  address: string
  port: number
  size: number
  left: number
  interval: number
  nextAt: number
  sent: number
  /** Refused sends by errno name. */
  errors: Record<string, number>
}
