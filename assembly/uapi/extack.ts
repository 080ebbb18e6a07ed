// What the kernel says beside the errno when it refuses a request about qdiscs (NL_SET_ERR_MSG): numbers, and their words in
// src/net/sched/extack.ts.

export const EXTACK_NONE: u32 = 0
export const EXTACK_KIND_UNKNOWN: u32 = 1
export const EXTACK_QDISC_NOT_FOUND: u32 = 2
export const EXTACK_PARENT_NOT_FOUND: u32 = 3
export const EXTACK_CREATE_FLAG: u32 = 4
export const EXTACK_EXCL_MODIFY: u32 = 5
export const EXTACK_EXCL_OVERRIDE: u32 = 6
export const EXTACK_REPLACE_NEEDED: u32 = 7
export const EXTACK_NOT_CLASSFUL: u32 = 8
export const EXTACK_KIND_MISMATCH: u32 = 9
export const EXTACK_CANNOT_MOVE: u32 = 10
export const EXTACK_LOOP: u32 = 11
export const EXTACK_MINOR_HANDLE: u32 = 12
export const EXTACK_ZERO_HANDLE: u32 = 13
export const EXTACK_DEL_ZERO_HANDLE: u32 = 14
export const EXTACK_INVALID_HANDLE: u32 = 15
export const EXTACK_CLASSID_ZERO: u32 = 16
export const EXTACK_CLASSID_NOT_FOUND: u32 = 17
export const EXTACK_HANDLE_NOT_FOUND: u32 = 18
export const EXTACK_CLASS_NOT_FOUND: u32 = 19
export const EXTACK_NO_CHANGE: u32 = 20
export const EXTACK_NOQUEUE_CLASS: u32 = 21
export const EXTACK_NO_QDISC: u32 = 22
