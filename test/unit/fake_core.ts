// A core in JavaScript for tests of the machine around it: memory with every struct's fields eight bytes apart, NICs with a
// FIFO and a ring that count, NAPI that polls them. No protocol: frames go nowhere, or out again when asked to echo.

import { Machine, type Simulation } from '../../src/kernel/machine.ts'
import { cpuState } from '../../src/kernel/cpu.ts'
import { clockState } from '../../src/kernel/time.ts'
import { handlers } from '../../src/lab/loop.ts'
import {
  CONSTANTS,
  type Constants,
  type CoreExports,
  EV_IGB_TX,
  EV_NAPI,
  LAYOUT,
  type Layout,
} from '../../src/wasm/abi.ts'
import { Core } from '../../src/wasm/core.ts'
import { CoreMemory } from '../../src/wasm/views.ts'

const RING = 256
const EVENTS = 1024

interface FakeNic {
  napi: number
  /** struct igb_ring: only what the machine looks up in place. */
  at: number
  fifo: { time: number; bytes: Uint8Array }[]
  reserved: number
  ring: Uint8Array[]
  missed: number
  masked: boolean
  sent: Uint8Array[]
  done: number
}

/** What a test may look at and turn. */
export interface Fake {
  machine: Machine
  simulation: Simulation
  nics: Map<number, FakeNic>
  /** Packets of each poll: [napi, time, work]. */
  polls: [number, number, number][]
  flushed: number
  /** Received frames are sent out of the same NIC. */
  echo: boolean
  /** ns that a received packet costs; the lab must have costs for it to count. */
  cost: number
}

function layout(): { offsets: Layout; constants: Constants; size: number } {
  const offsets = Object.fromEntries(
    Object.entries(LAYOUT).map(([struct, fields]) => [
      struct,
      Object.fromEntries(fields.map((field, i) => [field, 8 * i])),
    ]),
  ) as Layout
  const numbers: Partial<Record<(typeof CONSTANTS)[number], number>> = {
    BOOT: 1024,
    HEAP_BASE: 65536,
    CALL_BUFFER_SIZE: 262144,
    NET_SYSCTL: 1024,
    NET_MIB: 4096,
    NET_BORN: 512,
    NET_ENDED: 640,
    DEV_STATS: 256,
    DEV_ADDR: 192,
    SOFTNET_SIZE: 256,
    IN_DEV_CNF: 64,
    NEIGH_PARMS_DATA: 16,
  }
  const constants = Object.fromEntries(CONSTANTS.map((name) => [name, numbers[name] ?? 128])) as Constants
  return { offsets, constants, size: 16384 }
}

