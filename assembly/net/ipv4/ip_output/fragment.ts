// Cutting a datagram into fragments (RFC 791 3.2). Mirrors ip_fragment and ip_do_fragment of net/ipv4/ip_output.c.

import { rtable } from '../../../include/dst.ts'
import {
  IPSKB_FRAG_COMPLETE,
  IPSKB_FRAG_PMTU,
  IP_DF,
  IP_MF,
  inet_skb_parm,
  ip_is_fragment,
  iphdr,
} from '../../../include/ip.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  SKB_BORN_FRAGMENTED,
  SKB_CB,
  SKB_DST_NOREF,
  SKB_ENDED_ABSORBED,
  SKB_IGNORE_DF,
  SKB_L4_HASH,
  sk_buff,
} from '../../../include/skbuff.ts'
import { sock } from '../../../include/sock.ts'
import { SLOT_ICMP_SEND, slot_get } from '../../../lib/boot.ts'
import { htonl, htons, ntohs } from '../../../lib/byteorder.ts'
import { copy_bytes } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { EHOSTUNREACH, EMSGSIZE, ENOMEM } from '../../../uapi/errno.ts'
import {
  FN_ip_copy_metadata,
  FN_ip_do_fragment,
  FN_ip_frag_next,
  FN_ip_fraglist_init,
  FN_ip_fraglist_prepare,
  FN_ip_fragment,
} from '../../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from '../../../uapi/icmp.ts'
import { IP_OFFSET } from '../../../uapi/ip.ts'
import { IPSTATS_MIB_FRAGCREATES, IPSTATS_MIB_FRAGFAILS, IPSTATS_MIB_FRAGOKS } from '../../../uapi/snmp.ts'
import { dst_hold } from '../../core/dst.ts'
import { skb_checksum_help } from '../../core/skb_checksum_help.ts'
import {
  NO_SKB,
  alloc_skb,
  consume_skb,
  kfree_skb_list_reason,
  kfree_skb_reason,
  pskb_expand_head,
  skb_cloned,
  skb_dst_drop,
  skb_headlen,
  skb_headroom,
  skb_network_header,
  skb_push,
  skb_put,
  skb_reset_network_header,
  skb_reset_transport_header,
  skb_shared,
  skb_shinfo,
  skb_shinfo_frag,
  skb_transport_header,
} from '../../core/skbuff.ts'
import { skb_copy_bits } from '../../core/skbuff_data.ts'
import { skb_set_owner_w } from '../../core/sock_wmem.ts'
import { ip_options_fragment } from '../ip_options/build.ts'
import { ip_send_check } from './check.ts'
import { LL_RESERVED_SPACE, ip_finish_output2 } from './finish2.ts'
import { ip_skb_dst_mtu } from './mtu.ts'

function cb(skb: sk_buff): inet_skb_parm {
  return changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
}

/** What a fragment has in common with its datagram. */
function ip_copy_metadata(to: sk_buff, from: sk_buff): void {
  walk(FN_ip_copy_metadata, changetype<usize>(to))
  to.pkt_type = from.pkt_type
  to.priority = from.priority
  to.protocol = from.protocol
  to.skb_iif = from.skb_iif
  to.rx_seq = from.rx_seq
  to.tstamp = from.tstamp
  skb_dst_drop(to)
  to.dst = from.dst
  to.skb_flags = (to.skb_flags & ~SKB_L4_HASH) | (from.skb_flags & (SKB_DST_NOREF | SKB_L4_HASH))
  if (to.dst && !(to.skb_flags & SKB_DST_NOREF)) dst_hold(to.dst)
  to.dev = from.dev
  to.mark = from.mark
  to.hash = from.hash
}

/** Bytes of the packet itself, without its fragment list. */
function skb_pagelen(skb: sk_buff): u32 {
  let len = skb_headlen(skb)
  const frags = <u32>skb_shinfo(skb).nr_frags
  for (let i: u32 = 0; i < frags; i++) len += skb_shinfo_frag(skb, i).size
  return len
}

/** Is the packet, with what hangs on it, already cut to this size, and nobody else's? */
function list_is_ready(skb: sk_buff, hlen: u32, mtu: u32, ll_rs: u32): bool {
  const first = skb_pagelen(skb) - hlen
  if (first > mtu || first & 7 || ip_is_fragment(changetype<iphdr>(skb_network_header(skb)))) return false
  if (skb_cloned(skb) || skb_headroom(skb) < ll_rs) return false
  for (let p = skb_shinfo(skb).frag_list; p; p = changetype<sk_buff>(p).next) {
    const frag = changetype<sk_buff>(p)
    if (frag.len > mtu || (frag.len & 7 && frag.next) || skb_headroom(frag) < hlen + ll_rs || skb_shared(frag))
      return false
  }
  return true
}

