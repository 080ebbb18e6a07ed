// Pages of fragments: blocks of the arena that several packets may hold.

import { kfree, kmalloc } from '../../lib/arena.ts'

/** A block, with its count and size in front. */
@unmanaged
@final
export class page {
  refcnt: u32
  size: u32
  /** The next block of a program (user_pages.ts). */
  next: usize
  /** Number of a program's block, never used again. */
  number: u32
  /** Sums of the data, one for every sum_size bytes, lie before them: so many (train_pages.ts); 0: none. */
  sum_size: u16
  sums: u16
}

/** Room for it before the data, which begin at a multiple of 16. */
export const PAGE_HEADER: usize = (offsetof<page>() + 15) & ~15

/** A page block with room for size bytes behind its header, 0: out of memory. */
export function page_alloc(size: u32): usize {
  const p = kmalloc(<usize>size + PAGE_HEADER)
  if (p == 0) return 0
  changetype<page>(p).refcnt = 1
  changetype<page>(p).size = size
  changetype<page>(p).sum_size = 0
  return p
}

export function page_get(p: usize): void {
  changetype<page>(p).refcnt += 1
}

export function page_put(p: usize): void {
  if (--changetype<page>(p).refcnt == 0) kfree(p, <usize>changetype<page>(p).size + PAGE_HEADER)
}