/** A machine with one or more CPUs around a fake core; its namespace and devices are made by the test. */
export function fakeMachine(cpus = 1, costs: Record<string, [number, number]> = {}): Fake {
  const memory = new CoreMemory(new WebAssembly.Memory({ initial: 256 }))
  const { offsets, constants, size } = layout()
  const boot = (field: keyof Layout['boot_block']): number => constants.BOOT + offsets.boot_block[field]
  const heap = { at: constants.HEAP_BASE + constants.CALL_BUFFER_SIZE }
  const take = (bytes: number): number => {
    heap.at += bytes
    return heap.at - bytes
  }
  const setNow = (ns: number): void => {
    memory.views.u64[boot('now') >>> 3] = BigInt(Math.floor(ns))
  }
  const now = (): number => memory.readU64(boot('now'))
  memory.writeU32(boot('event_ring'), take(16 * EVENTS))
  memory.writeU32(boot('event_mask'), EVENTS - 1)
  memory.writeU32(boot('softnet'), take(constants.SOFTNET_SIZE * cpus))
  const simulation: Simulation = {
    state: {
      options: { seed: 1, hz: 250, memoryMb: 16, isn: 0, costs },
      clock: clockState(),
      random: 1,
      hosts: [
        {
          id: 1,
          name: 'fake',
          cpus: Array.from({ length: cpus }, (_, id) => cpuState(id)),
          namespaces: [],
          linkWatch: { pending: [], nextEvent: 0, scheduled: false },
          timerAt: -1,
          blasts: [],
          sleeps: [],
          nextSleep: 0,
          nextDevice: 0,
        },
      ],
      links: [],
      nextLink: 0,
      nextBlast: 0,
    },
    machines: new Map(),
  }
  const fake: Omit<Fake, 'machine'> = { simulation, nics: new Map(), polls: [], flushed: 0, echo: false, cost: 0 }
  const push = (kind: number, a: number, b: number): void => {
    const head = memory.readU32(boot('event_head'))
    const p = memory.readU32(boot('event_ring')) + (head & (EVENTS - 1)) * 16
    ;[kind, a, b, 0].forEach((word, i) => memory.writeU32(p + 4 * i, word))
    memory.writeU32(boot('event_head'), head + 1)
  }
  const byNapi = (napi: number): [number, FakeNic] => [...fake.nics].find(([, nic]) => nic.napi === napi)!
  /** Writes what the struct would hold: frames in the FIFO, descriptors that are sent or will be. */
  const show = (nic: FakeNic): void => {
    memory.writeU32(nic.at + offsets.igb_ring.fifo_tail, nic.fifo.length)
    memory.writeU32(nic.at + offsets.igb_ring.tx_next_to_use, nic.sent.length + nic.done)
  }
  const dma = (nic: FakeNic): void => {
    while (nic.fifo.length && nic.fifo[0]!.time <= now()) {
      const { bytes } = nic.fifo.shift()!
      if (nic.ring.length < RING) nic.ring.push(bytes)
      else nic.missed++
    }
    show(nic)
  }
  const state = (napi: number): number => napi + offsets.napi_struct.state
  const makeDevice = (net: number, ifindex: number): number => {
    const dev = take(1024)
    const inDevice = take(512)
    memory.writeU32(dev + offsets.net_device.ifindex, ifindex)
    memory.writeU32(dev + offsets.net_device.ip_ptr, inDevice)
    memory.writeU32(dev + offsets.net_device.mtu, 1500)
    memory.writeU32(inDevice + offsets.in_device.arp_parms, take(256))
    memory.writeU32(net + 2048, ifindex)
    return dev
  }
  const confOf = (net: number, dev: number): number => {
    if (dev === 0) return memory.readU32(net + offsets.net.devconf_all)
    if (dev === 1) return memory.readU32(net + offsets.net.devconf_dflt)
    return memory.readU32(dev + offsets.net_device.ip_ptr) + constants.IN_DEV_CNF
  }
  const exports: Partial<CoreExports> = {
    set_time: setNow,
    timer_next: () => -1,
    run_timers: () => 0,
    call_buffer: () => constants.HEAP_BASE,
    net_create: () => {
      const net = take(size)
      memory.writeU32(net + offsets.net.devconf_all, take(256))
      memory.writeU32(net + offsets.net.devconf_dflt, take(256))
      memory.writeU32(net + offsets.net.arp_parms, take(256))
      return net
    },
    net_start: (net) => {
      const lo = makeDevice(net, 1)
      memory.writeU32(net + offsets.net.loopback_dev, lo)
      return lo
    },
    trace_function: () => {},
    sysctl_write: (net, id, value) => memory.writeI32(net + constants.NET_SYSCTL + 4 * id, value),
    devconf_write: (net, dev, id, value) => memory.writeI32(confOf(net, dev) + 4 * id, value),
    neigh_parm_write: (net, dev, id, value) => {
      const inDevice = dev && memory.readU32(dev + offsets.net_device.ip_ptr)
      const parms = memory.readU32(dev ? inDevice + offsets.in_device.arp_parms : net + offsets.net.arp_parms)
      memory.writeI32(parms + constants.NEIGH_PARMS_DATA + 4 * id, value)
    },
    rt_cache_flush: () => {
      fake.flushed++
    },
    igb_create: (net) => {
      const dev = makeDevice(net, memory.readU32(net + 2048) + 1)
      const napi = take(64)
      memory.writeU32(napi + offsets.napi_struct.weight, 64)
      const at = take(128)
      fake.nics.set(dev, { napi, at, fifo: [], reserved: 0, ring: [], missed: 0, masked: false, sent: [], done: 0 })
      return dev
    },
    igb_ring_at: (dev) => fake.nics.get(dev)!.at,
    igb_napi: (dev) => fake.nics.get(dev)!.napi,
    igb_fifo_reserve: (dev, _queue, bytes) => {
      const nic = fake.nics.get(dev)!
      nic.reserved ||= take(1 << 17)
      return bytes > 1 << 17 || nic.fifo.length > 1000 ? 0 : nic.reserved
    },
    igb_fifo_commit: (dev, _queue, bytes) => {
      const nic = fake.nics.get(dev)!
      for (let at = nic.reserved; at < nic.reserved + bytes;) {
        const length = memory.readU32(at)
        nic.fifo.push({ time: memory.views.data.getFloat64(at + 8, true), bytes: memory.slice(at + 16, length) })
        at += (16 + length + 7) & ~7
      }
      show(nic)
    },
    igb_fifo_next: (dev) => fake.nics.get(dev)!.fifo[0]?.time ?? -1,
    igb_irq: (dev) => {
      const nic = fake.nics.get(dev)!
      dma(nic)
      return (nic.ring.length || nic.done) && !nic.masked ? 1 : 0
    },
    igb_hardirq: (dev, queue) => {
      if (!exports.igb_irq!(dev, queue)) return 0
      const nic = fake.nics.get(dev)!
      nic.masked = true
      memory.writeU32(state(nic.napi), 1)
      push(EV_NAPI, nic.napi, memory.readU32(boot('cpu')))
      return 1
    },
    igb_tx_take: (dev, _queue, out, max) => {
      const nic = fake.nics.get(dev)!
      let at = 0
      while (nic.sent.length && at + 16 + nic.sent[0]!.length + 7 <= max) {
        const frame = nic.sent.shift()!
        memory.writeU32(out + at, frame.length)
        memory.views.data.setFloat64(out + at + 8, now(), true)
        memory.write(out + at + 16, frame)
        at += (16 + frame.length + 7) & ~7
        nic.done++
      }
      show(nic)
      return at
    },
    napi_poll: (napi, budget, until) => {
      const [dev, nic] = byNapi(napi)
      const start = now()
      nic.done = 0
      let work = 0
      for (; work < budget && now() < until; work++) {
        dma(nic)
        const frame = nic.ring.shift()
        if (!frame) break
        setNow(now() + fake.cost)
        if (fake.echo) nic.sent.push(frame)
      }
      show(nic)
      if (fake.echo && work) push(EV_IGB_TX, dev, 0)
      fake.polls.push([napi, start, work])
      if (work < budget && now() < until) {
        nic.masked = false
        memory.writeU32(state(napi), 0)
      }
      return work
    },
  }
  const core = new Core(exports as CoreExports, memory, constants, offsets, 0)
  const machine = new Machine(simulation, 1, core, handlers)
  simulation.machines.set(1, machine)
  return Object.assign(fake, { machine })
}
