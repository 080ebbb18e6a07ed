// The end of packets that have no route: their senders are told, so many times. Mirrors ip_error of net/ipv4/route.c.
// Read first: RFC 792 (Destination Unreachable), RFC 1812 4.3.2.8 (rate limiting), 5.2.7.1.

import { SLOT_ICMP_SEND, boot, slot_get } from '../../../lib/boot.ts'
import { rtable } from '../../../include/dst.ts'
import { iphdr } from '../../../include/ip.ts'
import { mib_inc, net, sysctl } from '../../../include/net_namespace.ts'
import { __in_dev_get_rcu, in_dev_conf_get, net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_IP_INADDRERRORS,
  SKB_DROP_REASON_IP_INNOROUTES,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from '../../../uapi/dropreason.ts'
import { EACCES, EHOSTUNREACH, ENETUNREACH } from '../../../uapi/errno.ts'
import { FN_ip_error } from '../../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PKT_FILTERED } from '../../../uapi/icmp.ts'
import { IPSTATS_MIB_INADDRERRORS, IPSTATS_MIB_INNOROUTES } from '../../../uapi/snmp.ts'
import { IPV4_DEVCONF_FORWARDING, SYSCTL_ROUTE_ERROR_BURST, SYSCTL_ROUTE_ERROR_COST } from '../../../uapi/sysctl.ts'
import { kfree_skb_reason, skb_network_header } from '../../core/skbuff.ts'
import { inet_getpeer_v4 } from '../inetpeer.ts'

/** The packet has no route: counted, and why it dies. A host (no forwarding) knows two errors only. */
function count_error(owner: net, error: u32, forward: bool): u32 {
  if (error == ENETUNREACH) {
    mib_inc(owner, IPSTATS_MIB_INNOROUTES)
    return SKB_DROP_REASON_IP_INNOROUTES
  }
  if (forward || error != EHOSTUNREACH) return SKB_DROP_REASON_NOT_SPECIFIED
  mib_inc(owner, IPSTATS_MIB_INADDRERRORS)
  return SKB_DROP_REASON_IP_INADDRERRORS
}

/** Code of the destination unreachable that tells of an error, -1: nothing is told (a blackhole). */
function unreach_code(error: u32): i32 {
  if (error == EHOSTUNREACH) return ICMP_HOST_UNREACH
  if (error == ENETUNREACH) return ICMP_NET_UNREACH
  return error == EACCES ? <i32>ICMP_PKT_FILTERED : -1
}

/** Five errors at once to one source, then one a second, whatever icmp_ratelimit says (forward-error-rate). */
function peer_allows(owner: net, saddr: u32): bool {
  const peer = inet_getpeer_v4(owner, saddr)
  if (changetype<usize>(peer) == 0) return true
  const now = boot.jiffies
  const cost = <u32>sysctl(owner, SYSCTL_ROUTE_ERROR_COST)
  peer.rate_tokens = min(peer.rate_tokens + (now - peer.rate_last), <u32>sysctl(owner, SYSCTL_ROUTE_ERROR_BURST))
  peer.rate_last = now
  if (peer.rate_tokens < cost) return false
  peer.rate_tokens -= cost
  return true
}

/**
 * The end of a packet whose route is an error: its sender is told if we are a router.
 *
 * Uses: the error of its route. Takes the skb.
 */
export function ip_error(skb: sk_buff): void {
  walk(FN_ip_error, changetype<usize>(skb))
  const rt = changetype<rtable>(skb.dst)
  const owner = changetype<net>(rt.net)
  const in_dev = __in_dev_get_rcu(changetype<net_device>(skb.dev))
  let reason: u32 = SKB_DROP_REASON_NOT_SPECIFIED
  if (changetype<usize>(in_dev)) {
    const forward = in_dev_conf_get(in_dev, IPV4_DEVCONF_FORWARDING) != 0
    reason = count_error(owner, rt.error, forward)
    const code = forward ? unreach_code(rt.error) : -1
    if (code >= 0 && peer_allows(owner, changetype<iphdr>(skb_network_header(skb)).saddr)) {
      call_indirect<void>(slot_get(SLOT_ICMP_SEND), changetype<usize>(skb), ICMP_DEST_UNREACH, code, <u32>0)
    }
  }
  kfree_skb_reason(skb, reason, FN_ip_error)
}
