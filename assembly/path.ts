// The spine: a packet's way from a device to its protocol, station by station, as the kernel's diagrams draw it.
// Stations answer whether the packet goes on; here they are called in order. The way out is a chain of calls of its own
// that begins in net/ipv4/ip_output. Mirrors the order of net/core/dev.c, net/ipv4/ip_input.c and igb_main.c.

import {
  igb_clean_tx_irq,
  igb_refill,
  igb_rx_ready,
  igb_rx_waiting,
  igb_take_rx,
  igb_tx_waiting,
} from './drivers/net/igb.ts'
import { igb_ring, igb_rx_desc } from './drivers/net/igb_ring.ts'
import { tun_get_user, tun_napi, tun_polled, tun_queue_rx, tun_rx_queue } from './drivers/net/tun.ts'
import { DST_IN_ERROR, DST_IN_FORWARD, DST_IN_LOCAL_DELIVER, rtable } from './include/dst.ts'
import { ip_is_fragment, iphdr } from './include/ip.ts'
import { mib_inc, net } from './include/net_namespace.ts'
import {
  NAPI_KIND_BACKLOG,
  NAPI_KIND_CELL,
  NAPI_KIND_IGB,
  PTYPE_ARP,
  PTYPE_FUNC,
  PTYPE_IP,
  PTYPE_MASK,
  PTYPE_SHARED,
  PTYPE_TAPPED,
  napi_struct,
  net_device,
} from './include/netdevice.ts'
import { sk_buff, sk_buff_head } from './include/skbuff.ts'
import { softnet_data } from './include/softnet.ts'
import { COST_RX, charge } from './kernel/cost.ts'
import { local_bh_disable, local_bh_enable, softirq_enter, softirq_exit } from './kernel/softirq.ts'
import { IS_ERR } from './lib/err.ts'
import { boot } from './lib/boot.ts'
import { walk, walk_all } from './trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from './uapi/dropreason.ts'
import {
  FN___napi_poll,
  FN___netif_receive_skb,
  FN___netif_receive_skb_one_core,
  FN_dst_discard,
  FN_gro_cell_poll,
  FN_igb_clean_rx_irq,
  FN_igb_poll,
  FN_ip_sublist_rcv_finish,
  FN_napi_complete_done,
  FN_process_backlog,
  FN_tun_napi_poll,
} from './uapi/functions.ts'
import { NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING } from './uapi/netfilter.ts'
import { IPSTATS_MIB_INDELIVERS } from './uapi/snmp.ts'
import { IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_IPIP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from './uapi/socket.ts'
import { napi_complete, napi_schedule } from './net/core/dev.ts'
import {
  __netif_receive_skb_core,
  netif_receive_call,
  netif_receive_handler,
  netif_receive_specific,
} from './net/core/dev_receive.ts'
import {
  NO_SKB,
  __skb_dequeue,
  __skb_queue_tail,
  kfree_skb_reason,
  skb_dst_force,
  skb_orphan,
  skb_pull,
} from './net/core/skbuff.ts'
import { eth_type_trans } from './net/ethernet/eth.ts'
import { rps_steer } from './net/core/dev_rps.ts'
import { nf_hook } from './net/netfilter/core.ts'
import { arp_rcv } from './net/ipv4/arp.ts'
import { icmp_rcv } from './net/ipv4/icmp/rcv.ts'
import { igmp_rcv } from './net/ipv4/igmp.ts'
import { IP_DEFRAG_LOCAL_DELIVER, ip_defrag } from './net/ipv4/ip_fragment.ts'
import { ip_forward } from './net/ipv4/ip_forward.ts'
import { ip_no_protocol, ip_rcv_core, ip_rcv_finish_core } from './net/ipv4/ip_input.ts'
import { raw_local_deliver } from './net/ipv4/raw/rcv.ts'
import { ip_error } from './net/ipv4/route/error.ts'
import { tunnel4_rcv, tunnel4_registered } from './net/ipv4/tunnel4.ts'
import { tcp_v4_rcv } from './net/ipv4/tcp_ipv4.ts'
import { udp_rcv } from './net/ipv4/udp/rcv.ts'
import { udplite_rcv } from './net/ipv4/udplite.ts'
import { forward_ahead, forward_frame, forward_frame_way, forward_plain } from './path/forward.ts'
import { forward_begin, forward_long, forward_open, forward_unseen } from './path/forward_way.ts'
import { hint_for, hint_forget, hint_keep, hint_repeats } from './path/hint.ts'
import {
  DELIVER_UDP_WALK,
  DELIVER_WALK,
  GRO_WALK,
  LIST_DELIVER_WALK,
  LIST_FINISH_WALK,
  LIST_RCV_WALK,
  LIST_WALK,
  ONE_CORE_WALK,
  RCV_WALK,
  UDP_WALK,
} from './path/walks.ts'

/** How a packet came: in a batch of NAPI (list functions), from the backlog, or alone. */
const BY_LIST: u32 = 1
const ALONE: u32 = 0
const BACKLOG: u32 = 2

/** Packets of a poll that taps have seen, all for the protocol or handler pt. Begins as a sk_buff_head. */
@unmanaged
@final
class tapped_list {
  head: usize
  tail: usize
  qlen: u32
  pt: usize
  /** Packets that came since the list went up. */
  count: u32
}

const TAPPED: usize = memory.data(offsetof<tapped_list>(), 16)
/** So many packets go up together (gro_normal_batch). */
const GRO_NORMAL_BATCH: u32 = 8

/** A whole datagram for us goes to its protocol. */
function ip_local_deliver_finish(skb: sk_buff, owner: net): void {
  const p = changetype<usize>(skb)
  const protocol = <u32>changetype<iphdr>(skb.data).protocol
  skb_pull(skb, skb.transport_header - skb.network_header)
  let raw: bool = false
  if (owner.raw_table) {
    walk_all(DELIVER_WALK, p)
    raw = raw_local_deliver(skb, owner, protocol)
    if (protocol == IPPROTO_UDP) walk_all(UDP_WALK, p)
  } else {
    walk_all(protocol == IPPROTO_UDP ? DELIVER_UDP_WALK : DELIVER_WALK, p)
  }
  if (protocol == IPPROTO_UDP) {
    mib_inc(owner, IPSTATS_MIB_INDELIVERS)
    udp_rcv(skb)
  } else if (protocol == IPPROTO_TCP) {
    mib_inc(owner, IPSTATS_MIB_INDELIVERS)
    tcp_v4_rcv(skb)
  } else if (protocol == IPPROTO_ICMP) {
    mib_inc(owner, IPSTATS_MIB_INDELIVERS)
    icmp_rcv(skb)
  } else if (protocol == IPPROTO_IGMP) {
    mib_inc(owner, IPSTATS_MIB_INDELIVERS)
    igmp_rcv(skb)
  } else if (protocol == IPPROTO_UDPLITE) {
    mib_inc(owner, IPSTATS_MIB_INDELIVERS)
    udplite_rcv(skb)
  } else if (protocol == IPPROTO_IPIP && tunnel4_registered()) {
    mib_inc(owner, IPSTATS_MIB_INDELIVERS)
    tunnel4_rcv(skb)
  } else {
    ip_no_protocol(skb, owner, raw)
  }
}

/** For us: fragments are put together, the LOCAL_IN point is passed. */
function ip_local_deliver(part: sk_buff, owner: net): void {
  let skb = part
  if (ip_is_fragment(changetype<iphdr>(skb.data))) {
    skb = ip_defrag(owner, part, IP_DEFRAG_LOCAL_DELIVER)
    if (changetype<usize>(skb) == 0) return
  }
  if (nf_hook(owner, NF_INET_LOCAL_IN, skb, skb.dev, 0) <= 0) return
  ip_local_deliver_finish(skb, owner)
}

/** Where the route sends it. */
function dst_input(skb: sk_buff, owner: net, how: u32): void {
  const way = changetype<rtable>(skb.dst).input
  if (way == DST_IN_LOCAL_DELIVER) {
    walk_all(how == BY_LIST ? LIST_DELIVER_WALK : LIST_DELIVER_WALK + 4, changetype<usize>(skb))
    ip_local_deliver(skb, owner)
    return
  }
  if (how == BY_LIST) walk(FN_ip_sublist_rcv_finish, changetype<usize>(skb))
  if (way == DST_IN_FORWARD) ip_forward(skb)
  else if (way == DST_IN_ERROR) ip_error(skb)
  else kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_dst_discard)
}

