// The next hops of packets that are sent on the plain way (forward.ts): what ip_route_input_slow, ip_forward, ip_output and the
// neighbour would work out for each packet is worked out once for a next hop, and holds until the poll is over or a packet takes
// the long way.

import { DST_IN_FORWARD, DST_OUT_IP_OUTPUT, flowi4, rtable } from '../include/dst.ts'
import { iphdr } from '../include/ip.ts'
import { fib_info, fib_info_nh, fib_result, fib_table } from '../include/ip_fib.ts'
import { NEIGH_HH, neighbour } from '../include/neighbour.ts'
import { net, sysctl } from '../include/net_namespace.ts'
import { netdev_get_tx_queue } from '../include/netdev_queue.ts'
import {
  DEV_KIND_IGB,
  DEV_KIND_VETH,
  __in_dev_get_rcu,
  in_dev_conf_get,
  in_dev_maxconf,
  in_dev_orconf,
  net_device,
} from '../include/netdevice.ts'
import { Qdisc, TCQ_F_CAN_BYPASS, TCQ_F_NOQUEUE } from '../include/sch_generic.ts'
import { IS_ERR } from '../lib/err.ts'
import { boot } from '../lib/boot.ts'
import { ip_neigh_gw4 } from '../net/core/neighbour/create.ts'
import { inet_lookup_ifaddr } from '../net/ipv4/devinet.ts'
import { fib_lookup } from '../net/ipv4/fib_rules.ts'
import { fib_info_by_id } from '../net/ipv4/fib_semantics/ids.ts'
import { DERIVED_ASK, derived_id, derived_length, fib_derived_find } from '../net/ipv4/fib_trie/derived.ts'
import { key_vector, trie_derived } from '../net/ipv4/fib_trie/node.ts'
import { LL_RESERVED_SPACE } from '../net/ipv4/ip_output/finish2.ts'
import { rt_cache_valid } from '../net/ipv4/route/cache.ts'
import { ip_dst_mtu_maybe_forward } from '../net/ipv4/route/metrics.ts'
import { hint_forget, hint_route } from './hint.ts'
import { ETH_HLEN } from '../uapi/if_ether.ts'
import { NUD_CONNECTED } from '../uapi/neighbour.ts'
import { NF_INET_FORWARD, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING } from '../uapi/netfilter.ts'
import { RTN_UNICAST } from '../uapi/rtnetlink.ts'
import {
  IPV4_DEVCONF_ACCEPT_LOCAL,
  IPV4_DEVCONF_FORWARDING,
  IPV4_DEVCONF_RP_FILTER,
  SYSCTL_IP_FORWARD_UPDATE_PRIORITY,
} from '../uapi/sysctl.ts'

/** What is known of a next hop that packets are sent on to; one cache line. */
@unmanaged
@final
export class forward_way {
  /** The link header as the neighbour keeps it: right-aligned in 16 bytes. */
  hh0: u64
  hh1: u64
  /** When it was found out (forward_gate.epoch), and the fib_info that it is of, by its number. */
  epoch: u64
  fib_id: u32
  dev: usize
  rt: usize
  mtu: u32
  /** The only queue of the device and its qdisc, which an empty queue's packets pass by; 0: it is not so simple. */
  txq: usize
  qdisc: usize
}

/** What is known of the device that packets come from. */
@unmanaged
@final
export class forward_gate {
  /** The device looked at last, and whether packets from it may take the short way at all: so until the poll is over. */
  dev: usize
  open: u32
  /** Nobody wants to see frames from it before they are routed. */
  unseen: u32
  /** A source that may be one, as long. 0: none is known. */
  saddr: u32
  update_priority: u32
  /** So many frames of its ring were looked up ahead (forward_ahead), from this descriptor on. */
  ahead: u32
  ahead_from: u32
  /** The packet before took the short way, by this route, to this destination with this TOS; 0: it did not. */
  rt: usize
  daddr: u32
  tos: u32
  /** Counts what may have changed next hops: what was found out in another epoch is not known any more. */
  epoch: u64
}

