// Rings of linked entries (linux/list.h): a head and its entries are list_head, each knows both neighbours.

@unmanaged
@final
export class list_head {
  next: usize
  prev: usize
}

export const LIST_HEAD_SIZE: usize = offsetof<list_head>()

export function INIT_LIST_HEAD(list: list_head): void {
  list.next = changetype<usize>(list)
  list.prev = changetype<usize>(list)
}

export function list_empty(list: list_head): bool {
  return list.next == changetype<usize>(list)
}

export function list_add_tail(entry: list_head, head: list_head): void {
  const last = changetype<list_head>(head.prev)
  entry.prev = changetype<usize>(last)
  entry.next = changetype<usize>(head)
  last.next = changetype<usize>(entry)
  head.prev = changetype<usize>(entry)
}

/** Takes an entry out; it is then a ring of its own. */
export function list_del_init(entry: list_head): void {
  changetype<list_head>(entry.prev).next = entry.next
  changetype<list_head>(entry.next).prev = entry.prev
  INIT_LIST_HEAD(entry)
}

export function list_move_tail(entry: list_head, head: list_head): void {
  list_del_init(entry)
  list_add_tail(entry, head)
}
