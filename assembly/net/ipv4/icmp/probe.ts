// The answer to an extended echo request: is an interface of ours there, is it up, has it addresses?
// Mirrors icmp_build_probe of net/ipv4/icmp.c. Read first: RFC 8335.

import { icmphdr } from '../../../include/headers.ts'
import { net, sysctl } from '../../../include/net_namespace.ts'
import { __in_dev_get_rcu, net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { ntohl, ntohs } from '../../../lib/byteorder.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_icmp_build_probe } from '../../../uapi/functions.ts'
import {
  ICMP_AFI_IP,
  ICMP_AFI_IP6,
  ICMP_EXT_CODE_MAL_QUERY,
  ICMP_EXT_CODE_NO_IF,
  ICMP_EXT_ECHOREPLY,
  ICMP_EXT_ECHOREPLY_ACTIVE,
  ICMP_EXT_ECHOREPLY_IPV4,
  ICMP_EXT_ECHO_CTYPE_ADDR,
  ICMP_EXT_ECHO_CTYPE_INDEX,
  ICMP_EXT_ECHO_CTYPE_NAME,
} from '../../../uapi/icmp.ts'
import { IFF_UP } from '../../../uapi/if.ts'
import { SYSCTL_ICMP_ECHO_ENABLE_PROBE } from '../../../uapi/sysctl.ts'
import { __dev_get_by_index, __dev_get_by_name } from '../../core/dev.ts'
import { skb_copy_bits } from '../../core/skbuff_data.ts'
import { __ip_dev_find } from '../devinet.ts'

/** Extension header, then the interface's object: its length, class and type, and what names the interface. */
const EXT_HDR: u32 = 4
const OBJ_HDR: u32 = 4
const IDENT_MAX: u32 = 20
const IFNAMSIZ: u32 = 16
/** An address names its family and length first. */
const ADDR_HDR: u32 = 4

const OBJ: usize = memory.data(8, 4)
const IDENT: usize = memory.data(32, 16)

const NO_DEV: net_device = changetype<net_device>(0)
/** What probed answers for a question that makes no sense. */
const MALFORMED: net_device = changetype<net_device>(1)

/** By an address of ours; nobody has an IPv6 one. */
function by_address(net: net, len: u32): net_device {
  const size = <u32>load<u8>(IDENT, 2)
  if (len < ADDR_HDR || len != ADDR_HDR + size) return MALFORMED
  const family = ntohs(load<u16>(IDENT))
  if (family == ICMP_AFI_IP) return size == 4 ? __ip_dev_find(net, load<u32>(IDENT + ADDR_HDR)) : MALFORMED
  return family == ICMP_AFI_IP6 && size == 16 ? NO_DEV : MALFORMED
}

/** The interface that the request names: NO_DEV if there is none, or MALFORMED. */
function probed(net: net, skb: sk_buff): net_device {
  if (!skb_copy_bits(skb, EXT_HDR, OBJ, OBJ_HDR)) return MALFORMED
  const len = ntohs(load<u16>(OBJ)) - OBJ_HDR
  if (<i32>len <= 0 || len > IDENT_MAX) return MALFORMED
  memory.fill(IDENT, 0, 32)
  if (!skb_copy_bits(skb, EXT_HDR + OBJ_HDR, IDENT, len)) return MALFORMED
  const type = <u32>load<u8>(OBJ, 3)
  if (type == ICMP_EXT_ECHO_CTYPE_NAME) return len < IFNAMSIZ ? __dev_get_by_name(net, IDENT) : MALFORMED
  if (type == ICMP_EXT_ECHO_CTYPE_INDEX) return len == 4 ? __dev_get_by_index(net, ntohl(load<u32>(IDENT))) : MALFORMED
  return type == ICMP_EXT_ECHO_CTYPE_ADDR ? by_address(net, len) : MALFORMED
}

/** The state byte of the answer, which takes the place of the L bit. */
function status_of(dev: net_device): u32 {
  let status: u32 = dev.flags & IFF_UP ? ICMP_EXT_ECHOREPLY_ACTIVE : 0
  const in_dev = __in_dev_get_rcu(dev)
  if (changetype<usize>(in_dev) && in_dev.ifa_list) status |= ICMP_EXT_ECHOREPLY_IPV4
  return status
}

/** Turns the header of a request into that of its answer; skb holds what follows it. False: it is not answered. */
export function icmp_build_probe(net: net, skb: sk_buff, icmph: icmphdr): bool {
  walk(FN_icmp_build_probe, changetype<usize>(skb))
  if (!sysctl(net, SYSCTL_ICMP_ECHO_ENABLE_PROBE)) return false
  // Only interfaces of the node itself can be asked for: the L bit.
  const id = icmph.un
  if (!((id >> 24) & 1)) return false
  icmph.type = <u8>ICMP_EXT_ECHOREPLY
  icmph.un = id & 0x00ffffff
  const dev = probed(net, skb)
  if (dev == MALFORMED) icmph.code = <u8>ICMP_EXT_CODE_MAL_QUERY
  else if (dev == NO_DEV) icmph.code = <u8>ICMP_EXT_CODE_NO_IF
  else icmph.un |= status_of(dev) << 24
  return true
}
