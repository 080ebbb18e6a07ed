// Extensions behind the packet that an ICMP error quotes: where they begin, and whether they are sound.
// Mirrors ip_icmp_error_rfc4884 of net/ipv4/ip_sockglue.c. Read first: RFC 4884 4, 7 and 8.

import { ICMP_HLEN, icmphdr } from '../../../include/headers.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { ntohs } from '../../../lib/byteorder.ts'
import { csum_fold } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_ip_icmp_error_rfc4884 } from '../../../uapi/functions.ts'
import { ICMP_DEST_UNREACH, ICMP_PARAMETERPROB, ICMP_TIME_EXCEEDED } from '../../../uapi/icmp.ts'
import { SO_EE_RFC4884_FLAG_INVALID } from '../../../uapi/in.ts'
import { skb_transport_header } from '../../core/skbuff.ts'
import { skb_checksum, skb_copy_bits } from '../../core/skbuff_data.ts'

/** A quote with extensions behind it is at least this long (RFC 4884 3). */
const QUOTE_MIN: u32 = 128
/** Both headers: of all extensions (version, checksum), and of each (length, class, type). */
const HEADER: u32 = 4
const VERSION: u32 = 2

const HDR: usize = memory.data(4, 4)

/** Do the objects from at on fill the rest of the message? */
function objects_fit(skb: sk_buff, at: u32): bool {
  while (at < skb.len) {
    if (!skb_copy_bits(skb, at, HDR, HEADER)) return false
    const len = ntohs(load<u16>(HDR))
    if (len < HEADER || len > skb.len - at) return false
    at += len
  }
  return true
}

/** Are the extensions at an offset sound? Those of another version are not looked at. */
function is_sound(skb: sk_buff, at: u32): bool {
  if (!skb_copy_bits(skb, at, HDR, HEADER)) return false
  if ((<u32>load<u8>(HDR)) >> 4 != VERSION) return true
  if (load<u16>(HDR, 2) && csum_fold(skb_checksum(skb, at, skb.len - at, 0))) return false
  return objects_fit(skb, at + HEADER)
}

/**
 * What IP_RECVERR_RFC4884 tells: ee_data has in its low 16 bits how many bytes of the data are before the extensions, and
 * SO_EE_RFC4884_FLAG_INVALID above them. 0: the message has none.
 *
 * Uses: transport_header at the ICMP header, data behind the headers that it quotes.
 */
export function ip_icmp_error_rfc4884(skb: sk_buff): u32 {
  const icmph = changetype<icmphdr>(skb_transport_header(skb))
  const type = <u32>icmph.type
  if (type != ICMP_DEST_UNREACH && type != ICMP_TIME_EXCEEDED && type != ICMP_PARAMETERPROB) return 0
  walk(FN_ip_icmp_error_rfc4884, changetype<usize>(skb))
  const quote = ((icmph.un >> 8) & 0xff) << 2
  const headers = <u32>(skb.data - changetype<usize>(icmph)) - ICMP_HLEN
  if (quote < QUOTE_MIN || quote < headers) return 0
  const at = quote - headers
  if (at + HEADER > skb.len) return 0
  return is_sound(skb, at) ? at : at | (SO_EE_RFC4884_FLAG_INVALID << 16)
}