const WAYS: u32 = 16
const WAY: usize = memory.data(1024, 64)
export const FORWARD_GATE: usize = memory.data(offsetof<forward_gate>(), 16)
const FL4: usize = memory.data(64, 16)
const RES: usize = memory.data(64, 16)

/** Room for an Ethernet header as the neighbour keeps it. */
export const LINK_ROOM: u32 = 16

/** A poll begins: nothing is known. */
export function forward_begin(): void {
  const gate = changetype<forward_gate>(FORWARD_GATE)
  gate.dev = 0
  gate.ahead = 0
  gate.rt = 0
  gate.epoch += 1
}

/**
 * A packet takes the long way, and may change something. Behind one that did not, that one's route is the hint for it
 * (ip_list_rcv_finish).
 */
export function forward_long(dev: net_device): void {
  const gate = changetype<forward_gate>(FORWARD_GATE)
  if (gate.rt) {
    hint_forget()
    hint_route(gate.rt, gate.daddr, gate.tos, dev)
    gate.rt = 0
  }
  gate.epoch += 1
}

/** May packets from dev take the short way? Only where sources are checked by their address alone, and no hook looks. */
function look(gate: forward_gate, dev: net_device, owner: net): bool {
  gate.dev = changetype<usize>(dev)
  gate.open = 0
  gate.unseen = 0
  gate.saddr = 0
  const in_dev = __in_dev_get_rcu(dev)
  const hooks = owner.nf_hooks & ((1 << NF_INET_FORWARD) | (1 << NF_INET_POST_ROUTING))
  const own = owner.fib_has_custom_rules | owner.fib_has_custom_local_routes
  if (changetype<usize>(in_dev) == 0 || (hooks | own | boot.trace_flags | (<u32>boot.costs)) != 0) return false
  if (in_dev_conf_get(in_dev, IPV4_DEVCONF_FORWARDING) == 0) return false
  if (in_dev_maxconf(in_dev, IPV4_DEVCONF_RP_FILTER) != 0 || in_dev_orconf(in_dev, IPV4_DEVCONF_ACCEPT_LOCAL))
    return false
  gate.update_priority = <u32>sysctl(owner, SYSCTL_IP_FORWARD_UPDATE_PRIORITY)
  gate.open = 1
  const taps = owner.ptype_all | dev.ptype_all | owner.ptype_base | dev.ptype_specific | boot.netstamp_needed
  gate.unseen = u32((taps | boot.rps_needed | (owner.nf_hooks & (1 << NF_INET_PRE_ROUTING))) == 0)
  return true
}

/** The same, looked at once in a poll. */
export function forward_open(dev: net_device, owner: net): bool {
  const gate = changetype<forward_gate>(FORWARD_GATE)
  return gate.dev == changetype<usize>(dev) ? gate.open != 0 : look(gate, dev, owner)
}

/** May frames of a ring take it before anything else is made of them? */
export function forward_unseen(dev: net_device, owner: net): bool {
  return forward_open(dev, owner) && changetype<forward_gate>(FORWARD_GATE).unseen != 0
}

/** Is it an address that a packet may come from or go to: no group, not 0.x.y.z, not 127/8? In network order. */
export function is_plain_address(address: u32): bool {
  const first = address & 0xff
  return first - 1 < 0xdf && first != 127
}

/** May a packet come from this source? */
function source_fits(gate: forward_gate, owner: net, saddr: u32): bool {
  if (gate.saddr == saddr) return saddr != 0
  if (!is_plain_address(saddr) || changetype<usize>(inet_lookup_ifaddr(owner, saddr))) return false
  gate.saddr = saddr
  return true
}

/** The queue that packets pass by when it is empty, if the device has one alone, and nobody looks at what it sends. */
function find_queue(way: forward_way, out: net_device): void {
  const txq = netdev_get_tx_queue(out, 0)
  const flags = changetype<Qdisc>(txq.qdisc).flags & (TCQ_F_CAN_BYPASS | TCQ_F_NOQUEUE)
  const taps = changetype<net>(out.nd_net).ptype_all | out.ptype_all
  const simple = out.kind == DEV_KIND_IGB && out.num_tx_queues == 1 && flags == TCQ_F_CAN_BYPASS && taps == 0
  way.txq = simple ? changetype<usize>(txq) : 0
  way.qdisc = txq.qdisc
}

