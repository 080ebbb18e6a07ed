// The options of an answer: route and times go on being recorded, a source route is turned round.
// Mirrors __ip_options_echo of net/ipv4/ip_options.c. Read first: RFC 1122 3.2.1.8, 3.2.2.6, RFC 1812 4.3.2.6.

import { IP_HEADER_MIN, inet_skb_parm, iphdr } from '../../../include/ip.ts'
import { IP_OPTIONS_DATA, ip_options } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { SKB_CB, sk_buff } from '../../../include/skbuff.ts'
import { copy_bytes } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL } from '../../../uapi/errno.ts'
import { FN___ip_options_echo } from '../../../uapi/functions.ts'
import { IPOPT_END, IPOPT_TS_PRESPEC } from '../../../uapi/ip.ts'
import { RTN_UNICAST } from '../../../uapi/rtnetlink.ts'
import { skb_network_header } from '../../core/skbuff.ts'
import { inet_addr_type } from '../fib_frontend.ts'

/** Where the next option of opt goes. */
function next_at(opt: ip_options): usize {
  return changetype<usize>(opt) + IP_OPTIONS_DATA + opt.optlen
}

/** Copies the option at from behind the others; answers its place from the start of the IP header. */
function append(opt: ip_options, from: usize): u8 {
  const len = <u32>load<u8>(from, 1)
  copy_bytes(next_at(opt), from, len)
  const place = <u8>(IP_HEADER_MIN + <u32>opt.optlen)
  opt.optlen += <u8>len
  return place
}

/** Record route: the way back is recorded too while there is room. 0 or -EINVAL. */
function echo_rr(opt: ip_options, came: inet_skb_parm, from: usize): i32 {
  const len = <u32>load<u8>(from, 1)
  const ptr = <u32>load<u8>(from, 2)
  const to = next_at(opt)
  opt.rr = append(opt, from)
  if (!came.rr_needaddr || ptr > len) return 0
  if (ptr + 3 > len) return -EINVAL
  store<u8>(to, <u8>(ptr + 4), 2)
  opt.rr_needaddr = 1
  return 0
}

/** The next prespecified entry: its time is ours to fill in when its address is no other host's. */
function echo_prespec(net: net, opt: ip_options, to: usize, ptr: u32, len: u32): u32 {
  if (ptr + 7 > len || inet_addr_type(net, load<u32>(to + ptr - 1)) == RTN_UNICAST) return ptr
  opt.ts_needtime = 1
  return ptr + 8
}

/** Timestamps: one more entry while there is room. 0 or -EINVAL. */
function echo_ts(net: net, opt: ip_options, came: inet_skb_parm, from: usize): i32 {
  const len = <u32>load<u8>(from, 1)
  let ptr = <u32>load<u8>(from, 2)
  const to = next_at(opt)
  opt.ts = append(opt, from)
  if (ptr > len) return 0
  if (came.ts_needaddr) {
    if (ptr + 3 > len) return -EINVAL
    opt.ts_needaddr = 1
    ptr += 4
  }
  if (came.ts_needtime) {
    if (ptr + 3 > len) return -EINVAL
    if (((<u32>load<u8>(to, 3)) & 15) == IPOPT_TS_PRESPEC) {
      ptr = echo_prespec(net, opt, to, ptr, len)
    } else {
      opt.ts_needtime = 1
      ptr += 4
    }
  }
  store<u8>(to, <u8>ptr, 2)
  return 0
}

/** A source route: the hops passed, last one first; the first of them is where the answer goes (faddr). */
function echo_srr(opt: ip_options, came: inet_skb_parm, from: usize, saddr: u32): void {
  const len = <u32>load<u8>(from, 1)
  const to = next_at(opt)
  let last = min(<u32>load<u8>(from, 2), len + 1) - 4 // the hop passed last, counted from 1
  if (last <= 3) return
  const faddr = load<u32>(from + last - 1)
  let written: u32 = 4 // the last of the new hops is the destination, written by ip_options_build
  for (last -= 4; last > 3; last -= 4, written += 4) store<u32>(to + written - 1, load<u32>(from + last - 1))
  // A route that names the sender as a hop is mended (RFC 1812 5.2.4.1).
  if (load<u32>(from + last + 3) == saddr) written -= 4
  if (written <= 3) return
  opt.faddr = faddr
  store<u8>(to, load<u8>(from))
  store<u8>(to, <u8>(written + 3), 1)
  store<u8>(to, 4, 2)
  opt.srr = <u8>(IP_HEADER_MIN + <u32>opt.optlen)
  opt.optlen += <u8>(written + 3)
  opt.is_strictroute = came.is_strictroute
}

/**
 * Fills opt with the options of an answer to skb, from those in its cb.
 *
 * 0, or -EINVAL when they have no room for what must be added: then nothing is answered.
 */
export function ip_options_echo(net: net, opt: ip_options, skb: sk_buff): i32 {
  walk(FN___ip_options_echo, changetype<usize>(skb))
  memory.fill(changetype<usize>(opt), 0, IP_OPTIONS_DATA)
  const came = changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB)
  if (came.optlen == 0) return 0
  const iph = skb_network_header(skb)
  if (came.rr) {
    const err = echo_rr(opt, came, iph + came.rr)
    if (err) return err
  }
  if (came.ts) {
    const err = echo_ts(net, opt, came, iph + came.ts)
    if (err) return err
  }
  if (came.srr) echo_srr(opt, came, iph + came.srr, changetype<iphdr>(iph).saddr)
  if (came.cipso) opt.cipso = append(opt, iph + came.cipso)
  while (opt.optlen & 3) {
    store<u8>(next_at(opt), <u8>IPOPT_END)
    opt.optlen += 1
  }
  return 0
}
