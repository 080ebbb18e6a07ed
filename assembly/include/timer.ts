// A timer of the wheel at HZ (struct timer_list), embedded in what it belongs to.

@unmanaged
@final
export class timer_list {
  /** In jiffies, as asked for. */
  expires: u32
  /** When the wheel fires it: expires rounded up to its level's granularity. */
  fires: u32
  /** Grows: who was set last is first among timers of one tick and level. */
  seq: u32
  /** Table index of a function (timer: usize) => void. */
  func: u32
  /** Place in the heap plus 1, 0: not pending. */
  slot: u32
  /** Level of the wheel. */
  level: u32

  /** Of one tick the coarser levels come first; in a slot of the wheel, who was put there last. */
  before(other: timer_list): bool {
    if (this.fires != other.fires) return <i32>(this.fires - other.fires) < 0
    return this.level == other.level ? <i32>(this.seq - other.seq) > 0 : this.level > other.level
  }
}
