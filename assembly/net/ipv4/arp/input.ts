// ARP packets that come in: whom we answer, and what we learn. Mirrors arp_rcv and arp_process of net/ipv4/arp.c.
// Left out: netfilter's ARP hooks. Read first: RFC 826, RFC 5227; net.ipv4.conf.*.arp_* in Linux's ip-sysctl.

import { boot } from '../../../lib/boot.ts'
import { FLOWI4_SIZE, flowi4, rtable } from '../../../include/dst.ts'
import { arphdr } from '../../../include/headers.ts'
import { ipv4_is_loopback, ipv4_is_multicast } from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { LOCALLY_ENQUEUED, neigh_var, neighbour_cb } from '../../../include/neighbour.ts'
import { in_dev_conf_get, in_dev_maxconf, in_dev_orconf, in_device, net_device } from '../../../include/netdevice.ts'
import { SKB_CB, SKB_ENDED_ABSORBED, sk_buff } from '../../../include/skbuff.ts'
import { time_after } from '../../../kernel/timer.ts'
import { htons } from '../../../lib/byteorder.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOMEM, SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import {
  FN_arp_accept,
  FN_arp_filter,
  FN_arp_ignore,
  FN_arp_is_garp,
  FN_arp_process,
  FN_arp_rcv,
  FN_parp_redo,
} from '../../../uapi/functions.ts'
import { IFF_NOARP } from '../../../uapi/if.ts'
import { ARPHRD_ETHER, ARPHRD_FDDI, ARPHRD_IEEE802, ARPOP_REPLY, ARPOP_REQUEST } from '../../../uapi/if_arp.ts'
import { ETH_P_ARP, ETH_P_IP } from '../../../uapi/if_ether.ts'
import { PACKET_HOST, PACKET_LOOPBACK, PACKET_OTHERHOST } from '../../../uapi/in.ts'
import { NEIGH_UPDATE_F_OVERRIDE, NUD_REACHABLE, NUD_STALE } from '../../../uapi/neighbour.ts'
import { RTN_LOCAL, RTN_UNICAST, RT_SCOPE_HOST, RT_SCOPE_LINK } from '../../../uapi/rtnetlink.ts'
import { LINUX_MIB_ARPFILTER } from '../../../uapi/snmp.ts'
import {
  IPV4_DEVCONF_ARPFILTER,
  IPV4_DEVCONF_ARP_ACCEPT,
  IPV4_DEVCONF_ARP_IGNORE,
  IPV4_DEVCONF_DROP_GRATUITOUS_ARP,
  IPV4_DEVCONF_FORWARDING,
  IPV4_DEVCONF_MEDIUM_ID,
  IPV4_DEVCONF_PROXY_ARP,
  IPV4_DEVCONF_PROXY_ARP_PVLAN,
  IPV4_DEVCONF_ROUTE_LOCALNET,
  NEIGH_VAR_LOCKTIME_MS,
  NEIGH_VAR_PROXY_DELAY_MS,
} from '../../../uapi/sysctl.ts'
import { dst_release } from '../../core/dst.ts'
import {
  __neigh_lookup,
  neigh_event_ns,
  neigh_release,
  neigh_update,
  pneigh_enqueue,
  pneigh_lookup,
  var_jiffies,
} from '../../core/neighbour.ts'
import { consume_skb, kfree_skb_reason, skb_network_header, skb_share_check } from '../../core/skbuff.ts'
import { pskb_may_pull_reason } from '../../core/skbuff_data.ts'
import { confirm_addr_indev } from '../devinet.ts'
import { inet_addr_type_dev_table } from '../fib_frontend.ts'
import { ip_route_input_noref } from '../route/input.ts'
import { ip_route_output_key } from '../route/output.ts'
import { ARP_HLEN, arp_hdr_len, arp_send_dst } from './output.ts'

const ARP_FILTER_FL4: usize = memory.data(64, 16)

/** An ARP packet's addresses in network order; hardware addresses lie at sha and tha. */
@unmanaged
@final
class arp_addresses {
  op: u32
  sip: u32
  tip: u32
  sha: usize
  tha: usize
}

const ARP_ADDRESSES: usize = memory.data(32, 16)

function netof(dev: net_device): net {
  return changetype<net>(dev.nd_net)
}

