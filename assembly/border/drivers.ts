// Devices as the hardware and programs see them: frames in and out, interrupts, polls.

import { net } from '../include/net_namespace.ts'
import { napi_struct, net_device } from '../include/netdevice.ts'
import { igb_create as make_igb, igb_msix_ring, igb_napi_of, igb_ring_of } from '../drivers/net/igb.ts'
import { igb_fifo_lend as ring_lend, igb_fifo_reserve as ring_reserve } from '../drivers/net/igb_ring.ts'
import { igb_tx_discard, igb_tx_take } from '../drivers/net/igb_tx.ts'
import { tun_create as make_tun, tun_do_read, tun_set_offload } from '../drivers/net/tun.ts'
import { IS_ERR } from '../lib/err.ts'
import { dev_announce } from '../admin.ts'
import { igb_interrupt_due, napi_poll as poll, tun_write } from '../path.ts'

/** The next frame for the program at a TAP: its length, at most max bytes at out; -EAGAIN. */
export function tun_read(dev: net_device, out: usize, max: u32): i32 {
  return tun_do_read(dev, out, max)
}

export function igb_napi(dev: net_device, queue: u32): usize {
  return changetype<usize>(igb_napi_of(dev, queue))
}

/** A queue's struct igb_ring: its counters are read in place. */
export function igb_ring_at(dev: net_device, queue: u32): usize {
  return changetype<usize>(igb_ring_of(dev, queue))
}

/** Where bytes of frame records may be written, 0: no room now. */
export function igb_fifo_reserve(dev: net_device, queue: u32, bytes: u32): usize {
  return ring_reserve(igb_ring_of(dev, queue), bytes)
}

/** Frame records that lie at p already arrive. 1: taken, 0: the FIFO is not empty. */
export function igb_fifo_lend(dev: net_device, queue: u32, p: usize, bytes: u32): u32 {
  return ring_lend(igb_ring_of(dev, queue), p, bytes) ? 1 : 0
}

/** The records are written. */
export function igb_fifo_commit(dev: net_device, queue: u32, bytes: u32): void {
  igb_ring_of(dev, queue).fifo_tail += bytes
}

/** Arrival time of the first record in the FIFO in ns, -1: it is empty. */
export function igb_fifo_next(dev: net_device, queue: u32): f64 {
  const ring = igb_ring_of(dev, queue)
  return ring.fifo_head == ring.fifo_tail ? -1 : load<f64>(ring.fifo_base + ring.fifo_head, 8)
}

/** DMA of what has arrived by now. 1: the interrupt is to be raised. */
export function igb_irq(dev: net_device, queue: u32): u32 {
  return igb_interrupt_due(igb_ring_of(dev, queue)) ? 1 : 0
}

/** The queue's interrupt line: the same, and the driver's handler runs when it is to be raised. 1: it was. */
export function igb_hardirq(dev: net_device, queue: u32): u32 {
  if (!igb_interrupt_due(igb_ring_of(dev, queue))) return 0
  igb_msix_ring(dev, queue)
  return 1
}

/** One poll: at most budget packets, until the virtual time until (ns). */
export function napi_poll(napi: napi_struct, budget: u32, until: f64): u32 {
  return poll(napi, budget, until < 1.8e19 ? <u64>until : u64.MAX_VALUE)
}

/** Tells the stack of a device that was made; p may be -errno. */
function announced(p: usize): usize {
  if (!IS_ERR(p)) dev_announce(changetype<net_device>(p))
  return p
}

/** A TAP, down: drivers/net/tun.ts. */
export function tun_create(owner: net, name: usize, mac: usize, napi: u32, vnet: u32): usize {
  return announced(make_tun(owner, name, mac, napi, vnet))
}

/** An igb, down: drivers/net/igb.ts. */
export function igb_create(owner: net, name: usize, mac: usize, queues: u32, count: u32): usize {
  return announced(make_igb(owner, name, mac, queues, count))
}

export { igb_tx_discard, igb_tx_take, tun_set_offload, tun_write }
