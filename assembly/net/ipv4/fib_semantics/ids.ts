// Numbers of fib_infos, for entries that have no room for an address (fib_trie/derived.ts). One for all namespaces.

import { fib_info } from '../../../include/ip_fib.ts'
import { kfree, kmalloc } from '../../../lib/arena.ts'
import { boot } from '../../../lib/boot.ts'

/** Places that the list begins with. */
const IDS: u32 = 256
/** fib_id of one that has none. */
export const NO_FIB_ID: u32 = u32.MAX_VALUE

function id_place(id: u32): usize {
  return boot.fib_infos + ((<usize>id) << 2)
}

/** Doubles the list; place 0 is nobody's. False: out of memory. */
function ids_grow(): bool {
  const old = boot.fib_infos_space
  const space = old ? old * 2 : IDS
  const p = kmalloc((<usize>space) << 2)
  if (p == 0) return false
  if (old) {
    memory.copy(p, boot.fib_infos, (<usize>old) << 2)
    kfree(boot.fib_infos, (<usize>old) << 2)
  }
  boot.fib_infos = p
  boot.fib_infos_space = space
  boot.fib_infos_free = old ? old : 1
  for (let i = boot.fib_infos_free; i < space; i++) store<u32>(id_place(i), i + 1 < space ? i + 1 : 0)
  return true
}

/** Gives it a number that nobody else has, as long as it is in a table. */
export function fib_id_take(fi: fib_info): void {
  fi.fib_id = NO_FIB_ID
  if (boot.fib_infos_free == 0 && !ids_grow()) return
  fi.fib_id = boot.fib_infos_free
  boot.fib_infos_free = load<u32>(id_place(fi.fib_id))
  store<usize>(id_place(fi.fib_id), changetype<usize>(fi))
}

/** It is in no table any more. */
export function fib_id_give(fi: fib_info): void {
  if (fi.fib_id == NO_FIB_ID) return
  store<u32>(id_place(fi.fib_id), boot.fib_infos_free)
  boot.fib_infos_free = fi.fib_id
}

/** The one with this number. */
export function fib_info_by_id(id: u32): fib_info {
  return changetype<fib_info>(load<usize>(id_place(id)))
}
