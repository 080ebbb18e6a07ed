// Control messages, as struct cmsghdr lies on x86-64: length (8 bytes), level, type, data; each padded to 8.
// Mirrors net/core/scm.c and the CMSG_ macros of linux/socket.h.

import { msghdr } from '../../include/sock.ts'
import { MSG_CTRUNC } from '../../uapi/socket.ts'

/** Bytes before the data of a control message. */
export const CMSG_HDR: u32 = 16

@unmanaged
@final
export class cmsghdr {
  cmsg_len: u64
  cmsg_level: u32
  cmsg_type: u32
}

export function CMSG_ALIGN(n: u32): u32 {
  return (n + 7) & ~7
}

/** cmsg_len of a message with n bytes of data. */
export function CMSG_LEN(n: u32): u64 {
  return <u64>(CMSG_HDR + n)
}

export function CMSG_DATA(cmsg: cmsghdr): usize {
  return changetype<usize>(cmsg) + CMSG_HDR
}

/** The first message that a sender gave, 0: none. */
export function CMSG_FIRSTHDR(msg: msghdr): usize {
  return msg.msg_controllen >= CMSG_HDR ? msg.msg_control : 0
}

/** Does the message lie within what the sender gave? */
export function CMSG_OK(msg: msghdr, cmsg: cmsghdr): bool {
  const left = msg.msg_control + msg.msg_controllen - changetype<usize>(cmsg)
  return cmsg.cmsg_len >= <u64>CMSG_HDR && cmsg.cmsg_len <= <u64>left
}

/** The message behind one that is CMSG_OK, 0: that was the last. */
export function CMSG_NXTHDR(msg: msghdr, cmsg: cmsghdr): usize {
  const next = changetype<usize>(cmsg) + CMSG_ALIGN(<u32>cmsg.cmsg_len)
  return next + CMSG_HDR > msg.msg_control + msg.msg_controllen ? 0 : next
}

/**
 * Gives a reader a control message of len bytes at data. Moves msg_control and msg_controllen on; MSG_CTRUNC says that
 * there was too little room for all of it.
 */
export function put_cmsg(msg: msghdr, level: u32, type: u32, len: u32, data: usize): void {
  if (msg.msg_control == 0 || msg.msg_controllen < CMSG_HDR) {
    msg.msg_flags |= MSG_CTRUNC
    return
  }
  let bytes = CMSG_HDR + len
  if (msg.msg_controllen < bytes) {
    msg.msg_flags |= MSG_CTRUNC
    bytes = msg.msg_controllen
  }
  const cmsg = changetype<cmsghdr>(msg.msg_control)
  cmsg.cmsg_len = bytes
  cmsg.cmsg_level = level
  cmsg.cmsg_type = type
  memory.copy(CMSG_DATA(cmsg), data, bytes - CMSG_HDR)
  const space = min<u32>(CMSG_ALIGN(CMSG_HDR + len), msg.msg_controllen)
  msg.msg_control += space
  msg.msg_controllen -= space
}

const WORD: usize = memory.data(16, 16)

/** A control message that is one 32-bit number. */
export function put_cmsg_u32(msg: msghdr, level: u32, type: u32, value: u32): void {
  store<u32>(WORD, value)
  put_cmsg(msg, level, type, 4, WORD)
}

/** A time in ns as {seconds, ns or microseconds}, 64 bits each. */
export function put_cmsg_time(msg: msghdr, level: u32, type: u32, ns: u64, unit: u64): void {
  store<u64>(WORD, ns / 1000000000)
  store<u64>(WORD, (ns % 1000000000) / unit, 8)
  put_cmsg(msg, level, type, 16, WORD)
}