/** Each piece of the list is charged to the sender for itself from now on. */
function share_owner(skb: sk_buff): void {
  for (let p = skb_shinfo(skb).frag_list; p; p = changetype<sk_buff>(p).next) {
    const frag = changetype<sk_buff>(p)
    if (skb.sk) {
      frag.sk = skb.sk
      frag.destructor = skb.destructor
    }
    skb.truesize -= frag.truesize
  }
}

/** The packet without its list, as first fragment; answers the first of the list. */
function ip_fraglist_init(skb: sk_buff, ip: iphdr): usize {
  walk(FN_ip_fraglist_init, changetype<usize>(skb))
  const first = skb_shinfo(skb).frag_list
  const len = skb_pagelen(skb)
  skb_shinfo(skb).frag_list = 0
  skb.data_len = len - skb_headlen(skb)
  skb.len = len
  ip.tot_len = htons(len)
  ip.frag_off = <u16>IP_MF
  ip_send_check(ip)
  return first
}

/** Gives a piece of the list the header of the one before, for its place in the datagram. */
function ip_fraglist_prepare(skb: sk_buff, frag: sk_buff, before: iphdr, hlen: u32, offset: u32): void {
  walk(FN_ip_fraglist_prepare, changetype<usize>(frag))
  frag.ip_summed = <u8>CHECKSUM_NONE
  skb_reset_transport_header(frag)
  skb_push(frag, hlen)
  skb_reset_network_header(frag)
  copy_bytes(frag.data, changetype<usize>(before), hlen)
  ip_copy_metadata(frag, skb)
  const ip = changetype<iphdr>(frag.data)
  ip.frag_off = htons(offset >> 3) | (<u16>(frag.next ? IP_MF : 0))
  ip.tot_len = htons(frag.len)
  ip_send_check(ip)
}

/** The fast way: what append or reassembly cut already only needs headers. */
function send_list(net: net, first: sk_buff, hlen: u32): i32 {
  let skb = first
  let ip = changetype<iphdr>(skb_network_header(skb))
  let next = ip_fraglist_init(skb, ip)
  let offset: u32 = 0
  for (;;) {
    const frag = changetype<sk_buff>(next)
    if (next) {
      const at_first = offset == 0
      cb(frag).flags = cb(skb).flags
      offset += skb.len - hlen
      ip_fraglist_prepare(skb, frag, ip, hlen, offset)
      ip = changetype<iphdr>(frag.data)
      if (at_first && cb(skb).optlen) {
        // Those after it take over its header, so this is done once.
        cb(frag).optlen = cb(skb).optlen
        ip_options_fragment(frag)
        ip_send_check(ip)
      }
    }
    const err = ip_finish_output2(net, skb)
    if (err == 0) mib_inc(net, IPSTATS_MIB_FRAGCREATES)
    if (err) {
      kfree_skb_list_reason(next, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_do_fragment)
      mib_inc(net, IPSTATS_MIB_FRAGFAILS)
      return err
    }
    if (next == 0) break
    skb = frag
    next = frag.next
    frag.next = 0
  }
  mib_inc(net, IPSTATS_MIB_FRAGOKS)
  return 0
}

/** Place in its datagram of what lies at ptr: the packet may be a fragment itself. */
function first_byte(skb: sk_buff, hlen: u32, ptr: u32): u32 {
  return ((ntohs(changetype<iphdr>(skb.data).frag_off) & IP_OFFSET) << 3) + ptr - hlen
}