/** Finds out about the next hop of a fib_info. False: packets to it take the long way. */
function find_way(way: forward_way, fib_id: u32, epoch: u64): bool {
  way.epoch = 0
  const fi = fib_info_by_id(fib_id)
  const nhc = fib_info_nh(fi, 0)
  const usable = fi.fib_type == <u8>RTN_UNICAST && fi.fib_nhs == 1 && (fi.fib_flags | nhc.nhc_flags) == 0
  if (!usable || nhc.nhc_exceptions) return false
  if (!rt_cache_valid(nhc.nhc_rth_input)) return false
  const rt = changetype<rtable>(nhc.nhc_rth_input)
  const out = changetype<net_device>(rt.dev)
  const known = out.kind == DEV_KIND_IGB || out.kind == DEV_KIND_VETH
  const plain = rt.input == DST_IN_FORWARD && rt.output == DST_OUT_IP_OUTPUT && rt.rt_gw4 != 0
  if (!known || !plain || LL_RESERVED_SPACE(out) != LINK_ROOM) return false
  const n = ip_neigh_gw4(rt.dev, rt.rt_gw4)
  if (IS_ERR(n)) return false
  const neigh = changetype<neighbour>(n)
  if (!(neigh.nud_state & NUD_CONNECTED) || neigh.hh_len != ETH_HLEN) return false
  v128.store(changetype<usize>(way), v128.load(n + NEIGH_HH))
  way.fib_id = fib_id
  way.epoch = epoch
  way.dev = rt.dev
  way.rt = changetype<usize>(rt)
  way.mtu = ip_dst_mtu_maybe_forward(rt, true)
  find_queue(way, out)
  return true
}

function way_of(fib_id: u32): forward_way {
  return changetype<forward_way>(WAY + ((<usize>(fib_id & (WAYS - 1))) << 6))
}

/** The number of the fib_info that the derived table has for a destination, DERIVED_ASK: the long way is to find it. */
export function fib_id_of_entry(tb: fib_table, entry: u32): u32 {
  const several = derived_length(entry) == 0 && tb.tb_num_default > 1
  return entry == 0 || several ? DERIVED_ASK : derived_id(entry)
}

/** The same by a look-up. */
export function fib_id_of(owner: net, ip: iphdr): u32 {
  if (owner.fib_main == 0) return DERIVED_ASK
  const tb = changetype<fib_table>(owner.fib_main)
  const derived = trie_derived(changetype<key_vector>(tb.trie))
  if (derived) return fib_id_of_entry(tb, fib_derived_find(derived, bswap<u32>(ip.daddr)))
  const fl4 = changetype<flowi4>(FL4)
  const res = changetype<fib_result>(RES)
  fl4.daddr = ip.daddr
  fl4.saddr = ip.saddr
  fl4.flowi4_tos = ip.tos
  if (fib_lookup(owner, fl4, res, 0) != 0) return DERIVED_ASK
  if (res.prefixlen == 0 && tb.tb_num_default > 1) return DERIVED_ASK
  return min(changetype<fib_info>(res.fi).fib_id, DERIVED_ASK)
}

/**
 * The way of a packet by the fib_info's number, if it may take it: a source that fits, a next hop that is plain, bytes within
 * its MTU. 0: it takes the long way.
 */
export function way_for(id: u32, ip: iphdr, bytes: u32, dev: net_device, owner: net): usize {
  const gate = changetype<forward_gate>(FORWARD_GATE)
  if (id == DERIVED_ASK || !source_fits(gate, owner, ip.saddr)) return 0
  const way = way_of(id)
  if ((way.fib_id != id || way.epoch != gate.epoch) && !find_way(way, id, gate.epoch)) return 0
  // Back to where it came from: a redirect may be due.
  return bytes <= way.mtu && way.dev != changetype<usize>(dev) ? changetype<usize>(way) : 0
}
