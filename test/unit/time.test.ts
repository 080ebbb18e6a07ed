// The virtual clock's events: in order of time, then of being made; plain data.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { clockState, dropEvents, nextEventTime, popEvent, pushEvent } from '../../src/kernel/time.ts'
import { nextRandom, seedOf } from '../../src/kernel/random.ts'

const test = suite('time')

function drain(clock: ReturnType<typeof clockState>): number[] {
  const targets: number[] = []
  for (let event = popEvent(clock); event; event = popEvent(clock)) targets.push(event.target)
  return targets
}

test('events come in order of time, and of one time in the order of their making', () => {
  const clock = clockState()
  const times = [5, 3, 5, 1, 3, 9, 1, 5]
  times.forEach((time, i) => pushEvent(clock, time, 'irq', 1, i))
  assert.is(nextEventTime(clock), 1)
  assert.equal(drain(clock), [3, 6, 1, 4, 0, 2, 7, 5])
  assert.is(nextEventTime(clock), Infinity)
})

test('a thousand events of a scrambled order', () => {
  const clock = clockState()
  const times = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 257)
  times.forEach((time, i) => pushEvent(clock, time, 'irq', 1, i))
  const order = times.map((time, i) => ({ time, i })).sort((a, b) => a.time - b.time || a.i - b.i)
  assert.equal(
    drain(clock),
    order.map(({ i }) => i),
  )
})

test('an event of the past happens now', () => {
  const clock = clockState()
  clock.now = 100
  assert.is(pushEvent(clock, 10, 'tx', 1, 0).time, 100)
})

test('dropping some keeps the order of the others', () => {
  const clock = clockState()
  for (let i = 0; i < 50; i++) pushEvent(clock, 50 - i, 'irq', i % 2, i)
  dropEvents(clock, (event) => event.host === 1)
  assert.equal(
    drain(clock),
    Array.from({ length: 25 }, (_, i) => 48 - 2 * i),
  )
})

test('a clone goes on as the original', () => {
  const clock = clockState()
  for (let i = 0; i < 20; i++) pushEvent(clock, (i * 13) % 7, 'blast', 1, i, [i])
  const copy = structuredClone(clock)
  assert.equal(drain(copy), drain(clock))
})

test('the generator repeats from its state, and seeds differ by number', () => {
  const draw = (state: number, count: number): number[] =>
    Array.from({ length: count }).reduce<{ state: number; values: number[] }>(
      (sum) => {
        const next = nextRandom(sum.state)
        return { state: next.state, values: [...sum.values, next.value] }
      },
      { state, values: [] },
    ).values
  assert.equal(draw(7, 5), draw(7, 5))
  assert.ok(draw(7, 100).every((value) => value >= 0 && value < 1))
  const seeds = new Set(Array.from({ length: 100 }, (_, i) => seedOf(1, i).join()))
  assert.is(seeds.size, 100)
})

test.run()