/** An IPv4 packet: checks, PRE_ROUTING, its way. */
function ip_packet(received: sk_buff, how: u32): void {
  const dev = changetype<net_device>(received.dev)
  const owner = changetype<net>(dev.nd_net)
  walk_all(how == BY_LIST ? LIST_RCV_WALK : RCV_WALK, changetype<usize>(received))
  const skb = ip_rcv_core(received, owner)
  if (changetype<usize>(skb) == 0) return
  // What was sent on this host is its sender's until here; no NIC's packet is.
  if (how != BY_LIST) skb_orphan(skb)
  if (nf_hook(owner, NF_INET_PRE_ROUTING, skb, skb.dev, 0) <= 0) return

  const ip = changetype<iphdr>(skb.data)
  walk_all(how == BY_LIST ? LIST_FINISH_WALK : LIST_FINISH_WALK + 4, changetype<usize>(skb))
  if (how != ALONE && forward_open(dev, owner)) {
    if (forward_plain(skb, ip, dev, owner)) return
    forward_long(dev)
  }
  const hint = how != ALONE ? hint_for(ip, dev, owner) : NO_SKB
  if (hint_repeats(skb, ip, hint)) {
    dst_input(skb, owner, how)
    return
  }
  // Linux asks the packet before only in a batch.
  if (!ip_rcv_finish_core(owner, skb, dev, how == BY_LIST ? hint : NO_SKB)) return
  if (how != ALONE) hint_keep(skb, changetype<iphdr>(skb.data), dev)
  dst_input(skb, owner, how)
}

