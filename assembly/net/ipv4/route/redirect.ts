// Redirects: a gateway names a better one for a destination; and what we send to hosts that could go there directly.
// Mirrors ip_do_redirect, ipv4_redirect and ip_rt_send_redirect of net/ipv4/route.c.
// Read first: RFC 792 (Redirect), RFC 1122 3.2.2.2 and 3.3.1.2, RFC 1812 4.3.2.8 and 5.2.7.2.

import { SLOT_ICMP_SEND, boot, slot_get } from '../../../lib/boot.ts'
import { DST_OBSOLETE_KILL, flowi4, rtable } from '../../../include/dst.ts'
import { icmphdr } from '../../../include/headers.ts'
import { inet_peer } from '../../../include/inetpeer.ts'
import { iphdr, ipv4_is_lbcast, ipv4_is_multicast } from '../../../include/ip.ts'
import { fib_nh, fib_result } from '../../../include/ip_fib.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import {
  __in_dev_get_rcu,
  in_dev_andconf,
  in_dev_conf_get,
  in_dev_orconf,
  in_device,
  net_device,
} from '../../../include/netdevice.ts'
import { sock } from '../../../include/sock.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { time_after } from '../../../kernel/timer.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import {
  FN___ip_do_redirect,
  FN_ip_do_redirect,
  FN_ip_rt_send_redirect,
  FN_ipv4_redirect,
  FN_ipv4_sk_redirect,
} from '../../../uapi/functions.ts'
import { ICMP_REDIRECT, ICMP_REDIR_HOST, ICMP_REDIR_HOSTTOS } from '../../../uapi/icmp.ts'
import { NUD_VALID } from '../../../uapi/neighbour.ts'
import { RTN_UNICAST } from '../../../uapi/rtnetlink.ts'
import {
  IPV4_DEVCONF_ACCEPT_REDIRECTS,
  IPV4_DEVCONF_FORWARDING,
  IPV4_DEVCONF_SECURE_REDIRECTS,
  IPV4_DEVCONF_SEND_REDIRECTS,
  IPV4_DEVCONF_SHARED_MEDIA,
  SYSCTL_ROUTE_REDIRECT_LOAD,
  SYSCTL_ROUTE_REDIRECT_NUMBER,
  SYSCTL_ROUTE_REDIRECT_SILENCE,
} from '../../../uapi/sysctl.ts'
import { dst_release } from '../../core/dst.ts'
import { __neigh_lookup, neigh_event_send, neigh_release } from '../../core/neighbour.ts'
import { skb_network_header, skb_transport_header } from '../../core/skbuff.ts'
import { inet_addr_onlink } from '../devinet.ts'
import { inet_addr_type } from '../fib_frontend.ts'
import { fib_lookup } from '../fib_rules.ts'
import { fib_select_path, ip_fib_check_default } from '../fib_semantics.ts'
import { inet_getpeer_v4 } from '../inetpeer.ts'
import { update_or_create_fnhe } from './exception.ts'
import { __build_flow_key, build_skb_flow_key } from './flow.ts'
import { rt_nexthop } from './metrics.ts'
import { ip_route_output_key } from './output.ts'

/** What a redirect says holds so many seconds (net.ipv4.route.gc_timeout). */
const RT_GC_TIMEOUT: u32 = 300

const FL4: usize = memory.data(64, 16)
const RES: usize = memory.data(64, 16)

/** Does the device listen to redirects? A router only where both switches are on (IN_DEV_RX_REDIRECTS). */
function accepts(in_dev: in_device): bool {
  if (in_dev_conf_get(in_dev, IPV4_DEVCONF_FORWARDING)) return in_dev_andconf(in_dev, IPV4_DEVCONF_ACCEPT_REDIRECTS)
  return in_dev_orconf(in_dev, IPV4_DEVCONF_ACCEPT_REDIRECTS)
}

/** May new_gw be a gateway, on the word of old_gw (RFC 1122 3.2.2.2)? */
function acceptable(owner: net, in_dev: in_device, dev: net_device, new_gw: u32, old_gw: u32): bool {
  if (new_gw == old_gw || new_gw == 0 || !accepts(in_dev)) return false
  if (ipv4_is_multicast(new_gw) || ipv4_is_lbcast(new_gw)) return false
  if (in_dev_orconf(in_dev, IPV4_DEVCONF_SHARED_MEDIA)) return inet_addr_type(owner, new_gw) == RTN_UNICAST
  if (!inet_addr_onlink(in_dev, new_gw, old_gw)) return false
  return !in_dev_orconf(in_dev, IPV4_DEVCONF_SECURE_REDIRECTS) || ip_fib_check_default(new_gw, dev) == 0
}

/** The next hop of a flow has a better gateway for its destination. */
function note(owner: net, fl4: flowi4, skb: sk_buff, gw: u32): void {
  const res = changetype<fib_result>(RES)
  if (fib_lookup(owner, fl4, res, 0)) return
  fib_select_path(owner, res, fl4, skb)
  const expires = boot.jiffies + RT_GC_TIMEOUT * boot.hz
  update_or_create_fnhe(changetype<fib_nh>(res.nhc), fl4.daddr, gw, 0, false, expires)
}

