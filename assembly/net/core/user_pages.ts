// Memory of a program that packets may take as it is: blocks of pages that it asked for. A block lives until the program gives
// it back and the last packet that holds it has ended.

import { BOOT, boot, boot_block } from '../../lib/boot.ts'
import { PAGE_HEADER, page, page_alloc, page_put } from './page.ts'

/** A block with room for size bytes, zeroed; the address of its first byte, 0: out of memory. */
export function user_pages_alloc(size: u32): usize {
  const p = page_alloc(size)
  if (p == 0) return 0
  memory.fill(p + PAGE_HEADER, 0, size)
  changetype<page>(p).next = boot.user_pages
  changetype<page>(p).number = ++boot.user_pages_number
  boot.user_pages = p
  return p + PAGE_HEADER
}

/** The block that holds all of size bytes at from, 0: it is no program's block. */
export function user_pages_find(from: usize, size: u32): usize {
  for (let p = boot.user_pages; p; p = changetype<page>(p).next) {
    const begin = p + PAGE_HEADER
    if (from >= begin && from + size <= begin + changetype<page>(p).size) return p
  }
  return 0
}

/** The program gives back the block whose first byte lies at from. False: there is none. */
export function user_pages_free(from: usize): bool {
  let link = BOOT + offsetof<boot_block>('user_pages')
  let p = load<usize>(link)
  while (p && p + PAGE_HEADER != from) {
    link = p + offsetof<page>('next')
    p = load<usize>(link)
  }
  if (p == 0) return false
  store<usize>(link, changetype<page>(p).next)
  page_put(p)
  return true
}