/** IP packets of one route wait here for each other. */
const SAME_DST: usize = memory.data(offsetof<sk_buff_head>(), 16)

function dst_inputs(list: sk_buff_head): void {
  for (let skb = __skb_dequeue(list); changetype<usize>(skb); skb = __skb_dequeue(list)) {
    dst_input(skb, changetype<net>(changetype<net_device>(skb.dev).nd_net), BY_LIST)
  }
}

/** A list of IP packets: those of one route go on together, once the next one's is known (ip_list_rcv_finish). */
function ip_packets(list: sk_buff_head): void {
  const same = changetype<sk_buff_head>(SAME_DST)
  let dst: usize = 0
  for (let p = __skb_dequeue(list); changetype<usize>(p); p = __skb_dequeue(list)) {
    const skb = ip_packet_routed(p)
    if (changetype<usize>(skb) == 0) continue
    if (skb.dst != dst) dst_inputs(same)
    dst = skb.dst
    __skb_queue_tail(same, skb)
  }
  dst_inputs(same)
}

/** An IP packet of a list up to its route, which it keeps while others go on. NO_SKB: it is gone. */
function ip_packet_routed(received: sk_buff): sk_buff {
  const dev = changetype<net_device>(received.dev)
  const owner = changetype<net>(dev.nd_net)
  walk_all(LIST_RCV_WALK, changetype<usize>(received))
  const skb = ip_rcv_core(received, owner)
  if (changetype<usize>(skb) == 0 || nf_hook(owner, NF_INET_PRE_ROUTING, skb, skb.dev, 0) <= 0) return NO_SKB
  walk_all(LIST_FINISH_WALK, changetype<usize>(skb))
  const hint = hint_for(changetype<iphdr>(skb.data), dev, owner)
  if (!ip_rcv_finish_core(owner, skb, dev, hint)) return NO_SKB
  skb_dst_force(skb)
  hint_keep(skb, changetype<iphdr>(skb.data), dev)
  return skb
}

/** What taps have seen goes up. */
function tapped_flush(list: tapped_list): void {
  const packets = changetype<sk_buff_head>(changetype<usize>(list))
  if (list.pt == PTYPE_IP) {
    ip_packets(packets)
    return
  }
  for (let skb = __skb_dequeue(packets); changetype<usize>(skb); skb = __skb_dequeue(packets)) {
    receive_one(skb, list.pt, BY_LIST)
  }
}

/**
 * A packet of a poll that taps have seen waits: they see what comes behind it before the protocol answers it, as in Linux,
 * where up to eight go up together as long as they are for one protocol. pt: whose it is, 0: it is gone.
 */
