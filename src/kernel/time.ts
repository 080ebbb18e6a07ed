// The virtual clock and what will happen: events of plain data in a binary heap, in order of time, then of being made.

/** What an event is about: its handler is chosen by this name (src/lab/loop.ts). */
export type EventKind = 'irq' | 'tx' | 'ipi' | 'softirq' | 'ksoftirqd' | 'linkwatch' | 'blast'

export interface SimEvent {
  /** Virtual ns. */
  time: number
  /** Order among events of one time. */
  seq: number
  kind: EventKind
  /** Id of the host. */
  host: number
  /** What of it: a device's index, a CPU, a blast. */
  target: number
  args: readonly number[]
}

export interface ClockState {
  /** Virtual ns since the lab was made. */
  now: number
  /** Number of the next event. */
  seq: number
  /** A binary heap. */
  events: SimEvent[]
}

export function clockState(): ClockState {
  return { now: 0, seq: 0, events: [] }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.time === b.time ? a.seq < b.seq : a.time < b.time
}

/** Enters an event; one of the past happens now. The clock knows whole ns: what is due between two happens at the later. */
export function pushEvent(
  clock: ClockState,
  time: number,
  kind: EventKind,
  host: number,
  target: number,
  args: readonly number[] = [],
): SimEvent {
  const event: SimEvent = { time: Math.ceil(Math.max(time, clock.now)), seq: clock.seq++, kind, host, target, args }
  const heap = clock.events
  let i = heap.length
  heap.push(event)
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!before(event, heap[parent]!)) break
    heap[i] = heap[parent]!
    i = parent
  }
  heap[i] = event
  return event
}

/** The time of the next event, Infinity: there is none. */
export function nextEventTime(clock: ClockState): number {
  return clock.events.length ? clock.events[0]!.time : Infinity
}

/** Takes the next event; the clock is not moved. */
export function popEvent(clock: ClockState): SimEvent | undefined {
  const heap = clock.events
  const first = heap[0]
  const last = heap.pop()
  if (!first || !last || heap.length === 0) return first
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, last)) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = last
  return first
}

/** Takes out all events for which the test holds (a host that is closed). */
export function dropEvents(clock: ClockState, test: (event: SimEvent) => boolean): void {
  const kept = clock.events.filter((event) => !test(event))
  // A sorted array is a heap.
  clock.events = kept.sort((a, b) => (before(a, b) ? -1 : 1))
}