/** inet_confirm_addr: an address of scope that fits local and lies in one network with dst; in_dev 0: of any device. */
function confirm_addr(dev: net_device, any: bool, dst: u32, local: u32, scope: u32): bool {
  if (!any) return confirm_addr_indev(changetype<in_device>(dev.ip_ptr), dst, local, scope) != 0
  for (let p = netof(dev).dev_base_head; p; p = changetype<net_device>(p).next) {
    const in_dev = changetype<in_device>(changetype<net_device>(p).ip_ptr)
    if (changetype<usize>(in_dev) && confirm_addr_indev(in_dev, dst, local, scope)) return true
  }
  return false
}

/** May a request for tip from sip not be answered (arp_ignore)? */
function arp_ignore(in_dev: in_device, dev: net_device, sip: u32, tip: u32): bool {
  walk(FN_arp_ignore, 0)
  switch (in_dev_maxconf(in_dev, IPV4_DEVCONF_ARP_IGNORE)) {
    case 1: // only addresses of this device
      return !confirm_addr(dev, false, 0, tip, RT_SCOPE_HOST)
    case 2: // and only for askers of the same network
      return !confirm_addr(dev, false, sip, tip, RT_SCOPE_HOST)
    case 3: // not those of scope host
      return !confirm_addr(dev, true, 0, tip, RT_SCOPE_LINK)
    case 8: // none
      return true
    default:
      return false
  }
}

/** May an unsolicited packet from sip make an entry (arp_accept)? */
function arp_accept(in_dev: in_device, dev: net_device, sip: u32): bool {
  walk(FN_arp_accept, 0)
  const accept = in_dev_maxconf(in_dev, IPV4_DEVCONF_ARP_ACCEPT)
  return accept == 1 || (accept == 2 && confirm_addr(dev, false, sip, 0, RT_SCOPE_LINK))
}

/** Would what we send to sip leave by another device (arp_filter)? Then we do not answer. */
function arp_filter(sip: u32, tip: u32, dev: net_device): bool {
  walk(FN_arp_filter, 0)
  const fl4 = changetype<flowi4>(ARP_FILTER_FL4)
  memory.fill(ARP_FILTER_FL4, 0, FLOWI4_SIZE)
  fl4.daddr = sip
  fl4.saddr = tip
  const rt = ip_route_output_key(netof(dev), fl4)
  if (IS_ERR(rt)) return true
  const other = changetype<rtable>(rt).dev != changetype<usize>(dev)
  if (other) mib_inc(netof(dev), LINUX_MIB_ARPFILTER)
  dst_release(rt)
  return other
}

/** Is the target elsewhere, so that this device answers in its name (proxy_arp)? */
function arp_fwd_proxy(in_dev: in_device, dev: net_device, rt: rtable): bool {
  if (rt.dev == changetype<usize>(dev) || !in_dev_orconf(in_dev, IPV4_DEVCONF_PROXY_ARP)) return false
  const medium = in_dev_conf_get(in_dev, IPV4_DEVCONF_MEDIUM_ID)
  if (medium == 0) return true
  if (medium == -1) return false
  const out_dev = changetype<in_device>(changetype<net_device>(rt.dev).ip_ptr)
  const out = changetype<usize>(out_dev) ? in_dev_conf_get(out_dev, IPV4_DEVCONF_MEDIUM_ID) : -1
  return out != medium && out != -1
}

/** Is the target on the asker's own link, which keeps its ports apart (proxy_arp_pvlan)? */
function arp_fwd_pvlan(in_dev: in_device, dev: net_device, rt: rtable, sip: u32, tip: u32): bool {
  if (rt.dev != changetype<usize>(dev) || !in_dev_orconf(in_dev, IPV4_DEVCONF_PROXY_ARP_PVLAN)) return false
  return sip != tip
}

/** Does the packet announce its sender's own address? A reply must name itself as the target as well. */
function arp_is_garp(dev: net_device, a: arp_addresses): bool {
  walk(FN_arp_is_garp, 0)
  if (a.sip != a.tip) return false
  if (a.op == ARPOP_REPLY && memory.compare(a.tha, a.sha, dev.addr_len) != 0) return false
  return inet_addr_type_dev_table(netof(dev), dev, a.sip) == RTN_UNICAST
}

