// Pointers that may carry an error: the last 4095 values of the address space stand for -errno (linux/err.h).

import { boot } from './boot.ts'

export function IS_ERR(p: usize): bool {
  return p >= <usize>0xfffff001
}

export function PTR_ERR(p: usize): i32 {
  return <i32>p
}

/** errno is positive. */
export function ERR_PTR(errno: u32): usize {
  return <usize>(0 - errno)
}

/** A request is refused, and why (EXTACK_*): what answers it is -errno. */
export function refuse(extack: u32, errno: u32): i32 {
  boot.extack = extack
  return -(<i32>errno)
}
