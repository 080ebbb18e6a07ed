// Softirqs that a process raises run as soon as it leaves the section that keeps them out: a packet that a sender puts into the
// backlog is received before its call returns. Mirrors local_bh_disable and local_bh_enable of kernel/softirq.c for the backlog;
// all other softirqs, and those of interrupts, are run by TypeScript (src/kernel/softirq.ts).

import { this_softnet } from '../include/softnet.ts'
import { SLOT_DO_SOFTIRQ, boot, slot_get } from '../lib/boot.ts'

/** boot.bh_disabled counts sections in steps of 1, and a softirq that runs as this. */
const SOFTIRQ: u32 = 0x100

/** Does a softirq run? Else a process does. */
export function softirq_runs(): bool {
  return boot.bh_disabled >= SOFTIRQ
}

/** Is it a process that keeps softirqs out? What it raises runs when it is done with that. */
export function softirq_waits(): bool {
  return boot.bh_disabled - 1 < SOFTIRQ - 1
}

/** Softirqs are kept out until local_bh_enable. */
export function local_bh_disable(): void {
  boot.bh_disabled += 1
}

/** The end of that: what came into the backlog meanwhile is received now. */
export function local_bh_enable(): void {
  boot.bh_disabled -= 1
  if (boot.bh_disabled == 0 && this_softnet().softirq_pending) call_indirect<void>(slot_get(SLOT_DO_SOFTIRQ))
}

/** A softirq begins: what it raises is TypeScript's to run, or of who began it. */
export function softirq_enter(): void {
  boot.bh_disabled += SOFTIRQ
}

export function softirq_exit(): void {
  boot.bh_disabled -= SOFTIRQ
}
