// What TypeScript must see after a call: a ring of events, drained by src/net. Never a call out per packet.

import { boot } from '../lib/boot.ts'

/** a: napi_struct, b: cpu. It was scheduled: put it on that CPU's poll list, NET_RX is raised. */
export const EV_NAPI: u32 = 1
/** a: handle of a socket. Its readiness changed; sock.ready is cleared when asked (sys_poll). */
export const EV_SOCK: u32 = 2
/** a: net_device. Frames wait for its reader. */
export const EV_TUN_TX: u32 = 3
/** a: net_device, b: queue. Descriptors wait for the hardware. */
export const EV_IGB_TX: u32 = 4
/** a: softirq number, b: cpu. */
export const EV_SOFTIRQ: u32 = 5
/** a: net_device. Carrier or state changed: for link_watch. */
export const EV_LINKWATCH: u32 = 6

/** Appends an event; a full ring loses it and says so (event_lost), then TypeScript looks at everything. */
export function event_push(kind: u32, a: u32, b: u32, c: u32): void {
  const head = boot.event_head
  if (head - boot.event_tail > boot.event_mask) {
    boot.event_lost += 1
    return
  }
  const p = boot.event_ring + <usize>((head & boot.event_mask) << 4)
  store<u32>(p, kind)
  store<u32>(p, a, 4)
  store<u32>(p, b, 8)
  store<u32>(p, c, 12)
  boot.event_head = head + 1
}