/** The hardware and protocol types that a device's link may carry. */
function types_ok(dev: net_device, arp: arphdr): bool {
  if (arp.ar_pro != htons(ETH_P_IP)) return false
  const type = <u32>dev.type
  if (type == ARPHRD_ETHER || type == ARPHRD_FDDI || type == ARPHRD_IEEE802)
    return arp.ar_hrd == htons(ARPHRD_ETHER) || arp.ar_hrd == htons(ARPHRD_IEEE802)
  return arp.ar_hrd == htons(type)
}

/** Is the packet one to look at, and where are its addresses? */
function arp_parse(skb: sk_buff, dev: net_device, in_dev: in_device, a: arp_addresses): bool {
  const arp = changetype<arphdr>(skb_network_header(skb))
  const op = <u32>arp.ar_op
  if (!types_ok(dev, arp)) return false
  if (op != <u32>htons(ARPOP_REPLY) && op != <u32>htons(ARPOP_REQUEST)) return false
  const len = <usize>dev.addr_len
  a.op = op == <u32>htons(ARPOP_REPLY) ? ARPOP_REPLY : ARPOP_REQUEST
  a.sha = changetype<usize>(arp) + ARP_HLEN
  a.sip = load<u32>(a.sha + len)
  a.tha = a.sha + len + 4
  a.tip = load<u32>(a.tha + len)
  // Nobody has these addresses on a link.
  if (ipv4_is_multicast(a.tip)) return false
  if (ipv4_is_loopback(a.tip) && !in_dev_orconf(in_dev, IPV4_DEVCONF_ROUTE_LOCALNET)) return false
  return !(a.sip == a.tip && in_dev_orconf(in_dev, IPV4_DEVCONF_DROP_GRATUITOUS_ARP))
}

/** Says that we have tip. */
function arp_reply(dev: net_device, a: arp_addresses): void {
  arp_send_dst(ARPOP_REPLY, ETH_P_ARP, a.sip, dev, a.tip, a.sha, 0, a.sha)
}

/** A probe for duplicates (sender 0.0.0.0, RFC 5227 2.1): defended, and nothing is learnt. */
function answer_probe(in_dev: in_device, dev: net_device, a: arp_addresses): void {
  if (a.op != ARPOP_REQUEST || inet_addr_type_dev_table(netof(dev), dev, a.tip) != RTN_LOCAL) return
  if (!arp_ignore(in_dev, dev, a.sip, a.tip)) arp_reply(dev, a)
}

/** A request for an address of ours: learn the asker, answer. */
function answer_local(in_dev: in_device, dev: net_device, a: arp_addresses): void {
  if (arp_ignore(in_dev, dev, a.sip, a.tip)) return
  if (in_dev_orconf(in_dev, IPV4_DEVCONF_ARPFILTER) && arp_filter(a.sip, a.tip, dev)) return
  const n = neigh_event_ns(a.sha, a.sip, dev)
  if (changetype<usize>(n) == 0) return
  arp_reply(dev, a)
  neigh_release(n)
}

/** Do we answer for an address that we would forward to? */
function proxies_for(in_dev: in_device, dev: net_device, rt: rtable, a: arp_addresses): bool {
  if (rt.rt_type != <u16>RTN_UNICAST || in_dev_conf_get(in_dev, IPV4_DEVCONF_FORWARDING) == 0) return false
  if (arp_fwd_proxy(in_dev, dev, rt) || arp_fwd_pvlan(in_dev, dev, rt, a.sip, a.tip)) return true
  return rt.dev != changetype<usize>(dev) && pneigh_lookup(netof(dev), a.tip, dev)
}

/** Answers in another's name, at once or after a while. True: the skb waits; else it is still the caller's. */
function answer_proxy(skb: sk_buff, in_dev: in_device, dev: net_device, a: arp_addresses): bool {
  const n = neigh_event_ns(a.sha, a.sip, dev)
  if (changetype<usize>(n)) neigh_release(n)
  const waited = changetype<neighbour_cb>(changetype<usize>(skb) + SKB_CB).flags & LOCALLY_ENQUEUED
  const parms = in_dev.arp_parms
  if (!waited && skb.pkt_type != <u8>PACKET_HOST && neigh_var(parms, NEIGH_VAR_PROXY_DELAY_MS) != 0) {
    pneigh_enqueue(parms, skb)
    return true
  }
  arp_reply(dev, a)
  return false
}

