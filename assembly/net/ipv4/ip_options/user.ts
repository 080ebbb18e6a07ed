// Options that a program names (IP_OPTIONS, IP_RETOPTS): checked on the way in, made open again on the way out.
// Mirrors ip_options_get and ip_options_undo of net/ipv4/ip_options.c.

import { IP_HEADER_MIN } from '../../../include/ip.ts'
import { IP_OPTIONS_DATA, ip_options, ip_options_parm } from '../../../include/ipcm.ts'
import { net } from '../../../include/net_namespace.ts'
import { copy_bytes } from '../../../lib/checksum.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL } from '../../../uapi/errno.ts'
import { FN_ip_options_get, FN_ip_options_undo } from '../../../uapi/functions.ts'
import { IPOPT_END, IPOPT_TS_PRESPEC, MAX_IPOPTLEN } from '../../../uapi/ip.ts'
import { NO_SKB } from '../../core/skbuff.ts'
import { __ip_options_compile } from './compile.ts'

/**
 * Reads len bytes of options at data into block (an ip_options of IP_OPTIONS_SIZE bytes): filled up to whole words, the
 * first hop of a source route moved to faddr. 0, or -EINVAL: malformed, or longer than 40 bytes; the block is undefined then.
 */
export function ip_options_get(net: net, block: usize, data: usize, len: u32): i32 {
  walk(FN_ip_options_get, 0)
  if (len > MAX_IPOPTLEN) return -EINVAL
  memory.fill(block, 0, IP_OPTIONS_DATA)
  copy_bytes(block + IP_OPTIONS_DATA, data, len)
  for (; len & 3; len++) store<u8>(block + IP_OPTIONS_DATA + len, <u8>IPOPT_END)
  const opt = changetype<ip_options>(block)
  opt.optlen = <u8>len
  if (len == 0) return 0
  const fault = __ip_options_compile(net, ip_options_parm(opt), NO_SKB, block + IP_OPTIONS_DATA - IP_HEADER_MIN)
  return fault ? -EINVAL : 0
}

/** Where the option at this place of a header lies in a block. */
function option_of(opt: ip_options, place: u32): usize {
  return changetype<usize>(opt) + IP_OPTIONS_DATA + place - IP_HEADER_MIN
}

/** The last four bytes that were set aside at p are free again. */
function give_back(p: usize): void {
  const ptr = <u32>load<u8>(p, 2) - 4
  store<u8>(p, <u8>ptr, 2)
  store<u32>(p + ptr - 1, 0)
}

/** Turns compiled options back into what a program would have named: places that wait for the sender are open. */
export function ip_options_undo(opt: ip_options): void {
  walk(FN_ip_options_undo, 0)
  if (opt.srr) {
    const p = option_of(opt, opt.srr)
    const len = <u32>load<u8>(p, 1)
    memory.copy(p + 7, p + 3, len - 7)
    store<u32>(p, opt.faddr, 3)
  }
  if (opt.rr_needaddr) give_back(option_of(opt, opt.rr))
  if (opt.ts) {
    const p = option_of(opt, opt.ts)
    if (opt.ts_needtime) {
      give_back(p)
      if (((<u32>load<u8>(p, 3)) & 15) == IPOPT_TS_PRESPEC) store<u8>(p, load<u8>(p, 2) - 4, 2)
    }
    if (opt.ts_needaddr) give_back(p)
  }
}
