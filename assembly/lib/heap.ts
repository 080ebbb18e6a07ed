// A binary heap of what knows its own place in it, so that any of them can be taken out: the timers' queues.

import { kfree, kmalloc } from './arena.ts'

/** Items are of a class with a slot (place plus 1; 0: in no heap) and before(other): which of two is first. */
@unmanaged
@final
export class heap {
  items: usize
  count: u32
  space: u32
}

interface heap_item<T> {
  slot: u32
  before(other: T): bool
}

/** Room that a heap begins with. */
const SPACE: u32 = 64

export function heap_at<T>(h: heap, i: u32): T {
  return changetype<T>(load<usize>(h.items + ((<usize>i) << 2)))
}

function put<T extends heap_item<T>>(h: heap, i: u32, item: T): void {
  store<usize>(h.items + ((<usize>i) << 2), changetype<usize>(item))
  item.slot = i + 1
}

function sift_up<T extends heap_item<T>>(h: heap, from: u32, item: T): void {
  let i = from
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!item.before(heap_at<T>(h, parent))) break
    put<T>(h, i, heap_at<T>(h, parent))
    i = parent
  }
  put<T>(h, i, item)
}

function sift_down<T extends heap_item<T>>(h: heap, from: u32, item: T): void {
  let i = from
  for (;;) {
    let child: u32 = 2 * i + 1
    if (child >= h.count) break
    if (child + 1 < h.count && heap_at<T>(h, child + 1).before(heap_at<T>(h, child))) child++
    if (!heap_at<T>(h, child).before(item)) break
    put<T>(h, i, heap_at<T>(h, child))
    i = child
  }
  put<T>(h, i, item)
}

/** Room for one more. False: out of memory. */
export function heap_room(h: heap): bool {
  if (h.count < h.space) return true
  const space = h.space == 0 ? SPACE : h.space * 2
  const items = kmalloc((<usize>space) << 2)
  if (items == 0) return false
  memory.copy(items, h.items, (<usize>h.count) << 2)
  kfree(h.items, (<usize>h.space) << 2)
  h.items = items
  h.space = space
  return true
}

/** Enters an item; there is room for it. */
export function heap_add<T extends heap_item<T>>(h: heap, item: T): void {
  sift_up<T>(h, h.count++, item)
}

/** Takes an item out, wherever it is. */
export function heap_remove<T extends heap_item<T>>(h: heap, item: T): void {
  const i = item.slot - 1
  item.slot = 0
  const last = --h.count
  if (i == last) return
  const moved = heap_at<T>(h, last)
  sift_down<T>(h, i, moved)
  sift_up<T>(h, moved.slot - 1, moved)
}
