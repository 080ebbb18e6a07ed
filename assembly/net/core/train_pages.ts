// Pages of a train that will be cut and summed in software: each segment is summed as it is copied, for its bytes are in hand then.
// The sums lie before the data. A part of a segment has none, nor has one that was copied in pieces: it is summed when it is cut.

import { csum_partial, csum_partial_copy } from '../../lib/checksum.ts'
import { PAGE_HEADER, page, page_alloc } from './page.ts'

/** Bytes of a page, header and sums included. */
const TRAIN_PAGE: u32 = 32768
/** Shorter segments are summed faster than their sums are kept. */
const LEAST: u32 = 128

function sums_bytes(count: u32): u32 {
  return (count * 4 + 15) & ~15
}

/** Where the data of a page with sums begin, from the page on. */
export function train_page_data(p: usize): u32 {
  return <u32>PAGE_HEADER + sums_bytes(changetype<page>(p).sums)
}

/**
 * A page for up to wanted bytes of a train with segments of size bytes, as many whole ones as it holds. 0: there is no memory,
 * or the segments are too short or too long for sums.
 */
export function train_page_alloc(size: u32, wanted: u32): usize {
  const most = (TRAIN_PAGE - <u32>PAGE_HEADER - 16) / (size + 4)
  if (size < LEAST || most == 0) return 0
  const count = min(most, (wanted + size - 1) / size)
  const head = sums_bytes(count)
  const p = page_alloc(head + count * size)
  if (p == 0) return 0
  memory.fill(p + PAGE_HEADER, 0, head)
  changetype<page>(p).sum_size = <u16>size
  changetype<page>(p).sums = <u16>count
  return p
}

/** Copies n bytes to a page, at bytes into its data, and keeps the sums of the segments that are copied whole. */
export function train_page_fill(p: usize, at: u32, from: usize, n: u32): void {
  const size = <u32>changetype<page>(p).sum_size
  const data = p + train_page_data(p)
  let index = at / size
  const skip = at - index * size
  if (skip) {
    // The rest of a segment that was begun before.
    const rest = min(size - skip, n)
    memory.copy(data + at, from, rest)
    at += rest
    from += rest
    n -= rest
    index += 1
  }
  for (; n >= size; n -= size) {
    store<u32>(p + PAGE_HEADER + ((<usize>index) << 2), csum_partial_copy(from, data + at, size, 0))
    at += size
    from += size
    index += 1
  }
  if (n) memory.copy(data + at, from, n)
}

/** The sum of n bytes of a page from offset on: kept, where they are a whole segment, else made. */
export function train_page_sum(p: usize, offset: u32, n: u32): u32 {
  const size = <u32>changetype<page>(p).sum_size
  if (size == n) {
    const at = offset - train_page_data(p)
    const index = at / size
    if (index * size == at) {
      const sum = load<u32>(p + PAGE_HEADER + ((<usize>index) << 2))
      if (sum) return sum // 0: not known
    }
  }
  return csum_partial(p + offset, n, 0)
}