function receive_tapped(skb: sk_buff, pt: usize): void {
  const list = changetype<tapped_list>(TAPPED)
  if (pt) {
    if (list.pt != pt) tapped_flush(list)
    list.pt = pt
    __skb_queue_tail(changetype<sk_buff_head>(TAPPED), skb)
  }
  if (++list.count < GRO_NORMAL_BATCH) return
  tapped_end(list)
}

function tapped_end(list: tapped_list): void {
  tapped_flush(list)
  list.count = 0
}

/** To IP, to ARP, or to a handler. */
function receive_one(skb: sk_buff, pt: usize, how: u32): void {
  if (pt == PTYPE_IP) ip_packet(skb, how)
  else if (pt == PTYPE_ARP) arp_rcv(skb, changetype<net_device>(skb.dev))
  else netif_receive_call(skb, pt)
}

/** A packet that others have seen, or want besides the protocol: that one is the first. */
function receive_with_others(skb: sk_buff, type: u32, how: u32): void {
  let pt: usize = type & PTYPE_MASK
  if (type & PTYPE_SHARED) {
    receive_one(skb, pt, ALONE)
    pt = netif_receive_specific(skb)
  } else if (pt == PTYPE_FUNC) {
    pt = netif_receive_handler()
  }
  if (type & PTYPE_TAPPED && how == BY_LIST) receive_tapped(skb, pt)
  else if (pt) receive_one(skb, pt, how)
}

/** A packet with its link header off: taps, then the protocol. */
function receive(skb: sk_buff, how: u32): void {
  charge(COST_RX, skb.len)
  const type = __netif_receive_skb_core(skb)
  if (type == PTYPE_IP) {
    ip_packet(skb, how)
    return
  }
  if (type == 0) return
  const dev = changetype<net_device>(skb.dev)
  forward_long(dev)
  if (type == PTYPE_ARP) arp_rcv(skb, dev)
  else receive_with_others(skb, type, how)
}

/** A packet from a driver without NAPI, handled at once. */
export function netif_receive_skb(skb: sk_buff): void {
  if (boot.rps_needed && rps_steer(skb)) return
  walk_all(ONE_CORE_WALK, changetype<usize>(skb))
  receive(skb, ALONE)
}

/** What the last napi_gro_receive of a poll held (none: 0) goes up. */
function gro_normal_list(held: sk_buff): void {
  if (changetype<usize>(held) == 0) return
  walk_all(LIST_WALK, changetype<usize>(held))
  if (boot.rps_needed && rps_steer(held)) return
  receive(held, BY_LIST)
}

/**
 * A packet from a poll waits for the next one, or for napi_complete_done, as in Linux, where eight go up together. Here it
 * is one: with eight in hand a poll is 4 % slower. Answers what is held now; the one before has gone up.
 */
function napi_gro_receive(held: sk_buff, skb: sk_buff): sk_buff {
  if (boot.trace_flags | boot.rps_needed) {
    walk_all(GRO_WALK, changetype<usize>(skb))
    gro_normal_list(held)
    return skb
  }
  if (changetype<usize>(held)) receive(held, BY_LIST)
  return skb
}

/** A frame of a program on a TAP: len bytes at from. len, or -errno for the writer. */
export function tun_write(dev: net_device, from: usize, len: u32): i32 {
  const p = tun_get_user(dev, from, len)
  if (IS_ERR(p)) return <i32>p
  const skb = changetype<sk_buff>(p)
  if (tun_polled(dev)) {
    tun_queue_rx(dev, skb)
    napi_schedule(tun_napi(dev))
  } else {
    local_bh_disable()
    netif_receive_skb(skb)
    local_bh_enable()
  }
  return <i32>len
}

/** One poll of a queue in memory: what a program wrote to a TAP, or what came out of a tunnel, since the last. */
function queue_poll(napi: napi_struct, queue: sk_buff_head, fn: u32, budget: u32, until: u64): u32 {
  walk(fn, 0)
  let work: u32 = 0
  let held = NO_SKB
  while (work < budget) {
    if (boot.now >= until) break
    const skb = __skb_dequeue(queue)
    if (changetype<usize>(skb) == 0) {
      napi_done(napi, held)
      return work
    }
    work++
    held = napi_gro_receive(held, skb)
  }
  gro_normal_list(held)
  return work
}

