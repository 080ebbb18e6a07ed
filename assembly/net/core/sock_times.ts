// SOL_SOCKET options about time: stamps of packets, how long a call waits, when a packet leaves. Mirrors parts of
// net/core/sock.c. Layouts are those of C on x86-64. Left out: PHCs.

import {
  SOCK_LINGER,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_TIMESTAMP,
  SOCK_TIMESTAMPING,
  SOCK_TIMESTAMPING_RX_SOFTWARE,
  SOCK_TSTAMP_NEW,
  SOCK_TXTIME,
  sock,
} from '../../include/sock.ts'
import { boot } from '../../lib/boot.ts'
import { EDOM, EINVAL, EOPNOTSUPP } from '../../uapi/errno.ts'
import {
  SOF_TIMESTAMPING_BIND_PHC,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID_TCP,
  SOF_TIMESTAMPING_OPT_STATS,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_RX_SOFTWARE,
  SOF_TIMESTAMPING_SOFTWARE,
  SOF_TIMESTAMPING_TX_COMPLETION,
  SOF_TXTIME_FLAGS_MASK,
  SO_RCVTIMEO_NEW,
  SO_RCVTIMEO_OLD,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPING_OLD,
  SO_TIMESTAMPNS_NEW,
  SO_TIMESTAMPNS_OLD,
  SO_TIMESTAMP_NEW,
} from '../../uapi/socket.ts'

/** A wait without end, in ticks (MAX_SCHEDULE_TIMEOUT). */
export const MAX_SCHEDULE_TIMEOUT: u64 = i64.MAX_VALUE
/** struct timeval, struct sock_txtime, struct so_timestamping. */
const TIMEVAL: u32 = 16
export const SOCK_TXTIME_SIZE: u32 = 8
export const SO_TIMESTAMPING_SIZE: u32 = 8

const SK_FLAGS_TIMESTAMP: u32 = SOCK_TIMESTAMP | SOCK_TIMESTAMPING_RX_SOFTWARE
const SOF_TIMESTAMPING_MASK: u32 = SOF_TIMESTAMPING_TX_COMPLETION * 2 - 1

const CLOCK_REALTIME: i32 = 0
const CLOCK_MONOTONIC: i32 = 1
const CLOCK_TAI: i32 = 11

function set(sk: sock, flag: u32, on: bool): void {
  if (on) sk.sk_flags |= flag
  else sk.sk_flags &= ~flag
}

/** From now on packets are stamped as they come, for one socket more. */
function sock_enable_timestamp(sk: sock, flag: u32): void {
  if (sk.sk_flags & flag) return
  if (!(sk.sk_flags & SK_FLAGS_TIMESTAMP)) boot.netstamp_needed += 1
  sk.sk_flags |= flag
}

/** The socket needs these stamps no more; the last one that does ends them (sock_disable_timestamp). */
export function sock_disable_timestamp(sk: sock, flags: u32): void {
  if (!(sk.sk_flags & flags)) return
  sk.sk_flags &= ~flags
  if (!(sk.sk_flags & SK_FLAGS_TIMESTAMP)) boot.netstamp_needed -= 1
}

/** The socket ends. */
export function sock_stamps_end(sk: sock): void {
  sock_disable_timestamp(sk, SK_FLAGS_TIMESTAMP)
}

/** SO_TIMESTAMP and its kin: the last one that is set says how stamps look. Once on, stamps are taken until the end. */
export function sock_set_timestamp(sk: sock, name: u32, on: bool): void {
  const ns = name == SO_TIMESTAMPNS_OLD || name == SO_TIMESTAMPNS_NEW
  set(sk, SOCK_RCVTSTAMP, on)
  set(sk, SOCK_RCVTSTAMPNS, on && ns)
  if (!on) return
  set(sk, SOCK_TSTAMP_NEW, name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW)
  sock_enable_timestamp(sk, SOCK_TIMESTAMP)
}

/** Is this the kind that was asked for last? SO_TIMESTAMP_NEW is on with SO_TIMESTAMPNS_NEW too, as in Linux. */
export function timestamp_on(sk: sock, name: u32): bool {
  const flags = sk.sk_flags
  const modern = (flags & SOCK_TSTAMP_NEW) != 0
  if (name == SO_TIMESTAMPNS_OLD) return (flags & SOCK_RCVTSTAMPNS) != 0 && !modern
  if (name == SO_TIMESTAMPNS_NEW) return (flags & SOCK_RCVTSTAMPNS) != 0 && modern
  if (name == SO_TIMESTAMP_NEW) return (flags & SOCK_RCVTSTAMP) != 0 && modern
  return (flags & SOCK_RCVTSTAMP) != 0 && !modern && !(flags & SOCK_RCVTSTAMPNS)
}

