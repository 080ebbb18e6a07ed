// A timer in nanoseconds (struct hrtimer), embedded in what it belongs to.

@unmanaged
@final
export class hrtimer {
  /** In ns. */
  expires: u64
  /** Grows: who was set first is first among timers of one time. */
  seq: u32
  /** Table index of a function (timer: usize) => void. */
  func: u32
  /** Place in the heap plus 1, 0: not queued. */
  slot: u32

  before(other: hrtimer): bool {
    return this.expires == other.expires ? <i32>(this.seq - other.seq) < 0 : this.expires < other.expires
  }
}