/** One poll of an igb queue: what was sent is freed, what arrived goes up. */
function igb_poll(napi: napi_struct, budget: u32, until: u64): u32 {
  walk(FN_igb_poll, 0)
  const ring = changetype<igb_ring>(napi.priv)
  const dev = changetype<net_device>(ring.dev)
  const owner = changetype<net>(dev.nd_net)
  igb_clean_tx_irq(ring)
  walk(FN_igb_clean_rx_irq, 0)
  const unseen = forward_unseen(dev, owner)
  if (unseen) forward_ahead(ring, owner, budget)
  let work: u32 = 0
  let held = changetype<sk_buff>(0)
  while (work < budget) {
    if (boot.now >= until) break
    const desc = changetype<igb_rx_desc>(igb_rx_ready(ring))
    if (changetype<usize>(desc) == 0) {
      igb_refill(ring)
      napi_done(napi, held)
      ring.irq_enabled = 1
      return work
    }
    let way: usize = 0
    if (unseen) {
      // What it leaves behind may be another way.
      if (changetype<usize>(held)) receive(held, BY_LIST)
      held = NO_SKB
      way = forward_frame_way(ring, desc, dev, owner)
    }
    const skb = igb_take_rx(ring, desc)
    if (changetype<usize>(skb) == 0) continue
    work++
    if (way) {
      forward_frame(skb, way, dev, owner)
      continue
    }
    skb.protocol = eth_type_trans(skb, dev)
    held = napi_gro_receive(held, skb)
  }
  igb_refill(ring)
  gro_normal_list(held)
  return work
}

function napi_done(napi: napi_struct, held: sk_buff): void {
  walk(FN_napi_complete_done, 0)
  gro_normal_list(held)
  napi_complete(napi)
}

/** One poll of a CPU's backlog: what netif_rx put there. */
function process_backlog(napi: napi_struct, budget: u32, until: u64): u32 {
  walk(FN_process_backlog, 0)
  const sd = changetype<softnet_data>(napi.priv)
  let work: u32 = 0
  while (work < budget) {
    if (boot.now >= until) break
    const p = sd.input_head
    if (p == 0) {
      napi_complete(napi)
      return work
    }
    const skb = changetype<sk_buff>(p)
    sd.input_head = skb.next
    if (skb.next == 0) sd.input_tail = 0
    sd.input_qlen -= 1
    skb.next = 0
    work++
    walk(FN___netif_receive_skb, p)
    walk(FN___netif_receive_skb_one_core, p)
    receive(skb, BACKLOG)
  }
  return work
}

/**
 * Runs one poll of a NAPI context on this CPU: at most budget packets, until the virtual time until (ns). Answers the
 * work done; the context is complete when its NAPI_STATE_SCHED is off.
 */
export function napi_poll(napi: napi_struct, budget: u32, until: u64): u32 {
  softirq_enter()
  hint_forget() // that of a burst
  forward_begin()
  const work = __napi_poll(napi, budget, until)
  hint_forget()
  softirq_exit()
  return work
}

/** The same within a softirq, without forgetting the way of the packet before. */
export function __napi_poll(napi: napi_struct, budget: u32, until: u64): u32 {
  walk(FN___napi_poll, 0)
  let work: u32
  if (napi.kind == NAPI_KIND_IGB) work = igb_poll(napi, budget, until)
  else if (napi.kind == NAPI_KIND_BACKLOG) work = process_backlog(napi, budget, until)
  else {
    const cell = napi.kind == NAPI_KIND_CELL
    const queue = cell ? changetype<sk_buff_head>(napi.priv) : tun_rx_queue(changetype<net_device>(napi.dev))
    work = queue_poll(napi, queue, cell ? FN_gro_cell_poll : FN_tun_napi_poll, budget, until)
  }
  const list = changetype<tapped_list>(TAPPED)
  if (list.count) tapped_end(list)
  return work
}

/** Has the hardware moved in frames, or sent some, that no poll has seen? Then its interrupt is due. */
export function igb_interrupt_due(ring: igb_ring): bool {
  const waiting = igb_rx_waiting(ring) || igb_tx_waiting(ring)
  return waiting && ring.irq_enabled != 0
}