/** What is neither ours to answer nor in our name: does it tell us something about a neighbour? */
function arp_learn(skb: sk_buff, in_dev: in_device, dev: net_device, a: arp_addresses): void {
  let n = __neigh_lookup(dev, a.sip, false)
  const known = changetype<usize>(n) != 0
  const accept = arp_accept(in_dev, dev, a.sip)
  if (!known && !accept) return
  const garp = arp_is_garp(dev, a)
  if (!known) {
    const reply = a.op == ARPOP_REPLY && inet_addr_type_dev_table(netof(dev), dev, a.sip) == RTN_UNICAST
    if (!garp && !reply) return
    n = __neigh_lookup(dev, a.sip, true)
    if (changetype<usize>(n) == 0) return
  }
  // Of several replies to one question the first counts (locktime); an announcement always does.
  const replaces = garp || time_after(boot.jiffies, n.updated + var_jiffies(n.parms, NEIGH_VAR_LOCKTIME_MS))
  // Only a reply to us alone proves that the neighbour hears us.
  const state = a.op == ARPOP_REPLY && skb.pkt_type == <u8>PACKET_HOST ? NUD_REACHABLE : NUD_STALE
  neigh_update(n, a.sha, state, replaces ? NEIGH_UPDATE_F_OVERRIDE : 0)
  neigh_release(n)
}

/** Answers, learns, or both. True: the skb waits; else it is still the caller's. */
function arp_act(skb: sk_buff, in_dev: in_device, dev: net_device, a: arp_addresses): bool {
  if (a.sip == 0) {
    answer_probe(in_dev, dev, a)
    return false
  }
  if (a.op == ARPOP_REQUEST && ip_route_input_noref(skb, a.tip, a.sip, 0, dev) == 0) {
    const rt = changetype<rtable>(skb.dst)
    if (rt.rt_type == <u16>RTN_LOCAL) {
      answer_local(in_dev, dev, a)
      return false
    }
    if (proxies_for(in_dev, dev, rt, a)) return answer_proxy(skb, in_dev, dev, a)
  }
  arp_learn(skb, in_dev, dev, a)
  return false
}

/**
 * One ARP packet whose length is right.
 *
 * Uses: network_header, pkt_type, dev. Next: a reply by arp_send_dst, neigh_update. The skb is gone, or waits as proxy.
 */
function arp_process(skb: sk_buff): void {
  walk(FN_arp_process, changetype<usize>(skb))
  const dev = changetype<net_device>(skb.dev)
  const in_dev = changetype<in_device>(dev.ip_ptr)
  const a = changetype<arp_addresses>(ARP_ADDRESSES)
  if (changetype<usize>(in_dev) == 0 || !arp_parse(skb, dev, in_dev, a)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_arp_process)
    return
  }
  if (!arp_act(skb, in_dev, dev, a)) consume_skb(skb, SKB_ENDED_ABSORBED)
}

/** A request has waited for its proxy reply. */
export function parp_redo(skb: sk_buff): void {
  walk(FN_parp_redo, changetype<usize>(skb))
  arp_process(skb)
}

/**
 * An ARP frame came in.
 *
 * Uses: network_header, pkt_type. Next: arp_process. The skb is gone in any case.
 */
export function arp_rcv(skb: sk_buff, dev: net_device): void {
  walk(FN_arp_rcv, changetype<usize>(skb))
  if (dev.flags & IFF_NOARP || skb.pkt_type == <u8>PACKET_OTHERHOST || skb.pkt_type == <u8>PACKET_LOOPBACK) {
    consume_skb(skb, SKB_ENDED_ABSORBED)
    return
  }
  skb = skb_share_check(skb, SKB_DROP_REASON_NOMEM, FN_arp_rcv)
  if (changetype<usize>(skb) == 0) return
  const reason = pskb_may_pull_reason(skb, arp_hdr_len(dev))
  if (reason) {
    kfree_skb_reason(skb, reason, FN_arp_rcv)
    return
  }
  const arp = changetype<arphdr>(skb_network_header(skb))
  if (<u32>arp.ar_hln != <u32>dev.addr_len || arp.ar_pln != 4) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_arp_rcv)
    return
  }
  memory.fill(changetype<usize>(skb) + SKB_CB, 0, offsetof<neighbour_cb>())
  arp_process(skb)
}
