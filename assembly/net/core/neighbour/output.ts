// A packet to a neighbour: its link header, from the cache or made anew, then the device.
// Mirrors the output functions of net/core/neighbour.c and include/net/neighbour.h.

import { SLOT_HEADER_CACHE, SLOT_HEADER_CREATE, slot_get } from '../../../lib/boot.ts'
import {
  NEIGH_HA,
  NEIGH_HH,
  NEIGH_OUT_BLACKHOLE,
  NEIGH_OUT_CONNECTED,
  NEIGH_OUT_DIRECT,
  neighbour,
} from '../../../include/neighbour.ts'
import { NET_XMIT_DROP, net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { htons, ntohs } from '../../../lib/byteorder.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_NEIGH_HH_FILLFAIL,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from '../../../uapi/dropreason.ts'
import { EINVAL, ENETDOWN } from '../../../uapi/errno.ts'
import {
  FN_neigh_blackhole,
  FN_neigh_connected_output,
  FN_neigh_hh_output,
  FN_neigh_resolve_output,
} from '../../../uapi/functions.ts'
import { ETH_P_IP } from '../../../uapi/if_ether.ts'
import { NUD_CONNECTED } from '../../../uapi/neighbour.ts'
import { dev_queue_xmit } from '../dev_xmit.ts'
import { kfree_skb_reason, skb_cow, skb_headroom, skb_network_offset, skb_pull, skb_push } from '../skbuff.ts'
import { dev_has_header_cache, neigh_event_send } from './state.ts'

/** Bytes that a cached header takes, padding in front included (HH_DATA_MOD). */
const HH_DATA_MOD: u32 = 16

/** Link header before the packet (type in host order); negative: there is none yet, or no room for it. */
export function dev_hard_header(skb: sk_buff, dev: net_device, type: u32, daddr: usize, saddr: usize): i32 {
  if (dev.hard_header_len == 0) return 0
  if (skb_headroom(skb) < <u32>dev.hard_header_len && !skb_cow(skb, dev.hard_header_len)) return -EINVAL
  return call_indirect<i32>(
    slot_get(SLOT_HEADER_CREATE),
    changetype<usize>(skb),
    changetype<usize>(dev),
    type,
    daddr,
    saddr,
    skb.len,
  )
}

/** Makes the header anew and sends, or drops. */
function header_and_xmit(n: neighbour, skb: sk_buff, fn: u32): i32 {
  skb_pull(skb, <u32>skb_network_offset(skb))
  const dev = changetype<net_device>(n.dev)
  if (dev_hard_header(skb, dev, ntohs(skb.protocol), changetype<usize>(n) + NEIGH_HA, 0) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_HH_FILLFAIL, fn)
    return -EINVAL
  }
  return dev_queue_xmit(skb)
}

/**
 * Output while the address is not known for sure; fills the header cache once it is.
 *
 * Uses: network_header, protocol. Next: dev_queue_xmit, or the neighbour's queue. The skb is gone in any case.
 */
function neigh_resolve_output(n: neighbour, skb: sk_buff): i32 {
  walk(FN_neigh_resolve_output, changetype<usize>(skb))
  if (neigh_event_send(n, skb)) return 0
  if (n.hh_len == 0 && dev_has_header_cache(changetype<net_device>(n.dev)))
    call_indirect<i32>(slot_get(SLOT_HEADER_CACHE), changetype<usize>(n), <u32>htons(ETH_P_IP))
  return header_and_xmit(n, skb, FN_neigh_resolve_output)
}

/** Output to a known address by a device that caches no headers. */
function neigh_connected_output(n: neighbour, skb: sk_buff): i32 {
  walk(FN_neigh_connected_output, changetype<usize>(skb))
  return header_and_xmit(n, skb, FN_neigh_connected_output)
}

/** The entry's device is gone. */
function neigh_blackhole(skb: sk_buff): i32 {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_neigh_blackhole)
  return -ENETDOWN
}

/** By the entry's own way of output (neigh->output). Takes over the skb. */
export function output_by_kind(n: neighbour, skb: sk_buff): i32 {
  if (n.output == NEIGH_OUT_CONNECTED) return neigh_connected_output(n, skb)
  if (n.output == NEIGH_OUT_DIRECT) return dev_queue_xmit(skb)
  if (n.output == NEIGH_OUT_BLACKHOLE) return neigh_blackhole(skb)
  return neigh_resolve_output(n, skb)
}

/** Room for the cached header, at the cost of a copy of the packet's data. */
function hh_headroom(skb: sk_buff): bool {
  if (skb_cow(skb, HH_DATA_MOD)) return true
  kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM, FN_neigh_hh_output)
  return false
}

/** The cached header in one copy, then the device (neigh_hh_output). */
function neigh_hh_output(n: neighbour, skb: sk_buff): i32 {
  if (skb_headroom(skb) < HH_DATA_MOD && !hh_headroom(skb)) return NET_XMIT_DROP
  v128.store(skb.data - HH_DATA_MOD, v128.load(changetype<usize>(n) + NEIGH_HH))
  skb_push(skb, n.hh_len)
  return dev_queue_xmit(skb)
}

/**
 * Sends a packet to a neighbour.
 *
 * Uses: data at the network header, dev. Next: dev_queue_xmit, or the neighbour's queue. The skb is gone in any case.
 * Answers 0, NET_XMIT_* or -errno.
 */
export function neigh_output(n: neighbour, skb: sk_buff): i32 {
  if (n.nud_state & NUD_CONNECTED && n.hh_len) return neigh_hh_output(n, skb)
  return output_by_kind(n, skb)
}
