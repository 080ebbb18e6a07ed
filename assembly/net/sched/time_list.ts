// Packets of a qdisc by the time at which each may go, linked by next and prev: netem's delayed ones, and those of a flow of fq.
// The time stands first in the qdisc's words of cb.

import { qdisc_cb_private } from '../../include/sch_generic.ts'
import { sk_buff } from '../../include/skbuff.ts'

@unmanaged
@final
export class time_list {
  head: usize
  tail: usize
  qlen: u32
}

/** When a packet may go. */
export function time_to_send(skb: sk_buff): u64 {
  return load<u64>(qdisc_cb_private(skb))
}

export function set_time_to_send(skb: sk_buff, time: u64): void {
  store<u64>(qdisc_cb_private(skb), time)
}

/** Into the list, behind those of its time; most come at the end. */
export function time_list_add(list: time_list, skb: sk_buff): void {
  const when = time_to_send(skb)
  let before = list.tail
  while (before && time_to_send(changetype<sk_buff>(before)) > when) before = changetype<sk_buff>(before).prev
  const after = before ? changetype<sk_buff>(before).next : list.head
  skb.prev = before
  skb.next = after
  if (before) changetype<sk_buff>(before).next = changetype<usize>(skb)
  else list.head = changetype<usize>(skb)
  if (after) changetype<sk_buff>(after).prev = changetype<usize>(skb)
  else list.tail = changetype<usize>(skb)
  list.qlen += 1
}

/** Takes the first, which there is. */
export function time_list_take(list: time_list): sk_buff {
  const skb = changetype<sk_buff>(list.head)
  list.head = skb.next
  if (skb.next) changetype<sk_buff>(skb.next).prev = 0
  else list.tail = 0
  skb.next = 0
  skb.prev = 0
  list.qlen -= 1
  return skb
}