/** Copies the next fragment, what lies from ptr on, out of the packet. NO_SKB: out of memory. */
function ip_frag_next(skb: sk_buff, hlen: u32, ll_rs: u32, mtu: u32, ptr: u32): sk_buff {
  walk(FN_ip_frag_next, changetype<usize>(skb))
  const left = skb.len - ptr
  let len = min(left, mtu)
  if (len < left) len &= ~7
  const frag = alloc_skb(len + hlen, ll_rs, skb.owner, SKB_BORN_FRAGMENTED)
  if (changetype<usize>(frag) == 0) return NO_SKB
  ip_copy_metadata(frag, skb)
  skb_put(frag, len + hlen)
  skb_reset_network_header(frag)
  frag.transport_header = frag.network_header + <u16>hlen
  if (skb.sk) skb_set_owner_w(frag, changetype<sock>(skb.sk))
  copy_bytes(frag.data, skb.data, hlen)
  skb_copy_bits(skb, ptr, skb_transport_header(frag), len)

  const ip = changetype<iphdr>(frag.data)
  const whole = <u32>changetype<iphdr>(skb.data).frag_off
  let frag_off = <u32>htons(first_byte(skb, hlen, ptr) >> 3)
  if (cb(skb).flags & IPSKB_FRAG_PMTU) frag_off |= IP_DF
  if (len < left || whole & IP_MF) frag_off |= IP_MF
  ip.frag_off = <u16>frag_off
  ip.tot_len = htons(len + hlen)
  ip_send_check(ip)
  return frag
}

/** Ends a datagram that could not be sent whole. */
function fail(net: net, skb: sk_buff, err: i32): i32 {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_do_fragment)
  mib_inc(net, IPSTATS_MIB_FRAGFAILS)
  return err
}

/** The slow way: every fragment is a copy. */
function send_copies(net: net, skb: sk_buff, hlen: u32, ll_rs: u32, mtu: u32): i32 {
  // Options change behind the first fragment: not those of a copy that came back to this host.
  if (cb(skb).optlen && skb_cloned(skb) && !pskb_expand_head(skb, 0, 0)) return fail(net, skb, -ENOMEM)
  let ptr = hlen
  while (ptr < skb.len) {
    const frag = ip_frag_next(skb, hlen, ll_rs, mtu, ptr)
    if (changetype<usize>(frag) == 0) return fail(net, skb, -ENOMEM)
    cb(frag).flags = cb(skb).flags
    // What is cut off behind the first takes the header over: its options lose what must not be copied, once.
    if (first_byte(skb, hlen, ptr) == 0) ip_options_fragment(skb)
    ptr += frag.len - hlen
    const err = ip_finish_output2(net, frag)
    if (err) return fail(net, skb, err)
    mib_inc(net, IPSTATS_MIB_FRAGCREATES)
  }
  consume_skb(skb, SKB_ENDED_ABSORBED)
  mib_inc(net, IPSTATS_MIB_FRAGOKS)
  return 0
}

/** Cuts a datagram into fragments and sends them. 0, NET_XMIT_* or -errno; the skb is gone in any case. */
export function ip_do_fragment(net: net, sk: usize, skb: sk_buff): i32 {
  walk(FN_ip_do_fragment, changetype<usize>(skb))
  if (skb.ip_summed == <u8>CHECKSUM_PARTIAL && !skb_checksum_help(skb)) return fail(net, skb, -EHOSTUNREACH)
  let mtu = ip_skb_dst_mtu(sk, skb)
  const largest = <u32>cb(skb).frag_max_size
  if (largest && largest < mtu) mtu = largest
  const hlen = changetype<iphdr>(skb_network_header(skb)).ihl << 2
  mtu -= hlen
  cb(skb).flags |= <u16>IPSKB_FRAG_COMPLETE
  const ll_rs = LL_RESERVED_SPACE(changetype<net_device>(changetype<rtable>(skb.dst).dev))

  if (skb_shinfo(skb).frag_list && list_is_ready(skb, hlen, mtu, ll_rs)) {
    share_owner(skb)
    return send_list(net, skb, hlen)
  }
  return send_copies(net, skb, hlen, ll_rs, mtu)
}

/** A datagram is longer than its way allows: cut, or refused to its sender if it must not be (RFC 1191 4). */
export function ip_fragment(net: net, sk: usize, skb: sk_buff, mtu: u32): i32 {
  walk(FN_ip_fragment, changetype<usize>(skb))
  if (!(changetype<iphdr>(skb_network_header(skb)).frag_off & (<u16>IP_DF))) return ip_do_fragment(net, sk, skb)
  const largest = <u32>cb(skb).frag_max_size
  if (!(skb.skb_flags & SKB_IGNORE_DF) || largest > mtu) {
    mib_inc(net, IPSTATS_MIB_FRAGFAILS)
    call_indirect<void>(slot_get(SLOT_ICMP_SEND), skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu))
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_ip_fragment)
    return -EMSGSIZE
  }
  return ip_do_fragment(net, sk, skb)
}
