// ICMP messages that came in. Mirrors icmp_rcv and its table of types of net/ipv4/icmp.c.
// Read first: RFC 792, RFC 1122 3.2.2.

import { rtable } from '../../../include/dst.ts'
import { ICMP_HLEN, icmphdr } from '../../../include/headers.ts'
import { mib_inc, net, sysctl } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { SKB_ENDED_ABSORBED, sk_buff } from '../../../include/skbuff.ts'
import { SLOT_PING_RCV, slot_get } from '../../../lib/boot.ts'
import { walk } from '../../../trace/trace.ts'
import {
  SKB_DROP_REASON_ICMP_CSUM,
  SKB_DROP_REASON_INVALID_PROTO,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_UNHANDLED_PROTO,
} from '../../../uapi/dropreason.ts'
import { FN_icmp_discard, FN_icmp_rcv } from '../../../uapi/functions.ts'
import {
  ICMP_ADDRESS,
  ICMP_ADDRESSREPLY,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_EXT_ECHO,
  ICMP_EXT_ECHOREPLY,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIMESTAMP,
  ICMP_TIME_EXCEEDED,
  NR_ICMP_TYPES,
} from '../../../uapi/icmp.ts'
import { RTCF_BROADCAST, RTCF_MULTICAST } from '../../../uapi/rtnetlink.ts'
import { ICMP_MIB_CSUMERRORS, ICMP_MIB_INERRORS, ICMP_MIB_INMSGS } from '../../../uapi/snmp.ts'
import { SYSCTL_ICMP_ECHO_IGNORE_BROADCASTS } from '../../../uapi/sysctl.ts'
import { consume_skb, kfree_skb_reason, skb_push, skb_transport_header } from '../../core/skbuff.ts'
import { pskb_pull, skb_checksum_simple_validate } from '../../core/skbuff_data.ts'
import { icmp_in_count } from './count.ts'
import { icmp_redirect, icmp_unreach } from './error.ts'
import { icmp_echo, icmp_timestamp } from './reply.ts'

/** Ends a message that is wrong: counted, freed with its reason. */
function refuse(skb: sk_buff, owner: net, reason: u32): void {
  mib_inc(owner, ICMP_MIB_INERRORS)
  kfree_skb_reason(skb, reason, FN_icmp_rcv)
}

/** Ends a message that was handled (reason 0), or dropped by its handler, which counted it. */
function end(skb: sk_buff, reason: u32): void {
  if (reason) kfree_skb_reason(skb, reason, FN_icmp_rcv)
  else consume_skb(skb, SKB_ENDED_ABSORBED)
}

/** Of what is sent to many, only questions are taken, and echo and timestamp only if that is allowed. */
function group_allowed(owner: net, type: u32): bool {
  if (type == ICMP_ECHO || type == ICMP_TIMESTAMP) return !sysctl(owner, SYSCTL_ICMP_ECHO_IGNORE_BROADCASTS)
  return type == ICMP_ADDRESS || type == ICMP_ADDRESSREPLY
}

/** An echo reply goes to the ping sockets; raw ones have seen it already. */
function reply_rcv(skb: sk_buff): void {
  skb_push(skb, ICMP_HLEN)
  call_indirect<void>(slot_get(SLOT_PING_RCV), changetype<usize>(skb))
}

/** Handles a message by its type. 0, or the reason to drop it. */
function handle(skb: sk_buff, type: u32): u32 {
  switch (type) {
    case ICMP_ECHO:
      return icmp_echo(skb)
    case ICMP_TIMESTAMP:
      return icmp_timestamp(skb)
    case ICMP_REDIRECT:
      return icmp_redirect(skb)
    case ICMP_DEST_UNREACH:
    case ICMP_SOURCE_QUENCH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETERPROB:
      return icmp_unreach(skb)
    default: {
      walk(FN_icmp_discard, changetype<usize>(skb)) // known, but nothing is done about it
      return 0
    }
  }
}

/**
 * An ICMP message for us.
 *
 * Uses: data at the ICMP header, dst. Next: an answer, the socket that an error is about, or nobody. The skb is gone.
 */
export function icmp_rcv(skb: sk_buff): void {
  walk(FN_icmp_rcv, changetype<usize>(skb))
  const rt = changetype<rtable>(skb.dst)
  const owner = changetype<net>(changetype<net_device>(rt.dev).nd_net)
  mib_inc(owner, ICMP_MIB_INMSGS)
  if (!skb_checksum_simple_validate(skb)) {
    mib_inc(owner, ICMP_MIB_CSUMERRORS)
    refuse(skb, owner, SKB_DROP_REASON_ICMP_CSUM)
    return
  }
  if (!pskb_pull(skb, ICMP_HLEN)) {
    refuse(skb, owner, SKB_DROP_REASON_NOT_SPECIFIED)
    return
  }
  const type = <u32>changetype<icmphdr>(skb_transport_header(skb)).type
  icmp_in_count(owner, type)
  if (type == ICMP_EXT_ECHO) {
    end(skb, icmp_echo(skb))
  } else if (rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST) && !group_allowed(owner, type)) {
    refuse(skb, owner, SKB_DROP_REASON_INVALID_PROTO) // RFC 1122 3.2.2.6, 3.2.2.8
  } else if (type == ICMP_ECHOREPLY || type == ICMP_EXT_ECHOREPLY) {
    reply_rcv(skb)
  } else if (type > NR_ICMP_TYPES) {
    refuse(skb, owner, SKB_DROP_REASON_UNHANDLED_PROTO)
  } else {
    end(skb, handle(skb, type))
  }
}