/** SO_TIMESTAMPING: flags, and behind them the PHC that the stamps should be of. 0 or -errno. */
export function sock_set_timestamping(sk: sock, name: u32, flags: u32): i32 {
  if (flags & ~SOF_TIMESTAMPING_MASK) return -EINVAL
  if (flags & SOF_TIMESTAMPING_OPT_ID_TCP && !(flags & SOF_TIMESTAMPING_OPT_ID)) return -EINVAL
  if (flags & SOF_TIMESTAMPING_OPT_STATS && !(flags & SOF_TIMESTAMPING_OPT_TSONLY)) return -EINVAL
  // No device here has a PHC.
  if (flags & SOF_TIMESTAMPING_BIND_PHC) return sk.sk_bound_dev_if ? -EINVAL : -EOPNOTSUPP
  // Numbers begin anew when they are asked for.
  if (flags & ~sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) sk.sk_tskey = 0
  sk.sk_tsflags = flags
  set(sk, SOCK_TSTAMP_NEW, name == SO_TIMESTAMPING_NEW)
  set(sk, SOCK_TIMESTAMPING, (flags & SOF_TIMESTAMPING_SOFTWARE) != 0)
  if (flags & SOF_TIMESTAMPING_RX_SOFTWARE) sock_enable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE)
  else sock_disable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE)
  return 0
}

/** The flags of SO_TIMESTAMPING; the new option knows only those that were set by it. */
export function sock_get_timestamping(sk: sock, name: u32): u32 {
  return name == SO_TIMESTAMPING_OLD || sk.sk_flags & SOCK_TSTAMP_NEW ? sk.sk_tsflags : 0
}

/** SO_RCVTIMEO and SO_SNDTIMEO: struct timeval in ticks, rounded up; 0: for ever; negative: not at all. 0 or -errno. */
export function sock_set_timeout(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len < TIMEVAL) return -EINVAL
  const seconds = load<i64>(ptr)
  const micros = load<i64>(ptr, 8)
  if (micros < 0 || micros >= 1000000) return -EDOM
  const hz = <i64>boot.hz
  const tick = 1000000 / hz
  let ticks = MAX_SCHEDULE_TIMEOUT
  if (seconds < 0) ticks = 0
  else if ((seconds | micros) != 0 && seconds < i64.MAX_VALUE / hz - 1) {
    ticks = <u64>(seconds * hz + (micros + tick - 1) / tick)
  }
  if (name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW) sk.sk_rcvtimeo = ticks
  else sk.sk_sndtimeo = ticks
  return 0
}

/** Writes ticks as struct timeval. */
export function timeval_of(ticks: u64, out: usize): void {
  const value: u64 = ticks == MAX_SCHEDULE_TIMEOUT ? 0 : ticks
  const hz = <u64>boot.hz
  store<u64>(out, value / hz)
  store<u64>(out, ((value % hz) * 1000000) / hz, 8)
}

/** SO_LINGER: on or off, and seconds. 0 or -errno. */
export function sock_set_linger(sk: sock, ptr: usize, len: u32): i32 {
  if (len < 8) return -EINVAL
  const on = load<i32>(ptr) != 0
  const seconds = <u64>(<i64>load<i32>(ptr, 4))
  const hz = <u64>boot.hz
  if (on) sk.sk_lingertime = seconds >= MAX_SCHEDULE_TIMEOUT / hz ? MAX_SCHEDULE_TIMEOUT : seconds * hz
  set(sk, SOCK_LINGER, on)
  return 0
}

/** SO_TXTIME: which clock departure times are of, and flags. 0 or -errno. */
export function sock_set_txtime(sk: sock, ptr: usize, len: u32): i32 {
  if (len != SOCK_TXTIME_SIZE) return -EINVAL
  const clock = load<i32>(ptr)
  const flags = load<u32>(ptr, 4)
  if (flags & ~SOF_TXTIME_FLAGS_MASK) return -EINVAL
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_TAI) return -EINVAL
  sk.sk_flags |= SOCK_TXTIME
  sk.sk_clockid = clock
  sk.sk_txtime_flags = flags
  return 0
}
