// Sockets in chains by their sk_next and sk_prev: the newest is first, as sk_add_node_rcu of include/net/sock.h puts it.

import { sock } from '../../include/sock.ts'

/** Enters a socket at the head of the chain at slot; sk_hash remembers which. */
export function sk_add_node(sk: sock, slot: usize): void {
  const p = changetype<usize>(sk)
  const first = load<usize>(slot)
  sk.sk_next = first
  sk.sk_prev = 0
  if (first) changetype<sock>(first).sk_prev = p
  store<usize>(slot, p)
  sk.sk_hash = <u32>slot
}

/** Takes a socket out of its chain. False: it is in none. */
export function sk_del_node_init(sk: sock): bool {
  if (sk.sk_hash == 0) return false
  if (sk.sk_prev) changetype<sock>(sk.sk_prev).sk_next = sk.sk_next
  else store<usize>(sk.sk_hash, sk.sk_next)
  if (sk.sk_next) changetype<sock>(sk.sk_next).sk_prev = sk.sk_prev
  sk.sk_next = 0
  sk.sk_prev = 0
  sk.sk_hash = 0
  return true
}
