// A packet that brings its own IP header (IP_HDRINCL). Mirrors raw_send_hdrinc of net/ipv4/raw.c.

import { flowi4, rtable } from '../../../include/dst.ts'
import { ICMP_HLEN, icmphdr } from '../../../include/headers.ts'
import { IP_HEADER_MIN, iphdr } from '../../../include/ip.ts'
import { ipcm_cookie, sockcm_cookie } from '../../../include/ipcm.ts'
import { mib_inc, net } from '../../../include/net_namespace.ts'
import { NET_XMIT_CN, net_device } from '../../../include/netdevice.ts'
import { CHECKSUM_NONE, sk_buff } from '../../../include/skbuff.ts'
import { INET_RECVERR, msghdr, sock } from '../../../include/sock.ts'
import { COST_COPY, charge } from '../../../kernel/cost.ts'
import { htons } from '../../../lib/byteorder.ts'
import { copy_bytes } from '../../../lib/checksum.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../../uapi/dropreason.ts'
import { EINVAL, EMSGSIZE, ENOBUFS } from '../../../uapi/errno.ts'
import { FN_raw_sendmsg } from '../../../uapi/functions.ts'
import { ETH_P_IP } from '../../../uapi/if_ether.ts'
import { NF_INET_LOCAL_OUT } from '../../../uapi/netfilter.ts'
import { IPSTATS_MIB_OUTDISCARDS } from '../../../uapi/snmp.ts'
import { IPPROTO_ICMP, MSG_PROBE } from '../../../uapi/socket.ts'
import { dst_hold } from '../../core/dst.ts'
import { skb_setup_tx_timestamp } from '../../core/skb_tstamp.ts'
import { kfree_skb_reason, skb_dst_set, skb_put, skb_reset_network_header } from '../../core/skbuff.ts'
import { send_waits, sock_alloc_send_skb } from '../../core/sock_wmem.ts'
import { nf_hook } from '../../netfilter/core.ts'
import { icmp_out_count } from '../icmp/count.ts'
import { LL_RESERVED_SPACE } from '../ip_output/finish2.ts'
import { ip_send_check } from '../ip_output/check.ts'
import { dst_output } from '../ip_output/local_out.ts'
import { ip_local_error } from '../ip_sockglue/errors.ts'
import { ip_select_ident } from '../route/ident.ts'

/** Bytes beyond the packet that Linux asks for, for alignment. */
const SPARE: u32 = 15

/** What the sender left at 0 is filled in: source and id; length and checksum always (raw-hdrincl). False: no IP header. */
function complete(owner: net, skb: sk_buff, saddr: u32, len: u32): bool {
  const ip = changetype<iphdr>(skb.data)
  const header = ip.ihl << 2
  if (header > len || header < IP_HEADER_MIN) return false
  if (ip.saddr == 0) ip.saddr = saddr
  ip.tot_len = htons(len)
  if (ip.id == 0) ip_select_ident(owner, skb, 0)
  ip_send_check(ip)
  skb.transport_header += <u16>header
  if (ip.protocol == <u8>IPPROTO_ICMP && len >= header + ICMP_HLEN) {
    icmp_out_count(owner, changetype<icmphdr>(skb.data + header).type)
  }
  return true
}

/** Past LOCAL_OUT to the route; IpOutRequests does not count what a program made itself. 0, NET_XMIT_* or -errno. */
function output(owner: net, sk: sock, skb: sk_buff, rt: rtable): i32 {
  const verdict = nf_hook(owner, NF_INET_LOCAL_OUT, skb, 0, rt.dev)
  if (verdict != 1) return verdict
  const err = dst_output(owner, changetype<usize>(sk), skb)
  return err > 0 ? (err == NET_XMIT_CN ? 0 : -ENOBUFS) : err
}

/** Makes the packet and sends it. 0 or -errno. */
function send(sk: sock, fl4: flowi4, msg: msghdr, rt: rtable, ipc: ipcm_cookie): i32 {
  const len = msg.iov_len
  const p = sock_alloc_send_skb(sk, len + SPARE, LL_RESERVED_SPACE(changetype<net_device>(rt.dev)))
  if (IS_ERR(p)) return <i32>p
  const skb = changetype<sk_buff>(p)
  const owner = changetype<net>(sk.net)
  skb.protocol = htons(ETH_P_IP)
  skb.priority = ipc.priority
  skb.mark = ipc.mark
  skb.tstamp = ipc.transmit_time
  dst_hold(changetype<usize>(rt))
  skb_dst_set(skb, changetype<usize>(rt))
  skb_reset_network_header(skb)
  skb.transport_header = skb.network_header
  skb.ip_summed = <u8>CHECKSUM_NONE
  copy_bytes(skb_put(skb, len), msg.iov_base, len)
  if (ipc.tsflags) skb_setup_tx_timestamp(skb, sk, changetype<sockcm_cookie>(ipc))
  charge(COST_COPY, len)
  if (complete(owner, skb, fl4.saddr, len)) return output(owner, sk, skb, rt)
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN_raw_sendmsg)
  return -EINVAL
}

/**
 * Sends msg, an IP packet, by rt, which stays the caller's. 0 or -errno: -EMSGSIZE (longer than the device takes: it is
 * never cut), -EINVAL (no header), -EAGAIN, -EPIPE; a full device queue is an error only with IP_RECVERR.
 */
export function raw_send_hdrinc(sk: sock, fl4: flowi4, msg: msghdr, rt: rtable, ipc: ipcm_cookie, flags: u32): i32 {
  const mtu = changetype<net_device>(rt.dev).mtu
  if (msg.iov_len > mtu) {
    ip_local_error(sk, EMSGSIZE, fl4.daddr, sk.inet_dport, mtu)
    return -EMSGSIZE
  }
  if (msg.iov_len < IP_HEADER_MIN) return -EINVAL
  if (flags & MSG_PROBE) return 0
  const err = send(sk, fl4, msg, rt, ipc)
  if (err && !send_waits(err, flags)) mib_inc(changetype<net>(sk.net), IPSTATS_MIB_OUTDISCARDS)
  return err == -ENOBUFS && !(sk.inet_flags & INET_RECVERR) ? 0 : err
}