/**
 * A redirect about the flow of fl4, which goes by rt: heeded when it comes from the gateway of that route, and when the new
 * gateway's hardware address is known (else it is asked for, and the next redirect counts).
 *
 * Uses: ICMP header, source address, device of skb. Sets: an exception; kill: rt is to be looked up again.
 */
export function __ip_do_redirect(rt: rtable, skb: sk_buff, fl4: flowi4, kill: bool): void {
  walk(FN___ip_do_redirect, changetype<usize>(skb))
  const icmp = changetype<icmphdr>(skb_transport_header(skb))
  const old_gw = changetype<iphdr>(skb_network_header(skb)).saddr
  const new_gw = icmp.un
  const dev = changetype<net_device>(skb.dev)
  if (((<u32>icmp.code) & 7) > ICMP_REDIR_HOSTTOS) return
  if (rt.rt_gw4 == 0 || rt.rt_gw4 != old_gw) return
  const in_dev = __in_dev_get_rcu(dev)
  if (changetype<usize>(in_dev) == 0) return
  const owner = changetype<net>(dev.nd_net)
  if (!acceptable(owner, in_dev, dev, new_gw, old_gw)) return
  const n = __neigh_lookup(changetype<net_device>(rt.dev), new_gw, true)
  if (changetype<usize>(n) == 0) return
  if ((<u32>n.nud_state) & NUD_VALID) {
    note(owner, fl4, skb, new_gw)
    if (kill) rt.obsolete = DST_OBSOLETE_KILL
  } else {
    neigh_event_send(n, changetype<sk_buff>(0))
  }
  neigh_release(n)
}

/** A redirect for a socket's route (0: none holds it), data at the quoted header. */
export function ip_do_redirect(rt: rtable, sk: usize, skb: sk_buff): void {
  walk(FN_ip_do_redirect, changetype<usize>(skb))
  const fl4 = changetype<flowi4>(FL4)
  build_skb_flow_key(fl4, skb, sk)
  __ip_do_redirect(rt, skb, fl4, true)
}

/** A redirect (data at the quoted header): the route of the flow that it is about. */
export function ipv4_redirect(skb: sk_buff, owner: net, oif: u32, protocol: u32): void {
  walk(FN_ipv4_redirect, changetype<usize>(skb))
  const fl4 = changetype<flowi4>(FL4)
  const ip = changetype<iphdr>(skb.data)
  __build_flow_key(fl4, 0, ip, oif, ip.tos, protocol, 0)
  const rt = ip_route_output_key(owner, fl4)
  if (IS_ERR(rt)) return
  __ip_do_redirect(changetype<rtable>(rt), skb, fl4, false)
  dst_release(rt)
}

/** The same for a socket that the redirect is about. */
export function ipv4_sk_redirect(skb: sk_buff, sk: sock): void {
  walk(FN_ipv4_sk_redirect, changetype<usize>(skb))
  const fl4 = changetype<flowi4>(FL4)
  __build_flow_key(fl4, changetype<usize>(sk), changetype<iphdr>(skb.data), 0, 0, 0, 0)
  const rt = ip_route_output_key(changetype<net>(sk.net), fl4)
  if (IS_ERR(rt)) return
  __ip_do_redirect(changetype<rtable>(rt), skb, fl4, false)
  dst_release(rt)
}

/** Redirects to one source: 20 ms apart, doubling, nine in all until it was silent for 20 s (forward-redirect-rate). */
function redirect_due(owner: net, peer: inet_peer): bool {
  const now = boot.jiffies
  if (time_after(now, peer.rate_last + <u32>sysctl(owner, SYSCTL_ROUTE_REDIRECT_SILENCE))) {
    peer.rate_tokens = 0
    peer.n_redirects = 0
  }
  if (peer.n_redirects >= <u32>sysctl(owner, SYSCTL_ROUTE_REDIRECT_NUMBER)) {
    peer.rate_last = now
    return false
  }
  const pause = (<u32>sysctl(owner, SYSCTL_ROUTE_REDIRECT_LOAD)) << peer.n_redirects
  return peer.n_redirects == 0 || time_after(now, peer.rate_last + pause)
}

function tell_gateway(skb: sk_buff, gw: u32): void {
  call_indirect<void>(slot_get(SLOT_ICMP_SEND), changetype<usize>(skb), ICMP_REDIRECT, ICMP_REDIR_HOST, gw)
}

/** Tells the sender of a packet that it could go to our next hop directly. The skb stays the caller's. */
export function ip_rt_send_redirect(skb: sk_buff): void {
  walk(FN_ip_rt_send_redirect, changetype<usize>(skb))
  const rt = changetype<rtable>(skb.dst)
  const in_dev = __in_dev_get_rcu(changetype<net_device>(rt.dev))
  if (changetype<usize>(in_dev) == 0 || !in_dev_orconf(in_dev, IPV4_DEVCONF_SEND_REDIRECTS)) return
  const owner = changetype<net>(rt.net)
  const ip = changetype<iphdr>(skb_network_header(skb))
  const gw = rt_nexthop(rt, ip.daddr)
  const peer = inet_getpeer_v4(owner, ip.saddr)
  if (changetype<usize>(peer) == 0) {
    tell_gateway(skb, gw)
    return
  }
  if (!redirect_due(owner, peer)) return
  tell_gateway(skb, gw)
  peer.rate_last = boot.jiffies
  peer.n_redirects += 1
}
