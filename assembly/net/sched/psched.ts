// How long bytes take at a rate: a multiplication and a shift. Mirrors psched_ratecfg of net/sch_generic.h and
// psched_ratecfg_precompute of net/sched/sch_generic.c.

const NSEC_PER_SEC: u64 = 1000000000
/** A cell of ATM on the wire, and what it carries. */
const ATM_CELL: u32 = 53
const ATM_CELL_PAYLOAD: u32 = 48
export const TC_LINKLAYER_ATM: u32 = 2

@unmanaged
@final
export class psched_ratecfg {
  rate_bytes_ps: u64
  mult: u32
  overhead: u16
  linklayer: u8
  shift: u8
}

export function psched_ratecfg_precompute(r: psched_ratecfg, rate: u64, overhead: u32, linklayer: u32): void {
  r.rate_bytes_ps = rate
  r.overhead = <u16>overhead
  r.linklayer = <u8>linklayer
  r.mult = 1
  r.shift = 0
  if (rate == 0) return
  let factor = NSEC_PER_SEC
  let shift: u8 = 0
  for (;;) {
    r.mult = <u32>(factor / rate)
    if (r.mult >> 31 || factor >> 63) break
    factor <<= 1
    shift++
  }
  r.shift = shift
}

/** Time in ns that len bytes take. */
export function psched_l2t_ns(r: psched_ratecfg, len: u32): u64 {
  let bytes = len + <u32>r.overhead
  if (<u32>r.linklayer == TC_LINKLAYER_ATM) bytes = ((bytes + ATM_CELL_PAYLOAD - 1) / ATM_CELL_PAYLOAD) * ATM_CELL
  return (<u64>bytes * r.mult) >> r.shift
}
