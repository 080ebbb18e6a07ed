// Back into the stack of this CPU: netif_rx and its queue. Mirrors the input side of net/core/dev.c for drivers without NAPI.

import { net, sysctl } from '../../include/net_namespace.ts'
import { dev_stats, napi_struct, net_device, netif_running } from '../../include/netdevice.ts'
import { CHECKSUM_UNNECESSARY, SKB_ZEROCOPY, sk_buff } from '../../include/skbuff.ts'
import { NET_RX_SOFTIRQ, SOFTNET_SIZE, softnet_data } from '../../include/softnet.ts'
import { boot } from '../../lib/boot.ts'
import { EV_NAPI, event_push } from '../../kernel/event.ts'
import { walk } from '../../trace/trace.ts'
import {
  SKB_DROP_REASON_CPU_BACKLOG,
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_SKB_UCOPY_FAULT,
} from '../../uapi/dropreason.ts'
import {
  FN___netif_rx,
  FN_dev_loopback_xmit,
  FN_enqueue_to_backlog,
  FN_netif_rx,
  FN_netif_rx_internal,
} from '../../uapi/functions.ts'
import { PACKET_LOOPBACK } from '../../uapi/in.ts'
import { SYSCTL_CORE_NETDEV_MAX_BACKLOG } from '../../uapi/sysctl.ts'
import { napi_schedule, napi_schedule_prep } from './dev.ts'
import { local_bh_disable, local_bh_enable, softirq_runs } from '../../kernel/softirq.ts'
import { skb_orphan_frags_rx } from './msg_zerocopy.ts'
import {
  kfree_skb_reason,
  skb_clear_cb,
  skb_dst_force,
  skb_network_offset,
  skb_pull,
  skb_reset_mac_header,
  skb_reset_network_header,
} from './skbuff.ts'

/** Appends to a CPU's input queue and schedules its NAPI. False: full, the skb is gone. */
export function enqueue_to_backlog(skb: sk_buff, cpu: u32): bool {
  const sd = changetype<softnet_data>(boot.softnet + <usize>cpu * SOFTNET_SIZE)
  walk(FN_enqueue_to_backlog, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const limit = <u32>sysctl(changetype<net>(boot.init_net), SYSCTL_CORE_NETDEV_MAX_BACKLOG)
  if (!netif_running(dev) || sd.input_qlen > limit) {
    const reason = netif_running(dev) ? SKB_DROP_REASON_CPU_BACKLOG : SKB_DROP_REASON_DEV_READY
    sd.dropped += 1
    dev_stats(dev).rx_dropped += 1
    kfree_skb_reason(skb, reason, FN_enqueue_to_backlog)
    return false
  }
  skb.next = 0
  if (sd.input_tail) changetype<sk_buff>(sd.input_tail).next = changetype<usize>(skb)
  else sd.input_head = changetype<usize>(skb)
  sd.input_tail = changetype<usize>(skb)
  sd.input_qlen += 1
  napi_schedule_rps(sd)
  return true
}

/**
 * Has the backlog polled: by TypeScript when a softirq put the packet in, or another CPU is told to; else when its process
 * leaves the section.
 */
function napi_schedule_rps(sd: softnet_data): void {
  const napi = changetype<napi_struct>(sd.backlog)
  if (sd.cpu != boot.cpu) {
    if (!napi_schedule_prep(napi)) return
    sd.received_rps += 1
    event_push(EV_NAPI, changetype<u32>(napi), sd.cpu, 0)
  } else if (softirq_runs()) napi_schedule(napi)
  else if (napi_schedule_prep(napi)) sd.softirq_pending |= (<u32>1) << NET_RX_SOFTIRQ
}

/**
 * A packet for this CPU's stack, by way of its backlog: what a driver without NAPI calls. 0 or NET_RX_DROP (1).
 * It may have been sent: what its senders kept in cb is cleared here, and not again for each packet in ip_rcv_core.
 */
export function __netif_rx(skb: sk_buff): i32 {
  walk(FN___netif_rx, changetype<usize>(skb))
  return netif_rx_internal(skb)
}

/** Who reads it here must not have its sender's pages. False: out of memory, the skb is gone. */
function own_pages(skb: sk_buff): bool {
  if (skb_orphan_frags_rx(skb)) return true
  kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT, FN_netif_rx_internal)
  return false
}

function netif_rx_internal(skb: sk_buff): i32 {
  walk(FN_netif_rx_internal, changetype<usize>(skb))
  if (skb.skb_flags & SKB_ZEROCOPY && !own_pages(skb)) return 1
  skb_clear_cb(skb)
  return enqueue_to_backlog(skb, boot.cpu) ? 0 : 1
}

/** The same for those who have not kept softirqs out: it is received before this returns. */
export function netif_rx(skb: sk_buff): i32 {
  walk(FN_netif_rx, changetype<usize>(skb))
  local_bh_disable()
  const rc = netif_rx_internal(skb)
  local_bh_enable()
  return rc
}

/** A copy of what we multicast or broadcast comes back to us (dev_loopback_xmit). Takes over the skb. */
export function dev_loopback_xmit(skb: sk_buff): i32 {
  walk(FN_dev_loopback_xmit, changetype<usize>(skb))
  skb_reset_mac_header(skb)
  skb_pull(skb, <u32>skb_network_offset(skb))
  skb_reset_network_header(skb)
  skb.pkt_type = <u8>PACKET_LOOPBACK
  if (skb.ip_summed == 0) skb.ip_summed = <u8>CHECKSUM_UNNECESSARY
  skb_dst_force(skb)
  netif_rx(skb)
  return 0
}
